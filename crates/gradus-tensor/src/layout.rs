//! Layouts: how a shape lies in a storage. Strides and offsets count elements; strides are signed.

use crate::{Error, MAX_RANK, Result, Shape};

/// Shape, strides and offset of a view into a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    strides: [isize; MAX_RANK],
    offset: usize,
}

impl Layout {
    /// The row-major layout of a shape, at the start of its storage.
    pub fn contiguous(shape: Shape) -> Self {
        let mut strides = [0; MAX_RANK];
        let mut step = 1usize;
        for axis in (0..shape.rank()).rev() {
            strides[axis] = step as isize; // Shape::new checked that the product fits isize
            step *= shape[axis].max(1);
        }
        Self {
            shape,
            strides,
            offset: 0,
        }
    }

    /// A layout of these strides.
    ///
    /// # Errors
    /// [`Error::Length`] if there is not one stride for each dim; [`Error::Overflow`] if the reachable offsets
    /// do not fit, or reach below the start of the storage.
    pub fn strided(shape: Shape, strides: &[isize], offset: usize) -> Result<Self> {
        if strides.len() != shape.rank() {
            return Err(Error::Length {
                op: "layout",
                expected: shape.rank(),
                got: strides.len(),
            });
        }
        let mut layout = Self {
            shape,
            strides: [0; MAX_RANK],
            offset,
        };
        layout.strides[..strides.len()].copy_from_slice(strides);
        layout.reach()?;
        Ok(layout)
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The stride of each dim, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        &self.strides[..self.shape.rank()]
    }

    /// Where the element of index 0 stands, in elements.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether the elements stand one after the other in row-major order. Strides of dims of size 1 do not matter.
    pub fn is_contiguous(&self) -> bool {
        if self.shape.contains(&0) {
            return true;
        }
        let mut step = 1isize;
        for axis in (0..self.shape.rank()).rev() {
            let dim = self.shape[axis];
            if dim > 1 {
                if self.strides[axis] != step {
                    return false;
                }
                step *= dim as isize;
            }
        }
        true
    }

    /// The lowest and highest offset that an index reaches, or `None` if there are no elements.
    ///
    /// # Errors
    /// [`Error::Overflow`] if an offset does not fit, or is negative.
    pub fn reach(&self) -> Result<Option<(usize, usize)>> {
        const OVERFLOW: Error = Error::Overflow {
            op: "layout",
            what: "offset of an element",
        };
        if self.shape.contains(&0) {
            return Ok(None);
        }
        let (mut low, mut high) = (self.offset as i128, self.offset as i128);
        for (&dim, &stride) in self.shape.iter().zip(self.strides()) {
            let span = (dim as i128 - 1) * stride as i128;
            if span < 0 { low += span } else { high += span }
        }
        let fit = |x: i128| {
            usize::try_from(x)
                .ok()
                .filter(|&x| x <= isize::MAX as usize)
        };
        match (fit(low), fit(high)) {
            (Some(low), Some(high)) => Ok(Some((low, high))),
            _ => Err(OVERFLOW),
        }
    }

    /// The offset of an index. The index must be inside the shape.
    pub fn offset_of(&self, index: &[usize]) -> usize {
        let shift: isize = index
            .iter()
            .zip(self.strides())
            .map(|(&i, &s)| i as isize * s)
            .sum();
        self.offset.wrapping_add_signed(shift)
    }

    /// The same elements in the same order with neighbouring dims merged where strides allow and dims of size 1
    /// dropped: the fewest loops that a kernel needs.
    pub fn collapsed(&self) -> Self {
        let mut dims = [0; MAX_RANK];
        let mut strides = [0; MAX_RANK];
        let mut rank = 0;
        for (&dim, &stride) in self.shape.iter().zip(self.strides()) {
            if dim == 1 {
                continue;
            }
            if rank > 0 && strides[rank - 1] == stride * dim as isize {
                dims[rank - 1] *= dim;
                strides[rank - 1] = stride;
            } else {
                dims[rank] = dim;
                strides[rank] = stride;
                rank += 1;
            }
        }
        // Merging keeps the number of elements, so this cannot fail.
        let shape = Shape::new(&dims[..rank]).unwrap_or(self.shape);
        Self {
            shape,
            strides,
            offset: self.offset,
        }
    }

    /// This layout seen as `shape`, to which it must broadcast: new and size-1 dims get stride 0.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] with both shapes.
    pub fn broadcast(&self, op: &'static str, shape: &Shape) -> Result<Self> {
        if self.shape == *shape {
            return Ok(*self);
        }
        let mismatch = Error::ShapeMismatch {
            op,
            lhs: self.shape,
            rhs: *shape,
            rule: "the first cannot be expanded to the second: dims, aligned at the end, must be equal or 1",
        };
        let Some(new) = shape.rank().checked_sub(self.shape.rank()) else {
            return Err(mismatch);
        };
        let mut strides = [0; MAX_RANK];
        for axis in 0..self.shape.rank() {
            if self.shape[axis] == shape[new + axis] {
                strides[new + axis] = self.strides[axis];
            } else if self.shape[axis] != 1 {
                return Err(mismatch);
            }
        }
        Ok(Self {
            shape: *shape,
            strides,
            offset: self.offset,
        })
    }

    /// The same dims in another order. `order` must be a permutation.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let mut out = *self;
        let mut dims = [0; MAX_RANK];
        for (to, &from) in order.iter().enumerate() {
            dims[to] = self.shape[from];
            out.strides[to] = self.strides[from];
        }
        out.shape = Shape::new(&dims[..order.len()]).unwrap_or(self.shape);
        out
    }

    /// Dim `axis` read from `start` in steps of `step` for `len` elements. All must lie inside the dim.
    pub(crate) fn sliced(
        &self,
        axis: usize,
        start: usize,
        len: usize,
        step: isize,
    ) -> Result<Self> {
        let mut dims = [0; MAX_RANK];
        dims[..self.shape.rank()].copy_from_slice(&self.shape);
        dims[axis] = len;
        let mut out = *self;
        if len > 0 {
            out.offset = self
                .offset
                .wrapping_add_signed(start as isize * self.strides[axis]);
        }
        out.strides[axis] = self.strides[axis]
            .checked_mul(step)
            .ok_or(Error::Overflow {
                op: "slice",
                what: "stride",
            })?;
        out.shape = Shape::new(&dims[..self.shape.rank()])?;
        Ok(out)
    }

    /// Without dim `axis`, which must be of size 1 or be dropped on purpose (the index 0 stays).
    pub(crate) fn without(&self, axis: usize) -> Self {
        let order: Vec<usize> = (0..self.shape.rank()).filter(|&a| a != axis).collect();
        self.permuted(&order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[usize]) -> Shape {
        Shape::new(dims).unwrap()
    }

    #[test]
    fn contiguity_ignores_dims_of_one_and_empty_tensors() {
        assert!(Layout::contiguous(shape(&[2, 3, 4])).is_contiguous());
        assert!(
            Layout::strided(shape(&[2, 1, 4]), &[4, 99, 1], 3)
                .unwrap()
                .is_contiguous()
        );
        assert!(
            Layout::strided(shape(&[0, 3]), &[7, 7], 0)
                .unwrap()
                .is_contiguous()
        );
        assert!(
            !Layout::strided(shape(&[2, 3]), &[1, 2], 0)
                .unwrap()
                .is_contiguous()
        );
    }

    #[test]
    fn reach_covers_negative_strides() {
        let layout = Layout::strided(shape(&[3, 2]), &[-2, 1], 4).unwrap();
        assert_eq!(layout.reach(), Ok(Some((0, 5))));
        assert!(Layout::strided(shape(&[3]), &[-1], 1).is_err());
        assert!(Layout::strided(shape(&[3]), &[isize::MAX], 0).is_err());
    }

    #[test]
    fn collapsing_merges_what_it_can() {
        let collapsed = Layout::contiguous(shape(&[2, 3, 1, 4])).collapsed();
        assert_eq!(
            (collapsed.shape().dims(), collapsed.strides()),
            (&[24][..], &[1][..])
        );
        let transposed = Layout::strided(shape(&[3, 2, 5]), &[1, 15, 3], 0)
            .unwrap()
            .collapsed();
        assert_eq!(transposed.shape().dims(), [3, 10]);
    }
}
