//! What a page of results says about the machine, the day and the tree.

use crate::project::{Project, run_for_stdout};
use anyhow::Result;
use std::process::Command;

/// The processor's name, vendor and vector instructions, and the number of cores.
pub(super) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    };
    let flags = field("flags");
    let sets: Vec<&str> = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
        .into_iter()
        .filter(|set| flags.split(' ').any(|flag| flag == *set))
        .collect();
    let name = match field("model name") {
        "" => std::env::consts::ARCH,
        name => name,
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{name} (vendor {}, family {}; {}), {cores} cores, {} GiB",
        field("vendor_id"),
        field("cpu family"),
        sets.join(", "),
        memory_mb("MemTotal:").map_or(0.0, |mb| (mb / 1024.0).round())
    )
}

/// A line of `/proc/meminfo`, in MiB; none where the system has no such file.
pub(super) fn memory_mb(field: &str) -> Option<f64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Today, as `date` has it, and the commit of the tree.
pub(super) fn date_and_commit(project: &Project) -> Result<(String, String)> {
    let mut date = project.command("date");
    let mut commit = project.command("git");
    let word = |command: &mut Command| run_for_stdout(command).map(|text| text.trim().to_owned());
    Ok((
        word(date.args(["-u", "+%Y-%m-%dT%H:%MZ"]))?,
        word(commit.args(["rev-parse", "--short=12", "HEAD"]))?,
    ))
}
