//! Matrix products `dst (+)= a · b` for any strides: the one file that names faer.
//!
//! A product is cut into tiles of the destination by its shape alone and each tile is one single-threaded call, so the bits do not depend
//! on the number of threads. There are three ways: faer, which is the fastest for what the second cache holds; `blocked`, which packs both
//! operands, for larger ones and those that lie across; `strip`, which packs none, for the blocks of attention. Dims: M rows, N columns, K
//! inner, B batch.

#[cfg(target_arch = "x86_64")]
mod ahead;
mod batched;
pub(crate) mod bf16;
mod blocked;
mod mat;
mod matvec;
mod pack;
mod strip;
mod tasks;

pub use self::batched::{gemm_batched, gemm_batched_in};
pub(crate) use self::bf16::product_in;
pub use self::bf16::{Precision, Rounded, gemm_bf16, gemm_bias_in, gemm_in, is_accelerated};
pub(crate) use self::mat::Raw;
pub use self::mat::{Accum, MatMut, MatRef};
pub(crate) use self::pack::{PANEL, transposed_panels};
pub(crate) use self::strip::gemm_small;

use gradus_tensor::DType;

use crate::float::Float;
use crate::scratch::with_scratch;
use crate::simd;
use crate::threads::for_each_block;

/// Products of fewer multiply-adds than this run on the caller's thread (measured on 2 cores, `benches/gemm.rs`: 160³ gains 1.5 ×; 96³
/// is done in 19 µs, about what waking a worker costs).
const MIN_PARALLEL_MACS: usize = 1 << 21;
/// A tile holds at least this many multiply-adds (measured: 128³ and 64³ in one call both reach 88 GFLOP/s of 98).
const MIN_TILE_MACS: usize = 1 << 20;
/// Tiles that a big product is cut into at most, enough to feed 16 threads evenly.
const MAX_TILES: usize = 64;
/// Sides of tiles are multiples of this: every micro-kernel (24 × 4, 96 × 4, 48 × 4 …) then runs without ragged edges.
const TILE_STEP: usize = 96;
/// Inner length of one part when a product with a small destination is cut along K (one part of 64 × 576 is 6 ms of work, its sum 20 µs).
const SPLIT_K: usize = 8192;
/// Vector products of fewer multiply-adds than this stay on the caller's thread (from the
/// measured 10 GB/s of a shared machine: 512 KiB in 50 µs; the limit itself was not varied).
const MIN_PARALLEL_MATVEC: usize = 1 << 17;

/// Products of fewer rows than this are left to faer, as packing the right operand would cost more than it gains (measured on Zen 3: 128
/// rows gain 5 to 15 %, 10 rows of 512 columns are level; nothing between was tried).
const MIN_BLOCKED_ROWS: usize = 24;
/// Products of fewer columns than this are left to faer: most of a panel would be padding (not measured: three quarters of one on AVX2).
const MIN_BLOCKED_COLS: usize = 12;
/// With a left operand that lies row by row, products of fewer rows than this are left to faer (measured on Zen 4, of 118 GFLOP/s: 64 × 2048 ×
/// 576 98 against faer's 103, 128 × 1536 × 384 with a transposed right operand 107 against 102).
const MIN_PACKED_ROWS: usize = 96;
/// So are products whose operands and result have fewer elements than this, which the second cache holds (measured on Zen 4: 768 × 128 × 512, 557,000
/// elements, 110 against faer's 114; 2048 × 384 × 384, 1.7 million, 109 against 100) …
const MIN_PACKED_ELEMENTS: usize = 600_000;
/// … unless the right operand is transposed and they have at least this many multiply-adds (measured on Zen 4: 192³ 107 both, 128 × 384 × 384
/// 109 against 103).
const MIN_PACKED_MACS: usize = 1 << 24;
/// Outputs of one block of a product with a vector whose matrix is read column by column, where there are too many for [`matvec::ROWS`].
const WIDE_BLOCK: usize = 1024;
/// The widest panel of a blocked product: what a ragged last one wastes is at most a sixteenth.
const WIDEST_PANEL: usize = 32;

/// What a destination holds before the product is added.
#[derive(Clone, Copy, Debug)]
enum Bias<'a, T> {
    /// `bias[j]` in column `j`.
    PerColumn(&'a [T]),
    /// `bias[i]` in row `i`.
    PerRow(&'a [T]),
}

/// One product: pointers with proven bounds, `dst` not overlapping itself or the inputs.
#[derive(Clone, Copy)]
struct Product<'a, T> {
    dst: Raw<T>,
    accum: Accum,
    a: Raw<T>,
    b: Raw<T>,
    m: usize,
    n: usize,
    k: usize,
    bias: Option<Bias<'a, T>>,
}

/// `dst = a · b` or `dst += a · b`; `(m, k) · (k, n) -> (m, n)`.
///
/// Strides of `a` and `b` may be anything that stays inside their slices. `K = 0` gives zeros (or adds nothing); empty results are fine.
/// The order of summation depends on the shapes and strides only: the bits are the same for any number of threads.
///
/// # Panics
/// If the dims differ: a bug of the caller, ops have validated them.
#[track_caller]
pub fn gemm<T: Float>(mut dst: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let product = Product::new(&mut dst, accum, a, b);
    // SAFETY: MatMut and MatRef proved the bounds of their operands, whose borrows live to the end of this function.
    unsafe { product.run(true) }
}

/// [`gemm`] on the caller's thread: for callers that are one of many parallel blocks. It gives other bits than [`gemm`] may.
#[track_caller]
pub fn gemm_serial<T: Float>(
    mut dst: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let product = Product::new(&mut dst, accum, a, b);
    // SAFETY: as in gemm.
    unsafe { product.run(false) }
}

/// `dst = a · b + bias` with `bias[j]` added to column `j`, fused: a tile takes its bias while it is hot. `(m, k) · (k, n) + (n,) -> (m, n)`.
///
/// # Panics
/// If the dims differ: a bug of the caller.
#[track_caller]
pub fn gemm_bias<T: Float>(mut dst: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, bias: &[T]) {
    let mut product = Product::new(&mut dst, Accum::Replace, a, b);
    assert_eq!(bias.len(), product.n, "gemm_bias: one bias per column");
    product.bias = Some(Bias::PerColumn(bias));
    // SAFETY: as in gemm.
    unsafe { product.run(true) }
}

/// `dst = a · b + bias` with `bias[i]` added to row `i`; `(m, k) · (k, n) + (m, 1) -> (m, n)`. Not `parallel`: as [`gemm_serial`].
#[track_caller]
pub(crate) fn gemm_row_bias<T: Float>(
    mut dst: MatMut<'_, T>,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    bias: Option<&[T]>,
    parallel: bool,
) {
    let mut product = Product::new(&mut dst, Accum::Replace, a, b);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), product.m, "gemm_row_bias: one bias per row");
        product.bias = Some(Bias::PerRow(bias));
    }
    // SAFETY: as in gemm.
    unsafe { product.run(parallel) }
}

/// How a destination is cut into tiles: by its shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    tile_m: usize,
    tile_n: usize,
    across: usize,
    down: usize,
}

impl Grid {
    fn of(m: usize, n: usize, k: usize) -> Self {
        let (mut tile_m, mut tile_n) = (m.max(1), n.max(1));
        loop {
            let tiles = m.div_ceil(tile_m) * n.div_ceil(tile_n);
            let big = tile_m.saturating_mul(tile_n).saturating_mul(k) >= 2 * MIN_TILE_MACS;
            let side = if tile_m >= tile_n {
                &mut tile_m
            } else {
                &mut tile_n
            };
            if tiles >= MAX_TILES || !big || *side <= TILE_STEP {
                break;
            }
            *side = side.div_ceil(2).next_multiple_of(TILE_STEP);
        }
        Self {
            tile_m,
            tile_n,
            down: m.div_ceil(tile_m),
            across: n.div_ceil(tile_n),
        }
    }

    fn tiles(&self) -> usize {
        self.down * self.across
    }
}

impl<'a, T: Float> Product<'a, T> {
    #[track_caller]
    fn new(dst: &mut MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Self {
        assert_eq!(
            (dst.rows(), dst.cols(), a.cols()),
            (a.rows(), b.cols(), b.rows()),
            "gemm: dims differ"
        );
        let (m, n, k) = (dst.rows(), dst.cols(), a.cols());
        Self {
            dst: dst.raw(),
            accum,
            a: a.raw(),
            b: b.raw(),
            m,
            n,
            k,
            bias: None,
        }
    }

    /// # Safety
    /// The operands are readable (`dst` writable) in their whole extent, and `dst` overlaps neither itself nor the inputs.
    unsafe fn run(self, parallel: bool) {
        let (m, n, k) = (self.m, self.n, self.k);
        if k > 0 && m > 1 && n > 1 && self.suits_blocks() {
            let product = self.by_rows();
            let is_long = m.saturating_mul(n) < MIN_TILE_MACS / 64 && k >= 2 * SPLIT_K;
            let macs = m.saturating_mul(n).saturating_mul(k);
            // SAFETY: promised by the caller.
            return unsafe {
                if parallel && is_long {
                    product.split_k(SPLIT_K);
                } else {
                    product.blocked(parallel && macs >= MIN_PARALLEL_MACS);
                }
            };
        }
        // SAFETY: promised by the caller.
        unsafe { self.cut(parallel) }
    }

    /// Cuts the product into parts by its shape and runs them.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn cut(self, parallel: bool) {
        let (m, n, k) = (self.m, self.n, self.k);
        let macs = m.saturating_mul(n).saturating_mul(k);
        let least = if m == 1 || n == 1 {
            MIN_PARALLEL_MATVEC
        } else {
            MIN_PARALLEL_MACS
        };
        if !parallel || macs < least {
            // SAFETY: promised by the caller.
            return unsafe { self.serial() };
        }
        if m == 1 || n == 1 {
            let by_columns = if m == 1 {
                self.b.cs == 1
            } else {
                self.a.rs == 1
            };
            if by_columns && m.max(n) <= matvec::ROWS {
                let part = matvec::part_of_columns(m.max(n));
                // SAFETY: promised by the caller.
                return unsafe {
                    if k > part {
                        self.split_k(part)
                    } else {
                        self.serial()
                    }
                };
            }
            let rows = match by_columns {
                true => WIDE_BLOCK,
                false => (MIN_PARALLEL_MATVEC / k.max(1)).max(8),
            };
            for_each_block(m.max(n), rows, |_, range| {
                let (i, j) = if m == 1 {
                    (0, range.start)
                } else {
                    (range.start, 0)
                };
                let (tile_m, tile_n) = if m == 1 {
                    (1, range.len())
                } else {
                    (range.len(), 1)
                };
                // SAFETY: a part of the operands promised by the caller; the parts of dst are disjoint.
                unsafe { self.sub(i, j, tile_m, tile_n).serial() }
            });
            return;
        }
        let grid = Grid::of(m, n, k);
        if grid.tiles() < 4 && k >= 2 * SPLIT_K {
            // SAFETY: promised by the caller.
            return unsafe { self.split_k(SPLIT_K) };
        }
        for_each_block(grid.tiles(), 1, |tile, _| {
            // SAFETY: a tile of the operands promised by the caller; tiles of dst are disjoint.
            unsafe { self.tile(&grid, tile).serial() }
        });
    }

    /// The part of this product with `m` rows from `i` and `n` columns from `j`.
    fn sub(&self, i: usize, j: usize, m: usize, n: usize) -> Self {
        let bias = self.bias.map(|bias| match bias {
            Bias::PerColumn(bias) => Bias::PerColumn(&bias[j..j + n]),
            Bias::PerRow(bias) => Bias::PerRow(&bias[i..i + m]),
        });
        Self {
            dst: self.dst.at(i, j),
            a: self.a.at(i, 0),
            b: self.b.at(0, j),
            m,
            n,
            bias,
            ..*self
        }
    }

    fn tile(&self, grid: &Grid, tile: usize) -> Self {
        let (i, j) = (
            tile / grid.across * grid.tile_m,
            tile % grid.across * grid.tile_n,
        );
        self.sub(
            i,
            j,
            grid.tile_m.min(self.m - i),
            grid.tile_n.min(self.n - j),
        )
    }

    /// A small destination and a long K: parts of K of this length are summed apart and added in order.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn split_k(self, part: usize) {
        let (m, n) = (self.m, self.n);
        // SAFETY: promised by the caller.
        with_scratch(self.k.div_ceil(part) * m * n, |partial| unsafe {
            self.split_k_in(partial, part)
        });
    }

    /// `split_k` with its buffer of partial sums.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn split_k_in(self, partial: &mut [T], part: usize) {
        let (m, n, k) = (self.m, self.n, self.k);
        let base = Raw {
            ptr: partial.as_mut_ptr(),
            rs: n as isize,
            cs: 1,
        };
        for_each_block(k, part, |number, range| {
            let dst = base.at(number * m, 0);
            let (a, b) = (self.a.at(0, range.start), self.b.at(range.start, 0));
            let product = Self {
                dst,
                accum: Accum::Replace,
                a,
                b,
                k: range.len(),
                bias: None,
                ..self
            };
            // SAFETY: a slice of K of the operands promised by the caller; these partial sums are written by this block only.
            unsafe { product.serial() }
        });
        let (sums, others) = partial.split_at_mut(m * n);
        for other in others.chunks_exact(m * n) {
            for (sum, &other) in sums.iter_mut().zip(other) {
                *sum += other;
            }
        }
        for i in 0..m {
            for j in 0..n {
                let sum = sums[i * n + j];
                let place = self.dst.at(i, j).ptr;
                // SAFETY: (i, j) is an element of dst.
                unsafe {
                    *place = match (self.accum, self.bias) {
                        (Accum::Add, _) => *place + sum,
                        (Accum::Replace, None) => sum,
                        (Accum::Replace, Some(Bias::PerColumn(bias))) => bias[j] + sum,
                        (Accum::Replace, Some(Bias::PerRow(bias))) => bias[i] + sum,
                    };
                }
            }
        }
    }

    /// # Safety
    /// As for `run`.
    unsafe fn serial(mut self) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        // SAFETY: promised by the caller.
        unsafe {
            if self.k == 0 {
                if self.accum == Accum::Replace {
                    self.fill();
                }
                return;
            }
            if self.m == 1 || self.n == 1 {
                if self.bias.is_some() {
                    self.fill();
                    self.accum = Accum::Add;
                    self.bias = None;
                }
                if self.n == 1 && self.vector() || self.m == 1 && self.transpose().vector() {
                    return;
                }
            }
            if self.suits_blocks() {
                return self.by_rows().blocked(false);
            }
            if self.bias.is_some() {
                self.fill();
                self.accum = Accum::Add;
            }
            self.faer();
        }
    }

    /// Whether the product runs in blocks: its destination is contiguous one way, and packing both operands pays.
    fn suits_blocks(&self) -> bool {
        if (self.dst.cs != 1 && self.dst.rs != 1) || simd::is_baseline() {
            return false;
        }
        let Self { m, n, k, a, b, .. } = self.by_rows();
        if m < MIN_BLOCKED_ROWS || n < MIN_BLOCKED_COLS {
            return false;
        }
        if a.cs != 1 {
            return true;
        }
        let padding = n.next_multiple_of(WIDEST_PANEL) - n;
        let macs = m.saturating_mul(n).saturating_mul(k);
        let touched = m
            .saturating_mul(k.saturating_add(n))
            .saturating_add(k.saturating_mul(n));
        m >= MIN_PACKED_ROWS
            && padding <= n / 16
            && (touched >= MIN_PACKED_ELEMENTS || (b.rs == 1 && macs >= MIN_PACKED_MACS))
    }

    /// The product or its transpose, so that the destination's rows are contiguous.
    fn by_rows(self) -> Self {
        if self.dst.cs == 1 {
            self
        } else {
            self.transpose()
        }
    }

    /// As `U`, which is what `T` is.
    fn cast<U>(self) -> Product<'a, U> {
        debug_assert_eq!(size_of::<U>(), size_of::<T>());
        // SAFETY: T and U are the same type, so a slice of the one is a slice of the other.
        let slice = |bias: &'a [T]| unsafe {
            std::slice::from_raw_parts(bias.as_ptr().cast::<U>(), bias.len())
        };
        Product {
            dst: self.dst.cast(),
            accum: self.accum,
            a: self.a.cast(),
            b: self.b.cast(),
            m: self.m,
            n: self.n,
            k: self.k,
            bias: self.bias.map(|bias| match bias {
                Bias::PerColumn(bias) => Bias::PerColumn(slice(bias)),
                Bias::PerRow(bias) => Bias::PerRow(slice(bias)),
            }),
        }
    }

    fn transpose(self) -> Self {
        let (dst, a, b) = (self.dst.transpose(), self.b.transpose(), self.a.transpose());
        Self {
            dst,
            a,
            b,
            m: self.n,
            n: self.m,
            bias: self.bias.map(|bias| match bias {
                Bias::PerColumn(bias) => Bias::PerRow(bias),
                Bias::PerRow(bias) => Bias::PerColumn(bias),
            }),
            ..self
        }
    }

    /// Writes the bias, or zeros, to every element of dst.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn fill(&self) {
        for i in 0..self.m {
            for j in 0..self.n {
                let value = match self.bias {
                    Some(Bias::PerColumn(bias)) => bias[j],
                    Some(Bias::PerRow(bias)) => bias[i],
                    None => T::ZERO,
                };
                // SAFETY: (i, j) is an element of dst.
                unsafe { *self.dst.at(i, j).ptr = value };
            }
        }
    }

    /// Runs a product with one column if its matrix has a unit stride; says whether it did.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn vector(self) -> bool {
        let dims = [self.m, self.k];
        // SAFETY: promised by the caller; the strides are checked here.
        unsafe {
            if self.k == 1 || (self.a.cs == 1 && self.b.rs == 1) {
                matvec::by_rows(self.dst, self.accum, self.a, self.b, dims);
            } else if self.a.rs == 1 {
                matvec::by_columns(self.dst, self.accum, self.a, self.b, dims);
            } else {
                return false;
            }
        }
        true
    }

    /// # Safety
    /// As for `run`; no dim is 0.
    unsafe fn faer(self) {
        // SAFETY: Float is implemented for f32 and f64 only, so the dtype tells which of them T is; the rest is promised by the caller.
        unsafe {
            match T::DTYPE {
                DType::F32 => faer_product::<f32, T>(self),
                _ => faer_product::<f64, T>(self),
            }
        }
    }
}

/// # Safety
/// `T` is `U`, and as for `Product::run`.
unsafe fn faer_product<U: faer::traits::ComplexField, T>(p: Product<'_, T>) {
    let accum = match p.accum {
        Accum::Replace => faer::Accum::Replace,
        Accum::Add => faer::Accum::Add,
    };
    let (dst, a, b) = (p.dst, p.a, p.b);
    // SAFETY: MatRef and MatMut proved that the lowest and highest reachable offsets lie in their slices, so every pointer that faer
    // forms does too; dst overlaps nothing.
    unsafe {
        faer::linalg::matmul::matmul(
            faer::MatMut::<U>::from_raw_parts_mut(dst.ptr.cast(), p.m, p.n, dst.rs, dst.cs),
            accum,
            faer::MatRef::<U>::from_raw_parts(a.ptr.cast_const().cast(), p.m, p.k, a.rs, a.cs),
            faer::MatRef::<U>::from_raw_parts(b.ptr.cast_const().cast(), p.k, p.n, b.rs, b.cs),
            U::one_impl(),
            faer::Par::Seq,
        );
    }
}

#[cfg(test)]
mod tests;
