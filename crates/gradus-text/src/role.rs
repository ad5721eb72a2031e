//! The tokens that have a part to play: begin, end, padding, mask.

use serde_json::{Map, Value};

/// What a special token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Begins a text.
    Bos,
    /// Ends a text.
    Eos,
    /// Stands for what the vocabulary lacks.
    Unk,
    /// Ends each text of one or two.
    Sep,
    /// Fills texts up to one length.
    Pad,
    /// Stands before a text, and sums it up.
    Cls,
    /// Stands for a token to guess.
    Mask,
}

impl Role {
    /// All roles, in the order in which `transformers` lists them.
    pub const ALL: [Self; 7] = [
        Self::Bos,
        Self::Eos,
        Self::Unk,
        Self::Sep,
        Self::Pad,
        Self::Cls,
        Self::Mask,
    ];

    /// Its key in `tokenizer_config.json`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }

    /// The usual tokens of this role, for folders that do not say.
    pub(crate) const fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Bos => &["<s>", "<bos>", "<|begin_of_text|>", "<|endoftext|>"],
            Self::Eos => &["</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"],
            Self::Unk => &["[UNK]", "<unk>"],
            Self::Sep => &["[SEP]"],
            Self::Pad => &["[PAD]", "<pad>"],
            Self::Cls => &["[CLS]"],
            Self::Mask => &["[MASK]", "<mask>"],
        }
    }
}

/// The text of a token that a file gives as text or as an object with `content`.
pub(crate) fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// A token as the tokenizers library adds it, with the options that a file gives.
pub(crate) fn added_token(value: &Value) -> Option<tokenizers::AddedToken> {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let token = tokenizers::AddedToken::from(content(value)?, true)
        .lstrip(flag("lstrip"))
        .rstrip(flag("rstrip"))
        .single_word(flag("single_word"))
        .normalized(flag("normalized"));
    (!token.content.is_empty()).then_some(token)
}

/// All special tokens that the settings of a folder name, those of the roles first.
pub(crate) fn named(settings: &Map<String, Value>) -> Vec<tokenizers::AddedToken> {
    let roles = Role::ALL.iter().filter_map(|role| settings.get(role.key()));
    let lists = ["additional_special_tokens", "extra_special_tokens"]
        .into_iter()
        .filter_map(|key| settings.get(key));
    let listed = lists.flat_map(|value| match value {
        Value::Array(items) => items.iter().collect::<Vec<_>>(),
        Value::Object(items) => items.values().collect(),
        _ => vec![],
    });
    roles.chain(listed).filter_map(added_token).collect()
}
