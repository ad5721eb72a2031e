//! Samples into a batch: stacked, or padded to the longest first.

use gradus_tensor::{DType, Element, Shape, Tensor};

use crate::dataset::Sample;
use crate::error::{DataError, Result};

/// How samples become a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collate {
    /// All samples have one shape and are stacked along a new first dimension.
    #[default]
    Stack,
    /// Samples differ in the length of their first dimension: each is filled up at its end to the longest of the batch, and
    /// [`Batch::lengths`] says how long each was. Labels with a dimension are filled up in the same way; scalar labels are stacked.
    Pad {
        /// What fills the inputs up, such as the id of the padding token.
        value: i64,
        /// What fills the labels up; -100 is ignored by the losses.
        label: i64,
        /// Padded lengths are rounded up to a multiple of this; 1 leaves them.
        multiple_of: usize,
    },
}

/// Samples stacked along a new first dimension.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The inputs (N, …): f32 (N, C, H, W) of image data sets, i64 (N, T) of token data sets.
    pub x: Tensor,
    /// The labels: i64 (N,) of classes, (N, T) of token targets.
    pub labels: Tensor,
    /// The lengths of the inputs before they were padded, i64 (N,); `None` if they were stacked.
    pub lengths: Option<Tensor>,
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

    /// True where the input is the sample's own, false where it was padded: bool (N, T). `None` if the samples were stacked.
    ///
    /// # Errors
    /// Those of making the tensor.
    pub fn mask(&self) -> Result<Option<Tensor>> {
        let Some(lengths) = &self.lengths else {
            return Ok(None);
        };
        let lengths = lengths.to_vec::<i64>()?;
        let padded = self.x.dims().get(1).copied().unwrap_or(0);
        let mask = Tensor::build::<bool>([lengths.len(), padded], |out| {
            for (i, &length) in lengths.iter().enumerate() {
                let own = usize::try_from(length).unwrap_or(0).min(padded);
                out[i * padded..][..own].fill(true);
            }
        })?;
        Ok(Some(mask))
    }
}

impl From<Batch> for (Tensor, Tensor) {
    /// Inputs and labels.
    fn from(batch: Batch) -> Self {
        (batch.x, batch.labels)
    }
}

/// Makes a batch. `indices` are the samples' in the data set, and `name` says how messages call them.
///
/// # Shapes
/// - [`Collate::Stack`]: N samples (…) -> (N, …), N labels (…) -> (N, …)
/// - [`Collate::Pad`]: N samples (T_i, …) -> (N, max T_i, …) and lengths (N,); labels (L_i, …) -> (N, max L_i, …), () -> (N,)
///
/// Inputs and labels are f32 or i64, one type each.
///
/// # Errors
/// [`DataError::ShapesDiffer`] with the names and shapes of two samples that do not fit; [`DataError::Argument`] without samples, or
/// for `multiple_of` 0; [`gradus_tensor::Error::DType`] for other types, [`gradus_tensor::Error::Rank`] if a scalar is to be padded.
pub fn collate(
    samples: &[Sample],
    indices: Vec<usize>,
    how: Collate,
    name: impl Fn(usize) -> String,
) -> Result<Batch> {
    if samples.is_empty() {
        return Err(refuse("samples", "at least one", "none"));
    }
    if samples.len() != indices.len() {
        let (expected, got) = (samples.len(), indices.len());
        return Err(gradus_tensor::Error::Length {
            op: "collate indices",
            expected,
            got,
        }
        .into());
    }
    let name = |position: usize| name(indices[position]);
    let inputs: Vec<&Tensor> = samples.iter().map(|sample| &sample.x).collect();
    let labels: Vec<&Tensor> = samples.iter().map(|sample| &sample.label).collect();
    let (x, labels, lengths) = match how {
        Collate::Stack => (
            stack(&inputs, Part::Input, &name)?,
            stack(&labels, Part::Label, &name)?,
            None,
        ),
        Collate::Pad { multiple_of: 0, .. } => {
            return Err(refuse("multiple_of", "at least 1", "0"));
        }
        Collate::Pad {
            value,
            label,
            multiple_of,
        } => {
            let lengths: Vec<i64> = inputs
                .iter()
                .map(|x| i64::try_from(x.dims().first().copied().unwrap_or(0)).unwrap_or(i64::MAX))
                .collect();
            let labels = if labels.iter().all(|label| label.rank() == 0) {
                stack(&labels, Part::Label, &name)?
            } else {
                pad(&labels, Part::Label, label, multiple_of, &name)?
            };
            let x = pad(&inputs, Part::Input, value, multiple_of, &name)?;
            let lengths = Tensor::from_slice(&lengths, [lengths.len()])?;
            (x, labels, Some(lengths))
        }
    };
    Ok(Batch {
        x,
        labels,
        lengths,
        indices,
    })
}

fn refuse(argument: &'static str, expected: &'static str, got: &str) -> DataError {
    DataError::Argument {
        what: "collate",
        argument,
        expected,
        got: got.into(),
    }
}

/// Which tensor of the samples is meant, for messages.
#[derive(Clone, Copy)]
enum Part {
    Input,
    Label,
}

impl Part {
    fn of(self, name: String) -> String {
        match self {
            Self::Input => name,
            Self::Label => format!("the label of {name}"),
        }
    }
}

/// One tensor of all, whose shapes must be equal.
fn stack(tensors: &[&Tensor], part: Part, name: &impl Fn(usize) -> String) -> Result<Tensor> {
    let first = tensors[0];
    check(tensors, part, name, |t| t.shape() == first.shape())?;
    join(tensors, first.dims(), 0)
}

/// One tensor of all, filled up along their first dimension; the others must be equal.
fn pad(
    tensors: &[&Tensor],
    part: Part,
    fill: i64,
    multiple_of: usize,
    name: &impl Fn(usize) -> String,
) -> Result<Tensor> {
    let first = tensors[0];
    if first.rank() == 0 {
        return Err(gradus_tensor::Error::Rank {
            op: "collate with padding",
            expected: 1,
            got: *first.shape(),
        }
        .into());
    }
    check(tensors, part, name, |t| {
        t.rank() == first.rank() && t.dims()[1..] == first.dims()[1..]
    })?;
    let longest = tensors.iter().map(|t| t.dims()[0]).max().unwrap_or(0);
    let mut dims = first.dims().to_vec();
    dims[0] =
        longest
            .checked_next_multiple_of(multiple_of)
            .ok_or(gradus_tensor::Error::Overflow {
                op: "collate with padding",
                what: "padded length",
            })?;
    join(tensors, &dims, fill)
}

/// Refuses tensors that do not fit the first one, and dtypes that no batch has.
fn check(
    tensors: &[&Tensor],
    part: Part,
    name: &impl Fn(usize) -> String,
    fits: impl Fn(&Tensor) -> bool,
) -> Result<()> {
    let first = tensors[0];
    for (i, tensor) in tensors.iter().enumerate() {
        if !fits(tensor) {
            return Err(DataError::ShapesDiffer {
                first: part.of(name(0)),
                first_shape: first.shape().to_string(),
                second: part.of(name(i)),
                second_shape: tensor.shape().to_string(),
            });
        }
        let expected = match first.dtype() {
            DType::F32 => &[DType::F32][..],
            DType::I64 => &[DType::I64],
            _ => &[DType::F32, DType::I64],
        };
        if !expected.contains(&tensor.dtype()) {
            let (op, got) = ("collate", tensor.dtype());
            return Err(gradus_tensor::Error::DType { op, expected, got }.into());
        }
    }
    Ok(())
}

/// Writes each tensor at the start of its row of shape `dims`, and `fill` behind it.
fn join(tensors: &[&Tensor], dims: &[usize], fill: i64) -> Result<Tensor> {
    if tensors[0].dtype() == DType::F32 {
        join_as(tensors, dims, fill as f32)
    } else {
        join_as(tensors, dims, fill)
    }
}

fn join_as<T: Element>(tensors: &[&Tensor], dims: &[usize], fill: T) -> Result<Tensor> {
    let row = Shape::new(dims)?.numel();
    let dims: Vec<usize> = std::iter::once(tensors.len())
        .chain(dims.iter().copied())
        .collect();
    Ok(Tensor::try_build::<T>(&dims[..], |out| {
        for (i, tensor) in tensors.iter().enumerate() {
            let (own, rest) = out[i * row..][..row].split_at_mut(tensor.numel());
            own.copy_from_slice(tensor.contiguous()?.as_slice::<T>()?);
            rest.fill(fill);
        }
        Ok(())
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dims: &[usize], label: i64) -> Sample {
        let x = Tensor::build::<f32>(dims, |out| out.fill(label as f32)).unwrap();
        Sample::of_class(x, label).unwrap()
    }

    fn tokens(x: &[i64], label: &[i64]) -> Sample {
        Sample {
            x: Tensor::from_slice(x, [x.len()]).unwrap(),
            label: Tensor::from_slice(label, [label.len()]).unwrap(),
        }
    }

    const PAD: Collate = Collate::Pad {
        value: 9,
        label: -100,
        multiple_of: 1,
    };

    #[test]
    fn samples_are_stacked_in_order() {
        let samples = [sample(&[2, 1], 3), sample(&[2, 1], 5)];
        let batch = collate(&samples, vec![10, 20], Collate::Stack, |i| i.to_string()).unwrap();
        assert_eq!(
            (batch.x.dims(), batch.labels.dims()),
            (&[2, 2, 1][..], &[2][..])
        );
        assert_eq!(batch.x.to_vec::<f32>().unwrap(), [3.0, 3.0, 5.0, 5.0]);
        assert_eq!(batch.labels.to_vec::<i64>().unwrap(), [3, 5]);
        assert!(batch.lengths.is_none() && batch.mask().unwrap().is_none());
        assert_eq!((batch.len(), batch.indices), (2, vec![10, 20]));
    }

    #[test]
    fn a_strided_sample_is_read_in_logical_order() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])
            .unwrap()
            .transpose(0, 1)
            .unwrap();
        let samples = [Sample::of_class(x, 0).unwrap()];
        let batch = collate(&samples, vec![0], Collate::Stack, |i| i.to_string()).unwrap();
        assert_eq!(batch.x.to_vec::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn differing_shapes_name_both_samples() {
        let samples = [
            sample(&[1, 2, 2], 0),
            sample(&[1, 2, 2], 0),
            sample(&[3, 2, 3], 0),
        ];
        for how in [Collate::Stack, PAD] {
            let error =
                collate(&samples, vec![4, 5, 6], how, |i| format!("img{i}.png")).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("img4.png is (1, 2, 2), img6.png is (3, 2, 3)"),
                "{text}"
            );
        }
        assert!(collate(&[], vec![], Collate::Stack, |i| i.to_string()).is_err());
    }

    #[test]
    fn inputs_and_labels_are_padded_at_their_ends() {
        let samples = [tokens(&[1, 2, 3], &[2, 3, 4]), tokens(&[5], &[6])];
        let batch = collate(&samples, vec![0, 1], PAD, |i| i.to_string()).unwrap();
        assert_eq!(batch.x.dims(), [2, 3]);
        assert_eq!(batch.x.to_vec::<i64>().unwrap(), [1, 2, 3, 5, 9, 9]);
        assert_eq!(
            batch.labels.to_vec::<i64>().unwrap(),
            [2, 3, 4, 6, -100, -100]
        );
        let mask = batch.mask().unwrap().unwrap();
        assert_eq!(
            mask.to_vec::<bool>().unwrap(),
            [true, true, true, true, false, false]
        );
        assert_eq!(batch.lengths.unwrap().to_vec::<i64>().unwrap(), [3, 1]);
    }

    #[test]
    fn lengths_round_up_and_classes_stay_scalars() {
        let samples = [sample(&[3, 2], 1), sample(&[0, 2], 4)];
        let how = Collate::Pad {
            value: 7,
            label: 0,
            multiple_of: 4,
        };
        let batch = collate(&samples, vec![0, 1], how, |i| i.to_string()).unwrap();
        assert_eq!(
            (batch.x.dims(), batch.labels.dims()),
            (&[2, 4, 2][..], &[2][..])
        );
        let expected = [[1.0_f32; 6].as_slice(), &[7.0; 10]].concat();
        assert_eq!(batch.x.to_vec::<f32>().unwrap(), expected);
        assert_eq!(batch.lengths.unwrap().to_vec::<i64>().unwrap(), [3, 0]);
    }

    #[test]
    fn what_cannot_be_padded_is_refused() {
        let name = |i: usize| i.to_string();
        let scalar = Sample::of_class(Tensor::scalar(1_i64).unwrap(), 0).unwrap();
        assert!(collate(&[scalar], vec![0], PAD, name).is_err());
        let none = Collate::Pad {
            value: 0,
            label: 0,
            multiple_of: 0,
        };
        let error = collate(&[tokens(&[1], &[1])], vec![0], none, name).unwrap_err();
        assert!(error.to_string().contains("multiple_of"), "{error}");
        let mixed = [tokens(&[1], &[1]), sample(&[1], 1)];
        assert!(collate(&mixed, vec![0, 1], PAD, name).is_err());
    }
}
