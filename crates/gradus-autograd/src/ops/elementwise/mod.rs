//! Functions of each element, broadcast.

mod abs;
mod add;
mod add_scalar;
mod clamp;
mod cos;
mod div;
mod elu;
mod erf;
mod exp;
mod expm1;
mod gelu;
mod gelu_tanh;
mod hardtanh;
mod leaky_relu;
mod log;
mod log1p;
mod log_sigmoid;
mod maximum;
mod minimum;
mod mul;
mod mul_scalar;
mod neg;
mod pow_scalar;
mod recip;
mod relu;
mod rsqrt;
mod sigmoid;
mod silu;
mod sin;
mod softplus;
mod sqrt;
mod square;
mod sub;
mod tanh;
mod to_dtype;
mod where_;

pub(crate) use add::add_assign;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![clamp::spec(), mul::spec(), tanh::spec()]
}
