//! Where the project lies, and how its tasks start other programs.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The workspace that this task belongs to.
pub(crate) struct Project {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
}

impl Project {
    /// The workspace around the running task: cargo says where xtask's manifest is, its parent is the root.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask's manifest has no parent folder")?
            .to_path_buf();
        if !root.join("xtask/Cargo.toml").is_file() {
            bail!(
                "{} is not the workspace of this task; run it as `cargo xtask`",
                root.display()
            );
        }
        Ok(Self { root })
    }

    /// A command that runs in the workspace's root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that started this task, in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Where builds go.
    pub(crate) fn target_dir(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// Builds `gradus` in release mode and says where the binary is.
    pub(crate) fn release_binary(&self) -> Result<PathBuf> {
        let output = run_for_stdout(self.cargo().args([
            "build",
            "--release",
            "-p",
            "gradus-cli",
            "--message-format=json-render-diagnostics",
        ]))?;
        output
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "gradus")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo built gradus-cli but named no executable `gradus`")
    }
}

/// Runs to the end with this task's own stdout and stderr; a failure is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs to the end and returns stdout; stderr goes to this task's own.
pub(crate) fn run_for_stdout(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let stdout = String::from_utf8(output.stdout)
        .with_context(|| format!("{} wrote bytes that are not UTF-8", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}\n{}",
            shown(command),
            output.status,
            stdout.trim_end()
        );
    }
    Ok(stdout)
}

/// Runs to the end, passing each line on as it comes, and returns the lines that `keep` chooses, of stdout first.
pub(crate) fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let stdout = child
        .stdout
        .take()
        .context("internal error: stdout is piped")?;
    let stderr = child
        .stderr
        .take()
        .context("internal error: stderr is piped")?;
    let of_stderr = thread::spawn(move || pass_on(stderr, keep, |line| eprintln!("{line}")));
    let mut kept = pass_on(stdout, keep, |line| println!("{line}"));
    kept.extend(of_stderr.join().unwrap_or_default());
    let status = child.wait()?;
    if !status.success() {
        bail!(
            "{} ended with {status}\n{}",
            shown(command),
            kept.join("\n")
        );
    }
    Ok(kept)
}

fn pass_on(source: impl Read, keep: fn(&str) -> bool, show: impl Fn(&str)) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(source)
        .split(b'\n')
        .map_while(std::result::Result::ok)
    {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        show(line);
        if keep(line) {
            kept.push(line.trim().to_owned());
        }
    }
    kept
}

/// The command as a person would type it: program's file name, then the arguments.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    format!(
        "`{}`",
        words
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named() {
        let project = Project::find().unwrap();
        let error = run_for_stdout(project.cargo().arg("--no-such-flag"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cargo --no-such-flag"), "{error}");
    }

    #[test]
    fn chosen_lines_are_kept() {
        let project = Project::find().unwrap();
        let kept = run_keeping(project.cargo().arg("--version"), |line| {
            line.starts_with("cargo ")
        })
        .unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
    }
}
