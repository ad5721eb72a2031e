//! Long short-term memory: one step.

use crate::ops::support::recurrent::{Cell, cell_step};
use crate::ops::support::recurrent_spec::{cell_spec, draw_cell, naive_cell};
use crate::registry::OpSpec;
use crate::{Result, Var};

impl Var {
    /// One step of [`Var::lstm`].
    ///
    /// # Shapes
    /// `self` `(N, I)` or `(I,)`, states `(N, H)` or `(H,)`, weights `(4 H, I)` and `(4 H, H)`, biases `(4 H,)`; returns the next states.
    ///
    /// # Gradient
    /// To all, any number of times: composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.lstm_cell`.
    pub fn lstm_cell(
        &self,
        [h, c]: [&Self; 2],
        weights: [&Self; 2],
        biases: [Option<&Self>; 2],
    ) -> Result<(Self, Self)> {
        let (h, next) = cell_step("lstm_cell", Cell::Lstm, self, [h, c], weights, biases)?;
        Ok((h, next.unwrap_or_else(|| c.clone())))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    cell_spec("lstm_cell", Cell::Lstm, |a| {
        let weights = [a.var("w_ih")?, a.var("w_hh")?];
        let biases = [a.opt_var("b_ih"), a.opt_var("b_hh")];
        let [h, c] = a.vars("hx")? else {
            let got = a.vars("hx")?.len();
            return Err(crate::Error::Length {
                op: "lstm_cell",
                expected: 2,
                got,
            });
        };
        let (h, c) = a.var("x")?.lstm_cell([h, c], weights, biases)?;
        Ok(vec![h, c])
    })
    .reference(|a| naive_cell(a, Cell::Lstm))
    .draw(|d| draw_cell(d, Cell::Lstm))
}
