//! Log-odds.

use crate::ops::support::lean::{Lean, lean, passed, replaced};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::draw_x;
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const LOGIT: Lean = Lean {
    name: "logit",
    value: |x, [low, high, _]| {
        let x = if x < low {
            low
        } else if x > high {
            high
        } else {
            x
        };
        libm::log(x / (1.0 - x))
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, attrs| {
        let limited = attrs[0] > f64::NEG_INFINITY;
        let outside = if limited { 0.5 } else { f64::NAN };
        let inside = replaced(x, |x, _| !(0.0..=1.0).contains(&x), outside)?;
        let slope = inside.mul(&inside.neg()?.add_scalar(1.0)?)?.reciprocal()?;
        let full = chain_var(grad, &slope)?;
        if limited {
            passed(&full, x, attrs, |x, [low, high, _]| low <= x && x <= high)
        } else {
            Ok(full)
        }
    },
};

impl Var {
    /// The log-odds of each element: `ln(x / (1 - x))`, after `x` was limited to `eps..=1 - eps` if there is an `eps`, PyTorch's
    /// default being none. Without it ±∞ at 1 and 0, NaN outside.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (x (1 - x))`, and 0 where `x` was limited. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.logit`.
    pub fn logit(&self, eps: Option<f64>) -> Result<Self> {
        let limits = eps.map_or([f64::NEG_INFINITY, f64::INFINITY], |eps| [eps, 1.0 - eps]);
        lean(LOGIT, [limits[0], limits[1], 0.0], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("logit", |a| {
        let eps = a.opt("eps", Args::float)?;
        Ok(one(a.var("x")?.logit(eps)?))
    })
    .input("x", Kind::Float)
    .attr("eps", AttrType::Float, Attr::None)
    .reference(|a| {
        let eps = a.opt("eps", Args::float)?.unwrap_or(0.0);
        Ok(vec![a.dense("x")?.map(|x| {
            let x = x.max(eps).min(1.0 - eps);
            x.ln() - (1.0 - x).ln()
        })])
    })
    .draw(|d| {
        let eps = d.pick(&[None, Some(0.2)]);
        let values = match eps {
            None => Values::between(0.1, 0.9),
            Some(_) => Values::between(-0.2, 1.2).away(&[0.2, 0.8]),
        };
        Ok(draw_x(d, values)?.attr("eps", eps))
    })
}
