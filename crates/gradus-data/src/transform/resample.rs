//! Resizing 8-bit images by separable convolution, with PIL's arithmetic (`Image.resize`), bit for bit.
//!
//! Columns first, then rows; each pass rounds to 8 bits. Weights are computed in f64, normalised, and held in fixed point with 22 bits behind
//! the point, so sums are exact integers: the result depends on no instruction set. (The crate fast_image_resize
//! was measured against PIL here: it holds its weights in fewer bits and is off by up to 2 levels for bicubic.)

use super::Interpolation;
use crate::image::Image;

/// Bits behind the point of a weight; 8 for a level and 2 for sums beyond the range fit above it in 32.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// A filter: its values and how far they reach.
struct Filter {
    weight: fn(f64) -> f64,
    reach: f64,
}

const TRIANGLE: Filter = Filter {
    weight: triangle,
    reach: 1.0,
};
const PIL_CUBIC: Filter = Filter {
    weight: |x| cubic(x, -0.5),
    reach: 2.0,
};
const TORCH_CUBIC: Filter = Filter {
    weight: |x| cubic(x, -0.75),
    reach: 2.0,
};

/// The pixels that each output pixel is made of.
#[derive(Default)]
struct Windows {
    /// For each output pixel the first one, and where its weights end.
    places: Vec<(usize, usize)>,
    /// One weight for each pixel of each window.
    weights: Vec<i32>,
}

impl Windows {
    fn push(&mut self, start: usize, weights: impl Iterator<Item = i32>) {
        self.weights.extend(weights);
        self.places.push((start, self.weights.len()));
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// First pixel and weights of each window.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut begin = 0;
        self.places.iter().map(move |&(start, end)| {
            (
                start,
                &self.weights[std::mem::replace(&mut begin, end)..end],
            )
        })
    }
}

/// The image in another size, `[height, width]`, each at least 1.
pub(super) fn resize(
    image: Image,
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) -> Image {
    if size == [image.height(), image.width()] {
        return image;
    }
    let filter = match (interpolation, antialias) {
        (Interpolation::Nearest, _) => None,
        (Interpolation::Bilinear, true) => Some(&TRIANGLE),
        (Interpolation::Bicubic, true) => Some(&PIL_CUBIC),
        (Interpolation::Bilinear, false) => return plain(&image, size, &TRIANGLE),
        (Interpolation::Bicubic, false) => return plain(&image, size, &TORCH_CUBIC),
    };
    let windows = |from: usize, to: usize| {
        filter.map_or_else(|| nearest(from, to), |filter| averaging(from, to, filter))
    };
    let [height, width] = size;
    let mut resized = image;
    if width != resized.width() {
        let windows = windows(resized.width(), width);
        resized = if resized.channels() == 1 {
            columns::<1>(&resized, &windows)
        } else {
            columns::<3>(&resized, &windows)
        };
    }
    if height != resized.height() {
        resized = rows(&resized, &windows(resized.height(), height));
    }
    resized
}

/// PIL's windows: the filter widens with the step when shrinking, so every pixel counts; at the border it is cut and normalised.
fn averaging(from: usize, to: usize, filter: &Filter) -> Windows {
    let step = from as f64 / to as f64;
    let widening = step.max(1.0);
    let reach = filter.reach * widening;
    let (mut windows, mut raw) = (Windows::default(), Vec::new());
    for i in 0..to {
        let center = (i as f64 + 0.5) * step;
        // Casts truncate; what is below 0 becomes 0.
        let start = (center - reach + 0.5) as usize;
        let end = ((center + reach + 0.5) as usize).min(from);
        raw.clear();
        raw.extend(
            (start..end).map(|x| (filter.weight)((x as f64 - center + 0.5) * (1.0 / widening))),
        );
        let sum: f64 = raw.iter().sum();
        windows.push(
            start,
            raw.iter()
                .map(|w| fixed(if sum == 0.0 { *w } else { w / sum })),
        );
    }
    windows
}

/// PyTorch's `interpolate(antialias=False)`: the 2 × 2 or 4 × 4 pixels around the point, in f32, rounded once at the end; beyond the
/// border the last pixel counts again.
fn plain(image: &Image, [height, width]: [usize; 2], filter: &Filter) -> Image {
    let taps = |from: usize, to: usize| -> Vec<Vec<(usize, f32)>> {
        let step = from as f64 / to as f64;
        let reach = filter.reach as isize;
        let around = |i: usize| {
            let at = (i as f64 + 0.5) * step - 0.5;
            let left = at.floor() as isize;
            let clip = |x: isize| usize::try_from(x).unwrap_or(0).min(from - 1);
            let weight = |x: isize| (filter.weight)(at - x as f64) as f32;
            (left + 1 - reach..=left + reach)
                .map(|x| (clip(x), weight(x)))
                .collect()
        };
        (0..to).map(around).collect()
    };
    let columns = taps(image.width(), width);
    let mut pixels = Vec::with_capacity(height * width * image.channels());
    for row_taps in taps(image.height(), height) {
        for column_taps in &columns {
            for c in 0..image.channels() {
                let row = |y| {
                    column_taps
                        .iter()
                        .map(|&(x, w)| f32::from(image.pixel(y, x)[c]) * w)
                        .sum::<f32>()
                };
                let value: f32 = row_taps.iter().map(|&(y, w)| row(y) * w).sum();
                // The cast saturates.
                pixels.push(value.round_ties_even() as u8);
            }
        }
    }
    Image::from_parts(height, width, image.channels(), pixels)
}

/// As PIL: the position grows by addition, which decides the pixel where two are equally near.
fn nearest(from: usize, to: usize) -> Windows {
    let step = from as f64 / to as f64;
    let (mut windows, mut at) = (Windows::default(), step * 0.5);
    for _ in 0..to {
        windows.push(
            (at as usize).min(from - 1),
            std::iter::once(1 << WEIGHT_BITS),
        );
        at += step;
    }
    windows
}

/// The linear filter.
fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// The cubic convolution kernel (Keys 1981): `a = -0.5` in PIL, `a = -0.75` in PyTorch's plain interpolation.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// Rounded half away from zero.
fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << WEIGHT_BITS)).round() as i32
}

/// A sum of weighted levels, started at one half, as a level.
fn level(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// One output column a window.
fn columns<const C: usize>(image: &Image, windows: &Windows) -> Image {
    let mut pixels = Vec::with_capacity(image.height() * windows.len() * C);
    for y in 0..image.height() {
        let (row, _) = image.row(y).as_chunks::<C>();
        for (start, weights) in windows.iter() {
            let mut sums = [HALF; C];
            for (pixel, &weight) in row[start..].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            pixels.extend(sums.map(level));
        }
    }
    Image::from_parts(image.height(), windows.len(), C, pixels)
}

/// One output row a window.
fn rows(image: &Image, windows: &Windows) -> Image {
    let stride = image.width() * image.channels();
    let mut pixels = Vec::with_capacity(windows.len() * stride);
    let mut sums = vec![HALF; stride];
    for (start, weights) in windows.iter() {
        sums.fill(HALF);
        for (y, &weight) in (start..).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(image.row(y)) {
                *sum += i32::from(value) * weight;
            }
        }
        pixels.extend(sums.iter().map(|&sum| level(sum)));
    }
    Image::from_parts(windows.len(), image.width(), image.channels(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_flat_image_stays_flat(from in 1_usize..40, to in 1_usize..40, value: u8, rgb: bool, antialias: bool) {
            let channels = if rgb { 3 } else { 1 };
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Bicubic] {
                let flat = Image::new(from, 5, channels, vec![value; from * 5 * channels]).unwrap();
                let resized = resize(flat, [to, 7], interpolation, antialias);
                prop_assert_eq!((resized.height(), resized.width()), (to, 7));
                prop_assert!(resized.pixels().iter().all(|&v| v == value), "{:?}", interpolation);
            }
        }
    }

    #[test]
    fn extreme_sizes_work() {
        let long = Image::new(1, 16_384, 1, vec![100; 16_384]).unwrap();
        let tiny = resize(long, [3, 1], Interpolation::Bicubic, true);
        assert_eq!(tiny.pixels(), [100; 3]);
        let wide = resize(tiny, [1, 16_384], Interpolation::Bicubic, false);
        assert!(wide.pixels().iter().all(|&v| v == 100));
    }
}
