//! The functions and classes that a file may ask for. All are data here; none is called.

use super::fault::TorchFault;
use crate::FileDType;

/// A function or class that takes part in rebuilding tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    Set,
    Size,
    Device,
    /// `_codecs.encode`: how old pickles write bytes.
    Encode,
    /// `torch._utils._rebuild_tensor`, without gradient and hooks.
    RebuildTensor,
    RebuildTensorV2,
    /// With the dtype named, over an untyped storage.
    RebuildTensorV3,
    RebuildParameter,
    RebuildParameterWithState,
    /// A typed storage; `None` is untyped, bytes.
    Storage(Option<FileDType>),
    DType(FileDType),
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Result<Self, TorchFault> {
        let found = match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("builtins" | "__builtin__", "set" | "frozenset") => Some(Self::Set),
            ("_codecs", "encode") => Some(Self::Encode),
            ("torch", "Size") => Some(Self::Size),
            ("torch", "device") => Some(Self::Device),
            ("torch._utils", "_rebuild_tensor") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensorV2),
            ("torch._utils", "_rebuild_tensor_v3") => Some(Self::RebuildTensorV3),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch._utils", "_rebuild_parameter_with_state") => {
                Some(Self::RebuildParameterWithState)
            }
            ("torch" | "torch.cuda" | "torch.storage", _) => storage(name)
                .map(Self::Storage)
                .or_else(|| dtype(name).map(Self::DType)),
            _ => None,
        };
        found.ok_or_else(|| TorchFault::Forbidden {
            name: format!("{module}.{name}"),
        })
    }

    /// The function's name, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "OrderedDict",
            Self::Set => "set",
            Self::Size => "torch.Size",
            Self::Device => "torch.device",
            Self::Encode => "_codecs.encode",
            Self::RebuildTensor => "_rebuild_tensor",
            Self::RebuildTensorV2 => "_rebuild_tensor_v2",
            Self::RebuildTensorV3 => "_rebuild_tensor_v3",
            Self::RebuildParameter => "_rebuild_parameter",
            Self::RebuildParameterWithState => "_rebuild_parameter_with_state",
            Self::Storage(_) => "a storage",
            Self::DType(_) => "a dtype",
        }
    }
}

/// The element type of a storage class; `Some(None)` is untyped.
fn storage(name: &str) -> Option<Option<FileDType>> {
    Some(match name {
        "FloatStorage" => Some(FileDType::F32),
        "DoubleStorage" => Some(FileDType::F64),
        "HalfStorage" => Some(FileDType::F16),
        "BFloat16Storage" => Some(FileDType::BF16),
        "LongStorage" => Some(FileDType::I64),
        "IntStorage" => Some(FileDType::I32),
        "ShortStorage" => Some(FileDType::I16),
        "CharStorage" => Some(FileDType::I8),
        "ByteStorage" => Some(FileDType::U8),
        "BoolStorage" => Some(FileDType::Bool),
        "ComplexFloatStorage" => Some(FileDType::C64),
        "UntypedStorage" | "_UntypedStorage" => None,
        _ => return None,
    })
}

/// The element type of PyTorch's name for it.
fn dtype(name: &str) -> Option<FileDType> {
    Some(match name {
        "float32" | "float" => FileDType::F32,
        "float64" | "double" => FileDType::F64,
        "float16" | "half" => FileDType::F16,
        "bfloat16" => FileDType::BF16,
        "int64" | "long" => FileDType::I64,
        "int32" | "int" => FileDType::I32,
        "int16" | "short" => FileDType::I16,
        "int8" => FileDType::I8,
        "uint8" => FileDType::U8,
        "uint16" => FileDType::U16,
        "uint32" => FileDType::U32,
        "uint64" => FileDType::U64,
        "bool" => FileDType::Bool,
        "complex64" | "cfloat" => FileDType::C64,
        "float8_e4m3fn" => FileDType::F8E4M3,
        "float8_e5m2" => FileDType::F8E5M2,
        "float8_e4m3fnuz" => FileDType::F8E4M3Fnuz,
        "float8_e5m2fnuz" => FileDType::F8E5M2Fnuz,
        "float8_e8m0fnu" => FileDType::F8E8M0,
        _ => return None,
    })
}
