//! Sums along an axis with given places and weights: what every separable interpolation is made of, and its gradient.
//!
//! Lanes across the axis are independent, each is walked in one order: the bits are the same for any number of threads.

use crate::float::Float;
use crate::scratch::SharedMut;
use crate::simd::dispatch;
use crate::threads::for_each_block;

/// Multiply-adds of one parallel block at least (from the measured 13-20 GB/s: some 5 µs; the limit itself was not varied).
const MIN_BLOCK_WORK: usize = 1 << 14;

/// For each output of an axis the inputs that it is a sum of, with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taps {
    inputs: usize,
    /// Where the taps of each output start; one more than there are outputs.
    starts: Vec<usize>,
    places: Vec<usize>,
    weights: Vec<f64>,
}

impl Taps {
    /// No outputs yet, over an axis of `inputs` elements.
    pub fn over(inputs: usize) -> Self {
        Self {
            inputs,
            starts: vec![0],
            ..Self::default()
        }
    }

    /// One more output: the sum of these inputs times their weights.
    ///
    /// # Panics
    /// If a place is outside of the axis: a bug of the caller.
    pub fn push(&mut self, taps: impl IntoIterator<Item = (usize, f64)>) {
        for (place, weight) in taps {
            assert!(place < self.inputs, "tap outside of the axis");
            self.places.push(place);
            self.weights.push(weight);
        }
        self.starts.push(self.places.len());
    }

    /// Elements of the axis before.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Elements of the axis after.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline(always)]
    fn of(&self, output: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[output]..self.starts[output + 1];
        let places = self.places[range.clone()].iter().copied();
        places.zip(self.weights[range].iter().copied())
    }
}

/// Calls `f(lane, its part of dst)` for each of the parts of `len` elements.
fn each_part<T: Float>(dst: &mut [T], len: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if len == 0 {
        return;
    }
    let parts = dst.len() / len;
    let out = SharedMut::new(dst);
    let block = (MIN_BLOCK_WORK / work.max(1)).max(1);
    for_each_block(parts, block, |_, range| {
        for part in range {
            // SAFETY: each part belongs to one block.
            f(part, unsafe { out.range(part * len..(part + 1) * len) });
        }
    });
}

/// `dst += weight · src`
#[inline(always)]
fn add_scaled<T: Float>(dst: &mut [T], src: &[T], weight: T) {
    for (d, &s) in dst.iter_mut().zip(src) {
        *d = s.mul_add(weight, *d);
    }
}

/// `dst[a, o, b] = Σ weight · x[a, place, b]`; `(A, inputs, B) -> (A, outputs, B)`, contiguous.
///
/// # Numerics
/// Sums in the dtype, in the order of the taps.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn resample<T: Float>(dst: &mut [T], x: &[T], taps: &Taps, inner: usize) {
    let (from, to) = (taps.inputs * inner, taps.outputs() * inner);
    assert_eq!(dst.len() * from, x.len() * to, "resample: lengths");
    let work = taps.places.len() * inner;
    each_part(dst, to, work, |part, dst| {
        let x = &x[part * from..][..from];
        dispatch(
            #[inline(always)]
            || {
                for (o, dst) in dst.chunks_exact_mut(inner).enumerate() {
                    dst.fill(T::ZERO);
                    for (place, weight) in taps.of(o) {
                        add_scaled(dst, &x[place * inner..][..inner], T::from_f64(weight));
                    }
                }
            },
        );
    });
}

/// Gradient of [`resample`]: `dst[a, place, b] += weight · grad_out[a, o, b]`; `(A, outputs, B) -> (A, inputs, B)`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn resample_backward<T: Float>(dst: &mut [T], grad_out: &[T], taps: &Taps, inner: usize) {
    let (from, to) = (taps.outputs() * inner, taps.inputs * inner);
    assert_eq!(dst.len() * from, grad_out.len() * to, "resample: lengths");
    let work = taps.places.len() * inner;
    each_part(dst, to, work, |part, dst| {
        let grad_out = &grad_out[part * from..][..from];
        dispatch(
            #[inline(always)]
            || {
                dst.fill(T::ZERO);
                for (o, grad) in grad_out.chunks_exact(inner).enumerate() {
                    for (place, weight) in taps.of(o) {
                        let dst = &mut dst[place * inner..][..inner];
                        add_scaled(dst, grad, T::from_f64(weight));
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_and_backward_are_adjoint() {
        let mut taps = Taps::over(3);
        taps.push([(0, 1.0)]);
        taps.push([(0, 0.5), (1, 0.5)]);
        taps.push([]);
        taps.push([(2, 2.0), (1, -1.0)]);
        for inner in [1, 2] {
            let x: Vec<f64> = (1..=6 * inner).map(|v| v as f64).collect();
            let mut y = vec![f64::NAN; 8 * inner];
            resample(&mut y, &x, &taps, inner);
            if inner == 1 {
                assert_eq!(y, [1.0, 1.5, 0.0, 4.0, 4.0, 4.5, 0.0, 7.0]);
            }
            let grad: Vec<f64> = (0..y.len()).map(|v| (v % 5) as f64).collect();
            let mut grad_in = vec![f64::NAN; x.len()];
            resample_backward(&mut grad_in, &grad, &taps, inner);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            assert_eq!(dot(&y, &grad), dot(&x, &grad_in));
        }
    }
}
