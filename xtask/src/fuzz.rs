//! `cargo xtask fuzz`: random calls of every op with arbitrary shapes, dtypes and attributes; none may panic. In the profile of the tests, where overflows panic, too.

use anyhow::Result;

use crate::project::{self, Project};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many calls
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let test = ["test", "-p", "gradus-autograd", "--test", "it", "--"];
    project::run(
        project
            .cargo()
            .args(test)
            .args([
                "registry::arbitrary_calls_do_not_panic",
                "--exact",
                "--nocapture",
            ])
            .env("GRADUS_FUZZ_CALLS", args.calls.to_string()),
    )
}
