//! Byte-pair encoding: the most frequent pair of neighbours becomes a token, again and again.
//!
//! Source: Sennrich, Haddow and Birch 2016, arXiv:1508.07909. Ties are broken by the smaller ids, as the `tokenizers` library does.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use serde_json::{Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::corpus::Words;
use super::keys::{KeyMap, key};
use super::{TrainerConfig, json};
use crate::error::Result;

type Pair = (u32, u32);

/// Words as symbols, and what is known of their pairs.
pub(super) struct Merger {
    words: Vec<(Vec<u32>, u64)>,
    /// How often each pair occurs.
    counts: KeyMap<u64>,
    /// The words that had each pair when it was last seen.
    places: KeyMap<Vec<usize>>,
    /// Pairs by count, then by the smaller ids; counts may be out of date.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Merger {
    pub(super) fn new(words: Vec<(Vec<u32>, u64)>) -> Self {
        let mut merger = Self {
            words,
            counts: KeyMap::default(),
            places: KeyMap::default(),
            queue: BinaryHeap::new(),
        };
        let mut pairs = BTreeSet::new();
        for (number, (symbols, count)) in merger.words.iter().enumerate() {
            for two in symbols.windows(2) {
                let pair = key(two[0], two[1]);
                *merger.counts.entry(pair).or_insert(0) += count;
                note(merger.places.entry(pair).or_default(), number);
                pairs.insert((two[0], two[1]));
            }
        }
        for pair in pairs {
            let count = merger.count(pair);
            merger.queue.push((count, Reverse(pair)));
        }
        merger
    }

    fn count(&self, pair: Pair) -> u64 {
        self.counts.get(&key(pair.0, pair.1)).copied().unwrap_or(0)
    }

    /// The pair that occurs most often, if it does so at least `least` times.
    pub(super) fn best(&mut self, least: u64) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let current = self.count(pair);
            if current == count {
                return (count >= least.max(1)).then_some(pair);
            }
            if current > 0 {
                self.queue.push((current, Reverse(pair)));
            }
        }
        None
    }

    /// Writes `token` for `pair` in all words. Only the pairs beside a place that changes are counted anew.
    pub(super) fn merge(&mut self, pair: Pair, token: u32) {
        let mut grown = BTreeSet::new();
        for number in self.places.remove(&key(pair.0, pair.1)).unwrap_or_default() {
            let (symbols, count) = &mut self.words[number];
            let places = matches(symbols, pair);
            if places.is_empty() {
                continue;
            }
            for old in beside(symbols.len(), &places, 2) {
                if let Some(known) = self.counts.get_mut(&key(symbols[old], symbols[old + 1])) {
                    *known -= *count;
                }
            }
            *symbols = merged(symbols, &places, token);
            // Each token stands one to the left for each that was made before it.
            let places: Vec<usize> = places.iter().enumerate().map(|(i, at)| at - i).collect();
            for new in beside(symbols.len(), &places, 1) {
                let (left, right) = (symbols[new], symbols[new + 1]);
                *self.counts.entry(key(left, right)).or_insert(0) += *count;
                note(self.places.entry(key(left, right)).or_default(), number);
                grown.insert((left, right));
            }
        }
        self.counts.remove(&key(pair.0, pair.1));
        for pair in grown {
            let count = self.count(pair);
            self.queue.push((count, Reverse(pair)));
        }
    }
}

/// Adds a word to those of a pair, once.
fn note(places: &mut Vec<usize>, number: usize) {
    if places.last() != Some(&number) {
        places.push(number);
    }
}

/// Where a pair stands, from the left and without overlap.
fn matches(symbols: &[u32], pair: Pair) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while at + 1 < symbols.len() {
        if (symbols[at], symbols[at + 1]) == pair {
            places.push(at);
            at += 1;
        }
        at += 1;
    }
    places
}

/// The neighbours, by the place of the left one, that have a part of what stands at `places` and is `width` long; each once, ascending.
fn beside(len: usize, places: &[usize], width: usize) -> impl Iterator<Item = usize> {
    let mut next = 0;
    places.iter().flat_map(move |&at| {
        let from = at.saturating_sub(1).max(next);
        let to = (at + width).min(len.saturating_sub(1));
        next = next.max(to);
        from..to
    })
}

/// The symbols with `token` for the two at each place.
fn merged(symbols: &[u32], places: &[usize], token: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(symbols.len());
    let mut rest = 0;
    for &at in places {
        out.extend_from_slice(&symbols[rest..at]);
        out.push(token);
        rest = at + 2;
    }
    out.extend_from_slice(&symbols[rest..]);
    out
}

/// Tokens with the ids of their texts.
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    pub(super) fn new(tokens: Vec<String>) -> Self {
        let ids = tokens.iter().cloned().zip(0..).collect();
        Self { tokens, ids }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(super) fn text(&self, id: u32) -> &str {
        self.tokens.get(id as usize).map_or("", String::as_str)
    }

    /// The id of a token, which is added if it is new.
    pub(super) fn add(&mut self, token: String) -> u32 {
        let next = self.tokens.len() as u32; // the size is checked to be below 2^30
        let id = *self.ids.entry(token.clone()).or_insert(next);
        if id == next {
            self.tokens.push(token);
        }
        id
    }
}

/// A byte-level tokenizer: all 256 bytes have a token.
pub(super) fn train(config: &TrainerConfig, words: &Words) -> Result<Value> {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    config.room(alphabet.len())?;
    let mut tokens = config.special();
    let fresh = alphabet.into_iter().map(String::from);
    let fresh: Vec<String> = fresh.filter(|token| !tokens.contains(token)).collect();
    tokens.extend(fresh);
    let mut vocabulary = Vocabulary::new(tokens);
    let symbols = |word: &String| {
        let mut bytes = [0; 4];
        let ids = word
            .chars()
            .map(|c| vocabulary.id(c.encode_utf8(&mut bytes)));
        ids.collect::<Option<Vec<u32>>>()
    };
    let words = words
        .iter()
        .filter_map(|(word, count)| Some((symbols(word)?, *count)));
    let mut merger = Merger::new(words.collect());
    let mut merges = Vec::new();
    while vocabulary.tokens.len() < config.vocab_size {
        let Some(pair) = merger.best(config.min_frequency.unwrap_or(2)) else {
            break;
        };
        let (left, right) = (vocabulary.text(pair.0), vocabulary.text(pair.1));
        merges.push([left.to_owned(), right.to_owned()]);
        let token = vocabulary.add(format!("{left}{right}"));
        merger.merge(pair, token);
    }
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
        "byte_fallback": false, "ignore_merges": false, "vocab": json::vocab(&vocabulary.tokens), "merges": merges,
    });
    Ok(json::frame(config, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_overlap_are_joined_from_the_left() {
        let join = |symbols: &[u32]| merged(symbols, &matches(symbols, (1, 1)), 9);
        assert_eq!(join(&[1, 1, 1, 2, 1, 1]), [9, 1, 2, 9]);
        assert_eq!(join(&[1]), [1]);
    }

    #[test]
    fn neighbours_of_changed_places_are_seen_once() {
        let seen = |len, places: &[usize], width| beside(len, places, width).collect::<Vec<_>>();
        assert_eq!(seen(6, &[0, 4], 2), [0, 1, 3, 4]);
        assert_eq!(seen(6, &[1, 3], 2), [0, 1, 2, 3, 4]);
        assert_eq!(seen(4, &[0, 1, 3], 1), [0, 1, 2]);
        assert_eq!(seen(1, &[0], 1), Vec::<usize>::new());
    }

    #[test]
    fn counts_follow_the_merges() {
        let mut merger = Merger::new(vec![(vec![0, 1, 0, 1, 2], 3), (vec![1, 2], 4)]);
        assert_eq!(merger.best(1), Some((1, 2)), "7 times, (0, 1) 6 times");
        merger.merge((1, 2), 3);
        assert_eq!(merger.words[0].0, [0, 1, 0, 3]);
        // (0, 1), (1, 0) and (0, 3) are left 3 times each: the smaller ids are first.
        assert_eq!(merger.best(1), Some((0, 1)));
        assert_eq!(merger.best(4), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn kept_counts_are_those_of_the_words(
            words in proptest::collection::vec((proptest::collection::vec(0_u32..4, 0..12), 1_u64..5), 0..12), steps in 1_u32..20,
        ) {
            let mut merger = Merger::new(words);
            for token in 4..4 + steps {
                let Some(pair) = merger.best(1) else { break };
                let mut counts = HashMap::new();
                for (symbols, count) in &merger.words {
                    for two in symbols.windows(2) {
                        *counts.entry((two[0], two[1])).or_insert(0) += count;
                    }
                }
                let most = counts.values().max();
                proptest::prop_assert_eq!(counts.get(&pair), most);
                let first = counts.iter().filter(|(_, count)| Some(*count) == most).map(|(pair, _)| pair).min();
                proptest::prop_assert_eq!(Some(&pair), first);
                merger.merge(pair, token);
                proptest::prop_assert!(merger.words.iter().all(|(s, _)| s.windows(2).all(|two| (two[0], two[1]) != pair)));
            }
        }
    }
}
