//! The shapes of an attention: queries, keys, values and mask with their batch dims broadcast and their heads grouped.

use gradus_linalg::Float;
use gradus_linalg::attention::{Mask, MaskView};
use gradus_tensor::{DType, Element, Error, Result, Shape, Tensor, broadcast_shapes};

use super::{require_dtype, same_dtype};
use crate::Var;

pub(crate) const OP: &str = "scaled_dot_product_attention";

/// Letters as in [`gradus_linalg::attention`]; `batch` are the dims of groups, without the heads of a group.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) batch: Vec<usize>,
    /// Query heads that share keys; one, if they are not grouped.
    pub(crate) heads: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) width: usize,
    pub(crate) value_width: usize,
    /// Whether the last batch dim of queries is groups times heads.
    pub(crate) grouped: bool,
}

fn mismatch(lhs: &Var, rhs: &Var, rule: &'static str) -> Error {
    let (lhs, rhs) = (*lhs.shape(), *rhs.shape());
    Error::ShapeMismatch {
        op: OP,
        lhs,
        rhs,
        rule,
    }
}

impl Layout {
    pub(crate) fn of(query: &Var, key: &Var, value: &Var, grouped: bool) -> Result<Self> {
        require_dtype(OP, query.tensor(), super::FLOATS)?;
        let least = if grouped { 3 } else { 2 };
        for x in [query, key, value] {
            same_dtype(OP, query.tensor(), x.tensor())?;
            if x.rank() < least {
                let (expected, got) = (least, *x.shape());
                return Err(Error::Rank {
                    op: OP,
                    expected,
                    got,
                });
            }
        }
        let split = |x: &Var| {
            let (batch, matrix) = x.dims().split_at(x.rank() - 2);
            (batch.to_vec(), matrix[0], matrix[1])
        };
        let ((mut q, queries, width), (k, keys, own)) = (split(query), split(key));
        let (v, values, value_width) = split(value);
        if width != own {
            return Err(mismatch(query, key, "queries and keys have one width"));
        }
        if keys != values {
            return Err(mismatch(key, value, "one value for each key"));
        }
        let mut heads = 1;
        if grouped {
            let (all, groups) = (q[q.len() - 1], k[k.len() - 1]);
            if v[v.len() - 1] != groups {
                return Err(mismatch(key, value, "keys and values have the same heads"));
            }
            if groups == 0 || all % groups != 0 {
                return Err(mismatch(
                    query,
                    key,
                    "the heads of keys divide those of queries",
                ));
            }
            heads = all / groups;
            let last = q.len() - 1;
            q[last] = groups;
        }
        let wide = broadcast_shapes(OP, &Shape::new(&q)?, &Shape::new(&k)?)?;
        let batch = broadcast_shapes(OP, &wide, &Shape::new(&v)?)?
            .dims()
            .to_vec();
        Ok(Self {
            batch,
            heads,
            queries,
            keys,
            width,
            value_width,
            grouped,
        })
    }

    /// Whether a size is 0, which the kernels do not take.
    pub(crate) fn is_empty(&self) -> bool {
        let sizes = [
            self.heads,
            self.queries,
            self.keys,
            self.width,
            self.value_width,
        ];
        self.batch.contains(&0) || sizes.contains(&0)
    }

    pub(crate) fn groups(&self) -> usize {
        self.batch.iter().product()
    }

    /// The batch dims of queries and outputs.
    fn outer(&self) -> Vec<usize> {
        let mut outer = self.batch.clone();
        if self.grouped {
            let last = outer.len() - 1;
            outer[last] *= self.heads;
        }
        outer
    }

    /// The shape of outputs.
    pub(crate) fn output(&self) -> Result<Shape> {
        Shape::new(&[&self.outer()[..], &[self.queries, self.value_width]].concat())
    }

    /// The shape of all scores.
    pub(crate) fn scores(&self) -> Result<Shape> {
        Shape::new(&[&self.outer()[..], &[self.queries, self.keys]].concat())
    }

    /// Queries `(batch…, R, L, E)` and keys and values `(batch…, 1, S, ·)`, expanded.
    pub(crate) fn expand(&self, query: &Var, key: &Var, value: &Var) -> Result<[Var; 3]> {
        let own = &query.dims()[..query.rank() - 2];
        let query = if self.grouped {
            let (last, rest) = own
                .split_last()
                .map_or((1, &[][..]), |(&last, rest)| (last, rest));
            let groups = last / self.heads.max(1);
            query.reshape([rest, &[groups, self.heads, self.queries, self.width]].concat())?
        } else {
            query.unsqueeze(-3)?
        };
        let wide = |heads: usize, rows: usize, width: usize| {
            [&self.batch[..], &[heads, rows, width]].concat()
        };
        Ok([
            query.expand(wide(self.heads, self.queries, self.width))?,
            key.unsqueeze(-3)?.expand(wide(1, self.keys, self.width))?,
            value
                .unsqueeze(-3)?
                .expand(wide(1, self.keys, self.value_width))?,
        ])
    }

    /// A mask `(…, L, S)`, checked.
    pub(crate) fn mask(&self, query: &Var, mask: &Var) -> Result<()> {
        if mask.dtype() != DType::Bool {
            same_dtype(OP, query.tensor(), mask.tensor())?;
        }
        let scores = self.scores()?;
        if broadcast_shapes(OP, &scores, mask.shape())? != scores {
            let (lhs, rhs, rule) = (scores, *mask.shape(), "the mask broadcasts to the scores");
            return Err(Error::ShapeMismatch {
                op: OP,
                lhs,
                rhs,
                rule,
            });
        }
        Ok(())
    }

    /// The mask as the kernels read it.
    pub(crate) fn view<'a, T: Float>(&self, mask: Option<&'a Tensor>) -> Result<Mask<'a, T>> {
        match mask {
            None => Ok(Mask::None),
            Some(mask) if mask.dtype() == DType::Bool => Ok(Mask::Bool(self.mask_view(mask)?)),
            Some(mask) => Ok(Mask::Float(self.mask_view(mask)?)),
        }
    }

    fn mask_view<'a, T: Element>(&self, mask: &'a Tensor) -> Result<MaskView<'a, T>> {
        let view = mask.view::<T>()?.broadcast(OP, &self.scores()?)?;
        let (outer, inner) = view.strides().split_at(view.shape().rank() - 2);
        let dims = self.outer();
        let offset = |item: usize| {
            let mut rest = item;
            let mut at = view.offset() as isize;
            for (&dim, &stride) in dims.iter().zip(outer).rev() {
                at += (rest % dim) as isize * stride;
                rest /= dim;
            }
            at
        };
        let items: usize = dims.iter().product();
        Ok(MaskView {
            data: view.data(),
            offsets: (0..items).map(offset).collect(),
            strides: [inner[0], inner[1]],
        })
    }
}
