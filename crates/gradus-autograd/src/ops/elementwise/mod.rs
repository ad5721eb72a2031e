//! Functions of each element, broadcast.

mod abs;
mod acos;
mod acosh;
mod add;
mod add_scalar;
mod addcdiv;
mod addcmul;
mod asin;
mod asinh;
mod atan;
mod atan2;
mod atanh;
mod ceil;
mod celu;
mod clamp;
mod clamp_tensor;
mod copysign;
mod cos;
mod cosh;
mod div;
mod elu;
mod eq;
mod erf;
mod erfc;
mod exp;
mod exp2;
mod expm1;
mod floor;
mod floor_divide;
mod fmod;
mod frac;
mod ge;
mod gelu;
mod glu;
mod gt;
mod hardshrink;
mod hardsigmoid;
mod hardswish;
mod hardtanh;
mod hypot;
mod isclose;
mod isfinite;
mod isinf;
mod isnan;
mod le;
mod leaky_relu;
mod lerp;
mod lerp_scalar;
mod log;
mod log10;
mod log1p;
mod log2;
mod log_sigmoid;
mod logaddexp;
mod logaddexp2;
mod logical_and;
mod logical_not;
mod logical_or;
mod logical_xor;
mod logit;
mod lt;
mod masked_fill;
mod masked_select;
mod maximum;
mod minimum;
mod mish;
mod mul;
mod mul_scalar;
mod nan_to_num;
mod ne;
mod neg;
mod pow;
mod pow_scalar;
mod prelu;
mod reciprocal;
mod relu;
mod relu6;
mod remainder;
mod round;
mod rsqrt;
mod selu;
mod sigmoid;
mod sign;
mod silu;
mod sin;
mod sinc;
mod sinh;
mod softplus;
mod softshrink;
mod softsign;
mod sqrt;
mod square;
mod sub;
mod tan;
mod tanh;
mod tanhshrink;
mod threshold;
mod to_dtype;
mod trunc;
mod where_;
mod xlogy;

pub(crate) use add::add_assign;
pub use div::Rounding;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    abs::spec,
    acos::spec,
    acosh::spec,
    add::spec,
    add_scalar::spec,
    addcdiv::spec,
    addcmul::spec,
    asin::spec,
    asinh::spec,
    atan::spec,
    atan2::spec,
    atanh::spec,
    ceil::spec,
    celu::spec,
    clamp::spec,
    clamp_tensor::spec,
    copysign::spec,
    cos::spec,
    cosh::spec,
    div::spec,
    elu::spec,
    eq::spec,
    erf::spec,
    erfc::spec,
    exp::spec,
    exp2::spec,
    expm1::spec,
    floor::spec,
    floor_divide::spec,
    fmod::spec,
    frac::spec,
    ge::spec,
    gelu::spec,
    glu::spec,
    gt::spec,
    hardshrink::spec,
    hardsigmoid::spec,
    hardswish::spec,
    hardtanh::spec,
    hypot::spec,
    isclose::spec,
    isfinite::spec,
    isinf::spec,
    isnan::spec,
    le::spec,
    leaky_relu::spec,
    lerp::spec,
    lerp_scalar::spec,
    log::spec,
    log10::spec,
    log1p::spec,
    log2::spec,
    log_sigmoid::spec,
    logaddexp::spec,
    logaddexp2::spec,
    logical_and::spec,
    logical_not::spec,
    logical_or::spec,
    logical_xor::spec,
    logit::spec,
    lt::spec,
    masked_fill::spec,
    masked_select::spec,
    maximum::spec,
    minimum::spec,
    mish::spec,
    mul::spec,
    mul_scalar::spec,
    nan_to_num::spec,
    ne::spec,
    neg::spec,
    pow::spec,
    pow_scalar::spec,
    prelu::spec,
    reciprocal::spec,
    relu::spec,
    relu6::spec,
    remainder::spec,
    round::spec,
    rsqrt::spec,
    selu::spec,
    sigmoid::spec,
    sign::spec,
    silu::spec,
    sin::spec,
    sinc::spec,
    sinh::spec,
    softplus::spec,
    softshrink::spec,
    softsign::spec,
    sqrt::spec,
    square::spec,
    sub::spec,
    tan::spec,
    tanh::spec,
    tanhshrink::spec,
    threshold::spec,
    to_dtype::spec,
    trunc::spec,
    where_::spec,
    xlogy::spec,
];
