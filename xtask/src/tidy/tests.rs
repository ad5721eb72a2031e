//! Each rule against a small tree with one violation planted in it, and all rules against the real tree.

use super::*;
use crate::project::Project;
use std::fs;
use tempfile::TempDir;

const GOOD_OP: &str = "//! An op.\npub(super) fn spec() -> OpSpec {\n    OpSpec::new()\n}\n";
const GOOD_LIST: &str =
    "//! A group.\npub(crate) fn specs() -> Vec<OpSpec> {\n    vec![add::spec(), mul::spec()]\n}\n";

/// A tree that keeps every rule.
fn clean() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (
            "docs/architecture.md",
            "The map: `gradus-tensor`, `gradus-linalg`, gradus-autograd and [readme](../README.md).\n",
        ),
        (
            "README.md",
            "Text, see [the map](docs/architecture.md#map) and [the web](https://example.org/x).\n",
        ),
        ("crates/gradus-tensor/Cargo.toml", ""),
        ("crates/gradus-tensor/src/lib.rs", "//! Tensors.\n"),
        ("crates/gradus-linalg/Cargo.toml", ""),
        ("crates/gradus-linalg/src/lib.rs", "//! Kernels.\n"),
        ("crates/gradus-autograd/Cargo.toml", ""),
        (
            "crates/gradus-autograd/src/lib.rs",
            "//! The graph.\n#![forbid(unsafe_code)]\n",
        ),
        ("crates/gradus-autograd/src/ops/elementwise/add.rs", GOOD_OP),
        (
            "crates/gradus-autograd/src/ops/elementwise/mod.rs",
            GOOD_LIST,
        ),
    ];
    for (path, text) in files {
        write(&folder, path, text);
    }
    folder
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let full = folder.path().join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, text).unwrap();
}

/// Plants a file in the clean tree and expects exactly the findings `line: rule`.
#[track_caller]
fn check_planted(path: &str, text: &str, expected: &[(usize, &str)]) -> Vec<Finding> {
    let folder = clean();
    write(&folder, path, text);
    let (_, findings) = check(folder.path()).unwrap();
    let found: Vec<(usize, &str)> = findings
        .iter()
        .map(|finding| (finding.line, finding.rule))
        .collect();
    assert_eq!(found, expected, "{findings:#?}");
    assert!(
        findings.iter().all(|finding| finding.path == path),
        "{findings:#?}"
    );
    findings
}

const TENSOR: &str = "crates/gradus-tensor/src/view.rs";
const STORAGE: &str = "crates/gradus-tensor/src/storage/pool.rs";
const LINALG: &str = "crates/gradus-linalg/src/gemm.rs";

#[test]
fn the_tree_is_tidy() {
    let project = Project::find().unwrap();
    let (files, findings) = check(&project.root).unwrap();
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} findings:\n{}",
        lines.len(),
        lines.join("\n")
    );
    assert!(files > 20, "only {files} files were read");
}

#[test]
fn a_clean_tree_has_no_findings() {
    let (files, findings) = check(clean().path()).unwrap();
    assert_eq!((files, findings), (10, Vec::new()));
}

#[test]
fn a_finding_reads_path_line_rule_and_what_to_do() {
    let findings = check_planted(TENSOR, "//! A.\nfn f() { todo!() }\n", &[(2, "unfinished")]);
    let text = findings[0].to_string();
    assert!(
        text.starts_with("crates/gradus-tensor/src/view.rs:2: unfinished: "),
        "{text}"
    );
}

#[test]
fn a_file_says_what_it_is() {
    check_planted(TENSOR, "fn f() {}\n", &[(1, "file-doc")]);
    check_planted(TENSOR, "// Not a doc.\nfn f() {}\n", &[(1, "file-doc")]);
}

#[test]
fn files_have_at_most_800_lines() {
    check_planted(TENSOR, &format!("//! A.\n{}", "\n".repeat(799)), &[]);
    check_planted(
        TENSOR,
        &format!("//! A.\n{}", "\n".repeat(800)),
        &[(801, "file-length")],
    );
}

#[test]
fn functions_have_at_most_100_lines() {
    let function = |lines: usize| {
        format!(
            "//! A.\n\nfn long(x: [u8; 2]) {{\n{}}}\n",
            "    \"}\";\n".repeat(lines - 2)
        )
    };
    check_planted(TENSOR, &function(100), &[]);
    let findings = check_planted(TENSOR, &function(101), &[(3, "fn-length")]);
    assert_eq!(findings[0].item, "long");
}

#[test]
fn macros_have_bodies_of_at_most_15_lines() {
    let planted = |lines: usize| {
        format!(
            "//! A.\nmacro_rules! m {{\n{}}}\n",
            "    () => {};\n".repeat(lines)
        )
    };
    check_planted(TENSOR, &planted(15), &[]);
    check_planted(TENSOR, &planted(16), &[(2, "macro-length")]);
}

#[test]
fn unsafe_code_has_two_rooms() {
    let block = "//! A.\nfn f() {\n    // SAFETY: nothing is read.\n    unsafe { g() }\n}\n";
    check_planted(TENSOR, block, &[(4, "unsafe-place")]);
    check_planted(
        "crates/gradus-autograd/src/var.rs",
        block,
        &[(4, "unsafe-place")],
    );
    check_planted(STORAGE, block, &[]);
    check_planted("crates/gradus-tensor/src/storage.rs", block, &[]);
    check_planted(LINALG, block, &[]);
}

#[test]
fn the_word_in_a_comment_or_a_string_is_not_code() {
    let text = "//! An unsafe { word }.\n// unsafe { }\nconst A: &str = \"unsafe { todo!() }\";\nconst B: &str = r#\"dbg!(\" unsafe\"#;\n";
    check_planted(TENSOR, text, &[]);
}

#[test]
fn each_unsafe_block_has_its_proof() {
    check_planted(
        STORAGE,
        "//! A.\nfn f() {\n    unsafe { g() }\n}\n",
        &[(3, "unsafe-proof")],
    );
    check_planted(
        STORAGE,
        "//! A.\n// SAFETY: far away.\n\nunsafe impl Send for A {}\n",
        &[(4, "unsafe-proof")],
    );
    check_planted(
        STORAGE,
        "//! A.\n// SAFETY: no interior pointers.\nunsafe impl Send for A {}\n",
        &[],
    );
    let two = "//! A.\nfn f() {\n    // SAFETY: g reads nothing.\n    let x = unsafe { g() };\n    let y = unsafe { g() };\n}\n";
    check_planted(STORAGE, two, &[(5, "unsafe-proof")]);
    let continued = "//! A.\nfn f() {\n    // SAFETY: g reads nothing.\n    let a_long_name: Type =\n        unsafe { g() };\n}\n";
    check_planted(STORAGE, continued, &[]);
}

#[test]
fn each_unsafe_fn_documents_its_duties() {
    check_planted(
        STORAGE,
        "//! A.\n/// Reads.\npub unsafe fn f() {}\n",
        &[(3, "unsafe-proof")],
    );
    check_planted(
        STORAGE,
        "//! A.\n/// Reads.\n///\n/// # Safety\n/// `p` is valid.\n#[inline]\npub unsafe fn f() {}\n",
        &[],
    );
    check_planted(STORAGE, "//! A.\ntype F = unsafe fn(u8) -> u8;\n", &[]);
    let in_impl = "//! A.\n// SAFETY: forwards to the system.\nunsafe impl GlobalAlloc for A {\n    unsafe fn alloc(&self) {}\n}\n";
    check_planted(STORAGE, in_impl, &[]);
}

#[test]
fn other_crates_forbid_unsafe_code() {
    check_planted(
        "crates/gradus-autograd/src/lib.rs",
        "//! The graph.\n",
        &[(1, "forbid-unsafe")],
    );
    check_planted(
        "xtask/src/main.rs",
        "//! Tasks.\n// #![forbid(unsafe_code)]\nfn main() {}\n",
        &[(1, "forbid-unsafe")],
    );
}

#[test]
fn each_op_is_registered_in_its_file_and_listed_by_its_folder() {
    let op = "crates/gradus-autograd/src/ops/elementwise/mul.rs";
    check_planted(op, GOOD_OP, &[]);
    // A name in a comment registers nothing.
    for wrong in ["fn other", "// fn spec\nfn other"] {
        let findings = check_planted(op, &GOOD_OP.replace("fn spec", wrong), &[(1, "op-spec")]);
        assert_eq!(findings[0].item, "mul");
    }
    let unlisted = "crates/gradus-autograd/src/ops/elementwise/sub.rs";
    let findings = check_planted(unlisted, GOOD_OP, &[(1, "op-spec")]);
    assert_eq!(findings[0].item, "sub");
    check_planted(
        "crates/gradus-autograd/src/ops/support/unary.rs",
        "//! What ops share.\n",
        &[],
    );
}

#[test]
fn each_line_of_the_museum_has_a_test_or_waits() {
    let page = "docs/numerics.md";
    let waiting: String = (3..=62).map(|line| format!("- {line}: later\n")).collect();
    let text = format!("# Numerics\n\n## Lines of the bug museum that wait\n\n{waiting}");
    let folder = clean();
    write(&folder, page, &text);
    write(
        &folder,
        TENSOR,
        "//! A.\nfn museum_01_a() {}\nfn museum_02_b() {}\n",
    );
    assert_eq!(check(folder.path()).unwrap().1, Vec::new());
    // One too few, and one too many.
    write(
        &folder,
        TENSOR,
        "//! A.\nfn museum_01_a() {}\nfn museum_03_b() {}\n",
    );
    let items: Vec<String> = check(folder.path())
        .unwrap()
        .1
        .into_iter()
        .map(|finding| finding.item)
        .collect();
    assert_eq!(items, ["2", "3"]);
}

#[test]
fn nothing_is_ignored_or_unfinished() {
    check_planted(
        TENSOR,
        "//! A.\n#[test]\n#[ignore]\nfn f() {}\n",
        &[(3, "ignored-test")],
    );
    check_planted(
        TENSOR,
        "//! A.\n#[ignore = \"slow\"]\nfn f() {}\n",
        &[(2, "ignored-test")],
    );
    for word in ["todo", "unimplemented", "dbg"] {
        check_planted(
            TENSOR,
            &format!("//! A.\nfn f() {{\n    {word}!()\n}}\n"),
            &[(3, "unfinished")],
        );
    }
}

#[test]
fn doc_examples_run() {
    check_planted(
        TENSOR,
        "//! A.\n\n/// ```ignore\n/// x\n/// ```\nfn f() {}\n",
        &[(3, "doc-fence")],
    );
    check_planted(
        TENSOR,
        "//! A.\n//! ```no_run\n//! x\n//! ```\n",
        &[(2, "doc-fence")],
    );
    check_planted(
        TENSOR,
        "//! A.\n//! ```rust,ignore\n//! x\n//! ```\n",
        &[(2, "doc-fence")],
    );
    check_planted(TENSOR, "//! A.\n//! ```text\n//! x\n//! ```\n", &[]);
    check_planted(
        "docs/tutorial.md",
        "# T\n\n```rust,no_run\nx\n```\n",
        &[(3, "doc-fence")],
    );
}

#[test]
fn libraries_do_not_print() {
    for word in ["print", "println", "eprint", "eprintln"] {
        let text = format!("//! A.\nfn f() {{\n    {word}!(\"x\");\n}}\n");
        check_planted(TENSOR, &text, &[(3, "print")]);
        check_planted("crates/gradus-cli/src/out.rs", &text, &[]);
        check_planted("crates/gradus/examples/first.rs", &text, &[]);
    }
}

#[test]
fn tuning_constants_say_what_was_measured() {
    for name in ["MIN_ROWS", "PAR_MIN_FLOPS", "COPY_THRESHOLD"] {
        check_planted(
            LINALG,
            &format!("//! A.\n\n/// A guess.\nconst {name}: usize = 3;\n"),
            &[(4, "measured")],
        );
        check_planted(
            LINALG,
            &format!("//! A.\n\n/// Measured: 2 loses, 4 gains.\npub const {name}: usize = 3;\n"),
            &[],
        );
        check_planted(
            TENSOR,
            &format!("//! A.\n\nconst {name}: usize = 3;\n"),
            &[],
        );
    }
    check_planted(
        LINALG,
        "//! A.\nconst MIN_POSITIVE: f32 = f32::MIN_POSITIVE;\n",
        &[],
    );
}

#[test]
fn numbers_from_files_are_converted_with_try_from() {
    let text = "//! A.\nfn f(x: u64) -> usize {\n    x as usize\n}\n";
    let places = [
        "crates/gradus-checkpoint/src/header.rs",
        "crates/gradus-data/src/formats/idx.rs",
    ];
    for place in places {
        let folder = clean();
        write(&folder, place, text);
        let (_, findings) = check(folder.path()).unwrap();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!((findings[0].line, findings[0].rule), (3, "file-cast"));
        let in_test =
            "//! A.\n#[cfg(test)]\nmod tests {\n    fn f(x: u64) -> i64 { x as i64 }\n}\n";
        write(&folder, place, in_test);
        assert_eq!(check(folder.path()).unwrap().1, Vec::new());
    }
    check_planted(TENSOR, text, &[]);
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    for place in ["tmp", "work", "root", "home"] {
        check_planted(
            "docs/notes.md",
            &format!("first\nsee /{place}/x\n"),
            &[(2, "machine-path")],
        );
        check_planted(
            TENSOR,
            &format!("//! A.\nconst P: &str = \"/{place}/x\";\n"),
            &[(2, "machine-path")],
        );
        check_planted(
            "docs/notes.md",
            &format!("see src/{place}/x and https://example.org/{place}/\n"),
            &[],
        );
    }
}

#[test]
fn the_code_map_is_true() {
    let map = "docs/architecture.md";
    let all = "gradus-tensor gradus-linalg gradus-autograd\n";
    check_planted(map, "gradus-tensor gradus-linalg\n", &[(1, "code-map")]);
    check_planted(map, &format!("{all}gradus-gpu\n"), &[(2, "code-map")]);
    check_planted(
        map,
        &format!("{all}`crates/gradus-tensor/src/gone.rs`\n"),
        &[(2, "code-map")],
    );
    check_planted(
        map,
        &format!(
            "{all}`crates/gradus-tensor/src/lib.rs`, `crates/gradus-autograd/src/ops/<op>.rs`\n"
        ),
        &[],
    );
    let folder = clean();
    fs::remove_file(folder.path().join(map)).unwrap();
    let (_, findings) = check(folder.path()).unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding.rule == "code-map" && finding.path == map),
        "{findings:#?}"
    );
}

#[test]
fn links_lead_somewhere() {
    let page = "docs/page.md";
    check_planted(page, "# P\n\n[gone](gone.md)\n", &[(3, "link")]);
    check_planted(
        page,
        "![picture](img/gone.png \"a title\")\n",
        &[(1, "link")],
    );
    check_planted(page, "[ref]: gone.md\n", &[(1, "link")]);
    check_planted(
        page,
        "[a](architecture.md) [b](../README.md#x) [c](#here) [d](https://a.b/c) `[e](gone.md)`\n",
        &[],
    );
    check_planted(page, "```text\n[gone](gone.md)\n```\n", &[]);
}

#[test]
fn an_exception_allows_one_thing_and_must_be_needed() {
    let folder = clean();
    let op = "crates/gradus-autograd/src/ops/elementwise/detach.rs";
    write(&folder, op, GOOD_OP);
    let entry = |item: &str, reason: &str| {
        format!(
            "[[allow]]\nrule = \"op-spec\"\npath = \"{op}\"\nitem = \"{item}\"\nreason = \"{reason}\"\n"
        )
    };
    write(
        &folder,
        allow::FILE,
        &entry("detach", "a part of another op"),
    );
    assert_eq!(check(folder.path()).unwrap().1, Vec::new());

    write(
        &folder,
        allow::FILE,
        &entry("attach", "a part of another op"),
    );
    let rules: Vec<&str> = check(folder.path())
        .unwrap()
        .1
        .iter()
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, ["op-spec", "unused-exception"]);

    write(&folder, allow::FILE, &entry("detach", ""));
    let error = format!("{:#}", check(folder.path()).unwrap_err());
    assert!(error.contains("reason"), "{error}");
}
