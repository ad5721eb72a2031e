//! `gradus predict`: what is on these images, or what are these texts? One JSON line each.

use anyhow::{Context, Error};
use gradus_linalg::threads;
use gradus_train::{Prediction, SavedModel, SavedText, TextPrediction};
use serde::Serialize;

use crate::args::PredictArgs;
use crate::exit::{Ending, message};
use crate::run_folder::{OpenRun, open_text};
use crate::{logging, output};

#[derive(Serialize)]
struct Line {
    input: String,
    top: Vec<Prediction>,
}

#[derive(Serialize)]
struct TextLine<'a> {
    input: &'a str,
    #[serde(flatten)]
    prediction: TextPrediction,
}

pub(super) fn run(args: &PredictArgs) -> anyhow::Result<Ending> {
    logging::start(false);
    threads::set_threads(args.threads);
    if let Some(model) = threads::install(|| open_text(&args.run))? {
        return threads::install(|| texts(args, &model));
    }
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

/// The classes of each text.
fn texts(args: &PredictArgs, model: &SavedText) -> anyhow::Result<Ending> {
    for input in &args.inputs {
        let input = input
            .to_str()
            .with_context(|| format!("{}: is not UTF-8", input.display()))?;
        let prediction = model.predict(input, args.top)?;
        output::json(&TextLine { input, prediction })?;
    }
    Ok(Ending::Done)
}
