//! What is registered of an op.

use std::fmt;

use gradus_tensor::Result;

use super::{Args, Attr, Dense, Draw};
use crate::Var;

/// What an input may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// f32 or f64; a gradient flows to it if the op is differentiable.
    Float,
    /// f32 or f64, without a gradient: class weights, running statistics.
    Constant,
    /// i64: indices or counts.
    Index,
    /// bool.
    Mask,
    /// Any dtype; a gradient flows to it if it is a float's.
    Any,
}

impl Kind {
    /// Its name: `float`, `constant`, `index`, `mask`, `any`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Index => "index",
            Self::Mask => "mask",
            Self::Constant => "constant",
            Self::Any => "any",
        }
    }
}

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct InputSpec {
    /// Its name, `x` for the first.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it is a list of tensors.
    pub list: bool,
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrType {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// A word.
    Text,
    /// Whole numbers; one stands for a list of one.
    Ints,
    /// Numbers; one stands for a list of one.
    Floats,
    /// Whole numbers, or a word such as `same`.
    IntsOrText,
}

impl AttrType {
    /// Its name: `int`, `float`, `bool`, `str`, `int[]`, `float[]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Text => "str",
            Self::Ints => "int[]",
            Self::Floats => "float[]",
            Self::IntsOrText => "int[]|str",
        }
    }
}

/// One attribute.
#[derive(Clone, Debug)]
pub struct AttrSpec {
    /// Its name: that of PyTorch's parameter.
    pub name: &'static str,
    /// Its type.
    pub kind: AttrType,
    /// Its value if none is given; [`Attr::None`] is one, too. An attribute without a default must be given.
    pub default: Option<Attr>,
}

/// How an op behaves where it is differentiated: it sets the tolerance of the gradient check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Differentiable everywhere around the cases drawn: errors to 1e-8.
    Smooth,
    /// With kinks, or of a condition that costs digits: errors to 1e-6.
    Kinked,
    /// Its results are indices, masks or counts: no gradient.
    NotDifferentiable,
}

impl Class {
    /// The highest error of a gradient that passes.
    pub const fn tolerance(self) -> f64 {
        match self {
            Self::Smooth => 1e-8,
            Self::Kinked | Self::NotDifferentiable => 1e-6,
        }
    }
}

/// How an op is called.
pub(crate) type Call = fn(&Args) -> Result<Vec<Var>>;
/// Naive f64 values of all outputs.
pub(crate) type Reference = fn(&Args) -> Result<Vec<Dense>>;
/// What must hold of the outputs; the words say what does not.
pub(crate) type Property = fn(&Args, &[Dense]) -> std::result::Result<(), String>;
/// Draws a case: f64 inputs away from kinks.
pub(crate) type Sampler = fn(&mut Draw) -> Result<Args>;

/// What of the outputs is unique, as vars that can be differentiated.
pub(crate) type Gauge = fn(&[Var]) -> Result<Vec<Var>>;

/// An op as it is registered.
#[derive(Clone)]
pub struct OpSpec {
    name: &'static str,
    group: &'static str,
    inputs: Vec<InputSpec>,
    attrs: Vec<AttrSpec>,
    pub(super) class: Class,
    pub(super) many: bool,
    pub(super) small_only: bool,
    pub(super) variety: usize,
    pub(super) f32_tolerance: f64,
    pub(super) f64_tolerance: f64,
    pub(super) call: Call,
    pub(super) reference: Option<Reference>,
    pub(super) property: Option<Property>,
    pub(super) sampler: Option<Sampler>,
    pub(super) gauge: Option<Gauge>,
    pub(super) prepare: Option<fn(&Args) -> Result<Args>>,
}

impl OpSpec {
    pub(crate) fn new(name: &'static str, call: Call) -> Self {
        Self {
            name,
            group: "",
            inputs: Vec::new(),
            attrs: Vec::new(),
            class: Class::Smooth,
            many: false,
            small_only: false,
            variety: 1,
            f32_tolerance: 2e-5,
            f64_tolerance: 1e-11,
            call,
            reference: None,
            property: None,
            sampler: None,
            gauge: None,
            prepare: None,
        }
    }

    fn with_input(mut self, name: &'static str, kind: Kind, optional: bool, list: bool) -> Self {
        self.inputs.push(InputSpec {
            name,
            kind,
            optional,
            list,
        });
        self
    }

    /// An input that must be given.
    pub(crate) fn input(self, name: &'static str, kind: Kind) -> Self {
        self.with_input(name, kind, false, false)
    }

    /// An input that may be left out.
    pub(crate) fn optional(self, name: &'static str, kind: Kind) -> Self {
        self.with_input(name, kind, true, false)
    }

    /// A list of tensors.
    pub(crate) fn list(self, name: &'static str, kind: Kind) -> Self {
        self.with_input(name, kind, false, true)
    }

    /// An attribute with a default; [`Attr::None`] may be one.
    pub(crate) fn attr(
        mut self,
        name: &'static str,
        kind: AttrType,
        default: impl Into<Attr>,
    ) -> Self {
        let default = Some(default.into());
        self.attrs.push(AttrSpec {
            name,
            kind,
            default,
        });
        self
    }

    /// An attribute that must be given.
    pub(crate) fn required(mut self, name: &'static str, kind: AttrType) -> Self {
        let default = None;
        self.attrs.push(AttrSpec {
            name,
            kind,
            default,
        });
        self
    }

    /// The gradient has kinks, or loses digits: it is checked to 1e-6.
    pub(crate) fn kinked(mut self) -> Self {
        self.class = Class::Kinked;
        self
    }

    /// Results are indices, masks or counts.
    pub(crate) fn not_differentiable(mut self) -> Self {
        self.class = Class::NotDifferentiable;
        self
    }

    /// The op has a list of outputs, even where it is of one.
    pub(crate) fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// The cost grows faster than the sizes drawn: large cases are left out.
    pub(crate) fn small_only(mut self) -> Self {
        self.small_only = true;
        self
    }

    /// As many times more cases are drawn than asked for: the op has that many more modes than others.
    pub(crate) fn variety(mut self, times: usize) -> Self {
        self.variety = times;
        self
    }

    /// Relative error against the reference in f32 (2e-5 if not said) and f64 (1e-11): for ops whose condition costs digits.
    pub(crate) fn tolerances(mut self, f32: f64, f64: f64) -> Self {
        (self.f32_tolerance, self.f64_tolerance) = (f32, f64);
        self
    }

    /// Naive values of all outputs.
    pub(crate) fn reference(mut self, reference: Reference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// What must hold of the outputs, where they are not unique (or random): the words say what does not.
    pub(crate) fn property(mut self, property: Property) -> Self {
        self.property = Some(property);
        self
    }

    /// How cases are drawn.
    pub(crate) fn draw(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// For outputs that are unique but for a sign or phase: what of them is differentiated.
    pub(crate) fn gauge(mut self, gauge: Gauge) -> Self {
        self.gauge = Some(gauge);
        self
    }

    /// What the checks do to the inputs of a case before the call, for ops that take only some: such as symmetric matrices, which single
    /// elements that differ would leave.
    pub(crate) fn prepared(mut self, prepare: fn(&Args) -> Result<Args>) -> Self {
        self.prepare = Some(prepare);
        self
    }

    pub(super) fn in_group(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    /// The op's name: PyTorch's, in snake case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The group that it belongs to, such as `reduce`.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Its inputs in order.
    pub fn inputs(&self) -> &[InputSpec] {
        &self.inputs
    }

    /// Its attributes.
    pub fn attrs(&self) -> &[AttrSpec] {
        &self.attrs
    }

    /// Whether gradients flow through it.
    pub fn differentiable(&self) -> bool {
        self.class != Class::NotDifferentiable
    }

    /// Whether its outputs are a list (`out.0`, `out.1` …) and not one (`out`).
    pub fn has_many_outputs(&self) -> bool {
        self.many
    }

    /// What it lacks for a whole check: nothing, if it is registered right.
    pub fn missing(&self) -> Option<&'static str> {
        if self.sampler.is_none() {
            Some("a way to draw cases")
        } else if self.reference.is_none() && self.property.is_none() {
            Some("a reference or property")
        } else {
            None
        }
    }

    /// Calls the op, after the names, kinds and types of what is given have been checked.
    ///
    /// # Errors
    /// [`crate::Error::Call`] for a missing or unknown input or attribute, or one of the wrong type; those of the op.
    pub fn call(&self, args: Args) -> Result<Vec<Var>> {
        (self.call)(&args.bind(self)?)
    }
}

impl fmt::Debug for OpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpSpec")
            .field("name", &self.name)
            .field("group", &self.group)
            .field("inputs", &self.inputs)
            .field("attrs", &self.attrs)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// The outputs of an op that has one.
pub fn one(out: impl Into<Var>) -> Vec<Var> {
    vec![out.into()]
}
