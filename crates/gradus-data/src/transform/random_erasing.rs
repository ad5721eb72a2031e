//! `RandomErasing`: overwrites a random rectangle of a tensor.

use gradus_random::Rng;
use gradus_tensor::Tensor;

use super::spec::{Args, arg};
use super::{
    ArgDefault, Step, TensorTransform, TransformError, TransformInfo, ensure, ensure_probability,
    ensure_range, random_up_to, round_half_even,
};
use crate::error::Result;

pub(super) const INFO: TransformInfo = TransformInfo {
    name: "RandomErasing",
    doc: "overwrites a random rectangle with probability p; stands after ToTensor",
    args: &[
        arg("p", ArgDefault::Number(0.5), "probability of erasing"),
        arg(
            "scale",
            ArgDefault::List(&[0.02, 0.33]),
            "least and largest share of the area",
        ),
        arg(
            "ratio",
            ArgDefault::List(&[0.3, 3.3]),
            "least and largest height / width",
        ),
        arg(
            "value",
            ArgDefault::Number(0.0),
            "what is written: a number, one a channel, or \"random\" (standard normal)",
        ),
    ],
    build,
};

fn build(args: &Args<'_>) -> Result<Step, TransformError> {
    let value = if args.is_word("value", "random")? {
        EraseValue::Random
    } else {
        let numbers = args.numbers("value")?.unwrap_or_else(|| vec![0.0]);
        EraseValue::Constant(numbers.iter().map(|&x| x as f32).collect())
    };
    Ok(Step::tensor(RandomErasing::new(RandomErasingConfig {
        p: args.number("p")?,
        scale: args.range("scale")?,
        ratio: args.range("ratio")?,
        value,
    })?))
}

/// What an erased rectangle holds.
#[derive(Clone, Debug, PartialEq)]
pub enum EraseValue {
    /// One number, or one a channel.
    Constant(Vec<f32>),
    /// Standard normal numbers.
    Random,
}

/// The parameters of [`RandomErasing`].
#[derive(Clone, Debug)]
pub struct RandomErasingConfig {
    /// Probability of erasing; default: 0.5.
    pub p: f64,
    /// Least and largest share of the area; default: 0.02 to 0.33.
    pub scale: [f64; 2],
    /// Least and largest height / width; default: 0.3 to 3.3.
    pub ratio: [f64; 2],
    /// What is written; default: 0.
    pub value: EraseValue,
}

impl Default for RandomErasingConfig {
    fn default() -> Self {
        Self {
            p: 0.5,
            scale: [0.02, 0.33],
            ratio: [0.3, 3.3],
            value: EraseValue::Constant(vec![0.0]),
        }
    }
}

/// Overwrites a rectangle of random place, area and shape with probability `p`. If ten tries do not fit, nothing is erased.
///
/// Source: `torchvision.transforms.RandomErasing`; Zhong et al. 2017, *Random Erasing Data Augmentation*, arXiv:1708.04896.
#[derive(Clone, Debug)]
pub struct RandomErasing {
    config: RandomErasingConfig,
}

impl RandomErasing {
    /// With these parameters.
    ///
    /// # Errors
    /// [`TransformError::Argument`] for `p` or `scale` outside 0..=1, an empty or non-positive `ratio`, values that are not finite.
    pub fn new(config: RandomErasingConfig) -> Result<Self, TransformError> {
        const NAME: &str = "RandomErasing";
        ensure_probability(NAME, config.p)?;
        ensure_range(
            NAME,
            "scale",
            config.scale,
            [0.0, 1.0],
            "[low, high] within 0..=1",
        )?;
        ensure_range(
            NAME,
            "ratio",
            config.ratio,
            [f64::MIN_POSITIVE, f64::MAX],
            "[low, high] above 0",
        )?;
        if let EraseValue::Constant(values) = &config.value {
            let valid = !values.is_empty() && values.iter().all(|x| x.is_finite());
            ensure(
                valid,
                NAME,
                "value",
                "a finite number, one a channel, or \"random\"",
                values,
            )?;
        }
        Ok(Self { config })
    }

    /// Top, left, height and width of the rectangle, if one fits.
    fn rectangle(&self, height: usize, width: usize, rng: &mut Rng) -> Option<[usize; 4]> {
        let RandomErasingConfig { scale, ratio, .. } = self.config;
        let area = (height * width) as f64;
        for _ in 0..10 {
            let target = area * rng.range(scale[0], scale[1]);
            let aspect = rng.range(ratio[0].ln(), ratio[1].ln()).exp();
            let h = round_half_even((target * aspect).sqrt());
            let w = round_half_even((target / aspect).sqrt());
            if h < height && w < width {
                return Some([
                    random_up_to(rng, height - h),
                    random_up_to(rng, width - w),
                    h,
                    w,
                ]);
            }
        }
        None
    }
}

impl TensorTransform for RandomErasing {
    fn name(&self) -> &'static str {
        "RandomErasing"
    }

    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, mut x: Tensor, rng: &mut Rng) -> Result<Tensor> {
        let [channels, height, width] = x.shape().to_array("RandomErasing")?;
        if let EraseValue::Constant(values) = &self.config.value
            && values.len() != 1
            && values.len() != channels
        {
            let (transform, argument, values) = ("RandomErasing", "value", values.len());
            return Err(TransformError::Channels {
                transform,
                argument,
                values,
                channels,
            }
            .into());
        }
        if !rng.bernoulli(self.config.p) {
            return Ok(x);
        }
        let Some([top, left, h, w]) = self.rectangle(height, width, rng) else {
            return Ok(x);
        };
        for (c, plane) in x
            .make_mut::<f32>()?
            .chunks_exact_mut((height * width).max(1))
            .enumerate()
        {
            for row in plane.chunks_exact_mut(width).skip(top).take(h) {
                for value in &mut row[left..left + w] {
                    *value = match &self.config.value {
                        EraseValue::Constant(values) => values[c % values.len()],
                        EraseValue::Random => rng.normal() as f32,
                    };
                }
            }
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones() -> Tensor {
        Tensor::from_slice(&[1.0_f32; 2 * 20 * 30], [2, 20, 30]).unwrap()
    }

    #[test]
    fn a_rectangle_of_each_channel_is_overwritten() {
        let value = EraseValue::Constant(vec![5.0, -5.0]);
        let erasing = RandomErasing::new(RandomErasingConfig {
            p: 1.0,
            value,
            ..Default::default()
        })
        .unwrap();
        for step in 0..50 {
            let x = erasing
                .apply(ones(), &mut Rng::new(0, 0, step))
                .unwrap()
                .to_vec::<f32>()
                .unwrap();
            let count = |value: f32| x.iter().filter(|&&y| y == value).count();
            assert_eq!(
                (count(5.0), count(5.0) + count(-5.0) + count(1.0)),
                (count(-5.0), 1200)
            );
            assert!(
                (6..=220).contains(&count(5.0)),
                "2 % to 33 % of 600: {}",
                count(5.0)
            );
        }
    }

    #[test]
    fn random_values_are_noise_and_p_zero_keeps_the_input() {
        let config = RandomErasingConfig {
            p: 1.0,
            value: EraseValue::Random,
            ..Default::default()
        };
        let x = RandomErasing::new(config)
            .unwrap()
            .apply(ones(), &mut Rng::new(0, 0, 1))
            .unwrap();
        let mut noise: Vec<f32> = x
            .to_vec::<f32>()
            .unwrap()
            .into_iter()
            .filter(|&y| y != 1.0)
            .collect();
        let count = noise.len();
        noise.sort_by(f32::total_cmp);
        noise.dedup();
        assert!(
            noise.len() == count && count > 10,
            "every value is drawn anew"
        );
        let never = RandomErasing::new(RandomErasingConfig {
            p: 0.0,
            ..Default::default()
        })
        .unwrap();
        assert_eq!(
            never
                .apply(ones(), &mut Rng::new(0, 0, 1))
                .unwrap()
                .to_vec::<f32>()
                .unwrap(),
            [1.0; 1200]
        );
    }

    #[test]
    fn rejects_values_outside_their_domains() {
        let new = |config| RandomErasing::new(config).is_err();
        assert!(new(RandomErasingConfig {
            p: 1.1,
            ..Default::default()
        }));
        assert!(new(RandomErasingConfig {
            scale: [0.5, 1.2],
            ..Default::default()
        }));
        assert!(new(RandomErasingConfig {
            ratio: [0.0, 1.2],
            ..Default::default()
        }));
        assert!(new(RandomErasingConfig {
            value: EraseValue::Constant(vec![]),
            ..Default::default()
        }));
        let three = RandomErasingConfig {
            p: 0.0,
            value: EraseValue::Constant(vec![0.0; 3]),
            ..Default::default()
        };
        let error = RandomErasing::new(three)
            .unwrap()
            .apply(ones(), &mut Rng::new(0, 0, 0))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "RandomErasing: value has 3 values, but the image has 2 channels"
        );
    }
}
