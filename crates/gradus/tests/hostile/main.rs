//! Untrusted files: every parser over mutated ones, and crafted ones with the error that each gets.
//!
//! All of it goes through the libraries' public doors, in a program whose allocator counts: a file may cost a second, and twice its length
//! in memory plus 64 MiB. `cargo xtask fuzz parsers` runs the same tests for longer.

mod cases;
mod fuzz;
mod guard;
mod making;
mod mutate;
mod parser;
mod parsers;
