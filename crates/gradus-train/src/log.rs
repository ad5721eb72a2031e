//! The log of a run: `metrics.jsonl` and the TensorBoard events, line by line the same numbers; and `samples.jsonl` if asked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gradus_checkpoint::RunDir;
use gradus_data::Batch;

use crate::config::TrainConfig;
use crate::error::Result;
use crate::events::{EventWriter, EventWriterConfig};
use crate::jsonl::{self, Flush, JsonlWriter, Record};
use crate::metrics::EvalReport;
use crate::progress::StepInfo;
use crate::state::Position;

/// Writes the logs.
pub(crate) struct RunLog {
    path: PathBuf,
    lines: JsonlWriter,
    samples: Option<JsonlWriter>,
    events: EventWriter,
    /// Time and samples since the last logged step.
    busy: Duration,
    examples: usize,
}

impl RunLog {
    /// The log of a run. A resumed one keeps what was written until its checkpoint was taken and goes on behind it.
    pub(crate) fn open(
        dir: &RunDir,
        config: &TrainConfig,
        resumed: Option<&Position>,
    ) -> Result<Self> {
        let open = |path: &Path, bytes: u64| match resumed {
            Some(position) => {
                jsonl::truncate_to(path, bytes, position.step)?;
                JsonlWriter::append(path, Flush::EveryLine)
            }
            None => JsonlWriter::create(path, Flush::EveryLine),
        };
        let path = dir.metrics();
        let lines = open(&path, resumed.map_or(0, |position| position.log_bytes))?;
        let samples = config.log_samples.then(|| {
            let bytes = resumed.map_or(0, |position| position.sample_log_bytes);
            open(&dir.samples(), bytes)
        });
        let purge_step = resumed.map(|position| position.step + 1);
        let events = EventWriter::create(
            dir.path(),
            EventWriterConfig {
                purge_step,
                ..EventWriterConfig::default()
            },
        )?;
        Ok(Self {
            path,
            lines,
            samples: samples.transpose()?,
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

    /// Logs which samples a step read, in their order.
    pub(crate) fn samples(&mut self, info: &StepInfo, window: &[Batch]) -> Result<()> {
        let Some(samples) = &mut self.samples else {
            return Ok(());
        };
        let read = window.iter().flat_map(|batch| &batch.indices);
        let read: Vec<usize> = read.copied().collect();
        let record = Record::new("samples", info.step, info.epoch);
        Ok(samples.write(&record.json("samples", read))?)
    }

    /// Notes in a position how long the logs are, and hands out the files for someone to wait until they are on the disk.
    pub(crate) fn mark(&mut self, position: &mut Position) -> Result<Vec<(PathBuf, File)>> {
        position.log_bytes = self.lines.bytes();
        position.sample_log_bytes = self.samples.as_ref().map_or(0, JsonlWriter::bytes);
        self.events.flush()?;
        let logs = [Some(&mut self.lines), self.samples.as_mut()];
        let mut files = Vec::with_capacity(logs.len());
        for log in logs.into_iter().flatten() {
            files.push((log.path().to_owned(), log.flushed_file()?));
        }
        Ok(files)
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
        if let Some(samples) = &mut self.samples {
            samples.sync()?;
        }
        Ok(self.events.flush()?)
    }
}
