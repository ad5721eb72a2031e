//! Elementwise kernels with broadcasting.
