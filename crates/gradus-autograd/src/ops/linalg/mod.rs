//! Products of matrices and their decompositions.

mod addbmm;
mod addmm;
mod addmv;
mod addr;
mod baddbmm;
mod bmm;
mod cholesky;
mod cholesky_solve;
mod cross;
mod det;
mod dot;
mod eigh;
mod eigvalsh;
mod einsum;
mod inner;
mod inv;
mod kron;
mod linear;
mod lstsq;
mod matmul;
mod matrix_exp;
mod matrix_power;
mod matrix_rank;
mod multi_dot;
mod outer;
mod pinv;
mod qr;
mod slogdet;
mod solve;
mod solve_triangular;
mod svd;
mod svdvals;
mod tensordot;
mod trace;
mod vecdot;

pub use pinv::RankTolerance;
pub use qr::QrMode;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    addbmm::spec,
    addmm::spec,
    addmv::spec,
    addr::spec,
    baddbmm::spec,
    bmm::spec,
    cholesky::spec,
    cholesky_solve::spec,
    cross::spec,
    det::spec,
    dot::spec,
    eigh::spec,
    eigvalsh::spec,
    einsum::spec,
    inner::spec,
    inv::spec,
    kron::spec,
    linear::spec,
    lstsq::spec,
    matmul::spec,
    matrix_exp::spec,
    matrix_power::spec,
    matrix_rank::spec,
    multi_dot::spec,
    outer::spec,
    pinv::spec,
    qr::spec,
    slogdet::spec,
    solve::spec,
    solve_triangular::spec,
    svd::spec,
    svdvals::spec,
    tensordot::spec,
    trace::spec,
    vecdot::spec,
];
