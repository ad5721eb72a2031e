//! `Grayscale` and `RandomGrayscale`.

use gradus_random::Rng;

use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, Step, TransformError, TransformInfo, ensure, ensure_probability,
};
use crate::error::Result;
use crate::image::{ColorMode, Image};

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "Grayscale",
    doc: "makes the image grey, with one channel or three equal ones",
    args: &[arg(
        "num_output_channels",
        ArgDefault::Number(1.0),
        "1 or 3",
    )],
    build: |args| {
        Ok(Step::image(Grayscale::new(
            args.count("num_output_channels")?,
        )?))
    },
};

pub(super) const RANDOM: TransformInfo = TransformInfo {
    name: "RandomGrayscale",
    doc: "makes the image grey with probability p, and keeps its number of channels",
    args: &[arg("p", ArgDefault::Number(0.1), "probability of greying")],
    build: |args| Ok(Step::image(RandomGrayscale::new(args.number("p")?)?)),
};

/// Makes the image grey by [`Image::to_grey`], with one channel or three equal ones. A grey image given three channels is the
/// same image repeated. Source: `torchvision.transforms.Grayscale`.
#[derive(Clone, Copy, Debug)]
pub struct Grayscale {
    channels: usize,
}

impl Grayscale {
    /// With 1 or 3 output channels.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for another number.
    pub fn new(num_output_channels: usize) -> Result<Self, TransformError> {
        let valid = matches!(num_output_channels, 1 | 3);
        ensure(
            valid,
            "Grayscale",
            "num_output_channels",
            "1 or 3",
            num_output_channels,
        )?;
        Ok(Self {
            channels: num_output_channels,
        })
    }
}

impl ImageTransform for Grayscale {
    fn name(&self) -> &'static str {
        "Grayscale"
    }

    fn is_random(&self) -> bool {
        false
    }

    fn apply(&self, image: Image, _: &mut Rng) -> Result<Image> {
        let grey = image.into_mode(ColorMode::Grey);
        Ok(if self.channels == 3 {
            grey.to_rgb()
        } else {
            grey
        })
    }
}

/// Makes the image grey with probability `p`, keeping its number of channels. Source: `torchvision.transforms.RandomGrayscale`.
#[derive(Clone, Copy, Debug)]
pub struct RandomGrayscale {
    p: f64,
}

impl RandomGrayscale {
    /// With probability `p`.
    ///
    /// # Errors
    /// [`TransformError::Argument`] unless `p` is in 0..=1.
    pub fn new(p: f64) -> Result<Self, TransformError> {
        ensure_probability("RandomGrayscale", p)?;
        Ok(Self { p })
    }
}

impl ImageTransform for RandomGrayscale {
    fn name(&self) -> &'static str {
        "RandomGrayscale"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, image: Image, rng: &mut Rng) -> Result<Image> {
        let grey = rng.bernoulli(self.p) && image.channels() == 3;
        Ok(if grey {
            image.to_grey().to_rgb()
        } else {
            image
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_as_asked() {
        let mut rng = Rng::new(0, 0, 0);
        let red = || Image::new(1, 1, 3, vec![255, 0, 0]).unwrap();
        let grey = || Image::new(1, 1, 1, vec![9]).unwrap();
        assert_eq!(
            Grayscale::new(1)
                .unwrap()
                .apply(red(), &mut rng)
                .unwrap()
                .pixels(),
            [76]
        );
        assert_eq!(
            Grayscale::new(3)
                .unwrap()
                .apply(red(), &mut rng)
                .unwrap()
                .pixels(),
            [76, 76, 76]
        );
        assert_eq!(
            Grayscale::new(3)
                .unwrap()
                .apply(grey(), &mut rng)
                .unwrap()
                .pixels(),
            [9, 9, 9]
        );
        assert_eq!(
            RandomGrayscale::new(1.0)
                .unwrap()
                .apply(red(), &mut rng)
                .unwrap()
                .pixels(),
            [76, 76, 76]
        );
        assert_eq!(
            RandomGrayscale::new(1.0)
                .unwrap()
                .apply(grey(), &mut rng)
                .unwrap()
                .pixels(),
            [9]
        );
        assert_eq!(
            RandomGrayscale::new(0.0)
                .unwrap()
                .apply(red(), &mut rng)
                .unwrap(),
            red()
        );
        assert!(Grayscale::new(2).is_err());
    }
}
