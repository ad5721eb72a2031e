//! Pickles that ask for more than tensors, or that are damaged, with the error each gets. Nothing of them is run.

use std::io::{Cursor, Write};

use gradus_checkpoint::{CheckpointError, StateDict, TorchFault, WeightsFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The pickles before the content: mark, version, machine.
fn preamble(little_endian: bool) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}".to_vec();
    out.extend(text("little_endian"));
    out.push(if little_endian { 0x88 } else { 0x89 });
    out.extend(b"s.");
    out
}

fn text(text: &str) -> Vec<u8> {
    let mut out = vec![b'X'];
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text.as_bytes());
    out
}

fn number(value: i64) -> Vec<u8> {
    let mut out = vec![0x8a, 8];
    out.extend(value.to_le_bytes());
    out
}

fn tuple(items: &[i64]) -> Vec<u8> {
    let mut out = vec![b'('];
    out.extend(items.iter().flat_map(|&item| number(item)));
    out.push(b't');
    out
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A storage of floats with this key and length.
fn storage(kind: &str, key: &str, numel: i64) -> Vec<u8> {
    let mut out = b"(".to_vec();
    out.extend(text("storage"));
    out.extend(global("torch", kind));
    out.extend(text(key));
    out.extend(text("cpu"));
    out.extend(number(numel));
    out.extend(b"tQ");
    out
}

/// A tensor that sees a storage through offset, shape and strides.
fn tensor(storage: &[u8], offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let mut out = global("torch._utils", "_rebuild_tensor_v2");
    out.push(b'(');
    out.extend(storage);
    out.extend(number(offset));
    out.extend(tuple(shape));
    out.extend(tuple(strides));
    out.push(0x89);
    out.extend(global("collections", "OrderedDict"));
    out.extend(b")RtR");
    out
}

/// A dict with these tensors.
fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"}".to_vec();
    for (name, value) in items {
        out.extend(text(name));
        out.extend(value);
        out.push(b's');
    }
    out
}

/// A file of the older form: this content, and storages of floats.
fn file(content: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    let mut out = preamble(true);
    out.extend(b"\x80\x02");
    out.extend(content);
    out.extend(b".\x80\x02](");
    out.extend(storages.iter().flat_map(|(key, _)| text(key)));
    out.extend(b"e.");
    for (_, elements) in storages {
        out.extend(u64::try_from(elements.len()).unwrap().to_le_bytes());
        out.extend(elements.iter().flat_map(|x| x.to_le_bytes()));
    }
    out
}

fn load(bytes: &[u8]) -> Result<StateDict, CheckpointError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pt");
    std::fs::write(&path, bytes).unwrap();
    WeightsFile::open(&path).and_then(|mut file| file.load_all())
}

#[track_caller]
fn fault_of(bytes: &[u8]) -> TorchFault {
    let error = load(bytes).expect_err("accepted");
    let text = error.to_string();
    assert!(text.contains("x.pt: ") && text.len() < 1000, "{text}");
    match error {
        CheckpointError::Torch { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// The fault of a file with this content and a storage `0` of four floats.
#[track_caller]
fn fault(content: &[u8]) -> TorchFault {
    fault_of(&file(content, &[("0", &[1.0, 2.0, 3.0, 4.0])]))
}

macro_rules! is {
    ($fault:expr, $pattern:pat $(if $guard:expr)?) => {{
        let fault = $fault;
        assert!(matches!(&fault, $pattern $(if $guard)?), "{fault:?}");
    }};
}

#[test]
fn the_makings_of_these_tests_are_sound() {
    let four = storage("FloatStorage", "0", 4);
    let content = dict(&[
        ("a", tensor(&four, 0, &[2, 2], &[2, 1])),
        ("b", tensor(&four, 1, &[2], &[2])),
    ]);
    let loaded = load(&file(&content, &[("0", &[1.0, 2.0, 3.0, 4.0])])).unwrap();
    assert_eq!(loaded[0].1.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(loaded[1].1.to_vec::<f32>().unwrap(), [2.0, 4.0]);
}

#[test]
fn functions_are_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_qtensor"),
        ("torch._utils", "os.system"),
        ("torch.nn.modules.linear", "Linear"),
        ("numpy.core.multiarray", "scalar"),
        ("collections", "defaultdict"),
        ("", ""),
    ] {
        let full = format!("{module}.{name}");
        // What would be called with an argument, as an exploit does.
        let mut call = global(module, name);
        call.extend(text("echo ruin > ruin"));
        call.extend(b"\x85R");
        is!(fault(&call), TorchFault::Forbidden { name } if *name == full);
        let mut stacked = text(module);
        stacked.extend(text(name));
        stacked.extend(b"\x93)R");
        is!(fault(&stacked), TorchFault::Forbidden { name } if *name == full);
    }
    let text = load(&file(b"cos\nsystem\n.", &[])).unwrap_err().to_string();
    assert!(text.contains("asks for \"os.system\""), "{text}");
}

#[test]
fn a_forbidden_function_is_refused_in_every_pickle_of_a_file() {
    let evil = b"\x80\x02cos\nsystem\n)R.";
    let good = file(&dict(&[]), &[]);
    let mut at = 0;
    // In place of the mark, the version, the machine, the content and the keys.
    for end in good
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .map(|(i, _)| i + 1)
    {
        let mut bytes = good[..at].to_vec();
        bytes.extend(evil);
        is!(fault_of(&bytes), TorchFault::Forbidden { name } if name == "os.system");
        at = end;
    }
}

#[test]
fn instructions_that_tensors_never_need() {
    for (content, name) in [
        (&b"(ios\nsystem\n"[..], "INST"),
        (b"(cos\n", "OBJ"),
        (b"\x82\x01", "EXT1"),
        (b"\x83\x01\x00", "EXT2"),
        (b"\x84\x01\x00\x00\x00", "EXT4"),
        (b"\x92", "NEWOBJ_EX"),
        (b"\x96", "BYTEARRAY8"),
        (b"\x97", "NEXT_BUFFER"),
        (b"\x98", "READONLY_BUFFER"),
        (b"Pstorage\n", "PERSID"),
    ] {
        let content = if name == "OBJ" { b"(o" } else { content };
        is!(fault(content), TorchFault::ForbiddenOpcode { opcode, .. } if *opcode == name);
    }
    is!(fault(b"\xff"), TorchFault::Opcode { byte: 0xff, .. });
}

#[test]
fn values_that_are_not_there() {
    for content in [
        &b"R"[..],
        b"0",
        b"s",
        b"t",
        b"}(s",
        b"}(NNs",
        b"(2",
        b"\x85",
        b"}(NNNu",
        b"e",
        b"q\x00",
        b"1",
        b"]a",
    ] {
        is!(fault(content), TorchFault::StackEmpty { .. });
    }
    is!(fault(b"h\x07"), TorchFault::Memo { index: 7, .. });
    is!(
        fault(b"j\xff\xff\xff\xff"),
        TorchFault::Memo {
            index: 0xffff_ffff,
            ..
        }
    );
    for content in [&b"N)R"[..], b"NNa", b"NNb", b"]NNs", b"}Na", b"NN\x93"] {
        is!(fault(content), TorchFault::Type { .. });
    }
    for content in [
        &b"Ix\n"[..],
        b"F1e\n",
        b"L1x\n",
        b"gx\n",
        b"X\x01\x00\x00\x00\xff",
        b"S'a\n",
        b"V\\u0041\n",
    ] {
        is!(fault(content), TorchFault::Malformed { .. });
    }
}

#[test]
fn a_pickle_that_is_cut_or_claims_more_than_there_is() {
    for content in [
        &b"X\xff\xff\xff\xffabc"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        b"B\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"Vno end of the line",
        b"",
    ] {
        let mut bytes = preamble(true);
        bytes.extend(content);
        is!(fault_of(&bytes), TorchFault::Truncated { .. });
    }
}

#[test]
fn files_that_are_not_pytorchs() {
    is!(fault_of(b"\x80\x02N."), TorchFault::NotTorch { .. });
    is!(fault_of(b""), TorchFault::Truncated { .. });
    let mut version = preamble(true);
    let at = version.windows(3).position(|w| w == b"M\xe9\x03").unwrap();
    version[at + 1] = 0;
    is!(fault_of(&version), TorchFault::NotTorch { .. });
    is!(
        fault_of(&[preamble(false), b"}.].".to_vec()].concat()),
        TorchFault::BigEndian
    );
    // The list of keys is none, or lists what nobody has.
    let no_list = [preamble(true), b"}.}.".to_vec()].concat();
    is!(fault_of(&no_list), TorchFault::NotTorch { .. });
    is!(
        fault_of(&file(b"}", &[("7", &[1.0])])),
        TorchFault::NotTorch { .. }
    );
}

#[test]
fn tensors_beyond_their_storage() {
    let four = storage("FloatStorage", "0", 4);
    for (offset, shape, strides) in [
        (1, &[4][..], &[1][..]),
        (4, &[1], &[1]),
        (0, &[2, 2], &[3, 1]),
        (0, &[5], &[1]),
        (i64::MAX, &[1], &[1]),
        (0, &[i64::MAX, i64::MAX], &[1, 1]),
        (0, &[2], &[i64::MAX]),
        (0, &[1 << 40], &[1]),
    ] {
        is!(
            fault(&tensor(&four, offset, shape, strides)),
            TorchFault::OutsideStorage { .. }
        );
    }
    for (offset, shape, strides) in [
        (-1, &[1][..], &[1][..]),
        (0, &[-1], &[1]),
        (0, &[1], &[-1]),
        (0, &[1], &[]),
    ] {
        is!(
            fault(&tensor(&four, offset, shape, strides)),
            TorchFault::Arguments { .. }
        );
    }
    is!(
        fault(&tensor(&four, 0, &[1; 9], &[1; 9])),
        TorchFault::RankTooHigh { rank: 9 }
    );
}

#[test]
fn views_made_to_exhaust_memory() {
    let one = storage("FloatStorage", "0", 4);
    is!(
        fault(&tensor(&one, 0, &[1 << 40], &[0])),
        TorchFault::Expansion { bytes, .. } if *bytes == (1 << 42) + 16
    );
    is!(
        fault(&tensor(&one, 0, &[1 << 20, 1 << 20, 1 << 20], &[0, 0, 0])),
        TorchFault::Expansion { .. }
    );
}

#[test]
fn storages_that_are_missing_short_or_contradictory() {
    let zero = |numel| tensor(&storage("FloatStorage", "0", numel), 0, &[1], &[1]);
    let elements = [1.0; 4];
    is!(
        fault_of(&file(&zero(4), &[])),
        TorchFault::StorageMissing { .. }
    );
    is!(
        fault_of(&file(&zero(5), &[("0", &elements)])),
        TorchFault::StorageSize { expected: 20, .. }
    );
    is!(
        fault_of(&file(&zero(1 << 60), &[("0", &elements)])),
        TorchFault::StorageSize { .. }
    );
    let mut cut = file(&zero(4), &[("0", &elements)]);
    cut.truncate(cut.len() - 1);
    is!(
        fault_of(&cut),
        TorchFault::StorageSize {
            expected: 16,
            got: 15,
            ..
        }
    );
    cut.truncate(cut.len() - 20);
    is!(fault_of(&cut), TorchFault::StorageSize { got: 0, .. });
    let other = tensor(&storage("DoubleStorage", "0", 4), 0, &[1], &[1]);
    is!(fault(&dict(&[("a", zero(4)), ("b", other)])), TorchFault::StorageConflict { key } if key == "0");
    let mut part = storage("FloatStorage", "0", 4);
    part.truncate(part.len() - 2);
    part.extend(tuple(&[0, 0, 0]));
    part.extend(b"tQ");
    is!(
        fault(&tensor(&part, 0, &[1], &[1])),
        TorchFault::StorageView { .. }
    );
    for id in [&b"NQ"[..], b")Q", b"(X\x07\x00\x00\x00storageNNNNtQ"] {
        is!(fault(id), TorchFault::Arguments { .. });
    }
}

#[test]
fn functions_with_arguments_that_they_do_not_take() {
    for (module, name) in [
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "FloatStorage"),
        ("torch", "float32"),
    ] {
        let mut call = global(module, name);
        call.extend(b"(NNNNNNNtR");
        is!(fault(&call), TorchFault::Arguments { .. });
        let mut call = global(module, name);
        call.extend(b"NR");
        is!(fault(&call), TorchFault::Arguments { .. });
    }
    // Marked as negated: PyTorch would change the signs on loading.
    let mut negated = tensor(&storage("FloatStorage", "0", 4), 0, &[1], &[1]);
    negated.truncate(negated.len() - 2);
    negated.extend(dict(&[("neg", b"\x88".to_vec())]));
    negated.extend(b"tR");
    is!(
        fault(&negated),
        TorchFault::Arguments {
            function: "_rebuild_tensor_v2",
            ..
        }
    );
}

#[test]
fn names_that_meet_when_flattened() {
    let x = || tensor(&storage("FloatStorage", "0", 4), 0, &[1], &[1]);
    let content = dict(&[("a.b", x()), ("a", dict(&[("b", x())]))]);
    is!(fault(&content), TorchFault::DuplicateName { tensor } if tensor == "a.b");
}

#[test]
fn containers_that_are_deep_endless_or_shared() {
    let deep = [b"]".repeat(300_000), b"a".repeat(299_999)].concat();
    is!(fault_of(&file(&deep, &[])), TorchFault::TooDeep { .. });
    // A list that holds itself.
    is!(
        fault_of(&file(b"]q\x00h\x00a", &[])),
        TorchFault::TooDeep { .. }
    );
    // Each list holds the one before it twice: 2^60 leaves.
    let mut shared = b"]q\x00".to_vec();
    for level in 1..=60_u8 {
        shared.extend([
            b']',
            b'q',
            level,
            b'(',
            b'h',
            level - 1,
            b'h',
            level - 1,
            b'e',
        ]);
    }
    is!(fault_of(&file(&shared, &[])), TorchFault::Unfolding { .. });
    // A long text under many keys.
    let mut many = b"}".to_vec();
    many.extend(text(&"x".repeat(1 << 20)));
    many.extend(b"q\x000(");
    for key in 0..2_000_u16 {
        many.push(b'M');
        many.extend(key.to_le_bytes());
        many.extend(b"h\x00");
    }
    many.push(b'u');
    is!(fault_of(&file(&many, &[])), TorchFault::Unfolding { .. });
}

#[test]
fn more_than_any_model_has() {
    // In archives, whose pickle is read at once.
    let fault = |pickle: &[u8]| fault_of(&archive(pickle, &[]));
    let lists = b"]".repeat(3 << 20);
    is!(fault(&lists), TorchFault::TooMany { what: "values", .. });
    let steps = b"N0".repeat(5 << 20);
    is!(
        fault(&steps),
        TorchFault::TooMany {
            what: "instructions",
            ..
        }
    );
    let marks = b"(".repeat(9 << 20);
    is!(
        fault(&marks),
        TorchFault::TooMany {
            what: "instructions",
            ..
        }
    );
}

/// An archive of PyTorch's with this pickle and these other entries.
fn archive(pickle: &[u8], entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [("data.pkl", pickle)].iter().chain(entries) {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn the_same_in_archives() {
    let mut content = b"\x80\x02".to_vec();
    content.extend(dict(&[(
        "a",
        tensor(&storage("FloatStorage", "0", 2), 0, &[2], &[1]),
    )]));
    content.push(b'.');
    let data: &[u8] = &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
    let loaded = load(&archive(&content, &[("data/0", data)])).unwrap();
    assert_eq!(loaded[0].1.to_vec::<f32>().unwrap(), [1.0, 2.0]);
    is!(fault_of(&archive(&content, &[])), TorchFault::StorageMissing { key, tensor } if (key.as_str(), tensor.as_str()) == ("0", "a"));
    is!(
        fault_of(&archive(&content, &[("data/0", &data[1..])])),
        TorchFault::StorageSize {
            expected: 8,
            got: 7,
            ..
        }
    );
    is!(
        fault_of(&archive(
            &content,
            &[("data/0", data), ("byteorder", b"big")]
        )),
        TorchFault::BigEndian
    );
    is!(fault_of(&archive(b"cos\nsystem\n.", &[])), TorchFault::Forbidden { name } if name == "os.system");
    is!(
        fault_of(&archive(b"", &[])),
        TorchFault::Truncated { at: 0 }
    );
    // A key that leads elsewhere is only a name of an entry, and there is none.
    let outside = content
        .iter()
        .map(|&b| if b == b'0' { b'/' } else { b })
        .collect::<Vec<u8>>();
    is!(
        fault_of(&archive(&outside, &[("data/0", data)])),
        TorchFault::StorageMissing { .. }
    );
}
