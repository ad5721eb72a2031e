//! Views: other layouts of the same storage. Nothing here copies elements.
//!
//! Dimension numbers are signed; negative ones count from the end. Names and meaning are PyTorch's.

use crate::{Error, IntoShape, Layout, MAX_RANK, Result, Shape, Tensor};

impl Tensor {
    /// The dims in another order: dim `i` of the result is dim `order[i]` of `self`.
    ///
    /// # Errors
    /// [`Error::Length`] if there is not one entry for each dim; [`Error::Axis`] if one is outside or repeated.
    pub fn permute(&self, order: &[isize]) -> Result<Self> {
        let rank = self.rank();
        if order.len() != rank {
            return Err(Error::Length {
                op: "permute",
                expected: rank,
                got: order.len(),
            });
        }
        let mut axes = [0; MAX_RANK];
        let mut named = [false; MAX_RANK];
        for (axis, &dim) in axes.iter_mut().zip(order) {
            *axis = self.shape().axis("permute", dim)?;
            if std::mem::replace(&mut named[*axis], true) {
                return Err(Error::Axis {
                    op: "permute",
                    dim,
                    rank,
                });
            }
        }
        self.with_layout(self.layout().permuted(&axes[..rank]))
    }

    /// Two dims exchanged.
    ///
    /// # Errors
    /// [`Error::Axis`] if one is outside.
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Self> {
        let (a, b) = (
            self.shape().axis("transpose", dim0)?,
            self.shape().axis("transpose", dim1)?,
        );
        let mut axes: [usize; MAX_RANK] = std::array::from_fn(|i| i);
        axes.swap(a, b);
        self.with_layout(self.layout().permuted(&axes[..self.rank()]))
    }

    /// Dim `from` moved to stand at `to`; the others keep their order.
    ///
    /// # Errors
    /// [`Error::Axis`] if one is outside.
    pub fn movedim(&self, from: isize, to: isize) -> Result<Self> {
        let (from, to) = (
            self.shape().axis("movedim", from)?,
            self.shape().axis("movedim", to)?,
        );
        let mut axes: Vec<usize> = (0..self.rank()).filter(|&a| a != from).collect();
        axes.insert(to, from);
        self.with_layout(self.layout().permuted(&axes))
    }

    /// `len` elements of `dim` from `start` on.
    ///
    /// # Errors
    /// [`Error::Axis`]; [`Error::IndexOutOfRange`] if the range leaves the dim.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Self> {
        let axis = self.shape().axis("narrow", dim)?;
        let size = self.dims()[axis];
        if start.checked_add(len).is_none_or(|end| end > size) {
            let index = i64::try_from(start.saturating_add(len)).unwrap_or(i64::MAX);
            return Err(Error::IndexOutOfRange {
                op: "narrow",
                position: axis,
                index,
                len: size + 1,
            });
        }
        self.with_layout(self.layout().sliced(axis, start, len, 1)?)
    }

    /// Elements `start, start + step, …` of `dim`, up to but without `end`. A negative step walks down from `start`
    /// to `end` (also without it; `-1` there means "past element 0").
    ///
    /// # Errors
    /// [`Error::Axis`]; [`Error::Argument`] if the step is 0; [`Error::IndexOutOfRange`] if an end leaves the dim.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// let x = Tensor::arange(0_i64, 6, 1)?;
    /// assert_eq!(x.slice(0, 1, 6, 2)?.to_vec::<i64>()?, [1, 3, 5]);
    /// assert_eq!(x.slice(0, 5, -1, -2)?.to_vec::<i64>()?, [5, 3, 1]);
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    pub fn slice(&self, dim: isize, start: isize, end: isize, step: isize) -> Result<Self> {
        let axis = self.shape().axis("slice", dim)?;
        let size = self.dims()[axis];
        let limit = size as isize;
        if step == 0 {
            return Err(Error::Argument {
                op: "slice",
                name: "step",
                expected: "not 0",
                got: 0.0,
            });
        }
        // Where the first element may stand, and where the end may: a walk down ends at -1.
        let (starts, ends) = if step > 0 {
            (0..=limit, 0..=limit)
        } else {
            (-1..=limit - 1, -1..=limit - 1)
        };
        for (bound, range) in [(start, starts), (end, ends)] {
            if !range.contains(&bound) {
                let index = bound as i64;
                return Err(Error::IndexOutOfRange {
                    op: "slice",
                    position: axis,
                    index,
                    len: size,
                });
            }
        }
        let span = if step > 0 { end - start } else { start - end };
        let len = if span <= 0 {
            0
        } else {
            (span as usize).div_ceil(step.unsigned_abs())
        };
        self.with_layout(
            self.layout()
                .sliced(axis, start.max(0) as usize, len, step)?,
        )
    }

    /// Element `index` of `dim`, which disappears.
    ///
    /// # Errors
    /// [`Error::Axis`]; [`Error::IndexOutOfRange`].
    pub fn select(&self, dim: isize, index: usize) -> Result<Self> {
        let axis = self.shape().axis("select", dim)?;
        let len = self.dims()[axis];
        if index >= len {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            return Err(Error::IndexOutOfRange {
                op: "select",
                position: axis,
                index,
                len,
            });
        }
        self.with_layout(self.layout().sliced(axis, index, 1, 1)?.without(axis))
    }

    /// Expanded to a larger shape without copying: new dims in front and dims of size 1 repeat (stride 0).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if another dim would have to change.
    pub fn expand(&self, shape: impl IntoShape) -> Result<Self> {
        self.with_layout(self.layout().broadcast("expand", &shape.into_shape()?)?)
    }

    /// Without `dim`, if it is of size 1; else unchanged.
    ///
    /// # Errors
    /// [`Error::Axis`].
    pub fn squeeze(&self, dim: isize) -> Result<Self> {
        let axis = self.shape().axis("squeeze", dim)?;
        if self.dims()[axis] == 1 {
            self.with_layout(self.layout().without(axis))
        } else {
            Ok(self.clone())
        }
    }

    /// Without any dim of size 1.
    ///
    /// # Errors
    /// None today; the signature is that of all views.
    pub fn squeeze_all(&self) -> Result<Self> {
        let order: Vec<usize> = (0..self.rank()).filter(|&a| self.dims()[a] != 1).collect();
        self.with_layout(self.layout().permuted(&order))
    }

    /// With a new dim of size 1 at `dim`, in `-rank - 1..=rank`.
    ///
    /// # Errors
    /// [`Error::Axis`]; [`Error::RankTooHigh`].
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        let rank = self.rank();
        let at = if dim < 0 {
            dim + rank as isize + 1
        } else {
            dim
        };
        let at = usize::try_from(at).ok().filter(|&at| at <= rank);
        let at = at.ok_or(Error::Axis {
            op: "unsqueeze",
            dim,
            rank,
        })?;
        let mut dims = self.dims().to_vec();
        let mut strides = self.strides().to_vec();
        dims.insert(at, 1);
        strides.insert(at, 0);
        self.with_layout(Layout::strided(
            Shape::new(&dims)?,
            &strides,
            self.layout().offset(),
        )?)
    }

    /// The order of elements turned round in each of the given dims; unlike PyTorch's, a view.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or repeated.
    pub fn flip(&self, dims: &[isize]) -> Result<Self> {
        let mut layout = *self.layout();
        if dims.is_empty() {
            return Ok(self.clone());
        }
        for axis in self.shape().axes("flip", dims)? {
            let len = self.dims()[axis];
            layout = layout.sliced(axis, len.saturating_sub(1), len, -1)?;
        }
        self.with_layout(layout)
    }

    /// The diagonal of dims `dim0` and `dim1` as a new last dim; `offset` above (positive) or below it.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or both are the same.
    pub fn diagonal(&self, offset: isize, dim0: isize, dim1: isize) -> Result<Self> {
        let (a, b) = (
            self.shape().axis("diagonal", dim0)?,
            self.shape().axis("diagonal", dim1)?,
        );
        if a == b {
            return Err(Error::Axis {
                op: "diagonal",
                dim: dim1,
                rank: self.rank(),
            });
        }
        let skip = offset.unsigned_abs();
        let (rows, cols) = (self.dims()[a], self.dims()[b]);
        let len = if offset >= 0 {
            rows.min(cols.saturating_sub(skip))
        } else {
            cols.min(rows.saturating_sub(skip))
        };
        let from = if offset >= 0 { b } else { a };
        let shift = if len > 0 {
            self.strides()[from] * skip as isize
        } else {
            0
        };
        let mut dims = Vec::with_capacity(MAX_RANK);
        let mut strides = Vec::with_capacity(MAX_RANK);
        for axis in (0..self.rank()).filter(|&axis| axis != a && axis != b) {
            dims.push(self.dims()[axis]);
            strides.push(self.strides()[axis]);
        }
        dims.push(len);
        strides.push(self.strides()[a] + self.strides()[b]);
        let start = self.layout().offset().wrapping_add_signed(shift);
        self.with_layout(Layout::strided(Shape::new(&dims)?, &strides, start)?)
    }

    /// Windows of `size` elements, `step` apart, of `dim`; the window's elements become a new last dim.
    ///
    /// # Errors
    /// [`Error::Axis`]; [`Error::Argument`] if the step is 0 or the window does not fit the dim.
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Self> {
        let axis = self.shape().axis("unfold", dim)?;
        let len = self.dims()[axis];
        if step == 0 {
            return Err(Error::Argument {
                op: "unfold",
                name: "step",
                expected: "at least 1",
                got: 0.0,
            });
        }
        if size > len {
            return Err(Error::IndexOutOfRange {
                op: "unfold",
                position: axis,
                index: size as i64,
                len: len + 1,
            });
        }
        let mut dims = self.dims().to_vec();
        let mut strides = self.strides().to_vec();
        dims[axis] = (len - size) / step + 1;
        dims.push(size);
        strides.push(strides[axis]);
        strides[axis] = strides[axis]
            .checked_mul(isize::try_from(step).map_err(|_| Error::Overflow {
                op: "unfold",
                what: "step",
            })?)
            .ok_or(Error::Overflow {
                op: "unfold",
                what: "stride",
            })?;
        self.with_layout(Layout::strided(
            Shape::new(&dims)?,
            &strides,
            self.layout().offset(),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(dims: &[usize]) -> Tensor {
        let n = dims.iter().product::<usize>() as i64;
        Tensor::arange(0_i64, n, 1).unwrap().reshape(dims).unwrap()
    }

    fn values(x: &Tensor) -> Vec<i64> {
        x.to_vec().unwrap()
    }

    #[test]
    fn views_share_the_storage() {
        let x = counting(&[2, 3, 4]);
        for view in [
            x.transpose(0, -1).unwrap(),
            x.movedim(0, 2).unwrap(),
            x.narrow(1, 1, 2).unwrap(),
            x.slice(2, 3, -1, -1).unwrap(),
            x.flip(&[0, 1, 2]).unwrap(),
            x.unsqueeze(-1).unwrap().expand([2, 3, 4, 5]).unwrap(),
            x.select(1, 2).unwrap(),
            x.diagonal(0, 1, 2).unwrap(),
            x.unfold(2, 2, 1).unwrap(),
        ] {
            assert!(view.same_storage(&x));
        }
    }

    #[test]
    fn values_are_those_of_torch() {
        let x = counting(&[3, 4]);
        assert_eq!(
            values(&x.transpose(0, 1).unwrap().select(0, 1).unwrap()),
            [1, 5, 9]
        );
        assert_eq!(
            values(&x.flip(&[0]).unwrap().narrow(0, 0, 1).unwrap()),
            [8, 9, 10, 11]
        );
        assert_eq!(values(&x.diagonal(1, 0, 1).unwrap()), [1, 6, 11]);
        assert_eq!(values(&x.diagonal(-1, 0, 1).unwrap()), [4, 9]);
        assert_eq!(x.diagonal(9, 0, 1).unwrap().dims(), [0]);
        assert_eq!(
            values(&x.slice(1, 3, 0, -1).unwrap().select(0, 0).unwrap()),
            [3, 2, 1]
        );
        let windows = counting(&[5]).unfold(0, 3, 2).unwrap();
        assert_eq!(
            (windows.dims(), values(&windows)),
            (&[2, 3][..], vec![0, 1, 2, 2, 3, 4])
        );
        assert_eq!(
            counting(&[2, 3, 4]).movedim(0, -1).unwrap().dims(),
            [3, 4, 2]
        );
        assert_eq!(counting(&[1, 3, 1]).squeeze_all().unwrap().dims(), [3]);
    }

    #[test]
    fn empty_views_are_fine() {
        let x = counting(&[3, 4]);
        assert_eq!(x.narrow(0, 3, 0).unwrap().dims(), [0, 4]);
        assert_eq!(x.slice(0, 2, 2, 1).unwrap().numel(), 0);
        assert_eq!(
            Tensor::zeros([0, 3], crate::DType::F32)
                .unwrap()
                .flip(&[0, 1])
                .unwrap()
                .dims(),
            [0, 3]
        );
        assert_eq!(
            Tensor::zeros([1, 0], crate::DType::F32)
                .unwrap()
                .expand([5, 0])
                .unwrap()
                .dims(),
            [5, 0]
        );
    }

    #[test]
    fn misuse_is_refused() {
        let x = counting(&[3, 4]);
        assert!(x.narrow(0, 2, 2).is_err() && x.narrow(0, usize::MAX, 2).is_err());
        assert!(x.slice(0, 0, 4, 1).is_err() && x.slice(0, 0, 3, 0).is_err());
        assert!(x.permute(&[0, 0]).is_err() && x.permute(&[0]).is_err());
        assert!(x.expand([4, 3, 4]).is_ok() && x.expand([3, 8]).is_err() && x.expand([4]).is_err());
        assert!(x.unsqueeze(3).is_err() && x.select(0, 3).is_err() && x.unfold(0, 4, 1).is_err());
        assert!(x.flip(&[0, -2]).is_err() && x.diagonal(0, 1, -1).is_err());
    }

    #[test]
    fn museum_47_views_beyond_two_billion_elements() {
        let x = Tensor::zeros([1], crate::DType::U8)
            .unwrap()
            .expand([(1 << 31) + 1])
            .unwrap();
        assert_eq!(x.narrow(0, 1 << 31, 1).unwrap().item::<u8>().unwrap(), 0);
        assert!(x.slice(0, 1 << 31, -1, -(1 << 30)).unwrap().dims() == [3]);
    }
}
