//! Tables of vectors.

use gradus_autograd::ops::{BagMode, EmbeddingBagConfig, EmbeddingConfig};
use gradus_autograd::{DType, Parameter, Result, ResultExt, Tensor, Var, is_recomputing};

use crate::entry::Start;
use crate::{Init, Scope};

/// How PyTorch's tables start.
const NORMAL: Init = Init::Normal {
    mean: 0.0,
    std: 1.0,
};

/// A table of `(rows, width)` that starts by `init`, but for the padding row, which starts at 0.
fn table(
    scope: &Scope,
    rows: usize,
    width: usize,
    padding: Option<i64>,
    init: Init,
) -> Result<Parameter> {
    let at = padding.map(|p| {
        if p < 0 {
            p.saturating_add_unsigned(rows as u64)
        } else {
            p
        }
    });
    let zero_row = at
        .and_then(|p| usize::try_from(p).ok())
        .filter(|&p| p < rows);
    scope.start("weight", [rows, width], Start { init, zero_row })
}

/// Scales the rows at these indices that are longer than `max_norm`, in the table itself, as PyTorch's layers do.
fn renorm(weight: &Parameter, index: &Tensor, max_norm: f64, norm_type: f64) -> Result<()> {
    if is_recomputing() {
        return Ok(());
    }
    let table = Var::constant(weight.tensor());
    let bound = EmbeddingConfig {
        max_norm: Some(max_norm),
        norm_type,
        ..Default::default()
    };
    let mut used: Vec<i64> = index.to_vec()?;
    used.sort_unstable();
    used.dedup();
    let used = Tensor::from_slice(&used, [used.len()])?;
    let rows = table.embedding(&used, &bound)?.to_dtype(DType::F64)?;
    let (rows, used) = (rows.tensor().to_vec::<f64>()?, used.to_vec::<i64>()?);
    let width = weight.shape()[1];
    let mut all = table.to_dtype(DType::F64)?.tensor().to_vec::<f64>()?;
    for (row, &at) in rows.chunks_exact(width.max(1)).zip(&used) {
        all[at as usize * width..][..width].copy_from_slice(row);
    }
    weight.set(Tensor::from_slice(&all, weight.shape())?.to_dtype(table.dtype())?)
}

/// Vectors by index; `torch.nn.Embedding`.
///
/// # Shapes
/// Indices (i64) of any shape; the output has `width` as one more dim. `weight` is `(rows, width)`.
#[derive(Clone, Debug)]
pub struct Embedding {
    path: String,
    weight: Parameter,
    config: EmbeddingConfig,
}

impl Embedding {
    /// A table of `rows` vectors: normal, 0 in the row of `padding_idx`.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn new(scope: &Scope, rows: usize, width: usize, config: &EmbeddingConfig) -> Result<Self> {
        Self::with_init(scope, rows, width, config, NORMAL)
    }

    /// A table of `rows` vectors that starts by `init`: 0 in the row of `padding_idx`.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn with_init(
        scope: &Scope,
        rows: usize,
        width: usize,
        config: &EmbeddingConfig,
        init: Init,
    ) -> Result<Self> {
        Ok(Self {
            path: scope.path().to_owned(),
            weight: table(scope, rows, width, config.padding_idx, init)?,
            config: *config,
        })
    }

    /// The table.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The vectors at these indices. With `max_norm` the table's rows are scaled first, as PyTorch's.
    ///
    /// # Errors
    /// Those of [`Var::embedding`], with the module's path in front.
    pub fn forward(&self, index: &Tensor) -> Result<Var> {
        let path = || self.path.as_str();
        if let Some(max_norm) = self.config.max_norm {
            renorm(&self.weight, index, max_norm, self.config.norm_type).at(path)?;
        }
        let plain = EmbeddingConfig {
            max_norm: None,
            ..self.config
        };
        self.weight.var().embedding(index, &plain).at(path)
    }
}

/// Sums, means or maxima of bags of vectors; `torch.nn.EmbeddingBag`.
///
/// # Shapes
/// Indices (i64) `(B, K)`, or `(K,)` with the offsets of the bags; the output is `(B, width)`. `weight` is `(rows, width)`.
#[derive(Clone, Debug)]
pub struct EmbeddingBag {
    path: String,
    weight: Parameter,
    config: EmbeddingBagConfig,
}

impl EmbeddingBag {
    /// A table of `rows` vectors: normal, 0 in the row of `padding_idx`.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn new(
        scope: &Scope,
        rows: usize,
        width: usize,
        config: &EmbeddingBagConfig,
    ) -> Result<Self> {
        Ok(Self {
            path: scope.path().to_owned(),
            weight: table(scope, rows, width, config.padding_idx, NORMAL)?,
            config: *config,
        })
    }

    /// The table.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// What becomes of the rows of a bag.
    pub fn mode(&self) -> BagMode {
        self.config.mode
    }

    /// One vector for each bag.
    ///
    /// # Errors
    /// Those of [`Var::embedding_bag`], with the module's path in front.
    pub fn forward(
        &self,
        index: &Tensor,
        offsets: Option<&Tensor>,
        per_sample_weights: Option<&Var>,
    ) -> Result<Var> {
        let path = || self.path.as_str();
        if let Some(max_norm) = self.config.max_norm {
            renorm(&self.weight, index, max_norm, self.config.norm_type).at(path)?;
        }
        let plain = EmbeddingBagConfig {
            max_norm: None,
            ..self.config
        };
        let weight = self.weight.var();
        weight
            .embedding_bag(index, offsets, per_sample_weights, &plain)
            .at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamStore;

    #[test]
    fn museum_28_the_padding_row_starts_and_stays_at_0() {
        let store = ParamStore::with_dtype(1, DType::F64);
        let config = EmbeddingConfig {
            padding_idx: Some(-2),
            ..Default::default()
        };
        let layer = Embedding::new(&store.root(), 3, 2, &config).unwrap();
        let weight = layer.weight().tensor().to_vec::<f64>().unwrap();
        assert_eq!(weight[2..4], [0.0, 0.0]);
        assert!(weight[..2].iter().chain(&weight[4..]).all(|&x| x != 0.0));
        let y = layer
            .forward(&Tensor::from_slice(&[1_i64, 1, 2], [3]).unwrap())
            .unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let grad = grads.get(layer.weight()).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(grad, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn long_rows_that_are_used_are_scaled_in_the_table() {
        let store = ParamStore::with_dtype(1, DType::F64);
        let config = EmbeddingConfig {
            max_norm: Some(1.0),
            ..Default::default()
        };
        let layer = Embedding::new(&store.root(), 3, 2, &config).unwrap();
        let rows = [3.0, 4.0, 0.3, 0.4, 6.0, 8.0];
        layer
            .weight()
            .set(Tensor::from_slice(&rows, [3, 2]).unwrap())
            .unwrap();
        layer
            .forward(&Tensor::from_slice(&[0_i64, 1, 0], [3]).unwrap())
            .unwrap();
        let weight = layer.weight().tensor().to_vec::<f64>().unwrap();
        for (got, want) in weight.iter().zip([0.6, 0.8, 0.3, 0.4, 6.0, 8.0]) {
            assert!((got - want).abs() < 1e-7, "{weight:?}");
        }
    }
}
