//! Margins between the labels of a row and its other classes.

use crate::float::Float;
use crate::threads::{Rows, for_each_split};

/// Elements of one parallel task (not measured apart: a row costs C² at most, so tasks are never smaller than those of softmax).
const CHUNK: usize = 8192;

/// The labels of a row: those in front of the first negative number.
fn labels(targets: &[i64]) -> &[i64] {
    let end = targets.iter().position(|&t| t < 0);
    &targets[..end.unwrap_or(targets.len())]
}

/// Calls `f(label, other class)` for each pair that lacks to the margin `x[label] - x[other] >= 1`.
fn for_each_lack<T: Float>(x: &[T], targets: &[i64], mut f: impl FnMut(usize, usize, f64)) {
    let labels = labels(targets);
    let mut is_label = vec![false; x.len()];
    labels.iter().for_each(|&t| is_label[t as usize] = true);
    for &label in labels {
        for (other, _) in is_label.iter().enumerate().filter(|(_, is)| !**is) {
            let lack = 1.0 - x[label as usize].to_f64() + x[other].to_f64();
            // not `lack <= 0`: NaN counts
            if lack.is_nan() || lack > 0.0 {
                f(label as usize, other, lack);
            }
        }
    }
}

/// `losses[i] = Σ max(0, 1 - x[label] + x[other]) / C` over the labels and the other classes of row `i`; `x` and `targets` are
/// `(N, C)` row-major, the labels in front of the first negative number, each below C.
pub fn multilabel_margin<T: Float>(losses: &mut [T], x: &[T], targets: &[i64]) {
    debug_assert_eq!(x.len(), targets.len());
    let Some(classes) = x.len().checked_div(losses.len()).filter(|&c| c > 0) else {
        losses.fill(T::ZERO);
        return;
    };
    let (x, targets) = (
        Rows {
            data: x,
            width: classes,
        },
        Rows {
            data: targets,
            width: classes,
        },
    );
    let rows = (CHUNK / classes).max(1);
    for_each_split((losses, x, targets), rows, |_, (losses, x, targets)| {
        let inputs = x
            .data
            .chunks_exact(classes)
            .zip(targets.data.chunks_exact(classes));
        for (loss, (x, targets)) in losses.iter_mut().zip(inputs) {
            let mut sum = 0.0;
            for_each_lack(x, targets, |_, _, lack| sum += lack);
            *loss = T::from_f64(sum / classes as f64);
        }
    });
}

/// The slopes of [`multilabel_margin`]: `dst (N, C)` gets the derivative of each row's loss by its elements.
pub fn multilabel_margin_slopes<T: Float>(dst: &mut [T], x: &[T], targets: &[i64], classes: usize) {
    debug_assert!(dst.len() == x.len() && dst.len() == targets.len());
    dst.fill(T::ZERO);
    if dst.is_empty() {
        return;
    }
    let each = T::from_f64(1.0 / classes as f64);
    let (x, targets) = (
        Rows {
            data: x,
            width: classes,
        },
        Rows {
            data: targets,
            width: classes,
        },
    );
    let dst = Rows {
        data: dst,
        width: classes,
    };
    let rows = (CHUNK / classes).max(1);
    for_each_split((dst, x, targets), rows, |_, (dst, x, targets)| {
        let inputs = x
            .data
            .chunks_exact(classes)
            .zip(targets.data.chunks_exact(classes));
        for (dst, (x, targets)) in dst.data.chunks_exact_mut(classes).zip(inputs) {
            for_each_lack(x, targets, |label, other, _| {
                dst[label] += -each;
                dst[other] += each;
            });
        }
    });
}
