//! Mixed precision: a scope in which products run in bf16.

use std::cell::Cell;

use gradus_linalg::gemm::Precision;

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Full) };
}

/// The precision that [`autocast`] has set here: that of the products that this thread computes now.
pub fn precision() -> Precision {
    PRECISION.get()
}

/// Runs `f` with the products of its ops in `precision`: mixed precision, as `torch.autocast`.
///
/// With [`Precision::Bf16`] these ops round their f32 operands to bf16 and sum in f32, and so do their gradients: `matmul` and all that is
/// made of it (`bmm`, `addmm`, `einsum`, …), `linear`, convolutions and transposed convolutions of one and two sides, and
/// `scaled_dot_product_attention`. Everything else stays in f32: softmax, norms, losses, reductions, optimizers, decompositions and their
/// gradients. There `gelu` and `gelu_tanh` may be off by some last places of f32, which is far below what bf16 keeps. Values stay stored in f32,
/// and so parameters are masters of themselves; but what `linear` keeps for its backward may be stored rounded, which changes no bit, and the
/// gradients of `gelu` and `gelu_tanh` are those at their inputs rounded to bf16. Ops of f64 are not touched.
///
/// The gradient of an op runs in the precision in which the op was recorded, whatever holds around the backward. Holds for the calling thread
/// and until `f` returns, also by a panic; [`Precision::Full`] within switches it off again.
///
/// ```
/// use gradus_autograd::{Precision, Tensor, Var, autocast};
/// let x = Var::leaf(Tensor::from_slice(&[1.0_f32 + 0.0078125 / 4.0], [1, 1])?); // 1 and a quarter of bf16's last place
/// let y = autocast(Precision::Bf16, || x.matmul(&x))?;
/// assert_eq!(y.tensor().to_vec::<f32>()?, [1.0]);
/// assert!(x.matmul(&x)?.tensor().to_vec::<f32>()?[0] > 1.0);
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn autocast<T>(precision: Precision, f: impl FnOnce() -> T) -> T {
    let _held = Held {
        before: PRECISION.replace(precision),
    };
    f()
}

/// Restores the precision at the end of its lifetime.
struct Held {
    before: Precision,
}

impl Drop for Held {
    fn drop(&mut self) {
        PRECISION.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use gradus_linalg::threads::with_threads;
    use gradus_random::Rng;

    use super::*;
    use crate::ops::{AttentionConfig, Conv2dConfig, ConvTransposeConfig};
    use crate::{DType, GradConfig, Result, Tensor, Var, grad, recompute};

    type Function = fn(&[Var]) -> Result<Var>;

    fn leaves(shapes: &[&[usize]], dtype: DType) -> Vec<Var> {
        let mut rng = Rng::new(3, 1, 4);
        let leaf = |&shape: &&[usize]| {
            let numbers: Vec<f32> = (0..shape.iter().product())
                .map(|_| rng.range(-1.0, 1.0) as f32)
                .collect();
            let tensor = Tensor::from_slice(&numbers, shape)?;
            Ok(Var::leaf(tensor.to_dtype(dtype)?))
        };
        shapes.iter().map(leaf).collect::<Result<_>>().unwrap()
    }

    fn values(x: &Var) -> Vec<f64> {
        let x = x.tensor().to_dtype(DType::F64).unwrap();
        x.to_vec::<f64>().unwrap()
    }

    /// The output and the gradients of all inputs, each in its own scope.
    fn run(f: Function, x: &[Var], scopes: [Precision; 2]) -> Vec<Vec<f64>> {
        let y = autocast(scopes[0], || f(x)).unwrap();
        let inputs: Vec<&Var> = x.iter().collect();
        let given = leaves(&[y.dims()], y.dtype());
        let grads = autocast(scopes[1], || {
            grad(&[&y], &inputs, Some(&given), &GradConfig::default())
        });
        let grads = grads.unwrap().into_iter().flatten();
        std::iter::once(y)
            .chain(grads)
            .map(|x| values(&x))
            .collect()
    }

    fn attention(v: &[Var]) -> Result<Var> {
        let config = AttentionConfig {
            is_causal: true,
            ..Default::default()
        };
        v[0].scaled_dot_product_attention(&v[1], &v[2], None, &config)
    }

    fn convolution(v: &[Var]) -> Result<Var> {
        let config = Conv2dConfig {
            padding: [1, 1].into(),
            ..Default::default()
        };
        v[0].conv2d(&v[1], Some(&v[2]), &config)
    }

    fn transposed(v: &[Var]) -> Result<Var> {
        let config = ConvTransposeConfig {
            stride: [2, 2],
            ..Default::default()
        };
        v[0].conv_transpose2d(&v[1], None, &config)
    }

    /// The ops that run in bf16, with shapes of their inputs.
    fn listed() -> Vec<(&'static str, Function, Vec<&'static [usize]>)> {
        vec![
            ("matmul", |v| v[0].matmul(&v[1]), vec![&[9, 33], &[33, 17]]),
            (
                "batched matmul",
                |v| v[0].matmul(&v[1]),
                vec![&[3, 9, 33], &[3, 33, 7]],
            ),
            (
                "linear",
                |v| v[0].linear(&v[1], Some(&v[2])),
                vec![&[2, 9, 33], &[20, 33], &[20]],
            ),
            (
                "scaled_dot_product_attention",
                attention,
                vec![&[2, 3, 20, 16], &[2, 3, 20, 16], &[2, 3, 20, 16]],
            ),
            (
                "conv2d",
                convolution,
                vec![&[2, 5, 9, 8], &[6, 5, 3, 3], &[6]],
            ),
            (
                "conv1d",
                |v| v[0].conv1d(&v[1], None, &Default::default()),
                vec![&[2, 5, 30], &[6, 5, 3]],
            ),
            (
                "conv_transpose2d",
                transposed,
                vec![&[2, 5, 6, 7], &[5, 4, 3, 3]],
            ),
        ]
    }

    #[test]
    fn listed_ops_run_in_bf16_within_its_rounding() {
        use Precision::{Bf16, Full};
        for (name, f, shapes) in listed() {
            let x = leaves(&shapes, DType::F32);
            let (exact, rounded) = (run(f, &x, [Full, Full]), run(f, &x, [Bf16, Bf16]));
            assert!(exact[0] != rounded[0], "{name} did not run in bf16");
            for (i, (exact, rounded)) in exact.iter().zip(&rounded).enumerate() {
                // Two operands round by 2⁻⁹ each; errors of terms have either sign, so the sum's is below that of the largest value.
                let scale = exact.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                for (e, r) in exact.iter().zip(rounded) {
                    let error = (e - r).abs();
                    assert!(error <= scale / 128.0, "{name}, {i}: {r} for {e}");
                }
            }
        }
    }

    #[test]
    fn a_gradient_has_the_precision_of_its_forward() {
        use Precision::{Bf16, Full};
        for (name, f, shapes) in listed() {
            let x = leaves(&shapes, DType::F32);
            assert!(
                run(f, &x, [Bf16, Full]) == run(f, &x, [Bf16, Bf16]),
                "{name}"
            );
            assert!(
                run(f, &x, [Full, Bf16]) == run(f, &x, [Full, Full]),
                "{name}"
            );
        }
    }

    #[test]
    fn other_ops_and_f64_stay_as_they_are() {
        use Precision::{Bf16, Full};
        for (name, f, shapes) in listed() {
            let x = leaves(&shapes, DType::F64);
            assert!(
                run(f, &x, [Bf16, Bf16]) == run(f, &x, [Full, Full]),
                "{name}"
            );
        }
        let others: [(&str, Function, &[usize]); 4] = [
            ("softmax", |v| v[0].softmax(-1), &[5, 7]),
            ("inv", |v| v[0].inv(), &[4, 4]),
            ("mul", |v| v[0].mul(&v[0]), &[5, 7]),
            ("sum", |v| v[0].sum(&[1], false), &[5, 70]),
        ];
        for (name, f, shape) in others {
            let x = leaves(&[shape], DType::F32);
            assert!(
                run(f, &x, [Bf16, Bf16]) == run(f, &x, [Full, Full]),
                "{name}"
            );
        }
    }

    fn network(v: &[Var]) -> Result<Var> {
        let [batch, channels, height, width] = v[0].shape().to_array("network")?;
        let config = Conv2dConfig {
            padding: [1, 1].into(),
            ..Default::default()
        };
        let x = v[0].conv2d(&v[1], None, &config)?.relu()?;
        let x = x.reshape([batch, channels, height * width])?;
        let x = x.scaled_dot_product_attention(&x, &x, None, &AttentionConfig::default())?;
        x.linear(&v[2], None)
    }

    #[test]
    fn recomputing_and_threads_give_the_same_bits() {
        let scopes = [Precision::Bf16, Precision::Full];
        let shapes: [&[usize]; 3] = [&[9, 24, 12, 13], &[24, 24, 3, 3], &[40, 156]];
        let x = leaves(&shapes, DType::F32);
        let expected = with_threads(1, || run(network, &x, scopes));
        for threads in [2, 4] {
            assert!(
                with_threads(threads, || run(network, &x, scopes)) == expected,
                "{threads} threads"
            );
        }
        let again = |v: &[Var]| {
            let held = v.to_vec();
            recompute(move || network(&held))
        };
        assert!(run(again, &x, scopes) == expected);
    }
}
