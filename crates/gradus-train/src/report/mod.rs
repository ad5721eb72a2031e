//! `report.html`: one self-contained page about a run that a person likes to read.
//!
//! No external script, font, image or style: the page's own content security policy forbids them. Light and dark follow the reader's
//! system; it prints. The small script only shows values under the pointer: without it nothing is missing. All text is escaped, since
//! class names come from folders. The same data gives the same bytes.

mod cards;
mod chart;
mod confusion;
mod gallery;
mod html;
mod png;
mod series;

use std::fmt::Write as _;

use chart::{Chart, Unit};
use html::escape;

pub use png::{PngError, encode_png};

use crate::metrics::EvalReport;

/// Everything that the page shows, as plain data. What is empty or `None` is left out of the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportData {
    /// Heading: the run's name.
    pub title: String,
    /// One line below it: model, data, when.
    pub subtitle: String,
    /// Things that the reader must know first, such as an interruption.
    pub notes: Vec<String>,
    /// The key numbers that are not in `eval`.
    pub summary: Summary,
    /// Name of the evaluated split, such as `test`.
    pub split: String,
    /// The final evaluation.
    pub eval: Option<EvalReport>,
    /// Training loss: `(step, value)`, in step order. Non-finite values are shown as gaps.
    pub train_loss: Vec<(u64, f64)>,
    /// Evaluation loss.
    pub eval_loss: Vec<(u64, f64)>,
    /// Training accuracy, in `0..=1`.
    pub train_accuracy: Vec<(u64, f64)>,
    /// Evaluation accuracy, in `0..=1`.
    pub eval_accuracy: Vec<(u64, f64)>,
    /// Learning rate.
    pub learning_rate: Vec<(u64, f64)>,
    /// Throughput in examples a second.
    pub examples_per_second: Vec<(u64, f64)>,
    /// Sample predictions, in the order of the page.
    pub samples: Vec<Sample>,
    /// Facts of the run: version, processor, threads, system, seed, `weights_sha256`, ….
    pub environment: Vec<(String, String)>,
    /// The command that repeats the run.
    pub command: String,
    /// The resolved configuration, as TOML.
    pub config: String,
}

/// Key numbers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Trainable numbers in the model.
    pub parameters: Option<u64>,
    /// Optimizer steps done.
    pub steps: Option<u64>,
    /// Epochs done.
    pub epochs: Option<u64>,
    /// Training time in seconds.
    pub seconds: Option<f64>,
    /// Training throughput.
    pub examples_per_second: Option<f64>,
}

/// One sample prediction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The picture as the bytes of a PNG file; see [`encode_png`].
    pub png: Vec<u8>,
    /// The true class.
    pub truth: String,
    /// The predicted class.
    pub predicted: String,
    /// Probability that the model gave to its prediction, in `0..=1`.
    pub probability: f64,
}

impl Sample {
    /// Whether the prediction is right.
    pub fn is_correct(&self) -> bool {
        self.truth == self.predicted
    }
}

/// The page as HTML.
///
/// # Example
/// ```
/// use gradus_train::report::{ReportData, render};
/// let data = ReportData { title: "first <run>".into(), train_loss: vec![(1, 2.3), (2, 1.9)], ..ReportData::default() };
/// let page = render(&data);
/// assert!(page.contains("<h1>first &lt;run&gt;</h1>"));
/// ```
pub fn render(data: &ReportData) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta \
         name=\"color-scheme\" content=\"light dark\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\"><title>{} · gradus</title>\n<style>\n{}</style></head><body><main>\n",
        escape(&data.title),
        include_str!("style.css"),
    );
    page.push_str(&header(data));
    page.push_str(&cards::render(data));
    page.push_str(&charts(data));
    if let Some(eval) = &data.eval {
        page.push_str(&confusion::matrix(eval));
        page.push_str(&confusion::scores(eval));
    }
    page.push_str(&gallery::render(&data.samples));
    page.push_str(&facts(data));
    let _ = write!(
        page,
        "<footer>Made by gradus {}. This page needs nothing but itself.</footer></main>\n<script>\n{}</script></body></html>\n",
        env!("CARGO_PKG_VERSION"),
        include_str!("script.js"),
    );
    page
}

fn header(data: &ReportData) -> String {
    let subtitle = if data.subtitle.is_empty() {
        String::new()
    } else {
        format!("<p class=\"subtitle\">{}</p>", escape(&data.subtitle))
    };
    let notes: String = data
        .notes
        .iter()
        .map(|n| format!("<p class=\"note\">{}</p>", escape(n)))
        .collect();
    format!(
        "<header><p class=\"brand\">gradus · training report</p><h1>{}</h1>{subtitle}{notes}</header>\n",
        escape(&data.title)
    )
}

fn charts(data: &ReportData) -> String {
    let split = if data.split.is_empty() {
        "test"
    } else {
        &data.split
    };
    let none = ("", &[][..]);
    let charts = [
        Chart::new(
            "Loss",
            Unit::Number,
            ("training", &data.train_loss),
            (split, &data.eval_loss),
            true,
        ),
        Chart::new(
            "Accuracy",
            Unit::Share,
            ("training", &data.train_accuracy),
            (split, &data.eval_accuracy),
            true,
        ),
        Chart::new(
            "Learning rate",
            Unit::Number,
            ("learning rate", &data.learning_rate),
            none,
            false,
        ),
        Chart::new(
            "Examples per second",
            Unit::Number,
            ("training", &data.examples_per_second),
            none,
            true,
        ),
    ];
    let drawn: Vec<&Chart> = charts.iter().filter(|c| !c.is_empty()).collect();
    if drawn.is_empty() {
        return String::new();
    }
    // The first chart takes the whole width when the others pair up.
    let figures: String = drawn
        .iter()
        .enumerate()
        .map(|(i, c)| c.render(i == 0 && drawn.len() % 2 == 1))
        .collect();
    format!("<section><h2>Training</h2><div class=\"charts\">\n{figures}</div></section>\n")
}

fn facts(data: &ReportData) -> String {
    let row = |(key, value): &(String, String)| {
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
            escape(key),
            escape(value)
        )
    };
    let rows: String = data.environment.iter().map(row).collect();
    let mut out = String::new();
    if !rows.is_empty() {
        let _ = write!(
            out,
            "<div class=\"card scroll\"><table class=\"facts\"><tbody>\n{rows}</tbody></table></div>"
        );
    }
    if !data.command.is_empty() {
        let _ = write!(
            out,
            "<h3>Repeat this run</h3><pre class=\"card command\">{}</pre>",
            escape(&data.command)
        );
    }
    if !data.config.is_empty() {
        let _ = write!(
            out,
            "<details class=\"card\"><summary>Resolved configuration</summary><pre>{}</pre></details>",
            escape(&data.config)
        );
    }
    if out.is_empty() {
        out
    } else {
        format!("<section><h2>Environment</h2>{out}</section>\n")
    }
}

#[cfg(test)]
mod tests;
