//! Values that a backward computes again or reads rounded, because that is cheaper than keeping them.
//!
//! A product keeps its input for its backward. Where this is what a norm made of a value that the tape keeps anyway, the product remembers just
//! that: a block of a transformer then keeps 14 values of its width for each token instead of 16. The same op on the same input gives the same
//! bits, so gradients do not change. PyTorch's compiler chooses likewise (`min_cut_rematerialization_partition`).
//!
//! A product that rounds its operands to bf16 gets the same bits from an input that is rounded already. Where nobody else keeps the input, it
//! keeps that, in half the memory.

use std::sync::Arc;

use gradus_linalg::rounded::{round, widen};
use gradus_tensor::{DType, Result, Tensor, bf16};

use crate::node::{Node, Recorded};
use crate::{Stats, Var, autocast, profile};

/// Smaller values are kept: a network of such has little to gain (measured on Zen 4: to train a gpt whose norms give 4.7 MiB takes 7 % less
/// memory and no more time; one whose norms give 0.4 MiB holds 53 MiB in all; the limit itself was not varied).
const LEAST_BYTES: usize = 2 << 20;

/// An input of an op that its backward needs.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Value(Tensor),
    Again(Again),
    /// In bf16, of a value of f32.
    Rounded(Tensor),
}

/// A value by its making.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    /// The op that made it.
    node: Arc<Node>,
    inputs: Vec<Tensor>,
}

impl Kept {
    pub(crate) fn of(x: &Var) -> Self {
        match is_large(x).then(|| Again::of(x)).flatten() {
            Some(again) => Self::Again(again),
            None => Self::Value(x.tensor().clone()),
        }
    }

    /// The value.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::Value(x) => Ok(x.clone()),
            Self::Again(again) => again.tensor(),
            Self::Rounded(x) => in_f32(x),
        }
    }

    /// What it holds.
    pub(crate) fn tensors(&self) -> &[Tensor] {
        match self {
            Self::Value(x) | Self::Rounded(x) => std::slice::from_ref(x),
            Self::Again(again) => &again.inputs,
        }
    }
}

fn is_large(x: &Var) -> bool {
    x.numel() * x.dtype().size() >= LEAST_BYTES
}

/// `x` in bf16 for a product, once for all that ask; `None` if that saves no memory: it is small or not of f32, it is computed again, or
/// somebody keeps the value itself.
///
/// # Errors
/// [`gradus_tensor::Error::OutOfMemory`].
pub(crate) fn rounded(x: &Var) -> Result<Option<Tensor>> {
    let fits = is_large(x) && x.dtype() == DType::F32 && !x.tensor().is_shared();
    match x.edge().filter(|_| fits) {
        Some(edge) if Again::of(x).is_none() => {
            let recorded = edge.node.recorded.as_ref();
            let round = |recorded: &Recorded| recorded.round(edge.output, x.tensor());
            recorded.map(round).transpose()
        }
        _ => Ok(None),
    }
}

/// A tensor of f32 rounded to bf16.
///
/// # Errors
/// [`gradus_tensor::Error::OutOfMemory`].
pub(crate) fn in_bf16(x: &Tensor) -> Result<Tensor> {
    let view = x.view::<f32>()?;
    Tensor::build(x.shape(), |dst: &mut [bf16]| round(dst, view))
}

/// A tensor of bf16 as f32.
///
/// # Errors
/// [`gradus_tensor::Error::OutOfMemory`].
pub(crate) fn in_f32(x: &Tensor) -> Result<Tensor> {
    let view = x.view::<bf16>()?;
    Tensor::build(x.shape(), |dst: &mut [f32]| widen(dst, view))
}

impl Again {
    /// `None` if `x` is no output of such an op, or one whose own input would have to be computed again.
    fn of(x: &Var) -> Option<Self> {
        let node = &x.edge()?.node;
        let recorded = node.recorded.as_ref()?;
        if !recorded.op.is_cheap() {
            return None;
        }
        let inputs = recorded.kept_inputs()?;
        Some(Self {
            node: Arc::clone(node),
            inputs,
        })
    }

    /// Once for all that ask, until [`crate::node::Recorded::forget`].
    fn tensor(&self) -> Result<Tensor> {
        let Some(recorded) = &self.node.recorded else {
            unreachable!("a leaf is no op's output");
        };
        recorded.remember(|| {
            let inputs: Vec<&Tensor> = self.inputs.iter().collect();
            let forward = || recorded.op.forward(&inputs, &mut Stats::default());
            let outputs = profile::again(recorded.op.as_ref(), &inputs, || {
                autocast(recorded.precision, forward)
            })?;
            outputs.single(recorded.op.name())
        })
    }
}

#[cfg(test)]
mod tests {
    use gradus_random::Rng;

    use super::*;
    use crate::{DType, GradConfig, Precision, grad, profile::profile};

    /// Rows of a value of [`LEAST_BYTES`].
    const ROWS: usize = LEAST_BYTES / 4 / 64;

    fn sampled(shape: &[usize], seed: u64) -> Tensor {
        let mut rng = Rng::new(5, 1, seed);
        let numbers = (0..shape.iter().product()).map(|_| rng.range(-2.0, 2.0) as f32);
        Tensor::from_slice(&numbers.collect::<Vec<_>>(), shape).unwrap()
    }

    fn leaf(shape: &[usize], seed: u64) -> Var {
        Var::leaf(sampled(shape, seed))
    }

    fn bits(x: &Tensor) -> Vec<u32> {
        x.to_vec::<f32>()
            .unwrap()
            .into_iter()
            .map(f32::to_bits)
            .collect()
    }

    fn is_again(x: &Var) -> bool {
        matches!(Kept::of(x), Kept::Again(_))
    }

    #[test]
    fn large_outputs_of_cheap_ops_are_computed_again() {
        let (x, w) = (leaf(&[ROWS, 64], 1), leaf(&[64], 2));
        let norm = |x: &Var| x.layer_norm(&[64], Some(&w), None, 1e-5).unwrap();
        assert!(is_again(&norm(&x)));
        assert!(is_again(&x.rms_norm(&[64], Some(&w), None).unwrap()));
        // A leaf, two ops that are not cheap, and one below the limit.
        let square = leaf(&[64, 64], 3);
        let few = x.narrow(0, 0, ROWS - 1).unwrap().contiguous().unwrap();
        let kept = [
            x.clone(),
            x.gelu().unwrap(),
            x.linear(&square, None).unwrap(),
            norm(&few),
        ];
        assert!(kept.iter().all(|x| !is_again(x)));
        // Every other one of a chain is kept, so that no backward computes the chain.
        let chain = norm(&norm(&x));
        assert!(!is_again(&chain) && is_again(&norm(&chain)));
        // Without a tape there is nothing to keep.
        assert!(!is_again(&crate::no_grad(|| norm(&x))));
    }

    fn is_rounded(x: &Var) -> bool {
        rounded(x).unwrap().is_some()
    }

    #[test]
    fn large_inputs_of_products_are_kept_rounded_if_nobody_keeps_them() {
        let (x, few) = (leaf(&[ROWS, 64], 1), leaf(&[64, 64], 2));
        let gelu = x.gelu().unwrap();
        assert!(is_rounded(&gelu));
        // A leaf, what is computed again, what an op keeps, a part of something, a small value.
        let part = gelu.narrow(0, 0, ROWS).unwrap();
        let others = [
            x.clone(),
            x.rms_norm(&[64], None, None).unwrap(),
            x.exp().unwrap(),
            part,
            few.gelu().unwrap(),
        ];
        assert!(others.iter().all(|x| !is_rounded(x)));
        // Once for all that ask.
        let gelu = x.gelu().unwrap();
        let [first, second] = [(); 2].map(|()| rounded(&gelu).unwrap().unwrap());
        let place = |x: &Tensor| x.as_slice::<bf16>().unwrap().as_ptr();
        assert_eq!(place(&first), place(&second));
        // Each output of an op has its own.
        let pair = [gelu.tensor().clone(), x.tensor().clone()].map(|x| x.to_vec::<f32>().unwrap());
        let node = gelu.edge().unwrap().node.recorded.as_ref().unwrap();
        let other = Tensor::from_slice(&pair[1], [ROWS, 64]).unwrap();
        let rounded = in_f32(&node.round(1, &other).unwrap()).unwrap();
        let want: Vec<f32> = pair[1]
            .iter()
            .map(|&x| bf16::from_f32(x).to_f32())
            .collect();
        assert_eq!(rounded.to_vec::<f32>().unwrap(), want);
    }

    #[test]
    fn gradients_from_rounded_inputs_have_the_bits_of_those_from_the_values() {
        let (x, w) = (leaf(&[ROWS, 64], 1), leaf(&[48, 64], 2));
        let given = Var::constant(sampled(&[ROWS, 48], 3));
        let half = x.mul_scalar(0.5).unwrap();
        let back = |x: &Var, create_graph| {
            let y = autocast(Precision::Bf16, || x.linear(&w, None).unwrap());
            let config = GradConfig {
                create_graph,
                retain_graph: true,
                ..GradConfig::default()
            };
            let grads = grad(&[&y], &[x, &w], Some(std::slice::from_ref(&given)), &config);
            let grads = grads.unwrap().into_iter().flatten();
            grads.map(|grad| bits(grad.tensor())).collect::<Vec<_>>()
        };
        assert!(is_rounded(&half));
        let kept = back(&Var::leaf(half.tensor().clone()), false);
        let half = x.mul_scalar(0.5).unwrap();
        assert!(back(&half, false) == kept && back(&half, true) == kept);
    }

    #[test]
    fn gradients_have_the_bits_of_those_from_kept_values() {
        let (x, gain, w) = (leaf(&[ROWS, 64], 1), leaf(&[64], 2), leaf(&[64, 64], 3));
        let norm = x.layer_norm(&[64], Some(&gain), None, 1e-5).unwrap();
        let hidden = norm.linear(&w, None).unwrap();
        let grads = hidden.gelu().unwrap().linear(&w, None).unwrap();
        let given = Var::constant(sampled(&[ROWS, 64], 4));
        let grads = grads.backward_with(&given).unwrap();

        // The same with each op for itself: its input is a leaf, which is kept.
        let cut = |x: &Var| Var::leaf(x.tensor().clone());
        let (norm, hidden) = (cut(&norm), cut(&hidden));
        let activation = cut(&hidden.gelu().unwrap());
        let back = |y: &Var, given: &Tensor| y.backward_with(&given.clone().into()).unwrap();
        let last = back(&activation.linear(&w, None).unwrap(), given.tensor());
        let gelu = back(&hidden.gelu().unwrap(), last.get_var(&activation).unwrap());
        let first = back(
            &norm.linear(&w, None).unwrap(),
            gelu.get_var(&hidden).unwrap(),
        );
        let outer = x.layer_norm(&[64], Some(&gain), None, 1e-5).unwrap();
        let outer = back(&outer, first.get_var(&norm).unwrap());

        let got = |x: &Var| bits(grads.get_var(x).unwrap());
        assert_eq!(got(&x), bits(outer.get_var(&x).unwrap()));
        assert_eq!(got(&gain), bits(outer.get_var(&gain).unwrap()));
        let mut both = last.get_var(&w).unwrap().clone();
        crate::ops::add_assign(&mut both, first.get_var(&w).unwrap()).unwrap();
        assert_eq!(got(&w), bits(&both));
    }

    #[test]
    fn one_backward_does_not_take_the_value_from_another() {
        let (x, w) = (leaf(&[ROWS, 64], 1), leaf(&[64, 64], 2));
        let norm = x.layer_norm(&[64], None, None, 1e-5).unwrap();
        let [first, second] = [(); 2].map(|()| norm.linear(&w, None).unwrap());
        let given = [Var::constant(Tensor::ones([ROWS, 64], DType::F32).unwrap())];
        let weight = |y: &Var, config: &GradConfig| {
            let grads = grad(&[y], &[&w], Some(&given), config).unwrap();
            bits(grads[0].as_ref().unwrap().tensor())
        };
        let retain = GradConfig {
            retain_graph: true,
            ..Default::default()
        };
        let want = weight(&first, &retain);
        first.backward_with(&given[0]).unwrap();
        // This freed what the norm's own backward needs, which the gradient of the weight does not.
        assert_eq!(weight(&second, &GradConfig::default()), want);
    }

    #[test]
    fn a_profile_shows_it_as_forwards_of_its_op() {
        let (x, w) = (leaf(&[ROWS, 64], 1), leaf(&[64, 64], 2));
        let step = || {
            let y = x.layer_norm(&[64], None, None, 1e-5)?.linear(&w, None)?;
            y.sum(&[], false)?.backward()
        };
        let (grads, rows) = profile(step);
        grads.unwrap();
        let calls = |name, backward| {
            let row = rows
                .iter()
                .find(|r| r.name == name && r.backward == backward);
            row.unwrap().calls
        };
        assert_eq!(
            (calls("layer_norm", false), calls("layer_norm", true)),
            (2, 1)
        );
        assert_eq!((calls("linear", false), calls("linear", true)), (1, 1));
    }
}
