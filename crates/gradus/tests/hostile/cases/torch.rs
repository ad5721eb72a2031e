//! Pickles of PyTorch.

use zip::CompressionMethod::{Deflated, Stored};

use super::{Case, row};
use crate::making::archive;
use crate::parsers::TORCH;

fn text(text: &str) -> Vec<u8> {
    let mut out = vec![b'X'];
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text.as_bytes());
    out
}

fn number(value: i64) -> Vec<u8> {
    [&[0x8a, 8][..], &value.to_le_bytes()].concat()
}

fn tuple(items: &[i64]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|&item| number(item)).collect();
    [b"(", &items[..], b"t"].concat()
}

/// A tensor over a storage of `numel` floats in `data/0`.
fn tensor(numel: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        number(numel),
        b"tQ".to_vec(),
        number(offset),
        tuple(shape),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}

/// A file with this content, and a storage of four floats.
fn file(content: &[u8]) -> Vec<u8> {
    let pickle = [b"\x80\x02", content, b"."].concat();
    archive(Stored, &[("x/data.pkl", &pickle), ("x/data/0", &[0; 16])])
}

/// A file of the older form with this content.
fn legacy(content: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [&head[..], b"\x80\x02", content, b".\x80\x02]."].concat()
}

pub(super) fn cases() -> Vec<Case> {
    [commands(), instructions(), tensors(), shapes(), archives()]
        .into_iter()
        .flatten()
        .collect()
}

fn commands() -> Vec<Case> {
    let pt = &TORCH;
    let call = |global: &str| {
        let argument = [text("touch ruin"), b"\x85R".to_vec()].concat();
        file(&[global.as_bytes(), &argument].concat())
    };
    vec![
        row(
            "pt os.system",
            pt,
            call("cos\nsystem\n"),
            "asks for \"os.system\"",
        ),
        row(
            "pt eval",
            pt,
            call("cbuiltins\neval\n"),
            "asks for \"builtins.eval\"",
        ),
        row(
            "pt getattr",
            pt,
            call("cbuiltins\ngetattr\n"),
            "asks for \"builtins.getattr\"",
        ),
        row(
            "pt torch.load",
            pt,
            call("ctorch\nload\n"),
            "asks for \"torch.load\"",
        ),
        row(
            "pt a module of layers",
            pt,
            call("ctorch.nn.modules.linear\nLinear\n"),
            "save the tensors alone",
        ),
        row(
            "pt a name with a dot",
            pt,
            call("ctorch._utils\nos.system\n"),
            "asks for",
        ),
        row(
            "pt by the stack",
            pt,
            file(&[text("os"), text("system"), b"\x93)R".to_vec()].concat()),
            "asks for \"os.system\"",
        ),
        row(
            "pt in the older form",
            pt,
            legacy(b"cposix\nsystem\n)R"),
            "asks for \"posix.system\"",
        ),
    ]
}

fn instructions() -> Vec<Case> {
    let pt = &TORCH;
    vec![
        row("pt INST", pt, file(b"(ios\nsystem\n"), "INST"),
        row("pt EXT4", pt, file(b"\x84\xff\xff\xff\xff"), "EXT4"),
        row("pt NEXT_BUFFER", pt, file(b"\x97"), "NEXT_BUFFER"),
        row("pt no instruction", pt, file(b"\xff"), "no instruction"),
        row(
            "pt an empty stack",
            pt,
            file(b"t"),
            "a value that is not there",
        ),
        row(
            "pt a note never made",
            pt,
            file(b"j\xff\xff\xff\xff"),
            "value 4294967295 was never noted",
        ),
        row(
            "pt text of 4 GiB",
            pt,
            file(b"X\xff\xff\xff\xffabc"),
            "before it is complete",
        ),
        row(
            "pt text of 2^64",
            pt,
            file(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc"),
            "before it is complete",
        ),
        row(
            "pt bytes of 4 GiB",
            pt,
            file(b"B\xff\xff\xff\xff"),
            "before it is complete",
        ),
        row(
            "pt a number of 2 GiB",
            pt,
            file(b"\x8b\xff\xff\xff\x7f"),
            "before it is complete",
        ),
        row(
            "pt text not UTF-8",
            pt,
            file(b"X\x01\0\0\0\xff"),
            "not UTF-8 text",
        ),
    ]
}

fn tensors() -> Vec<Case> {
    let pt = &TORCH;
    let t = |offset, shape: &[i64], strides: &[i64]| file(&tensor(4, offset, shape, strides));
    vec![
        row(
            "pt beyond its storage",
            pt,
            t(1, &[4], &[1]),
            "reaches beyond its storage of 4 elements",
        ),
        row(
            "pt offset 2^63-1",
            pt,
            t(i64::MAX, &[1], &[1]),
            "reaches beyond its storage",
        ),
        row(
            "pt stride 2^63-1",
            pt,
            t(0, &[2], &[i64::MAX]),
            "reaches beyond its storage",
        ),
        row(
            "pt shape overflowing",
            pt,
            t(0, &[i64::MAX, i64::MAX], &[1, 1]),
            "reaches beyond its storage",
        ),
        row(
            "pt negative dim",
            pt,
            t(0, &[-1], &[1]),
            "its arguments are not",
        ),
        row(
            "pt negative stride",
            pt,
            t(0, &[1], &[-1]),
            "its arguments are not",
        ),
        row(
            "pt more dims than strides",
            pt,
            t(0, &[1, 1], &[1]),
            "its arguments are not",
        ),
        row("pt nine dims", pt, t(0, &[1; 9], &[1; 9]), "has 9 dims"),
        row(
            "pt expanded to 4 TiB",
            pt,
            t(0, &[1 << 40], &[0]),
            "no more than",
        ),
        row(
            "pt expanded to 100 MiB",
            pt,
            t(0, &[25 << 20], &[0]),
            "no more than",
        ),
        row(
            "pt storage of 2^60",
            pt,
            file(&tensor(1 << 60, 0, &[1], &[1])),
            "storage \"0\": should have",
        ),
        row(
            "pt storage missing",
            pt,
            archive(
                Stored,
                &[(
                    "x/data.pkl",
                    &[b"\x80\x02", &tensor(4, 0, &[1], &[1])[..], b"."].concat(),
                )],
            ),
            "storage \"0\" of tensor",
        ),
    ]
}

fn shapes() -> Vec<Case> {
    let pt = &TORCH;
    let deep = [b"]".repeat(300_000), b"a".repeat(299_999)].concat();
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
    let two = |name: &str, other: &str| {
        let x = tensor(4, 0, &[1], &[1]);
        let inner = [b"}".to_vec(), text(other), x.clone(), b"s".to_vec()].concat();
        file(
            &[
                b"}".to_vec(),
                text("a.b"),
                x,
                b"s".to_vec(),
                text(name),
                inner,
                b"s".to_vec(),
            ]
            .concat(),
        )
    };
    vec![
        row("pt 300,000 lists", pt, file(&deep), "nested more than"),
        row(
            "pt a list in itself",
            pt,
            file(b"]q\x00h\x00a"),
            "contain themselves",
        ),
        row("pt 2^60 leaves", pt, file(&shared), "unfold to far more"),
        row(
            "pt three million lists",
            pt,
            file(&b"]".repeat(3 << 20)),
            "has more than",
        ),
        row(
            "pt ten million instructions",
            pt,
            file(&b"N0".repeat(5 << 20)),
            "instructions",
        ),
        row(
            "pt names that meet",
            pt,
            two("a", "b"),
            "two tensors are named \"a.b\"",
        ),
    ]
}

fn archives() -> Vec<Case> {
    let pt = &TORCH;
    let bomb = vec![0; 90 << 20];
    let big = archive(
        Deflated,
        &[("x/data.pkl", b"\x80\x02}."), ("x/data/0", &bomb)],
    );
    let pickle = archive(Deflated, &[("x/data.pkl", &bomb[..70 << 20])]);
    vec![
        row("pt empty", pt, [], "before it is complete"),
        row(
            "pt no mark",
            pt,
            b"\x80\x02N.",
            "neither of PyTorch's formats",
        ),
        row(
            "pt big-endian",
            pt,
            archive(Stored, &[("x/data.pkl", b"N."), ("x/byteorder", b"big")]),
            "big-endian",
        ),
        row("pt bomb in a storage", pt, big, "unpacks from"),
        row("pt bomb in its pickle", pt, pickle, "unpacks from"),
        row(
            "pt storage of another length",
            pt,
            archive(
                Stored,
                &[
                    (
                        "x/data.pkl",
                        &[b"\x80\x02", &tensor(4, 0, &[1], &[1])[..], b"."].concat(),
                    ),
                    ("x/data/0", &[0; 15]),
                ],
            ),
            "should have 16 bytes, has 15",
        ),
    ]
}
