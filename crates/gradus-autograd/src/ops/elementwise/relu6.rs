//! Rectified linear units that end at 6.

use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

impl Var {
    /// `min(max(x, 0), 6)`: [`Var::hardtanh`] with the limits 0 and 6.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.relu6`.
    pub fn relu6(&self) -> Result<Self> {
        self.hardtanh(0.0, 6.0)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "relu6",
        relu6,
        Values::between(-2.0, 8.0).away(&[0.0, 6.0]),
        |x| x.clamp(0.0, 6.0)
    )
    .kinked()
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn relu6_is_cut_at_both_ends() {
        let x = leaf(&[-1.0_f64, 0.0, 2.0, 6.0, 7.0], 5);
        let y = x.relu6().unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 2.0, 6.0, 6.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, 1.0, 0.0, 0.0]
        );
    }
}
