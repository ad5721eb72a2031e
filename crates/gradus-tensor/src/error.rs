//! What can go wrong with tensors and ops: one structured error for the numeric crates.

use std::fmt;

use crate::{DType, Shape};

/// The result of a tensor operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in which op, with the operands.
///
/// Displays as `op: what: operands`, for instance
/// `head: matmul: shapes do not fit: lhs (8, 64), rhs (32, 10): inner dims differ, 64 ≠ 32`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes do not fit each other.
    ShapeMismatch {
        /// The op.
        op: &'static str,
        /// The left or expected shape.
        lhs: Shape,
        /// The right or given shape.
        rhs: Shape,
        /// The rule that was broken, such as `inner dims differ`.
        rule: &'static str,
    },
    /// A tensor has the wrong number of dimensions.
    Rank {
        /// The op.
        op: &'static str,
        /// The rank it takes.
        expected: usize,
        /// The shape it got.
        got: Shape,
    },
    /// More dimensions than [`crate::MAX_RANK`].
    RankTooHigh {
        /// The rank asked for.
        rank: usize,
    },
    /// The op does not take this element type.
    DType {
        /// The op.
        op: &'static str,
        /// The types it takes.
        expected: &'static [DType],
        /// The type it got.
        got: DType,
    },
    /// Two operands must have one element type.
    DTypeMismatch {
        /// The op.
        op: &'static str,
        /// The left or expected type.
        lhs: DType,
        /// The right or given type.
        rhs: DType,
    },
    /// A dimension number outside the tensor's rank, or one named twice.
    Axis {
        /// The op.
        op: &'static str,
        /// The dimension asked for; negative counts from the end.
        dim: isize,
        /// The rank of the tensor.
        rank: usize,
    },
    /// An index outside its dimension.
    IndexOutOfRange {
        /// The op.
        op: &'static str,
        /// Where the index stands in its tensor or argument list.
        position: usize,
        /// The index.
        index: i64,
        /// The length that it must stay below.
        len: usize,
    },
    /// A sequence has the wrong length.
    Length {
        /// The op.
        op: &'static str,
        /// The length it takes.
        expected: usize,
        /// The length it got.
        got: usize,
    },
    /// A count or size exceeds what the machine can address.
    Overflow {
        /// The op.
        op: &'static str,
        /// The quantity that overflowed.
        what: &'static str,
    },
    /// The system has no memory left.
    OutOfMemory {
        /// The bytes asked for.
        bytes: usize,
    },
    /// An argument outside its domain.
    Argument {
        /// The op.
        op: &'static str,
        /// The argument's name.
        name: &'static str,
        /// What it must be, such as `in 0..=1`.
        expected: &'static str,
        /// What it was.
        got: f64,
    },
    /// A matrix of a batch that the op cannot take, such as a singular one.
    Matrix {
        /// The op.
        op: &'static str,
        /// The number of the matrix, in row-major order of the batch dims.
        position: usize,
        /// What it is, such as `singular: a pivot is 0`.
        what: &'static str,
    },
    /// A call by name lacks an input or attribute, or has one of the wrong name, type or value.
    Call {
        /// The op.
        op: &'static str,
        /// The input's or attribute's name.
        name: String,
        /// What it must be.
        expected: String,
    },
    /// A gradient was asked for through an op that has none.
    NotDifferentiable {
        /// The op.
        op: &'static str,
    },
    /// A second derivative was asked for through an op whose backward is fused.
    NotTwiceDifferentiable {
        /// The op.
        op: &'static str,
    },
    /// A backward pass over a graph whose saved values are gone.
    GraphFreed {
        /// The op whose saved values are gone.
        op: &'static str,
    },
    /// A backward asked for a value that its op did not save: a mistake in the op.
    NotSaved {
        /// The op.
        op: &'static str,
        /// `input`, `output` or `statistic`.
        what: &'static str,
        /// Its position.
        position: usize,
    },
    /// A gradient was asked for a var that does not lead to the outputs, or carries no graph.
    Unreachable {
        /// The op or call.
        op: &'static str,
        /// The position of the input.
        position: usize,
    },
    /// An op made a NaN or an infinity; looked for where results are checked.
    NonFinite {
        /// The op.
        op: &'static str,
        /// Whether its backward did.
        backward: bool,
        /// What it gave: a NaN or an infinity.
        value: f64,
    },
    /// An error with the place where it happened: a module path, a file, a parameter.
    Context {
        /// The place.
        at: String,
        /// The error.
        source: Box<Error>,
    },
}

impl Error {
    /// Adds the place where the error happened, going outward: `err.at("conv1").at("layer 3")`.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Self::Context {
            at: place.into(),
            source: Box::new(self),
        }
    }

    /// The error itself, without the places around it.
    pub fn root(&self) -> &Self {
        let mut error = self;
        while let Self::Context { source, .. } = error {
            error = source;
        }
        error
    }
}

/// Adds places to errors in passing.
pub trait ResultExt<T> {
    /// Adds the place where the error happened, made only if there is one.
    ///
    /// # Errors
    /// The same error, with its place.
    fn at<P: Into<String>>(self, place: impl FnOnce() -> P) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn at<P: Into<String>>(self, place: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|error| error.at(place()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShapeMismatch { op, lhs, rhs, rule } => {
                write!(f, "{op}: shapes do not fit: lhs {lhs}, rhs {rhs}: {rule}")
            }
            Self::Rank { op, expected, got } => {
                write!(
                    f,
                    "{op}: takes rank {expected}, got rank {} of shape {got}",
                    got.rank()
                )
            }
            Self::RankTooHigh { rank } => {
                write!(
                    f,
                    "shape: rank {rank} exceeds the highest rank, {}",
                    crate::MAX_RANK
                )
            }
            Self::DType { op, expected, got } => {
                let names: Vec<&str> = expected.iter().map(|d| d.name()).collect();
                write!(f, "{op}: takes {}, got {got}", names.join(" or "))
            }
            Self::DTypeMismatch { op, lhs, rhs } => write!(
                f,
                "{op}: dtypes differ: {lhs} and {rhs}; convert one with to_dtype"
            ),
            Self::Axis { op, dim, rank } => {
                write!(
                    f,
                    "{op}: dim {dim} is repeated or outside a tensor of rank {rank}"
                )
            }
            Self::IndexOutOfRange {
                op,
                position,
                index,
                len,
            } => {
                write!(
                    f,
                    "{op}: index {index} at position {position} is outside 0..{len}"
                )
            }
            Self::Length { op, expected, got } => {
                write!(f, "{op}: takes {expected} elements, got {got}")
            }
            Self::Overflow { op, what } => write!(f, "{op}: {what} overflows"),
            Self::OutOfMemory { bytes } => {
                write!(f, "out of memory: {bytes} bytes could not be allocated")
            }
            Self::Argument {
                op,
                name,
                expected,
                got,
            } => {
                write!(f, "{op}: {name} must be {expected}, got {got}")
            }
            Self::Matrix { op, position, what } => {
                write!(f, "{op}: matrix {position} of the batch is {what}")
            }
            Self::Call { op, name, expected } => write!(f, "{op}: {name}: {expected}"),
            Self::NotDifferentiable { op } => {
                write!(
                    f,
                    "{op}: has no gradient; detach its input if none is wanted"
                )
            }
            Self::NotTwiceDifferentiable { op } => {
                write!(
                    f,
                    "{op}: its gradient is fused and cannot be differentiated again; compute it without create_graph"
                )
            }
            Self::GraphFreed { op } => write!(
                f,
                "{op}: the saved values were freed by an earlier backward; pass retain_graph to keep them"
            ),
            Self::NotSaved { op, what, position } => {
                write!(
                    f,
                    "{op}: its backward asks for {what} {position}, which the op does not save"
                )
            }
            Self::Unreachable { op, position } => {
                write!(
                    f,
                    "{op}: input {position} needs no gradient or does not lead to the outputs; pass allow_unused to get none for it"
                )
            }
            Self::NonFinite {
                op,
                backward,
                value,
            } => write_nonfinite(f, op, *backward, *value),
            Self::Context { at, source } => write!(f, "{at}: {source}"),
        }
    }
}

fn write_nonfinite(
    f: &mut fmt::Formatter<'_>,
    op: &str,
    backward: bool,
    value: f64,
) -> fmt::Result {
    let (of, taken) = if backward {
        ("backward of ", "gradient")
    } else {
        ("", "input")
    };
    let without = if value.is_nan() {
        "a NaN"
    } else {
        "an infinity"
    };
    write!(f, "{of}{op}: gives {value}, and no {taken} holds {without}")
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_reads_outside_in() {
        let error = Error::Length {
            op: "from_slice",
            expected: 6,
            got: 5,
        }
        .at("weight")
        .at("conv1");
        assert_eq!(
            error.to_string(),
            "conv1: weight: from_slice: takes 6 elements, got 5"
        );
        assert!(matches!(error.root(), Error::Length { .. }));
    }
}
