//! Gated recurrent units, over sequences.

use crate::ops::support::recurrent::{Cell, RecurrentConfig, recurrent};
use crate::ops::support::recurrent_spec::{config_of, draw_net, naive_net, net_spec, params_of};
use crate::registry::OpSpec;
use crate::{Result, Var};

impl Var {
    /// Gated recurrent units over sequences: at each step `h = (1 - z) · n + z · h, with r, z = σ(…) and n = tanh(x_n + r · h_n)`.
    ///
    /// # Shapes
    /// - `self`: `(T, N, I)`, or `(N, T, I)` under `batch_first`
    /// - `hx`: `h0` `(L · D, N, H)`
    /// - `params`: for each layer and direction `weight_ih (3 H, I)`, `weight_hh (3 H, H)`, then, if there are biases,
    ///   `bias_ih` and `bias_hh` `(3 H,)`
    /// - returns the output `(T, N, D · H)` (or batch first) and the last state
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
    /// As `torch.gru`. Cho et al. 2014, arXiv:1406.1078; gates in the order r, z, n.
    pub fn gru(
        &self,
        h0: &Self,
        params: &[&Self],
        config: &RecurrentConfig,
    ) -> Result<(Self, Self)> {
        let states = [Some(h0), None];
        let (output, h, _) = recurrent("gru", Cell::Gru, self, states, params, config)?;
        Ok((output, h))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    net_spec("gru", Cell::Gru, |a| {
        let (params, config) = (params_of(a)?, config_of(a)?);
        let (output, h) = a.var("x")?.gru(a.var("hx")?, &params, &config)?;
        Ok(vec![output, h])
    })
    .reference(|a| naive_net(a, Cell::Gru))
    .draw(|d| draw_net(d, Cell::Gru))
}
