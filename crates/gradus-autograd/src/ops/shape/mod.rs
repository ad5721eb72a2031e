//! Views, joins and cuts: elements move, none is computed.

mod cat;
mod channel_shuffle;
mod chunk;
mod contiguous;
mod diag;
mod diag_embed;
mod diagonal;
mod dstack;
mod expand;
mod flatten;
mod flip;
mod fold;
mod hstack;
mod meshgrid;
mod movedim;
mod narrow;
mod pad;
mod permute;
mod pixel_shuffle;
mod pixel_unshuffle;
mod repeat;
mod repeat_interleave;
mod reshape;
mod roll;
mod rot90;
mod select;
mod slice;
mod split;
mod squeeze;
mod stack;
mod tensor_split;
mod tile;
mod transpose;
mod tril;
mod triu;
mod unbind;
mod unflatten;
mod unfold;
mod unfold_copy;
mod unsqueeze;
mod vstack;

pub use meshgrid::Indexing;
pub use pad::PadMode;
pub use unfold::UnfoldConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    cat::spec,
    channel_shuffle::spec,
    chunk::spec,
    contiguous::spec,
    diag::spec,
    diag_embed::spec,
    diagonal::spec,
    dstack::spec,
    expand::spec,
    flatten::spec,
    flip::spec,
    fold::spec,
    hstack::spec,
    meshgrid::spec,
    movedim::spec,
    narrow::spec,
    pad::spec,
    permute::spec,
    pixel_shuffle::spec,
    pixel_unshuffle::spec,
    repeat::spec,
    repeat_interleave::spec,
    reshape::spec,
    roll::spec,
    rot90::spec,
    select::spec,
    slice::spec,
    split::spec,
    squeeze::spec,
    stack::spec,
    tensor_split::spec,
    tile::spec,
    transpose::spec,
    tril::spec,
    triu::spec,
    unbind::spec,
    unflatten::spec,
    unfold::spec,
    unfold_copy::spec,
    unsqueeze::spec,
    vstack::spec,
];
