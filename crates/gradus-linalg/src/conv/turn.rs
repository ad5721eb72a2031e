//! Squares of 16 × 16 elements, turned: pixels of a channel (or of an image) become channels (or images) of a pixel, and back.

/// Elements of a side of a square: channels, or images, that are worked on together in one or two registers.
pub(super) const LANES: usize = 16;

/// Squares to be turned: `dst[c, r] = source[r, c]` for the rows and columns of each, whose elements follow one another in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Squares {
    pub(super) count: usize,
    pub(super) source: *const f32,
    /// Distances between rows and between squares.
    pub(super) from: [usize; 2],
    pub(super) dst: *mut f32,
    pub(super) to: [usize; 2],
}

impl Squares {
    /// # Safety
    /// Each row of a square has [`LANES`] readable elements in `source` and as many writable ones in `dst`. The two may be the same square.
    pub(super) unsafe fn turn(self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(v4) = pulp::x86::V4::try_new() {
            return v4.vectorize(self);
        }
        for square in 0..self.count {
            let mut turned = [[0.0; LANES]; LANES];
            for r in 0..LANES {
                let row = self
                    .source
                    .wrapping_add(square * self.from[1] + r * self.from[0]);
                // SAFETY: promised by the caller.
                let row = unsafe { row.cast::<[f32; LANES]>().read_unaligned() };
                for c in 0..LANES {
                    turned[c][r] = row[c];
                }
            }
            for (r, row) in turned.into_iter().enumerate() {
                let dst = self.dst.wrapping_add(square * self.to[1] + r * self.to[0]);
                // SAFETY: promised by the caller.
                unsafe { dst.cast::<[f32; LANES]>().write_unaligned(row) };
            }
        }
    }
}

/// By halves: pairs of rows, of pairs, and of quarters of a register.
#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Squares {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        use core::arch::x86_64::{
            _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_setzero_ps,
            _mm512_shuffle_f32x4, _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps,
            _mm512_unpacklo_pd, _mm512_unpacklo_ps,
        };
        // SAFETY: `turn` calls this where AVX-512 was found, and its caller promises that the squares are readable and writable.
        unsafe {
            for square in 0..self.count {
                let source = self.source.wrapping_add(square * self.from[1]);
                let dst = self.dst.wrapping_add(square * self.to[1]);
                let mut rows = [_mm512_setzero_ps(); LANES];
                for k in 0..LANES / 2 {
                    let a = _mm512_loadu_ps(source.wrapping_add(2 * k * self.from[0]));
                    let b = _mm512_loadu_ps(source.wrapping_add((2 * k + 1) * self.from[0]));
                    rows[2 * k] = _mm512_unpacklo_ps(a, b);
                    rows[2 * k + 1] = _mm512_unpackhi_ps(a, b);
                }
                for k in 0..LANES / 4 {
                    for (at, (a, b)) in [
                        (4 * k, (rows[4 * k], rows[4 * k + 2])),
                        (4 * k + 2, (rows[4 * k + 1], rows[4 * k + 3])),
                    ] {
                        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
                        rows[at] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                        rows[at + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                    }
                }
                for k in 0..LANES / 4 {
                    let (a, b, c, d) = (rows[k], rows[k + 4], rows[k + 8], rows[k + 12]);
                    let (even, odd) = (
                        _mm512_shuffle_f32x4::<0x88>(a, b),
                        _mm512_shuffle_f32x4::<0xdd>(a, b),
                    );
                    let (even_2, odd_2) = (
                        _mm512_shuffle_f32x4::<0x88>(c, d),
                        _mm512_shuffle_f32x4::<0xdd>(c, d),
                    );
                    for (at, value) in [
                        (k, _mm512_shuffle_f32x4::<0x88>(even, even_2)),
                        (k + 4, _mm512_shuffle_f32x4::<0x88>(odd, odd_2)),
                        (k + 8, _mm512_shuffle_f32x4::<0xdd>(even, even_2)),
                        (k + 12, _mm512_shuffle_f32x4::<0xdd>(odd, odd_2)),
                    ] {
                        _mm512_storeu_ps(dst.wrapping_add(at * self.to[0]), value);
                    }
                }
            }
        }
    }
}
