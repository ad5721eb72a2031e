//! `cargo xtask layers`: the edges between our crates against the one table in `docs/layers.toml`, the size of the spine, and no C.
//!
//! The checks are pure functions of parsed metadata, so that tests can plant an edge.

use crate::project::{Project, run_for_stdout};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

mod read;
#[cfg(test)]
mod tests;

use read::{Edge, Graph, Kind, Package, Table, packages, read};

/// Where the table is.
const TABLE: &str = "docs/layers.toml";

pub(crate) fn run(project: &Project) -> Result<()> {
    let (table, graph) = read(project)?;
    let mut findings = check(&table, &graph);
    let spine = spine_size(project, &table.spine)?;
    if spine > table.max_crates {
        findings.push(format!(
            "{} needs {spine} crates, at most {} (cargo tree -e normal)",
            table.spine, table.max_crates
        ));
    }
    findings.extend(check_no_c(&table, &packages(project)?));
    for finding in &findings {
        println!("{TABLE}: {finding}");
    }
    if !findings.is_empty() {
        bail!("layers: {} findings", findings.len());
    }
    let edges: usize = graph.values().map(|edges| not_dev(edges).count()).sum();
    println!(
        "layers: {} crates and {edges} edges keep the table; {} needs {spine} crates (at most {}), no C build",
        graph.len(),
        table.spine,
        table.max_crates
    );
    Ok(())
}

/// What breaks the table: unknown rows, crates without a row, forbidden edges, cycles.
fn check(table: &Table, graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, row) in &table.layers {
        for known in std::iter::once(name).chain(row) {
            if !graph.contains_key(known) {
                findings.push(format!(
                    "the row of {name} names {known}, which is no crate of the workspace; delete it"
                ));
            }
        }
    }
    for (name, edges) in graph {
        let Some(row) = table.layers.get(name) else {
            findings.push(format!(
                "{name} has no row; add one that says what it may depend on"
            ));
            continue;
        };
        for edge in edges.iter().filter(|edge| edge.kind != Kind::Dev) {
            if table.dev_only.contains(&edge.to) {
                findings.push(format!(
                    "{name} -> {}: it may be a dev-dependency only",
                    edge.to
                ));
            } else if !row.contains(&edge.to) {
                findings.push(format!(
                    "{name} -> {}: this edge is not in the table; remove the dependency",
                    edge.to
                ));
            }
        }
    }
    let rows = table
        .layers
        .iter()
        .map(|(name, row)| (name.as_str(), row.iter().map(String::as_str).collect()));
    let edges = graph
        .iter()
        .map(|(name, edges)| (name.as_str(), not_dev(edges).collect()));
    let graphs = [
        ("the table", rows.collect()),
        ("the workspace", edges.collect()),
    ];
    for (what, graph) in graphs {
        if let Some(cycle) = cycle(&graph) {
            findings.push(format!("{what} has a cycle: {}", cycle.join(" -> ")));
        }
    }
    findings
}

/// Where the edges lead that a user of the crate compiles.
fn not_dev(edges: &[Edge]) -> impl Iterator<Item = &str> {
    edges
        .iter()
        .filter(|edge| edge.kind != Kind::Dev)
        .map(|edge| edge.to.as_str())
}

/// One cycle of a graph, its first crate repeated at the end.
fn cycle(graph: &BTreeMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    // Take away crates whose dependencies are all gone; what stays depends on a cycle.
    let mut left: BTreeSet<&str> = graph.keys().copied().collect();
    let open = |name: &str, left: &BTreeSet<&str>| {
        graph[name].iter().copied().find(|to| left.contains(to))
    };
    while let Some(free) = left
        .iter()
        .copied()
        .find(|name| open(name, &left).is_none())
    {
        left.remove(free);
    }
    let mut path = vec![*left.first()?];
    loop {
        let next = open(path.last()?, &left)?;
        if let Some(from) = path.iter().position(|name| *name == next) {
            path.push(next);
            return Some(path[from..].iter().map(|name| (*name).to_owned()).collect());
        }
        path.push(next);
    }
}

/// How many distinct crates `cargo tree` lists, the crate itself among them.
fn spine_size(project: &Project, spine: &str) -> Result<usize> {
    let flags = [
        "tree", "--locked", "-p", spine, "-e", "normal", "--prefix", "none", "--format", "{p}",
    ];
    let stdout = run_for_stdout(project.cargo().args(flags))?;
    Ok(count_crates(&stdout))
}

/// Distinct lines, without the marks that `cargo tree` appends (`(*)`, `(proc-macro)`).
fn count_crates(tree: &str) -> usize {
    let names = tree
        .lines()
        .map(|line| line.split(" (").next().unwrap_or(line).trim());
    names
        .filter(|line| !line.is_empty())
        .collect::<BTreeSet<_>>()
        .len()
}

/// Tools of a C build, and `links` keys, below the roots; with the path that leads there.
fn check_no_c(table: &Table, packages: &BTreeMap<String, Package>) -> Vec<String> {
    let mut findings = Vec::new();
    for root in &table.no_c_roots {
        let Some((id, _)) = packages.iter().find(|(_, package)| package.name == *root) else {
            findings.push(format!(
                "[no_c] names {root}, which is no crate of the workspace"
            ));
            continue;
        };
        let mut seen = BTreeSet::from([id.as_str()]);
        let mut paths = vec![vec![id.as_str()]];
        while let Some(path) = paths.pop() {
            let Some(package) = path.last().and_then(|id| packages.get(*id)) else {
                continue;
            };
            let names = || {
                path.iter()
                    .filter_map(|id| packages.get(*id))
                    .map(|package| package.name.as_str())
                    .collect::<Vec<_>>()
                    .join(" -> ")
            };
            if table.no_c_forbidden.contains(&package.name) {
                findings.push(format!("{}: builds C", names()));
            }
            if package.links.is_some() && !table.links_allowed.contains(&package.name) {
                findings.push(format!(
                    "{}: links {:?}",
                    names(),
                    package.links.as_deref().unwrap_or("")
                ));
            }
            for next in &package.needs {
                if seen.insert(next) {
                    paths.push([path.as_slice(), &[next.as_str()]].concat());
                }
            }
        }
    }
    findings
}
