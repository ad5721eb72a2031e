//! The two register tiles of the direct kernels, written once for every instruction set through pulp.

use gradus_tensor::DType;
use pulp::{Simd, WithSimd};

use crate::float::Float;
use crate::lanes::{Lanes, lanes};

/// Output channels of a panel of weights.
pub(super) const PANEL: usize = 6;
/// Taps summed one after another before they join the total: keeps long f32 sums accurate.
const RUN: usize = 512;

/// `out[r, p] = bias[r] + Σ_t weights[t, r] · copy[offsets[t] + p]` for `r < rows`, `p < span`, and some places after (see [`super::packed::SLACK`]).
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward<'a, T> {
    pub(super) out: *mut T,
    pub(super) out_pitch: usize,
    pub(super) copy: *const T,
    pub(super) offsets: &'a [usize],
    pub(super) weights: *const T,
    pub(super) bias: [T; PANEL],
    pub(super) rows: usize,
    pub(super) span: usize,
}

impl<T: Float> Forward<'_, T> {
    /// # Safety
    /// `copy` is readable for `max(offsets) + span + SLACK` elements, `weights` for `offsets.len() · rows`; `out` is writable for `rows`
    /// rows of `span + SLACK` elements, `out_pitch` apart; `1 ≤ rows ≤ PANEL`.
    pub(super) unsafe fn run(self) {
        match T::DTYPE {
            DType::F32 => self.typed::<f32>(),
            _ => self.typed::<f64>(),
        }
    }

    /// Called with the `U` that `T` is.
    fn typed<U: Lanes>(self) {
        let bias = self.bias.map(|b| U::from_f64(b.to_f64()));
        let Self {
            out_pitch,
            offsets,
            rows,
            span,
            ..
        } = self;
        let (out, copy, weights) = (
            self.out.cast::<U>(),
            self.copy.cast::<U>(),
            self.weights.cast::<U>(),
        );
        pulp::Arch::new().dispatch(Forward {
            out,
            out_pitch,
            copy,
            offsets,
            weights,
            bias,
            rows,
            span,
        });
    }

    /// Sums of a tile over some taps.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        p: usize,
        offsets: &[usize],
        weights: *const T,
    ) -> [[T::Register<S>; V]; R]
    where
        T: Lanes,
    {
        let width = lanes::<S, T>();
        let mut acc = [[T::splat(simd, T::ZERO); V]; R];
        for (t, &offset) in offsets.iter().enumerate() {
            // SAFETY: offset + p + V · width ≤ max(offsets) + span + SLACK (V · width ≤ SLACK), and the weights hold R per tap.
            unsafe {
                let source = self.copy.add(offset + p);
                let mut x = [T::splat(simd, T::ZERO); V];
                for v in 0..V {
                    x[v] = source
                        .add(v * width)
                        .cast::<T::Register<S>>()
                        .read_unaligned();
                }
                for r in 0..R {
                    let weight = T::splat(simd, *weights.add(t * R + r));
                    for v in 0..V {
                        acc[r][v] = <T as Lanes>::mul_add(simd, x[v], weight, acc[r][v]);
                    }
                }
            }
        }
        acc
    }

    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const V: usize>(self, simd: S)
    where
        T: Lanes,
    {
        let width = lanes::<S, T>();
        let mut p = 0;
        while p < self.span {
            for (part, offsets) in self.offsets.chunks(RUN).enumerate() {
                // SAFETY: the weights hold R per tap, and this part's start at tap part · RUN.
                let weights = unsafe { self.weights.add(part * RUN * R) };
                let acc = self.tile::<S, R, V>(simd, p, offsets, weights);
                for r in 0..R {
                    for v in 0..V {
                        // SAFETY: row r < rows has span + SLACK writable elements.
                        unsafe {
                            let place = self
                                .out
                                .add(r * self.out_pitch + p + v * width)
                                .cast::<T::Register<S>>();
                            let start = if part == 0 {
                                T::splat(simd, self.bias[r])
                            } else {
                                place.read_unaligned()
                            };
                            place.write_unaligned(<T as Lanes>::mul_add(
                                simd,
                                acc[r][v],
                                T::splat(simd, T::ONE),
                                start,
                            ));
                        }
                    }
                }
            }
            p += V * width;
        }
    }
}

impl<T: Lanes> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.rows {
            1 => self.tiles::<S, 1, 8>(simd),
            2 => self.tiles::<S, 2, 4>(simd),
            3 => self.tiles::<S, 3, 3>(simd),
            4 => self.tiles::<S, 4, 2>(simd),
            5 => self.tiles::<S, 5, 2>(simd),
            _ => self.tiles::<S, 6, 2>(simd),
        }
    }
}

/// `out[r, t] += Σ_i Σ_p grads[i, r, p] · copy[i, offsets[t] + p]` for `r < rows`, images `i < images`, places `p < span`.
#[derive(Clone, Copy, Debug)]
pub(super) struct GradWeight<'a, T> {
    pub(super) out: *mut T,
    pub(super) out_pitch: usize,
    pub(super) copy: *const T,
    pub(super) copy_pitch: usize,
    pub(super) offsets: &'a [usize],
    pub(super) grads: *const T,
    pub(super) grads_pitch: usize,
    pub(super) grads_image: usize,
    pub(super) rows: usize,
    pub(super) images: usize,
    pub(super) span: usize,
}

impl<T: Float> GradWeight<'_, T> {
    /// # Safety
    /// For each image `copy` is readable for `max(offsets) + span + SLACK` elements, all finite, and each row of `grads` for
    /// `span + SLACK`, zero from `span` on; `out` is writable for `rows` rows of `offsets.len()`; `1 ≤ rows ≤ PANEL`.
    pub(super) unsafe fn run(self) {
        match T::DTYPE {
            DType::F32 => self.typed::<f32>(),
            _ => self.typed::<f64>(),
        }
    }

    /// Called with the `U` that `T` is.
    fn typed<U: Lanes>(self) {
        pulp::Arch::new().dispatch(GradWeight {
            out: self.out.cast::<U>(),
            out_pitch: self.out_pitch,
            copy: self.copy.cast::<U>(),
            copy_pitch: self.copy_pitch,
            offsets: self.offsets,
            grads: self.grads.cast::<U>(),
            grads_pitch: self.grads_pitch,
            grads_image: self.grads_image,
            rows: self.rows,
            images: self.images,
            span: self.span,
        });
    }

    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const Q: usize>(self, simd: S)
    where
        T: Lanes,
    {
        let taps = self.offsets.len();
        let mut first = 0;
        while first < taps {
            // A ragged last tile computes its last tap several times.
            let mut offset = [0; Q];
            for q in 0..Q {
                offset[q] = self.offsets[(first + q).min(taps - 1)];
            }
            let acc = self.tile::<S, R, Q>(simd, offset);
            for r in 0..R {
                for q in 0..Q.min(taps - first) {
                    // SAFETY: r < rows and first + q < taps.
                    unsafe {
                        *self.out.add(r * self.out_pitch + first + q) +=
                            <T as Lanes>::sum(simd, acc[r][q])
                    };
                }
            }
            first += Q;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const Q: usize>(
        self,
        simd: S,
        offset: [usize; Q],
    ) -> [[T::Register<S>; Q]; R]
    where
        T: Lanes,
    {
        let width = lanes::<S, T>();
        let mut acc = [[T::splat(simd, T::ZERO); Q]; R];
        for i in 0..self.images {
            let mut p = 0;
            while p < self.span {
                // SAFETY: p + width ≤ span + SLACK: inside the image's copy and inside each row of its grads.
                unsafe {
                    let source = self.copy.add(i * self.copy_pitch + p);
                    let mut x = [T::splat(simd, T::ZERO); Q];
                    for q in 0..Q {
                        x[q] = source
                            .add(offset[q])
                            .cast::<T::Register<S>>()
                            .read_unaligned();
                    }
                    let grads = self.grads.add(i * self.grads_image + p);
                    for r in 0..R {
                        let grad = grads
                            .add(r * self.grads_pitch)
                            .cast::<T::Register<S>>()
                            .read_unaligned();
                        for q in 0..Q {
                            acc[r][q] = <T as Lanes>::mul_add(simd, x[q], grad, acc[r][q]);
                        }
                    }
                }
                p += width;
            }
        }
        acc
    }
}

impl<T: Lanes> WithSimd for GradWeight<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.rows {
            1 => self.tiles::<S, 1, 4>(simd),
            2 => self.tiles::<S, 2, 4>(simd),
            3 => self.tiles::<S, 3, 3>(simd),
            4 => self.tiles::<S, 4, 3>(simd),
            5 => self.tiles::<S, 5, 2>(simd),
            _ => self.tiles::<S, 6, 2>(simd),
        }
    }
}
