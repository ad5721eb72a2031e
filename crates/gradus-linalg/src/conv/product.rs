//! Products of pixels with 16 channels side by side, whose operands lie as staging and transforms left them: by rows, or term by term; their
//! terms may be those of several rows and images.

use pulp::{Simd, WithSimd};

/// Columns of a product: two registers of 16.
pub(super) const PANEL: usize = 32;
/// Terms of one chain of fused multiply-adds of transformed tiles. Short chains keep the error of the method near that of direct convolution (the table in
/// `docs/numerics.md`): one of 512 doubles it.
const CHAIN: usize = 64;
/// Terms of one chain that runs over several rows of pixels, about.
const LONG_CHAIN: usize = 256;

/// `out[r, j] (+)= Σ_k left[r, k] · right[k, j]` for each of `planes` products, `rows` rows and `panels` panels of [`PANEL`] columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    pub(super) planes: usize,
    pub(super) rows: usize,
    /// Images, rows, and terms of a row.
    pub(super) terms: [usize; 3],
    pub(super) panels: usize,
    pub(super) left: *const f32,
    /// Distances between planes and between rows, whose terms follow one another; or between terms, whose rows do.
    pub(super) left_strides: [usize; 2],
    /// Distances between images and rows of terms.
    pub(super) left_steps: [usize; 2],
    /// Whether the left operand lies term by term.
    pub(super) by_terms: bool,
    pub(super) right: *const f32,
    /// Distances between planes, terms, panels.
    pub(super) right_strides: [usize; 3],
    pub(super) right_steps: [usize; 2],
    pub(super) out: *mut f32,
    /// Distances between planes and rows; the panels of a row follow one another.
    pub(super) out_strides: [usize; 2],
    /// Whether `out` is replaced.
    pub(super) fresh: bool,
}

impl Products {
    /// # Safety
    /// The operands are readable, and `out` is writable and nobody else's, in the extents that the fields name.
    pub(super) unsafe fn run(self) {
        pulp::Arch::new().dispatch(self);
    }

    /// From one row of the left operand to the next.
    #[inline(always)]
    fn row<const TERMS: bool>(&self) -> usize {
        if TERMS { 1 } else { self.left_strides[1] }
    }

    /// From one term of the left operand to the next.
    #[inline(always)]
    fn term<const TERMS: bool>(&self) -> usize {
        if TERMS { self.left_strides[1] } else { 1 }
    }

    #[inline(always)]
    fn all<S: Simd, const HEIGHT: usize, const TERMS: bool>(self, s: S) {
        for plane in 0..self.planes {
            let left = self.left.wrapping_add(plane * self.left_strides[0]);
            let right = self.right.wrapping_add(plane * self.right_strides[0]);
            let out = self.out.wrapping_add(plane * self.out_strides[0]);
            let mut row = 0;
            while row < self.rows {
                let rest = self.rows - row;
                let at = |panel: usize| {
                    (
                        left.wrapping_add(row * self.row::<TERMS>()),
                        right.wrapping_add(panel * self.right_strides[2]),
                        out.wrapping_add(row * self.out_strides[1] + panel * PANEL),
                    )
                };
                // 16 rows are two times 8.
                let height = match rest {
                    _ if rest >= HEIGHT && rest != 16 => HEIGHT,
                    8.. if HEIGHT > 8 => 8,
                    4.. => 4,
                    2.. => 2,
                    _ => 1,
                };
                for panel in 0..self.panels {
                    match height {
                        8 => self.panel::<S, 8, TERMS>(s, at(panel)),
                        4 => self.panel::<S, 4, TERMS>(s, at(panel)),
                        2 => self.panel::<S, 2, TERMS>(s, at(panel)),
                        1 => self.panel::<S, 1, TERMS>(s, at(panel)),
                        _ => self.panel::<S, HEIGHT, TERMS>(s, at(panel)),
                    }
                }
                row += height;
            }
        }
    }

    /// `R` rows of a panel, two registers at a time.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const TERMS: bool>(
        self,
        s: S,
        (left, right, out): (*const f32, *const f32, *mut f32),
    ) {
        let width = size_of::<S::f32s>() / size_of::<f32>();
        let [images, lines, terms] = self.terms;
        let zero = [[s.splat_f32s(0.0); 2]; R];
        for j in (0..PANEL).step_by(2 * width) {
            let (right, out) = (right.wrapping_add(j), out.wrapping_add(j));
            let mut fresh = self.fresh;
            if images * lines == 1 {
                for first in (0..terms).step_by(CHAIN) {
                    let left = left.wrapping_add(first * self.term::<TERMS>());
                    let right = right.wrapping_add(first * self.right_strides[1]);
                    let count = CHAIN.min(terms - first);
                    let sums = self.chain::<S, R, TERMS>(s, zero, left, right, count);
                    self.add::<S, R>(s, sums, out, fresh);
                    fresh = false;
                }
                continue;
            }
            let mut sums = zero;
            let mut length = 0;
            for image in 0..images {
                for line in 0..lines {
                    let left =
                        left.wrapping_add(image * self.left_steps[0] + line * self.left_steps[1]);
                    let right = right
                        .wrapping_add(image * self.right_steps[0] + line * self.right_steps[1]);
                    sums = self.chain::<S, R, TERMS>(s, sums, left, right, terms);
                    length += terms;
                    if length >= LONG_CHAIN || (image + 1 == images && line + 1 == lines) {
                        self.add::<S, R>(s, sums, out, fresh);
                        (fresh, sums, length) = (false, zero, 0);
                    }
                }
            }
        }
    }

    /// Writes sums to `out`, or adds them.
    #[inline(always)]
    fn add<S: Simd, const R: usize>(
        self,
        s: S,
        sums: [[S::f32s; 2]; R],
        out: *mut f32,
        fresh: bool,
    ) {
        let width = size_of::<S::f32s>() / size_of::<f32>();
        for r in 0..R {
            for v in 0..2 {
                let place = out.wrapping_add(r * self.out_strides[1] + v * width);
                let place = place.cast::<S::f32s>();
                // SAFETY: promised by the caller of `run`.
                unsafe {
                    let sum = if fresh {
                        sums[r][v]
                    } else {
                        s.add_f32s(place.read_unaligned(), sums[r][v])
                    };
                    place.write_unaligned(sum);
                }
            }
        }
    }

    /// `sums` and the products of `terms` terms of a row.
    #[inline(always)]
    fn chain<S: Simd, const R: usize, const TERMS: bool>(
        self,
        s: S,
        mut sums: [[S::f32s; 2]; R],
        mut left: *const f32,
        mut right: *const f32,
        terms: usize,
    ) -> [[S::f32s; 2]; R] {
        for _ in 0..terms {
            // SAFETY: promised by the caller of `run`.
            unsafe {
                let x = right.cast::<S::f32s>();
                let (x, y) = (x.read_unaligned(), x.add(1).read_unaligned());
                for r in 0..R {
                    // Every third row has a pointer of its own: the others are within reach of it.
                    let third = left.wrapping_add(r / 3 * (3 * self.row::<TERMS>()));
                    let scale = s.splat_f32s(*third.wrapping_add(r % 3 * self.row::<TERMS>()));
                    sums[r][0] = s.mul_add_f32s(scale, x, sums[r][0]);
                    sums[r][1] = s.mul_add_f32s(scale, y, sums[r][1]);
                }
            }
            left = left.wrapping_add(self.term::<TERMS>());
            right = right.wrapping_add(self.right_strides[1]);
        }
        sums
    }
}

impl WithSimd for Products {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        // 16 registers of 32 bytes hold 6 rows of 2, 32 of other sizes hold 12.
        match (size_of::<S::f32s>() == 32, self.by_terms) {
            (true, true) => self.all::<S, 6, true>(s),
            (true, false) => self.all::<S, 6, false>(s),
            (false, true) => self.all::<S, 12, true>(s),
            (false, false) => self.all::<S, 12, false>(s),
        }
    }
}
