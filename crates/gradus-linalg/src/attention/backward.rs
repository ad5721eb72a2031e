//! The gradients of attention: a group at a time, its scores computed again from the stored log-sum-exp.

use super::{
    Attention, Block, FEW_GROUPS, KEYS, Keys, Matrices, Operands, Product, QUERIES, copy_scaled,
    matrix, products,
};
use crate::float::Float;
use crate::gemm::{
    Accum, MatMut, MatRef, PANEL, Precision, gemm, gemm_small, product_in, transposed_panels,
};
use crate::scratch::with_scratch;
use crate::simd::dispatch;
use crate::softmax::{dot, map_row_mut};
use crate::threads::{Rows, for_each_split};

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
    let (e, v, rows) = (p.width, p.value_width, p.block_rows());
    let padded = p.keys.next_multiple_of(PANEL);
    let dropped = if p.drop.is_some() { rows * KEYS } else { 0 };
    let sizes = [
        padded * e,
        padded * v,
        p.keys * e,
        rows * e,
        rows * v,
        rows * KEYS,
        rows * KEYS,
        dropped,
    ];
    for_each_split((query, key, value), 1, |group, (query, key, value)| {
        with_scratch(sizes.iter().sum(), |scratch: &mut [T]| {
            let mut rest = scratch;
            let [
                panels,
                value_panels,
                keys,
                query_rows,
                grad_rows,
                probs,
                slopes,
                kept,
            ] = sizes.map(|size| {
                let (part, after) = std::mem::take(&mut rest).split_at_mut(size);
                rest = after;
                part
            });
            transposed_panels(panels, x.key.rows(group, 0, p.keys, e));
            transposed_panels(value_panels, x.value.rows(group, 0, p.keys, v));
            copy_scaled(keys, &x.key, group, 0, e, T::from_f64(p.scale));
            GroupBackward {
                p,
                product: match (p.precision, p.groups < FEW_GROUPS) {
                    (Precision::Bf16, few) => product_in(p.precision, few),
                    (Precision::Full, true) => gemm,
                    (Precision::Full, false) => gemm_small,
                },
                panels: Keys::Panels(panels),
                value_panels: Keys::Panels(value_panels),
                keys: MatRef::row_major(keys, p.keys, e),
                gradients: [query.data, key.data, value.data],
                query_rows,
                grad_rows,
                probs,
                slopes,
                kept,
            }
            .run(group, x, given);
        });
    });
}

/// The backward of one group: its operands as the products read them, where its gradients go, and work space for a block.
struct GroupBackward<'a, T> {
    p: &'a Attention<'a, T>,
    product: Product<T>,
    panels: Keys<'a, T>,
    value_panels: Keys<'a, T>,
    /// Scaled.
    keys: MatRef<'a, T>,
    /// Of queries, keys and values.
    gradients: [&'a mut [T]; 3],
    /// Scaled queries of a block.
    query_rows: &'a mut [T],
    grad_rows: &'a mut [T],
    probs: &'a mut [T],
    slopes: &'a mut [T],
    /// The probabilities that were not dropped.
    kept: &'a mut [T],
}

impl<T: Float> GroupBackward<'_, T> {
    fn run(&mut self, group: usize, x: &Operands<'_, T>, given: &Given<'_, T>) {
        let (e, v) = (self.p.width, self.p.value_width);
        for head in 0..self.p.heads {
            let item = group * self.p.heads + head;
            for i in (0..self.p.queries).step_by(self.p.block_rows()) {
                let rows = self.p.block_rows().min(self.p.queries - i);
                let scale = T::from_f64(self.p.scale);
                copy_scaled(
                    &mut self.query_rows[..rows * e],
                    &x.query,
                    item,
                    i,
                    e,
                    scale,
                );
                copy_scaled(
                    &mut self.grad_rows[..rows * v],
                    &given.grad,
                    item,
                    i,
                    v,
                    T::ONE,
                );
                let lse = &given.lse[item * self.p.queries + i..][..rows];
                let mut means = [T::ZERO; QUERIES];
                for (r, mean) in means[..rows].iter_mut().enumerate() {
                    let (out, grad) =
                        (given.out.row(item, i + r, v), &self.grad_rows[r * v..][..v]);
                    *mean = dispatch(
                        #[inline(always)]
                        || T::from_f64(dot(out, grad)),
                    );
                }
                for block in self.p.key_blocks(item, i, rows) {
                    self.add(block, lse, &means);
                }
            }
        }
    }

    /// Adds what one block of scores gives; `means` are the products of the rows of the output with those of its gradient.
    fn add(&mut self, block: Block, lse: &[f64], means: &[T]) {
        let Block {
            item,
            i,
            rows,
            j,
            cols,
        } = block;
        let (p, product) = (self.p, self.product);
        let (e, v) = (p.width, p.value_width);
        let query = MatRef::row_major(&*self.query_rows, rows, e);
        let grad = MatRef::row_major(&*self.grad_rows, rows, v);
        let probs = &mut self.probs[..rows * KEYS];
        p.scores(probs, block, query, &self.panels, product);
        for (r, row) in probs.chunks_exact_mut(KEYS).enumerate() {
            let row = &mut row[..cols];
            probabilities(row, lse[r]);
            if p.drop.is_some() {
                let kept = &mut self.kept[r * KEYS..][..cols];
                kept.copy_from_slice(row);
                p.drop_row(kept, block, r);
            }
        }
        let used = if p.drop.is_some() {
            &*self.kept
        } else {
            &*probs
        };
        let [queries, keys, values] = &mut self.gradients;
        let into = MatMut::row_major(&mut values[j * v..][..cols * v], cols, v);
        product(into, Accum::Add, matrix(used, rows, cols).transpose(), grad);
        products(
            &mut *self.slopes,
            [rows, j, cols],
            grad,
            &self.value_panels,
            product,
        );
        for r in 0..rows {
            let row = &mut self.slopes[r * KEYS..][..cols];
            p.drop_row(row, block, r);
            if lse[r] == f64::NEG_INFINITY {
                row.fill(T::ZERO);
            } else {
                slope(row, &probs[r * KEYS..][..cols], means[r]);
            }
        }
        let slopes = matrix(&*self.slopes, rows, cols);
        let start = (item % p.heads * p.queries + i) * e;
        let into = MatMut::row_major(&mut queries[start..][..rows * e], rows, e);
        product(into, Accum::Add, slopes, self.keys.some_rows(j, cols));
        let into = MatMut::row_major(&mut keys[j * e..][..cols * e], cols, e);
        product(into, Accum::Add, slopes.transpose(), query);
    }
}

/// From the gradient of a row of probabilities that of its scores: `row = probs · (row - mean)`.
fn slope<T: Float>(row: &mut [T], probs: &[T], mean: T) {
    dispatch(
        #[inline(always)]
        || {
            for (slope, &prob) in row.iter_mut().zip(probs) {
                *slope = prob * (*slope - mean);
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
                |s| ((s - high) - low).exp_nonpositive(),
            );
        },
    );
}
