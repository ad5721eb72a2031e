//! Continuing texts: the next token by its scores, again and again.
//!
//! Several prompts go at once, each with its own end. What a prompt is continued by depends on neither its company nor the number of
//! threads: greedy choices depend on nothing, and the random number of each choice is a function of the seed, the prompt and the place.

use std::collections::BTreeMap;

use gradus_autograd::{DType, Error, Result, ResultExt, Tensor};
use gradus_nn::Ctx;
use gradus_random::{Rng, stream_of};

use crate::{CausalLm, KvCache};

const OP: &str = "generate";

/// How texts are continued. The defaults are greedy.
///
/// The options work on the scores in transformers' order: repetition penalty, temperature, top-k, top-p, min-p.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateConfig {
    /// How many tokens are made for each prompt, at most. Default: 64.
    pub max_tokens: usize,
    /// Scores are divided by this; 0 takes the highest score. Default: 0.
    pub temperature: f64,
    /// The choice is among this many of the highest scores, and those equal to the last of them. Default: all.
    pub top_k: Option<usize>,
    /// The choice is among the fewest of the likeliest tokens whose probabilities add up to this. Default: 1.
    pub top_p: f64,
    /// The choice is among tokens at least this likely, relative to the likeliest. Default: 0.
    pub min_p: f64,
    /// Scores of tokens that stand in the text so far are divided by this, negative ones multiplied. Default: 1. Keskar et al. 2019,
    /// arXiv:1909.05858.
    pub repetition_penalty: f64,
    /// The seed of the choices. Default: 0.
    pub seed: u64,
    /// A text ends with the first of these tokens, which is its last. Default: none.
    pub stop: Vec<u32>,
    /// Whether keys and values are kept between tokens; otherwise each token computes all of the text again. Default: yes.
    pub use_cache: bool,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            max_tokens: 64,
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
            stop: Vec::new(),
            use_cache: true,
        }
    }
}

impl GenerateConfig {
    fn check(&self) -> Result<()> {
        let rules = [
            (
                "temperature",
                "a number of at least 0",
                self.temperature,
                self.temperature >= 0.0,
            ),
            (
                "top_p",
                "over 0 and at most 1",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
            ),
            (
                "min_p",
                "in 0..=1",
                self.min_p,
                (0.0..=1.0).contains(&self.min_p),
            ),
            (
                "repetition_penalty",
                "over 0",
                self.repetition_penalty,
                self.repetition_penalty > 0.0,
            ),
            (
                "top_k",
                "at least 1",
                self.top_k.unwrap_or(1) as f64,
                self.top_k != Some(0),
            ),
        ];
        for (name, expected, got, holds) in rules {
            if !(holds && got.is_finite()) {
                return Err(Error::Argument {
                    op: OP,
                    name,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// With one of [`GenerateConfig::stop`].
    Stop,
    /// It has [`GenerateConfig::max_tokens`].
    Length,
    /// The model has no more positions.
    Positions,
    /// The caller did not want more.
    Cancelled,
}

impl Finish {
    /// The name in JSON: `stop`, `length`, `positions` or `cancelled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Positions => "positions",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The continuation of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The new tokens, with the one that stopped it.
    pub tokens: Vec<u32>,
    /// Why there are no more.
    pub finish: Finish,
}

/// A prompt under way.
struct Text {
    /// Its place among the prompts.
    at: usize,
    /// Prompt and new tokens.
    tokens: Vec<u32>,
    /// Of its random numbers.
    stream: u64,
}

/// Continues each prompt. `on_token` is told the prompt's place and each of its new tokens as it is made, and says whether to go on with
/// this prompt.
///
/// # Errors
/// [`Error::Length`] for an empty prompt; [`Error::IndexOutOfRange`] for a token that the model does not have; [`Error::Argument`] for an
/// option outside its domain or a prompt that fills all positions; [`Error::Call`] if the model's scores are not numbers; each with the
/// prompt's place in front. Those of the model.
pub fn generate(
    model: &dyn CausalLm,
    prompts: &[Vec<u32>],
    config: &GenerateConfig,
    on_token: &mut dyn FnMut(usize, u32) -> bool,
) -> Result<Vec<Generated>> {
    config.check()?;
    check_prompts(model, prompts)?;
    let most = model.max_positions().unwrap_or(usize::MAX);
    let mut done: Vec<Generated> = Vec::with_capacity(prompts.len());
    done.resize_with(prompts.len(), || Generated {
        tokens: Vec::new(),
        finish: Finish::Length,
    });
    if config.max_tokens == 0 {
        return Ok(done);
    }
    let mut texts = texts(prompts);
    let mut cache = None;
    while !texts.is_empty() {
        let scores = next_scores(model, &texts, &mut cache, config.use_cache)?;
        let vocab = model.vocab_size();
        let mut going = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter_mut().enumerate() {
            let made = text.tokens.len() - prompts[text.at].len();
            let scores = &scores[row * vocab..][..vocab];
            let token = choose(scores, &text.tokens, text.stream, made as u64, config)
                .at(|| format!("prompt {}", text.at))?;
            text.tokens.push(token);
            let result = &mut done[text.at];
            result.tokens.push(token);
            let wanted = on_token(text.at, token);
            let finish = if config.stop.contains(&token) {
                Finish::Stop
            } else if !wanted {
                Finish::Cancelled
            } else if made + 1 == config.max_tokens {
                Finish::Length
            } else if text.tokens.len() >= most {
                Finish::Positions
            } else {
                going.push(row);
                continue;
            };
            result.finish = finish;
        }
        if going.len() < texts.len() {
            if let Some(cache) = &mut cache {
                cache.keep(&going)?;
            }
            let mut row = 0..;
            texts.retain(|_| {
                row.next()
                    .is_some_and(|row| going.binary_search(&row).is_ok())
            });
        }
    }
    Ok(done)
}

fn check_prompts(model: &dyn CausalLm, prompts: &[Vec<u32>]) -> Result<()> {
    let vocab = model.vocab_size();
    for (at, prompt) in prompts.iter().enumerate() {
        let fail = |error: Error| Err(error.at(format!("prompt {at}")));
        if prompt.is_empty() {
            let (expected, got) = (1, 0);
            let error = Error::Length {
                op: OP,
                expected,
                got,
            };
            return fail(error.at("an empty prompt; begin with the tokenizer's bos token"));
        }
        let outside = |&id: &u32| usize::try_from(id).map_or(true, |id| id >= vocab);
        if let Some(position) = prompt.iter().position(outside) {
            return fail(Error::IndexOutOfRange {
                op: OP,
                position,
                index: i64::from(prompt[position]),
                len: vocab,
            });
        }
        if let Some(most) = model.max_positions().filter(|&most| prompt.len() >= most) {
            let error = Error::Argument {
                op: OP,
                name: "length of the prompt",
                expected: "below the model's positions",
                got: prompt.len() as f64,
            };
            return fail(error.at(format!("the model has {most} positions; cut the prompt")));
        }
    }
    Ok(())
}

/// The prompts, each with the stream of its random numbers: by its tokens, and how many equal ones are before it.
fn texts<'a>(prompts: &'a [Vec<u32>]) -> Vec<Text> {
    let mut seen: BTreeMap<&'a [u32], usize> = BTreeMap::new();
    let text = |(at, prompt): (usize, &'a Vec<u32>)| {
        let before = seen.entry(prompt).or_default();
        *before += 1;
        Text {
            at,
            tokens: prompt.clone(),
            stream: stream_of(&format!("generate {before} {prompt:?}")),
        }
    };
    prompts.iter().enumerate().map(text).collect()
}

/// The scores of the next token of each text, row by row.
fn next_scores(
    model: &dyn CausalLm,
    texts: &[Text],
    cache: &mut Option<KvCache>,
    keep: bool,
) -> Result<Vec<f64>> {
    // Every text has gained the same number of tokens, so a cache lacks the last one of each.
    let (mut held, places) = match cache.take() {
        Some(held) => (held, 1),
        None => {
            let lens = texts.iter().map(|text| text.tokens.len());
            let longest = lens.clone().max().unwrap_or(0);
            let padding = lens.map(|len| longest - len).collect();
            (KvCache::new(model.cache_layers(), padding), longest)
        }
    };
    let mut ids: Vec<i64> = Vec::with_capacity(texts.len() * places);
    for text in texts {
        let known = text.tokens.len().min(places);
        ids.extend(std::iter::repeat_n(0, places - known));
        let new = &text.tokens[text.tokens.len() - known..];
        ids.extend(new.iter().map(|&id| i64::from(id)));
    }
    let tokens = Tensor::from_slice(&ids, [texts.len(), places])?;
    let scores = model.step(&tokens, &mut held, &Ctx::eval())?;
    if keep {
        *cache = Some(held);
    }
    scores.to_dtype(DType::F64)?.to_vec::<f64>()
}

/// The next token: the highest score's, or one drawn by the scores.
fn choose(
    scores: &[f64],
    text: &[u32],
    stream: u64,
    place: u64,
    config: &GenerateConfig,
) -> Result<u32> {
    if scores.iter().any(|score| score.is_nan()) {
        return Err(Error::Call {
            op: OP,
            name: "scores".to_owned(),
            expected: format!(
                "numbers, but there are NaN for new token {place}; check the model's weights"
            ),
        });
    }
    let mut scores = scores.to_vec();
    penalise(&mut scores, text, config.repetition_penalty);
    let best = highest(&scores);
    if config.temperature == 0.0 {
        return Ok(best);
    }
    let kept = kept(&mut scores, config);
    let top = kept
        .iter()
        .fold(f64::NEG_INFINITY, |top, &(_, score)| top.max(score));
    let weights: Vec<f64> = kept.iter().map(|&(_, score)| (score - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    let drawn = Rng::new(config.seed, stream, place).uniform() * total;
    let mut sum = 0.0;
    for (&(id, _), weight) in kept.iter().zip(weights) {
        sum += weight;
        if drawn < sum {
            return Ok(id);
        }
    }
    // rounding left the draw at the very end, or scores over the temperature are not finite
    Ok(best)
}

/// The first of the highest scores.
fn highest(scores: &[f64]) -> u32 {
    let better = |best: usize, (at, score): (usize, &f64)| {
        if *score > scores[best] { at } else { best }
    };
    scores.iter().enumerate().fold(0, better) as u32
}

fn penalise(scores: &mut [f64], text: &[u32], penalty: f64) {
    if penalty == 1.0 {
        return;
    }
    let mut used = text.to_vec();
    used.sort_unstable();
    used.dedup();
    for id in used {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = if *score < 0.0 {
                *score * penalty
            } else {
                *score / penalty
            };
        }
    }
}

/// The tokens that may be drawn, in the order of their ids, with their scores over the temperature.
fn kept(scores: &mut [f64], config: &GenerateConfig) -> Vec<(u32, f64)> {
    scores
        .iter_mut()
        .for_each(|score| *score /= config.temperature);
    let mut kept: Vec<(u32, f64)> = (0..).zip(scores.iter().copied()).collect();
    if let Some(k) = config.top_k.filter(|&k| k < kept.len()) {
        let mut sorted: Vec<f64> = kept.iter().map(|&(_, score)| score).collect();
        let (_, least, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let least = *least;
        kept.retain(|&(_, score)| score >= least);
    }
    if config.top_p < 1.0 {
        nucleus(&mut kept, config.top_p);
    }
    if config.min_p > 0.0 {
        let top = kept
            .iter()
            .fold(f64::NEG_INFINITY, |top, &(_, score)| top.max(score));
        kept.retain(|&(_, score)| (score - top).exp() >= config.min_p);
    }
    kept
}

/// Leaves the fewest of the likeliest whose probabilities add up to `top_p`: at least one.
fn nucleus(kept: &mut Vec<(u32, f64)>, top_p: f64) {
    // from the least likely; of equal ones that with the smaller id goes first
    kept.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let top = kept.last().map_or(0.0, |&(_, score)| score);
    let weights: Vec<f64> = kept.iter().map(|&(_, score)| (score - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let removed = weights.iter().take_while(|&&weight| {
        sum += weight / total;
        sum <= 1.0 - top_p
    });
    let removed = removed.count().min(kept.len().saturating_sub(1));
    kept.drain(..removed);
    kept.sort_by_key(|&(id, _)| id);
}

#[cfg(test)]
mod tests;
