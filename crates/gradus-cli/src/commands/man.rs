//! `gradus man`: manual pages, made from the command line's own help.

use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::exit::Ending;
use crate::output;

pub(super) fn run(args: &ManArgs) -> anyhow::Result<Ending> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    match &args.dir {
        None => output::bytes(&page(&cli)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("{}: cannot create", dir.display()))?;
            write_pages(&cli, dir)?;
        }
    }
    Ok(Ending::Done)
}

fn manual(command: &Command) -> Man {
    let source = concat!("gradus ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).manual("gradus")
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    manual(command).render(&mut page)?;
    Ok(page)
}

/// The page of a command and those of its subcommands: `gradus train` has `gradus-train.1`.
fn write_pages(command: &Command, dir: &Path) -> anyhow::Result<()> {
    let path = dir.join(manual(command).get_filename());
    std::fs::write(&path, page(command)?)
        .with_context(|| format!("{}: cannot write", path.display()))?;
    command
        .get_subcommands()
        .try_for_each(|command| write_pages(command, dir))
}
