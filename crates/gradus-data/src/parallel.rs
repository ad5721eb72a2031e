//! Work over the samples of a data set on all cores, with an answer that does not depend on their number.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What `f` answers for each of `0..n`, where it answers, in order of the index.
pub(crate) fn map_indices<R: Send>(
    n: usize,
    f: impl Fn(usize) -> Option<R> + Sync,
) -> Vec<(usize, R)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return answers;
            }
            answers.extend(f(i).map(|answer| (i, answer)));
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(n.div_ceil(64));
    let mut answers = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut answers = work();
        for helper in helpers {
            match helper.join() {
                Ok(found) => answers.extend(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        answers
    });
    answers.sort_by_key(|(i, _)| *i);
    answers
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_complete_and_in_order() {
        let even = super::map_indices(1000, |i| (i % 2 == 0).then_some(i * i));
        assert_eq!(
            even,
            (0..1000).step_by(2).map(|i| (i, i * i)).collect::<Vec<_>>()
        );
        assert!(super::map_indices(0, Some).is_empty());
    }
}
