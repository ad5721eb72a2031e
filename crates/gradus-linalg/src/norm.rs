//! Normalisation kernels.
