//! The patches of images as columns.

use super::PadMode;
use crate::ops::support::movement::{Part, Take, Window};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Error, Result, Var, apply};

/// The patches of images, for rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfoldConfig {
    /// The size of a patch.
    pub kernel_size: [usize; 2],
    /// Steps between the elements of a patch; 1 if not said.
    pub dilation: [usize; 2],
    /// Zeros around the image; 0 if not said.
    pub padding: [usize; 2],
    /// Steps between patches; 1 if not said.
    pub stride: [usize; 2],
}

impl UnfoldConfig {
    /// Patches of this size with PyTorch's defaults.
    pub const fn new(kernel_size: [usize; 2]) -> Self {
        Self {
            kernel_size,
            dilation: [1; 2],
            padding: [0; 2],
            stride: [1; 2],
        }
    }

    /// The number of patches along each dim of an image.
    pub(super) fn counts(&self, op: &'static str, image: [usize; 2]) -> Result<[usize; 2]> {
        let count = |i: usize| {
            let span = (self.kernel_size[i]
                .checked_sub(1)?
                .checked_mul(self.dilation[i])?)
            .checked_add(1)?;
            let padded = self.padded(image)?[i];
            (span <= padded && self.stride[i] > 0).then(|| (padded - span) / self.stride[i] + 1)
        };
        match (count(0), count(1)) {
            (Some(rows), Some(columns)) => Ok([rows, columns]),
            _ => Err(Error::Argument {
                op,
                name: "kernel_size",
                expected: "at least 1, as is stride, and with its dilation no larger than the padded image; the image's side is",
                got: image[0].min(image[1]) as f64,
            }),
        }
    }

    /// The sides of an image with its padding.
    pub(super) fn padded(&self, image: [usize; 2]) -> Option<[usize; 2]> {
        let side = |i: usize| {
            let side = image[i].checked_add(self.padding[i].checked_mul(2)?)?;
            isize::try_from(side).ok().map(|_| side)
        };
        Some([side(0)?, side(1)?])
    }

    /// Pads around the last two dims, `sign` times.
    pub(super) fn pads(&self, sign: isize) -> [isize; 4] {
        let [rows, columns] = self.padding.map(|pad| sign * pad as isize);
        [columns, columns, rows, rows]
    }

    /// The patches of images `(N, C, H, W)`, as a part `(N, C, rows of patches, columns of patches, kernel)` of them.
    pub(super) fn part(&self) -> Part {
        let window = |i: usize| Window {
            axis: i + 2,
            size: self.kernel_size[i],
            dilation: self.dilation[i],
            stride: self.stride[i],
        };
        Part::Windows(vec![window(0), window(1)])
    }
}

/// Images with their batch dim, and whether it was added.
pub(super) fn batched(op: &'static str, x: &Var, rank: usize) -> Result<(Var, bool)> {
    match x.rank() {
        got if got == rank => Ok((x.clone(), false)),
        got if got + 1 == rank => Ok((x.unsqueeze(0)?, true)),
        _ => Err(Error::Rank {
            op,
            expected: rank,
            got: *x.shape(),
        }),
    }
}

impl Var {
    /// The patches of images as columns: each column holds what a convolution with that kernel multiplies at one place.
    ///
    /// # Shapes
    /// `(N, C, H, W)` to `(N, C · kernel, patches)`, or without N.
    ///
    /// # Gradient
    /// Each pixel gets the sum over the patches that it is in ([`Var::fold`]). Saves nothing. f32 or f64.
    ///
    /// # Errors
    /// [`Error::Rank`] if not of rank 3 or 4; [`Error::Argument`] for a kernel or stride of 0 or a kernel larger than the padded image.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::UnfoldConfig};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?).reshape([1, 2, 3])?;
    /// let columns = x.unfold(&UnfoldConfig::new([2, 2]))?;
    /// assert_eq!(columns.tensor().to_vec::<f32>()?, [0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.unfold`; [`Var::unfold_copy`] is `torch.Tensor.unfold`.
    pub fn unfold(&self, config: &UnfoldConfig) -> Result<Self> {
        let (x, added) = batched("unfold", self, 4)?;
        let [n, c, h, w] = x.shape().to_array("unfold")?;
        let [rows, columns] = config.counts("unfold", [h, w])?;
        let padded = match config.padding {
            [0, 0] => x,
            _ => x.pad(&config.pads(1), PadMode::Constant(0.0))?,
        };
        let take = Take {
            name: "unfold",
            part: config.part(),
        };
        let patches = apply(take, &[&padded])?.permute(&[0, 1, 4, 5, 2, 3])?;
        let [kh, kw] = config.kernel_size;
        let out = patches.reshape([n, c * kh * kw, rows * columns])?;
        if added { out.squeeze(0) } else { Ok(out) }
    }
}

/// The attributes that fold and unfold share.
pub(super) fn config(a: &Args) -> Result<UnfoldConfig> {
    Ok(UnfoldConfig {
        kernel_size: a.sizes_of("kernel_size")?,
        dilation: a.sizes_of("dilation")?,
        padding: a.sizes_of("padding")?,
        stride: a.sizes_of("stride")?,
    })
}

/// Their registration, too.
pub(super) fn with_attrs(spec: OpSpec) -> OpSpec {
    spec.required("kernel_size", AttrType::Ints)
        .attr("dilation", AttrType::Ints, 1)
        .attr("padding", AttrType::Ints, 0)
        .attr("stride", AttrType::Ints, 1)
}

/// Attributes, and the sides of an image that they fit.
pub(super) fn draw_config(d: &mut Draw) -> (UnfoldConfig, [usize; 2]) {
    let mut config = UnfoldConfig::new([d.range(1..=2), d.range(1..=3)]);
    config.dilation = [d.range(1..=2), d.range(1..=2)];
    config.padding = [d.below(2), d.below(3)];
    config.stride = [d.range(1..=2), d.range(1..=3)];
    let image = [0, 1].map(|i| {
        let span = (config.kernel_size[i] - 1) * config.dilation[i] + 1;
        let least = span.saturating_sub(2 * config.padding[i]).max(1);
        d.range(least..=least + 2)
    });
    (config, image)
}

pub(super) fn attrs_of(args: Args, config: &UnfoldConfig) -> Args {
    args.attr("kernel_size", &config.kernel_size[..])
        .attr("dilation", &config.dilation[..])
        .attr("padding", &config.padding[..])
        .attr("stride", &config.stride[..])
}

/// Every place of the columns of images `(n, c, h, w)` with the pixel that stands there, none in the padding.
pub(super) fn each_place(
    config: &UnfoldConfig,
    [n, c, h, w]: [usize; 4],
    mut f: impl FnMut([usize; 3], Option<[usize; 4]>),
) -> [usize; 3] {
    let [kh, kw] = config.kernel_size;
    let count = |i: usize, side: usize| {
        let span = (config.kernel_size[i] - 1) * config.dilation[i] + 1;
        (side + 2 * config.padding[i] - span) / config.stride[i] + 1
    };
    let (rows, columns) = (count(0, h), count(1, w));
    let at = |i: usize, patch: usize, k: usize| {
        (patch * config.stride[i] + k * config.dilation[i]).checked_sub(config.padding[i])
    };
    for place in 0..n * c * kh * kw * rows * columns {
        let (rest, column) = (place / columns, place % columns);
        let (rest, row) = (rest / rows, rest % rows);
        let (rest, kx) = (rest / kw, rest % kw);
        let (rest, ky) = (rest / kh, rest % kh);
        let (image, channel) = (rest / c, rest % c);
        let pixel = at(0, row, ky).zip(at(1, column, kx));
        let pixel = pixel.filter(|&(y, x)| y < h && x < w);
        let line = (channel * kh + ky) * kw + kx;
        f(
            [image, line, row * columns + column],
            pixel.map(|(y, x)| [image, channel, y, x]),
        );
    }
    [n, c * kh * kw, rows * columns]
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("unfold", |a| Ok(one(a.var("x")?.unfold(&config(a)?)?)));
    with_attrs(spec.input("x", Kind::Float))
        .reference(|a| {
            let (x, config) = (a.dense("x")?, config(a)?);
            let added = x.rank() == 3;
            let dims = if added {
                [&[1], &x.dims[..]].concat()
            } else {
                x.dims.clone()
            };
            let x = x.reshape(&dims);
            let sides = [dims[0], dims[1], dims[2], dims[3]];
            let mut out = Dense::zeros(&each_place(&config, sides, |_, _| {}));
            each_place(&config, sides, |place, pixel| {
                *out.at_mut(&place) = pixel.map_or(0.0, |pixel| x.at(&pixel));
            });
            let dims = out.dims[usize::from(added)..].to_vec();
            Ok(vec![out.reshape(&dims)])
        })
        .draw(|d| {
            let (config, image) = draw_config(d);
            let before = d.shape(1..=2, 1..=2);
            let x = d.reals(&[&before[..], &image].concat())?;
            Ok(attrs_of(Args::new().with("x", x), &config))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [1, 2, 3]);
        let with = |change: fn(&mut UnfoldConfig)| {
            let mut config = UnfoldConfig::new([2, 2]);
            change(&mut config);
            x.unfold(&config)
        };
        assert!(with(|_| {}).is_ok());
        for change in [
            (|c| c.kernel_size = [3, 1]) as fn(&mut UnfoldConfig),
            |c| c.kernel_size = [0, 1],
            |c| c.kernel_size = [usize::MAX, 1],
            |c| c.stride = [0, 1],
            |c| c.dilation = [usize::MAX, 1],
            |c| c.padding = [usize::MAX, 1],
            |c| c.padding = [usize::MAX / 4, usize::MAX / 4],
        ] {
            assert!(with(change).is_err());
        }
        let got = constant(&BOTH_SIGNS, 6).unfold(&UnfoldConfig::new([1, 1]));
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
