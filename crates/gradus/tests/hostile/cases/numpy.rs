//! NumPy's arrays and archives.

use zip::CompressionMethod::{Deflated, Stored};

use super::{Case, row};
use crate::making::{archive, npy, zlib};
use crate::parsers::{NPY, NPZ};

fn header(text: &str) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text.as_bytes());
    out
}

/// An archive of one array of zeros, this many bytes long.
fn zeros(method: zip::CompressionMethod, count: usize) -> Vec<u8> {
    let array = npy("|u1", &format!("({count},)"), count);
    archive(method, &[("a.npy", &array)])
}

/// The archive with a 32-bit number of its directory replaced: `at` bytes into the entry of the central directory.
fn directory(mut zip: Vec<u8>, at: usize, number: u32) -> Vec<u8> {
    let entry = zip.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    zip[entry + at..entry + at + 4].copy_from_slice(&number.to_le_bytes());
    zip
}

/// The archive with all counts of entries saying this.
fn claims(mut zip: Vec<u8>, count: u16) -> Vec<u8> {
    let end = zip.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    zip[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
    zip[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
    zip
}

pub(super) fn cases() -> Vec<Case> {
    [arrays(), shapes(), archives()]
        .into_iter()
        .flatten()
        .collect()
}

fn arrays() -> Vec<Case> {
    let f = &NPY;
    vec![
        row("npy empty", f, [], "does not begin like an array"),
        row(
            "npy version 9",
            f,
            b"\x93NUMPY\x09\x00\0\0",
            "has version 9.0",
        ),
        row(
            "npy header of 4 GiB",
            f,
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
            "the header has 4294967295 bytes",
        ),
        row(
            "npy header cut",
            f,
            &npy("<f4", "(1,)", 4)[..30],
            "ends within its header",
        ),
        row(
            "npy header a call",
            f,
            header("__import__('os').system('true')"),
            "not a dict of descr",
        ),
        row(
            "npy header nested",
            f,
            header(&"(".repeat(60_000)),
            "not a dict of descr",
        ),
        row(
            "npy objects",
            f,
            npy("|O", "(1,)", 8),
            "array of Python objects",
        ),
        row("npy big-endian", f, npy(">f4", "(1,)", 4), "big-endian"),
        row(
            "npy structured",
            f,
            header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n"),
            "structured array",
        ),
        row(
            "npy complex",
            f,
            npy("<c8", "(1,)", 8),
            "dtype C64 cannot be loaded",
        ),
    ]
}

fn shapes() -> Vec<Case> {
    let f = &NPY;
    let dict = |shape: &str| {
        header(&format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"
        ))
    };
    let ones = "1, ".repeat(20_000);
    vec![
        row("npy negative dim", f, dict("(-1,)"), "not a dict of descr"),
        row(
            "npy dim beyond 64 bits",
            f,
            dict("(99999999999999999999999,)"),
            "not a dict of descr",
        ),
        row(
            "npy shape 2^32 by 2^32",
            f,
            npy("<f4", "(4294967296, 4294967296)", 0),
            "overflows",
        ),
        row(
            "npy shape behind a zero",
            f,
            npy("<f4", "(0, 18446744073709551615, 9)", 0),
            "overflows",
        ),
        row(
            "npy 2^32 elements that are not there",
            f,
            npy("<f4", "(4294967296,)", 4),
            "there are 4",
        ),
        row(
            "npy 20,000 dims",
            f,
            dict(&format!("({ones})")),
            "dims, a tensor has at most 8",
        ),
        row(
            "npy too short",
            f,
            npy("<f8", "(2,)", 15),
            "takes 16 bytes, there are 15",
        ),
        row(
            "npy too long",
            f,
            npy("<f8", "(2,)", 17),
            "takes 16 bytes, there are 17",
        ),
        row(
            "npy bool 2",
            f,
            [npy("|b1", "(1,)", 0), vec![2]].concat(),
            "a bool is 0 or 1",
        ),
    ]
}

fn archives() -> Vec<Case> {
    let f = &NPZ;
    let small = npy("<f4", "(1,)", 4);
    let two = archive(Stored, &[("a.npy", &small), ("b.npy", &small)]);
    // The second entry of the directory is called as the first.
    let mut same = two.clone();
    while let Some(at) = same.windows(5).position(|w| w == b"b.npy") {
        same[at] = b'a';
    }
    let gap = zip_of_zip();
    vec![
        row("npz cut", f, &two[..two.len() / 2], "not a zip archive"),
        row(
            "npz end alone",
            f,
            b"PK\x05\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "not a zip archive",
        ),
        row(
            "npz 65,535 entries of which one is there",
            f,
            claims(zeros(Stored, 9), 65_535),
            "not a zip archive",
        ),
        row("npz one name twice", f, same, "the same name"),
        row(
            "npz bomb of 100 MiB",
            f,
            zeros(Deflated, 100 << 20),
            "unpacks from",
        ),
        row(
            "npz bomb of 60 MiB",
            f,
            zeros(Deflated, 60 << 20),
            "unpacks from",
        ),
        row(
            "npz bomb that says it is small",
            f,
            directory(zeros(Deflated, 70 << 20), 24, 1000),
            "a.npy",
        ),
        row(
            "npz 4 GiB in its directory",
            f,
            directory(zeros(Stored, 9), 24, 0xffff_fff0),
            "unpacks from",
        ),
        row(
            "npz packed 4 GiB in its directory",
            f,
            directory(zeros(Stored, 9), 20, 0xffff_fff0),
            "they overlap",
        ),
        row(
            "npz a damaged sum",
            f,
            directory(zeros(Stored, 9), 16, 1),
            "cannot read its bytes",
        ),
        row(
            "npz an archive in an archive",
            f,
            gap,
            "array \"a.npy\": does not begin",
        ),
        row(
            "npz a name that climbs",
            f,
            archive(Stored, &[("../../a.npy", b"x")]),
            "array \"../../a.npy\": does not begin",
        ),
        row(
            "npz no arrays",
            f,
            archive(Stored, &[("readme.txt", b"x")]),
            "is no file of weights",
        ),
        row(
            "npz deflate that ends early",
            f,
            broken_deflate(),
            "cannot read its bytes",
        ),
    ]
}

fn zip_of_zip() -> Vec<u8> {
    let inner = archive(Deflated, &[("a.npy", &[0; 10_000])]);
    archive(Deflated, &[("a.npy", &inner)])
}

/// An array whose packed bytes were cut and filled with others.
fn broken_deflate() -> Vec<u8> {
    let noise: Vec<u8> = (0..4000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let array = [npy("|u1", "(4000,)", 0), noise].concat();
    let mut zip = archive(Deflated, &[("a.npy", &array)]);
    let junk = zlib(&[1; 300]);
    let middle = zip.len() / 2;
    zip[middle..middle + junk.len()].copy_from_slice(&junk);
    zip
}
