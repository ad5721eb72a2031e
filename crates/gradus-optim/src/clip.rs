//! Gradient clipping.

use gradus_autograd::{DType, Error, Gradients, Result};
use gradus_linalg::{optimizer as kernel, reduce};

const FLOATS: &[DType] = &[DType::F32, DType::F64];

/// The Euclidean norm of all gradients together, as if they were one vector. Squares are summed in f64, in the order of
/// the parameters.
///
/// # Errors
/// [`Error::DType`] for a gradient that is not f32 or f64.
pub fn grad_norm(grads: &Gradients) -> Result<f64> {
    let mut sum = 0.0;
    for grad in grads.iter() {
        let grad = grad.contiguous()?;
        sum += match grad.dtype() {
            DType::F32 => reduce::sum_of_squares_slice(grad.as_slice::<f32>()?),
            DType::F64 => reduce::sum_of_squares_slice(grad.as_slice::<f64>()?),
            got => {
                return Err(Error::DType {
                    op: "grad_norm",
                    expected: FLOATS,
                    got,
                });
            }
        };
    }
    Ok(sum.sqrt())
}

/// Scales all gradients so that their norm is at most `max_norm`, and returns the norm before.
/// `torch.nn.utils.clip_grad_norm_`: the factor is `min(1, max_norm / (norm + 1e-6))`.
///
/// A norm that is not finite is returned and nothing is scaled.
///
/// # Errors
/// [`Error::Argument`] if `max_norm` is not positive; [`Error::DType`] for a gradient that is not f32 or f64.
pub fn clip_grad_norm(grads: &mut Gradients, max_norm: f64) -> Result<f64> {
    positive("clip_grad_norm", "max_norm", max_norm)?;
    let norm = grad_norm(grads)?;
    let factor = max_norm / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        for grad in grads.iter_mut() {
            match grad.dtype() {
                DType::F64 => kernel::scale(grad.make_mut::<f64>()?, factor),
                _ => kernel::scale(grad.make_mut::<f32>()?, factor as f32),
            }
        }
    }
    Ok(norm)
}

/// Clamps each gradient entry to `±max_value`; `torch.nn.utils.clip_grad_value_`. NaN stays NaN.
///
/// # Errors
/// [`Error::Argument`] if `max_value` is not positive; [`Error::DType`] for a gradient that is not f32 or f64.
pub fn clip_grad_value(grads: &mut Gradients, max_value: f64) -> Result<()> {
    positive("clip_grad_value", "max_value", max_value)?;
    for grad in grads.iter_mut() {
        match grad.dtype() {
            DType::F32 => kernel::clamp(grad.make_mut::<f32>()?, max_value as f32),
            DType::F64 => kernel::clamp(grad.make_mut::<f64>()?, max_value),
            got => {
                return Err(Error::DType {
                    op: "clip_grad_value",
                    expected: FLOATS,
                    got,
                });
            }
        }
    }
    Ok(())
}

fn positive(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 {
        return Ok(());
    }
    Err(Error::Argument {
        op,
        name,
        expected: "above 0",
        got: value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::{Parameter, Tensor};

    fn gradients(values: [&[f64]; 2]) -> (Vec<Parameter>, Gradients) {
        let zero = |i: usize| {
            Parameter::new(
                i.to_string(),
                Tensor::zeros([values[i].len()], DType::F64).unwrap(),
            )
        };
        let parameters = vec![zero(0), zero(1)];
        let mut grads = Gradients::default();
        for (parameter, values) in parameters.iter().zip(values) {
            grads.replace(parameter, Tensor::from_slice(values, values.len()).unwrap());
        }
        (parameters, grads)
    }

    fn values(parameters: &[Parameter], grads: &Gradients) -> Vec<f64> {
        parameters
            .iter()
            .flat_map(|p| grads.get(p).unwrap().to_vec::<f64>().unwrap())
            .collect()
    }

    #[test]
    fn the_norm_is_that_of_one_long_vector() {
        let (parameters, mut grads) = gradients([&[3.0, 0.0], &[4.0]]);
        assert_eq!(clip_grad_norm(&mut grads, 10.0).unwrap(), 5.0);
        assert_eq!(values(&parameters, &grads), [3.0, 0.0, 4.0]);
        assert_eq!(clip_grad_norm(&mut grads, 1.0).unwrap(), 5.0);
        let factor = 1.0 / (5.0 + 1e-6);
        assert_eq!(
            values(&parameters, &grads),
            [3.0 * factor, 0.0, 4.0 * factor]
        );
    }

    #[test]
    fn infinite_norms_scale_nothing() {
        let (parameters, mut grads) = gradients([&[f64::INFINITY], &[1.0]]);
        assert_eq!(clip_grad_norm(&mut grads, 1.0).unwrap(), f64::INFINITY);
        assert_eq!(values(&parameters, &grads), [f64::INFINITY, 1.0]);
    }

    #[test]
    fn values_are_clamped() {
        let (parameters, mut grads) = gradients([&[-3.0, 0.2], &[f64::INFINITY]]);
        clip_grad_value(&mut grads, 0.5).unwrap();
        assert_eq!(values(&parameters, &grads), [-0.5, 0.2, 0.5]);
        assert!(
            clip_grad_value(&mut grads, 0.0).is_err()
                && clip_grad_norm(&mut grads, f64::NAN).is_err()
        );
    }
}
