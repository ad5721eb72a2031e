//! What losses over classes share: scores and targets as rows, and checks of targets and class weights.
//! Letters: N rows, C classes.

use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use super::{require_dtype, same_dtype};
use crate::Var;
use crate::registry::{Args, Dense, Draw, Values};

/// Scores `(N, C)` and targets `(N,)` of scores `(N, C, …)` or `(C,)` and targets `(N, …)` or `()`, checked.
pub(crate) fn as_rows(
    op: &'static str,
    scores: &Var,
    targets: &Tensor,
    ignore_index: i64,
) -> Result<(Var, Tensor)> {
    require_dtype(op, scores.tensor(), &[DType::F32, DType::F64])?;
    require_dtype(op, targets, &[DType::I64])?;
    let dims = scores.dims();
    let (classes, expected) = match dims {
        [] => {
            return Err(Error::Rank {
                op,
                expected: 2,
                got: *scores.shape(),
            });
        }
        [classes] => (*classes, Shape::SCALAR),
        [batch, classes, rest @ ..] => (*classes, Shape::new(&[&[*batch], rest].concat())?),
    };
    if *targets.shape() != expected {
        let rule = "the targets have the shape of the scores without their dim of classes";
        return Err(Error::ShapeMismatch {
            op,
            lhs: *scores.shape(),
            rhs: *targets.shape(),
            rule,
        });
    }
    let rows = expected.numel();
    let targets = targets.reshape([rows])?.contiguous()?;
    check(op, targets.as_slice::<i64>()?, classes, ignore_index)?;
    let scores = match dims.len() {
        1 => scores.unsqueeze(0)?,
        2 => scores.clone(),
        _ => scores.movedim(1, -1)?.reshape([rows, classes])?,
    };
    Ok((scores, targets))
}

/// Refuses the first target that is neither a class nor ignored.
fn check(op: &'static str, targets: &[i64], classes: usize, ignore_index: i64) -> Result<()> {
    let known = |t: i64| t == ignore_index || usize::try_from(t).is_ok_and(|t| t < classes);
    match targets.iter().position(|&t| !known(t)) {
        None => Ok(()),
        Some(position) => Err(Error::IndexOutOfRange {
            op,
            position,
            index: targets[position],
            len: classes,
        }),
    }
}

/// The class weights in row-major order, checked.
pub(crate) fn class_weights(
    op: &'static str,
    weight: Option<&Tensor>,
    scores: &Tensor,
) -> Result<Option<Tensor>> {
    let Some(weight) = weight else {
        return Ok(None);
    };
    same_dtype(op, scores, weight)?;
    let classes = scores.dims()[1];
    if *weight.shape() != [classes] {
        let rule = "one weight for each class";
        return Err(Error::ShapeMismatch {
            op,
            lhs: *scores.shape(),
            rhs: *weight.shape(),
            rule,
        });
    }
    weight.contiguous().map(Some)
}

/// The weight of each row's target, 0 where it is ignored: `(N,)` as f64.
pub(crate) fn row_weights(
    targets: &[i64],
    weight: Option<&Tensor>,
    ignore_index: i64,
) -> Result<Vec<f64>> {
    let weight = weight
        .map(|w| w.to_dtype(DType::F64)?.to_vec::<f64>())
        .transpose()?;
    let of = |&t: &i64| match (&weight, usize::try_from(t)) {
        _ if t == ignore_index => 0.0,
        (Some(weight), Ok(t)) => weight[t],
        _ => 1.0,
    };
    Ok(targets.iter().map(of).collect())
}

/// The dim of classes: the second, or the only one.
pub(crate) fn class_axis(rank: usize) -> usize {
    usize::from(rank > 1)
}

/// Naive losses of the rows of `x`: `loss(values of the row, its index)` gives a loss and what it adds to the mean's divisor.
pub(crate) fn reduce_rows(
    args: &Args,
    x: &Dense,
    loss: impl Fn(&dyn Fn(usize) -> f64, &[usize]) -> (f64, f64),
) -> Result<Vec<Dense>> {
    let axis = class_axis(x.rank());
    let mut dims = x.dims.clone();
    dims.remove(axis);
    let mut divisor = 0.0;
    let each = Dense::from_fn(&dims, |row| {
        let at = |class: usize| {
            let mut index = row.to_vec();
            index.insert(axis, class);
            x.at(&index)
        };
        let (loss, share) = loss(&at, row);
        divisor += share;
        loss
    });
    let mean = |sum: f64| if divisor == 0.0 { 0.0 } else { sum / divisor };
    Ok(vec![match args.text("reduction")? {
        "none" => each,
        "mean" => Dense::scalar(mean(each.sum())),
        _ => Dense::scalar(each.sum()),
    }])
}

/// A case of scores `(N, C, …)` or `(C,)`, class indices of which some are ignored, and maybe class weights.
pub(crate) fn draw_classes(d: &mut Draw) -> Result<Args> {
    let dims = d.shape(1..=4, 1..=3);
    let axis = class_axis(dims.len());
    let mut rows = dims.clone();
    let classes = rows.remove(axis);
    let ignored: i64 = d.pick(&[-100, 0, 1]);
    let mut targets = d.indices(&rows, classes)?.to_vec::<i64>()?;
    for target in targets.iter_mut().skip(1).step_by(3) {
        *target = ignored;
    }
    let mut args = Args::new()
        .with("x", d.reals(&dims)?)
        .with("target", Tensor::from_slice(&targets, rows)?)
        .attr("ignore_index", ignored)
        .attr("reduction", d.pick(&["none", "none", "mean", "sum"]));
    if d.below(3) > 0 {
        args = args.with("weight", d.floats(&[classes], Values::POSITIVE)?);
    }
    Ok(args)
}
