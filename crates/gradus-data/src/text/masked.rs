//! Tokens to guess, for masked language models.

use std::sync::Arc;

use gradus_random::Rng;
use gradus_tensor::Tensor;

use crate::dataset::{Dataset, Sample, epoch_stream};
use crate::error::{DataError, Result};
use crate::text::IGNORED;

/// How tokens are hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskConfig {
    /// The id of the token that stands for a hidden one.
    pub mask_id: u32,
    /// The number that all ids are below.
    pub vocab_size: usize,
    /// Ids that are never hidden, such as those of `[CLS]` and `[SEP]`.
    pub special: Vec<u32>,
    /// The share of tokens to guess; default: 0.15.
    pub share: f64,
    /// Of these, the share that the mask replaces; default: 0.8.
    pub masked: f64,
    /// Of these, the share that any other token replaces; default: 0.1. The rest stays as it is.
    pub replaced: f64,
    /// The seed of the choice; default: 0.
    pub seed: u64,
}

impl MaskConfig {
    /// The usual shares: 15 % to guess, of which 80 % are hidden, 10 % replaced and 10 % left.
    pub fn new(mask_id: u32, vocab_size: usize, special: Vec<u32>) -> Self {
        Self {
            mask_id,
            vocab_size,
            special,
            share: 0.15,
            masked: 0.8,
            replaced: 0.1,
            seed: 0,
        }
    }
}

/// The samples of another data set with some tokens hidden, and the hidden ones as targets.
///
/// A sample i64 (T,) becomes one with some tokens replaced, and a label (T,) that has the true id where the model must guess and [`IGNORED`]
/// elsewhere; the label of the other data set is dropped. The choice is a function of `(seed, epoch, index)`. At least one token of a text is to be guessed,
/// if any may be, so that a batch always has a loss.
///
/// Source: Devlin et al. 2019, *BERT*, arXiv:1810.04805, §3.1; `DataCollatorForLanguageModeling` of `transformers`.
///
/// ```
/// use std::sync::Arc;
/// use gradus_data::{Dataset, MaskConfig, MaskedTokens, TokenizedTexts};
/// let texts = TokenizedTexts::unlabelled(vec![vec![2, 11, 12, 13, 14, 15, 16, 17, 3]])?;
/// let masked = MaskedTokens::new(Arc::new(texts), MaskConfig::new(4, 100, vec![0, 2, 3]))?;
/// let sample = masked.get(0, 0)?;
/// let (x, label) = (sample.x.to_vec::<i64>()?, sample.label.to_vec::<i64>()?);
/// assert!(label.iter().any(|&target| target != -100));
/// assert_eq!((x[0], x[8], label[0], label[8]), (2, 3, -100, -100));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
pub struct MaskedTokens {
    dataset: Arc<dyn Dataset>,
    config: MaskConfig,
}

impl MaskedTokens {
    /// Hides tokens of the samples of `dataset`.
    ///
    /// # Errors
    /// [`DataError::Argument`] for shares outside 0..=1 or that sum to more than 1, a vocabulary of 0 tokens, or a mask outside it.
    pub fn new(dataset: Arc<dyn Dataset>, mut config: MaskConfig) -> Result<Self> {
        let refuse = |argument, expected, got| DataError::Argument {
            what: "masked tokens",
            argument,
            expected,
            got,
        };
        for (argument, share) in [
            ("share", config.share),
            ("masked", config.masked),
            ("replaced", config.replaced),
            ("masked + replaced", config.masked + config.replaced),
        ] {
            if !(0.0..=1.0 + 1e-9).contains(&share) {
                return Err(refuse(argument, "in 0..=1", share.to_string()));
            }
        }
        if usize::try_from(config.mask_id).map_or(true, |id| id >= config.vocab_size) {
            let got = format!("{} of {}", config.mask_id, config.vocab_size);
            return Err(refuse("mask_id", "below vocab_size", got));
        }
        config.special.sort_unstable();
        Ok(Self { dataset, config })
    }

    fn is_special(&self, id: i64) -> bool {
        u32::try_from(id).is_ok_and(|id| self.config.special.binary_search(&id).is_ok())
    }

    /// Hides tokens of `ids` and gives the targets. Each token takes three numbers of the stream, whatever comes of them.
    fn hide(&self, ids: &mut [i64], rng: &mut Rng) -> Vec<i64> {
        let config = &self.config;
        let free: Vec<bool> = ids.iter().map(|&id| !self.is_special(id)).collect();
        let eligible: Vec<usize> = (0..ids.len()).filter(|&i| free[i]).collect();
        let at_least = match eligible.len() {
            0 => None,
            n => eligible
                .get(usize::try_from(rng.below(n as u64)).unwrap_or(0))
                .copied(),
        };
        let mut draws: Vec<[f64; 3]> = Vec::with_capacity(ids.len());
        draws.extend(
            ids.iter()
                .map(|_| [rng.uniform(), rng.uniform(), rng.uniform()]),
        );
        let mut chosen: Vec<usize> = eligible
            .iter()
            .copied()
            .filter(|&i| draws[i][0] < config.share)
            .collect();
        if chosen.is_empty() && config.share > 0.0 {
            chosen.extend(at_least);
        }
        let mut targets = vec![IGNORED; ids.len()];
        for i in chosen {
            let [_, how, which] = draws[i];
            targets[i] = ids[i];
            if how < config.masked {
                ids[i] = i64::from(config.mask_id);
            } else if how < config.masked + config.replaced {
                ids[i] = (which * config.vocab_size as f64) as i64;
            }
        }
        targets
    }
}

impl Dataset for MaskedTokens {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn get(&self, index: usize, epoch: u64) -> Result<Sample> {
        let x = self.dataset.get(index, epoch)?.x;
        let mut ids = x.to_vec::<i64>()?;
        let mut rng = Rng::new(
            self.config.seed,
            epoch_stream("masked", epoch),
            index as u64,
        );
        let targets = self.hide(&mut ids, &mut rng);
        Ok(Sample {
            x: Tensor::from_slice(&ids, *x.shape())?,
            label: Tensor::from_slice(&targets, *x.shape())?,
        })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn sample_name(&self, index: usize) -> String {
        self.dataset.sample_name(index)
    }
}
