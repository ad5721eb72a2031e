//! Transforms as data: a name with arguments, as a configuration file gives them, checked against the transform's declared arguments.

use std::collections::BTreeMap;
use std::fmt;

use super::{Interpolation, PaddingMode, Step, TransformError};
use crate::nearest::nearest;

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer or a real number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word, such as `"bilinear"`; `"none"` stands for Python's `None`.
    Text(String),
    /// Several values, such as a mean per channel.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    /// As TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<const N: usize> From<[f64; N]> for Value {
    fn from(numbers: [f64; N]) -> Self {
        Self::List(numbers.map(Self::Number).to_vec())
    }
}

/// A transform by name, with arguments.
///
/// ```
/// use gradus_data::TransformSpec;
/// let spec = TransformSpec::new("RandomCrop").with("size", 32.0).with("padding", 4.0);
/// assert_eq!(spec.to_string(), "RandomCrop(padding = 4, size = 32)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// The transform's name in torchvision.
    pub name: String,
    /// Its arguments by name.
    pub args: BTreeMap<String, Value>,
}

impl TransformSpec {
    /// A transform without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            args: BTreeMap::new(),
        }
    }

    /// The same with one argument more.
    #[must_use]
    pub fn with(mut self, argument: impl Into<String>, value: impl Into<Value>) -> Self {
        self.args.insert(argument.into(), value.into());
        self
    }
}

impl fmt::Display for TransformSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self
            .args
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        write!(f, "{}({})", self.name, args.join(", "))
    }
}

/// What stands where an argument is not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArgDefault {
    /// It must be given.
    Required,
    /// Python's `None`.
    None,
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A word.
    Text(&'static str),
    /// Numbers.
    List(&'static [f64]),
}

impl ArgDefault {
    fn value(self) -> Option<Value> {
        match self {
            Self::Required | Self::None => None,
            Self::Number(number) => Some(Value::Number(number)),
            Self::Bool(flag) => Some(Value::Bool(flag)),
            Self::Text(text) => Some(Value::from(text)),
            Self::List(numbers) => Some(Value::List(
                numbers.iter().copied().map(Value::Number).collect(),
            )),
        }
    }
}

impl fmt::Display for ArgDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::None => f.write_str("\"none\""),
            other => other.value().map_or(Ok(()), |value| write!(f, "{value}")),
        }
    }
}

/// One argument of a transform: for building it and for the documentation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArgInfo {
    /// The name, as in torchvision.
    pub name: &'static str,
    /// Its default, as in torchvision.
    pub default: ArgDefault,
    /// One line about it.
    pub doc: &'static str,
}

/// A transform as the configuration knows it.
#[derive(Clone, Copy, Debug)]
pub struct TransformInfo {
    /// The name, as in torchvision.
    pub name: &'static str,
    /// One line about it.
    pub doc: &'static str,
    /// Its arguments, in torchvision's order.
    pub args: &'static [ArgInfo],
    pub(super) build: fn(&Args<'_>) -> Result<Step, TransformError>,
}

/// Shorthand for the tables of arguments.
pub(super) const fn arg(name: &'static str, default: ArgDefault, doc: &'static str) -> ArgInfo {
    ArgInfo { name, default, doc }
}

/// The arguments of one transform: given ones first, declared defaults else. Reads them with their types.
pub(super) struct Args<'a> {
    info: &'a TransformInfo,
    given: &'a BTreeMap<String, Value>,
}

type Answer<T> = Result<T, TransformError>;

impl<'a> Args<'a> {
    /// Refuses arguments that the transform does not declare.
    pub(super) fn new(info: &'a TransformInfo, given: &'a BTreeMap<String, Value>) -> Answer<Self> {
        let takes: Vec<&'static str> = info.args.iter().map(|arg| arg.name).collect();
        if let Some(argument) = given.keys().find(|name| !takes.contains(&name.as_str())) {
            let nearest = nearest(argument, takes.iter().copied()).map(str::to_owned);
            let argument = argument.clone();
            return Err(TransformError::UnknownArgument {
                transform: info.name,
                argument,
                nearest,
                takes,
            });
        }
        Ok(Self { info, given })
    }

    /// The value given or declared; `None` for Python's `None`.
    fn value(&self, name: &'static str) -> Answer<Option<Value>> {
        match self.given.get(name) {
            Some(Value::Text(text)) if text.eq_ignore_ascii_case("none") => return Ok(None),
            Some(value) => return Ok(Some(value.clone())),
            None => {}
        }
        match self
            .info
            .args
            .iter()
            .find(|arg| arg.name == name)
            .map(|arg| arg.default)
        {
            Some(ArgDefault::Required) | None => Err(TransformError::MissingArgument {
                transform: self.info.name,
                argument: name,
            }),
            Some(default) => Ok(default.value()),
        }
    }

    fn wrong(
        &self,
        argument: &'static str,
        expected: &'static str,
        got: Option<&Value>,
    ) -> TransformError {
        let got = got.map_or_else(|| "none".to_owned(), ToString::to_string);
        TransformError::Argument {
            transform: self.info.name,
            argument,
            expected,
            got,
        }
    }

    pub(super) fn number(&self, name: &'static str) -> Answer<f64> {
        match self.value(name)? {
            Some(Value::Number(number)) => Ok(number),
            other => Err(self.wrong(name, "a number", other.as_ref())),
        }
    }

    pub(super) fn flag(&self, name: &'static str) -> Answer<bool> {
        match self.value(name)? {
            Some(Value::Bool(flag)) => Ok(flag),
            other => Err(self.wrong(name, "true or false", other.as_ref())),
        }
    }

    /// One or several numbers; `None` if the argument is none.
    pub(super) fn numbers(&self, name: &'static str) -> Answer<Option<Vec<f64>>> {
        let expected = "a number or a list of numbers";
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(vec![number])),
            Some(Value::List(values)) => {
                let numbers = values.iter().map(|value| match value {
                    Value::Number(number) => Ok(*number),
                    other => Err(self.wrong(name, expected, Some(other))),
                });
                numbers.collect::<Answer<Vec<f64>>>().map(Some)
            }
            other => Err(self.wrong(name, expected, other.as_ref())),
        }
    }

    /// Exactly two numbers; `None` if the argument is none.
    pub(super) fn pair(&self, name: &'static str) -> Answer<Option<[f64; 2]>> {
        let Some(numbers) = self.numbers(name)? else {
            return Ok(None);
        };
        match numbers[..] {
            [low, high] => Ok(Some([low, high])),
            _ => Err(self.wrong(name, "a list of two numbers", self.value(name)?.as_ref())),
        }
    }

    /// Two numbers that must be there.
    pub(super) fn range(&self, name: &'static str) -> Answer<[f64; 2]> {
        self.pair(name)?
            .ok_or_else(|| self.wrong(name, "a list of two numbers", None))
    }

    /// A spread `s`, meaning `(-s, s)`, or a pair `(low, high)`; `None` if the argument is none.
    pub(super) fn spread(&self, name: &'static str) -> Answer<Option<[f64; 2]>> {
        let expected = "a number of at least 0 or a list of two numbers";
        let Some(numbers) = self.numbers(name)? else {
            return Ok(None);
        };
        match numbers[..] {
            [spread] if spread >= 0.0 => Ok(Some([-spread, spread])),
            [low, high] => Ok(Some([low, high])),
            _ => Err(self.wrong(name, expected, self.value(name)?.as_ref())),
        }
    }

    /// Whole numbers of at least 0.
    pub(super) fn counts(&self, name: &'static str) -> Answer<Option<Vec<usize>>> {
        let Some(numbers) = self.numbers(name)? else {
            return Ok(None);
        };
        let whole = numbers.iter().map(|&number| self.count_from(name, number));
        whole.collect::<Answer<Vec<usize>>>().map(Some)
    }

    pub(super) fn count(&self, name: &'static str) -> Answer<usize> {
        self.count_from(name, self.number(name)?)
    }

    fn count_from(&self, name: &'static str, number: f64) -> Answer<usize> {
        // Every count here is a side or a number of channels: far below 2^31, where f64 holds integers exactly.
        if number.fract() == 0.0 && (0.0..2_147_483_648.0).contains(&number) {
            Ok(number as usize)
        } else {
            Err(self.wrong(
                name,
                "a whole number of at least 0",
                Some(&Value::Number(number)),
            ))
        }
    }

    /// A side, meaning a square, or `[height, width]`.
    pub(super) fn size(&self, name: &'static str) -> Answer<[usize; 2]> {
        match self.counts(name)?.as_deref() {
            Some([side]) => Ok([*side, *side]),
            Some([height, width]) => Ok([*height, *width]),
            _ => Err(self.wrong(
                name,
                "a side or [height, width]",
                self.value(name)?.as_ref(),
            )),
        }
    }

    /// A grey level, or one level a channel, 0..=255.
    pub(super) fn fill(&self, name: &'static str) -> Answer<Vec<u8>> {
        let expected = "a level 0..=255 or a list of one level a channel";
        let Some(numbers) = self.numbers(name)? else {
            return Ok(vec![0]);
        };
        let levels = numbers.iter().map(|&number| {
            let whole = number.fract() == 0.0 && (0.0..=255.0).contains(&number);
            if whole {
                Ok(number as u8)
            } else {
                Err(self.wrong(name, expected, Some(&Value::Number(number))))
            }
        });
        let levels: Vec<u8> = levels.collect::<Answer<_>>()?;
        if matches!(levels.len(), 1 | 3) {
            Ok(levels)
        } else {
            Err(self.wrong(name, expected, self.value(name)?.as_ref()))
        }
    }

    fn word(&self, name: &'static str, expected: &'static str) -> Answer<String> {
        match self.value(name)? {
            Some(Value::Text(text)) => Ok(text),
            other => Err(self.wrong(name, expected, other.as_ref())),
        }
    }

    pub(super) fn interpolation(&self, name: &'static str) -> Answer<Interpolation> {
        let expected = "\"nearest\", \"bilinear\" or \"bicubic\"";
        let word = self.word(name, expected)?;
        match word.as_str() {
            "nearest" => Ok(Interpolation::Nearest),
            "bilinear" => Ok(Interpolation::Bilinear),
            "bicubic" => Ok(Interpolation::Bicubic),
            _ => Err(self.wrong(name, expected, Some(&Value::Text(word)))),
        }
    }

    pub(super) fn padding_mode(&self, name: &'static str) -> Answer<PaddingMode> {
        let expected = "\"constant\", \"edge\", \"reflect\" or \"symmetric\"";
        let word = self.word(name, expected)?;
        match word.as_str() {
            "constant" => Ok(PaddingMode::Constant),
            "edge" => Ok(PaddingMode::Edge),
            "reflect" => Ok(PaddingMode::Reflect),
            "symmetric" => Ok(PaddingMode::Symmetric),
            _ => Err(self.wrong(name, expected, Some(&Value::Text(word)))),
        }
    }

    /// Whether the argument is this word.
    pub(super) fn is_word(&self, name: &'static str, word: &str) -> Answer<bool> {
        Ok(matches!(self.value(name)?, Some(Value::Text(text)) if text == word))
    }

    /// Padding as `[left, top, right, bottom]` from one, two (left/right, top/bottom) or four numbers; `None` if none.
    pub(super) fn padding(&self, name: &'static str) -> Answer<Option<[usize; 4]>> {
        let Some(counts) = self.counts(name)? else {
            return Ok(None);
        };
        match counts[..] {
            [all] => Ok(Some([all; 4])),
            [x, y] => Ok(Some([x, y, x, y])),
            [left, top, right, bottom] => Ok(Some([left, top, right, bottom])),
            _ => Err(self.wrong(name, "1, 2 or 4 numbers", self.value(name)?.as_ref())),
        }
    }
}
