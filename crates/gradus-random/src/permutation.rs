//! Random permutations.

use crate::Rng;

/// A uniformly random order of `0..n`, a pure function of its arguments.
///
/// ```
/// let order = gradus_random::permutation(42, 0, 0, 5);
/// let mut sorted = order.clone();
/// sorted.sort();
/// assert_eq!(sorted, [0, 1, 2, 3, 4]);
/// assert_ne!(order, gradus_random::permutation(42, 0, 1, 5));
/// ```
pub fn permutation(seed: u64, stream: u64, step: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed, stream, step).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_orders_of_three_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for step in 0..6000 {
            *counts.entry(permutation(1, 2, step, 3)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|c| c.abs_diff(1000) < 130),
            "{counts:?}"
        );
    }
}
