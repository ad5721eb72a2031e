//! `cargo xtask tidy`: the house rules that a program can check. It is also a test, so that `cargo test` is the whole truth.
//!
//! A finding reads `path:line: rule: what to do`. An exception is an entry in `xtask/tidy_allow.toml` with a reason; an entry that
//! nothing needs any more is a finding too.

mod allow;
mod code;
mod docs;
mod lexer;
mod museum;
mod ops;
mod paths;
mod size;
mod tree;
mod unsafety;

#[cfg(test)]
mod tests;

use crate::project::Project;
use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;
use tree::Tree;

/// One place that breaks one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    /// The function, constant or test that an exception can name; empty for the whole file.
    item: String,
    what: String,
}

impl Finding {
    fn new(
        path: &str,
        line: usize,
        rule: &'static str,
        item: &str,
        what: impl Into<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            item: item.to_owned(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.what
        )
    }
}

pub(crate) fn run(project: &Project) -> Result<()> {
    let (files, findings) = check(&project.root)?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "tidy: {} findings; exceptions with a reason go to {}",
            findings.len(),
            allow::FILE
        );
    }
    println!("tidy: {files} files keep the house rules");
    Ok(())
}

/// Applies every rule; returns the number of files read, and what breaks a rule, sorted by path and line.
pub(crate) fn check(root: &Path) -> Result<(usize, Vec<Finding>)> {
    let tree = Tree::read(root)?;
    let mut findings = Vec::new();
    let rules = [
        size::check,
        unsafety::check,
        ops::check,
        code::check,
        paths::check,
        docs::check,
        museum::check,
    ];
    for rule in rules {
        rule(&tree, &mut findings);
    }
    let mut findings = allow::apply(root, findings)?;
    findings.sort();
    Ok((tree.files.len(), findings))
}
