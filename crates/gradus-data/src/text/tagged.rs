//! Texts with a label for each word, for token classification.

use std::path::Path;

use serde_json::Value;

use crate::error::{DataError, Result};
use crate::text::labelled::{json_label, json_object};
use crate::text::labels::{self, RawLabel};
use crate::text::{IGNORED, TextLines, TextProblem};

/// The names of the keys of JSONL files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedTextsConfig {
    /// The list of words; default: `tokens`.
    pub tokens: String,
    /// The list of their labels, names or whole numbers; default: `labels`.
    pub labels: String,
}

impl Default for TaggedTextsConfig {
    fn default() -> Self {
        Self {
            tokens: "tokens".into(),
            labels: "labels".into(),
        }
    }
}

/// Texts as words with a label each.
///
/// ```
/// use gradus_data::{TaggedTexts, TaggedTextsConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("names.conll");
/// # std::fs::write(&path, "Li NNP B-PER\nBai NNP I-PER\ndrinks VBZ O\n\n长 N B-LOC\n安 N I-LOC\n").unwrap();
/// let names = TaggedTexts::open(&path, &TaggedTextsConfig::default())?;
/// assert_eq!(names.words()[0], ["Li", "Bai", "drinks"]);
/// assert_eq!(names.classes(), ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]);
/// assert_eq!(names.labels(), [vec![1, 3, 4], vec![0, 2]]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedTexts {
    words: Vec<Vec<String>>,
    labels: Vec<Vec<i64>>,
    classes: Vec<String>,
}

/// Texts as they are read, before the labels have numbers.
#[derive(Default)]
struct Rows {
    words: Vec<Vec<String>>,
    labels: Vec<RawLabel>,
    /// The line of each label.
    lines: Vec<usize>,
}

impl TaggedTexts {
    /// Reads a `.jsonl` file with `{"tokens": ["…"], "labels": ["…"]}` a line, or a file of columns as CoNLL's: a word a line with its label in the last
    /// column, spaces or tabs between the columns, and an empty line between texts. Lines that begin with `-DOCSTART-` are passed over.
    ///
    /// # Errors
    /// [`DataError::Text`] with file and line for what is no UTF-8, a text without words, another number of columns or labels, a missing key, or labels of
    /// which some are numbers and some are not; [`DataError::Io`].
    pub fn open(path: impl AsRef<Path>, config: &TaggedTextsConfig) -> Result<Self> {
        let path = path.as_ref();
        Self::finish(read(path, config)?, None, path)
    }

    /// The same with given classes, such as those of the training data.
    ///
    /// # Errors
    /// As [`TaggedTexts::open`], and [`DataError::Text`] for a label that is none of the classes.
    pub fn open_with_classes(
        path: impl AsRef<Path>,
        config: &TaggedTextsConfig,
        classes: &[String],
    ) -> Result<Self> {
        let path = path.as_ref();
        Self::finish(read(path, config)?, Some(classes), path)
    }

    fn finish(rows: Rows, classes: Option<&[String]>, path: &Path) -> Result<Self> {
        let at = |(position, problem): (usize, TextProblem)| {
            DataError::text(path, rows.lines[position], problem)
        };
        let classes = match classes {
            Some(classes) => classes.to_vec(),
            None => labels::classes_of(rows.labels.iter()).map_err(at)?,
        };
        let numbers = labels::numbers_of(rows.labels.iter(), &classes).map_err(at)?;
        let mut numbers = numbers.into_iter();
        let labels = rows
            .words
            .iter()
            .map(|words| numbers.by_ref().take(words.len()).collect());
        Ok(Self {
            labels: labels.collect(),
            words: rows.words,
            classes,
        })
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of each text.
    pub fn words(&self) -> &[Vec<String>] {
        &self.words
    }

    /// The class of each word, `0..classes().len()`.
    pub fn labels(&self) -> &[Vec<i64>] {
        &self.labels
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
}

/// The target of each token of a text whose words have labels: the first token of a word has its label, all others are [`IGNORED`].
///
/// `words` says of each token which word it is a part of, and `None` for tokens of no word, as tokenizers do.
///
/// ```
/// use gradus_data::align_labels;
/// // [CLS] un ##want ##ed dogs [SEP]
/// let words = [None, Some(0), Some(0), Some(0), Some(1), None];
/// assert_eq!(align_labels(&words, &[7, 2])?, [-100, 7, -100, -100, 2, -100]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Index`] for a word without a label.
pub fn align_labels(words: &[Option<u32>], labels: &[i64]) -> Result<Vec<i64>> {
    let mut previous = None;
    let target = |&word: &Option<u32>| {
        let first = word != previous;
        previous = word;
        let Some(word) = word.filter(|_| first) else {
            return Ok(IGNORED);
        };
        let index = usize::try_from(word).unwrap_or(usize::MAX);
        labels.get(index).copied().ok_or(DataError::Index {
            what: "labels of words",
            index,
            len: labels.len(),
        })
    };
    words.iter().map(target).collect()
}

fn read(path: &Path, config: &TaggedTextsConfig) -> Result<Rows> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.unwrap_or_default() {
        "jsonl" | "ndjson" => json_lines(path, config),
        _ => columns(path),
    }
}

fn json_lines(path: &Path, config: &TaggedTextsConfig) -> Result<Rows> {
    let mut rows = Rows::default();
    for (number, line) in (1..).zip(TextLines::open(path)?) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let fail = |problem| DataError::text(path, number, problem);
        let object = json_object(&line).map_err(fail)?;
        let list = |key: &str, expected, item: fn(&Value) -> Option<String>| {
            let items = object.get(key).and_then(Value::as_array);
            let items = items.and_then(|items| items.iter().map(item).collect());
            items.ok_or_else(|| {
                let key = key.to_owned();
                fail(TextProblem::Key { key, expected })
            })
        };
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let words: Vec<String> = list(&config.tokens, "a list of texts", word)?;
        let expected = "a list of texts or of whole numbers";
        let labels: Vec<RawLabel> = list(&config.labels, expected, json_label)?;
        if words.len() != labels.len() {
            let (tokens, labels) = (words.len(), labels.len());
            return Err(fail(TextProblem::LabelCount { tokens, labels }));
        }
        if words.is_empty() {
            return Err(fail(TextProblem::Empty));
        }
        rows.lines.resize(rows.lines.len() + words.len(), number);
        rows.labels.extend(labels);
        rows.words.push(words);
    }
    Ok(rows)
}

fn columns(path: &Path) -> Result<Rows> {
    let mut rows = Rows::default();
    let mut words = Vec::new();
    let mut expected = None;
    for (number, line) in (1..).zip(TextLines::open(path)?) {
        let line = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(&word), Some(&label)) = (fields.first(), fields.last()) else {
            rows.words
                .extend((!words.is_empty()).then(|| std::mem::take(&mut words)));
            continue;
        };
        if word == "-DOCSTART-" {
            continue;
        }
        // A word alone is a line with its label missing.
        let expected = *expected.get_or_insert(fields.len().max(2));
        if fields.len() != expected {
            let got = fields.len();
            let problem = TextProblem::Columns { expected, got };
            return Err(DataError::text(path, number, problem));
        }
        words.push(word.to_owned());
        rows.labels.push(label.to_owned());
        rows.lines.push(number);
    }
    rows.words.extend((!words.is_empty()).then_some(words));
    Ok(rows)
}
