//! The element types that a safetensors file can hold, and what they are loaded as.

use std::fmt;

use gradus_tensor::DType;

/// An element type of the format.
///
/// Files may be inspected whatever they hold. Loading takes f32, f64, bf16, f16, i64, u8 and bool as they are, and
/// widens the narrower integers i8, i16, i32, u16 and u32 to i64. The rest is refused by name: u64 does not fit i64,
/// and the 8-bit and narrower floats and complex numbers have no tensor here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the format's names")]
#[non_exhaustive]
pub enum FileDType {
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

impl FileDType {
    /// All types, in the reference implementation's order of alignment: it writes the last ones first.
    pub const ALL: [Self; 22] = [
        Self::Bool,
        Self::F4,
        Self::F6E2M3,
        Self::F6E3M2,
        Self::U8,
        Self::I8,
        Self::F8E5M2,
        Self::F8E4M3,
        Self::F8E8M0,
        Self::F8E4M3Fnuz,
        Self::F8E5M2Fnuz,
        Self::I16,
        Self::U16,
        Self::F16,
        Self::BF16,
        Self::I32,
        Self::U32,
        Self::F32,
        Self::C64,
        Self::F64,
        Self::I64,
        Self::U64,
    ];

    /// The format's name, such as `F32` or `BOOL`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::F4 => "F4",
            Self::F6E2M3 => "F6_E2M3",
            Self::F6E3M2 => "F6_E3M2",
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::F8E5M2 => "F8_E5M2",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E8M0 => "F8_E8M0",
            Self::F8E4M3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5M2Fnuz => "F8_E5M2FNUZ",
            Self::I16 => "I16",
            Self::U16 => "U16",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I32 => "I32",
            Self::U32 => "U32",
            Self::F32 => "F32",
            Self::C64 => "C64",
            Self::F64 => "F64",
            Self::I64 => "I64",
            Self::U64 => "U64",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bits of one element.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F4 => 4,
            Self::F6E2M3 | Self::F6E3M2 => 6,
            Self::Bool | Self::U8 | Self::I8 => 8,
            Self::F8E5M2 | Self::F8E4M3 | Self::F8E8M0 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::C64 | Self::F64 | Self::I64 | Self::U64 => 64,
        }
    }

    /// The tensor dtype that the type is loaded as, or none if it is refused.
    pub const fn loads_as(self) -> Option<DType> {
        match self {
            Self::F32 => Some(DType::F32),
            Self::F64 => Some(DType::F64),
            Self::BF16 => Some(DType::BF16),
            Self::F16 => Some(DType::F16),
            Self::U8 => Some(DType::U8),
            Self::Bool => Some(DType::Bool),
            Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::U32 | Self::U16 => {
                Some(DType::I64)
            }
            _ => None,
        }
    }

    /// The place in the reference implementation's order: tensors are written from the highest down.
    pub(crate) fn rank(self) -> usize {
        Self::ALL
            .iter()
            .position(|&dtype| dtype == self)
            .unwrap_or(0)
    }
}

impl From<DType> for FileDType {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32,
            DType::F64 => Self::F64,
            DType::BF16 => Self::BF16,
            DType::F16 => Self::F16,
            DType::I64 => Self::I64,
            DType::U8 => Self::U8,
            DType::Bool => Self::Bool,
        }
    }
}

impl fmt::Display for FileDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    #[test]
    fn names_widths_and_order_are_the_reference_implementations() {
        let mut theirs = Vec::new();
        for dtype in FileDType::ALL {
            assert_eq!(FileDType::from_name(dtype.name()), Some(dtype));
            let reference: Dtype = serde_json::from_value(dtype.name().into()).unwrap();
            assert_eq!(
                u64::try_from(reference.bitsize()).unwrap(),
                dtype.bits(),
                "{dtype}"
            );
            theirs.push(reference);
        }
        assert!(theirs.is_sorted());
        assert_eq!(FileDType::from_name("f32"), None);
    }

    #[test]
    fn every_tensor_dtype_loads_as_itself() {
        for dtype in DType::ALL {
            assert_eq!(FileDType::from(dtype).loads_as(), Some(dtype));
        }
        assert_eq!(FileDType::U64.loads_as(), None);
    }
}
