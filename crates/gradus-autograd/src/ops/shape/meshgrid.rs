//! Grids of coordinates.

use gradus_tensor::{Error, Result, Tensor};

use crate::Var;
use crate::ops::support::same_dtype;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};

/// Which dims the first two vectors of [`Var::meshgrid`] run along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexing {
    /// The first along dim 0, the second along dim 1, as indices of a matrix.
    #[default]
    Ij,
    /// The first along dim 1, the second along dim 0, as coordinates of the plane.
    Xy,
}

impl Var {
    /// Of vectors the grid of their combinations: one var for each, which varies along a dim of its own. Views.
    ///
    /// # Shapes
    /// Vectors, or scalars as vectors of one element, of one dtype; the results have a dim for each.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the other dims. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] without vectors; [`Error::Rank`] above rank 1; [`Error::DTypeMismatch`]; [`Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Indexing};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[5.0_f32, 6.0, 7.0], [3])?);
    /// let grid = Var::meshgrid(&[&x, &y], Indexing::Ij)?;
    /// assert_eq!(grid[0].dims(), [2, 3]);
    /// assert_eq!(grid[1].tensor().to_vec::<f32>()?, [5.0, 6.0, 7.0, 5.0, 6.0, 7.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.meshgrid`.
    pub fn meshgrid(vars: &[&Self], indexing: Indexing) -> Result<Vec<Self>> {
        let first = vars.first().ok_or(Error::Length {
            op: "meshgrid",
            expected: 1,
            got: 0,
        })?;
        for x in vars {
            same_dtype("meshgrid", first.tensor(), x.tensor())?;
            if x.rank() > 1 {
                return Err(Error::Rank {
                    op: "meshgrid",
                    expected: 1,
                    got: *x.shape(),
                });
            }
        }
        let axis = |i: usize| match (indexing, i) {
            (Indexing::Xy, 0 | 1) if vars.len() > 1 => 1 - i,
            _ => i,
        };
        let mut dims = vec![1; vars.len()];
        for (i, x) in vars.iter().enumerate() {
            dims[axis(i)] = x.numel();
        }
        let grid = |(i, x): (usize, &&Self)| {
            let mut own = vec![1; vars.len()];
            own[axis(i)] = x.numel();
            x.reshape(own)?.expand(&dims)
        };
        vars.iter().enumerate().map(grid).collect()
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("meshgrid", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        let indexing = [Indexing::Ij, Indexing::Xy][a.choice("indexing", &["ij", "xy"])?];
        Var::meshgrid(&vars, indexing)
    })
    .many()
    .list("tensors", Kind::Any)
    .attr("indexing", AttrType::Text, "ij")
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let all = all.collect::<Result<Vec<Dense>>>()?;
        let mut order: Vec<usize> = (0..all.len()).collect();
        if a.text("indexing")? == "xy" && all.len() > 1 {
            order.swap(0, 1);
        }
        let dims: Vec<usize> = order.iter().map(|&i| all[i].numel()).collect();
        let of = |i: usize| Dense::from_fn(&dims, |at| all[i].data[at[order[i]]]);
        Ok((0..all.len()).map(of).collect())
    })
    .draw(|d| {
        let count = d.range(1..=3);
        let parts = (0..count).map(|i| {
            let dims = if i == 0 {
                d.shape(0..=1, 1..=3)
            } else {
                vec![d.range(1..=3)]
            };
            d.reals(&dims)
        });
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Args::new()
            .with("tensors", parts)
            .attr("indexing", d.pick(&["ij", "xy"])))
    })
}
