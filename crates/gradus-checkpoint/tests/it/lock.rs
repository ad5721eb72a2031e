//! The run lock across processes: it holds while its owner lives, however the owner ends.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use gradus_checkpoint::{CheckpointError, RunLock};

const DIR: &str = "GRADUS_TEST_LOCK_DIR";

/// Not a test by itself: the other test runs it in a process of its own, with [`DIR`] set.
#[test]
fn owner() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let _lock = RunLock::acquire(Path::new(&dir)).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nlocked").unwrap();
    out.flush().unwrap();
    // Until killed, or until the other side is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn the_lock_dies_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["lock::owner", "--exact", "--nocapture"])
        .env(DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "locked"));
    match RunLock::acquire(dir.path()) {
        Err(CheckpointError::Locked { path, pid }) => {
            assert_eq!((path.as_path(), pid), (dir.path(), Some(child.id())));
        }
        other => panic!("{other:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    RunLock::acquire(dir.path()).unwrap();
}
