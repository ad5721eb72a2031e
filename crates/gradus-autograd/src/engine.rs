//! The backward walk: from outputs to leaves, in decreasing order of node numbers.
//!
//! The order is fixed by the order in which the ops were computed, so gradients are added up in the same order in
//! every run. Neither the walk nor the freeing of the tape recurses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use gradus_tensor::{Error, Result, Tensor};

use crate::node::{Edge, Meta, Node};
use crate::nonfinite::Watch;
use crate::profile::Timer;
use crate::{Backward, Gradients, Var, autocast};

/// How [`grad`] treats the graph.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradConfig {
    /// Record the backward itself, so that the gradients can be differentiated again. Implies `retain_graph`.
    pub create_graph: bool,
    /// Keep the saved values, for another backward over the same graph.
    pub retain_graph: bool,
    /// Give `None` for an input that does not lead to the outputs, instead of an error.
    pub allow_unused: bool,
}

/// The gradients of `outputs` with respect to `inputs`, as `torch.autograd.grad`.
///
/// `grad_outputs` holds the gradient that flows into each output; ones for single-element outputs if it is `None`.
/// Inputs may be leaves or intermediate vars.
///
/// # Errors
/// [`Error::Unreachable`] if an output needs no gradient, or an input does not lead to the outputs and `allow_unused` is
/// not set; [`Error::Length`], [`Error::ShapeMismatch`], [`Error::DTypeMismatch`] for `grad_outputs` that do not fit;
/// the errors of the ops' backwards, [`Error::GraphFreed`] and [`Error::NotTwiceDifferentiable`] among them.
///
/// ```
/// use gradus_autograd::{GradConfig, Tensor, Var, grad};
/// let x = Var::leaf(Tensor::from_slice(&[2.0_f64], [1])?);
/// let y = x.mul(&x)?.mul(&x)?; // x³
/// let once = GradConfig { create_graph: true, ..Default::default() };
/// let dy = grad(&[&y], &[&x], None, &once)?[0].clone().unwrap(); // 3x²
/// let ddy = grad(&[&dy], &[&x], None, &GradConfig::default())?[0].clone().unwrap(); // 6x
/// assert_eq!((dy.item::<f64>()?, ddy.item::<f64>()?), (12.0, 12.0));
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn grad(
    outputs: &[&Var],
    inputs: &[&Var],
    grad_outputs: Option<&[Var]>,
    config: &GradConfig,
) -> Result<Vec<Option<Var>>> {
    if let Some(grads) = grad_outputs
        && grads.len() != outputs.len()
    {
        return Err(Error::Length {
            op: "grad",
            expected: outputs.len(),
            got: grads.len(),
        });
    }
    let mut roots = Vec::with_capacity(outputs.len());
    for (i, output) in outputs.iter().enumerate() {
        let grad_out = match grad_outputs {
            Some(grads) => grads[i].clone(),
            None if output.numel() == 1 => {
                Var::constant(Tensor::ones(output.shape(), output.dtype())?)
            }
            None => {
                return Err(Error::Length {
                    op: "grad",
                    expected: 1,
                    got: output.numel(),
                });
            }
        };
        roots.push(root(output, grad_out, i)?);
    }
    let keys: Vec<Option<(u64, usize)>> = inputs.iter().map(|x| x.edge().map(Edge::key)).collect();
    let targets: Vec<(u64, usize)> = keys.iter().copied().flatten().collect();
    let mut found = Walk {
        create_graph: config.create_graph,
        retain: config.retain_graph || config.create_graph,
        stop: Stop::At(&targets),
    }
    .run(roots)?;
    let mut grads = Vec::with_capacity(inputs.len());
    for (position, key) in keys.iter().enumerate() {
        // An input may be named twice, so its gradient is shared, not taken.
        let grad = key.and_then(|key| found.get_mut(&key).cloned());
        if grad.is_none() && !config.allow_unused {
            return Err(Error::Unreachable {
                op: "grad",
                position,
            });
        }
        grads.push(grad);
    }
    Ok(grads)
}

/// The gradients of all leaves below `output`.
pub(crate) fn backward(output: &Var, grad_out: &Var) -> Result<Gradients> {
    let roots = vec![root(output, grad_out.detach(), 0)?];
    let leaves = Walk {
        create_graph: false,
        retain: false,
        stop: Stop::AtLeaves,
    }
    .run(roots)?;
    Ok(Gradients::from_leaves(
        leaves
            .into_iter()
            .map(|((number, _), grad)| (number, grad.into_tensor())),
    ))
}

/// An output with the gradient that flows into it, checked.
fn root(output: &Var, grad_out: Var, position: usize) -> Result<(Edge, Var)> {
    let edge = output.edge().ok_or(Error::Unreachable {
        op: "backward",
        position,
    })?;
    check_grad("backward", Meta::of(output.tensor()), &grad_out)?;
    Ok((edge.clone(), grad_out))
}

fn check_grad(op: &'static str, meta: Meta, grad: &Var) -> Result<()> {
    if *grad.shape() != meta.shape {
        let rule = "a gradient has the shape of its value";
        return Err(Error::ShapeMismatch {
            op,
            lhs: meta.shape,
            rhs: *grad.shape(),
            rule,
        });
    }
    if grad.dtype() != meta.dtype {
        return Err(Error::DTypeMismatch {
            op,
            lhs: meta.dtype,
            rhs: grad.dtype(),
        });
    }
    Ok(())
}

/// Where a walk ends and collects.
pub(crate) enum Stop<'a> {
    /// At leaves.
    AtLeaves,
    /// At these edges; only what leads to them is walked.
    At(&'a [(u64, usize)]),
    /// At every node that is older than this number.
    Before(u64),
}

/// A backward walk.
pub(crate) struct Walk<'a> {
    pub(crate) create_graph: bool,
    pub(crate) retain: bool,
    pub(crate) stop: Stop<'a>,
}

/// A node that waits, with the gradients that arrived at its outputs so far.
#[derive(Debug)]
struct Pending {
    node: Arc<Node>,
    grads: Vec<Option<Var>>,
}

/// The nodes that wait, by number.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<u64, Pending>);

type Found = BTreeMap<(u64, usize), Var>;

impl Walk<'_> {
    /// Walks from `roots` and returns the gradient of each edge where the walk collects.
    pub(crate) fn run(&mut self, roots: Vec<(Edge, Var)>) -> Result<Found> {
        let wanted = self.nodes_towards_targets(&roots);
        let leads = |number: u64| {
            wanted
                .as_ref()
                .is_none_or(|w| w.get(&number).is_some_and(|&leads| leads))
        };
        let mut found = Found::new();
        let waiting = RefCell::new(Waiting::default());
        for (edge, grad) in roots {
            if leads(edge.node.number) {
                waiting.borrow_mut().arrive(edge, grad)?;
            }
        }
        let next = || waiting.borrow_mut().0.pop_last();
        while let Some((number, Pending { node, grads })) = next() {
            let ends = self.collect(&node, &grads, &mut found);
            let Some(recorded) = node.recorded.as_ref().filter(|_| !ends) else {
                continue;
            };
            let Some(mut saved) = recorded.saved(self.retain) else {
                return Err(Error::GraphFreed {
                    op: recorded.op.name(),
                });
            };
            recorded.forget();
            let ctx = Backward {
                node: &node,
                recorded,
                inputs: RefCell::new(std::mem::take(&mut saved.inputs)),
                saved: &saved,
                waiting: &waiting,
                create_graph: self.create_graph,
            };
            let (timer, watch) = (Timer::start(), Watch::start());
            let grads_in = autocast(recorded.precision, || recorded.op.backward(&ctx, &grads))?;
            saved.inputs = ctx.inputs.into_inner();
            if let Some(watch) = watch {
                watch.backward(recorded.op.as_ref(), &saved, &grads, &grads_in)?;
            }
            if let Some(timer) = timer {
                let wanted: Vec<bool> = grads_in.iter().map(Option::is_some).collect();
                let op = recorded.op.as_ref();
                timer.backward(op, &recorded.input_meta, &node.outputs, &wanted);
            }
            let (op, inputs) = (recorded.op.name(), &recorded.inputs);
            if grads_in.len() != inputs.len() {
                return Err(Error::Length {
                    op,
                    expected: inputs.len(),
                    got: grads_in.len(),
                });
            }
            drop(grads);
            drop(saved);
            for (i, (grad, edge)) in grads_in.into_iter().zip(inputs).enumerate() {
                if let (Some(grad), Some(edge)) = (grad, edge)
                    && leads(edge.node.number)
                {
                    debug_assert!(edge.node.number < number);
                    check_grad(op, recorded.input_meta[i], &grad)?;
                    waiting.borrow_mut().arrive(edge.clone(), grad)?;
                }
            }
        }
        Ok(found)
    }

    /// Notes the node's gradients if the walk collects there; true if it also ends there.
    fn collect(&self, node: &Node, grads: &[Option<Var>], found: &mut Found) -> bool {
        let (all, ends) = match self.stop {
            Stop::AtLeaves => (node.recorded.is_none(), node.recorded.is_none()),
            Stop::Before(number) => (node.number < number, node.number < number),
            Stop::At(_) => (false, false),
        };
        for (output, grad) in grads.iter().enumerate() {
            let key = (node.number, output);
            let wanted = all || matches!(self.stop, Stop::At(targets) if targets.contains(&key));
            if let Some(grad) = grad
                && wanted
            {
                found.insert(key, grad.clone());
            }
        }
        ends
    }

    /// For a walk to targets: which nodes below the roots lead to one. `None` if all are walked.
    fn nodes_towards_targets(&self, roots: &[(Edge, Var)]) -> Option<BTreeMap<u64, bool>> {
        let Stop::At(targets) = self.stop else {
            return None;
        };
        let mut nodes: BTreeMap<u64, &Arc<Node>> = BTreeMap::new();
        let mut stack: Vec<&Arc<Node>> = roots.iter().map(|(edge, _)| &edge.node).collect();
        while let Some(node) = stack.pop() {
            if nodes.insert(node.number, node).is_none() {
                let inputs = node.recorded.iter().flat_map(|r| r.inputs.iter().flatten());
                stack.extend(inputs.map(|edge| &edge.node));
            }
        }
        let mut leads = BTreeMap::new();
        for (&number, node) in &nodes {
            let inputs = node.recorded.iter().flat_map(|r| r.inputs.iter().flatten());
            let below = inputs
                .map(|edge| edge.node.number)
                .any(|n| leads.get(&n) == Some(&true));
            leads.insert(
                number,
                below || targets.iter().any(|target| target.0 == number),
            );
        }
        Some(leads)
    }
}

impl Waiting {
    /// Adds a gradient to what has arrived at an edge so far. The first contribution is moved, not added to zeros.
    fn arrive(&mut self, edge: Edge, grad: Var) -> Result<()> {
        let Edge { node, output } = edge;
        let pending = self.0.entry(node.number).or_insert_with(|| {
            let grads = vec![None; node.outputs.len()];
            Pending { node, grads }
        });
        let slot = &mut pending.grads[output];
        *slot = Some(match slot.take() {
            None => grad,
            Some(sum) if sum.requires_grad() || grad.requires_grad() => sum.add(&grad)?,
            Some(sum) => Var::constant(add_tensors(sum.into_tensor(), grad.tensor())?),
        });
        Ok(())
    }

    /// What has arrived at an edge so far, unless it has a gradient itself. What is made of it has to arrive there instead.
    pub(crate) fn take(&mut self, edge: &Edge) -> Option<Tensor> {
        let slot = &mut self.0.get_mut(&edge.node.number)?.grads[edge.output];
        let sum = slot.take_if(|sum| !sum.requires_grad());
        sum.map(Var::into_tensor)
    }
}

/// `sum + grad`, in place if nobody else holds `sum`.
pub(crate) fn add_tensors(mut sum: Tensor, grad: &Tensor) -> Result<Tensor> {
    crate::ops::add_assign(&mut sum, grad)?;
    Ok(sum)
}
