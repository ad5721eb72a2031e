//! The `gradus` command: trains, scores and uses models.
//!
//! The only place with a command line, a terminal and exit codes; everything else is the libraries' work. Results go to
//! stdout, all else to stderr.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod config_file;
mod exit;
mod logging;
mod output;
mod progress;
mod run_folder;
mod signals;
mod text_folder;
mod weights;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => exit::report(commands::run(cli.command)),
        Err(answer) => {
            // Help and version go to stdout with code 0, wrong usage to stderr with code 2. A closed pipe is no matter.
            let _ = answer.print();
            ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(exit::USAGE))
        }
    }
}
