//! Vars joined along a dim.

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::support::{index, same_dtype};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Cat {
    axis: usize,
}

impl Cat {
    /// The shape of the result: all parts have the first one's dims but for the axis.
    fn shape(&self, parts: &[&Tensor]) -> Result<Shape> {
        let first = parts[0];
        let mut dims = first.dims().to_vec();
        for part in &parts[1..] {
            same_dtype("cat", first, part)?;
            let fits = part.rank() == first.rank()
                && (0..first.rank())
                    .all(|axis| axis == self.axis || part.dims()[axis] == first.dims()[axis]);
            if !fits {
                return Err(Error::ShapeMismatch {
                    op: "cat",
                    lhs: *first.shape(),
                    rhs: *part.shape(),
                    rule: "dims must be equal but for the joined one",
                });
            }
            let sum = dims[self.axis].checked_add(part.dims()[self.axis]);
            dims[self.axis] = sum.ok_or(Error::Overflow {
                op: "cat",
                what: "joined dim",
            })?;
        }
        Shape::new(&dims)
    }
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(index::join(inputs, &self.shape(inputs)?, self.axis)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let mut start = 0;
        let mut grads = Vec::with_capacity(ctx.input_count());
        for i in 0..ctx.input_count() {
            let len = ctx.input_shape(i)[self.axis];
            let part = ctx
                .needs(i)
                .then(|| grad.narrow(self.axis as isize, start, len));
            grads.push(part.transpose()?);
            start += len;
        }
        Ok(grads)
    }
}

impl Var {
    /// Vars joined along an existing dim, in order.
    ///
    /// # Shapes
    /// All alike but for `dim`, whose sizes are added; sizes of 0 are fine. Any dtype, all alike.
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
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [1, 2])?);
    /// let y = Var::from(Tensor::from_slice(&[3.0_f32, 4.0], [1, 2])?);
    /// assert_eq!(Var::cat(&[&x, &y], 0)?.dims(), [2, 2]);
    /// assert_eq!(Var::cat(&[&x, &y], 1)?.tensor().to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.cat`.
    pub fn cat(vars: &[&Self], dim: isize) -> Result<Self> {
        let first = vars.first().ok_or(Error::Length {
            op: "cat",
            expected: 1,
            got: 0,
        })?;
        let axis = first.shape().axis("cat", dim)?;
        apply(Cat { axis }, vars)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Var};

    fn three(v: &[Var], dim: isize) -> Result<Var> {
        Var::cat(&[&v[0], &v[1], &v[2]], dim)
    }

    #[test]
    fn forward_matches_reference() {
        let parts = [
            tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]),
            tensor(&[5.0, 6.0], [2, 1]),
            tensor::<f64>(&[], [2, 0]),
        ];
        check_forward(|v| three(v, 1), &parts, &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
        let parts = [
            tensor(&[1.0, 2.0], [1, 2]),
            tensor(&[5.0, 6.0], [1, 2]),
            tensor::<f64>(&[], [0, 2]),
        ];
        check_forward(|v| three(v, -2), &parts, &[1.0, 2.0, 5.0, 6.0]);
        let flags = Var::cat(&[&constant(&[true], 1), &constant(&[false], 1)], 0).unwrap();
        assert_eq!(flags.tensor().to_vec::<bool>().unwrap(), [true, false]);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        let parts = [
            sampled(&[2, 1, 2], 1),
            sampled(&[2, 3, 2], 2),
            sampled(&[2, 2, 2], 3),
        ];
        check_gradient(|v| three(v, 1)?.square(), &parts);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(
            |v| three(v, 1),
            &[
                sampled(&[2, 1, 2], 1),
                sampled(&[2, 3, 2], 2),
                sampled(&[2, 2, 2], 3),
            ],
        );
        check_empty(|v| three(v, 0), &[&[0, 3], &[2, 3], &[0, 3]]);
    }

    #[test]
    fn museum_06_parts_stay_in_place_when_some_need_no_gradient() {
        let [a, c] = [leaf(&[1.0_f64], 1), leaf(&[2.0, 3.0], 2)];
        let y = three(&[a.clone(), constant(&[9.0, 9.0, 9.0], 3), c.clone()], 0).unwrap();
        let grads = y
            .backward_with(&constant(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6))
            .unwrap();
        assert_eq!(grads.get_var(&a).unwrap().to_vec::<f64>().unwrap(), [1.0]);
        assert_eq!(
            grads.get_var(&c).unwrap().to_vec::<f64>().unwrap(),
            [5.0, 6.0]
        );
    }

    #[test]
    fn rejects_parts_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(Var::cat(&[], 0), Err(Error::Length { .. })));
        assert!(matches!(Var::cat(&[&x], 2), Err(Error::Axis { .. })));
        assert!(matches!(
            Var::cat(&[&x, &constant(&BOTH_SIGNS, [3, 2])], 0),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            Var::cat(&[&x, &constant(&BOTH_SIGNS, 6)], 0),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            Var::cat(&[&x, &constant(&[1.0_f32; 3], [1, 3])], 0),
            Err(Error::DTypeMismatch { .. })
        ));
        assert!(matches!(
            Var::cat(&[&constant(&[1.0], ())], 0),
            Err(Error::Axis { .. })
        ));
    }
}
