//! The configuration of a run, put together: defaults, then the file, then `--set`, then flags.
//!
//! Each layer is checked by itself first, so that a message can say where the mistake is: file and line, or the `--set`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use gradus_train::config::{ConfigError, KEYS, MAX_CONFIG_BYTES, TrainConfig, cut_lines};
use serde::Deserialize;
use toml::de::DeTable;
use toml::{Table, Value};

use crate::exit::usage;

/// The widest line of a comment.
const COMMENT_WIDTH: usize = 100;

/// What was said about the configuration so far; later layers win.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    merged: Table,
    /// Keys that the file had the last word on, with `file:line`.
    from_file: BTreeMap<String, String>,
}

impl Layers {
    /// Adds a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read, is no TOML, has unknown keys or values of the wrong type, with path and line.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<()> {
        let name = path.display();
        if path.is_dir() {
            let inside = path.join("config.toml");
            let hint = if inside.exists() {
                format!("; did you mean {}?", inside.display())
            } else {
                String::new()
            };
            return Err(usage(format_args!(
                "{name}: is a directory, not a TOML file{hint}"
            )));
        }
        if let Ok(about) = path.metadata()
            && about.len() > MAX_CONFIG_BYTES
        {
            return Err(usage(format_args!(
                "{name}: has {} bytes, and a configuration at most {MAX_CONFIG_BYTES}",
                about.len()
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| usage(format_args!("{name}: cannot read: {error}")))?;
        let (table, lines) = parse(&text, &name.to_string())?;
        for (key, line) in lines {
            self.from_file.insert(key, format!("{name}:{line}"));
        }
        self.merged.extend(table);
        Ok(())
    }

    /// Adds a `key=value` of the command line: a TOML value or a bare word.
    ///
    /// # Errors
    /// No `=`, an unknown key, a value of the wrong type.
    pub(crate) fn add_set(&mut self, pair: &str) -> Result<()> {
        let said = || format!("--set {pair}");
        let Some((key, text)) = pair.split_once('=') else {
            return Err(usage(format_args!("{}: expected KEY=VALUE", said())));
        };
        let (key, text) = (key.trim(), text.trim());
        if !is_key(key) {
            return Err(ConfigError::unknown_key(key)).with_context(said);
        }
        let value =
            set_value(key, text).map_err(|error| usage(format_args!("{}: {error}", said())))?;
        let alone = Table::from_iter([(key.to_owned(), value)]);
        // Alone, so that the message is about this value.
        TrainConfig::deserialize(alone.clone())
            .map_err(|error| usage(format_args!("{}: {}", said(), error.message().trim_end())))?;
        self.from_file.remove(key);
        self.merged.extend(alone);
        Ok(())
    }

    /// Adds a flag's value, if the flag was given.
    pub(crate) fn add_flag(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.from_file.remove(key);
            self.merged.insert(key.to_owned(), value.into());
        }
    }

    /// Whether the last word on a key is the file's.
    pub(crate) fn is_from_file(&self, key: &str) -> bool {
        self.from_file.contains_key(key)
    }

    /// The configuration, valid and complete.
    ///
    /// # Errors
    /// The first value outside its domain, with its place if it is in the file.
    pub(crate) fn resolve(&self) -> Result<TrainConfig> {
        let task = self.merged.get("task").and_then(Value::as_str);
        let mut all = match task {
            Some(task) => defaults_of(&TrainConfig::of_task(task)),
            None => Table::new(),
        };
        all.extend(self.merged.clone());
        let mut config = TrainConfig::deserialize(all).map_err(|error| usage(error.message()))?;
        if let Err(error) = config.validate() {
            let place = match &error {
                ConfigError::Value { key, .. } => self.from_file.get(*key),
                _ => None,
            };
            return match place {
                Some(place) => Err(error).context(place.clone()),
                None => Err(error.into()),
            };
        }
        // PyTorch's defaults, so that the file says what was done.
        config
            .weight_decay
            .get_or_insert(if config.optimizer == "adamw" {
                0.01
            } else {
                0.0
            });
        Ok(config)
    }
}

fn is_key(key: &str) -> bool {
    KEYS.iter().any(|known| known.name == key)
}

/// A file's content, and the line of each key.
fn parse(text: &str, name: &str) -> Result<(Table, Vec<(String, usize)>)> {
    let refused =
        |error: toml::de::Error| usage(format_args!("{name}: {}", cut_lines(&error.to_string())));
    let spanned = DeTable::parse(text).map_err(refused)?;
    let line_of = |at: usize| {
        text.as_bytes()
            .iter()
            .take(at)
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1
    };
    let lines = spanned
        .get_ref()
        .keys()
        .map(|key| (key.get_ref().to_string(), line_of(key.span().start)));
    let mut lines: Vec<(String, usize)> = lines.collect();
    lines.sort_by_key(|(_, line)| *line);
    if let Some((key, line)) = lines.iter().find(|(key, _)| !is_key(key)) {
        return Err(ConfigError::unknown_key(key)).with_context(|| format!("{name}:{line}"));
    }
    toml::from_str::<TrainConfig>(text).map_err(refused)?;
    let table = toml::from_str(text).map_err(refused)?;
    Ok((table, lines))
}

/// The value of a `--set`. Where a string is wanted the text need not be quoted, whatever it looks like.
fn set_value(key: &str, text: &str) -> Result<Value, String> {
    let parsed =
        toml::from_str::<Table>(&format!("value = {text}")).map(|mut table| table.remove("value"));
    let wants_text = defaults().get(key).is_some_and(Value::is_str);
    match parsed {
        Ok(Some(value)) if !wants_text || value.is_str() => Ok(value),
        // A list, a table or a string that is not closed is a mistake, not a word.
        Err(error) if text.starts_with(['[', '{', '"', '\'']) => Err(error.message().to_owned()),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn defaults() -> Table {
    defaults_of(&TrainConfig::default())
}

fn defaults_of(config: &TrainConfig) -> Table {
    Table::try_from(config).unwrap_or_default()
}

/// The configuration as TOML, complete: one line a key, in the order of [`KEYS`].
///
/// # Errors
/// A number that TOML does not have.
pub(crate) fn render(config: &TrainConfig) -> Result<String> {
    let values = Table::try_from(config).context("the configuration cannot be written as TOML")?;
    Ok(KEYS
        .iter()
        .filter_map(|key| Some(entry(key.name, values.get(key.name)?)))
        .collect())
}

/// The configuration as TOML, each key explained.
///
/// # Errors
/// As [`render`].
pub(crate) fn render_with_docs(config: &TrainConfig) -> Result<String> {
    let values = Table::try_from(config).context("the configuration cannot be written as TOML")?;
    let mut text = String::from(
        "# A training configuration with every key at its default. Keep what you change; `gradus train THIS.toml` uses it.\n",
    );
    for key in KEYS {
        text.push('\n');
        comment(&mut text, key.about);
        match values.get(key.name) {
            Some(value) => text += &entry(key.name, value),
            None => text += &format!("# {} =\n", key.name),
        }
    }
    Ok(text)
}

fn entry(key: &str, value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().any(Value::is_table) => {
            let items: String = items
                .iter()
                .map(|item| format!("    {},\n", inline(item)))
                .collect();
            format!("{key} = [\n{items}]\n")
        }
        value => format!("{key} = {}\n", inline(value)),
    }
}

/// A value on one line. In a table what it is comes first.
fn inline(value: &Value) -> String {
    let Value::Table(table) = value else {
        return value.to_string();
    };
    let first = ["name", "pattern"];
    let (head, tail): (Vec<_>, Vec<_>) = table
        .iter()
        .partition(|(key, _)| first.contains(&key.as_str()));
    let fields: Vec<String> = head
        .into_iter()
        .chain(tail)
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{{ {} }}", fields.join(", "))
}

fn comment(text: &mut String, about: &str) {
    let mut width = 0;
    for word in about.split(' ') {
        if width == 0 || width + word.chars().count() >= COMMENT_WIDTH {
            text.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        // Writing to a string does not fail.
        let _ = write!(text, " {word}");
        width += 1 + word.chars().count();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::message;

    fn from(file: &str, sets: &[&str]) -> Result<TrainConfig> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, file).unwrap();
        let mut layers = Layers::default();
        layers.add_file(&path)?;
        for set in sets {
            layers.add_set(set)?;
        }
        layers.resolve()
    }

    #[track_caller]
    fn refused(file: &str, sets: &[&str]) -> String {
        message(&from(file, sets).unwrap_err())
    }

    #[test]
    fn later_layers_win() {
        let config = from(
            "lr = 0.5\nepochs = 3",
            &[
                "lr=0.25",
                "model = resnet18",
                "milestones=[1, 2]",
                "data=123",
            ],
        )
        .unwrap();
        assert_eq!((config.lr, config.epochs), (0.25, 3));
        assert_eq!(
            (config.model.as_str(), config.data.as_str()),
            ("resnet18", "123")
        );
        assert_eq!(config.milestones, [1, 2]);
        assert_eq!(from("", &["lr=1"]).unwrap().lr, 1.0);
        assert_eq!(from("", &["data='a b'"]).unwrap().data, "a b");
    }

    #[test]
    fn a_task_brings_its_own_defaults() {
        let file = "task = 'language-model'\ntrain_file = 'x.txt'\nlr = 0.5\narchitecture = { n_layer = 2 }";
        let config = from(file, &["model=llama"]).unwrap();
        assert_eq!((config.lr, config.model.as_str()), (0.5, "llama"));
        assert_eq!((config.optimizer.as_str(), config.warmup), ("adamw", 100));
        assert_eq!(config.architecture["n_layer"], 2);
        let again = from(&render(&config).unwrap(), &[]).unwrap();
        assert_eq!(again, config);
        assert!(refused("task = 'language-model'", &[]).contains("train_file: must be"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let text = refused("lr = 0.5\n\nbatchsize = 3\n", &[]);
        assert!(
            text.ends_with("c.toml:3: unknown key \"batchsize\"; did you mean \"batch_size\"?"),
            "{text}"
        );
        let text = refused("seed = 1\nlr = \"fast\"\n", &[]);
        assert!(
            text.contains("c.toml")
                && text.contains("line 2")
                && text.contains("^^^^")
                && text.contains("f64"),
            "{text}"
        );
        let text = refused("seed = 1\nbatch_size = 0\n", &[]);
        assert!(
            text.ends_with("c.toml:2: batch_size: must be at least 1, got 0"),
            "{text}"
        );
        assert!(refused("lr = \n", &[]).contains("line 1"));
        assert!(refused("epochs = -1\n", &[]).contains("line 1"));
        assert!(refused("[[param_groups]]\npatern = \"x\"\n", &[]).contains("patern"));
    }

    #[test]
    fn wrong_sets_are_quoted() {
        assert_eq!(refused("", &["lr"]), "--set lr: expected KEY=VALUE");
        assert_eq!(
            refused("", &["rl=1"]),
            "--set rl=1: unknown key \"rl\"; did you mean \"lr\"?"
        );
        assert!(
            refused("", &["lr=fast"]).starts_with("--set lr=fast: invalid type: string \"fast\"")
        );
        assert!(refused("", &["milestones=[1,"]).starts_with("--set milestones=[1,: "));
        assert_eq!(
            refused("batch_size = 3", &["batch_size=0"]),
            "batch_size: must be at least 1, got 0"
        );
    }

    #[test]
    fn what_is_rendered_reads_back_the_same() {
        let config = from(
            "eps = 1e-7\nlr = 0.1\noptimizer = 'adamw'\nbetas = [0.5, 0.99]\nfreeze = ['conv*', 'a\"b']\n\
             param_groups = [{ pattern = '*.bias', lr_scale = 2.0, weight_decay = 0.0 }]",
            &["transforms=[{name=\"RandomCrop\", size=32, padding=4.5}, {name=\"ToTensor\"}]"],
        )
        .unwrap();
        assert_eq!(config.weight_decay, Some(0.01));
        for text in [render(&config).unwrap(), render_with_docs(&config).unwrap()] {
            assert_eq!(from(&text, &[]).unwrap(), config, "{text}");
        }
        assert!(
            render(&config)
                .unwrap()
                .contains("{ name = \"RandomCrop\", padding = 4.5, size = 32 }")
        );
        let keys = render(&config)
            .unwrap()
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with(' '))
            .count();
        assert_eq!(keys, KEYS.len(), "complete");
    }
}
