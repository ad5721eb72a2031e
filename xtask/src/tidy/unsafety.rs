//! Rules `unsafe-place`, `unsafe-proof`, `forbid-unsafe`: unsafe code lives in two rooms, and each piece carries its proof.

use super::Finding;
use super::lexer::{next_sign, words};
use super::tree::{RustFile, Tree};

/// Crates whose code may be unsafe, somewhere.
const UNSAFE_CRATES: [&str; 2] = ["crates/gradus-tensor/", "crates/gradus-linalg/"];
/// Where in them.
const UNSAFE_PLACES: [&str; 2] = ["crates/gradus-tensor/src/storage", "crates/gradus-linalg/"];

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        for (at, _) in words(&file.code).filter(|(_, word)| *word == "unsafe") {
            check_one(file, at, findings);
        }
        if is_crate_root(&file.path) && !file.code.contains("#![forbid(unsafe_code)]") {
            let what = "add `#![forbid(unsafe_code)]` under the file's doc";
            findings.push(Finding::new(&file.path, 1, "forbid-unsafe", "", what));
        }
    }
}

/// `lib.rs` or `main.rs` of a crate that has no reason to be unsafe.
fn is_crate_root(path: &str) -> bool {
    let in_src =
        path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path == "benches/lib.rs";
    in_src && !UNSAFE_CRATES.iter().any(|place| path.starts_with(place))
}

fn check_one(file: &RustFile, at: usize, findings: &mut Vec<Finding>) {
    let line = file.line_of(at);
    let behind = at + "unsafe".len();
    let Some((next_at, next)) = next_sign(&file.code, behind) else {
        return;
    };
    if next == b')' || next == b'(' && file.code[..at].trim_end().ends_with("#[") {
        return; // an attribute such as `#[unsafe(no_mangle)]` is linted by rustc
    }
    let mut ahead = words(&file.code[next_at..]).map(|(_, word)| word);
    let first = if next == b'{' {
        ""
    } else {
        ahead.next().unwrap_or("")
    };
    let second = ahead.next().unwrap_or("");
    let is_fn = first == "fn" || first == "extern" && (second == "fn" || second == "C");
    if is_fn && is_fn_pointer(file, next_at) {
        return;
    }
    if !UNSAFE_PLACES
        .iter()
        .any(|place| file.path.starts_with(place))
    {
        let what = "unsafe code belongs in gradus-tensor/src/storage* or gradus-linalg; use or add a safe function there";
        findings.push(Finding::new(&file.path, line, "unsafe-place", "", what));
    }
    if is_fn || first == "trait" {
        if !file.notes_above(line).contains("# Safety") && !in_trait_impl(file, at) {
            let what = "document the callers' duties under `# Safety` directly above";
            findings.push(Finding::new(&file.path, line, "unsafe-proof", second, what));
        }
    } else if !has_proof(file, line) {
        let what = "prove it in a `// SAFETY:` comment directly above";
        findings.push(Finding::new(&file.path, line, "unsafe-proof", "", what));
    }
}

/// `unsafe fn(…)` is a type; nothing happens there.
fn is_fn_pointer(file: &RustFile, at: usize) -> bool {
    let Some(found) = file.code[at..].find("fn") else {
        return false;
    };
    next_sign(&file.code, at + found + 2).is_some_and(|(_, sign)| sign == b'(')
}

/// A `// SAFETY:` above the line, or above the statement that the line continues.
fn has_proof(file: &RustFile, line: usize) -> bool {
    let code: Vec<&str> = file.code.lines().collect();
    let mut top = line;
    loop {
        if file.notes_above(top).contains("SAFETY:") {
            return true;
        }
        let above = code.get(top.wrapping_sub(2)).map_or("", |line| line.trim());
        let begins = above.is_empty() || above.ends_with([';', '{', '}', ',']);
        if begins || line - top >= 4 {
            return false;
        }
        top -= 1;
    }
}

/// A method of `impl Trait for Type` repeats the trait's `unsafe fn`, whose duties the trait states.
fn in_trait_impl(file: &RustFile, at: usize) -> bool {
    let mut depth = 0_i32;
    for (offset, byte) in file.code[..at].bytes().enumerate().rev() {
        match byte {
            b'}' => depth += 1,
            b'{' if depth == 0 => {
                let from = file.code[..offset]
                    .rfind([';', '}', '{'])
                    .map_or(0, |end| end + 1);
                let header = &file.code[from..offset];
                let mut words = words(header).map(|(_, word)| word);
                return words.any(|word| word == "impl") && words.any(|word| word == "for");
            }
            b'{' => depth -= 1,
            _ => {}
        }
    }
    false
}
