//! The tokenizer: text to ids and back.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chat::{self, Message};
use crate::encoding::{EncodeConfig, Encoding};
use crate::error::{Result, TextError};
use crate::files;
use crate::open;
use crate::role::{self, Role};
use crate::stream::TokenStream;

/// The largest id of a token: a model's embedding has a row for each id below, and new tokens count on from it.
const LARGEST_ID: u32 = i32::MAX.cast_unsigned() - 1;

/// Turns text into token ids and back, as the model's folder says. Cheap to clone.
///
/// ```
/// use gradus_text::{EncodeConfig, Tokenizer};
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// # std::fs::write(folder.join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n春\n").unwrap();
/// let tokenizer = Tokenizer::open(folder)?;
/// let encoding = tokenizer.encode("Hello worlds 春", true)?;
/// assert_eq!(encoding.ids, [2, 5, 6, 7, 8, 3]);
/// assert_eq!(encoding.tokens[3], "##s");
/// assert_eq!(encoding.offsets[3], (11, 12));
/// assert_eq!(tokenizer.decode(&encoding.ids, true)?, "hello worlds 春");
/// assert_eq!((tokenizer.pad(), tokenizer.mask(), tokenizer.vocab_size()), (Some(0), Some(4), 9));
///
/// let short = EncodeConfig { max_length: Some(3), ..Default::default() };
/// assert_eq!(tokenizer.encode_batch(&["hello world"], &short)?[0].ids, [2, 5, 3]);
/// # Ok::<(), gradus_text::TextError>(())
/// ```
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    /// What `tokenizer_config.json` says; roles and the chat template live beside it.
    settings: Map<String, Value>,
    roles: [Option<u32>; Role::ALL.len()],
    vocab_size: usize,
    chat_template: Option<String>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocab_size)
    }
}

impl Tokenizer {
    /// Reads the tokenizer in a folder, or the one in a file: `tokenizer.json`; else `vocab.txt` (BERT); else `vocab.json` with
    /// `merges.txt` (GPT-2, RoBERTa). `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja` are read if they are there.
    ///
    /// A limit of length or a padding that `tokenizer.json` has is left out, as `transformers` does: [`EncodeConfig`] sets them.
    ///
    /// # Errors
    /// [`TextError::NoTokenizer`] without any of the files; [`TextError::Io`], [`TextError::Json`], [`TextError::Malformed`],
    /// [`TextError::Line`], [`TextError::MissingToken`] or [`TextError::TooLarge`] for files that cannot be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        open::open(path.as_ref())
    }

    /// Finishes a tokenizer that was read or made: names its special tokens.
    pub(crate) fn new(
        mut inner: tokenizers::Tokenizer,
        mut settings: Map<String, Value>,
        chat_template: Option<String>,
        path: &Path,
    ) -> Result<Self> {
        let malformed = |source| TextError::Malformed {
            path: path.into(),
            source,
        };
        inner.with_truncation(None).map_err(malformed)?;
        inner.with_padding(None);
        let highest = inner.get_vocab(true).into_values().max();
        if let Some(id) = highest.filter(|&id| id > LARGEST_ID) {
            let problem = format!("it has a token with the id {id}; ids are at most {LARGEST_ID}");
            return Err(malformed(problem.into()));
        }
        for role in Role::ALL {
            if !settings.contains_key(role.key())
                && let Some(token) = usual_token(&inner, role)
            {
                settings.insert(role.key().into(), token.into());
            }
        }
        let known = inner.get_added_tokens_decoder();
        let known: BTreeSet<&str> = known.values().map(|t| t.content.as_str()).collect();
        let fresh: Vec<_> = role::named(&settings)
            .into_iter()
            .filter(|token| !known.contains(token.content.as_str()))
            .collect();
        let added: Vec<String> = fresh.iter().map(|token| token.content.clone()).collect();
        inner.add_special_tokens(fresh).map_err(malformed)?;
        let roles = Role::ALL.map(|role| {
            let token = role::content(settings.get(role.key())?)?;
            inner.token_to_id(token)
        });
        let added = added.iter().filter_map(|token| inner.token_to_id(token));
        let vocab_size = added.chain(highest).max().map_or(0, |id| id as usize + 1);
        Ok(Self {
            vocab_size,
            inner: Arc::new(inner),
            settings,
            roles,
            chat_template,
        })
    }

    /// The tokens of a text, with those of the tokenizer's template if `special`.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary has no token for a part of the text and none for unknown parts.
    pub fn encode(&self, text: &str, special: bool) -> Result<Encoding> {
        let encoding = guarded(|| self.inner.encode(text, special));
        Ok(self.finished(encoding.map_err(|e| failed(text.len(), e))?))
    }

    /// The tokens of two texts that belong together, such as a question and an answer; [`Encoding::type_ids`] tells them apart.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_pair(&self, first: &str, second: &str, special: bool) -> Result<Encoding> {
        let encoding = guarded(|| self.inner.encode((first, second), special));
        let bytes = first.len() + second.len();
        Ok(self.finished(encoding.map_err(|e| failed(bytes, e))?))
    }

    /// The tokens of each text. Equal to one text at a time, but uses all cores.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`TextError::Argument`] if the template alone is longer than `max_length`.
    pub fn encode_batch(
        &self,
        texts: &[impl AsRef<str>],
        config: &EncodeConfig,
    ) -> Result<Vec<Encoding>> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let bytes = texts.iter().map(|text| text.len()).sum();
        let encodings = guarded(|| self.inner.encode_batch(texts, config.special));
        let encodings = encodings.map_err(|e| failed(bytes, e))?;
        encodings
            .into_iter()
            .map(|encoding| cut(self.finished(encoding), config))
            .collect()
    }

    /// The tokens of a text that is divided into words already; [`Encoding::words`] says which word each is a part of.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_batch`].
    pub fn encode_words(
        &self,
        words: &[impl AsRef<str>],
        config: &EncodeConfig,
    ) -> Result<Encoding> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let bytes = words.iter().map(|word| word.len()).sum();
        let encoding = guarded(|| self.inner.encode(words, config.special));
        let encoding = encoding.map_err(|e| failed(bytes, e))?;
        cut(self.finished(encoding), config)
    }

    /// The text of tokens; special ones are left out if `skip_special`, and ids that the vocabulary lacks always, as in `transformers`.
    ///
    /// # Errors
    /// [`TextError::Decode`] if the tokenizer's decoder refuses the tokens.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let text = guarded(|| self.inner.decode(ids, skip_special));
        text.map_err(|source| TextError::Decode {
            ids: ids.len(),
            source,
        })
    }

    /// Turns tokens into text as they come. Special tokens are left out.
    pub fn stream(&self) -> TokenStream<'_> {
        TokenStream::new(self)
    }

    /// The number that all ids are below: what a model's embedding must have at least.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The most tokens that the model takes, where the folder says it.
    pub fn max_length(&self) -> Option<usize> {
        // "No limit" is written as 1e30.
        let length = self.settings.get("model_max_length")?.as_u64()?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length < 1 << 40)
    }

    /// The id of a token as the vocabulary writes it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token with this id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of the token with this part to play.
    pub fn role(&self, role: Role) -> Option<u32> {
        self.roles[role as usize]
    }

    /// The id of the token that fills texts up.
    pub fn pad(&self) -> Option<u32> {
        self.role(Role::Pad)
    }

    /// The id of the token that stands before a text.
    pub fn cls(&self) -> Option<u32> {
        self.role(Role::Cls)
    }

    /// The id of the token that ends each text of one or two.
    pub fn sep(&self) -> Option<u32> {
        self.role(Role::Sep)
    }

    /// The id of the token that stands for one to guess.
    pub fn mask(&self) -> Option<u32> {
        self.role(Role::Mask)
    }

    /// The id of the token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.role(Role::Bos)
    }

    /// The id of the token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.role(Role::Eos)
    }

    /// The id of the token for what the vocabulary lacks.
    pub fn unk(&self) -> Option<u32> {
        self.role(Role::Unk)
    }

    /// The ids of all special tokens, ascending: what masking and metrics leave alone.
    pub fn special_ids(&self) -> Vec<u32> {
        let added = self.inner.get_added_tokens_decoder();
        let special = added.iter().filter(|(_, token)| token.special);
        let ids: BTreeSet<u32> = special.map(|(&id, _)| id).collect();
        ids.into_iter().collect()
    }

    /// The prompt that the folder's chat template makes of messages; with `add_generation_prompt` it ends where the answer begins.
    /// The prompt has its special tokens already: encode it with `special` false.
    ///
    /// # Errors
    /// [`TextError::NoChatTemplate`] without a template; [`TextError::ChatTemplate`] if it is wrong or refuses the messages.
    pub fn apply_chat_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String> {
        let template = self
            .chat_template
            .as_deref()
            .ok_or(TextError::NoChatTemplate)?;
        chat::render(template, messages, add_generation_prompt, &self.settings)
    }

    /// Whether the folder has a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.chat_template.is_some()
    }

    /// The same with this chat template.
    #[must_use]
    pub fn with_chat_template(mut self, template: impl Into<String>) -> Self {
        self.chat_template = Some(template.into());
        self
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` into a folder, which is made if it is missing:
    /// what [`Tokenizer::open`] and `transformers` read. With a chat template also `chat_template.jinja`. The same tokenizer gives the same bytes.
    ///
    /// # Errors
    /// [`TextError::Io`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|e| TextError::io("make", folder, e))?;
        let path = folder.join("tokenizer.json");
        let mut tokenizer = self.to_json(&path)?;
        tokenizer.push('\n');
        files::write(&path, tokenizer.as_bytes())?;
        let mut settings = self.settings.clone();
        settings.remove("chat_template");
        settings
            .entry("tokenizer_class")
            .or_insert_with(|| json!("PreTrainedTokenizerFast"));
        settings
            .entry("clean_up_tokenization_spaces")
            .or_insert(json!(false));
        let roles: Map<String, Value> = Role::ALL
            .iter()
            .filter_map(|role| Some((role.key().to_owned(), settings.get(role.key())?.clone())))
            .filter(|(_, token)| !token.is_null())
            .collect();
        files::write(
            &folder.join("tokenizer_config.json"),
            &files::pretty(&settings.into()),
        )?;
        files::write(
            &folder.join("special_tokens_map.json"),
            &files::pretty(&roles.into()),
        )?;
        if let Some(template) = &self.chat_template {
            files::write(&folder.join("chat_template.jinja"), template.as_bytes())?;
        }
        Ok(())
    }

    /// The tokenizer as `tokenizer.json` has it.
    fn to_json(&self, path: &Path) -> Result<String> {
        let text = self.inner.to_string(true);
        text.map_err(|source| TextError::Malformed {
            path: path.into(),
            source,
        })
    }

    /// The library's encoding as ours. Unigram models write unknown text where the token for it should stand.
    fn finished(&self, encoding: tokenizers::Encoding) -> Encoding {
        let mut encoding = Encoding::from(encoding);
        if let tokenizers::ModelWrapper::Unigram(_) = self.inner.get_model() {
            for (token, &id) in encoding.tokens.iter_mut().zip(&encoding.ids) {
                if let Some(known) = self.inner.id_to_token(id) {
                    *token = known;
                }
            }
        }
        encoding
    }

    /// The text of tokens for a stream, which has no way to report an error.
    pub(crate) fn decode_or_nothing(&self, ids: &[u32], skip_special: bool) -> String {
        self.decode(ids, skip_special).unwrap_or_default()
    }
}

/// What the library answers. A panic of it, which some parts of a tokenizer can cause that look sound, becomes an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    let unusable =
        |_| Err("the tokenizer has a part that the tokenizers library cannot use".into());
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(unusable)
}

/// What the library says of a text, with its length.
fn failed(bytes: usize, source: tokenizers::Error) -> TextError {
    TextError::Encode { bytes, source }
}

/// Cuts an encoding to the length that is asked for.
fn cut(mut encoding: Encoding, config: &EncodeConfig) -> Result<Encoding> {
    let Some(max) = config.max_length else {
        return Ok(encoding);
    };
    let added = encoding.added();
    if max < added {
        return Err(TextError::Argument {
            what: "tokenizer",
            argument: "max_length",
            expected: format!("at least {added}, the tokens of the template"),
            got: max.to_string(),
        });
    }
    encoding.truncate(max, config.truncate);
    Ok(encoding)
}

/// The token that has this role by custom, if the vocabulary has it.
fn usual_token(inner: &tokenizers::Tokenizer, role: Role) -> Option<String> {
    use tokenizers::ModelWrapper::{BPE, WordLevel, WordPiece};
    let own = match (role, inner.get_model()) {
        (Role::Unk, BPE(model)) => model.unk_token.clone(),
        (Role::Unk, WordPiece(model)) => Some(model.unk_token.clone()),
        (Role::Unk, WordLevel(model)) => Some(model.unk_token.clone()),
        _ => None,
    };
    let usual = role.usual().iter().map(|&token| token.to_owned());
    own.into_iter()
        .chain(usual)
        .find(|token| inner.token_to_id(token).is_some())
}
