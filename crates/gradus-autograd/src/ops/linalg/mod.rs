//! Products of matrices and their decompositions.

mod linear;
mod matmul;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![matmul::spec()]
}
