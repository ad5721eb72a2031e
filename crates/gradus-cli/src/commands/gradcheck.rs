//! `gradus gradcheck`: every op of the registry against its reference and finite differences, one JSON line each.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use gradus_autograd::registry::{self, CheckConfig, CheckReport, OpSpec, check};
use serde_json::{Value, json};

use super::op::find;
use crate::args::GradcheckArgs;
use crate::exit::Ending;
use crate::output;

pub(super) fn run(args: &GradcheckArgs) -> anyhow::Result<Ending> {
    let ops: Vec<&OpSpec> = if args.op.is_empty() {
        registry::all().iter().collect()
    } else {
        let found = args.op.iter().map(|name| find(name));
        found.collect::<anyhow::Result<_>>()?
    };
    let config = CheckConfig {
        cases: args.cases,
        seed: args.seed,
        large: true,
    };
    // A panic in an op is caught and reported as its failure; its words on stderr would only repeat that.
    std::panic::set_hook(Box::new(|_| {}));
    let failed = check_all(&ops, &config)?;
    let _ = std::panic::take_hook();
    let checked = ops.len();
    if failed == 0 {
        output::note(format_args!("{checked} ops checked, all ok"));
        Ok(Ending::Done)
    } else {
        output::note(format_args!("{checked} ops checked, {failed} failed"));
        Ok(Ending::Incomplete)
    }
}

/// Checks the ops on all cores and prints their lines in order; the number of those that failed.
fn check_all(ops: &[&OpSpec], config: &CheckConfig) -> anyhow::Result<usize> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let (sender, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers.min(ops.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(op) = ops.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send(check(op, config)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        print_in_order(ops, reports)
    })
}

fn print_in_order(ops: &[&OpSpec], reports: mpsc::Receiver<CheckReport>) -> anyhow::Result<usize> {
    let mut waiting: Vec<Option<CheckReport>> = vec![None; ops.len()];
    let (mut printed, mut failed) = (0, 0);
    for report in reports {
        if let Some(at) = ops.iter().position(|op| op.name() == report.op) {
            waiting[at] = Some(report);
        }
        while let Some(report) = waiting.get_mut(printed).and_then(Option::take) {
            output::json(&line(&report))?;
            failed += usize::from(!report.ok());
            printed += 1;
        }
    }
    Ok(failed)
}

fn line(report: &CheckReport) -> Value {
    json!({
        "op": report.op,
        "cases": report.cases,
        "layouts": report.layouts.len(),
        "layout_names": report.layouts,
        "entries": report.entries,
        // JSON has no NaN: a gradient that is none is an error without bound.
        "max_error": if report.max_error.is_nan() { json!("nan") } else { json!(report.max_error) },
        "second_order": report.second_order.to_string(),
        "ok": report.ok(),
        "error": report.failure,
    })
}
