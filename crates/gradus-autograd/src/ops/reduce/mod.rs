//! Reductions along dims, scans and order statistics.

mod amax;
mod amin;
mod argmax;
mod argmin;
mod logsumexp;
mod max_dim;
mod mean;
mod min_dim;
mod std;
mod sum;
mod var;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![sum::spec()]
}
