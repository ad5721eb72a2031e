//! Where a NaN or an infinity comes from.
//!
//! [`check_finite`] looks at the results of the ops that its own thread computes. Without it an op pays one look at a thread-local flag.

use std::cell::Cell;

use gradus_tensor::{DType, Element, Error, Result, Tensor, View, bf16, f16};

use crate::node::Saved;
use crate::{Op, Var};

/// Ops that put values of their attributes in places and compute none: an infinity that they are given to put there is meant.
const PLACING: [&str; 1] = ["pad"];

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; in it, the first op that makes a NaN out of numbers, or an infinity out of finite ones, fails with [`Error::NonFinite`],
/// forward or backward. For finding the cause once a loss is NaN: every result is read once more.
///
/// Holds for the calling thread and until `f` returns, also by a panic. Same purpose as `torch.autograd.detect_anomaly`.
///
/// ```
/// use gradus_autograd::{Error, Tensor, Var, check_finite};
/// let x = Var::leaf(Tensor::from_slice(&[0.0_f32, 200.0], [2])?);
/// let loss = || x.exp()?.sub(&x.exp()?)?.sum(&[], false); // inf - inf = NaN
/// assert!(loss()?.item::<f32>()?.is_nan());
/// let error = check_finite(loss).unwrap_err();
/// assert_eq!(error.to_string(), "exp: gives inf, and no input holds an infinity");
/// # Ok::<(), Error>(())
/// ```
pub fn check_finite<T>(f: impl FnOnce() -> T) -> T {
    let _held = Held {
        before: ON.replace(true),
    };
    f()
}

/// Puts the flag back at its end.
struct Held {
    before: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        ON.set(self.before);
    }
}

/// An op whose results will be looked at. What it computes inside is its own.
pub(crate) struct Watch {
    _held: Held,
}

impl Watch {
    /// Starts one, within [`check_finite`].
    pub(crate) fn start() -> Option<Self> {
        let before = ON.replace(false);
        before.then_some(Self {
            _held: Held { before },
        })
    }

    pub(crate) fn forward(self, op: &dyn Op, inputs: &[&Tensor], outputs: &[Tensor]) -> Result<()> {
        if PLACING.contains(&op.name()) {
            return Ok(());
        }
        judge(op, false, inputs.iter().copied(), outputs.iter())
    }

    /// A value that the op has kept and that is not finite already is not its fault, as little as such a gradient.
    pub(crate) fn backward(
        self,
        op: &dyn Op,
        saved: &Saved,
        grads_out: &[Option<Var>],
        grads_in: &[Option<Var>],
    ) -> Result<()> {
        let tensors = |grads: &'_ [Option<Var>]| -> Vec<Tensor> {
            let grads = grads.iter().flatten();
            grads.map(|grad| grad.tensor().clone()).collect()
        };
        let (before, after) = (tensors(grads_out), tensors(grads_in));
        judge(op, true, before.iter().chain(saved.values()), after.iter())
    }
}

fn judge<'a>(
    op: &dyn Op,
    backward: bool,
    inputs: impl Iterator<Item = &'a Tensor>,
    outputs: impl Iterator<Item = &'a Tensor>,
) -> Result<()> {
    let Some(value) = worst_of(outputs) else {
        return Ok(());
    };
    let made = match worst_of(inputs) {
        None => true,
        Some(input) => value.is_nan() && !input.is_nan(),
    };
    if made {
        let op = op.name();
        return Err(Error::NonFinite {
            op,
            backward,
            value,
        });
    }
    Ok(())
}

fn worst_of<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Option<f64> {
    let all = tensors.filter_map(nonfinite);
    all.reduce(|a, b| if a.is_nan() { a } else { b })
}

/// A NaN of a tensor if it has one, else an infinity if it has one. Tensors of integers and bools have none.
///
/// ```
/// use gradus_autograd::{Tensor, nonfinite};
/// let x = Tensor::from_slice(&[1.0_f32, f32::NEG_INFINITY, 2.0], [3])?;
/// assert_eq!(nonfinite(&x), Some(f64::NEG_INFINITY));
/// assert_eq!(nonfinite(&Tensor::ones([3], x.dtype())?), None);
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn nonfinite(x: &Tensor) -> Option<f64> {
    match x.dtype() {
        DType::F32 => find(x, f32::is_finite, f64::from),
        DType::F64 => find(x, f64::is_finite, |x| x),
        DType::BF16 => find(x, bf16::is_finite, bf16::to_f64),
        DType::F16 => find(x, f16::is_finite, f16::to_f64),
        DType::I64 | DType::U8 | DType::Bool => None,
    }
}

/// Elements that are looked at together: without a branch for each, so that the loop is one of vectors.
const BLOCK: usize = 4096;

fn find<T: Element>(
    x: &Tensor,
    is_finite: impl Fn(T) -> bool,
    wide: impl Fn(T) -> f64,
) -> Option<f64> {
    let view: View<'_, T> = x.view().ok()?;
    let mut found: Option<f64> = None;
    let mut look = |value: T| {
        if !is_finite(value) && found.is_none_or(|found| !found.is_nan()) {
            found = Some(wide(value));
        }
    };
    match view.as_slice() {
        Some(elements) => {
            for block in elements.chunks(BLOCK) {
                if !block.iter().fold(true, |all, &x| all & is_finite(x)) {
                    block.iter().for_each(|&x| look(x));
                }
            }
        }
        None => view.iter().for_each(look),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(values: &[f32]) -> Var {
        Var::leaf(Tensor::from_slice(values, [values.len()]).unwrap())
    }

    fn message(f: impl FnOnce() -> Result<()>) -> String {
        check_finite(f).unwrap_err().to_string()
    }

    #[test]
    fn the_first_op_is_named_forward_and_backward() {
        let x = leaf(&[0.0, 4.0]);
        let forward = message(|| x.log()?.mul(&x)?.sum(&[], false).map(drop));
        assert_eq!(forward, "log: gives -inf, and no input holds an infinity");
        let backward = message(|| x.sqrt()?.sum(&[], false)?.backward().map(drop));
        assert_eq!(
            backward,
            "backward of sqrt: gives inf, and no gradient holds an infinity"
        );
        let nan = message(|| x.add_scalar(-1.0)?.sqrt().map(drop));
        assert_eq!(nan, "sqrt: gives NaN, and no input holds a NaN");
    }

    #[test]
    fn what_comes_from_elsewhere_is_not_blamed_on_an_op() {
        let bad = leaf(&[f32::NAN, 1.0]);
        check_finite(|| bad.exp()?.sum(&[], false)?.backward()).unwrap();
        // A mask of infinities is meant; an op that makes a NaN out of it is named.
        let x = leaf(&[1.0, 2.0]);
        let mask = Tensor::from_slice(&[true, false], [2]).unwrap();
        let masked = check_finite(|| x.masked_fill(&mask, f64::NEG_INFINITY)).unwrap();
        check_finite(|| masked.softmax(0)).unwrap();
        let nan = check_finite(|| masked.sub(&masked)).unwrap_err();
        assert!(nan.to_string().starts_with("sub: gives NaN"), "{nan}");
    }

    #[test]
    fn nothing_is_checked_outside() {
        let x = leaf(&[0.0]);
        assert!(check_finite(|| x.log()).is_err());
        assert!(x.log().is_ok());
        check_finite(|| check_finite(|| ())); // and a check in a check ends only itself
        assert!(
            check_finite(|| {
                check_finite(|| ());
                x.log()
            })
            .is_err()
        );
    }

    #[test]
    fn nans_win_over_infinities_in_any_layout() {
        let mut values = vec![1.0_f32; 3 * BLOCK];
        assert_eq!(nonfinite(leaf(&values).tensor()), None);
        values[5] = f32::INFINITY;
        assert_eq!(nonfinite(leaf(&values).tensor()), Some(f64::INFINITY));
        values[2 * BLOCK + 7] = f32::NAN;
        let x = leaf(&values);
        assert!(nonfinite(x.tensor()).unwrap().is_nan());
        let columns = x
            .tensor()
            .reshape([3, BLOCK])
            .unwrap()
            .transpose(0, 1)
            .unwrap();
        assert!(nonfinite(&columns).unwrap().is_nan());
        let half = x.tensor().to_dtype(DType::BF16).unwrap();
        assert!(nonfinite(&half).unwrap().is_nan());
    }
}
