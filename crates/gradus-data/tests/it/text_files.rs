//! Files of texts: what is read, and what cannot be, with file and line.

use std::fs;
use std::path::PathBuf;

use gradus_data::{
    DataError, FolderProblem, LabelledTexts, TaggedTexts, TaggedTextsConfig, TextColumns,
    TextLines, TextProblem, TokenFile, TokenFileProblem, TokenFileWriter, TokenSource,
};
use proptest::prelude::*;
use tempfile::TempDir;

fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// The texts of a file with this content.
fn labelled(name: &str, bytes: impl AsRef<[u8]>) -> Result<LabelledTexts, DataError> {
    let (_dir, path) = file(name, bytes);
    LabelledTexts::open(&path, &TextColumns::default())
}

fn tagged(name: &str, bytes: impl AsRef<[u8]>) -> Result<TaggedTexts, DataError> {
    let (_dir, path) = file(name, bytes);
    TaggedTexts::open(&path, &TaggedTextsConfig::default())
}

/// The line and the problem of an error about a line, whose message names the file.
#[track_caller]
fn problem<T: std::fmt::Debug>(result: Result<T, DataError>, name: &str) -> (usize, TextProblem) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
    match error {
        DataError::Text { line, problem, .. } => (line, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn csv_tsv_and_jsonl_hold_the_same_texts() {
    let csv = labelled(
        "a.csv",
        "\u{feff}text,label\n\"a, \"\"b\"\"\n春\",1\r\nc,0\n",
    )
    .unwrap();
    assert_eq!(csv.texts(), ["a, \"b\"\n春", "c"]);
    assert_eq!(
        (csv.labels(), csv.classes()),
        (&[1, 0][..], &["0".into(), "1".into()][..])
    );
    assert!(csv.name(1).ends_with("a.csv:4"), "{}", csv.name(1));
    let tsv = labelled(
        "a.TSV",
        "id\tlabel\ttext\n7\tneg\t\"quoted, 春\n8\tpos\tc\n",
    )
    .unwrap();
    assert_eq!(tsv.texts(), ["\"quoted, 春", "c"]);
    assert_eq!(
        (tsv.labels(), tsv.classes()),
        (&[0, 1][..], &["neg".into(), "pos".into()][..])
    );
    let lines =
        "{\"text\": \"a\\n春\", \"label\": 10, \"x\": null}\n\n{\"label\": 9, \"text\": \"c\"}";
    let json = labelled("a.jsonl", lines).unwrap();
    assert_eq!((json.texts().len(), json.labels()), (2, &[1, 0][..]));
    assert_eq!(json.classes(), ["9", "10"]);
    assert!(json.name(1).ends_with("a.jsonl:3"));
}

#[test]
fn columns_and_classes_can_be_named() {
    let (_dir, path) = file("a.csv", "review,stars\ngood,5\nbad,1\n");
    let columns = TextColumns {
        text: "review".into(),
        label: "stars".into(),
    };
    let classes: Vec<String> = ["1", "3", "5"].map(String::from).to_vec();
    let texts = LabelledTexts::open_with_classes(&path, &columns, &classes).unwrap();
    assert_eq!(
        (texts.labels(), texts.classes()),
        (&[2, 0][..], &classes[..])
    );
    let few = LabelledTexts::open_with_classes(&path, &columns, &classes[..2]);
    let (line, found) = problem(few, "a.csv");
    assert_eq!(line, 2);
    assert!(matches!(found, TextProblem::UnknownLabel { label, .. } if label == "5"));
    let missing = LabelledTexts::open(&path, &TextColumns::default());
    let (line, found) = problem(missing, "a.csv");
    assert_eq!(line, 1);
    assert!(
        matches!(found, TextProblem::NoColumn { name, found } if name == "text" && found.len() == 2)
    );
}

/// A file's name, its bytes, the line that is wrong, and what is wrong with it.
type Case = (&'static str, &'static [u8], usize, fn(&TextProblem) -> bool);

#[test]
fn lines_that_cannot_be_used_are_named() {
    let cases: [Case; 12] = [
        ("a.csv", b"text,label\na,1\nb\n", 3, |p| {
            *p == TextProblem::Columns {
                expected: 2,
                got: 1,
            }
        }),
        ("a.tsv", b"text\tlabel\r\n\r\na\tb\tc\n", 3, |p| {
            *p == TextProblem::Columns {
                expected: 2,
                got: 3,
            }
        }),
        ("a.csv", b"text,label\n\xff,1\n", 2, |p| {
            *p == TextProblem::NotUtf8
        }),
        ("a.csv", b"text,label\n \t,1\n", 2, |p| {
            *p == TextProblem::Empty
        }),
        (
            "a.csv",
            b"text,label\na,1\nb,x\n",
            3,
            |p| matches!(p, TextProblem::MixedLabels { label } if label == "x"),
        ),
        ("a.csv", b"", 1, |p| {
            matches!(p, TextProblem::NoColumn { .. })
        }),
        (
            "a.jsonl",
            b"{}\n",
            1,
            |p| matches!(p, TextProblem::Key { key, .. } if key == "label"),
        ),
        (
            "a.jsonl",
            b"{\"label\": 1, \"text\": 2}\n",
            1,
            |p| matches!(p, TextProblem::Key { key, .. } if key == "text"),
        ),
        (
            "a.jsonl",
            b"{\"label\": 1.5, \"text\": \"a\"}\n",
            1,
            |p| matches!(p, TextProblem::Key { key, .. } if key == "label"),
        ),
        ("a.jsonl", b"\n\n[1]\n", 3, |p| {
            matches!(p, TextProblem::Json(_))
        }),
        (
            "a.jsonl",
            b"{\"label\": 1, \"text\": \"\xe6\x98\"}\n",
            1,
            |p| *p == TextProblem::NotUtf8,
        ),
        ("a.jsonl", b"{\"label\": 1, \"text\": \"\"}\n", 1, |p| {
            *p == TextProblem::Empty
        }),
    ];
    for (name, bytes, line, expected) in cases {
        let (at, found) = problem(labelled(name, bytes), name);
        assert!(at == line && expected(&found), "line {at}: {found}");
    }
    assert!(matches!(
        labelled("a.parquet", b""),
        Err(DataError::Argument { .. })
    ));
    assert!(labelled("a.csv", b"text,label\n").unwrap().is_empty());
}

#[test]
fn class_folders_hold_a_text_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("pos/2.txt", "好\n很好".as_bytes());
    put("pos/1.txt", b"good");
    put("neg/x.txt", b"bad");
    put("neg/.hidden.txt", b"");
    put("readme.txt", b"not a class");
    let texts = LabelledTexts::open(dir.path(), &TextColumns::default()).unwrap();
    assert_eq!(texts.texts(), ["bad", "good", "好\n很好"]);
    assert_eq!(
        (texts.labels(), texts.classes()),
        (&[0, 1, 1][..], &["neg".into(), "pos".into()][..])
    );
    assert!(texts.name(1).ends_with("1.txt"));

    put("neg/y.txt", b"\xff");
    let open = || LabelledTexts::open(dir.path(), &TextColumns::default());
    assert_eq!(problem(open(), "y.txt"), (0, TextProblem::NotUtf8));
    fs::create_dir(dir.path().join("empty")).unwrap();
    let of_folder = |error| match error {
        Err(DataError::Folder { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(of_folder(open()), FolderProblem::ClassWithoutTexts);
    let nothing = tempfile::tempdir().unwrap();
    let open = LabelledTexts::open(nothing.path(), &TextColumns::default());
    assert_eq!(of_folder(open), FolderProblem::NoTexts);
}

#[test]
fn words_have_a_label_each() {
    let conll = "-DOCSTART- -X- O\n\nLi NNP B\nBai\tNNP I\n\n\n长 N O";
    let tags = tagged("a.conll", conll).unwrap();
    assert_eq!(tags.words(), [vec!["Li", "Bai"], vec!["长"]]);
    assert_eq!(
        (tags.labels(), tags.classes().len()),
        (&[vec![0, 1], vec![2]][..], 3)
    );
    let json = "{\"tokens\": [\"a\", \"b\"], \"labels\": [0, 2]}\n{\"tokens\": [\"c\"], \"labels\": [1]}\n";
    let tags = tagged("a.jsonl", json).unwrap();
    assert_eq!(tags.labels(), [vec![0, 2], vec![1]]);

    let (line, found) = problem(tagged("a.conll", "a B\nb\n"), "a.conll");
    assert_eq!(
        (line, found),
        (
            2,
            TextProblem::Columns {
                expected: 2,
                got: 1
            }
        )
    );
    let (line, _) = problem(tagged("a.conll", "a\nb\n"), "a.conll");
    assert_eq!(line, 1, "a word without a label is no text");
    let (line, found) = problem(tagged("a.conll", b"a B\n\xff B\n"), "a.conll");
    assert_eq!((line, found), (2, TextProblem::NotUtf8));
    let ragged = "{\"tokens\": [\"a\", \"b\"], \"labels\": [0]}\n";
    let (line, found) = problem(tagged("a.jsonl", ragged), "a.jsonl");
    assert_eq!(
        (line, found),
        (
            1,
            TextProblem::LabelCount {
                tokens: 2,
                labels: 1
            }
        )
    );
    let empty = "{\"tokens\": [], \"labels\": []}\n";
    assert_eq!(
        problem(tagged("a.jsonl", empty), "a.jsonl").1,
        TextProblem::Empty
    );
    let mixed =
        "{\"tokens\": [\"a\"], \"labels\": [0]}\n{\"tokens\": [\"b\"], \"labels\": [\"O\"]}";
    assert_eq!(problem(tagged("a.jsonl", mixed), "a.jsonl").0, 2);
}

#[test]
fn lines_end_after_the_first_that_is_no_text() {
    let (_dir, path) = file("a.txt", b"one\n\ntwo\r\n\xffx\nfour\n");
    let mut lines = TextLines::open(&path).unwrap();
    let texts: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(
        (texts, lines.line()),
        (vec!["one".into(), String::new(), "two".into()], 3)
    );
    let (line, found) = problem(lines.next().unwrap(), "a.txt");
    assert_eq!((line, found), (4, TextProblem::NotUtf8));
    assert!(lines.next().is_none());
    assert!(matches!(
        TextLines::open(path.join("x")),
        Err(DataError::Io { .. })
    ));
}

fn token_problem(result: Result<TokenFile, DataError>) -> TokenFileProblem {
    match result {
        Err(DataError::TokenFile { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn token_files_that_are_not_whole_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tokens");
    let mut writer = TokenFileWriter::create(&path, 70_000).unwrap();
    writer.push(&[1, 69_999]).unwrap();
    let outside = writer.push(&[70_000]).unwrap_err().to_string();
    assert!(outside.contains("token 2 is 70000"), "{outside}");
    assert!(!path.exists(), "there is no file before it is finished");
    writer.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), 32 + 2 * 4);
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        TokenFile::open(&path)
    };
    assert_eq!(open(&whole).unwrap().len(), 2);
    for bytes in [&whole[..0], &whole[..31], &[b'x'; 64]] {
        assert_eq!(token_problem(open(bytes)), TokenFileProblem::NotATokenFile);
    }
    let cut = open(&whole[..39]);
    assert_eq!(
        token_problem(cut),
        TokenFileProblem::Length {
            expected: 40,
            got: 39
        }
    );
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        open(&bytes)
    };
    assert_eq!(token_problem(with(8, 3)), TokenFileProblem::Width(3));
    assert!(matches!(
        token_problem(with(23, 255)),
        TokenFileProblem::Length { .. }
    ));
    // An id that the header excludes is found when it is read.
    let damaged = with(32 + 7, 1).unwrap();
    let mut ids = [0; 2];
    assert!(matches!(
        damaged.read(0, &mut ids),
        Err(DataError::TokenFile { .. })
    ));
    assert!(matches!(
        damaged.read(1, &mut ids),
        Err(DataError::Index { .. })
    ));

    drop(TokenFileWriter::create(&path, 10).unwrap());
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "what is abandoned leaves nothing"
    );
    assert!(TokenFileWriter::create(&path, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn tokens_come_back_from_any_place(
        ids in proptest::collection::vec(0_u32..60_000, 0..40_000),
        wide: bool,
        from in any::<prop::sample::Index>(),
        count in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tokens");
        let vocab_size = if wide { 1 << 17 } else { 60_000 };
        let mut writer = TokenFileWriter::create(&path, vocab_size).unwrap();
        for part in ids.chunks(777) {
            writer.push(part).unwrap();
        }
        writer.finish().unwrap();
        let file = TokenFile::open(&path).unwrap();
        prop_assert_eq!((file.len(), file.vocab_size()), (ids.len(), vocab_size as u64));
        let from = from.index(ids.len() + 1);
        let count = count.index(ids.len() - from + 1);
        let mut out = vec![0; count];
        file.read(from, &mut out).unwrap();
        prop_assert_eq!(&out, &ids[from..from + count]);
    }
}
