//! The product on AVX512-BF16: blocks (Goto and van de Geijn 2008, *Anatomy of High-Performance Matrix Multiplication*, ACM TOMS 34) whose
//! tile of 6 × 64 sums stays in 24 of 32 registers.

use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::pack::{self, LANES, Panels, mask16};
use super::{DEPTH, Job, Rounded};
use crate::gemm::mat::Raw;
use crate::gemm::tasks::Tasks;
use crate::gemm::{Accum, Bias};
use crate::scratch::with_scratch;
use crate::simd::prefetch_all;
use crate::threads::{current_threads, for_each_block, for_each_chunk_mut};

/// Registers across a tile.
const ACROSS: usize = 4;
/// Columns of a panel of the right operand, a tile's width.
pub(crate) const WIDTH: usize = ACROSS * LANES;
/// Rows of a tile.
pub(crate) const HEIGHT: usize = 6;
/// Rows of a panel of a left operand that lies column by column: registers and tiles both divide it.
const PANEL: usize = 48;
/// Rows of a task at most: with [`DEPTH`] terms, 288 KiB of pairs, they stay in the second cache (measured on Zen 4, of 235 GFLOP/s: 2048 ×
/// 3072 × 768 211 against 203 for 288 rows of 512 terms; the others are level).
const ROWS: usize = 192;
/// Words from a packed row to the next: not a power of two, so that six rows fall into different sets of the nearest cache.
const PITCH: usize = DEPTH / 2 + LANES;
/// Elements of the right operand that are packed at a time, 8 MiB: the last cache holds them.
const PACKED: usize = 1 << 22;
/// Multiply-adds of a task at least, if its columns are cut for threads (from the measured 200 GFLOP/s of a Zen 4 core: 20 µs; the limit
/// itself was not varied).
const MIN_TASK_MACS: usize = 1 << 21;

/// Whether the processor has the instructions.
pub(super) fn is_supported() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
    })
}

/// Work space of words.
pub(crate) fn with_words<R>(len: usize, f: impl FnOnce(&mut [u32]) -> R) -> R {
    with_scratch(len, |space: &mut [f32]| {
        // SAFETY: u32 has the size and alignment of f32, and any bits are valid for both.
        f(unsafe { std::slice::from_raw_parts_mut(space.as_mut_ptr().cast::<u32>(), len) })
    })
}

impl<A: Rounded, B: Rounded> Job<'_, A, B> {
    /// Runs the product in blocks.
    ///
    /// # Safety
    /// As for [`Job::run`]; no dim is 0, and the processor has the instructions.
    pub(super) unsafe fn accelerated(self, parallel: bool) {
        // SAFETY: promised by the caller.
        if unsafe { self.of_few_rows(parallel) } {
            return;
        }
        let [_, n, k] = self.dims;
        let deep = (PACKED / n.min(1024)).max(DEPTH) / DEPTH * DEPTH;
        let deep = deep.min(k);
        let wide = ((PACKED / deep) / WIDTH * WIDTH).clamp(WIDTH, n.next_multiple_of(WIDTH));
        let words = wide.min(n.next_multiple_of(LANES)) * deep.div_ceil(2);
        with_words(words, |packed| {
            for j in (0..n).step_by(wide) {
                let cols = wide.min(n - j);
                for p in (0..k).step_by(deep) {
                    let depth = deep.min(k - p);
                    let words = cols.next_multiple_of(LANES) * depth.div_ceil(2);
                    // SAFETY: a part of the operands promised by the caller.
                    unsafe {
                        self.pack_right(&mut packed[..words], [j, cols], [p, depth], parallel);
                        self.tasks(&packed[..words], [j, cols], [p, depth], parallel);
                    }
                }
            }
        });
    }

    /// Packs `cols` columns from `j`, `depth` rows from `p` of the right operand into panels.
    ///
    /// # Safety
    /// The right operand is readable there; the processor has the instructions.
    unsafe fn pack_right(
        self,
        packed: &mut [u32],
        [j, cols]: [usize; 2],
        [p, depth]: [usize; 2],
        parallel: bool,
    ) {
        let of_panel = WIDTH * depth.div_ceil(2);
        let x = self.b.at(p, j).transpose();
        // Pieces of rows as long as can be.
        let threads = if parallel { current_threads() } else { 1 };
        let together = cols.div_ceil(WIDTH).div_ceil(threads);
        for_each_chunk_mut(packed, together * of_panel, |index, dst| {
            let first = index * together * WIDTH;
            let lanes = (together * WIDTH).min(cols - first);
            let panels = Panels {
                width: WIDTH,
                words: of_panel,
                last: (lanes - (lanes - 1) / WIDTH * WIDTH).next_multiple_of(LANES),
            };
            // SAFETY: promised by the caller; panels have room for their columns, rounded up to registers.
            unsafe { pack::in_panels(dst.as_mut_ptr(), panels, x.at(first, 0), lanes, depth) };
        });
    }

    /// Adds the product of `depth` terms from `p` to `cols` columns from `j`.
    ///
    /// # Safety
    /// As for `accelerated`; `packed` is what `pack_right` made of these.
    unsafe fn tasks(
        self,
        packed: &[u32],
        [j, cols]: [usize; 2],
        [p, depth]: [usize; 2],
        parallel: bool,
    ) {
        let m = self.dims[0];
        let most = ROWS.min(m) * cols * depth / MIN_TASK_MACS;
        let units = [m.div_ceil(PANEL), cols.div_ceil(WIDTH)];
        let tasks = Tasks::new(units, 1..=ROWS / PANEL, most.max(1), parallel);
        let task = |index: usize| {
            let [rows, columns] = tasks.get(index);
            let (i, c) = (rows.start * PANEL, columns.start * WIDTH);
            let height = (rows.end * PANEL).min(m) - i;
            let room = if self.a.rs == 1 {
                rows.len() * PANEL * DEPTH.min(depth).div_ceil(2)
            } else {
                height * PITCH
            };
            with_words(room, |copy| {
                let task = Task {
                    job: self,
                    right: packed[c * depth.div_ceil(2)..].as_ptr(),
                    rows: [i, height],
                    cols: [j + c, (columns.end * WIDTH).min(cols) - c],
                    terms: [p, depth],
                };
                // SAFETY: a part of the operands promised by the caller; tasks write different parts of dst.
                unsafe { task.run(copy) }
            });
        };
        if parallel {
            for_each_block(tasks.count(), 1, |index, _| task(index));
        } else {
            (0..tasks.count()).for_each(task);
        }
    }
}

/// A block of the destination and the terms that are added to it. Pairs are the first and how many.
struct Task<'a, A, B> {
    job: Job<'a, A, B>,
    /// The panels of its columns.
    right: *const u32,
    rows: [usize; 2],
    cols: [usize; 2],
    terms: [usize; 2],
}

impl<A: Rounded, B: Rounded> Task<'_, A, B> {
    /// # Safety
    /// As for [`Job::tasks`]; `copy` has room for the packed rows of one part.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn run(self, copy: &mut [u32]) {
        let ([i, rows], [j, cols], [p, depth]) = (self.rows, self.cols, self.terms);
        for from in (0..depth).step_by(DEPTH) {
            let count = DEPTH.min(depth - from);
            let a = self.job.a.at(i, p + from);
            // SAFETY: rows and terms of the left operand; the copy has room for them.
            let left = unsafe { pack_left(copy.as_mut_ptr(), a, rows, count) };
            let out = Out {
                dst: self.job.dst.at(i, 0),
                start: Start::of(&self.job, i, p + from == 0),
            };
            for c in (0..cols).step_by(WIDTH) {
                let lanes = WIDTH.min(cols - c);
                let width = lanes.next_multiple_of(LANES);
                let offset = c * depth.div_ceil(2) + from / 2 * width;
                let right = Right {
                    words: self.right.wrapping_add(offset),
                    first: j + c,
                    lanes,
                };
                // SAFETY: the panel lies in this task's block, its operands are packed.
                unsafe { out.add(left, rows, right, count.div_ceil(2)) }
            }
        }
    }
}

/// Packed rows of the left operand.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    words: *const u32,
    /// Words from a row to the next and from a pair to the next.
    steps: [usize; 2],
    /// Words of a panel, if the rows of a pair follow one another.
    panel: usize,
}

/// A panel of the right operand: `lanes` columns from `first` on, `lanes` rounded up to registers wide.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub(crate) words: *const u32,
    pub(crate) first: usize,
    pub(crate) lanes: usize,
}

impl Left {
    /// Rows that lie one after the other, `pitch` words apart.
    pub(crate) fn along(words: *const u32, pitch: usize) -> Self {
        Self {
            words,
            steps: [pitch, 1],
            panel: 0,
        }
    }

    /// From row `top` on, a multiple of [`HEIGHT`].
    #[inline]
    fn rows(self, top: usize) -> *const u32 {
        if self.panel == 0 {
            self.words.wrapping_add(top * self.steps[0])
        } else {
            self.words
                .wrapping_add(top / PANEL * self.panel + top % PANEL)
        }
    }
}

/// Packs `rows` rows and `count` terms, in the order in which they lie.
///
/// # Safety
/// `a` is readable there; `copy` has room for whole panels, or for rows at [`PITCH`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pack_left<A: Rounded>(copy: *mut u32, a: Raw<A>, rows: usize, count: usize) -> Left {
    if a.rs != 1 {
        // SAFETY: promised by the caller.
        unsafe { pack::along(copy, PITCH, a, rows, count) };
        return Left::along(copy, PITCH);
    }
    let panel = PANEL * count.div_ceil(2);
    // The last panel is as wide as the others, so that its rows lie as theirs.
    let panels = Panels {
        width: PANEL,
        words: panel,
        last: PANEL,
    };
    // SAFETY: promised by the caller.
    unsafe { pack::in_panels(copy, panels, a, rows, count) };
    Left {
        words: copy,
        steps: [1, PANEL],
        panel,
    }
}

/// Where sums go, from the first row of a task on.
pub(crate) struct Out<'a> {
    pub(crate) dst: Raw<f32>,
    pub(crate) start: Start<'a>,
}

impl Out<'_> {
    /// Adds the product of `rows` rows and one panel over `pairs` pairs of terms.
    ///
    /// # Safety
    /// The operands are packed, the destination is writable in these rows and columns, and the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(crate) unsafe fn add(&self, left: Left, rows: usize, right: Right, pairs: usize) {
        for top in (0..rows).step_by(HEIGHT) {
            let tile = Tile {
                left: left.rows(top),
                steps: left.steps,
                right: right.words,
                pairs,
                at: [top, right.first],
                lanes: right.lanes,
            };
            // SAFETY: promised by the caller.
            unsafe { tile.sized(HEIGHT.min(rows - top), self) }
        }
    }
}

/// What is added to the sums.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    Zero,
    /// A value for each column.
    Columns(&'a [f32]),
    /// A value for each row, from the first of the task on.
    Rows(&'a [f32]),
    /// What the destination holds.
    Held,
}

impl<'a> Start<'a> {
    /// For the rows from `i`; `first` says that no terms came before.
    pub(in crate::gemm) fn of<A, B>(job: &Job<'a, A, B>, i: usize, first: bool) -> Self {
        match (first, job.accum, job.bias) {
            (true, Accum::Replace, None) => Start::Zero,
            (true, Accum::Replace, Some(Bias::PerColumn(bias))) => Start::Columns(bias),
            (true, Accum::Replace, Some(Bias::PerRow(bias))) => Start::Rows(&bias[i..]),
            _ => Start::Held,
        }
    }
}

/// A tile of the destination.
#[derive(Clone, Copy)]
struct Tile {
    left: *const u32,
    steps: [usize; 2],
    /// Its panel, `lanes` rounded up to registers wide.
    right: *const u32,
    pairs: usize,
    /// Its first row in the task and first column.
    at: [usize; 2],
    lanes: usize,
}

impl Tile {
    /// # Safety
    /// The operands are packed, the destination is writable in `rows` rows and `lanes` columns.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[inline]
    unsafe fn sized(self, rows: usize, out: &Out<'_>) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.lanes.div_ceil(LANES) {
                4.. => self.high::<4>(rows, out),
                3 => self.high::<3>(rows, out),
                2 => self.high::<2>(rows, out),
                _ => self.high::<1>(rows, out),
            }
        }
    }

    /// # Safety
    /// As for `sized`, the tile being `V` registers wide.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn high<const V: usize>(self, rows: usize, out: &Out<'_>) {
        // SAFETY: promised by the caller.
        unsafe {
            match rows {
                6.. => self.run::<6, V>(out),
                5 => self.run::<5, V>(out),
                4 => self.run::<4, V>(out),
                3 => self.run::<3, V>(out),
                2 => self.run::<2, V>(out),
                _ => self.run::<1, V>(out),
            }
        }
    }

    /// # Safety
    /// As for `sized`, the tile being `R` rows high and `V` registers wide.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn run<const R: usize, const V: usize>(self, out: &Out<'_>) {
        let [i, j] = self.at;
        if out.dst.cs == 1 {
            for r in 0..R {
                prefetch_all(out.dst.at(i + r, j).ptr, V * LANES);
            }
        }
        // SAFETY: promised by the caller.
        let sums = unsafe { self.sums::<R, V>() };
        for (r, sums) in sums.iter().enumerate() {
            let place = out.dst.at(i + r, j).ptr;
            if out.dst.cs != 1 {
                let mut values = [0.0_f32; WIDTH];
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: V registers are at most WIDTH values.
                    unsafe { _mm512_storeu_ps(values.as_mut_ptr().add(v * LANES), sum) };
                }
                for (c, &sum) in values[..self.lanes].iter().enumerate() {
                    let place = out.dst.at(i + r, j + c).ptr;
                    // SAFETY: the destination has this row and column.
                    unsafe {
                        *place = match out.start {
                            Start::Zero => sum,
                            Start::Columns(bias) => bias[j + c] + sum,
                            Start::Rows(bias) => bias[i + r] + sum,
                            Start::Held => *place + sum,
                        };
                    }
                }
                continue;
            }
            let held = match out.start {
                Start::Columns(bias) => bias[j..].as_ptr(),
                _ => place.cast_const(),
            };
            for (v, &sum) in sums.iter().enumerate() {
                let mask = mask16(self.lanes - v * LANES);
                // SAFETY: the mask leaves out columns past the last; the destination has the others, and so has a bias of columns.
                unsafe {
                    let sum = match out.start {
                        Start::Zero => sum,
                        Start::Rows(bias) => _mm512_add_ps(_mm512_set1_ps(bias[i + r]), sum),
                        _ => {
                            let held = _mm512_maskz_loadu_ps(mask, held.wrapping_add(v * LANES));
                            _mm512_add_ps(held, sum)
                        }
                    };
                    _mm512_mask_storeu_ps(place.wrapping_add(v * LANES), mask, sum);
                }
            }
        }
    }

    /// The sums of `R` rows and `V` registers.
    ///
    /// # Safety
    /// The operands are packed.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[inline]
    unsafe fn sums<const R: usize, const V: usize>(self) -> [[__m512; V]; R] {
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        let [row, pair] = self.steps;
        let (mut left, mut right) = (self.left, self.right);
        for _ in 0..self.pairs {
            let mut columns = [_mm512_setzero_si512(); V];
            // SAFETY: the panel holds V registers a pair, the rows a word a pair; words are reinterpreted as pairs.
            unsafe {
                for (v, column) in columns.iter_mut().enumerate() {
                    *column = _mm512_loadu_si512(right.wrapping_add(v * LANES).cast());
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let word = _mm512_set1_epi32(*left.wrapping_add(r * row).cast::<i32>());
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = _mm512_dpbf16_ps(
                            *sum,
                            std::mem::transmute::<__m512i, __m512bh>(word),
                            std::mem::transmute::<__m512i, __m512bh>(column),
                        );
                    }
                }
            }
            left = left.wrapping_add(pair);
            right = right.wrapping_add(V * LANES);
        }
        sums
    }
}
