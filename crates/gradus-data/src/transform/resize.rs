//! `Resize`: another size, with PIL's anti-aliased convolution.

use gradus_random::Rng;

use super::resample::resize;
use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, Interpolation, Step, TransformError, TransformInfo, ensure,
    ensure_size,
};
use crate::error::Result;
use crate::image::{Image, MAX_SIDE};

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "Resize",
    doc: "changes the size; with one number the shorter side gets it and the shape stays",
    args: &[
        arg(
            "size",
            ArgDefault::Required,
            "length of the shorter side, or [height, width]",
        ),
        arg(
            "interpolation",
            ArgDefault::Text("bilinear"),
            "\"nearest\", \"bilinear\" or \"bicubic\"",
        ),
        arg(
            "max_size",
            ArgDefault::None,
            "most for the longer side, if size is one number",
        ),
        arg(
            "antialias",
            ArgDefault::Bool(true),
            "averages over all pixels when shrinking, as PIL does",
        ),
    ],
    build: |args| {
        let size = match args.counts("size")?.as_deref() {
            Some([short]) => {
                let max_size = args
                    .counts("max_size")?
                    .and_then(|counts| counts.first().copied());
                ResizeSize::Shorter {
                    size: *short,
                    max_size,
                }
            }
            _ => {
                let given = args.counts("max_size")?;
                let rule = "left out when size is [height, width]";
                ensure(given.is_none(), "Resize", "max_size", rule, given)?;
                ResizeSize::Exact(args.size("size")?)
            }
        };
        Ok(Step::image(Resize::new(ResizeConfig {
            size,
            interpolation: args.interpolation("interpolation")?,
            antialias: args.flag("antialias")?,
        })?))
    },
};

/// The size that an image is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeSize {
    /// The shorter side gets this length, the longer one follows in proportion (rounded down).
    Shorter {
        /// The length of the shorter side.
        size: usize,
        /// The most that the longer side may get; the image shrinks further for it.
        max_size: Option<usize>,
    },
    /// Height and width.
    Exact([usize; 2]),
}

/// The parameters of [`Resize`].
#[derive(Clone, Debug)]
pub struct ResizeConfig {
    /// The new size.
    pub size: ResizeSize,
    /// How it is reached; default: bilinear.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels that a new pixel covers; default: yes. Without, it is what
    /// `torch.nn.functional.interpolate(antialias=False)` does.
    pub antialias: bool,
}

impl Default for ResizeConfig {
    fn default() -> Self {
        Self {
            size: ResizeSize::Exact([224, 224]),
            interpolation: Interpolation::Bilinear,
            antialias: true,
        }
    }
}

/// Resizes an image.
///
/// # Numerics
/// PIL's fixed-point convolution, bit for bit; without anti-aliasing PyTorch's f32, within one level. Bicubic takes
/// `a = -0.5` (anti-aliased, as PIL) or `-0.75` (not, as PyTorch).
///
/// Source: `torchvision.transforms.Resize`.
#[derive(Clone, Debug)]
pub struct Resize {
    config: ResizeConfig,
}

impl Resize {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for sides outside 1 to 16384 or a `max_size` that is not above `size`.
    pub fn new(config: ResizeConfig) -> Result<Self, TransformError> {
        match config.size {
            ResizeSize::Exact(size) => ensure_size("Resize", size)?,
            ResizeSize::Shorter { size, max_size } => {
                ensure_size("Resize", [size, size])?;
                if let Some(max_size) = max_size {
                    let valid = max_size > size && max_size <= MAX_SIDE as usize;
                    ensure(
                        valid,
                        "Resize",
                        "max_size",
                        "above size and at most 16384",
                        max_size,
                    )?;
                }
            }
        }
        Ok(Self { config })
    }

    /// Height and width of the result for an image of `height` × `width`.
    fn target(&self, height: usize, width: usize) -> [usize; 2] {
        let (short, max_size) = match self.config.size {
            ResizeSize::Exact(size) => return size,
            ResizeSize::Shorter { size, max_size } => (size, max_size),
        };
        // Sides are at most MAX_SIDE, so products fit.
        let (low, high) = (height.min(width), height.max(width));
        let (mut new_short, mut new_long) = (short, short * high / low);
        if let Some(most) = max_size.filter(|&most| new_long > most) {
            (new_short, new_long) = ((most * new_short / new_long).max(1), most);
        }
        if width <= height {
            [new_long, new_short]
        } else {
            [new_short, new_long]
        }
    }
}

impl ImageTransform for Resize {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn is_random(&self) -> bool {
        false
    }

    fn apply(&self, image: Image, _: &mut Rng) -> Result<Image> {
        let size = self.target(image.height(), image.width());
        if size.iter().any(|&side| side > MAX_SIDE as usize) {
            return Err(TransformError::TooLarge {
                transform: "Resize",
                size,
            }
            .into());
        }
        Ok(resize(
            image,
            size,
            self.config.interpolation,
            self.config.antialias,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(size: ResizeSize, height: usize, width: usize) -> [usize; 2] {
        Resize::new(ResizeConfig {
            size,
            ..Default::default()
        })
        .unwrap()
        .target(height, width)
    }

    #[test]
    fn the_shorter_side_gets_the_size() {
        let shorter = |size, max_size| ResizeSize::Shorter { size, max_size };
        assert_eq!(target(shorter(32, None), 100, 50), [64, 32]);
        assert_eq!(target(shorter(32, None), 50, 101), [32, 64]);
        assert_eq!(target(shorter(32, Some(40)), 100, 50), [40, 20]);
        assert_eq!(target(shorter(32, Some(40)), 1, 16_384), [1, 40]);
        assert_eq!(target(ResizeSize::Exact([3, 4]), 100, 50), [3, 4]);
    }

    #[test]
    fn rejects_sizes_beyond_bounds() {
        let new = |size| {
            Resize::new(ResizeConfig {
                size,
                ..Default::default()
            })
        };
        assert!(new(ResizeSize::Exact([0, 4])).is_err());
        assert!(
            new(ResizeSize::Shorter {
                size: 9,
                max_size: Some(9)
            })
            .is_err()
        );
        let long = Image::new(1, 16_384, 1, vec![0; 16_384]).unwrap();
        let shorter = new(ResizeSize::Shorter {
            size: 2,
            max_size: None,
        })
        .unwrap();
        assert!(
            shorter
                .apply(long, &mut Rng::new(0, 0, 0))
                .unwrap_err()
                .to_string()
                .contains("exceeds")
        );
    }
}
