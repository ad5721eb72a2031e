//! Rule `op-tests`: each file of an op holds the four tests that every op has.

use super::Finding;
use super::lexer::words;
use super::tree::{RustFile, Tree};

const FOLDER: &str = "crates/gradus-autograd/src/ops/";
const TESTS: [&str; 3] = [
    "forward_matches_reference",
    "gradient_matches_finite_difference",
    "accepts_strided_views",
];

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in tree.rust.iter().filter(|file| is_op(&file.path)) {
        for test in TESTS {
            if !has_test(file, |name| name == test) {
                missing(file, test, test, findings);
            }
        }
        if !has_test(file, |name| name.starts_with("rejects_")) {
            missing(file, "rejects_", "rejects_<case>", findings);
        }
    }
}

fn is_op(path: &str) -> bool {
    path.strip_prefix(FOLDER)
        .is_some_and(|name| !name.contains('/') && name.ends_with(".rs") && name != "mod.rs")
}

/// A function with such a name somewhere in the file's code.
fn has_test(file: &RustFile, wanted: impl Fn(&str) -> bool) -> bool {
    let names: Vec<&str> = words(&file.code).map(|(_, word)| word).collect();
    names
        .windows(2)
        .any(|pair| pair[0] == "fn" && wanted(pair[1]))
}

fn missing(file: &RustFile, item: &str, test: &str, findings: &mut Vec<Finding>) {
    let what = format!("no test `{test}`; every op has the four of docs/adding-an-op.md");
    findings.push(Finding::new(&file.path, 1, "op-tests", item, what));
}
