//! A side's process: it loads its model once, then runs as many steps as each line of its stdin asks for.
//!
//! All sides of a workload stay alive and take turns, so that imports and compilations are paid once. `benches/peers/README.md`
//! describes the lines.

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A process that says nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(900);

pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: File,
}

/// The answer to a request for steps.
pub(super) struct Steps {
    /// Of each step.
    pub(super) ms: Vec<f64>,
    pub(super) losses: Vec<f64>,
    /// The most memory that the process has held so far, in MiB.
    pub(super) peak_rss_mb: Option<f64>,
}

/// What a process says when it has loaded and warmed up.
pub(super) struct Ready {
    pub(super) version: String,
    /// The peak before the model: imports and runtime.
    pub(super) base_rss_mb: Option<f64>,
    pub(super) warm_up: Steps,
}

impl Process {
    pub(super) fn start(command: &mut Command) -> Result<(Self, Ready)> {
        let stderr = tempfile::tempfile()?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let stdout = child
            .stdout
            .take()
            .context("internal error: stdout is piped")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut process = Self {
            stdin: child.stdin.take(),
            child,
            lines,
            stderr,
        };
        let line = process.answer()?;
        let ready = Ready {
            version: line["version"].as_str().unwrap_or_default().to_owned(),
            base_rss_mb: line["base_rss_mb"].as_f64(),
            warm_up: steps(&line)?,
        };
        Ok((process, ready))
    }

    pub(super) fn run(&mut self, count: usize) -> Result<Steps> {
        let stdin = self
            .stdin
            .as_mut()
            .context("internal error: stdin is open until the end")?;
        writeln!(stdin, "{count}")?;
        stdin.flush()?;
        steps(&self.answer()?)
    }

    /// Seconds that the process's threads have waited for a core so far, as Linux counts them; 0 where nobody does.
    pub(super) fn waited(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let of_task = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        let nanoseconds: f64 = tasks.into_iter().flatten().filter_map(of_task).sum();
        nanoseconds / 1e9
    }

    /// The next line that is a JSON object; libraries may print others.
    fn answer(&mut self) -> Result<Value> {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                bail!("{}", self.last_words());
            };
            match serde_json::from_str(&line) {
                Ok(value @ Value::Object(_)) => return Ok(value),
                _ => continue,
            }
        }
    }

    /// The end of what a process that failed wrote to stderr.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let read = self
            .stderr
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.stderr.read_to_string(&mut text));
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        match (read, last) {
            (Ok(_), Some(line)) => line.trim().chars().take(200).collect(),
            _ => String::from("it ended, or was silent for too long, without a word"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its stdin is the end of a process; one that hangs is killed.
        self.stdin = None;
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn steps(line: &Value) -> Result<Steps> {
    let numbers = |key: &str| -> Result<Vec<f64>> {
        let list = line[key]
            .as_array()
            .ok_or_else(|| anyhow!("no {key:?} in {line}"))?;
        Ok(list
            .iter()
            .map(|x| x.as_f64().unwrap_or(f64::NAN))
            .collect())
    };
    Ok(Steps {
        ms: numbers("ms")?,
        losses: numbers("losses")?,
        peak_rss_mb: line["peak_rss_mb"].as_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"echo noise; echo '{"ready":true,"version":"v","base_rss_mb":1.5,"ms":[1,2],"losses":[3,4],"peak_rss_mb":9}'"#;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[cfg(unix)]
    #[test]
    fn steps_are_asked_for_and_answered() {
        let echo =
            r#"while read n; do echo "{\"ms\":[$n],\"losses\":[0.5],\"peak_rss_mb\":10}"; done"#;
        let (mut process, ready) =
            Process::start(&mut shell(&format!("{ANSWER}; {echo}"))).unwrap();
        assert_eq!(ready.version, "v");
        assert_eq!(ready.warm_up.ms, [1.0, 2.0]);
        let steps = process.run(7).unwrap();
        assert_eq!(
            (steps.ms, steps.losses, steps.peak_rss_mb),
            (vec![7.0], vec![0.5], Some(10.0))
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_fails_is_quoted() {
        let failed = Process::start(&mut shell(
            "echo first >&2; echo 'no such module' >&2; exit 1",
        ));
        let error = failed.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("no such module"));
    }
}
