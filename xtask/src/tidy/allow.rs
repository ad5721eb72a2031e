//! Exceptions: `xtask/tidy_allow.toml`, a list of `[[allow]]` with `rule`, `path`, `reason` and, where a rule is about one item, `item`.

use super::Finding;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use toml::{Table, Value};

/// Where the exceptions are written.
pub(crate) const FILE: &str = "xtask/tidy_allow.toml";

struct Entry {
    rule: String,
    path: String,
    item: Option<String>,
    used: bool,
}

/// Takes out what an entry allows, and adds a finding for each entry that allowed nothing.
pub(crate) fn apply(root: &Path, findings: Vec<Finding>) -> Result<Vec<Finding>> {
    let mut entries = read(root)?;
    let mut kept = Vec::new();
    for finding in findings {
        let mut allowed = false;
        for entry in &mut entries {
            let same_item = entry.item.as_ref().is_none_or(|item| *item == finding.item);
            if entry.rule == finding.rule && entry.path == finding.path && same_item {
                entry.used = true;
                allowed = true;
            }
        }
        if !allowed {
            kept.push(finding);
        }
    }
    for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.used) {
        let item = entry
            .item
            .as_ref()
            .map_or(String::new(), |item| format!(" ({item})"));
        let what = format!(
            "nothing needs entry {} any more: {} in {}{item}; delete it",
            number + 1,
            entry.rule,
            entry.path
        );
        kept.push(Finding::new(FILE, 1, "unused-exception", "", what));
    }
    Ok(kept)
}

fn read(root: &Path) -> Result<Vec<Entry>> {
    let file = root.join(FILE);
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?;
    let table: Table = text
        .parse()
        .with_context(|| format!("{FILE} is not TOML"))?;
    let mut entries = Vec::new();
    for (key, value) in &table {
        ensure!(
            key == "allow",
            "{FILE}: unknown key {key:?}, expected [[allow]]"
        );
        for entry in value.as_array().context("allow is not a list of tables")? {
            entries.push(
                parse(entry).with_context(|| format!("{FILE}: entry {}", entries.len() + 1))?,
            );
        }
    }
    Ok(entries)
}

fn parse(entry: &Value) -> Result<Entry> {
    let table = entry.as_table().context("is not a table")?;
    if let Some(key) = table
        .keys()
        .find(|key| !["rule", "path", "item", "reason"].contains(&key.as_str()))
    {
        bail!("unknown key {key:?}, expected rule, path, item or reason");
    }
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let reason = text("reason").context("`reason` is missing")?;
    ensure!(
        reason.split_whitespace().count() >= 3,
        "`reason` is {reason:?}: say in a sentence why"
    );
    Ok(Entry {
        rule: text("rule").context("`rule` is missing")?.to_owned(),
        path: text("path").context("`path` is missing")?.to_owned(),
        item: text("item").map(str::to_owned),
        used: false,
    })
}
