//! Copies of strided tensors into row-major order, in parallel and by tiles where the layout is transposed.

use gradus_tensor::{Element, View};

use crate::elementwise::{CHUNK, map1};
use crate::reader::{Dims, Reader};
use crate::threads::for_each_split;

/// Side of a tile along the axis that is contiguous in the source: one cache line of f32.
const LONG: usize = 16;
/// Side of a tile along the other axis: as many lines as one set of the first-level cache holds.
const SHORT: usize = 8;

/// `dst` gets the elements of `x` in row-major order; transposed layouts are read by tiles.
pub fn copy<T: Element>(dst: &mut [T], x: View<'_, T>) {
    debug_assert_eq!(dst.len(), x.shape().numel());
    let layout = Dims::of(x.layout());
    if is_transposed(&layout) {
        for_each_split(dst, CHUNK, |start, d| {
            pack(d, x.data(), layout, x.offset() as isize, start)
        });
    } else {
        map1(
            dst,
            x,
            #[inline(always)]
            |x| x,
        );
    }
}

/// The innermost axis steps over memory in which the next one is contiguous, and both are long enough for tiles.
pub(crate) fn is_transposed(layout: &Dims) -> bool {
    let (inner, stride) = layout.inner();
    let (next, next_stride) = layout.outer().inner();
    layout.rank >= 2 && next_stride == 1 && next >= 4 && inner >= 4 && stride.unsigned_abs() >= 4
}

/// The elements of row-major numbers `start..` of a transposed `layout` at `origin`.
pub(crate) fn pack<T: Element>(
    out: &mut [T],
    data: &[T],
    layout: Dims,
    origin: isize,
    start: usize,
) {
    let (cols, stride) = layout.inner();
    let (rows, _) = layout.outer().inner();
    let plane = rows * cols;
    let mut planes = Reader::of(data, layout.outer().outer(), origin);
    planes.seek(start / plane);
    let (mut low, mut out) = (start % plane, out);
    while !out.is_empty() {
        let n = out.len().min(plane - low);
        let (head, tail) = out.split_at_mut(n);
        pack_plane(head, data, planes.offset(), cols, stride, low);
        planes.advance(1);
        low = 0;
        out = tail;
    }
}

/// The elements `low..` of one plane of rows that are adjacent and columns that are `stride` apart.
fn pack_plane<T: Element>(
    out: &mut [T],
    data: &[T],
    origin: isize,
    cols: usize,
    stride: isize,
    low: usize,
) {
    let high = low + out.len();
    let (first, end) = (low / cols, high.div_ceil(cols));
    let mut tile = [[T::default(); LONG]; SHORT];
    for row in (first..end).step_by(LONG) {
        let height = LONG.min(end - row);
        for col in (0..cols).step_by(SHORT) {
            let width = SHORT.min(cols - col);
            for (j, column) in tile[..width].iter_mut().enumerate() {
                let at = (origin + row as isize + (col + j) as isize * stride) as usize;
                column[..height].copy_from_slice(&data[at..at + height]);
            }
            for i in 0..height {
                let base = (row + i) * cols;
                let from = (base + col).max(low);
                let to = (base + col + width).min(high);
                for position in from..to {
                    out[position - low] = tile[position - base - col][i];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_tensor::{Layout, Shape};
    use gradus_testing::placements;

    #[test]
    fn copies_every_layout() {
        for dims in [
            &[][..],
            &[0, 4],
            &[5],
            &[37, 53],
            &[3, 20, 30],
            &[200, 300],
            &[2, 3, 100, 150],
        ] {
            let n = dims.iter().product::<usize>();
            let values: Vec<i64> = (0..n as i64).collect();
            for placed in placements(dims, &values, -7) {
                for threads in [1, 3] {
                    let mut d = vec![-1; n];
                    with_threads(threads, || copy(&mut d, placed.view()));
                    assert!(d == values, "{} {dims:?}", placed.name);
                }
            }
        }
    }

    #[test]
    fn planes_in_any_order_and_reversed_columns() {
        let data: Vec<u8> = (0..=255).collect();
        for (strides, offset) in [([100, 1, 10], 0), ([10, 1, -20], 230), ([-3, 1, 20], 6)] {
            let layout =
                Layout::strided(Shape::new(&[2, 9, 10]).unwrap(), &strides, offset).unwrap();
            let view = View::new(&data, &layout).unwrap();
            let mut d = [0; 180];
            copy(&mut d, view);
            assert!(view.iter().eq(d), "{strides:?}");
        }
    }
}
