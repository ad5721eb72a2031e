//! `Resize`: another size, with PIL's anti-aliased convolution.

use std::cell::RefCell;

use fast_image_resize as fir;
use gradus_random::Rng;

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
/// Fixed-point convolution as in PIL, of which the crate fast_image_resize is a port; results differ from PIL's by one level
/// at most. Bicubic takes `a = -0.5` (anti-aliased, as PIL) or `-0.75` (not, as PyTorch).
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

/// The image in another size, `[height, width]` within 1..=MAX_SIDE.
pub(super) fn resize(
    image: Image,
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) -> Image {
    if size == [image.height(), image.width()] {
        return image;
    }
    match interpolation {
        Interpolation::Nearest => resize_nearest(&image, size),
        Interpolation::Bilinear => convolve(&image, size, fir::FilterType::Bilinear, antialias),
        Interpolation::Bicubic if antialias => {
            convolve(&image, size, fir::FilterType::CatmullRom, true)
        }
        Interpolation::Bicubic => {
            let filter = fir::Filter::new("cubic -0.75", torch_cubic, 2.0);
            let filter = filter.map_or(fir::FilterType::CatmullRom, fir::FilterType::Custom);
            convolve(&image, size, filter, false)
        }
    }
}

/// The cubic convolution kernel with `a = -0.75` (Keys 1981), which PyTorch's `interpolate` takes.
fn torch_cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn convolve(
    image: &Image,
    [height, width]: [usize; 2],
    filter: fir::FilterType,
    antialias: bool,
) -> Image {
    thread_local! {
        // Keeps the resizer's work space between images.
        static RESIZER: RefCell<fir::Resizer> = RefCell::new(fir::Resizer::new());
    }
    let pixel = if image.channels() == 1 {
        fir::PixelType::U8
    } else {
        fir::PixelType::U8x3
    };
    let algorithm = if antialias {
        fir::ResizeAlg::Convolution(filter)
    } else {
        fir::ResizeAlg::Interpolation(filter)
    };
    let options = fir::ResizeOptions::new()
        .resize_alg(algorithm)
        .use_alpha(false);
    // Sides are at most MAX_SIDE.
    let source = fir::images::ImageRef::new(
        image.width() as u32,
        image.height() as u32,
        image.pixels(),
        pixel,
    );
    let mut target = fir::images::Image::new(width as u32, height as u32, pixel);
    let done = source
        .ok()
        .map(|source| RESIZER.with_borrow_mut(|r| r.resize(&source, &mut target, &options)));
    assert!(
        matches!(done, Some(Ok(()))),
        "internal error: an image of checked size was refused: {done:?}"
    );
    Image::from_parts(height, width, image.channels(), target.into_vec())
}

/// As PIL: the source position grows by addition, which decides the pixel where two are equally near.
fn resize_nearest(image: &Image, [height, width]: [usize; 2]) -> Image {
    let positions = |from: usize, to: usize| -> Vec<usize> {
        let step = from as f64 / to as f64;
        let mut at = step * 0.5;
        let next = |_| {
            let position = (at as usize).min(from - 1);
            at += step;
            position
        };
        (0..to).map(next).collect()
    };
    let columns = positions(image.width(), width);
    let mut pixels = Vec::with_capacity(height * width * image.channels());
    for y in positions(image.height(), height) {
        columns
            .iter()
            .for_each(|&x| pixels.extend_from_slice(image.pixel(y, x)));
    }
    Image::from_parts(height, width, image.channels(), pixels)
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
    fn a_flat_image_stays_flat() {
        for channels in [1, 3] {
            for interpolation in [
                Interpolation::Nearest,
                Interpolation::Bilinear,
                Interpolation::Bicubic,
            ] {
                for antialias in [true, false] {
                    let flat = Image::new(7, 5, channels, vec![77; 35 * channels]).unwrap();
                    let resized = resize(flat, [3, 11], interpolation, antialias);
                    assert!(
                        resized.pixels().iter().all(|&v| v == 77),
                        "{interpolation:?} {antialias}"
                    );
                }
            }
        }
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
