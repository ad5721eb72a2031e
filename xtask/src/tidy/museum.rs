//! Rule `museum`: each bug of the collection in `docs/numerics.md` has a test that names its line, or waits there for its feature.

use std::collections::BTreeSet;

use super::Finding;
use super::lexer::words;
use super::tree::Tree;

const PAGE: &str = "docs/numerics.md";
/// The lines of the collection.
const LINES: u32 = 62;
/// Tests are called `museum_<line>_<what>`.
const PREFIX: &str = "museum_";
/// A waiting line is an item `- <line>: …` below this heading.
const HEADING: &str = "## Lines of the bug museum that wait";

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    let Some(page) = tree.files.iter().find(|file| file.path == PAGE) else {
        return;
    };
    let tested: BTreeSet<u32> = tree
        .rust
        .iter()
        .flat_map(|file| words(&file.code).filter_map(|(_, word)| line_of(word)))
        .collect();
    let waiting: BTreeSet<u32> = page
        .text
        .lines()
        .skip_while(|line| *line != HEADING)
        .filter_map(|line| line.strip_prefix("- ")?.split_once(':')?.0.parse().ok())
        .collect();
    for line in 1..=LINES {
        let what = match (tested.contains(&line), waiting.contains(&line)) {
            (false, false) => "has no test `museum_<line>_…` and does not wait",
            (true, true) => "has a test, so it does not wait any more",
            _ => continue,
        };
        let item = line.to_string();
        findings.push(Finding::new(
            PAGE,
            1,
            "museum",
            &item,
            format!("line {line} of the bug museum {what}"),
        ));
    }
}

/// The line that a test's name begins with.
fn line_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('_').next()?.parse().ok()
}
