//! `gradus completions`: a script that teaches a shell our commands.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Ending;
use crate::output;

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gradus", &mut script);
    output::bytes(&script)?;
    Ok(Ending::Done)
}
