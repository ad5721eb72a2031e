//! `RandomHorizontalFlip` and `RandomVerticalFlip`.

use gradus_random::Rng;

use super::spec::{Args, arg};
use super::{
    ArgDefault, ArgInfo, ImageTransform, Step, TransformError, TransformInfo, ensure_probability,
};
use crate::error::Result;
use crate::image::Image;

const ARGS: &[ArgInfo] = &[arg("p", ArgDefault::Number(0.5), "probability of flipping")];

pub(super) const HORIZONTAL: TransformInfo = TransformInfo {
    name: "RandomHorizontalFlip",
    doc: "mirrors left and right with probability p",
    args: ARGS,
    build: |args: &Args<'_>| Ok(Step::image(RandomHorizontalFlip::new(args.number("p")?)?)),
};

pub(super) const VERTICAL: TransformInfo = TransformInfo {
    name: "RandomVerticalFlip",
    doc: "mirrors top and bottom with probability p",
    args: ARGS,
    build: |args: &Args<'_>| Ok(Step::image(RandomVerticalFlip::new(args.number("p")?)?)),
};

/// Mirrors left and right with probability `p`. Source: `torchvision.transforms.RandomHorizontalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct RandomHorizontalFlip {
    p: f64,
}

impl RandomHorizontalFlip {
    /// With probability `p`.
    ///
    /// # Errors
    /// [`TransformError::Argument`] unless `p` is in 0..=1.
    pub fn new(p: f64) -> Result<Self, TransformError> {
        ensure_probability("RandomHorizontalFlip", p)?;
        Ok(Self { p })
    }
}

impl ImageTransform for RandomHorizontalFlip {
    fn name(&self) -> &'static str {
        "RandomHorizontalFlip"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, mut image: Image, rng: &mut Rng) -> Result<Image> {
        if rng.bernoulli(self.p) {
            let (width, channels) = (image.width(), image.channels());
            for row in image.pixels_mut().chunks_exact_mut(width * channels) {
                // Reversing bytes reverses pixels and the channels in each; the second turn puts the channels right.
                row.reverse();
                row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
            }
        }
        Ok(image)
    }
}

/// Mirrors top and bottom with probability `p`. Source: `torchvision.transforms.RandomVerticalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct RandomVerticalFlip {
    p: f64,
}

impl RandomVerticalFlip {
    /// With probability `p`.
    ///
    /// # Errors
    /// [`TransformError::Argument`] unless `p` is in 0..=1.
    pub fn new(p: f64) -> Result<Self, TransformError> {
        ensure_probability("RandomVerticalFlip", p)?;
        Ok(Self { p })
    }
}

impl ImageTransform for RandomVerticalFlip {
    fn name(&self) -> &'static str {
        "RandomVerticalFlip"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, mut image: Image, rng: &mut Rng) -> Result<Image> {
        if rng.bernoulli(self.p) {
            let (height, stride) = (image.height(), image.width() * image.channels());
            let (upper, lower) = image.pixels_mut().split_at_mut(height / 2 * stride);
            for (top, bottom) in upper
                .chunks_exact_mut(stride)
                .zip(lower.rchunks_exact_mut(stride))
            {
                top.swap_with_slice(bottom);
            }
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(height: usize) -> Image {
        Image::new(height, 2, 3, (0..height as u8 * 6).collect()).unwrap()
    }

    #[test]
    fn flips_keep_the_channels_in_order() {
        let mut rng = Rng::new(0, 0, 0);
        let flipped = RandomHorizontalFlip::new(1.0)
            .unwrap()
            .apply(rows(2), &mut rng)
            .unwrap();
        assert_eq!(flipped.pixels(), [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
        for height in 1..5 {
            let flipped = RandomVerticalFlip::new(1.0)
                .unwrap()
                .apply(rows(height), &mut rng)
                .unwrap();
            for y in 0..height {
                assert_eq!(flipped.row(y), rows(height).row(height - 1 - y));
            }
        }
    }

    #[test]
    fn p_is_the_share_of_flips() {
        let flip = RandomHorizontalFlip::new(0.3).unwrap();
        let mut rng = Rng::new(1, 2, 3);
        let flipped = (0..4000)
            .filter(|_| flip.apply(rows(1), &mut rng).unwrap() != rows(1))
            .count();
        assert!(
            flipped.abs_diff(1200) < 120,
            "{flipped}: four standard errors are 116"
        );
        assert_eq!(
            RandomVerticalFlip::new(0.0)
                .unwrap()
                .apply(rows(2), &mut rng)
                .unwrap(),
            rows(2)
        );
        assert!(
            RandomVerticalFlip::new(1.5).is_err() && RandomHorizontalFlip::new(f64::NAN).is_err()
        );
    }
}
