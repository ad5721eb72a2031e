//! Dividing samples into two parts with the same share of every class.

use std::collections::BTreeMap;

use gradus_random::{permutation, stream_of};

use crate::error::{DataError, Result};

/// Two disjoint sets of indices that together are all, each ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StratifiedSplit {
    /// What remains, such as for training.
    pub kept: Vec<usize>,
    /// What was taken out, such as for validation.
    pub held_out: Vec<usize>,
}

/// Takes a `fraction` of the samples out, chosen at random, with the same share of every class as near as whole samples allow: shares
/// are rounded down, and the largest remainders get one more until the total is right. The last sample of a class is never taken.
///
/// Source: `sklearn.model_selection.train_test_split(stratify=…)`; remainders by Hamilton's method.
///
/// ```
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let split = gradus_data::stratified_split(&labels, 0.25, 42)?;
/// let held: Vec<i64> = split.held_out.iter().map(|&i| labels[i]).collect();
/// assert_eq!(held, [0, 1]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Argument`] unless `0 <= fraction < 1`.
pub fn stratified_split(labels: &[i64], fraction: f64, seed: u64) -> Result<StratifiedSplit> {
    if !(0.0..1.0).contains(&fraction) {
        let (what, argument, expected) = ("stratified split", "fraction", "at least 0 and below 1");
        return Err(DataError::Argument {
            what,
            argument,
            expected,
            got: fraction.to_string(),
        });
    }
    let mut classes = BTreeMap::<i64, Vec<usize>>::new();
    for (index, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    // Per class: how many are taken, and the remainder that waits for one more.
    let mut quotas: Vec<(usize, f64, usize)> = Vec::with_capacity(classes.len());
    for members in classes.values() {
        let share = members.len() as f64 * fraction;
        quotas.push((share.floor() as usize, share.fract(), members.len()));
    }
    let wanted = (labels.len() as f64 * fraction).round() as usize;
    let mut missing = wanted.saturating_sub(quotas.iter().map(|quota| quota.0).sum());
    let mut by_remainder: Vec<usize> = (0..quotas.len()).collect();
    by_remainder.sort_by(|&a, &b| quotas[b].1.total_cmp(&quotas[a].1).then(a.cmp(&b)));
    for class in by_remainder {
        let (taken, remainder, members) = &mut quotas[class];
        if missing > 0 && *remainder > 0.0 && *taken + 1 < *members {
            *taken += 1;
            missing -= 1;
        }
    }
    let mut held = vec![false; labels.len()];
    for (class, (members, quota)) in (0_u64..).zip(classes.values().zip(&quotas)) {
        let order = permutation(seed, stream_of("split.stratified"), class, members.len());
        order
            .iter()
            .take(quota.0)
            .for_each(|&i| held[members[i]] = true);
    }
    let (held_out, kept) = (0..labels.len()).partition(|&index| held[index]);
    Ok(StratifiedSplit { kept, held_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn parts_are_disjoint_complete_and_proportional(
            labels in proptest::collection::vec(0_i64..5, 0..200),
            fraction in 0.0_f64..0.99,
            seed in any::<u64>(),
        ) {
            let split = stratified_split(&labels, fraction, seed).unwrap();
            let mut all = [split.kept.clone(), split.held_out.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for class in 0..5 {
                let count = |part: &[usize]| part.iter().filter(|&&i| labels[i] == class).count();
                let (kept, held) = (count(&split.kept), count(&split.held_out));
                let share = (kept + held) as f64 * fraction;
                prop_assert!((held as f64 - share).abs() < 1.0 + 1e-9);
                prop_assert!(kept > 0 || held == 0);
            }
            prop_assert_eq!(&split, &stratified_split(&labels, fraction, seed).unwrap());
        }
    }

    #[test]
    fn the_choice_is_random_by_seed_and_bounds_are_checked() {
        let labels = vec![0; 100];
        let held = |seed| stratified_split(&labels, 0.2, seed).unwrap().held_out;
        assert_eq!(held(1).len(), 20);
        assert_ne!(held(1), held(2));
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(stratified_split(&labels, fraction, 0).is_err());
        }
    }
}
