//! Safetensors files, and folders of shards.

use super::{Case, laid, row};
use crate::making::safetensors as file;
use crate::parser::put;
use crate::parsers::{SAFETENSORS, SHARD_INDEX};

/// One tensor `w`, whose entry is this.
fn one(entry: &str, data: usize) -> Vec<u8> {
    file(&format!("{{\"w\":{entry}}}"), data)
}

/// An entry of bytes.
fn bytes(dims: &str, begin: u64, end: u64) -> String {
    format!("{{\"dtype\":\"U8\",\"shape\":[{dims}],\"data_offsets\":[{begin},{end}]}}")
}

fn with_length(length: u64) -> Vec<u8> {
    [&length.to_le_bytes()[..], b"{}"].concat()
}

/// An index that puts `a.weight` where these bytes say.
fn index(place: &str) -> String {
    format!("{{\"weight_map\": {{\"a.weight\": {place}}}}}")
}

pub(super) fn cases() -> Vec<Case> {
    [
        lengths(),
        headers(),
        more_headers(),
        entries(),
        sizes(),
        spans(),
        layouts(),
        indexes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn lengths() -> Vec<Case> {
    let st = &SAFETENSORS;
    vec![
        row(
            "st empty",
            st,
            [],
            "has 0 bytes, a safetensors file has at least 8",
        ),
        row("st seven bytes", st, [0; 7], "has 7 bytes"),
        row(
            "st length 2^64-1",
            st,
            with_length(u64::MAX),
            "the header has 18446744073709551615 bytes",
        ),
        row(
            "st length 2^32",
            st,
            with_length(1 << 32),
            "the format allows",
        ),
        row(
            "st length one too many",
            st,
            with_length(3),
            "should have 3 bytes, but 2 follow",
        ),
        row(
            "st length 100 MB of nothing",
            st,
            with_length(100_000_000),
            "but 2 follow",
        ),
        row(
            "st header of zeros",
            st,
            [0; 64],
            "does not begin with an opening brace",
        ),
    ]
}

fn headers() -> Vec<Case> {
    let st = &SAFETENSORS;
    let deep = |open: &str| file(&format!("{{\"w\":{}", open.repeat(1_000_000)), 0);
    let many: String = (0..140_000)
        .map(|i| format!(",\"{i}\":{}", bytes("0", 0, 0)))
        .collect();
    vec![
        row(
            "st header not UTF-8",
            st,
            [b"\x04\0\0\0\0\0\0\0{\"\xff}".to_vec()].concat(),
            "not UTF-8",
        ),
        row(
            "st header an array",
            st,
            file("[]", 0),
            "does not begin with an opening brace",
        ),
        row(
            "st byte order mark",
            st,
            file("\u{feff}{}", 0),
            "does not begin with an opening brace",
        ),
        row(
            "st header cut",
            st,
            file("{\"w\":{\"dtype\":", 0),
            "not valid JSON",
        ),
        row(
            "st number 1e999",
            st,
            file("{\"w\":1e999}", 0),
            "not valid JSON",
        ),
        row(
            "st a million brackets",
            st,
            deep("["),
            "tensor \"w\": its entry is not an object",
        ),
        row(
            "st a million objects",
            st,
            deep("{\"shape\":"),
            "tensor \"w\"",
        ),
        row(
            "st two headers",
            st,
            file("{}{}", 0),
            "goes on after its closing brace",
        ),
        row(
            "st 140,000 tensors",
            st,
            file(&format!("{{{}}}", &many[1..]), 0),
            "more than 131072 tensors",
        ),
    ]
}

fn more_headers() -> Vec<Case> {
    let st = &SAFETENSORS;
    let x = bytes("0", 0, 0);
    vec![
        row(
            "st key twice",
            st,
            file(&format!("{{\"w\":{x},\"w\":{x}}}"), 0),
            "tensor \"w\" stands twice",
        ),
        row(
            "st key twice, escaped",
            st,
            file(&format!("{{\"w\":{x},\"\\u0077\":{x}}}"), 0),
            "tensor \"w\" stands twice",
        ),
        row(
            "st metadata twice",
            st,
            file("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
            "__metadata__",
        ),
        row(
            "st metadata key twice",
            st,
            file("{\"__metadata__\":{\"k\":\"a\",\"k\":\"b\"}}", 0),
            "\"k\" stands twice",
        ),
        row(
            "st metadata a list",
            st,
            file("{\"__metadata__\":[]}", 0),
            "__metadata__ is not an object",
        ),
        row(
            "st metadata of numbers",
            st,
            file("{\"__metadata__\":{\"k\":1}}", 0),
            "the value of \"k\" is not a string",
        ),
        row(
            "st a name of a megabyte",
            st,
            one_named(&"n".repeat(1 << 20)),
            "tensor \"nnn",
        ),
    ]
}

/// A bad entry under a long name: the message must not repeat all of it.
fn one_named(name: &str) -> Vec<u8> {
    file(&format!("{{\"{name}\":1}}"), 0)
}

fn entries() -> Vec<Case> {
    let st = &SAFETENSORS;
    let dtype =
        |name: &str| format!("{{\"dtype\":\"{name}\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    vec![
        row(
            "st entry null",
            st,
            one("null", 0),
            "its entry is not an object",
        ),
        row(
            "st no dtype",
            st,
            one("{\"shape\":[0],\"data_offsets\":[0,0]}", 0),
            "dtype is missing",
        ),
        row(
            "st no shape",
            st,
            one("{\"dtype\":\"U8\",\"data_offsets\":[0,0]}", 0),
            "shape is missing",
        ),
        row(
            "st no offsets",
            st,
            one("{\"dtype\":\"U8\",\"shape\":[0]}", 0),
            "data_offsets is missing",
        ),
        row(
            "st field twice",
            st,
            one("{\"dtype\":\"U8\",\"dtype\":\"U8\"}", 0),
            "dtype stands twice",
        ),
        row(
            "st field unknown",
            st,
            one("{\"strides\":[1]}", 0),
            "unknown field \"strides\"",
        ),
        row(
            "st dtype unknown",
            st,
            one(&dtype("F128"), 1),
            "unknown dtype \"F128\"",
        ),
        row(
            "st dtype without a tensor",
            st,
            one(&dtype("F8_E5M2"), 1),
            "cannot be loaded",
        ),
        row(
            "st half a byte",
            st,
            one("{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}", 2),
            "does not end at a whole byte",
        ),
    ]
}

fn sizes() -> Vec<Case> {
    let st = &SAFETENSORS;
    let ones = "1,".repeat(1_000_000) + "1";
    vec![
        row(
            "st negative dim",
            st,
            one(&bytes("-1", 0, 0), 0),
            "shape is not",
        ),
        row(
            "st dim 2^64",
            st,
            one(&bytes("18446744073709551616", 0, 0), 0),
            "shape is not",
        ),
        row(
            "st nine dims",
            st,
            one(&bytes("1,1,1,1,1,1,1,1,1", 0, 1), 1),
            "has more than 8 dims",
        ),
        row(
            "st a million dims",
            st,
            one(&bytes(&ones, 0, 1), 1),
            "has more than 8 dims",
        ),
        row(
            "st shape 2^32 by 2^32",
            st,
            one(&bytes("4294967296,4294967296", 0, 0), 0),
            "overflows",
        ),
        row(
            "st shape behind a zero",
            st,
            one(&bytes("0,18446744073709551615,3", 0, 0), 0),
            "overflows",
        ),
        row(
            "st f64 of 2^61",
            st,
            one(
                "{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}",
                0,
            ),
            "overflows",
        ),
    ]
}

fn spans() -> Vec<Case> {
    let st = &SAFETENSORS;
    vec![
        row(
            "st 2^32 bytes that are not there",
            st,
            one(&bytes("4294967296", 0, 1 << 32), 1),
            "the file holds 1 bytes of data",
        ),
        row(
            "st exabytes",
            st,
            one(
                &bytes("1000000000000000000", 0, 1_000_000_000_000_000_000),
                0,
            ),
            "the file holds 0 bytes",
        ),
        row(
            "st one offset",
            st,
            one("{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0]}", 0),
            "must be two numbers",
        ),
        row(
            "st offsets reversed",
            st,
            one(&bytes("1", 1, 0), 1),
            "end at 0, before they begin at 1",
        ),
        row(
            "st size of another shape",
            st,
            one(
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}",
                4,
            ),
            "takes 8 bytes, data_offsets span 4",
        ),
        row(
            "st scalar of nothing",
            st,
            one("{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}", 0),
            "takes 4 bytes",
        ),
        row(
            "st bool 2",
            st,
            [
                file(
                    "{\"w\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                    0,
                ),
                vec![2],
            ]
            .concat(),
            "a bool is 0 or 1",
        ),
    ]
}

fn layouts() -> Vec<Case> {
    let st = &SAFETENSORS;
    let two = |a: &str, b: &str, data| file(&format!("{{\"a\":{a},\"b\":{b}}}"), data);
    let zeros: String = (0..1000)
        .map(|i| format!("\"z{i}\":{},", bytes("0", 2, 2)))
        .collect();
    vec![
        row(
            "st overlap",
            st,
            two(&bytes("2", 0, 2), &bytes("2", 1, 3), 3),
            "overlaps tensor",
        ),
        row(
            "st the same bytes twice",
            st,
            two(&bytes("2", 0, 2), &bytes("2", 0, 2), 2),
            "overlaps tensor",
        ),
        row(
            "st a zero-size tensor inside another",
            st,
            two(&bytes("4", 0, 4), &bytes("0", 2, 2), 4),
            "overlaps tensor",
        ),
        row(
            "st a thousand zero-size tensors at one offset, inside another",
            st,
            file(&format!("{{{zeros}\"a\":{}}}", bytes("4", 0, 4)), 4),
            "overlaps tensor",
        ),
        row(
            "st hole",
            st,
            two(&bytes("1", 0, 1), &bytes("1", 2, 3), 3),
            "belong to no tensor",
        ),
        row(
            "st hole before a zero-size tensor",
            st,
            two(&bytes("1", 0, 1), &bytes("0", 2, 2), 2),
            "belong to no tensor",
        ),
        row(
            "st bytes behind",
            st,
            one(&bytes("1", 0, 1), 9),
            "the last 8 of 9 bytes of data",
        ),
        laid(
            "st folder in its place",
            st,
            |dir| std::fs::create_dir(dir.join("x.safetensors")).unwrap(),
            "not a regular file",
        ),
    ]
}

fn indexes() -> Vec<Case> {
    let ix = &SHARD_INDEX;
    let deep = format!("{{\"weight_map\": {}", "{\"a\":".repeat(500_000));
    let mut all = vec![
        row("index empty", ix, [], "not an index of shards"),
        row("index a list", ix, "[]", "not an index of shards"),
        row("index deep", ix, deep, "not an index of shards"),
        row("index without a map", ix, "{}", "not an index of shards"),
        row("index of numbers", ix, index("7"), "not an index of shards"),
        row(
            "index twice",
            ix,
            "{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}",
            "tensor \"a\" stands twice",
        ),
        row(
            "index to the parent",
            ix,
            index("\"../model-00001-of-00002.safetensors\""),
            "not the plain name of a file",
        ),
        row(
            "index to an absolute path",
            ix,
            index("\"/etc/passwd\""),
            "not the plain name of a file",
        ),
        row(
            "index to itself by a dot",
            ix,
            index("\".\""),
            "not the plain name of a file",
        ),
        row(
            "index to a NUL",
            ix,
            index("\"a\\u0000b\""),
            "not the plain name of a file",
        ),
        row(
            "index to another drive",
            ix,
            index("\"c:\\\\x\""),
            "not the plain name of a file",
        ),
        row(
            "index to a missing shard",
            ix,
            index("\"gone.safetensors\""),
            "shard \"gone.safetensors\" is missing",
        ),
        row(
            "index to itself",
            ix,
            index("\"model.safetensors.index.json\""),
            "is no file of weights",
        ),
        row(
            "index lists half",
            ix,
            index("\"model-00001-of-00002.safetensors\""),
            "does not list",
        ),
    ];
    all.push(laid(
        "shard is no weights",
        ix,
        |dir| {
            put(
                &dir.join("model.safetensors.index.json"),
                index("\"x.safetensors\"").as_bytes(),
            );
            put(&dir.join("x.safetensors"), b"{}");
        },
        "x.safetensors: has 2 bytes",
    ));
    all
}
