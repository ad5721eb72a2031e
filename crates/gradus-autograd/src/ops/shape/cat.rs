//! Vars joined along a dim.

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::support::{index, same_dtype};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
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
    /// All alike but for `dim`, whose sizes are added; sizes of 0 are fine. Any dtype, all alike. A var of shape `(0,)` is
    /// left out beside vars of other ranks, as in PyTorch.
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
        let missing = Error::Length {
            op: "cat",
            expected: 1,
            got: 0,
        };
        if vars.iter().any(|x| x.rank() != 1) && vars.iter().any(|x| x.dims() == [0]) {
            let vars = vars.iter().copied().filter(|x| x.dims() != [0]);
            return Self::cat(&vars.collect::<Vec<_>>(), dim);
        }
        let first = vars.first().ok_or(missing)?;
        let axis = first.shape().axis("cat", dim)?;
        apply(Cat { axis }, vars)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cat", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::cat(&vars, a.isize("dim")?)?))
    })
    .list("tensors", Kind::Any)
    .attr("dim", AttrType::Int, 0)
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let all = all.collect::<Result<Vec<Dense>>>()?;
        let mut dims = all[0].dims.clone();
        let axis = a.isize("dim")?.rem_euclid(dims.len() as isize) as usize;
        dims[axis] = all.iter().map(|x| x.dims[axis]).sum();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at.to_vec();
            let mut part = 0;
            while own[axis] >= all[part].dims[axis] {
                own[axis] -= all[part].dims[axis];
                part += 1;
            }
            all[part].at(&own)
        })])
    })
    .draw(|d| {
        let mut dims = d.some_shape();
        let dim = d.dim(dims.len());
        let axis = dim.rem_euclid(dims.len() as i64) as usize;
        let count = d.range(1..=3);
        let parts = (0..count).map(|i| {
            if i > 0 {
                dims[axis] = d.range(0..=3);
            }
            d.reals(&dims)
        });
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Args::new().with("tensors", parts).attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Var};

    fn three(v: &[Var], dim: isize) -> Result<Var> {
        Var::cat(&[&v[0], &v[1], &v[2]], dim)
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
    fn museum_46_vectors_of_no_elements_are_left_out() {
        let none = Var::constant(tensor::<f64>(&[], [0]));
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let y = Var::cat(&[&none, &x, &none], 1).unwrap();
        assert_eq!((y.dims(), values(&y)), (&[2, 3][..], BOTH_SIGNS.to_vec()));
        assert_eq!(Var::cat(&[&none, &none], 0).unwrap().dims(), [0]);
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
