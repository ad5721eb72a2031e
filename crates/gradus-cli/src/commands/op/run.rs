//! `gradus op run`: one op on the tensors of a safetensors file, forward and, if asked for, backward.

use std::collections::BTreeMap;

use anyhow::Context;
use gradus_autograd::registry::{Args, OpSpec};
use gradus_autograd::{GradConfig, Tensor, Var, grad};
use gradus_checkpoint::{Metadata, StateDict, load_state_dict, save_state_dict};
use serde_json::json;

use super::{attributes, find};
use crate::args::OpRunArgs;
use crate::exit::{Ending, message, usage};
use crate::output;

pub(super) fn run(args: &OpRunArgs) -> anyhow::Result<Ending> {
    let op = find(&args.name)?;
    let (tensors, _) = load_state_dict(&args.inputs)?;
    let call = attributes::read(&args.attrs, Args::new())?;
    match run_op(op, call, tensors, args.grad) {
        Ok(outputs) => {
            save_state_dict(&args.output, &outputs, &Metadata::new())?;
            output::json(&json!({ "op": op.name(), "ok": true, "error": null }))?;
            Ok(Ending::Done)
        }
        Err(error) => {
            let error = message(&error);
            output::json(&json!({ "op": op.name(), "ok": false, "error": error }))?;
            Ok(Ending::Incomplete)
        }
    }
}

/// The inputs of a call, and the gradients flowing in, from tensors by name.
struct Given {
    singles: Vec<(String, Var)>,
    lists: BTreeMap<String, BTreeMap<usize, Var>>,
    grads: BTreeMap<usize, Tensor>,
}

fn sort(op: &OpSpec, tensors: StateDict) -> anyhow::Result<Given> {
    let mut given = Given {
        singles: Vec::new(),
        lists: BTreeMap::new(),
        grads: BTreeMap::new(),
    };
    for (name, tensor) in tensors {
        if name == "grad_out" {
            given.grads.insert(0, tensor);
            continue;
        }
        let var = if tensor.dtype().is_float() {
            Var::leaf(tensor)
        } else {
            Var::constant(tensor)
        };
        let numbered = name
            .rsplit_once('.')
            .and_then(|(list, i)| Some((list, i.parse::<usize>().ok()?)));
        match numbered {
            Some(("grad_out", i)) => {
                given.grads.insert(i, var.into_tensor());
            }
            Some((list, i)) => {
                let list = given.lists.entry(list.to_owned()).or_default();
                list.insert(i, var);
            }
            None => given.singles.push((name, var)),
        }
    }
    // A list may be empty: then the file has no tensor of it.
    for input in op
        .inputs()
        .iter()
        .filter(|input| input.list && !input.optional)
    {
        given.lists.entry(input.name.to_owned()).or_default();
    }
    Ok(given)
}

fn run_op(
    op: &OpSpec,
    mut call: Args,
    tensors: StateDict,
    with_grad: bool,
) -> anyhow::Result<StateDict> {
    let given = sort(op, tensors)?;
    let mut leaves: Vec<(String, Var)> = Vec::new();
    for (name, var) in given.singles {
        call = call.with(&name, var.clone());
        leaves.push((name, var));
    }
    for (name, list) in given.lists {
        let whole = list.keys().copied().eq(0..list.len());
        if !whole {
            return Err(usage(format_args!(
                "list {name}: numbers must go from 0 without gaps"
            )));
        }
        call = call.with(&name, list.values().cloned().collect::<Vec<_>>());
        let named = list
            .into_iter()
            .map(|(i, var)| (format!("{name}.{i}"), var));
        leaves.extend(named);
    }
    leaves.retain(|(_, var)| var.requires_grad());
    let outputs = op.call(call)?;
    let mut out: StateDict = Vec::new();
    for (i, x) in outputs.iter().enumerate() {
        out.push((output_name("out", i, op), x.tensor().clone()));
    }
    if with_grad {
        out.extend(gradients(op, &outputs, &leaves, &given.grads)?);
    }
    Ok(out)
}

fn output_name(stem: &str, i: usize, op: &OpSpec) -> String {
    if op.has_many_outputs() {
        format!("{stem}.{i}")
    } else {
        stem.to_owned()
    }
}

/// The gradients of all float inputs: zeros for one that leads nowhere.
fn gradients(
    op: &OpSpec,
    outputs: &[Var],
    leaves: &[(String, Var)],
    grads: &BTreeMap<usize, Tensor>,
) -> anyhow::Result<StateDict> {
    if !op.differentiable() {
        return Err(gradus_autograd::Error::NotDifferentiable { op: op.name() }.into());
    }
    let (mut reached, mut flowing) = (Vec::new(), Vec::new());
    for (i, out) in outputs
        .iter()
        .enumerate()
        .filter(|(_, out)| out.requires_grad())
    {
        let name = output_name("grad_out", i, op);
        match grads.get(&i) {
            Some(grad) => {
                reached.push(out);
                flowing.push(Var::constant(grad.clone()));
            }
            None if outputs.len() > 1 => {}
            None => {
                return Err(usage(format_args!(
                    "--grad needs a tensor {name:?} among the inputs"
                )));
            }
        }
    }
    let wanted: Vec<&Var> = leaves.iter().map(|(_, var)| var).collect();
    let found = if reached.is_empty() {
        vec![None; wanted.len()]
    } else {
        let config = GradConfig {
            allow_unused: true,
            ..GradConfig::default()
        };
        grad(&reached, &wanted, Some(&flowing), &config).context("backward")?
    };
    let named = leaves.iter().zip(found).map(|((name, x), gradient)| {
        let gradient = match gradient {
            Some(gradient) => gradient.into_tensor(),
            None => Tensor::zeros(x.shape(), x.dtype())?,
        };
        Ok((format!("grad.{name}"), gradient))
    });
    named.collect()
}
