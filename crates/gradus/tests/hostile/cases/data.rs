//! Data sets: images, IDX files, texts with labels, token files.

use std::path::Path;

use super::{Case, laid, row};
use crate::making::{gzip, idx, png, png_of_palette, zlib};
use crate::parser::put;
use crate::parsers::{CONLL, CSV, IDX, IMAGE, JSONL, TAGGED_JSONL, TOKENS, TSV};

pub(super) fn cases() -> Vec<Case> {
    [
        images(),
        trees(),
        idx_files(),
        texts(),
        more_texts(),
        tokens(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A JPEG whose frame header states any size, with nothing behind it.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xc0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x11\0\x02\x11\0\x03\x11\0");
    bytes.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0\xff\xd9");
    bytes
}

fn images() -> Vec<Case> {
    let im = &IMAGE;
    let sound = png(2, 2, &zlib(&[0, 10, 20, 0, 30, 40]));
    let rows = |width: usize, height: usize| zlib(&vec![0; (width + 1) * height]);
    let mut flipped = sound.clone();
    let at = flipped.len() - 20;
    flipped[at] ^= 1;
    vec![
        row("image empty", im, [], "the file is empty"),
        row("image a GIF", im, b"GIF89a", "not a PNG or JPEG image"),
        row("image a page", im, "<html>", "not a PNG or JPEG image"),
        row(
            "png signature alone",
            im,
            b"\x89PNG\r\n\x1a\n",
            "truncated or damaged",
        ),
        row(
            "png cut",
            im,
            &sound[..sound.len() - 15],
            "truncated or damaged",
        ),
        row("png flipped bit", im, flipped, "truncated or damaged"),
        row(
            "png half a color in its palette",
            im,
            png_of_palette(25),
            "a palette of 25 bytes",
        ),
        row(
            "png 0 wide",
            im,
            png(0, 2, &rows(0, 2)),
            "truncated or damaged",
        ),
        row(
            "png 2^31 wide",
            im,
            png(1 << 31, 1, &[]),
            "the image states",
        ),
        row(
            "png 50,000 by 50,000",
            im,
            png(50_000, 50_000, &[]),
            "50000×50000",
        ),
        row(
            "png 16,000 by 16,000",
            im,
            png(16_000, 16_000, &[]),
            "16000×16000",
        ),
        row(
            "png bomb of 7,500 by 7,500",
            im,
            png(7_500, 7_500, &rows(7_500, 7_500)),
            "7500×7500",
        ),
        row(
            "png fewer pixels than it states",
            im,
            png(100, 100, &rows(10, 10)),
            "truncated or damaged",
        ),
        row(
            "jpeg start alone",
            im,
            b"\xff\xd8\xff",
            "truncated or damaged",
        ),
        row(
            "jpeg 65,535 by 65,535",
            im,
            jpeg(65_535, 65_535),
            "65535×65535",
        ),
        row(
            "jpeg bomb of 16,000 by 16,000",
            im,
            jpeg(16_000, 16_000),
            "16000×16000",
        ),
        row(
            "jpeg without tables",
            im,
            jpeg(8, 8),
            "truncated or damaged",
        ),
        row(
            "jpeg of a million segments",
            im,
            [b"\xff\xd8".to_vec(), b"\xff\xe1\0\x02".repeat(1 << 18)].concat(),
            "truncated or damaged",
        ),
    ]
}

/// Folders that are no data set, or lead out of it.
fn trees() -> Vec<Case> {
    let im = &IMAGE;
    let mut all = vec![
        laid(
            "tree with a class of nothing",
            im,
            |dir| std::fs::create_dir(dir.join("c")).unwrap(),
            "class without images",
        ),
        laid(
            "tree of two kinds of classes",
            im,
            |dir| {
                put(&dir.join("train/a/1.png"), &png(1, 1, &zlib(&[0, 0])));
                put(&dir.join("test/b/1.png"), &png(1, 1, &zlib(&[0, 0])));
            },
            "differ",
        ),
    ];
    if cfg!(unix) {
        all.extend([
            laid(
                "tree with a dead link",
                im,
                |dir| link("nowhere", &dir.join("b/dead.png")),
                "dead.png",
            ),
            laid(
                "tree with a link to a device",
                im,
                |dir| link("/dev/zero", &dir.join("b/zero.png")),
                "not a regular file",
            ),
            laid(
                "tree with a link to itself",
                im,
                |dir| link("me.png", &dir.join("b/me.png")),
                "me.png",
            ),
        ]);
    }
    all
}

#[cfg(unix)]
fn link(to: &str, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

#[cfg(not(unix))]
fn link(_to: &str, _at: &Path) {}

fn idx_files() -> Vec<Case> {
    let f = &IDX;
    let huge = u32::MAX;
    let zeros = |sizes: &[u32], count: usize| gzip(&idx(sizes, &vec![0; count]));
    let mut sum = gzip(&idx(&[3, 1, 1], &[1, 2, 3]));
    let at = sum.len() - 6;
    sum[at] ^= 1;
    vec![
        row("idx empty", f, [], "ends inside its header"),
        row(
            "idx of floats",
            f,
            [0, 0, 13, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1],
            "wrong magic number 0x00000d03",
        ),
        row(
            "idx header cut",
            f,
            [0, 0, 8, 3, 0, 0],
            "ends inside its header",
        ),
        row(
            "idx 2^32 each way",
            f,
            idx(&[huge, huge, huge], &[]),
            "[4294967295, 4294967295, 4294967295]",
        ),
        row(
            "idx 2^32 images",
            f,
            idx(&[huge, 1, 1], &[0; 9]),
            "4294967295",
        ),
        row(
            "idx one value short",
            f,
            idx(&[3, 2, 2], &[0; 11]),
            "states 12 values, but 11 follow",
        ),
        row(
            "idx one value more",
            f,
            idx(&[3, 2, 2], &[0; 13]),
            "more bytes follow",
        ),
        row(
            "idx no pixels",
            f,
            idx(&[3, 0, 2], &[]),
            "there is nothing to read",
        ),
        row(
            "idx another number of labels",
            f,
            idx(&[2, 1, 1], &[0; 2]),
            "2 images but 3 labels",
        ),
        row(
            "idx gzip cut",
            f,
            &gzip(&idx(&[3, 1, 1], &[1, 2, 3]))[..20],
            "gzip",
        ),
        row("idx gzip with a wrong sum", f, sum, "damaged gzip stream"),
        row("idx gzip of nothing", f, b"\x1f\x8b", "gzip"),
        row(
            "idx bomb that states little",
            f,
            zeros(&[3, 1, 1], 70 << 20),
            "more bytes follow",
        ),
        row(
            "idx bomb that states all",
            f,
            zeros(&[40, 1000, 1000], 40_000_000),
            "[40, 1000, 1000]",
        ),
        row(
            "idx bomb that states more",
            f,
            zeros(&[3, 30_000, 30_000], 1 << 20),
            "[3, 30000, 30000]",
        ),
    ]
}

fn texts() -> Vec<Case> {
    let wide = format!("text,label\n{}\n", ",".repeat(1_000_000));
    let quoted = format!("text,label\n\"{}", "a\n".repeat(500_000));
    vec![
        row("csv empty", &CSV, [], "no column \"text\""),
        row(
            "csv without a column",
            &CSV,
            "text,lable\na,b\n",
            "no column \"label\"",
        ),
        row("csv a line too short", &CSV, "text,label\na\n", "line 2"),
        row("csv a million columns", &CSV, wide, "line 2"),
        row("csv a quotation without an end", &CSV, quoted, "line 2"),
        row(
            "csv not UTF-8",
            &CSV,
            b"text,label\n\xff,b\n",
            "line 2: not UTF-8",
        ),
        row("csv in UTF-16", &CSV, b"\xff\xfet\0e\0x\0t\0", "not UTF-8"),
        row("csv zeros", &CSV, [0; 1000], "no column \"text\""),
        row(
            "csv an empty text",
            &CSV,
            "text,label\n,b\n",
            "line 2: empty text",
        ),
        row(
            "csv mixed labels",
            &CSV,
            "text,label\na,1\nb,x\n",
            "is no number, but other labels are",
        ),
        row(
            "tsv a line too long",
            &TSV,
            "text\tlabel\na\tb\tc\n",
            "line 2",
        ),
    ]
}

fn more_texts() -> Vec<Case> {
    let deep = format!("{{\"text\": \"a\", \"label\": {}", "[".repeat(1_000_000));
    vec![
        row(
            "jsonl not JSON",
            &JSONL,
            "{\"text\": \"a\"\n",
            "line 1: not a JSON object",
        ),
        row(
            "jsonl an array",
            &JSONL,
            "[1]\n",
            "line 1: not a JSON object",
        ),
        row(
            "jsonl a million brackets",
            &JSONL,
            deep,
            "line 1: not a JSON object",
        ),
        row(
            "jsonl without a label",
            &JSONL,
            "{\"text\": \"a\"}\n",
            "\"label\" must be",
        ),
        row(
            "jsonl text of a number",
            &JSONL,
            "{\"text\": 5, \"label\": 1}\n",
            "\"text\" must be",
        ),
        row(
            "jsonl label 1e400",
            &JSONL,
            "{\"text\": \"a\", \"label\": 1e400}\n",
            "line 1",
        ),
        row(
            "jsonl not UTF-8",
            &JSONL,
            b"{\"text\": \"\xc3\x28\"}\n",
            "line 1: not UTF-8",
        ),
        row(
            "jsonl half a surrogate",
            &JSONL,
            "{\"text\": \"\\ud800\", \"label\": 1}\n",
            "line 1: not a JSON object",
        ),
        row("conll a word alone", &CONLL, "Li\n", "line 1"),
        row(
            "conll another number of columns",
            &CONLL,
            "Li NNP B\nBai I\n",
            "line 2",
        ),
        row("conll not UTF-8", &CONLL, b"Li \xff\n", "line 1: not UTF-8"),
        row(
            "tagged jsonl a label too few",
            &TAGGED_JSONL,
            "{\"tokens\": [\"a\", \"b\"], \"labels\": [1]}\n",
            "line 1",
        ),
        row(
            "tagged jsonl no words",
            &TAGGED_JSONL,
            "{\"tokens\": [], \"labels\": []}\n",
            "line 1: empty text",
        ),
        row(
            "tagged jsonl labels of objects",
            &TAGGED_JSONL,
            "{\"tokens\": [\"a\"], \"labels\": [{}]}\n",
            "\"labels\" must be",
        ),
    ]
}

/// A token file of this header and ids.
fn token_file(width: u32, vocab: u32, count: u64, ids: &[u8]) -> Vec<u8> {
    [
        &b"GRADTOK1"[..],
        &width.to_le_bytes(),
        &vocab.to_le_bytes(),
        &count.to_le_bytes(),
        &[0; 8],
        ids,
    ]
    .concat()
}

fn tokens() -> Vec<Case> {
    let f = &TOKENS;
    vec![
        row("tokens empty", f, [], "not a token file"),
        row("tokens another mark", f, [b'G'; 40], "not a token file"),
        row(
            "tokens of 3 bytes",
            f,
            token_file(3, 9, 0, &[]),
            "ids of 3 bytes",
        ),
        row("tokens cut", f, token_file(2, 9, 2, &[1, 0, 2]), "3"),
        row(
            "tokens 2^63",
            f,
            token_file(4, 9, 1 << 63, &[]),
            "its header asks for",
        ),
        row(
            "tokens 2^32",
            f,
            token_file(2, 9, 1 << 32, &[]),
            "its header asks for 8589934624",
        ),
        row(
            "tokens an id too high",
            f,
            token_file(2, 9, 1, &[9, 0]),
            "token 0 is 9",
        ),
    ]
}
