//! What the functions of a pickle stand for: storages, tensors, parameters, dicts.

use gradus_tensor::{Layout, MAX_RANK, Shape};

use super::fault::TorchFault;
use super::global::Global;
use super::values::{Node, StorageRecord, TensorRecord, Value, Values, natural};
use crate::FileDType;

/// The storage that a persistent id names: `("storage", class, key, location, numel)`.
pub(super) fn storage(values: &mut Values, id: Value) -> Result<Value, TorchFault> {
    let wrong = || TorchFault::Arguments {
        function: "a storage",
        expected: "\"storage\", a class, a key, a location and a length",
    };
    let Some(&[kind, class, key, _, numel, ref rest @ ..]) = values.tuple(id) else {
        return Err(wrong());
    };
    let is_storage = values.text(kind) == Some("storage");
    let (Value::Global(Global::Storage(dtype)), true) = (class, is_storage) else {
        return Err(wrong());
    };
    let key = values.text(key).ok_or_else(wrong)?.to_owned();
    match rest {
        [] | [Value::None] => {}
        _ => return Err(TorchFault::StorageView { key }),
    }
    let record = StorageRecord {
        dtype,
        numel: natural(numel).ok_or_else(wrong)?,
        key,
    };
    let position = values.add_storage(record)?;
    values.add(Node::Storage(position))
}

/// What a function makes of its arguments.
pub(super) fn call(
    values: &mut Values,
    function: Global,
    arguments: Value,
) -> Result<Value, TorchFault> {
    let wrong = |expected| TorchFault::Arguments {
        function: function.name(),
        expected,
    };
    let given = values.tuple(arguments).ok_or_else(|| wrong("a tuple"))?;
    let given = given.to_vec();
    match (function, given.as_slice()) {
        (Global::OrderedDict, []) => values.add(Node::Dict(Vec::new())),
        (Global::OrderedDict, &[items]) => {
            let pairs = ordered(values, items).ok_or_else(|| wrong("a list of pairs"))?;
            values.add(Node::Dict(pairs))
        }
        (Global::Set, []) => values.add(Node::List(Vec::new())),
        // What holds the items may stand for the set or size of them.
        (Global::Set | Global::Size, &[items]) => Ok(items),
        (Global::Device, &[kind, ..]) => Ok(kind),
        (Global::Encode, &[text, ..]) => Ok(text),
        (Global::RebuildTensor, &[storage, offset, size, stride]) => {
            tensor(values, function, storage, [offset, size, stride], None)
        }
        (Global::RebuildTensorV2, &[storage, offset, size, stride, _, _, ref flags @ ..]) => {
            unflagged(values, function, flags)?;
            tensor(values, function, storage, [offset, size, stride], None)
        }
        (
            Global::RebuildTensorV3,
            &[storage, offset, size, stride, _, _, dtype, ref flags @ ..],
        ) => {
            unflagged(values, function, flags)?;
            let Value::Global(Global::DType(dtype)) = dtype else {
                return Err(wrong("a storage, a view of it and a dtype"));
            };
            tensor(
                values,
                function,
                storage,
                [offset, size, stride],
                Some(dtype),
            )
        }
        (Global::RebuildParameter | Global::RebuildParameterWithState, &[data, ..]) => {
            match values.get(data) {
                Some(Node::Tensor(_)) => Ok(data),
                _ => Err(wrong("a tensor, and how it takes part in training")),
            }
        }
        _ => Err(wrong("those that rebuilding tensors needs")),
    }
}

/// The pairs of a list or tuple of pairs.
fn ordered(values: &Values, items: Value) -> Option<Vec<(Value, Value)>> {
    let (Node::List(items) | Node::Tuple(items)) = values.get(items)? else {
        return None;
    };
    let pair = |&item: &Value| match values.get(item)? {
        Node::Tuple(pair) | Node::List(pair) => match pair.as_slice() {
            &[key, value] => Some((key, value)),
            _ => None,
        },
        _ => None,
    };
    items.iter().map(pair).collect()
}

/// A tensor may be marked as negated or conjugated when it is read; nothing here would do so.
fn unflagged(values: &Values, function: Global, flags: &[Value]) -> Result<(), TorchFault> {
    let empty = |flag: &Value| match values.get(*flag) {
        Some(Node::Dict(pairs)) => pairs.is_empty(),
        _ => *flag == Value::None,
    };
    if flags.iter().all(empty) {
        return Ok(());
    }
    Err(TorchFault::Arguments {
        function: function.name(),
        expected: "those of a plain tensor: it is marked as negated or conjugated",
    })
}

/// A view of a storage, proven to stay inside it.
fn tensor(
    values: &mut Values,
    function: Global,
    storage: Value,
    view: [Value; 3],
    dtype: Option<FileDType>,
) -> Result<Value, TorchFault> {
    let [offset, size, stride] = view;
    let wrong = || TorchFault::Arguments {
        function: function.name(),
        expected: "a storage, an offset, a shape and strides",
    };
    let Some(&Node::Storage(storage)) = values.get(storage) else {
        return Err(wrong());
    };
    let offset = natural(offset).ok_or_else(wrong)?;
    let dims = values.naturals(size).ok_or_else(wrong)?;
    let strides = values.naturals(stride).ok_or_else(wrong)?;
    if dims.len() != strides.len() {
        return Err(wrong());
    }
    if dims.len() > MAX_RANK {
        let rank = dims.len();
        return Err(TorchFault::RankTooHigh { rank });
    }
    let record = &values.storages[storage];
    let (dtype, len) = match (record.dtype, dtype) {
        (Some(own), None) => (own, record.numel),
        (None, Some(dtype)) => (dtype, record.numel / (dtype.bits() / 8).max(1)),
        _ => return Err(wrong()),
    };
    let layout = layout_within(&dims, &strides, offset, len);
    let layout = layout.ok_or(TorchFault::OutsideStorage {
        dims,
        strides,
        offset,
        len,
    })?;
    let record = TensorRecord {
        storage,
        dtype,
        layout,
    };
    values.add(Node::Tensor(Box::new(record)))
}

/// The layout, if all that it reaches lies below `len`.
fn layout_within(dims: &[u64], strides: &[u64], offset: u64, len: u64) -> Option<Layout> {
    let dims: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let strides: Option<Vec<isize>> = strides.iter().map(|&s| isize::try_from(s).ok()).collect();
    let shape = Shape::new(&dims?).ok()?;
    let layout = Layout::strided(shape, &strides?, usize::try_from(offset).ok()?).ok()?;
    match layout.reach().ok()? {
        None => Some(layout),
        Some((_, high)) => (u64::try_from(high).ok()? < len).then_some(layout),
    }
}
