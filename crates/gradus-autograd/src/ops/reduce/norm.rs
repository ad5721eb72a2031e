//! Norms over dims.

use gradus_linalg::{Float, reduce};
use gradus_tensor::{Result, Shape, Tensor};

use crate::ops::support::extremum::equals;
use crate::ops::support::lanes::{reduced_axes, refuse_nothing};
use crate::ops::support::{Map1, map1, scalar_like, with_float};
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{Args, AttrType, Draw, Kind, OpSpec, one};
use crate::{Backward, DType, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Norm {
    p: f64,
    axes: Vec<usize>,
    keepdim: bool,
}

#[derive(Clone, Copy)]
struct Sign;

impl Map1 for Sign {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        x.sign()
    }
}

#[derive(Clone, Copy)]
struct Magnitude;

impl Map1 for Magnitude {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        x.abs()
    }
}

/// `|x|^p`; whether it is not 0 for `p = 0`.
#[derive(Clone, Copy)]
struct Power(f64);

impl Map1 for Power {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        if self.0 == 0.0 {
            return if x == T::ZERO { T::ZERO } else { T::ONE };
        }
        x.abs().powf(T::from_f64(self.0))
    }
}

#[derive(Clone, Copy)]
struct Root(f64);

impl Map1 for Root {
    #[inline(always)]
    fn call<T: Float>(self, sum: T) -> T {
        sum.powf(T::from_f64(1.0 / self.0))
    }
}

impl Norm {
    fn reduced(
        &self,
        x: &Tensor,
        shape: &Shape,
        single: Reduce<f32>,
        double: Reduce<f64>,
    ) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => {
                let view = x.view::<f32>()?;
                Tensor::build(shape, |dst: &mut [f32]| single(dst, view, &self.axes))
            }
            _ => {
                let view = x.view::<f64>()?;
                Tensor::build(shape, |dst: &mut [f64]| double(dst, view, &self.axes))
            }
        }
    }

    fn value(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        let (op, p) = (self.name(), self.p);
        if p == 1.0 {
            return self.reduced(
                x,
                shape,
                reduce::sum_of_magnitudes,
                reduce::sum_of_magnitudes,
            );
        }
        if p == 2.0 {
            return self.reduced(x, shape, reduce::norm, reduce::norm);
        }
        if p.is_infinite() {
            let x = map1(op, x, Magnitude)?;
            return if p > 0.0 {
                self.reduced(&x, shape, reduce::max, reduce::max)
            } else {
                self.reduced(&x, shape, reduce::min, reduce::min)
            };
        }
        // Powers of f32 can exceed its range although the norm does not.
        let powers = map1(op, &x.to_dtype(DType::F64)?, Power(p))?;
        let sums = self.reduced(&powers, shape, reduce::sum, reduce::sum)?;
        let roots = if p == 0.0 {
            sums
        } else {
            map1(op, &sums, Root(p))?
        };
        roots.to_dtype(x.dtype())
    }

    /// `d norm / d x` times `grad`, both of the kept shape.
    fn share(&self, x: &Var, norm: &Var, grad: &Var) -> Result<Var> {
        let (op, p) = (self.name(), self.p);
        let (zero, one) = (scalar_like(x, 0.0)?, scalar_like(x, 1.0)?);
        if p == 0.0 {
            return zero.expand(x.shape());
        }
        let signs = Var::constant(map1(op, x.tensor(), Sign)?);
        if p == 1.0 {
            return signs.mul(grad);
        }
        if p.is_infinite() {
            let magnitudes = map1(op, x.tensor(), Magnitude)?;
            let winners = equals(op, &magnitudes, norm.tensor())?;
            let dims: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
            let counts = Var::constant(winners.to_dtype(x.dtype())?).sum_if_any(&dims)?;
            return signs.mul(&grad.div(&counts)?)?.where_(&winners, &zero);
        }
        // Where the norm is 0 it goes round the division, and the gradient is 0.
        let nothing = equals(op, norm.tensor(), zero.tensor())?;
        let safe = one.where_(&nothing, norm)?;
        let scale = |power: &Var| zero.where_(&nothing, &grad.mul(power)?);
        if p == 2.0 {
            return x.mul(&scale(&safe.reciprocal()?)?);
        }
        let scale = scale(&safe.pow_scalar(1.0 - p)?)?;
        let zeros = equals(op, x.tensor(), zero.tensor())?;
        let powers = one.where_(&zeros, &x.abs()?)?.pow_scalar(p - 1.0)?;
        zero.where_(&zeros, &powers.mul(&signs)?.mul(&scale)?)
    }
}

type Reduce<T> = fn(&mut [T], gradus_tensor::View<'_, T>, &[usize]);

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS.and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        // For its error.
        with_float!(x.dtype(), self.name(), T => x.view::<T>().map(|_| ()))?;
        let shape = x.shape().reduced(&self.axes, self.keepdim);
        Ok(self.value(x, &shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let x = ctx.input(0)?;
        let kept = x.shape().reduced(&self.axes, true);
        let (norm, grad) = (
            ctx.output(0)?.reshape(kept)?,
            ctx.grad(grad_out, 0)?.reshape(kept)?,
        );
        Ok(vec![Some(self.share(&x, &norm, &grad)?)])
    }
}

impl Var {
    /// The `p`-norm over `dims`, or over all if `dims` is empty: `(Σ |x|^p)^(1/p)`.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`. The norm of no elements is 0.
    ///
    /// # Numerics
    /// Sums in f64. `p = 0` counts the elements that are not 0, ∞ is the largest magnitude, -∞ the smallest; any other `p` goes.
    /// f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sign(x) · (|x| / norm)^(p - 1)`; 0 where the norm is 0, where `x` is 0, and for `p = 0`; for `p = ±∞` equal
    /// extremes share it. Saves input and output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::Argument`] for no elements if `p` is infinite or
    /// below 0; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[3.0_f32, -4.0], [2])?);
    /// assert_eq!(x.norm(2.0, &[], false)?.item::<f32>()?, 5.0);
    /// assert_eq!(x.norm(f64::INFINITY, &[0], true)?.item::<f32>()?, 4.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.norm` and `torch.linalg.vector_norm`.
    pub fn norm(&self, p: f64, dims: &[isize], keepdim: bool) -> Result<Self> {
        let axes = reduced_axes("norm", self.shape(), dims)?;
        if p.is_infinite() || p < 0.0 {
            refuse_nothing("norm", self.shape(), &axes)?;
        }
        apply(Norm { p, axes, keepdim }, &[self])
    }
}

/// `x` of magnitudes that differ, with any signs.
fn draw_magnitudes(d: &mut Draw, dims: &[usize]) -> Result<Tensor> {
    let x: Vec<f64> = d.distinct(dims)?.to_vec()?;
    let negative: Vec<bool> = d.mask(dims)?.to_vec()?;
    let lift = 0.05 * x.len() as f64 + 0.2;
    let signed = x.iter().zip(negative);
    let signed: Vec<f64> = signed
        .map(|(x, negative)| if negative { -x - lift } else { x + lift })
        .collect();
    Tensor::from_slice(&signed, dims)
}

fn naive(group: &[f64], p: f64) -> f64 {
    let all = group.iter().map(|x| x.abs());
    if p == f64::INFINITY {
        all.fold(0.0, f64::max)
    } else if p == f64::NEG_INFINITY {
        all.fold(f64::INFINITY, f64::min)
    } else if p == 0.0 {
        all.filter(|&x| x != 0.0).count() as f64
    } else {
        all.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("norm", |a| {
        let (p, dims) = (a.float("p")?, a.isizes("dim")?);
        Ok(one(a.var("x")?.norm(p, &dims, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("p", AttrType::Float, 2.0)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a: &Args| {
        let p = a.float("p")?;
        reduce_reference(a, |group| naive(group, p))
    })
    .draw(|d| {
        let p = d.pick(&[
            2.0,
            1.0,
            3.0,
            f64::INFINITY,
            1.5,
            0.0,
            0.5,
            f64::NEG_INFINITY,
            -1.0,
            2.5,
        ]);
        let dims = d.any_shape();
        Ok(draw_reduction(d, &dims, |d| draw_magnitudes(d, &dims))?.attr("p", p))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    const ALL: [f64; 9] = [
        0.0,
        0.5,
        1.0,
        1.5,
        2.0,
        3.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.0,
    ];

    fn gradient(x: &[f64], shape: [usize; 2], p: f64, create_graph: bool) -> Vec<f64> {
        let x = leaf(x, shape);
        let y = x.norm(p, &[1], false).unwrap().sum(&[], false).unwrap();
        let config = crate::GradConfig {
            create_graph,
            ..Default::default()
        };
        let found = crate::grad(&[&y], &[&x], None, &config).unwrap();
        values(found[0].as_ref().unwrap())
    }

    #[test]
    fn museum_12_a_row_of_zeros_has_gradient_0_and_others_are_exact() {
        for p in ALL {
            for create_graph in [false, true] {
                let got = gradient(&[0.0, 0.0, 3.0, -4.0], [2, 2], p, create_graph);
                assert_eq!(got[..2], [0.0; 2], "p = {p}");
                let alone = gradient(&[3.0, -4.0], [1, 2], p, create_graph);
                assert_eq!(got[2..], alone, "p = {p}");
            }
        }
        let got = gradient(&[3.0, -4.0], [1, 2], 2.0, false);
        gradus_testing::check_close("gradient", &got, &[0.6, -0.8], 1e-15, 0.0);
    }

    #[test]
    fn museum_12_a_zero_beside_others_has_gradient_0_for_small_p_too() {
        for p in ALL {
            let got = gradient(&[0.0, 2.0], [1, 2], p, true);
            let want = match p {
                _ if p <= 0.0 => [0.0, 0.0],
                _ => [0.0, 1.0],
            };
            gradus_testing::check_close("gradient", &got, &want, 1e-14, 0.0);
        }
    }

    #[test]
    fn f32_norms_neither_overflow_nor_vanish_on_the_way() {
        for p in [2.0, 3.0] {
            let big = constant(&[3e30_f32, 4e30], 2).norm(p, &[], false).unwrap();
            assert!(big.item::<f32>().unwrap().is_finite());
            let tiny = constant(&[3e-30_f32, 4e-30], 2)
                .norm(p, &[], false)
                .unwrap();
            assert!(tiny.item::<f32>().unwrap() > 4e-30);
        }
    }

    #[test]
    fn rejects_extremes_of_nothing_and_bad_dims() {
        let x = constant::<f64>(&[], [2, 0]);
        assert_eq!(values(&x.norm(2.0, &[1], false).unwrap()), [0.0; 2]);
        for p in [f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let got = x.norm(p, &[1], false);
            assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        }
        let got = x.norm(2.0, &[2], false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.norm(2.0, &[], false));
    }
}
