//! Attention in blocks (Dao et al. 2022, arXiv:2205.14135): softmax on the fly, no matrix of all scores, forward and backward.
//!
//! Letters: G groups that share keys and values, R query heads of a group, L queries, S keys, E width of queries and keys, V width of
//! values. A block of queries walks the blocks of keys in order; the backward computes scores again from the stored log-sum-exp. Forward
//! tasks are blocks of queries, backward tasks are groups: each writes what is its own, so the bits do not depend on threads.
//!
//! A query whose keys are all masked gives 0 and has gradient 0 (museum 56); NaN in a query that has keys comes out as NaN.

mod backward;

use gradus_random::Philox;

use crate::float::Float;
use crate::gemm::{
    Accum, MatMut, MatRef, PANEL, Precision, gemm_serial, gemm_small, product_in, transposed_panels,
};
use crate::scratch::with_scratch;
use crate::simd::{dispatch, prefetch_all};
use crate::softmax::{largest, map_sum};
use crate::threads::for_each_split;

pub use backward::{Given, attention_backward};

/// Queries of a block; with [`KEYS`] its scores are 64 KiB of f32. Measured (Zen 4, 384 heads of 128 queries of 32): 128 take 13.4 ms in f32 and
/// 10.4 in bf16, which packs keys anew for each block, 64 take 13.5 and 10.8.
const QUERIES: usize = 128;
/// Queries of a causal block: of the scores on the diagonal half are computed in vain. Measured (192 heads of 256 queries of 64): 32 take 25.8 ms
/// in f32 and 22.4 in bf16, 64 take 27.4 and 21.2.
const CAUSAL_QUERIES: usize = 32;
/// Keys of a block, a multiple of a panel.
const KEYS: usize = 2 * PANEL;
/// How many rows ahead a copy asks for.
const ROWS_AHEAD: isize = 8;
/// With fewer groups than this the products of a backward are cut for threads, too (not tuned: half of 16 threads).
const FEW_GROUPS: usize = 8;
/// With fewer items than this the queries of an item are several tasks of a forward (not tuned).
const FEW_ITEMS: usize = 8;
/// Fewer queries than this read the keys where they lie: packing would cost more than it saves (from the measured 0.12 ns that packing an
/// element takes and the 0.02 ns of a product with it, Zen 4: one packing is six queries' work; the limit itself was not varied).
const MIN_PACKED_QUERIES: usize = 8;

/// Which keys a query may see: an element for each score, any strides; `offsets[item]` is where the item's `(L, S)` starts.
#[derive(Clone, Debug)]
pub enum Mask<'a, T> {
    /// All.
    None,
    /// Those that are true.
    Bool(MaskView<'a, bool>),
    /// Added to the scores.
    Float(MaskView<'a, T>),
}

/// The elements of a mask.
#[derive(Clone, Debug)]
pub struct MaskView<'a, T> {
    /// All elements.
    pub data: &'a [T],
    /// The first element of each item.
    pub offsets: Vec<isize>,
    /// The strides of L and S.
    pub strides: [isize; 2],
}

impl<T: Copy> MaskView<'_, T> {
    fn at(&self, item: usize, i: usize, j: usize) -> T {
        let [rows, columns] = self.strides;
        self.data[(self.offsets[item] + i as isize * rows + j as isize * columns) as usize]
    }

    /// Calls `f` with each score of a row from `(i, j)` and its element of the mask.
    fn each<T2>(&self, row: &mut [T2], [item, i, j]: [usize; 3], f: impl Fn(&mut T2, T)) {
        let start = self.offsets[item] + i as isize * self.strides[0];
        if self.strides[1] == 1 {
            let mask = &self.data[(start + j as isize) as usize..][..row.len()];
            row.iter_mut().zip(mask).for_each(|(s, &m)| f(s, m));
        } else {
            for (c, s) in row.iter_mut().enumerate() {
                f(s, self.at(item, i, j + c));
            }
        }
    }
}

/// Which scores are left out at random: the share `p`, by the same numbers as [`crate::random::dropout`] of all scores.
#[derive(Clone, Copy, Debug)]
pub struct Drop {
    /// The probability of being left out.
    pub p: f64,
    /// The generator.
    pub philox: Philox,
    /// Its step.
    pub step: u64,
}

/// Sizes and options of an attention.
#[derive(Clone, Debug)]
pub struct Attention<'a, T> {
    /// Groups that share keys and values.
    pub groups: usize,
    /// Query heads of a group.
    pub heads: usize,
    /// Queries of a head.
    pub queries: usize,
    /// Keys of a group.
    pub keys: usize,
    /// Elements of a query or key.
    pub width: usize,
    /// Elements of a value.
    pub value_width: usize,
    /// What scores are multiplied by.
    pub scale: f64,
    /// Whether query `i` sees keys up to `i` only.
    pub causal: bool,
    /// The mask.
    pub mask: Mask<'a, T>,
    /// That of the products.
    pub precision: Precision,
    /// Dropout of the probabilities.
    pub drop: Option<Drop>,
}

/// Matrices with contiguous rows, read where they lie: heads of one projection need no copy.
#[derive(Clone, Debug)]
pub struct Matrices<'a, T> {
    /// All elements.
    pub data: &'a [T],
    /// Where each matrix starts.
    pub offsets: Vec<usize>,
    /// From a row to the next.
    pub stride: isize,
}

impl<'a, T> Matrices<'a, T> {
    /// Rows `rows` from `first` of matrix `item`, `width` elements each.
    fn rows(&self, item: usize, first: usize, rows: usize, width: usize) -> MatRef<'a, T> {
        let offset = self.offsets[item].wrapping_add_signed(self.stride * first as isize);
        MatRef::new(self.data, offset, [rows, width], [self.stride, 1])
    }

    /// Row `row` of matrix `item`.
    fn row(&self, item: usize, row: usize, width: usize) -> &'a [T] {
        let start = self.offsets[item].wrapping_add_signed(self.stride * row as isize);
        &self.data[start..start + width]
    }
}

/// Queries `(L, E)` of each item, group and head, keys `(S, E)` and values `(S, V)` of each group.
#[derive(Clone, Debug)]
pub struct Operands<'a, T> {
    /// The queries.
    pub query: Matrices<'a, T>,
    /// The keys.
    pub key: Matrices<'a, T>,
    /// The values.
    pub value: Matrices<'a, T>,
}

/// A block: the item (group and head), its first query and key, and how many of each.
#[derive(Clone, Copy, Debug)]
struct Block {
    item: usize,
    i: usize,
    rows: usize,
    j: usize,
    cols: usize,
}

/// A block of scores, whose rows are [`KEYS`] apart.
fn matrix<T>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, 0, [rows, cols], [KEYS as isize, 1])
}

/// The keys of a group, as the products with queries read them.
enum Keys<'a, T> {
    /// Where they lie, `(S, E)`.
    Rows(MatRef<'a, T>),
    /// Their transpose in panels.
    Panels(&'a [T]),
}

/// `dst = scale · x`, row by row.
fn copy_scaled<T: Float>(
    dst: &mut [T],
    x: &Matrices<'_, T>,
    item: usize,
    first: usize,
    width: usize,
    scale: T,
) {
    for (r, dst) in dst.chunks_exact_mut(width).enumerate() {
        let row = x.row(item, first + r, width);
        // Rows of one head lie far apart, and the processor does not foresee them.
        prefetch_all(row.as_ptr().wrapping_offset(x.stride * ROWS_AHEAD), width);
        dispatch(
            #[inline(always)]
            || dst.iter_mut().zip(row).for_each(|(d, &x)| *d = x * scale),
        );
    }
}

impl<T: Float> Attention<'_, T> {
    /// Queries of a block.
    fn block_rows(&self) -> usize {
        if self.causal { CAUSAL_QUERIES } else { QUERIES }
    }

    /// The blocks of keys that a block of queries sees.
    fn key_blocks(
        &self,
        item: usize,
        i: usize,
        rows: usize,
    ) -> impl Iterator<Item = Block> + use<T> {
        let end = if self.causal {
            self.keys.min(i + rows)
        } else {
            self.keys
        };
        (0..end).step_by(KEYS).map(move |j| {
            let cols = KEYS.min(end - j);
            Block {
                item,
                i,
                rows,
                j,
                cols,
            }
        })
    }

    /// `dst (rows, cols) = q · kᵀ`, masked; `q` is scaled.
    fn scores(
        &self,
        dst: &mut [T],
        block: Block,
        q: MatRef<'_, T>,
        keys: &Keys<'_, T>,
        product: Product<T>,
    ) {
        let Block {
            item,
            i,
            rows,
            j,
            cols,
        } = block;
        products(dst, [rows, j, cols], q, keys, product);
        for (r, row) in dst.chunks_exact_mut(KEYS).enumerate() {
            let row = &mut row[..cols];
            match &self.mask {
                Mask::None => {}
                Mask::Bool(mask) => mask.each(row, [item, i + r, j], |s, seen| {
                    if !seen {
                        *s = T::NEG_INFINITY;
                    }
                }),
                Mask::Float(mask) => mask.each(row, [item, i + r, j], |s, bias| {
                    *s = if bias == T::NEG_INFINITY {
                        bias
                    } else {
                        *s + bias
                    };
                }),
            }
            if self.causal {
                let seen = (i + r + 1).saturating_sub(j).min(cols);
                row[seen..].fill(T::NEG_INFINITY);
            }
        }
    }

    /// Sets what is dropped of a row of probabilities (or their gradients) to 0 and scales the rest.
    fn drop_row(&self, row: &mut [T], block: Block, r: usize) {
        let Some(Drop { p, philox, step }) = self.drop else {
            return;
        };
        let threshold = (p * 4_294_967_296.0).round() as u64;
        let scale = T::from_f64(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 });
        let start = ((block.item * self.queries + block.i + r) * self.keys + block.j) as u64;
        let mut words = philox.block(step, start / 4);
        for (index, x) in (start..).zip(row) {
            if index.is_multiple_of(4) {
                words = philox.block(step, index / 4);
            }
            let kept = u64::from(words[(index % 4) as usize]) >= threshold;
            *x = if kept { *x * scale } else { T::ZERO };
        }
    }
}

/// A matrix product, cut for threads or not.
type Product<T> = fn(MatMut<'_, T>, Accum, MatRef<'_, T>, MatRef<'_, T>);

/// `dst (rows, cols) = x · yᵀ` with rows `j..j + cols` of `y`. In panels the columns are filled up to whole registers.
fn products<T: Float>(
    dst: &mut [T],
    [rows, j, cols]: [usize; 3],
    x: MatRef<'_, T>,
    y: &Keys<'_, T>,
    product: Product<T>,
) {
    let width = x.cols();
    let strides = [KEYS as isize, 1];
    match y {
        Keys::Rows(y) => {
            let dst = MatMut::new(dst, 0, [rows, cols], strides);
            product(dst, Accum::Replace, x, y.some_rows(j, cols).transpose());
        }
        Keys::Panels(panels) => {
            for at in (0..cols).step_by(PANEL) {
                let n = PANEL.min((cols - at).next_multiple_of(16));
                let panel = &panels[(j + at) * width..][..PANEL * width];
                let panel = MatRef::new(panel, 0, [width, n], [PANEL as isize, 1]);
                let dst = MatMut::new(dst, at, [rows, n], strides);
                product(dst, Accum::Replace, x, panel);
            }
        }
    }
}

/// `out (G, R, L, V)` and the log-sum-exp of each query's scores `(G, R, L)`, -∞ where all keys are masked. No size is 0.
pub fn attention<T: Float>(
    out: &mut [T],
    lse: &mut [f64],
    x: &Operands<'_, T>,
    p: &Attention<'_, T>,
) {
    let (queries, v) = (p.queries, p.value_width);
    let items = p.groups * p.heads;
    // Tasks do not cross heads: all queries of one, or one block, the last of a head shorter.
    let rows = if items < FEW_ITEMS {
        p.block_rows()
    } else {
        queries
    };
    let tasks = queries.div_ceil(rows);
    let mut parts: Vec<(&mut [T], &mut [f64])> = Vec::with_capacity(items * tasks);
    for (out, lse) in out
        .chunks_exact_mut(queries * v)
        .zip(lse.chunks_exact_mut(queries))
    {
        parts.extend(out.chunks_mut(rows * v).zip(lse.chunks_mut(rows)));
    }
    for_each_split(&mut parts[..], 1, |first, parts| {
        for (at, (out, lse)) in parts.iter_mut().enumerate() {
            let (item, task) = ((first + at) / tasks, (first + at) % tasks);
            forward_task(out, lse, x, p, item, task * rows);
        }
    });
}

/// The queries from `first` of an item.
fn forward_task<T: Float>(
    out: &mut [T],
    lse: &mut [f64],
    x: &Operands<'_, T>,
    p: &Attention<'_, T>,
    item: usize,
    first: usize,
) {
    let (e, v, rows) = (p.width, p.value_width, p.block_rows());
    let group = item / p.heads;
    let keys = if p.causal {
        p.keys.min(first + lse.len())
    } else {
        p.keys
    };
    // Products in bf16 pack for themselves.
    let is_packed = lse.len() >= MIN_PACKED_QUERIES && p.precision == Precision::Full;
    let packed = if is_packed {
        [keys.next_multiple_of(PANEL) * e, keys * v]
    } else {
        [0, 0]
    };
    let sizes = [packed[0], packed[1], rows * e, rows * KEYS];
    with_scratch(sizes.iter().sum(), |scratch: &mut [T]| {
        let (panels, rest) = scratch.split_at_mut(sizes[0]);
        let (copied, rest) = rest.split_at_mut(sizes[1]);
        let (query, scores) = rest.split_at_mut(sizes[2]);
        let own = x.key.rows(group, 0, keys, e);
        let (keys, values) = if is_packed {
            transposed_panels(panels, own);
            copy_scaled(copied, &x.value, group, 0, v, T::ONE);
            (Keys::Panels(panels), MatRef::row_major(copied, keys, v))
        } else {
            (Keys::Rows(own), x.value.rows(group, 0, keys, v))
        };
        for (block, (out, lse)) in out
            .chunks_mut(rows * v)
            .zip(lse.chunks_mut(rows))
            .enumerate()
        {
            let i = first + block * rows;
            let query = &mut query[..lse.len() * e];
            copy_scaled(query, &x.query, item, i, e, T::from_f64(p.scale));
            let query = MatRef::row_major(query, lse.len(), e);
            forward_block(out, lse, p, scores, [item, i], query, &keys, values);
        }
    });
}

fn forward_block<T: Float>(
    out: &mut [T],
    lse: &mut [f64],
    p: &Attention<'_, T>,
    scores: &mut [T],
    [item, i]: [usize; 2],
    query: MatRef<'_, T>,
    keys: &Keys<'_, T>,
    values: MatRef<'_, T>,
) {
    let (rows, v) = (lse.len(), p.value_width);
    let product = match (p.precision, keys) {
        (Precision::Bf16, _) => product_in(p.precision, false),
        (Precision::Full, Keys::Rows(_)) => gemm_serial,
        (Precision::Full, Keys::Panels(_)) => gemm_small,
    };
    let mut max = [T::NEG_INFINITY; QUERIES];
    let mut sum = [0.0_f64; QUERIES];
    let mut held = Accum::Replace;
    let scores = &mut scores[..rows * KEYS];
    for block in p.key_blocks(item, i, rows) {
        p.scores(scores, block, query, keys, product);
        for (r, row) in scores.chunks_exact_mut(KEYS).enumerate() {
            let row = &mut row[..block.cols];
            let fade = exponentials(row, &mut max[r], &mut sum[r]);
            if held == Accum::Add && fade != T::ONE {
                out[r * v..][..v].iter_mut().for_each(|o| *o *= fade);
            }
            p.drop_row(row, block, r);
        }
        let weights = matrix(scores, rows, block.cols);
        let values = values.some_rows(block.j, block.cols);
        product(MatMut::row_major(out, rows, v), held, weights, values);
        held = Accum::Add;
    }
    for (r, (out, lse)) in out.chunks_exact_mut(v).zip(lse).enumerate() {
        if sum[r] == 0.0 {
            out.fill(T::ZERO);
            *lse = f64::NEG_INFINITY;
        } else {
            let scale = T::from_f64(1.0 / sum[r]);
            dispatch(
                #[inline(always)]
                || {
                    for o in out.iter_mut() {
                        *o *= scale;
                    }
                },
            );
            *lse = max[r].to_f64() + libm::log(sum[r]);
        }
    }
}

/// `row = e^(row - max)` with the maximum so far, added to the sum so far; returns what earlier exponentials have to be multiplied by.
fn exponentials<T: Float>(row: &mut [T], max: &mut T, sum: &mut f64) -> T {
    dispatch(
        #[inline(always)]
        || {
            let old = *max;
            *max = old.maximum(largest(row));
            let shift = if *max == T::NEG_INFINITY {
                T::ZERO
            } else {
                *max
            };
            // For the first block and where the maximum stays no power is needed.
            let fade = if old == T::NEG_INFINITY {
                T::ZERO
            } else if old == shift {
                T::ONE
            } else {
                (old - shift).exp()
            };
            let own = map_sum(
                row,
                #[inline(always)]
                |s| (s - shift).exp_nonpositive(),
            );
            *sum = *sum * fade.to_f64() + own;
            fade
        },
    )
}
