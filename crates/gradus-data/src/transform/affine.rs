//! Affine warps of 8-bit images, with PIL's arithmetic (`Image.transform(…, AFFINE)`), bit for bit.
//!
//! The matrix `[a, b, c, d, e, f]` maps the centre of an output pixel to a point of the input: `x' = a·x + b·y + c`,
//! `y' = d·x + e·y + f`, in pixels with the origin at the upper left corner. Points outside the input get the fill.

use super::Interpolation;
use crate::image::Image;

/// Rows of a 2×3 matrix, output to input.
pub(super) type Matrix = [f64; 6];

/// The image seen through `matrix`, `size` = [height, width]; `fill` has one level a channel.
pub(super) fn warp(
    image: &Image,
    size: [usize; 2],
    matrix: &Matrix,
    interpolation: Interpolation,
    fill: &[u8],
) -> Image {
    match interpolation {
        Interpolation::Nearest => warp_nearest(image, size, matrix, fill),
        Interpolation::Bilinear => warp_smooth(image, size, matrix, fill, bilinear),
        Interpolation::Bicubic => warp_smooth(image, size, matrix, fill, bicubic),
    }
}

/// PIL walks along a row by adding `a` and `d`: in 16.16 fixed point where the corners fit it, else in floating point.
fn warp_nearest(image: &Image, [height, width]: [usize; 2], m: &Matrix, fill: &[u8]) -> Image {
    let corners = [
        (0.0, 0.0),
        (width as f64, 0.0),
        (0.0, height as f64),
        (width as f64, height as f64),
    ];
    let fits = corners.iter().all(|&(x, y)| {
        let inside = |value: f64| value.abs() < 32_768.0;
        inside(x * m[0] + y * m[1] + m[2]) && inside(x * m[3] + y * m[4] + m[5])
    });
    let start = [
        m[2] + m[0] * 0.5 + m[1] * 0.5,
        m[5] + m[3] * 0.5 + m[4] * 0.5,
    ];
    let is_scaling = m[1] == 0.0 && m[3] == 0.0;
    if fits && !is_scaling {
        let fixed = |value: f64| (value * 65_536.0 + 0.5).floor() as i64;
        let walk = Walk {
            start: start.map(fixed),
            column: [fixed(m[0]), fixed(m[3])],
            row: [fixed(m[1]), fixed(m[4])],
        };
        walk_nearest(image, [height, width], walk, fill, |at| at >> 16)
    } else {
        let walk = Walk {
            start,
            column: [m[0], m[3]],
            row: [m[1], m[4]],
        };
        walk_nearest(image, [height, width], walk, fill, |at: f64| {
            if at < 0.0 { -1 } else { at as i64 }
        })
    }
}

/// A start point, and the steps to the next column and the next row.
struct Walk<T> {
    start: [T; 2],
    column: [T; 2],
    row: [T; 2],
}

fn walk_nearest<T: Copy + std::ops::AddAssign>(
    image: &Image,
    [height, width]: [usize; 2],
    walk: Walk<T>,
    fill: &[u8],
    pixel_of: impl Fn(T) -> i64,
) -> Image {
    let mut pixels = Vec::with_capacity(height * width * image.channels());
    let mut row_start = walk.start;
    for _ in 0..height {
        let mut at = row_start;
        for _ in 0..width {
            let x = usize::try_from(pixel_of(at[0]))
                .ok()
                .filter(|&x| x < image.width());
            let y = usize::try_from(pixel_of(at[1]))
                .ok()
                .filter(|&y| y < image.height());
            match (x, y) {
                (Some(x), Some(y)) => pixels.extend_from_slice(image.pixel(y, x)),
                _ => pixels.extend_from_slice(fill),
            }
            at[0] += walk.column[0];
            at[1] += walk.column[1];
        }
        row_start[0] += walk.row[0];
        row_start[1] += walk.row[1];
    }
    Image::from_parts(height, width, image.channels(), pixels)
}

fn warp_smooth(
    image: &Image,
    [height, width]: [usize; 2],
    m: &Matrix,
    fill: &[u8],
    sample: impl Fn(&Neighbourhood<'_>, usize) -> f64,
) -> Image {
    let mut pixels = Vec::with_capacity(height * width * image.channels());
    let (right, bottom) = (image.width() as f64, image.height() as f64);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let (x, y) = (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]);
            if (0.0..right).contains(&x) && (0.0..bottom).contains(&y) {
                let around = Neighbourhood::new(image, x - 0.5, y - 0.5);
                // A cast truncates and saturates at 0 and 255, as PIL's clipping does.
                pixels.extend((0..image.channels()).map(|c| sample(&around, c) as u8));
            } else {
                pixels.extend_from_slice(fill);
            }
        }
    }
    Image::from_parts(height, width, image.channels(), pixels)
}

/// The pixels around a point; beyond the border, the nearest ones.
struct Neighbourhood<'a> {
    image: &'a Image,
    /// The pixel at the upper left of the point; may be -1.
    x: isize,
    y: isize,
    /// How far the point lies beyond that pixel's centre, 0..1.
    dx: f64,
    dy: f64,
}

impl<'a> Neighbourhood<'a> {
    fn new(image: &'a Image, x: f64, y: f64) -> Self {
        let (left, top) = (x.floor(), y.floor());
        Self {
            image,
            x: left as isize,
            y: top as isize,
            dx: x - left,
            dy: y - top,
        }
    }

    /// The level `right` and `down` pixels from the upper left one.
    fn level(&self, right: isize, down: isize, channel: usize) -> f64 {
        let clip = |at: isize, n: usize| usize::try_from(at).unwrap_or(0).min(n - 1);
        let (x, y) = (
            clip(self.x + right, self.image.width()),
            clip(self.y + down, self.image.height()),
        );
        f64::from(self.image.pixel(y, x)[channel])
    }
}

fn bilinear(at: &Neighbourhood<'_>, channel: usize) -> f64 {
    let row = |down| {
        let (left, right) = (at.level(0, down, channel), at.level(1, down, channel));
        left + (right - left) * at.dx
    };
    let (upper, lower) = (row(0), row(1));
    upper + (lower - upper) * at.dy
}

fn bicubic(at: &Neighbourhood<'_>, channel: usize) -> f64 {
    let row = |down| {
        cubic(
            [-1, 0, 1, 2].map(|right| at.level(right, down, channel)),
            at.dx,
        )
    };
    cubic([-1, 0, 1, 2].map(row), at.dy)
}

/// The cubic through four equidistant values with slopes from their neighbours' differences (`a = -1`, as in PIL's warps).
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    v2 + d * (p2 + d * (p3 + d * p4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new(3, 4, 1, (0..12).map(|i| i * 20).collect()).unwrap()
    }

    #[test]
    fn the_identity_changes_nothing() {
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
        ] {
            let same = warp(
                &image(),
                [3, 4],
                &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                interpolation,
                &[9],
            );
            assert_eq!(same, image(), "{interpolation:?}");
        }
    }

    #[test]
    fn a_shift_brings_fill_in() {
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
        ] {
            let shifted = warp(
                &image(),
                [3, 4],
                &[1.0, 0.0, -1.0, 0.0, 1.0, 1.0],
                interpolation,
                &[9],
            );
            assert_eq!(
                shifted.pixels(),
                [9, 80, 100, 120, 9, 160, 180, 200, 9, 9, 9, 9],
                "{interpolation:?}"
            );
        }
    }

    #[test]
    fn a_matrix_beyond_fixed_point_is_walked_in_floating_point() {
        let far = warp(
            &image(),
            [3, 4],
            &[1e300, 1.0, 0.0, 1.0, 1e300, 0.0],
            Interpolation::Nearest,
            &[9],
        );
        assert!(far.pixels().iter().all(|&v| v == 9));
    }
}
