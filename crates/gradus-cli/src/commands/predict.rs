//! `gradus predict`: what is on these images? One JSON line each.

use anyhow::Error;
use gradus_linalg::threads;
use gradus_train::{Prediction, SavedModel};
use serde::Serialize;

use crate::args::PredictArgs;
use crate::exit::{Ending, message};
use crate::run_folder::OpenRun;
use crate::{logging, output};

#[derive(Serialize)]
struct Line {
    input: String,
    top: Vec<Prediction>,
}

pub(super) fn run(args: &PredictArgs) -> anyhow::Result<Ending> {
    logging::start(false);
    threads::set_threads(args.threads);
    let run = OpenRun::read(&args.run)?;
    threads::install(|| {
        let model = SavedModel::open(run.dir.path(), &run.config)?;
        let mut ending = Ending::Done;
        for input in &args.inputs {
            match model.predict(input, args.top) {
                Ok(top) => output::json(&Line {
                    input: input.display().to_string(),
                    top,
                })?,
                Err(error) => {
                    output::note(format_args!("error: {}", message(&Error::from(error))));
                    ending = Ending::Incomplete;
                }
            }
        }
        Ok(ending)
    })
}
