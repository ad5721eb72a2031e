//! Elements read and written by index or by mask, and put in order.

mod argsort;
mod gather;
mod index_select;
mod msort;
mod sort;
mod topk;

pub(crate) use gather::scatter_rows;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![
        argsort::spec(),
        gather::spec(),
        index_select::spec(),
        msort::spec(),
        sort::spec(),
        topk::spec(),
    ]
}
