//! Opens a model folder, runs it on tokens from a file, and writes the results, and maybe the folder anew.
//!
//! `text_model FOLDER HEAD INPUT OUTPUT [EXPORT]`: `HEAD` is `auto` (the one of `config.json`), `none`, `pooled`, `masked-lm` or `causal-lm`.
//! `INPUT` is a safetensors file with `NAME.tokens` (i64, `(B, T)`) and maybe `NAME.mask` (bool), or `NAME.images` for a vision
//! transformer; `OUTPUT` gets the result of each under `NAME`. `xtask/interop/text.py` compares these with transformers'.

use std::error::Error;
use std::path::Path;

use gradus_autograd::{Tensor, Var};
use gradus_checkpoint::{Metadata, StateDict, load_state_dict, save_state_dict};
use gradus_models::{Architecture, FolderConfig, Head, export, open_pretrained, open_vit};
use gradus_nn::{Ctx, Module};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, head, input, output, rest @ ..] = &words[..] else {
        return Err("usage: text_model FOLDER HEAD INPUT OUTPUT [EXPORT]".into());
    };
    let (folder, to) = (Path::new(folder), rest.first().map(Path::new));
    let config = FolderConfig::open(folder)?;
    let head = match head.as_str() {
        "auto" => Head::of(&config)?,
        "none" => Head::None,
        "pooled" => Head::Pooled,
        "masked-lm" => Head::MaskedLm,
        "causal-lm" => Head::CausalLm,
        other => return Err(format!("unknown head {other:?}").into()),
    };
    let (inputs, _) = load_state_dict(input)?;
    let results = if config.architecture()? == Architecture::Vit {
        let opened = open_vit(folder, head.labels())?;
        to.map(|to| opened.model.export(to, &opened.store))
            .transpose()?;
        of_each(&inputs, "images", |images, _| {
            opened
                .model
                .forward(&Var::constant(images.clone()), &Ctx::eval())
        })?
    } else {
        let opened = open_pretrained(folder, head)?;
        to.map(|to| export(to, opened.model.as_ref(), &opened.store))
            .transpose()?;
        for parameter in opened.store.parameters() {
            parameter.set_trainable(false); // nothing is recorded for a backward
        }
        of_each(&inputs, "tokens", |tokens, mask| {
            opened.model.forward(tokens, mask, &Ctx::eval())
        })?
    };
    save_state_dict(output, &results, &Metadata::new())?;
    Ok(())
}

/// The results of all inputs of a kind, by their names.
fn of_each(
    inputs: &StateDict,
    kind: &str,
    run: impl Fn(&Tensor, Option<&Tensor>) -> gradus_nn::Result<Var>,
) -> gradus_nn::Result<StateDict> {
    let named = |name: String| inputs.iter().find(|(key, _)| *key == name).map(|(_, x)| x);
    let all = inputs.iter().filter_map(|(key, x)| {
        let name = key.strip_suffix(kind)?.strip_suffix('.')?;
        Some((name, x))
    });
    all.map(|(name, x)| {
        let result = run(x, named(format!("{name}.mask")))?;
        Ok((name.to_owned(), result.into_tensor().contiguous()?))
    })
    .collect()
}
