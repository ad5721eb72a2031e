//! All ways to divide a word into pieces, with their likelihood.

use super::keys::{KeyMap, key};

/// Pieces by their characters: a tree with a character on each edge.
pub(super) struct Trie {
    /// Where an edge leads. Looked up, never walked.
    edges: KeyMap<u32>,
    /// The piece that ends at each node.
    ends: Vec<Option<u32>>,
}

impl Trie {
    pub(super) fn new<'a>(pieces: impl Iterator<Item = &'a [char]>) -> Self {
        let mut trie = Self {
            edges: KeyMap::default(),
            ends: vec![None],
        };
        for (number, piece) in (0..).zip(pieces) {
            let mut node = 0;
            for &c in piece {
                let next = trie.ends.len() as u32; // fewer nodes than characters of the pieces, of which there are at most 2^24
                node = *trie.edges.entry(key(node, u32::from(c))).or_insert(next);
                if node == next {
                    trie.ends.push(None);
                }
            }
            trie.ends[node as usize] = Some(number);
        }
        trie
    }

    /// The pieces that begin a text, the shortest first, as (length, piece).
    fn at<'a>(&'a self, text: &'a [char]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut node = 0;
        let nodes = text.iter().map_while(move |&c| {
            node = *self.edges.get(&key(node, u32::from(c)))?;
            Some(node)
        });
        nodes
            .enumerate()
            .filter_map(|(i, node)| self.ends[node as usize].map(|piece| (i + 1, piece as usize)))
    }
}

fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

/// Adds to `expected` how often each piece is expected in a word that occurs `count` times. Pieces must be able to write the word.
pub(super) fn expect(trie: &Trie, scores: &[f64], word: &[char], count: f64, expected: &mut [f64]) {
    let n = word.len();
    let mut before = vec![f64::NEG_INFINITY; n + 1];
    before[0] = 0.0;
    for start in 0..n {
        for (length, piece) in trie.at(&word[start..]) {
            let way = before[start] + scores[piece];
            before[start + length] = log_add(before[start + length], way);
        }
    }
    let total = before[n];
    let mut after = vec![f64::NEG_INFINITY; n + 1];
    after[n] = 0.0;
    for start in (0..n).rev() {
        for (length, piece) in trie.at(&word[start..]) {
            let way = after[start + length] + scores[piece];
            after[start] = log_add(after[start], way);
            let share = before[start] + way - total;
            if share.is_finite() {
                expected[piece] += count * share.exp();
            }
        }
    }
}

/// The most likely pieces of a word, without `forbidden`; empty if there are none. Of equal ways the one with the shorter last piece.
pub(super) fn best(
    trie: &Trie,
    scores: &[f64],
    word: &[char],
    forbidden: Option<usize>,
) -> Vec<usize> {
    let n = word.len();
    // For each end: the score, and the piece that leads there.
    let mut ways: Vec<(f64, Option<(usize, usize)>)> = vec![(f64::NEG_INFINITY, None); n + 1];
    ways[0].0 = 0.0;
    for start in 0..n {
        let score = ways[start].0;
        if score == f64::NEG_INFINITY {
            continue;
        }
        for (length, piece) in trie.at(&word[start..]) {
            let end = start + length;
            if Some(piece) != forbidden && score + scores[piece] >= ways[end].0 {
                ways[end] = (score + scores[piece], Some((start, piece)));
            }
        }
    }
    let mut pieces = Vec::new();
    let mut at = n;
    while let Some((start, piece)) = ways[at].1 {
        pieces.push(piece);
        at = start;
    }
    if at != 0 {
        return vec![];
    }
    pieces.reverse();
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to divide a word, as pieces.
    fn all(pieces: &[Vec<char>], word: &[char]) -> Vec<Vec<usize>> {
        if word.is_empty() {
            return vec![vec![]];
        }
        let fits = pieces
            .iter()
            .enumerate()
            .filter(|(_, p)| word.starts_with(p));
        fits.flat_map(|(i, piece)| {
            let rest = all(pieces, &word[piece.len()..]);
            rest.into_iter().map(move |rest| [vec![i], rest].concat())
        })
        .collect()
    }

    #[test]
    fn expectations_and_the_best_way_are_those_of_all_ways() {
        let pieces: Vec<Vec<char>> = ["a", "b", "ab", "ba", "aba", "春", "春a"]
            .map(|p| p.chars().collect())
            .to_vec();
        let scores = [-1.0, -1.5, -2.0, -2.2, -3.0, -2.5, -3.1];
        let trie = Trie::new(pieces.iter().map(Vec::as_slice));
        for word in ["a", "abab", "ababa春ab", "春aba"] {
            let word: Vec<char> = word.chars().collect();
            let ways = all(&pieces, &word);
            let score = |way: &[usize]| way.iter().map(|&i| scores[i]).sum::<f64>();
            let total: f64 = ways.iter().map(|way| score(way).exp()).sum();
            let mut expected = [0.0; 7];
            for way in &ways {
                way.iter()
                    .for_each(|&i| expected[i] += 2.0 * score(way).exp() / total);
            }
            let mut got = [0.0; 7];
            expect(&trie, &scores, &word, 2.0, &mut got);
            let near = expected
                .iter()
                .zip(&got)
                .all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near, "{expected:?} {got:?}");
            let most = ways
                .iter()
                .map(|way| score(way))
                .fold(f64::NEG_INFINITY, f64::max);
            let found = best(&trie, &scores, &word, None);
            assert!(ways.contains(&found) && (score(&found) - most).abs() < 1e-12);
        }
        assert_eq!(best(&trie, &scores, &['a', 'b'], Some(2)), [0, 1]);
        assert_eq!(best(&trie, &scores, &['x'], None), Vec::<usize>::new());
    }
}
