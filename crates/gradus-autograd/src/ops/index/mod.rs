//! Elements read and written by index or by mask, and put in order.

mod argsort;
mod bincount;
mod bucketize;
mod diagonal_scatter;
mod gather;
mod index;
mod index_add;
mod index_copy;
mod index_fill;
mod index_put;
mod index_reduce;
mod index_select;
mod masked_scatter;
mod msort;
mod nonzero;
mod one_hot;
mod put;
mod scatter;
mod scatter_add;
mod scatter_reduce;
mod searchsorted;
mod select_scatter;
mod slice_scatter;
mod sort;
mod take;
mod take_along_dim;
mod topk;
mod unique;

pub(crate) use gather::scatter_rows;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    argsort::spec,
    bincount::spec,
    bucketize::spec,
    diagonal_scatter::spec,
    gather::spec,
    index::spec,
    index_add::spec,
    index_copy::spec,
    index_fill::spec,
    index_put::spec,
    index_reduce::spec,
    index_select::spec,
    masked_scatter::spec,
    msort::spec,
    nonzero::spec,
    one_hot::spec,
    put::spec,
    scatter::spec,
    scatter_add::spec,
    scatter_reduce::spec,
    searchsorted::spec,
    select_scatter::spec,
    slice_scatter::spec,
    sort::spec,
    take::spec,
    take_along_dim::spec,
    topk::spec,
    unique::spec,
];
