//! Connectionist temporal classification (Graves et al. 2006): losses of label sequences and their gradients, in log space and f64.
//!
//! Letters: T frames, N samples, C classes, S labels of a sample, which stand between `2 S + 1` states: blank, label, blank, … blank.
//! Samples are computed alone, so the bits do not depend on threads.

use gradus_tensor::View;

use crate::float::Float;
use crate::threads::{Rows, for_each_split};

/// One sample: how many of the frames are its, and its labels, all of them classes.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Frames from the first on; at most T.
    pub frames: usize,
    /// Labels in order, each in `0..C`.
    pub labels: &'a [i64],
}

impl Sample<'_> {
    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    /// The class of a state.
    fn class(&self, state: usize, blank: usize) -> usize {
        if state.is_multiple_of(2) {
            blank
        } else {
            self.labels[state / 2] as usize
        }
    }

    /// Whether a path may come to this state from the one before the last: two labels that differ.
    fn skips(&self, state: usize) -> bool {
        state >= 3 && state % 2 == 1 && self.labels[state / 2] != self.labels[state / 2 - 1]
    }
}

/// `ln(e^a + e^b + e^c)`; -∞ of nothing but -∞, NaN if one is.
fn log_add(a: f64, b: f64, c: f64) -> f64 {
    let max = a.max(b).max(c);
    let odd = a.is_nan() || b.is_nan() || c.is_nan();
    if max == f64::NEG_INFINITY && !odd {
        return max;
    }
    max + libm::log(libm::exp(a - max) + libm::exp(b - max) + libm::exp(c - max))
}

/// The logarithm of a class's probability at a frame.
fn reader<'a, T: Float>(x: &View<'a, T>, n: usize) -> impl Fn(usize, usize) -> f64 + use<'a, T> {
    let (data, strides) = (x.data(), [x.strides()[0], x.strides()[2]]);
    let origin = x.offset() as isize + n as isize * x.strides()[1];
    move |t, c| data[(origin + t as isize * strides[0] + c as isize * strides[1]) as usize].to_f64()
}

/// The next frame's sums over all paths that end in a state.
fn advance(sample: &Sample<'_>, next: &mut [f64], last: &[f64], emit: impl Fn(usize) -> f64) {
    let nothing = f64::NEG_INFINITY;
    for state in 0..next.len() {
        let one = if state >= 1 { last[state - 1] } else { nothing };
        let two = if sample.skips(state) {
            last[state - 2]
        } else {
            nothing
        };
        next[state] = log_add(last[state], one, two) + emit(state);
    }
}

/// The first frame: a path starts in the first blank or label.
fn start(first: &mut [f64], emit: impl Fn(usize) -> f64) {
    for (state, sum) in first.iter_mut().enumerate() {
        *sum = if state < 2 {
            emit(state)
        } else {
            f64::NEG_INFINITY
        };
    }
}

/// The logarithm of all paths, which end in the last blank or label.
fn total(last: &[f64]) -> f64 {
    let nothing = f64::NEG_INFINITY;
    let label = if last.len() >= 2 {
        last[last.len() - 2]
    } else {
        nothing
    };
    log_add(last[last.len() - 1], label, nothing)
}

/// The negative log-likelihood of each sample; +∞ where the labels do not fit into the frames. `x` is `(T, N, C)`.
pub fn ctc_losses<T: Float>(dst: &mut [f64], x: View<'_, T>, samples: &[Sample<'_>], blank: usize) {
    debug_assert!(dst.len() == samples.len() && x.shape()[1] == samples.len());
    for_each_split((dst, samples), 1, |first, (dst, samples)| {
        for (i, (dst, sample)) in dst.iter_mut().zip(samples).enumerate() {
            let at = reader(&x, first + i);
            *dst = loss_of(sample, blank, at);
        }
    });
}

fn loss_of(sample: &Sample<'_>, blank: usize, at: impl Fn(usize, usize) -> f64) -> f64 {
    if sample.frames == 0 {
        return if sample.labels.is_empty() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let (mut last, mut next) = (vec![0.0; sample.states()], vec![0.0; sample.states()]);
    start(&mut last, |state| at(0, sample.class(state, blank)));
    for t in 1..sample.frames {
        advance(sample, &mut next, &last, |state| {
            at(t, sample.class(state, blank))
        });
        std::mem::swap(&mut last, &mut next);
    }
    -total(&last)
}

/// Gradients of the losses by `x`: `dst` is `(N, T, C)` row-major and gets `-g[n] · P(class at frame | labels)`.
///
/// `work` has `N · T · (2 S + 1)` elements for the highest S of a sample. `losses` are those of [`ctc_losses`]; a sample whose loss
/// is infinite gets 0, since it is so for all `x`.
pub fn ctc_gradients<T: Float>(
    dst: &mut [T],
    work: &mut [f64],
    x: View<'_, T>,
    samples: &[Sample<'_>],
    losses: &[f64],
    grad_out: &[T],
    blank: usize,
) {
    dst.fill(T::ZERO);
    let [frames, count, classes] = [x.shape()[0], x.shape()[1], x.shape()[2]];
    debug_assert!(dst.len() == frames * count * classes && count == samples.len());
    if dst.is_empty() {
        return;
    }
    let (dst, work) = (
        Rows {
            data: dst,
            width: frames * classes,
        },
        Rows {
            width: work.len() / count,
            data: work,
        },
    );
    for_each_split((dst, work, samples), 1, |first, (dst, work, samples)| {
        let parts = dst.data.chunks_exact_mut(dst.width);
        let parts = parts
            .zip(work.data.chunks_exact_mut(work.width))
            .zip(samples);
        for (i, ((dst, alpha), sample)) in parts.enumerate() {
            let n = first + i;
            if sample.frames == 0 || losses[n] == f64::INFINITY {
                continue;
            }
            let at = reader(&x, n);
            let outer = (losses[n], grad_out[n].to_f64());
            gradient_of(dst, alpha, sample, blank, classes, outer, at);
        }
    });
}

fn gradient_of<T: Float>(
    dst: &mut [T],
    alpha: &mut [f64],
    sample: &Sample<'_>,
    blank: usize,
    classes: usize,
    (loss, grad): (f64, f64),
    at: impl Fn(usize, usize) -> f64,
) {
    let (states, frames) = (sample.states(), sample.frames);
    let emit = |t: usize, state: usize| at(t, sample.class(state, blank));
    start(&mut alpha[..states], |state| emit(0, state));
    for t in 1..frames {
        let (before, after) = alpha.split_at_mut(t * states);
        let last = &before[(t - 1) * states..];
        advance(sample, &mut after[..states], last, |state| emit(t, state));
    }
    // beta without the frame's own emission: what the rest of the path adds
    let nothing = f64::NEG_INFINITY;
    let mut beta = vec![nothing; states];
    beta[states - 1] = 0.0;
    if states >= 2 {
        beta[states - 2] = 0.0;
    }
    let mut next = vec![nothing; states];
    for t in (0..frames).rev() {
        for state in 0..states {
            let log = alpha[t * states + state] + beta[state] + loss;
            if log != nothing {
                let class = sample.class(state, blank);
                let to = &mut dst[t * classes + class];
                *to -= T::from_f64(grad * libm::exp(log));
            }
        }
        if t == 0 {
            break;
        }
        for (state, next) in next.iter_mut().enumerate() {
            let stay = beta[state] + emit(t, state);
            let one = if state + 1 < states {
                beta[state + 1] + emit(t, state + 1)
            } else {
                nothing
            };
            let two = if state + 2 < states && sample.skips(state + 2) {
                beta[state + 2] + emit(t, state + 2)
            } else {
                nothing
            };
            *next = log_add(stay, one, two);
        }
        std::mem::swap(&mut beta, &mut next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::Shape;
    use gradus_testing::{check_close, reference, sample};

    /// Every path of states through the frames.
    fn naive(x: &[f64], shape: [usize; 3], n: usize, sample: &Sample<'_>, blank: usize) -> f64 {
        let [_, count, classes] = shape;
        let mut total = 0.0;
        for code in 0..classes.pow(sample.frames as u32) {
            let (mut rest, mut path, mut log) = (code, Vec::new(), 0.0);
            for t in 0..sample.frames {
                path.push(rest % classes);
                rest /= classes;
                log += x[(t * count + n) * classes + path[t]];
            }
            path.dedup();
            path.retain(|&class| class != blank);
            if path
                .iter()
                .map(|&c| c as i64)
                .eq(sample.labels.iter().copied())
            {
                total += f64::exp(log);
            }
        }
        -total.ln()
    }

    #[test]
    fn losses_and_gradients_match_all_paths() {
        let shape = [5, 6, 3];
        let x = sample(shape.iter().product(), 3);
        let labels: [&[i64]; 6] = [&[1, 2], &[2, 2], &[], &[1], &[1, 1, 1], &[1, 2, 1, 2]];
        let frames = [5, 4, 3, 1, 4, 5];
        let samples: Vec<Sample<'_>> = labels
            .iter()
            .zip(frames)
            .map(|(&labels, frames)| Sample { frames, labels })
            .collect();
        let want = |x: &[f64]| -> Vec<f64> {
            (0..6).map(|n| naive(x, shape, n, &samples[n], 0)).collect()
        };
        let run = |x: &[f64]| {
            let view = View::contiguous(x, Shape::new(&shape).unwrap()).unwrap();
            let mut losses = [0.0; 6];
            ctc_losses(&mut losses, view, &samples, 0);
            losses
        };
        let losses = run(&x);
        check_close("losses", &losses, &want(&x), 1e-12, 1e-12);
        assert_eq!(losses[4], f64::INFINITY); // three equal labels need five frames
        let g = [0.5, -1.0, 2.0, 1.5, 1.0, 0.25];
        let view = View::contiguous(&x[..], Shape::new(&shape).unwrap()).unwrap();
        let (mut d, mut work) = (vec![f64::NAN; x.len()], vec![0.0; 6 * 5 * 9]);
        ctc_gradients(&mut d, &mut work, view, &samples, &losses, &g, 0);
        let numeric = reference::numeric_gradient(&x, 1e-5, |x| {
            let finite = |(n, l): (usize, f64)| if n == 4 { 0.0 } else { g[n] * l };
            run(x).into_iter().enumerate().map(finite).sum()
        });
        let found: Vec<f64> = (0..x.len())
            .map(|i| {
                let (t, n, c) = (i / 18, i / 3 % 6, i % 3);
                d[(n * 5 + t) * 3 + c]
            })
            .collect();
        check_close("gradient", &found, &numeric, 1e-6, 1e-8);
    }
}
