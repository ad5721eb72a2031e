//! Tests of `jsonl.rs`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::{
    Flush, JsonlError, JsonlWriter, MAX_LINE_BYTES, Record, read, truncate_after, truncate_to,
};

fn dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("metrics.jsonl");
    (dir, path)
}

fn record(step: u64) -> Record {
    Record::new("train", step, step / 10)
        .number("loss", 1.0 / (step + 1) as f64)
        .number("lr", 1e-3)
}

fn write(path: &PathBuf, steps: std::ops::Range<u64>) {
    let mut writer = JsonlWriter::append(path, Flush::EveryLine).expect("opens");
    steps.for_each(|s| writer.write(&record(s)).expect("writes"));
}

fn steps(path: &PathBuf) -> Vec<u64> {
    read(path)
        .expect("reads")
        .records
        .iter()
        .map(|r| r.step)
        .collect()
}

#[test]
fn what_is_written_is_read() {
    let (_dir, path) = dir();
    let records = [
        record(7),
        Record::new("eval", 8, 0)
            .number("loss", f64::NAN)
            .number("up", f64::INFINITY)
            .number("down", f64::NEG_INFINITY),
        Record::new("eval", 9, 1)
            .text("split", "te\"st\n")
            .json("examples", 1000)
            .maybe("none", None)
            .maybe("some", Some(0.1)),
    ];
    let mut writer = JsonlWriter::create(&path, Flush::EveryLine).expect("creates");
    records
        .iter()
        .for_each(|r| writer.write(r).expect("writes"));
    let log = read(&path).expect("reads");
    assert_eq!((log.records.len(), log.cut_bytes), (3, 0));
    assert_eq!(log.records[0].get("loss"), Some(0.125));
    assert!(log.records[1].get("loss").is_some_and(f64::is_nan));
    assert_eq!(
        (log.records[1].get("up"), log.records[1].get("down")),
        (Some(f64::INFINITY), Some(f64::NEG_INFINITY))
    );
    assert_eq!(log.records[1].get("loss_nonfinite"), None);
    assert_eq!(
        (
            log.records[2].get_text("split"),
            log.records[2].get("examples")
        ),
        (Some("te\"st\n"), Some(1000.0))
    );
    assert_eq!(
        (log.records[2].get("none"), log.records[2].get("some")),
        (None, Some(0.1))
    );
    assert_eq!(log.series("train", "loss"), vec![(7, 0.125)]);
    // A read record writes the same line again (fields by name, since a reader does not know their order).
    let again = serde_json::to_value(&log.records[1]).expect("serialises");
    assert_eq!(
        again,
        serde_json::to_value(&records[1]).expect("serialises")
    );
}

#[test]
fn lines_are_plain_json_in_a_fixed_order() {
    let line =
        serde_json::to_string(&record(3).number("lr", f64::NEG_INFINITY)).expect("serialises");
    assert_eq!(
        line,
        r#"{"kind":"train","step":3,"epoch":0,"loss":0.25,"lr":null,"lr_nonfinite":"-inf"}"#
    );
    let line = serde_json::to_string(&Record::new("x", 1, 2).json("step", 9)).expect("serialises");
    assert_eq!(line, r#"{"kind":"x","step":1,"epoch":2}"#); // a reserved name cannot make a duplicate key
}

#[test]
fn a_cut_last_line_is_tolerated_at_every_byte() {
    let (_dir, path) = dir();
    write(&path, 0..2);
    let whole = fs::read(&path).expect("reads");
    let first = whole.iter().position(|&b| b == b'\n').expect("a line") + 1;
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).expect("writes");
        let log = read(&path).expect("reads");
        assert_eq!(
            (log.records.len(), log.cut_bytes),
            (1, (cut - first) as u64),
            "cut at {cut}"
        );
        write(&path, 5..6); // appending removes the cut line
        assert_eq!(steps(&path), vec![0, 5], "cut at {cut}");
    }
    fs::write(&path, [&whole[..], &[0; 30]].concat()).expect("writes"); // zeros, as after a power cut
    assert_eq!(read(&path).expect("reads").cut_bytes, 30);
}

#[test]
fn truncates_for_resume() {
    let (_dir, path) = dir();
    assert_eq!(truncate_after(&path, 3).expect("no file is fine"), 0);
    assert!(!path.exists());
    write(&path, 0..8);
    let until_3: String = fs::read_to_string(&path)
        .expect("reads")
        .lines()
        .take(4)
        .map(|l| format!("{l}\n"))
        .collect();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut f| std::io::Write::write_all(&mut f, b"{\"ki"))
        .expect("appends");
    assert_eq!(truncate_after(&path, 3).expect("truncates"), 4);
    assert_eq!(
        fs::read_to_string(&path).expect("reads"),
        until_3,
        "kept lines are kept to the byte"
    );
    assert_eq!(truncate_after(&path, 3).expect("truncates"), 0);
    assert_eq!(
        fs::read_dir(_dir.path()).expect("lists").count(),
        1,
        "no partial file stays"
    );
    write(&path, 4..6);
    assert_eq!(steps(&path), vec![0, 1, 2, 3, 4, 5]);
}

#[test]
fn blank_lines_are_skipped() {
    let (_dir, path) = dir();
    fs::write(&path, "\n{\"kind\":\"a\",\"step\":1,\"epoch\":0}\r\n\n").expect("writes");
    assert_eq!(steps(&path), vec![1]);
}

#[test]
fn a_lazy_writer_flushes_when_asked_and_on_drop() {
    let (_dir, path) = dir();
    let mut writer =
        JsonlWriter::create(&path, Flush::Every(Duration::from_secs(3600))).expect("creates");
    writer.write(&record(1)).expect("writes");
    assert_eq!(steps(&path), Vec::<u64>::new());
    writer.sync().expect("syncs");
    assert_eq!(steps(&path), vec![1]);
    writer.write(&record(2)).expect("writes");
    drop(writer);
    assert_eq!(steps(&path), vec![1, 2]);
    let mut eager = JsonlWriter::append(&path, Flush::Every(Duration::ZERO)).expect("opens");
    eager.write(&record(3)).expect("writes");
    assert_eq!(steps(&path), vec![1, 2, 3]);
}

#[test]
fn rejects_a_line_that_is_not_json() {
    let (_dir, path) = dir();
    fs::write(&path, "{\"kind\":\"a\",\"step\":1,\"epoch\":0}\n{oops\n").expect("writes");
    let error = read(&path).expect_err("malformed");
    assert!(matches!(error, JsonlError::Json { line: 2, .. }), "{error}");
    assert!(error.to_string().contains("line 2 is not JSON"), "{error}");
    assert!(
        JsonlWriter::append(&path, Flush::EveryLine).is_err(),
        "a damaged file is not appended to"
    );
    assert!(truncate_after(&path, 0).is_err(), "nor cut");
}

#[test]
fn rejects_a_line_that_is_no_record() {
    let (_dir, path) = dir();
    let cases = [
        ("[1]", "{}"),
        ("{\"step\":1,\"epoch\":0}", "kind"),
        ("{\"kind\":\"a\",\"epoch\":0}", "step"),
        ("{\"kind\":\"a\",\"step\":-1,\"epoch\":0}", "step"),
        ("{\"kind\":\"a\",\"step\":1,\"epoch\":1.5}", "epoch"),
    ];
    for (line, want) in cases {
        fs::write(&path, format!("{line}\n")).expect("writes");
        let error = read(&path).expect_err("malformed");
        assert!(
            matches!(error, JsonlError::Field { field, line: 1, .. } if field == want),
            "{line}: {error}"
        );
    }
}

#[test]
fn rejects_an_endless_line() {
    let (_dir, path) = dir();
    let file = fs::File::create(&path).expect("creates");
    file.set_len(MAX_LINE_BYTES + 2).expect("sparse file");
    assert!(matches!(
        read(&path),
        Err(JsonlError::LineTooLong { line: 1, .. })
    ));
}

#[test]
fn names_the_file_that_fails() {
    let (dir, _) = dir();
    let error = JsonlWriter::create(dir.path().join("no/such/dir.jsonl"), Flush::EveryLine)
        .expect_err("no directory");
    assert!(error.to_string().contains("dir.jsonl"), "{error}");
}

#[test]
fn cutting_to_a_length_is_exact_and_reads_nothing_behind_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("metrics.jsonl");
    truncate_to(&path, 100, 3).expect("no file is fine");
    assert!(!path.exists());
    let mut writer = JsonlWriter::create(&path, Flush::EveryLine).expect("creates");
    writer.write(&Record::new("train", 3, 0)).expect("writes");
    let kept = writer.bytes();
    // A second record of the same step, and what a power cut can leave.
    writer.write(&Record::new("eval", 3, 0)).expect("writes");
    drop(writer);
    let mut bytes = fs::read(&path).expect("reads");
    let whole = bytes.clone();
    bytes.extend([0; 40]);
    bytes.push(b'\n');
    fs::write(&path, &bytes).expect("writes");
    truncate_to(&path, kept, 3).expect("cuts");
    let mut writer = JsonlWriter::append(&path, Flush::EveryLine).expect("opens");
    assert_eq!(writer.bytes(), kept);
    writer.write(&Record::new("eval", 3, 0)).expect("writes");
    assert_eq!(fs::read(&path).expect("reads"), whole);
    // Lengths that are not this file's: it is cut by steps.
    for bytes in [kept - 1, 1000] {
        fs::write(&path, &whole).expect("writes");
        truncate_to(&path, bytes, 3).expect("cuts");
        assert_eq!(read(&path).expect("reads").records.len(), 2);
        truncate_to(&path, bytes, 2).expect("cuts");
        assert_eq!(read(&path).expect("reads").records.len(), 0);
    }
}
