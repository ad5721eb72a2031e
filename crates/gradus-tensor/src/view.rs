//! A borrowed, typed, strided view: what kernels read.

use crate::{Element, Error, Layout, Result, Shape};

/// Elements of a storage seen through a layout that was proven to stay inside them.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    layout: Layout,
}

impl<'a, T: Element> View<'a, T> {
    /// A view of `data` through `layout`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] if the layout reaches beyond `data`.
    pub fn new(data: &'a [T], layout: &Layout) -> Result<Self> {
        if let Some((_, high)) = layout.reach()?
            && high >= data.len()
        {
            let index = i64::try_from(high).unwrap_or(i64::MAX);
            return Err(Error::IndexOutOfRange {
                op: "view",
                position: 0,
                index,
                len: data.len(),
            });
        }
        Ok(Self {
            data,
            layout: *layout,
        })
    }

    /// A view of a whole slice as a row-major tensor.
    ///
    /// # Errors
    /// [`Error::Length`] if the shape has not as many elements as the slice.
    pub fn contiguous(data: &'a [T], shape: Shape) -> Result<Self> {
        if shape.numel() != data.len() {
            return Err(Error::Length {
                op: "view",
                expected: shape.numel(),
                got: data.len(),
            });
        }
        Ok(Self {
            data,
            layout: Layout::contiguous(shape),
        })
    }

    /// The slice that the layout's offset and strides refer to.
    #[inline]
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The layout.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        self.layout.shape()
    }

    /// The strides, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// Where the element of index 0 stands in [`View::data`].
    #[inline]
    pub fn offset(&self) -> usize {
        self.layout.offset()
    }

    /// The elements as a slice, if they stand in row-major order.
    pub fn as_slice(&self) -> Option<&'a [T]> {
        let n = self.shape().numel();
        if n == 0 {
            return Some(&[]);
        }
        self.layout
            .is_contiguous()
            .then(|| &self.data[self.layout.offset()..self.layout.offset() + n])
    }

    /// This view expanded to a shape that it broadcasts to.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] with both shapes.
    pub fn broadcast(&self, op: &'static str, shape: &Shape) -> Result<Self> {
        Ok(Self {
            data: self.data,
            layout: self.layout.broadcast(op, shape)?,
        })
    }

    /// This view with neighbouring dims merged where strides allow; same elements, same order.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        Self {
            data: self.data,
            layout: self.layout.collapsed(),
        }
    }

    /// The elements in row-major order of the shape.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let view = *self;
        let shape = *view.shape();
        let mut index = [0usize; crate::MAX_RANK];
        (0..shape.numel()).map(move |_| {
            let element = view.data[view.layout.offset_of(&index[..shape.rank()])];
            for axis in (0..shape.rank()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
            element
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_proven_at_construction() {
        let data = [1.0_f32, 2.0, 3.0, 4.0];
        let shape = Shape::new(&[2, 2]).unwrap();
        let inside = Layout::strided(shape, &[1, 2], 0).unwrap();
        let view = View::new(&data, &inside).unwrap();
        assert_eq!(view.iter().collect::<Vec<_>>(), [1.0, 3.0, 2.0, 4.0]);
        assert!(view.as_slice().is_none());
        let outside = Layout::strided(shape, &[2, 2], 0).unwrap();
        assert!(View::new(&data, &outside).is_err());
    }
}
