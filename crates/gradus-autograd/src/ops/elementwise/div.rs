//! Division with broadcasting.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::lean::{Lean2, lean2, zeros_like};
use crate::ops::support::{Map2, map2, scalar_like};
use crate::registry::templates::{DIVISORS, draw_parts, draw_x_y};
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, Values, one};
use crate::{DType, Result, Var};

/// Nothing flows back and the derivative is infinite.
#[inline(always)]
fn is_cut<T: Float>(grad_out: T, b: T) -> bool {
    grad_out == T::ZERO && b == T::ZERO
}

/// `b`, with 1 where [`is_cut`].
fn uncut(grad_out: &Var, b: &Var) -> Result<Var> {
    #[derive(Clone, Copy)]
    struct Cut;
    impl Map2 for Cut {
        #[inline(always)]
        fn call<T: Float>(self, grad_out: T, b: T) -> T {
            if is_cut(grad_out, b) { T::ONE } else { T::ZERO }
        }
    }
    let cut = map2("div", grad_out.tensor(), b.tensor(), Cut)?.to_dtype(DType::Bool)?;
    if cut.as_slice::<bool>()?.contains(&true) {
        scalar_like(b, 1.0)?.where_(&cut, b)
    } else {
        Ok(b.clone())
    }
}

#[derive(Clone, Copy, Debug)]
struct Div;

impl Function2 for Div {
    const NAME: &'static str = "div";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        a / b
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, _a: T, b: T) -> T {
        if is_cut(grad_out, b) {
            return T::ZERO;
        }
        grad_out / b
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        if is_cut(grad_out, b) {
            return T::ZERO;
        }
        -(grad_out / b * (a / b))
    }

    fn grad_a_var(self, grad_out: &Var, _a: &Var, b: &Var) -> Result<Var> {
        grad_out.div(&uncut(grad_out, b)?)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        let b = uncut(grad_out, b)?;
        grad_out.div(&b)?.mul(&a.div(&b)?)?.neg()
    }
}

/// Where [`Var::div_rounded`] rounds a quotient to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the next whole number below.
    Floor,
    /// To the next one towards 0.
    Trunc,
}

const FLOOR: Lean2 = Lean2 {
    name: "div",
    value: floor_quotient,
    grad_a: |grad, _, _| zeros_like(grad),
    grad_b: |grad, _, _| zeros_like(grad),
};

const TRUNC: Lean2 = Lean2 {
    value: |a, b| (a / b).trunc(),
    ..FLOOR
};

/// The true quotient rounded down, from the exact remainder: `a / b` may have been rounded up to a whole number.
fn floor_quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let rest = libm::fmod(a, b);
    let exact = (a - rest) / b;
    let below = if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        exact - 1.0
    } else {
        exact
    };
    // `exact` is whole but for its own rounding.
    if below == 0.0 {
        (a / b) * 0.0
    } else {
        (below + 0.5).floor()
    }
}

impl Var {
    /// Elementwise quotient: `self / other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One rounding; IEEE 754 for division by 0. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out / other` and `-grad_out · self / other²`, summed over the dims in which an operand was expanded. Where
    /// `grad_out` and `other` are both 0 it is 0, so that a division by 0 which a [`Var::where_`] cuts off leaves no NaN.
    /// Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[4.0_f32], [1])?);
    /// assert_eq!(x.div(&y)?.tensor().to_vec::<f32>()?, [0.25, 0.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.div`.
    pub fn div(&self, other: &Self) -> Result<Self> {
        binary(Div, self, other)
    }

    /// Elementwise quotient, rounded to a whole number.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// As if the true quotient were rounded; IEEE 754 for division by 0; rounded down, a quotient of infinity is NaN, as in
    /// Python. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// 0 for both, also at the steps. Saves both.
    ///
    /// # Errors
    /// As [`Var::div`].
    ///
    /// As `torch.div` with its `rounding_mode`.
    pub fn div_rounded(&self, other: &Self, rounding: Rounding) -> Result<Self> {
        match rounding {
            Rounding::Floor => lean2(FLOOR, self, other),
            Rounding::Trunc => lean2(TRUNC, self, other),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("div", |a| {
        let (x, y) = (a.var("x")?, a.var("y")?);
        let rounding = a.opt("rounding_mode", |a, name| {
            a.choice(name, &["floor", "trunc"])
        })?;
        Ok(one(match rounding {
            None => x.div(y)?,
            Some(0) => x.div_rounded(y, Rounding::Floor)?,
            Some(_) => x.div_rounded(y, Rounding::Trunc)?,
        }))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("rounding_mode", AttrType::Text, Attr::None)
    .reference(|a| {
        let mode = a.opt("rounding_mode", Args::text)?;
        Ok(vec![a.dense("x")?.zip(&a.dense("y")?, |x, y| match mode {
            None => x / y,
            Some("floor") => (x / y).floor(),
            Some(_) => (x / y).trunc(),
        })])
    })
    .draw(|d| {
        let mode = d.pick(&[None, Some("floor"), Some("trunc")]);
        let args = match mode {
            None => draw_x_y(d, [Values::REAL, DIVISORS])?,
            Some(_) => draw_parts(d)?,
        };
        Ok(args.attr("rounding_mode", mode))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_15_a_division_by_zero_that_is_masked_has_gradient_0() {
        for create_graph in [false, true] {
            let (a, b) = (leaf(&[3.0_f64, 3.0], 2), leaf(&[0.0_f64, 2.0], 2));
            let mask = tensor(&[false, true], 2);
            let y = a
                .div(&b)
                .unwrap()
                .where_(&mask, &constant(&[0.0_f64], 1))
                .unwrap();
            let config = crate::GradConfig {
                create_graph,
                ..Default::default()
            };
            let found =
                crate::grad(&[&y.sum(&[], false).unwrap()], &[&a, &b], None, &config).unwrap();
            assert_eq!(values(found[0].as_ref().unwrap()), [0.0, 0.5]);
            assert_eq!(values(found[1].as_ref().unwrap()), [0.0, -0.75]);
        }
    }
}
