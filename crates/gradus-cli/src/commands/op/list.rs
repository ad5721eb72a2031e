//! `gradus op list`: one JSON line an op.

use gradus_autograd::registry::{self, OpSpec};
use serde_json::{Map, Value, json};

use super::attributes::to_json;
use crate::exit::Ending;
use crate::output;

pub(super) fn run() -> anyhow::Result<Ending> {
    let mut lines = String::new();
    for op in registry::all() {
        lines.push_str(&line(op).to_string());
        lines.push('\n');
    }
    output::text_of(lines)?;
    Ok(Ending::Done)
}

fn line(op: &OpSpec) -> Value {
    let names = |wanted: fn(&registry::InputSpec) -> bool| -> Vec<&str> {
        let inputs = op.inputs().iter().filter(|input| wanted(input));
        inputs.map(|input| input.name).collect()
    };
    let attrs: Map<String, Value> = op
        .attrs()
        .iter()
        .map(|attr| {
            let default = attr.default.as_ref().map_or(Value::Null, to_json);
            let required = attr.default.is_none();
            let about =
                json!({ "type": attr.kind.name(), "default": default, "required": required });
            (attr.name.to_owned(), about)
        })
        .collect();
    let kinds: Map<String, Value> = op
        .inputs()
        .iter()
        .map(|input| (input.name.to_owned(), json!(input.kind.name())))
        .collect();
    json!({
        "op": op.name(),
        "group": op.group(),
        "inputs": names(|_| true),
        "kinds": kinds,
        "optional": names(|input| input.optional),
        "lists": names(|input| input.list),
        "attrs": attrs,
        "differentiable": op.differentiable(),
        "many_outputs": op.has_many_outputs(),
    })
}
