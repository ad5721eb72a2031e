//! Attention in blocks (Dao et al. 2022, arXiv:2205.14135): softmax on the fly, no matrix of all scores, forward and backward.
//!
//! Letters: G groups that share keys and values, R query heads of a group, L queries, S keys, E width of queries and keys, V width of
//! values. A block of queries walks the blocks of keys in order; the backward computes scores again from the stored log-sum-exp. Forward
//! tasks are blocks of queries, backward tasks are groups: each writes what is its own, so the bits do not depend on threads.
//!
//! A query whose keys are all masked gives 0 and has gradient 0 (museum 56); NaN in a query that has keys comes out as NaN.

use gradus_random::Philox;

use crate::float::Float;
use crate::gemm::{Accum, MatMut, MatRef, gemm, gemm_serial};
use crate::reduce::{MaximumOfNumbers, fold_slice};
use crate::scratch::with_scratch;
use crate::simd::dispatch;
use crate::softmax::{dot, map_row_mut, sum_by};
use crate::threads::{Rows, for_each_split};

/// Queries of a block; with [`KEYS`] its scores are 32 KiB of f32, which the nearest caches hold (other sizes were not tried).
const QUERIES: usize = 64;
/// Keys of a block.
const KEYS: usize = 128;
/// With fewer groups than this the products of a backward are cut for threads, too (not tuned: half of 16 threads).
const FEW_GROUPS: usize = 8;

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

fn matrix<T>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::row_major(data, rows, cols)
}

impl<T: Float> Attention<'_, T> {
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

    /// `dst (rows, cols) = scale · q · kᵀ`, masked.
    fn scores(&self, dst: &mut [T], block: Block, x: &Operands<'_, T>, product: Product<T>) {
        let Block {
            item,
            i,
            rows,
            j,
            cols,
        } = block;
        let q = x.query.rows(item, i, rows, self.width);
        let k = x.key.rows(item / self.heads, j, cols, self.width);
        product(
            MatMut::row_major(dst, rows, cols),
            Accum::Replace,
            q,
            k.transpose(),
        );
        let scale = T::from_f64(self.scale);
        dispatch(
            #[inline(always)]
            || {
                for s in dst.iter_mut() {
                    *s *= scale;
                }
            },
        );
        for (r, row) in dst.chunks_exact_mut(cols).enumerate() {
            match &self.mask {
                Mask::None => {}
                Mask::Bool(mask) => {
                    for (c, s) in row.iter_mut().enumerate() {
                        if !mask.at(item, i + r, j + c) {
                            *s = T::NEG_INFINITY;
                        }
                    }
                }
                Mask::Float(mask) => {
                    for (c, s) in row.iter_mut().enumerate() {
                        let bias = mask.at(item, i + r, j + c);
                        *s = if bias == T::NEG_INFINITY {
                            bias
                        } else {
                            *s + bias
                        };
                    }
                }
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

/// `out (G, R, L, V)` and the log-sum-exp of each query's scores `(G, R, L)`, -∞ where all keys are masked. No size is 0.
pub fn attention<T: Float>(
    out: &mut [T],
    lse: &mut [f64],
    x: &Operands<'_, T>,
    p: &Attention<'_, T>,
) {
    let (queries, v) = (p.queries, p.value_width);
    // Blocks of queries do not cross heads: units of one block each, the last of a head shorter.
    let blocks = queries.div_ceil(QUERIES);
    let mut parts: Vec<(&mut [T], &mut [f64])> = Vec::with_capacity(p.groups * p.heads * blocks);
    for (out, lse) in out
        .chunks_exact_mut(queries * v)
        .zip(lse.chunks_exact_mut(queries))
    {
        parts.extend(out.chunks_mut(QUERIES * v).zip(lse.chunks_mut(QUERIES)));
    }
    for_each_split(&mut parts[..], 1, |first, parts| {
        for (at, (out, lse)) in parts.iter_mut().enumerate() {
            let (item, block) = ((first + at) / blocks, (first + at) % blocks);
            forward_block(out, lse, x, p, item, block * QUERIES);
        }
    });
}

fn forward_block<T: Float>(
    out: &mut [T],
    lse: &mut [f64],
    x: &Operands<'_, T>,
    p: &Attention<'_, T>,
    item: usize,
    i: usize,
) {
    let (rows, v) = (lse.len(), p.value_width);
    let group = item / p.heads;
    let mut max = [T::NEG_INFINITY; QUERIES];
    let mut sum = [0.0_f64; QUERIES];
    let mut held = Accum::Replace;
    with_scratch(rows * KEYS, |scores: &mut [T]| {
        for block in p.key_blocks(item, i, rows) {
            let scores = &mut scores[..rows * block.cols];
            p.scores(scores, block, x, gemm_serial);
            for (r, row) in scores.chunks_exact_mut(block.cols).enumerate() {
                let fade = exponentials(row, &mut max[r], &mut sum[r]);
                if held == Accum::Add && fade != T::ONE {
                    out[r * v..][..v].iter_mut().for_each(|o| *o *= fade);
                }
                p.drop_row(row, block, r);
            }
            let (weights, values) = (
                matrix(scores, rows, block.cols),
                x.value.rows(group, block.j, block.cols, v),
            );
            gemm_serial(MatMut::row_major(out, rows, v), held, weights, values);
            held = Accum::Add;
        }
    });
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
            *max = old.maximum(fold_slice::<T, MaximumOfNumbers>(row));
            let shift = if *max == T::NEG_INFINITY {
                T::ZERO
            } else {
                *max
            };
            let fade = (old - shift).exp();
            map_row_mut(
                row,
                #[inline(always)]
                |s| (s - shift).exp(),
            );
            let own = sum_by(
                row,
                #[inline(always)]
                |e| e,
            );
            *sum = *sum * fade.to_f64() + own;
            fade
        },
    )
}

/// What the forward gave, and the gradient of its output.
#[derive(Clone, Debug)]
pub struct Given<'a, T> {
    /// The output `(L, V)` of each item.
    pub out: Matrices<'a, T>,
    /// The log-sum-exp of each query.
    pub lse: &'a [f64],
    /// The gradient of the output.
    pub grad: Matrices<'a, T>,
}

/// The gradients of queries, keys and values. No size is 0.
pub fn attention_backward<T: Float>(
    [query, key, value]: [&mut [T]; 3],
    x: &Operands<'_, T>,
    given: &Given<'_, T>,
    p: &Attention<'_, T>,
) {
    for dst in [&mut *query, &mut *key, &mut *value] {
        dst.fill(T::ZERO);
    }
    let product: Product<T> = if p.groups < FEW_GROUPS {
        gemm
    } else {
        gemm_serial
    };
    let query = Rows {
        data: query,
        width: p.heads * p.queries * p.width,
    };
    let key = Rows {
        data: key,
        width: p.keys * p.width,
    };
    let value = Rows {
        data: value,
        width: p.keys * p.value_width,
    };
    for_each_split((query, key, value), 1, |group, (query, key, value)| {
        let mut dst = Gradients {
            group,
            query: query.data,
            key: key.data,
            value: value.data,
        };
        for head in 0..p.heads {
            for i in (0..p.queries).step_by(QUERIES) {
                let rows = QUERIES.min(p.queries - i);
                for block in p.key_blocks(group * p.heads + head, i, rows) {
                    dst.add(block, x, given, p, product);
                }
            }
        }
    });
}

/// The gradients of one group.
struct Gradients<'a, T> {
    group: usize,
    query: &'a mut [T],
    key: &'a mut [T],
    value: &'a mut [T],
}

impl<T: Float> Gradients<'_, T> {
    /// Adds what one block of scores gives.
    fn add(
        &mut self,
        block: Block,
        x: &Operands<'_, T>,
        given: &Given<'_, T>,
        p: &Attention<'_, T>,
        product: Product<T>,
    ) {
        let Block {
            item,
            i,
            rows,
            j,
            cols,
        } = block;
        let (e, v) = (p.width, p.value_width);
        let first = item * p.queries + i;
        let grad = given.grad.rows(item, i, rows, v);
        let key = x.key.rows(self.group, j, cols, e);
        let value = x.value.rows(self.group, j, cols, v);
        let query = x.query.rows(item, i, rows, e);
        let size = rows * cols;
        let dropped = if p.drop.is_some() { size } else { 0 };
        with_scratch(2 * size + dropped, |scratch: &mut [T]| {
            let (probs, rest) = scratch.split_at_mut(size);
            let (slopes, kept) = rest.split_at_mut(size);
            p.scores(probs, block, x, product);
            for (r, row) in probs.chunks_exact_mut(cols).enumerate() {
                probabilities(row, given.lse[first + r]);
                if p.drop.is_some() {
                    let kept = &mut kept[r * cols..][..cols];
                    kept.copy_from_slice(row);
                    p.drop_row(kept, block, r);
                }
            }
            let used = if p.drop.is_some() { &*kept } else { &*probs };
            let into = MatMut::row_major(&mut self.value[j * v..][..cols * v], cols, v);
            product(into, Accum::Add, matrix(used, rows, cols).transpose(), grad);
            let into = MatMut::row_major(slopes, rows, cols);
            product(into, Accum::Replace, grad, value.transpose());
            for r in 0..rows {
                let (row, probs) = (&mut slopes[r * cols..][..cols], &probs[r * cols..][..cols]);
                p.drop_row(row, block, r);
                if given.lse[first + r] == f64::NEG_INFINITY {
                    row.fill(T::ZERO);
                    continue;
                }
                let (out, grad) = (
                    given.out.row(item, i + r, v),
                    given.grad.row(item, i + r, v),
                );
                slope(row, probs, out, grad, p.scale);
            }
            let start = (item % p.heads * p.queries + i) * e;
            let into = MatMut::row_major(&mut self.query[start..][..rows * e], rows, e);
            product(into, Accum::Add, matrix(slopes, rows, cols), key);
            let into = MatMut::row_major(&mut self.key[j * e..][..cols * e], cols, e);
            product(
                into,
                Accum::Add,
                matrix(slopes, rows, cols).transpose(),
                query,
            );
        });
    }
}

/// From the gradient of a row of probabilities that of its scores: `row = probs · (row - out · grad) · scale`.
fn slope<T: Float>(row: &mut [T], probs: &[T], out: &[T], grad: &[T], scale: f64) {
    let scale = T::from_f64(scale);
    dispatch(
        #[inline(always)]
        || {
            let mean = T::from_f64(dot(out, grad));
            for (slope, &prob) in row.iter_mut().zip(probs) {
                *slope = prob * (*slope - mean) * scale;
            }
        },
    );
}

/// `row = e^(row - lse)`; 0 where all keys are masked.
fn probabilities<T: Float>(row: &mut [T], lse: f64) {
    if lse == f64::NEG_INFINITY {
        row.fill(T::ZERO);
        return;
    }
    // without losing the digits of a large lse
    let high = T::from_f64(lse);
    let low = T::from_f64(lse - high.to_f64());
    dispatch(
        #[inline(always)]
        || {
            map_row_mut(
                row,
                #[inline(always)]
                |s| ((s - high) - low).exp(),
            );
        },
    );
}
