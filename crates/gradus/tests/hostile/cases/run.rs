//! Files of a run: configurations, logs, checkpoints.

use std::path::Path;

use gradus::train::events::record::{masked_crc, write_record};

use super::{Case, laid, row};
use crate::making::manifest_signed;
use crate::parser::put;
use crate::parsers::{CONFIG, EVENTS, MANIFEST, METRICS, STATE};

pub(super) fn cases() -> Vec<Case> {
    [
        configs(),
        events(),
        metrics(),
        manifests(),
        names_in_manifests(),
        checkpoints(),
        states(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn configs() -> Vec<Case> {
    let c = &CONFIG;
    vec![
        row("config not TOML", c, "epochs: 3\n", "line 1"),
        row(
            "config key twice",
            c,
            "epochs = 1\nepochs = 2\n",
            "duplicate key",
        ),
        row(
            "config key unknown",
            c,
            "epoch = 1\n",
            "unknown field `epoch`",
        ),
        row(
            "config value of another type",
            c,
            "epochs = \"three\"\n",
            "invalid type",
        ),
        row(
            "config a line of 200,000 letters",
            c,
            format!("{} = 1\n", "\u{feff}a".repeat(50_000)),
            "…",
        ),
        row("config -1 epochs", c, "epochs = -1\n", "epochs"),
        row(
            "config 2^64 epochs",
            c,
            "epochs = 18446744073709551616\n",
            "epochs",
        ),
        row("config lr nan", c, "lr = nan\n", "lr"),
        row("config lr 1e999", c, "lr = 1e999\n", "lr"),
        row("config batch of 0", c, "batch_size = 0\n", "batch_size"),
        row(
            "config 2^40 workers",
            c,
            "workers = 1099511627776\n",
            "workers",
        ),
        row(
            "config a million brackets",
            c,
            format!("betas = {}", "[".repeat(1_000_000)),
            "more than",
        ),
        row(
            "config a million tables",
            c,
            format!("{}a = 1\n", "a.".repeat(1_000_000)),
            "more than",
        ),
        row(
            "config a million tables inline",
            c,
            "a = {a=".repeat(300_000),
            "more than",
        ),
        row("config not UTF-8", c, b"model = \"\xff\"", "UTF-8"),
        row(
            "config deep",
            c,
            format!("betas = {}", "[".repeat(1_000)),
            "line 1",
        ),
        row(
            "config of deep tables",
            c,
            format!("{}a = 1\n", "a.".repeat(60_000)),
            "recursion limit",
        ),
        row("config NUL", c, "model = \"\0\"", "line 1"),
    ]
}

fn event_file(first: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_record(&mut out, first).unwrap();
    out
}

fn events() -> Vec<Case> {
    let e = &EVENTS;
    let claimed = |length: u64| {
        let length = length.to_le_bytes();
        [&length[..], &masked_crc(&length).to_le_bytes(), b"xyz"].concat()
    };
    let version = b"\x1a\x0dbrain.Event:2";
    let sound = event_file(version);
    let mut flipped = sound.clone();
    flipped[14] ^= 4;
    vec![
        row("events cut in a header", e, &sound[..7], "header is cut"),
        row("events cut in the data", e, &sound[..20], "data is cut"),
        row("events a flipped bit", e, flipped, "the file is damaged"),
        row(
            "events text",
            e,
            "not an event file at all",
            "is this an event file?",
        ),
        row("events 2^60 bytes", e, claimed(1 << 60), "over the limit"),
        row("events 2^32 bytes", e, claimed(1 << 32), "over the limit"),
        row(
            "events 200 MB that are not there",
            e,
            claimed(200_000_000),
            "data is cut",
        ),
        row(
            "events of another version",
            e,
            event_file(b"\x1a\x0dbrain.Event:1"),
            "first event names version",
        ),
        row(
            "events no message",
            e,
            event_file(b"\x0a\xff"),
            "not an event message",
        ),
        row(
            "events a length of 2^64 within",
            e,
            event_file(b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "not an event message",
        ),
    ]
}

fn metrics() -> Vec<Case> {
    let m = &METRICS;
    let deep = format!(
        "{{\"kind\":\"train\",\"step\":1,\"epoch\":0,\"x\":{}\n",
        "[".repeat(1_000_000)
    );
    vec![
        row("metrics not JSON", m, "loss: 3\n", "line 1 is not JSON"),
        row("metrics deep", m, deep, "line 1 is not JSON"),
        row("metrics a list", m, "[]\n", "line 1"),
        row(
            "metrics without a step",
            m,
            "{\"kind\":\"train\",\"epoch\":0}\n",
            "no valid `step`",
        ),
        row(
            "metrics step -1",
            m,
            "{\"kind\":\"train\",\"step\":-1,\"epoch\":0}\n",
            "no valid `step`",
        ),
        row(
            "metrics step 2^64",
            m,
            "{\"kind\":\"train\",\"step\":18446744073709551616,\"epoch\":0}\n",
            "line 1",
        ),
        row(
            "metrics epoch 0.5",
            m,
            "{\"kind\":\"train\",\"step\":1,\"epoch\":0.5}\n",
            "no valid `epoch`",
        ),
        row("metrics not UTF-8", m, b"{\"kind\":\"\xff\"}\n", "line 1"),
        laid(
            "metrics a folder",
            m,
            |dir| std::fs::create_dir(dir.join("metrics.jsonl")).unwrap(),
            "metrics.jsonl",
        ),
    ]
}

/// The sound manifest with a part replaced, and its own digest put right.
fn manifest(from: &str, to: &str) -> Vec<u8> {
    let sound = String::from_utf8((MANIFEST.seeds)().swap_remove(0)).unwrap();
    assert!(sound.contains(from), "{from} is not in {sound}");
    manifest_signed(sound.replacen(from, to, 1).as_bytes())
}

fn manifests() -> Vec<Case> {
    let m = &MANIFEST;
    let sound = (MANIFEST.seeds)().swap_remove(0);
    vec![
        row("manifest empty", m, [], "its manifest cannot be read"),
        row(
            "manifest deep",
            m,
            "[".repeat(1_000_000),
            "its manifest cannot be read",
        ),
        row(
            "manifest of two megabytes",
            m,
            b" ".repeat(2 << 20),
            "more than 1048576 bytes",
        ),
        row(
            "manifest cut",
            m,
            &sound[..sound.len() / 2],
            "its manifest cannot be read",
        ),
        row(
            "manifest of the future",
            m,
            manifest("\"format_version\": 1", "\"format_version\": 2"),
            "use a newer gradus",
        ),
        row(
            "manifest of another step",
            m,
            manifest("\"step\": 3", "\"step\": 4"),
            "its manifest is that of step 4",
        ),
        row(
            "manifest with a space more",
            m,
            manifest("{", "{ "),
            "does not fit its own digest",
        ),
        row(
            "manifest with a key more",
            m,
            manifest("{", "{\n  \"more\": 1,"),
            "its manifest cannot be read",
        ),
    ]
}

fn names_in_manifests() -> Vec<Case> {
    let m = &MANIFEST;
    vec![
        row(
            "manifest to the parent",
            m,
            manifest("\"state.json\"", "\"../state.json\""),
            "not a plain name",
        ),
        row(
            "manifest to an absolute path",
            m,
            manifest("\"state.json\"", "\"/etc/passwd\""),
            "not a plain name",
        ),
        row(
            "manifest to itself",
            m,
            manifest("\"state.json\"", "\"manifest.json\""),
            "not a plain name",
        ),
        row(
            "manifest one name twice",
            m,
            manifest("\"state.json\"", "\"model.safetensors\""),
            "repeated",
        ),
        row(
            "manifest of a file that is not there",
            m,
            manifest("\"state.json\"", "\"more.json\""),
            "\"more.json\" is missing",
        ),
        row(
            "manifest of another length",
            m,
            manifest("\"bytes\": 2", "\"bytes\": 18446744073709551615"),
            "the manifest says 18446744073709551615",
        ),
        row(
            "manifest of other bytes",
            m,
            manifest(
                "\"bytes\": 2,\n      \"sha256\": \"4",
                "\"bytes\": 2,\n      \"sha256\": \"5",
            ),
            "do not fit their digest",
        ),
    ]
}

fn checkpoints() -> Vec<Case> {
    let m = &MANIFEST;
    let mut all = vec![
        laid(
            "checkpoint a file",
            m,
            |dir| {
                std::fs::remove_dir_all(dir.join("step-3")).unwrap();
                put(&dir.join("step-3"), b"");
            },
            "is not a directory",
        ),
        laid(
            "checkpoint two files swapped",
            m,
            |dir| {
                put(
                    &dir.join("step-3/manifest.json"),
                    &(MANIFEST.seeds)().swap_remove(0),
                );
                swap(
                    &dir.join("step-3/model.safetensors"),
                    &dir.join("step-3/state.json"),
                );
            },
            "bytes, the manifest says",
        ),
    ];
    if cfg!(unix) {
        all.push(laid(
            "checkpoint with a link",
            m,
            |dir| {
                put(
                    &dir.join("step-3/manifest.json"),
                    &(MANIFEST.seeds)().swap_remove(0),
                );
                std::fs::rename(dir.join("step-3/state.json"), dir.join("elsewhere")).unwrap();
                #[cfg(unix)]
                std::os::unix::fs::symlink("../elsewhere", dir.join("step-3/state.json")).unwrap();
            },
            "is not a regular file",
        ));
    }
    all
}

fn swap(one: &Path, other: &Path) {
    let (a, b) = (std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
    put(one, &b);
    put(other, &a);
}

/// The sound state with a part replaced; the checkpoint's digests fit it.
fn state(from: &str, to: &str) -> Vec<u8> {
    let sound = String::from_utf8((STATE.seeds)().swap_remove(0)).unwrap();
    assert!(sound.contains(from), "{from} is not in {sound}");
    sound.replacen(from, to, 1).into_bytes()
}

fn states() -> Vec<Case> {
    let s = &STATE;
    vec![
        row("state empty", s, [], "state.json"),
        row(
            "state a list",
            s,
            "[]",
            "state.json is not that of a training run",
        ),
        row("state deep", s, "[".repeat(1_000_000), "state.json"),
        row(
            "state step -1",
            s,
            state("\"step\":1", "\"step\":-1"),
            "state.json is not that of a training run",
        ),
        row(
            "state 2^64 - 1 steps of the optimizer",
            s,
            state(
                "\"optimizer_step\":1",
                "\"optimizer_step\":18446744073709551615",
            ),
            "steps of the optimizer",
        ),
        row(
            "state in epoch 2^64 - 1",
            s,
            state("\"epoch\":0", "\"epoch\":18446744073709551615"),
            "more than any run counts",
        ),
        row(
            "state a key more",
            s,
            state("{", "{\"more\":1,"),
            "state.json is not that of a training run",
        ),
    ]
}
