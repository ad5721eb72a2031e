//! Rules `file-doc`, `file-length`, `fn-length`, `macro-length`: each file says what it is, and nothing is too long to read.

use super::Finding;
use super::lexer::{body, closing, next_sign, words};
use super::tree::{RustFile, Tree};

const FILE_LINES: usize = 800;
const FN_LINES: usize = 100;
const MACRO_LINES: usize = 15;

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        file_doc(file, findings);
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            let what =
                format!("{lines} lines, at most {FILE_LINES}; split the file along its concepts");
            findings.push(Finding::new(
                &file.path,
                FILE_LINES + 1,
                "file-length",
                "",
                what,
            ));
        }
        functions(file, findings);
        macros(file, findings);
    }
}

fn file_doc(file: &RustFile, findings: &mut Vec<Finding>) {
    if !file.text.starts_with("//!") {
        let what = "start the file with `//!`: what is here, and what is not";
        findings.push(Finding::new(&file.path, 1, "file-doc", "", what));
    }
}

fn functions(file: &RustFile, findings: &mut Vec<Finding>) {
    for (at, word) in words(&file.code) {
        if word != "fn" {
            continue;
        }
        let name_at = next_sign(&file.code, at + 2);
        let Some((_, name)) = name_at.and_then(|(begin, _)| {
            words(&file.code[begin..])
                .next()
                .filter(|(ahead, _)| *ahead == 0)
        }) else {
            continue; // a function pointer's type
        };
        let Some(open) = body(&file.code, at) else {
            continue;
        };
        let Some(close) = closing(&file.code, open) else {
            continue;
        };
        let lines = file.line_of(close) - file.line_of(at) + 1;
        if lines > FN_LINES {
            let what = format!(
                "fn {name} has {lines} lines, at most {FN_LINES}; take out what has a name of its own"
            );
            findings.push(Finding::new(
                &file.path,
                file.line_of(at),
                "fn-length",
                name,
                what,
            ));
        }
    }
}

fn macros(file: &RustFile, findings: &mut Vec<Finding>) {
    for (at, word) in words(&file.code) {
        if word != "macro_rules" {
            continue;
        }
        let name = words(&file.code[at + word.len()..])
            .next()
            .map_or("", |(_, name)| name);
        let Some(open) = file.code[at..]
            .find(['{', '(', '['])
            .map(|ahead| at + ahead)
        else {
            continue;
        };
        let Some(close) = closing(&file.code, open) else {
            continue;
        };
        let lines = (file.line_of(close) - file.line_of(open)).saturating_sub(1);
        if lines > MACRO_LINES {
            let what = format!(
                "macro {name} has a body of {lines} lines, at most {MACRO_LINES}; put the work into a function that it calls"
            );
            findings.push(Finding::new(
                &file.path,
                file.line_of(at),
                "macro-length",
                name,
                what,
            ));
        }
    }
}
