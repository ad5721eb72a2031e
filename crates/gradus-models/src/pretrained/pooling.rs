//! One vector for a sequence, and the labels of heads in configurations.

use gradus_autograd::{Result, Tensor, Var};
use serde_json::{Map, Value};

use super::Head;

/// The mean of the hidden states `(B, T, E)` of real tokens, scaled to length 1: `(B, E)`. A sequence without any gives 0.
pub(crate) fn pooled(hidden: &Var, mask: Option<&Tensor>) -> Result<Var> {
    let sum = match mask {
        None => hidden.clone(),
        Some(mask) => {
            let real = Var::constant(mask.clone()).unsqueeze(-1)?;
            hidden.mul(&real.to_dtype(hidden.dtype())?)?
        }
    };
    let sum = sum.sum(&[1], false)?;
    let [count, len, _] = hidden.shape().to_array("pooled")?;
    let shares: Vec<f64> = match mask {
        None => vec![len as f64; count],
        Some(mask) => mask
            .to_vec::<bool>()?
            .chunks(len.max(1))
            .map(|row| row.iter().filter(|&&real| real).count() as f64)
            .collect(),
    };
    let shares: Vec<f64> = shares.into_iter().map(|n| 1.0 / n.max(1e-9)).collect();
    let shares = Tensor::from_slice(&shares, [count, 1])?.to_dtype(hidden.dtype())?;
    sum.mul(&Var::constant(shares))?.normalize(2.0, &[1], 1e-12)
}

/// Writes the labels of a head as transformers does, and removes those of another.
pub(crate) fn write_labels(keys: &mut Map<String, Value>, head: &Head) {
    for key in ["id2label", "label2id", "num_labels"] {
        keys.remove(key);
    }
    let Some(labels) = head.labels() else {
        return;
    };
    let all = labels.iter().enumerate();
    let names: Map<String, Value> = all
        .clone()
        .map(|(id, name)| (id.to_string(), name.as_str().into()))
        .collect();
    let ids: Map<String, Value> = all.map(|(id, name)| (name.clone(), id.into())).collect();
    keys.insert("id2label".into(), names.into());
    keys.insert("label2id".into(), ids.into());
}
