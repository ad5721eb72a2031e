//! What a person sees of a run: a bar on a terminal, plain lines elsewhere, nothing if it should be quiet.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use gradus_train::metrics::EvalReport;
use gradus_train::{Observer, Plan, StepInfo};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{logging, output};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Time between two texts beside the bar.
const TEXT_EVERY: Duration = Duration::from_millis(200);

/// Shows a run.
#[derive(Debug)]
pub(crate) struct Progress {
    view: View,
    steps: u64,
    started: Started,
    /// The last time something was shown, and the samples since then.
    shown: Instant,
    examples: usize,
    accuracy: Option<f64>,
    /// What a sample is, in the plural.
    unit: &'static str,
}

#[derive(Debug)]
enum View {
    Bar(ProgressBar),
    Lines,
    Quiet,
}

/// When this process began to train, and at which step.
#[derive(Clone, Copy, Debug)]
struct Started {
    at: Instant,
    step: u64,
}

impl Progress {
    /// The view that suits stderr.
    pub(crate) fn new(quiet: bool) -> Self {
        let view = match quiet {
            true => View::Quiet,
            // A moving bar and logs would write over each other.
            false if io::stderr().is_terminal() && !logging::asked_for() => View::Bar(bar()),
            false => View::Lines,
        };
        let now = Instant::now();
        Self {
            view,
            steps: 0,
            started: Started { at: now, step: 0 },
            shown: now,
            examples: 0,
            accuracy: None,
            unit: "samples",
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.view {
            View::Bar(bar) => bar.suspend(|| output::note(text)),
            View::Lines => output::note(text),
            View::Quiet => {}
        }
    }

    /// Samples a second since something was shown last.
    fn rate(&self) -> f64 {
        self.examples as f64 / self.shown.elapsed().as_secs_f64().max(1e-9)
    }

    /// The time that the rest takes if it goes on like this.
    fn left(&self, step: u64) -> Duration {
        let done = step.saturating_sub(self.started.step).max(1);
        let left = self.steps.saturating_sub(step);
        let seconds = self.started.at.elapsed().as_secs_f64() * (left as f64 / done as f64);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn text(&self, info: &StepInfo) -> String {
        let accuracy = self.accuracy.map_or_else(String::new, |accuracy| {
            format!("  accuracy {:.2} %", 100.0 * accuracy)
        });
        format!(
            "loss {:.4}{accuracy}  {:.0} {}/s  {} left",
            info.loss,
            self.rate(),
            self.unit,
            span(self.left(info.step))
        )
    }
}

impl Observer for Progress {
    fn started(&mut self, plan: &Plan) {
        let Plan {
            model,
            parameters,
            data,
            samples,
            unit,
            steps,
            run,
            resumed_from,
        } = plan;
        let from = resumed_from.map_or_else(String::new, |step| format!(", from step {step}"));
        let run = run.display();
        self.say(&format!("{model} ({parameters} parameters) on {data} ({samples} {unit}): {steps} steps{from}, into {run}"));
        let step = resumed_from.unwrap_or(0);
        self.steps = *steps;
        self.unit = unit;
        self.started = Started {
            at: Instant::now(),
            step,
        };
        self.shown = self.started.at;
        if let View::Bar(bar) = &self.view {
            bar.set_length(*steps);
            bar.set_position(step);
        }
    }

    fn stepped(&mut self, info: &StepInfo) {
        self.examples += info.examples;
        let waited = self.shown.elapsed();
        match &self.view {
            View::Bar(bar) => {
                bar.set_position(info.step);
                if waited < TEXT_EVERY {
                    return;
                }
                bar.set_message(self.text(info));
            }
            View::Lines if waited >= LINE_EVERY => {
                let StepInfo { step, epoch, .. } = info;
                output::note(format_args!(
                    "step {step}/{}  epoch {}  {}",
                    self.steps,
                    epoch + 1,
                    self.text(info)
                ));
            }
            _ => return,
        }
        (self.shown, self.examples) = (Instant::now(), 0);
    }

    fn evaluated(&mut self, split: &str, step: u64, epoch: u64, report: &EvalReport) {
        self.accuracy = Some(report.accuracy);
        let (loss, accuracy) = (report.loss, 100.0 * report.accuracy);
        self.say(&format!(
            "epoch {}  step {step}  {split}: loss {loss:.4}  accuracy {accuracy:.2} %",
            epoch + 1
        ));
    }

    fn saved(&mut self, step: u64, _took: Duration) {
        if matches!(self.view, View::Lines) {
            output::note(format_args!("checkpoint of step {step} saved"));
        }
    }

    fn warn(&mut self, message: &str) {
        self.say(&format!("warning: {message}"));
    }
}

/// A bar without colours: nothing to switch off.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A time as people say it: `12 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(
            [said(9), said(185), said(7620)],
            ["9 s", "3 min 05 s", "2 h 07 min"]
        );
    }

    #[test]
    fn the_rest_takes_as_long_as_the_part_before() {
        let mut progress = Progress::new(true);
        progress.steps = 30;
        progress.started = Started {
            at: Instant::now() - Duration::from_secs(10),
            step: 10,
        };
        assert_eq!(progress.left(20).as_secs(), 10);
        assert_eq!(progress.left(30).as_secs(), 0);
    }
}
