//! `gradus inspect`: what is in a weights file. Only what describes the tensors is read.

use gradus_checkpoint::WeightsInfo;
use serde_json::json;

use crate::args::WeightsArgs;
use crate::exit::Ending;
use crate::output;
use crate::weights::Weights;

pub(super) fn run(args: &WeightsArgs) -> anyhow::Result<Ending> {
    let weights = Weights::open(&args.path)?;
    let tensors = weights.tensors();
    if args.json {
        let files = weights.files();
        let tensor = |info: &WeightsInfo| json!({ "name": info.name, "dtype": dtype(info), "shape": info.shape.dims() });
        output::json(&json!({
            "file": files[0],
            "files": files,
            "tensors": tensors.iter().map(tensor).collect::<Vec<_>>(),
            "parameters": weights.parameters(),
            "metadata": weights.metadata(),
        }))?;
        return Ok(Ending::Done);
    }
    let width = tensors
        .iter()
        .map(|info| printable(&info.name).chars().count())
        .max()
        .unwrap_or(0);
    for info in &tensors {
        output::line(format_args!(
            "{:width$}  {:5}  {}",
            printable(&info.name),
            dtype(info),
            info.shape
        ))?;
    }
    output::line(format_args!(
        "{} numbers in {} tensors",
        weights.parameters(),
        tensors.len()
    ))?;
    for (key, value) in &weights.metadata() {
        output::line(format_args!("{}: {}", printable(key), printable(value)))?;
    }
    Ok(Ending::Done)
}

fn dtype(info: &WeightsInfo) -> String {
    info.dtype.name().to_lowercase()
}

/// Text from a file without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
