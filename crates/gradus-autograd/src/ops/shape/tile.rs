//! Copies of a tensor side by side, as numpy counts them.

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// As [`Var::repeat`], but fewer counts than dims are those of the last dims.
    ///
    /// # Shapes, gradient, errors
    /// As [`Var::repeat`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.tile(&[3])?.dims(), [2, 6]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.tile`.
    pub fn tile(&self, dims: &[usize]) -> Result<Self> {
        let missing = self.rank().saturating_sub(dims.len());
        self.repeat(&[&vec![1; missing], dims].concat())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("tile", |a| Ok(one(a.var("x")?.tile(&a.sizes("dims")?)?)))
        .input("x", Kind::Any)
        .required("dims", AttrType::Ints)
        .reference(|a| {
            let (x, mut counts) = (a.dense("x")?, a.sizes("dims")?);
            while counts.len() < x.rank() {
                counts.insert(0, 1);
            }
            Ok(vec![super::repeat::reference(&x, &counts)])
        })
        .draw(|d| {
            let dims = d.any_shape();
            let count = d.range(0..=dims.len() + 1);
            let counts: Vec<usize> = (0..count).map(|_| d.pick(&[2, 1, 3, 1])).collect();
            let args = Args::new().with("x", d.reals(&dims)?);
            Ok(args.attr("dims", counts.as_slice()))
        })
}
