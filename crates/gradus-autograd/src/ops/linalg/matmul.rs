//! Matrix products with PyTorch's rules for vectors and batches.

use gradus_linalg::gemm::{Accum, gemm_batched_in};
use gradus_tensor::{Error, Result, Shape, Tensor, broadcast_shapes};

use crate::ops::support::{same_dtype, unbroadcast, with_float};
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The product of two vars of rank 2 or more. Letters: B batch, M rows, N columns, K inner.
#[derive(Debug)]
struct Matmul;

/// The shape of `(B…, M, K) · (B…, K, N)` and both operands' shapes with the batch dims broadcast.
fn shapes(a: &Shape, b: &Shape) -> Result<[Shape; 3]> {
    let ([batch_a, matrix_a], [batch_b, matrix_b]) = (split(a), split(b));
    if matrix_a[1] != matrix_b[0] {
        return Err(inner_dims_differ(a, b));
    }
    let batch = broadcast_shapes("matmul", &Shape::new(batch_a)?, &Shape::new(batch_b)?)?;
    let with = |rows: usize, columns: usize| Shape::new(&[batch.dims(), &[rows, columns]].concat());
    Ok([
        with(matrix_a[0], matrix_b[1])?,
        with(matrix_a[0], matrix_a[1])?,
        with(matrix_b[0], matrix_b[1])?,
    ])
}

/// Batch dims and matrix dims.
fn split(shape: &Shape) -> [&[usize]; 2] {
    let (batch, matrix) = shape.dims().split_at(shape.rank() - 2);
    [batch, matrix]
}

fn inner_dims_differ(a: &Shape, b: &Shape) -> Error {
    Error::ShapeMismatch {
        op: "matmul",
        lhs: *a,
        rhs: *b,
        rule: "the last dim of lhs must equal the second last of rhs (the only one of a vector)",
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        let (a, b) = (inputs[0], inputs[1]);
        same_dtype(self.name(), a, b)?;
        let precision = stats.precision();
        let [shape, wide_a, wide_b] = shapes(a.shape(), b.shape())?;
        with_float!(a.dtype(), self.name(), T => {
            let a = a.view::<T>()?.broadcast(self.name(), &wide_a)?;
            let b = b.view::<T>()?.broadcast(self.name(), &wide_b)?;
            let product = Tensor::build(shape, |dst: &mut [T]| gemm_batched_in(precision, dst, Accum::Replace, a, b))?;
            Ok(product.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, a, b) = (ctx.grad(grad_out, 0)?, ctx.input(0)?, ctx.input(1)?);
        let grad_a = || unbroadcast(&grad.matmul(&b.transpose(-1, -2)?)?, a.shape());
        let grad_b = || {
            if b.rank() == 2 && a.rank() > 2 {
                // One product over all rows of the batch instead of one for each item and their sum.
                let (tall_a, tall_grad) = (rows(&a)?, rows(&grad)?);
                return tall_a.transpose(0, 1)?.matmul(&tall_grad);
            }
            unbroadcast(&a.transpose(-1, -2)?.matmul(&grad)?, b.shape())
        };
        let grad_a = ctx.needs(0).then(grad_a).transpose()?;
        let grad_b = ctx.needs(1).then(grad_b).transpose()?;
        Ok(vec![grad_a, grad_b])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        let inner = inputs[0].dims().last().copied().unwrap_or(0);
        2 * (outputs[0].numel() * inner) as u64
    }
}

/// All dims but the last as one: `(B…, M, K) -> (B · M, K)`.
pub(super) fn rows(x: &Var) -> Result<Var> {
    let (last, before) = x
        .dims()
        .split_last()
        .map_or((1, &[][..]), |(&last, before)| (last, before));
    let count: usize = before.iter().product();
    x.reshape([count, last])
}

impl Var {
    /// Matrix product: `self · other`.
    ///
    /// # Shapes
    /// - matrices: `(M, K) · (K, N) -> (M, N)`
    /// - batches, whose dims broadcast: `(B…, M, K) · (B…, K, N) -> (B…, M, N)`
    /// - vectors: `(K,) · (K,) -> ()`, `(M, K) · (K,) -> (M,)`, `(K,) · (K, N) -> (N,)`, and likewise with batches
    ///
    /// # Numerics
    /// Sums run in the dtype, in an order that depends on shapes and strides only; `K = 0` gives zeros. Operands are read
    /// as they lie: a transposed one is not copied. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out · otherᵀ` and `selfᵀ · grad_out`, summed over the batch dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`Error::Rank`] if one is of rank 0; [`Error::ShapeMismatch`] if the inner dims differ or the batch dims do not
    /// broadcast; [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let v = Var::from(Tensor::from_slice(&[1.0_f32, 10.0], [2])?);
    /// assert_eq!(x.matmul(&v)?.tensor().to_vec::<f32>()?, [21.0, 43.0]);
    /// assert_eq!(x.matmul(&x)?.tensor().to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.matmul`.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        for operand in [self, other] {
            if operand.rank() == 0 {
                return Err(Error::Rank {
                    op: "matmul",
                    expected: 1,
                    got: *operand.shape(),
                });
            }
        }
        let (left, right) = (self.rank() == 1, other.rank() == 1);
        let inner = other.dims()[other.rank().saturating_sub(2)];
        if self.dims()[self.rank() - 1] != inner {
            return Err(inner_dims_differ(self.shape(), other.shape()));
        }
        let a = if left { &self.unsqueeze(0)? } else { self };
        let b = if right { &other.unsqueeze(1)? } else { other };
        let product = apply(Matmul, &[a, b])?;
        match (left, right) {
            (false, false) => Ok(product),
            (true, false) => product.squeeze(-2),
            (false, true) => product.squeeze(-1),
            (true, true) => product.reshape(()),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("matmul", |a| Ok(one(a.var("x")?.matmul(a.var("y")?)?)))
        .input("x", Kind::Float)
        .input("y", Kind::Float)
        .small_only()
        .reference(|a| Ok(vec![reference(&a.dense("x")?, &a.dense("y")?)]))
        .draw(|d| {
            let [batch_x, batch_y, _] = d.broadcast_pair();
            let [m, k, n] = [(); 3].map(|()| d.range(1..=3));
            let vectors = [d.below(4) == 3, d.below(4) == 3];
            let x = if vectors[0] {
                vec![k]
            } else {
                [&batch_x[..], &[m, k]].concat()
            };
            let y = if vectors[1] {
                vec![k]
            } else {
                [&batch_y[..], &[k, n]].concat()
            };
            Ok(Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?))
        })
}

/// As the definition says: a vector is a row or column that disappears again.
fn reference(x: &Dense, y: &Dense) -> Dense {
    let (row, column) = (x.rank() == 1, y.rank() == 1);
    let wide = |z: &Dense, dims: &[usize]| z.clone().reshape(dims);
    let x = if row {
        wide(x, &[1, x.dims[0]])
    } else {
        x.clone()
    };
    let y = if column {
        wide(y, &[y.dims[0], 1])
    } else {
        y.clone()
    };
    let (rx, ry) = (x.rank(), y.rank());
    let batch = Dense::zeros(&x.dims[..rx - 2]).zip(&Dense::zeros(&y.dims[..ry - 2]), |_, _| 0.0);
    let dims = [&batch.dims[..], &[x.dims[rx - 2], y.dims[ry - 1]]].concat();
    let rank = dims.len();
    let out = Dense::from_fn(&dims, |at| {
        let (mut i, mut j) = (at.to_vec(), at.to_vec());
        let term = |k| {
            i[rank - 1] = k;
            j[rank - 2] = k;
            x.wide(&i) * y.wide(&j)
        };
        (0..x.dims[rx - 1]).map(term).sum()
    });
    let gone = |axis: usize| row && axis == rank - 2 || column && axis == rank - 1;
    let kept: Vec<usize> = (0..rank).filter(|&a| !gone(a)).map(|a| dims[a]).collect();
    out.reshape(&kept)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    #[test]
    fn museum_46_dims_of_size_0() {
        let product = |v: &[Var]| v[0].matmul(&v[1]);
        for (a, b) in [
            (&[0, 3][..], &[3, 2][..]),
            (&[2, 3], &[3, 0]),
            (&[2, 0], &[0, 3]),
            (&[0, 2, 3], &[3, 2]),
            (&[0, 2, 3], &[0, 3, 1]),
            (&[0], &[0]),
            (&[1, 2, 3], &[0, 3, 2]),
        ] {
            check_empty(product, &[a, b]);
        }
        let zeros = product(&[
            Var::constant(sampled(&[2, 0], 1)),
            Var::constant(sampled(&[0, 3], 1)),
        ])
        .unwrap();
        assert_eq!(values(&zeros), [0.0; 6]);
    }

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        for (a, b) in [
            (&[2, 3][..], &[2, 3][..]),
            (&[3], &[2]),
            (&[2, 3], &[2]),
            (&[2], &[3, 2]),
            (&[2, 2, 3], &[3, 3, 2]),
        ] {
            let got = x(a).matmul(&x(b));
            assert!(
                matches!(got, Err(Error::ShapeMismatch { .. })),
                "{a:?} {b:?} {got:?}"
            );
        }
        assert!(matches!(x(&[]).matmul(&x(&[2])), Err(Error::Rank { .. })));
        assert!(matches!(x(&[2]).matmul(&x(&[])), Err(Error::Rank { .. })));
        let single = Var::constant(Tensor::ones([3, 2], crate::DType::F32).unwrap());
        assert!(matches!(
            x(&[2, 3]).matmul(&single),
            Err(Error::DTypeMismatch { .. })
        ));
        assert!(matches!(
            integers().matmul(&integers()),
            Err(Error::DType { .. })
        ));
    }
}
