//! Samples into a batch.

use gradus_tensor::{DType, Tensor};

use crate::dataset::Sample;
use crate::error::{DataError, Result};

/// Samples stacked along a new first dimension.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The inputs, f32 (N, …): of image data sets (N, C, H, W).
    pub x: Tensor,
    /// The classes, i64 (N,).
    pub labels: Tensor,
    /// The indices of the samples in their data set.
    pub indices: Vec<usize>,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether the batch holds no sample.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

impl From<Batch> for (Tensor, Tensor) {
    /// Inputs and labels.
    fn from(batch: Batch) -> Self {
        (batch.x, batch.labels)
    }
}

/// Stacks samples. `indices` are theirs in the data set, and `name` says how messages call them.
///
/// # Shapes
/// N samples (…) f32 -> (N, …) f32 and (N,) i64
///
/// # Errors
/// [`DataError::ShapesDiffer`] with the names and shapes of two samples that do not fit; [`DataError::Argument`] without samples;
/// [`gradus_tensor::Error::DType`] unless the samples are f32.
pub fn collate(
    samples: &[Sample],
    indices: Vec<usize>,
    name: impl Fn(usize) -> String,
) -> Result<Batch> {
    let Some(first) = samples.first() else {
        let (what, argument, expected) = ("collate", "samples", "at least one");
        return Err(DataError::Argument {
            what,
            argument,
            expected,
            got: "none".into(),
        });
    };
    if samples.len() != indices.len() {
        let (expected, got) = (samples.len(), indices.len());
        return Err(gradus_tensor::Error::Length {
            op: "collate indices",
            expected,
            got,
        }
        .into());
    }
    for (sample, &index) in samples.iter().zip(&indices) {
        if sample.x.shape() != first.x.shape() {
            return Err(DataError::ShapesDiffer {
                first: name(indices[0]),
                first_shape: first.x.shape().to_string(),
                second: name(index),
                second_shape: sample.x.shape().to_string(),
            });
        }
        if sample.x.dtype() != DType::F32 {
            let (op, expected, got) = ("collate", &[DType::F32][..], sample.x.dtype());
            return Err(gradus_tensor::Error::DType { op, expected, got }.into());
        }
    }
    let dims: Vec<usize> = std::iter::once(samples.len())
        .chain(first.x.dims().iter().copied())
        .collect();
    let size = first.x.numel();
    let x = Tensor::try_build::<f32>(&dims[..], |out| {
        for (i, sample) in samples.iter().enumerate() {
            out[i * size..][..size].copy_from_slice(sample.x.contiguous()?.as_slice::<f32>()?);
        }
        Ok(())
    })?;
    let labels: Vec<i64> = samples.iter().map(|sample| sample.label).collect();
    let labels = Tensor::from_slice(&labels, [labels.len()])?;
    Ok(Batch { x, labels, indices })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dims: &[usize], label: i64) -> Sample {
        let x = Tensor::build::<f32>(dims, |out| out.fill(label as f32)).unwrap();
        Sample { x, label }
    }

    #[test]
    fn samples_are_stacked_in_order() {
        let samples = [sample(&[2, 1], 3), sample(&[2, 1], 5)];
        let batch = collate(&samples, vec![10, 20], |i| i.to_string()).unwrap();
        assert_eq!(
            (batch.x.dims(), batch.labels.dims()),
            (&[2, 2, 1][..], &[2][..])
        );
        assert_eq!(batch.x.to_vec::<f32>().unwrap(), [3.0, 3.0, 5.0, 5.0]);
        assert_eq!(batch.labels.to_vec::<i64>().unwrap(), [3, 5]);
        assert_eq!((batch.len(), batch.indices), (2, vec![10, 20]));
    }

    #[test]
    fn a_strided_sample_is_read_in_logical_order() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])
            .unwrap()
            .transpose(0, 1)
            .unwrap();
        let batch = collate(&[Sample { x, label: 0 }], vec![0], |i| i.to_string()).unwrap();
        assert_eq!(batch.x.to_vec::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn differing_shapes_name_both_samples() {
        let samples = [
            sample(&[1, 2, 2], 0),
            sample(&[1, 2, 2], 0),
            sample(&[3, 2, 2], 0),
        ];
        let error = collate(&samples, vec![4, 5, 6], |i| format!("img{i}.png")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("img4.png is (1, 2, 2), img6.png is (3, 2, 2)"),
            "{text}"
        );
        assert!(collate(&[], vec![], |i| i.to_string()).is_err());
    }
}
