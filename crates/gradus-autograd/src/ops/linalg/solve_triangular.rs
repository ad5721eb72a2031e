//! Systems of equations with triangular matrices.

use gradus_linalg::decomp::{self, Triangle};
use gradus_tensor::{Error, Result, Shape, Tensor, broadcast_shapes};

use crate::ops::support::matrix::{batched, parts, square, transposed};
use crate::ops::support::matrix_cases::matrices;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// `A X = B` for equal batch dims.
#[derive(Debug)]
struct SolveTriangular {
    triangle: Triangle,
}

impl Op for SolveTriangular {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let (_, [_, columns]) = parts(self.name(), inputs[1].shape())?;
        let x = batched(
            self.name(),
            batch,
            inputs,
            &[vec![n, columns]],
            &|given, x| {
                let [a, b] = [given[0], given[1]];
                decomp::solve_triangular(x[0], a, b, [n, columns], self.triangle)
            },
        )?;
        Ok(x.into())
    }

    /// `B̄ = A⁻ᵀ X̄`, and of `Ā = -B̄ Xᵀ` the triangle that is read: Giles 2008, An extended collection of matrix derivative
    /// results, §2.2.3.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (a, x) = (ctx.input(0)?, ctx.output(0)?);
        let Triangle { upper, unit } = self.triangle;
        let grad = ctx.grad(grad_out, 0)?;
        let grad_b = transposed(&a)?.solve_triangular(&grad, !upper, true, unit)?;
        let grad_a = || {
            let full = grad_b.matmul(&transposed(&x)?)?.neg()?;
            let first = isize::from(unit);
            if upper {
                full.triu(first)
            } else {
                full.tril(-first)
            }
        };
        let grad_a = ctx.needs(0).then(grad_a).transpose()?;
        Ok(vec![grad_a, Some(grad_b)])
    }
}

/// Both operands with the batch dims that they broadcast to.
pub(super) fn widened(op: &'static str, a: &Var, b: &Var) -> Result<[Var; 2]> {
    let (of_a, matrix_a) = parts(op, a.shape())?;
    let (of_b, matrix_b) = parts(op, b.shape())?;
    let batch = broadcast_shapes(op, &Shape::new(of_a)?, &Shape::new(of_b)?)?;
    let wide = |x: &Var, matrix: [usize; 2]| x.expand([batch.dims(), &matrix].concat());
    Ok([wide(a, matrix_a)?, wide(b, matrix_b)?])
}

/// Refuses right-hand sides of another number of rows.
pub(super) fn require_rows(op: &'static str, a: &Var, b: &Var) -> Result<()> {
    let ((_, n), (_, [rows, _])) = (square(op, a.shape())?, parts(op, b.shape())?);
    if n == rows {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        lhs: *a.shape(),
        rhs: *b.shape(),
        rule: "the right-hand sides have as many elements as the matrix rows",
    })
}

impl Var {
    /// The solution of `self · X = other`, where one triangle of `self` is read; of `X · self = other` if not `left`.
    ///
    /// # Shapes
    /// `(…, N, N)` and `(…, N, K)`, or `(…, K, N)` if not `left`; batch dims broadcast.
    ///
    /// # Numerics
    /// `upper` says which triangle is read; with `unitriangular` its diagonal is taken as ones. Computed in f64.
    ///
    /// # Gradient
    /// `self⁻ᵀ · grad_out`, and of minus that times the solution transposed the triangle that is read (Giles 2008, §2.2.3). Saves `self`
    /// and the solution.
    ///
    /// # Errors
    /// [`Error::Matrix`] with the first singular matrix: one with a 0 on its diagonal (PyTorch gives infinities);
    /// [`Error::Rank`], [`Error::ShapeMismatch`], [`Error::DTypeMismatch`], [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let a = Var::from(Tensor::from_slice(&[2.0_f64, 0.0, 1.0, 4.0], [2, 2])?);
    /// let b = Var::from(Tensor::from_slice(&[2.0_f64, 5.0], [2, 1])?);
    /// let x = a.solve_triangular(&b, false, true, false)?;
    /// assert_eq!(x.tensor().to_vec::<f64>()?, [1.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.solve_triangular`.
    pub fn solve_triangular(
        &self,
        other: &Self,
        upper: bool,
        left: bool,
        unitriangular: bool,
    ) -> Result<Self> {
        let op = "solve_triangular";
        if !left {
            // X A = B is Aᵀ Xᵀ = Bᵀ.
            parts(op, self.shape())?;
            parts(op, other.shape())?;
            let (a, b) = (transposed(self)?, transposed(other)?);
            let x = a.solve_triangular(&b, !upper, true, unitriangular)?;
            return transposed(&x);
        }
        require_rows(op, self, other)?;
        let [a, b] = widened(op, self, other)?;
        let triangle = Triangle {
            upper,
            unit: unitriangular,
        };
        apply(SolveTriangular { triangle }, &[&a, &b])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("solve_triangular", |a| {
        let flags = ["upper", "left", "unitriangular"].map(|name| a.flag(name));
        let [upper, left, unit] = flags;
        let (x, y) = (a.var("x")?, a.var("y")?);
        Ok(one(x.solve_triangular(y, upper?, left?, unit?)?))
    })
    .small_only()
    .tolerances(5e-4, 1e-10) // unit diagonals beside elements of up to 3: the condition is not bounded
    .kinked()
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .required("upper", AttrType::Bool)
    .attr("left", AttrType::Bool, true)
    .attr("unitriangular", AttrType::Bool, false)
    .reference(reference)
    .draw(|d| {
        let mut x = Dense::of(&matrices(d, 0..=1, [1, 3], None)?)?;
        let rank = x.rank();
        let n = x.dims[rank - 1];
        // The diagonal is kept away from 0.
        let dims = x.dims.clone();
        x = Dense::from_fn(&dims, |at| {
            let value = x.at(at);
            if at[rank - 1] == at[rank - 2] {
                value + 2.0 * value.signum()
            } else {
                value
            }
        });
        let x = Tensor::from_slice(&x.data, x.dims)?;
        let left = d.flag();
        let k = d.range(1..=3);
        let inner = if left { [n, k] } else { [k, n] };
        let wide = d.flag().then_some(2);
        let batch = match (rank, wide) {
            (3, Some(_)) => vec![2, 1],
            (3, None) => vec![dims[0]],
            (_, Some(two)) => vec![two],
            _ => vec![],
        };
        let args = Args::new().with("x", x).attr("left", left);
        let args = args.with("y", d.reals(&[&batch[..], &inner].concat())?);
        Ok(args.attr("upper", d.flag()).attr("unitriangular", d.flag()))
    })
}

/// The triangle that is read, with ones on the diagonal or not, through elimination.
fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, upper, unit) = (a.dense("x")?, a.flag("upper")?, a.flag("unitriangular")?);
    let rank = x.rank();
    let triangle = Dense::from_fn(&x.dims, |at| {
        let (i, j) = (at[rank - 2], at[rank - 1]);
        match i == j {
            true => {
                if unit {
                    1.0
                } else {
                    x.at(at)
                }
            }
            false => {
                if (j > i) == upper {
                    x.at(at)
                } else {
                    0.0
                }
            }
        }
    });
    let y = a.dense("y")?;
    Ok(vec![super::solve::eliminated(
        &triangle,
        &y,
        a.flag("left")?,
    )])
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn names_the_singular_matrix() {
        let x = constant(&[1.0, 5.0, 0.0, 1.0, 1.0, 5.0, 0.0, 0.0], [2, 2, 2]);
        let b = constant(&[1.0; 2], [2, 1]);
        let got = x.solve_triangular(&b, true, true, false).unwrap_err();
        assert!(matches!(got, Error::Matrix { position: 1, .. }), "{got}");
        assert!(x.solve_triangular(&b, true, true, true).is_ok());
        let got = x.solve_triangular(&constant(&[1.0; 3], [3, 1]), true, true, false);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.solve_triangular(&constant(&[1.0; 2], 2), true, false, false);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
