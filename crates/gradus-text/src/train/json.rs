//! The tokenizers that are trained, as `tokenizer.json` writes them.

use serde_json::{Map, Value, json};

use super::{TrainerConfig, TrainerKind};
use crate::open::cls_sep_template;

/// What stands around the model of a kind: normaliser, division into words, template and decoder.
pub(super) fn frame(config: &TrainerConfig, model: Value) -> Value {
    let special = config.special();
    let added = (0_u32..).zip(&special).map(|(id, token)| {
        json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        })
    });
    let (normalizer, pre_tokenizer, decoder) = around(config);
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": template(config, &special),
        "decoder": decoder,
        "model": model,
    })
}

fn around(config: &TrainerConfig) -> (Value, Value, Value) {
    match config.kind {
        TrainerKind::Bpe => {
            let bytes = |prefix_space: bool| json!({ "type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": true });
            (Value::Null, bytes(false), bytes(true))
        }
        TrainerKind::WordPiece => (
            json!({
                "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": config.lowercase,
            }),
            json!({ "type": "BertPreTokenizer" }),
            json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
        ),
        TrainerKind::Unigram => {
            let space = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
            let one_space =
                json!({ "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": " " });
            let strip = json!({ "type": "Strip", "strip_left": true, "strip_right": true });
            let steps = json!([{ "type": "NFKC" }, one_space, strip]);
            let normalizer = json!({ "type": "Sequence", "normalizers": steps });
            (normalizer, space.clone(), space)
        }
        TrainerKind::Char => (
            Value::Null,
            json!({ "type": "Split", "pattern": { "Regex": "[\\s\\S]" }, "behavior": "Isolated", "invert": false }),
            json!({ "type": "Fuse" }),
        ),
    }
}

/// The tokens around a text: `[CLS]` and `[SEP]` of word pieces, `<s>` and `</s>` of unigrams, where the special tokens have them.
fn template(config: &TrainerConfig, special: &[String]) -> Value {
    let (cls, sep) = match config.kind {
        TrainerKind::WordPiece => ("[CLS]", "[SEP]"),
        TrainerKind::Unigram => ("<s>", "</s>"),
        TrainerKind::Bpe | TrainerKind::Char => return Value::Null,
    };
    let id = |token: &str| {
        let position = special.iter().position(|special| special == token);
        position.and_then(|position| u32::try_from(position).ok())
    };
    match (id(cls), id(sep)) {
        (Some(cls_id), Some(sep_id)) => cls_sep_template(cls, cls_id, sep, sep_id),
        _ => Value::Null,
    }
}

/// A tokenizer of a kind that knows nothing yet: it normalises and divides.
pub(super) fn outline(config: &TrainerConfig) -> Value {
    let model = json!({ "type": "WordLevel", "vocab": {}, "unk_token": "" });
    let mut outline = frame(config, model);
    outline["added_tokens"] = json!([]);
    outline["post_processor"] = Value::Null;
    outline
}

/// Tokens with their ids, in order.
pub(super) fn vocab(tokens: &[String]) -> Map<String, Value> {
    let ids = 0_u32..;
    tokens.iter().cloned().zip(ids.map(Value::from)).collect()
}
