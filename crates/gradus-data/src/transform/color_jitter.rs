//! `ColorJitter`: random brightness, contrast, saturation and hue in random order.

use gradus_random::Rng;

use super::color;
use super::spec::{Args, arg};
use super::{ArgDefault, ImageTransform, Step, TransformError, TransformInfo, ensure_range};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "ColorJitter",
    doc: "changes brightness, contrast, saturation and hue at random, in random order",
    args: &[
        arg(
            "brightness",
            ArgDefault::Number(0.0),
            "b for factors in [max(0, 1 - b), 1 + b], or [least, most]",
        ),
        arg("contrast", ArgDefault::Number(0.0), "as brightness"),
        arg("saturation", ArgDefault::Number(0.0), "as brightness"),
        arg(
            "hue",
            ArgDefault::Number(0.0),
            "h for turns in [-h, h], or [least, most], within -0.5 to 0.5 of the circle",
        ),
    ],
    build: |args| {
        Ok(Step::image(ColorJitter::new(ColorJitterConfig {
            brightness: factors(args, "brightness")?,
            contrast: factors(args, "contrast")?,
            saturation: factors(args, "saturation")?,
            hue: args.spread("hue")?.filter(|&turns| turns != [0.0; 2]),
        })?))
    },
};

/// `b` means `[max(0, 1 - b), 1 + b]`; a range that only holds 1 means none.
fn factors(args: &Args<'_>, name: &'static str) -> Result<Option<[f64; 2]>, TransformError> {
    let is_number = args
        .numbers(name)?
        .is_some_and(|numbers| numbers.len() == 1);
    let range = args.spread(name)?.map(|[low, high]| {
        if is_number {
            [(1.0 + low).max(0.0), 1.0 + high]
        } else {
            [low, high]
        }
    });
    Ok(range.filter(|&range| range != [1.0; 2]))
}

/// The parameters of [`ColorJitter`]: ranges from which factors are drawn; default: none.
#[derive(Clone, Debug, Default)]
pub struct ColorJitterConfig {
    /// Factors of at least 0; 1 changes nothing.
    pub brightness: Option<[f64; 2]>,
    /// Factors of at least 0; 1 changes nothing.
    pub contrast: Option<[f64; 2]>,
    /// Factors of at least 0; 1 changes nothing.
    pub saturation: Option<[f64; 2]>,
    /// Turns as shares of the colour circle, -0.5..=0.5; 0 changes nothing.
    pub hue: Option<[f64; 2]>,
}

/// Adjusts brightness, contrast, saturation and hue by factors that are uniform in their ranges, in random order. Each
/// adjustment equals PIL's.
///
/// Source: `torchvision.transforms.ColorJitter`.
#[derive(Clone, Debug)]
pub struct ColorJitter {
    config: ColorJitterConfig,
}

impl ColorJitter {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for an empty, infinite or negative range, or a hue beyond half the circle.
    pub fn new(config: ColorJitterConfig) -> Result<Self, TransformError> {
        let ranges = [
            ("brightness", config.brightness),
            ("contrast", config.contrast),
            ("saturation", config.saturation),
        ];
        for (argument, range) in ranges {
            if let Some(range) = range {
                ensure_range(
                    "ColorJitter",
                    argument,
                    range,
                    [0.0, f64::MAX],
                    "[least, most] of at least 0",
                )?;
            }
        }
        if let Some(hue) = config.hue {
            ensure_range(
                "ColorJitter",
                "hue",
                hue,
                [-0.5, 0.5],
                "[least, most] within -0.5 to 0.5",
            )?;
        }
        Ok(Self { config })
    }
}

impl ImageTransform for ColorJitter {
    fn name(&self) -> &'static str {
        "ColorJitter"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, mut image: Image, rng: &mut Rng) -> Result<Image> {
        let ColorJitterConfig {
            brightness,
            contrast,
            saturation,
            hue,
        } = self.config;
        let mut order = [0, 1, 2, 3];
        rng.shuffle(&mut order);
        let drawn = [brightness, contrast, saturation, hue]
            .map(|range| range.map(|[low, high]| rng.range(low, high)));
        let adjust = [
            color::brightness,
            color::contrast,
            color::saturation,
            color::hue,
        ];
        for which in order {
            if let Some(factor) = drawn[which] {
                adjust[which](&mut image, factor);
            }
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{Compose, Item, TransformSpec};

    fn image() -> Image {
        Image::new(
            2,
            2,
            3,
            vec![10, 200, 30, 250, 0, 99, 128, 128, 128, 60, 70, 80],
        )
        .unwrap()
    }

    #[test]
    fn the_order_is_random() {
        let range = Some([0.5, 0.5]);
        let config = ColorJitterConfig {
            brightness: Some([1.9, 1.9]),
            contrast: range,
            saturation: range,
            hue: None,
        };
        let jitter = ColorJitter::new(config).unwrap();
        let results: std::collections::BTreeSet<Vec<u8>> = (0..60)
            .map(|step| {
                jitter
                    .apply(image(), &mut Rng::new(0, 0, step))
                    .unwrap()
                    .into_pixels()
            })
            .collect();
        assert!(
            results.len() > 2,
            "factors are fixed, so only the order can differ"
        );
    }

    #[test]
    fn a_number_is_a_spread_around_one() {
        let spec = |b: f64| TransformSpec::new("ColorJitter").with("brightness", b);
        let debug = format!("{:?}", Compose::from_specs(&[spec(1.5)]).unwrap());
        assert!(debug.contains("brightness: Some([0.0, 2.5])"), "{debug}");
        let nothing = Compose::from_specs(&[TransformSpec::new("ColorJitter")]).unwrap();
        let Item::Image(same) = nothing.apply(image(), &mut Rng::new(0, 0, 0)).unwrap() else {
            panic!("an image")
        };
        assert_eq!(same, image());
        let error =
            Compose::from_specs(&[TransformSpec::new("ColorJitter").with("hue", 0.7)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ColorJitter: hue must be [least, most] within -0.5 to 0.5, not [-0.7, 0.7]"
        );
    }
}
