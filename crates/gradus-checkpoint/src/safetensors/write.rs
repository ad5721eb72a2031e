//! Writing safetensors: equal tensors and metadata give equal bytes.
//!
//! Tensors stand in the reference implementation's order (wide dtypes first, then by name), so that each is aligned to
//! its dtype; the metadata stand under sorted keys, where the reference implementation's order is random.

use std::io::{self, Write};
use std::path::Path;

use gradus_tensor::Tensor;

use super::bytes::for_each_chunk;
use super::header::{MAX_HEADER_BYTES, MAX_TENSORS, METADATA_KEY};
use super::{FileDType, FormatFault};
use crate::atomic::write_atomically;
use crate::{CheckpointError, FileSystem, Metadata, Result};

/// Writes tensors and metadata to a file, atomically (see [`write_atomically`]).
///
/// Layouts do not matter: a transposed view is written in its logical order, without copying it whole.
///
/// # Errors
/// [`CheckpointError::Format`] before anything is written, if a name repeats or is `__metadata__`, or if the header
/// would be too large; [`CheckpointError::Io`] with the old file untouched.
pub fn write_safetensors(
    fs: &dyn FileSystem,
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: &Metadata,
) -> Result<()> {
    let plan = Plan::new(tensors, metadata).map_err(CheckpointError::format(path))?;
    write_atomically(fs, path, &mut |out| plan.write(out))
}

/// The bytes that [`write_safetensors`] would write.
///
/// # Errors
/// [`CheckpointError::Format`] as there; the path in it is empty.
pub fn safetensors_bytes(tensors: &[(String, Tensor)], metadata: &Metadata) -> Result<Vec<u8>> {
    let path = Path::new("");
    let plan = Plan::new(tensors, metadata).map_err(CheckpointError::format(path))?;
    let mut out = Vec::new();
    plan.write(&mut out)
        .map_err(CheckpointError::io(path, "write"))?;
    Ok(out)
}

/// What will be written, checked.
pub(crate) struct Plan<'a> {
    header: String,
    tensors: Vec<&'a (String, Tensor)>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        tensors: &'a [(String, Tensor)],
        metadata: &Metadata,
    ) -> Result<Self, FormatFault> {
        let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let tensor = pair[0].0.clone();
            return Err(FormatFault::DuplicateName { tensor });
        }
        if sorted.iter().any(|(name, _)| name == METADATA_KEY) {
            return Err(FormatFault::ReservedName);
        }
        if sorted.len() > MAX_TENSORS {
            return Err(FormatFault::TooManyTensors);
        }
        // Stable: names stay sorted within a dtype.
        let rank = |tensor: &Tensor| FileDType::from(tensor.dtype()).rank();
        sorted.sort_by_key(|(_, tensor)| std::cmp::Reverse(rank(tensor)));
        let header = header_text(&sorted, metadata)?;
        Ok(Self {
            header,
            tensors: sorted,
        })
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let len = u64::try_from(self.header.len()).map_err(io::Error::other)?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(self.header.as_bytes())?;
        for (_, tensor) in &self.tensors {
            for_each_chunk(tensor, &mut |chunk| out.write_all(chunk))?;
        }
        Ok(())
    }
}

/// The header as the reference implementation writes it, padded by spaces to a multiple of 8.
fn header_text(tensors: &[&(String, Tensor)], metadata: &Metadata) -> Result<String, FormatFault> {
    let mut text = String::from("{");
    if !metadata.is_empty() {
        let pairs: Vec<String> = metadata
            .iter()
            .map(|(key, value)| format!("{}:{}", json(key), json(value)))
            .collect();
        text += &format!("{}:{{{}}}", json(METADATA_KEY), pairs.join(","));
    }
    let mut begin: u64 = 0;
    for (name, tensor) in tensors {
        let overflow = || FormatFault::ShapeOverflow {
            tensor: name.clone(),
            dims: tensor
                .dims()
                .iter()
                .map(|&d| u64::try_from(d).unwrap_or(u64::MAX))
                .collect(),
        };
        let bytes = tensor.numel().checked_mul(tensor.dtype().size());
        let bytes = bytes
            .and_then(|n| u64::try_from(n).ok())
            .ok_or_else(overflow)?;
        let end = begin.checked_add(bytes).ok_or_else(overflow)?;
        let dims: Vec<String> = tensor.dims().iter().map(ToString::to_string).collect();
        let comma = if text.len() > 1 { "," } else { "" };
        text += &format!(
            r#"{comma}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{begin},{end}]}}"#,
            json(name),
            FileDType::from(tensor.dtype()),
            dims.join(",")
        );
        begin = end;
    }
    text.push('}');
    let padded = text.len().next_multiple_of(8);
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    match u64::try_from(text.len()) {
        Ok(header) if header > MAX_HEADER_BYTES => Err(FormatFault::HeaderTooLarge { header }),
        _ => Ok(text),
    }
}

/// The text as a JSON string.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use gradus_tensor::DType;
    use safetensors::tensor::TensorView;

    use super::*;

    fn sample() -> Vec<(String, Tensor)> {
        let x = Tensor::arange(0_i64, 6, 1)
            .unwrap()
            .reshape([2, 3])
            .unwrap();
        let mut out = vec![
            (
                "empty".to_owned(),
                Tensor::zeros([0, 3], DType::F32).unwrap(),
            ),
            (
                "quote \" \\ \n é".to_owned(),
                Tensor::scalar(7_i64).unwrap(),
            ),
        ];
        for dtype in DType::ALL {
            out.push((format!("z.{dtype}"), x.to_dtype(dtype).unwrap()));
            out.push((
                format!("a.{dtype}"),
                x.to_dtype(dtype).unwrap().transpose(0, 1).unwrap(),
            ));
        }
        out
    }

    #[test]
    fn bytes_equal_the_reference_implementations() {
        let tensors = sample();
        let data: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, t)| t.to_le_bytes().unwrap())
            .collect();
        let views = tensors.iter().zip(&data).map(|((name, tensor), data)| {
            let dtype: safetensors::Dtype =
                serde_json::from_value(FileDType::from(tensor.dtype()).name().into()).unwrap();
            let view = TensorView::new(dtype, tensor.dims().to_vec(), data).unwrap();
            (name.clone(), view)
        });
        let metadata = Metadata::from([("format".to_owned(), "pt".to_owned())]);
        let theirs = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let expected = safetensors::serialize(views.clone(), Some(theirs)).unwrap();
        assert_eq!(safetensors_bytes(&tensors, &metadata).unwrap(), expected);
        let expected = safetensors::serialize(views, None).unwrap();
        assert_eq!(
            safetensors_bytes(&tensors, &Metadata::new()).unwrap(),
            expected
        );
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let mut tensors = sample();
        let metadata: Metadata = (0..9).map(|i| (format!("k{i}"), "v".to_owned())).collect();
        let first = safetensors_bytes(&tensors, &metadata).unwrap();
        tensors.reverse();
        assert_eq!(safetensors_bytes(&tensors, &metadata).unwrap(), first);
        assert_eq!(u64::from_le_bytes(first[..8].try_into().unwrap()) % 8, 0);
    }

    #[test]
    fn unwritable_names_are_refused_before_writing() {
        let x = Tensor::scalar(1.0_f32).unwrap();
        let twice = [("a".to_owned(), x.clone()), ("a".to_owned(), x.clone())];
        let error = safetensors_bytes(&twice, &Metadata::new()).unwrap_err();
        assert!(
            error.to_string().contains(r#"tensor "a" stands twice"#),
            "{error}"
        );
        let reserved = [(METADATA_KEY.to_owned(), x)];
        let error = safetensors_bytes(&reserved, &Metadata::new()).unwrap_err();
        assert!(error.to_string().contains("cannot be named"), "{error}");
        let huge = "x".repeat(usize::try_from(MAX_HEADER_BYTES).unwrap());
        let metadata = Metadata::from([("k".to_owned(), huge)]);
        let error = safetensors_bytes(&[], &metadata).unwrap_err();
        assert!(
            error.to_string().contains("the format allows 100000000"),
            "{error}"
        );
    }
}
