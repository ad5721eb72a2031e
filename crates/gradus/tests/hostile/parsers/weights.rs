//! Formats of weights.

use std::path::Path;

use gradus::checkpoint::{
    Metadata, SafeTensorsFile, StateDict, WeightsFile, WeightsFolder, safetensors_bytes,
    save_sharded,
};
use gradus::prelude::Tensor;
use zip::CompressionMethod::{Deflated, Stored};

use super::said;
use crate::making::{archive, entry, npy};
use crate::parser::{NamedBytes, PLAIN, Parser, golden};

pub(crate) const SAFETENSORS: Parser = Parser {
    name: "safetensors",
    file: "x.safetensors",
    open: |dir| {
        let mut file = SafeTensorsFile::open(dir.join("x.safetensors")).map_err(said)?;
        let digest = file.weights_sha256();
        let loaded = file.load_all().map_err(said)?;
        digest.map_err(said)?;
        // What was read can be written.
        let written = safetensors_bytes(&loaded, file.metadata());
        written.map(drop).map_err(said)
    },
    seeds: || {
        let names = ["native", "dtypes", "float8", "nothing", "tutorial"];
        let path = |name| format!("gradus-checkpoint/tests/golden/{name}.safetensors");
        names.map(path).iter().map(|path| golden(path)).collect()
    },
    words: &[
        "\"dtype\":\"F4\"",
        "\"BOOL\"",
        "\"I8\"",
        "\"shape\":[",
        "\"data_offsets\":[",
        "\"__metadata__\":{",
        ",0",
        "{",
        "}",
        "[",
        "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
    ],
    ..PLAIN
};

fn small() -> StateDict {
    let tensor = |n: i64| Tensor::arange(0_i64, n, 1).unwrap();
    vec![
        ("a.weight".into(), tensor(9)),
        ("a.bias".into(), tensor(3)),
        ("b.weight".into(), tensor(8)),
    ]
}

/// A folder in two shards, its index first.
fn shards() -> Vec<NamedBytes> {
    let dir = tempfile::tempdir().unwrap();
    save_sharded(dir.path(), &small(), &Metadata::new(), 100).unwrap();
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let mut files: Vec<NamedBytes> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort_by_key(|(name, _)| (!name.ends_with(".json"), name.clone()));
    files
}

pub(crate) const SHARD_INDEX: Parser = Parser {
    name: "shard-index",
    file: "model.safetensors.index.json",
    open: |dir| {
        let mut folder = WeightsFolder::open(dir).map_err(said)?;
        folder.load_all().map(drop).map_err(said)
    },
    seeds: || vec![shards().swap_remove(0).1],
    beside: || shards().split_off(1),
    words: &[
        "\"weight_map\": {",
        "\"metadata\": {",
        "\"total_size\": ",
        "\"a.weight\": ",
        "\"model-00001-of-00002.safetensors\"",
        "\"../x\"",
        "\"/etc/passwd\"",
        "{",
        "[",
    ],
    ..PLAIN
};

fn load(dir: &Path, name: &str) -> Result<(), String> {
    let mut file = WeightsFile::open(dir.join(name)).map_err(said)?;
    file.load_all().map_err(said)?;
    file.weights_sha256().map(drop).map_err(said)
}

/// Instructions and names of pickles.
const PICKLE: &[&str] = &[
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "ctorch._utils\n_rebuild_parameter\n",
    "ccollections\nOrderedDict\n",
    "ctorch\nFloatStorage\n",
    "ctorch\nBFloat16Storage\n",
    "ctorch.storage\nUntypedStorage\n",
    "ctorch\nint8\n",
    "cos\nsystem\n",
    "X\x07\0\0\0storage",
    "K\x01",
    "M\x01\x02",
    "(",
    ")",
    "]",
    "}",
    "t",
    "R",
    "Q",
    "s",
    "u",
    "b",
    "0",
    "2",
    "h\0",
    "q\x01",
    ".",
];

pub(crate) const TORCH: Parser = Parser {
    name: "torch",
    file: "x.pt",
    open: |dir| load(dir, "x.pt"),
    seeds: || {
        let names = ["zip", "alone", "module", "protocol4", "training"];
        let path = |name| format!("gradus-checkpoint/tests/golden/{name}.pt");
        names.map(path).iter().map(|path| golden(path)).collect()
    },
    words: PICKLE,
    ..PLAIN
};

pub(crate) const TORCH_LEGACY: Parser = Parser {
    name: "torch-legacy",
    seeds: || vec![golden("gradus-checkpoint/tests/golden/legacy.pt")],
    ..TORCH
};

/// The description of tensors in an archive of PyTorch's, so that the archive's checksums do not hide it.
pub(crate) const TORCH_PICKLE: Parser = Parser {
    name: "torch-pickle",
    seeds: || {
        let zip = golden("gradus-checkpoint/tests/golden/zip.pt");
        vec![entry(&zip, &format!("{}data.pkl", folder_of(&zip)))]
    },
    pack: Some(|pickle| {
        let zip = golden("gradus-checkpoint/tests/golden/zip.pt");
        let folder = folder_of(&zip);
        let names: Vec<String> = names_of(&zip)
            .into_iter()
            .filter(|name| name.contains("/data/"))
            .collect();
        let pickle_name = format!("{folder}data.pkl");
        let storages: Vec<Vec<u8>> = names.iter().map(|name| entry(&zip, name)).collect();
        let mut entries = vec![(pickle_name.as_str(), pickle)];
        let others = names.iter().map(String::as_str);
        entries.extend(others.zip(storages.iter().map(Vec::as_slice)));
        archive(Stored, &entries)
    }),
    ..TORCH
};

/// The names of an archive's entries.
fn names_of(zip: &[u8]) -> Vec<String> {
    let opened = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names = opened.file_names();
    names.map(|name| name.unwrap().into_owned()).collect()
}

/// The folder in an archive of PyTorch's.
fn folder_of(zip: &[u8]) -> String {
    let names = names_of(zip);
    let pickle = names.iter().find_map(|name| name.strip_suffix("data.pkl"));
    pickle.unwrap().to_owned()
}

pub(crate) const NPZ: Parser = Parser {
    name: "npz",
    file: "x.npz",
    open: |dir| load(dir, "x.npz"),
    seeds: || {
        let names = ["stored", "deflated", "text"];
        let path = |name| format!("gradus-checkpoint/tests/golden/{name}.npz");
        let mut all: Vec<Vec<u8>> = names.map(path).iter().map(|path| golden(path)).collect();
        all.push(archive(
            Deflated,
            &[("a.npy", &npy("<f4", "(50, 20)", 4000)), ("b/", &[])],
        ));
        all
    },
    words: &[
        "PK\x01\x02",
        "PK\x03\x04",
        "PK\x05\x06",
        "PK\x06\x06",
        ".npy",
        "../a.npy",
    ],
    ..PLAIN
};

/// The description of an array.
const NUMPY: &[&str] = &[
    "'descr': ",
    "'fortran_order': True",
    "'shape': (",
    "'<f8'",
    "'>i4'",
    "'|b1'",
    "'<U3'",
    "'|O'",
    "(",
    ")",
    ",",
    "4294967296, ",
    "\u{93}NUMPY",
];

pub(crate) const NPY: Parser = Parser {
    name: "npy",
    file: "x.npy",
    open: |dir| load(dir, "x.npy"),
    seeds: || {
        vec![
            golden("gradus-checkpoint/tests/golden/fortran.npy"),
            npy("<f4", "(2, 3)", 24),
            npy("|u1", "()", 1),
            npy("<i8", "(0, 7)", 0),
        ]
    },
    words: NUMPY,
    ..PLAIN
};

/// Arrays in an archive whose checksums fit.
pub(crate) const NPZ_ENTRY: Parser = Parser {
    name: "npz-entry",
    file: "x.npz",
    open: |dir| load(dir, "x.npz"),
    seeds: NPY.seeds,
    pack: Some(|array| archive(Deflated, &[("a.npy", array), ("b.npy", array)])),
    words: NUMPY,
    ..PLAIN
};
