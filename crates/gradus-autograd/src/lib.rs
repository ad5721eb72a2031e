//! Reverse-mode automatic differentiation with gradients of gradients and public gradient checks.
#![forbid(unsafe_code)]
