//! The checks on small planted tables and graphs, and on the workspace itself.

use super::read::*;
use super::*;
use serde_json::{Value, json};

const SMALL: &str = r#"
    [layers]
    base = []
    middle = ["base"]
    top = ["middle", "base"]
    helper = ["base"]
    [dev_only]
    crates = ["helper"]
    [spine]
    crate = "middle"
    max_crates = 3
    [no_c]
    roots = ["top"]
    forbidden = ["cc"]
    links_allowed = ["fine"]
"#;

fn small() -> (Table, Graph) {
    let edges = [
        ("base", vec![]),
        ("middle", vec!["base"]),
        ("top", vec!["middle"]),
        ("helper", vec!["base"]),
    ];
    let graph = edges.into_iter().map(|(name, to)| {
        let edges = to
            .into_iter()
            .map(|to| Edge {
                to: to.to_owned(),
                kind: Kind::Normal,
            })
            .collect();
        (name.to_owned(), edges)
    });
    (parse_table(SMALL).unwrap(), graph.collect())
}

fn plant(graph: &mut Graph, from: &str, to: &str, kind: Kind) {
    graph.entry(from.to_owned()).or_default().push(Edge {
        to: to.to_owned(),
        kind,
    });
}

#[track_caller]
fn only_finding(findings: &[String], part: &str) {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].contains(part), "{findings:#?}");
}

#[test]
fn the_workspace_keeps_its_layers() {
    let project = Project::find().unwrap();
    let (table, graph) = read(&project).unwrap();
    assert_eq!(check(&table, &graph), Vec::<String>::new());
    assert!(graph.contains_key("gradus-autograd"));
}

#[test]
fn a_table_that_is_kept_has_no_findings() {
    let (table, graph) = small();
    assert_eq!(check(&table, &graph), Vec::<String>::new());
}

#[test]
fn a_forbidden_edge_is_found_also_in_build_dependencies() {
    for kind in [Kind::Normal, Kind::Build] {
        let (table, mut graph) = small();
        plant(&mut graph, "helper", "middle", kind);
        only_finding(&check(&table, &graph), "helper -> middle");
    }
}

#[test]
fn a_dev_dependency_is_free() {
    let (table, mut graph) = small();
    plant(&mut graph, "base", "helper", Kind::Dev);
    assert_eq!(check(&table, &graph), Vec::<String>::new());
}

#[test]
fn a_dev_only_crate_is_no_normal_dependency_even_if_a_row_says_so() {
    let (mut table, mut graph) = small();
    table
        .layers
        .get_mut("top")
        .unwrap()
        .insert("helper".to_owned());
    plant(&mut graph, "top", "helper", Kind::Normal);
    only_finding(&check(&table, &graph), "dev-dependency only");
}

#[test]
fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
    let (table, mut graph) = small();
    graph.insert("new".to_owned(), Vec::new());
    only_finding(&check(&table, &graph), "new has no row");
    let (table, mut graph) = small();
    graph.remove("helper");
    only_finding(&check(&table, &graph), "names helper");
}

#[test]
fn a_cycle_is_shown() {
    let (mut table, graph) = small();
    table
        .layers
        .get_mut("base")
        .unwrap()
        .insert("top".to_owned());
    let findings = check(&table, &graph);
    only_finding(&findings, "the table has a cycle");
    assert!(findings[0].contains("base -> top -> base"), "{findings:?}");
}

#[test]
fn metadata_of_cargo_is_read_with_its_kinds() {
    let metadata = json!({ "packages": [
        { "name": "a", "dependencies": [
            { "name": "b", "kind": null }, { "name": "b", "kind": "dev" }, { "name": "serde", "kind": null },
        ] },
        { "name": "b", "dependencies": [{ "name": "a", "kind": "build" }] },
    ] });
    let graph = parse_graph(&metadata).unwrap();
    let kinds = |name: &str| graph[name].iter().map(|edge| edge.kind).collect::<Vec<_>>();
    assert_eq!(kinds("a"), [Kind::Normal, Kind::Dev]);
    assert_eq!(kinds("b"), [Kind::Build]);
}

#[test]
fn a_c_build_and_a_links_key_are_found_with_their_path() {
    let (table, _) = small();
    let dependency =
        |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
    let metadata = json!({
        "packages": [
            { "id": "top", "name": "top", "links": null },
            { "id": "png", "name": "png", "links": "png" },
            { "id": "fine", "name": "fine", "links": "fine" },
            { "id": "cc", "name": "cc", "links": null },
            { "id": "mock", "name": "mock", "links": "mock" },
        ],
        "resolve": { "nodes": [
            { "id": "top", "deps": [dependency("png", Value::Null), dependency("fine", Value::Null), dependency("mock", json!("dev"))] },
            { "id": "png", "deps": [dependency("cc", json!("build"))] },
            { "id": "fine", "deps": [] }, { "id": "cc", "deps": [] }, { "id": "mock", "deps": [] },
        ] },
    });
    let mut findings = check_no_c(&table, &parse_packages(&metadata).unwrap());
    findings.sort();
    assert_eq!(
        findings,
        ["top -> png -> cc: builds C", "top -> png: links \"png\""]
    );
}

#[test]
fn crates_of_a_tree_are_counted_once() {
    assert_eq!(
        count_crates("a v1.0.0 (folder)\nb v2.0.0\nb v2.0.0 (*)\nc v1.0.0 (proc-macro)\n\n"),
        3
    );
}

#[test]
fn a_table_with_a_wrong_type_is_refused() {
    let error = parse_table("[layers]\nbase = 3\n").unwrap_err();
    assert!(format!("{error:#}").contains("base"), "{error:#}");
}
