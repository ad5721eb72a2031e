//! Batches of an epoch in a fixed order, made ahead of time by worker threads.
//!
//! Every batch has a ticket, its number in the epoch. Workers take tickets in order; finished batches wait until their turn. At
//! most `workers × prefetch` tickets are out at a time, so memory is bounded, no channel ever blocks, and dropping the
//! iterator ends the workers after the sample that each is at. The batches are the same for any number of workers.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::collate::{Batch, Collate, collate};
use crate::dataset::Dataset;
use crate::error::{DataError, Result};
use crate::sampler::{Sampler, Sequential, Shuffled};

/// The options of a [`Loader`].
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Samples a batch; default: 1.
    pub batch_size: usize,
    /// Whether each epoch has its own random order; default: no.
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out; default: no.
    pub drop_last: bool,
    /// Threads that make batches; 0 makes them on the caller's. Default: 0.
    pub workers: usize,
    /// Batches that each worker makes ahead; default: 2.
    pub prefetch: usize,
    /// The seed of the order; default: 0.
    pub seed: u64,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 1,
            shuffle: false,
            drop_last: false,
            workers: 0,
            prefetch: 2,
            seed: 0,
        }
    }
}

/// More workers than this are taken for a mistake.
const MOST_WORKERS: usize = 1024;

/// Reads a data set in batches, epoch by epoch. Source: `torch.utils.data.DataLoader`.
///
/// ```
/// use std::sync::Arc;
/// use gradus_data::{Loader, LoaderConfig, TensorDataset};
/// use gradus_tensor::Tensor;
/// let data = TensorDataset::new(Tensor::arange(0.0_f32, 10.0, 1.0)?.reshape([5, 2])?, vec![0, 1, 0, 1, 0])?;
/// let loader = Loader::new(Arc::new(data), LoaderConfig { batch_size: 2, workers: 2, ..Default::default() })?;
/// let mut seen = Vec::new();
/// for batch in loader.epoch(0) {
///     let batch = batch?;
///     seen.extend(batch.indices);
/// }
/// assert_eq!(seen, [0, 1, 2, 3, 4]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    sampler: Arc<dyn Sampler>,
    config: LoaderConfig,
    collate: Collate,
}

impl Loader {
    /// Over all samples, in order or shuffled.
    ///
    /// # Errors
    /// [`DataError::Argument`] for a batch size or prefetch of 0, or more than 1024 workers.
    pub fn new(dataset: Arc<dyn Dataset>, config: LoaderConfig) -> Result<Self> {
        let len = dataset.len();
        let sampler: Arc<dyn Sampler> = match config.shuffle {
            true => Arc::new(Shuffled {
                len,
                seed: config.seed,
            }),
            false => Arc::new(Sequential { len }),
        };
        Self {
            dataset,
            sampler,
            config,
            collate: Collate::Stack,
        }
        .checked()
    }

    /// Over the samples that `sampler` gives.
    ///
    /// # Errors
    /// As [`Loader::new`], and [`DataError::Argument`] if `shuffle` is set, which would have no effect.
    pub fn with_sampler(
        dataset: Arc<dyn Dataset>,
        sampler: Arc<dyn Sampler>,
        config: LoaderConfig,
    ) -> Result<Self> {
        if config.shuffle {
            return Err(refuse("shuffle", "false beside a sampler", "true".into()));
        }
        Self {
            dataset,
            sampler,
            config,
            collate: Collate::Stack,
        }
        .checked()
    }

    /// The same with samples made into batches in this way; without, they are stacked.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gradus_data::{Collate, Loader, LoaderConfig, TokenizedTexts};
    /// let texts = TokenizedTexts::of_classes(vec![vec![5, 6, 7], vec![8]], &[0, 1])?;
    /// let config = LoaderConfig { batch_size: 2, ..Default::default() };
    /// let pad = Collate::Pad { value: 0, label: -100, multiple_of: 1 };
    /// let loader = Loader::new(Arc::new(texts), config)?.with_collate(pad)?;
    /// let batch = loader.epoch(0).next().unwrap()?;
    /// assert_eq!(batch.x.to_vec::<i64>()?, [5, 6, 7, 8, 0, 0]);
    /// assert_eq!(batch.lengths.unwrap().to_vec::<i64>()?, [3, 1]);
    /// # Ok::<(), gradus_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::Argument`] for padding to a multiple of 0.
    pub fn with_collate(mut self, collate: Collate) -> Result<Self> {
        if let Collate::Pad { multiple_of: 0, .. } = collate {
            return Err(refuse("multiple_of", "at least 1", "0".into()));
        }
        self.collate = collate;
        Ok(self)
    }

    fn checked(self) -> Result<Self> {
        let LoaderConfig {
            batch_size,
            prefetch,
            workers,
            ..
        } = self.config;
        if batch_size == 0 {
            return Err(refuse("batch_size", "at least 1", "0".into()));
        }
        if prefetch == 0 && workers > 0 {
            return Err(refuse("prefetch", "at least 1", "0".into()));
        }
        if workers > MOST_WORKERS {
            return Err(refuse("workers", "at most 1024", workers.to_string()));
        }
        Ok(self)
    }

    /// The number of batches in an epoch.
    pub fn len(&self) -> usize {
        let (samples, size) = (self.sampler.len(), self.config.batch_size);
        if self.config.drop_last {
            samples / size
        } else {
            samples.div_ceil(size)
        }
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// The options.
    pub fn config(&self) -> &LoaderConfig {
        &self.config
    }

    /// The batches of an epoch. Workers start at once and end with the iterator.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// The batches of an epoch from number `start` on, as a run that is resumed needs them. What comes before is not made.
    pub fn epoch_from(&self, epoch: u64, start: usize) -> Epoch {
        let batches = self.len();
        let job = Arc::new(Job {
            dataset: Arc::clone(&self.dataset),
            order: self.sampler.indices(epoch),
            batch_size: self.config.batch_size,
            epoch,
            collate: self.collate,
            stop: AtomicBool::new(false),
        });
        let next = start.min(batches);
        let threads = self.config.workers.min(batches - next);
        let workers = (threads > 0)
            .then(|| Workers::start(&job, threads, self.config.prefetch))
            .flatten();
        let mut epoch = Epoch {
            job,
            next,
            sent: next,
            batches,
            ready: BTreeMap::new(),
            workers,
        };
        epoch.send_tickets();
        epoch
    }
}

fn refuse(argument: &'static str, expected: &'static str, got: String) -> DataError {
    DataError::Argument {
        what: "loader",
        argument,
        expected,
        got,
    }
}

/// What the threads of an epoch share.
struct Job {
    dataset: Arc<dyn Dataset>,
    order: Vec<usize>,
    batch_size: usize,
    epoch: u64,
    collate: Collate,
    stop: AtomicBool,
}

impl Job {
    /// Batch number `ticket`; a panic in the data set's code becomes an error. `None` once the epoch is abandoned.
    fn batch(&self, ticket: usize) -> Option<Result<Batch>> {
        catch_unwind(AssertUnwindSafe(|| self.make(ticket))).unwrap_or_else(|panic| {
            Some(Err(DataError::Panicked {
                batch: ticket,
                message: panic_message(&*panic),
            }))
        })
    }

    fn make(&self, ticket: usize) -> Option<Result<Batch>> {
        let indices: Vec<usize> = self
            .order
            .iter()
            .skip(ticket * self.batch_size)
            .take(self.batch_size)
            .copied()
            .collect();
        let mut samples = Vec::with_capacity(indices.len());
        for &index in &indices {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            match self.dataset.get(index, self.epoch) {
                Ok(sample) => samples.push(sample),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(collate(&samples, indices, self.collate, |index| {
            self.dataset.sample_name(index)
        }))
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Threads that turn tickets into batches.
struct Workers {
    job: Arc<Job>,
    tickets: Option<Sender<usize>>,
    batches: Receiver<(usize, Result<Batch>)>,
    threads: Vec<JoinHandle<()>>,
    /// The tickets that may be out.
    capacity: usize,
}

impl Workers {
    /// `None` if the system gives no thread: the caller's then does the work.
    fn start(job: &Arc<Job>, threads: usize, prefetch: usize) -> Option<Self> {
        let capacity = threads.saturating_mul(prefetch);
        let (tickets, inbox) = bounded::<usize>(capacity);
        let (outbox, batches) = bounded(capacity);
        let mut running = Vec::with_capacity(threads);
        for number in 0..threads {
            let (job, inbox, outbox) = (Arc::clone(job), inbox.clone(), outbox.clone());
            let work = move || {
                for ticket in inbox {
                    let Some(batch) = job.batch(ticket) else {
                        return;
                    };
                    if outbox.send((ticket, batch)).is_err() {
                        return;
                    }
                }
            };
            match std::thread::Builder::new()
                .name(format!("gradus-loader-{number}"))
                .spawn(work)
            {
                Ok(thread) => running.push(thread),
                Err(_) => break,
            }
        }
        let job = Arc::clone(job);
        (!running.is_empty()).then_some(Self {
            job,
            tickets: Some(tickets),
            batches,
            threads: running,
            capacity,
        })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.job.stop.store(true, Ordering::Relaxed);
        // Without a sender the workers' loop ends; results have room for every ticket that is out, so none is stuck.
        self.tickets = None;
        for thread in self.threads.drain(..) {
            // Workers catch panics; should one die all the same, its batch has been reported missing.
            let _ = thread.join();
        }
    }
}

/// The batches of one epoch, in order. A batch that fails is an `Err` in its place; the ones after it still come.
pub struct Epoch {
    job: Arc<Job>,
    /// The batch to give next.
    next: usize,
    /// The ticket to hand out next.
    sent: usize,
    batches: usize,
    /// Batches that came before their turn.
    ready: BTreeMap<usize, Result<Batch>>,
    workers: Option<Workers>,
}

impl Epoch {
    /// The number of the batch that comes next, for [`Loader::epoch_from`].
    pub fn position(&self) -> usize {
        self.next
    }

    fn send_tickets(&mut self) {
        let Some(workers) = &self.workers else { return };
        while self.sent < self.batches && self.sent - self.next < workers.capacity {
            if workers
                .tickets
                .as_ref()
                .is_none_or(|tickets| tickets.send(self.sent).is_err())
            {
                return;
            }
            self.sent += 1;
        }
    }

    fn take(&mut self, ticket: usize) -> Option<Result<Batch>> {
        let Some(workers) = &self.workers else {
            return self.job.batch(ticket);
        };
        loop {
            if let Some(batch) = self.ready.remove(&ticket) {
                return Some(batch);
            }
            match workers.batches.recv() {
                Ok((number, batch)) => {
                    self.ready.insert(number, batch);
                }
                Err(_) => {
                    let message = "a worker thread ended early".to_owned();
                    return Some(Err(DataError::Panicked {
                        batch: ticket,
                        message,
                    }));
                }
            }
        }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.batches {
            self.workers = None;
            return None;
        }
        let batch = self.take(self.next);
        self.next += 1;
        self.send_tickets();
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.batches - self.next, Some(self.batches - self.next))
    }
}

impl ExactSizeIterator for Epoch {}
