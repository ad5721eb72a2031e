//! Elements added up where a view of the destination shows them: the adjoint of reading windows that overlap.

use gradus_tensor::{Layout, MAX_RANK, View};

use crate::float::Float;

/// `dst` gets, at each place that `layout` shows, the sum of the elements of `src` that stand there, in row-major order of `src`; 0 elsewhere.
///
/// `layout` has the shape of `src` and lies in `dst`. Serial: the order of additions is that of one walk.
pub fn add_through<T: Float>(dst: &mut [T], layout: &Layout, src: View<'_, T>) {
    debug_assert_eq!(layout.shape(), src.shape());
    dst.fill(T::ZERO);
    let rank = layout.shape().rank();
    if src.shape().numel() == 0 {
        return;
    }
    let (outer, inner) = layout.shape().dims().split_at(rank.saturating_sub(1));
    let inner = inner.first().copied().unwrap_or(1);
    let step = |strides: &[isize]| strides.last().copied().unwrap_or(0);
    let (to_step, from_step) = (step(layout.strides()), step(src.strides()));
    let (mut to, mut from) = (layout.offset() as isize, src.offset() as isize);
    let mut index = [0; MAX_RANK];
    // The stride of a dim of size 1 may be any number: it is not walked along.
    let along = |strides: &[isize], axis: usize| if outer[axis] > 1 { strides[axis] } else { 0 };
    for _ in 0..outer.iter().product() {
        for i in 0..inner as isize {
            dst[(to + i * to_step) as usize] += src.data()[(from + i * from_step) as usize];
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            let (to_stride, from_stride) =
                (along(layout.strides(), axis), along(src.strides(), axis));
            to += to_stride;
            from += from_stride;
            if index[axis] < outer[axis] {
                break;
            }
            to -= to_stride * outer[axis] as isize;
            from -= from_stride * outer[axis] as isize;
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::Shape;

    #[test]
    fn windows_that_overlap_are_added() {
        let layout = Layout::strided(Shape::new(&[3, 2]).unwrap(), &[1, 1], 1).unwrap();
        let src = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let view = View::contiguous(&src, Shape::new(&[3, 2]).unwrap()).unwrap();
        let mut dst = [9.0; 6];
        add_through(&mut dst, &layout, view);
        assert_eq!(dst, [0.0, 1.0, 5.0, 9.0, 6.0, 0.0]);
    }

    #[test]
    fn the_stride_of_a_dim_of_size_1_is_not_walked() {
        let shape = Shape::new(&[1, 1, 2]).unwrap();
        let layout = Layout::strided(shape, &[isize::MAX, isize::MAX, 1], 0).unwrap();
        let mut dst = [9.0; 2];
        add_through(
            &mut dst,
            &layout,
            View::contiguous(&[1.0, 2.0], shape).unwrap(),
        );
        assert_eq!(dst, [1.0, 2.0]);
    }
}
