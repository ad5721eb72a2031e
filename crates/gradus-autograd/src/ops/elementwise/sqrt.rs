//! Square roots.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Sqrt;

impl Function for Sqrt {
    const NAME: &'static str = "sqrt";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.sqrt()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, T::HALF / y)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, &y.reciprocal()?.mul_scalar(0.5)?)
    }
}

impl Var {
    /// The square root of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Correctly rounded; NaN below 0. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / 2y`: infinite at 0. A zero `grad_out` stays 0 there, so that a root which a [`Var::where_`] cuts
    /// off has gradient 0, where PyTorch gives NaN. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[4.0_f64, 2.25], [2])?);
    /// assert_eq!(x.sqrt()?.tensor().to_vec::<f64>()?, [2.0, 1.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sqrt`, but for the gradient at 0.
    pub fn sqrt(&self) -> Result<Self> {
        unary(Sqrt, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sqrt", sqrt, Values::POSITIVE, f64::sqrt)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_15_a_root_that_is_masked_has_gradient_0() {
        for create_graph in [false, true] {
            let x = leaf(&[0.0_f64, 4.0], 2);
            let mask = tensor(&[false, true], 2);
            let y = x
                .sqrt()
                .unwrap()
                .where_(&mask, &constant(&[0.0_f64], 1))
                .unwrap();
            let config = crate::GradConfig {
                create_graph,
                ..Default::default()
            };
            let found = crate::grad(&[&y.sum(&[], false).unwrap()], &[&x], None, &config).unwrap();
            assert_eq!(values(found[0].as_ref().unwrap()), [0.0, 0.25]);
        }
    }
}
