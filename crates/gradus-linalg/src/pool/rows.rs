//! Maxima over windows of regular rows, in f32: whole registers of neighbouring windows at once, whatever the step between those that are
//! kept. (The step is at most 2 or 3 in practice; deinterleaving first would cost more than computing the windows between.)

use pulp::{Simd, WithSimd};

use super::windows::{Line, Windows};
use crate::scratch::with_scratch;

/// Elements that are computed together: one or two registers.
const LANES: usize = 16;
/// Wider windows are left to the plain loops.
const MAX_KERNEL: usize = 8;

/// Whether [`max_plane`] knows these windows: one plane deep, without dilation, none of them empty, rows not so short that most of a register
/// would be wasted.
pub(super) fn suits(windows: &Windows) -> Option<Line> {
    let line = windows.line()?;
    let filled =
        |d: usize| (0..windows.output()[d]).all(|o| windows.span(d, o)[0] < windows.span(d, o)[1]);
    let suits = windows.input()[0] == 1
        && line.kernel <= MAX_KERNEL
        && line.step <= 4
        && windows.output()[2] >= 4
        && filled(1)
        && filled(2);
    suits.then_some(line)
}

/// Maxima of one plane and their places: the first of equal elements, a NaN before all numbers.
pub(super) fn max_plane(
    dst: &mut [f32],
    places: &mut [u32],
    x: &[f32],
    windows: &Windows,
    line: Line,
) {
    let across = windows.output()[2];
    let n = ((across - 1) * line.step + 1).next_multiple_of(LANES);
    let slots = (0..windows.output()[1])
        .map(|o| windows.span(1, o)[1] - windows.span(1, o)[0])
        .max()
        .unwrap_or(0);
    // The padded row, maxima of the rows of a window with their places, and those of the window. Places take 4 bytes, as values do.
    let padded = n + (line.kernel + LANES).next_multiple_of(LANES);
    with_scratch(padded + 2 * (slots + 1) * n, |scratch: &mut [f32]| {
        let (row, maxima) = scratch.split_at_mut(padded);
        pulp::Arch::new().dispatch(Plane {
            dst,
            places,
            x,
            windows,
            line,
            row,
            maxima,
            slots,
            n,
        });
    });
}

struct Plane<'a> {
    dst: &'a mut [f32],
    places: &'a mut [u32],
    x: &'a [f32],
    windows: &'a Windows,
    line: Line,
    row: &'a mut [f32],
    /// For each slot, and then for the result: `n` values, `n` places (bits of u32).
    maxima: &'a mut [f32],
    slots: usize,
    n: usize,
}

impl WithSimd for Plane<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, s: S) {
        let [_, down, across] = self.windows.output();
        self.row.fill(f32::NEG_INFINITY);
        let mut next = 0;
        for o in 0..down {
            let [first, end] = self.windows.span(1, o);
            for y in next.max(first)..end {
                match self.line.kernel {
                    1 => self.across::<S, 1>(s, y),
                    2 => self.across::<S, 2>(s, y),
                    3 => self.across::<S, 3>(s, y),
                    _ => self.across::<S, 0>(s, y),
                }
            }
            next = end;
            self.down(s, first, end);
            let (values, places) = self.maxima[2 * self.slots * self.n..].split_at(self.n);
            let dst = &mut self.dst[o * across..][..across];
            let at = &mut self.places[o * across..][..across];
            match self.line.step {
                1 => keep::<1>(dst, at, values, places),
                2 => keep::<2>(dst, at, values, places),
                3 => keep::<3>(dst, at, values, places),
                _ => keep::<4>(dst, at, values, places),
            }
        }
    }
}

/// Every `STEP`-th element.
#[inline(always)]
fn keep<const STEP: usize>(dst: &mut [f32], at: &mut [u32], values: &[f32], places: &[f32]) {
    let n = dst.len().min(at.len());
    let (values, places) = (&values[..(n - 1) * STEP + 1], &places[..(n - 1) * STEP + 1]);
    for o in 0..n {
        dst[o] = values[o * STEP];
        at[o] = places[o * STEP].to_bits();
    }
}

/// The leader among `old` and `new`, which comes after it.
#[inline(always)]
fn leader<S: Simd>(s: S, old: (S::f32s, S::u32s), new: (S::f32s, S::u32s)) -> (S::f32s, S::u32s) {
    let (behind, number) = (
        s.less_than_or_equal_f32s(new.0, old.0),
        s.equal_f32s(old.0, old.0),
    );
    let value = s.select_f32s(behind, old.0, new.0);
    let place = s.select_u32s(behind, old.1, new.1);
    (
        s.select_f32s(number, value, old.0),
        s.select_u32s(number, place, old.1),
    )
}

impl Plane<'_> {
    /// Maxima of all windows along row `y`. `KERNEL` 0 is any.
    #[inline(always)]
    fn across<S: Simd, const KERNEL: usize>(&mut self, s: S, y: usize) {
        let width = self.windows.input()[2];
        let register = size_of::<S::f32s>() / size_of::<f32>();
        let kernel = if KERNEL == 0 {
            self.line.kernel
        } else {
            KERNEL
        };
        let padding = self.line.padding;
        let used = width.min(self.row.len() - padding);
        self.row[padding..padding + used].copy_from_slice(&self.x[y * width..][..used]);
        let slot = &mut self.maxima[y % self.slots * 2 * self.n..][..2 * self.n];
        let (values, places) = slot.split_at_mut(self.n);
        let mut iota = [0; LANES];
        for (i, lane) in iota.iter_mut().enumerate() {
            *lane = i as u32;
        }
        let start = s.splat_u32s((y * width) as u32);
        let pad = s.splat_u32s(padding as u32);
        for i in (0..self.n).step_by(register) {
            // SAFETY: the row has n elements and as many more as the kernel is wide; values and places have n, a multiple of a
            // register; iota has one register.
            unsafe {
                let source = self.row.as_ptr().add(i);
                let first = iota.as_ptr().cast::<S::u32s>().read_unaligned();
                let first = s.add_u32s(first, s.splat_u32s(i as u32));
                let load = |tap: usize| source.add(tap).cast::<S::f32s>().read_unaligned();
                let mut best = (load(0), first);
                for tap in 1..kernel {
                    let place = s.add_u32s(first, s.splat_u32s(tap as u32));
                    best = leader(s, best, (load(tap), place));
                }
                // Padding leads only where all of the window is -∞, whose first element is the image's.
                let place = s.sub_u32s(s.max_u32s(best.1, pad), pad);
                let place = s.add_u32s(place, start);
                values
                    .as_mut_ptr()
                    .add(i)
                    .cast::<S::f32s>()
                    .write_unaligned(best.0);
                places
                    .as_mut_ptr()
                    .add(i)
                    .cast::<S::u32s>()
                    .write_unaligned(place);
            }
        }
    }

    /// Maxima of rows `first..end`.
    #[inline(always)]
    fn down<S: Simd>(&mut self, s: S, first: usize, end: usize) {
        let register = size_of::<S::f32s>() / size_of::<f32>();
        let (slots, result) = self.maxima.split_at_mut(2 * self.slots * self.n);
        for i in (0..self.n).step_by(register) {
            // SAFETY: each slot has n values and n places, and so has the result.
            unsafe {
                let load = |y: usize| {
                    let slot = slots.as_ptr().add(y % self.slots * 2 * self.n + i);
                    (
                        slot.cast::<S::f32s>().read_unaligned(),
                        slot.add(self.n).cast::<S::u32s>().read_unaligned(),
                    )
                };
                let mut best = load(first);
                for y in first + 1..end {
                    best = leader(s, best, load(y));
                }
                let place = result.as_mut_ptr().add(i);
                place.cast::<S::f32s>().write_unaligned(best.0);
                place.add(self.n).cast::<S::u32s>().write_unaligned(best.1);
            }
        }
    }
}
