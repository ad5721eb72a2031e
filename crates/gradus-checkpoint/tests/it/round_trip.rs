//! Properties: what is written reads back to the bit, and no bytes whatever make reading panic.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use gradus_checkpoint::{
    Metadata, Result, SafeTensorsFile, load_state_dict, safetensors_bytes, save_state_dict,
    weights_sha256,
};
use gradus_tensor::{DType, Tensor};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use safetensors::SafeTensors;

fn read(bytes: Vec<u8>) -> Result<SafeTensorsFile> {
    SafeTensorsFile::from_reader(Path::new("test"), Box::new(Cursor::new(bytes)))
}

/// Any tensor of up to 5 dims, any bits (NaNs of every kind among them), sometimes transposed.
fn tensor() -> impl Strategy<Value = Tensor> {
    let dtype = prop::sample::select(DType::ALL.to_vec());
    (dtype, vec(0usize..4, 0..5), any::<bool>()).prop_flat_map(|(dtype, dims, transposed)| {
        let len = dims.iter().product::<usize>() * dtype.size();
        vec(any::<u8>(), len).prop_map(move |mut bytes| {
            if dtype == DType::Bool {
                bytes.iter_mut().for_each(|b| *b &= 1);
            }
            let x = Tensor::from_le_bytes(dtype, dims.clone(), &bytes).unwrap();
            if transposed && dims.len() > 1 {
                x.transpose(0, -1).unwrap()
            } else {
                x
            }
        })
    })
}

fn state_dict() -> impl Strategy<Value = BTreeMap<String, Tensor>> {
    btree_map(
        any::<String>().prop_filter("reserved", |s| s != "__metadata__"),
        tensor(),
        0..6,
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    btree_map(any::<String>(), any::<String>(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(tensors in state_dict(), metadata in metadata()) {
        let tensors: Vec<_> = tensors.into_iter().collect();
        let bytes = safetensors_bytes(&tensors, &metadata).unwrap();
        let mut file = read(bytes.clone()).unwrap();
        prop_assert_eq!(file.metadata(), &metadata);
        for (name, tensor) in &tensors {
            let loaded = file.load(name).unwrap();
            prop_assert_eq!(loaded.dtype(), tensor.dtype());
            prop_assert_eq!(loaded.dims(), tensor.dims());
            prop_assert_eq!(loaded.to_le_bytes().unwrap(), tensor.to_le_bytes().unwrap());
        }
        prop_assert_eq!(file.weights_sha256().unwrap(), weights_sha256(&tensors));
        let loaded = file.load_all().unwrap();
        prop_assert_eq!(weights_sha256(&loaded), weights_sha256(&tensors));
        prop_assert_eq!(safetensors_bytes(&loaded, &metadata).unwrap(), bytes.clone());
        // The reference implementation reads the same.
        let reference = SafeTensors::deserialize(&bytes).unwrap();
        prop_assert_eq!(reference.len(), tensors.len());
        for (name, tensor) in &tensors {
            let view = reference.tensor(name).unwrap();
            prop_assert_eq!(view.shape(), tensor.dims());
            prop_assert_eq!(view.data(), tensor.to_le_bytes().unwrap());
        }
    }

    #[test]
    fn spoiled_files_never_panic_and_we_are_never_laxer(
        tensors in state_dict(),
        spoils in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let tensors: Vec<_> = tensors.into_iter().collect();
        let mut bytes = safetensors_bytes(&tensors, &Metadata::new()).unwrap();
        for (at, byte) in spoils {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(mut file) = read(bytes.clone()) {
            let _ = file.load_all();
            prop_assert!(SafeTensors::deserialize(&bytes).is_ok());
        }
    }

    #[test]
    fn random_headers_never_panic(text in "[{}\\[\\]\",:0-9a-z_ ]{0,60}", data in vec(any::<u8>(), 0..16)) {
        let mut bytes = u64::try_from(text.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        if read(bytes.clone()).is_ok() {
            prop_assert!(SafeTensors::deserialize(&bytes).is_ok());
        }
    }
}

#[test]
fn state_dicts_round_trip_through_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let weights = vec![
        ("fc.weight".to_owned(), Tensor::eye(3, DType::F32).unwrap()),
        (
            "fc.bias".to_owned(),
            Tensor::zeros([3], DType::BF16).unwrap(),
        ),
    ];
    let metadata = Metadata::from([("epoch".to_owned(), "3".to_owned())]);
    save_state_dict(&path, &weights, &metadata).unwrap();
    let (loaded, found) = load_state_dict(&path).unwrap();
    assert_eq!(weights_sha256(&loaded), weights_sha256(&weights));
    assert_eq!(
        (found["epoch"].as_str(), found["format"].as_str()),
        ("3", "pt")
    );
    let given = Metadata::from([("format".to_owned(), "np".to_owned())]);
    save_state_dict(&path, &weights, &given).unwrap();
    assert_eq!(load_state_dict(&path).unwrap().1, given);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
