//! `gradus embed`: texts as vectors. One JSON line each.

use std::iter;
use std::path::Path;

use anyhow::{Result, bail};
use gradus_autograd::{Tensor, autocast, no_grad};
use gradus_linalg::threads;
use gradus_models::{Head, TextModel, open_pretrained_with};
use gradus_nn::Ctx;
use gradus_text::{EncodeConfig, Encoding, Tokenizer};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::EmbedArgs;
use crate::exit::{Ending, usage};
use crate::text_folder::{TextFolder, json_object, lines};
use crate::{logging, output};

/// Batches that are read before the first is computed, so that texts of similar length can be put together.
const BATCHES_AHEAD: usize = 16;

type Texts = Box<dyn Iterator<Item = Result<String>> + Send>;

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    embedding: Vec<f32>,
}

pub(super) fn run(args: &EmbedArgs) -> Result<Ending> {
    logging::start(false);
    threads::set_threads(args.threads);
    let folder = TextFolder::open(&args.folder)?;
    require_mean(&folder.path)?;
    let settings = json_object(&folder.path.join("sentence_bert_config.json"))?;
    let mut texts = texts(args)?;
    let found = open_pretrained_with(&folder.path, Head::Pooled, &args.dtype.open())?;
    let model = found.model.as_ref();
    folder.require_fit(model.vocab_size())?;
    let embedder = Embedder {
        model,
        tokenizer: &folder.tokenizer,
        encode: EncodeConfig {
            max_length: max_length(args.max_length, &folder.tokenizer, model, &settings)?,
            ..EncodeConfig::default()
        },
        lower_case: settings.get("do_lower_case") == Some(&Value::Bool(true)),
        batch_size: args.batch_size,
    };
    let ahead = args.batch_size.saturating_mul(BATCHES_AHEAD);
    let mut before = 0;
    threads::install(|| {
        loop {
            let some: Vec<String> = texts.by_ref().take(ahead).collect::<Result<_>>()?;
            if some.is_empty() {
                return Ok(Ending::Done);
            }
            let embed = || embedder.embed(&some, before);
            let embeddings = autocast(args.dtype.precision(), embed)?;
            for (text, embedding) in some.iter().zip(embeddings) {
                output::json(&Line { text, embedding })?;
            }
            before += some.len();
        }
    })
}

/// The texts of the command line, then those of the file.
fn texts(args: &EmbedArgs) -> Result<Texts> {
    let mut all: Texts = Box::new(iter::empty());
    for text in &args.texts {
        let next: Texts = match text.as_str() {
            "-" => lines(Path::new("-"))?,
            _ => Box::new(iter::once(Ok(text.clone()))),
        };
        all = Box::new(all.chain(next));
    }
    if let Some(file) = &args.file {
        all = Box::new(all.chain(lines(file)?));
    }
    Ok(all)
}

/// Refuses a folder of sentence-transformers that asks for something else than the mean of a text's tokens.
fn require_mean(folder: &Path) -> Result<()> {
    let path = folder.join("1_Pooling/config.json");
    let pooling = json_object(&path)?;
    let asked = pooling
        .iter()
        .filter(|(key, value)| key.starts_with("pooling_mode_") && **value == true);
    for (key, _) in asked {
        if key != "pooling_mode_mean_tokens" {
            bail!(
                "{}: asks for {key}, and only pooling_mode_mean_tokens is known",
                path.display()
            );
        }
    }
    Ok(())
}

/// The most tokens of a text: what was asked for, or the least that the folder says anywhere.
fn max_length(
    asked: Option<usize>,
    tokenizer: &Tokenizer,
    model: &dyn TextModel,
    settings: &Map<String, Value>,
) -> Result<Option<usize>> {
    let positions = model.max_positions();
    if let (Some(asked), Some(positions)) = (asked, positions)
        && asked > positions
    {
        return Err(usage(format_args!(
            "--max-length {asked}: the model has {positions} positions"
        )));
    }
    let own = settings.get("max_seq_length").and_then(Value::as_u64);
    let own = own.and_then(|length| usize::try_from(length).ok());
    let said = [own, tokenizer.max_length(), positions];
    Ok(asked.or_else(|| said.into_iter().flatten().min()))
}

struct Embedder<'a> {
    model: &'a dyn TextModel,
    tokenizer: &'a Tokenizer,
    encode: EncodeConfig,
    lower_case: bool,
    batch_size: usize,
}

impl Embedder<'_> {
    /// The vector of each text. `before` texts came before these.
    fn embed(&self, texts: &[String], before: usize) -> Result<Vec<Vec<f32>>> {
        let lower: Vec<String>;
        let asked = if self.lower_case {
            lower = texts.iter().map(|text| text.to_lowercase()).collect();
            &lower
        } else {
            texts
        };
        let encodings = self.tokenizer.encode_batch(asked, &self.encode)?;
        if let Some(at) = encodings.iter().position(Encoding::is_empty) {
            bail!(
                "text {}: has no tokens, and the tokenizer adds none",
                before + at + 1
            );
        }
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(encodings[at].len()));
        let mut embeddings = vec![Vec::new(); texts.len()];
        for batch in order.chunks(self.batch_size) {
            let rows: Vec<&[u32]> = batch.iter().map(|&at| &encodings[at].ids[..]).collect();
            for (&at, row) in batch.iter().zip(self.rows(&rows)?) {
                if row.iter().any(|x| !x.is_finite()) {
                    bail!(
                        "text {}: the embedding is not finite; check the model's weights",
                        before + at + 1
                    );
                }
                embeddings[at] = row;
            }
        }
        Ok(embeddings)
    }

    /// The vectors of some rows of tokens, which are filled up to one length.
    fn rows(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let pad = i64::from(self.tokenizer.pad().unwrap_or(0));
        let mut ids = Vec::with_capacity(rows.len() * longest);
        let mut real = Vec::with_capacity(rows.len() * longest);
        for row in rows {
            let padding = longest - row.len();
            ids.extend(row.iter().map(|&id| i64::from(id)));
            ids.extend(iter::repeat_n(pad, padding));
            real.extend(iter::repeat_n(true, row.len()));
            real.extend(iter::repeat_n(false, padding));
        }
        let shape = [rows.len(), longest];
        let tokens = Tensor::from_slice(&ids, shape)?;
        let mask = Tensor::from_slice(&real, shape)?;
        let mask = real.contains(&false).then_some(&mask);
        let pooled = no_grad(|| self.model.forward(&tokens, mask, &Ctx::eval()))?; // (B, E)
        let values = pooled.tensor().to_vec::<f32>()?;
        let width = self.model.width().max(1);
        Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
    }
}
