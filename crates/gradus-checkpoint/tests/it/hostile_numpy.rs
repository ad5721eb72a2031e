//! Every way in which a `.npy` array or a zip archive can be bad, with the error it gets.

use std::io::{Cursor, Write};
use std::path::Path;

use gradus_checkpoint::{ArchiveFault, CheckpointError, NumpyFault, WeightsFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An array of this version, header and number of zero bytes.
fn array(version: u8, header: &str, data: usize) -> Vec<u8> {
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    let len = u32::try_from(header.len()).unwrap().to_le_bytes();
    out.extend(if version == 1 { &len[..2] } else { &len[..] });
    out.extend(header.as_bytes());
    out.resize(out.len() + data, 0);
    out
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

fn archive(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[track_caller]
fn error(name: &str, bytes: &[u8]) -> CheckpointError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = WeightsFile::open(&path)
        .and_then(|mut file| file.load_all())
        .expect_err("accepted");
    let text = error.to_string();
    let named = text.starts_with(&format!("{}: ", path.display()));
    assert!(named && text.len() < 1000, "{text}");
    error
}

#[track_caller]
fn fault(bytes: &[u8]) -> NumpyFault {
    match error("x.npy", bytes) {
        CheckpointError::Numpy { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[track_caller]
fn archive_fault(bytes: &[u8]) -> ArchiveFault {
    match error("x.npz", bytes) {
        CheckpointError::Archive { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

macro_rules! is {
    ($fault:expr, $pattern:pat $(if $guard:expr)?) => {{
        let fault = $fault;
        assert!(matches!(&fault, $pattern $(if $guard)?), "{fault:?}");
    }};
}

#[test]
fn not_an_array() {
    is!(fault(b""), NumpyFault::Magic);
    is!(fault(b"\x93NUMP"), NumpyFault::Magic);
    is!(fault(&[0; 100]), NumpyFault::Magic);
    let text = error("x.npz", &archive(&[("a.npy", b"text".to_vec())])).to_string();
    assert!(text.contains("array \"a.npy\": does not begin"), "{text}");
}

#[test]
fn versions_and_lengths_of_the_header() {
    is!(
        fault(&array(4, "", 0)),
        NumpyFault::Version { major: 4, minor: 0 }
    );
    let mut cut = array(1, &header("<f4", "(1,)"), 0);
    cut.truncate(30);
    is!(fault(&cut), NumpyFault::HeaderTruncated);
    is!(fault(b"\x93NUMPY\x01\x00\x05"), NumpyFault::HeaderTruncated);
    let mut huge = array(2, "{}", 0);
    huge[8..12].fill(0xff);
    is!(
        fault(&huge),
        NumpyFault::HeaderTooLarge {
            header: 0xffff_ffff
        }
    );
}

#[test]
fn headers_that_are_another_literal() {
    let good = header("<f4", "(1,)");
    for bad in [
        "",
        "[]",
        "{}",
        "{'descr': '<f4'}",
        &good.replace("False", "0"),
        &good.replace("False", "False or __import__('os').system('true')"),
        &good.replace("(1,)", "1"),
        &good.replace("(1,)", "(-1,)"),
        &good.replace("(1,)", "(1.5,)"),
        &good.replace("(1,)", "(99999999999999999999999,)"),
        &good.replace("(1,)", "(1,"),
        &good.replace("shape", "form"),
        &good.replace("'<f4'", "__import__('os')"),
        &good.replace("'<f4'", "'<f4"),
        &good.replace("'<f4'", "'\\x3cf4'"),
        &good.replace("'shape'", "'descr'"),
        &format!("{good}{good}"),
        &"(".repeat(60_000),
        &"{'shape': ".repeat(6_000),
    ] {
        is!(fault(&array(2, bad, 4)), NumpyFault::HeaderSyntax { .. });
    }
}

#[test]
fn element_types_without_a_tensor() {
    is!(
        fault(&array(1, &header(">f4", "(1,)"), 4)),
        NumpyFault::BigEndian { descr } if descr == ">f4"
    );
    is!(
        fault(&array(1, &header("|O", "(1,)"), 8)),
        NumpyFault::Objects { descr } if descr == "|O"
    );
    for descr in [
        "<U5", "|S3", "<f16", "<c16", "<M8[s]", "|V2", "f4", "", "<é",
    ] {
        is!(
            fault(&array(1, &header(descr, "(1,)"), 8)),
            NumpyFault::DType { descr: named } if named == descr
        );
    }
    let records = header("<f4", "(1,)").replace("'<f4'", "[('a', '<f4')]");
    is!(fault(&array(1, &records, 4)), NumpyFault::Structured);
    for (descr, bytes) in [("<u8", 8), ("<c8", 8)] {
        let error = error("x.npy", &array(1, &header(descr, "(1,)"), bytes));
        let text = error.to_string();
        assert!(text.contains("cannot be loaded"), "{text}");
    }
    let mut bad_bool = array(1, &header("|b1", "(2,)"), 2);
    *bad_bool.last_mut().unwrap() = 2;
    let text = error("x.npy", &bad_bool).to_string();
    assert!(text.contains("element 1 is 2, a bool is 0 or 1"), "{text}");
}

#[test]
fn texts_that_are_none() {
    // A surrogate is no character.
    let mut text = array(1, &header("<U1", "()"), 0);
    text.extend(0xd800_u32.to_le_bytes());
    let message = error("x.npz", &archive(&[("a.npy", text.clone())])).to_string();
    assert!(message.contains("not Unicode"), "{message}");
    // A text alone is no weights, and lengths that do not fit are no text.
    is!(fault(&text), NumpyFault::DType { descr } if descr == "<U1");
    for (descr, shape) in [("<U1", "(1,)"), ("<U2", "()"), ("<U99999999999", "()")] {
        let bytes = array(1, &header(descr, shape), 4);
        is!(fault(&bytes), NumpyFault::DType { .. });
        let message = error("x.npz", &archive(&[("a.npy", bytes)])).to_string();
        assert!(message.contains(descr), "{message}");
    }
}

#[test]
fn shapes_that_do_not_fit() {
    is!(
        fault(&array(1, &header("<f4", "(1,1,1,1,1,1,1,1,1)"), 4)),
        NumpyFault::RankTooHigh { rank: 9 }
    );
    for shape in ["(4294967296, 4294967296)", "(18446744073709551615,)"] {
        is!(
            fault(&array(1, &header("<f8", shape), 8)),
            NumpyFault::ShapeOverflow { .. }
        );
    }
    for (shape, data) in [
        ("(3,)", 8),
        ("(3,)", 13),
        ("(1099511627776,)", 12),
        ("()", 0),
    ] {
        is!(
            fault(&array(1, &header("<f4", shape), data)),
            NumpyFault::SizeMismatch { .. }
        );
    }
}

#[test]
fn archives_that_are_damaged() {
    is!(archive_fault(b""), ArchiveFault::Zip { .. });
    is!(
        archive_fault(b"PK\x03\x04 and so on"),
        ArchiveFault::Zip { .. }
    );
    let good = archive(&[("a.npy", array(1, &header("|u1", "(500,)"), 500))]);
    is!(
        archive_fault(&good[..good.len() - 30]),
        ArchiveFault::Zip { .. }
    );
    // The checksum of the entry in the directory at the end.
    let directory = good.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let mut wrong = good.clone();
    wrong[directory + 16] ^= 1;
    let text = error("x.npz", &wrong).to_string();
    assert!(
        text.contains("tensor \"a\": cannot read its bytes"),
        "{text}"
    );
}

#[test]
fn archives_made_to_exhaust_memory() {
    let zeros = 40 << 20;
    let bomb = array(1, &header("|u1", &format!("({zeros},)")), zeros);
    // 40 MiB of zeros pack to 40 KiB: one is fine, but not eight.
    let names: Vec<String> = (0..8).map(|i| format!("{i}.npy")).collect();
    let entries: Vec<(&str, Vec<u8>)> = names.iter().map(|n| (n.as_str(), bomb.clone())).collect();
    is!(
        archive_fault(&archive(&entries)),
        ArchiveFault::Expansion { unpacked, .. } if *unpacked > 300 << 20
    );
    // Lengths that the directory only claims.
    let good = archive(&[("a.npy", array(1, &header("|u1", "(500,)"), 500))]);
    let directory = good.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let mut unpacked = good.clone();
    unpacked[directory + 24..directory + 28].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    is!(archive_fault(&unpacked), ArchiveFault::Expansion { .. });
    let mut packed = good.clone();
    packed[directory + 20..directory + 24].copy_from_slice(&100_000_u32.to_le_bytes());
    is!(
        archive_fault(&packed),
        ArchiveFault::Overlap {
            packed: 100_000,
            ..
        }
    );
}

#[test]
fn archives_of_something_else() {
    let text = error("x.npz", &archive(&[("readme.txt", b"hello".to_vec())])).to_string();
    assert!(text.contains("is no file of weights"), "{text}");
    let text = error("x.dat", b"hello").to_string();
    assert!(text.contains("is no file of weights"), "{text}");
    let text = error("empty", b"").to_string();
    assert!(text.contains("is no file of weights"), "{text}");
}

#[test]
fn two_arrays_of_one_name() {
    let one = array(1, &header("|u1", "(1,)"), 1);
    let mut bytes = archive(&[("a.npy", one.clone()), ("b.npy", one)]);
    for at in 0..bytes.len() - 5 {
        if &bytes[at..at + 5] == b"b.npy" {
            bytes[at] = b'a';
        }
    }
    is!(archive_fault(&bytes), ArchiveFault::DuplicateName);
}

#[test]
fn cutting_or_changing_a_file_never_panics() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.bin");
    for name in [
        "deflated.npz",
        "fortran.npy",
        "legacy.pt",
        "zip.pt",
        "protocol4.pt",
    ] {
        let good = std::fs::read(golden.join(name)).unwrap();
        let attempt = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let loaded = WeightsFile::open(&path).and_then(|mut file| file.load_all());
            loaded.map_err(|error| error.to_string())
        };
        for at in (0..good.len()).step_by(7) {
            let cut = attempt(&good[..at]);
            assert!(cut.is_err(), "{name} cut at {at}");
            let mut changed = good.clone();
            changed[at] ^= 0xff;
            // It may still be a file, if only a name or a date changed.
            let _ = attempt(&changed);
        }
        assert!(attempt(&good).is_ok(), "{name}");
    }
}
