//! Opening a tokenizer's folder: its three forms, and the files beside them.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{LineProblem, Result, TextError};
use crate::files;
use crate::longest_text::LongestText;
use crate::role::{self, Role};
use crate::tokenizer::{Tokenizer, guarded};

/// Opens a folder, or a file of one.
pub(crate) fn open(path: &Path) -> Result<Tokenizer> {
    if path.is_dir() {
        for name in ["tokenizer.json", "vocab.txt", "vocab.json"] {
            let file = path.join(name);
            if file.is_file() {
                return open_file(&file);
            }
        }
        return Err(TextError::NoTokenizer { path: path.into() });
    }
    if !path.exists() {
        return Err(TextError::io(
            "read",
            path,
            std::io::ErrorKind::NotFound.into(),
        ));
    }
    open_file(path)
}

fn open_file(path: &Path) -> Result<Tokenizer> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut settings = files::object_or_empty(&folder.join("tokenizer_config.json"))?;
    for (key, value) in files::object_or_empty(&folder.join("special_tokens_map.json"))? {
        settings.entry(key).or_insert(value);
    }
    let chat_template = chat_template(folder, &settings)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let json = match name.unwrap_or_default() {
        "vocab.json" => byte_level(path, &mut settings)?,
        name if name.ends_with(".txt") => word_pieces(path, &mut settings)?,
        name if name.ends_with(".json") => files::read(path)?,
        _ => return Err(TextError::NoTokenizer { path: path.into() }),
    };
    let inner = parse(&json, path)?;
    Tokenizer::new(inner, settings, chat_template, path)
}

/// The parts of `tokenizer.json` whose JSON the library takes for granted: read first, so that a damaged file is an error.
#[derive(serde::Deserialize)]
struct Outline {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    #[serde(default)]
    model: LongestText,
}

/// The tokenizer that is written in `tokenizer.json`. A panic of the library, which some values of the right form can cause, becomes an error.
pub(crate) fn parse(json: &[u8], path: &Path) -> Result<tokenizers::Tokenizer> {
    let malformed = |source| TextError::Malformed {
        path: path.into(),
        source,
    };
    let outline =
        serde_json::from_slice::<Outline>(json).map_err(|source| malformed(source.into()))?;
    if outline.model.0 > LONGEST_PIECE {
        let problem = format!(
            "its model has a text of {} bytes, and a piece of a vocabulary has at most {LONGEST_PIECE}",
            outline.model.0
        );
        return Err(malformed(problem.into()));
    }
    if let Some(processor) = &outline.post_processor {
        check_templates(processor).map_err(|problem| malformed(problem.into()))?;
    }
    let parts = [
        &outline.normalizer,
        &outline.pre_tokenizer,
        &outline.decoder,
    ];
    for part in parts.into_iter().flatten() {
        check_patterns(part).map_err(|problem| malformed(problem.into()))?;
    }
    guarded(|| tokenizers::Tokenizer::from_bytes(json)).map_err(malformed)
}

/// The longest piece of a vocabulary, in bytes: those in use stay below 1,000. The library keeps the pieces of a unigram model in a tree with
/// a level for each byte, and goes down all of them in one recursion when it frees it: 26,000 levels need more stack than a thread has.
const LONGEST_PIECE: usize = 4 << 10;

/// The longest pattern that is compiled, in bytes: those in use stay below 1,000, and compiling takes 500 times the length.
const LONGEST_PATTERN: usize = 16 << 10;

/// Refuses regular expressions that only cost memory.
fn check_patterns(part: &Value) -> std::result::Result<(), String> {
    let pattern = part.get("Regex").and_then(Value::as_str);
    if let Some(len) = pattern.map(str::len).filter(|&len| len > LONGEST_PATTERN) {
        return Err(format!(
            "a pattern of {len} bytes, and at most {LONGEST_PATTERN} are compiled"
        ));
    }
    match part {
        Value::Object(parts) => parts.values().try_for_each(check_patterns),
        Value::Array(parts) => parts.iter().try_for_each(check_patterns),
        _ => Ok(()),
    }
}

/// Refuses templates that name what they do not have: the library takes it for granted when it encodes, and panics.
fn check_templates(processor: &Value) -> std::result::Result<(), String> {
    for inner in list(processor, "processors") {
        check_templates(inner)?;
    }
    let special = processor.get("special_tokens");
    for name in ["single", "pair"] {
        for piece in list(processor, name) {
            let id_of = |kind| piece.get(kind)?.get("id")?.as_str();
            if let Some(token) = id_of("SpecialToken")
                && special.is_none_or(|known| known.get(token).is_none())
            {
                return Err(format!(
                    "the template {name:?} names the token {token:?}, which is not among its special_tokens"
                ));
            }
            if name == "single" && id_of("Sequence") == Some("B") {
                return Err("the template \"single\" names the sequence B: it has only A".into());
            }
        }
    }
    Ok(())
}

/// The elements of the list with this key; none if there is no such list.
fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    let list = object.get(key).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The chat template of a folder: a file of its own, or the default one in `tokenizer_config.json`.
fn chat_template(folder: &Path, settings: &Map<String, Value>) -> Result<Option<String>> {
    let file = folder.join("chat_template.jinja");
    if file.is_file() {
        let lines = files::lines(&file)?;
        return Ok(Some(lines.join("\n")));
    }
    Ok(match settings.get("chat_template") {
        Some(Value::String(template)) => Some(template.clone()),
        Some(Value::Array(named)) => named
            .iter()
            .find(|entry| entry.get("name").and_then(Value::as_str) == Some("default"))
            .and_then(|entry| entry.get("template")?.as_str())
            .map(str::to_owned),
        _ => None,
    })
}

/// BERT's tokenizer over a `vocab.txt`, one token a line, as `transformers.BertTokenizer` makes it.
fn word_pieces(path: &Path, settings: &mut Map<String, Value>) -> Result<Vec<u8>> {
    let lines = files::lines(path)?;
    let vocab: Map<String, Value> = (0_u32..)
        .zip(lines)
        .map(|(id, token)| (token, id.into()))
        .collect();
    settings
        .entry("tokenizer_class")
        .or_insert_with(|| json!("BertTokenizer"));
    let mut token = |role: Role, usual: &str| {
        let value = settings.entry(role.key()).or_insert_with(|| usual.into());
        role::content(value).unwrap_or(usual).to_owned()
    };
    let unk = token(Role::Unk, "[UNK]");
    let (cls, sep) = (token(Role::Cls, "[CLS]"), token(Role::Sep, "[SEP]"));
    token(Role::Pad, "[PAD]");
    token(Role::Mask, "[MASK]");
    let id = |token: &str, role| id_in(&vocab, token, role, path);
    id(&unk, "text of unknown words")?;
    let (cls_id, sep_id) = (id(&cls, "the template")?, id(&sep, "the template")?);
    let setting = |key: &str, usual: Value| settings.get(key).cloned().unwrap_or(usual);
    let json = json!({
        "version": "1.0",
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": setting("tokenize_chinese_chars", true.into()),
            "strip_accents": setting("strip_accents", Value::Null),
            "lowercase": setting("do_lower_case", true.into()),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": cls_sep_template(&cls, cls_id, &sep, sep_id),
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece",
            "unk_token": unk,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    });
    Ok(json.to_string().into_bytes())
}

/// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`.
pub(crate) fn cls_sep_template(cls: &str, cls_id: u32, sep: &str, sep_id: u32) -> Value {
    let token =
        |id: &str, type_id: u32| json!({ "SpecialToken": { "id": id, "type_id": type_id } });
    let text = |id: &str, type_id: u32| json!({ "Sequence": { "id": id, "type_id": type_id } });
    let mut special = Map::new();
    for (token, id) in [(cls, cls_id), (sep, sep_id)] {
        special.insert(
            token.into(),
            json!({ "id": token, "ids": [id], "tokens": [token] }),
        );
    }
    json!({
        "type": "TemplateProcessing",
        "single": [token(cls, 0), text("A", 0), token(sep, 0)],
        "pair": [token(cls, 0), text("A", 0), token(sep, 0), text("B", 1), token(sep, 1)],
        "special_tokens": special,
    })
}

/// GPT-2's or RoBERTa's tokenizer over `vocab.json` and the `merges.txt` beside it, as `transformers` makes them.
fn byte_level(path: &Path, settings: &mut Map<String, Value>) -> Result<Vec<u8>> {
    let vocab = files::object(path)?;
    let merges = read_merges(&path.with_file_name("merges.txt"), &vocab)?;
    let class = settings.get("tokenizer_class").and_then(Value::as_str);
    let roberta = match class {
        Some(class) => class.starts_with("Roberta"),
        None => ["<s>", "</s>", "<mask>"]
            .iter()
            .all(|&t| vocab.contains_key(t)),
    };
    let prefix_space = settings
        .get("add_prefix_space")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let post_processor = if roberta {
        roberta_processor(path, &vocab, settings, prefix_space)?
    } else {
        Value::Null
    };
    let class = if roberta {
        "RobertaTokenizer"
    } else {
        "GPT2Tokenizer"
    };
    settings
        .entry("tokenizer_class")
        .or_insert_with(|| class.into());
    if !roberta && vocab.contains_key("<|endoftext|>") {
        settings
            .entry(Role::Unk.key())
            .or_insert_with(|| "<|endoftext|>".into());
    }
    let json = json!({
        "version": "1.0",
        "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": true },
        "post_processor": post_processor,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "vocab": vocab,
            "merges": merges,
        },
    });
    Ok(json.to_string().into_bytes())
}

/// `<s> A </s>` and `<s> A </s></s> B </s>`, and the names of the roles.
fn roberta_processor(
    path: &Path,
    vocab: &Map<String, Value>,
    settings: &mut Map<String, Value>,
    prefix_space: bool,
) -> Result<Value> {
    let mut token = |role: Role, usual: &str| {
        let value = settings.entry(role.key()).or_insert_with(|| usual.into());
        role::content(value).unwrap_or(usual).to_owned()
    };
    let (cls, sep) = (token(Role::Cls, "<s>"), token(Role::Sep, "</s>"));
    token(Role::Bos, "<s>");
    token(Role::Eos, "</s>");
    token(Role::Unk, "<unk>");
    token(Role::Pad, "<pad>");
    token(Role::Mask, "<mask>");
    let cls_id = id_in(vocab, &cls, "the template", path)?;
    let sep_id = id_in(vocab, &sep, "the template", path)?;
    Ok(json!({
        "type": "RobertaProcessing",
        "sep": [sep, sep_id],
        "cls": [cls, cls_id],
        "trim_offsets": true,
        "add_prefix_space": prefix_space,
    }))
}

/// The merges of a file whose tokens are all in the vocabulary.
fn read_merges(path: &Path, vocab: &Map<String, Value>) -> Result<Vec<[String; 2]>> {
    let mut merges = Vec::new();
    for (number, line) in (1..).zip(files::lines(path)?) {
        if line.is_empty() || (number == 1 && line.starts_with("#version")) {
            continue;
        }
        let refuse = |problem| Err(TextError::line(path, number, problem));
        let mut parts = line.split(' ');
        let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
            return refuse(LineProblem::NotAMerge);
        };
        let whole = format!("{left}{right}");
        for token in [left, right, &whole] {
            if !vocab.contains_key(token) {
                return refuse(LineProblem::UnknownToken(token.to_owned()));
            }
        }
        merges.push([left.to_owned(), right.to_owned()]);
    }
    Ok(merges)
}

fn id_in(vocab: &Map<String, Value>, token: &str, role: &'static str, path: &Path) -> Result<u32> {
    vocab
        .get(token)
        .and_then(Value::as_u64)
        .and_then(|id| u32::try_from(id).ok())
        .ok_or_else(|| TextError::MissingToken {
            path: path.into(),
            token: token.into(),
            role,
        })
}
