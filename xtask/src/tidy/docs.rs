//! Rules `doc-fence`, `code-map`, `link`: examples run, the map names what exists, links lead somewhere.

use super::Finding;
use super::tree::{Source, Tree};
use std::collections::BTreeSet;
use std::path::Path;

/// The page with the code map.
const MAP: &str = "docs/architecture.md";

pub(crate) fn check(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        rust_fences(&file.path, &file.comments, findings);
    }
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        page(tree.root, file, findings);
    }
    code_map(tree, findings);
}

/// Code fences in doc comments.
fn rust_fences(path: &str, comments: &str, findings: &mut Vec<Finding>) {
    for (number, line) in comments.lines().enumerate() {
        let line = line.trim();
        let doc = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))
            .or_else(|| line.strip_prefix('*'))
            .unwrap_or("");
        if let Some(info) = doc.trim().strip_prefix("```") {
            fence(path, number + 1, info, findings);
        }
    }
}

fn fence(path: &str, line: usize, info: &str, findings: &mut Vec<Finding>) {
    let words = info.split([',', ' ']).map(str::trim);
    if let Some(word) = words
        .into_iter()
        .find(|word| *word == "no_run" || *word == "ignore" || word.starts_with("ignore-"))
    {
        let what = format!("a code fence with `{word}`; make the example run, or mark it `text`");
        findings.push(Finding::new(path, line, "doc-fence", "", what));
    }
}

/// Fences and links of one Markdown file.
fn page(root: &Path, file: &Source, findings: &mut Vec<Finding>) {
    let mut in_fence = false;
    for (number, line) in file.text.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            if !in_fence {
                fence(&file.path, number + 1, info, findings);
            }
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            continue;
        }
        for target in targets(line) {
            if !leads_somewhere(root, &file.path, &target) {
                let what = format!("the link {target:?} leads nowhere; correct it");
                findings.push(Finding::new(&file.path, number + 1, "link", &target, what));
            }
        }
    }
}

/// Targets of `[text](target)`, `![image](target)` and `[name]: target` in a line, without code spans.
fn targets(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut targets = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        if let Some(end) = rest.find(')') {
            targets.push(rest[..end].to_owned());
        }
    }
    let defined = prose
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"));
    if let Some((_, target)) = defined.filter(|(name, _)| !name.contains(']')) {
        targets.push(target.trim().to_owned());
    }
    // A title may follow the target: `[a](b "title")`.
    targets
        .iter()
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_matches(['<', '>']).to_owned())
        .collect()
}

fn leads_somewhere(root: &Path, page: &str, target: &str) -> bool {
    let file = target.split('#').next().unwrap_or("");
    if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
        return true;
    }
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    !file.starts_with('/') && root.join(folder).join(file).exists()
}

/// The code map names every crate, and no crate or file that is gone.
fn code_map(tree: &Tree<'_>, findings: &mut Vec<Finding>) {
    let Some(map) = tree.files.iter().find(|file| file.path == MAP) else {
        findings.push(Finding::new(
            MAP,
            1,
            "code-map",
            "",
            "write the page: the code map names every crate",
        ));
        return;
    };
    let crates: BTreeSet<&str> = tree.crates().into_iter().collect();
    let mut named = BTreeSet::new();
    for (number, line) in map.text.lines().enumerate() {
        for word in
            line.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-' || sign == '_'))
        {
            let word = word.trim_end_matches('-');
            if crates.contains(word) {
                named.insert(word);
            } else if word.starts_with("gradus-") && word != "gradus-rs" && word != "gradus-benches"
            {
                let what = format!("the map names {word}, which is not in crates/; correct it");
                findings.push(Finding::new(MAP, number + 1, "code-map", word, what));
            }
        }
        for path in gone(tree.root, line) {
            let what = format!("the map names {path}, which does not exist; correct it");
            findings.push(Finding::new(MAP, number + 1, "code-map", &path, what));
        }
    }
    for name in crates.difference(&named) {
        let what = format!(
            "the map does not name crates/{name}; say what it holds and what it must not know"
        );
        findings.push(Finding::new(MAP, 1, "code-map", name, what));
    }
}

/// Paths in code spans that start in a folder of the tree and do not exist; patterns (`*`, `<op>`, `{a,b}`) are not paths.
fn gone(root: &Path, line: &str) -> Vec<String> {
    let spans = line.split('`').skip(1).step_by(2);
    let folders = ["crates/", "docs/", "xtask/", "benches/", ".ci/"];
    spans
        .filter(|span| folders.iter().any(|folder| span.starts_with(folder)))
        .filter(|span| !span.contains(['*', '<', '{', '…', ' ', ':']))
        .filter(|span| !root.join(span).exists())
        .map(str::to_owned)
        .collect()
}
