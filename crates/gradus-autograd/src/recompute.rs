//! Recomputation: a part of a network whose intermediate values are not kept but computed again in the backward.
//!
//! Also known as activation checkpointing (Chen et al. 2016, arXiv:1604.06174).

use std::cell::Cell;
use std::fmt;

use gradus_tensor::{Error, Result, Tensor};

use crate::autocast::precision;
use crate::engine::{Stop, Walk};
use crate::no_grad::{is_recording, with_grad};
use crate::node::{Edge, Meta, Node, Saved, next_number};
use crate::{Backward, Op, Outputs, Saves, Stats, Var};

thread_local! {
    static RECOMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling code runs a second time for a backward. Layers that change buffers must not do so then.
pub fn is_recomputing() -> bool {
    RECOMPUTING.get()
}

/// Computes `f` without keeping its intermediate values; the backward computes it again. Trades time for memory.
///
/// `f` captures what it needs (vars and parameters are cheap to clone) and must compute the same again: randomness
/// comes from counters, so dropout does. Gradients flow to everything that it captured.
///
/// # Errors
/// Those of `f`.
///
/// ```
/// use gradus_autograd::{Tensor, Var, recompute};
/// let x = Var::leaf(Tensor::from_slice(&[3.0_f64], [1])?);
/// let held = x.clone();
/// let y = recompute(move || held.mul(&held)?.mul(&held))?;
/// assert_eq!(y.sum(&[], false)?.backward()?.get_var(&x).unwrap().item::<f64>()?, 27.0);
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn recompute<F>(f: F) -> Result<Var>
where
    F: Fn() -> Result<Var> + Send + Sync + 'static,
{
    let start = next_number();
    let output = f()?;
    let Some(edge) = output.edge().filter(|_| is_recording()) else {
        return Ok(output);
    };
    let boundary = boundary(edge, start);
    let meta = boundary
        .iter()
        .map(|edge| edge.node.outputs[edge.output])
        .collect();
    let output_meta = vec![Meta::of(output.tensor())];
    let op = Box::new(Recompute { f: Box::new(f) });
    let inputs = boundary.into_iter().map(Some).collect();
    let node = Node::recorded(
        (op, precision()),
        inputs,
        meta,
        output_meta,
        Saved::default(),
    );
    Ok(Var::from_parts(
        output.tensor().clone(),
        Some(Edge { node, output: 0 }),
    ))
}

/// The edges to nodes older than `start` that the graph of `edge` ends in, in the order of their keys.
fn boundary(edge: &Edge, start: u64) -> Vec<Edge> {
    let mut seen = std::collections::BTreeMap::new();
    let mut stack = vec![edge.clone()];
    let mut visited = std::collections::BTreeSet::new();
    while let Some(edge) = stack.pop() {
        if edge.node.number < start {
            seen.insert(edge.key(), edge);
        } else if visited.insert(edge.node.number) {
            // A leaf that `f` itself made ends here: nothing outside can ask for its gradient.
            stack.extend(
                edge.node
                    .recorded
                    .iter()
                    .flat_map(|r| r.inputs.iter().flatten().cloned()),
            );
        }
    }
    seen.into_values().collect()
}

struct Recompute {
    f: Box<dyn Fn() -> Result<Var> + Send + Sync>,
}

impl fmt::Debug for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recompute")
    }
}

/// Sets the flag of [`is_recomputing`] for its lifetime, also if `f` panics.
struct Flag {
    before: bool,
}

impl Flag {
    fn set() -> Self {
        Self {
            before: RECOMPUTING.replace(true),
        }
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        RECOMPUTING.set(self.before);
    }
}

impl Op for Recompute {
    fn name(&self) -> &'static str {
        "recompute"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    /// Never called: [`recompute`] records the op itself, with the value that `f` gave.
    fn forward(&self, _inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Err(Error::NotDifferentiable { op: self.name() })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let start = next_number();
        let output = {
            let _flag = Flag::set();
            with_grad(&self.f)?
        };
        let edge = output
            .edge()
            .ok_or(Error::Unreachable {
                op: self.name(),
                position: 0,
            })?
            .clone();
        let create_graph = ctx.create_graph();
        let mut walk = Walk {
            create_graph,
            retain: create_graph,
            stop: Stop::Before(start),
        };
        let mut found = walk.run(vec![(edge, ctx.grad(grad_out, 0)?)])?;
        let inputs = ctx.recorded.inputs.iter();
        Ok(inputs
            .map(|edge| edge.as_ref().and_then(|edge| found.remove(&edge.key())))
            .collect())
    }
}
