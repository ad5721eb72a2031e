//! Rule `machine-path`: no file names a place of one machine.

use super::Finding;
use super::tree::Tree;

/// First parts of absolute paths that exist on somebody's machine only.
const PLACES: [&str; 4] = ["tmp", "work", "root", "home"];

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(place) = PLACES.iter().find(|place| names(line, place)) {
                let what = format!(
                    "an absolute path (/{place}/…) of one machine; use a relative path or a temporary folder"
                );
                findings.push(Finding::new(
                    &file.path,
                    number + 1,
                    "machine-path",
                    "",
                    what,
                ));
            }
        }
    }
}

/// Whether the line holds `/place/` as the start of a path: what stands before is no part of a longer path or address.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(&format!("/{place}/")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|sign| sign.is_alphanumeric() || "._-/~})>*".contains(sign))
    })
}
