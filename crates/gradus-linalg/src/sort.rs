//! Order statistics of rows: sorting, the k first, the k-th, the most frequent, and searches in sorted rows.
//!
//! Elements of any dtype become i64 keys of the same order ([`Ranked`]), so each algorithm is compiled once. NaN ranks above all
//! numbers, as in PyTorch, -0 and +0 are equal, and equal elements keep their order: results are unique, and the same for any
//! number of threads.

use gradus_tensor::{Element, bf16, f16};
use rayon::slice::ParallelSliceMut;

use crate::threads::{Rows, current_threads, for_each_split};

/// Elements of one parallel task.
///
/// Measured for the sums of `reduce.rs`: 65536 elements in two tasks lose 1 %, 256000 gain 1.7x. Sorting costs ten times as much.
const CHUNK: usize = 8_192;

/// Elements with an order that a key of i64 has, too.
pub trait Ranked: Element {
    /// The key: larger for larger elements, the largest of the dtype for NaN.
    fn rank(self) -> i64;
}

/// The key of NaN of [`Ranked`] floats of at most 32 bits.
pub const NAN_NARROW: i64 = i32::MAX as i64;
/// The key of NaN of f64.
pub const NAN_WIDE: i64 = i64::MAX;

impl Ranked for f32 {
    #[inline(always)]
    fn rank(self) -> i64 {
        if self.is_nan() {
            return NAN_NARROW;
        }
        // Adding 0 makes -0 to +0; negative floats are ordered the other way round.
        let bits = (self + 0.0).to_bits() as i32;
        i64::from(bits ^ (((bits >> 31) as u32) >> 1) as i32)
    }
}

impl Ranked for f64 {
    #[inline(always)]
    fn rank(self) -> i64 {
        if self.is_nan() {
            return NAN_WIDE;
        }
        let bits = (self + 0.0).to_bits() as i64;
        bits ^ (((bits >> 63) as u64) >> 1) as i64
    }
}

impl Ranked for bf16 {
    #[inline(always)]
    fn rank(self) -> i64 {
        self.to_f32().rank()
    }
}

impl Ranked for f16 {
    #[inline(always)]
    fn rank(self) -> i64 {
        self.to_f32().rank()
    }
}

impl Ranked for i64 {
    #[inline(always)]
    fn rank(self) -> i64 {
        self
    }
}

impl Ranked for u8 {
    #[inline(always)]
    fn rank(self) -> i64 {
        i64::from(self)
    }
}

impl Ranked for bool {
    #[inline(always)]
    fn rank(self) -> i64 {
        i64::from(self)
    }
}

/// The keys of a slice.
pub fn keys<T: Ranked>(dst: &mut [i64], x: &[T]) {
    for_each_split((dst, x), CHUNK * 8, |_, (dst, x)| {
        dst.iter_mut().zip(x).for_each(|(d, x)| *d = x.rank());
    });
}

/// A key and the index of its element in one number, so that comparing is one instruction and equal keys keep their order.
trait Packed: Copy + Ord + Send {
    fn pack(key: i64, index: usize) -> Self;
    fn index(self) -> i64;
    fn key(self) -> i64;
}

/// Keys of 32 bits.
impl Packed for u64 {
    #[inline(always)]
    fn pack(key: i64, index: usize) -> Self {
        (((key as u64) & 0xffff_ffff) ^ 0x8000_0000) << 32 | index as u64
    }
    #[inline(always)]
    fn index(self) -> i64 {
        (self & 0xffff_ffff) as i64
    }
    #[inline(always)]
    fn key(self) -> i64 {
        i64::from(((self >> 32) ^ 0x8000_0000) as u32 as i32)
    }
}

impl Packed for u128 {
    #[inline(always)]
    fn pack(key: i64, index: usize) -> Self {
        Self::from(key as u64 ^ 1 << 63) << 64 | index as Self
    }
    #[inline(always)]
    fn index(self) -> i64 {
        self as i64
    }
    #[inline(always)]
    fn key(self) -> i64 {
        ((self >> 64) as u64 ^ 1 << 63) as i64
    }
}

/// What is done with a row: `(dst row, packed row)`.
type Job<'a, P> = &'a (dyn Fn(&mut [i64], &mut [P]) + Sync);

/// Packs each row of `cols` keys (turned round if `descending`) and gives it to `job` with its part of `dst`.
fn each_row<P: Packed>(
    dst: &mut [i64],
    keys: &[i64],
    cols: usize,
    descending: bool,
    job: Job<'_, P>,
) {
    if cols == 0 || keys.is_empty() || dst.is_empty() {
        return;
    }
    let width = dst.len() / (keys.len() / cols);
    let flip = if descending { -1 } else { 0 };
    let parts = (
        Rows { data: dst, width },
        Rows {
            data: keys,
            width: cols,
        },
    );
    for_each_split(parts, (CHUNK / cols).max(1), |_, (dst, keys)| {
        let mut packed: Vec<P> = Vec::with_capacity(cols);
        let rows = dst.data.chunks_exact_mut(width);
        for (dst, keys) in rows.zip(keys.data.chunks_exact(cols)) {
            packed.clear();
            packed.extend((0..).zip(keys).map(|(i, &key)| P::pack(key ^ flip, i)));
            job(dst, &mut packed);
        }
    });
}

/// Whether keys of at most 32 bits and the indices of a row fit a u64 together.
fn fits(narrow: bool, cols: usize) -> bool {
    narrow && u32::try_from(cols).is_ok()
}

/// Sorts; a long row is sorted by all threads. Packed keys differ, so the result is unique.
fn sort_packed<P: Packed>(row: &mut [P]) {
    if row.len() > 4 * CHUNK && current_threads() > 1 {
        row.par_sort_unstable();
    } else {
        row.sort_unstable();
    }
}

fn write_indices<P: Packed>(dst: &mut [i64], row: &[P]) {
    dst.iter_mut()
        .zip(row)
        .for_each(|(d, packed)| *d = packed.index());
}

/// The first `k` indices of each row of `cols` keys in sorted order; all of them if `k` is `cols`. `narrow` keys have 32 bits.
pub fn argsort(
    dst: &mut [i64],
    keys: &[i64],
    cols: usize,
    k: usize,
    narrow: bool,
    descending: bool,
) {
    fn run<P: Packed>(dst: &mut [i64], row: &mut [P]) {
        let k = dst.len();
        if k < row.len() {
            row.select_nth_unstable(k - 1);
        }
        sort_packed(&mut row[..k]);
        write_indices(dst, row);
    }
    debug_assert!(k <= cols && dst.len() * cols == keys.len() * k);
    if fits(narrow, cols) {
        each_row::<u64>(dst, keys, cols, descending, &run);
    } else {
        each_row::<u128>(dst, keys, cols, descending, &run);
    }
}

/// The index of the element of each row that has `k` before it in sorted order.
pub fn kth(dst: &mut [i64], keys: &[i64], cols: usize, k: usize, narrow: bool) {
    fn run<P: Packed>(dst: &mut [i64], row: &mut [P], k: usize) {
        dst[0] = row.select_nth_unstable(k).1.index();
    }
    debug_assert!(k < cols);
    if fits(narrow, cols) {
        each_row::<u64>(dst, keys, cols, false, &|dst, row| run(dst, row, k));
    } else {
        each_row::<u128>(dst, keys, cols, false, &|dst, row| run(dst, row, k));
    }
}

/// The index of the median of each row, the lower one of two: the first NaN if there is one, or, if NaN is skipped, the median of
/// the numbers (the first NaN if there are none).
pub fn median(dst: &mut [i64], keys: &[i64], cols: usize, nan: i64, skip_nan: bool) {
    fn run<P: Packed>(dst: &mut [i64], row: &mut [P], nan: i64, skip_nan: bool) {
        let numbers = row.iter().filter(|packed| packed.key() != nan).count();
        let k = match numbers {
            n if n == row.len() || skip_nan && n > 0 => (n - 1) / 2,
            // In sorted order the first NaN follows the numbers.
            n => n,
        };
        dst[0] = row.select_nth_unstable(k).1.index();
    }
    if fits(nan == NAN_NARROW, cols) {
        each_row::<u64>(dst, keys, cols, false, &|dst, row| {
            run(dst, row, nan, skip_nan)
        });
    } else {
        each_row::<u128>(dst, keys, cols, false, &|dst, row| {
            run(dst, row, nan, skip_nan)
        });
    }
}

/// The index of the most frequent element of each row: of equally frequent ones the smallest, its last place.
pub fn mode(dst: &mut [i64], keys: &[i64], cols: usize, narrow: bool) {
    fn run<P: Packed>(dst: &mut [i64], row: &mut [P]) {
        sort_packed(row);
        let mut most = 0;
        for equal in row.chunk_by(|a, b| a.key() == b.key()) {
            if equal.len() > most {
                most = equal.len();
                dst[0] = equal[equal.len() - 1].index();
            }
        }
    }
    if fits(narrow, cols) {
        each_row::<u64>(dst, keys, cols, false, &run);
    } else {
        each_row::<u128>(dst, keys, cols, false, &run);
    }
}

/// Where each of `per_row` values of a row would stand in the row of `cols` sorted keys: before equal ones, or behind if `right`.
/// With one row of sorted keys all values are looked for in it. `order` gives the sorted order of keys that are not.
pub fn searchsorted(
    dst: &mut [i64],
    sorted: &[i64],
    order: Option<&[i64]>,
    values: &[i64],
    cols: usize,
    per_row: usize,
    right: bool,
) {
    for_each_split((dst, values), CHUNK, |start, (dst, values)| {
        for (i, (d, &value)) in dst.iter_mut().zip(values).enumerate() {
            let row = if sorted.len() == cols {
                0
            } else {
                (start + i) / per_row * cols
            };
            let (mut low, mut high) = (0, cols);
            while low < high {
                let middle = low + (high - low) / 2;
                let at = order.map_or(middle, |order| order[row + middle] as usize);
                let key = sorted[row + at];
                if key < value || right && key == value {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            *d = low as i64;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_testing::sample;

    #[test]
    fn keys_have_the_order_of_their_elements() {
        let order = [
            f64::NEG_INFINITY,
            -1e300,
            -1.5,
            -1e-310,
            0.0,
            1e-310,
            2.0,
            1e300,
            f64::INFINITY,
            f64::NAN,
        ];
        for pair in order.windows(2) {
            assert!(pair[0].rank() < pair[1].rank(), "{pair:?}");
            let narrow = [pair[0] as f32, pair[1] as f32];
            assert!(narrow[0].rank() <= narrow[1].rank(), "{pair:?}");
        }
        assert_eq!((-0.0_f64).rank(), 0.0_f64.rank());
        assert_eq!((-0.0_f32).rank(), 0.0_f32.rank());
        assert_eq!((-f64::NAN).rank(), NAN_WIDE);
        for key in [i64::MIN, -1, 0, 5, i64::MAX] {
            let packed = <u128 as Packed>::pack(key, 77);
            assert_eq!((packed.key(), packed.index()), (key, 77));
        }
        for key in [i64::from(i32::MIN), -1, 0, 5, NAN_NARROW] {
            let packed = <u64 as Packed>::pack(key, 77);
            assert_eq!((packed.key(), packed.index()), (key, 77));
        }
    }

    #[test]
    fn sorting_is_stable_and_the_same_for_any_number_of_threads() {
        for (rows, cols) in [(1, 100_000), (300, 400), (5, 1), (1, 7)] {
            let x: Vec<f64> = sample(rows * cols, 5)
                .iter()
                .map(|x| (x * 50.0).round())
                .collect();
            let (mut wide, mut narrow) = (vec![0; x.len()], vec![0; x.len()]);
            keys(&mut wide, &x);
            keys(
                &mut narrow,
                &x.iter().map(|&x| x as f32).collect::<Vec<_>>(),
            );
            for descending in [false, true] {
                let mut want: Vec<i64> = Vec::new();
                for row in x.chunks(cols) {
                    let mut order: Vec<usize> = (0..cols).collect();
                    order.sort_by(|&a, &b| {
                        let order = row[a].partial_cmp(&row[b]).unwrap(); // -0 equals +0
                        if descending { order.reverse() } else { order }
                    });
                    want.extend(order.iter().map(|&i| i as i64));
                }
                for threads in [1, 4] {
                    let mut got = vec![0; x.len()];
                    with_threads(threads, || {
                        argsort(&mut got, &wide, cols, cols, false, descending)
                    });
                    assert!(got == want);
                    with_threads(threads, || {
                        argsort(&mut got, &narrow, cols, cols, true, descending)
                    });
                    assert!(got == want);
                }
            }
        }
    }

    #[test]
    fn places_in_sorted_rows() {
        let sorted = [1, 3, 3, 7];
        let mut at = [0; 5];
        searchsorted(&mut at, &sorted, None, &[0, 3, 4, 7, 9], 4, 5, false);
        assert_eq!(at, [0, 1, 3, 3, 4]);
        searchsorted(&mut at, &sorted, None, &[0, 3, 4, 7, 9], 4, 5, true);
        assert_eq!(at, [0, 3, 3, 4, 4]);
        searchsorted(
            &mut at,
            &[3, 7, 1, 3],
            Some(&[2, 0, 3, 1]),
            &[0, 3, 4, 7, 9],
            4,
            5,
            true,
        );
        assert_eq!(at, [0, 3, 3, 4, 4]);
    }
}
