//! `RandomRotation`: by a random angle around the centre.

use gradus_random::Rng;

use super::affine::{Matrix, warp};
use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, Interpolation, Step, TransformError, TransformInfo, ensure,
    ensure_fill, ensure_range, fill_levels,
};
use crate::error::Result;
use crate::image::{Image, MAX_SIDE};

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "RandomRotation",
    doc: "rotates by a random angle",
    args: &[
        arg(
            "degrees",
            ArgDefault::Required,
            "largest angle either way, or [least, most], counter-clockwise",
        ),
        arg(
            "interpolation",
            ArgDefault::Text("nearest"),
            "\"nearest\", \"bilinear\" or \"bicubic\"",
        ),
        arg(
            "expand",
            ArgDefault::Bool(false),
            "makes the result large enough to hold the whole rotated image",
        ),
        arg(
            "center",
            ArgDefault::None,
            "centre of rotation [x, y] from the upper left corner; default: the middle",
        ),
        arg(
            "fill",
            ArgDefault::Number(0.0),
            "level 0..=255 outside the image, or one level a channel",
        ),
    ],
    build: |args| {
        let missing = TransformError::MissingArgument {
            transform: "RandomRotation",
            argument: "degrees",
        };
        Ok(Step::image(RandomRotation::new(RandomRotationConfig {
            degrees: args.spread("degrees")?.ok_or(missing)?,
            interpolation: args.interpolation("interpolation")?,
            expand: args.flag("expand")?,
            center: args.pair("center")?,
            fill: args.fill("fill")?,
        })?))
    },
};

/// The parameters of [`RandomRotation`].
#[derive(Clone, Debug)]
pub struct RandomRotationConfig {
    /// Least and most angle in degrees, counter-clockwise; default: 0, 0.
    pub degrees: [f64; 2],
    /// How pixels are read; default: nearest.
    pub interpolation: Interpolation,
    /// Whether the result grows to hold the whole rotated image; default: no.
    pub expand: bool,
    /// The centre `[x, y]` in pixels from the upper left corner; default: the middle.
    pub center: Option<[f64; 2]>,
    /// The level outside the image, or one a channel; default (also if empty): 0.
    pub fill: Vec<u8>,
}

impl Default for RandomRotationConfig {
    fn default() -> Self {
        Self {
            degrees: [0.0; 2],
            interpolation: Interpolation::Nearest,
            expand: false,
            center: None,
            fill: vec![0],
        }
    }
}

/// Rotates by an angle that is uniform in `degrees`, counter-clockwise. Equal to PIL's `Image.rotate` bit for bit.
///
/// Source: `torchvision.transforms.RandomRotation`.
#[derive(Clone, Debug)]
pub struct RandomRotation {
    config: RandomRotationConfig,
}

impl RandomRotation {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for an empty or infinite range or centre, or a fill with neither one nor three levels.
    pub fn new(mut config: RandomRotationConfig) -> Result<Self, TransformError> {
        if config.fill.is_empty() {
            config.fill.push(0);
        }
        let rule = "[least, most] with least <= most";
        ensure_range(
            "RandomRotation",
            "degrees",
            config.degrees,
            [f64::MIN, f64::MAX],
            rule,
        )?;
        let finite = config.center.iter().flatten().all(|x| x.is_finite());
        ensure(
            finite,
            "RandomRotation",
            "center",
            "two finite numbers",
            config.center,
        )?;
        ensure_fill("RandomRotation", &config.fill)?;
        Ok(Self { config })
    }
}

impl ImageTransform for RandomRotation {
    fn name(&self) -> &'static str {
        "RandomRotation"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, image: Image, rng: &mut Rng) -> Result<Image> {
        let angle = rng.range(self.config.degrees[0], self.config.degrees[1]);
        Ok(rotate(image, angle, &self.config)?)
    }
}

/// Turns by right angles take pixels as they are; other angles go through the warp.
fn rotate(
    image: Image,
    angle: f64,
    config: &RandomRotationConfig,
) -> Result<Image, TransformError> {
    let fill = fill_levels("RandomRotation", &config.fill, image.channels())?;
    let angle = angle.rem_euclid(360.0);
    let (height, width) = (image.height(), image.width());
    let keeps_frame = config.expand || height == width;
    if config.center.is_none() {
        if angle == 0.0 {
            return Ok(image);
        } else if angle == 180.0 {
            return Ok(gather(&image, [height, width], |y, x| {
                (height - 1 - y, width - 1 - x)
            }));
        } else if angle == 90.0 && keeps_frame {
            return Ok(gather(&image, [width, height], |y, x| (x, width - 1 - y)));
        } else if angle == 270.0 && keeps_frame {
            return Ok(gather(&image, [width, height], |y, x| (height - 1 - x, y)));
        }
    }
    let [center_x, center_y] = config
        .center
        .unwrap_or([width as f64 / 2.0, height as f64 / 2.0]);
    let radians = -angle.to_radians();
    let (cos, sin) = (round_15(radians.cos()), round_15(radians.sin()));
    let mut matrix: Matrix = [cos, sin, 0.0, round_15(-radians.sin()), cos, 0.0];
    let [x, y] = map(&matrix, -center_x, -center_y);
    (matrix[2], matrix[5]) = (x + center_x, y + center_y);
    let mut size = [height, width];
    if config.expand {
        size = expanded(&matrix, height, width)?;
        let margins = [
            size[1] as f64 - width as f64,
            size[0] as f64 - height as f64,
        ];
        [matrix[2], matrix[5]] = map(&matrix, -margins[0] / 2.0, -margins[1] / 2.0);
    }
    Ok(warp(&image, size, &matrix, config.interpolation, &fill))
}

/// Height and width of the frame around the rotated corners.
fn expanded(matrix: &Matrix, height: usize, width: usize) -> Result<[usize; 2], TransformError> {
    let (w, h) = (width as f64, height as f64);
    let corners = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)].map(|(x, y)| map(matrix, x, y));
    let extent = |axis: usize| {
        let values = corners.map(|corner| corner[axis]);
        let (low, high) = (
            values.iter().copied().fold(f64::MAX, f64::min),
            values.iter().copied().fold(f64::MIN, f64::max),
        );
        (high.ceil() - low.floor()) as usize
    };
    let size = [extent(1), extent(0)];
    if size.iter().any(|&side| side > MAX_SIDE as usize) {
        return Err(TransformError::TooLarge {
            transform: "RandomRotation",
            size,
        });
    }
    Ok(size)
}

fn map(m: &Matrix, x: f64, y: f64) -> [f64; 2] {
    [m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]]
}

/// Python's `round(x, 15)` for `|x| <= 1`: nearest decimal with 15 places.
fn round_15(x: f64) -> f64 {
    format!("{x:.15}").parse().unwrap_or(x)
}

fn gather(
    image: &Image,
    [height, width]: [usize; 2],
    from: impl Fn(usize, usize) -> (usize, usize),
) -> Image {
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for y in 0..height {
        for x in 0..width {
            let (source_y, source_x) = from(y, x);
            pixels.extend_from_slice(image.pixel(source_y, source_x));
        }
    }
    Image::from_parts(height, width, image.channels(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(degrees: f64, expand: bool) -> Image {
        let image = Image::new(2, 3, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let config = RandomRotationConfig {
            degrees: [degrees; 2],
            expand,
            ..Default::default()
        };
        RandomRotation::new(config)
            .unwrap()
            .apply(image, &mut Rng::new(0, 0, 0))
            .unwrap()
    }

    #[test]
    fn right_angles_move_pixels() {
        assert_eq!(rotated(0.0, false).pixels(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(rotated(360.0, false).pixels(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(rotated(180.0, false).pixels(), [6, 5, 4, 3, 2, 1]);
        let turned = rotated(90.0, true);
        assert_eq!(
            (turned.height(), turned.width(), turned.pixels()),
            (3, 2, &[3, 6, 2, 5, 1, 4][..])
        );
        assert_eq!(rotated(-90.0, true).pixels(), [4, 1, 5, 2, 6, 3]);
    }

    #[test]
    fn expand_holds_the_whole_image() {
        let flat = Image::new(20, 30, 1, vec![200; 600]).unwrap();
        let config = RandomRotationConfig {
            degrees: [30.0; 2],
            expand: true,
            ..Default::default()
        };
        let turned = RandomRotation::new(config)
            .unwrap()
            .apply(flat, &mut Rng::new(0, 0, 0))
            .unwrap();
        assert!(turned.height() >= 33 && turned.width() >= 36, "{turned:?}");
        let area = turned
            .pixels()
            .iter()
            .filter(|&&level| level == 200)
            .count();
        assert!(area.abs_diff(600) < 20, "rotation keeps the area: {area}");
    }

    #[test]
    fn angles_fill_the_range() {
        let spread = |degrees| {
            let config = RandomRotationConfig {
                degrees,
                ..Default::default()
            };
            RandomRotation::new(config).is_ok()
        };
        assert!(spread([-10.0, 10.0]) && !spread([10.0, -10.0]) && !spread([0.0, f64::INFINITY]));
    }
}
