//! `RandomResizedCrop`: a random part of random shape, resized.

use gradus_random::Rng;

use super::resample::resize;
use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, Interpolation, Step, TransformError, TransformInfo, ensure,
    ensure_range, ensure_size, random_up_to, round_half_even,
};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "RandomResizedCrop",
    doc: "cuts out a part of random area and shape and resizes it",
    args: &[
        arg(
            "size",
            ArgDefault::Required,
            "side of the square, or [height, width]",
        ),
        arg(
            "scale",
            ArgDefault::List(&[0.08, 1.0]),
            "least and largest share of the area",
        ),
        arg(
            "ratio",
            ArgDefault::List(&[3.0 / 4.0, 4.0 / 3.0]),
            "least and largest width / height",
        ),
        arg(
            "interpolation",
            ArgDefault::Text("bilinear"),
            "\"nearest\", \"bilinear\" or \"bicubic\"",
        ),
        arg(
            "antialias",
            ArgDefault::Bool(true),
            "averages over all pixels when shrinking, as PIL does",
        ),
    ],
    build: |args| {
        Ok(Step::image(RandomResizedCrop::new(
            RandomResizedCropConfig {
                size: args.size("size")?,
                scale: args.range("scale")?,
                ratio: args.range("ratio")?,
                interpolation: args.interpolation("interpolation")?,
                antialias: args.flag("antialias")?,
            },
        )?))
    },
};

/// The parameters of [`RandomResizedCrop`].
#[derive(Clone, Debug)]
pub struct RandomResizedCropConfig {
    /// Height and width of the result.
    pub size: [usize; 2],
    /// Least and largest share of the image's area; default: 0.08 to 1.
    pub scale: [f64; 2],
    /// Least and largest width / height; default: 3/4 to 4/3.
    pub ratio: [f64; 2],
    /// How the part is resized; default: bilinear.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels; default: yes.
    pub antialias: bool,
}

impl Default for RandomResizedCropConfig {
    fn default() -> Self {
        Self {
            size: [224, 224],
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            interpolation: Interpolation::Bilinear,
            antialias: true,
        }
    }
}

/// Cuts out a part whose share of the area is uniform in `scale` and whose log aspect ratio is uniform in `ln ratio`, and resizes
/// it. If ten tries do not fit, the largest part in the middle with an allowed ratio is taken.
///
/// Source: `torchvision.transforms.RandomResizedCrop`; Szegedy et al. 2015, *Going Deeper with Convolutions*, arXiv:1409.4842.
#[derive(Clone, Debug)]
pub struct RandomResizedCrop {
    config: RandomResizedCropConfig,
}

impl RandomResizedCrop {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for a size outside 1 to 16384, or ranges that are empty, infinite or not positive.
    pub fn new(config: RandomResizedCropConfig) -> Result<Self, TransformError> {
        ensure_size("RandomResizedCrop", config.size)?;
        let bound = [0.0, f64::MAX];
        ensure_range(
            "RandomResizedCrop",
            "scale",
            config.scale,
            bound,
            "[low, high] with 0 < low <= high",
        )?;
        ensure_range(
            "RandomResizedCrop",
            "ratio",
            config.ratio,
            bound,
            "[low, high] with 0 < low <= high",
        )?;
        ensure(
            config.ratio[0] > 0.0,
            "RandomResizedCrop",
            "ratio",
            "above 0",
            config.ratio,
        )?;
        ensure(
            config.scale[1] > 0.0,
            "RandomResizedCrop",
            "scale",
            "above 0",
            config.scale,
        )?;
        Ok(Self { config })
    }

    /// Top, left, height and width of the part.
    fn part(&self, height: usize, width: usize, rng: &mut Rng) -> [usize; 4] {
        let RandomResizedCropConfig { scale, ratio, .. } = self.config;
        let area = (height * width) as f64;
        for _ in 0..10 {
            let target = area * rng.range(scale[0], scale[1]);
            let aspect = rng.range(ratio[0].ln(), ratio[1].ln()).exp();
            let w = round_half_even((target * aspect).sqrt());
            let h = round_half_even((target / aspect).sqrt());
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return [
                    random_up_to(rng, height - h),
                    random_up_to(rng, width - w),
                    h,
                    w,
                ];
            }
        }
        let aspect = width as f64 / height as f64;
        let (h, w) = if aspect < ratio[0] {
            (
                round_half_even(width as f64 / ratio[0]).clamp(1, height),
                width,
            )
        } else if aspect > ratio[1] {
            (
                height,
                round_half_even(height as f64 * ratio[1]).clamp(1, width),
            )
        } else {
            (height, width)
        };
        [(height - h) / 2, (width - w) / 2, h, w]
    }
}

impl ImageTransform for RandomResizedCrop {
    fn name(&self) -> &'static str {
        "RandomResizedCrop"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, image: Image, rng: &mut Rng) -> Result<Image> {
        let [top, left, height, width] = self.part(image.height(), image.width(), rng);
        let part = image.crop(top, left, height, width);
        Ok(resize(
            part,
            self.config.size,
            self.config.interpolation,
            self.config.antialias,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_to_scale_and_ratio() {
        let crop = RandomResizedCrop::new(RandomResizedCropConfig::default()).unwrap();
        let mut rng = Rng::new(3, 0, 0);
        for _ in 0..500 {
            let [top, left, h, w] = crop.part(100, 120, &mut rng);
            assert!(top + h <= 100 && left + w <= 120);
            let (share, ratio) = ((h * w) as f64 / 12_000.0, w as f64 / h as f64);
            assert!(
                (0.07..=1.0).contains(&share) && (0.73..1.36).contains(&ratio),
                "{share} {ratio}"
            );
        }
    }

    #[test]
    fn impossible_shapes_fall_back_to_the_middle() {
        let config = RandomResizedCropConfig {
            scale: [1.0, 1.0],
            ratio: [1.0, 1.0],
            ..Default::default()
        };
        let crop = RandomResizedCrop::new(config).unwrap();
        assert_eq!(crop.part(10, 30, &mut Rng::new(0, 0, 0)), [0, 10, 10, 10]);
        assert_eq!(crop.part(30, 10, &mut Rng::new(0, 0, 0)), [10, 0, 10, 10]);
    }

    #[test]
    fn rejects_empty_ranges() {
        for (scale, ratio) in [
            ([1.0, 0.5], [1.0, 1.0]),
            ([0.1, 1.0], [0.0, 1.0]),
            ([0.0, 0.0], [1.0, 1.0]),
        ] {
            assert!(
                RandomResizedCrop::new(RandomResizedCropConfig {
                    scale,
                    ratio,
                    ..Default::default()
                })
                .is_err()
            );
        }
    }
}
