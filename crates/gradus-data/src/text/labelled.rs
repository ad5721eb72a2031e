//! Texts with a class each: CSV, TSV and JSONL files, and folders of one folder a class.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{DataError, FolderProblem, Result};
use crate::text::labels::{self, RawLabel};
use crate::text::{TextLines, TextProblem};

/// The names of the columns, or keys, that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextColumns {
    /// The column of the text; default: `text`.
    pub text: String,
    /// The column of the label, a name or a whole number; default: `label`.
    pub label: String,
}

impl Default for TextColumns {
    fn default() -> Self {
        Self {
            text: "text".into(),
            label: "label".into(),
        }
    }
}

/// Texts with a class each, in memory.
///
/// ```
/// use gradus_data::{LabelledTexts, TextColumns};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("reviews.csv");
/// # std::fs::write(&path, "label,text\ngood,\"clean, quiet\"\nbad,太吵了\n").unwrap();
/// let reviews = LabelledTexts::open(&path, &TextColumns::default())?;
/// assert_eq!(reviews.texts(), ["clean, quiet", "太吵了"]);
/// assert_eq!((reviews.classes(), reviews.labels()), (&["bad".into(), "good".into()][..], &[1, 0][..]));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledTexts {
    texts: Vec<String>,
    labels: Vec<i64>,
    classes: Vec<String>,
    places: Vec<Place>,
}

/// Where a text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    /// From 1; 0 for a file that is one text.
    line: usize,
}

/// Texts as they are read, before the labels have numbers.
#[derive(Default)]
struct Rows {
    texts: Vec<String>,
    labels: Vec<RawLabel>,
    places: Vec<Place>,
}

impl Rows {
    fn push(&mut self, text: String, label: RawLabel, path: &Path, line: usize) -> Result<()> {
        if text.trim().is_empty() {
            return Err(DataError::text(path, line, TextProblem::Empty));
        }
        self.texts.push(text);
        self.labels.push(label);
        self.places.push(Place {
            path: path.into(),
            line,
        });
        Ok(())
    }
}

impl LabelledTexts {
    /// Reads the texts of a `.csv`, `.tsv` or `.jsonl` file, or of a folder with `<class>/*.txt`.
    ///
    /// CSV and TSV have the names of their columns in the first line; CSV puts texts with commas or line ends into quotes, TSV knows no quotes.
    /// JSONL has an object a line. Labels that are all whole numbers become classes in their order, names in the order of their bytes.
    ///
    /// # Errors
    /// [`DataError::Text`] with file and line for what is no UTF-8, an empty text, a line with another number of columns, a missing column or key, or
    /// labels of which some are numbers and some are not; [`DataError::Io`]; [`DataError::Folder`]; [`DataError::Argument`] for another kind of file.
    pub fn open(path: impl AsRef<Path>, columns: &TextColumns) -> Result<Self> {
        Self::finish(read(path.as_ref(), columns)?, None)
    }

    /// The same with given classes, such as those of the training data.
    ///
    /// # Errors
    /// As [`LabelledTexts::open`], and [`DataError::Text`] for a label that is none of the classes.
    pub fn open_with_classes(
        path: impl AsRef<Path>,
        columns: &TextColumns,
        classes: &[String],
    ) -> Result<Self> {
        Self::finish(read(path.as_ref(), columns)?, Some(classes))
    }

    fn finish(rows: Rows, classes: Option<&[String]>) -> Result<Self> {
        let at = |(position, problem): (usize, TextProblem)| {
            let place: &Place = &rows.places[position];
            DataError::text(&place.path, place.line, problem)
        };
        let classes = match classes {
            Some(classes) => classes.to_vec(),
            None => labels::classes_of(rows.labels.iter()).map_err(at)?,
        };
        let labels = labels::numbers_of(rows.labels.iter(), &classes).map_err(at)?;
        Ok(Self {
            labels,
            classes,
            texts: rows.texts,
            places: rows.places,
        })
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The texts.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The class of each text, `0..classes().len()`.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How messages call a text: its file, with the line where there are several texts in a file.
    pub fn name(&self, index: usize) -> String {
        match self.places.get(index) {
            Some(Place { path, line: 0 }) => path.display().to_string(),
            Some(Place { path, line }) => format!("{}:{line}", path.display()),
            None => format!("#{index}"),
        }
    }
}

fn read(path: &Path, columns: &TextColumns) -> Result<Rows> {
    if path.is_dir() {
        return class_folders(path);
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => table(path, columns, b','),
        "tsv" => table(path, columns, b'\t'),
        "jsonl" | "ndjson" => json_lines(path, columns),
        _ => Err(DataError::Argument {
            what: "labelled texts",
            argument: "file",
            expected: "a .csv, .tsv or .jsonl file, or a folder of <class>/*.txt",
            got: path.display().to_string(),
        }),
    }
}

fn table(path: &Path, columns: &TextColumns, delimiter: u8) -> Result<Rows> {
    let bytes = fs::read(path).map_err(|e| DataError::io("read", path, e))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut lines = LineCounter::new(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .from_reader(bytes);
    let header = reader.byte_headers();
    let header = header.map_err(|e| csv_error(path, e, &mut lines))?;
    let header = utf8_fields(header, path, 1)?;
    let column = |name: &str| {
        let found = header.iter().position(|field| field == name);
        found.ok_or_else(|| {
            let (name, found) = (name.to_owned(), header.clone());
            DataError::text(path, 1, TextProblem::NoColumn { name, found })
        })
    };
    let (text, label) = (column(&columns.text)?, column(&columns.label)?);
    let mut rows = Rows::default();
    for record in reader.byte_records() {
        let record = record.map_err(|e| csv_error(path, e, &mut lines))?;
        let line = lines.line_of(record.position());
        let mut fields = utf8_fields(&record, path, line)?;
        let label = fields[label].trim().to_owned();
        let text = std::mem::take(&mut fields[text]);
        rows.push(text, label, path, line)?;
    }
    Ok(rows)
}

/// Counts the lines of a file in passing. The positions that the csv crate gives lie before a line's last `\n` where lines end in `\r\n`.
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
        }
    }

    /// The line of a record that begins at this position or after line ends that follow it. Positions must ascend.
    fn line_of(&mut self, position: Option<&csv::Position>) -> usize {
        let start = position.map_or(0, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.at >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn utf8_fields(record: &csv::ByteRecord, path: &Path, line: usize) -> Result<Vec<String>> {
    let fields = record.iter().map(|field| {
        let text = std::str::from_utf8(field).map(str::to_owned);
        text.map_err(|_| DataError::text(path, line, TextProblem::NotUtf8))
    });
    fields.collect()
}

fn csv_error(path: &Path, error: csv::Error, lines: &mut LineCounter<'_>) -> DataError {
    let line = lines.line_of(error.position());
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => DataError::io("read", path, source),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let (expected, got) = (count(expected_len), count(len));
            DataError::text(path, line, TextProblem::Columns { expected, got })
        }
        _ => DataError::text(path, line, TextProblem::Format(message)),
    }
}

/// The JSON object on a line.
pub(crate) fn json_object(line: &str) -> Result<Map<String, Value>, TextProblem> {
    match serde_json::from_str(line).map_err(|e| TextProblem::Json(e.to_string()))? {
        Value::Object(object) => Ok(object),
        _ => Err(TextProblem::Json("it is another value".into())),
    }
}

/// A label that JSON gives as text or as a whole number.
pub(crate) fn json_label(value: &Value) -> Option<RawLabel> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        _ => None,
    }
}

fn json_lines(path: &Path, columns: &TextColumns) -> Result<Rows> {
    let mut rows = Rows::default();
    for (number, line) in (1..).zip(TextLines::open(path)?) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let fail = |problem| DataError::text(path, number, problem);
        let mut object = json_object(&line).map_err(fail)?;
        let key = |key: &str, expected| {
            let key = key.to_owned();
            fail(TextProblem::Key { key, expected })
        };
        let label = object.get(&columns.label).and_then(json_label);
        let label = label.ok_or_else(|| key(&columns.label, "text or a whole number"))?;
        let Some(Value::String(text)) = object.remove(&columns.text) else {
            return Err(key(&columns.text, "text"));
        };
        rows.push(text, label, path, number)?;
    }
    Ok(rows)
}

/// Entries of a folder in the order of their names, without hidden ones.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| DataError::io("list", dir, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    paths.retain(|path| !hidden(path));
    paths.sort();
    Ok(paths)
}

fn class_folders(dir: &Path) -> Result<Rows> {
    let mut rows = Rows::default();
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let Some(class) = folder.file_name().and_then(|name| name.to_str()) else {
            return Err(DataError::folder(&folder, FolderProblem::NameNotUtf8));
        };
        let mut texts = entries(&folder)?;
        texts.retain(|path| path.extension().is_some_and(|e| e == "txt"));
        if texts.is_empty() {
            return Err(DataError::folder(&folder, FolderProblem::ClassWithoutTexts));
        }
        for path in texts {
            let bytes = fs::read(&path).map_err(|e| DataError::io("read", &path, e))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| DataError::text(&path, 0, TextProblem::NotUtf8))?;
            rows.push(text, class.to_owned(), &path, 0)?;
        }
    }
    if rows.texts.is_empty() {
        return Err(DataError::folder(dir, FolderProblem::NoTexts));
    }
    Ok(rows)
}
