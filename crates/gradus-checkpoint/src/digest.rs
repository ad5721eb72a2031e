//! The digest of a set of weights: one text that is equal exactly when names, dtypes, shapes and bits are.

use std::fmt::Write as _;

use gradus_tensor::Tensor;
use sha2::{Digest, Sha256};

use crate::safetensors::for_each_chunk;

/// SHA-256 over the tensors in the byte order of their names, as 64 lower-case hex digits.
///
/// Each tensor adds its name, NUL, its dtype's lower-case name, NUL, its dims in decimal joined by `x` (nothing for a
/// scalar), NUL, and its elements in row-major order as little-endian bytes. The layout does not matter, nor does the
/// order of the list. Tensors are streamed, never copied whole.
///
/// ```
/// use gradus_checkpoint::weights_sha256;
/// use gradus_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2, 1]).unwrap();
/// let weights = [("w".to_owned(), x)];
/// // printf 'w\0f32\0002x1\0\0\0\200\077\0\0\0\100' | sha256sum
/// assert_eq!(
///     weights_sha256(&weights),
///     "1da489762e31f35427ab4aa33d415f7ab1aa5ad3d75bf992cc6b016945f4c2ce"
/// );
/// ```
pub fn weights_sha256(tensors: &[(String, Tensor)]) -> String {
    let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut hasher = WeightsHasher::default();
    for (name, tensor) in sorted {
        hasher.update(name, tensor);
    }
    hasher.finish()
}

/// Builds the digest from tensors that come in name order.
#[derive(Default)]
pub(crate) struct WeightsHasher(Sha256);

impl WeightsHasher {
    pub(crate) fn update(&mut self, name: &str, tensor: &Tensor) {
        let dims: Vec<String> = tensor.dims().iter().map(ToString::to_string).collect();
        for text in [name, tensor.dtype().name(), &dims.join("x")] {
            self.0.update(text.as_bytes());
            self.0.update([0]);
        }
        let fed = for_each_chunk(tensor, &mut |chunk| {
            self.0.update(chunk);
            Ok::<(), std::convert::Infallible>(())
        });
        match fed {
            Ok(()) => {}
        }
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use gradus_tensor::DType;

    use super::*;

    fn named(name: &str, tensor: Tensor) -> (String, Tensor) {
        (name.to_owned(), tensor)
    }

    #[test]
    fn the_text_is_the_contracts() {
        let x = Tensor::arange(0_i64, 6, 1)
            .unwrap()
            .reshape([2, 3])
            .unwrap();
        let weights = [
            named("b", x.clone()),
            named("a", Tensor::scalar(1.5_f32).unwrap()),
            named("B", Tensor::zeros([0, 2], DType::Bool).unwrap()),
        ];
        let mut text = b"B\0bool\x000x2\0a\0f32\0\0".to_vec();
        text.extend(1.5_f32.to_le_bytes());
        text.extend(b"b\0i64\x002x3\0");
        text.extend((0..6_i64).flat_map(i64::to_le_bytes));
        assert_eq!(weights_sha256(&weights), hex(&Sha256::digest(&text)));
    }

    #[test]
    fn layout_and_order_do_not_matter_and_everything_else_does() {
        let x = Tensor::arange(0.0_f32, 6.0, 1.0)
            .unwrap()
            .reshape([2, 3])
            .unwrap();
        let copy = x.transpose(0, 1).unwrap().contiguous().unwrap();
        let digest =
            |a: &Tensor, b: &str| weights_sha256(&[named("w", a.clone()), named(b, x.clone())]);
        let base = digest(&x, "b");
        assert_eq!(base, digest(&copy.transpose(0, 1).unwrap(), "b"));
        let swapped = [named("b", x.clone()), named("w", x.clone())];
        assert_eq!(base, weights_sha256(&swapped));
        assert_ne!(base, digest(&x, "c"));
        assert_ne!(base, digest(&copy, "b"));
        assert_ne!(base, digest(&x.to_dtype(DType::F64).unwrap(), "b"));
        assert_ne!(base, digest(&x.flip(&[0]).unwrap(), "b"));
    }
}
