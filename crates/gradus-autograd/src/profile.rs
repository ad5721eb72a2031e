//! Where the time of a computation goes, op by op.
//!
//! [`profile`] records the ops that its own thread computes. Without it an op pays one look at a thread-local flag.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use gradus_tensor::{Result, Shape, Tensor};

use crate::node::Meta;
use crate::{Op, Outputs};

/// What one op took in all its calls, forward or backward.
#[derive(Clone, Debug, PartialEq)]
pub struct OpProfile {
    /// The op's name; those that a backward computes are part of it.
    pub name: &'static str,
    /// Whether this is the op's backward.
    pub backward: bool,
    /// How often it was computed.
    pub calls: u64,
    /// The time of all calls together.
    pub time: Duration,
    /// The floating-point operations of all calls, of the ops that count them ([`Op::flops`]).
    pub flops: u64,
    /// The bytes of all inputs and outputs: the least that the calls had to read and write.
    pub bytes: u64,
}

/// Where this thread is.
#[derive(Clone, Copy, PartialEq)]
enum Now {
    /// In no recording.
    Off,
    /// Between ops.
    Between,
    /// In an op, which has computed others again for so long.
    Within(Duration),
}

thread_local! {
    static NOW: Cell<Now> = const { Cell::new(Now::Off) };
    static ROWS: RefCell<Vec<OpProfile>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` and says what each op in it took, the longest first.
///
/// Ops that another op's forward or backward computes count for that op. Only this thread's ops are seen; the worker threads of the
/// kernels belong to the op that uses them. A profile inside another gets nothing: the outer one sees all.
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Vec<OpProfile>) {
    if NOW.get() != Now::Off {
        return (f(), Vec::new());
    }
    let outer = ROWS.take();
    let guard = Recording;
    NOW.set(Now::Between);
    let result = f();
    drop(guard);
    let mut rows = ROWS.replace(outer);
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    (result, rows)
}

/// Ends the recording, also when `f` unwinds.
struct Recording;

impl Drop for Recording {
    fn drop(&mut self) {
        NOW.set(Now::Off);
    }
}

/// An op that is being computed.
pub(crate) struct Timer {
    began: Instant,
}

impl Timer {
    /// Starts one, if there is a recording and no op around this one. Nothing nested is seen until [`Self::forward`] or [`Self::backward`].
    pub(crate) fn start() -> Option<Self> {
        (NOW.get() == Now::Between).then(|| {
            NOW.set(Now::Within(Duration::ZERO));
            Self {
                began: Instant::now(),
            }
        })
    }

    /// The time of this op alone.
    fn elapsed(&self) -> Duration {
        let others = match NOW.get() {
            Now::Within(others) => others,
            _ => Duration::ZERO,
        };
        self.began.elapsed().saturating_sub(others)
    }

    /// Ends a forward.
    pub(crate) fn forward(self, op: &dyn Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        add(forward(op, inputs, outputs, self.elapsed()));
    }

    /// Ends the backward of a node: a product's takes one product of the same size for each operand.
    pub(crate) fn backward(self, op: &dyn Op, inputs: &[Meta], outputs: &[Meta], wanted: &[bool]) {
        let time = self.elapsed();
        let products = wanted.iter().take(2).filter(|&&wanted| wanted).count() as u64;
        let grads = inputs.iter().zip(wanted).filter(|&(_, &wanted)| wanted);
        let grads: u64 = grads.map(|(input, _)| bytes(input)).sum();
        add(OpProfile {
            name: op.name(),
            backward: true,
            calls: 1,
            time,
            flops: products * flops(op, inputs, outputs),
            bytes: grads + inputs.iter().chain(outputs).map(bytes).sum::<u64>(),
        });
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        NOW.set(Now::Between);
    }
}

/// Computes an op again for the backward around it: it counts as a forward of its own, and its time is not the backward's.
pub(crate) fn again(
    op: &dyn Op,
    inputs: &[&Tensor],
    f: impl FnOnce() -> Result<Outputs>,
) -> Result<Outputs> {
    let Now::Within(others) = NOW.get() else {
        return f();
    };
    let began = Instant::now();
    let outputs = f()?;
    let time = began.elapsed();
    NOW.set(Now::Within(others + time));
    add(forward(op, inputs, &outputs.0, time));
    Ok(outputs)
}

fn forward(op: &dyn Op, inputs: &[&Tensor], outputs: &[Tensor], time: Duration) -> OpProfile {
    let [inputs, outputs]: [Vec<Meta>; 2] = [
        inputs.iter().map(|x| Meta::of(x)).collect(),
        outputs.iter().map(Meta::of).collect(),
    ];
    OpProfile {
        name: op.name(),
        backward: false,
        calls: 1,
        time,
        flops: flops(op, &inputs, &outputs),
        bytes: inputs.iter().chain(&outputs).map(bytes).sum(),
    }
}

fn add(call: OpProfile) {
    ROWS.with_borrow_mut(|rows| {
        let same = |row: &&mut OpProfile| row.name == call.name && row.backward == call.backward;
        match rows.iter_mut().find(same) {
            None => rows.push(call),
            Some(row) => {
                row.calls += 1;
                row.time += call.time;
                row.flops += call.flops;
                row.bytes += call.bytes;
            }
        }
    });
}

fn flops(op: &dyn Op, inputs: &[Meta], outputs: &[Meta]) -> u64 {
    let [inputs, outputs] =
        [inputs, outputs].map(|all| all.iter().map(|x| x.shape).collect::<Vec<Shape>>());
    op.flops(&inputs, &outputs)
}

fn bytes(x: &Meta) -> u64 {
    (x.shape.numel() * x.dtype.size()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Var;

    fn step() -> Result<()> {
        let x = Var::leaf(Tensor::ones([4, 3], crate::DType::F32)?);
        let w = Var::leaf(Tensor::ones([2, 3], crate::DType::F32)?);
        x.linear(&w, None)?.relu()?.sum(&[], false)?.backward()?;
        Ok(())
    }

    #[test]
    fn rows_name_ops_and_count_what_they_did() {
        let (done, rows) = profile(step);
        done.unwrap();
        let row = |name: &str, backward| {
            let mut found = rows
                .iter()
                .filter(|r| r.name == name && r.backward == backward);
            found
                .next()
                .cloned()
                .unwrap_or_else(|| panic!("{name} in {rows:?}"))
        };
        let (forward, backward) = (row("linear", false), row("linear", true));
        assert_eq!((forward.calls, forward.flops), (1, 2 * 4 * 3 * 2));
        assert_eq!(forward.bytes, 4 * (12 + 6 + 8));
        assert_eq!((backward.calls, backward.flops), (1, 2 * forward.flops));
        // The products of its backward are not rows of their own.
        assert!(rows.iter().all(|row| row.name != "matmul"), "{rows:?}");
        assert!(rows.windows(2).all(|two| two[0].time >= two[1].time));
    }

    #[test]
    fn nothing_is_recorded_outside_and_the_inner_of_two_is_empty() {
        step().unwrap();
        let ((done, inner), outer) = profile(|| profile(step));
        done.unwrap();
        assert!(inner.is_empty() && !outer.is_empty());
        let (_, empty) = profile(|| ());
        assert!(empty.is_empty());
    }
}
