//! A loss or a gradient that is no number: which, and where it comes from.

use gradus_autograd::{Buffer, Gradients, Parameter, Tensor, check_finite, nonfinite};
use gradus_data::Batch;
use gradus_nn::Ctx;

use crate::error::{Result, TrainError};
use crate::task::Task;

/// What is no number in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NotFinite<'a> {
    /// The loss.
    Loss(f64),
    /// The gradient of this parameter.
    Gradient(&'a str, f64),
}

impl std::fmt::Display for NotFinite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loss(value) => write!(f, "the loss is {value}"),
            Self::Gradient(name, value) => write!(f, "the gradient of {name:?} holds {value}"),
        }
    }
}

/// The first of loss and gradients, in the model's order, that is not finite.
pub(crate) fn first<'a>(
    loss: f64,
    grads: &Gradients,
    parameters: &'a [Parameter],
) -> Option<NotFinite<'a>> {
    if !loss.is_finite() {
        return Some(NotFinite::Loss(loss));
    }
    parameters.iter().find_map(|parameter| {
        let value = nonfinite(grads.get(parameter)?)?;
        Some(NotFinite::Gradient(parameter.name(), value))
    })
}

/// The parts of a step that is done again to look into it.
pub(crate) struct Step<'a> {
    pub(crate) task: &'a dyn Task,
    pub(crate) parameters: &'a [Parameter],
    pub(crate) window: &'a [Batch],
    pub(crate) seed: u64,
    /// The number of the first micro-batch, which its random numbers come from.
    pub(crate) micro: u64,
}

impl Step<'_> {
    /// Where it comes from: the data, the weights, or the first op that makes it. Does the step once more, on buffers that are put back.
    pub(crate) fn origin(&self) -> Result<Origin> {
        for batch in self.window {
            if let Some(value) = nonfinite(&batch.x) {
                let samples = batch.indices.clone();
                return Ok(Origin::Data { value, samples });
            }
        }
        let values = self.parameters.iter().map(|p| (p.name(), p.tensor()));
        if let Some(origin) = holder(values) {
            return Ok(origin);
        }
        let buffers = self.task.store().buffers();
        let values = buffers.iter().map(|b| (b.name(), b.tensor()));
        if let Some(origin) = holder(values) {
            return Ok(origin);
        }
        let kept = Kept::new(&buffers);
        let mut found = Ok(());
        for (micro, batch) in (self.micro..).zip(self.window) {
            let ctx = Ctx::train(self.seed, micro);
            found = check_finite(|| self.task.loss(batch, &ctx)?.backward().map_err(Into::into))
                .map(drop);
            if found.is_err() {
                break;
            }
        }
        kept.put_back()?;
        match found {
            Ok(()) => Ok(Origin::Unknown),
            Err(TrainError::Tensor(error)) => Ok(Origin::Op {
                what: error.to_string(),
            }),
            Err(error) => Err(error),
        }
    }
}

fn holder<'a>(values: impl Iterator<Item = (&'a str, Tensor)>) -> Option<Origin> {
    values
        .filter_map(|(name, tensor)| Some((name.to_owned(), nonfinite(&tensor)?)))
        .map(|(name, value)| Origin::Weights { name, value })
        .next()
}

/// Where a NaN or an infinity comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// The samples hold it.
    Data {
        /// What they hold.
        value: f64,
        /// The samples of the batch, by their numbers in the data set.
        samples: Vec<usize>,
    },
    /// A parameter or buffer holds it.
    Weights {
        /// Its name.
        name: String,
        /// What it holds.
        value: f64,
    },
    /// An op makes it.
    Op {
        /// The op, with the layer that it is in, and what it gives.
        what: String,
    },
    /// No op makes it alone: sums over micro-batches or the range of the numbers do.
    Unknown,
}

impl Origin {
    /// Whether the next step would be the same again.
    pub(crate) fn stays(&self) -> bool {
        matches!(self, Self::Weights { .. })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 16;
        match self {
            Self::Data { value, samples } => {
                let numbers: Vec<String> =
                    samples.iter().take(SHOWN).map(usize::to_string).collect();
                let more = if samples.len() > SHOWN { ", …" } else { "" };
                write!(
                    f,
                    "the data holds {value}, in one of the samples {}{more}",
                    numbers.join(", ")
                )
            }
            Self::Weights { name, value } => write!(f, "{name:?} itself holds {value}"),
            Self::Op { what } => write!(f, "it begins at {what}"),
            Self::Unknown => f.write_str("no op makes it by itself"),
        }
    }
}

/// Buffers as they were, such as the running statistics of batch norms, which a forward changes.
pub(crate) struct Kept(Vec<(Buffer, Tensor)>);

impl Kept {
    /// Keeps the values of these buffers. They are shared: a forward that changes one copies it.
    pub(crate) fn new(buffers: &[Buffer]) -> Self {
        Self(buffers.iter().map(|b| (b.clone(), b.tensor())).collect())
    }

    /// Puts them back.
    pub(crate) fn put_back(self) -> Result<()> {
        for (buffer, value) in self.0 {
            buffer.set(value)?;
        }
        Ok(())
    }
}
