//! Sequential reader over a strided layout: hands out runs of elements as slices, gathering only where it must.
//!
//! Each operand of an elementwise kernel is read through one of these, so the kernel's loop sees contiguous slices
//! whatever the strides are, and is compiled once. A run that lies in memory in order is borrowed; anything else
//! (transposed, stepped, reversed, broadcast) is gathered into a small buffer that stays in the first-level cache.

use gradus_tensor::{Element, Layout, MAX_RANK};

/// Elements that a reader gathers at a time.
pub(crate) const BLOCK: usize = 512;

/// The gather buffer of one reader.
pub(crate) type Buffer<T> = [T; BLOCK];

/// Dims and strides with neighbours merged where the strides allow; same elements, same row-major order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dims {
    pub(crate) dims: [usize; MAX_RANK],
    pub(crate) strides: [isize; MAX_RANK],
    /// Number of dims after merging; 0 for a single element.
    pub(crate) rank: usize,
}

impl Dims {
    /// Merges `(dim, stride)` pairs, outermost first; at most [`MAX_RANK`] of them.
    pub(crate) fn merge(pairs: impl IntoIterator<Item = (usize, isize)>) -> Self {
        let mut out = Self {
            dims: [1; MAX_RANK],
            strides: [0; MAX_RANK],
            rank: 0,
        };
        for (dim, stride) in pairs {
            let last = out.rank.wrapping_sub(1);
            if dim == 1 {
                continue;
            } else if out.rank > 0 && out.strides[last] == stride * dim as isize {
                out.dims[last] *= dim;
                out.strides[last] = stride;
            } else {
                out.dims[out.rank] = dim;
                out.strides[out.rank] = stride;
                out.rank += 1;
            }
        }
        out
    }

    pub(crate) fn of(layout: &Layout) -> Self {
        Self::merge(
            layout
                .shape()
                .iter()
                .copied()
                .zip(layout.strides().iter().copied()),
        )
    }

    /// Number of elements.
    pub(crate) fn numel(&self) -> usize {
        self.dims[..self.rank].iter().product()
    }

    /// Size and stride of the innermost dim; `(1, 0)` for a single element.
    pub(crate) fn inner(&self) -> (usize, isize) {
        match self.rank {
            0 => (1, 0),
            r => (self.dims[r - 1], self.strides[r - 1]),
        }
    }

    /// Without the innermost dim.
    pub(crate) fn outer(mut self) -> Self {
        self.rank = self.rank.saturating_sub(1);
        self
    }

    /// All elements lie in memory in order, without gaps.
    pub(crate) fn is_flat(&self) -> bool {
        self.rank == 0 || (self.rank == 1 && self.strides[0] == 1)
    }
}

/// Reads the elements of a view in row-major order from any position on.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a, T> {
    data: &'a [T],
    layout: Dims,
    index: [usize; MAX_RANK],
    /// Offset in `data` of the element that `index` stands on.
    at: isize,
    /// Offset in `data` of the first element.
    origin: isize,
}

impl<'a, T: Element> Reader<'a, T> {
    /// A reader of `data` through `layout` with its first element at `origin`, whose reach the caller has checked.
    pub(crate) fn of(data: &'a [T], layout: Dims, origin: isize) -> Self {
        Self {
            data,
            layout,
            index: [0; MAX_RANK],
            at: origin,
            origin,
        }
    }

    /// Offset in the data of the element that the reader stands on.
    #[inline]
    pub(crate) fn offset(&self) -> isize {
        self.at
    }

    /// Moves to the element of row-major number `position`.
    pub(crate) fn seek(&mut self, mut position: usize) {
        self.at = self.origin;
        for axis in (0..self.layout.rank).rev() {
            let dim = self.layout.dims[axis];
            self.index[axis] = position % dim;
            position /= dim;
            self.at += self.index[axis] as isize * self.layout.strides[axis];
        }
    }

    fn inner(&self) -> (usize, isize, usize) {
        let (dim, stride) = self.layout.inner();
        (dim, stride, self.index[self.layout.rank.saturating_sub(1)])
    }

    /// Elements that [`Reader::next`] can borrow in one slice from here; `None` if it must gather whatever the length is.
    #[inline]
    pub(crate) fn borrowable(&self) -> Option<usize> {
        let (dim, stride, index) = self.inner();
        (stride == 1).then_some(dim - index)
    }

    /// The next `n` elements, `n <= BLOCK` unless they are [`Reader::borrowable`]; moves behind them.
    #[inline]
    pub(crate) fn next<'b>(&mut self, n: usize, buffer: &'b mut Buffer<T>) -> &'b [T]
    where
        'a: 'b,
    {
        match self.borrowable() {
            Some(run) if n <= run => {
                let start = self.at as usize;
                self.advance(n);
                &self.data[start..start + n]
            }
            _ => {
                self.gather(&mut buffer[..n]);
                &buffer[..n]
            }
        }
    }

    /// Moves `n` elements on inside the innermost run (`n` must not lead beyond its end).
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        if self.layout.rank == 0 {
            return;
        }
        let mut axis = self.layout.rank - 1;
        self.index[axis] += n;
        self.at += n as isize * self.layout.strides[axis];
        while self.index[axis] >= self.layout.dims[axis] && axis > 0 {
            self.at -= self.layout.dims[axis] as isize * self.layout.strides[axis];
            self.index[axis] = 0;
            axis -= 1;
            self.index[axis] += 1;
            self.at += self.layout.strides[axis];
        }
    }

    #[inline(never)]
    fn gather(&mut self, mut out: &mut [T]) {
        while !out.is_empty() {
            let (dim, stride, index) = self.inner();
            let n = out.len().min(dim - index).max(1);
            let (head, tail) = out.split_at_mut(n);
            let start = self.at as usize;
            match stride {
                0 => head.fill(self.data[start]),
                1 => head.copy_from_slice(&self.data[start..start + n]),
                2.. => {
                    let run = self.data[start..].iter().step_by(stride as usize);
                    head.iter_mut().zip(run).for_each(|(d, &x)| *d = x);
                }
                _ => {
                    let run = self.data[..=start]
                        .iter()
                        .rev()
                        .step_by(stride.unsigned_abs());
                    head.iter_mut().zip(run).for_each(|(d, &x)| *d = x);
                }
            }
            self.advance(n);
            out = tail;
        }
    }
}

/// Elements for the next step of a kernel that reads several operands and has `left` elements to go: as many as all can
/// lend, or one block if some must gather.
#[inline]
pub(crate) fn step(left: usize, lends: &[Option<usize>]) -> usize {
    // Runs shorter than this are gathered into whole blocks instead: a loop start costs about as much.
    const SHORT: usize = 128;
    let run = lends
        .iter()
        .map(|lend| lend.unwrap_or(BLOCK))
        .min()
        .unwrap_or(left);
    if run >= SHORT {
        run.min(left)
    } else {
        BLOCK.min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::{Shape, View};

    #[test]
    fn reads_every_layout_in_row_major_order() {
        let data: Vec<f32> = (0..4000).map(|i| i as f32).collect();
        let cases: &[(&[usize], &[isize], usize)] = &[
            (&[], &[], 7),
            (&[3000], &[1], 5),
            (&[5], &[0], 9),
            (&[1000], &[-3], 3500),
            (&[40, 50], &[50, 1], 0),
            (&[40, 50], &[1, 40], 3),
            (&[3, 700], &[0, 1], 2),
            (&[7, 11, 13], &[13, 0, 1], 1),
            (&[7, 11, 13], &[-200, 13, -1], 1900),
            (&[600, 2], &[2, -1], 1),
        ];
        for &(dims, strides, offset) in cases {
            let layout = Layout::strided(Shape::new(dims).unwrap(), strides, offset).unwrap();
            let view = View::new(&data, &layout).unwrap();
            let want: Vec<f32> = view.iter().collect();
            for start in [0, 1, want.len() / 2] {
                let mut reader = Reader::of(&data, Dims::of(&layout), offset as isize);
                reader.seek(start.min(want.len() - 1));
                let mut got = want[..start.min(want.len() - 1)].to_vec();
                let mut buffer = [0.0; BLOCK];
                while got.len() < want.len() {
                    let n = step(want.len() - got.len(), &[reader.borrowable()]);
                    got.extend_from_slice(reader.next(n, &mut buffer));
                }
                assert_eq!(got, want, "{dims:?} {strides:?} from {start}");
            }
        }
    }
}
