//! What an op is called with from outside: inputs and attributes by name.

use std::collections::BTreeMap;
use std::fmt;

use gradus_tensor::{Error, Result, Tensor};

use super::{AttrType, Dense, Kind, OpSpec};
use crate::Var;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// Left out.
    None,
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A word.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f64>),
}

impl Attr {
    /// As the type asks, where nothing is lost: 2 for a float is 2.0, 3 for a list is `[3]`.
    fn fit(self, kind: AttrType) -> Option<Self> {
        Some(match (kind, self) {
            (AttrType::Float, Self::Int(v)) => Self::Float(v as f64),
            (AttrType::Ints | AttrType::IntsOrText, Self::Int(v)) => Self::Ints(vec![v]),
            (AttrType::IntsOrText, v @ (Self::Ints(_) | Self::Text(_))) => v,
            (AttrType::Floats, Self::Int(v)) => Self::Floats(vec![v as f64]),
            (AttrType::Floats, Self::Float(v)) => Self::Floats(vec![v]),
            (AttrType::Floats, Self::Ints(v)) => {
                Self::Floats(v.into_iter().map(|v| v as f64).collect())
            }
            (AttrType::Floats, Self::Text(word)) => Self::Floats(vec![number(&word)?]),
            (AttrType::Float, Self::Text(word)) => Self::Float(number(&word)?),
            (AttrType::Int, v @ Self::Int(_))
            | (AttrType::Float, v @ Self::Float(_))
            | (AttrType::Bool, v @ Self::Bool(_))
            | (AttrType::Text, v @ Self::Text(_))
            | (AttrType::Ints, v @ Self::Ints(_))
            | (AttrType::Floats, v @ Self::Floats(_)) => v,
            _ => return None,
        })
    }
}

/// The numbers that JSON cannot write: `inf`, `-inf`, `nan`.
fn number(word: &str) -> Option<f64> {
    match word {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "{v:?}"),
            Self::Ints(v) => write!(f, "{v:?}"),
            Self::Floats(v) => write!(f, "{v:?}"),
        }
    }
}

impl From<i64> for Attr {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}
impl From<i32> for Attr {
    fn from(v: i32) -> Self {
        Self::Int(v.into())
    }
}
impl From<usize> for Attr {
    fn from(v: usize) -> Self {
        Self::Int(v as i64)
    }
}
impl From<isize> for Attr {
    fn from(v: isize) -> Self {
        Self::Int(v as i64)
    }
}
impl From<f64> for Attr {
    fn from(v: f64) -> Self {
        Self::Float(v)
    }
}
impl From<bool> for Attr {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}
impl From<&str> for Attr {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}
impl From<Vec<i64>> for Attr {
    fn from(v: Vec<i64>) -> Self {
        Self::Ints(v)
    }
}
impl From<&[usize]> for Attr {
    fn from(v: &[usize]) -> Self {
        Self::Ints(v.iter().map(|&v| v as i64).collect())
    }
}
impl From<Vec<f64>> for Attr {
    fn from(v: Vec<f64>) -> Self {
        Self::Floats(v)
    }
}
impl<T: Into<Attr>> From<Option<T>> for Attr {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::None, Into::into)
    }
}

/// One input, or a list of them.
#[derive(Clone, Debug)]
pub enum Input {
    /// A tensor.
    One(Var),
    /// A list.
    Many(Vec<Var>),
}

impl From<Var> for Input {
    fn from(x: Var) -> Self {
        Self::One(x)
    }
}
impl From<Tensor> for Input {
    fn from(x: Tensor) -> Self {
        Self::One(Var::constant(x))
    }
}
impl From<Vec<Var>> for Input {
    fn from(xs: Vec<Var>) -> Self {
        Self::Many(xs)
    }
}
impl From<Vec<Tensor>> for Input {
    fn from(xs: Vec<Tensor>) -> Self {
        Self::Many(xs.into_iter().map(Var::constant).collect())
    }
}

/// The inputs and attributes of one call, by name.
#[derive(Clone, Debug, Default)]
pub struct Args {
    op: &'static str,
    inputs: BTreeMap<String, Input>,
    attrs: BTreeMap<String, Attr>,
}

impl Args {
    /// Nothing given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this input.
    #[must_use]
    pub fn with(mut self, name: &str, input: impl Into<Input>) -> Self {
        self.inputs.insert(name.to_owned(), input.into());
        self
    }

    /// With this attribute; [`Attr::None`] leaves it out.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<Attr>) -> Self {
        self.attrs.insert(name.to_owned(), value.into());
        self
    }

    fn error(&self, name: &str, expected: impl Into<String>) -> Error {
        call_error(self.op, name, expected)
    }

    /// With defaults filled in and all names and types checked.
    pub(super) fn bind(self, spec: &OpSpec) -> Result<Self> {
        let bound = self.bind_names(spec)?;
        for input in spec.inputs() {
            match bound.inputs.get(input.name) {
                Some(Input::One(x)) => bound.check_kind(input.name, x, input.kind)?,
                Some(Input::Many(xs)) => {
                    for x in xs {
                        bound.check_kind(input.name, x, input.kind)?;
                    }
                }
                None => {}
            }
        }
        Ok(bound)
    }

    /// [`Args::bind`] without a look at the dtypes.
    pub(super) fn bind_names(mut self, spec: &OpSpec) -> Result<Self> {
        self.op = spec.name();
        self.check_inputs(spec)?;
        for name in self.attrs.keys() {
            if !spec.attrs().iter().any(|attr| attr.name == name) {
                let known: Vec<&str> = spec.attrs().iter().map(|attr| attr.name).collect();
                return Err(self.error(name, format!("attributes are {known:?}")));
            }
        }
        for attr in spec.attrs() {
            let given = self.attrs.remove(attr.name);
            let value = match (given, &attr.default) {
                (None | Some(Attr::None), Some(default)) => default.clone(),
                (None | Some(Attr::None), None) => {
                    return Err(
                        self.error(attr.name, format!("must be given, as {}", attr.kind.name()))
                    );
                }
                (Some(value), _) => {
                    let shown = value.to_string();
                    value.fit(attr.kind).ok_or_else(|| {
                        self.error(
                            attr.name,
                            format!("must be {}, got {shown}", attr.kind.name()),
                        )
                    })?
                }
            };
            // Defaults are written as the nearest literal: `3` for a list is `[3]`, too.
            let value = match value {
                Attr::None => Attr::None,
                value => value
                    .fit(attr.kind)
                    .ok_or_else(|| self.error(attr.name, "default of another type"))?,
            };
            self.attrs.insert(attr.name.to_owned(), value);
        }
        Ok(self)
    }

    fn check_inputs(&self, spec: &OpSpec) -> Result<()> {
        for name in self.inputs.keys() {
            if !spec.inputs().iter().any(|input| input.name == name) {
                let known: Vec<&str> = spec.inputs().iter().map(|input| input.name).collect();
                return Err(self.error(name, format!("inputs are {known:?}")));
            }
        }
        for input in spec.inputs() {
            match (self.inputs.get(input.name), input.list) {
                (Some(Input::One(_)), false) | (Some(Input::Many(_)), true) => {}
                (None, _) if input.optional => {}
                (None, _) => return Err(self.error(input.name, "this input must be given")),
                (Some(_), true) => {
                    return Err(self.error(input.name, "this input is a list"));
                }
                (Some(_), false) => {
                    return Err(self.error(input.name, "this input is one tensor, not a list"));
                }
            }
        }
        Ok(())
    }

    fn check_kind(&self, name: &str, x: &Var, kind: Kind) -> Result<()> {
        use gradus_tensor::DType::{Bool, F32, F64, I64};
        let (fits, expected) = match kind {
            Kind::Float | Kind::Constant => (matches!(x.dtype(), F32 | F64), "f32 or f64"),
            Kind::Index => (x.dtype() == I64, "i64"),
            Kind::Mask => (x.dtype() == Bool, "bool"),
            Kind::Any => (true, "any"),
        };
        if fits {
            return Ok(());
        }
        Err(self.error(name, format!("must be {expected}, got {}", x.dtype())))
    }

    /// The name of the op that is called, once the names have been checked.
    pub(crate) fn op(&self) -> &'static str {
        self.op
    }

    /// Input `name`.
    ///
    /// # Errors
    /// [`Error::Call`] if it was not given or is a list.
    pub fn var(&self, name: &str) -> Result<&Var> {
        match self.inputs.get(name) {
            Some(Input::One(x)) => Ok(x),
            _ => Err(self.error(name, "this input must be given")),
        }
    }

    /// Input `name`, if given.
    pub fn opt_var(&self, name: &str) -> Option<&Var> {
        match self.inputs.get(name) {
            Some(Input::One(x)) => Some(x),
            _ => None,
        }
    }

    /// The tensor of input `name`: for masks and indices.
    ///
    /// # Errors
    /// As [`Args::var`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.var(name).map(Var::tensor)
    }

    /// The tensor of input `name`, if given.
    pub fn opt_tensor(&self, name: &str) -> Option<&Tensor> {
        self.opt_var(name).map(Var::tensor)
    }

    /// The list `name`.
    ///
    /// # Errors
    /// [`Error::Call`] if it was not given or is no list.
    pub fn vars(&self, name: &str) -> Result<&[Var]> {
        match self.inputs.get(name) {
            Some(Input::Many(xs)) => Ok(xs),
            _ => Err(self.error(name, "this list must be given")),
        }
    }

    /// The values of input `name` in f64, for a reference.
    ///
    /// # Errors
    /// As [`Args::var`].
    pub fn dense(&self, name: &str) -> Result<Dense> {
        Dense::of(self.tensor(name)?)
    }

    /// The values of input `name` in f64, if given.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn opt_dense(&self, name: &str) -> Result<Option<Dense>> {
        self.opt_tensor(name).map(Dense::of).transpose()
    }

    fn value(&self, name: &str) -> Result<&Attr> {
        let value = self.attrs.get(name);
        value.ok_or_else(|| self.error(name, "no such attribute"))
    }

    /// Whether attribute `name` is a word.
    ///
    /// # Errors
    /// [`Error::Call`] if there is no such attribute.
    pub fn is_text(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.value(name)?, Attr::Text(_)))
    }

    /// Whether attribute `name` was left out and has no default but none.
    ///
    /// # Errors
    /// [`Error::Call`] if there is no such attribute.
    pub fn is_none(&self, name: &str) -> Result<bool> {
        Ok(*self.value(name)? == Attr::None)
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn int(&self, name: &str) -> Result<i64> {
        match self.value(name)? {
            Attr::Int(v) => Ok(*v),
            other => Err(self.error(name, format!("must be a whole number, got {other}"))),
        }
    }

    /// A whole number that may be negative, such as a dim.
    ///
    /// # Errors
    /// As [`Args::int`].
    pub fn isize(&self, name: &str) -> Result<isize> {
        let v = self.int(name)?;
        isize::try_from(v).map_err(|_| self.error(name, format!("{v} is too large")))
    }

    /// A size or count.
    ///
    /// # Errors
    /// As [`Args::int`], and if it is negative.
    pub fn usize(&self, name: &str) -> Result<usize> {
        let v = self.int(name)?;
        usize::try_from(v).map_err(|_| self.error(name, format!("must not be negative, got {v}")))
    }

    /// A number.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn float(&self, name: &str) -> Result<f64> {
        match self.value(name)? {
            Attr::Float(v) => Ok(*v),
            other => Err(self.error(name, format!("must be a number, got {other}"))),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.value(name)? {
            Attr::Bool(v) => Ok(*v),
            other => Err(self.error(name, format!("must be true or false, got {other}"))),
        }
    }

    /// A word.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.value(name)? {
            Attr::Text(v) => Ok(v),
            other => Err(self.error(name, format!("must be a word, got {other}"))),
        }
    }

    /// A word among these: its position. The error lists them.
    ///
    /// # Errors
    /// [`Error::Call`] if it is another.
    pub fn choice(&self, name: &str, words: &[&str]) -> Result<usize> {
        let word = self.text(name)?;
        let found = words.iter().position(|w| *w == word);
        found.ok_or_else(|| self.error(name, format!("must be one of {words:?}, got {word:?}")))
    }

    /// Whole numbers that may be negative, such as dims.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn isizes(&self, name: &str) -> Result<Vec<isize>> {
        let found: Option<Vec<isize>> = match self.value(name)? {
            Attr::Ints(v) => v.iter().map(|&v| isize::try_from(v).ok()).collect(),
            other => {
                return Err(self.error(name, format!("must be whole numbers, got {other}")));
            }
        };
        found.ok_or_else(|| self.error(name, "a number is too large"))
    }

    /// Sizes or counts.
    ///
    /// # Errors
    /// As [`Args::isizes`], and if one is negative.
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>> {
        let all = self.isizes(name)?;
        let found: Option<Vec<usize>> = all.iter().map(|&v| usize::try_from(v).ok()).collect();
        found.ok_or_else(|| self.error(name, format!("must not be negative, got {all:?}")))
    }

    /// `N` sizes; one stands for all, as in PyTorch's `kernel_size=3`.
    ///
    /// # Errors
    /// As [`Args::sizes`], and for another count.
    pub fn sizes_of<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let all = self.sizes(name)?;
        if let [each] = all[..] {
            return Ok([each; N]);
        }
        let got = all.len();
        all.try_into()
            .map_err(|_| self.error(name, format!("must be one number or {N}, got {got}")))
    }

    /// Numbers.
    ///
    /// # Errors
    /// [`Error::Call`] if it is something else.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        match self.value(name)? {
            Attr::Floats(v) => Ok(v.clone()),
            other => Err(self.error(name, format!("must be numbers, got {other}"))),
        }
    }

    /// `get(name)`, or `None` if the attribute was left out: `args.opt("dim", Args::isize)`.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn opt<'a, T>(
        &'a self,
        name: &str,
        get: impl FnOnce(&'a Self, &str) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.is_none(name)? {
            return Ok(None);
        }
        get(self, name).map(Some)
    }

    /// All inputs as they were given, in order of their names.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Input)> {
        self.inputs
            .iter()
            .map(|(name, input)| (name.as_str(), input))
    }

    /// All attributes as they were given, in order of their names.
    pub fn attrs(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.attrs
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// All tensors in a fixed order: by name, lists in their order.
    pub(super) fn tensors(&self) -> Vec<&Var> {
        fn each(input: &Input) -> &[Var] {
            match input {
                Input::One(x) => std::slice::from_ref(x),
                Input::Many(xs) => xs,
            }
        }
        self.inputs.values().flat_map(each).collect()
    }

    /// The kinds of these tensors, in the same order.
    pub(super) fn kinds(&self, spec: &OpSpec) -> Vec<Kind> {
        let kind = |name: &str| {
            let input = spec.inputs().iter().find(|input| input.name == name);
            input.map_or(Kind::Any, |input| input.kind)
        };
        let count = |input: &Input| match input {
            Input::One(_) => 1,
            Input::Many(xs) => xs.len(),
        };
        let each = |(name, input)| std::iter::repeat_n(kind(name), count(input));
        self.inputs().flat_map(each).collect()
    }

    /// The same call with other tensors, in the order of [`Args::tensors`].
    pub(super) fn with_tensors(&self, tensors: &[Var]) -> Self {
        let mut next = tensors.iter().cloned();
        let mut out = self.clone();
        for x in out.inputs.values_mut().flat_map(|input| match input {
            Input::One(x) => std::slice::from_mut(x),
            Input::Many(xs) => xs.as_mut_slice(),
        }) {
            if let Some(other) = next.next() {
                *x = other;
            }
        }
        out
    }
}

/// An error about one input or attribute of a call.
pub(super) fn call_error(op: &'static str, name: &str, expected: impl Into<String>) -> Error {
    Error::Call {
        op,
        name: name.to_owned(),
        expected: expected.into(),
    }
}

impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |x: &Var| format!("{}{}", x.dtype(), x.shape());
        let mut separator = "";
        for (name, input) in &self.inputs {
            match input {
                Input::One(x) => write!(f, "{separator}{name}: {}", shown(x))?,
                Input::Many(xs) => {
                    let all: Vec<String> = xs.iter().map(shown).collect();
                    write!(f, "{separator}{name}: [{}]", all.join(", "))?;
                }
            }
            separator = ", ";
        }
        for (name, value) in &self.attrs {
            write!(f, "{separator}{name}={value}")?;
            separator = ", ";
        }
        Ok(())
    }
}
