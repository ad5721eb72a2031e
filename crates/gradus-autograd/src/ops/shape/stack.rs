//! Vars joined along a new dim.

use gradus_tensor::{Error, Result};

use crate::Var;
use crate::ops::support::same_shape;

impl Var {
    /// Vars of one shape joined along a new dim, in order.
    ///
    /// # Shapes
    /// All alike; the result has a dim of their number at `dim`, in `-rank - 1..=rank`. Any dtype, all alike.
    ///
    /// # Gradient
    /// To each var its part of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] if there are no vars; [`Error::Axis`] if `dim` is outside; [`Error::ShapeMismatch`] or
    /// [`Error::DTypeMismatch`] with the first var that differs from the first.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[3.0_f32, 4.0], [2])?);
    /// assert_eq!(Var::stack(&[&x, &y], 1)?.tensor().to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.stack`.
    pub fn stack(vars: &[&Self], dim: isize) -> Result<Self> {
        let first = vars.first().ok_or(Error::Length {
            op: "stack",
            expected: 1,
            got: 0,
        })?;
        for var in vars {
            same_shape("stack", first.tensor(), var.tensor())?;
        }
        let parts = vars
            .iter()
            .map(|x| x.unsqueeze(dim))
            .collect::<Result<Vec<_>>>()?;
        Self::cat(&parts.iter().collect::<Vec<_>>(), dim)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn forward_matches_reference() {
        let parts = [tensor(&[1.0, 2.0], 2), tensor(&[3.0, 4.0], 2)];
        check_forward(
            |v| Var::stack(&[&v[0], &v[1]], 0),
            &parts,
            &[1.0, 2.0, 3.0, 4.0],
        );
        check_forward(
            |v| Var::stack(&[&v[0], &v[1]], -1),
            &parts,
            &[1.0, 3.0, 2.0, 4.0],
        );
        let scalars = [tensor(&[1.0], ()), tensor(&[3.0], ())];
        check_forward(|v| Var::stack(&[&v[0], &v[1]], 0), &scalars, &[1.0, 3.0]);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(
            |v| Var::stack(&[&v[0], &v[1]], 1)?.square(),
            &[sampled(&[2, 3], 1), sampled(&[2, 3], 2)],
        );
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(
            |v| Var::stack(&[&v[0], &v[1]], 1),
            &[sampled(&[2, 3], 1), sampled(&[2, 3], 2)],
        );
        check_empty(|v| Var::stack(&[&v[0], &v[1]], 0), &[&[0, 3], &[0, 3]]);
    }

    #[test]
    fn rejects_parts_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(Var::stack(&[], 0), Err(Error::Length { .. })));
        assert!(matches!(Var::stack(&[&x], 3), Err(Error::Axis { .. })));
        assert!(matches!(
            Var::stack(&[&x, &constant(&BOTH_SIGNS, [3, 2])], 0),
            Err(Error::ShapeMismatch { .. })
        ));
    }
}
