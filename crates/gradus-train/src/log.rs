//! The log of a run: `metrics.jsonl` and the TensorBoard events, line by line the same numbers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Result;
use crate::events::{EventWriter, EventWriterConfig};
use crate::jsonl::{self, Flush, JsonlWriter, Record};
use crate::metrics::EvalReport;
use crate::progress::StepInfo;
use crate::state::Position;

/// Writes both logs.
pub(crate) struct RunLog {
    path: PathBuf,
    lines: JsonlWriter,
    events: EventWriter,
    /// Time and samples since the last logged step.
    busy: Duration,
    examples: usize,
}

impl RunLog {
    /// A log in `dir`. A resumed one keeps what was written up to `resumed_from` steps and goes on behind it.
    pub(crate) fn open(dir: &Path, path: PathBuf, resumed_from: Option<u64>) -> Result<Self> {
        let lines = match resumed_from {
            Some(step) => {
                if path.exists() {
                    jsonl::truncate_after(&path, step)?;
                }
                JsonlWriter::append(&path, Flush::EveryLine)?
            }
            None => JsonlWriter::create(&path, Flush::EveryLine)?,
        };
        let purge_step = resumed_from.map(|step| step + 1);
        let events = EventWriter::create(
            dir,
            EventWriterConfig {
                purge_step,
                ..EventWriterConfig::default()
            },
        )?;
        Ok(Self {
            path,
            lines,
            events,
            busy: Duration::ZERO,
            examples: 0,
        })
    }

    /// The file of lines.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes time spent on a step.
    pub(crate) fn busy(&mut self, time: Duration, examples: usize) {
        self.busy += time;
        self.examples += examples;
    }

    /// Logs a step: the mean loss since the last logged one.
    pub(crate) fn step(&mut self, position: &mut Position, info: &StepInfo) -> Result<()> {
        let Some(loss) = position.take_loss() else {
            return Ok(());
        };
        let rate = self.examples as f64 / self.busy.as_secs_f64().max(1e-9);
        (self.busy, self.examples) = (Duration::ZERO, 0);
        let record = Record::new("train", info.step, info.epoch)
            .number("loss", loss)
            .number("lr", info.lr)
            .number("examples_per_second", rate.round());
        self.lines.write(&record)?;
        self.events.scalar("train/loss", loss, info.step)?;
        self.events.scalar("train/lr", info.lr, info.step)?;
        self.events
            .scalar("train/examples_per_second", rate, info.step)?;
        Ok(())
    }

    /// Logs an evaluation.
    pub(crate) fn evaluation(
        &mut self,
        step: u64,
        epoch: u64,
        split: &str,
        report: &EvalReport,
    ) -> Result<()> {
        let mut record = Record::new("eval", step, epoch)
            .text("split", split)
            .number("loss", report.loss)
            .number("accuracy", report.accuracy);
        let mut scalars = vec![("loss", report.loss), ("accuracy", report.accuracy)];
        if report.has_classes() {
            record = record
                .number("top5", report.top5)
                .number("f1_macro", report.macro_avg.f1);
            scalars.push(("f1_macro", report.macro_avg.f1));
        } else {
            record = record.number("perplexity", report.perplexity());
            scalars.push(("perplexity", report.perplexity()));
        }
        self.lines
            .write(&record.json("examples", report.examples))?;
        for (name, value) in scalars {
            self.events
                .scalar(&format!("{split}/{name}"), value, step)?;
        }
        Ok(())
    }

    /// Notes the configuration in the TensorBoard log.
    pub(crate) fn config(&mut self, text: &str) -> Result<()> {
        Ok(self
            .events
            .text("config", &format!("```toml\n{text}\n```"), 0)?)
    }

    /// Hands everything to the disk.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.lines.sync()?;
        Ok(self.events.flush()?)
    }
}
