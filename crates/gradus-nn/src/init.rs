//! Initialisation schemes: PyTorch's `torch.nn.init`, with explicit random streams.

use gradus_autograd::{DType, Error, Result, Shape, Tensor};
use gradus_random::Rng;

/// How a parameter starts.
///
/// The schemes that depend on fans read them from the shape as PyTorch does: `(out, in, kernel…)`, so
/// `fan_in = in · kernel` and `fan_out = out · kernel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// 0 everywhere.
    Zeros,
    /// 1 everywhere.
    Ones,
    /// One value everywhere.
    Constant(f64),
    /// Uniform in `[low, high)`; `nn.init.uniform_`.
    Uniform {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Normal; `nn.init.normal_`.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Normal, drawn again until it lies within `low..=high`; `nn.init.trunc_normal_`.
    TruncatedNormal {
        /// The mean before truncation.
        mean: f64,
        /// The standard deviation before truncation.
        std: f64,
        /// The lower bound, not relative to the mean.
        low: f64,
        /// The upper bound, not relative to the mean.
        high: f64,
    },
    /// He et al. 2015 (arXiv:1502.01852), uniform; `nn.init.kaiming_uniform_`.
    KaimingUniform {
        /// Which fan keeps its variance.
        fan: Fan,
        /// The gain of the nonlinearity that follows.
        gain: Gain,
    },
    /// He et al. 2015 (arXiv:1502.01852), normal; `nn.init.kaiming_normal_`.
    KaimingNormal {
        /// Which fan keeps its variance.
        fan: Fan,
        /// The gain of the nonlinearity that follows.
        gain: Gain,
    },
    /// Glorot and Bengio 2010, uniform; `nn.init.xavier_uniform_`.
    XavierUniform {
        /// The gain of the nonlinearity that follows.
        gain: Gain,
    },
    /// Glorot and Bengio 2010, normal; `nn.init.xavier_normal_`.
    XavierNormal {
        /// The gain of the nonlinearity that follows.
        gain: Gain,
    },
    /// Rows, or columns if these are fewer, orthonormal (Saxe et al. 2013, arXiv:1312.6120); `nn.init.orthogonal_`.
    Orthogonal {
        /// The factor.
        gain: Gain,
    },
    /// Uniform in `±1 / sqrt(fan_in)` of a weight with that fan: PyTorch's default for weights and biases of linear and
    /// convolution layers. (It calls `kaiming_uniform_(a=sqrt(5))`, which comes to the same.)
    Fan {
        /// The fan.
        fan_in: usize,
    },
}

/// Which fan a Kaiming scheme keeps the variance of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs: the variance of the forward values.
    In,
    /// Outputs: the variance of the gradients.
    Out,
}

/// The gain of a nonlinearity; `nn.init.calculate_gain`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gain {
    /// 1: linear layers, sigmoid.
    Linear,
    /// 5/3.
    Tanh,
    /// √2.
    Relu,
    /// `√(2 / (1 + slope²))`, with the negative slope.
    LeakyRelu(f64),
    /// 3/4.
    Selu,
    /// Any factor.
    Custom(f64),
}

impl Gain {
    /// The factor.
    pub fn value(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => 2.0_f64.sqrt(),
            Self::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Self::Selu => 0.75,
            Self::Custom(gain) => gain,
        }
    }
}

impl Init {
    /// A tensor of these values: a pure function of all arguments.
    ///
    /// # Errors
    /// [`Error::Rank`] if the scheme needs fans and the shape has fewer than two dims; [`Error::Argument`] for a
    /// negative standard deviation, or bounds that leave no values.
    pub fn make(self, shape: Shape, dtype: DType, seed: u64, stream: u64) -> Result<Tensor> {
        let mut rng = Rng::new(seed, stream, 0);
        let n = shape.numel();
        match self {
            Self::Zeros => Tensor::zeros(shape, dtype),
            Self::Ones => Tensor::ones(shape, dtype),
            Self::Constant(value) => Tensor::constant(shape, dtype, value),
            Self::Uniform { low, high } => fill(shape, dtype, || rng.range(low, high)),
            Self::Normal { mean, std } => {
                let std = positive("std", std)?;
                fill(shape, dtype, || mean + std * rng.normal())
            }
            Self::TruncatedNormal {
                mean,
                std,
                low,
                high,
            } => {
                let std = positive("std", std)?;
                if !(low < high && high > mean - 5.0 * std && low < mean + 5.0 * std) {
                    let expected =
                        "above low, with both ends within five standard deviations of the mean";
                    return Err(Error::Argument {
                        op: "init",
                        name: "high",
                        expected,
                        got: high,
                    });
                }
                fill(shape, dtype, || truncated(&mut rng, mean, std, low, high))
            }
            Self::KaimingUniform { fan, gain } => {
                let bound = 3.0_f64.sqrt() * kaiming_std(&shape, fan, gain)?;
                fill(shape, dtype, || rng.range(-bound, bound))
            }
            Self::KaimingNormal { fan, gain } => {
                let std = kaiming_std(&shape, fan, gain)?;
                fill(shape, dtype, || std * rng.normal())
            }
            Self::XavierUniform { gain } => {
                let bound = 3.0_f64.sqrt() * xavier_std(&shape, gain)?;
                fill(shape, dtype, || rng.range(-bound, bound))
            }
            Self::XavierNormal { gain } => {
                let std = xavier_std(&shape, gain)?;
                fill(shape, dtype, || std * rng.normal())
            }
            Self::Orthogonal { gain } => {
                fans(&shape)?;
                let values = orthogonal(shape[0], n / shape[0].max(1), &mut rng);
                let mut values = values.iter().map(|x| x * gain.value());
                fill(shape, dtype, || values.next().unwrap_or(0.0))
            }
            Self::Fan { fan_in } => {
                let bound = if fan_in == 0 {
                    0.0
                } else {
                    1.0 / (fan_in as f64).sqrt()
                };
                fill(shape, dtype, || rng.range(-bound, bound))
            }
        }
    }
}

fn fill(shape: Shape, dtype: DType, mut next: impl FnMut() -> f64) -> Result<Tensor> {
    if dtype == DType::F32 {
        return Tensor::build(shape, |out: &mut [f32]| out.fill_with(|| next() as f32));
    }
    Tensor::build(shape, |out: &mut [f64]| out.fill_with(next))?.to_dtype(dtype)
}

fn positive(name: &'static str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::Argument {
        op: "init",
        name,
        expected: "at least 0",
        got: value,
    })
}

fn truncated(rng: &mut Rng, mean: f64, std: f64, low: f64, high: f64) -> f64 {
    loop {
        let value = mean + std * rng.normal();
        if (low..=high).contains(&value) {
            return value;
        }
    }
}

/// Fan in and fan out of a weight.
fn fans(shape: &Shape) -> Result<[f64; 2]> {
    if shape.rank() < 2 {
        return Err(Error::Rank {
            op: "init with fans",
            expected: 2,
            got: *shape,
        });
    }
    let kernel: usize = shape[2..].iter().product();
    Ok([(shape[1] * kernel) as f64, (shape[0] * kernel) as f64])
}

fn kaiming_std(shape: &Shape, fan: Fan, gain: Gain) -> Result<f64> {
    let [fan_in, fan_out] = fans(shape)?;
    let fan = if fan == Fan::In { fan_in } else { fan_out };
    Ok(gain.value() / fan.max(1.0).sqrt())
}

fn xavier_std(shape: &Shape, gain: Gain) -> Result<f64> {
    let [fan_in, fan_out] = fans(shape)?;
    Ok(gain.value() * (2.0 / (fan_in + fan_out).max(1.0)).sqrt())
}

/// A `(rows, cols)` matrix with orthonormal rows or columns, whichever are fewer: Gram-Schmidt, each vector made
/// orthogonal twice, of normal vectors. The distribution is uniform over such matrices.
fn orthogonal(rows: usize, cols: usize, rng: &mut Rng) -> Vec<f64> {
    let (count, len) = (rows.min(cols), rows.max(cols));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..len).map(|_| rng.normal()).collect();
        let before = norm(&vector);
        for _ in 0..2 {
            for other in &vectors {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = norm(&vector);
        if length > 1e-8 * before {
            vector.iter_mut().for_each(|a| *a /= length);
            vectors.push(vector);
        }
    }
    let at = |row: usize, col: usize| {
        if rows <= cols {
            vectors[row][col]
        } else {
            vectors[col][row]
        }
    };
    (0..rows * cols).map(|i| at(i / cols, i % cols)).collect()
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(init: Init, dims: &[usize]) -> Vec<f64> {
        let shape = Shape::new(dims).unwrap();
        init.make(shape, DType::F64, 1, 2)
            .unwrap()
            .to_vec()
            .unwrap()
    }

    fn std(values: &[f64]) -> f64 {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn spreads_are_those_of_torch() {
        // (200, 100, 3): fan_in 300, fan_out 600. 60,000 draws: a relative error of 2 % is six standard errors.
        let dims = [200, 100, 3];
        let cases = [
            (
                Init::KaimingNormal {
                    fan: Fan::In,
                    gain: Gain::Relu,
                },
                (2.0_f64 / 300.0).sqrt(),
            ),
            (
                Init::KaimingUniform {
                    fan: Fan::Out,
                    gain: Gain::Relu,
                },
                (2.0_f64 / 600.0).sqrt(),
            ),
            (
                Init::KaimingUniform {
                    fan: Fan::In,
                    gain: Gain::LeakyRelu(5.0_f64.sqrt()),
                },
                (1.0_f64 / 900.0).sqrt(),
            ),
            (
                Init::XavierNormal { gain: Gain::Linear },
                (2.0_f64 / 900.0).sqrt(),
            ),
            (
                Init::XavierUniform { gain: Gain::Tanh },
                5.0 / 3.0 * (2.0_f64 / 900.0).sqrt(),
            ),
            (Init::Fan { fan_in: 300 }, (1.0_f64 / 900.0).sqrt()),
            (
                Init::Normal {
                    mean: 3.0,
                    std: 0.5,
                },
                0.5,
            ),
        ];
        for (init, expected) in cases {
            let found = std(&make(init, &dims));
            assert!(
                (found / expected - 1.0).abs() < 0.02,
                "{init:?}: {found} {expected}"
            );
        }
    }

    #[test]
    fn bounds_hold() {
        let bound = 1.0 / 7.0_f64.sqrt();
        assert!(
            make(Init::Fan { fan_in: 7 }, &[1000])
                .iter()
                .all(|x| x.abs() <= bound)
        );
        let truncated = make(
            Init::TruncatedNormal {
                mean: 0.0,
                std: 1.0,
                low: -0.5,
                high: 2.0,
            },
            &[5000],
        );
        assert!(truncated.iter().all(|x| (-0.5..=2.0).contains(x)));
        assert!(truncated.iter().any(|x| *x > 1.5) && truncated.iter().any(|x| *x < -0.4));
    }

    #[test]
    fn orthogonal_matrices_are() {
        for (rows, cols) in [(4, 9), (9, 4), (6, 6), (3, 8)] {
            let q = make(Init::Orthogonal { gain: Gain::Linear }, &[rows, cols]);
            let few = rows.min(cols);
            for i in 0..few {
                for j in 0..few {
                    let along = |k: usize| {
                        if rows <= cols {
                            q[i * cols + k] * q[j * cols + k]
                        } else {
                            q[k * cols + i] * q[k * cols + j]
                        }
                    };
                    let dot: f64 = (0..rows.max(cols)).map(along).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn misuse_is_refused() {
        let vector = Shape::new(&[5]).unwrap();
        let refused = |init: Init| init.make(vector, DType::F32, 0, 0).is_err();
        assert!(
            refused(Init::XavierUniform { gain: Gain::Linear })
                && refused(Init::Orthogonal { gain: Gain::Linear })
        );
        assert!(
            refused(Init::Normal {
                mean: 0.0,
                std: -1.0
            }) && refused(Init::Normal {
                mean: 0.0,
                std: f64::NAN
            })
        );
        assert!(refused(Init::TruncatedNormal {
            mean: 0.0,
            std: 1.0,
            low: 6.0,
            high: 7.0
        }));
        assert!(
            Init::Orthogonal { gain: Gain::Linear }
                .make(Shape::new(&[0, 3]).unwrap(), DType::F32, 0, 0)
                .is_ok()
        );
    }
}
