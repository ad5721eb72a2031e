//! The trait that every differentiable op implements, and what its backward may ask for.

use std::cell::RefCell;
use std::fmt::Debug;

use gradus_linalg::gemm::Precision;
use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use crate::Var;
use crate::again::Kept;
use crate::autocast::precision;
use crate::engine::Waiting;
use crate::node::{Edge, Node, Recorded, Saved};
use std::sync::Arc;

/// A differentiable op: forward and backward together.
///
/// The struct holds the attributes (dims, eps, strides …), the inputs are tensors. `forward` validates: it returns an
/// error that names the op, never panics. There is no default `backward`: an op without a derivative says so with
/// [`Error::NotDifferentiable`].
///
/// A user's own op goes the same way:
///
/// ```
/// use gradus_autograd::{Backward, Op, Outputs, Result, Saves, Stats, Tensor, Var, apply};
///
/// /// x³ for f64.
/// #[derive(Debug)]
/// struct Cube;
///
/// impl Op for Cube {
///     fn name(&self) -> &'static str {
///         "cube"
///     }
///     fn saves(&self) -> Saves {
///         Saves::inputs(&[0])
///     }
///     fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
///         let cubes: Vec<f64> = inputs[0].to_vec::<f64>()?.iter().map(|x| x * x * x).collect();
///         Ok(Tensor::from_slice(&cubes, inputs[0].shape())?.into())
///     }
///     fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
///         let x = ctx.input(0)?;
///         let three = Var::constant(Tensor::scalar(3.0_f64)?);
///         Ok(vec![Some(ctx.grad(grad_out, 0)?.mul(&x.mul(&x)?)?.mul(&three)?)])
///     }
/// }
///
/// let x = Var::leaf(Tensor::from_slice(&[2.0_f64], [1])?);
/// let grads = apply(Cube, &[&x])?.backward_with(&Var::constant(Tensor::from_slice(&[1.0_f64], [1])?))?;
/// assert_eq!(grads.get_var(&x).unwrap().item::<f64>()?, 12.0);
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub trait Op: Debug + Send + Sync + 'static {
    /// The op's name, in errors and profiles: PyTorch's, in snake case.
    fn name(&self) -> &'static str;

    /// Which inputs and outputs are kept for the backward. Name no more than it needs: they occupy memory until then.
    fn saves(&self) -> Saves;

    /// Whether the backward of another op may compute the output again instead of keeping it: for an op of one output that takes no longer than
    /// reading and writing its memory, saves all its inputs and gives the same bits each time, such as a norm.
    fn is_cheap(&self) -> bool {
        false
    }

    /// Which of the inputs that are kept go to products only, forward and backward, and in the precision that [`Stats`] tells: within autocast
    /// such an input may be rounded once and kept so, see [`Stats::rounded_input`].
    fn rounds(&self) -> Saves {
        Saves::NOTHING
    }

    /// Computes the outputs. Small statistics that the backward needs go to `stats`.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs or attributes, naming the op.
    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs>;

    /// From the gradient of each output (`None` if nothing flowed back to it) the gradient of each input, in the
    /// input's shape and dtype. `None` for inputs that have none or, by [`Backward::needs`], are not asked for.
    ///
    /// Written with ops on vars it can be differentiated again; a fused one calls [`Backward::refuse_twice`] first.
    ///
    /// # Errors
    /// Those of the ops used, [`Error::NotDifferentiable`], [`Error::NotTwiceDifferentiable`].
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>>;

    /// The floating-point operations of a forward with these shapes, for [`crate::profile()`]: products count a multiply-add as two, all
    /// else counts as none.
    fn flops(&self, _inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        0
    }
}

/// Which inputs and outputs an op keeps for its backward, as bit sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saves {
    inputs: u64,
    outputs: u64,
}

impl Saves {
    /// Nothing but the statistics.
    pub const NOTHING: Self = Self {
        inputs: 0,
        outputs: 0,
    };
    /// All inputs.
    pub const ALL_INPUTS: Self = Self {
        inputs: u64::MAX,
        outputs: 0,
    };

    /// These inputs, by position below 64.
    pub const fn inputs(positions: &[usize]) -> Self {
        Self {
            inputs: bits(positions),
            outputs: 0,
        }
    }

    /// These outputs, by position below 64.
    pub const fn outputs(positions: &[usize]) -> Self {
        Self {
            inputs: 0,
            outputs: bits(positions),
        }
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            inputs: self.inputs | other.inputs,
            outputs: self.outputs | other.outputs,
        }
    }

    pub(crate) const fn input(self, i: usize) -> bool {
        has(self.inputs, i)
    }

    pub(crate) const fn output(self, i: usize) -> bool {
        has(self.outputs, i)
    }
}

const fn bits(positions: &[usize]) -> u64 {
    let mut set = 0;
    let mut i = 0;
    while i < positions.len() {
        set |= 1 << positions[i];
        i += 1;
    }
    set
}

/// Positions from 64 on are saved only by [`Saves::ALL_INPUTS`].
const fn has(set: u64, i: usize) -> bool {
    set == u64::MAX || i < 64 && set >> i & 1 == 1
}

/// Small tensors that a forward keeps for its backward, such as a mean or a log-sum-exp.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) values: Vec<Tensor>,
    pub(crate) recording: bool,
    /// That of the products of the backward.
    pub(crate) precision: Precision,
    pub(crate) rounded: Vec<Option<Tensor>>,
}

impl Stats {
    /// Keeps a tensor; the backward finds it at the position of this call.
    pub fn push(&mut self, value: Tensor) {
        if self.recording {
            self.values.push(value);
        }
    }

    /// The precision of this op's products, which [`crate::autocast`] sets. The products of the backward of an op that asks have it, too;
    /// those of an op that does not run in full precision.
    pub fn precision(&mut self) -> Precision {
        self.precision = precision();
        self.precision
    }

    /// Input `i` in bf16 for products that would round it, if [`Op::rounds`] names it and that saves memory.
    pub fn rounded_input(&self, i: usize) -> Option<&Tensor> {
        self.rounded.get(i)?.as_ref()
    }

    /// Whether a backward can follow. Work that only it needs may be left out if not.
    pub fn recording(&self) -> bool {
        self.recording
    }
}

/// The outputs of an op, in order: nearly always one.
#[derive(Debug)]
pub struct Outputs(pub(crate) Vec<Tensor>);

impl Outputs {
    /// The only one.
    ///
    /// # Errors
    /// [`Error::Length`] if there is another number of them.
    pub(crate) fn single(mut self, op: &'static str) -> Result<Tensor> {
        let got = self.0.len();
        self.0.pop().filter(|_| got == 1).ok_or(Error::Length {
            op,
            expected: 1,
            got,
        })
    }
}

impl From<Tensor> for Outputs {
    fn from(output: Tensor) -> Self {
        Self(vec![output])
    }
}

impl From<Vec<Tensor>> for Outputs {
    fn from(outputs: Vec<Tensor>) -> Self {
        Self(outputs)
    }
}

/// What a backward may ask for: saved values, shapes, and which gradients are wanted.
///
/// The vars it hands out carry their graph if the gradient is to be differentiated again, and none otherwise.
#[derive(Debug)]
pub struct Backward<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) recorded: &'a Recorded,
    pub(crate) saved: &'a Saved,
    /// Those of `saved`, while the backward runs.
    pub(crate) inputs: RefCell<Vec<Option<Kept>>>,
    pub(crate) waiting: &'a RefCell<Waiting>,
    pub(crate) create_graph: bool,
}

impl Backward<'_> {
    fn name(&self) -> &'static str {
        self.recorded.op.name()
    }

    /// Saved input `i`.
    ///
    /// # Errors
    /// [`Error::NotSaved`] if [`Op::saves`] does not name it; [`Error::OutOfMemory`] if it has to be computed again or is kept rounded.
    pub fn input(&self, i: usize) -> Result<Var> {
        let inputs = self.inputs.borrow();
        let kept = inputs.get(i).and_then(Option::as_ref);
        let kept = kept.ok_or(Error::NotSaved {
            op: self.name(),
            what: "input",
            position: i,
        })?;
        Ok(self.as_input(i, kept.tensor()?))
    }

    /// Saved input `i` in bf16, if it is kept so; no graph leads back from it.
    pub fn rounded_input(&self, i: usize) -> Option<Var> {
        match self.inputs.borrow().get(i)? {
            Some(Kept::Rounded(x)) => Some(Var::constant(x.clone())),
            _ => None,
        }
    }

    /// Saved input `i`, handed over to be written over, if nobody else holds it. The backward cannot ask for it again.
    pub fn take_input(&self, i: usize) -> Option<Tensor> {
        let mut inputs = self.inputs.borrow_mut();
        let slot = inputs.get_mut(i)?;
        match slot.take_if(|kept| matches!(kept, Kept::Value(x) if !x.is_shared()))? {
            Kept::Value(x) => Some(x),
            Kept::Again(_) | Kept::Rounded(_) => None,
        }
    }

    /// `value`, from which the backward takes that of input `i`.
    pub(crate) fn as_input(&self, i: usize, value: Tensor) -> Var {
        let edge = self.create_graph.then(|| self.recorded.inputs[i].clone());
        Var::from_parts(value, edge.flatten())
    }

    /// Saved output `i`.
    ///
    /// # Errors
    /// [`Error::NotSaved`] if [`Op::saves`] does not name it.
    pub fn output(&self, i: usize) -> Result<Var> {
        let tensor = self.saved.outputs.get(i).cloned().flatten();
        let tensor = tensor.ok_or(Error::NotSaved {
            op: self.name(),
            what: "output",
            position: i,
        })?;
        let edge = self.create_graph.then(|| Edge {
            node: Arc::clone(self.node),
            output: i,
        });
        Ok(Var::from_parts(tensor, edge))
    }

    /// Statistic `i`, as the forward pushed it.
    ///
    /// # Errors
    /// [`Error::NotSaved`] if the forward pushed fewer.
    pub fn stat(&self, i: usize) -> Result<&Tensor> {
        self.saved.stats.get(i).ok_or(Error::NotSaved {
            op: self.name(),
            what: "statistic",
            position: i,
        })
    }

    /// The gradient of output `i`; zeros if nothing flowed back to it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn grad(&self, grad_out: &[Option<Var>], i: usize) -> Result<Var> {
        match grad_out.get(i) {
            Some(Some(grad)) => Ok(grad.clone()),
            _ => {
                let meta = self.node.outputs[i];
                Ok(Var::constant(Tensor::zeros(meta.shape, meta.dtype)?))
            }
        }
    }

    /// What other ops gave the value of input `i` as its gradient so far, for an op that adds its own to it rather than make a tensor that is
    /// mostly zeros: the gradient that it returns for this input is then the sum. `None` if nothing has arrived, or if the gradients will be
    /// differentiated again.
    pub fn take_sum(&self, i: usize) -> Option<Tensor> {
        if self.create_graph {
            return None;
        }
        let edge = self.recorded.inputs.get(i)?.as_ref()?;
        self.waiting.borrow_mut().take(edge)
    }

    /// Whether the gradient of input `i` is wanted.
    pub fn needs(&self, i: usize) -> bool {
        self.recorded.inputs.get(i).is_some_and(Option::is_some)
    }

    /// How many inputs the op had.
    pub fn input_count(&self) -> usize {
        self.recorded.input_meta.len()
    }

    /// The shape of input `i`.
    pub fn input_shape(&self, i: usize) -> &Shape {
        &self.recorded.input_meta[i].shape
    }

    /// The dtype of input `i`.
    pub fn input_dtype(&self, i: usize) -> DType {
        self.recorded.input_meta[i].dtype
    }

    /// Whether the gradients will be differentiated again.
    pub fn create_graph(&self) -> bool {
        self.create_graph
    }

    /// For a fused backward, which cannot be differentiated again: refuses if it would have to be.
    ///
    /// # Errors
    /// [`Error::NotTwiceDifferentiable`] with the op's name.
    pub fn refuse_twice(&self) -> Result<()> {
        if self.create_graph {
            Err(Error::NotTwiceDifferentiable { op: self.name() })
        } else {
            Ok(())
        }
    }
}
