//! `RandomCrop`: a rectangle at a random place, after optional padding.

use gradus_random::Rng;

use super::pad::pad;
use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, PaddingMode, Step, TransformError, TransformInfo, ensure_fill,
    ensure_size, random_up_to,
};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "RandomCrop",
    doc: "cuts out a rectangle at a random place, after optional padding",
    args: &[
        arg(
            "size",
            ArgDefault::Required,
            "side of the square, or [height, width]",
        ),
        arg(
            "padding",
            ArgDefault::None,
            "pixels added first: all sides; [left/right, top/bottom]; or [left, top, right, bottom]",
        ),
        arg(
            "pad_if_needed",
            ArgDefault::Bool(false),
            "adds what a small image lacks, on both sides",
        ),
        arg(
            "fill",
            ArgDefault::Number(0.0),
            "level 0..=255 of a constant border, or one level a channel",
        ),
        arg(
            "padding_mode",
            ArgDefault::Text("constant"),
            "\"constant\", \"edge\", \"reflect\" or \"symmetric\"",
        ),
    ],
    build: |args| {
        Ok(Step::image(RandomCrop::new(RandomCropConfig {
            size: args.size("size")?,
            padding: args.padding("padding")?,
            pad_if_needed: args.flag("pad_if_needed")?,
            fill: args.fill("fill")?,
            padding_mode: args.padding_mode("padding_mode")?,
        })?))
    },
};

/// The parameters of [`RandomCrop`].
#[derive(Clone, Debug, Default)]
pub struct RandomCropConfig {
    /// Height and width of the crop.
    pub size: [usize; 2],
    /// Pixels added left, top, right and bottom before; default: none.
    pub padding: Option<[usize; 4]>,
    /// Whether an image that is still too small gets what it lacks on both sides; default: no, it is an error.
    pub pad_if_needed: bool,
    /// The level of a constant border, or one a channel; default (also if empty): 0.
    pub fill: Vec<u8>,
    /// What stands in the border; default: the constant.
    pub padding_mode: PaddingMode,
}

/// Cuts out a rectangle whose place is uniformly random. Source: `torchvision.transforms.RandomCrop`.
#[derive(Clone, Debug)]
pub struct RandomCrop {
    config: RandomCropConfig,
}

impl RandomCrop {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for a size outside 1 to 16384 or a fill with neither one nor three levels.
    pub fn new(mut config: RandomCropConfig) -> Result<Self, TransformError> {
        if config.fill.is_empty() {
            config.fill.push(0);
        }
        ensure_size("RandomCrop", config.size)?;
        ensure_fill("RandomCrop", &config.fill)?;
        if let Some(padding) = config.padding {
            let rule = "at most 16384 pixels";
            super::ensure(
                padding.iter().all(|&n| n <= 16_384),
                "RandomCrop",
                "padding",
                rule,
                padding,
            )?;
        }
        Ok(Self { config })
    }

    fn padded(&self, image: Image, padding: [usize; 4]) -> Result<Image, TransformError> {
        if padding == [0; 4] {
            return Ok(image);
        }
        pad(
            &image,
            padding,
            &self.config.fill,
            self.config.padding_mode,
            "RandomCrop",
        )
    }
}

impl ImageTransform for RandomCrop {
    fn name(&self) -> &'static str {
        "RandomCrop"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, mut image: Image, rng: &mut Rng) -> Result<Image> {
        let [height, width] = self.config.size;
        image = self.padded(image, self.config.padding.unwrap_or([0; 4]))?;
        if self.config.pad_if_needed {
            let (x, y) = (
                width.saturating_sub(image.width()),
                height.saturating_sub(image.height()),
            );
            image = self.padded(image, [x, y, x, y])?;
        }
        if image.height() < height || image.width() < width {
            let image = [image.height(), image.width()];
            return Err(TransformError::CropTooLarge {
                transform: "RandomCrop",
                crop: self.config.size,
                image,
            }
            .into());
        }
        let top = random_up_to(rng, image.height() - height);
        let left = random_up_to(rng, image.width() - width);
        Ok(image.crop(top, left, height, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new(4, 5, 1, (1..=20).collect()).unwrap()
    }

    #[test]
    fn every_place_is_reached_and_equally_often() {
        let crop = RandomCrop::new(RandomCropConfig {
            size: [3, 3],
            ..Default::default()
        })
        .unwrap();
        let mut rng = Rng::new(5, 0, 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let corner = crop.apply(image(), &mut rng).unwrap().pixels()[0];
            *counts.entry(corner).or_insert(0_u32) += 1;
        }
        assert_eq!(
            counts.keys().copied().collect::<Vec<u8>>(),
            [1, 2, 3, 6, 7, 8]
        );
        assert!(
            counts.values().all(|n| n.abs_diff(1000) < 120),
            "{counts:?}"
        );
    }

    #[test]
    fn padding_comes_first() {
        let config = RandomCropConfig {
            size: [8, 9],
            padding: Some([2; 4]),
            fill: vec![200],
            ..Default::default()
        };
        let whole = RandomCrop::new(config)
            .unwrap()
            .apply(image(), &mut Rng::new(0, 0, 0))
            .unwrap();
        assert_eq!(
            (whole.pixel(0, 0), whole.pixel(2, 2), whole.pixel(5, 6)),
            (&[200][..], &[1][..], &[20][..])
        );
    }

    #[test]
    fn a_small_image_is_an_error_or_padded() {
        let config = RandomCropConfig {
            size: [6, 5],
            ..Default::default()
        };
        let error = RandomCrop::new(config.clone())
            .unwrap()
            .apply(image(), &mut Rng::new(0, 0, 0))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("RandomCrop: a crop of [6, 5]"),
            "{error}"
        );
        let config = RandomCropConfig {
            pad_if_needed: true,
            ..config
        };
        let cropped = RandomCrop::new(config)
            .unwrap()
            .apply(image(), &mut Rng::new(0, 0, 0))
            .unwrap();
        assert_eq!((cropped.height(), cropped.width()), (6, 5));
    }
}
