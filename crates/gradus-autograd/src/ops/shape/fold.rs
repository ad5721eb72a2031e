//! Columns of patches added up to images.

use gradus_tensor::Shape;

use super::unfold::{attrs_of, batched, config, draw_config, each_place, with_attrs};
use super::{PadMode, UnfoldConfig};
use crate::ops::support::movement::{Put, Take};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var, apply};

impl Var {
    /// The images of which [`Var::unfold`] makes such columns, where pixels in several patches get their sum.
    ///
    /// # Shapes
    /// `(N, C · kernel, patches)` to `(N, C, H, W)` with `output_size = (H, W)`, or without N.
    ///
    /// # Numerics
    /// Patches are added in row-major order. f32 or f64.
    ///
    /// # Gradient
    /// The patches of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] if not of rank 2 or 3; [`Error::ShapeMismatch`] if lines or columns are not those of the patches;
    /// [`Error::Argument`] as [`Var::unfold`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::UnfoldConfig};
    /// let columns = Var::from(Tensor::from_slice(&[0.0_f32, 1.0, 1.0, 2.0], [2, 2])?);
    /// let image = columns.fold([1, 3], &UnfoldConfig::new([1, 2]))?;
    /// assert_eq!(image.tensor().to_vec::<f32>()?, [0.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.fold`.
    pub fn fold(&self, output_size: [usize; 2], config: &UnfoldConfig) -> Result<Self> {
        let (x, added) = batched("fold", self, 3)?;
        let [n, lines, patches] = x.shape().to_array("fold")?;
        let [rows, columns] = config.counts("fold", output_size)?;
        let [kh, kw] = config.kernel_size;
        let too_large = Error::Overflow {
            op: "fold",
            what: "size of a patch",
        };
        let kernel = kh.checked_mul(kw).ok_or(too_large.clone())?;
        let count = rows.checked_mul(columns).ok_or(too_large.clone())?;
        if lines % kernel != 0 || patches != count {
            return Err(Error::ShapeMismatch {
                op: "fold",
                lhs: *self.shape(),
                rhs: Shape::new(&[kernel, count])?,
                rule: "lines are a multiple of the elements of a patch, columns the patches of the image",
            });
        }
        let channels = lines / kernel;
        let [h, w] = config.padded(output_size).ok_or(too_large)?;
        let patches = x.reshape([n, channels, kh, kw, rows, columns])?;
        let take = Take {
            name: "fold",
            part: config.part(),
        };
        let put = Put {
            take,
            shape: Shape::new(&[n, channels, h, w])?,
        };
        let mut image = apply(put, &[&patches.permute(&[0, 1, 4, 5, 2, 3])?])?;
        if config.padding != [0, 0] {
            image = image.pad(&config.pads(-1), PadMode::Constant(0.0))?;
        }
        if added { image.squeeze(0) } else { Ok(image) }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("fold", |a| {
        let size = a.sizes_of("output_size")?;
        Ok(one(a.var("x")?.fold(size, &config(a)?)?))
    });
    let spec = spec
        .input("x", Kind::Float)
        .required("output_size", AttrType::Ints);
    with_attrs(spec)
        .reference(|a| {
            let (x, config) = (a.dense("x")?, config(a)?);
            let [h, w] = a.sizes_of("output_size")?;
            let added = x.rank() == 2;
            let dims = if added {
                [&[1], &x.dims[..]].concat()
            } else {
                x.dims.clone()
            };
            let x = x.reshape(&dims);
            let channels = dims[1] / config.kernel_size.iter().product::<usize>();
            let sides = [dims[0], channels, h, w];
            let mut out = Dense::zeros(&sides);
            each_place(&config, sides, |place, pixel| {
                if let Some(pixel) = pixel {
                    *out.at_mut(&pixel) += x.at(&place);
                }
            });
            Ok(vec![out.reshape(&sides[usize::from(added)..])])
        })
        .draw(|d| {
            let (config, image) = draw_config(d);
            let before = d.shape(1..=2, 1..=2);
            let (&channels, batch) = before.split_last().unwrap_or((&1, &[]));
            let [lines, columns] = {
                let all = each_place(&config, [1, channels.min(1), image[0], image[1]], |_, _| {});
                let kernel: usize = config.kernel_size.iter().product();
                [channels * kernel, all[2]]
            };
            let x = d.reals(&[batch, &[lines, columns]].concat())?;
            let args = Args::new().with("x", x).attr("output_size", &image[..]);
            Ok(attrs_of(args, &config))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_columns_that_are_no_patches() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let config = UnfoldConfig::new([1, 2]);
        assert!(x.fold([1, 4], &config).is_ok());
        for size in [
            [1, 3],
            [2, 4],
            [1, 1],
            [usize::MAX, 4],
            [usize::MAX, usize::MAX],
        ] {
            assert!(x.fold(size, &config).is_err(), "{size:?}");
        }
        assert!(x.fold([1, 5], &UnfoldConfig::new([1, 3])).is_err());
        let got = constant(&BOTH_SIGNS, 6).fold([1, 4], &config);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
