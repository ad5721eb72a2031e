//! CPU kernels on slices and layouts: GEMM, convolution, elementwise, reductions, norms, optimizer steps.
