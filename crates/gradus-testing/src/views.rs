//! The same tensor in many layouts, so that a kernel is tested on all of them against one answer.

use gradus_tensor::{Element, Layout, Shape, View};

/// A tensor's elements placed in memory in some layout, with a filler where the layout does not reach.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// What the layout is, for messages.
    pub name: &'static str,
    /// The memory.
    pub data: Vec<T>,
    /// Where the elements are.
    pub layout: Layout,
}

impl<T: Element> Placed<T> {
    /// The tensor.
    ///
    /// # Panics
    /// Never for values made by [`placements`].
    pub fn view(&self) -> View<'_, T> {
        View::new(&self.data, &self.layout).expect("a placement's layout stays inside its memory")
    }
}

/// `values` (row-major, shape `dims`) in five layouts: contiguous, behind an offset, with the axes in reverse order in memory
/// (a transposed view), with gaps (each stride doubled), and with all axes reversed (negative strides).
///
/// # Panics
/// If `values` does not have the number of elements of `dims`, or the rank is above 8.
pub fn placements<T: Element>(dims: &[usize], values: &[T], filler: T) -> Vec<Placed<T>> {
    let row_major = |dims: &[usize], unit: isize| -> Vec<isize> {
        let mut strides = vec![unit; dims.len()];
        for axis in (1..dims.len()).rev() {
            strides[axis - 1] = strides[axis] * dims[axis].max(1) as isize;
        }
        strides
    };
    let plain = row_major(dims, 1);
    let reversed: Vec<usize> = dims.iter().rev().copied().collect();
    let transposed: Vec<isize> = row_major(&reversed, 1).into_iter().rev().collect();
    let stepped = row_major(dims, 2);
    let negative: Vec<isize> = plain.iter().map(|s| -s).collect();
    let last = values.len().saturating_sub(1);
    [
        ("contiguous", plain.clone(), 0),
        ("offset", plain, 13),
        ("transposed", transposed, 1),
        ("stepped", stepped, 0),
        ("negative", negative, last),
    ]
    .into_iter()
    .map(|(name, strides, offset)| place(name, dims, values, filler, &strides, offset))
    .collect()
}

fn place<T: Element>(
    name: &'static str,
    dims: &[usize],
    values: &[T],
    filler: T,
    strides: &[isize],
    offset: usize,
) -> Placed<T> {
    let shape = Shape::new(dims).expect("a small shape");
    assert_eq!(
        shape.numel(),
        values.len(),
        "{name}: {dims:?} does not fit the values"
    );
    let layout = Layout::strided(shape, strides, offset).expect("strides match the shape");
    let reach = layout
        .reach()
        .expect("a small layout")
        .map_or(0, |(_, high)| high + 1);
    let mut data = vec![filler; reach.max(1)];
    let mut index = vec![0; dims.len()];
    for &value in values {
        data[layout.offset_of(&index)] = value;
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Placed { name, data, layout }
}

/// `n` numbers in -2..2 that look random and are the same each time; `salt` chooses the sequence.
pub fn sample(n: usize, salt: u64) -> Vec<f64> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    (0..n)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 51) as f64 - 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_placements_hold_the_same_tensor() {
        for dims in [&[2, 3, 4][..], &[], &[5], &[0, 3], &[1, 1]] {
            let n = dims.iter().product();
            let values: Vec<f32> = sample(n, 1).iter().map(|&x| x as f32).collect();
            for placed in placements(dims, &values, f32::NAN) {
                assert_eq!(
                    placed.view().iter().collect::<Vec<_>>(),
                    values,
                    "{} {dims:?}",
                    placed.name
                );
            }
        }
    }

    #[test]
    fn samples_differ_by_salt_and_stay_in_range() {
        assert_ne!(sample(4, 1), sample(4, 2));
        assert!(sample(1000, 3).iter().all(|x| (-2.0..2.0).contains(x)));
    }
}
