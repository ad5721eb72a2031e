//! Rule `op-spec`: each file of an op registers it, and its folder lists the registration; the checks follow from that.

use super::Finding;
use super::lexer::words;
use super::tree::{RustFile, Tree};

const FOLDER: &str = "crates/gradus-autograd/src/ops/";

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        let Some((group, op)) = op_of(&file.path) else {
            continue;
        };
        if !names_in_a_row(file, ["fn", "spec"]) {
            let what = "no `fn spec`: an op is registered in its file (docs/adding-an-op.md)";
            findings.push(Finding::new(&file.path, 1, "op-spec", op, what.to_owned()));
        }
        let list = format!("{FOLDER}{group}/mod.rs");
        let listed = tree
            .rust
            .iter()
            .any(|other| other.path == list && names_in_a_row(other, [op, "spec"]));
        if !listed {
            let what = format!("`{op}::spec()` is not in the list of {list}");
            findings.push(Finding::new(&file.path, 1, "op-spec", op, what));
        }
    }
}

/// The folder and the name of an op's file.
fn op_of(path: &str) -> Option<(&str, &str)> {
    let (group, file) = path.strip_prefix(FOLDER)?.split_once('/')?;
    let op = file.strip_suffix(".rs")?;
    (group != "support" && op != "mod" && !op.contains('/')).then_some((group, op))
}

/// Whether two words follow each other in the file's code.
fn names_in_a_row(file: &RustFile, wanted: [&str; 2]) -> bool {
    let names: Vec<&str> = words(&file.code).map(|(_, word)| word).collect();
    names.windows(2).any(|pair| pair == wanted)
}
