//! Windows of a long sequence of tokens, for language models.

use std::sync::Arc;

use gradus_random::Rng;

use crate::dataset::{Dataset, Sample, epoch_stream};
use crate::error::{DataError, Result};
use crate::text::TokenSource;
use crate::text::tokenized::tensor_of;

/// Windows of `block + 1` tokens: the input is the first `block`, and the target of each token the next one.
///
/// Random windows begin anywhere, each place equally likely, as a function of `(seed, epoch, index)`. Sequential windows lie end to end, so that
/// every token but the first is a target once; what is left at the end and fills no window is left out.
///
/// ```
/// use std::sync::Arc;
/// use gradus_data::{Dataset, MemoryTokens, TokenWindows, split_tokens};
/// let tokens = Arc::new(MemoryTokens((0..100).collect()));
/// let (train, val) = split_tokens(tokens, 0.1)?;
/// let train = TokenWindows::random(Arc::new(train), 8, 1000, 42)?;
/// let sample = train.get(17, 3)?;
/// let (x, y) = (sample.x.to_vec::<i64>()?, sample.label.to_vec::<i64>()?);
/// assert_eq!((train.len(), x.len(), y[0], y[7]), (1000, 8, x[0] + 1, x[7] + 1));
/// let val = TokenWindows::sequential(Arc::new(val), 4)?;
/// assert_eq!(val.get(1, 0)?.x.to_vec::<i64>()?, [94, 95, 96, 97]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone)]
pub struct TokenWindows {
    tokens: Arc<dyn TokenSource>,
    block: usize,
    order: Order,
}

#[derive(Clone, Copy)]
enum Order {
    Random { samples: usize, seed: u64 },
    Sequential,
}

impl TokenWindows {
    /// `samples_per_epoch` windows at random places.
    ///
    /// # Errors
    /// [`DataError::Argument`] for a block of 0 tokens, or one with its last target longer than the sequence.
    pub fn random(
        tokens: Arc<dyn TokenSource>,
        block: usize,
        samples_per_epoch: usize,
        seed: u64,
    ) -> Result<Self> {
        let samples = samples_per_epoch;
        Self::checked(tokens, block, Order::Random { samples, seed })
    }

    /// All windows end to end.
    ///
    /// # Errors
    /// As [`TokenWindows::random`].
    pub fn sequential(tokens: Arc<dyn TokenSource>, block: usize) -> Result<Self> {
        Self::checked(tokens, block, Order::Sequential)
    }

    fn checked(tokens: Arc<dyn TokenSource>, block: usize, order: Order) -> Result<Self> {
        if block == 0 || block >= tokens.len() {
            let got = format!("{block} with {} tokens", tokens.len());
            return Err(DataError::Argument {
                what: "token windows",
                argument: "block",
                expected: "at least 1, and below the number of tokens",
                got,
            });
        }
        Ok(Self {
            tokens,
            block,
            order,
        })
    }

    /// The tokens of a sample.
    pub fn block(&self) -> usize {
        self.block
    }

    fn start(&self, index: usize, epoch: u64) -> usize {
        match self.order {
            Order::Sequential => index * self.block,
            Order::Random { seed, .. } => {
                let places = (self.tokens.len() - self.block) as u64;
                let mut rng = Rng::new(seed, epoch_stream("windows", epoch), index as u64);
                usize::try_from(rng.below(places)).unwrap_or(0)
            }
        }
    }
}

impl Dataset for TokenWindows {
    fn len(&self) -> usize {
        match self.order {
            Order::Random { samples, .. } => samples,
            Order::Sequential => (self.tokens.len() - 1) / self.block,
        }
    }

    fn get(&self, index: usize, epoch: u64) -> Result<Sample> {
        let len = self.len();
        if index >= len {
            return Err(DataError::Index {
                what: "token windows",
                index,
                len,
            });
        }
        let mut ids = vec![0; self.block + 1];
        self.tokens.read(self.start(index, epoch), &mut ids)?;
        Ok(Sample {
            x: tensor_of(&ids[..self.block])?,
            label: tensor_of(&ids[1..])?,
        })
    }

    fn classes(&self) -> &[String] {
        &[]
    }
}
