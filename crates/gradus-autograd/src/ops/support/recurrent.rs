//! Recurrent networks: their cells, and the walk over steps, layers and directions.
//!
//! Letters: T steps, N sequences, I inputs, H hidden units, P outputs (H without a projection), D directions, L layers.

use gradus_random::Philox;
use gradus_tensor::{DType, Error, Result, Tensor};

use super::{require, require_dtype, same_dtype, scalar_like};
use crate::Var;

/// The options of [`Var::lstm`], [`Var::gru`], [`Var::rnn_tanh`] and [`Var::rnn_relu`], with the defaults of PyTorch's modules.
#[derive(Clone, Debug)]
pub struct RecurrentConfig {
    /// Whether the parameters have biases. Default: yes.
    pub has_biases: bool,
    /// How many layers, each on the outputs of the one before. Default: 1.
    pub num_layers: usize,
    /// The probability of dropping an output between layers, in training. Default: 0.
    pub dropout: f64,
    /// Whether this is training. Default: no.
    pub train: bool,
    /// Whether a second direction starts at the ends. Default: no.
    pub bidirectional: bool,
    /// Whether input and output are `(N, T, …)` instead of `(T, N, …)`. Default: no.
    pub batch_first: bool,
    /// The steps of each sequence, i64 `(N,)`: the first of them count, outputs behind them are 0. Default: all.
    pub lengths: Option<Tensor>,
    /// The generator of the dropout; layer `l` uses the stream `l` numbers on. Default: seed 0, stream 0.
    pub philox: Philox,
    /// The step of the dropout. Default: 0.
    pub step: u64,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self {
            has_biases: true,
            num_layers: 1,
            dropout: 0.0,
            train: false,
            bidirectional: false,
            batch_first: false,
            lengths: None,
            philox: Philox::new(0, 0),
            step: 0,
        }
    }
}

/// What one step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// `tanh(x + h)`
    Tanh,
    /// `max(0, x + h)`
    Relu,
    /// Gates i f g o, with a cell state.
    Lstm,
    /// Gates r z n.
    Gru,
}

/// The weights of one layer and direction, but for that of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a> {
    pub(crate) hidden: &'a Var,
    pub(crate) bias: Option<&'a Var>,
    pub(crate) projection: Option<&'a Var>,
}

impl Cell {
    /// How many rows of the weights belong to a hidden unit.
    pub(crate) const fn gates(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// The next state from that before and the input's share of the gates.
    pub(crate) fn step(
        self,
        x: &Var,
        h: &Var,
        c: Option<&Var>,
        w: &Weights<'_>,
    ) -> Result<(Var, Option<Var>)> {
        let own = h.linear(w.hidden, w.bias)?;
        match (self, c) {
            (Self::Tanh, _) => Ok((x.add(&own)?.tanh()?, None)),
            (Self::Relu, _) => Ok((x.add(&own)?.relu()?, None)),
            (Self::Gru, _) => {
                let (x, own) = (x.chunk(3, -1)?, own.chunk(3, -1)?);
                let (reset, update) =
                    (x[0].add(&own[0])?.sigmoid()?, x[1].add(&own[1])?.sigmoid()?);
                let new = x[2].add(&reset.mul(&own[2])?)?.tanh()?;
                Ok((h.sub(&new)?.mul(&update)?.add(&new)?, None))
            }
            (Self::Lstm, c) => {
                let gates = x.add(&own)?.chunk(4, -1)?;
                let c = c.unwrap_or(h);
                let kept = gates[1].sigmoid()?.mul(c)?;
                let c = kept.add(&gates[0].sigmoid()?.mul(&gates[2].tanh()?)?)?;
                let h = gates[3].sigmoid()?.mul(&c.tanh()?)?;
                let h = match w.projection {
                    Some(projection) => h.linear(projection, None)?,
                    None => h,
                };
                Ok((h, Some(c)))
            }
        }
    }
}

/// Output `(T, N, D · P)` or batch first, the last states `(L · D, N, P)` and, of an LSTM, cell states `(L · D, N, H)`.
pub(crate) fn recurrent(
    op: &'static str,
    cell: Cell,
    x: &Var,
    [h, c]: [Option<&Var>; 2],
    params: &[&Var],
    config: &RecurrentConfig,
) -> Result<(Var, Var, Option<Var>)> {
    let net = Network::of(op, cell, x, [h, c], params, config)?;
    let mut input = if config.batch_first {
        x.transpose(0, 1)?
    } else {
        x.clone()
    };
    let (mut last_h, mut last_c) = (Vec::new(), Vec::new());
    for layer in 0..config.num_layers {
        let mut outputs = Vec::with_capacity(net.directions);
        for direction in 0..net.directions {
            let at = layer * net.directions + direction;
            let (output, h, c) = net.walk(&input, at, direction == 1)?;
            outputs.push(output);
            last_h.push(h);
            last_c.extend(c);
        }
        input = match &outputs[..] {
            [only] => only.clone(),
            both => Var::cat(&both.iter().collect::<Vec<_>>(), -1)?,
        };
        if config.train && config.dropout > 0.0 && layer + 1 < config.num_layers {
            let philox = config.philox.substream(layer as u64);
            input = input.dropout(config.dropout, &philox, config.step)?;
        }
    }
    let stack = |states: &[Var]| Var::stack(&states.iter().collect::<Vec<_>>(), 0);
    let output = if config.batch_first {
        input.transpose(0, 1)?
    } else {
        input
    };
    let c = if last_c.is_empty() {
        None
    } else {
        Some(stack(&last_c)?)
    };
    Ok((output, stack(&last_h)?, c))
}

/// A checked call.
struct Network<'a> {
    cell: Cell,
    states: [Option<&'a Var>; 2],
    params: &'a [&'a Var],
    /// How many parameters a direction of a layer has.
    share: usize,
    has_biases: bool,
    projected: bool,
    directions: usize,
    /// `(N, 1)` for each step, whether the sequence still runs; none if all do.
    running: Option<Vec<Tensor>>,
}

impl<'a> Network<'a> {
    fn of(
        op: &'static str,
        cell: Cell,
        x: &Var,
        states: [Option<&'a Var>; 2],
        params: &'a [&'a Var],
        config: &RecurrentConfig,
    ) -> Result<Self> {
        let [first, second, _] = x.shape().to_array(op)?;
        let [steps, count] = if config.batch_first {
            [second, first]
        } else {
            [first, second]
        };
        require(steps > 0, op, "steps", "at least 1", 0.0)?;
        require(config.num_layers > 0, op, "num_layers", "at least 1", 0.0)?;
        let p = config.dropout;
        require((0.0..=1.0).contains(&p), op, "dropout", "in 0..=1", p)?;
        let directions = if config.bidirectional { 2 } else { 1 };
        let width = |state: Option<&Var>| state.and_then(|s| s.dims().last().copied());
        let projected = cell == Cell::Lstm && width(states[0]) != width(states[1]);
        let share = 2 + if config.has_biases { 2 } else { 0 } + usize::from(projected);
        let blocks = config.num_layers.checked_mul(directions);
        let expected = blocks
            .and_then(|n| n.checked_mul(share))
            .unwrap_or(usize::MAX);
        if params.len() != expected {
            return Err(Error::Length {
                op,
                expected,
                got: params.len(),
            });
        }
        for state in states.into_iter().flatten() {
            same_dtype(op, x.tensor(), state.tensor())?;
            let [found, sequences, _] = state.shape().to_array(op)?;
            if Some(found) != blocks || sequences != count {
                let (lhs, rhs) = (*x.shape(), *state.shape());
                let rule = "one initial state for each layer and direction and each sequence";
                return Err(Error::ShapeMismatch { op, lhs, rhs, rule });
            }
        }
        let net = Self {
            cell,
            states,
            params,
            share,
            has_biases: config.has_biases,
            projected,
            directions,
            running: running(op, config.lengths.as_ref(), steps, count)?,
        };
        net.check(op, x.dims()[2])?;
        Ok(net)
    }

    /// The shapes of all parameters.
    fn check(&self, op: &'static str, features: usize) -> Result<()> {
        let outputs = self.states[0].map_or(0, |h| h.dims()[2]);
        let hidden = self.states[1].map_or(outputs, |c| c.dims()[2]);
        require(hidden > 0, op, "hidden units", "at least 1", 0.0)?;
        let rows = hidden
            .checked_mul(self.cell.gates())
            .ok_or(Error::Overflow { op, what: "gates" })?;
        for (at, params) in self.params.chunks(self.share).enumerate() {
            let features = if at < self.directions {
                features
            } else {
                self.directions * outputs
            };
            let mut wanted = vec![vec![rows, features], vec![rows, outputs]];
            if self.has_biases {
                wanted.extend([vec![rows], vec![rows]]);
            }
            if self.projected {
                wanted.push(vec![outputs, hidden]);
            }
            for (param, wanted) in params.iter().zip(wanted) {
                if param.dims() != wanted {
                    let lhs = gradus_tensor::Shape::new(&wanted)?;
                    let rule = "a parameter has not the shape that input and states ask for";
                    return Err(Error::ShapeMismatch {
                        op,
                        lhs,
                        rhs: *param.shape(),
                        rule,
                    });
                }
            }
        }
        Ok(())
    }

    /// One direction of one layer: outputs `(T, N, P)` and the last states.
    fn walk(&self, x: &Var, at: usize, reverse: bool) -> Result<(Var, Var, Option<Var>)> {
        let params = &self.params[at * self.share..][..self.share];
        let biases = self.has_biases.then(|| [params[2], params[3]]);
        let weights = Weights {
            hidden: params[1],
            bias: biases.map(|b| b[1]),
            projection: if self.projected {
                params.last().copied()
            } else {
                None
            },
        };
        // The input's share of the gates of all steps: one product.
        let steps = x.linear(params[0], biases.map(|b| b[0]))?.unbind(0)?;
        let first = |states: Option<&Var>| states.map(|s| s.select(0, at)).transpose();
        let mut h = first(self.states[0])?.ok_or(Error::Length {
            op: "rnn",
            expected: 1,
            got: 0,
        })?;
        let mut c = first(self.states[1])?;
        let mut outputs = Vec::with_capacity(steps.len());
        let zero = scalar_like(x, 0.0)?;
        for i in 0..steps.len() {
            let t = if reverse { steps.len() - 1 - i } else { i };
            let (mut next, mut next_c) = self.cell.step(&steps[t], &h, c.as_ref(), &weights)?;
            let mut output = next.clone();
            if let Some(running) = &self.running {
                output = next.where_(&running[t], &zero)?;
                next = next.where_(&running[t], &h)?;
                if let (Some(new), Some(old)) = (&next_c, &c) {
                    next_c = Some(new.where_(&running[t], old)?);
                }
            }
            outputs.push(output);
            (h, c) = (next, next_c);
        }
        if reverse {
            outputs.reverse();
        }
        Ok((Var::stack(&outputs.iter().collect::<Vec<_>>(), 0)?, h, c))
    }
}

/// Whether each sequence still runs at each step.
fn running(
    op: &'static str,
    lengths: Option<&Tensor>,
    steps: usize,
    count: usize,
) -> Result<Option<Vec<Tensor>>> {
    let Some(lengths) = lengths else {
        return Ok(None);
    };
    require_dtype(op, lengths, &[DType::I64])?;
    if *lengths.shape() != [count] {
        return Err(Error::Length {
            op,
            expected: count,
            got: lengths.numel(),
        });
    }
    let lengths = lengths.to_vec::<i64>()?;
    for &n in &lengths {
        let fits = usize::try_from(n).is_ok_and(|n| n <= steps);
        require(
            fits,
            op,
            "lengths",
            "from 0 to the number of steps",
            n as f64,
        )?;
    }
    let at = |t: usize| {
        let runs: Vec<bool> = lengths.iter().map(|&n| (t as i64) < n).collect();
        Tensor::from_slice(&runs, [count, 1])
    };
    (0..steps).map(at).collect::<Result<Vec<_>>>().map(Some)
}

/// One step of a cell on `(N, I)` or `(I,)`, its weights checked.
pub(crate) fn cell_step(
    op: &'static str,
    cell: Cell,
    x: &Var,
    [h, c]: [&Var; 2],
    [input, hidden]: [&Var; 2],
    [input_bias, hidden_bias]: [Option<&Var>; 2],
) -> Result<(Var, Option<Var>)> {
    for state in [h, c] {
        let alike =
            state.rank() == x.rank() && (x.rank() == 1 || state.dims().first() == x.dims().first());
        if !(1..=2).contains(&x.rank()) || !alike || state.shape() != h.shape() {
            let (lhs, rhs) = (*x.shape(), *state.shape());
            let rule = "input (N, I) or (I,), states (N, H) or (H,)";
            return Err(Error::ShapeMismatch { op, lhs, rhs, rule });
        }
    }
    let width = h.dims()[h.rank() - 1];
    let [rows, own] = hidden.shape().to_array(op)?;
    if width == 0
        || own != width
        || Some(rows) != width.checked_mul(cell.gates())
        || input.dims().first() != Some(&rows)
    {
        let (lhs, rhs) = (*h.shape(), *hidden.shape());
        let rule = "weights have a row for each gate of each hidden unit";
        return Err(Error::ShapeMismatch { op, lhs, rhs, rule });
    }
    let share = x.linear(input, input_bias)?;
    let weights = Weights {
        hidden,
        bias: hidden_bias,
        projection: None,
    };
    let c = (cell == Cell::Lstm).then_some(c);
    cell.step(&share, h, c, &weights)
}
