//! A workload that stays loaded: it runs as many steps as each line of stdin asks for. `benches/peers/README.md` has the lines.

use crate::peak_rss_mb;
use gradus_benches::workloads::{Outcome, Workload};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Instant;

/// Steps before the first line.
const WARM_UP: usize = 2;

/// `base_rss_mb` is the peak before the model. The returned line is the program's last.
pub(crate) fn serve(workload: &mut dyn Workload, base_rss_mb: Option<f64>) -> Outcome<Value> {
    let mut first = timed(workload, WARM_UP)?;
    first["ready"] = json!(true);
    first["version"] = json!("");
    first["base_rss_mb"] = json!(base_rss_mb);
    say(&first)?;
    let mut requests = 0;
    for line in std::io::stdin().lock().lines() {
        say(&timed(workload, line?.trim().parse()?)?)?;
        requests += 1;
    }
    Ok(json!({ "requests": requests }))
}

fn timed(workload: &mut dyn Workload, steps: usize) -> Outcome<Value> {
    let (mut times, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let began = Instant::now();
        losses.push(workload.step()?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(json!({ "ms": times, "losses": losses, "peak_rss_mb": peak_rss_mb() }))
}

fn say(line: &Value) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
