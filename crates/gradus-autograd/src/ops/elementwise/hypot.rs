//! Lengths of two legs.

use crate::ops::support::lean::{Lean2, lean2, replaced};
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const HYPOT: Lean2 = Lean2 {
    name: "hypot",
    value: libm::hypot,
    grad_a: |grad, a, b| grad.mul(&a.div(&length(a, b)?)?),
    grad_b: |grad, a, b| grad.mul(&b.div(&length(a, b)?)?),
};

/// The hypotenuse, and 1 where it is 0.
fn length(a: &Var, b: &Var) -> Result<Var> {
    replaced(&a.hypot(b)?, |y, _| y == 0.0, 1.0)
}

impl Var {
    /// The hypotenuse: `√(self² + other²)`, without overflow on the way.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out · self / y` and `grad_out · other / y`, 0 where both are 0 (PyTorch: NaN),
    /// summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.hypot`.
    pub fn hypot(&self, other: &Self) -> Result<Self> {
        lean2(HYPOT, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("hypot", hypot, [Values::REAL, Values::FAR], |x, y| (x * x
        + y * y)
        .sqrt())
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_12_gradient_at_the_origin_is_0() {
        let (x, y) = (leaf(&[0.0_f64, 3.0], 2), leaf(&[0.0_f64, 4.0], 2));
        let grads = x
            .hypot(&y)
            .unwrap()
            .backward_with(&constant(&[1.0_f64; 2], 2))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.6]
        );
        assert_eq!(
            grads.get_var(&y).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.8]
        );
    }
}
