//! Calls that make no sense: any shapes, dtypes, layouts and attributes. An op answers with an error, never with a panic.

use gradus_random::Rng;
use gradus_tensor::{DType, Result, Tensor};

use super::{Args, Attr, AttrType, Draw, Input, Kind, OpSpec};
use crate::Var;

/// Whole numbers that break careless arithmetic. None is a size between what fits easily and what cannot be had at all.
const EDGES: [i64; 8] = [
    i64::MIN,
    i64::MAX,
    i64::MIN + 1,
    i64::MAX / 2,
    1 << 62,
    -(1 << 31),
    1 << 53,
    -1,
];

/// A call with arbitrary inputs and attributes; half of them start from a good case and differ from it in one place.
///
/// # Errors
/// [`gradus_tensor::Error::OutOfMemory`].
pub fn arbitrary(spec: &OpSpec, rng: &mut Rng) -> Result<Args> {
    if let (Some(sampler), true) = (spec.sampler, rng.below(2) == 0) {
        let args = sampler(&mut Draw::seeded(rng.next_u64(), 0))?;
        return disturb(spec, args, rng);
    }
    let mut args = Args::new();
    for input in spec.inputs() {
        if input.optional && rng.below(2) == 0 {
            continue;
        }
        let given: Input = if input.list {
            let count = rng.below(4);
            let list = (0..count).map(|_| any_tensor(input.kind, rng));
            list.collect::<Result<Vec<Tensor>>>()?.into()
        } else {
            any_tensor(input.kind, rng)?.into()
        };
        args = args.with(input.name, given);
    }
    for attr in spec.attrs() {
        if attr.default.is_none() || rng.below(2) == 0 {
            args = args.attr(attr.name, any_value(attr.kind, rng));
        }
    }
    Ok(args)
}

/// The case with one input or attribute replaced.
fn disturb(spec: &OpSpec, args: Args, rng: &mut Rng) -> Result<Args> {
    let inputs = spec.inputs().len();
    let at = rng.below((inputs + spec.attrs().len()).max(1) as u64) as usize;
    if let Some(attr) = at.checked_sub(inputs).and_then(|i| spec.attrs().get(i)) {
        return Ok(args.attr(attr.name, any_value(attr.kind, rng)));
    }
    match spec.inputs().get(at) {
        Some(input) if !input.list => Ok(args.with(input.name, any_tensor(input.kind, rng)?)),
        _ => Ok(args),
    }
}

/// A tensor of the right kind mostly, of any rank, often of odd sizes, strides and values.
fn any_tensor(kind: Kind, rng: &mut Rng) -> Result<Tensor> {
    let dtype = match (kind, rng.below(8)) {
        (_, 0) => [
            DType::F32,
            DType::F64,
            DType::BF16,
            DType::F16,
            DType::I64,
            DType::U8,
            DType::Bool,
        ][rng.below(7) as usize],
        (Kind::Index, _) => DType::I64,
        (Kind::Mask, _) => DType::Bool,
        (_, 1..3) => DType::F32,
        _ => DType::F64,
    };
    let rank = rng.below(6) as usize;
    let dims: Vec<usize> = (0..rank)
        .map(|_| [0, 1, 1, 2, 2, 3, 4, 5][rng.below(8) as usize])
        .collect();
    let n: usize = dims.iter().product();
    let odd = rng.below(6) == 0;
    let data: Vec<f64> = (0..n).map(|_| any_number(dtype, odd, rng)).collect();
    let mut x = Tensor::from_slice(&data, dims)?.to_dtype(dtype)?;
    if rank >= 2 && rng.below(3) == 0 {
        x = x.transpose(0, -1)?;
    }
    if rank >= 1 && rng.below(4) == 0 {
        x = x.flip(&[rng.below(rank as u64) as isize])?;
    }
    Ok(x)
}

fn any_number(dtype: DType, odd: bool, rng: &mut Rng) -> f64 {
    if !dtype.is_float() {
        return if odd {
            rng.range(-9.0, 9.0).round()
        } else {
            rng.below(3) as f64
        };
    }
    if odd {
        let edges = [
            0.0,
            -0.0,
            1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            -1e-300,
        ];
        edges[rng.below(8) as usize]
    } else {
        rng.range(-3.0, 3.0)
    }
}

fn any_int(rng: &mut Rng) -> i64 {
    match rng.below(10) {
        0 => EDGES[rng.below(EDGES.len() as u64) as usize],
        _ => rng.below(9) as i64 - 3,
    }
}

fn any_float(rng: &mut Rng) -> f64 {
    let edges = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0, 0.0];
    match rng.below(8) {
        0 => edges[rng.below(edges.len() as u64) as usize],
        _ => rng.range(-3.0, 3.0),
    }
}

fn any_value(kind: AttrType, rng: &mut Rng) -> Attr {
    const WORDS: [&str; 24] = [
        "none",
        "mean",
        "sum",
        "",
        "same",
        "valid",
        "constant",
        "reflect",
        "replicate",
        "circular",
        "nearest",
        "bilinear",
        "bicubic",
        "linear",
        "tanh",
        "erf",
        "amax",
        "prod",
        "floor",
        "trunc",
        "ij",
        "ij,jk->ik",
        "...i->i",
        "->",
    ];
    let count = rng.below(5);
    match (kind, rng.below(12)) {
        (_, 0) => Attr::None,
        (AttrType::Int, _) => Attr::Int(any_int(rng)),
        (AttrType::Float, _) => Attr::Float(any_float(rng)),
        (AttrType::Bool, _) => Attr::Bool(rng.below(2) == 0),
        (AttrType::Text, _) | (AttrType::IntsOrText, 1..3) => {
            Attr::Text(WORDS[rng.below(24) as usize].to_owned())
        }
        (AttrType::Ints | AttrType::IntsOrText, _) => {
            Attr::Ints((0..count).map(|_| any_int(rng)).collect())
        }
        (AttrType::Floats, _) => Attr::Floats((0..count).map(|_| any_float(rng)).collect()),
    }
}

impl OpSpec {
    /// Calls the op without a look at the kinds of its inputs, so that its own checks have to hold, and walks back from
    /// what it gives. For tests that no call panics.
    ///
    /// # Errors
    /// As [`OpSpec::call`], and those of the backward.
    pub fn call_blindly(&self, args: Args) -> Result<Vec<Var>> {
        let args = args.bind_names(self)?;
        let leaves: Vec<Var> = args
            .tensors()
            .iter()
            .map(|x| Var::leaf(x.tensor().clone()))
            .collect();
        let outputs = (self.call)(&args.with_tensors(&leaves))?;
        for out in outputs.iter().filter(|out| out.requires_grad()) {
            let ones = Tensor::ones(out.shape(), out.dtype())?;
            out.backward_with(&Var::constant(ones))?;
        }
        Ok(outputs)
    }
}
