//! The one door through which ops are computed and recorded.

use gradus_tensor::{Error, Result, Tensor};

use crate::again::{Kept, rounded};
use crate::autocast::precision;
use crate::no_grad::is_recording;
use crate::node::{Edge, Meta, Node, Saved};
use crate::nonfinite::Watch;
use crate::profile::Timer;
use crate::{Op, Precision, Saves, Stats, Var};

/// Computes an op with one output, and records it if an input needs a gradient.
///
/// # Errors
/// Those of the op's forward; [`Error::Length`] if it gives another number of outputs.
pub fn apply(op: impl Op, inputs: &[&Var]) -> Result<Var> {
    let name = op.name();
    let mut outputs = apply_multi(op, inputs)?;
    let count = outputs.len();
    match (outputs.pop(), count) {
        (Some(output), 1) => Ok(output),
        (_, got) => Err(Error::Length {
            op: name,
            expected: 1,
            got,
        }),
    }
}

/// Computes an op with any number of outputs, and records it if an input needs a gradient. Within [`crate::no_grad`] nothing is recorded.
///
/// Outputs that are not floats (indices, masks) never need one.
///
/// # Errors
/// Those of the op's forward.
pub fn apply_multi(op: impl Op, inputs: &[&Var]) -> Result<Vec<Var>> {
    let recording = is_recording() && inputs.iter().any(|x| x.requires_grad());
    let mut stats = Stats {
        values: Vec::new(),
        recording,
        precision: Precision::Full,
        rounded: Vec::new(),
    };
    let rounds = op.rounds();
    if recording && rounds != Saves::NOTHING && precision() == Precision::Bf16 {
        let round = |(i, x): (usize, &&Var)| rounds.input(i).then(|| rounded(x)).transpose();
        let all = inputs.iter().enumerate().map(round);
        stats.rounded = all.map(|x| Ok(x?.flatten())).collect::<Result<_>>()?;
    }
    let tensors: Vec<&Tensor> = inputs.iter().map(|x| x.tensor()).collect();
    let (timer, watch) = (Timer::start(), Watch::start());
    let outputs = op.forward(&tensors, &mut stats)?.0;
    if let Some(timer) = timer {
        timer.forward(&op, &tensors, &outputs);
    }
    if let Some(watch) = watch {
        watch.forward(&op, &tensors, &outputs)?;
    }
    if !recording {
        return Ok(outputs.into_iter().map(Var::constant).collect());
    }
    let (saves, precision) = (op.saves(), stats.precision);
    let input = |i: usize, x: &&Var| match stats.rounded_input(i) {
        Some(rounded) => Kept::Rounded(rounded.clone()),
        None => Kept::of(x),
    };
    let saved = Saved {
        inputs: kept(inputs, |i| saves.input(i), input, saves),
        outputs: kept(&outputs, |i| saves.output(i), |_, x| x.clone(), saves),
        stats: stats.values,
    };
    let edges = inputs.iter().map(|x| x.edge().cloned()).collect();
    let input_meta = tensors.iter().map(|x| Meta::of(x)).collect();
    let output_meta = outputs.iter().map(Meta::of).collect();
    let node = Node::recorded(
        (Box::new(op), precision),
        edges,
        input_meta,
        output_meta,
        saved,
    );
    let place = |(output, tensor): (usize, Tensor)| {
        let edge = tensor.dtype().is_float().then(|| Edge {
            node: std::sync::Arc::clone(&node),
            output,
        });
        Var::from_parts(tensor, edge)
    };
    Ok(outputs.into_iter().enumerate().map(place).collect())
}

fn kept<T, K>(
    values: &[T],
    keep: impl Fn(usize) -> bool,
    make: impl Fn(usize, &T) -> K,
    saves: Saves,
) -> Vec<Option<K>> {
    if saves == Saves::NOTHING {
        return Vec::new();
    }
    let values = values.iter().enumerate();
    values.map(|(i, x)| keep(i).then(|| make(i, x))).collect()
}
