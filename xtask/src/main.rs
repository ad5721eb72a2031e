//! The project's own tasks: CI, house rules, layers, benchmarks, interoperation.
//!
//! One verb, one file. Nothing here is part of the library or of the `gradus` binary, and nothing needs more than Rust, except
//! `interop` and `fixtures`, which need a Python they are pointed at.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a task reports on stdout")]

mod bench;
mod ci;
mod crash;
mod fixtures;
mod fuzz;
mod interop;
mod layers;
mod mutants;
mod project;
mod python;
mod repeat;
mod runs;
mod sanitize;
mod test;
mod tidy;
mod ulp;

use clap::{Parser, Subcommand};
use project::Project;
use std::process::ExitCode;

/// The project's own tasks.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Everything that .ci/run does: cheapest check first, stops at the first one that fails
    Ci,
    /// Runs the workspace's tests: cargo-nextest if it is installed, `cargo test` otherwise
    Test(test::Args),
    /// Checks the house rules that a program can check; exceptions live in xtask/tidy_allow.toml
    Tidy,
    /// Checks the edges between crates against docs/layers.toml
    Layers,
    /// Trains on many numbers of threads and workers: weights, logs and evaluation must not depend on them
    Repeat(repeat::Args),
    /// Kills runs at random moments and resumes them: they must end as if nobody had
    Crash(crash::Args),
    /// Compares with Python's safetensors, PyTorch and TensorBoard in a virtual environment
    Interop(interop::Args),
    /// Writes the committed golden files anew from the generators beside them
    Fixtures(fixtures::Args),
    /// Plants wrong gradients and sees whether `gradus gradcheck` catches them
    Mutants(mutants::Args),
    /// Calls the ops with arbitrary arguments, or gives the parsers spoilt files: none may panic
    Fuzz(fuzz::Args),
    /// Runs the tests of the crates with unsafe code under AddressSanitizer
    Sanitize(sanitize::Args),
    /// Measures the elementary functions over all f32 bit patterns, or against numpy's tables
    Ulp(ulp::Args),
    /// Runs the criterion benches, or one of the measurements below
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let done = Project::find().and_then(|project| match Args::parse().verb {
        Verb::Ci => ci::run(&project),
        Verb::Test(args) => test::run(&project, &args),
        Verb::Tidy => tidy::run(&project),
        Verb::Layers => layers::run(&project),
        Verb::Repeat(args) => repeat::run(&project, &args),
        Verb::Crash(args) => crash::run(&project, &args),
        Verb::Interop(args) => interop::run(&project, &args),
        Verb::Fixtures(args) => fixtures::run(&project, &args),
        Verb::Mutants(args) => mutants::run(&project, &args),
        Verb::Fuzz(args) => fuzz::run(&project, &args),
        Verb::Sanitize(args) => sanitize::run(&project, &args),
        Verb::Ulp(args) => ulp::run(&project, &args),
        Verb::Bench(args) => bench::run(&project, &args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
