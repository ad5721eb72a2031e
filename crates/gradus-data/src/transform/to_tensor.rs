//! `ToTensor`: 8-bit (H, W, C) pixels to f32 (C, H, W) in 0..=1.

use gradus_tensor::Tensor;

use super::{Step, TransformInfo};
use crate::error::Result;
use crate::image::Image;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "ToTensor",
    doc: "turns 8-bit pixels (H, W, C) into f32 (C, H, W), divided by 255",
    args: &[],
    build: |_| Ok(Step::ToTensor(ToTensor)),
};

/// Turns an image into a tensor: `x[c, h, w] = pixel[h, w, c] / 255`.
///
/// # Shapes
/// (H, W, C) u8 -> (C, H, W) f32
///
/// Source: `torchvision.transforms.ToTensor`; the division is the same correctly rounded one, so bits are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToTensor;

impl ToTensor {
    /// The tensor of an image.
    ///
    /// # Errors
    /// Only if memory is exhausted.
    pub fn apply(self, image: &Image) -> Result<Tensor> {
        let (height, width, channels) = (image.height(), image.width(), image.channels());
        let pixels = image.pixels();
        let x = Tensor::build::<f32>([channels, height, width], |out| {
            for (c, plane) in out.chunks_exact_mut(height * width).enumerate() {
                for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(channels)) {
                    *value = f32::from(pixel[c]) / 255.0;
                }
            }
        })?;
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        let image = Image::new(1, 2, 3, vec![0, 51, 255, 255, 102, 0]).unwrap();
        let x = ToTensor.apply(&image).unwrap();
        assert_eq!(x.dims(), [3, 1, 2]);
        assert_eq!(
            x.to_vec::<f32>().unwrap(),
            [0.0, 1.0, 51.0 / 255.0, 102.0 / 255.0, 1.0, 0.0]
        );
    }
}
