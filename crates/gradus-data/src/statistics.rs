//! Mean and standard deviation per channel over a data set.
//!
//! Images are summed as integers, which is exact: the result does not depend on order or threads. Tensors are combined
//! in order of their index by Welford's method in f64.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::image::Image;
use crate::parallel::map_indices;
use crate::source::ImageSource;

/// Mean and population standard deviation (divided by N, not N - 1) of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel.
    pub std: Vec<f64>,
    /// The number of values of each channel.
    pub count: u64,
}

/// What one image adds to the statistics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageSummary {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// Sum and sum of squares of each channel's levels.
    sums: [[u64; 2]; 3],
}

impl ImageSummary {
    fn of(image: &Image) -> Self {
        let mut sums = [[0; 2]; 3];
        for pixel in image.pixels().chunks_exact(image.channels()) {
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                let level = u64::from(level);
                sum[0] += level;
                sum[1] += level * level;
            }
        }
        if image.channels() == 1 {
            // Beside RGB images, a grey one counts as three equal channels.
            sums = [sums[0]; 3];
        }
        Self {
            height: image.height(),
            width: image.width(),
            channels: image.channels(),
            sums,
        }
    }
}

/// Decodes all images, on all cores.
pub(crate) fn summarise(source: &dyn ImageSource) -> Result<Vec<ImageSummary>> {
    let answers = map_indices(source.len(), |i| {
        Some(source.image(i).map(|image| ImageSummary::of(&image)))
    });
    answers.into_iter().map(|(_, summary)| summary).collect()
}

/// The statistics of some images, in units of 0..=1; three channels if one image has them.
pub(crate) fn combine(images: &[ImageSummary]) -> ChannelStatistics {
    let channels = images.iter().map(|image| image.channels).max().unwrap_or(0);
    let count: u64 = images
        .iter()
        .map(|image| (image.height * image.width) as u64)
        .sum();
    let (mut mean, mut std) = (Vec::new(), Vec::new());
    for c in 0..channels {
        let total = |which: usize| {
            images
                .iter()
                .map(|image| u128::from(image.sums[c][which]))
                .sum::<u128>()
        };
        let (n, sum, squares) = (u128::from(count), total(0), total(1));
        // n²·variance is an integer; u128 holds it for up to 2^48 values.
        let spread = (n * squares).saturating_sub(sum * sum) as f64;
        mean.push(sum as f64 / n as f64 / 255.0);
        std.push(spread.sqrt() / n as f64 / 255.0);
    }
    ChannelStatistics { mean, std, count }
}

/// Mean and standard deviation of all pixels, channel by channel, in units of 0..=1: what `Normalize` takes.
///
/// Exact up to the final division. If some images are RGB, grey ones count as three equal channels.
///
/// ```
/// let data = gradus_data::embedded("fashion-mnist-mini")?;
/// let statistics = gradus_data::image_statistics(&**data.train().unwrap())?;
/// assert!((statistics.mean[0] - 0.286).abs() < 0.003 && (statistics.std[0] - 0.353).abs() < 0.003);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
///
/// # Errors
/// The first image that cannot be decoded.
pub fn image_statistics(source: &dyn ImageSource) -> Result<ChannelStatistics> {
    Ok(combine(&summarise(source)?))
}

/// Mean and standard deviation of the tensors of a data set in one epoch, over all but dimension 0 of each sample (C, …).
///
/// Source: Welford 1962; merging by Chan, Golub and LeVeque 1979.
///
/// # Errors
/// The first sample that cannot be made; [`gradus_tensor::Error`] unless samples are f32 (C, …) with equal C.
pub fn tensor_statistics(dataset: &dyn Dataset, epoch: u64) -> Result<ChannelStatistics> {
    let mut merged: Vec<[f64; 3]> = Vec::new(); // count, mean, sum of squared deviations
    for index in 0..dataset.len() {
        let x = dataset.get(index, epoch)?.x.contiguous()?;
        let channels = x.dims().first().copied().unwrap_or(1);
        if merged.is_empty() {
            merged = vec![[0.0; 3]; channels];
        }
        if channels != merged.len() {
            let (op, expected) = ("tensor_statistics channels", merged.len());
            return Err(gradus_tensor::Error::Length {
                op,
                expected,
                got: channels,
            }
            .into());
        }
        let values = x.as_slice::<f32>()?;
        for (state, plane) in merged
            .iter_mut()
            .zip(values.chunks((values.len() / channels.max(1)).max(1)))
        {
            let n = plane.len() as f64;
            let mean = plane.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let spread = plane
                .iter()
                .map(|&v| (f64::from(v) - mean).powi(2))
                .sum::<f64>();
            let (total, delta) = (state[0] + n, mean - state[1]);
            *state = [
                total,
                state[1] + delta * n / total,
                state[2] + spread + delta * delta * state[0] * n / total,
            ];
        }
    }
    let count = merged.first().map_or(0.0, |state| state[0]) as u64;
    let mean = merged.iter().map(|state| state[1]).collect();
    let std = merged
        .iter()
        .map(|state| (state[2] / state[0]).sqrt())
        .collect();
    Ok(ChannelStatistics { mean, std, count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::TensorDataset;
    use gradus_tensor::Tensor;

    #[test]
    fn images_are_summed_exactly() {
        let dark = Image::new(1, 2, 1, vec![0, 255]).unwrap();
        let red = Image::new(1, 2, 3, vec![255, 0, 0, 255, 0, 0]).unwrap();
        let statistics = combine(&[ImageSummary::of(&dark), ImageSummary::of(&red)]);
        assert_eq!(statistics.mean, [0.75, 0.25, 0.25]);
        assert!(
            statistics
                .std
                .iter()
                .all(|std| (std - 0.1875_f64.sqrt()).abs() < 1e-15),
            "{statistics:?}"
        );
        assert_eq!(statistics.count, 4);
        assert_eq!(combine(&[ImageSummary::of(&dark)]).mean, [0.5]);
        assert!(combine(&[]).mean.is_empty());
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        // Naive sums of squares in f32, or f64 without care, lose the spread beside the offset.
        let values: Vec<f32> = (0..4000).map(|i| 4096.0 + (i % 2) as f32 / 256.0).collect();
        let x = Tensor::from_slice(&values, [1000, 1, 4]).unwrap();
        let data = TensorDataset::new(x, vec![0; 1000]).unwrap();
        let statistics = tensor_statistics(&data, 0).unwrap();
        assert!(
            (statistics.std[0] * 512.0 - 1.0).abs() < 1e-9,
            "{statistics:?}"
        );
        assert_eq!(statistics.count, 4000);
    }
}
