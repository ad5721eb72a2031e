//! A model folder's `config.json`, read with errors that name the key.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Architecture, MAX_FRESH_PARAMETERS};
use crate::{ModelError, ModelResult};

/// The name of the file in a model folder.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// The longest `config.json` that is read, in bytes. Real ones stay below 100 KiB; label lists make them long.
const LONGEST: u64 = 16 << 20;

/// The most labels without names. ImageNet's larger set has 21,841.
const MOST_LABELS: usize = 100_000;

/// What a size is.
const SIZE: &str = "an integer of at least 1 and below 2^31, for instance 256";

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The file cannot be read.
    Unreadable {
        /// The system's answer.
        cause: String,
    },
    /// The file is not a JSON object.
    Json {
        /// What the JSON reader says.
        cause: String,
    },
    /// A key is not there.
    Missing {
        /// The key.
        key: String,
        /// What it holds where it is there.
        expected: &'static str,
    },
    /// A key holds something of another type, or a value that the model does not take.
    Value {
        /// The key.
        key: String,
        /// What it must hold.
        expected: String,
        /// What it holds, cut.
        got: String,
    },
    /// A fresh model would have more parameters than are made.
    TooLarge {
        /// How many.
        parameters: u64,
    },
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { cause } => write!(
                f,
                "cannot be read: {cause}; a model folder has a config.json beside its weights"
            ),
            Self::Json { cause } => write!(f, "is not a JSON object: {cause}"),
            Self::Missing { key, expected } => write!(f, "has no {key:?}, which holds {expected}"),
            Self::Value { key, expected, got } => {
                write!(f, "{key:?} must be {expected}, got {got}")
            }
            Self::TooLarge { parameters } => write!(
                f,
                "asks for {parameters} parameters, and a fresh model has at most {MAX_FRESH_PARAMETERS}; look at the vocabulary, the \
                 widths and the number of layers"
            ),
        }
    }
}

/// The keys of a `config.json`, as transformers writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderConfig {
    path: PathBuf,
    keys: Map<String, Value>,
    recompute: bool,
}

impl FolderConfig {
    /// Reads the `config.json` of a model folder.
    ///
    /// # Errors
    /// [`ModelError::Config`] if there is none, if it cannot be read, or if it is not a JSON object.
    pub fn open(folder: &Path) -> ModelResult<Self> {
        Self::open_file(folder.join(CONFIG_FILE))
    }

    /// Reads a file of keys.
    pub(crate) fn open_file(path: PathBuf) -> ModelResult<Self> {
        let fail = |fault| ModelError::Config {
            path: path.clone(),
            fault,
        };
        let unreadable = |cause: std::io::Error| {
            fail(ConfigFault::Unreadable {
                cause: cause.to_string(),
            })
        };
        let size = std::fs::metadata(&path).map_err(unreadable)?.len();
        if size > LONGEST {
            return Err(fail(ConfigFault::Json {
                cause: format!("{size} bytes are more than the {LONGEST} that are read"),
            }));
        }
        let bytes = std::fs::read(&path).map_err(unreadable)?;
        let json = |cause: String| fail(ConfigFault::Json { cause });
        let Value::Object(keys) =
            serde_json::from_slice(&bytes).map_err(|cause| json(cause.to_string()))?
        else {
            return Err(json("it is another value".into()));
        };
        Ok(Self {
            path,
            keys,
            recompute: false,
        })
    }

    /// A configuration that is not from a file.
    pub fn new(keys: Map<String, Value>) -> Self {
        Self {
            path: PathBuf::from(CONFIG_FILE),
            keys,
            recompute: false,
        }
    }

    /// Whether models built from this keep nothing of a block's inside for the backward, and compute it again there. Default: no.
    #[must_use]
    pub fn with_recompute(mut self, recompute: bool) -> Self {
        self.recompute = recompute;
        self
    }

    /// Whether blocks are computed again in the backward; see [`FolderConfig::with_recompute`].
    pub fn recompute(&self) -> bool {
        self.recompute
    }

    /// All keys.
    pub fn keys(&self) -> &Map<String, Value> {
        &self.keys
    }

    /// The value at a key; `None` where it is not there or null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// Sets a key, and gives the configuration back.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.to_owned(), value.into());
        self
    }

    /// The architecture that `model_type` names.
    ///
    /// # Errors
    /// [`ModelError::Config`] if the key is missing, or names none that is known, with those that are.
    pub fn architecture(&self) -> ModelResult<Architecture> {
        let name = self.text("model_type")?;
        Architecture::ALL
            .into_iter()
            .find(|known| known.model_type() == name)
            .ok_or_else(|| {
                let known = Architecture::ALL.map(Architecture::model_type);
                self.wrong("model_type", format!("one of {}", known.join(", ")))
            })
    }

    /// A count.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is missing or no integer of at least 0.
    pub fn count(&self, key: &str) -> ModelResult<usize> {
        self.read(key, "an integer of at least 0", count_of)?
            .ok_or_else(|| self.missing(key, "an integer of at least 0"))
    }

    /// A count, or what stands for one that is missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no integer of at least 0.
    pub fn count_or(&self, key: &str, default: usize) -> ModelResult<usize> {
        Ok(self.optional_count(key)?.unwrap_or(default))
    }

    /// A count that may be missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no integer of at least 0.
    pub fn optional_count(&self, key: &str) -> ModelResult<Option<usize>> {
        self.read(key, "an integer of at least 0", count_of)
    }

    /// A size: of a table, a layer, or a count of heads.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is missing, or not in 1..2³¹: products of two such sizes cannot overflow.
    pub fn size(&self, key: &str) -> ModelResult<usize> {
        self.optional_size(key)?
            .ok_or_else(|| self.missing(key, SIZE))
    }

    /// A size, or what stands for one that is missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is not in 1..2³¹.
    pub fn size_or(&self, key: &str, default: usize) -> ModelResult<usize> {
        Ok(self.optional_size(key)?.unwrap_or(default))
    }

    /// A size that may be missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is not in 1..2³¹.
    pub fn optional_size(&self, key: &str) -> ModelResult<Option<usize>> {
        self.read(key, SIZE, size_of)
    }

    /// A number.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is missing or no finite number.
    pub fn number(&self, key: &str) -> ModelResult<f64> {
        self.optional_number(key)?
            .ok_or_else(|| self.missing(key, "a number"))
    }

    /// A number, or what stands for one that is missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no finite number.
    pub fn number_or(&self, key: &str, default: f64) -> ModelResult<f64> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    /// A number that may be missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no finite number.
    pub fn optional_number(&self, key: &str) -> ModelResult<Option<f64>> {
        self.read(key, "a finite number", |value| {
            value.as_f64().filter(|x| x.is_finite())
        })
    }

    /// A probability, or what stands for one that is missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is not in `0..=1`.
    pub fn share_or(&self, key: &str, default: f64) -> ModelResult<f64> {
        let share = self.read(key, "a number in 0..=1", |value| {
            value.as_f64().filter(|x| (0.0..=1.0).contains(x))
        })?;
        Ok(share.unwrap_or(default))
    }

    /// True or false, or what stands for it where it is missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is neither.
    pub fn flag_or(&self, key: &str, default: bool) -> ModelResult<bool> {
        Ok(self
            .read(key, "true or false", Value::as_bool)?
            .unwrap_or(default))
    }

    /// A text.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is missing or no text.
    pub fn text(&self, key: &str) -> ModelResult<&str> {
        self.optional_text(key)?
            .ok_or_else(|| self.missing(key, "a text"))
    }

    /// A text that may be missing or null.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no text.
    pub fn optional_text(&self, key: &str) -> ModelResult<Option<&str>> {
        self.read(key, "a text", Value::as_str)
    }

    /// The object at a key, as a configuration of its own.
    ///
    /// # Errors
    /// [`ModelError::Config`] if there is something else.
    pub fn object(&self, key: &str) -> ModelResult<Option<Self>> {
        let keys = self.read(key, "an object", |value| value.as_object().cloned())?;
        Ok(keys.map(|keys| Self {
            path: self.path.clone(),
            keys,
            recompute: self.recompute,
        }))
    }

    /// The names of the classes by `id2label`, or `LABEL_0`, `LABEL_1`, … as many as `num_labels` says, or two.
    ///
    /// # Errors
    /// [`ModelError::Config`] if the ids are not 0, 1, … or a name is no text, or if there are more than 100,000 without names.
    pub fn labels(&self) -> ModelResult<Vec<String>> {
        let Some(by_id) = self.read("id2label", "an object of names by id", Value::as_object)?
        else {
            let count = self.count_or("num_labels", 2)?;
            if count > MOST_LABELS {
                return Err(self.wrong("num_labels", format!("at most {MOST_LABELS}")));
            }
            return Ok((0..count).map(|id| format!("LABEL_{id}")).collect());
        };
        let name = |id: usize| by_id.get(&id.to_string()).and_then(Value::as_str);
        (0..by_id.len())
            .map(|id| {
                let expected = || String::from("names by the ids 0, 1, … without a gap");
                name(id)
                    .map(str::to_owned)
                    .ok_or_else(|| self.wrong("id2label", expected()))
            })
            .collect()
    }

    /// The error that a key's value is not what the model takes.
    pub fn wrong(&self, key: &str, expected: impl Into<String>) -> ModelError {
        let got = self.keys.get(key).map_or_else(
            || String::from("nothing"),
            |value| shortened(&value.to_string()),
        );
        self.fault(ConfigFault::Value {
            key: key.to_owned(),
            expected: expected.into(),
            got,
        })
    }

    /// The error that this is wrong.
    pub(crate) fn fault(&self, fault: ConfigFault) -> ModelError {
        ModelError::Config {
            path: self.path.clone(),
            fault,
        }
    }

    fn missing(&self, key: &str, expected: &'static str) -> ModelError {
        self.fault(ConfigFault::Missing {
            key: key.to_owned(),
            expected,
        })
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> ModelResult<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.wrong(key, expected))
    }
}

fn count_of(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}

/// A size, if the value is one.
pub(crate) fn size_of(value: &Value) -> Option<usize> {
    count_of(value).filter(|size| (1..1 << 31).contains(size))
}

/// A value from a file, cut to a length that fits a message.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}
