//! Products whose left operand lies column by column, such as those of a weight's gradient, in blocks (Goto and van de Geijn 2008, *Anatomy
//! of High-Performance Matrix Multiplication*, ACM TOMS 34): the right operand is packed into panels two registers wide, the left one into
//! tiles, and a tile of the destination stays in registers. faer reads such operands at two thirds of the speed (measured on Zen 3).
//!
//! An element is a chain of fused multiply-adds along K, cut into equal parts of at most [`LONGEST`] terms that are added in order. So its bits depend on its
//! row, its column and K alone: not on the size of the matrices around it, the cutting into tiles, the threads or the instruction set.

use gradus_tensor::DType;
use pulp::{Simd, WithSimd};

use super::mat::Raw;
use super::pack::interleave;
use super::tasks::Tasks;
use super::{Accum, Bias, Product};
use crate::float::Float;
use crate::lanes::{Lanes, lanes};
use crate::scratch::with_scratch;
use crate::simd::prefetch;
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Terms of one chain at most. Longer ones load and store the destination less often, and a panel of this depth still stays in the second
/// cache (measured on Zen 4, 1024³: 128 terms 88 GFLOP/s, 256 96, 384 102, 768 105 of 115).
const LONGEST: usize = 768;
/// Elements of the right operand that are packed at a time, 8 MiB of f32: the last cache holds them.
const PACKED: usize = 1 << 21;
/// Elements of the left operand that a task copies at a time: 384 KiB of f32 stay in the second cache beside a panel.
const COPIED: usize = 96 << 10;
/// A task has at least this many multiply-adds, if its columns are cut for threads (as `MIN_TILE_MACS`, for which 128³ was measured; not
/// measured apart).
const MIN_TASK_MACS: usize = 1 << 20;
/// Tiles of a task at least, if its rows are cut for threads (measured on Zen 4, two threads: 768 × 384 × 128 in 8 tasks of 8 tiles 205 GFLOP/s, in 6 of
/// all rows 165 to 190; the limit itself was not varied).
const LOWEST: usize = 4;
/// The highest tile.
const TALLEST: usize = 12;
/// The widest panel: two registers of 16.
const WIDEST: usize = 32;

/// A product whose destination has contiguous rows.
#[derive(Clone, Copy)]
struct Job<'a, T> {
    product: Product<'a, T>,
    /// Width of a panel.
    panel: usize,
    /// Terms of a chain: the parts of K are equal but for the last.
    chain: usize,
}

impl<T: Float> Product<'_, T> {
    /// Runs the product in blocks.
    ///
    /// # Safety
    /// As for [`Product::run`]; the destination has unit stride along its rows.
    pub(super) unsafe fn blocked(self, parallel: bool) {
        debug_assert!(self.dst.cs == 1 || self.n == 1);
        // SAFETY: promised by the caller; Float is implemented for f32 and f64 only, so the dtype tells which of them T is.
        unsafe {
            match T::DTYPE {
                DType::F32 => self.cast::<f32>().in_chunks(parallel),
                _ => self.cast::<f64>().in_chunks(parallel),
            }
        }
    }
}

/// The width of a panel for this machine.
struct Width<T>(std::marker::PhantomData<T>);

impl<T: Lanes> WithSimd for Width<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        2 * lanes::<S, T>()
    }
}

impl<T: Lanes> Product<'_, T> {
    /// Chunks of the right operand, one after the other: packed by all threads, then used by all.
    ///
    /// # Safety
    /// As for `blocked`.
    unsafe fn in_chunks(self, parallel: bool) {
        let panel = pulp::Arch::new().dispatch(Width(std::marker::PhantomData::<T>));
        let (n, k) = (self.n.next_multiple_of(panel), self.k);
        let chain = k.div_ceil(k.div_ceil(LONGEST));
        let job = Job {
            product: self,
            panel,
            chain,
        };
        let deep = (PACKED / n.min(1024)).max(chain) / chain * chain;
        let deep = deep.min(k);
        let wide = ((PACKED / deep).max(1) / panel * panel).clamp(panel, n);
        with_scratch(wide * deep, |packed: &mut [T]| {
            for j in (0..self.n).step_by(wide) {
                let cols = wide.min(self.n - j);
                for p in (0..k).step_by(deep) {
                    let depth = deep.min(k - p);
                    let packed = &mut packed[..cols.next_multiple_of(panel) * depth];
                    // SAFETY: a part of the operands promised by the caller.
                    unsafe {
                        job.pack_right(packed, j, p, depth, parallel);
                        job.tasks(packed, [j, cols], [p, depth], parallel);
                    }
                }
            }
        });
    }
}

impl<T: Lanes> Job<'_, T> {
    /// Packs columns from `j`, `depth` rows from `p` of the right operand into panels, row by row; columns past the end are 0.
    ///
    /// # Safety
    /// The right operand is readable there, in the columns that it has.
    unsafe fn pack_right(self, packed: &mut [T], j: usize, p: usize, depth: usize, parallel: bool) {
        let Product { b, n, .. } = self.product;
        let panel = self.panel;
        let each = |index: usize, dst: &mut [T]| {
            let first = j + index * panel;
            let (b, cols) = (b.at(p, first), panel.min(n - first));
            let cols = [cols, n - first - cols];
            pulp::Arch::new().dispatch(Pack { dst, b, cols });
        };
        let chunk = if parallel {
            panel * depth
        } else {
            packed.len()
        };
        for_each_chunk_mut(packed, chunk, |index, dst| {
            for (at, dst) in dst.chunks_exact_mut(panel * depth).enumerate() {
                each(index * (chunk / (panel * depth)) + at, dst);
            }
        });
    }

    /// Adds the product of `depth` terms from `p` to columns from `j`.
    ///
    /// # Safety
    /// As for `blocked`; `packed` is what `pack_right` made of these.
    unsafe fn tasks(
        self,
        packed: &[T],
        [j, cols]: [usize; 2],
        [p, depth]: [usize; 2],
        parallel: bool,
    ) {
        let (m, panel) = (self.product.m, self.panel);
        let chain = self.chain.min(depth);
        let highest = (COPIED / chain / TALLEST).max(1);
        let most = (highest * TALLEST).min(m) * cols * depth / MIN_TASK_MACS;
        let units = [m.div_ceil(TALLEST), cols.div_ceil(panel)];
        let tasks = Tasks::new(units, LOWEST.min(highest)..=highest, most.max(1), parallel);
        let task = |index: usize| {
            let [tiles, panels] = tasks.get(index);
            let (i, c) = (tiles.start * TALLEST, panels.start * panel);
            let rows = (tiles.end * TALLEST).min(m) - i;
            with_scratch(tiles.len() * TALLEST * chain, |copy: &mut [T]| {
                pulp::Arch::new().dispatch(Task {
                    job: self,
                    packed: &packed[c * depth..],
                    copy: copy.as_mut_ptr(),
                    rows: [i, rows],
                    cols: [j + c, (panels.end * panel).min(cols) - c],
                    terms: [p, depth],
                });
            });
        };
        if parallel {
            for_each_block(tasks.count(), 1, |index, _| task(index));
        } else {
            (0..tasks.count()).for_each(task);
        }
    }
}

/// A panel to be packed: `cols` columns of the right operand, and how many follow, readable in as many rows as `dst` has.
struct Pack<'a, T> {
    dst: &'a mut [T],
    b: Raw<T>,
    cols: [usize; 2],
}

impl<T: Lanes> WithSimd for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { dst, b, cols } = self;
        let columns = b.transpose();
        // SAFETY: as the fields promise; pulp chose S for this machine.
        unsafe {
            match 2 * lanes::<S, T>() {
                32 => interleave::<S, T, 32>(dst, columns, cols),
                16 => interleave::<S, T, 16>(dst, columns, cols),
                8 => interleave::<S, T, 8>(dst, columns, cols),
                4 => interleave::<S, T, 4>(dst, columns, cols),
                _ => interleave::<S, T, 2>(dst, columns, cols),
            }
        }
    }
}

/// A block of the destination and the terms that are added to it.
#[derive(Clone, Copy)]
struct Task<'a, T> {
    job: Job<'a, T>,
    packed: &'a [T],
    /// Space for the rows of the left operand and the terms of a part.
    copy: *mut T,
    /// The first and how many, each.
    rows: [usize; 2],
    cols: [usize; 2],
    terms: [usize; 2],
}

impl<T: Lanes> WithSimd for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // 16 registers of 32 bytes hold 6 rows of 2, 32 of other sizes hold 12.
        if size_of::<T::Register<S>>() == 32 {
            self.run::<S, 6>(simd);
        } else {
            self.run::<S, 12>(simd);
        }
    }
}

impl<T: Lanes> Task<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const HEIGHT: usize>(self, simd: S) {
        let Product { a, .. } = self.job.product;
        let ([i, rows], [first, depth]) = (self.rows, self.terms);
        let chain = self.job.chain;
        for from in (0..depth).step_by(chain) {
            let terms = chain.min(depth - from);
            let part = Part {
                task: self,
                from,
                terms,
            };
            let left = a.at(i, first + from);
            for top in (0..rows).step_by(HEIGHT) {
                let count = HEIGHT.min(rows - top);
                // SAFETY: these rows and terms are the left operand's; the copy has room for all rows in tiles.
                unsafe {
                    let copy =
                        std::slice::from_raw_parts_mut(self.copy.add(top * terms), HEIGHT * terms);
                    let counts = [count, rows - top - count];
                    interleave::<S, T, HEIGHT>(copy, left.at(top, 0), counts);
                }
            }
            part.panels::<S, HEIGHT>(simd);
        }
    }
}

/// The terms of one chain of a task.
#[derive(Clone, Copy)]
struct Part<'a, T> {
    task: Task<'a, T>,
    from: usize,
    terms: usize,
}

impl<T: Lanes> Part<'_, T> {
    /// All tiles of the part.
    #[inline(always)]
    fn panels<S: Simd, const HEIGHT: usize>(self, simd: S) {
        let Task {
            job,
            rows: [_, rows],
            cols: [_, cols],
            terms: [_, depth],
            packed,
            ..
        } = self.task;
        for c in (0..cols).step_by(job.panel) {
            let width = job.panel.min(cols - c);
            let right = packed[c * depth + self.from * job.panel..].as_ptr();
            let mut tile = Tile {
                part: self,
                left: self.task.copy.cast_const(),
                height: HEIGHT,
                right,
                at: [0, c],
                width,
            };
            while tile.at[0] + HEIGHT <= rows {
                tile.run::<S, HEIGHT>(simd);
                tile.at[0] += HEIGHT;
                tile.left = tile.left.wrapping_add(HEIGHT * self.terms);
            }
            // What is left over, in ever lower tiles.
            let rest = rows - tile.at[0];
            if HEIGHT > 8 && rest >= 8 {
                tile = tile.ragged::<S, 8>(simd);
            } else if HEIGHT > 6 && rest >= 6 {
                tile = tile.ragged::<S, 6>(simd);
            }
            if (rows - tile.at[0]) >= 4 {
                tile = tile.ragged::<S, 4>(simd);
            }
            if (rows - tile.at[0]) >= 2 {
                tile = tile.ragged::<S, 2>(simd);
            }
            if rows > tile.at[0] {
                tile.ragged::<S, 1>(simd);
            }
        }
    }
}

/// A tile of the destination, as high as the registers allow and one panel wide.
#[derive(Clone, Copy)]
struct Tile<'a, T> {
    part: Part<'a, T>,
    /// Its rows of the left operand, `height` elements a term.
    left: *const T,
    height: usize,
    right: *const T,
    /// Its first row and column in the task.
    at: [usize; 2],
    width: usize,
}

impl<T: Lanes> Tile<'_, T> {
    #[inline(always)]
    fn ragged<S: Simd, const R: usize>(mut self, simd: S) -> Self {
        self.run::<S, R>(simd);
        self.at[0] += R;
        self.left = self.left.wrapping_add(R);
        self
    }

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Product {
            dst, accum, bias, ..
        } = self.part.task.job.product;
        let (i, j) = (
            self.part.task.rows[0] + self.at[0],
            self.part.task.cols[0] + self.at[1],
        );
        let first = self.part.task.terms[0] + self.part.from == 0;
        let place = dst.at(i, j);
        for r in 0..R {
            prefetch(place.at(r, 0).ptr);
            prefetch(place.at(r, lanes::<S, T>()).ptr);
        }
        let sums = self.sums::<S, R>(simd);
        if self.width < 2 * lanes::<S, T>() {
            let start = |r: usize, c: usize| match (first, accum, bias) {
                (true, Accum::Replace, None) => T::ZERO,
                (true, Accum::Replace, Some(Bias::PerColumn(bias))) => bias[j + c],
                (true, Accum::Replace, Some(Bias::PerRow(bias))) => bias[i + r],
                // SAFETY: an element of the destination.
                _ => unsafe { *place.at(r, c).ptr },
            };
            return self.narrow::<S, R>(place, sums, start);
        }
        let pointer = |row: *const T, v: usize| row.cast::<T::Register<S>>().wrapping_add(v);
        match (first, accum, bias) {
            (true, Accum::Replace, None) => {
                self.write::<S, R>(place, sums, |_, _, sum| sum);
            }
            (true, Accum::Replace, Some(Bias::PerColumn(bias))) => {
                let bias = bias[j..][..self.width].as_ptr();
                self.write::<S, R>(place, sums, |_, v, sum| {
                    // SAFETY: a register of the biases of the tile's columns.
                    add::<S, T>(simd, sum, unsafe { pointer(bias, v).read_unaligned() })
                });
            }
            (true, Accum::Replace, Some(Bias::PerRow(bias))) => {
                let bias = &bias[i..][..R];
                self.write::<S, R>(place, sums, |r, _, sum| {
                    add::<S, T>(simd, sum, T::splat(simd, bias[r]))
                });
            }
            _ => self.write::<S, R>(place, sums, |r, v, sum| {
                // SAFETY: a register of the tile's row r of the destination.
                let held = unsafe { pointer(place.at(r, 0).ptr, v).read_unaligned() };
                add::<S, T>(simd, sum, held)
            }),
        }
    }

    /// Writes a whole tile: `finish(row, register, sum)`. Small, so that it is unrolled and the sums never leave their registers.
    #[inline(always)]
    fn write<S: Simd, const R: usize>(
        self,
        place: Raw<T>,
        sums: [[T::Register<S>; 2]; R],
        finish: impl Fn(usize, usize, T::Register<S>) -> T::Register<S>,
    ) {
        for r in 0..R {
            let row = place.at(r, 0).ptr.cast::<T::Register<S>>();
            for v in 0..2 {
                // SAFETY: the destination has this row and two registers of columns.
                unsafe { row.add(v).write_unaligned(finish(r, v, sums[r][v])) };
            }
        }
    }

    /// Writes a tile of fewer columns than a panel, element by element.
    #[inline(always)]
    fn narrow<S: Simd, const R: usize>(
        self,
        place: Raw<T>,
        sums: [[T::Register<S>; 2]; R],
        start: impl Fn(usize, usize) -> T,
    ) {
        let mut values = [[T::ZERO; WIDEST]; R];
        for r in 0..R {
            let row = values[r].as_mut_ptr().cast::<T::Register<S>>();
            for v in 0..2 {
                // SAFETY: two registers are at most WIDEST elements.
                unsafe { row.add(v).write_unaligned(sums[r][v]) };
            }
        }
        for (r, values) in values.iter().enumerate() {
            for (c, &sum) in values[..self.width].iter().enumerate() {
                // SAFETY: the destination has the first `width` columns of the tile.
                unsafe { *place.at(r, c).ptr = sum + start(r, c) };
            }
        }
    }

    /// The sums of `R` rows over this part's terms.
    #[inline(always)]
    fn sums<S: Simd, const R: usize>(self, simd: S) -> [[T::Register<S>; 2]; R] {
        let (mut left, mut right) = (self.left, self.right.cast::<T::Register<S>>());
        let mut sums = [[T::splat(simd, T::ZERO); 2]; R];
        for _ in 0..self.part.terms {
            // SAFETY: the packed rows hold `height` ≥ R elements a term from here, the panel two registers a term.
            unsafe {
                let (x, y) = (right.read_unaligned(), right.add(1).read_unaligned());
                for r in 0..R {
                    let scale = T::splat(simd, *left.add(r));
                    sums[r][0] = <T as Lanes>::mul_add(simd, scale, x, sums[r][0]);
                    sums[r][1] = <T as Lanes>::mul_add(simd, scale, y, sums[r][1]);
                }
                left = left.wrapping_add(self.height);
                right = right.add(2);
            }
        }
        sums
    }
}

#[inline(always)]
fn add<S: Simd, T: Lanes>(simd: S, a: T::Register<S>, b: T::Register<S>) -> T::Register<S> {
    <T as Lanes>::mul_add(simd, a, T::splat(simd, T::ONE), b)
}
