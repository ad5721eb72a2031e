//! Attributes as JSON. Numbers that JSON lacks are the words `inf`, `-inf` and `nan`.

use anyhow::Context;
use gradus_autograd::registry::{Args, Attr};
use serde_json::{Map, Value, json};

use crate::exit::usage;

/// An attribute's value.
pub(super) fn to_json(attr: &Attr) -> Value {
    match attr {
        Attr::None => Value::Null,
        Attr::Int(v) => json!(v),
        Attr::Float(v) => number(*v),
        Attr::Bool(v) => json!(v),
        Attr::Text(v) => json!(v),
        Attr::Ints(v) => json!(v),
        Attr::Floats(v) => v.iter().copied().map(number).collect(),
    }
}

fn number(v: f64) -> Value {
    if v.is_finite() {
        json!(v)
    } else if v.is_nan() {
        json!("nan")
    } else if v > 0.0 {
        json!("inf")
    } else {
        json!("-inf")
    }
}

/// `args` with the attributes of a JSON object.
pub(super) fn read(text: &str, mut args: Args) -> anyhow::Result<Args> {
    let object: Map<String, Value> = serde_json::from_str(text)
        .context("--attrs")
        .map_err(|e| usage(format_args!("{e:#}: must be a JSON object of attributes")))?;
    for (name, value) in &object {
        let attr = from_json(value).ok_or_else(|| {
            usage(format_args!(
                "--attrs: {name}: {value} is no attribute: numbers, words, true, false, null and lists of numbers are"
            ))
        })?;
        args = args.attr(name, attr);
    }
    Ok(args)
}

fn from_json(value: &Value) -> Option<Attr> {
    Some(match value {
        Value::Null => Attr::None,
        Value::Bool(v) => Attr::Bool(*v),
        Value::String(v) => Attr::Text(v.clone()),
        Value::Number(v) => match v.as_i64() {
            Some(whole) => Attr::Int(whole),
            None => Attr::Float(v.as_f64()?),
        },
        // `null` in a list of sizes is PyTorch's `None`, "as it is", which is -1 with us.
        Value::Array(items) => {
            let size = |item: &Value| item.as_i64().or(item.is_null().then_some(-1));
            let whole: Option<Vec<i64>> = items.iter().map(size).collect();
            match whole {
                Some(whole) => Attr::Ints(whole),
                None => Attr::Floats(items.iter().map(float).collect::<Option<_>>()?),
            }
        }
        Value::Object(_) => return None,
    })
}

fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some("nan") => Some(f64::NAN),
        Some(_) => None,
        None => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_json_and_back() {
        for attr in [
            Attr::None,
            Attr::Int(-3),
            Attr::Float(0.5),
            Attr::Bool(true),
            Attr::Text("mean".into()),
            Attr::Ints(vec![1, -2]),
            Attr::Ints(vec![]),
            Attr::Floats(vec![0.5, f64::INFINITY]),
        ] {
            assert_eq!(from_json(&to_json(&attr)), Some(attr));
        }
        assert_eq!(to_json(&Attr::Float(f64::NEG_INFINITY)), json!("-inf"));
        assert_eq!(from_json(&json!({})), None);
        assert_eq!(from_json(&json!([[1]])), None);
        assert_eq!(from_json(&json!([null, 3])), Some(Attr::Ints(vec![-1, 3])));
    }
}
