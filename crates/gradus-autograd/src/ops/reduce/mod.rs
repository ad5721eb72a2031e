//! Reductions along dims, scans and order statistics.

mod all;
mod amax;
mod amin;
mod aminmax;
mod any;
mod argmax;
mod argmin;
mod count_nonzero;
mod cummax;
mod cummin;
mod cumprod;
mod cumsum;
mod kthvalue;
mod logcumsumexp;
mod logsumexp;
mod max;
mod max_dim;
mod mean;
mod median;
mod median_dim;
mod min;
mod min_dim;
mod mode;
mod nanmedian;
mod nanmedian_dim;
mod nansum;
mod norm;
mod prod;
mod std;
mod std_mean;
mod sum;
mod var;
mod var_mean;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    all::spec,
    amax::spec,
    amin::spec,
    aminmax::spec,
    any::spec,
    argmax::spec,
    argmin::spec,
    count_nonzero::spec,
    cummax::spec,
    cummin::spec,
    cumprod::spec,
    cumsum::spec,
    kthvalue::spec,
    logcumsumexp::spec,
    logsumexp::spec,
    max::spec,
    max_dim::spec,
    mean::spec,
    median::spec,
    median_dim::spec,
    min::spec,
    min_dim::spec,
    mode::spec,
    nanmedian::spec,
    nanmedian_dim::spec,
    nansum::spec,
    norm::spec,
    prod::spec,
    std::spec,
    std_mean::spec,
    sum::spec,
    var::spec,
    var_mean::spec,
];
