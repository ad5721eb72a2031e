//! Reductions along dims, scans and order statistics.

mod amax;
mod amin;
mod argmax;
mod argmin;
mod logsumexp;
mod max;
mod max_dim;
mod mean;
mod min;
mod min_dim;
mod std;
mod std_mean;
mod sum;
mod var;
mod var_mean;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![
        amax::spec(),
        amin::spec(),
        argmax::spec(),
        argmin::spec(),
        logsumexp::spec(),
        max::spec(),
        max_dim::spec(),
        mean::spec(),
        min::spec(),
        min_dim::spec(),
        std::spec(),
        std_mean::spec(),
        sum::spec(),
        var::spec(),
        var_mean::spec(),
    ]
}
