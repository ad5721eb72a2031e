//! A unigram language model of pieces: from many pieces down to the wanted number, leaving out those whose loss costs the likelihood least.
//!
//! Source: Kudo 2018, arXiv:1804.10959, and SentencePiece's trainer, whose constants these are: expectations below 0.5 are dropped, a quarter of the pieces goes in a
//! round, and the last rounds end at 1.1 times the wanted number.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::thread;

use serde_json::{Value, json};

use super::corpus::Words;
use super::lattice::{self, Trie};
use super::{TrainerConfig, json};
use crate::error::Result;

/// Characters of the longest piece.
const LONGEST: usize = 16;
/// Pieces to begin with.
const MOST_SEEDS: usize = 1_000_000;
/// Parts of the words that are summed alone: always as many, so that threads cannot change a sum.
const PARTS: usize = 8;

type Piece = (Vec<char>, f64);
type Word = (Vec<char>, u64);

/// Trains the pieces.
pub(super) fn train(config: &TrainerConfig, words: &Words) -> Result<Value> {
    let room = config.room(1)?;
    let (words, characters) = known_words(words, room);
    let mut pieces = seeds(&words, &characters);
    let goal = room.saturating_add(room / 10);
    loop {
        for _ in 0..2 {
            pieces = improved(pieces, &words, &characters);
        }
        if pieces.len() <= goal {
            break;
        }
        pieces = pruned(pieces, &words, goal);
    }
    let special = config.special();
    let unk = config.unk();
    let unk_id = special.iter().position(|token| Some(token) == unk.as_ref());
    let mut vocab: Vec<(String, f64)> = special.into_iter().map(|token| (token, 0.0)).collect();
    for (piece, score) in chosen(pieces, room) {
        let text: String = piece.into_iter().collect();
        if !vocab
            .iter()
            .take(config.special().len())
            .any(|(token, _)| *token == text)
        {
            // Six digits are more than the counts carry.
            vocab.push((text, (score * 1e6).round() / 1e6));
        }
    }
    let model =
        json!({ "type": "Unigram", "unk_id": unk_id, "vocab": vocab, "byte_fallback": false });
    Ok(json::frame(config, model))
}

/// The words as characters, cut where a character does not fit into the vocabulary, and the characters that do: the most frequent.
fn known_words(words: &Words, room: usize) -> (Vec<Word>, BTreeMap<char, u64>) {
    let mut counts = BTreeMap::<char, u64>::new();
    for (word, count) in words {
        word.chars()
            .for_each(|c| *counts.entry(c).or_insert(0) += count);
    }
    let mut ordered: Vec<(char, u64)> = counts.into_iter().collect();
    ordered.sort_by_key(|&(c, count)| (Reverse(count), c));
    ordered.truncate(room);
    let known: BTreeMap<char, u64> = ordered.into_iter().collect();
    let mut cut = BTreeMap::<Vec<char>, u64>::new();
    for (word, count) in words {
        let word: Vec<char> = word.chars().collect();
        let parts = word.split(|c| !known.contains_key(c));
        for part in parts.filter(|part| !part.is_empty()) {
            *cut.entry(part.to_vec()).or_insert(0) += count;
        }
    }
    (cut.into_iter().collect(), known)
}

/// All characters, and the parts of words that occur at least twice and are not always followed by the same character, by count times length.
fn seeds(words: &[Word], characters: &BTreeMap<char, u64>) -> Vec<Piece> {
    let mut scored: Vec<(u64, &[char])> = Vec::new();
    // Parts of the length before that occur at least twice, with their counts. Looked up; what is taken from it is sorted below.
    let mut shorter: HashMap<&[char], u64> = HashMap::new();
    for length in 2..=LONGEST {
        let mut counts: HashMap<&[char], u64> = HashMap::new();
        for (word, count) in words {
            for part in word.windows(length) {
                // A frequent part has frequent parts.
                let frequent = |part: &[char]| length == 2 || shorter.contains_key(part);
                if frequent(&part[1..]) && frequent(&part[..length - 1]) {
                    *counts.entry(part).or_insert(0) += count;
                }
            }
        }
        counts.retain(|_, count| *count >= 2);
        let implied: HashSet<&[char]> = counts
            .iter()
            .map(|(part, count)| (&part[..length - 1], count))
            .filter(|(start, count)| shorter.get(start) == Some(count))
            .map(|(start, _)| start)
            .collect();
        take(&mut scored, &shorter, &implied);
        if counts.is_empty() {
            shorter = counts;
            break;
        }
        shorter = counts;
    }
    take(&mut scored, &shorter, &HashSet::new());
    scored.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.truncate(MOST_SEEDS.saturating_sub(characters.len()));
    let single = characters
        .iter()
        .map(|(&c, &count)| (vec![c], count as f64));
    let longer = scored
        .into_iter()
        .map(|(score, part)| (part.to_vec(), score as f64));
    let mut pieces: Vec<Piece> = single.chain(longer).collect();
    let sum: f64 = pieces.iter().map(|piece| piece.1).sum();
    pieces
        .iter_mut()
        .for_each(|piece| piece.1 = (piece.1 / sum).ln());
    pieces
}

/// Adds parts to the seeds, but for those that a longer part implies.
fn take<'a>(
    scored: &mut Vec<(u64, &'a [char])>,
    parts: &HashMap<&'a [char], u64>,
    implied: &HashSet<&[char]>,
) {
    let fresh = parts.iter().filter(|(part, _)| !implied.contains(*part));
    scored.extend(fresh.map(|(&part, &count)| (count * part.len() as u64, part)));
}

/// Runs `work` on fixed parts of the words, on several threads, and gives the results in order.
fn in_parts<T: Send>(words: &[Word], work: impl Fn(&[Word]) -> T + Sync) -> Vec<T> {
    let work = &work;
    let share = words.len().div_ceil(PARTS).max(1);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<&[Word]> = words.chunks(share).collect();
    let mut results = Vec::with_capacity(parts.len());
    for group in parts.chunks(threads) {
        results.extend(thread::scope(|scope| {
            let running: Vec<_> = group
                .iter()
                .map(|part| scope.spawn(move || work(part)))
                .collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<T>>()
        }));
    }
    results
}

/// Adds up the parts' vectors in order.
fn summed(parts: Vec<Vec<f64>>, len: usize) -> Vec<f64> {
    let mut sums = vec![0.0; len];
    for part in parts {
        sums.iter_mut()
            .zip(part)
            .for_each(|(sum, value)| *sum += value);
    }
    sums
}

fn scores_of(pieces: &[Piece]) -> (Trie, Vec<f64>) {
    let trie = Trie::new(pieces.iter().map(|piece| piece.0.as_slice()));
    (trie, pieces.iter().map(|piece| piece.1).collect())
}

/// A step of expectation and maximisation. Characters stay, whatever is expected of them.
fn improved(pieces: Vec<Piece>, words: &[Word], characters: &BTreeMap<char, u64>) -> Vec<Piece> {
    let (trie, scores) = scores_of(&pieces);
    let expected = in_parts(words, |part| {
        let mut expected = vec![0.0; pieces.len()];
        for (word, count) in part {
            lattice::expect(&trie, &scores, word, *count as f64, &mut expected);
        }
        expected
    });
    let expected = summed(expected, pieces.len());
    let needed = |piece: &[char]| matches!(piece, [c] if characters.contains_key(c));
    let kept = pieces.into_iter().zip(expected);
    let mut kept: Vec<Piece> = kept
        .map(|((piece, _), count)| (piece, count))
        .filter(|(piece, count)| *count >= 0.5 || needed(piece))
        .collect();
    // A character that longer pieces have replaced keeps the least that any other piece has.
    kept.iter_mut().for_each(|piece| piece.1 = piece.1.max(0.5));
    let sum: f64 = kept.iter().map(|piece| piece.1).sum();
    let all = digamma(sum);
    kept.iter_mut()
        .for_each(|piece| piece.1 = digamma(piece.1) - all);
    kept
}

/// The derivative of ln Γ, by its recurrence and then its asymptotic series.
fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < 7.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    x -= 0.5;
    let xx = 1.0 / (x * x);
    result + x.ln() + xx / 24.0 - 7.0 / 960.0 * xx * xx + 31.0 / 8064.0 * xx * xx * xx
        - 127.0 / 30720.0 * xx * xx * xx * xx
}

/// Leaves out the pieces whose loss costs the likelihood least: a quarter of them, but not more than down to `goal`.
fn pruned(pieces: Vec<Piece>, words: &[Word], goal: usize) -> Vec<Piece> {
    let (trie, scores) = scores_of(&pieces);
    let counts = in_parts(words, |part| {
        let mut counts = vec![0.0; pieces.len()];
        for (word, count) in part {
            for piece in lattice::best(&trie, &scores, word, None) {
                counts[piece] += *count as f64;
            }
        }
        counts
    });
    let counts = summed(counts, pieces.len());
    let sum: f64 = counts.iter().sum();
    // What keeping each piece is worth; characters cannot be left out.
    let mut worth: Vec<(f64, usize)> = Vec::with_capacity(pieces.len());
    for (number, (piece, _)) in pieces.iter().enumerate() {
        let count = counts[number];
        let value = if piece.len() == 1 {
            f64::INFINITY
        } else if count == 0.0 {
            f64::NEG_INFINITY
        } else {
            let instead = lattice::best(&trie, &scores, piece, Some(number));
            let new_sum = (sum + count * (instead.len() as f64 - 1.0)).ln();
            let likelihood = |other: &usize| (counts[*other] + count).ln() - new_sum;
            let without: f64 = instead.iter().map(likelihood).sum();
            count / sum * (count.ln() - sum.ln() - without)
        };
        worth.push((value, number));
    }
    worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    worth.truncate((pieces.len() * 3 / 4).max(goal));
    let mut kept: Vec<usize> = worth
        .into_iter()
        .filter(|(value, _)| *value > f64::NEG_INFINITY)
        .map(|(_, number)| number)
        .collect();
    kept.sort_unstable();
    let mut pieces: Vec<Option<Piece>> = pieces.into_iter().map(Some).collect();
    kept.into_iter()
        .filter_map(|number| pieces[number].take())
        .collect()
}

/// The characters, and the most likely of the other pieces that have room, by likelihood.
fn chosen(pieces: Vec<Piece>, room: usize) -> Vec<Piece> {
    let (characters, mut longer): (Vec<Piece>, Vec<Piece>) =
        pieces.into_iter().partition(|piece| piece.0.len() == 1);
    let order = |a: &Piece, b: &Piece| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    longer.sort_by(order);
    longer.truncate(room.saturating_sub(characters.len()));
    let mut all = [characters, longer].concat();
    all.sort_by(order);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digamma_is_that_of_the_tables() {
        // Abramowitz and Stegun, tables 6.1 and 6.3.
        for (x, expected) in [
            (1.0, -0.577_215_664_9),
            (0.5, -1.963_510_026_0),
            (10.0, 2.251_752_589_1),
        ] {
            assert!((digamma(x) - expected).abs() < 1e-8, "{x}");
        }
    }

    #[test]
    fn seeds_are_the_parts_that_occur_twice_and_say_something() {
        let words: Vec<Word> = [("abcx", 2), ("abcy", 1), ("z", 5)]
            .map(|(word, count)| (word.chars().collect(), count))
            .to_vec();
        let (words_again, characters) = known_words(
            &words
                .iter()
                .map(|(w, n)| (w.iter().collect(), *n))
                .collect(),
            100,
        );
        assert_eq!(words_again, words);
        let texts: Vec<String> = seeds(&words, &characters)
            .into_iter()
            .map(|(piece, _)| piece.into_iter().collect())
            .collect();
        // "ab" is always followed by "c": it says no more than "abc". "abcx" occurs twice, "abcy" once.
        assert_eq!(
            texts,
            [
                "a", "b", "c", "x", "y", "z", "abc", "abcx", "bc", "bcx", "cx"
            ]
        );
    }
}
