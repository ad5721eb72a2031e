//! Matrix products in bf16: operands rounded to bf16, products exact, sums in f32.
//!
//! Where the processor multiplies pairs of bf16 (AVX512-BF16), the operands are rounded while they are packed, in pairs along K, and a tile
//! of the destination stays in registers: twice the arithmetic of f32. Elsewhere rounded copies go through the f32 product, which gives the
//! same products and sums them in another order. An element is a chain along K, cut every [`DEPTH`] terms, whose parts are added in order:
//! its bits depend on its row, its column and K alone, not on the matrices around it nor on threads. A product of at most four rows sums 64
//! interleaved chains instead where the right operand's columns are contiguous, and chains of 128 terms in f32 where its rows are.
//!
//! Rounding is to nearest, ties to even; what overflows becomes infinite; NaN stays NaN. The instruction takes numbers below 2⁻¹²⁶ for 0,
//! operands and sums alike, and so do the roundings around it; the path elsewhere keeps them, as do the chains in f32. Nothing else differs but
//! the order of sums.

#[cfg(target_arch = "x86_64")]
mod few;
#[cfg(target_arch = "x86_64")]
pub(crate) mod kernel;
#[cfg(target_arch = "x86_64")]
pub(crate) mod pack;

use gradus_tensor::{DType, Element, bf16};

use super::mat::Raw;
use super::{Accum, Bias, MIN_PARALLEL_MACS, MatMut, MatRef, Product, gemm, gemm_serial};
use crate::float::Float;
use crate::scratch::with_scratch;

/// Terms of one chain: a panel of this depth is 96 KiB and stays in the second cache.
pub(crate) const DEPTH: usize = 768;

/// In what arithmetic the products of an op run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// That of the dtype.
    #[default]
    Full,
    /// Operands rounded to bf16, sums in f32. Only products of f32 differ: f64 stays as it is.
    Bf16,
}

/// An element that a product in bf16 reads: f32, which it rounds, or bf16.
pub trait Rounded: Element {
    /// The nearest bf16.
    fn to_bf16(self) -> bf16;
}

impl Rounded for f32 {
    #[inline(always)]
    fn to_bf16(self) -> bf16 {
        bf16::from_f32(self)
    }
}

impl Rounded for bf16 {
    #[inline(always)]
    fn to_bf16(self) -> bf16 {
        self
    }
}

/// Whether this machine multiplies pairs of bf16 in one instruction.
pub fn is_accelerated() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        kernel::is_supported()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// `dst = a · b`, or `dst += a · b`, or `dst = a · b + bias` with `bias[j]` added to column `j`; `(m, k) · (k, n) -> (m, n)`.
///
/// Operands may be f32 or bf16, with strides that stay inside their slices. `K = 0` gives zeros or the bias (or adds nothing). A bias goes
/// with [`Accum::Replace`] only.
///
/// # Panics
/// If the dims differ, or there is a bias to be added to: a bug of the caller, ops have validated them.
#[track_caller]
pub fn gemm_bf16<A: Rounded, B: Rounded>(
    mut dst: MatMut<'_, f32>,
    accum: Accum,
    a: MatRef<'_, A>,
    b: MatRef<'_, B>,
    bias: Option<&[f32]>,
) {
    let (m, n, k) = (dst.rows(), dst.cols(), a.cols());
    assert_eq!(
        (m, n, k),
        (a.rows(), b.cols(), b.rows()),
        "gemm_bf16: dims differ"
    );
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "gemm_bf16: one bias per column");
        assert_eq!(accum, Accum::Replace, "gemm_bf16: a bias replaces");
    }
    let job = Job {
        dst: dst.raw(),
        accum,
        a: a.raw(),
        b: b.raw(),
        dims: [m, n, k],
        bias: bias.map(Bias::PerColumn),
    };
    // SAFETY: MatMut and MatRef proved the bounds of their operands, whose borrows live to the end of this function.
    unsafe { job.run(true) }
}

/// [`gemm`] in a precision.
///
/// # Panics
/// If the dims differ: a bug of the caller.
#[track_caller]
pub fn gemm_in<T: Float>(
    precision: Precision,
    mut dst: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let product = Product::new(&mut dst, accum, a, b);
    // SAFETY: MatMut and MatRef proved the bounds of their operands, whose borrows live to the end of this function.
    unsafe { product.run_in(precision, true) }
}

/// [`gemm_serial`] in bf16, if `T` is f32.
#[track_caller]
pub(crate) fn gemm_serial_bf16<T: Float>(
    mut dst: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let product = Product::new(&mut dst, accum, a, b);
    // SAFETY: as in gemm_in.
    unsafe { product.run_in(Precision::Bf16, false) }
}

/// [`super::gemm_bias`] in a precision.
///
/// # Panics
/// If the dims differ: a bug of the caller.
#[track_caller]
pub fn gemm_bias_in<T: Float>(
    precision: Precision,
    mut dst: MatMut<'_, T>,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    bias: &[T],
) {
    let mut product = Product::new(&mut dst, Accum::Replace, a, b);
    assert_eq!(bias.len(), product.n, "gemm_bias_in: one bias per column");
    product.bias = Some(Bias::PerColumn(bias));
    // SAFETY: as in gemm_in.
    unsafe { product.run_in(precision, true) }
}

impl<T: Float> Product<'_, T> {
    /// # Safety
    /// As for [`Product::run`].
    pub(super) unsafe fn run_in(self, precision: Precision, parallel: bool) {
        // SAFETY: promised by the caller.
        unsafe {
            match precision {
                Precision::Bf16 if T::DTYPE == DType::F32 => Job::from(self.cast()).run(parallel),
                _ => self.run(parallel),
            }
        }
    }
}

/// One product, as [`Product`], with operands of two dtypes.
#[derive(Debug)]
pub(super) struct Job<'a, A, B> {
    pub(super) dst: Raw<f32>,
    pub(super) accum: Accum,
    pub(super) a: Raw<A>,
    pub(super) b: Raw<B>,
    /// `[m, n, k]`
    pub(super) dims: [usize; 3],
    pub(super) bias: Option<Bias<'a, f32>>,
}

impl<A, B> Clone for Job<'_, A, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, B> Copy for Job<'_, A, B> {}

impl<'a> From<Product<'a, f32>> for Job<'a, f32, f32> {
    fn from(product: Product<'a, f32>) -> Self {
        Self {
            dst: product.dst,
            accum: product.accum,
            a: product.a,
            b: product.b,
            dims: [product.m, product.n, product.k],
            bias: product.bias,
        }
    }
}

impl<'a, A: Rounded, B: Rounded> Job<'a, A, B> {
    /// # Safety
    /// The operands are readable (`dst` writable) in their whole extent, and `dst` overlaps neither itself nor the inputs.
    pub(super) unsafe fn run(self, parallel: bool) {
        let [m, n, k] = self.dims;
        if m == 0 || n == 0 {
            return;
        }
        let parallel = parallel && m.saturating_mul(n).saturating_mul(k) >= MIN_PARALLEL_MACS;
        // SAFETY: promised by the caller.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if k > 0 && kernel::is_supported() {
                let is_tall = n <= few::MOST && m > few::MOST;
                let by_columns = self.dst.cs != 1 && self.dst.rs == 1 && m > few::MOST;
                return if is_tall || by_columns {
                    self.transpose().accelerated(parallel)
                } else {
                    self.accelerated(parallel)
                };
            }
            self.elsewhere(parallel);
        }
    }

    /// Rounded copies, multiplied in f32.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn elsewhere(self, parallel: bool) {
        let [m, n, k] = self.dims;
        with_scratch(m * k, |a: &mut [f32]| {
            with_scratch(k * n, |b: &mut [f32]| {
                // SAFETY: the operands are readable in their whole extent, dst is writable and overlaps neither itself nor the scratch.
                unsafe {
                    rounded_copy(a, self.a, k);
                    rounded_copy(b, self.b, n);
                    let raw = |x: &mut [f32], columns: usize| Raw {
                        ptr: x.as_mut_ptr(),
                        rs: columns as isize,
                        cs: 1,
                    };
                    let product = Product {
                        dst: self.dst,
                        accum: self.accum,
                        a: raw(a, k),
                        b: raw(b, n),
                        m,
                        n,
                        k,
                        bias: self.bias,
                    };
                    product.run(parallel);
                }
            });
        });
    }

    #[cfg(target_arch = "x86_64")]
    fn transpose(self) -> Job<'a, B, A> {
        let [m, n, k] = self.dims;
        Job {
            dst: self.dst.transpose(),
            accum: self.accum,
            a: self.b.transpose(),
            b: self.a.transpose(),
            dims: [n, m, k],
            bias: self.bias.map(|bias| match bias {
                Bias::PerColumn(bias) => Bias::PerRow(bias),
                Bias::PerRow(bias) => Bias::PerColumn(bias),
            }),
        }
    }
}

/// The values of an operand with `columns` columns, rounded to bf16, row by row.
///
/// # Safety
/// `x` is readable in `dst.len() / columns` rows.
unsafe fn rounded_copy<X: Rounded>(dst: &mut [f32], x: Raw<X>, columns: usize) {
    if columns == 0 {
        return;
    }
    for (i, row) in dst.chunks_exact_mut(columns).enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            *value = unsafe { *x.at(i, j).ptr }.to_bf16().to_f32();
        }
    }
}

/// The product of one block, cut for threads or not, in a precision.
pub(crate) fn product_in<T: Float>(
    precision: Precision,
    parallel: bool,
) -> fn(MatMut<'_, T>, Accum, MatRef<'_, T>, MatRef<'_, T>) {
    match (precision, parallel) {
        (Precision::Full, false) => gemm_serial,
        (Precision::Full, true) => gemm,
        (Precision::Bf16, false) => gemm_serial_bf16,
        (Precision::Bf16, true) => |dst, accum, a, b| gemm_in(Precision::Bf16, dst, accum, a, b),
    }
}

#[cfg(test)]
mod tests;
