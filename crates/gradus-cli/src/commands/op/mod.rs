//! `gradus op`: the registry of ops, and one op run on tensors from a file.

mod attributes;
mod list;
mod run;

use gradus_autograd::registry::{self, OpSpec};
use gradus_data::nearest;

use crate::args::OpCommand;
use crate::exit::{Ending, usage};

pub(super) fn run(command: &OpCommand) -> anyhow::Result<Ending> {
    match command {
        OpCommand::List { .. } => list::run(),
        OpCommand::Run(args) => run::run(args),
    }
}

/// The op of this name, or a usage error with the nearest one.
pub(super) fn find(name: &str) -> anyhow::Result<&'static OpSpec> {
    registry::find(name).ok_or_else(|| {
        let known = registry::all().iter().map(OpSpec::name);
        match nearest(name, known) {
            Some(near) => usage(format_args!(
                "there is no op {name:?}; did you mean {near:?}?"
            )),
            None => usage(format_args!(
                "there is no op {name:?}; `gradus op list` shows all"
            )),
        }
    })
}
