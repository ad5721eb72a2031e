//! Counter-based random numbers: Philox 4x32-10, distributions and permutations.
//!
//! Every number is a pure function of `(seed, stream, step, index)`. Nothing is hidden, so work can be split
//! over any number of threads, repeated in a backward pass, or resumed after a crash, and the numbers stay the same.
//! This crate knows neither tensors nor threads.
#![forbid(unsafe_code)]

mod permutation;
mod philox;
mod rng;

pub use permutation::permutation;
pub use philox::Philox;
pub use rng::Rng;

/// A stable 64-bit stream number for a name, such as a layer's path or a sampler's role (FNV-1a).
///
/// ```
/// assert_ne!(gradus_random::stream_of("dropout1"), gradus_random::stream_of("dropout2"));
/// assert_eq!(gradus_random::stream_of(""), 0xcbf2_9ce4_8422_2325);
/// ```
pub fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
