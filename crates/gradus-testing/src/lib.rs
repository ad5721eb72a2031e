//! Naive f64 references, view generators and tolerances for tests.
//!
//! A dev-dependency only: nothing here is fast, and everything is short enough to be seen to be right.
#![forbid(unsafe_code)]

mod close;
pub mod conv;
pub mod norm;
pub mod pool;
pub mod reference;
mod views;

pub use close::{Real, check_close, check_same_bits};
pub use views::{Placed, placements, sample};
