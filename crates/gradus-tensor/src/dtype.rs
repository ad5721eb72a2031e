//! Element types: the run-time tag and its compile-time counterpart.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};

/// The type of a tensor's elements.
///
/// `F32` and `F64` compute. `BF16` and `F16` store, and feed kernels that accumulate in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// 32-bit IEEE float.
    F32,
    /// 64-bit IEEE float.
    F64,
    /// 16-bit brain float: 8 exponent bits, 7 mantissa bits.
    BF16,
    /// 16-bit IEEE float.
    F16,
    /// 64-bit signed integer: class labels, token ids, indices.
    I64,
    /// 8-bit unsigned integer: pixels, bytes.
    U8,
    /// Truth value, one byte each.
    Bool,
}

impl DType {
    /// All element types.
    pub const ALL: [Self; 7] = [
        Self::F32,
        Self::F64,
        Self::BF16,
        Self::F16,
        Self::I64,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// Whether the type is a floating-point type, and so may carry a gradient.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::BF16 | Self::F16)
    }

    /// The lower-case name, such as `f32` or `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DType {
    type Err = ();

    /// Reads a lower-case name. The error carries nothing: the caller knows what it was reading.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or(())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of a tensor.
///
/// Sealed: storages reinterpret their bytes by it, so only the types below may have it.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + fmt::Debug + Send + Sync + 'static
{
    /// The run-time tag of this type.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
elements!(f32 => F32, f64 => F64, bf16 => BF16, f16 => F16, i64 => I64, u8 => U8, bool => Bool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert_eq!("float32".parse::<DType>(), Err(()));
    }

    #[test]
    fn sizes_are_those_of_the_rust_types() {
        assert_eq!(DType::F64.size(), size_of::<f64>());
        assert_eq!(DType::BF16.size(), size_of::<bf16>());
        assert_eq!(DType::Bool.size(), size_of::<bool>());
    }
}
