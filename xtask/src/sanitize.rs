//! `cargo xtask sanitize`: the tests of the crates with unsafe code under AddressSanitizer.
//!
//! The sanitizer's run-time library comes with the toolchain; the flag that links it is not stable yet, so the compiler is told to take it
//! as a nightly would. Everything is built anew, into a folder of its own.

use anyhow::{Result, bail};

use crate::project::{self, Project, run_for_stdout};

/// The crates that hold unsafe code, as `cargo xtask tidy` sees to.
const CRATES: [&str; 2] = ["gradus-tensor", "gradus-linalg"];

/// The systems for which the toolchain has the library.
const TARGETS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this crate; may be given several times
    #[arg(long, short, value_name = "CRATE")]
    package: Vec<String>,
    /// Passed on to the tests, after `--`: for instance a part of a test's name
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let target = host(&run_for_stdout(project.command("rustc").arg("-vV"))?)?;
    let packages: Vec<&str> = if args.package.is_empty() {
        CRATES.to_vec()
    } else {
        args.package.iter().map(String::as_str).collect()
    };
    let mut command = project.cargo();
    command.args(["test", "--lib", "--tests", "--target", &target]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    command.arg("--").args(&args.rest);
    project::run(
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Zsanitizer=address")
            // The pool and the threads live until the process ends: that is no leak.
            .env(
                "ASAN_OPTIONS",
                "detect_leaks=0:detect_stack_use_after_return=1",
            )
            .env("CARGO_TARGET_DIR", project.target_dir().join("sanitize")),
    )?;
    println!("no finding in {}", packages.join(", "));
    Ok(())
}

/// The host in what `rustc -vV` prints, if the sanitizer runs there.
fn host(version: &str) -> Result<String> {
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    match host {
        Some(host) if TARGETS.contains(&host) => Ok(host.to_owned()),
        _ => bail!(
            "AddressSanitizer runs on {}, and this is {}",
            TARGETS.join(", "),
            host.unwrap_or("unknown")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_and_others_are_refused() {
        let version = |host: &str| format!("rustc 1.95.0\nhost: {host}\nrelease: 1.95.0\n");
        assert_eq!(host(&version(TARGETS[0])).unwrap(), TARGETS[0]);
        let error = host(&version("riscv64gc-unknown-none-elf")).unwrap_err();
        assert!(error.to_string().contains("riscv64gc"), "{error}");
        assert!(host("").is_err());
    }
}
