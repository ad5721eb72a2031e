//! Images copied with their padding so that every tap of every output is one addition away.
//!
//! Outputs of a block of rows are numbered along rows of the padded copy ("places"): place `oy · pitch + ox`. The input under tap `t` of
//! place `p` is `copy[offsets[t] + p]` for every stride and dilation, because a stride of `s` is copied as `s` interleaved phases.
//! Places between the last output of a row and the next row hold nothing of use.

use crate::conv::Geometry;
use crate::float::Float;
use crate::im2col::Images;

/// Elements after a copy that a kernel may read (and ignore): the widest tile, 8 registers of 16.
pub(super) const SLACK: usize = 128;

/// How the input under `rows` output rows of one channel is copied: a stride of `s` as `s` interleaved phases, of which only those under a
/// tap are there.
#[derive(Debug)]
pub(super) struct Phases {
    /// Phases in use along each axis.
    used: [Vec<usize>; 2],
    /// Height and width of one phase.
    size: [usize; 2],
    /// From a place to the input under each tap `(ky, kx)`.
    pub(super) taps: Vec<usize>,
}

impl Phases {
    pub(super) fn new(g: &Geometry, rows: usize) -> Self {
        let place = |d: usize, tap: usize| {
            let distance = tap * g.dilation[d];
            (distance % g.stride[d], distance / g.stride[d])
        };
        let used = [0, 1].map(|d| {
            let mut used: Vec<usize> = (0..g.kernel[d]).map(|tap| place(d, tap).0).collect();
            used.sort_unstable();
            used.dedup();
            used
        });
        let outputs = [rows, g.output[1]];
        let size = [0, 1].map(|d| outputs[d] + place(d, g.kernel[d] - 1).1);
        let slot = |d: usize, tap: usize| {
            let (wanted, step) = place(d, tap);
            (used[d].iter().position(|&p| p == wanted).unwrap_or(0), step)
        };
        let mut taps = Vec::with_capacity(g.kernel[0] * g.kernel[1]);
        for ky in 0..g.kernel[0] {
            let (slot_y, step_y) = slot(0, ky);
            for kx in 0..g.kernel[1] {
                let (slot_x, step_x) = slot(1, kx);
                let start = (slot_y * used[1].len() + slot_x) * size[0] * size[1];
                taps.push(start + step_y * size[1] + step_x);
            }
        }
        Self { used, size, taps }
    }

    /// Places from one output row to the next, which is the width of a phase.
    pub(super) fn pitch(&self) -> usize {
        self.size[1]
    }

    /// Elements of the copy.
    pub(super) fn len(&self) -> usize {
        self.used[0].len() * self.used[1].len() * self.size[0] * self.size[1]
    }

    /// Where in the image each row of the copy begins, `[y, x]`, in the order of the copy, for output rows from `first_row` on.
    pub(super) fn rows(&self, g: &Geometry, first_row: usize) -> impl Iterator<Item = [isize; 2]> {
        let (origin, stride) = (g.origin, g.stride[0]);
        let corners = self.used[0]
            .iter()
            .flat_map(move |&y| self.used[1].iter().map(move |&x| [y, x]));
        corners.flat_map(move |[phase_y, phase_x]| {
            (0..self.size[0]).map(move |q| {
                let y = (first_row + q) * stride + phase_y;
                [origin[0] + y as isize, origin[1] + phase_x as isize]
            })
        })
    }
}

/// The layout of the copies of `rows` output rows.
#[derive(Debug)]
pub(super) struct Plan {
    phases: Phases,
    /// Distance from the first place to each tap, `(c, ky, kx)`.
    pub(super) offsets: Vec<usize>,
    /// Output rows of a block.
    pub(super) rows: usize,
    /// Places from one output row to the next.
    pub(super) pitch: usize,
}

impl Plan {
    pub(super) fn new(g: &Geometry, rows: usize) -> Self {
        let phases = Phases::new(g, rows);
        let offsets = (0..g.c_in)
            .flat_map(|c| phases.taps.iter().map(move |tap| (c, tap)))
            .map(|(c, tap)| c * phases.len() + tap)
            .collect();
        Self {
            offsets,
            rows,
            pitch: phases.pitch(),
            phases,
        }
    }

    /// Output rows whose copies fill about `budget` elements, at least one.
    pub(super) fn rows_within(g: &Geometry, budget: usize) -> usize {
        let [one, two] = [1, 2].map(|rows| Phases::new(g, rows).len() * g.c_in);
        let per_row = (two - one).max(1);
        (budget.saturating_sub(one) / per_row + 1).clamp(1, g.output[0].max(1))
    }

    /// Elements of a copy of `c_in` channels.
    pub(super) fn len(&self, c_in: usize) -> usize {
        self.phases.len() * c_in
    }

    /// Places from the first to the last output of `rows` rows.
    pub(super) fn span(&self, g: &Geometry, rows: usize) -> usize {
        (rows - 1) * self.pitch + g.output[1]
    }

    /// Copies the input under output rows `first_row..first_row + rows` of one group of image `n`.
    pub(super) fn pack<T: Float>(
        &self,
        dst: &mut [T],
        images: Images<'_, T>,
        g: &Geometry,
        n: usize,
        group: usize,
        first_row: usize,
    ) {
        let dst = &mut dst[..self.len(g.c_in)];
        dst.fill(T::ZERO);
        let mut lines = dst.chunks_exact_mut(self.pitch);
        for c in 0..g.c_in {
            let at = [n, group * g.c_in + c];
            // The rows stand first: a zip asks them first, and takes no line of the next channel when they end.
            for (origin, line) in self.phases.rows(g, first_row).zip(lines.by_ref()) {
                images.gather_row(line, at, origin, g.stride[1], g.input);
            }
        }
    }
}

/// Columns of some outputs: `dst[t, at + (oy, ox)] = copy[offsets[t] + oy · pitch + ox]`; rows of `dst` are `width` long.
pub(super) fn expand<T: Float>(
    dst: &mut [T],
    copy: &[T],
    plan: &Plan,
    taps: std::ops::Range<usize>,
    [at, width]: [usize; 2],
    output: [usize; 2],
) {
    match output[1] {
        4 => expand_rows::<T, 4>(dst, copy, plan, taps, [at, width], output),
        7 => expand_rows::<T, 7>(dst, copy, plan, taps, [at, width], output),
        8 => expand_rows::<T, 8>(dst, copy, plan, taps, [at, width], output),
        _ => expand_rows::<T, 1>(dst, copy, plan, taps, [at, width], output),
    }
}

/// [`expand`] with rows of `W` outputs moved as one value, or of any length for `W = 1`.
fn expand_rows<T: Float, const W: usize>(
    dst: &mut [T],
    copy: &[T],
    plan: &Plan,
    taps: std::ops::Range<usize>,
    [at, width]: [usize; 2],
    [rows, ow]: [usize; 2],
) {
    for (dst, &offset) in dst.chunks_exact_mut(width).zip(&plan.offsets[taps]) {
        let dst = &mut dst[at..at + rows * ow];
        let source = copy[offset..].chunks(plan.pitch);
        for (dst, source) in dst.chunks_exact_mut(ow).zip(source) {
            match (dst.first_chunk_mut::<W>(), source.first_chunk::<W>()) {
                (Some(dst), Some(source)) if W > 1 => *dst = *source,
                _ => dst.copy_from_slice(&source[..ow]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_stand_where_the_plan_says() {
        let g = Geometry {
            batch: 1,
            groups: 1,
            c_in: 2,
            c_out: 1,
            input: [7, 9],
            output: [3, 4],
            kernel: [3, 2],
            stride: [2, 2],
            dilation: [1, 3],
            origin: [-1, -1],
        };
        let x: Vec<f32> = (0..2 * 63).map(|v| v as f32 + 1.0).collect();
        let shape = gradus_tensor::Shape::new(&[1, 2, 7, 9]).expect("shape");
        let images = Images::new(gradus_tensor::View::contiguous(&x, shape).expect("view"));
        let plan = Plan::new(&g, 2);
        let mut copy = vec![f32::NAN; plan.len(2)];
        plan.pack(&mut copy, images, &g, 0, 0, 1);
        for (tap, &offset) in plan.offsets.iter().enumerate() {
            let (c, ky, kx) = (tap / 6, tap / 2 % 3, tap % 2);
            for oy in 0..2 {
                for ox in 0..4 {
                    let y = (oy + 1) * 2 + ky;
                    let x_at = ox * 2 + kx * 3;
                    let inside = (1..8).contains(&y) && (1..10).contains(&x_at);
                    let expected = if inside {
                        x[c * 63 + (y - 1) * 9 + x_at - 1]
                    } else {
                        0.0
                    };
                    assert_eq!(
                        copy[offset + oy * plan.pitch + ox],
                        expected,
                        "tap {tap} at ({oy}, {ox})"
                    );
                }
            }
        }
    }
}
