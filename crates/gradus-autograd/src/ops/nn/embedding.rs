//! Rows of a table by index. Letters: V rows of the table, D columns.

use gradus_tensor::{Shape, Tensor};

use crate::ops::support::table::{Lookup, padding_of, positions, renorm};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Result, Var};

const OP: &str = "embedding";

/// The options of [`Var::embedding`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingConfig {
    /// A row of the table, counted from the end if negative, whose gradient is always 0. Default: none.
    pub padding_idx: Option<i64>,
    /// Rows longer than this are scaled to it. Default: no bound.
    pub max_norm: Option<f64>,
    /// The norm of that length. Default: 2.
    pub norm_type: f64,
    /// Whether a row's gradient is divided by how often its index occurs. Default: no.
    pub scale_grad_by_freq: bool,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self {
            padding_idx: None,
            max_norm: None,
            norm_type: 2.0,
            scale_grad_by_freq: false,
        }
    }
}

impl Var {
    /// The rows of this table at these indices.
    ///
    /// # Shapes
    /// `self` `(V, D)`, `index` i64 of any shape; the result is `(…, D)`.
    ///
    /// # Numerics
    /// Exact, but for rows that `max_norm` scales, by `max_norm / (length + 1e-7)` as PyTorch's. The table itself stays as it
    /// is (PyTorch changes it in place; so does the layer). f32 or f64; a table stored in bf16 gives rows of f32.
    ///
    /// # Gradient
    /// Row by row the sum of `grad_out` over the places of its index, in order and in f64, in parallel; 0 for `padding_idx`;
    /// through the scaling of `max_norm`, too, which PyTorch leaves out. Keeps the indices.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if `self` is no matrix; [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones
    /// are, too); [`crate::Error::Argument`] for a `padding_idx` outside; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::EmbeddingConfig};
    /// let table = Var::leaf(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let y = table.embedding(&Tensor::from_slice(&[1_i64, 1], [2])?, &EmbeddingConfig::default())?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [3.0, 4.0, 3.0, 4.0]);
    /// let grads = y.sum(&[], false)?.backward()?;
    /// assert_eq!(grads.get_var(&table).unwrap().to_vec::<f32>()?, [0.0, 0.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.embedding` (`torch.nn.functional.embedding` takes the indices first).
    pub fn embedding(&self, index: &Tensor, config: &EmbeddingConfig) -> Result<Self> {
        let [rows, width] = self.shape().to_array(OP)?;
        let padding = padding_of(OP, config.padding_idx, rows)?;
        let found = positions(OP, index, rows)?;
        let lookup = Lookup::new(OP, &found, padding, config.scale_grad_by_freq);
        let mut picked = lookup.pick(self)?;
        if let Some(max_norm) = config.max_norm {
            picked = renorm(OP, &picked, max_norm, config.norm_type)?;
        }
        picked.reshape(Shape::new(&[index.dims(), &[width]].concat())?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = EmbeddingConfig {
            padding_idx: a.opt("padding_idx", Args::int)?,
            max_norm: a.opt("max_norm", Args::float)?,
            norm_type: a.float("norm_type")?,
            scale_grad_by_freq: a.flag("scale_grad_by_freq")?,
        };
        Ok(one(a.var("weight")?.embedding(a.tensor("x")?, &config)?))
    })
    .input("x", Kind::Index)
    .input("weight", Kind::Float)
    .attr("padding_idx", AttrType::Int, None::<i64>)
    .attr("max_norm", AttrType::Float, None::<f64>)
    .attr("norm_type", AttrType::Float, 2.0)
    .attr("scale_grad_by_freq", AttrType::Bool, false)
    .kinked()
    .reference(|a| {
        let (index, table) = (a.dense("x")?, scaled_table(a)?);
        let dims = [&index.dims[..], &table.dims[1..]].concat();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let (place, column) = at.split_at(at.len() - 1);
            table.at(&[index.at(place) as usize, column[0]])
        })])
    })
    .draw(|d| {
        let dims = d.shape(0..=2, 1..=3);
        let (rows, width) = (d.range(2..=5), d.range(1..=3));
        let (index, by_freq) = draw_indices(d, &dims, rows)?;
        draw_table(d, rows, width, by_freq).map(|args| args.with("x", index))
    })
}

/// The table with its long rows scaled.
pub(super) fn scaled_table(a: &Args) -> Result<Dense> {
    let table = a.dense("weight")?;
    let (max_norm, p) = (a.opt("max_norm", Args::float)?, a.float("norm_type")?);
    let Some(max_norm) = max_norm else {
        return Ok(table);
    };
    Ok(table.along(1, |row| {
        let length = row
            .iter()
            .map(|x| x.abs().powf(p))
            .sum::<f64>()
            .powf(1.0 / p);
        let scale = if length > max_norm {
            max_norm / (length + 1e-7)
        } else {
            1.0
        };
        row.iter().map(|x| x * scale).collect()
    }))
}

/// Indices below `rows - 1`, and whether gradients may be divided by their frequency: if each occurs once, as then the
/// gradient is still the derivative. The last row is left for `padding_idx`, for the same reason.
pub(super) fn draw_indices(d: &mut Draw, dims: &[usize], rows: usize) -> Result<(Tensor, bool)> {
    let count: usize = dims.iter().product();
    if count < rows && d.flag() {
        let order: Vec<i64> = d.order(rows - 1).iter().map(|&v| v as i64).collect();
        return Ok((Tensor::from_slice(&order[..count], dims)?, true));
    }
    Ok((d.indices(dims, rows - 1)?, false))
}

/// A table whose rows are shorter than 1 or longer than 2.
pub(super) fn draw_table(d: &mut Draw, rows: usize, width: usize, by_freq: bool) -> Result<Args> {
    let values = crate::registry::Values::between(0.1, 0.4);
    let table = Var::constant(d.floats(&[rows, width], values)?);
    let sizes = d.mask(&[rows, 1])?.to_dtype(crate::DType::F64)?;
    let sizes = Var::constant(sizes).mul_scalar(24.0)?.add_scalar(1.0)?;
    let mut args = Args::new()
        .with("weight", table.mul(&sizes)?)
        .attr("scale_grad_by_freq", by_freq);
    if d.flag() {
        args = args.attr("padding_idx", d.pick(&[-1, rows as i64 - 1]));
    }
    if d.flag() {
        args = args
            .attr("max_norm", 1.5)
            .attr("norm_type", d.pick(&[2.0, 1.0, 3.0]));
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::EmbeddingConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, GradConfig, Tensor, grad};

    fn gradient(rows: usize, index: &[i64], config: &EmbeddingConfig) -> Vec<f64> {
        let table = leaf(&vec![1.0; rows], [rows, 1]);
        let y = table
            .embedding(&tensor(index, index.len()), config)
            .unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        grads.get_var(&table).unwrap().to_vec().unwrap()
    }

    #[test]
    fn museum_28_the_padding_row_has_gradient_0() {
        for count in [4, 769, 5000] {
            let index: Vec<i64> = (0..count).map(|i| i % 3).collect();
            for padding_idx in [1, -2] {
                let config = EmbeddingConfig {
                    padding_idx: Some(padding_idx),
                    ..Default::default()
                };
                let got = gradient(3, &index, &config);
                let times = |row: i64| index.iter().filter(|&&i| i == row).count() as f64;
                assert_eq!(got, [times(0), 0.0, times(2)]);
            }
        }
    }

    #[test]
    fn a_table_with_other_uses_gets_the_sum_of_their_gradients() {
        let table = leaf(&[1.0, -2.0, 3.0, 0.5, 0.25, -4.0], [3, 2]);
        let picked = |index: &[i64]| {
            let index = tensor(index, index.len());
            let y = table.embedding(&index, &EmbeddingConfig::default());
            y.unwrap().sum(&[], false).unwrap()
        };
        // The nearest to the leaf comes last in a backward, and adds its rows to what the others gave.
        let sum = picked(&[2, 2]).add(&picked(&[0])).unwrap();
        let y = sum
            .add(&table.mul(&table).unwrap().sum(&[], false).unwrap())
            .unwrap();
        let want = [3.0, -3.0, 6.0, 1.0, 2.5, -6.0];
        let once = GradConfig {
            create_graph: true,
            ..GradConfig::default()
        };
        let grads = grad(&[&y], &[&table], None, &once).unwrap();
        assert_eq!(values(grads[0].as_ref().unwrap()), want);
        // An op's output gets its sum as a leaf does.
        let half = table.mul_scalar(0.5).unwrap();
        let both = half
            .embedding(&tensor(&[1_i64], 1), &EmbeddingConfig::default())
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .add(&half.sum(&[], false).unwrap())
            .unwrap();
        let keep = GradConfig {
            retain_graph: true,
            ..GradConfig::default()
        };
        for _ in 0..2 {
            let grads = grad(&[&both], &[&half, &table], None, &keep).unwrap();
            let got = grads.into_iter().flatten();
            let got: Vec<Vec<f64>> = got.map(|grad| values(&grad)).collect();
            let want = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0];
            assert_eq!(got, [want.to_vec(), want.map(|x| x / 2.0).to_vec()]);
        }
        let grads = y.backward().unwrap();
        let got = grads.get_var(&table).unwrap();
        assert_eq!(got.to_vec::<f64>().unwrap(), want);
    }

    #[test]
    fn gradients_are_divided_by_frequency() {
        let config = EmbeddingConfig {
            scale_grad_by_freq: true,
            ..Default::default()
        };
        assert_eq!(gradient(3, &[2, 0, 2, 2], &config), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn museum_46_no_indices_and_no_columns() {
        let none = tensor::<i64>(&[], [2, 0]);
        let y = leaf(&[1.0, 2.0], [2, 1])
            .embedding(&none, &EmbeddingConfig::default())
            .unwrap();
        assert_eq!(y.dims(), [2, 0, 1]);
        let empty = crate::Var::leaf(Tensor::zeros([3, 0], crate::DType::F64).unwrap());
        let y = empty
            .embedding(&tensor(&[2_i64], 1), &EmbeddingConfig::default())
            .unwrap();
        assert_eq!(y.dims(), [1, 0]);
    }

    #[test]
    fn rejects_what_is_no_row() {
        let table = leaf(&[1.0, 2.0], [2, 1]);
        for index in [-1, 2, i64::MIN, i64::MAX] {
            let got = table.embedding(&tensor(&[0, index], 2), &EmbeddingConfig::default());
            let want = Error::IndexOutOfRange {
                op: "embedding",
                position: 1,
                index,
                len: 2,
            };
            assert_eq!(got.unwrap_err(), want);
            let config = EmbeddingConfig {
                padding_idx: Some(index),
                ..Default::default()
            };
            let got = table.embedding(&tensor(&[0_i64], 1), &config);
            assert_eq!(
                matches!(got, Err(Error::Argument { .. })),
                index != -1,
                "{got:?}"
            );
        }
    }
}
