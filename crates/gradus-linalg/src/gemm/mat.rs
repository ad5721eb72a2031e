//! Strided matrix operands whose constructors prove that every reachable element lies in the slice.

/// What a product does to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// `dst = a · b`; the old values of `dst` are not read, so NaN in them does not spread.
    Replace,
    /// `dst += a · b`.
    Add,
}

/// A read-only `(rows, cols)` matrix in a slice; strides are in elements, may be negative or zero.
#[derive(Debug)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    offset: usize,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl<T> Clone for MatRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MatRef<'_, T> {}

/// A writable `(rows, cols)` matrix in a slice; no two of its elements share a place.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    offset: usize,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

/// Whether every element of a strided matrix lies inside a slice of `len` elements.
fn in_bounds(len: usize, offset: usize, dims: [usize; 2], strides: [isize; 2]) -> bool {
    if dims.contains(&0) {
        return true;
    }
    let (mut lowest, mut highest) = (0isize, 0isize);
    for (dim, stride) in dims.into_iter().zip(strides) {
        let Some(span) = isize::try_from(dim - 1)
            .ok()
            .and_then(|d| d.checked_mul(stride))
        else {
            return false;
        };
        let bound = if span < 0 { &mut lowest } else { &mut highest };
        match bound.checked_add(span) {
            Some(sum) => *bound = sum,
            None => return false,
        }
    }
    offset.checked_add_signed(lowest).is_some()
        && offset
            .checked_add_signed(highest)
            .is_some_and(|last| last < len)
}

/// Whether no two elements share a place: one stride steps over the whole extent of the other.
fn is_injective(dims: [usize; 2], strides: [isize; 2]) -> bool {
    let [rows, cols] = dims;
    let [rs, cs] = strides.map(isize::unsigned_abs);
    if rows == 0 || cols == 0 {
        return true;
    }
    if rows <= 1 {
        return cols <= 1 || cs != 0;
    }
    if cols <= 1 {
        return rs != 0;
    }
    let covers = |inner: usize, count: usize, outer: usize| {
        inner != 0
            && inner
                .checked_mul(count - 1)
                .is_some_and(|extent| outer > extent)
    };
    covers(cs, cols, rs) || covers(rs, rows, cs)
}

impl<'a, T> MatRef<'a, T> {
    /// The matrix whose element `(i, j)` is `data[offset + i · row_stride + j · col_stride]`; `None` if any lies outside `data`.
    pub fn try_new(
        data: &'a [T],
        offset: usize,
        [rows, cols]: [usize; 2],
        [row_stride, col_stride]: [isize; 2],
    ) -> Option<Self> {
        in_bounds(data.len(), offset, [rows, cols], [row_stride, col_stride]).then_some(Self {
            data,
            offset,
            rows,
            cols,
            row_stride,
            col_stride,
        })
    }

    /// [`MatRef::try_new`] for shapes that an op has validated.
    ///
    /// # Panics
    /// If an element lies outside `data`: a bug of the caller.
    #[track_caller]
    pub fn new(data: &'a [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        Self::try_new(data, offset, dims, strides)
            .expect("matrix operand reaches outside its slice")
    }

    /// A contiguous row-major `(rows, cols)` matrix at the start of `data`.
    ///
    /// # Panics
    /// If `data` is shorter than `rows · cols`: a bug of the caller.
    #[track_caller]
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// The same elements as `(cols, rows)`.
    pub fn transpose(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Rows `first..first + rows`.
    ///
    /// # Panics
    /// If there are not so many: a bug of the caller.
    #[track_caller]
    pub(crate) fn some_rows(self, first: usize, rows: usize) -> Self {
        assert!(first + rows <= self.rows, "matrix operand has too few rows");
        let offset = self
            .offset
            .wrapping_add_signed(self.row_stride.wrapping_mul(first as isize));
        Self {
            rows,
            offset,
            ..self
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The operand as pointer and strides; the pointer is only meaningful when neither dim is 0.
    pub(super) fn raw(&self) -> Raw<T> {
        let ptr = if self.rows == 0 || self.cols == 0 {
            self.data.as_ptr()
        } else {
            self.data[self.offset..].as_ptr()
        };
        Raw {
            ptr: ptr.cast_mut(),
            rs: self.row_stride,
            cs: self.col_stride,
        }
    }
}

impl<'a, T> MatMut<'a, T> {
    /// As [`MatRef::try_new`]; also `None` if two elements might share a place.
    pub fn try_new(
        data: &'a mut [T],
        offset: usize,
        [rows, cols]: [usize; 2],
        [row_stride, col_stride]: [isize; 2],
    ) -> Option<Self> {
        let (dims, strides) = ([rows, cols], [row_stride, col_stride]);
        (in_bounds(data.len(), offset, dims, strides) && is_injective(dims, strides)).then_some(
            Self {
                data,
                offset,
                rows,
                cols,
                row_stride,
                col_stride,
            },
        )
    }

    /// [`MatMut::try_new`] for shapes that an op has validated.
    ///
    /// # Panics
    /// If an element lies outside `data` or two might share a place: a bug of the caller.
    #[track_caller]
    pub fn new(data: &'a mut [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        Self::try_new(data, offset, dims, strides)
            .expect("matrix destination overlaps itself or reaches outside its slice")
    }

    /// A contiguous row-major `(rows, cols)` matrix at the start of `data`.
    ///
    /// # Panics
    /// If `data` is shorter than `rows · cols`: a bug of the caller.
    #[track_caller]
    pub fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// The same places as `(cols, rows)`.
    pub fn transpose(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The destination as pointer and strides; the pointer is only meaningful when neither dim is 0.
    pub(super) fn raw(&mut self) -> Raw<T> {
        let ptr = if self.rows == 0 || self.cols == 0 {
            self.data.as_mut_ptr()
        } else {
            self.data[self.offset..].as_mut_ptr()
        };
        Raw {
            ptr,
            rs: self.row_stride,
            cs: self.col_stride,
        }
    }
}

/// Pointer and strides of an operand whose bounds were proven by [`MatRef::new`] or [`MatMut::new`].
#[derive(Debug)]
pub(crate) struct Raw<T> {
    pub(crate) ptr: *mut T,
    pub(crate) rs: isize,
    pub(crate) cs: isize,
}

impl<T> Clone for Raw<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Raw<T> {}

// SAFETY: a Raw is only made from a MatRef (shared reads) or a MatMut (whose tiles are disjoint because its elements are), and is
// used only while that borrow lives; moving it to another thread is then no more than sharing `&[T]` or splitting `&mut [T]`.
unsafe impl<T: Sync + Send> Sync for Raw<T> {}
// SAFETY: as for Sync above.
unsafe impl<T: Sync + Send> Send for Raw<T> {}

impl<T> Raw<T> {
    /// The operand whose element `(0, 0)` is this one's `(i, j)`.
    pub(crate) fn at(self, i: usize, j: usize) -> Self {
        let step = self
            .rs
            .wrapping_mul(i as isize)
            .wrapping_add(self.cs.wrapping_mul(j as isize));
        Self {
            ptr: self.ptr.wrapping_offset(step),
            ..self
        }
    }

    /// Rows and columns exchanged.
    pub(crate) fn transpose(self) -> Self {
        Self {
            rs: self.cs,
            cs: self.rs,
            ..self
        }
    }

    /// As `U`, which is what `T` is.
    pub(super) fn cast<U>(self) -> Raw<U> {
        debug_assert_eq!(size_of::<U>(), size_of::<T>());
        Raw {
            ptr: self.ptr.cast::<U>(),
            rs: self.rs,
            cs: self.cs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_refuse_what_reaches_outside() {
        let data = [0f32; 6];
        assert!(MatRef::try_new(&data, 0, [2, 3], [3, 1]).is_some());
        assert!(MatRef::try_new(&data, 1, [2, 3], [3, 1]).is_none());
        assert!(MatRef::try_new(&data, 5, [2, 3], [-3, -1]).is_some());
        assert!(MatRef::try_new(&data, 4, [2, 3], [-3, -1]).is_none());
        assert!(MatRef::try_new(&data, 0, [1000, 6], [0, 1]).is_some());
        assert!(MatRef::try_new(&data, 99, [0, 6], [7, 7]).is_some());
        assert!(MatRef::try_new(&data, 0, [usize::MAX, 2], [1, 1]).is_none());
        assert!(MatRef::try_new(&data, 0, [3, 3], [isize::MAX, isize::MAX]).is_none());
    }

    #[test]
    fn destinations_refuse_overlap() {
        let mut data = [0f32; 12];
        assert!(MatMut::try_new(&mut data, 0, [3, 4], [4, 1]).is_some());
        assert!(MatMut::try_new(&mut data, 0, [3, 4], [1, 3]).is_some());
        assert!(MatMut::try_new(&mut data, 0, [3, 4], [3, 1]).is_none());
        assert!(MatMut::try_new(&mut data, 0, [3, 4], [0, 1]).is_none());
        assert!(MatMut::try_new(&mut data, 0, [1, 4], [0, 1]).is_some());
        assert!(MatMut::try_new(&mut data, 11, [2, 3], [-4, -1]).is_some());
    }
}
