//! Files written by Python's safetensors: the same tensors, the same digests, and the same bytes when written back.

use std::path::PathBuf;

use gradus_checkpoint::{CheckpointError, FileDType};
use gradus_checkpoint::{
    FormatFault, SafeTensorsFile, load_state_dict, safetensors_bytes, weights_sha256,
};
use gradus_tensor::{DType, Tensor};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", name]
        .iter()
        .collect()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn hex(tensor: &Tensor) -> String {
    let bytes = tensor.to_le_bytes().unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dims(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn names_shapes_bits_and_digests_are_pythons() {
    for name in ["native", "tutorial"] {
        let path = golden(&format!("{name}.safetensors"));
        let (tensors, metadata) = load_state_dict(&path).unwrap();
        let expected = json(&format!("{name}.json"));
        let rows = expected["tensors"].as_object().unwrap();
        assert_eq!(tensors.len(), rows.len(), "{name}");
        for (name, tensor) in &tensors {
            let row = &rows[name];
            assert_eq!(tensor.dtype().name(), row["dtype"], "{name}");
            assert_eq!(tensor.dims(), dims(&row["shape"]), "{name}");
            assert_eq!(hex(tensor), row["hex"], "{name}");
        }
        assert_eq!(weights_sha256(&tensors), expected["weights_sha256"]);
        let digest = SafeTensorsFile::open(&path)
            .unwrap()
            .weights_sha256()
            .unwrap();
        assert_eq!(digest, expected["weights_sha256"]);
        let written = safetensors_bytes(&tensors, &metadata).unwrap();
        assert_eq!(written, std::fs::read(&path).unwrap(), "{name}");
    }
}

#[test]
fn narrow_integers_widen_exactly() {
    let mut file = SafeTensorsFile::open(golden("dtypes.safetensors")).unwrap();
    assert_eq!(file.metadata()["format"], "pt");
    for (name, low, high) in [
        ("int8", i64::from(i8::MIN), i64::from(i8::MAX)),
        ("int16", i64::from(i16::MIN), i64::from(i16::MAX)),
        ("int32", i64::from(i32::MIN), i64::from(i32::MAX)),
        ("int64", i64::MIN, i64::MAX),
        ("uint16", 0, i64::from(u16::MAX)),
        ("uint32", 0, i64::from(u32::MAX)),
    ] {
        let name = format!("int.{name}");
        assert_eq!(
            file.load(&name).unwrap().to_vec::<i64>().unwrap(),
            [low, 7, high],
            "{name}"
        );
        let widened = file.info(&name).unwrap().widened_from();
        assert_eq!(widened.is_none(), name == "int.int64", "{name}");
    }
    assert_eq!(
        file.load("int.uint8").unwrap().to_vec::<u8>().unwrap(),
        [0, 7, 255]
    );
    assert_eq!(
        file.load("bool").unwrap().to_vec::<bool>().unwrap(),
        [true, false, true]
    );
    assert_eq!(file.load("scalar").unwrap().item::<f32>().unwrap(), 3.25);
    assert_eq!(file.load("empty").unwrap().dims(), [0, 4]);
    for name in ["float32", "float64", "bfloat16", "float16"] {
        let x = file.load(&format!("float.{name}")).unwrap();
        let x = x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(x, [0.0, -0.0, 1.5, -2.0, f64::INFINITY, 0.25], "{name}");
        assert!(x[1].is_sign_negative(), "{name}");
    }
}

#[test]
fn dtypes_without_a_tensor_list_and_do_not_load() {
    for (file, name, dtype) in [
        ("float8.safetensors", "float8", FileDType::F8E4M3),
        ("uint64.safetensors", "wide", FileDType::U64),
    ] {
        let mut file = SafeTensorsFile::open(golden(file)).unwrap();
        assert_eq!(file.info(name).unwrap().dtype, dtype);
        let named = |error: CheckpointError| {
            let text = error.to_string();
            let CheckpointError::Format { fault, .. } = error else {
                panic!("{text}")
            };
            assert!(
                matches!(fault, FormatFault::UnsupportedDType { .. }),
                "{text}"
            );
            assert!(text.contains(name) && text.contains(dtype.name()), "{text}");
        };
        named(file.load(name).unwrap_err());
        named(file.load_all().unwrap_err());
    }
    let mut file = SafeTensorsFile::open(golden("float8.safetensors")).unwrap();
    assert_eq!(
        file.load("fine").unwrap().to_vec::<f32>().unwrap(),
        [1.0, 1.0]
    );
}

#[test]
fn a_file_of_nothing_is_a_file() {
    let (tensors, metadata) = load_state_dict(golden("nothing.safetensors")).unwrap();
    assert!(tensors.is_empty() && metadata.is_empty());
}
