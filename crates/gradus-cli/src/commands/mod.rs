//! The commands, one file each.

mod completions;
mod config;
mod convert;
mod data;
mod embed;
mod eval;
mod generate;
mod gradcheck;
mod hash;
mod inspect;
mod man;
mod op;
mod predict;
mod tokenize;
mod tokenizer;
mod train;

use crate::args::Command;
use crate::exit::Ending;

/// Runs a command.
///
/// # Errors
/// What the command could not do; [`crate::exit::report`] tells wrong usage from failed work.
pub(crate) fn run(command: Command) -> anyhow::Result<Ending> {
    match command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Hash(args) => hash::run(&args),
        Command::Tokenize(args) => tokenize::run(&args),
        Command::Tokenizer(command) => tokenizer::run(&command),
        Command::Convert(args) => convert::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Gradcheck(args) => gradcheck::run(&args),
        Command::Op(command) => op::run(&command),
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
