//! From nested containers to tensors with names: the keys on the way, joined by dots.

use std::collections::BTreeSet;

use super::fault::TorchFault;
use super::machine::Unpickled;
use super::values::{Node, TensorRecord, Value, Values};
use crate::Metadata;

/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 64;

/// How many times its length a pickle may unfold to, in bytes of names and texts, beyond what is always allowed. Its own
/// names stand in it once each and are repeated in front of every name below.
const UNFOLDING: usize = 64;

/// What a pickle may always unfold to.
const FREE: usize = 1 << 20;

/// The name of a tensor that is all a file holds.
const ONLY: &str = "tensor";

/// The tensors of a file by name, in its order, and its scalars as text.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) tensors: Vec<(String, TensorRecord)>,
    pub(super) metadata: Metadata,
}

/// Flattens what a pickle describes.
///
/// Dicts and lists are followed. A scalar that a dict holds becomes text; what stands in a list, such as the numbers of
/// an optimizer's parameters, and all other values, are passed over.
pub(super) fn flatten(unpickled: &Unpickled) -> Result<Flat, TorchFault> {
    let mut walk = Walk {
        values: &unpickled.values,
        flat: Flat::default(),
        budget: unpickled.len.saturating_mul(UNFOLDING).saturating_add(FREE),
        bytes: unpickled.len,
    };
    match unpickled.values.get(unpickled.root) {
        Some(Node::Tensor(_)) => walk.visit(ONLY, unpickled.root, 0)?,
        _ => walk.visit("", unpickled.root, 0)?,
    }
    let flat = walk.flat;
    let mut names = BTreeSet::new();
    match flat.tensors.iter().find(|(name, _)| !names.insert(name)) {
        None => Ok(flat),
        Some((name, _)) => Err(TorchFault::DuplicateName {
            tensor: name.clone(),
        }),
    }
}

struct Walk<'a> {
    values: &'a Values,
    flat: Flat,
    /// Bytes that may still be written: what many containers share is written for each of them.
    budget: usize,
    bytes: usize,
}

impl Walk<'_> {
    fn spend(&mut self, bytes: usize) -> Result<(), TorchFault> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or(TorchFault::Unfolding { bytes: self.bytes })?;
        Ok(())
    }

    fn visit(&mut self, name: &str, value: Value, depth: usize) -> Result<(), TorchFault> {
        if depth > MAX_DEPTH {
            return Err(TorchFault::TooDeep { limit: MAX_DEPTH });
        }
        self.spend(name.len() + 1)?;
        let values = self.values;
        match values.get(value) {
            Some(Node::Tensor(record)) => {
                let record = TensorRecord::clone(record);
                self.flat.tensors.push((name.to_owned(), record));
            }
            Some(Node::Dict(pairs)) => {
                for &(key, value) in pairs {
                    if let Some(key) = self.scalar(key)? {
                        let name = joined(name, &key);
                        self.visit(&name, value, depth + 1)?;
                        self.note(name, value)?;
                    }
                }
            }
            Some(Node::List(items) | Node::Tuple(items)) => {
                for (position, &item) in items.iter().enumerate() {
                    if matches!(item, Value::Node(_)) {
                        self.visit(&joined(name, &position.to_string()), item, depth + 1)?;
                    } else {
                        self.spend(1)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps a scalar of a dict as text.
    fn note(&mut self, name: String, value: Value) -> Result<(), TorchFault> {
        if let Some(text) = self.scalar(value)? {
            self.flat.metadata.insert(name, text);
        }
        Ok(())
    }

    fn scalar(&mut self, value: Value) -> Result<Option<String>, TorchFault> {
        let text = match value {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            _ => match self.values.text(value) {
                Some(text) => {
                    self.spend(text.len())?;
                    text.to_owned()
                }
                None => return Ok(None),
            },
        };
        self.spend(text.len())?;
        Ok(Some(text))
    }
}

fn joined(name: &str, key: &str) -> String {
    if name.is_empty() {
        key.to_owned()
    } else {
        format!("{name}.{key}")
    }
}
