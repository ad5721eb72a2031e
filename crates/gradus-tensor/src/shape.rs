//! Shapes: dims inline up to rank 8, with checked arithmetic.

use std::fmt;
use std::ops::Deref;

use crate::{Error, Result};

/// The highest rank of a tensor.
pub const MAX_RANK: usize = 8;

/// The dims of a tensor, inline and `Copy`. The product of the dims fits `isize`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of a scalar: rank 0, one element.
    pub const SCALAR: Self = Self {
        dims: [0; MAX_RANK],
        rank: 0,
    };

    /// A shape of these dims.
    ///
    /// # Errors
    /// [`Error::RankTooHigh`] beyond [`MAX_RANK`]; [`Error::Overflow`] if the number of elements does not fit
    /// (zero-size dims count as 1 in that check, so that strides fit too).
    pub fn new(dims: &[usize]) -> Result<Self> {
        if dims.len() > MAX_RANK {
            return Err(Error::RankTooHigh { rank: dims.len() });
        }
        let product = dims
            .iter()
            .try_fold(1usize, |n, &dim| n.checked_mul(dim.max(1)));
        if product.is_none_or(|n| n > isize::MAX as usize) {
            return Err(Error::Overflow {
                op: "shape",
                what: "number of elements",
            });
        }
        let mut shape = Self::SCALAR;
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape.rank = dims.len() as u8;
        Ok(shape)
    }

    /// The dims.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        &self.dims[..usize::from(self.rank)]
    }

    /// The number of dims.
    #[inline]
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// The number of elements; 1 for a scalar.
    #[inline]
    pub fn numel(&self) -> usize {
        self.dims().iter().product()
    }

    /// The dims as an array, for destructuring: `let [b, t, c] = x.shape().to_array("attention")?`.
    ///
    /// # Errors
    /// [`Error::Rank`] if the rank is not `N`.
    pub fn to_array<const N: usize>(&self, op: &'static str) -> Result<[usize; N]> {
        self.dims().try_into().map_err(|_| Error::Rank {
            op,
            expected: N,
            got: *self,
        })
    }

    /// A dimension number from one that may be negative and then counts from the end.
    ///
    /// # Errors
    /// [`Error::Axis`] outside `-rank..rank`.
    pub fn axis(&self, op: &'static str, dim: isize) -> Result<usize> {
        let rank = self.rank();
        let axis = if dim < 0 { dim + rank as isize } else { dim };
        usize::try_from(axis)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or(Error::Axis { op, dim, rank })
    }

    /// Dimension numbers, ascending, from ones that may be negative; all of them if `dims` is empty. A scalar takes dims 0 and
    /// -1, as in PyTorch, and has none.
    ///
    /// # Errors
    /// [`Error::Axis`] outside `-rank..rank`, or if one is named twice.
    pub fn axes(&self, op: &'static str, dims: &[isize]) -> Result<Vec<usize>> {
        let names_scalar = self.rank() == 0 && matches!(dims, [0 | -1]);
        if dims.is_empty() || names_scalar {
            return Ok((0..self.rank()).collect());
        }
        let mut named = [false; MAX_RANK];
        for &dim in dims {
            let axis = self.axis(op, dim)?;
            if std::mem::replace(&mut named[axis], true) {
                return Err(Error::Axis {
                    op,
                    dim,
                    rank: self.rank(),
                });
            }
        }
        Ok((0..self.rank()).filter(|&axis| named[axis]).collect())
    }

    /// This shape without the given ascending axes, or with 1 in their place if `keepdim`.
    pub fn reduced(&self, axes: &[usize], keepdim: bool) -> Self {
        let mut out = Self::SCALAR;
        for (axis, &dim) in self.dims().iter().enumerate() {
            let reduced = axes.contains(&axis);
            if keepdim || !reduced {
                out.dims[out.rank()] = if reduced { 1 } else { dim };
                out.rank += 1;
            }
        }
        out
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        self.dims()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, dim) in self.dims().iter().enumerate() {
            write!(f, "{}{dim}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.rank == 1 { ",)" } else { ")" })
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        self.dims() == other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.dims() == other
    }
}

/// What can be given as a shape: `[2, 3]`, a slice, a vector, a number, `()` for a scalar, a [`Shape`].
pub trait IntoShape {
    /// The shape.
    ///
    /// # Errors
    /// As [`Shape::new`].
    fn into_shape(self) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(*self)
    }
}

impl IntoShape for () {
    fn into_shape(self) -> Result<Shape> {
        Ok(Shape::SCALAR)
    }
}

impl IntoShape for usize {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&[self])
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

impl IntoShape for &[usize] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}

impl IntoShape for &Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

/// The shape that two shapes broadcast to: aligned at the end, dims equal or 1.
///
/// # Errors
/// [`Error::ShapeMismatch`] with both shapes.
///
/// ```
/// use gradus_tensor::{Shape, broadcast_shapes};
/// let shape = broadcast_shapes("add", &Shape::new(&[4, 1, 3])?, &Shape::new(&[2, 1])?)?;
/// assert_eq!(shape, [4, 2, 3]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn broadcast_shapes(op: &'static str, lhs: &Shape, rhs: &Shape) -> Result<Shape> {
    if lhs == rhs {
        return Ok(*lhs);
    }
    let rank = lhs.rank().max(rhs.rank());
    let mut dims = [0; MAX_RANK];
    for back in 1..=rank {
        let dim = |shape: &Shape| shape.rank().checked_sub(back).map_or(1, |i| shape[i]);
        dims[rank - back] = match (dim(lhs), dim(rhs)) {
            (l, r) if l == r => l,
            (1, r) => r,
            (l, 1) => l,
            _ => {
                return Err(Error::ShapeMismatch {
                    op,
                    lhs: *lhs,
                    rhs: *rhs,
                    rule: "dims, aligned at the end, must be equal or 1",
                });
            }
        };
    }
    Shape::new(&dims[..rank])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn museum_48_number_of_elements_is_checked() {
        let error = Shape::new(&[2, 2, 1, 1 << 61]).unwrap_err();
        assert_eq!(
            error,
            Error::Overflow {
                op: "shape",
                what: "number of elements"
            }
        );
        assert!(Shape::new(&[0, usize::MAX, 2]).is_err());
        assert_eq!(Shape::new(&[1; 9]), Err(Error::RankTooHigh { rank: 9 }));
    }

    #[test]
    fn broadcasting_follows_numpy() {
        let s = |d: &[usize]| Shape::new(d).unwrap();
        assert_eq!(broadcast_shapes("t", &s(&[]), &s(&[3])).unwrap(), [3]);
        assert_eq!(broadcast_shapes("t", &s(&[1]), &s(&[0])).unwrap(), [0]);
        let error = broadcast_shapes("add", &s(&[2, 3]), &s(&[2])).unwrap_err();
        assert!(
            error.to_string().contains("lhs (2, 3), rhs (2,)"),
            "{error}"
        );
    }

    #[test]
    fn axes_are_sorted_and_unique() {
        let shape = Shape::new(&[2, 3, 4]).unwrap();
        assert_eq!(shape.axes("sum", &[-1, 0]).unwrap(), [0, 2]);
        assert_eq!(shape.axes("sum", &[]).unwrap(), [0, 1, 2]);
        assert!(shape.axes("sum", &[2, -1]).is_err());
        assert_eq!(Shape::SCALAR.axes("sum", &[-1]).unwrap(), [0; 0]);
        assert!(Shape::SCALAR.axes("sum", &[1]).is_err());
        assert!(shape.axis("sum", 3).is_err() && shape.axis("sum", -4).is_err());
        assert_eq!(shape.reduced(&[1], true), [2, 1, 4]);
        assert_eq!(shape.reduced(&[0, 2], false), [3]);
    }
}
