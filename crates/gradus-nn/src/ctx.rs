//! What a forward pass needs besides its input: train or eval, and the key of its random numbers.

use gradus_random::Philox;

/// Goes through every `forward`. There is no global mode and no global random state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ctx {
    training: bool,
    seed: u64,
    step: u64,
}

impl Ctx {
    /// Training: dropout drops, batch norm uses and updates batch statistics.
    ///
    /// `seed` and `step` are the key of the random numbers: the same pair gives the same dropout masks. Give each
    /// forward pass of a run its own step, micro-batches included.
    pub const fn train(seed: u64, step: u64) -> Self {
        Self {
            training: true,
            seed,
            step,
        }
    }

    /// Evaluation: nothing is random, nothing is updated. A gradient can still be asked for; within [`gradus_autograd::no_grad`] nothing is
    /// kept for one.
    pub const fn eval() -> Self {
        Self {
            training: false,
            seed: 0,
            step: 0,
        }
    }

    /// Whether this is training.
    pub const fn is_training(&self) -> bool {
        self.training
    }

    /// The step.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The random numbers of one layer, which its `stream` names ([`gradus_random::stream_of`] its path).
    pub const fn philox(&self, stream: u64) -> Philox {
        Philox::new(self.seed, stream)
    }
}
