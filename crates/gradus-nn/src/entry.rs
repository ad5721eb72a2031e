//! What a store holds, and how a parameter of it starts.

use std::collections::BTreeMap;

use gradus_autograd::{Buffer, DType, Error, Parameter, Result, Shape, Tensor, Var};
use gradus_random::stream_of;

use crate::Init;

/// All entries, in the order of their making, with their places by name.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) all: Vec<Entry>,
    places: BTreeMap<String, usize>,
}

pub(crate) enum Entry {
    /// With what it waits for, unless it was made with a value.
    Parameter(Parameter, Option<Box<Waiting>>),
    Buffer(Buffer),
}

/// A parameter of a deferred store: how it starts, and what stands for its value before.
pub(crate) struct Waiting {
    start: Start,
    stand_in: Tensor,
}

/// By a scheme, but for a row of zeros where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) init: Init,
    pub(crate) zero_row: Option<usize>,
}

impl Entries {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Adds an entry, unless its name is taken.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        let name = entry.name().to_owned();
        if self.contains(&name) {
            let error = Error::Length {
                op: "param store",
                expected: 1,
                got: 2,
            };
            return Err(error.at(format!(
                "{name} is made twice; share the parameter to tie it"
            )));
        }
        self.places.insert(name, self.all.len());
        self.all.push(entry);
        Ok(())
    }

    /// The parameters without a value, and how they start.
    pub(crate) fn waiting(&self) -> Vec<(Parameter, Start)> {
        let waiting = |entry: &Entry| match entry {
            Entry::Parameter(parameter, Some(waiting)) => parameter
                .tensor()
                .same_storage(&waiting.stand_in)
                .then(|| (parameter.clone(), waiting.start)),
            _ => None,
        };
        self.all.iter().filter_map(waiting).collect()
    }
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Parameter(parameter, _) => parameter.name(),
            Self::Buffer(buffer) => buffer.name(),
        }
    }

    pub(crate) fn tensor(&self) -> Tensor {
        match self {
            Self::Parameter(parameter, _) => parameter.tensor(),
            Self::Buffer(buffer) => buffer.tensor(),
        }
    }

    pub(crate) fn set(&self, value: Tensor) -> Result<()> {
        match self {
            Self::Parameter(parameter, _) => parameter.set(value),
            Self::Buffer(buffer) => buffer.set(value),
        }
    }
}

impl Waiting {
    /// The stand-in is zeros that take no memory, whatever the shape.
    pub(crate) fn new(start: Start, shape: Shape, dtype: DType) -> Result<Self> {
        let stand_in = Tensor::zeros([0_usize; 0], dtype)?.expand(shape)?;
        Ok(Self { start, stand_in })
    }

    pub(crate) fn stand_in(&self) -> Tensor {
        self.stand_in.clone()
    }
}

impl Start {
    /// The initial value of the parameter `key`.
    pub(crate) fn make(self, key: &str, shape: Shape, dtype: DType, seed: u64) -> Result<Tensor> {
        if dtype == DType::BF16 {
            return self.make(key, shape, DType::F32, seed)?.to_dtype(dtype);
        }
        let value = self.init.make(shape, dtype, seed, stream_of(key))?;
        let Some(zero_row) = self.zero_row else {
            return Ok(value);
        };
        let rows = shape.dims().first().copied().unwrap_or(0);
        let keep: Vec<bool> = (0..rows).map(|row| row != zero_row).collect();
        let keep = Tensor::from_slice(&keep, [rows, 1])?;
        let zero = Var::constant(Tensor::zeros([1, 1], dtype)?);
        Ok(Var::constant(value).where_(&keep, &zero)?.into_tensor())
    }
}
