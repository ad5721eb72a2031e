//! The grid of an affine map, for [`Var::grid_sample`].

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::Var;
use crate::ops::support::conv::require_positive;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

const NAME: &str = "affine_grid";

/// The coordinate of element `i` of a side of `n`, from -1 to 1.
fn coordinate(i: usize, n: usize, align_corners: bool) -> f64 {
    match (align_corners, n) {
        (true, 1) => 0.0,
        (true, _) => 2.0 * i as f64 / (n - 1) as f64 - 1.0,
        (false, _) => (2 * i + 1) as f64 / n as f64 - 1.0,
    }
}

impl Var {
    /// The places that affine maps send the elements of an image or volume to.
    ///
    /// # Shapes
    /// - `self`: the maps, `(N, 2, 3)` or `(N, 3, 4)`: rows give x, y (and z) from x, y (z) and 1
    /// - `size`: `[N, C, H, W]` or `[N, C, D, H, W]`
    /// - returns `(N, H, W, 2)` or `(N, D, H, W, 3)`
    ///
    /// # Numerics
    /// Coordinates run from -1 to 1: over the centres of the elements with `align_corners`, else over the image with its edges. A side
    /// of 1 stands at 0. A product of matrices. f32 or f64.
    ///
    /// # Gradient
    /// That of the product; any number of times.
    ///
    /// # Errors
    /// [`Error::Length`] if `size` has not 4 or 5 entries; [`Error::ShapeMismatch`] if the maps do not fit it;
    /// [`Error::Argument`] if a size is 0; [`Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.affine_grid`. Jaderberg et al. 2015, arXiv:1506.02025.
    pub fn affine_grid(&self, size: &[usize], align_corners: bool) -> Result<Self> {
        let (&[n, _, ref sides @ ..], 4 | 5) = (size, size.len()) else {
            return Err(Error::Length {
                op: NAME,
                expected: 4,
                got: size.len(),
            });
        };
        let count = sides.len();
        if *self.shape() != [n, count, count + 1] {
            return Err(Error::ShapeMismatch {
                op: NAME,
                lhs: Shape::new(&[n, count, count + 1])?,
                rhs: *self.shape(),
                rule: "maps have a row for each side and a column more",
            });
        }
        crate::ops::support::require_dtype(NAME, self.tensor(), crate::ops::support::FLOATS)?;
        require_positive(NAME, "size", size)?;
        let result = Shape::new(&[&[n], sides, &[count]].concat())?;
        let positions: usize = sides.iter().product();
        let columns = count + 1;
        let base = Tensor::build([positions, columns], |dst: &mut [f64]| {
            for (p, dst) in dst.chunks_exact_mut(columns).enumerate() {
                let mut rest = p;
                for (d, &side) in sides.iter().enumerate().rev() {
                    dst[count - 1 - d] = coordinate(rest % side, side, align_corners);
                    rest /= side;
                }
                dst[count] = 1.0;
            }
        })?;
        let base = Self::constant(base.to_dtype(self.dtype())?);
        base.matmul(&self.transpose(1, 2)?)?.reshape(result)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let align = a.opt("align_corners", Args::flag)?.unwrap_or(false);
        Ok(one(a
            .var("theta")?
            .affine_grid(&a.sizes("size")?, align)?))
    })
    .input("theta", Kind::Float)
    .required("size", AttrType::Ints)
    .attr("align_corners", AttrType::Bool, crate::registry::Attr::None)
    .reference(|a| {
        let (theta, size) = (a.dense("theta")?, a.sizes("size")?);
        let align = a.opt("align_corners", Args::flag)?.unwrap_or(false);
        let count = size.len() - 2;
        let dims = [&size[..1], &size[2..], &[count]].concat();
        let y = Dense::from_fn(&dims, |at| {
            let row = [at[0], at[count + 1]];
            let mut sum = theta.at(&[row[0], row[1], count]);
            for d in 0..count {
                let n = size[2 + d] as f64;
                let at = at[1 + d] as f64;
                let from = match align {
                    true if n == 1.0 => 0.0,
                    true => -1.0 + 2.0 * at / (n - 1.0),
                    false => -1.0 + (2.0 * at + 1.0) / n,
                };
                sum += theta.at(&[row[0], row[1], count - 1 - d]) * from;
            }
            sum
        });
        Ok(vec![y])
    })
    .draw(|d| {
        let size = d.shape(4..=5, 1..=3);
        let count = size.len() - 2;
        Ok(Args::new()
            .attr("align_corners", d.flag())
            .with("theta", d.reals(&[size[0], count, count + 1])?)
            .attr("size", &size[..]))
    })
}
