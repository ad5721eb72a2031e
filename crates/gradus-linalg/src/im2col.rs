//! Images as strided planes, runs of output positions, and columns added back to the image they came from.

use gradus_tensor::{DType, View};

use crate::conv::Geometry;
use crate::float::Float;

/// A `(N, C, H, W)` view, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images<'a, T> {
    data: &'a [T],
    offset: usize,
    strides: [isize; 4],
}

impl<'a, T: Float> Images<'a, T> {
    #[track_caller]
    pub(crate) fn new(view: View<'a, T>) -> Self {
        let strides = view.strides().try_into().expect("images have rank 4");
        Self {
            data: view.data(),
            offset: view.offset(),
            strides,
        }
    }

    /// The same images as those of f32, if that is what they are.
    pub(crate) fn as_f32(self) -> Option<Images<'a, f32>> {
        as_f32(self.data).map(|data| Images {
            data,
            offset: self.offset,
            strides: self.strides,
        })
    }

    fn place(&self, index: [usize; 4]) -> usize {
        index
            .iter()
            .zip(self.strides)
            .fold(self.offset, |at, (&i, s)| {
                at.wrapping_add_signed(s.wrapping_mul(i as isize))
            })
    }

    /// One element.
    pub(crate) fn at(&self, n: usize, c: usize, y: usize, x: usize) -> T {
        self.data[self.place([n, c, y, x])]
    }

    /// Whether the rows of an image follow one another at the stride of its columns.
    pub(crate) fn rows_merge(&self, [h, w]: [usize; 2]) -> bool {
        h <= 1 || w > 0 && self.strides[2] == self.strides[3].wrapping_mul(w as isize)
    }

    /// Whether columns have stride 1.
    pub(crate) fn is_unit(&self) -> bool {
        self.strides[3] == 1
    }

    /// `len` elements at stride 1 from the start of a channel.
    pub(crate) fn run(&self, n: usize, c: usize, len: usize) -> &'a [T] {
        if len == 0 {
            return &[];
        }
        let start = self.place([n, c, 0, 0]);
        &self.data[start..start + len]
    }

    /// Slice, offset and strides `[channel, column]` of image `n` from channel `c` on.
    pub(crate) fn plane(&self, n: usize, c: usize) -> (&'a [T], usize, [isize; 2]) {
        (
            self.data,
            self.place([n, c, 0, 0]),
            [self.strides[1], self.strides[3]],
        )
    }

    /// `channels` rows of `len` elements at stride 1 from `(n, c, y, x)` on, of neighbouring channels, and the distance between them; if
    /// there are such elements (those behind the end of a row are of the next).
    pub(crate) fn across_channels(
        &self,
        index: [usize; 4],
        channels: usize,
        len: usize,
    ) -> Option<(&'a [T], usize)> {
        self.across(index, 1, channels, len)
    }

    /// The same of neighbouring images.
    pub(crate) fn across_images(
        &self,
        index: [usize; 4],
        images: usize,
        len: usize,
    ) -> Option<(&'a [T], usize)> {
        self.across(index, 0, images, len)
    }

    fn across(
        &self,
        index: [usize; 4],
        axis: usize,
        rows: usize,
        len: usize,
    ) -> Option<(&'a [T], usize)> {
        let pitch = usize::try_from(self.strides[axis]).ok()?;
        let start = self.place(index);
        let end = start + (rows - 1).checked_mul(pitch)?.checked_add(len)?;
        let all = self.data.get(start..end)?;
        self.is_unit().then_some((all, pitch))
    }

    /// The same images without the channels before `first`.
    pub(crate) fn starting_at_channel(&self, first: usize) -> Self {
        Self {
            offset: self.place([0, first, 0, 0]),
            ..*self
        }
    }

    /// `dst[i] = image[n, c, y, x0 + i · step]` where that lies in the `(h, w)` image; other elements are left.
    pub(crate) fn gather_row(
        &self,
        dst: &mut [T],
        [n, c]: [usize; 2],
        [y, x0]: [isize; 2],
        step: usize,
        [h, w]: [usize; 2],
    ) {
        if y < 0 || y >= h as isize || x0 >= w as isize {
            return;
        }
        let first = if x0 < 0 {
            x0.unsigned_abs().div_ceil(step)
        } else {
            0
        };
        let room = (w as isize - x0) as usize;
        let last = if step == 1 { room } else { room.div_ceil(step) }.min(dst.len());
        if first >= last {
            return;
        }
        let dst = &mut dst[first..last];
        let x = (x0 + (first * step) as isize) as usize;
        let start = self.place([n, c, y as usize, x]);
        let jump = self.strides[3].wrapping_mul(step as isize);
        if jump == 1 {
            let src = &self.data[start..start + dst.len()];
            if dst.len() <= 32 {
                dst.iter_mut().zip(src).for_each(|(d, &s)| *d = s);
            } else {
                dst.copy_from_slice(src);
            }
        } else if jump > 0 {
            dst.iter_mut()
                .zip(self.data[start..].iter().step_by(jump as usize))
                .for_each(|(d, &s)| *d = s);
        } else {
            for (i, d) in dst.iter_mut().enumerate() {
                *d = self.data[start.wrapping_add_signed(jump.wrapping_mul(i as isize))];
            }
        }
    }
}

/// The same slice, if its elements are f32.
pub(crate) fn as_f32<T: Float>(values: &[T]) -> Option<&[f32]> {
    (T::DTYPE == DType::F32).then(|| {
        // SAFETY: Float is implemented for f32 and f64 only, so T is f32.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    })
}

/// The same slice, if its elements are f32.
pub(crate) fn as_f32_mut<T: Float>(values: &mut [T]) -> Option<&mut [f32]> {
    (T::DTYPE == DType::F32).then(|| {
        // SAFETY: Float is implemented for f32 and f64 only, so T is f32.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
    })
}

/// A run of output positions inside one row of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Image.
    pub(crate) n: usize,
    /// Output row.
    pub(crate) y: usize,
    /// First output column.
    pub(crate) x: usize,
    /// Outputs.
    pub(crate) len: usize,
    /// Column of the block where the run starts.
    pub(crate) at: usize,
}

/// The rows, or parts of rows, that positions `range` of `(N, OH, OW)` consist of.
pub(crate) fn segments(
    [oh, ow]: [usize; 2],
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = Segment> + Clone {
    let mut next = range.start;
    std::iter::from_fn(move || {
        if next >= range.end {
            return None;
        }
        let (row, x) = (next / ow, next % ow);
        let len = (ow - x).min(range.end - next);
        let at = next - range.start;
        next += len;
        Some(Segment {
            n: row / oh,
            y: row % oh,
            x,
            len,
            at,
        })
    })
}

/// Adds columns back to the image they came from, row of columns by row: `image[c, y + ky, x + kx] += columns[(c, ky, kx), (y, x)]`.
///
/// `image` is one contiguous `(c_in, H, W)`; each row of `columns`, `pitch` apart, starts with all of its positions.
pub(crate) fn col2im<T: Float>(image: &mut [T], columns: &[T], pitch: usize, g: &Geometry) {
    let [kh, kw] = g.kernel;
    let [h, w] = g.input;
    for (row, column) in columns.chunks(pitch).take(g.inner()).enumerate() {
        let column = &column[..g.positions()];
        let (c, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
        let plane = &mut image[c * h * w..][..h * w];
        for (oy, values) in column.chunks_exact(g.output[1]).enumerate() {
            let y = g.origin[0] + (oy * g.stride[0] + ky * g.dilation[0]) as isize;
            if y < 0 || y >= h as isize {
                continue;
            }
            let x0 = g.origin[1] + (kx * g.dilation[1]) as isize;
            let first = if x0 < 0 {
                x0.unsigned_abs().div_ceil(g.stride[1])
            } else {
                0
            };
            let end = ((w as isize - x0).max(0) as usize)
                .div_ceil(g.stride[1])
                .min(values.len());
            if first >= end {
                continue;
            }
            let start = y as usize * w + (x0 + (first * g.stride[1]) as isize) as usize;
            for (d, &v) in plane[start..]
                .iter_mut()
                .step_by(g.stride[1])
                .zip(&values[first..end])
            {
                *d += v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cut_positions_at_rows() {
        let got: Vec<_> = segments([2, 3], 4..11)
            .map(|s| (s.n, s.y, s.x, s.len, s.at))
            .collect();
        assert_eq!(got, [(0, 1, 1, 2, 0), (1, 0, 0, 3, 2), (1, 1, 0, 2, 5)]);
    }
}
