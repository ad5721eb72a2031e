//! The var: a tensor that may stand on the tape.

use std::fmt;

use gradus_tensor::{DType, Element, Result, Shape, Tensor};

use crate::Gradients;
use crate::engine::backward;
use crate::node::{Edge, Meta, Node};

/// A tensor and, if it needs a gradient, its place on the tape. What layers and models speak.
///
/// Without a place it is a plain tensor and ops record nothing: inference uses the same code, within [`crate::no_grad`] where parameters are
/// trained. Cloning is cheap.
#[derive(Clone)]
pub struct Var {
    tensor: Tensor,
    edge: Option<Edge>,
}

impl Var {
    /// A value that needs no gradient.
    pub fn constant(tensor: Tensor) -> Self {
        Self { tensor, edge: None }
    }

    /// A value that needs a gradient: a start of the tape. Its dtype should be a float's.
    pub fn leaf(tensor: Tensor) -> Self {
        let edge = tensor.dtype().is_float().then(|| Edge {
            node: Node::leaf(Meta::of(&tensor)),
            output: 0,
        });
        Self { tensor, edge }
    }

    pub(crate) fn from_parts(tensor: Tensor, edge: Option<Edge>) -> Self {
        Self { tensor, edge }
    }

    pub(crate) fn edge(&self) -> Option<&Edge> {
        self.edge.as_ref()
    }

    /// The value. What is computed from it outside of ops has no gradient.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The value, without its place on the tape.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }

    /// The same value off the tape: no gradient flows through it.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::constant(self.tensor.clone())
    }

    /// Whether a gradient flows to this var.
    #[inline]
    pub fn requires_grad(&self) -> bool {
        self.edge.is_some()
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        self.tensor.shape()
    }

    /// The dims.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    /// The number of dims.
    #[inline]
    pub fn rank(&self) -> usize {
        self.tensor.rank()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.tensor.numel()
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    /// The only element.
    ///
    /// # Errors
    /// As [`Tensor::item`].
    pub fn item<T: Element>(&self) -> Result<T> {
        self.tensor.item()
    }

    /// The gradients of this single-element var with respect to all leaves and parameters that it was computed from.
    ///
    /// Frees the values that the tape saved.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::Length`] if the var has not exactly one element; [`gradus_tensor::Error::Unreachable`]
    /// if it needs no gradient; the errors of the ops' backwards.
    pub fn backward(&self) -> Result<Gradients> {
        if self.numel() != 1 {
            let got = self.numel();
            return Err(gradus_tensor::Error::Length {
                op: "backward",
                expected: 1,
                got,
            });
        }
        backward(
            self,
            &Self::constant(Tensor::ones(self.shape(), self.dtype())?),
        )
    }

    /// [`Var::backward`] of a var of any shape, from the gradient that flows into it.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::ShapeMismatch`] or [`gradus_tensor::Error::DTypeMismatch`] if `grad_out` is not like
    /// this var; else as [`Var::backward`].
    pub fn backward_with(&self, grad_out: &Self) -> Result<Gradients> {
        backward(self, grad_out)
    }
}

impl From<Tensor> for Var {
    fn from(tensor: Tensor) -> Self {
        Self::constant(tensor)
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tensor, f)
    }
}

impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Var requires_grad={} {:?}",
            self.requires_grad(),
            self.tensor
        )
    }
}
