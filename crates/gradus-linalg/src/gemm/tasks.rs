//! How the destination of a blocked product is cut into tasks for threads. The cutting may depend on their number, because the bits of such a
//! product do not depend on the cutting.

use std::ops::{Range, RangeInclusive};

use crate::threads::current_threads;

/// Tasks for each thread, so that none waits long for the last.
const PER_THREAD: usize = 4;

/// Parts of equal size, but for one unit, in both directions. A unit is what a kernel does not cut: the rows of a tile, the columns of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tasks {
    /// Units of rows and columns, at least one each.
    units: [usize; 2],
    /// Tasks from top to bottom and from left to right.
    parts: [usize; 2],
}

impl Tasks {
    /// `units` of rows and columns in tasks of at most `heights.end()` units of rows. For more than one thread there are some tasks for each of
    /// them, by cutting rows down to `heights.start()` and then columns into `most` parts at most: a task copies its rows of the left operand, and
    /// those of tasks side by side are the same.
    ///
    /// All threads get the same number of tasks where there are rows enough: with 9 equal ones, one of two threads waits for a tenth of the time.
    pub(super) fn new(
        units: [usize; 2],
        heights: RangeInclusive<usize>,
        most: usize,
        parallel: bool,
    ) -> Self {
        let threads = if parallel { current_threads() } else { 1 };
        Self::for_threads(units, heights, most, threads)
    }

    fn for_threads(
        [rows, columns]: [usize; 2],
        heights: RangeInclusive<usize>,
        most: usize,
        threads: usize,
    ) -> Self {
        let wanted = if threads > 1 { PER_THREAD * threads } else { 1 };
        let least = rows.div_ceil(*heights.end());
        let down = wanted.min(rows / heights.start()).max(least);
        let across = wanted.div_ceil(down).min(most).min(columns).max(1);
        let even = (down..=rows).find(|down| (down * across).is_multiple_of(threads));
        let down = even.filter(|&even| even - down < threads).unwrap_or(down);
        Self {
            units: [rows, columns],
            parts: [down, across],
        }
    }

    pub(super) fn count(&self) -> usize {
        self.parts[0] * self.parts[1]
    }

    /// The units of rows and columns of a task.
    pub(super) fn get(&self, index: usize) -> [Range<usize>; 2] {
        let [_, across] = self.parts;
        let places = [index / across, index % across];
        [0, 1].map(|side| {
            let (units, parts, place) = (self.units[side], self.parts[side], places[side]);
            place * units / parts..(place + 1) * units / parts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_belongs_to_one_task_of_the_allowed_height() {
        for (rows, columns) in [(1, 1), (1, 7), (3, 4), (43, 12), (171, 1), (64, 96)] {
            for (heights, most) in [(1..=1, 1), (2..=4, 3), (3..=17, 100)] {
                for threads in [1, 2, 3, 7, 16] {
                    let tasks = Tasks::for_threads([rows, columns], heights.clone(), most, threads);
                    let mut seen = vec![0; rows * columns];
                    for [down, across] in (0..tasks.count()).map(|index| tasks.get(index)) {
                        assert!((1..=*heights.end()).contains(&down.len()), "{tasks:?}");
                        assert!(!across.is_empty(), "{tasks:?}");
                        for row in down {
                            for column in across.clone() {
                                seen[row * columns + column] += 1;
                            }
                        }
                    }
                    assert!(seen.iter().all(|&times| times == 1), "{tasks:?}");
                    assert!(tasks.parts[1] <= most, "{tasks:?}");
                }
            }
        }
    }

    #[test]
    fn threads_get_equal_shares_where_rows_allow_it() {
        let shares =
            |units, heights, threads| Tasks::for_threads(units, heights, 100, threads).parts;
        // 2048 rows in tiles of 12, of which 21 fit a task.
        assert_eq!(shares([171, 12], 4..=21, 1), [9, 1]);
        assert_eq!(shares([171, 12], 4..=21, 2), [10, 1]);
        assert_eq!(shares([171, 12], 4..=21, 3), [12, 1]);
        // 768 rows, all of which would fit one.
        assert_eq!(shares([64, 12], 4..=64, 1), [1, 1]);
        assert_eq!(shares([64, 12], 4..=64, 2), [8, 1]);
        // Few rows, and three panels of columns for two threads.
        assert_eq!(shares([11, 3], 4..=10, 2), [2, 3]);
        assert_eq!(shares([1, 3], 1..=10, 2), [1, 3]);
    }
}
