//! What the benches share: each work on one thread and on all, its GFLOP/s or GB/s, and the share of the machine's limit.
//!
//! `Throughput::Elements` counts floating-point operations, `Throughput::BytesDecimal` the bytes that must be moved at least. The
//! limits are those that `cargo xtask bench limits` left in `benches/results/limits.json`; without the file no share is printed.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, Throughput};
use gradus::linalg::threads::{current_threads, with_threads};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Threads of the work that is being measured: the formatter is not told.
static THREADS: AtomicUsize = AtomicUsize::new(1);

/// Wall-clock time, shown with rates.
pub(crate) struct Rates {
    time: WallTime,
    formatter: Formatter,
}

struct Formatter {
    /// Threads, GFLOP/s, and GB/s of reading and writing; what the file had.
    limits: Vec<(usize, f64, f64)>,
}

/// Short measurements: a bench's rate is read with its spread, not to the last digit.
pub(crate) fn config() -> Criterion<Rates> {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .with_measurement(Rates {
            time: WallTime,
            formatter: Formatter { limits: limits() },
        })
}

/// Measures what `make` makes, on one thread and on all; it is made anew for each.
pub(crate) fn on_threads<F: FnMut()>(
    group: &mut BenchmarkGroup<'_, Rates>,
    name: &str,
    throughput: Throughput,
    make: impl Fn() -> F + Sync,
) {
    group.throughput(throughput);
    let mut counts = vec![1, current_threads()];
    counts.dedup();
    for threads in counts {
        THREADS.store(threads, Ordering::Relaxed);
        let plural = if threads == 1 { "" } else { "s" };
        group.bench_function(format!("{name}, {threads} thread{plural}"), |bench| {
            with_threads(threads, || bench.iter(make()));
        });
    }
}

fn limits() -> Vec<(usize, f64, f64)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/results/limits.json");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let column = |column: &serde_json::Value| {
        Some((
            usize::try_from(column["threads"].as_u64()?).ok()?,
            column["f32_gflops"].as_f64()?,
            column["copy_gbs"].as_f64()?,
        ))
    };
    let columns = found["limits"].as_array().cloned().unwrap_or_default();
    columns.iter().filter_map(column).collect()
}

impl Formatter {
    /// The rate in 10⁹ a second, its unit, and its limit.
    fn rate(&self, throughput: &Throughput, ns: f64) -> (f64, &'static str, Option<f64>) {
        let threads = THREADS.load(Ordering::Relaxed);
        let limit = self.limits.iter().find(|(count, ..)| *count == threads);
        match throughput {
            Throughput::Elements(count) => {
                let limit = limit.map(|(_, gflops, _)| *gflops);
                (*count as f64 / ns, "GFLOP/s", limit)
            }
            Throughput::BytesDecimal(count) | Throughput::Bytes(count) => {
                let limit = limit.map(|(.., gbs)| *gbs);
                (*count as f64 / ns, "GB/s", limit)
            }
            _ => (1.0 / ns, "G/s", None),
        }
    }
}

impl ValueFormatter for Formatter {
    fn format_throughput(&self, throughput: &Throughput, ns: f64) -> String {
        match self.rate(throughput, ns) {
            (rate, unit, Some(limit)) => {
                format!("{rate:.1} {unit} ({:.0} %)", rate / limit * 100.0)
            }
            (rate, unit, None) => format!("{rate:.1} {unit}"),
        }
    }

    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let mut unit = "";
        for value in values {
            (*value, unit, _) = self.rate(throughput, *value);
        }
        unit
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

impl Measurement for Rates {
    type Intermediate = Instant;
    type Value = Duration;

    fn start(&self) -> Instant {
        self.time.start()
    }

    fn end(&self, began: Instant) -> Duration {
        self.time.end(began)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        self.time.add(a, b)
    }

    fn zero(&self) -> Duration {
        self.time.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        self.time.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &self.formatter
    }
}
