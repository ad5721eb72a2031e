//! The values that a pickle makes: small ones by themselves, the others as nodes of one list, so that what contains
//! itself, or is nested a million deep, is neither followed nor freed by recursion.

use std::collections::BTreeMap;

use gradus_tensor::{Layout, Shape};

use super::fault::TorchFault;
use super::global::Global;
use crate::FileDType;

/// The most nodes of a pickle: some 57,000 tensors.
const MAX_NODES: usize = 400_000;

/// A value on the machine's stack, or in a container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Global(Global),
    Node(usize),
}

/// A value that has contents.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// The position in [`Values::storages`].
    Storage(usize),
    Tensor(Box<TensorRecord>),
}

/// A storage as the pickle describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StorageRecord {
    pub(super) key: String,
    /// None for bytes whose meaning each tensor says.
    pub(super) dtype: Option<FileDType>,
    /// Elements; bytes if untyped.
    pub(super) numel: u64,
}

/// A tensor as the pickle describes it: a view that was proven to stay inside its storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorRecord {
    pub(super) storage: usize,
    pub(super) dtype: FileDType,
    pub(super) layout: Layout,
}

impl TensorRecord {
    pub(super) fn shape(&self) -> &Shape {
        self.layout.shape()
    }
}

impl StorageRecord {
    /// The bytes of all elements, if that fits.
    pub(super) fn bytes(&self) -> Option<u64> {
        let size = self.dtype.map_or(1, |dtype| dtype.bits() / 8);
        self.numel.checked_mul(size)
    }
}

/// All nodes of a pickle.
#[derive(Debug, Default)]
pub(super) struct Values {
    nodes: Vec<Node>,
    pub(super) storages: Vec<StorageRecord>,
    /// Positions in `storages`, by key.
    by_key: BTreeMap<String, usize>,
}

impl Values {
    pub(super) fn add(&mut self, node: Node) -> Result<Value, TorchFault> {
        if self.nodes.len() >= MAX_NODES {
            return Err(TorchFault::TooMany {
                what: "values",
                limit: MAX_NODES as u64,
            });
        }
        self.nodes.push(node);
        Ok(Value::Node(self.nodes.len() - 1))
    }

    /// The position of a storage, which may be described often, but always in the same way.
    pub(super) fn add_storage(&mut self, record: StorageRecord) -> Result<usize, TorchFault> {
        match self.by_key.get(&record.key) {
            Some(&at) if self.storages[at] == record => Ok(at),
            Some(_) => Err(TorchFault::StorageConflict { key: record.key }),
            None => {
                let at = self.storages.len();
                self.by_key.insert(record.key.clone(), at);
                self.storages.push(record);
                Ok(at)
            }
        }
    }

    /// The position of the storage of that key.
    pub(super) fn find_storage(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, value: Value) -> Option<&mut Node> {
        match value {
            Value::Node(at) => self.nodes.get_mut(at),
            _ => None,
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match self.get(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.get(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Numbers of a tuple or list, none negative.
    pub(super) fn naturals(&self, value: Value) -> Option<Vec<u64>> {
        let (Node::Tuple(items) | Node::List(items)) = self.get(value)? else {
            return None;
        };
        items.iter().map(|&item| natural(item)).collect()
    }
}

/// A number that is not negative.
pub(super) fn natural(value: Value) -> Option<u64> {
    match value {
        Value::Int(n) => u64::try_from(n).ok(),
        _ => None,
    }
}
