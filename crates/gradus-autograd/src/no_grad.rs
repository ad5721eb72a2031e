//! Computing without a tape.

use std::cell::Cell;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether ops of this thread are recorded where an input needs a gradient.
pub(crate) fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording: what its ops give needs no gradient, and nothing is kept for a backward. For inference with parameters that
/// are trained elsewhere: each intermediate value is freed as soon as the next one is computed.
///
/// Holds for the calling thread and until `f` returns, also by a panic. Vars that stand on the tape already stay there. Same meaning as
/// `torch.no_grad`.
///
/// ```
/// use gradus_autograd::{Tensor, Var, no_grad};
/// let x = Var::leaf(Tensor::from_slice(&[3.0_f64], [1])?);
/// let y = no_grad(|| x.mul(&x))?;
/// assert_eq!(y.item::<f64>()?, 9.0);
/// assert!(!y.requires_grad() && x.mul(&x)?.requires_grad());
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn no_grad<T>(f: impl FnOnce() -> T) -> T {
    let _held = Held::set(false);
    f()
}

/// Runs `f` with recording, whatever holds around it.
pub(crate) fn with_grad<T>(f: impl FnOnce() -> T) -> T {
    let _held = Held::set(true);
    f()
}

/// Sets the flag for its lifetime.
struct Held {
    before: bool,
}

impl Held {
    fn set(recording: bool) -> Self {
        Self {
            before: RECORDING.replace(recording),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        RECORDING.set(self.before);
    }
}
