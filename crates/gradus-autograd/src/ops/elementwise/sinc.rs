//! The normalised cardinal sine.

use std::f64::consts::PI;

use crate::ops::support::lean::{Lean, lean, mask, replaced};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

/// Up to here the derivative is its Taylor series: the quotient loses digits, and at 0 it is none.
const NEAR: f64 = 0.03;

/// `Σ (-1)^k π^2k · 2k / (2k + 1)! · x^(2k - 1)`: the derivative to 1e-14 for x up to [`NEAR`].
fn near_zero(x: &Var) -> Result<Var> {
    let square = x.mul_scalar(PI)?.square()?;
    let sum = square
        .mul_scalar(1.0 / 45_360.0)?
        .add_scalar(-1.0 / 840.0)?;
    let sum = sum.mul(&square)?.add_scalar(1.0 / 30.0)?;
    let sum = sum.mul(&square)?.add_scalar(-1.0 / 3.0)?;
    sum.mul(x)?.mul_scalar(PI * PI)
}

const SINC: Lean = Lean {
    name: "sinc",
    value: |x, _| {
        if x == 0.0 {
            1.0
        } else {
            libm::sin(PI * x) / (PI * x)
        }
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| {
        let far = |x: f64, _| x.abs() > NEAR || x.is_nan();
        let apart = replaced(x, |x, _| x.abs() <= NEAR, 1.0)?;
        let slope = apart
            .mul_scalar(PI)?
            .cos()?
            .sub(&apart.sinc()?)?
            .div(&apart)?;
        let near = near_zero(&x.clamp(Some(-2.0 * NEAR), Some(2.0 * NEAR))?)?;
        grad.mul(&slope.where_(&mask(x.tensor(), [0.0; 3], far)?, &near)?)
    },
};

impl Var {
    /// The normalised cardinal sine: `sin(πx) / (πx)`, and 1 at 0.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (cos(πx) - sinc(x)) / x`, near 0 by its Taylor series. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.sinc`.
    pub fn sinc(&self) -> Result<Self> {
        lean(SINC, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sinc", sinc, Values::NONZERO, |x| (PI * x).sin() / (PI * x))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    /// The branch at 0 is the function, too: its second derivative is -π²/3, not 0.
    #[test]
    fn museum_22_the_guard_at_0_has_the_derivatives_of_the_function() {
        check_gradient(|v| v[0].sinc(), &[tensor(&[0.0, 1e-3, -0.02, 0.1], 4)]);
        let x = leaf(&[0.0_f64], 1);
        let config = crate::GradConfig {
            create_graph: true,
            ..Default::default()
        };
        let first = crate::grad(&[&x.sinc().unwrap()], &[&x], None, &config).unwrap();
        let first = first[0].clone().unwrap();
        let second = first.backward().unwrap();
        let second = second.get_var(&x).unwrap().item::<f64>().unwrap();
        assert!(
            (second + std::f64::consts::PI.powi(2) / 3.0).abs() < 1e-12,
            "{second}"
        );
    }
}
