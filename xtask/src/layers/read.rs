//! What the checks look at, read from `docs/layers.toml` and from `cargo metadata`.

use super::TABLE;
use crate::project::{Project, run_for_stdout};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The table as it is written.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) layers: BTreeMap<String, BTreeSet<String>>,
    pub(super) dev_only: BTreeSet<String>,
    pub(super) spine: String,
    pub(super) max_crates: usize,
    pub(super) no_c_roots: Vec<String>,
    pub(super) no_c_forbidden: BTreeSet<String>,
    pub(super) links_allowed: BTreeSet<String>,
}

/// Crate of the workspace -> its dependencies on crates of the workspace.
pub(super) type Graph = BTreeMap<String, Vec<Edge>>;

pub(super) struct Edge {
    pub(super) to: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A crate of the whole build, with what it needs to build and run.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) links: Option<String>,
    pub(super) needs: Vec<String>,
}

pub(super) fn read(project: &Project) -> Result<(Table, Graph)> {
    let text = std::fs::read_to_string(project.root.join(TABLE))
        .with_context(|| format!("cannot read {TABLE}"))?;
    let table = parse_table(&text).with_context(|| TABLE.to_owned())?;
    let metadata = metadata(project, &["--no-deps"])?;
    Ok((table, parse_graph(&metadata)?))
}

pub(super) fn metadata(project: &Project, flags: &[&str]) -> Result<Value> {
    let stdout = run_for_stdout(
        project
            .cargo()
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(flags),
    )?;
    serde_json::from_str(&stdout).context("cargo metadata wrote no JSON")
}

pub(super) fn parse_table(text: &str) -> Result<Table> {
    let table: toml::Table = text.parse()?;
    let list = |section: &str, key: &str| -> Result<Vec<String>> {
        strings(
            table
                .get(section)
                .and_then(|section| section.get(key))
                .with_context(|| format!("[{section}] {key} is missing"))?,
        )
        .with_context(|| format!("[{section}] {key}"))
    };
    let mut layers = BTreeMap::new();
    for (name, row) in table
        .get("layers")
        .and_then(toml::Value::as_table)
        .context("[layers] is missing")?
    {
        layers.insert(
            name.clone(),
            strings(row)
                .with_context(|| format!("[layers] {name}"))?
                .into_iter()
                .collect(),
        );
    }
    let spine = table.get("spine").context("[spine] is missing")?;
    let max_crates = spine
        .get("max_crates")
        .and_then(toml::Value::as_integer)
        .context("[spine] max_crates is missing")?;
    Ok(Table {
        layers,
        dev_only: list("dev_only", "crates")?.into_iter().collect(),
        spine: spine
            .get("crate")
            .and_then(toml::Value::as_str)
            .context("[spine] crate is missing")?
            .to_owned(),
        max_crates: usize::try_from(max_crates).context("[spine] max_crates")?,
        no_c_roots: list("no_c", "roots")?,
        no_c_forbidden: list("no_c", "forbidden")?.into_iter().collect(),
        links_allowed: list("no_c", "links_allowed")?.into_iter().collect(),
    })
}

pub(super) fn strings(value: &toml::Value) -> Result<Vec<String>> {
    let list = value.as_array().context("is not a list")?;
    list.iter()
        .map(|name| {
            name.as_str()
                .map(str::to_owned)
                .context("holds something else than names")
        })
        .collect()
}

pub(super) fn parse_graph(metadata: &Value) -> Result<Graph> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    let names: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut graph = Graph::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let mut edges = Vec::new();
        for dependency in package["dependencies"]
            .as_array()
            .context("a package has no list of dependencies")?
        {
            let to = dependency["name"]
                .as_str()
                .context("a dependency has no name")?;
            if names.contains(to) {
                edges.push(Edge {
                    to: to.to_owned(),
                    kind: parse_kind(&dependency["kind"])?,
                });
            }
        }
        graph.insert(name.to_owned(), edges);
    }
    Ok(graph)
}

pub(super) fn parse_kind(kind: &Value) -> Result<Kind> {
    match kind.as_str() {
        None => Ok(Kind::Normal),
        Some("build") => Ok(Kind::Build),
        Some("dev") => Ok(Kind::Dev),
        Some(other) => bail!("cargo metadata has a dependency of the unknown kind {other:?}"),
    }
}

/// All crates of the build on this machine.
pub(super) fn packages(project: &Project) -> Result<BTreeMap<String, Package>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = run_for_stdout(project.command(rustc).arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    parse_packages(&metadata(project, &["--filter-platform", host])?)
}

pub(super) fn parse_packages(metadata: &Value) -> Result<BTreeMap<String, Package>> {
    let mut packages = BTreeMap::new();
    for package in metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?
    {
        let id = package["id"]
            .as_str()
            .context("a package has no id")?
            .to_owned();
        let name = package["name"]
            .as_str()
            .context("a package has no name")?
            .to_owned();
        let links = package["links"].as_str().map(str::to_owned);
        packages.insert(
            id,
            Package {
                name,
                links,
                needs: Vec::new(),
            },
        );
    }
    for node in metadata["resolve"]["nodes"]
        .as_array()
        .context("cargo metadata has no resolved graph")?
    {
        let package = node["id"]
            .as_str()
            .and_then(|id| packages.get_mut(id))
            .context("a node has no package")?;
        for dependency in node["deps"]
            .as_array()
            .context("a node has no list of dependencies")?
        {
            let kinds = dependency["dep_kinds"]
                .as_array()
                .context("a dependency has no kinds")?;
            if kinds
                .iter()
                .any(|kind| kind["kind"].as_str() != Some("dev"))
            {
                package.needs.push(
                    dependency["pkg"]
                        .as_str()
                        .context("a dependency has no id")?
                        .to_owned(),
                );
            }
        }
    }
    Ok(packages)
}
