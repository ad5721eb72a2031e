//! Windows of a dim.

use crate::ops::support::movement::{Part, Take, Window, axis};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var, apply};

impl Var {
    /// Windows of `size` elements, `step` apart, of `dim`; the elements of a window become a new last dim. A view.
    ///
    /// # Shapes
    /// `dim` gets the number of windows, `(N - size) / step + 1`; a scalar is taken as one element. Any dtype.
    ///
    /// # Gradient
    /// Each element gets the sum over the windows that it is in, in row-major order. Saves nothing. f32 or f64.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Argument`] if `step` is 0;
    /// [`crate::Error::IndexOutOfRange`] if the window is larger than the dim; [`crate::Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 4.0, 1.0)?);
    /// let windows = x.unfold_copy(0, 3, 1)?;
    /// assert_eq!(windows.tensor().to_vec::<f32>()?, [0.0, 1.0, 2.0, 1.0, 2.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.unfold`, `torch.unfold_copy`; [`Var::unfold`] is that of `torch.nn.functional`.
    pub fn unfold_copy(&self, dim: isize, size: usize, step: usize) -> Result<Self> {
        let axis = axis("unfold_copy", self.shape(), dim)?;
        if self.rank() == 0 {
            // One window of one element, or of none.
            let window = self.reshape([1])?.unfold_copy(0, size, step)?;
            return window.narrow(0, 0, 1)?.reshape([size]);
        }
        let windows = vec![Window {
            axis,
            size,
            dilation: 1,
            stride: step,
        }];
        let part = Part::Windows(windows);
        let name = "unfold_copy";
        apply(Take { name, part }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("unfold_copy", |a| {
        let [size, step] = [a.usize("size")?, a.usize("step")?];
        let x = a.var("x")?;
        Ok(one(x.unfold_copy(a.isize("dimension")?, size, step)?))
    })
    .variety(2)
    .input("x", Kind::Any)
    .required("dimension", AttrType::Int)
    .required("size", AttrType::Int)
    .required("step", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let [size, step] = [a.usize("size")?, a.usize("step")?];
        let axis = a.isize("dimension")?.rem_euclid(x.rank() as isize) as usize;
        let mut dims = x.dims.clone();
        dims[axis] = (0..)
            .take_while(|i| i * step + size <= x.dims[axis])
            .count();
        dims.push(size);
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at[..x.rank()].to_vec();
            own[axis] = own[axis] * step + at[x.rank()];
            x.at(&own)
        })])
    })
    .draw(|d| {
        let dims = d.shape(1..=3, 1..=5);
        let dim = d.dim(dims.len());
        let len = dims[dim.rem_euclid(dims.len() as i64) as usize];
        let size = d.range(0..=len.min(5));
        let step = d.range(1..=size.clamp(1, 3));
        let args = Args::new()
            .with("x", d.reals(&dims)?)
            .attr("dimension", dim);
        Ok(args.attr("size", size).attr("step", step))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_06_elements_in_several_windows_get_all_their_gradients() {
        let x = leaf(&[1.0_f64, 2.0, 3.0, 4.0], 4);
        let y = x.unfold_copy(0, 2, 1).unwrap();
        let grads = y.backward_with(&constant(&BOTH_SIGNS, [3, 2])).unwrap();
        let g = BOTH_SIGNS;
        let want = [g[0], g[1] + g[2], g[3] + g[4], g[5]];
        assert_eq!(grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(), want);
    }

    #[test]
    fn rejects_windows_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(
            x.unfold_copy(1, 4, 1),
            Err(Error::IndexOutOfRange { .. })
        ));
        assert!(matches!(
            x.unfold_copy(1, 2, 0),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(x.unfold_copy(2, 1, 1), Err(Error::Axis { .. })));
        for (size, step) in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX, usize::MAX)] {
            assert!(x.unfold_copy(1, size, step).is_err());
        }
    }
}
