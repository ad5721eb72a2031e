//! Images laid out for the transforms: 16 channels of a pixel side by side, with the padding around, and back.

use std::ops::Range;

use super::super::pixels::{Across, Rows};
use super::super::turn::{LANES, Squares};
use super::transform::STEP;
use crate::im2col::Images;

/// Tiles that are worked on together: some whole images, or some rows of tiles of one image.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) images: Range<usize>,
    /// Rows of tiles.
    pub(super) rows: Range<usize>,
    /// Tiles of a row.
    pub(super) across: usize,
}

impl Block {
    pub(super) fn tiles(&self) -> usize {
        self.images.len() * self.rows.len() * self.across
    }

    /// Rows and columns of pixels of an image under these tiles, whose sides overlap by `overlap`.
    pub(super) fn sides(&self, overlap: usize) -> [usize; 2] {
        [
            self.rows.len() * STEP + overlap,
            self.across * STEP + overlap,
        ]
    }

    /// Where each tile starts in the staged pixels.
    pub(super) fn starts(&self, overlap: usize) -> Vec<usize> {
        let [height, width] = self.sides(overlap);
        let mut starts = Vec::with_capacity(self.tiles());
        for image in 0..self.images.len() {
            for row in 0..self.rows.len() {
                let first = (image * height + row * STEP) * width;
                starts.extend((0..self.across).map(|x| (first + x * STEP) * LANES));
            }
        }
        starts
    }

    /// Elements that [`Self::stage`] writes, and those that it needs beside them.
    pub(super) fn staged(&self, overlap: usize) -> [usize; 2] {
        let [height, width] = self.sides(overlap);
        let pitch = width.next_multiple_of(LANES);
        [
            ((self.images.len() * height - 1) * width + pitch + LANES) * LANES,
            LANES * pitch,
        ]
    }

    /// Copies channels `channels` (at most [`LANES`]; others are 0) of the pixels under these tiles to `dst[image, y, x, lane]`. `origin` is
    /// the place of the first pixel of the first tile of an image, and what lies outside of an image of `sides` is 0.
    pub(super) fn stage(
        &self,
        dst: &mut [f32],
        rows: &mut [f32],
        source: Images<'_, f32>,
        channels: Range<usize>,
        overlap: usize,
        origin: [isize; 2],
        sides: [usize; 2],
    ) {
        let [height, width] = self.sides(overlap);
        let pixels = Rows {
            source,
            sides,
            x: origin[1],
            width,
            apart: LANES,
        };
        rows.fill(0.0);
        let first = origin[0] + (self.rows.start * STEP) as isize;
        for row in 0..self.images.len() * height {
            let across = Across::Channels {
                n: self.images.start + row / height,
                channels: channels.clone(),
            };
            let y = first + (row % height) as isize;
            pixels.write(&mut dst[row * width * LANES..], rows, y, &across);
        }
    }

    /// Copies `values[tile, lane, pixel]` to the first rows of `planes` of one channel of one image; `image` counts from the block's first.
    pub(super) fn unstage(
        &self,
        plane: &mut [f32],
        values: &[f32],
        image: usize,
        lane: usize,
        width: usize,
    ) {
        let height = plane.len() / width;
        for row in 0..self.rows.len() {
            for x in 0..self.across {
                let tile = (image * self.rows.len() + row) * self.across + x;
                let values = &values[(tile * LANES + lane) * STEP * STEP..][..STEP * STEP];
                let left = x * STEP;
                for (y, values) in values.as_chunks::<STEP>().0.iter().enumerate() {
                    let y = row * STEP + y;
                    if y >= height {
                        break;
                    }
                    let dst = &mut plane[y * width + left..(y + 1) * width];
                    if let Some(dst) = dst.first_chunk_mut::<STEP>() {
                        *dst = *values;
                    } else {
                        dst.iter_mut().zip(values).for_each(|(d, &v)| *d = v);
                    }
                }
            }
        }
    }
}

/// Turns each square of 16 × 16 elements.
pub(super) fn turn_squares(values: &mut [f32]) {
    let squares = Squares {
        count: values.len() / (LANES * LANES),
        source: values.as_ptr(),
        from: [LANES, LANES * LANES],
        dst: values.as_mut_ptr(),
        to: [LANES, LANES * LANES],
    };
    // SAFETY: the squares lie in `values`, each read before it is written.
    unsafe { squares.turn() };
}
