//! Recurrent layers and their cells.

use gradus_autograd::ops::RecurrentConfig as OpConfig;
use gradus_autograd::{Error, Parameter, Result, ResultExt, Tensor, Var};

use crate::{Ctx, Init, Scope};

/// The options of [`Rnn`], [`Lstm`] and [`Gru`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentConfig {
    /// How many layers, each on the outputs of the one before. Default: 1.
    pub num_layers: usize,
    /// Whether there are biases. Default: yes.
    pub bias: bool,
    /// Whether input and output are `(N, T, …)`. Default: no, they are `(T, N, …)`.
    pub batch_first: bool,
    /// The probability of dropping an output between layers, in training. Default: 0.
    pub dropout: f64,
    /// Whether a second direction starts at the ends. Default: no.
    pub bidirectional: bool,
    /// The width of the outputs of an [`Lstm`], if it is not that of its units; 0 for none. Default: 0.
    pub proj_size: usize,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self {
            num_layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            proj_size: 0,
        }
    }
}

/// What the layers share: parameters in PyTorch's order, sizes, options.
#[derive(Clone, Debug)]
struct Stack {
    path: String,
    stream: u64,
    hidden: usize,
    outputs: usize,
    params: Vec<Parameter>,
    config: RecurrentConfig,
}

impl Stack {
    fn new(
        scope: &Scope,
        gates: usize,
        features: usize,
        hidden: usize,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        let outputs = if config.proj_size > 0 {
            config.proj_size
        } else {
            hidden
        };
        let directions = if config.bidirectional { 2 } else { 1 };
        let init = Init::Fan { fan_in: hidden };
        let mut params = Vec::new();
        for layer in 0..config.num_layers {
            let features = if layer == 0 {
                features
            } else {
                directions * outputs
            };
            for direction in 0..directions {
                let suffix = if direction == 1 { "_reverse" } else { "" };
                let name = |what: &str| format!("{what}_l{layer}{suffix}");
                let rows = gates * hidden;
                params.push(scope.parameter(&name("weight_ih"), [rows, features], init)?);
                params.push(scope.parameter(&name("weight_hh"), [rows, outputs], init)?);
                if config.bias {
                    params.push(scope.parameter(&name("bias_ih"), [rows], init)?);
                    params.push(scope.parameter(&name("bias_hh"), [rows], init)?);
                }
                if config.proj_size > 0 {
                    params.push(scope.parameter(&name("weight_hr"), [outputs, hidden], init)?);
                }
            }
        }
        Ok(Self {
            path: scope.path().to_owned(),
            stream: scope.stream(),
            hidden,
            outputs,
            params,
            config: *config,
        })
    }

    /// The input with a dim of sequences, whether it lacked it, and the op's options.
    fn prepare(
        &self,
        x: &Var,
        lengths: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<(Var, bool, OpConfig)> {
        let alone = x.rank() == 2;
        let config = OpConfig {
            has_biases: self.config.bias,
            num_layers: self.config.num_layers,
            dropout: self.config.dropout,
            train: ctx.is_training(),
            bidirectional: self.config.bidirectional,
            batch_first: self.config.batch_first,
            lengths: lengths.cloned(),
            philox: ctx.philox(self.stream),
            step: ctx.step(),
        };
        let x = if alone {
            x.unsqueeze(self.batch_dim())?
        } else {
            x.clone()
        };
        Ok((x, alone, config))
    }

    fn batch_dim(&self) -> isize {
        if self.config.batch_first { 0 } else { 1 }
    }

    /// The given initial state, or zeros.
    fn state(&self, x: &Var, given: Option<&Var>, width: usize, alone: bool) -> Result<Var> {
        match given {
            Some(state) if alone => state.unsqueeze(1),
            Some(state) => Ok(state.clone()),
            None => {
                let directions = if self.config.bidirectional { 2 } else { 1 };
                let blocks = self.config.num_layers * directions;
                let count = x
                    .dims()
                    .get(self.batch_dim() as usize)
                    .copied()
                    .unwrap_or(0);
                Ok(Var::constant(Tensor::zeros(
                    [blocks, count, width],
                    x.dtype(),
                )?))
            }
        }
    }

    /// Drops the dim of sequences where the input lacked it: of the output and of states.
    fn finish(&self, alone: bool, output: Var, states: Vec<Var>) -> Result<(Var, Vec<Var>)> {
        if !alone {
            return Ok((output, states));
        }
        let states = states.iter().map(|s| s.squeeze(1)).collect::<Result<_>>()?;
        Ok((output.squeeze(self.batch_dim())?, states))
    }
}

/// The nonlinearity of an [`Rnn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

/// Elman's network; `torch.nn.RNN`.
///
/// # Shapes
/// Input `(T, N, I)` (batch first: `(N, T, I)`; of one sequence `(T, I)`), output with `D · H` features, state `(L · D, N, H)`. Keys are
/// PyTorch's: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_ih_l0_reverse` …; all start uniformly in `±1 / sqrt(H)`.
#[derive(Clone, Debug)]
pub struct Rnn {
    stack: Stack,
    nonlinearity: Nonlinearity,
}

/// Gated recurrent units; `torch.nn.GRU`. Shapes and keys as [`Rnn`], with `3 H` rows for the gates r, z, n.
#[derive(Clone, Debug)]
pub struct Gru {
    stack: Stack,
}

/// Long short-term memory; `torch.nn.LSTM`. Shapes and keys as [`Rnn`], with `4 H` rows for the gates i, f, g, o, a second state
/// `(L · D, N, H)`, and `weight_hr_l0` … of projections.
#[derive(Clone, Debug)]
pub struct Lstm {
    stack: Stack,
}

/// Refuses a projection where there is none.
fn without_projection(config: &RecurrentConfig, op: &'static str) -> Result<()> {
    if config.proj_size == 0 {
        return Ok(());
    }
    let (name, expected, got) = (
        "proj_size",
        "0: only an LSTM has projections",
        config.proj_size as f64,
    );
    Err(Error::Argument {
        op,
        name,
        expected,
        got,
    })
}

impl Rnn {
    /// A network of `hidden` units a layer and direction.
    ///
    /// # Errors
    /// Those of making the parameters; [`Error::Argument`] for a projection.
    pub fn new(
        scope: &Scope,
        features: usize,
        hidden: usize,
        nonlinearity: Nonlinearity,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        without_projection(config, "rnn")?;
        let stack = Stack::new(scope, 1, features, hidden, config)?;
        Ok(Self {
            stack,
            nonlinearity,
        })
    }

    /// The output and the last state, from an initial state or zeros. `lengths` are the steps of each sequence.
    ///
    /// # Errors
    /// Those of [`Var::rnn_tanh`], with the module's path in front.
    pub fn forward(
        &self,
        x: &Var,
        h: Option<&Var>,
        lengths: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<(Var, Var)> {
        let run = |x: &Var, h: &Var, params: &[&Var], config: &OpConfig| match self.nonlinearity {
            Nonlinearity::Tanh => x.rnn_tanh(h, params, config),
            Nonlinearity::Relu => x.rnn_relu(h, params, config),
        };
        with_one_state(&self.stack, x, h, lengths, ctx, run)
    }
}

impl Gru {
    /// A network of `hidden` units a layer and direction.
    ///
    /// # Errors
    /// Those of making the parameters; [`Error::Argument`] for a projection.
    pub fn new(
        scope: &Scope,
        features: usize,
        hidden: usize,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        without_projection(config, "gru")?;
        Ok(Self {
            stack: Stack::new(scope, 3, features, hidden, config)?,
        })
    }

    /// The output and the last state, from an initial state or zeros. `lengths` are the steps of each sequence.
    ///
    /// # Errors
    /// Those of [`Var::gru`], with the module's path in front.
    pub fn forward(
        &self,
        x: &Var,
        h: Option<&Var>,
        lengths: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<(Var, Var)> {
        with_one_state(&self.stack, x, h, lengths, ctx, |x, h, params, config| {
            x.gru(h, params, config)
        })
    }
}

fn with_one_state(
    stack: &Stack,
    x: &Var,
    h: Option<&Var>,
    lengths: Option<&Tensor>,
    ctx: &Ctx,
    run: impl Fn(&Var, &Var, &[&Var], &OpConfig) -> Result<(Var, Var)>,
) -> Result<(Var, Var)> {
    let all = || {
        let (x, alone, config) = stack.prepare(x, lengths, ctx)?;
        let h = stack.state(&x, h, stack.hidden, alone)?;
        let params: Vec<Var> = stack.params.iter().map(Parameter::var).collect();
        let (output, h) = run(&x, &h, &params.iter().collect::<Vec<_>>(), &config)?;
        let (output, states) = stack.finish(alone, output, vec![h.clone()])?;
        Ok((output, states.into_iter().next().unwrap_or(h)))
    };
    all().at(|| stack.path.as_str())
}

impl Lstm {
    /// A network of `hidden` units a layer and direction.
    ///
    /// # Errors
    /// Those of making the parameters; [`Error::Argument`] if a projection is not narrower than the units.
    pub fn new(
        scope: &Scope,
        features: usize,
        hidden: usize,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        if config.proj_size >= hidden.max(1) {
            let (op, name, got) = ("lstm", "proj_size", config.proj_size as f64);
            return Err(Error::Argument {
                op,
                name,
                expected: "below the number of units",
                got,
            });
        }
        Ok(Self {
            stack: Stack::new(scope, 4, features, hidden, config)?,
        })
    }

    /// The output and the last states (hidden and cell), from initial states or zeros. `lengths` are the steps of each sequence.
    ///
    /// # Errors
    /// Those of [`Var::lstm`], with the module's path in front.
    pub fn forward(
        &self,
        x: &Var,
        states: Option<[&Var; 2]>,
        lengths: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<(Var, [Var; 2])> {
        let stack = &self.stack;
        let all = || {
            let (x, alone, config) = stack.prepare(x, lengths, ctx)?;
            let h = stack.state(&x, states.map(|s| s[0]), stack.outputs, alone)?;
            let c = stack.state(&x, states.map(|s| s[1]), stack.hidden, alone)?;
            let params: Vec<Var> = stack.params.iter().map(Parameter::var).collect();
            let (output, h, c) = x.lstm(&h, &c, &params.iter().collect::<Vec<_>>(), &config)?;
            if !alone {
                return Ok((output, [h, c]));
            }
            Ok((
                output.squeeze(stack.batch_dim())?,
                [h.squeeze(1)?, c.squeeze(1)?],
            ))
        };
        all().at(|| stack.path.as_str())
    }
}

/// The weights of a cell.
#[derive(Clone, Debug)]
struct CellParams {
    path: String,
    hidden: usize,
    weights: [Parameter; 2],
    biases: Option<[Parameter; 2]>,
}

impl CellParams {
    fn new(
        scope: &Scope,
        gates: usize,
        features: usize,
        hidden: usize,
        bias: bool,
    ) -> Result<Self> {
        let (init, rows) = (Init::Fan { fan_in: hidden }, gates * hidden);
        let weights = [
            scope.parameter("weight_ih", [rows, features], init)?,
            scope.parameter("weight_hh", [rows, hidden], init)?,
        ];
        let biases = if bias {
            Some([
                scope.parameter("bias_ih", [rows], init)?,
                scope.parameter("bias_hh", [rows], init)?,
            ])
        } else {
            None
        };
        Ok(Self {
            path: scope.path().to_owned(),
            hidden,
            weights,
            biases,
        })
    }

    /// The given state, or zeros.
    fn state(&self, x: &Var, given: Option<&Var>) -> Result<Var> {
        if let Some(state) = given {
            return Ok(state.clone());
        }
        let batch = &x.dims()[..x.rank().saturating_sub(1)];
        Ok(Var::constant(Tensor::zeros(
            [batch, &[self.hidden]].concat(),
            x.dtype(),
        )?))
    }

    fn run<R>(&self, f: impl FnOnce([&Var; 2], [Option<&Var>; 2]) -> Result<R>) -> Result<R> {
        let weights = self.weights.each_ref().map(Parameter::var);
        let biases = self
            .biases
            .as_ref()
            .map(|b| b.each_ref().map(Parameter::var));
        let biases = biases
            .as_ref()
            .map_or([None, None], |[a, b]| [Some(a), Some(b)]);
        f([&weights[0], &weights[1]], biases).at(|| self.path.as_str())
    }
}

/// One step of an [`Rnn`]; `torch.nn.RNNCell`. Keys `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
#[derive(Clone, Debug)]
pub struct RnnCell {
    params: CellParams,
    nonlinearity: Nonlinearity,
}

/// One step of a [`Gru`]; `torch.nn.GRUCell`. Keys as [`RnnCell`].
#[derive(Clone, Debug)]
pub struct GruCell {
    params: CellParams,
}

/// One step of an [`Lstm`]; `torch.nn.LSTMCell`. Keys as [`RnnCell`].
#[derive(Clone, Debug)]
pub struct LstmCell {
    params: CellParams,
}

impl RnnCell {
    /// A cell of `hidden` units.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        features: usize,
        hidden: usize,
        nonlinearity: Nonlinearity,
        bias: bool,
    ) -> Result<Self> {
        let params = CellParams::new(scope, 1, features, hidden, bias)?;
        Ok(Self {
            params,
            nonlinearity,
        })
    }

    /// The next state, from one before or zeros.
    ///
    /// # Errors
    /// Those of [`Var::rnn_tanh_cell`], with the module's path in front.
    pub fn forward(&self, x: &Var, h: Option<&Var>) -> Result<Var> {
        let h = self.params.state(x, h)?;
        self.params.run(|weights, biases| match self.nonlinearity {
            Nonlinearity::Tanh => x.rnn_tanh_cell(&h, weights, biases),
            Nonlinearity::Relu => x.rnn_relu_cell(&h, weights, biases),
        })
    }
}

impl GruCell {
    /// A cell of `hidden` units.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, features: usize, hidden: usize, bias: bool) -> Result<Self> {
        Ok(Self {
            params: CellParams::new(scope, 3, features, hidden, bias)?,
        })
    }

    /// The next state, from one before or zeros.
    ///
    /// # Errors
    /// Those of [`Var::gru_cell`], with the module's path in front.
    pub fn forward(&self, x: &Var, h: Option<&Var>) -> Result<Var> {
        let h = self.params.state(x, h)?;
        self.params
            .run(|weights, biases| x.gru_cell(&h, weights, biases))
    }
}

impl LstmCell {
    /// A cell of `hidden` units.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, features: usize, hidden: usize, bias: bool) -> Result<Self> {
        Ok(Self {
            params: CellParams::new(scope, 4, features, hidden, bias)?,
        })
    }

    /// The next hidden and cell state, from ones before or zeros.
    ///
    /// # Errors
    /// Those of [`Var::lstm_cell`], with the module's path in front.
    pub fn forward(&self, x: &Var, states: Option<[&Var; 2]>) -> Result<(Var, Var)> {
        let h = self.params.state(x, states.map(|s| s[0]))?;
        let c = self.params.state(x, states.map(|s| s[1]))?;
        self.params
            .run(|weights, biases| x.lstm_cell([&h, &c], weights, biases))
    }
}
