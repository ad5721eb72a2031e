//! `RandomAffine`: random rotation, shift, scale and shear in one warp.

use gradus_random::Rng;

use super::affine::{Matrix, warp};
use super::spec::{Args, arg};
use super::{
    ArgDefault, ImageTransform, Interpolation, Step, TransformError, TransformInfo, ensure,
    ensure_fill, ensure_range, fill_levels,
};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "RandomAffine",
    doc: "rotates, shifts, scales and shears at random around the centre",
    args: &[
        arg(
            "degrees",
            ArgDefault::Required,
            "largest angle either way, or [least, most], clockwise; 0 for none",
        ),
        arg(
            "translate",
            ArgDefault::None,
            "largest shift as a share of [width, height]",
        ),
        arg("scale", ArgDefault::None, "[least, most] factor"),
        arg(
            "shear",
            ArgDefault::None,
            "largest angle along x, or [least, most], or the same for x and y in four numbers",
        ),
        arg(
            "interpolation",
            ArgDefault::Text("nearest"),
            "\"nearest\", \"bilinear\" or \"bicubic\"",
        ),
        arg(
            "fill",
            ArgDefault::Number(0.0),
            "level 0..=255 outside the image, or one level a channel",
        ),
        arg(
            "center",
            ArgDefault::None,
            "centre [x, y] from the upper left corner; default: the middle",
        ),
    ],
    build,
};

fn build(args: &Args<'_>) -> Result<Step, TransformError> {
    let missing = TransformError::MissingArgument {
        transform: "RandomAffine",
        argument: "degrees",
    };
    let shear = match args.numbers("shear")?.as_deref() {
        None => None,
        Some(&[x_low, x_high, y_low, y_high]) => Some([[x_low, x_high], [y_low, y_high]]),
        Some(_) => args.spread("shear")?.map(|x| [x, [0.0, 0.0]]),
    };
    Ok(Step::image(RandomAffine::new(RandomAffineConfig {
        degrees: args.spread("degrees")?.ok_or(missing)?,
        translate: args.pair("translate")?,
        scale: args.pair("scale")?,
        shear,
        interpolation: args.interpolation("interpolation")?,
        fill: args.fill("fill")?,
        center: args.pair("center")?,
    })?))
}

/// The parameters of [`RandomAffine`].
#[derive(Clone, Debug)]
pub struct RandomAffineConfig {
    /// Least and most angle in degrees, clockwise; default: 0, 0.
    pub degrees: [f64; 2],
    /// Largest shift as a share of width and height, each 0..=1; default: none.
    pub translate: Option<[f64; 2]>,
    /// Least and most factor, above 0; default: none.
    pub scale: Option<[f64; 2]>,
    /// Least and most shear angle in degrees along x, and along y; default: none.
    pub shear: Option<[[f64; 2]; 2]>,
    /// How pixels are read; default: nearest.
    pub interpolation: Interpolation,
    /// The level outside the image, or one a channel; default (also if empty): 0.
    pub fill: Vec<u8>,
    /// The centre `[x, y]` in pixels from the upper left corner; default: the middle.
    pub center: Option<[f64; 2]>,
}

impl Default for RandomAffineConfig {
    fn default() -> Self {
        Self {
            degrees: [0.0; 2],
            translate: None,
            scale: None,
            shear: None,
            interpolation: Interpolation::Nearest,
            fill: vec![0],
            center: None,
        }
    }
}

/// Warps by a random affine map. Equal to torchvision's on PIL images bit for bit, given the same parameters.
///
/// Source: `torchvision.transforms.RandomAffine`.
#[derive(Clone, Debug)]
pub struct RandomAffine {
    config: RandomAffineConfig,
}

/// The parameters of one warp.
#[derive(Debug)]
struct Drawn {
    degrees: f64,
    shift: [f64; 2],
    scale: f64,
    shear: [f64; 2],
}

impl RandomAffine {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for empty or infinite ranges, shares outside 0..=1, factors of 0 or below, shear of 90 degrees or more.
    pub fn new(mut config: RandomAffineConfig) -> Result<Self, TransformError> {
        const NAME: &str = "RandomAffine";
        if config.fill.is_empty() {
            config.fill.push(0);
        }
        let rule = "[least, most] with least <= most";
        ensure_range(NAME, "degrees", config.degrees, [f64::MIN, f64::MAX], rule)?;
        let shares = config
            .translate
            .iter()
            .flatten()
            .all(|share| (0.0..=1.0).contains(share));
        ensure(
            shares,
            NAME,
            "translate",
            "two shares in 0..=1",
            config.translate,
        )?;
        if let Some(scale) = config.scale {
            ensure_range(
                NAME,
                "scale",
                scale,
                [f64::MIN_POSITIVE, f64::MAX],
                "[least, most] above 0",
            )?;
        }
        for shear in config.shear.into_iter().flatten() {
            ensure_range(
                NAME,
                "shear",
                shear,
                [-89.9, 89.9],
                "[least, most] between -89.9 and 89.9 degrees",
            )?;
        }
        let finite = config.center.iter().flatten().all(|x| x.is_finite());
        ensure(finite, NAME, "center", "two finite numbers", config.center)?;
        ensure_fill(NAME, &config.fill)?;
        Ok(Self { config })
    }

    fn draw(&self, image: &Image, rng: &mut Rng) -> Drawn {
        let config = &self.config;
        let degrees = rng.range(config.degrees[0], config.degrees[1]);
        let shift = config.translate.map_or([0.0; 2], |[x, y]| {
            let most = [x * image.width() as f64, y * image.height() as f64];
            most.map(|most| rng.range(-most, most).round_ties_even())
        });
        let scale = config.scale.map_or(1.0, |[low, high]| rng.range(low, high));
        let shear = config.shear.map_or([0.0; 2], |ranges| {
            ranges.map(|[low, high]| rng.range(low, high))
        });
        Drawn {
            degrees,
            shift,
            scale,
            shear,
        }
    }

    fn warp(&self, image: &Image, drawn: &Drawn) -> Result<Image, TransformError> {
        let fill = fill_levels("RandomAffine", &self.config.fill, image.channels())?;
        let middle = [image.width() as f64 * 0.5, image.height() as f64 * 0.5];
        let matrix = inverse_matrix(self.config.center.unwrap_or(middle), drawn);
        Ok(warp(
            image,
            [image.height(), image.width()],
            &matrix,
            self.config.interpolation,
            &fill,
        ))
    }
}

impl ImageTransform for RandomAffine {
    fn name(&self) -> &'static str {
        "RandomAffine"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, image: Image, rng: &mut Rng) -> Result<Image> {
        let drawn = self.draw(&image, rng);
        Ok(self.warp(&image, &drawn)?)
    }
}

/// The inverse of `T·C·R·S·C⁻¹` (shift, centre, rotation with shear, scale), as torchvision computes it.
fn inverse_matrix([center_x, center_y]: [f64; 2], drawn: &Drawn) -> Matrix {
    let rotation = drawn.degrees.to_radians();
    let [shear_x, shear_y] = drawn.shear.map(f64::to_radians);
    let [shift_x, shift_y] = drawn.shift;
    let turned = rotation - shear_y;
    let a = turned.cos() / shear_y.cos();
    let b = -turned.cos() * shear_x.tan() / shear_y.cos() - rotation.sin();
    let c = turned.sin() / shear_y.cos();
    let d = -turned.sin() * shear_x.tan() / shear_y.cos() + rotation.cos();
    let mut m = [d, -b, 0.0, -c, a, 0.0].map(|value| value / drawn.scale);
    m[2] += m[0] * (-center_x - shift_x) + m[1] * (-center_y - shift_y) + center_x;
    m[5] += m[3] * (-center_x - shift_x) + m[4] * (-center_y - shift_y) + center_y;
    m
}

#[cfg(test)]
pub(super) fn affine_for_test(
    image: &Image,
    config: RandomAffineConfig,
    [degrees, scale]: [f64; 2],
    shift: [f64; 2],
    shear: [f64; 2],
) -> Image {
    RandomAffine::new(config)
        .unwrap()
        .warp(
            image,
            &Drawn {
                degrees,
                shift,
                scale,
                shear,
            },
        )
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new(8, 8, 1, (0..64).map(|i| i * 4).collect()).unwrap()
    }

    #[test]
    fn a_pure_shift_moves_whole_pixels() {
        let config = RandomAffineConfig {
            translate: Some([0.25, 0.0]),
            ..Default::default()
        };
        let affine = RandomAffine::new(config).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..100 {
            let mut rng = Rng::new(1, 1, step);
            let moved = affine.apply(image(), &mut rng).unwrap();
            // Row 0 holds 0, 4, 8, …: what now stands in column 4 tells the shift.
            let shift = 4 - isize::from(moved.pixel(0, 4)[0]) / 4;
            assert!((-2..=2).contains(&shift));
            seen.insert(shift);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
    }

    #[test]
    fn drawn_values_keep_to_their_ranges() {
        let config = RandomAffineConfig {
            degrees: [-10.0, 20.0],
            scale: Some([0.5, 2.0]),
            shear: Some([[-5.0, 5.0], [1.0, 2.0]]),
            ..Default::default()
        };
        let affine = RandomAffine::new(config).unwrap();
        for step in 0..200 {
            let drawn = affine.draw(&image(), &mut Rng::new(2, 0, step));
            assert!(
                (-10.0..20.0).contains(&drawn.degrees) && (0.5..2.0).contains(&drawn.scale),
                "{drawn:?}"
            );
            assert!(
                drawn.shear[0].abs() <= 5.0
                    && (1.0..2.0).contains(&drawn.shear[1])
                    && drawn.shift == [0.0; 2]
            );
        }
    }

    #[test]
    fn rejects_values_outside_their_domains() {
        let valid = RandomAffineConfig::default;
        assert!(
            RandomAffine::new(RandomAffineConfig {
                translate: Some([1.5, 0.0]),
                ..valid()
            })
            .is_err()
        );
        assert!(
            RandomAffine::new(RandomAffineConfig {
                scale: Some([0.0, 1.0]),
                ..valid()
            })
            .is_err()
        );
        assert!(
            RandomAffine::new(RandomAffineConfig {
                shear: Some([[0.0, 90.0], [0.0; 2]]),
                ..valid()
            })
            .is_err()
        );
        assert!(
            RandomAffine::new(RandomAffineConfig {
                degrees: [1.0, 0.0],
                ..valid()
            })
            .is_err()
        );
    }
}
