//! Specs of the common shapes of ops: a function of one number, of two, a reduction.

use gradus_tensor::Result;

use super::spec::one;
use super::{Args, Dense, Draw, Kind, OpSpec, Values};
use crate::Var;

/// A function of one number without attributes: `x` drawn from REAL, checked against `reference`.
macro_rules! unary_spec {
    ($name:literal, $method:ident, $values:expr, $reference:expr) => {
        $crate::registry::OpSpec::new($name, |a| Ok($crate::registry::one(a.var("x")?.$method()?)))
            .input("x", $crate::registry::Kind::Float)
            .reference(|a| Ok(vec![a.dense("x")?.map($reference)]))
            .draw(|d| $crate::registry::templates::draw_x(d, $values))
    };
}
pub(crate) use unary_spec;

/// A function of two numbers without attributes, broadcast, checked against `reference`.
macro_rules! binary_spec {
    ($name:literal, $method:ident, $values:expr, $reference:expr) => {
        $crate::registry::OpSpec::new($name, |a| {
            Ok($crate::registry::one(a.var("x")?.$method(a.var("y")?)?))
        })
        .input("x", $crate::registry::Kind::Float)
        .input("y", $crate::registry::Kind::Float)
        .reference(|a| Ok(vec![a.dense("x")?.zip(&a.dense("y")?, $reference)]))
        .draw(|d| $crate::registry::templates::draw_x_y(d, $values))
    };
}
pub(crate) use binary_spec;

/// A case of one float input of any shape.
pub(crate) fn draw_x(d: &mut Draw, values: Values) -> Result<Args> {
    let dims = d.any_shape();
    Ok(Args::new().with("x", d.floats(&dims, values)?))
}

/// A case of two float inputs that broadcast to each other; the values of the two are drawn from these.
pub(crate) fn draw_x_y(d: &mut Draw, values: [Values; 2]) -> Result<Args> {
    let [x, y, _] = d.broadcast_pair();
    Ok(Args::new()
        .with("x", d.floats(&x, values[0])?)
        .with("y", d.floats(&y, values[1])?))
}

/// A loss of `x` and `target` of one shape with a `reduction`: `reference` gives the loss of each pair.
pub(crate) fn loss_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .input("target", Kind::Float)
        .attr("reduction", super::AttrType::Text, "mean")
        .reference(reference)
}

/// The losses of all elements under the attribute `reduction`.
pub(crate) fn reduce_losses(args: &Args, each: Dense) -> Result<Vec<Dense>> {
    Ok(vec![match args.choice("reduction", REDUCTIONS)? {
        0 => each,
        1 => Dense::scalar(each.sum() / each.numel() as f64),
        _ => Dense::scalar(each.sum()),
    }])
}

/// What `reduction` may be.
pub(crate) const REDUCTIONS: &[&str] = &["none", "mean", "sum"];

/// The attribute `reduction`.
pub(crate) fn reduction(args: &Args) -> Result<crate::ops::Reduction> {
    use crate::ops::Reduction;
    Ok([Reduction::None, Reduction::Mean, Reduction::Sum][args.choice("reduction", REDUCTIONS)?])
}

/// The outputs of an op that gives a tensor without a gradient.
pub(crate) fn plain(out: gradus_tensor::Tensor) -> Vec<Var> {
    one(Var::constant(out))
}

/// A case of a reduction: `x` as drawn, with `dim` (none means all) and `keepdim`.
pub(crate) fn draw_reduction(
    d: &mut Draw,
    dims: &[usize],
    x: impl FnOnce(&mut Draw) -> Result<gradus_tensor::Tensor>,
) -> Result<Args> {
    let over = d.dims(dims.len(), 0);
    let keepdim = d.flag();
    let x = x(d)?;
    Ok(Args::new()
        .with("x", x)
        .attr("dim", over)
        .attr("keepdim", keepdim))
}

/// `f` of each group of the reduction of `x` that `dim` and `keepdim` name.
pub(crate) fn reduce_reference(args: &Args, f: impl Fn(&[f64]) -> f64) -> Result<Vec<Dense>> {
    let x = args.dense("x")?;
    let dims = args.isizes("dim")?;
    let axes: Vec<usize> = if dims.is_empty() {
        (0..x.rank()).collect()
    } else {
        let rank = x.rank().max(1) as isize;
        dims.iter()
            .map(|dim| dim.rem_euclid(rank) as usize)
            .collect()
    };
    Ok(vec![x.reduce(&axes, args.flag("keepdim")?, f)])
}
