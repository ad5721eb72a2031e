//! What the specs of recurrent networks share: their attributes, cases and naive values.

use gradus_random::Philox;
use gradus_tensor::{Result, Tensor};

use super::recurrent::{Cell, RecurrentConfig};
use crate::Var;
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, Values};

/// A network: `hx` is a list for an LSTM.
pub(crate) fn net_spec(
    name: &'static str,
    cell: Cell,
    call: fn(&Args) -> Result<Vec<Var>>,
) -> OpSpec {
    let spec = OpSpec::new(name, call)
        .many()
        .small_only()
        .input("x", Kind::Float);
    let spec = if cell == Cell::Lstm {
        spec.list("hx", Kind::Float)
    } else {
        spec.input("hx", Kind::Float)
    };
    spec.list("params", Kind::Float)
        .optional("lengths", Kind::Index)
        .attr("has_biases", AttrType::Bool, true)
        .attr("num_layers", AttrType::Int, 1)
        .attr("dropout", AttrType::Float, 0.0)
        .attr("train", AttrType::Bool, false)
        .attr("bidirectional", AttrType::Bool, false)
        .attr("batch_first", AttrType::Bool, false)
        .attr("seed", AttrType::Int, 0)
}

/// The attributes of a network.
pub(crate) fn config_of(a: &Args) -> Result<RecurrentConfig> {
    Ok(RecurrentConfig {
        has_biases: a.flag("has_biases")?,
        num_layers: a.usize("num_layers")?,
        dropout: a.float("dropout")?,
        train: a.flag("train")?,
        bidirectional: a.flag("bidirectional")?,
        batch_first: a.flag("batch_first")?,
        lengths: a.opt_tensor("lengths").cloned(),
        philox: Philox::new(a.int("seed")? as u64, 0),
        step: 0,
    })
}

/// The parameters of a network.
pub(crate) fn params_of(a: &Args) -> Result<Vec<&Var>> {
    Ok(a.vars("params")?.iter().collect())
}

/// One cell: weights `w_ih`, `w_hh`, biases `b_ih`, `b_hh`; `hx` is a list for an LSTM.
pub(crate) fn cell_spec(
    name: &'static str,
    cell: Cell,
    call: fn(&Args) -> Result<Vec<Var>>,
) -> OpSpec {
    let spec = OpSpec::new(name, call).input("x", Kind::Float).small_only();
    let spec = if cell == Cell::Lstm {
        spec.list("hx", Kind::Float).many()
    } else {
        spec.input("hx", Kind::Float)
    };
    spec.input("w_ih", Kind::Float)
        .input("w_hh", Kind::Float)
        .optional("b_ih", Kind::Float)
        .optional("b_hh", Kind::Float)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `weight · x + bias`
fn affine(weight: &Dense, x: &[f64], bias: Option<&Dense>) -> Vec<f64> {
    let row = |r: usize| -> f64 {
        let sum: f64 = (0..x.len()).map(|i| weight.at(&[r, i]) * x[i]).sum();
        sum + bias.map_or(0.0, |b| b.data[r])
    };
    (0..weight.dims[0]).map(row).collect()
}

/// The parameters of a layer and direction: input, hidden, both biases, projection.
struct Naive<'a> {
    input: &'a Dense,
    hidden: &'a Dense,
    biases: Option<[&'a Dense; 2]>,
    projection: Option<&'a Dense>,
}

/// The next state and cell state of one sequence.
fn naive_step(cell: Cell, x: &[f64], h: &[f64], c: &[f64], p: &Naive<'_>) -> (Vec<f64>, Vec<f64>) {
    let a = affine(p.input, x, p.biases.map(|b| b[0]));
    let b = affine(p.hidden, h, p.biases.map(|b| b[1]));
    let n = a.len() / cell.gates();
    match cell {
        Cell::Tanh => ((0..n).map(|i| (a[i] + b[i]).tanh()).collect(), Vec::new()),
        Cell::Relu => ((0..n).map(|i| (a[i] + b[i]).max(0.0)).collect(), Vec::new()),
        Cell::Gru => {
            let unit = |i: usize| {
                let r = sigmoid(a[i] + b[i]);
                let z = sigmoid(a[n + i] + b[n + i]);
                let new = (a[2 * n + i] + r * b[2 * n + i]).tanh();
                (1.0 - z) * new + z * h[i]
            };
            ((0..n).map(unit).collect(), Vec::new())
        }
        Cell::Lstm => {
            let gate = |k: usize, i: usize| a[k * n + i] + b[k * n + i];
            let next =
                |i: usize| sigmoid(gate(1, i)) * c[i] + sigmoid(gate(0, i)) * gate(2, i).tanh();
            let c: Vec<f64> = (0..n).map(next).collect();
            let h: Vec<f64> = (0..n).map(|i| sigmoid(gate(3, i)) * c[i].tanh()).collect();
            (p.projection.map_or(h.clone(), |w| affine(w, &h, None)), c)
        }
    }
}

/// Sequence by sequence: each is walked over its own steps only.
pub(crate) fn naive_net(a: &Args, cell: Cell) -> Result<Vec<Dense>> {
    let dense = |xs: &[Var]| {
        xs.iter()
            .map(|x| Dense::of(x.tensor()))
            .collect::<Result<Vec<_>>>()
    };
    let mut x = a.dense("x")?;
    if a.flag("batch_first")? {
        x = x.permute(&[1, 0, 2]);
    }
    let states = if cell == Cell::Lstm {
        dense(a.vars("hx")?)?
    } else {
        vec![a.dense("hx")?]
    };
    let params = dense(a.vars("params")?)?;
    let (layers, directions) = (
        a.usize("num_layers")?,
        if a.flag("bidirectional")? { 2 } else { 1 },
    );
    let (steps, count, biased) = (x.dims[0], x.dims[1], a.flag("has_biases")?);
    let share = params.len() / (layers * directions);
    let lengths = a.opt_dense("lengths")?;
    let length = |n: usize| lengths.as_ref().map_or(steps, |l| l.data[n] as usize);
    let mut last: Vec<Dense> = states.iter().map(|s| Dense::zeros(&s.dims)).collect();
    let width = states[0].dims[2];
    for layer in 0..layers {
        let mut out = Dense::zeros(&[steps, count, directions * width]);
        for direction in 0..directions {
            let at = layer * directions + direction;
            let own = &params[at * share..][..share];
            let naive = Naive {
                input: &own[0],
                hidden: &own[1],
                biases: biased.then(|| [&own[2], &own[3]]),
                projection: (share % 2 == 1).then(|| &own[share - 1]),
            };
            for n in 0..count {
                let state = |s: &Dense| {
                    (0..s.dims[2])
                        .map(|i| s.at(&[at, n, i]))
                        .collect::<Vec<f64>>()
                };
                let mut h = state(&states[0]);
                let mut c = states.get(1).map(state).unwrap_or_default();
                let mut order: Vec<usize> = (0..length(n)).collect();
                if direction == 1 {
                    order.reverse();
                }
                for t in order {
                    let row: Vec<f64> = (0..x.dims[2]).map(|i| x.at(&[t, n, i])).collect();
                    (h, c) = naive_step(cell, &row, &h, &c, &naive);
                    for (i, &h) in h.iter().enumerate() {
                        *out.at_mut(&[t, n, direction * width + i]) = h;
                    }
                }
                for (last, values) in last.iter_mut().zip([h, c]) {
                    values
                        .into_iter()
                        .enumerate()
                        .for_each(|(i, v)| *last.at_mut(&[at, n, i]) = v);
                }
            }
        }
        x = out;
        if a.flag("train")? && layer + 1 < layers {
            x = naive_drop(a, &x, layer)?;
        }
    }
    if a.flag("batch_first")? {
        x = x.permute(&[1, 0, 2]);
    }
    last.insert(0, x);
    Ok(last)
}

fn naive_drop(a: &Args, x: &Dense, layer: usize) -> Result<Dense> {
    let (p, philox) = (
        a.float("dropout")?,
        Philox::new(a.int("seed")? as u64, layer as u64),
    );
    let mut i = 0;
    Ok(x.map(|x| {
        let word = philox.block(0, i / 4)[(i % 4) as usize];
        i += 1;
        if f64::from(word) >= (p * 4_294_967_296.0).round() {
            x / (1.0 - p)
        } else {
            0.0
        }
    }))
}

/// What a case's parameters are drawn from: those of a network with kinks keep all sums away from 0.
fn ranges(cell: Cell) -> [Values; 3] {
    match cell {
        Cell::Relu => [
            Values::POSITIVE,
            Values::between(0.05, 0.15),
            Values::between(0.1, 0.5),
        ],
        _ => [
            Values::REAL,
            Values::between(-0.8, 0.8),
            Values::between(-0.8, 0.8),
        ],
    }
}

/// The biases of units: some units of a network with kinks are never active.
fn bias(d: &mut Draw, cell: Cell, rows: usize) -> Result<Tensor> {
    let small = d.floats(&[rows], ranges(cell)[2])?;
    if cell != Cell::Relu {
        return Ok(small);
    }
    let mask = d.mask(&[rows])?.to_dtype(crate::DType::F64)?;
    let low = Var::constant(mask).mul_scalar(-8.0)?;
    Ok(Var::constant(small).add(&low)?.into_tensor())
}

pub(crate) fn draw_net(d: &mut Draw, cell: Cell) -> Result<Args> {
    let [values, weights, _] = ranges(cell);
    let (layers, both, biased) = (d.range(1..=2), d.flag(), d.flag());
    let projected = cell == Cell::Lstm && d.flag();
    let directions = if both { 2 } else { 1 };
    // Whole Jacobians of gradients are compared: of many layers only small ones.
    let (widest, longest) = match (layers * directions, projected) {
        (1, false) => (2, 3),
        _ => (1, 2),
    };
    let (steps, count) = (d.range(1..=longest), d.range(1..=2));
    let (features, hidden) = (d.range(1..=widest), d.range(1..=widest));
    // A projection to as many outputs as units is told from none by nothing but its width.
    let (hidden, outputs) = if projected {
        (hidden + 1, hidden)
    } else {
        (hidden, hidden)
    };
    let mut params: Vec<Var> = Vec::new();
    for at in 0..layers * directions {
        let own = if at < directions {
            features
        } else {
            directions * outputs
        };
        let rows = cell.gates() * hidden;
        params.push(Var::constant(d.floats(&[rows, own], weights)?));
        params.push(Var::constant(d.floats(&[rows, outputs], weights)?));
        if biased {
            params.push(Var::constant(bias(d, cell, rows)?));
            params.push(Var::constant(d.floats(&[rows], ranges(cell)[2])?));
        }
        if projected {
            params.push(Var::constant(d.floats(&[outputs, hidden], weights)?));
        }
    }
    let batch_first = d.flag();
    let dims = if batch_first {
        [count, steps, features]
    } else {
        [steps, count, features]
    };
    let h = Var::constant(d.floats(&[layers * directions, count, outputs], values)?);
    let mut args = Args::new()
        .with("x", d.floats(&dims, values)?)
        .with("params", params)
        .attr("has_biases", biased)
        .attr("num_layers", layers)
        .attr("bidirectional", both)
        .attr("batch_first", batch_first)
        .attr("train", d.flag())
        .attr("dropout", d.pick(&[0.0, 0.4]))
        .attr("seed", d.int(0..=99));
    args = if cell == Cell::Lstm {
        let c = Var::constant(d.floats(&[layers * directions, count, hidden], values)?);
        args.with("hx", vec![h, c])
    } else {
        args.with("hx", h)
    };
    if d.flag() {
        let lengths: Vec<i64> = (0..count).map(|_| d.int(0..=steps as i64)).collect();
        args = args.with("lengths", Tensor::from_slice(&lengths, [count])?);
    }
    Ok(args)
}

/// The cell of a call on each sequence.
pub(crate) fn naive_cell(a: &Args, cell: Cell) -> Result<Vec<Dense>> {
    let (x, input, hidden) = (a.dense("x")?, a.dense("w_ih")?, a.dense("w_hh")?);
    let (b_ih, b_hh) = (a.opt_dense("b_ih")?, a.opt_dense("b_hh")?);
    let states = match cell {
        Cell::Lstm => a
            .vars("hx")?
            .iter()
            .map(|s| Dense::of(s.tensor()))
            .collect::<Result<Vec<_>>>()?,
        _ => vec![a.dense("hx")?],
    };
    let biases = b_ih.as_ref().zip(b_hh.as_ref()).map(|(a, b)| [a, b]);
    let naive = Naive {
        input: &input,
        hidden: &hidden,
        biases,
        projection: None,
    };
    let mut next: Vec<Dense> = states.iter().map(|s| Dense::zeros(&s.dims)).collect();
    let (rows, batched) = (if x.rank() == 2 { x.dims[0] } else { 1 }, x.rank() == 2);
    let row = |m: &Dense, n: usize| {
        let width = m.dims[m.rank() - 1];
        m.data[n * width * usize::from(batched)..][..width].to_vec()
    };
    for n in 0..rows {
        let c = states.get(1).map(|c| row(c, n)).unwrap_or_default();
        let (h, c) = naive_step(cell, &row(&x, n), &row(&states[0], n), &c, &naive);
        for (next, values) in next.iter_mut().zip([h, c]) {
            let start = n * values.len();
            next.data[start..start + values.len()].copy_from_slice(&values);
        }
    }
    Ok(next)
}

pub(crate) fn draw_cell(d: &mut Draw, cell: Cell) -> Result<Args> {
    let [values, weights, _] = ranges(cell);
    let (features, hidden) = (d.range(1..=3), d.range(1..=2));
    let batch = if d.below(4) == 3 {
        vec![]
    } else {
        vec![d.range(1..=3)]
    };
    let rows = cell.gates() * hidden;
    let dims = |width: usize| [&batch[..], &[width]].concat();
    let mut args = Args::new()
        .with("x", d.floats(&dims(features), values)?)
        .with("w_ih", d.floats(&[rows, features], weights)?)
        .with("w_hh", d.floats(&[rows, hidden], weights)?);
    let h = Var::constant(d.floats(&dims(hidden), values)?);
    args = if cell == Cell::Lstm {
        let c = Var::constant(d.floats(&dims(hidden), values)?);
        args.with("hx", vec![h, c])
    } else {
        args.with("hx", h)
    };
    if d.flag() {
        args = args.with("b_ih", bias(d, cell, rows)?);
        args = args.with("b_hh", d.floats(&[rows], ranges(cell)[2])?);
    }
    Ok(args)
}
