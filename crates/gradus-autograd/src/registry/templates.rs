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

/// Both signs, not so near to 0 that the stencil feels the pole.
pub(crate) const DIVISORS: Values = Values::REAL.away(&[-0.15, -0.08, 0.0, 0.08, 0.15]);

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

/// A function of one number with attributes that are numbers: `reference(x, attributes…)`.
macro_rules! unary_attrs_spec {
    ($name:literal, $method:ident($($attr:ident = $default:expr),+), $reference:expr, $draw:expr) => {
        $crate::registry::OpSpec::new($name, |a| {
            Ok($crate::registry::one(a.var("x")?.$method($(a.float(stringify!($attr))?),+)?))
        })
        .input("x", $crate::registry::Kind::Float)
        $(.attr(stringify!($attr), $crate::registry::AttrType::Float, $default))+
        .reference(|a| {
            $(let $attr = a.float(stringify!($attr))?;)+
            Ok(vec![a.dense("x")?.map(|x| $reference(x, $($attr),+))])
        })
        .draw($draw)
    };
}
pub(crate) use unary_attrs_spec;

/// A case of one float input of any shape, and one of these rows of attributes.
pub(crate) fn draw_attrs<const N: usize>(
    d: &mut Draw,
    values: Values,
    names: [&str; N],
    rows: &[[f64; N]],
) -> Result<Args> {
    let row = d.pick(rows);
    let args = draw_x(d, values)?;
    let named = names.into_iter().zip(row);
    Ok(named.fold(args, |args, (name, value)| args.attr(name, value)))
}

/// A case of two float inputs that broadcast to each other, no value of one within the stencil's reach of one of the other.
pub(crate) fn draw_apart(d: &mut Draw) -> Result<Args> {
    let [x, y, _] = d.broadcast_pair();
    let mut grid = |dims: &[usize], offset: f64| -> Result<gradus_tensor::Tensor> {
        let values: Vec<f64> = d.reals(dims)?.to_vec()?;
        let apart = values.iter().map(|v| (v / 0.2).round() * 0.2 + offset);
        gradus_tensor::Tensor::from_slice(&apart.collect::<Vec<f64>>(), dims)
    };
    let (x, y) = (grid(&x, 0.0)?, grid(&y, 0.1)?);
    Ok(Args::new().with("x", x).with("y", y))
}

/// The error function by its Taylor series, for arguments up to 3.
pub(crate) fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..100_i32 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// A case of two float inputs that broadcast to each other, of which the first is 4.2 to 4.8 times the second in magnitude.
pub(crate) fn draw_parts(d: &mut Draw) -> Result<Args> {
    let signs = d.pick(&[[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]);
    let [x, y, _] = d.broadcast_pair();
    let near = [Values::between(4.25, 4.7), Values::between(1.0, 1.004)];
    let mut part = |dims: &[usize], i: usize| -> Result<gradus_tensor::Tensor> {
        let values: Vec<f64> = d.floats(dims, near[i])?.to_vec()?;
        let signed = values.iter().map(|v| v * signs[i]);
        gradus_tensor::Tensor::from_slice(&signed.collect::<Vec<f64>>(), dims)
    };
    let (x, y) = (part(&x, 0)?, part(&y, 1)?);
    Ok(Args::new().with("x", x).with("y", y))
}

/// A tensor of some dtype with few different numbers, so that many are equal; floats with infinities and NaN among them.
fn any_numbers(d: &mut Draw, dims: &[usize]) -> Result<gradus_tensor::Tensor> {
    use gradus_tensor::{DType, Tensor};
    let numbers = [
        0.0,
        1.0,
        2.0,
        -1.0,
        0.5,
        0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let dtype = d.pick(&[
        DType::F64,
        DType::I64,
        DType::F64,
        DType::Bool,
        DType::U8,
        DType::BF16,
    ]);
    let known = if dtype.is_float() { 9 } else { 3 };
    let chosen: Vec<i64> = d.indices(dims, known)?.to_vec()?;
    let values: Vec<f64> = chosen.iter().map(|&i| numbers[i as usize]).collect();
    Tensor::from_slice(&values, dims)?.to_dtype(dtype)
}

/// A case of one input of any dtype.
pub(crate) fn draw_number(d: &mut Draw) -> Result<Args> {
    let dims = d.any_shape();
    Ok(Args::new().with("x", any_numbers(d, &dims)?))
}

/// A case of two inputs of any dtypes that broadcast to each other.
pub(crate) fn draw_numbers(d: &mut Draw) -> Result<Args> {
    let [x, y, _] = d.broadcast_pair();
    Ok(Args::new()
        .with("x", any_numbers(d, &x)?)
        .with("y", any_numbers(d, &y)?))
}
