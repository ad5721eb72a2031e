//! Elements read and written by index or by mask.

mod gather;
mod index_select;

pub(crate) use gather::scatter_rows;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![gather::spec(), index_select::spec()]
}
