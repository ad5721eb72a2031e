//! The form of PyTorch before 1.6: five pickles (a mark, a version, the machine, the content, the storages' keys), and
//! then each storage, its length first.

use std::collections::BTreeMap;
use std::io::{Read, SeekFrom};

use super::fault::TorchFault;
use super::machine::{Unpickled, unpickle};
use super::values::{Node, Value};
use crate::ReadFile;

/// The longest description of tensors that is read, in bytes.
pub(super) const MAX_PICKLE: u64 = 64 << 20;

/// The bytes that are tried first, before the whole of a long description is read.
const FIRST: u64 = 1 << 20;

/// The mark at the start, as the bytes of a pickled number: 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The one version of this form.
const VERSION: i64 = 1001;

/// Why the pickles of a file could not be read.
pub(super) enum LegacyError {
    Io(std::io::Error),
    Fault(TorchFault),
}

impl From<std::io::Error> for LegacyError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TorchFault> for LegacyError {
    fn from(fault: TorchFault) -> Self {
        Self::Fault(fault)
    }
}

/// The content of a file, and where in it the elements of each storage begin, by the storage's position.
pub(super) struct Legacy {
    pub(super) content: Unpickled,
    pub(super) begins: BTreeMap<usize, u64>,
}

pub(super) fn read(file: &mut dyn ReadFile, len: u64) -> Result<Legacy, LegacyError> {
    let mut size = FIRST;
    loop {
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&mut *file).take(size.min(len)).read_to_end(&mut bytes)?;
        match pickles(&bytes) {
            Err(TorchFault::Truncated { .. }) if size < len.min(MAX_PICKLE) => size *= 4,
            Err(TorchFault::Truncated { .. }) if size >= MAX_PICKLE && len > size => {
                return Err(TorchFault::TooMany {
                    what: "bytes of pickles",
                    limit: MAX_PICKLE,
                }
                .into());
            }
            Err(fault) => return Err(fault.into()),
            Ok((content, keys, end)) => {
                let begins = begins(file, &content, &keys, end, len)?;
                return Ok(Legacy { content, begins });
            }
        }
    }
}

/// The content, the keys of the storages in their order, and the bytes that all pickles take.
fn pickles(bytes: &[u8]) -> Result<(Unpickled, Vec<String>, usize), TorchFault> {
    let mut end = 0;
    let mut next = || -> Result<Unpickled, TorchFault> {
        let unpickled = unpickle(bytes.get(end..).unwrap_or_default())?;
        end += unpickled.len;
        Ok(unpickled)
    };
    let magic = next()?;
    if !matches!(magic.values.get(magic.root), Some(Node::Bytes(bytes)) if *bytes == MAGIC) {
        let what = "it does not begin with PyTorch's mark, nor is it a zip archive";
        return Err(TorchFault::NotTorch { what });
    }
    if next()?.root != Value::Int(VERSION) {
        let what = "its version is not 1001";
        return Err(TorchFault::NotTorch { what });
    }
    let machine = next()?;
    if let Some(Node::Dict(pairs)) = machine.values.get(machine.root) {
        let little = |&(key, _): &(Value, Value)| machine.values.text(key) == Some("little_endian");
        if pairs
            .iter()
            .any(|pair| little(pair) && pair.1 == Value::Bool(false))
        {
            return Err(TorchFault::BigEndian);
        }
    }
    let content = next()?;
    let keys = next()?;
    let wrong = TorchFault::NotTorch {
        what: "after its content there is no list of the keys of storages",
    };
    let Some(Node::List(items)) = keys.values.get(keys.root) else {
        return Err(wrong);
    };
    let texts = items
        .iter()
        .map(|&key| keys.values.text(key).map(str::to_owned));
    let texts = texts.collect::<Option<Vec<String>>>().ok_or(wrong)?;
    Ok((content, texts, end))
}

/// Where the elements of each storage begin. Each is preceded by its length in elements.
fn begins(
    file: &mut dyn ReadFile,
    content: &Unpickled,
    keys: &[String],
    end: usize,
    len: u64,
) -> Result<BTreeMap<usize, u64>, LegacyError> {
    let mut at = u64::try_from(end).unwrap_or(u64::MAX);
    let mut out = BTreeMap::new();
    for key in keys {
        let Some(position) = content.values.find_storage(key) else {
            let what = "it lists a storage that no tensor has";
            return Err(TorchFault::NotTorch { what }.into());
        };
        let record = &content.values.storages[position];
        let expected = record.bytes().unwrap_or(u64::MAX);
        let size = |got| TorchFault::StorageSize {
            key: key.clone(),
            expected,
            got,
        };
        file.seek(SeekFrom::Start(at))?;
        let mut numel = [0; 8];
        if len.saturating_sub(at) < 8 {
            return Err(size(0).into());
        }
        file.read_exact(&mut numel)?;
        at += 8;
        if u64::from_le_bytes(numel) != record.numel || expected > len - at {
            let stated = u64::from_le_bytes(numel);
            let unit = (expected / record.numel.max(1)).max(1);
            return Err(size(stated.saturating_mul(unit).min(len - at)).into());
        }
        out.insert(position, at);
        at += expected;
    }
    Ok(out)
}
