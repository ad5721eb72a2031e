//! Angles of like and unlike pairs of vectors.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::loss::{Reduction, draw_signs, equals, reduced};
use crate::ops::support::{same_shape, scalar_like};
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const OP: &str = "cosine_embedding_loss";
/// Added to squared lengths, as PyTorch's, so that vectors of length 0 have a cosine.
const EPS: f64 = 1e-12;

impl Var {
    /// Of like pairs (target 1) `1 - cos`, of unlike ones (target -1) `max(0, cos - margin)`, reduced, with `cos` the cosine
    /// between a row of `self` and one of `input2`. Another target costs nothing.
    ///
    /// # Shapes
    /// `self` and `input2` `(N, D)` with `target` `(N,)`, or `(D,)` with `()`. The result has the target's shape for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// 1e-12 is added to squared lengths. PyTorch's default `margin` is 0. f32 or f64, all alike.
    ///
    /// # Gradient
    /// That of the cosine or its negative, 0 beyond the margin; the target has none. Composed of ops.
    ///
    /// # Errors
    /// [`Error::Rank`] if the target's rank is above 1; [`Error::ShapeMismatch`]; [`Error::DTypeMismatch`];
    /// [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let a = Var::from(Tensor::from_slice(&[3.0_f64, 4.0], [2])?);
    /// let b = Var::from(Tensor::from_slice(&[4.0_f64, 3.0], [2])?);
    /// let loss = a.cosine_embedding_loss(&b, &Tensor::scalar(-1.0_f64)?, 0.5, Reduction::Mean)?;
    /// assert!((loss.item::<f64>()? - 0.46).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.cosine_embedding_loss`.
    pub fn cosine_embedding_loss(
        &self,
        input2: &Self,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Self> {
        same_shape(OP, self.tensor(), input2.tensor())?;
        if target.rank() > 1 || self.rank() != target.rank() + 1 {
            let (expected, got) = (target.rank() + 1, *self.shape());
            return Err(Error::Rank {
                op: OP,
                expected,
                got,
            });
        }
        if self.dims()[..target.rank()] != *target.dims() {
            return Err(Error::ShapeMismatch {
                op: OP,
                lhs: *self.shape(),
                rhs: *target.shape(),
                rule: "one target for each row",
            });
        }
        let dot = |a: &Self, b: &Self| a.mul(b)?.sum(&[-1], false);
        let lengths = dot(self, self)?
            .add_scalar(EPS)?
            .mul(&dot(input2, input2)?.add_scalar(EPS)?)?
            .sqrt()?;
        let cos = dot(self, input2)?.div(&lengths)?;
        let zero = scalar_like(self, 0.0)?;
        let like = cos
            .neg()?
            .add_scalar(1.0)?
            .where_(&equals(OP, target, 1.0)?, &zero)?;
        let beyond = cos.add_scalar(-margin)?.relu()?;
        let unlike = beyond.where_(&equals(OP, target, -1.0)?, &zero)?;
        reduced(like.add(&unlike)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let (x, input2, target) = (a.var("x")?, a.var("input2")?, a.tensor("target")?);
        let margin = a.float("margin")?;
        Ok(one(x.cosine_embedding_loss(
            input2,
            target,
            margin,
            reduction(a)?,
        )?))
    })
    .input("x", Kind::Float)
    .input("input2", Kind::Float)
    .input("target", Kind::Constant)
    .attr("margin", AttrType::Float, 0.0)
    .attr("reduction", AttrType::Text, "mean")
    .kinked()
    .reference(|a| {
        let (x, y, target) = (a.dense("x")?, a.dense("input2")?, a.dense("target")?);
        let (width, margin) = (x.dims[x.rank() - 1], a.float("margin")?);
        let each = Dense::from_fn(&target.dims.clone(), |row| {
            let at = |m: &Dense, i: usize| m.at(&[row, &[i]].concat());
            let dot = |a: &Dense, b: &Dense| (0..width).map(|i| at(a, i) * at(b, i)).sum::<f64>();
            let cos = dot(&x, &y) / ((dot(&x, &x) + EPS) * (dot(&y, &y) + EPS)).sqrt();
            match target.at(row) {
                1.0 => 1.0 - cos,
                -1.0 => (cos - margin).max(0.0),
                _ => 0.0,
            }
        });
        reduce_losses(a, each)
    })
    .draw(|d| {
        // Away from the kink: each pair is nearly parallel or nearly opposite, and the margins lie between.
        let dims = d.shape(1..=2, 2..=4);
        let rows = &dims[..dims.len() - 1];
        let x = Var::constant(d.floats(&dims, Values::POSITIVE)?);
        let bent = x.add(&Var::constant(d.floats(&dims, Values::between(-0.1, 0.1))?))?;
        let signs = Var::constant(draw_signs(d, rows)?).unsqueeze(-1)?;
        let target = match d.below(4) {
            3 => d.floats(rows, Values::REAL)?,
            _ => draw_signs(d, rows)?,
        };
        Ok(Args::new()
            .with("x", x)
            .with("input2", bent.mul(&signs)?)
            .with("target", target)
            .attr("margin", d.pick(&[0.0, 0.25, -0.25]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
