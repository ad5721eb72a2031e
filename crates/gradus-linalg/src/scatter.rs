//! Rows of a matrix picked, written over, added to and compared by number: what gather, scatter and their gradients are made of.
//!
//! A row is `width` neighbouring elements; with `width = 1` rows are elements. Numbers are checked by the ops. Work is cut by the
//! shape alone: where a destination is written, each part of it belongs to one task, which takes its rows in the order given, so
//! sums have one order and of two writes to one row the later wins, for any number of threads.

use gradus_tensor::Element;

use crate::float::Float;
use crate::threads::{Rows, for_each_split};

/// Elements of one parallel task.
///
/// Measured for the sums of `reduce.rs`: 65536 elements in two tasks lose 1 %, 256000 gain 1.7x.
const CHUNK: usize = 65_536;
/// Parts that a destination is cut into where its rows come in any order.
const PARTS: usize = 16;

/// What happens to an element of the destination.
trait Write<T>: Send + Sync {
    fn write(to: &mut T, from: T);
}

struct Put;
struct Add;
struct Largest;
struct Smallest;

impl<T> Write<T> for Put {
    #[inline(always)]
    fn write(to: &mut T, from: T) {
        *to = from;
    }
}

impl<T: Float> Write<T> for Add {
    #[inline(always)]
    fn write(to: &mut T, from: T) {
        *to += from;
    }
}

impl<T: Float> Write<T> for Largest {
    #[inline(always)]
    fn write(to: &mut T, from: T) {
        *to = to.maximum(from);
    }
}

impl<T: Float> Write<T> for Smallest {
    #[inline(always)]
    fn write(to: &mut T, from: T) {
        *to = to.minimum(from);
    }
}

/// `dst[j] = x[rows[j]]` for rows of `width` elements.
pub fn take_rows<T: Element>(dst: &mut [T], x: &[T], rows: &[i64], width: usize) {
    debug_assert_eq!(dst.len(), rows.len() * width);
    if dst.is_empty() {
        return;
    }
    let parts = (Rows { data: dst, width }, rows);
    for_each_split(parts, (CHUNK / width).max(1), |_, (dst, rows)| {
        if width == 1 {
            for (d, &row) in dst.data.iter_mut().zip(rows) {
                *d = x[row as usize];
            }
            return;
        }
        for (d, &row) in dst.data.chunks_exact_mut(width).zip(rows) {
            d.copy_from_slice(&x[row as usize * width..][..width]);
        }
    });
}

/// One task: writes rows of `src` to a part of the destination whose first row has number `first`.
fn write_rows<'a, T: Element, W: Write<T>>(
    dst: &mut [T],
    first: usize,
    width: usize,
    rows: impl Iterator<Item = (&'a i64, &'a [T])>,
) {
    for (&row, from) in rows {
        let at = (row as usize - first) * width;
        for (to, &from) in dst[at..at + width].iter_mut().zip(from) {
            W::write(to, from);
        }
    }
}

/// Writes row `j` of `src` to row `rows[j]` of `dst`. Rows come in `groups` equal parts, each of which stays in its own part of `dst`.
fn scatter<T: Element, W: Write<T>>(
    dst: &mut [T],
    src: &[T],
    rows: &[i64],
    width: usize,
    groups: usize,
) {
    debug_assert_eq!(src.len(), rows.len() * width);
    if src.is_empty() {
        return;
    }
    if groups > 1 {
        debug_assert!(rows.len().is_multiple_of(groups) && dst.len().is_multiple_of(groups));
        let (dst_width, count) = (dst.len() / groups, rows.len() / groups);
        let parts = (
            Rows {
                data: dst,
                width: dst_width,
            },
            Rows {
                data: rows,
                width: count,
            },
            Rows {
                data: src,
                width: count * width,
            },
        );
        let block = (CHUNK / dst_width.max(count * width)).max(1);
        for_each_split(parts, block, |group, (dst, rows, src)| {
            let pairs = rows.data.iter().zip(src.data.chunks_exact(width));
            write_rows::<T, W>(dst.data, group * dst_width / width, width, pairs);
        });
        return;
    }
    if width < 8 || src.len() < CHUNK {
        let pairs = rows.iter().zip(src.chunks_exact(width));
        return write_rows::<T, W>(dst, 0, width, pairs);
    }
    let block = (dst.len() / width).div_ceil(PARTS);
    let (order, starts) = by_part(rows, block);
    for_each_split(Rows { data: dst, width }, block, |first, dst| {
        let part = first / block;
        let own = &order[starts[part]..starts[part + 1]];
        let pairs = own
            .iter()
            .map(|&j| (&rows[j], &src[j * width..(j + 1) * width]));
        write_rows::<T, W>(dst.data, first, width, pairs);
    });
}

/// The positions of `rows` sorted by `row / block`, in order within each part, and where each part begins.
fn by_part(rows: &[i64], block: usize) -> (Vec<usize>, [usize; PARTS + 1]) {
    let mut starts = [0; PARTS + 1];
    for &row in rows {
        starts[row as usize / block + 1] += 1;
    }
    for part in 0..PARTS {
        starts[part + 1] += starts[part];
    }
    let (mut next, mut order) = (starts, vec![0; rows.len()]);
    for (j, &row) in rows.iter().enumerate() {
        let slot = &mut next[row as usize / block];
        order[*slot] = j;
        *slot += 1;
    }
    (order, starts)
}

/// `dst[rows[j]] = src[j]` in order of `j`: of several writes to one row the last stays.
pub fn put_rows<T: Element>(dst: &mut [T], src: &[T], rows: &[i64], width: usize, groups: usize) {
    scatter::<T, Put>(dst, src, rows, width, groups);
}

/// `dst[rows[j]] += src[j]` in order of `j`.
pub fn add_rows<T: Float>(dst: &mut [T], src: &[T], rows: &[i64], width: usize, groups: usize) {
    scatter::<T, Add>(dst, src, rows, width, groups);
}

/// `dst[rows[j]] = max(dst[rows[j]], src[j])`; NaN wins.
pub fn max_rows<T: Float>(dst: &mut [T], src: &[T], rows: &[i64], width: usize, groups: usize) {
    scatter::<T, Largest>(dst, src, rows, width, groups);
}

/// `dst[rows[j]] = min(dst[rows[j]], src[j])`; NaN wins.
pub fn min_rows<T: Float>(dst: &mut [T], src: &[T], rows: &[i64], width: usize, groups: usize) {
    scatter::<T, Smallest>(dst, src, rows, width, groups);
}

/// Whether row `j` is the last that was written to its place: `count` rows in the destination.
pub fn is_last(dst: &mut [bool], rows: &[i64], count: usize) {
    let mut writer = vec![0; count];
    for (j, &row) in rows.iter().enumerate() {
        writer[row as usize] = j;
    }
    for (j, (d, &row)) in dst.iter_mut().zip(rows).enumerate() {
        *d = writer[row as usize] == j;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_testing::sample;

    /// Every path: elements and rows, few and many, in groups and not.
    #[test]
    fn same_as_one_row_after_the_other_for_any_number_of_threads() {
        for (count, taken, width, groups) in [
            (7, 20, 1, 1),
            (40, 9, 3, 1),
            (6, 6000, 40, 1),
            (3000, 6000, 16, 1),
            (120, 240, 1, 60),
            (900, 9000, 20, 300),
        ] {
            let per = (count / groups, taken / groups);
            let rows: Vec<i64> = (0..taken)
                .map(|j| (j / per.1 * per.0 + (j * 7919 + j / 3) % per.0) as i64)
                .collect();
            let src = sample(taken * width, 3);
            let start = sample(count * width, 4);
            let (mut put, mut add) = (start.clone(), start.clone());
            for (j, &row) in rows.iter().enumerate() {
                for i in 0..width {
                    put[row as usize * width + i] = src[j * width + i];
                    add[row as usize * width + i] += src[j * width + i];
                }
            }
            let picked: Vec<f64> = rows
                .iter()
                .flat_map(|&row| put[row as usize * width..][..width].to_vec())
                .collect();
            for threads in [1, 2, 4] {
                with_threads(threads, || {
                    let mut got = start.clone();
                    put_rows(&mut got, &src, &rows, width, groups);
                    assert!(got == put, "put {count} {taken} {width} {groups}");
                    let mut got = start.clone();
                    add_rows(&mut got, &src, &rows, width, groups);
                    assert!(got == add, "add {count} {taken} {width} {groups}");
                    let mut got = vec![0.0; picked.len()];
                    take_rows(&mut got, &put, &rows, width);
                    assert!(got == picked, "take {count} {taken} {width} {groups}");
                });
            }
        }
    }

    #[test]
    fn the_last_write_is_known() {
        let mut last = [false; 5];
        is_last(&mut last, &[2, 0, 2, 1, 0], 3);
        assert_eq!(last, [false, false, true, true, true]);
    }
}
