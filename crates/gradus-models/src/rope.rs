//! Rotary position embeddings: pairs of elements of queries and keys turned by an angle that grows with the position. Su et al. 2021,
//! arXiv:2104.09864. The scalings stretch the angles for texts longer than the model was trained on, as transformers computes them.

use std::f64::consts::PI;

use gradus_autograd::{DType, Result, Tensor, Var};

use crate::{FolderConfig, ModelResult};

/// How the frequencies are changed for long texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RopeScaling {
    /// Not at all.
    None,
    /// Divided by a factor: positions are interpolated. Chen et al. 2023, arXiv:2306.15595.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// A base that grows with the length of the text, once it is longer than the model's positions ("dynamic NTK").
    Dynamic {
        /// The factor.
        factor: f64,
    },
    /// Low frequencies divided by a factor, high ones left, those between mixed; Llama 3.1.
    Llama3 {
        /// The factor.
        factor: f64,
        /// Wavelengths over `original / low` are divided.
        low: f64,
        /// Wavelengths under `original / high` are left.
        high: f64,
        /// Positions of the training.
        original: usize,
    },
    /// As [`RopeScaling::Llama3`] with a linear ramp over the dims, and scores sharpened. Peng et al. 2023, arXiv:2309.00071.
    Yarn {
        /// The factor.
        factor: f64,
        /// Sines and cosines are multiplied by this.
        sharpen: f64,
        /// Rotations over the training's length from which on a dim is left.
        fast: f64,
        /// Rotations up to which a dim is divided.
        slow: f64,
        /// Whether the ends of the ramp are rounded to dims.
        truncate: bool,
        /// Positions of the training.
        original: usize,
    },
}

/// Rotary embeddings of one width.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    /// Elements of a head: even.
    pub(crate) width: usize,
    /// The base of the wavelengths. Usually 10,000.
    pub(crate) theta: f64,
    /// Positions of the model, which the dynamic scaling goes by.
    pub(crate) positions: usize,
    /// The scaling.
    pub(crate) scaling: RopeScaling,
}

impl Rope {
    /// Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older files.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a kind that is not known (with those that are), a missing number, or one outside its domain.
    pub(crate) fn read(config: &FolderConfig, width: usize) -> ModelResult<Self> {
        let positions = config.count_or("max_position_embeddings", 2048)?;
        let old_theta = config.number_or("rope_theta", 10_000.0)?;
        let (section, given) = match config.object("rope_scaling")? {
            Some(given) => ("rope_scaling", Some(given)),
            None => ("rope_parameters", config.object("rope_parameters")?),
        };
        let mut rope = Self {
            width,
            theta: old_theta,
            positions,
            scaling: RopeScaling::None,
        };
        let Some(given) = given else {
            return rope.checked(config, "rope_theta");
        };
        rope.theta = given.number_or("rope_theta", old_theta)?;
        if given.number_or("partial_rotary_factor", 1.0)? != 1.0 {
            return Err(given.wrong("partial_rotary_factor", "1: heads are rotated in full"));
        }
        let kind = match given.optional_text("rope_type")? {
            Some(kind) => kind,
            None => given.optional_text("type")?.unwrap_or("default"),
        };
        rope.scaling = scaling(&given, kind, positions)?;
        rope.checked(config, section)
    }

    fn checked(self, config: &FolderConfig, key: &str) -> ModelResult<Self> {
        if !self.width.is_multiple_of(2) || self.width == 0 {
            return Err(config.wrong(
                "head_dim",
                format!("even for rotary positions, and is {}", self.width),
            ));
        }
        if self.positions == 0 {
            return Err(config.wrong("max_position_embeddings", "at least 1"));
        }
        if !(self.theta.is_finite() && self.theta > 1.0) {
            return Err(config.wrong(
                key,
                format!("a base over 1 (rope_theta), and is {}", self.theta),
            ));
        }
        Ok(self)
    }

    /// Whether the angles of a place change as the text grows.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.scaling, RopeScaling::Dynamic { .. })
    }

    /// Angle a position, for each pair, in a text of `length`; f32, as transformers has them.
    fn frequencies(&self, length: usize) -> Vec<f32> {
        let dim = self.width as f64;
        let plain = |theta: f64| -> Vec<f64> {
            let frequency = |i: usize| 1.0 / theta.powf(2.0 * i as f64 / dim);
            (0..self.width / 2).map(frequency).collect()
        };
        let found = match &self.scaling {
            RopeScaling::None => plain(self.theta),
            RopeScaling::Linear { factor } => {
                plain(self.theta).iter().map(|f| f / factor).collect()
            }
            RopeScaling::Dynamic { factor } => {
                let positions = self.positions as f64;
                let stretch = factor * (length as f64).max(positions) / positions - (factor - 1.0);
                // a width of 2 has one pair, whose angle is the position whatever the base
                let exponent = if self.width > 2 {
                    dim / (dim - 2.0)
                } else {
                    0.0
                };
                plain(self.theta * stretch.powf(exponent))
            }
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => {
                let original = *original as f64;
                let scaled = |f: f64| {
                    let rotations = original * f / (2.0 * PI);
                    if rotations < *low {
                        f / factor
                    } else if rotations > *high {
                        f
                    } else {
                        let smooth = (rotations - low) / (high - low);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                };
                plain(self.theta).into_iter().map(scaled).collect()
            }
            RopeScaling::Yarn {
                factor,
                fast,
                slow,
                truncate,
                original,
                ..
            } => {
                let [start, end] = self.ramp(*fast, *slow, *truncate, *original as f64);
                let scaled = |(i, f): (usize, f64)| {
                    let divided = ((i as f64 - start) / (end - start)).clamp(0.0, 1.0);
                    f / factor * divided + f * (1.0 - divided)
                };
                let all = plain(self.theta).into_iter().enumerate();
                all.map(scaled).collect()
            }
        };
        found.into_iter().map(|f| f as f32).collect()
    }

    /// The pairs between which YaRN goes over from leaving frequencies to dividing them.
    fn ramp(&self, fast: f64, slow: f64, truncate: bool, original: f64) -> [f64; 2] {
        let dim = self.width as f64;
        let pair = |rotations: f64| {
            dim * (original / (rotations * 2.0 * PI)).ln() / (2.0 * self.theta.ln())
        };
        let (mut start, mut end) = (pair(fast), pair(slow));
        if truncate {
            (start, end) = (start.floor(), end.ceil());
        }
        (start, end) = (start.max(0.0), end.min(dim - 1.0));
        if start == end {
            end += 0.001;
        }
        [start, end]
    }

    /// Cosines and sines of the new places and of all, whose positions are `(B, T)` and `(B, S)`.
    pub(crate) fn turns(&self, [new, all]: [&Tensor; 2], dtype: DType) -> Result<Turns> {
        let held = self.is_dynamic().then(|| self.tables(all, dtype));
        Ok(Turns {
            new: Some(self.tables(new, dtype)?),
            all: held.transpose()?,
        })
    }

    /// Cosines and sines `(B, T, 1, D / 2)` at positions `(B, T)`; B may be 1 for all rows.
    fn tables(&self, positions: &Tensor, dtype: DType) -> Result<[Var; 2]> {
        let [rows, places] = positions.shape().to_array("rope")?;
        let all = positions.to_vec::<i64>()?;
        let sharpen = match self.scaling {
            RopeScaling::Yarn { sharpen, .. } => sharpen,
            _ => 1.0,
        };
        let half = self.width / 2;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        cos.reserve_exact(all.len() * half);
        sin.reserve_exact(all.len() * half);
        let mut frequencies = Vec::new();
        for (row, positions) in all.chunks(places.max(1)).enumerate() {
            if row == 0 || self.is_dynamic() {
                let last = positions.iter().max().copied().unwrap_or(0);
                frequencies = self.frequencies(usize::try_from(last).unwrap_or(0) + 1);
            }
            for &position in positions {
                for &frequency in &frequencies {
                    let angle = f64::from(position as f32 * frequency);
                    cos.push(angle.cos() * sharpen);
                    sin.push(angle.sin() * sharpen);
                }
            }
        }
        let table = |values: &[f64]| {
            Tensor::from_slice(values, [rows, places, 1, half])?
                .to_dtype(dtype)
                .map(Var::constant)
        };
        Ok([table(&cos)?, table(&sin)?])
    }
}

/// Cosines and sines of one pass; none in a model without rotary positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    /// Of the new places.
    new: Option<[Var; 2]>,
    /// Of all places, where angles change as the text grows: keys are held as they are then, and turned whenever they are seen.
    all: Option<[Var; 2]>,
}

impl Turns {
    pub(crate) fn queries(&self) -> Option<&[Var; 2]> {
        self.new.as_ref()
    }

    /// Of keys before they are held.
    pub(crate) fn new_keys(&self) -> Option<&[Var; 2]> {
        self.new.as_ref().filter(|_| self.all.is_none())
    }

    /// Of all keys, after they were held.
    pub(crate) fn held_keys(&self) -> Option<&[Var; 2]> {
        self.all.as_ref()
    }
}

/// [`rotate`], if there is something to turn by.
pub(crate) fn turned(x: &Var, turn: Option<&[Var; 2]>) -> Result<Var> {
    match turn {
        Some(turn) => rotate(x, turn),
        None => Ok(x.clone()),
    }
}

/// `x` `(B, T, H, D)` with the pairs `(i, i + D / 2)` turned.
pub(crate) fn rotate(x: &Var, [cos, sin]: &[Var; 2]) -> Result<Var> {
    let half = x.dims()[x.rank() - 1] / 2;
    let parts = x.split(half, -1)?;
    let [left, right] = &parts[..] else {
        return Ok(x.clone());
    };
    let first = left.mul(cos)?.sub(&right.mul(sin)?)?;
    let second = right.mul(cos)?.add(&left.mul(sin)?)?;
    Var::cat(&[&first, &second], -1)
}

/// The scaling of a kind, from its section of the configuration.
fn scaling(given: &FolderConfig, kind: &str, positions: usize) -> ModelResult<RopeScaling> {
    let at_least_1 = |key: &str| {
        let factor = given.number(key)?;
        if factor < 1.0 {
            return Err(given.wrong(key, "a number of at least 1"));
        }
        Ok(factor)
    };
    let original = || {
        let original = given.count_or("original_max_position_embeddings", positions)?;
        if original == 0 {
            return Err(given.wrong("original_max_position_embeddings", "at least 1"));
        }
        Ok(original)
    };
    Ok(match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear {
            factor: at_least_1("factor")?,
        },
        "dynamic" => RopeScaling::Dynamic {
            factor: at_least_1("factor")?,
        },
        "llama3" => {
            let (low, high) = (
                given.number("low_freq_factor")?,
                given.number("high_freq_factor")?,
            );
            if !(low > 0.0 && high > low) {
                return Err(
                    given.wrong("high_freq_factor", "over low_freq_factor, which is over 0")
                );
            }
            RopeScaling::Llama3 {
                factor: at_least_1("factor")?,
                low,
                high,
                original: original()?,
            }
        }
        "yarn" => {
            let original = original()?;
            let factor = match given.optional_number("factor")? {
                Some(_) => at_least_1("factor")?,
                None => positions as f64 / original as f64,
            };
            let or = |key: &str, default: f64| -> ModelResult<f64> {
                let value = given.number_or(key, default)?;
                Ok(if value == 0.0 { default } else { value })
            };
            let (fast, slow) = (or("beta_fast", 32.0)?, or("beta_slow", 1.0)?);
            if !(slow > 0.0 && fast > 0.0) {
                return Err(given.wrong("beta_fast", "over 0, as beta_slow"));
            }
            RopeScaling::Yarn {
                factor,
                sharpen: sharpening(given, factor)?,
                fast,
                slow,
                truncate: given.flag_or("truncate", true)?,
                original,
            }
        }
        _ => {
            return Err(given.wrong("rope_type", "one of default, linear, dynamic, llama3, yarn"));
        }
    })
}

/// YaRN's factor of sines and cosines.
fn sharpening(given: &FolderConfig, factor: f64) -> ModelResult<f64> {
    if let Some(fixed) = given.optional_number("attention_factor")? {
        return Ok(fixed);
    }
    let scale = |by: f64| {
        if factor <= 1.0 {
            1.0
        } else {
            0.1 * by * factor.ln() + 1.0
        }
    };
    let of = |key: &str| ModelResult::Ok(given.optional_number(key)?.filter(|&x| x != 0.0));
    Ok(match (of("mscale")?, of("mscale_all_dim")?) {
        (Some(one), Some(all)) => scale(one) / scale(all),
        _ => scale(1.0),
    })
}
