//! Fused softmax cross-entropy of class scores: row losses and gradients without a stored softmax.
//!
//! Row `i` with target `t`, class weights `w` and smoothing `s` costs
//! `(1 - s) · w[t] · (lse - x[t]) + s/C · Σ_c w[c] · (lse - x[c])`, `lse = ln Σ_c e^x[c]`; a row whose target is
//! `ignore_index` costs 0. The mean divides by `Σ w[t]` over the rows kept. Equals
//! `torch.nn.functional.cross_entropy` with class-index targets, but for one rule: where no row is kept, the mean is 0 with
//! gradient 0, not NaN (museum 24).
//!
//! Forward stores `lse` of each row in f64; backward recomputes `p = e^(x - lse)`. Letters: N rows, C classes.

use gradus_tensor::View;

use crate::float::Float;
use crate::reader::{BLOCK, Dims, Reader, step};
use crate::simd::dispatch;
use crate::softmax::{map_row, map_row_mut, row_logsumexp, rows_per_task, shift, sum_of_powers};
use crate::threads::{Rows, for_each_split};

/// Parameters of the loss, as PyTorch's.
#[derive(Debug, Clone, Copy)]
pub struct CrossEntropy<'a, T> {
    /// One weight a class, `(C,)`; `None` is 1 everywhere.
    pub weight: Option<&'a [T]>,
    /// Rows with this target cost nothing (default -100).
    pub ignore_index: i64,
    /// Share of the target that is spread over all classes, 0 to 1.
    pub label_smoothing: f64,
}

impl<T> Default for CrossEntropy<'_, T> {
    fn default() -> Self {
        Self {
            weight: None,
            ignore_index: -100,
            label_smoothing: 0.0,
        }
    }
}

impl<T: Float> CrossEntropy<'_, T> {
    /// The target's class and weight; `None` if the row is ignored.
    fn class(&self, target: i64) -> Option<(usize, f64)> {
        if target == self.ignore_index {
            return None;
        }
        let class = usize::try_from(target).ok()?;
        Some((class, self.weight.map_or(1.0, |w| w[class].to_f64())))
    }

    /// `Σ w[t]` over the rows kept, in order: what the mean divides by; 0 if none is kept.
    pub fn divisor(&self, targets: &[i64]) -> f64 {
        targets
            .iter()
            .filter_map(|&t| self.class(t))
            .map(|(_, w)| w)
            .sum()
    }
}

/// The elements of a row that lie in order. A row of no classes may start behind the end of the data.
fn flat_row<T>(data: &[T], row: Dims, origin: isize) -> &[T] {
    match row.numel() {
        0 => &[],
        n => &data[origin as usize..origin as usize + n],
    }
}

/// Calls `f` with the row's elements, in one slice if they lie in order and in blocks otherwise.
fn for_each_part<T: Float>(data: &[T], row: Dims, origin: isize, mut f: impl FnMut(usize, &[T])) {
    let n = row.numel();
    if row.is_flat() {
        return f(0, flat_row(data, row, origin));
    }
    let mut reader = Reader::of(data, row, origin);
    let mut buffer = [T::default(); BLOCK];
    let mut at = 0;
    while at < n {
        let take = step(n - at, &[reader.borrowable()]);
        f(at, reader.next(take, &mut buffer));
        at += take;
    }
}

/// Layout of a row of a `(N, C)` view, and where row `i` starts.
fn row_layout<T: Float>(x: &View<'_, T>) -> (Dims, impl Fn(usize) -> isize + Sync + use<T>) {
    let (origin, stride) = (x.offset() as isize, x.strides()[0]);
    (Dims::merge([(x.shape()[1], x.strides()[1])]), move |i| {
        origin + i as isize * stride
    })
}

/// `losses[i]` and `lse[i]` of each row of `logits (N, C)`, any strides; `targets (N,)` in `0..C` or `ignore_index`.
///
/// `losses` and `lse` (f64) have N elements. The mean loss is [`crate::reduce::sum_slice`] of the losses divided by
/// [`CrossEntropy::divisor`], or 0 if that is 0.
pub fn cross_entropy<T: Float>(
    losses: &mut [T],
    lse: &mut [f64],
    logits: View<'_, T>,
    targets: &[i64],
    params: &CrossEntropy<'_, T>,
) {
    debug_assert!(losses.len() == targets.len() && lse.len() == targets.len());
    let classes = logits.shape()[1];
    let (row, start) = row_layout(&logits);
    for_each_split(
        (losses, lse, targets),
        rows_per_task(classes),
        |first, (losses, lse, targets)| {
            for (i, ((loss, lse), &target)) in losses.iter_mut().zip(lse).zip(targets).enumerate() {
                let origin = start(first + i);
                *lse = logsumexp_of(logits.data(), row, origin);
                *loss = params.class(target).map_or(T::ZERO, |(class, weight)| {
                    let x = logits.data()[(origin + class as isize * logits.strides()[1]) as usize]
                        .to_f64();
                    let smooth = if params.label_smoothing == 0.0 {
                        0.0
                    } else {
                        smooth_sum(logits.data(), row, origin, *lse, params)
                    };
                    let s = params.label_smoothing;
                    T::from_f64((1.0 - s) * weight * (*lse - x) + s / classes as f64 * smooth)
                });
            }
        },
    );
}

fn logsumexp_of<T: Float>(data: &[T], row: Dims, origin: isize) -> f64 {
    if row.is_flat() {
        let row = flat_row(data, row, origin);
        return dispatch(
            #[inline(always)]
            || row_logsumexp(row),
        );
    }
    let mut max = T::NEG_INFINITY;
    for_each_part(data, row, origin, |_, part| {
        max = max.maximum(dispatch(
            #[inline(always)]
            || crate::reduce::fold_slice::<T, crate::reduce::Maximum>(part),
        ));
    });
    let max = shift(&[max]);
    let mut sum = 0.0;
    for_each_part(data, row, origin, |_, part| {
        sum += dispatch(
            #[inline(always)]
            || sum_of_powers(part, max),
        );
    });
    max.to_f64() + libm::log(sum)
}

/// `Σ_c w[c] · (lse - x[c])`, in order in f64.
fn smooth_sum<T: Float>(
    data: &[T],
    row: Dims,
    origin: isize,
    lse: f64,
    params: &CrossEntropy<'_, T>,
) -> f64 {
    let mut sum = 0.0;
    for_each_part(data, row, origin, |at, part| match params.weight {
        None => part.iter().for_each(|x| sum += lse - x.to_f64()),
        Some(w) => part
            .iter()
            .zip(&w[at..])
            .for_each(|(x, w)| sum += w.to_f64() * (lse - x.to_f64())),
    });
    sum
}

/// e^(x - high) for x up to `high`.
#[inline(always)]
fn power<T: Float>(x: T, high: T) -> T {
    (x - high).exp_nonpositive()
}

/// Gradient of the row losses: `dst (N, C)` row-major gets
/// `g[i] · ((1 - s) · w[t] · (p - [c = t]) + s/C · (p · Σ w - w[c]))`, 0 in ignored rows.
///
/// `grad_out` has N elements (one a row loss) or 1, which then holds for all: for the mean, the outer gradient divided by
/// [`CrossEntropy::divisor`] (0 if that is 0). `lse` is what forward stored. Without `logits` they are what `dst` holds.
pub fn cross_entropy_backward<T: Float>(
    dst: &mut [T],
    logits: Option<View<'_, T>>,
    targets: &[i64],
    lse: &[f64],
    grad_out: &[T],
    params: &CrossEntropy<'_, T>,
) {
    debug_assert!(grad_out.len() == 1 || grad_out.len() == targets.len());
    if dst.is_empty() {
        return;
    }
    let classes = dst.len() / targets.len();
    let s = params.label_smoothing;
    let spread = s / classes as f64;
    let total = params
        .weight
        .map_or(classes as f64, crate::reduce::sum_slice);
    let logits = logits.map(|logits| (logits.data(), row_layout(&logits)));
    for_each_split(
        (
            Rows {
                data: dst,
                width: classes,
            },
            targets,
        ),
        rows_per_task(classes),
        |first, (dst, targets)| {
            for (i, (dst, &target)) in dst.data.chunks_exact_mut(classes).zip(targets).enumerate() {
                let i = first + i;
                let g = grad_out[if grad_out.len() == 1 { 0 } else { i }];
                let (Some((class, weight)), false) =
                    (params.class(target), lse[i] == f64::NEG_INFINITY)
                else {
                    dst.fill(T::ZERO);
                    continue;
                };
                // e^(x - lse) without losing the digits of a large lse
                let high = T::from_f64(lse[i]);
                let low = lse[i] - high.to_f64();
                let scale = ((1.0 - s) * weight + spread * total) * libm::exp(-low);
                let scale = T::from_f64(scale) * g;
                let each = T::from_f64(spread) * g;
                match &logits {
                    None => dispatch(
                        #[inline(always)]
                        || {
                            map_row_mut(
                                dst,
                                #[inline(always)]
                                |x| power(x, high) * scale,
                            );
                        },
                    ),
                    Some((data, (row, start))) => {
                        for_each_part(data, *row, start(i), |at, part| {
                            let dst = &mut dst[at..at + part.len()];
                            dispatch(
                                #[inline(always)]
                                || {
                                    map_row(
                                        dst,
                                        part,
                                        #[inline(always)]
                                        |x| power(x, high) * scale,
                                    );
                                },
                            );
                        });
                    }
                }
                if s != 0.0 {
                    let weight = |c: usize| params.weight.map_or(T::ONE, |w| w[c]);
                    dst.iter_mut()
                        .enumerate()
                        .for_each(|(c, d)| *d -= each * weight(c));
                }
                dst[class] -= T::from_f64((1.0 - s) * weight) * g;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_tensor::Shape;
    use gradus_testing::{check_close, check_same_bits, placements, reference, sample};

    fn targets(n: usize, classes: usize, ignore: i64) -> Vec<i64> {
        (0..n)
            .map(|i| {
                if i % 4 == 3 {
                    ignore
                } else {
                    (i * 7 % classes) as i64
                }
            })
            .collect()
    }

    fn check(n: usize, classes: usize, smoothing: f64, weighted: bool, ignore: i64) {
        let logits: Vec<f64> = sample(n * classes, 5).iter().map(|x| x * 4.0).collect();
        let weight: Vec<f64> = if weighted {
            sample(classes, 6).iter().map(|x| x + 2.5).collect()
        } else {
            vec![1.0; classes]
        };
        let targets = targets(n, classes, ignore);
        let naive = reference::CrossEntropy {
            weight: weight.clone(),
            ignore_index: ignore,
            label_smoothing: smoothing,
        };
        let params = CrossEntropy {
            weight: weighted.then_some(&weight[..]),
            ignore_index: ignore,
            label_smoothing: smoothing,
        };
        let row_loss = |x: &[f64], i: usize| {
            reference::cross_entropy_row(&x[i * classes..(i + 1) * classes], targets[i], &naive)
        };
        let want: Vec<f64> = (0..n).map(|i| row_loss(&logits, i).0).collect();
        let divisor: f64 = (0..n).map(|i| row_loss(&logits, i).1).sum();
        check_close(
            "divisor",
            &[params.divisor(&targets)],
            &[divisor],
            1e-12,
            0.0,
        );
        let g = sample(n, 7);
        let want_grad = reference::numeric_gradient(&logits, 1e-5, |x| {
            (0..n).map(|i| g[i] * row_loss(x, i).0).sum()
        });
        for placed in placements(&[n, classes], &logits, f64::NAN) {
            let (mut losses, mut lse) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            cross_entropy(&mut losses, &mut lse, placed.view(), &targets, &params);
            check_close(placed.name, &losses, &want, 1e-12, 1e-12);
            let mut d = vec![f64::NAN; n * classes];
            cross_entropy_backward(&mut d, Some(placed.view()), &targets, &lse, &g, &params);
            check_close(placed.name, &d, &want_grad, 1e-6, 1e-8);
            let mut over = logits.clone();
            cross_entropy_backward(&mut over, None, &targets, &lse, &g, &params);
            check_same_bits("written over the scores", &over, &d);
        }
    }

    #[test]
    fn losses_and_gradients_match_reference() {
        for (n, classes) in [(1, 1), (6, 3), (9, 10), (3, 700)] {
            check(n, classes, 0.0, false, -100);
            check(n, classes, 0.1, false, -100);
            check(n, classes, 0.3, true, 0);
            check(n, classes, 0.0, true, -1);
        }
    }

    #[test]
    fn f32_is_close_to_f64_and_same_for_any_number_of_threads() {
        let (n, classes) = (300, 101);
        let x: Vec<f32> = sample(n * classes, 8)
            .iter()
            .map(|&x| (x * 3.0 + 5000.0) as f32)
            .collect();
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let shape = Shape::new(&[n, classes]).unwrap();
        let targets = targets(n, classes, -100);
        let (mut losses, mut lse, mut d) = (vec![0.0; n], vec![0.0; n], vec![0.0; n * classes]);
        let wide = View::contiguous(&wide, shape).unwrap();
        cross_entropy(
            &mut losses,
            &mut lse,
            wide,
            &targets,
            &CrossEntropy::default(),
        );
        cross_entropy_backward(
            &mut d,
            Some(wide),
            &targets,
            &lse,
            &[0.5],
            &CrossEntropy::default(),
        );
        let run = |threads| {
            let (mut losses, mut lse, mut d) =
                (vec![0.0_f32; n], vec![0.0; n], vec![0.0_f32; n * classes]);
            let x = View::contiguous(&x, shape).unwrap();
            with_threads(threads, || {
                cross_entropy(&mut losses, &mut lse, x, &targets, &CrossEntropy::default());
                cross_entropy_backward(
                    &mut d,
                    Some(x),
                    &targets,
                    &lse,
                    &[0.5],
                    &CrossEntropy::default(),
                );
            });
            losses.extend(d);
            losses
        };
        let one = run(1);
        check_close("losses", &one[..n], &losses, 1e-6, 1e-6);
        check_close("gradient", &one[n..], &d, 1e-5, 1e-7);
        for threads in 2..=4 {
            check_same_bits("threads", &run(threads), &one);
        }
    }

    /// museum 24: nothing but ignored rows costs 0 with gradient 0; museum 25: ignored rows hold no stale memory
    #[test]
    fn museum_24_all_targets_ignored() {
        let x = [1.0_f32, 2.0, 3.0, 4.0];
        let x = View::contiguous(&x, Shape::new(&[2, 2]).unwrap()).unwrap();
        let (mut losses, mut lse, mut d) = ([9.0; 2], [9.0; 2], [9.0; 4]);
        let params = CrossEntropy::default();
        cross_entropy(&mut losses, &mut lse, x, &[-100, -100], &params);
        cross_entropy_backward(&mut d, Some(x), &[-100, -100], &lse, &[1.0], &params);
        assert_eq!(
            (losses, d, params.divisor(&[-100, -100])),
            ([0.0; 2], [0.0; 4], 0.0)
        );
    }

    #[test]
    fn rows_of_no_classes_are_ignored_rows() {
        let x = View::contiguous(&[] as &[f64], Shape::new(&[3, 0]).unwrap()).unwrap();
        let (mut losses, mut lse) = ([9.0; 3], [9.0; 3]);
        let params = CrossEntropy::default();
        cross_entropy(&mut losses, &mut lse, x, &[-100; 3], &params);
        cross_entropy_backward(&mut [], Some(x), &[-100; 3], &lse, &[1.0], &params);
        assert_eq!(losses, [0.0; 3]);
    }
}
