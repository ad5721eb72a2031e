//! `gradus hash`: the digest of weights.

use gradus_checkpoint::SafeTensorsFile;
use serde_json::json;

use crate::args::WeightsArgs;
use crate::exit::Ending;
use crate::output;
use crate::run_folder::weights_path;

pub(super) fn run(args: &WeightsArgs) -> anyhow::Result<Ending> {
    let path = weights_path(&args.path)?;
    let digest = SafeTensorsFile::open(&path)?.weights_sha256()?;
    if args.json {
        output::json(&json!({ "weights_sha256": digest, "file": path.display().to_string() }))?;
    } else {
        output::line(format_args!("{digest}  {}", path.display()))?;
    }
    Ok(Ending::Done)
}
