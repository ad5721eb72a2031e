//! `beta · x + alpha · product`, which the ops named add…mm share.

use gradus_tensor::{Result, broadcast_shapes};

use crate::registry::{Args, AttrType, Dense, OpSpec};
use crate::{Error, Var};

/// `beta · x + alpha · product`, where `x` broadcasts to the product. With `beta` 0 `x` is not read, so that its NaN do not show.
pub(crate) fn added(op: &'static str, x: &Var, product: Var, beta: f64, alpha: f64) -> Result<Var> {
    let shape = broadcast_shapes(op, x.shape(), product.shape())?;
    if shape != *product.shape() {
        return Err(Error::ShapeMismatch {
            op,
            lhs: *x.shape(),
            rhs: *product.shape(),
            rule: "the first operand broadcasts to the product",
        });
    }
    super::same_dtype(op, x.tensor(), product.tensor())?;
    let scaled = |x: Var, by: f64| if by == 1.0 { Ok(x) } else { x.mul_scalar(by) };
    let product = scaled(product, alpha)?;
    if beta == 0.0 {
        return Ok(product);
    }
    scaled(x.clone(), beta)?.add(&product)
}

/// The attributes `beta` and `alpha`.
pub(crate) fn with_factors(spec: OpSpec) -> OpSpec {
    spec.attr("beta", AttrType::Float, 1.0)
        .attr("alpha", AttrType::Float, 1.0)
}

/// Both factors of a call.
pub(crate) fn factors(a: &Args) -> Result<[f64; 2]> {
    Ok([a.float("beta")?, a.float("alpha")?])
}

/// The reference of `beta · x + alpha · product`.
pub(crate) fn reference(a: &Args, product: &Dense) -> Result<Vec<Dense>> {
    let [beta, alpha] = factors(a)?;
    Ok(vec![
        a.dense("x")?
            .zip(product, |x, product| beta * x + alpha * product),
    ])
}

/// A case's factors: often the defaults, sometimes 0.
pub(crate) fn draw_factors(d: &mut crate::registry::Draw, args: Args) -> Args {
    let factors = [1.0, 0.5, -2.0, 0.0];
    let (beta, alpha) = (d.pick(&factors), d.pick(&factors[..3]));
    args.attr("beta", beta).attr("alpha", alpha)
}
