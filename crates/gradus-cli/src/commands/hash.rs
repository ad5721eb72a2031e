//! `gradus hash`: the digest of weights.

use serde_json::json;

use crate::args::WeightsArgs;
use crate::exit::Ending;
use crate::output;
use crate::weights::Weights;

pub(super) fn run(args: &WeightsArgs) -> anyhow::Result<Ending> {
    let mut weights = Weights::open(&args.path)?;
    let files = weights.files();
    let digest = weights.sha256()?;
    if args.json {
        output::json(&json!({ "weights_sha256": digest, "file": files[0], "files": files }))?;
    } else {
        output::line(format_args!("{digest}  {}", files.join(" ")))?;
    }
    Ok(Ending::Done)
}
