//! Files that PyTorch and NumPy wrote: the same names, dtypes, shapes and bits as Python sees.

use std::path::PathBuf;

use gradus_checkpoint::{
    CheckpointError, FileDType, TorchFault, WeightsFile, WeightsFormat, load_weights_file,
    save_npz, strip_prefix, weights_sha256,
};
use gradus_tensor::{DType, Tensor};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", name]
        .iter()
        .collect()
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(golden("foreign.json")).unwrap()).unwrap()
}

fn hex(tensor: &Tensor) -> String {
    let bytes = tensor.to_le_bytes().unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn agrees(file: &str, format: WeightsFormat) {
    let expected = &expected()[file];
    let mut opened = WeightsFile::open(golden(file)).unwrap();
    assert_eq!(opened.format(), format, "{file}");
    let tensors = opened.load_all().unwrap();
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    let listed: Vec<&str> = opened.tensors().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, listed, "{file}");
    assert_eq!(Value::from(names), expected["names"], "{file}");
    for ((name, tensor), info) in tensors.iter().zip(opened.tensors()) {
        let row = &expected["tensors"][name];
        assert_eq!(tensor.dtype().name(), row["dtype"], "{file}: {name}");
        assert_eq!(Value::from(tensor.dims()), row["shape"], "{file}: {name}");
        assert_eq!(hex(tensor), row["hex"], "{file}: {name}");
        assert_eq!(info.shape, *tensor.shape(), "{file}: {name}");
        assert_eq!(
            info.dtype.loads_as(),
            Some(tensor.dtype()),
            "{file}: {name}"
        );
    }
    let digest = &expected["weights_sha256"];
    assert_eq!(weights_sha256(&tensors), *digest, "{file}");
    assert_eq!(opened.weights_sha256().unwrap(), *digest, "{file}");
}

#[test]
fn files_of_pytorch_hold_what_python_sees() {
    for file in [
        "zip.pt",
        "protocol4.pt",
        "legacy.pt",
        "training.pt",
        "alone.pt",
    ] {
        agrees(file, WeightsFormat::PyTorch);
    }
}

#[test]
fn arrays_of_numpy_hold_what_python_sees() {
    agrees("stored.npz", WeightsFormat::Npz);
    agrees("deflated.npz", WeightsFormat::Npz);
    agrees("fortran.npy", WeightsFormat::Npy);
}

#[test]
fn a_text_in_an_archive_of_numpy_is_metadata() {
    let (tensors, metadata) = load_weights_file(golden("text.npz")).unwrap();
    assert_eq!((tensors.len(), tensors[0].0.as_str()), (1, "w"));
    assert_eq!(metadata["config"], r#"{"width": "宽"}"#);
}

#[test]
fn tied_weights_share_their_storage_and_parts_do_not_keep_it() {
    for file in ["zip.pt", "legacy.pt"] {
        let (tensors, _) = load_weights_file(golden(file)).unwrap();
        let find = |name: &str| &tensors.iter().find(|(n, _)| n == name).unwrap().1;
        let whole = find("views.whole");
        assert!(whole.same_storage(find("views.tied")), "{file}");
        assert!(!whole.same_storage(find("views.rows")), "{file}");
    }
}

#[test]
fn a_training_checkpoint_gives_its_weights_and_its_scalars() {
    let (tensors, metadata) = load_weights_file(golden("training.pt")).unwrap();
    let weights = strip_prefix(tensors, "model_state_dict.");
    let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
    let of_batch_norm = [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ];
    let of_batch_norm = of_batch_norm.map(|name| format!("1.{name}"));
    assert_eq!(names[..2], ["0.weight", "0.bias"]);
    assert_eq!(names[2..], of_batch_norm);
    for (key, value) in [
        ("epoch", "3"),
        ("loss", "0.25"),
        ("best", "true"),
        ("note", "état 训练"),
        ("optimizer_state_dict.param_groups.0.lr", "0.125"),
    ] {
        assert_eq!(metadata[key], value, "{key}");
    }
    for absent in ["nothing", "sizes", "sizes.0"] {
        assert!(!metadata.contains_key(absent), "{absent}");
    }
}

#[test]
fn what_has_no_tensor_lists_and_does_not_load() {
    let mut file = WeightsFile::open(golden("uint64.pt")).unwrap();
    assert_eq!(file.tensors()[0].dtype, FileDType::U64);
    let error = file.load_all().unwrap_err();
    assert!(matches!(error, CheckpointError::Elements { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("\"wide\"") && text.contains("U64"), "{text}");
}

#[test]
fn a_pickled_module_is_refused_by_name() {
    let error = WeightsFile::open(golden("module.pt")).unwrap_err();
    let text = error.to_string();
    let CheckpointError::Torch { fault, .. } = error else {
        panic!("{text}")
    };
    assert!(matches!(fault, TorchFault::Forbidden { .. }), "{text}");
    for part in [
        "module.pt: ",
        "torch.nn.modules.linear.Linear",
        "model.state_dict()",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn content_counts_and_not_the_extension() {
    let dir = tempfile::tempdir().unwrap();
    for (file, name) in [
        ("zip.pt", "x.safetensors"),
        ("legacy.pt", "x"),
        ("tutorial.safetensors", "x.bin"),
        ("stored.npz", "x.pth"),
        ("fortran.npy", "x.npz"),
    ] {
        let path = dir.path().join(name);
        std::fs::copy(golden(file), &path).unwrap();
        let (moved, here) = (WeightsFile::open(&path), WeightsFile::open(golden(file)));
        assert_eq!(moved.unwrap().tensors(), here.unwrap().tensors(), "{file}");
    }
}

#[test]
fn npz_files_of_ours_read_back_and_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a.npz"), dir.path().join("b.npz"));
    let x = Tensor::arange(0_i64, 24, 1)
        .unwrap()
        .reshape([2, 3, 4])
        .unwrap();
    let mut tensors = vec![
        ("scalar".to_owned(), Tensor::scalar(2.5_f32).unwrap()),
        (
            "empty".to_owned(),
            Tensor::zeros([0, 3], DType::F32).unwrap(),
        ),
    ];
    for dtype in DType::ALL.into_iter().filter(|&d| d != DType::BF16) {
        let x = x.to_dtype(dtype).unwrap().transpose(0, 2).unwrap();
        tensors.push((format!("z.{dtype}"), x));
    }
    save_npz(&first, &tensors).unwrap();
    let (loaded, _) = load_weights_file(&first).unwrap();
    assert_eq!(weights_sha256(&loaded), weights_sha256(&tensors));
    tensors.reverse();
    save_npz(&second, &tensors).unwrap();
    assert_eq!(
        std::fs::read(&first).unwrap(),
        std::fs::read(&second).unwrap()
    );

    let bf16 = [("w".to_owned(), x.to_dtype(DType::BF16).unwrap())];
    let error = save_npz(&first, &bf16).unwrap_err().to_string();
    assert!(
        error.contains("no bf16") && error.contains("\"w\""),
        "{error}"
    );
    assert!(load_weights_file(&first).is_ok(), "the old file stays");
    let twice = [("w".to_owned(), x.clone()), ("w".to_owned(), x)];
    let error = save_npz(&first, &twice).unwrap_err().to_string();
    assert!(error.contains("two tensors are named \"w\""), "{error}");
}
