//! `gradus inspect`: what is in a weights file. Only its header is read.

use gradus_checkpoint::{SafeTensorsFile, TensorInfo};
use serde_json::json;

use crate::args::WeightsArgs;
use crate::exit::Ending;
use crate::output;
use crate::run_folder::weights_path;

pub(super) fn run(args: &WeightsArgs) -> anyhow::Result<Ending> {
    let path = weights_path(&args.path)?;
    let file = SafeTensorsFile::open(&path)?;
    if args.json {
        let tensor = |info: &TensorInfo| json!({ "name": info.name, "dtype": dtype(info), "shape": info.shape.dims() });
        output::json(&json!({
            "file": path.display().to_string(),
            "tensors": file.tensors().iter().map(tensor).collect::<Vec<_>>(),
            "parameters": file.parameters(),
            "metadata": file.metadata(),
        }))?;
        return Ok(Ending::Done);
    }
    let width = file
        .tensors()
        .iter()
        .map(|info| printable(&info.name).chars().count())
        .max()
        .unwrap_or(0);
    for info in file.tensors() {
        output::line(format_args!(
            "{:width$}  {:5}  {}",
            printable(&info.name),
            dtype(info),
            info.shape
        ))?;
    }
    output::line(format_args!(
        "{} numbers in {} tensors",
        file.parameters(),
        file.tensors().len()
    ))?;
    for (key, value) in file.metadata() {
        output::line(format_args!("{}: {}", printable(key), printable(value)))?;
    }
    Ok(Ending::Done)
}

fn dtype(info: &TensorInfo) -> String {
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
