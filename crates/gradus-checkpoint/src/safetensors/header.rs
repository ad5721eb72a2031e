//! Reading the header: JSON by serde, with duplicates, unknown fields and wrong types named.

use std::fmt;

use gradus_tensor::{MAX_RANK, Shape};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{FileDType, FormatFault};
use crate::Metadata;

/// The longest header that the format allows, in bytes.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The most tensors that a file may have here. The format has no limit; this one keeps the memory that a hostile
/// header takes below twice its size, and is far above what models have.
pub const MAX_TENSORS: usize = 1 << 17;

/// The key of the metadata among the tensors' names.
pub(crate) const METADATA_KEY: &str = "__metadata__";

/// One tensor of a file, as its header describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The name.
    pub name: String,
    /// The element type in the file.
    pub dtype: FileDType,
    /// The shape.
    pub shape: Shape,
    /// The first byte, counted from the end of the header.
    pub begin: u64,
    /// The byte after the last.
    pub end: u64,
}

/// A checked header: tensors in the order of their bytes, metadata by key.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) metadata: Metadata,
    /// Positions in `tensors`, by name.
    by_name: Vec<usize>,
}

impl Header {
    /// Reads and checks a header whose file holds `data_len` bytes after it.
    pub(crate) fn parse(bytes: &[u8], data_len: u64) -> Result<Self, FormatFault> {
        let text = std::str::from_utf8(bytes).map_err(|error| FormatFault::HeaderUtf8 {
            at: error.valid_up_to(),
        })?;
        if !text.starts_with('{') {
            return Err(FormatFault::HeaderStart);
        }
        let raw = parse_json(text.trim_end_matches(' '), data_len)?;
        let mut header = Self {
            by_name: index_names(&raw.tensors)?,
            tensors: raw.tensors,
            metadata: raw.metadata.unwrap_or_default(),
        };
        header.sort_by_offset();
        header.check_coverage(data_len)?;
        Ok(header)
    }

    /// The tensor of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&TensorInfo> {
        let at = |&i: &usize| &self.tensors[i];
        let found = self
            .by_name
            .binary_search_by(|i| at(i).name.as_str().cmp(name))
            .ok()?;
        self.by_name.get(found).map(at)
    }

    /// The tensors in the byte order of their names.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = &TensorInfo> {
        self.by_name.iter().map(|&i| &self.tensors[i])
    }

    /// Sorts the tensors by their bytes (those of size 0 first, as they stand) and the index with them.
    fn sort_by_offset(&mut self) {
        let tensors = &mut self.tensors;
        tensors.sort_by_key(|tensor| (tensor.begin, tensor.end));
        self.by_name
            .sort_unstable_by(|&a, &b| tensors[a].name.cmp(&tensors[b].name));
    }

    /// Every byte of data belongs to exactly one tensor.
    fn check_coverage(&self, data_len: u64) -> Result<(), FormatFault> {
        let mut covered = 0;
        let mut previous = "";
        for TensorInfo {
            name, begin, end, ..
        } in &self.tensors
        {
            if *begin > covered {
                return Err(FormatFault::Hole {
                    tensor: name.clone(),
                    begin: *begin,
                    end_of_previous: covered,
                });
            }
            if *begin < covered {
                return Err(FormatFault::Overlap {
                    tensor: name.clone(),
                    other: previous.to_owned(),
                });
            }
            covered = *end;
            previous = name;
        }
        if covered != data_len {
            return Err(FormatFault::TrailingData {
                covered,
                len: data_len,
            });
        }
        Ok(())
    }
}

/// The tensors' positions sorted by name; no name may repeat.
fn index_names(tensors: &[TensorInfo]) -> Result<Vec<usize>, FormatFault> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_unstable_by(|&a, &b| tensors[a].name.cmp(&tensors[b].name));
    let repeats = |pair: &&[usize]| tensors[pair[0]].name == tensors[pair[1]].name;
    match order.windows(2).find(repeats) {
        None => Ok(order),
        Some(pair) => Err(FormatFault::DuplicateName {
            tensor: tensors[pair[0]].name.clone(),
        }),
    }
}

/// The header's JSON, each tensor checked by itself.
#[derive(Default)]
struct RawHeader {
    tensors: Vec<TensorInfo>,
    metadata: Option<Metadata>,
}

/// One tensor's entry, its types checked and its numbers not.
struct RawEntry {
    dtype: FileDType,
    dims: Numbers,
    offsets: [u64; 2],
}

impl RawEntry {
    /// Checks the entry's numbers against each other and the file.
    fn check(self, tensor: String, data_len: u64) -> Result<TensorInfo, FormatFault> {
        let dtype = self.dtype;
        let dims = self.dims.as_slice();
        let Some((shape, bits)) = size_of(dims, dtype) else {
            return Err(FormatFault::ShapeOverflow {
                tensor,
                dims: dims.to_vec(),
            });
        };
        if !bits.is_multiple_of(8) {
            return Err(FormatFault::PartialByte {
                tensor,
                dtype,
                shape,
            });
        }
        let [begin, end] = self.offsets;
        let Some(got) = end.checked_sub(begin) else {
            return Err(FormatFault::OffsetsReversed { tensor, begin, end });
        };
        if end > data_len {
            return Err(FormatFault::OffsetsOutOfRange {
                tensor,
                end,
                len: data_len,
            });
        }
        if got != bits / 8 {
            return Err(FormatFault::SizeMismatch {
                tensor,
                dtype,
                shape,
                expected: bits / 8,
                got,
            });
        }
        Ok(TensorInfo {
            name: tensor,
            dtype,
            shape,
            begin,
            end,
        })
    }
}

/// The shape of these dims and its size in bits, if they fit.
fn size_of(dims: &[u64], dtype: FileDType) -> Option<(Shape, u64)> {
    let mut sized = [0usize; MAX_RANK];
    for (out, &dim) in sized.iter_mut().zip(dims) {
        *out = usize::try_from(dim).ok()?;
    }
    let shape = Shape::new(sized.get(..dims.len())?).ok()?;
    let bits = u64::try_from(shape.numel())
        .ok()?
        .checked_mul(dtype.bits())?;
    Some((shape, bits))
}

/// At most [`MAX_RANK`] numbers, inline.
#[derive(Clone, Copy, Default)]
struct Numbers {
    values: [u64; MAX_RANK],
    count: usize,
}

impl Numbers {
    fn as_slice(&self) -> &[u64] {
        &self.values[..self.count]
    }
}

fn parse_json(text: &str, data_len: u64) -> Result<RawHeader, FormatFault> {
    // serde's own errors cannot carry a fault, so the seeds leave it here on their way out.
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    match (HeaderSeed {
        data_len,
        fault: &mut fault,
    })
    .deserialize(&mut json)
    {
        Ok(raw) => {
            // The object is followed by spaces at most, and those were cut off.
            if text.ends_with('}') && json.end().is_ok() {
                return Ok(raw);
            }
            Err(FormatFault::HeaderTrailing)
        }
        // Where the text itself is broken, what the seeds thought of it does not count.
        Err(cause) if cause.classify() != Category::Data => Err(FormatFault::Json { cause }),
        Err(cause) => Err(fault.unwrap_or(FormatFault::Json { cause })),
    }
}

/// Leaves the fault for [`parse_json`] and stops serde.
fn refuse<E: serde::de::Error>(slot: &mut Option<FormatFault>, fault: FormatFault) -> E {
    *slot = Some(fault);
    E::custom("refused")
}

/// The whole header: names to entries, and the metadata.
struct HeaderSeed<'a> {
    data_len: u64,
    fault: &'a mut Option<FormatFault>,
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = RawHeader;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<RawHeader, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut raw = RawHeader::default();
        while let Some(name) = map.next_key::<String>()? {
            let fault = &mut *self.fault;
            if name == METADATA_KEY {
                if raw.metadata.is_some() {
                    return Err(refuse(fault, FormatFault::DuplicateName { tensor: name }));
                }
                let metadata = map.next_value_seed(MetadataSeed { fault });
                raw.metadata = Some(metadata.inspect_err(|_| {
                    self.fault.get_or_insert(FormatFault::MetadataType);
                })?);
                continue;
            }
            if raw.tensors.len() == MAX_TENSORS {
                return Err(refuse(fault, FormatFault::TooManyTensors));
            }
            let seed = EntrySeed { name: &name, fault };
            let entry = map.next_value_seed(seed).inspect_err(|_| {
                let fault = || FormatFault::EntryType {
                    tensor: name.clone(),
                };
                self.fault.get_or_insert_with(fault);
            })?;
            let checked = entry.check(name, self.data_len);
            raw.tensors
                .push(checked.map_err(|fault| refuse(self.fault, fault))?);
        }
        Ok(raw)
    }
}

/// `__metadata__`: strings to strings.
struct MetadataSeed<'a> {
    fault: &'a mut Option<FormatFault>,
}

impl<'de> DeserializeSeed<'de> for MetadataSeed<'_> {
    type Value = Metadata;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Metadata, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataSeed<'_> {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::new();
        while let Some(key) = map.next_key::<String>()? {
            if metadata.contains_key(&key) {
                return Err(refuse(self.fault, FormatFault::DuplicateMetadata { key }));
            }
            let value = map.next_value::<String>().inspect_err(|_| {
                let fault = || FormatFault::MetadataValue { key: key.clone() };
                self.fault.get_or_insert_with(fault);
            })?;
            metadata.insert(key, value);
        }
        Ok(metadata)
    }
}

/// One tensor's entry: dtype, shape, data_offsets.
struct EntrySeed<'a> {
    name: &'a str,
    fault: &'a mut Option<FormatFault>,
}

impl EntrySeed<'_> {
    /// Reads a field's value into its slot, which must be empty.
    fn field<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
        &mut self,
        map: &mut A,
        slot: &mut Option<S::Value>,
        seed: S,
        (field, expected): (&'static str, &'static str),
    ) -> Result<(), A::Error> {
        let tensor = || self.name.to_owned();
        if slot.is_some() {
            let fault = FormatFault::DuplicateField {
                tensor: tensor(),
                field,
            };
            return Err(refuse(self.fault, fault));
        }
        *slot = Some(map.next_value_seed(seed).inspect_err(|_| {
            self.fault.get_or_insert_with(|| FormatFault::FieldType {
                tensor: tensor(),
                field,
                expected,
            });
        })?);
        Ok(())
    }

    /// A field's value, which must be there.
    fn required<T, E: serde::de::Error>(
        &mut self,
        value: Option<T>,
        field: &'static str,
    ) -> Result<T, E> {
        value.ok_or_else(|| {
            let tensor = self.name.to_owned();
            refuse(self.fault, FormatFault::MissingField { tensor, field })
        })
    }
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = RawEntry;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<RawEntry, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = RawEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<RawEntry, A::Error> {
        const LIST: &str = "a list of whole numbers from 0 to 2^64 - 1";
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        while let Some(field) = map.next_key::<String>()? {
            let map = &mut map;
            match field.as_str() {
                "dtype" => self.field(map, &mut dtype, TextSeed, ("dtype", "a string"))?,
                "shape" => self.field(map, &mut shape, NumbersSeed, ("shape", LIST))?,
                "data_offsets" => {
                    self.field(map, &mut offsets, NumbersSeed, ("data_offsets", LIST))?;
                }
                _ => {
                    let tensor = self.name.to_owned();
                    return Err(refuse(
                        self.fault,
                        FormatFault::UnknownField { tensor, field },
                    ));
                }
            }
        }
        let dtype: String = self.required(dtype, "dtype")?;
        let shape: Option<Numbers> = self.required(shape, "shape")?;
        let offsets: Option<Numbers> = self.required(offsets, "data_offsets")?;
        let tensor = || self.name.to_owned();
        let Some(known) = FileDType::from_name(&dtype) else {
            let fault = FormatFault::UnknownDType {
                tensor: tensor(),
                dtype,
            };
            return Err(refuse(self.fault, fault));
        };
        let Some(dims) = shape else {
            let fault = FormatFault::RankTooHigh { tensor: tensor() };
            return Err(refuse(self.fault, fault));
        };
        match offsets.as_ref().map(Numbers::as_slice) {
            Some(&[begin, end]) => Ok(RawEntry {
                dtype: known,
                dims,
                offsets: [begin, end],
            }),
            _ => {
                let fault = FormatFault::OffsetCount { tensor: tensor() };
                Err(refuse(self.fault, fault))
            }
        }
    }
}

/// A string.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        String::deserialize(json)
    }
}

/// A list of whole numbers; none if there are more than [`MAX_RANK`].
struct NumbersSeed;

impl<'de> DeserializeSeed<'de> for NumbersSeed {
    type Value = Option<Numbers>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for NumbersSeed {
    type Value = Option<Numbers>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of whole numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut numbers = Numbers::default();
        let mut fits = true;
        while let Some(value) = seq.next_element::<u64>()? {
            match numbers.values.get_mut(numbers.count) {
                Some(slot) => {
                    *slot = value;
                    numbers.count += 1;
                }
                // Read on, so that what follows is still checked to be JSON.
                None => fits = false,
            }
        }
        Ok(fits.then_some(numbers))
    }
}
