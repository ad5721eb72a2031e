//! The four transforms of F(4 × 4, 3 × 3), each one a small matrix on both sides of a tile, for 16 channels at once.
//!
//! Points of the interpolation are 0, ±5/8, ±3/2 and ∞. All elements of the matrices for images are exact in f32; the usual points 0, ±1,
//! ±2 give two to three times the error. With `a = 5/8`, `b = 3/2`, a line of six pixels `d` becomes
//! `(a²b² d₀ - (a² + b²) d₂ + d₄, …)`, and a line of six products gives its four outputs as the values at the points.

use pulp::{Simd, WithSimd};

use super::super::turn::LANES;

/// Pixels of a side of a tile of inputs; the products of a tile are the square of this.
pub(super) const SIDE: usize = 6;
/// Outputs of a side of a tile.
pub(super) const STEP: usize = 4;
/// Products of a tile and a pair of channels.
pub(super) const PRODUCTS: usize = SIDE * SIDE;

const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
/// `a² b²`, the product of the differences of 0 to the other points.
const N0: f32 = A2 * B2;
/// The same for `±a` and `±b`.
const NA: f32 = 2.0 * A2 * (A2 - B2);
const NB: f32 = 2.0 * B2 * (B2 - A2);

/// `x · scale + y`
#[inline(always)]
fn add<S: Simd>(s: S, x: S::f32s, scale: f32, y: S::f32s) -> S::f32s {
    s.mul_add_f32s(x, s.splat_f32s(scale), y)
}

#[inline(always)]
fn scaled<S: Simd>(s: S, x: S::f32s, scale: f32) -> S::f32s {
    s.mul_f32s(x, s.splat_f32s(scale))
}

/// One of the matrices, applied to a line of `I` elements. (A trait and not a closure, which the compiler would not inline into code for
/// an instruction set.)
trait Line<const I: usize, const O: usize> {
    fn apply<S: Simd>(s: S, line: [S::f32s; I]) -> [S::f32s; O];
}

/// `Bᵀ d`: six pixels to the factors of six products.
struct OfPixels;

impl Line<SIDE, SIDE> for OfPixels {
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
        let (even_a, odd_a) = (add(s, d[2], -B2, d[4]), add(s, d[1], -B2, d[3]));
        let (even_b, odd_b) = (add(s, d[2], -A2, d[4]), add(s, d[1], -A2, d[3]));
        [
            add(s, d[0], N0, add(s, d[2], -(A2 + B2), d[4])),
            add(s, odd_a, A, even_a),
            add(s, odd_a, -A, even_a),
            add(s, odd_b, B, even_b),
            add(s, odd_b, -B, even_b),
            add(s, d[1], N0, add(s, d[3], -(A2 + B2), d[5])),
        ]
    }
}

/// `A y`: gradients of four outputs to the factors of six products.
struct OfGrads;

impl Line<STEP, SIDE> for OfGrads {
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::f32s; STEP]) -> [S::f32s; SIDE] {
        let (even_a, odd_a) = (add(s, y[2], A2, y[0]), add(s, y[3], A2, y[1]));
        let (even_b, odd_b) = (add(s, y[2], B2, y[0]), add(s, y[3], B2, y[1]));
        [
            y[0],
            add(s, odd_a, A, even_a),
            add(s, odd_a, -A, even_a),
            add(s, odd_b, B, even_b),
            add(s, odd_b, -B, even_b),
            y[3],
        ]
    }
}

/// `Aᵀ m`: six products to four outputs.
struct ToOutputs;

impl Line<SIDE, STEP> for ToOutputs {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::f32s; SIDE]) -> [S::f32s; STEP] {
        let (even_a, odd_a) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
        let (even_b, odd_b) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
        [
            s.add_f32s(s.add_f32s(even_a, even_b), m[0]),
            add(s, odd_a, A, scaled(s, odd_b, B)),
            add(s, even_a, A2, scaled(s, even_b, B2)),
            add(s, odd_a, A * A2, add(s, odd_b, B * B2, m[5])),
        ]
    }
}

/// `G w`: three weights to the factors of six products.
struct OfWeights;

impl Line<3, SIDE> for OfWeights {
    #[inline(always)]
    fn apply<S: Simd>(s: S, w: [S::f32s; 3]) -> [S::f32s; SIDE] {
        let even_a = add(s, w[2], A2 / NA, scaled(s, w[0], 1.0 / NA));
        let even_b = add(s, w[2], B2 / NB, scaled(s, w[0], 1.0 / NB));
        [
            scaled(s, w[0], 1.0 / N0),
            add(s, w[1], A / NA, even_a),
            add(s, w[1], -A / NA, even_a),
            add(s, w[1], B / NB, even_b),
            add(s, w[1], -B / NB, even_b),
            w[2],
        ]
    }
}

/// `G w` of a line that is read from its end.
struct OfTurned;

impl Line<3, SIDE> for OfTurned {
    #[inline(always)]
    fn apply<S: Simd>(s: S, w: [S::f32s; 3]) -> [S::f32s; SIDE] {
        OfWeights::apply(s, [w[2], w[1], w[0]])
    }
}

/// `Gᵀ u`: six sums of products to the gradients of three weights.
struct ToWeights;

impl Line<SIDE, 3> for ToWeights {
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::f32s; SIDE]) -> [S::f32s; 3] {
        let (even_a, odd_a) = (s.add_f32s(u[1], u[2]), s.sub_f32s(u[1], u[2]));
        let (even_b, odd_b) = (s.add_f32s(u[3], u[4]), s.sub_f32s(u[3], u[4]));
        let even = add(s, even_b, 1.0 / NB, scaled(s, u[0], 1.0 / N0));
        [
            add(s, even_a, 1.0 / NA, even),
            add(s, odd_a, A / NA, scaled(s, odd_b, B / NB)),
            add(s, even_a, A2 / NA, add(s, even_b, B2 / NB, u[5])),
        ]
    }
}

/// Which transform a [`Transform`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tiles of 6 × 6 pixels to products.
    Pixels,
    /// Tiles of 4 × 4 gradients to products.
    Grads,
    /// Products to 4 × 4 outputs.
    Outputs,
    /// Kernels of 3 × 3 weights to products.
    Weights,
    /// The same with the kernels turned by half a turn.
    Turned,
    /// Products to the gradients of 3 × 3 weights.
    WeightGrads,
}

/// Transforms [`LANES`] channels of some tiles. Element `(row, column)` of tile `t` is read at `starts[t] + row · from[0] + column · from[1]`
/// (the product of a row and a column of products is one element) and written at `t · to_tile + row · to[0] + column · to[1]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transform<'a> {
    pub(super) kind: Kind,
    pub(super) source: *const f32,
    pub(super) starts: &'a [usize],
    pub(super) from: [usize; 2],
    pub(super) dst: *mut f32,
    pub(super) to_tile: usize,
    pub(super) to: [usize; 2],
    /// Added to each element of the result.
    pub(super) bias: [f32; LANES],
}

impl Transform<'_> {
    /// Says whether all results are finite.
    ///
    /// # Safety
    /// All places that the fields name are readable and writable, in [`LANES`] elements each, and nobody else uses those of `dst`.
    pub(super) unsafe fn run(self) -> bool {
        pulp::Arch::new().dispatch(self)
    }

    #[inline(always)]
    fn tiles<S: Simd, L: Line<I, O>, const I: usize, const O: usize>(
        self,
        s: S,
        checked: bool,
    ) -> bool {
        let width = size_of::<S::f32s>() / size_of::<f32>();
        let zero = s.splat_f32s(0.0);
        let mut check = zero;
        for (t, &start) in self.starts.iter().enumerate() {
            for lane in (0..LANES).step_by(width) {
                let source = self.source.wrapping_add(start + lane);
                let dst = self.dst.wrapping_add(t * self.to_tile + lane);
                let mut columns = [[zero; O]; I];
                for c in 0..I {
                    let mut column = [zero; I];
                    for r in 0..I {
                        let place = source.wrapping_add(r * self.from[0] + c * self.from[1]);
                        // SAFETY: promised by the caller of `run`.
                        column[r] = unsafe { place.cast::<S::f32s>().read_unaligned() };
                    }
                    columns[c] = L::apply(s, column);
                }
                // SAFETY: the array has LANES elements, the lanes of this step among them.
                let bias = unsafe {
                    let bias = self.bias.as_ptr().add(lane);
                    bias.cast::<S::f32s>().read_unaligned()
                };
                for r in 0..O {
                    let mut row = [zero; I];
                    for c in 0..I {
                        row[c] = columns[c][r];
                    }
                    let row = L::apply(s, row);
                    for c in 0..O {
                        let mut value = row[c];
                        if checked {
                            value = s.add_f32s(value, bias);
                            check = s.mul_add_f32s(value, zero, check);
                        }
                        let place = dst.wrapping_add(r * self.to[0] + c * self.to[1]);
                        // SAFETY: promised by the caller of `run`.
                        unsafe { place.cast::<S::f32s>().write_unaligned(value) };
                    }
                }
            }
        }
        // 0 · x is not 0 for an x that is not finite.
        s.reduce_sum_f32s(check) == 0.0
    }
}

impl WithSimd for Transform<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> bool {
        match self.kind {
            Kind::Pixels => self.tiles::<S, OfPixels, 6, 6>(s, false),
            Kind::Grads => self.tiles::<S, OfGrads, 4, 6>(s, false),
            Kind::Outputs => self.tiles::<S, ToOutputs, 6, 4>(s, true),
            Kind::Weights => self.tiles::<S, OfWeights, 3, 6>(s, false),
            Kind::Turned => self.tiles::<S, OfTurned, 3, 6>(s, false),
            Kind::WeightGrads => self.tiles::<S, ToWeights, 6, 3>(s, true),
        }
    }
}
