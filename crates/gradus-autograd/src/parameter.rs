//! Parameters and buffers: named values that modules hold and optimizers or layers change.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::Var;
use crate::node::{Edge, Meta, Node};

/// A named leaf of the tape that is trained. Clones share it: the module that uses it, the store that names it, and
/// the optimizer that changes it hold the same one. Using one parameter in two places ties these.
#[derive(Clone)]
pub struct Parameter {
    shared: Arc<SharedParameter>,
}

struct SharedParameter {
    name: String,
    leaf: Arc<Node>,
    value: RwLock<Tensor>,
    trainable: AtomicBool,
}

impl Parameter {
    /// A trainable parameter.
    pub fn new(name: impl Into<String>, value: Tensor) -> Self {
        let leaf = Node::leaf(Meta::of(&value));
        let shared = SharedParameter {
            name: name.into(),
            leaf,
            value: RwLock::new(value),
            trainable: AtomicBool::new(true),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The name: the key in checkpoints, such as `layer1.0.conv1.weight`.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The value on the tape; off it if the parameter is frozen.
    pub fn var(&self) -> Var {
        let edge = self.trainable().then(|| Edge {
            node: Arc::clone(&self.shared.leaf),
            output: 0,
        });
        Var::from_parts(self.tensor(), edge)
    }

    /// The value. Holding it makes the next [`Parameter::update`] copy.
    pub fn tensor(&self) -> Tensor {
        self.shared
            .value
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The shape, which never changes.
    pub fn shape(&self) -> &Shape {
        &self.shared.leaf.outputs[0].shape
    }

    /// Whether the parameter gets gradients.
    pub fn trainable(&self) -> bool {
        self.shared.trainable.load(Relaxed)
    }

    /// Freezes the parameter, or thaws it.
    pub fn set_trainable(&self, trainable: bool) {
        self.shared.trainable.store(trainable, Relaxed);
    }

    /// Puts another value of the same shape and dtype in place.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::DTypeMismatch`], at the parameter's name.
    pub fn set(&self, value: Tensor) -> Result<()> {
        same_kind(self.shared.leaf.outputs[0], &value).map_err(|e| e.at(self.name()))?;
        *self
            .shared
            .value
            .write()
            .unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    /// Changes the value in place. No memory is allocated if nothing else holds the value.
    ///
    /// # Errors
    /// Those of `change`; [`Error::ShapeMismatch`] or [`Error::DTypeMismatch`] if it leaves another kind of tensor.
    pub fn update(&self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        let mut value = self
            .shared
            .value
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut value)
            .and_then(|()| same_kind(self.shared.leaf.outputs[0], &value))
            .map_err(|e| e.at(self.name()))
    }

    /// Whether the two are one parameter.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub(crate) fn leaf_number(&self) -> u64 {
        self.shared.leaf.number
    }
}

fn same_kind(expected: Meta, value: &Tensor) -> Result<()> {
    let op = "parameter";
    if *value.shape() != expected.shape {
        let rule = "a parameter keeps its shape";
        return Err(Error::ShapeMismatch {
            op,
            lhs: expected.shape,
            rhs: *value.shape(),
            rule,
        });
    }
    if value.dtype() != expected.dtype {
        return Err(Error::DTypeMismatch {
            op,
            lhs: expected.dtype,
            rhs: value.dtype(),
        });
    }
    Ok(())
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameter {} {}", self.name(), self.shape())
    }
}

/// A named tensor that belongs to a model but is not trained, such as a running mean. Clones share it.
#[derive(Clone)]
pub struct Buffer {
    shared: Arc<SharedBuffer>,
}

struct SharedBuffer {
    name: String,
    value: RwLock<Tensor>,
}

impl Buffer {
    /// A buffer.
    pub fn new(name: impl Into<String>, value: Tensor) -> Self {
        Self {
            shared: Arc::new(SharedBuffer {
                name: name.into(),
                value: RwLock::new(value),
            }),
        }
    }

    /// The name: the key in checkpoints, such as `bn1.running_mean`.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The value.
    pub fn tensor(&self) -> Tensor {
        self.shared
            .value
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another value of the same shape and dtype in place.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::DTypeMismatch`], at the buffer's name.
    pub fn set(&self, value: Tensor) -> Result<()> {
        let mut slot = self
            .shared
            .value
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        same_kind(Meta::of(&slot), &value).map_err(|e| e.at(self.name()))?;
        *slot = value;
        Ok(())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer {} {}", self.name(), self.tensor().shape())
    }
}
