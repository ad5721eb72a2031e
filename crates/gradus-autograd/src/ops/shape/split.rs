//! Parts of a dim, one behind the other.

use gradus_tensor::{Error, Result, Tensor};

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply_multi};

/// The core of split, chunk, tensor_split and unbind: the sizes add up to that of the axis.
#[derive(Debug)]
struct Split {
    name: &'static str,
    axis: usize,
    sizes: Vec<usize>,
}

impl Op for Split {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let mut start = 0;
        let mut part = |len: usize| {
            let part = inputs[0].narrow(self.axis as isize, start, len);
            start += len;
            part
        };
        let parts = self.sizes.iter().map(|&len| part(len));
        Ok(parts.collect::<Result<Vec<Tensor>>>()?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grads = (0..self.sizes.len()).map(|i| ctx.grad(grad_out, i));
        let grads = grads.collect::<Result<Vec<Var>>>()?;
        let grads: Vec<&Var> = grads.iter().collect();
        Ok(vec![Some(Var::cat(&grads, self.axis as isize)?)])
    }
}

/// Parts of these sizes of `axis`, which add up to its size; none if there are none.
pub(super) fn parts(
    name: &'static str,
    x: &Var,
    axis: usize,
    sizes: Vec<usize>,
) -> Result<Vec<Var>> {
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    apply_multi(Split { name, axis, sizes }, &[x])
}

/// Sizes of parts of `size` each, the last one smaller where they do not fit; one of 0 for a dim of 0.
pub(super) fn equal(len: usize, size: usize) -> Vec<usize> {
    if len == 0 {
        return vec![0];
    }
    let size = size.max(1);
    (0..len.div_ceil(size))
        .map(|i| size.min(len - i * size))
        .collect()
}

impl Var {
    /// Parts of `size` positions of `dim`, the last one smaller where they do not fit. Views.
    ///
    /// # Shapes
    /// As the input but for `dim`; a dim of size 0 gives one part.
    ///
    /// # Gradient
    /// The parts' gradients joined. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `size` is 0 and the dim is not.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 5.0, 1.0)?);
    /// let parts = x.split(2, 0)?;
    /// assert_eq!(parts[2].tensor().to_vec::<f32>()?, [4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.split` with a size.
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("split", dim)?;
        let len = self.dims()[axis];
        if size == 0 && len > 0 {
            return Err(Error::Argument {
                op: "split",
                name: "split_size_or_sections",
                expected: "at least 1",
                got: 0.0,
            });
        }
        parts("split", self, axis, equal(len, size))
    }

    /// Parts of these sizes of `dim`. Views.
    ///
    /// # Shapes, gradient
    /// As [`Var::split`]; the sizes add up to that of `dim`.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Length`] if the sizes add up to something else.
    ///
    /// As `torch.split` with sections, `torch.split_with_sizes`.
    pub fn split_with_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("split", dim)?;
        let sum = sizes
            .iter()
            .try_fold(0_usize, |sum, &size| sum.checked_add(size));
        let sum = sum.ok_or(Error::Overflow {
            op: "split",
            what: "sum of the sizes",
        })?;
        if sum != self.dims()[axis] {
            return Err(Error::Length {
                op: "split",
                expected: self.dims()[axis],
                got: sum,
            });
        }
        parts("split", self, axis, sizes.to_vec())
    }
}

/// Its registration: one number is the size of all parts, several are the sizes of each.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("split", |a| {
        let (x, dim) = (a.var("x")?, a.isize("dim")?);
        match a.sizes("split_size_or_sections")?[..] {
            [size] => x.split(size, dim),
            ref sizes => x.split_with_sizes(sizes, dim),
        }
    })
    .many()
    .input("x", Kind::Any)
    .required("split_size_or_sections", AttrType::Ints)
    .attr("dim", AttrType::Int, 0)
    .reference(|a| {
        let x = a.dense("x")?;
        let len = x.dims[a.isize("dim")?.rem_euclid(x.rank() as isize) as usize];
        let sizes = match a.sizes("split_size_or_sections")?[..] {
            [size] => (0..len.div_ceil(size).max(1))
                .map(|i| size.min(len - i * size))
                .collect(),
            ref sizes => sizes.to_vec(),
        };
        cut(a, &x, &sizes)
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let mut left = dims[dim.rem_euclid(dims.len() as i64) as usize];
        let sizes = if d.flag() {
            vec![d.range(1..=left.clamp(1, 3)).max(left / 8)]
        } else {
            let mut sizes = vec![0];
            while left > 0 {
                let size = d.range(1..=left).max(left / 4);
                sizes.push(size);
                left -= size;
            }
            sizes.push(0);
            sizes
        };
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args
            .attr("split_size_or_sections", sizes.as_slice())
            .attr("dim", dim))
    })
}

/// What `x` is cut to along `dim`, for references.
pub(super) fn cut(a: &Args, x: &Dense, sizes: &[usize]) -> Result<Vec<Dense>> {
    let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
    let mut start = 0;
    Ok(sizes
        .iter()
        .map(|&size| {
            let from = start;
            start += size;
            x.along(axis, |lane| lane[from..from + size].to_vec())
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_06_parts_without_a_gradient_leave_the_others_in_place() {
        let x = leaf(&[1.0_f64, 2.0, 3.0, 4.0, 5.0], 5);
        let parts = x.split_with_sizes(&[1, 3, 1], 0).unwrap();
        let grads = parts[1]
            .backward_with(&constant(&[1.0, 2.0, 3.0], 3))
            .unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(grad, [0.0, 1.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn rejects_sizes_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(x.split(0, 1), Err(Error::Argument { .. })));
        assert!(matches!(x.split(1, 2), Err(Error::Axis { .. })));
        let got = x.split_with_sizes(&[1, 1], 1);
        assert!(matches!(got, Err(Error::Length { .. })), "{got:?}");
        let got = x.split_with_sizes(&[usize::MAX, 4], 1);
        assert!(matches!(got, Err(Error::Overflow { .. })), "{got:?}");
    }
}
