//! Long short-term memory, over sequences.

use crate::ops::support::recurrent::{Cell, RecurrentConfig, recurrent};
use crate::ops::support::recurrent_spec::{config_of, draw_net, naive_net, net_spec, params_of};
use crate::registry::OpSpec;
use crate::{Result, Var};

impl Var {
    /// Long short-term memory over sequences: at each step `c = f · c + i · g and h = o · tanh(c), with i, f, o = σ(…) and g = tanh(…)`.
    ///
    /// # Shapes
    /// - `self`: `(T, N, I)`, or `(N, T, I)` under `batch_first`
    /// - `hx`: `h0` `(L · D, N, H)` and `c0` of the same shape; if the widths of the two differ, outputs are projected to
    ///   that of `h0`
    /// - `params`: for each layer and direction `weight_ih (4 H, I)`, `weight_hh (4 H, H)`, then, if there are biases,
    ///   `bias_ih` and `bias_hh` `(4 H,)`, and `weight_hr (P, H)` of a projection
    /// - returns the output `(T, N, D · H)` (or batch first) and the last states of both
    ///
    /// # Numerics
    /// The products of all steps with `weight_ih` are one. Sequences with `lengths` are walked over their own steps: their
    /// states stay as they were at the end, outputs behind it are 0, and the second direction starts there, as with
    /// PyTorch's packed sequences. f32 or f64, all alike.
    ///
    /// # Gradient
    /// To input, states and parameters, any number of times: composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`]; [`crate::Error::Length`] for another number of parameters or
    /// lengths; [`crate::Error::Argument`] for lengths above `T`; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`].
    ///
    /// As `torch.lstm`. Hochreiter and Schmidhuber 1997; gates in the order i, f, g, o.
    pub fn lstm(
        &self,
        h0: &Self,
        c0: &Self,
        params: &[&Self],
        config: &RecurrentConfig,
    ) -> Result<(Self, Self, Self)> {
        let states = [Some(h0), Some(c0)];
        let (output, h, c) = recurrent("lstm", Cell::Lstm, self, states, params, config)?;
        let c = c.unwrap_or_else(|| c0.clone());
        Ok((output, h, c))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    net_spec("lstm", Cell::Lstm, |a| {
        let (params, config) = (params_of(a)?, config_of(a)?);
        let [h0, c0] = a.vars("hx")? else {
            let got = a.vars("hx")?.len();
            return Err(crate::Error::Length {
                op: "lstm",
                expected: 2,
                got,
            });
        };
        let (output, h, c) = a.var("x")?.lstm(h0, c0, &params, &config)?;
        Ok(vec![output, h, c])
    })
    .reference(|a| naive_net(a, Cell::Lstm))
    .draw(|d| draw_net(d, Cell::Lstm))
}
