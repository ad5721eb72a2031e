//! Views, joins and cuts: elements move, none is computed.

mod cat;
mod contiguous;
mod expand;
mod flatten;
mod flip;
mod movedim;
mod narrow;
mod permute;
mod reshape;
mod select;
mod slice;
mod squeeze;
mod stack;
mod transpose;
mod unsqueeze;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![permute::spec()]
}
