//! CPU kernels on slices and layouts: GEMM, convolution, elementwise, reductions, norms, optimizer steps.
//!
//! A kernel writes into a caller's buffer (`dst, accum, inputs…, params`), returns no errors (the ops validate,
//! kernels only `debug_assert!`), and gives the same bits for any number of threads: work is cut by shape only, and
//! every reduction has fixed blocks and a fixed order of combination. Loops are written once, as plain lane loops
//! inside [`simd::dispatch`], and the compiler vectorises them for each instruction set.
//!
//! Nothing here knows about gradients or dtypes at run time.
#![allow(unsafe_code)]

// foundation
pub mod float;
pub mod limits;
pub mod math;
pub mod simd;
pub mod threads;

// elementwise, reductions and what is built from them
pub mod attention;
pub mod copy;
pub mod cross_entropy;
pub mod ctc;
pub mod elementwise;
pub mod embedding;
pub mod margin;
pub mod movement;
pub mod optimizer;
pub mod random;
pub mod reduce;
pub mod reduce_arg;
pub mod rounded;
pub mod scan;
pub mod scatter;
pub mod softmax;
pub mod sort;
pub mod trig;

// matrix products and image kernels
pub mod conv;
pub mod decomp;
pub mod gemm;
pub mod grid_sample;
pub mod im2col;
pub mod norm;
pub mod pool;
pub mod resample;

mod lanes;
mod reader;
mod scratch;

pub use float::Float;
