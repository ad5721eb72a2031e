//! The integration tests of this crate, one binary.

mod adapters;
mod decoders;
mod glassllm;
