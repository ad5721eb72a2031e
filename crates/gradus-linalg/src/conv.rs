//! Convolution kernels.
