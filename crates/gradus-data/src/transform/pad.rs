//! `Pad`: borders of a constant or of the image's own pixels.

use gradus_random::Rng;

use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, Step, TransformError, TransformInfo, ensure_fill, fill_levels,
};
use crate::error::Result;
use crate::image::{Image, MAX_SIDE};

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "Pad",
    doc: "adds borders",
    args: &[
        arg(
            "padding",
            ArgDefault::Required,
            "pixels on all sides; [left/right, top/bottom]; or [left, top, right, bottom]",
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
        let missing = TransformError::MissingArgument {
            transform: "Pad",
            argument: "padding",
        };
        Ok(Step::image(Pad::new(PadConfig {
            padding: args.padding("padding")?.ok_or(missing)?,
            fill: args.fill("fill")?,
            padding_mode: args.padding_mode("padding_mode")?,
        })?))
    },
};

/// What stands in a border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingMode {
    /// The fill level.
    #[default]
    Constant,
    /// The nearest pixel: `aaa|abc|ccc`.
    Edge,
    /// Mirrored at the centre of the last pixel: `cb|abc|ba`. Wider borders go back and forth, as numpy's do.
    Reflect,
    /// Mirrored at the outer edge of the last pixel: `ba|abc|cb`.
    Symmetric,
}

impl PaddingMode {
    /// The pixel of `0..n` that stands `i` pixels from the first; `None` where a constant does.
    fn source(self, i: isize, n: usize) -> Option<usize> {
        let last = n as isize - 1;
        let at = match self {
            _ if (0..=last).contains(&i) => i,
            Self::Constant => return None,
            Self::Edge => i.clamp(0, last),
            Self::Reflect if last == 0 => 0,
            Self::Reflect => {
                let phase = i.rem_euclid(2 * last);
                phase.min(2 * last - phase)
            }
            Self::Symmetric => {
                let phase = i.rem_euclid(2 * (last + 1));
                phase.min(2 * last + 1 - phase)
            }
        };
        usize::try_from(at).ok()
    }
}

/// The parameters of [`Pad`].
#[derive(Clone, Debug, Default)]
pub struct PadConfig {
    /// Pixels added left, top, right and bottom.
    pub padding: [usize; 4],
    /// The level of a constant border, or one a channel; default (also if empty): 0.
    pub fill: Vec<u8>,
    /// What stands in the border; default: the constant.
    pub padding_mode: PaddingMode,
}

/// Adds borders to an image. Source: `torchvision.transforms.Pad`.
#[derive(Clone, Debug)]
pub struct Pad {
    config: PadConfig,
}

impl Pad {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for a fill with neither one nor three levels, [`TransformError::TooLarge`] for more padding than an
    /// image may have pixels.
    pub fn new(mut config: PadConfig) -> Result<Self, TransformError> {
        if config.fill.is_empty() {
            config.fill.push(0);
        }
        ensure_fill("Pad", &config.fill)?;
        if config.padding.iter().any(|&side| side > MAX_SIDE as usize) {
            let [left, top, ..] = config.padding;
            return Err(TransformError::TooLarge {
                transform: "Pad",
                size: [top, left],
            });
        }
        Ok(Self { config })
    }
}

impl ImageTransform for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn is_random(&self) -> bool {
        false
    }

    fn apply(&self, image: Image, _: &mut Rng) -> Result<Image> {
        let PadConfig {
            padding,
            fill,
            padding_mode,
        } = &self.config;
        Ok(pad(&image, *padding, fill, *padding_mode, "Pad")?)
    }
}

/// The image with `[left, top, right, bottom]` pixels added; `transform` is named in errors.
pub(super) fn pad(
    image: &Image,
    [left, top, right, bottom]: [usize; 4],
    fill: &[u8],
    mode: PaddingMode,
    transform: &'static str,
) -> Result<Image, TransformError> {
    let (height, width) = (image.height() + top + bottom, image.width() + left + right);
    if height.max(width) > MAX_SIDE as usize {
        return Err(TransformError::TooLarge {
            transform,
            size: [height, width],
        });
    }
    let levels = fill_levels(transform, fill, image.channels())?;
    // Sides are bounded by MAX_SIDE, so the differences are exact.
    let columns: Vec<Option<usize>> = (0..width)
        .map(|x| mode.source(x as isize - left as isize, image.width()))
        .collect();
    let mut pixels = Vec::with_capacity(height * width * image.channels());
    for y in 0..height {
        let row = mode.source(y as isize - top as isize, image.height());
        for &column in &columns {
            match (row, column) {
                (Some(y), Some(x)) => pixels.extend_from_slice(image.pixel(y, x)),
                _ => pixels.extend_from_slice(&levels),
            }
        }
    }
    Ok(Image::from_parts(height, width, image.channels(), pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mode: PaddingMode, expected: &[u8]) {
        let row = Image::new(1, 3, 1, vec![1, 2, 3]).unwrap();
        let config = PadConfig {
            padding: [5, 0, 4, 0],
            fill: vec![9],
            padding_mode: mode,
        };
        let padded = Pad::new(config)
            .unwrap()
            .apply(row, &mut Rng::new(0, 0, 0))
            .unwrap();
        assert_eq!(padded.pixels(), expected);
    }

    // Expected rows: numpy.pad([1, 2, 3], (5, 4), mode).
    #[test]
    fn modes_equal_numpys_also_beyond_the_image() {
        check(PaddingMode::Constant, &[9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 9]);
        check(PaddingMode::Edge, &[1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3]);
        check(PaddingMode::Reflect, &[2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]);
        check(
            PaddingMode::Symmetric,
            &[2, 3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1],
        );
    }

    #[test]
    fn a_single_pixel_can_be_padded() {
        for mode in [
            PaddingMode::Edge,
            PaddingMode::Reflect,
            PaddingMode::Symmetric,
        ] {
            let dot = Image::new(1, 1, 3, vec![4, 5, 6]).unwrap();
            let padded = pad(&dot, [1, 2, 3, 4], &[0], mode, "Pad").unwrap();
            assert_eq!((padded.height(), padded.width()), (7, 5));
            assert!(padded.pixels().chunks_exact(3).all(|p| p == [4, 5, 6]));
        }
    }

    #[test]
    fn rejects_fill_for_other_channels_and_giant_borders() {
        let grey = Image::new(1, 1, 1, vec![4]).unwrap();
        let config = PadConfig {
            padding: [1; 4],
            fill: vec![1, 2, 3],
            ..PadConfig::default()
        };
        let error = Pad::new(config)
            .unwrap()
            .apply(grey.clone(), &mut Rng::new(0, 0, 0))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Pad: fill has 3 values, but the image has 1 channels"
        );
        assert!(
            Pad::new(PadConfig {
                fill: vec![1, 2],
                ..PadConfig::default()
            })
            .is_err()
        );
        assert!(
            Pad::new(PadConfig {
                padding: [usize::MAX, 0, 0, 0],
                ..PadConfig::default()
            })
            .is_err()
        );
        assert!(matches!(
            pad(&grey, [16_384, 0, 0, 0], &[0], PaddingMode::Edge, "Pad"),
            Err(TransformError::TooLarge {
                size: [1, 16_385],
                ..
            })
        ));
    }
}
