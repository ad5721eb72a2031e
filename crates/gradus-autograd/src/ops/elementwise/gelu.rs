//! Gaussian error linear units.

use gradus_linalg::Float;
use gradus_linalg::gemm::Precision;

use crate::autocast::precision;
use crate::ops::support::unary::{Function, Keeps, unary, unary_rounded};
use crate::registry::templates::{draw_x, erf_series};
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};
use std::f64::consts::FRAC_1_SQRT_2;

/// 1/√(2π)
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;

/// Exact to the last digit, or in f32 lanes throughout: faster, and enough for products that round to bf16.
#[derive(Clone, Copy, Debug)]
struct Gelu<const EXACT: bool>;

impl<const EXACT: bool> Function for Gelu<EXACT> {
    const NAME: &'static str = "gelu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        if EXACT {
            x.gelu()
        } else {
            x * x.normal_distribution().0
        }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let (below, density) = x.normal_distribution();
        grad_out * x.mul_add(density, below)
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let below = x
            .mul_scalar(FRAC_1_SQRT_2)?
            .erf()?
            .add_scalar(1.0)?
            .mul_scalar(0.5)?;
        let density = x
            .square()?
            .mul_scalar(-0.5)?
            .exp()?
            .mul_scalar(FRAC_1_SQRT_TAU)?;
        grad_out.mul(&below.add(&x.mul(&density)?)?)
    }
}

/// √(2/π)
const SCALE: f64 = 0.797_884_560_802_865_4;
/// The factor of x³ that makes the tangent follow the error function.
const CUBIC: f64 = 0.044_715;

/// As [`Gelu`].
#[derive(Clone, Copy, Debug)]
struct GeluTanh<const EXACT: bool>;

impl<const EXACT: bool> Function for GeluTanh<EXACT> {
    const NAME: &'static str = "gelu_tanh";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        if EXACT { x.gelu_tanh() } else { x * gate(x).0 }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let (open, closed) = gate(x);
        let both = open * closed;
        let slope = T::from_f64(6.0 * SCALE * CUBIC).mul_add(x * x, T::from_f64(2.0 * SCALE));
        let steep = if both == T::ZERO {
            T::ZERO
        } else {
            x * both * slope
        };
        grad_out * (open + steep)
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let square = x.square()?;
        let tanh = x
            .mul_scalar(SCALE)?
            .mul(&square.mul_scalar(CUBIC)?.add_scalar(1.0)?)?
            .tanh()?;
        let slope = square
            .mul_scalar(3.0 * CUBIC)?
            .add_scalar(1.0)?
            .mul_scalar(SCALE)?;
        let steep = x
            .mul(&tanh.square()?.neg()?.add_scalar(1.0)?)?
            .mul(&slope)?;
        grad_out.mul(&tanh.add_scalar(1.0)?.add(&steep)?.mul_scalar(0.5)?)
    }
}

/// `1/2 · (1 ± tanh(SCALE · (x + CUBIC · x³)))`: the share that passes, and the other.
#[inline(always)]
fn gate<T: Float>(x: T) -> (T, T) {
    let cubic = T::from_f64(2.0 * SCALE * CUBIC).mul_add(x * x, T::from_f64(2.0 * SCALE));
    (x * cubic).logistic()
}

impl Var {
    /// The Gaussian error linear unit: `x · Φ(x)`, with `Φ` the normal distribution function.
    ///
    /// [`Var::gelu_tanh`] is the approximation that some checkpoints were trained with.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 0.52 ULP in f32, also in the left tail, and within 8 ULP where [`crate::autocast`] rounds products to bf16; NaN at -∞, as
    /// `-∞ · 0` is. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (Φ(x) + x · φ(x))`, with `φ` the normal density. Saves the input, within autocast rounded to bf16, as PyTorch's is.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1.0, 100.0], [3])?);
    /// let y = x.gelu()?.tensor().to_vec::<f64>()?;
    /// assert!((y[1] - 0.841_344_746_068_543).abs() < 1e-12);
    /// assert_eq!([y[0], y[2]], [0.0, 100.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.gelu(approximate="none")`. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    pub fn gelu(&self) -> Result<Self> {
        match precision() {
            Precision::Full => unary(Gelu::<true>, self),
            Precision::Bf16 => unary_rounded(Gelu::<false>, self),
        }
    }

    /// The Gaussian error linear unit, approximated: `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Within 5e-4 of [`Var::gelu`]. At most 0.51 ULP of the formula in f32, also in the left tail, and a relative 1e-5 where
    /// [`crate::autocast`] rounds products to bf16; NaN at -∞. f32 or f64.
    ///
    /// # Gradient
    /// The derivative of the formula. Saves the input, within autocast rounded to bf16, as PyTorch's is.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1.0], [2])?);
    /// let y = x.gelu_tanh()?.tensor().to_vec::<f64>()?;
    /// assert!((y[1] - 0.841_191_990_607_475).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.gelu(approximate="tanh")`. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    pub fn gelu_tanh(&self) -> Result<Self> {
        match precision() {
            Precision::Full => unary(GeluTanh::<true>, self),
            Precision::Bf16 => unary_rounded(GeluTanh::<false>, self),
        }
    }
}

/// What `approximate` may be.
const APPROXIMATE: [&str; 2] = ["none", "tanh"];

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("gelu", |a| {
        let x = a.var("x")?;
        Ok(one(match a.choice("approximate", &APPROXIMATE)? {
            0 => x.gelu()?,
            _ => x.gelu_tanh()?,
        }))
    })
    .input("x", Kind::Float)
    .attr("approximate", AttrType::Text, "none")
    .reference(|a| {
        let exact = a.choice("approximate", &APPROXIMATE)? == 0;
        let gate = |x: f64| {
            if exact {
                erf_series(x / 2_f64.sqrt())
            } else {
                ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()
            }
        };
        Ok(vec![a.dense("x")?.map(|x| 0.5 * x * (1.0 + gate(x)))])
    })
    .draw(|d| {
        let approximate = d.pick(&APPROXIMATE);
        Ok(draw_x(d, Values::REAL)?.attr("approximate", approximate))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{GradConfig, Precision, autocast, grad};
    use gradus_tensor::bf16;

    #[test]
    fn museum_18_large_elements_are_finite() {
        let x = leaf(&[1e4_f32, -1e4, 0.0], 3);
        let y = x.gelu().unwrap();
        assert_eq!(values(&y), [1e4, 0.0, 0.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [1.0, 0.0, 0.5]
        );
    }

    #[test]
    fn under_autocast_both_keep_the_digits_of_bf16() {
        let xs: Vec<f32> = (-1300..=1300).map(|i| i as f32 / 100.0).collect();
        let x = leaf(&xs, xs.len());
        for gelu in [crate::Var::gelu, crate::Var::gelu_tanh] {
            let exact = values(&gelu(&x).unwrap());
            let brief = values(&autocast(Precision::Bf16, || gelu(&x)).unwrap());
            for ((x, exact), brief) in xs.iter().zip(exact).zip(brief) {
                let least = exact.abs().max(1e-30);
                assert!(
                    (exact - brief).abs() <= 1e-5 * least,
                    "{x}: {exact} {brief}"
                );
            }
        }
    }

    #[test]
    fn under_autocast_the_gradient_is_that_of_the_rounded_input() {
        let xs: Vec<f32> = (-1300..=1300).map(|i| i as f32 / 100.0).collect();
        let rounded: Vec<f32> = xs.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        let once = GradConfig {
            create_graph: true,
            ..GradConfig::default()
        };
        for gelu in [crate::Var::gelu, crate::Var::gelu_tanh] {
            let slopes = |xs: &[f32], precision, config: &GradConfig| {
                let x = leaf(xs, xs.len());
                let y = autocast(precision, || gelu(&x).unwrap());
                let sum = y.sum(&[], false).unwrap();
                let first = grad(&[&sum], &[&x], None, config).unwrap();
                let first = first[0].clone().unwrap();
                let second = config.create_graph.then(|| {
                    let sum = first.sum(&[], false).unwrap();
                    let grads = grad(&[&sum], &[&x], None, &GradConfig::default());
                    values(grads.unwrap()[0].as_ref().unwrap())
                });
                (values(&first), second)
            };
            let (want, curved) = slopes(&rounded, Precision::Full, &once);
            let (got, _) = slopes(&xs, Precision::Bf16, &GradConfig::default());
            let (again, curved_again) = slopes(&xs, Precision::Bf16, &once);
            for (want, got) in want.iter().zip(&got).chain(want.iter().zip(&again)) {
                assert!((want - got).abs() <= 2e-6, "{want} {got}");
            }
            assert_eq!(curved, curved_again);
        }
    }

    #[test]
    fn museum_18_large_elements_of_the_approximation_are_finite() {
        let x = leaf(&[1e4_f32, -1e4, 1e30, 0.0], 4);
        let y = x.gelu_tanh().unwrap();
        assert_eq!(values(&y)[..2], [1e4, 0.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [1.0, 0.0, 1.0, 0.5]
        );
    }
}
