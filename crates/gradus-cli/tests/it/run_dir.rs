//! Run directories that are taken, unwritable or full, and runs that are stopped.

use std::fs;

use gradus_checkpoint::RunLock;

use crate::program::{gradus, train, train_words, with_tree, write};

#[test]
fn a_directory_that_is_taken_is_left_alone() {
    let dir = with_tree();
    let first = train(dir.path(), "--max-steps 2 --out run");
    let ran = gradus(dir.path(), &train_words("--max-steps 2 --seed 1 --out run"));
    assert!(
        ran.refused(1)
            .contains("run: holds a run already; continue it with --resume")
    );
    let lock = RunLock::acquire(&dir.path().join("run")).unwrap();
    let ran = gradus(dir.path(), &train_words("--max-steps 4 --out run --resume"));
    assert!(
        ran.refused(1)
            .contains(&format!("run: is in use by process {}", std::process::id()))
    );
    drop(lock);
    assert_eq!(
        gradus(dir.path(), &["hash", "run", "--json"]).json()["weights_sha256"],
        first["weights_sha256"]
    );
    write(dir.path(), "file", b"x");
    assert!(
        gradus(dir.path(), &train_words("--out file"))
            .refused(1)
            .contains("file")
    );
    assert!(
        gradus(dir.path(), &train_words("--out file/run"))
            .refused(1)
            .contains("file/run")
    );
}

#[test]
fn new_runs_are_numbered() {
    let dir = with_tree();
    for number in 1..=2 {
        let run = train(dir.path(), "--max-steps 1")["run"].clone();
        assert_eq!(run, format!("runs/tutorial-cnn-tree-00{number}"));
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use serde_json::Value;

    use super::*;
    use crate::program::{command, end_of};

    #[test]
    fn an_unwritable_directory_is_named() {
        let dir = with_tree();
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
        if fs::write(closed.join("probe"), "").is_ok() {
            return; // the superuser may write everywhere
        }
        let ran = gradus(dir.path(), &train_words("--max-steps 1 --out closed/run"));
        assert!(ran.refused(1).contains("closed/run: cannot create"));
    }

    /// Files may not grow beyond a limit: what a full disk looks like to a program.
    fn with_file_limit(dir: &Path, blocks: u32, words: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
        ));
        shell
            .arg(env!("CARGO_BIN_EXE_gradus"))
            .args(words)
            .current_dir(dir)
            .env_remove("RUST_LOG");
        shell
    }

    #[test]
    fn a_full_disk_loses_nothing_that_was_committed() {
        let dir = with_tree();
        let whole = train(dir.path(), "--out whole");
        let first = train(dir.path(), "--out run --max-steps 3");
        // The weights take 246 kB; the limit leaves room for the logs only.
        let ran = end_of(with_file_limit(
            dir.path(),
            100,
            &train_words("--out run --resume --checkpoint-every 2"),
        ));
        let message = ran.refused(1);
        assert!(
            message.contains("run/checkpoints") && message.contains("cannot write"),
            "{message}"
        );
        assert_eq!(
            gradus(dir.path(), &["hash", "run", "--json"]).json()["weights_sha256"],
            first["weights_sha256"]
        );
        let rest = train(dir.path(), "--out run --resume");
        assert_eq!(
            (&rest["resumed_from"], &rest["weights_sha256"]),
            (&3.into(), &whole["weights_sha256"])
        );
    }

    /// Waits until the run has logged a step, so that it is surely in its loop.
    fn wait_for_steps(child: &mut Child, run: &Path) {
        let started = Instant::now();
        while !fs::read_to_string(run.join("metrics.jsonl"))
            .is_ok_and(|text| text.lines().count() > 2)
        {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the run ended by itself"
            );
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "the run does not begin"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn signals_stop_at_a_step_and_the_run_goes_on_from_there() {
        for signal in ["-INT", "-TERM"] {
            let dir = with_tree();
            let words = train_words("--out run --epochs 1000000");
            let mut child = command(dir.path(), &words)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            wait_for_steps(&mut child, &dir.path().join("run"));
            assert!(
                Command::new("kill")
                    .arg(signal)
                    .arg(child.id().to_string())
                    .status()
                    .unwrap()
                    .success()
            );
            let done = child.wait_with_output().unwrap();
            assert_eq!(done.status.code(), Some(130), "{signal}");
            let err = String::from_utf8_lossy(&done.stderr);
            assert!(
                err.contains("go on with: gradus train run/config.toml --resume"),
                "{err}"
            );
            let part: Value = serde_json::from_slice(&done.stdout).unwrap();
            assert_eq!(part["interrupted"], true);
            let steps = part["steps"].as_u64().unwrap();
            assert!(steps > 0);
            let end = (steps + 2).to_string();
            let rest = gradus(
                dir.path(),
                &[
                    "train",
                    "run/config.toml",
                    "--resume",
                    "--max-steps",
                    &end,
                    "--json",
                    "--quiet",
                ],
            )
            .json();
            assert_eq!(rest["resumed_from"], steps);
            let whole = train(
                dir.path(),
                &format!("--out whole --epochs 1000000 --max-steps {end}"),
            );
            assert_eq!(rest["weights_sha256"], whole["weights_sha256"]);
        }
    }

    #[test]
    fn a_second_signal_stops_at_once() {
        let dir = with_tree();
        // Steps of seconds.
        let large = "--set transforms=[{name=\"Resize\",size=512},{name=\"Grayscale\",num_output_channels=3},{name=\"ToTensor\"}]";
        let words = format!("--model resnet18 --out run {large}");
        let mut child = command(dir.path(), &train_words(&words))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let interrupt = || Command::new("kill").args(["-INT", &id]).status().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        for line in stderr.lines() {
            let line = line.unwrap();
            if line.contains("steps, into run") || line.starts_with("stopping after this step") {
                interrupt();
            }
        }
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(130));
        assert_eq!(done.stdout, b"", "it did not wait for the end of the step");
        assert!(!dir.path().join("run/model.safetensors").exists());
    }
}
