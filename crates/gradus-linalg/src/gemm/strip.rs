//! Small products without packing: operands in the nearest caches, a right operand with contiguous rows, a left one of any strides.
//!
//! A tile of the destination stays in registers while K is walked; elements of the left operand are spread over a register as they are
//! read. Each element is one chain of fused multiply-adds along K. For the blocks of attention, where copying costs more than it saves.

use gradus_tensor::DType;
use pulp::{Simd, WithSimd};

use super::{Accum, MatMut, MatRef, Product, gemm_serial};
use crate::float::Float;
use crate::lanes::{Lanes, lanes};
use crate::simd;

/// [`super::gemm_serial`] for operands that lie in the nearest caches and are used a few times only.
///
/// It is the faster one if the rows of `b` and `dst` are contiguous and whole registers wide; other products are left to `gemm_serial`.
///
/// # Panics
/// If the dims differ: a bug of the caller.
#[track_caller]
pub(crate) fn gemm_small<T: Float>(
    mut dst: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let product = Product::new(&mut dst, accum, a, b);
    let is_whole = product.dst.cs == 1 && product.b.cs == 1 && product.n.is_multiple_of(16);
    if !is_whole || product.k == 0 || simd::is_baseline() {
        return gemm_serial(dst, accum, a, b);
    }
    match T::DTYPE {
        DType::F32 => pulp::Arch::new().dispatch(Strips(product.cast::<f32>())),
        _ => pulp::Arch::new().dispatch(Strips(product.cast::<f64>())),
    }
}

/// A product whose destination and right operand have contiguous rows of a multiple of 16 elements; K is not 0.
struct Strips<'a, T>(Product<'a, T>);

impl<T: Lanes> WithSimd for Strips<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (width, n) = (lanes::<S, T>(), self.0.n);
        let mut j = 0;
        // 16 registers of 32 bytes hold tiles of 12, 32 of other sizes tiles of 24.
        if size_of::<T::Register<S>>() != 32 {
            while j + 4 * width <= n {
                self.strip::<S, 6, 4>(simd, j);
                j += 4 * width;
            }
            while j + 2 * width <= n {
                self.strip::<S, 8, 2>(simd, j);
                j += 2 * width;
            }
        }
        while j + 2 * width <= n {
            self.strip::<S, 6, 2>(simd, j);
            j += 2 * width;
        }
        while j < n {
            self.strip::<S, 8, 1>(simd, j);
            j += width;
        }
    }
}

impl<T: Lanes> Strips<'_, T> {
    /// The columns of `V` registers from `j`, R rows at a time.
    #[inline(always)]
    fn strip<S: Simd, const R: usize, const V: usize>(&self, simd: S, j: usize) {
        let m = self.0.m;
        let mut i = 0;
        while i + R <= m {
            self.tile::<S, R, V>(simd, i, j);
            i += R;
        }
        if i + 4 <= m {
            self.tile::<S, 4, V>(simd, i, j);
            i += 4;
        }
        while i < m {
            self.tile::<S, 1, V>(simd, i, j);
            i += 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&self, simd: S, i: usize, j: usize) {
        let Product {
            dst,
            accum,
            a,
            b,
            k,
            ..
        } = self.0;
        let mut left = [a.ptr.cast_const(); R];
        for r in 0..R {
            left[r] = a.at(i + r, 0).ptr;
        }
        let mut sums = [[T::splat(simd, T::ZERO); V]; R];
        let mut right = b.at(0, j).ptr.cast_const();
        let mut at = 0;
        for _ in 0..k {
            let row = right.cast::<T::Register<S>>();
            let mut x = [T::splat(simd, T::ZERO); V];
            for v in 0..V {
                // SAFETY: V registers of a row of the right operand.
                x[v] = unsafe { row.add(v).read_unaligned() };
            }
            for r in 0..R {
                // SAFETY: the left operand has row i + r and the K columns that `at` walks through.
                let scale = T::splat(simd, unsafe { *left[r].offset(at) });
                for v in 0..V {
                    sums[r][v] = <T as Lanes>::mul_add(simd, scale, x[v], sums[r][v]);
                }
            }
            right = right.wrapping_offset(b.rs);
            at += a.cs;
        }
        let one = T::splat(simd, T::ONE);
        for r in 0..R {
            let row = dst.at(i + r, j).ptr.cast::<T::Register<S>>();
            for v in 0..V {
                // SAFETY: V registers of a row of the destination.
                unsafe {
                    let place = row.add(v);
                    place.write_unaligned(match accum {
                        Accum::Replace => sums[r][v],
                        Accum::Add => {
                            <T as Lanes>::mul_add(simd, sums[r][v], one, place.read_unaligned())
                        }
                    });
                }
            }
        }
    }
}
