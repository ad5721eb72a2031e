//! What all optimizers have in common.

use gradus_autograd::{Error, Gradients, Parameter, Result, Tensor};

/// Changes parameters by their gradients.
pub trait Optimizer: Send {
    /// One step. Parameters without a gradient, or frozen ones, stay as they are.
    ///
    /// # Errors
    /// [`Error::DType`] for a parameter that is not f32 or f64; [`Error::OutOfMemory`].
    fn step(&mut self, parameters: &[Parameter], grads: &Gradients) -> Result<()>;

    /// The learning rate of the next step.
    fn lr(&self) -> f64;

    /// Sets the learning rate of the next step: what a schedule does.
    fn set_lr(&mut self, lr: f64);

    /// Everything that the next step depends on, besides the parameters and the config.
    fn state(&self) -> OptimizerState;

    /// Puts a state back that [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] at a slot that does not fit its parameter; [`Error::Length`] at a slot that this
    /// optimizer does not know.
    fn load_state(&mut self, parameters: &[Parameter], state: OptimizerState) -> Result<()>;
}

/// The state of an optimizer, as checkpoints hold it.
#[derive(Clone, Debug, Default)]
pub struct OptimizerState {
    /// Steps done.
    pub step: u64,
    /// Tensors by `slot.parameter`, for instance `momentum.conv1.weight`, in the order of their making.
    pub slots: Vec<(String, Tensor)>,
}

/// Refuses a hyper-parameter outside `low..=high`.
pub(crate) fn check(
    op: &'static str,
    name: &'static str,
    value: f64,
    low: f64,
    high: f64,
) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let expected = match (low, high) {
        (0.0, 1.0) => "in 0..=1",
        (0.0, _) => "at least 0 and finite",
        _ => "finite",
    };
    Err(Error::Argument {
        op,
        name,
        expected,
        got: value,
    })
}
