//! Gated recurrent units: one step.

use crate::ops::support::recurrent::{Cell, cell_step};
use crate::ops::support::recurrent_spec::{cell_spec, draw_cell, naive_cell};
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// One step of [`Var::gru`].
    ///
    /// # Shapes
    /// `self` `(N, I)` or `(I,)`, states `(N, H)` or `(H,)`, weights `(3 H, I)` and `(3 H, H)`, biases `(3 H,)`; returns the next state.
    ///
    /// # Gradient
    /// To all, any number of times: composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.gru_cell`.
    pub fn gru_cell(
        &self,
        h: &Self,
        weights: [&Self; 2],
        biases: [Option<&Self>; 2],
    ) -> Result<Self> {
        let (h, _) = cell_step("gru_cell", Cell::Gru, self, [h, h], weights, biases)?;
        Ok(h)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    cell_spec("gru_cell", Cell::Gru, |a| {
        let weights = [a.var("w_ih")?, a.var("w_hh")?];
        let biases = [a.opt_var("b_ih"), a.opt_var("b_hh")];
        Ok(one(a.var("x")?.gru_cell(a.var("hx")?, weights, biases)?))
    })
    .reference(|a| naive_cell(a, Cell::Gru))
    .draw(|d| draw_cell(d, Cell::Gru))
}
