//! Area under the ROC curve, by ranks.

use super::ranking::softmax_row;

/// Area under the ROC curve of `scores` for the rows where `positive` holds: the probability that a positive row scores above a negative
/// one, a tie counting one half (Mann-Whitney U with midranks; scikit-learn's `roc_auc_score`).
///
/// The rank sums are integers, so the result is exact but for the last division.
///
/// `None` if the slices differ in length, a score is NaN, or there is no positive or no negative row.
///
/// # Example
/// ```
/// use gradus_train::metrics::roc_auc;
/// assert_eq!(roc_auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), Some(0.75));
/// assert_eq!(roc_auc(&[0.1, 0.4], &[true, true]), None);
/// ```
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    if scores.len() != positive.len() || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    // `+ 0.0` turns -0 into 0, so that the total order agrees with `==`.
    let mut rows: Vec<(f64, bool)> = scores
        .iter()
        .map(|s| s + 0.0)
        .zip(positive.iter().copied())
        .collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut doubled_ranks = 0u128; // of the positives: twice the midrank is an integer
    let mut positives = 0u128;
    let mut below = 0u128; // rows before the group of equals
    for group in rows.chunk_by(|a, b| a.0 == b.0) {
        let size = group.len() as u128;
        let hits = group.iter().filter(|r| r.1).count() as u128;
        doubled_ranks += hits * (2 * below + size + 1);
        positives += hits;
        below += size;
    }
    let negatives = below - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let doubled_u = doubled_ranks - positives * (positives + 1);
    Some(doubled_u as f64 / (2 * positives * negatives) as f64)
}

/// Collects softmax probabilities row by row, then gives ROC-AUC.
///
/// Two classes: the AUC of class 1's probability. More: one-vs-rest, macro-averaged over all classes (`multi_class="ovr"`). It keeps
/// every probability (8 bytes each); past `limit` values it drops them all and the result is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct RocAuc {
    classes: usize,
    limit: usize,
    probabilities: Vec<f64>, // (N, C)
    labels: Vec<usize>,      // (N,)
    undefined: bool,
}

impl RocAuc {
    /// A collector for `classes` classes that keeps at most `limit` probabilities.
    pub fn new(classes: usize, limit: usize) -> Self {
        Self {
            classes,
            limit,
            probabilities: Vec::new(),
            labels: Vec::new(),
            undefined: classes < 2,
        }
    }

    /// Adds one row of logits and its label. A row of the wrong length, a label outside the classes or a NaN make the result undefined.
    pub fn add(&mut self, logits: &[f32], label: usize) {
        let full = self.probabilities.len().saturating_add(logits.len()) > self.limit;
        let bad = logits.len() != self.classes
            || label >= self.classes
            || logits.iter().any(|x| x.is_nan());
        if self.undefined || full || bad {
            self.undefined = true;
            self.probabilities = Vec::new();
            self.labels = Vec::new();
            return;
        }
        self.probabilities.extend(softmax_row(logits));
        self.labels.push(label);
    }

    /// One-vs-rest AUC of class `c`; `None` where it is undefined.
    pub fn of_class(&self, c: usize) -> Option<f64> {
        if self.undefined || c >= self.classes {
            return None;
        }
        let scores: Vec<f64> = self
            .probabilities
            .iter()
            .skip(c)
            .step_by(self.classes)
            .copied()
            .collect();
        let positive: Vec<bool> = self.labels.iter().map(|&l| l == c).collect();
        roc_auc(&scores, &positive)
    }

    /// The AUC (binary, or macro one-vs-rest); `None` if it is undefined: a class without examples, a NaN, too many rows.
    pub fn value(&self) -> Option<f64> {
        match self.classes {
            2 => self.of_class(1),
            n => self
                .per_class()
                .into_iter()
                .sum::<Option<f64>>()
                .map(|sum| sum / n as f64),
        }
    }

    /// [`RocAuc::of_class`] of every class.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        (0..self.classes).map(|c| self.of_class(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{RocAuc, roc_auc};

    /// The definition: share of (positive, negative) pairs in order, ties one half.
    fn by_pairs(scores: &[f64], positive: &[bool]) -> f64 {
        let of = |want: bool| {
            scores
                .iter()
                .zip(positive)
                .filter(move |(_, p)| **p == want)
                .map(|(s, _)| *s)
        };
        let wins: f64 = of(true)
            .flat_map(|p| {
                of(false).map(move |n| {
                    if p > n {
                        1.0
                    } else {
                        f64::from(u8::from(p == n)) / 2.0
                    }
                })
            })
            .sum();
        wins / (of(true).count() * of(false).count()) as f64
    }

    #[test]
    fn matches_the_definition_by_pairs() {
        for seed in 0..20u32 {
            let scores: Vec<f64> = (0..60u32)
                .map(|i| f64::from((i * i + seed * 7 + i * seed) % 11))
                .collect();
            let positive: Vec<bool> = (0..60u32).map(|i| (i * 13 + seed) % 3 == 0).collect();
            let auc = roc_auc(&scores, &positive).expect("both classes are there");
            assert!((auc - by_pairs(&scores, &positive)).abs() < 1e-14);
        }
    }

    #[test]
    fn ends_and_ties() {
        assert_eq!(roc_auc(&[1.0, 2.0], &[false, true]), Some(1.0));
        assert_eq!(roc_auc(&[1.0, 2.0], &[true, false]), Some(0.0));
        assert_eq!(roc_auc(&[0.0, -0.0], &[true, false]), Some(0.5));
        assert_eq!(
            roc_auc(&[3.0; 5], &[true, false, true, false, false]),
            Some(0.5)
        );
        assert_eq!(roc_auc(&[1.0, f64::INFINITY], &[false, true]), Some(1.0));
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(roc_auc(&[], &[]), None);
        assert_eq!(roc_auc(&[1.0], &[true]), None);
        assert_eq!(roc_auc(&[1.0, f64::NAN], &[true, false]), None);
        assert_eq!(roc_auc(&[1.0], &[true, false]), None);
        let rows: [([f32; 3], usize); 2] = [([1.0, 0.0, 0.0], 0), ([0.0, 1.0, 0.0], 1)];
        let mut auc = RocAuc::new(3, 100);
        rows.iter().for_each(|(r, l)| auc.add(r, *l));
        assert_eq!(auc.value(), None); // class 2 is missing
        assert_eq!(auc.of_class(0), Some(1.0));
        let mut full = RocAuc::new(3, 5);
        rows.iter().for_each(|(r, l)| full.add(r, *l));
        assert_eq!(full.of_class(0), None); // over the limit
    }
}
