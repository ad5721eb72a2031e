//! A parser as the tests see it: a folder with one file to spoil, and a way to open it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::guard::{Cost, watch};

/// A file by its path in a folder, and its bytes.
pub(crate) type NamedBytes = (String, Vec<u8>);

/// Turns what is mutated into the bytes of a file.
type Pack = fn(&[u8]) -> Vec<u8>;

/// One parser of the libraries.
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    /// The file that is spoilt, by its path in the folder.
    pub(crate) file: &'static str,
    /// Opens the folder and reads all that the file says.
    pub(crate) open: fn(&Path) -> Result<(), String>,
    /// Sound files, besides those in `corpus/<name>`.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Files that stand beside it.
    pub(crate) beside: fn() -> Vec<NamedBytes>,
    /// What the file is around the bytes that are spoilt, such as an archive or checksums.
    pub(crate) pack: Option<Pack>,
    /// Words of the format.
    pub(crate) words: &'static [&'static str],
}

/// What a parser starts from: no file beside, no wrapping, no words.
pub(crate) const PLAIN: Parser = Parser {
    name: "",
    file: "",
    open: |_| Ok(()),
    seeds: Vec::new,
    beside: Vec::new,
    pack: None,
    words: &[],
};

impl Parser {
    /// Lays the files beside.
    pub(crate) fn lay(&self, dir: &Path) {
        for (name, bytes) in (self.beside)() {
            put(&dir.join(name), &bytes);
        }
    }

    /// Puts these bytes in the file's place and opens the folder. Also gives the file's length.
    pub(crate) fn run(&self, dir: &Path, bytes: &[u8]) -> (Cost, usize) {
        let path = dir.join(self.file);
        let packed = self.pack.map(|pack| pack(bytes));
        let file = packed.as_deref().unwrap_or(bytes);
        put(&path, file);
        let len = file.len();
        drop(packed);
        (watch(&|| (self.open)(dir)), len)
    }

    /// All sound files: those of the corpus, and those that are made.
    pub(crate) fn sound(&self) -> Vec<Vec<u8>> {
        let folder = corpus().join(self.name);
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        paths.sort();
        let mut all: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        all.extend((self.seeds)());
        all
    }
}

/// The folder with a small corpus a parser.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus")
}

/// A golden file of another crate.
pub(crate) fn golden(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn put(path: &Path, bytes: &[u8]) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(path, bytes).unwrap();
}
