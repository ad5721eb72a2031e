//! Networks with `tanh`: one step.

use crate::ops::support::recurrent::{Cell, cell_step};
use crate::ops::support::recurrent_spec::{cell_spec, draw_cell, naive_cell};
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// One step of [`Var::rnn_tanh`].
    ///
    /// # Shapes
    /// `self` `(N, I)` or `(I,)`, states `(N, H)` or `(H,)`, weights `(H, I)` and `(H, H)`, biases `(H,)`; returns the next state.
    ///
    /// # Gradient
    /// To all, any number of times: composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.rnn_tanh_cell`.
    pub fn rnn_tanh_cell(
        &self,
        h: &Self,
        weights: [&Self; 2],
        biases: [Option<&Self>; 2],
    ) -> Result<Self> {
        let (h, _) = cell_step("rnn_tanh_cell", Cell::Tanh, self, [h, h], weights, biases)?;
        Ok(h)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    cell_spec("rnn_tanh_cell", Cell::Tanh, |a| {
        let weights = [a.var("w_ih")?, a.var("w_hh")?];
        let biases = [a.opt_var("b_ih"), a.opt_var("b_hh")];
        Ok(one(a.var("x")?.rnn_tanh_cell(
            a.var("hx")?,
            weights,
            biases,
        )?))
    })
    .reference(|a| naive_cell(a, Cell::Tanh))
    .draw(|d| draw_cell(d, Cell::Tanh))
}
