//! Exponential moving average of weights.

use gradus_autograd::{DType, Error, Parameter, Result, Tensor};
use gradus_linalg::optimizer as kernel;

/// Follows parameters by `average += (1 - decay) · (value - average)` after each step, for evaluation with the average.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    averages: Vec<(String, Tensor)>,
}

impl Ema {
    /// An average that starts at the parameters' values.
    ///
    /// # Errors
    /// [`Error::Argument`] if `decay` is outside `0..=1`; [`Error::OutOfMemory`].
    pub fn new(decay: f64, parameters: &[Parameter]) -> Result<Self> {
        crate::optimizer::check("ema", "decay", decay, 0.0, 1.0)?;
        let copy = |p: &Parameter| Ok((p.name().to_owned(), p.tensor().deep_copy()?));
        Ok(Self {
            decay,
            averages: parameters.iter().map(copy).collect::<Result<_>>()?,
        })
    }

    /// Takes the parameters' values in. Parameters that the average does not know are passed over.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::DType`] if a parameter is of another kind than it was.
    pub fn update(&mut self, parameters: &[Parameter]) -> Result<()> {
        let rate = 1.0 - self.decay;
        for (name, average) in &mut self.averages {
            let Some(parameter) = parameters.iter().find(|p| p.name() == name) else {
                continue;
            };
            let value = parameter.tensor();
            if value.shape() != average.shape() {
                let rule = "a parameter keeps its shape";
                return Err(Error::ShapeMismatch {
                    op: "ema",
                    lhs: *average.shape(),
                    rhs: *value.shape(),
                    rule,
                });
            }
            let value = value.contiguous()?;
            match average.dtype() {
                DType::F32 => kernel::lerp(
                    average.make_mut::<f32>()?,
                    value.as_slice::<f32>()?,
                    rate as f32,
                ),
                DType::F64 => {
                    kernel::lerp(average.make_mut::<f64>()?, value.as_slice::<f64>()?, rate)
                }
                got => {
                    return Err(Error::DType {
                        op: "ema",
                        expected: &[DType::F32, DType::F64],
                        got,
                    });
                }
            }
        }
        Ok(())
    }

    /// The averages by parameter name: what checkpoints hold, and what an evaluation loads.
    pub fn averages(&self) -> &[(String, Tensor)] {
        &self.averages
    }

    /// Puts averages back that [`Ema::averages`] gave.
    pub fn load(&mut self, averages: Vec<(String, Tensor)>) {
        self.averages = averages;
    }

    /// Exchanges the parameters' values with the averages: before an evaluation, and again after it.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::DTypeMismatch`] if a parameter is of another kind than it was.
    pub fn swap(&mut self, parameters: &[Parameter]) -> Result<()> {
        for (name, average) in &mut self.averages {
            if let Some(parameter) = parameters.iter().find(|p| p.name() == name) {
                let value = parameter.tensor();
                parameter.set(std::mem::replace(average, value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_its_formula_and_swaps_back() {
        let w = Parameter::new("w", Tensor::from_slice(&[1.0_f64], [1]).unwrap());
        let mut ema = Ema::new(0.9, std::slice::from_ref(&w)).unwrap();
        w.set(Tensor::from_slice(&[2.0_f64], [1]).unwrap()).unwrap();
        ema.update(std::slice::from_ref(&w)).unwrap();
        let average = 1.0 + (1.0 - 0.9) * (2.0 - 1.0);
        ema.swap(std::slice::from_ref(&w)).unwrap();
        assert!((w.tensor().item::<f64>().unwrap() - average).abs() < 1e-15);
        ema.swap(std::slice::from_ref(&w)).unwrap();
        assert_eq!(w.tensor().item::<f64>().unwrap(), 2.0);
        assert!(Ema::new(1.5, &[]).is_err());
    }
}
