//! Rows of images with 16 channels, or the same channel of 16 images, of a pixel side by side, and the padding around them.

use std::ops::Range;

use super::turn::{LANES, Squares};
use crate::im2col::Images;

/// What stands side by side, at most [`LANES`] of them; lanes beyond are 0.
#[derive(Clone, Debug)]
pub(super) enum Across {
    /// Channels of image `n`.
    Channels { n: usize, channels: Range<usize> },
    /// Channel `channel` of some images.
    Images {
        images: Range<usize>,
        channel: usize,
    },
}

impl Across {
    fn len(&self) -> usize {
        match self {
            Self::Channels { channels, .. } => channels.len(),
            Self::Images { images, .. } => images.len(),
        }
    }

    /// Image and channel of a lane.
    fn at(&self, lane: usize) -> [usize; 2] {
        match self {
            Self::Channels { n, channels } => [*n, channels.start + lane],
            Self::Images { images, channel } => [images.start + lane, *channel],
        }
    }

    /// All lanes of `len` pixels from `(y, x)` on, if they lie at a fixed distance from each other.
    fn whole<'a>(
        &self,
        source: &Images<'a, f32>,
        [y, x]: [usize; 2],
        len: usize,
    ) -> Option<(&'a [f32], usize)> {
        let [n, c] = self.at(0);
        match self {
            _ if self.len() != LANES => None,
            Self::Channels { .. } => source.across_channels([n, c, y, x], LANES, len),
            Self::Images { .. } => source.across_images([n, c, y, x], LANES, len),
        }
    }
}

/// Rows of `width` pixels from column `x` of images of `sides` on, `apart` elements from pixel to pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) source: Images<'a, f32>,
    pub(super) sides: [usize; 2],
    pub(super) x: isize,
    pub(super) width: usize,
    pub(super) apart: usize,
}

impl Rows<'_> {
    /// Elements of the work space for one row.
    pub(super) fn space(width: usize) -> usize {
        LANES * width.next_multiple_of(LANES)
    }

    /// `dst[x][lane]` of row `y`, 0 where that is outside of the images. `space` has [`Self::space`] elements: zeros at first, and then what an
    /// earlier row of as many lanes left. A row is written in whole squares, so `dst` reaches [`LANES`] pixels further.
    pub(super) fn write(&self, dst: &mut [f32], space: &mut [f32], y: isize, across: &Across) {
        let Self { width, apart, .. } = *self;
        let clear = |dst: &mut [f32], pixels: Range<usize>| {
            for pixel in dst.chunks_mut(apart).take(pixels.end).skip(pixels.start) {
                pixel[..LANES].fill(0.0);
            }
        };
        let [from, to] =
            [0, width as isize].map(|x| (self.x + x).clamp(0, self.sides[1] as isize) as usize);
        if y < 0 || y >= self.sides[0] as isize || from >= to {
            return clear(dst, 0..width);
        }
        let lead = (from as isize - self.x) as usize;
        let count = (to - from).div_ceil(LANES);
        let whole = across.whole(&self.source, [y as usize, from], count * LANES);
        let pitch = width.next_multiple_of(LANES);
        let (source, step, count, first) = match whole {
            Some((source, step)) => (source, step, count, lead),
            None => {
                for (lane, row) in space.chunks_exact_mut(pitch).take(across.len()).enumerate() {
                    let (row, place) = (&mut row[..width], [y, self.x]);
                    self.source
                        .gather_row(row, across.at(lane), place, 1, self.sides);
                }
                (&*space, pitch, pitch / LANES, 0)
            }
        };
        assert!(
            (first + count * LANES - 1) * apart + LANES <= dst.len()
                && (LANES - 1) * step + count * LANES <= source.len(),
            "no room for a row of pixels"
        );
        let squares = Squares {
            count,
            source: source.as_ptr(),
            from: [step, LANES],
            dst: dst[first * apart..].as_mut_ptr(),
            to: [apart, LANES * apart],
        };
        // SAFETY: source and dst were just found to hold these squares.
        unsafe { squares.turn() };
        if whole.is_some() {
            clear(dst, 0..lead);
            clear(dst, lead + to - from..width);
        }
    }
}
