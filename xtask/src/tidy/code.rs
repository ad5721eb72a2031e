//! Rules about single words of code: `ignored-test`, `unfinished`, `print`, `measured`, `file-cast`.

use super::Finding;
use super::lexer::{next_sign, words};
use super::tree::{RustFile, Tree};

/// Where programs talk to people: the command, the tasks, benches and examples. Build scripts talk to cargo.
const MAY_PRINT: [&str; 3] = ["crates/gradus-cli/", "xtask/", "benches/"];
/// Code that turns bytes of files into numbers.
const FILE_READERS: [&str; 2] = [
    "crates/gradus-checkpoint/src/",
    "crates/gradus-data/src/formats",
];

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        let mut before = "";
        let mut before_at = 0;
        for (at, word) in words(&file.code) {
            check_macro(file, at, word, findings);
            if word == "ignore" && file.code[..at].trim_end().ends_with("#[") {
                let what = "no test is ignored; make it fast, or take it out and say why in docs/refused.md";
                findings.push(Finding::new(
                    &file.path,
                    file.line_of(at),
                    "ignored-test",
                    "",
                    what,
                ));
            }
            if before == "const" || before == "static" {
                check_measured(file, before_at, word, findings);
            }
            if before == "as" {
                check_cast(file, at, word, findings);
            }
            (before, before_at) = (word, at);
        }
    }
}

fn check_macro(file: &RustFile, at: usize, word: &str, findings: &mut Vec<Finding>) {
    if next_sign(&file.code, at + word.len()).is_none_or(|(_, sign)| sign != b'!') {
        return;
    }
    let line = file.line_of(at);
    match word {
        "todo" | "unimplemented" | "dbg" => {
            let what = format!("`{word}!` does not stay in the tree; finish it");
            findings.push(Finding::new(&file.path, line, "unfinished", "", what));
        }
        "print" | "println" | "eprint" | "eprintln" if !may_print(&file.path) => {
            let what = format!("`{word}!` in a library; return the value, or use `tracing`");
            findings.push(Finding::new(&file.path, line, "print", "", what));
        }
        _ => {}
    }
}

fn may_print(path: &str) -> bool {
    MAY_PRINT.iter().any(|place| path.starts_with(place))
        || path.contains("/examples/")
        || path.ends_with("/build.rs")
}

/// A tuning constant of the kernels says between which measured points it lies.
fn check_measured(file: &RustFile, at: usize, name: &str, findings: &mut Vec<Finding>) {
    // `f32::MIN_POSITIVE` and its kin are limits of a type, not choices.
    let limit = matches!(name, "MIN_POSITIVE" | "MIN_EXP" | "MIN_10_EXP");
    let tuning = !limit
        && (name.starts_with("MIN_") || name.contains("_MIN_") || name.contains("THRESHOLD"));
    if !tuning || !file.path.starts_with("crates/gradus-linalg/") {
        return;
    }
    let line = file.line_of(at);
    if !file.notes_above(line).to_lowercase().contains("measured") {
        let what = format!(
            "say in the doc of {name} what was measured, and between which two points it lies"
        );
        findings.push(Finding::new(&file.path, line, "measured", name, what));
    }
}

fn check_cast(file: &RustFile, at: usize, word: &str, findings: &mut Vec<Finding>) {
    let reads_files = FILE_READERS
        .iter()
        .any(|place| file.path.starts_with(place));
    if reads_files && (word == "usize" || word == "i64") && !file.in_tests(at) {
        let what = format!(
            "`as {word}` on what may come from a file; use `{word}::try_from` and return an error"
        );
        findings.push(Finding::new(
            &file.path,
            file.line_of(at),
            "file-cast",
            "",
            what,
        ));
    }
}
