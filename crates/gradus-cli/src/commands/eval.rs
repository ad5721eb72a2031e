//! `gradus eval`: scores the model of a run.

use std::fmt::Write;
use std::path::Path;

use gradus_linalg::threads;
use gradus_train::SavedModel;
use gradus_train::metrics::EvalReport;

use crate::args::EvalArgs;
use crate::exit::Ending;
use crate::run_folder::{OpenRun, open_text};
use crate::{logging, output};

pub(super) fn run(args: &EvalArgs) -> anyhow::Result<Ending> {
    logging::start(false);
    threads::set_threads(args.threads);
    if let Some(model) = threads::install(|| open_text(&args.run))? {
        let file = args.data.as_deref().map(Path::new);
        return print(args, &threads::install(|| model.evaluate(file))?);
    }
    let mut run = OpenRun::read(&args.run)?;
    run.config.skip_bad_images |= args.skip_bad_images;
    run.config.workers = args.workers.unwrap_or(run.config.workers);
    run.config.validate()?;
    let report = threads::install(|| {
        SavedModel::open(run.dir.path(), &run.config)?.evaluate(args.data.as_deref())
    })?;
    print(args, &report)
}

fn print(args: &EvalArgs, report: &EvalReport) -> anyhow::Result<Ending> {
    if args.json {
        output::json(report)?;
    } else {
        output::text_of(table(report))?;
    }
    Ok(Ending::Done)
}

/// The scores as a person reads them.
fn table(report: &EvalReport) -> String {
    let mut text = String::new();
    let mean = &report.macro_avg;
    // Writing to a string does not fail.
    let unit = if report.has_classes() {
        "examples"
    } else {
        "tokens"
    };
    let _ = writeln!(text, "{unit:10} {}", report.examples);
    let _ = writeln!(text, "loss       {:.4}", report.loss);
    if !report.has_classes() {
        let _ = writeln!(text, "perplexity {:.3}", report.perplexity());
        let _ = writeln!(text, "accuracy   {:.2} %", 100.0 * report.accuracy);
        return text;
    }
    let _ = writeln!(
        text,
        "accuracy   {:.2} %  (top 5: {:.2} %)",
        100.0 * report.accuracy,
        100.0 * report.top5
    );
    let _ = writeln!(
        text,
        "macro      precision {:.4}  recall {:.4}  f1 {:.4}",
        mean.precision, mean.recall, mean.f1
    );
    if let Some(area) = report.roc_auc {
        let _ = writeln!(text, "roc auc    {area:.4}");
    }
    if report.invalid > 0 {
        let _ = writeln!(
            text,
            "invalid    {} examples gave outputs that are no numbers",
            report.invalid
        );
    }
    let width = report
        .classes
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max("class".len());
    let _ = writeln!(
        text,
        "\n{:width$}  precision  recall      f1   count  mostly taken for",
        "class"
    );
    for (row, class) in report.per_class.iter().enumerate() {
        let _ = writeln!(
            text,
            "{:width$}  {:9.4}  {:6.4}  {:6.4}  {:6}  {}",
            class.class,
            class.precision,
            class.recall,
            class.f1,
            class.support,
            mistaken_for(report, row)
        );
    }
    text
}

/// The wrong class that is predicted most often for this one, with its count.
fn mistaken_for(report: &EvalReport, class: usize) -> String {
    let counts = report.confusion.get(class).map_or(&[][..], Vec::as_slice);
    let wrong = counts
        .iter()
        .enumerate()
        .filter(|(predicted, count)| *predicted != class && **count > 0);
    let most = wrong.reduce(|a, b| if b.1 > a.1 { b } else { a });
    most.map_or_else(String::new, |(predicted, count)| {
        format!("{} ({count})", report.classes[predicted])
    })
}
