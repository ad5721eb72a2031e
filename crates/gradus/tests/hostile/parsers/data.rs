//! Formats of data sets.

use std::path::Path;

use gradus::data::{
    FolderConfig, IdxSource, Image, LabelledTexts, TaggedTexts, TaggedTextsConfig, TextColumns,
    TextLines, TokenFile, TokenFileWriter, TokenSource, open_image_folder, parse_idx,
};

use super::said;
use crate::making::{gzip, idx, png, png_repaired, zlib};
use crate::parser::{PLAIN, Parser};

fn some_png(level: u8) -> Vec<u8> {
    let image = Image::new(3, 4, 1, vec![level; 12]).unwrap();
    image.encode_png().unwrap()
}

/// Opens a tree of images as a data set and decodes all of them.
fn image_tree(dir: &Path) -> Result<(), String> {
    let splits = open_image_folder(dir, &FolderConfig::default()).map_err(said)?;
    let train = splits.train().ok_or("no train split")?;
    for index in 0..train.labels().len() {
        let image = train.image(index).map_err(said)?;
        let size = image.height() * image.width() * image.channels();
        assert_eq!(
            image.pixels().len(),
            size,
            "an image that does not fill its size"
        );
    }
    Ok(())
}

pub(crate) const IMAGE: Parser = Parser {
    name: "image",
    file: "a/x.img",
    open: image_tree,
    beside: || vec![("b/1.png".into(), some_png(7))],
    words: &[
        "IHDR",
        "PLTE",
        "tRNS",
        "IDAT",
        "iCCP",
        "eXIf",
        "fcTL",
        "JFIF",
        "Exif\0\0MM",
        "ICC_PROFILE\0",
        "Adobe",
    ],
    ..PLAIN
};

/// PNG images whose checksums fit.
pub(crate) const PNG: Parser = Parser {
    name: "png",
    seeds: || {
        let pixels = zlib(&[0, 10, 20, 0, 30, 40]);
        let mut all = vec![png(2, 2, &pixels), png(1, 6, &zlib(&[0; 12]))];
        all.extend(IMAGE.sound().into_iter().filter(|bytes| bytes[0] == 0x89));
        all
    },
    pack: Some(png_repaired),
    ..IMAGE
};

pub(crate) const IDX: Parser = Parser {
    name: "idx",
    file: "images",
    open: |dir| {
        let bytes = std::fs::read(dir.join("images")).map_err(said)?;
        let labels = parse_idx(&bytes, 1);
        let images = (dir.join("images"), dir.join("labels"));
        let opened = IdxSource::open(&images.0, &images.1, None).map_err(said);
        opened
            .map(drop)
            .or_else(|error| labels.map(drop).map_err(|_| error))
    },
    seeds: || {
        let images = idx(&[3, 2, 2], &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2]);
        vec![gzip(&images), images, idx(&[3], &[0, 1, 2])]
    },
    beside: || vec![("labels".into(), idx(&[3], &[0, 1, 1]))],
    words: &["\0\0\x08\x03", "\0\0\x08\x01", "\x1f\u{8b}"],
    ..PLAIN
};

/// IDX files that are packed again after they were spoilt.
pub(crate) const IDX_GZIP: Parser = Parser {
    name: "idx-gzip",
    seeds: || vec![idx(&[3, 2, 2], &[1; 12]), idx(&[1, 40, 50], &[0; 2000])],
    pack: Some(gzip),
    ..IDX
};

fn labelled(dir: &Path, name: &str) -> Result<(), String> {
    let texts = LabelledTexts::open(dir.join(name), &TextColumns::default()).map_err(said)?;
    let classes = texts.classes().len() as i64;
    assert!(
        texts
            .labels()
            .iter()
            .all(|label| (0..classes).contains(label))
    );
    assert_eq!(texts.labels().len(), texts.texts().len());
    Ok(())
}

pub(crate) const CSV: Parser = Parser {
    name: "csv",
    file: "x.csv",
    open: |dir| labelled(dir, "x.csv"),
    words: &["text", "label", ",", "\"", "\"\"", "\n", "\r\n", ",,,,"],
    ..PLAIN
};

pub(crate) const TSV: Parser = Parser {
    name: "tsv",
    file: "x.tsv",
    open: |dir| labelled(dir, "x.tsv"),
    words: &["text", "label", "\t", "\"", "\n"],
    ..PLAIN
};

pub(crate) const JSONL: Parser = Parser {
    name: "jsonl",
    file: "x.jsonl",
    open: |dir| {
        let lines = TextLines::open(dir.join("x.jsonl")).map_err(said)?;
        lines.collect::<Result<Vec<_>, _>>().map_err(said)?;
        labelled(dir, "x.jsonl")
    },
    words: &[
        "\"text\": ",
        "\"label\": ",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\\u00e9",
    ],
    ..PLAIN
};

fn tagged(dir: &Path, name: &str) -> Result<(), String> {
    let texts = TaggedTexts::open(dir.join(name), &TaggedTextsConfig::default()).map_err(said)?;
    for (words, labels) in texts.words().iter().zip(texts.labels()) {
        assert_eq!(words.len(), labels.len());
    }
    Ok(())
}

pub(crate) const CONLL: Parser = Parser {
    name: "conll",
    file: "x.conll",
    open: |dir| tagged(dir, "x.conll"),
    words: &["-DOCSTART-", "B-PER", "O", " ", "\t", "\n", "\n\n"],
    ..PLAIN
};

pub(crate) const TAGGED_JSONL: Parser = Parser {
    name: "tagged-jsonl",
    file: "x.jsonl",
    open: |dir| tagged(dir, "x.jsonl"),
    seeds: || {
        vec![
            b"{\"tokens\": [\"Li\", \"Bai\"], \"labels\": [\"B\", \"I\"]}\n".to_vec(),
            b"{\"labels\": [1, 0], \"tokens\": [\"a\", \"b\"], \"id\": 7}\n".to_vec(),
        ]
    },
    words: &["\"tokens\": ", "\"labels\": ", "[", "]", ",", "\n"],
    ..PLAIN
};

pub(crate) const TOKENS: Parser = Parser {
    name: "tokens",
    file: "x.tokens",
    open: |dir| {
        let file = TokenFile::open(dir.join("x.tokens")).map_err(said)?;
        let mut part = vec![0; file.len().min(1000)];
        file.read(0, &mut part).map_err(said)?;
        assert!(file.read(file.len(), &mut [0]).is_err());
        Ok(())
    },
    seeds: || {
        let make = |vocab_size, ids: &[u32]| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x");
            let mut writer = TokenFileWriter::create(&path, vocab_size).unwrap();
            writer.push(ids).unwrap();
            writer.finish().unwrap();
            std::fs::read(path).unwrap()
        };
        vec![make(300, &[1, 2, 299]), make(100_000, &[5, 99_999])]
    },
    words: &["GRADTOK1"],
    ..PLAIN
};
