//! Optimizer steps in one pass over a parameter: SGD, Adam, AdamW, and the small updates around them (EMA, scaling).
//!
//! Each element is updated alone, in the order of operations of PyTorch's single-tensor CPU optimizers
//! (`torch/optim/{sgd,adam,adamw}.py`): `add(x, alpha)` and `lerp` are one fused multiply-add as in ATen's vectorised
//! kernels, `addcmul` and `addcdiv` are not fused, and scalars are computed in f64 and rounded once. So f32 training
//! follows PyTorch to rounding, and the bits do not depend on threads.
//!
//! All slices have the parameter's number of elements and are contiguous.

use crate::float::Float;
use crate::simd::dispatch;
use crate::threads::for_each_split;

/// Elements of one parallel task.
///
/// Measured (2 cores Zen 3, AVX2, Adam in f32, inside the pool): 16384 elements in two tasks lose 2 %, 65536 in four gain
/// 1.8x.
const CHUNK: usize = 16_384;

/// Options of [`sgd_step`]; defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Share of the old velocity that is kept; 0 means that there is none.
    pub momentum: f64,
    /// Share of the gradient that is left out of the velocity.
    pub dampening: f64,
    /// Looks ahead along the velocity.
    pub nesterov: bool,
    /// L2 penalty: adds `weight_decay · parameter` to the gradient.
    pub weight_decay: f64,
    /// L1 penalty: adds `l1 · sign(parameter)` to the gradient (not in PyTorch).
    pub l1: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            l1: 0.0,
            maximize: false,
        }
    }
}

/// Options of [`adam_step`]; defaults are PyTorch's `Adam` (`AdamW` differs by `decoupled` and `weight_decay = 0.01`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or the decoupled decay.
    pub weight_decay: f64,
    /// Decay multiplies the parameter by `1 - lr · weight_decay` instead of entering the gradient (AdamW).
    pub decoupled: bool,
    /// L1 penalty: adds `l1 · sign(parameter)` to the gradient (not in PyTorch).
    pub l1: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            l1: 0.0,
            maximize: false,
        }
    }
}

/// The gradient with its penalties, in PyTorch's order: sign of `maximize`, L2, then L1.
#[inline(always)]
fn penalised<T: Float>(grad: T, param: T, sign: T, weight_decay: T, l1: T) -> T {
    let grad = grad * sign;
    let grad = if weight_decay == T::ZERO {
        grad
    } else {
        param.mul_add(weight_decay, grad)
    };
    if l1 == T::ZERO {
        grad
    } else {
        param.sign().mul_add(l1, grad)
    }
}

/// The scalars of one SGD step, rounded once.
#[derive(Clone, Copy)]
struct SgdScalars<T> {
    rate: T,
    momentum: T,
    share: T,
    weight_decay: T,
    l1: T,
    sign: T,
}

impl<T: Float> SgdScalars<T> {
    #[inline(always)]
    fn plain(self, param: &mut [T], grad: &[T]) {
        for (p, &g) in param.iter_mut().zip(grad) {
            let g = penalised(g, *p, self.sign, self.weight_decay, self.l1);
            *p = g.mul_add(self.rate, *p);
        }
    }

    #[inline(always)]
    fn with_velocity<const NESTEROV: bool>(self, param: &mut [T], grad: &[T], velocity: &mut [T]) {
        for ((p, &g), v) in param.iter_mut().zip(grad).zip(velocity) {
            let g = penalised(g, *p, self.sign, self.weight_decay, self.l1);
            let new = g.mul_add(self.share, *v * self.momentum);
            *v = new;
            let direction = if NESTEROV {
                new.mul_add(self.momentum, g)
            } else {
                new
            };
            *p = direction.mul_add(self.rate, *p);
        }
    }
}

/// One SGD step: `v = momentum · v + (1 - dampening) · g`, `param -= lr · v`.
///
/// `velocity` is `None` if `momentum` is 0. In the parameter's first step (`first`) the velocity becomes the gradient
/// itself, undamped, whatever the buffer held. Same as `torch.optim.SGD`.
pub fn sgd_step<T: Float>(
    param: &mut [T],
    grad: &[T],
    velocity: Option<&mut [T]>,
    first: bool,
    options: &Sgd,
) {
    debug_assert_eq!(param.len(), grad.len());
    let s = SgdScalars {
        rate: T::from_f64(-options.lr),
        momentum: T::from_f64(options.momentum),
        share: T::from_f64(if first { 1.0 } else { 1.0 - options.dampening }),
        weight_decay: T::from_f64(options.weight_decay),
        l1: T::from_f64(options.l1),
        sign: if options.maximize { -T::ONE } else { T::ONE },
    };
    let Some(velocity) = velocity else {
        return for_each_split((param, grad), CHUNK, |_, (param, grad)| {
            dispatch(
                #[inline(always)]
                || s.plain(param, grad),
            );
        });
    };
    for_each_split(
        (param, grad, velocity),
        CHUNK,
        |_, (param, grad, velocity)| {
            if first {
                velocity.fill(T::ZERO);
            }
            if options.nesterov {
                dispatch(
                    #[inline(always)]
                    || s.with_velocity::<true>(param, grad, velocity),
                );
            } else {
                dispatch(
                    #[inline(always)]
                    || s.with_velocity::<false>(param, grad, velocity),
                );
            }
        },
    );
}

/// The scalars of one Adam step, computed in f64 as PyTorch does and rounded once.
#[derive(Clone, Copy)]
struct AdamScalars<T> {
    decay: T,
    l2: T,
    l1: T,
    first: T,
    first_is_small: bool,
    beta2: T,
    second: T,
    root: T,
    eps: T,
    rate: T,
    sign: T,
}

impl<T: Float> AdamScalars<T> {
    fn new(options: &Adam, step: u64) -> Self {
        let power = |beta: f64| libm::pow(beta, step as f64);
        let weight = 1.0 - options.beta1;
        let first_is_small = weight < 0.5;
        Self {
            decay: T::from_f64(if options.decoupled {
                1.0 - options.lr * options.weight_decay
            } else {
                1.0
            }),
            l2: T::from_f64(if options.decoupled {
                0.0
            } else {
                options.weight_decay
            }),
            l1: T::from_f64(options.l1),
            first: if first_is_small {
                T::from_f64(weight)
            } else {
                T::from_f64(weight) - T::ONE
            },
            first_is_small,
            beta2: T::from_f64(options.beta2),
            second: T::from_f64(1.0 - options.beta2),
            root: T::from_f64((1.0 - power(options.beta2)).sqrt()),
            eps: T::from_f64(options.eps),
            rate: T::from_f64(-(options.lr / (1.0 - power(options.beta1)))),
            sign: if options.maximize { -T::ONE } else { T::ONE },
        }
    }

    /// Updates the moments; returns the decayed parameter.
    #[inline(always)]
    fn moments(&self, param: T, grad: T, m: &mut T, v: &mut T) -> T {
        let grad = penalised(grad, param, self.sign, self.l2, self.l1);
        let base = if self.first_is_small { *m } else { grad };
        *m = self.first.mul_add(grad - *m, base);
        *v = *v * self.beta2 + (self.second * grad) * grad;
        param * self.decay
    }

    #[inline(always)]
    fn apply(&self, param: T, m: T, v: T) -> T {
        let denominator = v.sqrt() / self.root + self.eps;
        param + (self.rate * m) / denominator
    }
}

/// One Adam or AdamW step (`options.decoupled`) with bias correction; `step` counts from 1.
///
/// `m` and `v` are the moments (zeros before step 1); `v_max` is the running maximum of `v` for AMSGrad, `None` without.
/// Same as `torch.optim.Adam` and `AdamW`. Kingma and Ba 2015, arXiv:1412.6980; Loshchilov and Hutter 2019,
/// arXiv:1711.05101; Reddi et al. 2018, arXiv:1904.09237.
pub fn adam_step<T: Float>(
    param: &mut [T],
    grad: &[T],
    m: &mut [T],
    v: &mut [T],
    v_max: Option<&mut [T]>,
    step: u64,
    options: &Adam,
) {
    debug_assert!(
        param.len() == grad.len() && m.len() == v.len() && param.len() == m.len() && step > 0
    );
    let s = AdamScalars::new(options, step);
    match v_max {
        None => for_each_split(
            ((param, grad), (m, v)),
            CHUNK,
            |_, ((param, grad), (m, v))| {
                dispatch(
                    #[inline(always)]
                    || {
                        for (((p, &g), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
                            let decayed = s.moments(*p, g, m, v);
                            *p = s.apply(decayed, *m, *v);
                        }
                    },
                );
            },
        ),
        Some(v_max) => for_each_split(
            ((param, grad), (m, v), v_max),
            CHUNK,
            |_, ((param, grad), (m, v), v_max)| {
                dispatch(
                    #[inline(always)]
                    || {
                        for ((((p, &g), m), v), top) in
                            param.iter_mut().zip(grad).zip(m).zip(v).zip(v_max)
                        {
                            let decayed = s.moments(*p, g, m, v);
                            *top = top.maximum(*v);
                            *p = s.apply(decayed, *m, *top);
                        }
                    },
                );
            },
        ),
    }
}

/// `dst += factor · x`, one fused multiply-add an element.
pub fn axpy<T: Float>(dst: &mut [T], factor: T, x: &[T]) {
    debug_assert_eq!(dst.len(), x.len());
    for_each_split((dst, x), CHUNK, |_, (dst, x)| {
        dispatch(
            #[inline(always)]
            || {
                dst.iter_mut().zip(x).for_each(
                    #[inline(always)]
                    |(d, &x)| *d = x.mul_add(factor, *d),
                )
            },
        );
    });
}

/// `dst *= factor`
pub fn scale<T: Float>(dst: &mut [T], factor: T) {
    for_each_split(dst, CHUNK, |_, dst| {
        dispatch(
            #[inline(always)]
            || {
                dst.iter_mut().for_each(
                    #[inline(always)]
                    |d| *d *= factor,
                )
            },
        );
    });
}

/// `dst = clamp(dst, -limit, limit)`: gradient clipping by value; NaN stays.
pub fn clamp<T: Float>(dst: &mut [T], limit: T) {
    for_each_split(dst, CHUNK, |_, dst| {
        dispatch(
            #[inline(always)]
            || {
                for d in dst {
                    let low = if *d < -limit { -limit } else { *d };
                    *d = if low > limit { limit } else { low };
                }
            },
        );
    });
}

/// `dst += weight · (x - dst)`, exact at weights 0 and 1 (`torch.lerp`): moving averages.
pub fn lerp<T: Float>(dst: &mut [T], x: &[T], weight: T) {
    debug_assert_eq!(dst.len(), x.len());
    let near = weight.abs() < T::HALF;
    let coefficient = if near { weight } else { weight - T::ONE };
    for_each_split((dst, x), CHUNK, |_, (dst, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (d, &x) in dst.iter_mut().zip(x) {
                    let base = if near { *d } else { x };
                    *d = coefficient.mul_add(x - *d, base);
                }
            },
        );
    });
}

pub use crate::reduce::sum_of_squares_slice as sum_of_squares;

#[cfg(test)]
#[path = "optimizer_tests.rs"]
mod tests;
