//! Every way in which a safetensors file can be bad, one test each, with the error it gets.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use gradus_checkpoint::{
    CheckpointError, FormatFault, MAX_HEADER_BYTES, MAX_TENSORS, SafeTensorsFile,
};

/// A file of this header and these many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn open(bytes: Vec<u8>) -> gradus_checkpoint::Result<SafeTensorsFile> {
    SafeTensorsFile::from_reader(Path::new("bad.safetensors"), Box::new(Cursor::new(bytes)))
}

/// The rule that the bytes break; the message names the file, and comes within a second.
#[track_caller]
fn fault_of(bytes: Vec<u8>) -> FormatFault {
    let start = Instant::now();
    let error = open(bytes).expect_err("accepted");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let text = error.to_string();
    assert!(
        text.starts_with("bad.safetensors: ") && text.len() < 1000,
        "{text}"
    );
    match error {
        CheckpointError::Format { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[track_caller]
fn fault(header: &str, data: usize) -> FormatFault {
    fault_of(file(header, data))
}

/// The fault of one tensor `w` with this entry; the message names the tensor.
#[track_caller]
fn entry_fault(entry: &str, data: usize) -> FormatFault {
    let fault = fault(&format!(r#"{{"w":{entry}}}"#), data);
    assert!(fault.to_string().contains(r#"tensor "w""#), "{fault}");
    fault
}

macro_rules! is {
    ($fault:expr, $pattern:pat) => {{
        let fault = $fault;
        assert!(matches!(fault, $pattern), "{fault:?}");
    }};
}

#[test]
fn shorter_than_eight_bytes() {
    is!(fault_of(vec![]), FormatFault::TooShort { len: 0 });
    is!(fault_of(vec![0; 7]), FormatFault::TooShort { len: 7 });
}

#[test]
fn header_longer_than_the_format_allows() {
    is!(
        fault_of(vec![0xff; 64]),
        FormatFault::HeaderTooLarge { header: u64::MAX }
    );
    let mut bytes = file("{}", 0);
    bytes[..8].copy_from_slice(&(MAX_HEADER_BYTES + 1).to_le_bytes());
    is!(
        fault_of(bytes),
        FormatFault::HeaderTooLarge {
            header: 100_000_001
        }
    );
}

#[test]
fn header_longer_than_the_file() {
    let mut bytes = file("{}", 0);
    bytes[0] = 3;
    is!(
        fault_of(bytes),
        FormatFault::HeaderTruncated {
            header: 3,
            available: 2
        }
    );
    is!(
        fault_of(vec![0, 0, 0, 1, 0, 0, 0, 0]),
        FormatFault::HeaderTruncated { available: 0, .. }
    );
}

#[test]
fn header_not_utf8() {
    let mut bytes = file(r#"{"é":1}"#, 0);
    bytes[8 + 3] = b'x';
    is!(fault_of(bytes), FormatFault::HeaderUtf8 { at: 2 });
}

#[test]
fn header_not_beginning_with_a_brace() {
    for header in [
        "",
        " {}",
        "[]",
        "\u{feff}{}",
        "null",
        &"[".repeat(1_000_000),
    ] {
        is!(fault(header, 0), FormatFault::HeaderStart);
    }
}

#[test]
fn header_not_json() {
    for header in [
        "{",
        "{]",
        r#"{"w":}"#,
        r#"{"w":{"dtype":"F32""#,
        r#"{'w':1}"#,
        r#"{"a":1e999}"#,
        "{\0}",
    ] {
        is!(fault(header, 0), FormatFault::Json { .. });
    }
}

#[test]
fn header_nested_deeply() {
    let nested = |open: &str| format!(r#"{{"w":{}"#, open.repeat(1_000_000));
    is!(
        fault(&nested("["), 0),
        FormatFault::EntryType { .. } | FormatFault::Json { .. }
    );
    is!(
        fault(&nested(r#"{"shape":"#), 0),
        FormatFault::FieldType { .. } | FormatFault::Json { .. }
    );
}

#[test]
fn header_going_on_after_its_brace() {
    for header in ["{}{}", "{} x", "{}\n", "{}\0", "{},", "{} {}"] {
        is!(fault(header, 0), FormatFault::HeaderTrailing);
    }
    assert!(open(file("{}      ", 0)).is_ok(), "spaces are padding");
}

#[test]
fn more_tensors_than_allowed() {
    let mut header = String::from("{");
    for i in 0..=MAX_TENSORS {
        header += &format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},"#);
    }
    header.pop();
    header.push('}');
    let error = open(file(&header, 0)).expect_err("accepted").to_string();
    assert!(error.contains("more than 131072 tensors"), "{error}");
}

#[test]
fn name_twice() {
    let x = r#""w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
    is!(
        fault(&format!("{{{x},{x}}}"), 0),
        FormatFault::DuplicateName { .. }
    );
    // The same name, written with an escape.
    let escaped = x.replacen('w', "\\u0077", 1);
    is!(
        fault(&format!("{{{x},{escaped}}}"), 0),
        FormatFault::DuplicateName { .. }
    );
    is!(
        fault(r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
        FormatFault::DuplicateName { .. }
    );
}

#[test]
fn field_twice() {
    let entry = r#"{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
    is!(
        entry_fault(entry, 0),
        FormatFault::DuplicateField { field: "dtype", .. }
    );
    let entry = r#"{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}"#;
    is!(
        entry_fault(entry, 0),
        FormatFault::DuplicateField { field: "shape", .. }
    );
}

#[test]
fn field_missing() {
    is!(
        entry_fault("{}", 0),
        FormatFault::MissingField { field: "dtype", .. }
    );
    is!(
        entry_fault(r#"{"dtype":"U8"}"#, 0),
        FormatFault::MissingField { field: "shape", .. }
    );
    let entry = r#"{"dtype":"U8","shape":[0]}"#;
    is!(
        entry_fault(entry, 0),
        FormatFault::MissingField {
            field: "data_offsets",
            ..
        }
    );
}

#[test]
fn field_unknown() {
    let entry = r#"{"dtype":"U8","shape":[0],"data_offsets":[0,0],"strides":[1]}"#;
    is!(entry_fault(entry, 0), FormatFault::UnknownField { .. });
}

#[test]
fn entry_not_an_object() {
    for entry in ["1", "null", "[]", r#""F32""#, "true"] {
        is!(entry_fault(entry, 0), FormatFault::EntryType { .. });
    }
}

#[test]
fn field_of_the_wrong_type() {
    for dtype in ["1", "null", r#"["U8"]"#, "{}"] {
        let entry = format!(r#"{{"dtype":{dtype},"shape":[0],"data_offsets":[0,0]}}"#);
        is!(
            entry_fault(&entry, 0),
            FormatFault::FieldType { field: "dtype", .. }
        );
    }
    for list in [
        "1",
        "null",
        r#""x""#,
        "{}",
        "[-1]",
        "[0.5]",
        "[1e3]",
        r#"["1"]"#,
        "[null]",
        "[[1]]",
        "[18446744073709551616]",
    ] {
        let entry = format!(r#"{{"dtype":"U8","shape":{list},"data_offsets":[0,0]}}"#);
        is!(
            entry_fault(&entry, 0),
            FormatFault::FieldType { field: "shape", .. }
        );
        let entry = format!(r#"{{"dtype":"U8","shape":[0],"data_offsets":{list}}}"#);
        is!(
            entry_fault(&entry, 0),
            FormatFault::FieldType {
                field: "data_offsets",
                ..
            }
        );
    }
}

#[test]
fn dtype_unknown() {
    for dtype in ["f32", "FLOAT", "", "F128"] {
        let entry = format!(r#"{{"dtype":"{dtype}","shape":[0],"data_offsets":[0,0]}}"#);
        let fault = entry_fault(&entry, 0);
        assert!(fault.to_string().contains(&format!("{dtype:?}")), "{fault}");
        is!(fault, FormatFault::UnknownDType { .. });
    }
}

#[test]
fn more_dims_than_a_tensor_has() {
    let entry = r#"{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}"#;
    is!(entry_fault(entry, 1), FormatFault::RankTooHigh { .. });
    let ones = "1,".repeat(2_000_000) + "1";
    let entry = format!(r#"{{"dtype":"U8","shape":[{ones}],"data_offsets":[0,1]}}"#);
    is!(entry_fault(&entry, 1), FormatFault::RankTooHigh { .. });
}

#[test]
fn size_overflowing() {
    for dims in [
        "4294967296,4294967296",
        "18446744073709551615,2",
        "2305843009213693952,8",
        "18446744073709551615",
        "0,18446744073709551615,3",
    ] {
        let entry = format!(r#"{{"dtype":"F64","shape":[{dims}],"data_offsets":[0,0]}}"#);
        is!(entry_fault(&entry, 0), FormatFault::ShapeOverflow { .. });
    }
}

#[test]
fn sub_byte_elements_ending_within_a_byte() {
    let entry = r#"{"dtype":"F4","shape":[3],"data_offsets":[0,2]}"#;
    is!(entry_fault(entry, 2), FormatFault::PartialByte { .. });
    let entry = r#"{"dtype":"F4","shape":[4],"data_offsets":[0,2]}"#;
    assert!(open(file(&format!(r#"{{"w":{entry}}}"#), 2)).is_ok());
}

#[test]
fn offsets_not_two() {
    for offsets in ["", "0", "0,0,0", "0,0,0,0,0,0,0,0,0,0"] {
        let entry = format!(r#"{{"dtype":"U8","shape":[0],"data_offsets":[{offsets}]}}"#);
        is!(entry_fault(&entry, 0), FormatFault::OffsetCount { .. });
    }
}

#[test]
fn offsets_reversed() {
    let entry = r#"{"dtype":"U8","shape":[1],"data_offsets":[1,0]}"#;
    is!(
        entry_fault(entry, 1),
        FormatFault::OffsetsReversed {
            begin: 1,
            end: 0,
            ..
        }
    );
}

#[test]
fn offsets_past_the_end() {
    let entry = r#"{"dtype":"U8","shape":[2],"data_offsets":[0,2]}"#;
    is!(
        entry_fault(entry, 1),
        FormatFault::OffsetsOutOfRange { end: 2, len: 1, .. }
    );
    // Claims of exabytes cost nothing.
    let entry =
        r#"{"dtype":"U8","shape":[1000000000000000000],"data_offsets":[0,1000000000000000000]}"#;
    is!(entry_fault(entry, 1), FormatFault::OffsetsOutOfRange { .. });
}

#[test]
fn size_not_that_of_shape_and_dtype() {
    let entry = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#;
    is!(
        entry_fault(entry, 4),
        FormatFault::SizeMismatch {
            expected: 8,
            got: 4,
            ..
        }
    );
    let entry = r#"{"dtype":"F32","shape":[],"data_offsets":[0,0]}"#;
    is!(
        entry_fault(entry, 0),
        FormatFault::SizeMismatch {
            expected: 4,
            got: 0,
            ..
        }
    );
}

/// A header of tensors of bytes at these offsets.
fn spans(spans: &[(&str, u64, u64)]) -> String {
    let entry = |(name, begin, end): &(&str, u64, u64)| {
        let len = end - begin;
        format!(r#""{name}":{{"dtype":"U8","shape":[{len}],"data_offsets":[{begin},{end}]}}"#)
    };
    format!(
        "{{{}}}",
        spans.iter().map(entry).collect::<Vec<_>>().join(",")
    )
}

#[test]
fn hole_before_a_tensor() {
    is!(
        fault(&spans(&[("a", 1, 2)]), 2),
        FormatFault::Hole {
            begin: 1,
            end_of_previous: 0,
            ..
        }
    );
    is!(
        fault(&spans(&[("b", 3, 4), ("a", 0, 2)]), 4),
        FormatFault::Hole {
            begin: 3,
            end_of_previous: 2,
            ..
        }
    );
    is!(
        fault(&spans(&[("a", 0, 2), ("z", 3, 3)]), 3),
        FormatFault::Hole { .. }
    );
}

#[test]
fn tensors_overlapping() {
    let text = fault(&spans(&[("b", 1, 3), ("a", 0, 2)]), 3).to_string();
    assert_eq!(text, r#"tensor "b": overlaps tensor "a""#);
    is!(
        fault(&spans(&[("a", 0, 2), ("b", 0, 2)]), 2),
        FormatFault::Overlap { .. }
    );
    is!(
        fault(&spans(&[("a", 0, 2), ("z", 1, 1)]), 2),
        FormatFault::Overlap { .. }
    );
}

#[test]
fn data_belonging_to_no_tensor() {
    is!(
        fault("{}", 1),
        FormatFault::TrailingData { covered: 0, len: 1 }
    );
    is!(
        fault(&spans(&[("a", 0, 2)]), 3),
        FormatFault::TrailingData { covered: 2, len: 3 }
    );
}

#[test]
fn metadata_not_an_object() {
    for value in ["1", "null", "[]", r#""x""#] {
        is!(
            fault(&format!(r#"{{"__metadata__":{value}}}"#), 0),
            FormatFault::MetadataType
        );
    }
}

#[test]
fn metadata_value_not_a_string() {
    for value in ["1", "null", "[]", r#"{"a":"b"}"#] {
        let fault = fault(&format!(r#"{{"__metadata__":{{"k":{value}}}}}"#), 0);
        assert!(fault.to_string().contains(r#""k""#), "{fault}");
        is!(fault, FormatFault::MetadataValue { .. });
    }
}

#[test]
fn metadata_key_twice() {
    is!(
        fault(r#"{"__metadata__":{"k":"a","k":"b"}}"#, 0),
        FormatFault::DuplicateMetadata { .. }
    );
}

#[test]
fn bool_neither_0_nor_1() {
    let mut bytes = file(
        r#"{"w":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#,
        3,
    );
    *bytes.last_mut().unwrap() = 2;
    let error = open(bytes).unwrap().load("w").unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        r#"bad.safetensors: tensor "w": element 2 is 2, a bool is 0 or 1"#
    );
}

#[test]
fn dtype_without_a_tensor() {
    let file = || {
        file(
            r#"{"w":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}}"#,
            8,
        )
    };
    let error = open(file()).unwrap().load_all().unwrap_err().to_string();
    assert!(
        error.contains(r#"tensor "w": dtype U64 cannot be loaded"#),
        "{error}"
    );
}

#[test]
fn zero_size_tensors_may_share_an_offset() {
    let header = spans(&[
        ("a", 0, 2),
        ("x", 2, 2),
        ("y", 2, 2),
        ("z", 0, 0),
        ("b", 2, 4),
    ]);
    let mut file = open(file(&header, 4)).unwrap();
    let names: Vec<&str> = file.tensors().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "x", "y", "b"]);
    assert_eq!(file.load("y").unwrap().dims(), [0]);
}

#[test]
fn file_cut_while_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.safetensors");
    std::fs::write(&path, file(&spans(&[("a", 0, 1000)]), 1000)).unwrap();
    let mut opened = SafeTensorsFile::open(&path).unwrap();
    let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    handle.set_len(500).unwrap();
    let error = opened.load("a").unwrap_err();
    let cut = matches!(
        &error,
        CheckpointError::Format {
            fault: FormatFault::Data { .. },
            ..
        }
    );
    assert!(cut, "{error}");
}

#[test]
fn missing_file_and_directory_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = SafeTensorsFile::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("cannot open: not a regular file"),
        "{error}"
    );
    let missing = dir.path().join("none.safetensors");
    let error = SafeTensorsFile::open(&missing).unwrap_err().to_string();
    assert!(error.contains("none.safetensors: cannot open"), "{error}");
}

#[test]
fn names_are_only_names() {
    for name in ["../../etc/passwd", "/etc/passwd", "", "a\\u0000b", "\\n"] {
        let opened = open(file(&spans(&[(name, 0, 1)]), 1)).unwrap();
        assert_eq!(opened.tensors().len(), 1, "{name}");
    }
}

/// A file of a TiB of which only the header may be read.
struct Huge {
    header: Vec<u8>,
    at: u64,
}

const HUGE: u64 = 1 << 40;

impl Read for Huge {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.at).unwrap();
        assert!(at < self.header.len(), "read past the header");
        let n = out.len().min(self.header.len() - at);
        out[..n].copy_from_slice(&self.header[at..at + n]);
        self.at += u64::try_from(n).unwrap();
        Ok(n)
    }
}

impl Seek for Huge {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = u64::try_from(self.header.len()).unwrap() + HUGE;
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => end.checked_add_signed(back).unwrap(),
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

#[test]
fn listing_reads_the_header_only() {
    let header = file(&spans(&[("a", 0, HUGE)]), 0);
    let huge = Huge { header, at: 0 };
    let file = SafeTensorsFile::from_reader(Path::new("huge"), Box::new(huge)).unwrap();
    assert_eq!(file.parameters(), HUGE);
}
