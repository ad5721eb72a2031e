//! Whether any elements over dims are not 0.

use crate::ops::support::count::{count_over, test_counts, test_spec};
use crate::registry::OpSpec;
use crate::registry::templates::{plain, reduce_reference};
use crate::{Result, Tensor, Var};

impl Var {
    /// Whether any elements over `dims` (over all dims if it is empty) are true, which is not 0: a bool tensor.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`. Of no elements false.
    ///
    /// # Numerics
    /// NaN is true. Any dtype.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated.
    ///
    /// As `torch.any`, which gives u8 for u8.
    pub fn any(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        let (counts, _) = count_over("any", self, dims, keepdim)?;
        test_counts(&counts, |n| n > 0)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    test_spec(
        "any",
        |a| {
            Ok(plain(
                a.var("x")?.any(&a.isizes("dim")?, a.flag("keepdim")?)?,
            ))
        },
        |a| reduce_reference(a, |group| f64::from(group.iter().any(|&x| x != 0.0))),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn nan_is_true_and_nothing_is_false() {
        let x = constant(&[0.0, f64::NAN, -0.0, 1.0], [2, 2]);
        assert_eq!(
            x.any(&[1], false).unwrap().to_vec::<bool>().unwrap(),
            [true, true]
        );
        let x = constant::<f64>(&[], [1, 0]);
        assert_eq!(
            x.any(&[-1], true).unwrap().to_vec::<bool>().unwrap(),
            [false]
        );
        let got = x.any(&[2], false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
