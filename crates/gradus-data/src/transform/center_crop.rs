//! `CenterCrop`: the middle of an image.

use gradus_random::Rng;

use super::pad::pad;
use super::spec::arg;
use super::{
    ArgDefault, ImageTransform, PaddingMode, Step, TransformError, TransformInfo, ensure_size,
    round_half_even,
};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "CenterCrop",
    doc: "cuts out the middle; smaller images get a black border first",
    args: &[arg(
        "size",
        ArgDefault::Required,
        "side of the square, or [height, width]",
    )],
    build: |args| Ok(Step::image(CenterCrop::new(args.size("size")?)?)),
};

/// Cuts out the middle; an image that is smaller gets a border of 0 first. Where the margins cannot be equal, the corner is
/// rounded half to even. Source: `torchvision.transforms.CenterCrop`.
#[derive(Clone, Copy, Debug)]
pub struct CenterCrop {
    size: [usize; 2],
}

impl CenterCrop {
    /// With a size `[height, width]`.
    ///
    /// # Errors
    /// [`TransformError::Argument`] unless the sides are 1 to 16384.
    pub fn new(size: [usize; 2]) -> Result<Self, TransformError> {
        ensure_size("CenterCrop", size)?;
        Ok(Self { size })
    }
}

impl ImageTransform for CenterCrop {
    fn name(&self) -> &'static str {
        "CenterCrop"
    }

    fn is_random(&self) -> bool {
        false
    }

    fn apply(&self, mut image: Image, _: &mut Rng) -> Result<Image> {
        let [height, width] = self.size;
        let (below, beside) = (
            height.saturating_sub(image.height()),
            width.saturating_sub(image.width()),
        );
        if below + beside > 0 {
            let borders = [beside / 2, below / 2, beside.div_ceil(2), below.div_ceil(2)];
            image = pad(&image, borders, &[0], PaddingMode::Constant, "CenterCrop")?;
        }
        let top = round_half_even((image.height() - height) as f64 / 2.0);
        let left = round_half_even((image.width() - width) as f64 / 2.0);
        Ok(image.crop(top, left, height, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: usize, crop: usize, expected: &[u8]) {
        let row = Image::new(1, width, 1, (1..=width as u8).collect()).unwrap();
        let cropped = CenterCrop::new([1, crop])
            .unwrap()
            .apply(row, &mut Rng::new(0, 0, 0))
            .unwrap();
        assert_eq!(cropped.pixels(), expected);
    }

    #[test]
    fn corners_round_half_to_even_and_small_images_are_padded() {
        check(5, 3, &[2, 3, 4]);
        check(4, 3, &[1, 2, 3]); // 0.5 -> 0
        check(6, 3, &[3, 4, 5]); // 1.5 -> 2
        check(8, 3, &[3, 4, 5]); // 2.5 -> 2
        check(2, 5, &[0, 1, 2, 0, 0]);
        assert!(CenterCrop::new([0, 3]).is_err());
        assert!(CenterCrop::new([3, 20_000]).is_err());
    }
}
