//! Counter-based random numbers: Philox 4x32-10, distributions, permutations.
#![forbid(unsafe_code)]
