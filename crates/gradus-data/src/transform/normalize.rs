//! `Normalize`: subtract a mean and divide by a standard deviation, channel by channel.

use gradus_random::Rng;
use gradus_tensor::Tensor;

use super::spec::arg;
use super::{ArgDefault, Step, TensorTransform, TransformError, TransformInfo, ensure};
use crate::error::Result;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "Normalize",
    doc: "subtracts the mean and divides by the standard deviation, channel by channel",
    args: &[
        arg(
            "mean",
            ArgDefault::Required,
            "one mean, or one a channel, in units of 0..=1",
        ),
        arg(
            "std",
            ArgDefault::Required,
            "one standard deviation, or one a channel, above 0",
        ),
    ],
    build: |args| {
        let floats = |name| {
            Ok(args
                .numbers(name)?
                .unwrap_or_default()
                .iter()
                .map(|&x| x as f32)
                .collect())
        };
        Ok(Step::tensor(Normalize::new(
            floats("mean")?,
            floats("std")?,
        )?))
    },
};

/// `y[c, h, w] = (x[c, h, w] - mean[c]) / std[c]`, in f32.
///
/// Source: `torchvision.transforms.Normalize`.
#[derive(Clone, Debug)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// With one value for all channels, or one a channel, in each list.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for an empty list, a value that is not finite, or a `std` of zero or below.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, TransformError> {
        let finite = "one finite number, or one a channel";
        ensure(
            !mean.is_empty() && mean.iter().all(|x| x.is_finite()),
            "Normalize",
            "mean",
            finite,
            &mean,
        )?;
        let positive = !std.is_empty() && std.iter().all(|x| x.is_finite() && *x > 0.0);
        ensure(
            positive,
            "Normalize",
            "std",
            "one number above 0, or one a channel",
            &std,
        )?;
        Ok(Self { mean, std })
    }
}

impl TensorTransform for Normalize {
    fn name(&self) -> &'static str {
        "Normalize"
    }

    fn is_random(&self) -> bool {
        false
    }

    fn apply(&self, mut x: Tensor, _: &mut Rng) -> Result<Tensor> {
        let [channels, height, width] = x.shape().to_array("Normalize")?;
        for (argument, values) in [("mean", self.mean.len()), ("std", self.std.len())] {
            if values != 1 && values != channels {
                return Err(TransformError::Channels {
                    transform: "Normalize",
                    argument,
                    values,
                    channels,
                }
                .into());
            }
        }
        // A list of one serves every channel.
        let of = |list: &[f32], c: usize| list[c % list.len()];
        for (c, plane) in x
            .make_mut::<f32>()?
            .chunks_exact_mut((height * width).max(1))
            .enumerate()
        {
            let (mean, std) = (of(&self.mean, c), of(&self.std, c));
            plane
                .iter_mut()
                .for_each(|value| *value = (*value - mean) / std);
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_mean_and_std() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 1, 2]).unwrap();
        let normalize = Normalize::new(vec![1.0, 3.0], vec![2.0, 4.0]).unwrap();
        let y = normalize.apply(x.clone(), &mut Rng::new(0, 0, 0)).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), [0.0, 0.5, 0.0, 0.25]);
        assert_eq!(
            x.to_vec::<f32>().unwrap(),
            [1.0, 2.0, 3.0, 4.0],
            "a shared input stays as it was"
        );
        let one = Normalize::new(vec![1.0], vec![2.0])
            .unwrap()
            .apply(x, &mut Rng::new(0, 0, 0))
            .unwrap();
        assert_eq!(one.to_vec::<f32>().unwrap(), [0.0, 0.5, 1.0, 1.5]);
    }

    #[test]
    fn rejects_zero_std_and_wrong_channels() {
        assert!(matches!(
            Normalize::new(vec![0.0], vec![0.0]),
            Err(TransformError::Argument {
                argument: "std",
                ..
            })
        ));
        assert!(Normalize::new(vec![], vec![1.0]).is_err());
        assert!(Normalize::new(vec![f32::NAN], vec![1.0]).is_err());
        let x = Tensor::zeros([1, 2, 2], gradus_tensor::DType::F32).unwrap();
        let normalize = Normalize::new(vec![0.0; 3], vec![1.0; 3]).unwrap();
        let error = normalize.apply(x, &mut Rng::new(0, 0, 0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Normalize: mean has 3 values, but the image has 1 channels"
        );
    }
}
