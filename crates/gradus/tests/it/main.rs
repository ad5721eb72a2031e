//! The examples, each run to its end: what they learn they assert themselves.

mod examples;
