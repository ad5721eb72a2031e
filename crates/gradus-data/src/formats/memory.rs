//! Samples that are a tensor in memory already.

use gradus_tensor::Tensor;

use crate::dataset::{Dataset, Sample};
use crate::error::{DataError, Result};

/// Rows of a tensor with labels.
///
/// ```
/// use gradus_data::{Dataset, TensorDataset};
/// use gradus_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?;
/// let data = TensorDataset::new(x, vec![0, 1])?;
/// assert_eq!(data.get(1, 0)?.x.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset {
    x: Tensor,
    labels: Vec<i64>,
    classes: Vec<String>,
}

impl TensorDataset {
    /// From inputs (N, …) and N labels.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::Rank`] for a scalar, [`gradus_tensor::Error::Length`] unless there is one label a row.
    pub fn new(x: Tensor, labels: Vec<i64>) -> Result<Self> {
        let Some(&rows) = x.dims().first() else {
            return Err(gradus_tensor::Error::Rank {
                op: "TensorDataset",
                expected: 1,
                got: *x.shape(),
            }
            .into());
        };
        if rows != labels.len() {
            let (expected, got) = (rows, labels.len());
            return Err(gradus_tensor::Error::Length {
                op: "TensorDataset labels",
                expected,
                got,
            }
            .into());
        }
        Ok(Self {
            x: x.contiguous()?,
            labels,
            classes: vec![],
        })
    }

    /// The same with names for the classes.
    #[must_use]
    pub fn with_classes(mut self, classes: Vec<String>) -> Self {
        self.classes = classes;
        self
    }

    /// The labels.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize, _: u64) -> Result<Sample> {
        let len = self.labels.len();
        let label = *self.labels.get(index).ok_or(DataError::Index {
            what: "tensor data set",
            index,
            len,
        })?;
        Sample::of_class(self.x.select(0, index)?, label)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::DType;

    #[test]
    fn rows_and_labels_must_agree() {
        let x = Tensor::zeros([3, 2], DType::F32).unwrap();
        assert!(TensorDataset::new(x.clone(), vec![0; 2]).is_err());
        assert!(TensorDataset::new(Tensor::scalar(1.0_f32).unwrap(), vec![0]).is_err());
        let data = TensorDataset::new(x, vec![0; 3]).unwrap();
        assert!(matches!(
            data.get(3, 0),
            Err(DataError::Index {
                index: 3,
                len: 3,
                ..
            })
        ));
    }
}
