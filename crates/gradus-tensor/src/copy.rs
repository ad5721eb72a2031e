//! Copying strided elements into row-major order.

use crate::{Element, MAX_RANK, View};

/// Side of the square tiles in which a transposed copy walks both sides: 16 f32 are one cache line.
const TILE: usize = 16;

/// Copies the view's elements, in row-major order of its shape, to `out`, which has as many elements.
pub(crate) fn copy_into<T: Element>(out: &mut [T], view: View<'_, T>) {
    debug_assert_eq!(out.len(), view.shape().numel());
    if let Some(slice) = view.as_slice() {
        out.copy_from_slice(slice);
        return;
    }
    let view = view.collapsed();
    let (shape, strides) = (*view.shape(), view.strides());
    let rank = shape.rank();
    let inner = shape[rank - 1];
    let inner_stride = strides[rank - 1];
    // The last two dims are copied together if they look transposed, else the last one alone.
    let pair = rank >= 2 && inner_stride != 1 && strides[rank - 2] == 1;
    let plane = if pair { shape[rank - 2] * inner } else { inner };
    let outer = rank - 1 - usize::from(pair);
    let mut index = [0usize; MAX_RANK];
    let mut start = view.offset();
    for out in out.chunks_exact_mut(plane) {
        if pair {
            copy_transposed(out, view.data(), start, inner, inner_stride);
        } else {
            copy_row(out, view.data(), start, inner_stride);
        }
        for axis in (0..outer).rev() {
            index[axis] += 1;
            start = start.wrapping_add_signed(strides[axis]);
            if index[axis] < shape[axis] {
                break;
            }
            start = start.wrapping_add_signed(-strides[axis] * shape[axis] as isize);
            index[axis] = 0;
        }
    }
}

fn copy_row<T: Element>(out: &mut [T], data: &[T], start: usize, stride: isize) {
    match stride {
        1 => out.copy_from_slice(&data[start..start + out.len()]),
        0 => out.fill(data[start]),
        _ => {
            for (i, x) in out.iter_mut().enumerate() {
                *x = data[start.wrapping_add_signed(i as isize * stride)];
            }
        }
    }
}

/// Copies a plane of `cols` columns whose rows are adjacent (stride 1) and whose columns are `stride` apart.
fn copy_transposed<T: Element>(
    out: &mut [T],
    data: &[T],
    start: usize,
    cols: usize,
    stride: isize,
) {
    let rows = out.len() / cols;
    for row in (0..rows).step_by(TILE) {
        let height = TILE.min(rows - row);
        for col in (0..cols).step_by(TILE) {
            let width = TILE.min(cols - col);
            for c in col..col + width {
                let from = start.wrapping_add_signed(c as isize * stride) + row;
                for (r, &x) in data[from..from + height].iter().enumerate() {
                    out[(row + r) * cols + c] = x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn every_layout_copies_in_logical_order() {
        let x = Tensor::arange(0_i64, 2 * 37 * 19, 1)
            .unwrap()
            .reshape([2, 37, 19])
            .unwrap();
        let views = [
            x.clone(),
            x.permute(&[2, 1, 0]).unwrap(),
            x.permute(&[0, 2, 1]).unwrap(),
            x.permute(&[1, 0, 2]).unwrap(),
            x.slice(1, 1, 30, 3).unwrap(),
            x.flip(&[0, 2]).unwrap(),
            x.narrow(2, 3, 5).unwrap().transpose(1, 2).unwrap(),
            x.select(0, 1)
                .unwrap()
                .unsqueeze(0)
                .unwrap()
                .expand([3, 37, 19])
                .unwrap(),
            x.select(2, 4).unwrap().transpose(0, 1).unwrap(),
        ];
        for view in views {
            let expected: Vec<i64> = view.view::<i64>().unwrap().iter().collect();
            assert_eq!(
                view.to_vec::<i64>().unwrap(),
                expected,
                "{:?}",
                view.layout()
            );
            assert_eq!(
                view.contiguous().unwrap().to_vec::<i64>().unwrap(),
                expected
            );
        }
    }
}
