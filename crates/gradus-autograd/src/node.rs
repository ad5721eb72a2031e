//! Nodes of the tape: what an op left behind for its backward.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gradus_tensor::{DType, Result, Shape, Tensor};

use crate::again::{Kept, in_bf16};
use crate::{Op, Precision};

/// Nodes are numbered in the order of their making, so an op's number is higher than those of its inputs.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The number that the next node will have or exceed.
pub(crate) fn next_number() -> u64 {
    NEXT.load(Relaxed)
}

/// Shape and dtype of a value whose elements are not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Meta {
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

impl Meta {
    pub(crate) fn of(x: &Tensor) -> Self {
        Self {
            shape: *x.shape(),
            dtype: x.dtype(),
        }
    }
}

/// One output of a node: where a gradient flows to.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) node: Arc<Node>,
    pub(crate) output: usize,
}

impl Edge {
    /// The identity of the edge: node number and output.
    pub(crate) fn key(&self) -> (u64, usize) {
        (self.node.number, self.output)
    }
}

/// A leaf or a recorded op.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) outputs: Vec<Meta>,
    pub(crate) recorded: Option<Recorded>,
}

/// What an op left behind.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) op: Box<dyn Op>,
    /// That of the products of its backward.
    pub(crate) precision: Precision,
    /// Where the gradient of each input flows to; `None` for inputs that need none.
    pub(crate) inputs: Vec<Option<Edge>>,
    pub(crate) input_meta: Vec<Meta>,
    saved: Mutex<Option<Saved>>,
    /// The output, while the backwards of other ops need it that did not keep it.
    again: Mutex<Option<Tensor>>,
    /// An output by its position, rounded to bf16 for products that would not keep it otherwise.
    rounded: Mutex<Option<(usize, Tensor)>>,
}

/// Values kept for the backward.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) inputs: Vec<Option<Kept>>,
    pub(crate) outputs: Vec<Option<Tensor>>,
    pub(crate) stats: Vec<Tensor>,
}

impl Saved {
    /// All of them, and of those that are computed again what they are computed from.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Tensor> {
        let inputs = self.inputs.iter().flatten().flat_map(Kept::tensors);
        let outputs = self.outputs.iter().flatten();
        inputs.chain(outputs).chain(&self.stats)
    }
}

impl Node {
    pub(crate) fn leaf(meta: Meta) -> Arc<Self> {
        Arc::new(Self {
            number: NEXT.fetch_add(1, Relaxed),
            outputs: vec![meta],
            recorded: None,
        })
    }

    pub(crate) fn recorded(
        (op, precision): (Box<dyn Op>, Precision),
        inputs: Vec<Option<Edge>>,
        input_meta: Vec<Meta>,
        outputs: Vec<Meta>,
        saved: Saved,
    ) -> Arc<Self> {
        let recorded = Recorded {
            op,
            precision,
            inputs,
            input_meta,
            saved: Mutex::new(Some(saved)),
            again: Mutex::new(None),
            rounded: Mutex::new(None),
        };
        Arc::new(Self {
            number: NEXT.fetch_add(1, Relaxed),
            outputs,
            recorded: Some(recorded),
        })
    }
}

impl Recorded {
    /// The saved values, taken out for good or shared. `None` if an earlier backward took them.
    pub(crate) fn saved(&self, keep: bool) -> Option<Saved> {
        let mut slot = held(&self.saved);
        if keep { slot.clone() } else { slot.take() }
    }

    /// The inputs, if all are kept themselves.
    pub(crate) fn kept_inputs(&self) -> Option<Vec<Tensor>> {
        let slot = held(&self.saved);
        let inputs = &slot.as_ref()?.inputs;
        let value = |kept: &Option<Kept>| match kept {
            Some(Kept::Value(x)) => Some(x.clone()),
            _ => None,
        };
        let all = inputs.iter().map(value).collect::<Option<Vec<_>>>()?;
        (all.len() == self.input_meta.len()).then_some(all)
    }

    /// The output, from `make` if it is not here.
    pub(crate) fn remember(&self, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let mut slot = held(&self.again);
        if let Some(output) = &*slot {
            return Ok(output.clone());
        }
        Ok(slot.insert(make()?).clone())
    }

    /// `x`, which is the output at `position`, in bf16: rounded once, whoever asks.
    pub(crate) fn round(&self, position: usize, x: &Tensor) -> Result<Tensor> {
        let mut slot = held(&self.rounded);
        match &*slot {
            Some((held, rounded)) if *held == position => Ok(rounded.clone()),
            _ => Ok(slot.insert((position, in_bf16(x)?)).1.clone()),
        }
    }

    /// Drops the output: the backwards that need it are done.
    pub(crate) fn forget(&self) {
        *held(&self.again) = None;
        *held(&self.rounded) = None;
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Node {
    /// Takes the tape below apart with a stack of its own: a chain of a million ops must not overflow the thread's.
    fn drop(&mut self) {
        let Some(recorded) = &mut self.recorded else {
            return;
        };
        let mut pending: Vec<Edge> = recorded.inputs.drain(..).flatten().collect();
        while let Some(edge) = pending.pop() {
            if let Some(mut node) = Arc::into_inner(edge.node)
                && let Some(recorded) = &mut node.recorded
            {
                pending.extend(recorded.inputs.drain(..).flatten());
            }
        }
    }
}
