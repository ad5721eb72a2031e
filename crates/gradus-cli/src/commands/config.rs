//! `gradus config`: the default configuration, or the page about it.

use gradus_train::config::{TrainConfig, render_keys};

use crate::args::ConfigArgs;
use crate::config_file::render_with_docs;
use crate::exit::Ending;
use crate::output;

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<Ending> {
    let text = if args.markdown {
        render_keys()
    } else {
        render_with_docs(&TrainConfig::of_task(&args.task))?
    };
    output::text_of(text)?;
    Ok(Ending::Done)
}
