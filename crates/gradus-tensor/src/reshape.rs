//! Reshaping: a view where the strides allow one, a copy where they do not.

use crate::{Error, IntoShape, Layout, MAX_RANK, Result, Shape, Tensor};

impl Tensor {
    /// The same elements, in row-major order, in another shape. A view if the strides allow one, else a copy.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the number of elements differs.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// let x = Tensor::arange(0_i64, 6, 1)?.reshape([2, 3])?;
    /// assert_eq!(x.dims(), [2, 3]);
    /// assert!(x.reshape([4]).is_err());
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Self> {
        let shape = shape.into_shape()?;
        if shape.numel() != self.numel() {
            let rule = "numbers of elements differ";
            return Err(Error::ShapeMismatch {
                op: "reshape",
                lhs: *self.shape(),
                rhs: shape,
                rule,
            });
        }
        match reshaped(self.layout(), &shape) {
            Some(layout) => self.with_layout(layout),
            None => self.deep_copy()?.with_layout(Layout::contiguous(shape)),
        }
    }

    /// Dims `start..=end` merged into one; a scalar becomes one element.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside, or `start` stands behind `end`.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Self> {
        self.reshape(flattened(self.shape(), start, end)?)
    }
}

/// The shape with dims `start..=end` merged into one.
fn flattened(shape: &Shape, start: isize, end: isize) -> Result<Shape> {
    if shape.rank() == 0 {
        return Shape::new(&[1]);
    }
    let (first, last) = (shape.axis("flatten", start)?, shape.axis("flatten", end)?);
    if first > last {
        return Err(Error::Axis {
            op: "flatten",
            dim: end,
            rank: shape.rank(),
        });
    }
    let mut dims = shape[..first].to_vec();
    dims.push(shape[first..=last].iter().product());
    dims.extend_from_slice(&shape[last + 1..]);
    Shape::new(&dims)
}

/// The layout of `shape` over the same elements, if strides can say it. Both have the same number of elements.
fn reshaped(layout: &Layout, shape: &Shape) -> Option<Layout> {
    if layout.is_contiguous() {
        let contiguous = Layout::contiguous(*shape);
        return Layout::strided(*shape, contiguous.strides(), layout.offset()).ok();
    }
    let old = layout.collapsed();
    let mut strides = [0isize; MAX_RANK];
    let mut remaining = old.shape().iter().zip(old.strides()).rev();
    // The part of the current old dim that is not yet covered by new dims, and the stride of its next new dim.
    let (mut uncovered, mut stride) = (1usize, 0isize);
    for axis in (0..shape.rank()).rev() {
        if shape[axis] == 1 {
            continue;
        }
        if uncovered == 1 {
            let (&dim, &step) = remaining.next()?;
            (uncovered, stride) = (dim, step);
        }
        if !uncovered.is_multiple_of(shape[axis]) {
            return None;
        }
        strides[axis] = stride;
        stride *= shape[axis] as isize;
        uncovered /= shape[axis];
    }
    Layout::strided(*shape, &strides[..shape.rank()], layout.offset()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_when_strides_allow_copies_when_not() {
        let x = Tensor::arange(0_i64, 24, 1)
            .unwrap()
            .reshape([2, 3, 4])
            .unwrap();
        let cases: [(Tensor, &[usize], bool); 8] = [
            (x.clone(), &[6, 4], true),
            (x.narrow(1, 1, 2).unwrap(), &[2, 8], true),
            (x.narrow(1, 1, 2).unwrap(), &[16], false),
            (x.transpose(0, 1).unwrap(), &[3, 2, 2, 2], true),
            (x.transpose(0, 1).unwrap(), &[6, 4], false),
            (x.flip(&[0, 1, 2]).unwrap(), &[24], true),
            (x.slice(2, 0, 4, 2).unwrap(), &[6, 2], true),
            (
                x.select(0, 0)
                    .unwrap()
                    .unsqueeze(0)
                    .unwrap()
                    .expand([5, 3, 4])
                    .unwrap(),
                &[5, 12],
                true,
            ),
        ];
        for (view, shape, shares) in cases {
            let reshaped = view.reshape(shape).unwrap();
            assert_eq!(
                reshaped.to_vec::<i64>().unwrap(),
                view.to_vec::<i64>().unwrap(),
                "{shape:?}"
            );
            assert_eq!(reshaped.same_storage(&x), shares, "{shape:?}");
        }
    }

    #[test]
    fn empty_and_scalar_shapes() {
        let empty = Tensor::zeros([0, 3], crate::DType::F32).unwrap();
        assert_eq!(empty.reshape([5, 0]).unwrap().dims(), [5, 0]);
        assert_eq!(
            empty.transpose(0, 1).unwrap().reshape([0]).unwrap().dims(),
            [0]
        );
        let scalar = Tensor::scalar(1.0_f32).unwrap();
        assert_eq!(
            scalar.reshape([1, 1]).unwrap().reshape(()).unwrap().rank(),
            0
        );
        assert_eq!(scalar.flatten(0, -1).unwrap().dims(), [1]);
        assert!(empty.reshape([1]).is_err());
    }

    #[test]
    fn flatten_merges_a_range() {
        let x = Tensor::zeros([2, 3, 4, 5], crate::DType::U8).unwrap();
        assert_eq!(x.flatten(1, 2).unwrap().dims(), [2, 12, 5]);
        assert_eq!(x.flatten(1, -1).unwrap().dims(), [2, 60]);
        assert!(x.flatten(2, 1).is_err());
    }
}
