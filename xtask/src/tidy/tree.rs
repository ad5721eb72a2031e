//! The files that tidy looks at: what git tracks, or would track, and how they are cut into lines and code.

use super::lexer;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// A text file of the tree.
pub(crate) struct Source {
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A Rust file with its code and comments apart.
pub(crate) struct RustFile {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) comments: String,
    /// The offset of each line's first byte.
    starts: Vec<usize>,
}

/// All text files under a root, sorted by path.
pub(crate) struct Tree<'a> {
    pub(crate) root: &'a Path,
    pub(crate) files: Vec<Source>,
    pub(crate) rust: Vec<RustFile>,
}

impl<'a> Tree<'a> {
    /// Reads every text file; files that are not UTF-8 (images, weights) are left out.
    pub(crate) fn read(root: &'a Path) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths(root)? {
            let full = root.join(&path);
            if !full.is_file() {
                continue; // deleted but not committed yet, or a link to a folder
            }
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(Source { path, text });
            }
        }
        let rust = files
            .iter()
            .filter(|file| file.path.ends_with(".rs"))
            .map(RustFile::new)
            .collect();
        Ok(Self { root, files, rust })
    }

    /// Names of the folders in `crates/` that hold a manifest, sorted.
    pub(crate) fn crates(&self) -> Vec<&str> {
        self.files
            .iter()
            .filter_map(|file| {
                file.path
                    .strip_prefix("crates/")?
                    .strip_suffix("/Cargo.toml")
            })
            .filter(|name| !name.contains('/'))
            .collect()
    }
}

impl RustFile {
    fn new(source: &Source) -> Self {
        let masked = lexer::mask(&source.text);
        let ends = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: source.path.clone(),
            text: source.text.clone(),
            code: masked.code,
            comments: masked.comments,
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// The number, from 1, of the line that holds the byte at `offset`.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }

    /// The comment lines, doc comments and attributes directly above line `line` (from 1), joined; the nearest comes last.
    pub(crate) fn notes_above(&self, line: usize) -> String {
        let code: Vec<&str> = self.code.lines().collect();
        let comments: Vec<&str> = self.comments.lines().collect();
        let mut notes = Vec::new();
        for index in (0..line - 1).rev() {
            let code = code.get(index).map_or("", |line| line.trim());
            let comment = comments.get(index).map_or("", |line| line.trim());
            let attribute = code.starts_with("#[") || code == ")]" || code == "]";
            if !attribute && (comment.is_empty() || !code.is_empty()) {
                break;
            }
            notes.push(comment);
        }
        notes.reverse();
        notes.join("\n")
    }

    /// Whether the byte at `offset` belongs to an item under `#[cfg(test)]`.
    pub(crate) fn in_tests(&self, offset: usize) -> bool {
        self.code.match_indices("#[cfg(test)]").any(|(at, marker)| {
            let Some(open) = lexer::body(&self.code, at + marker.len()) else {
                return false;
            };
            let close = lexer::closing(&self.code, open).unwrap_or(self.code.len());
            (at..close).contains(&offset)
        })
    }
}

/// Paths under `root` that git tracks or would track; without git, every file outside `target` and hidden version folders.
fn paths(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    if root.join(".git").exists() {
        let list = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let output = Command::new("git")
            .current_dir(root)
            .args(list)
            .output()
            .context("cannot start git")?;
        if output.status.success() {
            let names = output
                .stdout
                .split(|&byte| byte == 0)
                .filter(|name| !name.is_empty());
            paths.extend(names.map(|name| String::from_utf8_lossy(name).into_owned()));
        }
    }
    if paths.is_empty() {
        walk(root, "", &mut paths)?;
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if matches!(name.as_str(), "target" | ".git" | "runs") {
            continue;
        }
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if entry.file_type()?.is_dir() {
            walk(root, &path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
