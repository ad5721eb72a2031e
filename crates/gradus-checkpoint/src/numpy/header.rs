//! The header of an array: which elements, in which order, of which shape.

use std::io::{self, Read};

use gradus_tensor::{MAX_RANK, Shape};

use super::NumpyFault;
use crate::FileDType;

/// What every array begins with.
pub(crate) const NPY_MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header that is read, in bytes. NumPy's own are below 200.
pub(super) const MAX_HEADER: u64 = 1 << 16;

/// The longest text that is read, in characters.
const MAX_TEXT: u64 = 1 << 20;

/// What an array is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NpyContent {
    Tensor(NpyHeader),
    /// A single text, as some programs keep their configuration, of so many 32-bit characters.
    Text(u64),
}

/// A checked header of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NpyHeader {
    pub(super) dtype: FileDType,
    pub(super) shape: Shape,
    /// The first dim changes fastest.
    pub(super) fortran: bool,
    /// The bytes before the elements.
    pub(super) len: u64,
}

impl NpyHeader {
    /// Reads the header of an array of `len` bytes in all, and checks that its elements fill the rest.
    pub(super) fn read(from: &mut dyn Read, len: u64) -> Result<NpyContent, NumpyFault> {
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(|_| NumpyFault::Magic)?;
        let [magic @ .., major, minor] = start;
        if magic != *NPY_MAGIC {
            return Err(NumpyFault::Magic);
        }
        let mut size = [0; 4];
        let size_len = match (major, minor) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            _ => return Err(NumpyFault::Version { major, minor }),
        };
        from.read_exact(&mut size[..size_len])
            .map_err(|_| NumpyFault::HeaderTruncated)?;
        let header = u64::from(u32::from_le_bytes(size));
        if header > MAX_HEADER {
            return Err(NumpyFault::HeaderTooLarge { header });
        }
        let mut text = Vec::new();
        let read = (&mut *from).take(header).read_to_end(&mut text);
        if read.ok().and_then(|n| u64::try_from(n).ok()) != Some(header) {
            return Err(NumpyFault::HeaderTruncated);
        }
        let before = 8 + if size_len == 2 { 2 } else { 4 } + header;
        let fields = Literal::new(&text).fields()?;
        match text_of(&fields.descr) {
            Some(text) if fields.shape.is_empty() && len.checked_sub(before) == Some(4 * text) => {
                Ok(NpyContent::Text(text))
            }
            _ => Self::checked(&fields, before, len).map(NpyContent::Tensor),
        }
    }

    fn checked(fields: &Fields, before: u64, len: u64) -> Result<Self, NumpyFault> {
        let dtype = dtype_of(&fields.descr)?;
        let overflow = || NumpyFault::ShapeOverflow {
            dims: fields.shape.clone(),
        };
        if fields.shape.len() > MAX_RANK {
            let rank = fields.shape.len();
            return Err(NumpyFault::RankTooHigh { rank });
        }
        let dims: Result<Vec<usize>, _> =
            fields.shape.iter().map(|&d| usize::try_from(d)).collect();
        let shape = Shape::new(&dims.map_err(|_| overflow())?).map_err(|_| overflow())?;
        let bytes = u64::try_from(shape.numel()).ok();
        let expected = bytes.and_then(|n| n.checked_mul(dtype.bits() / 8));
        let expected = expected.ok_or_else(overflow)?;
        let got = len.saturating_sub(before);
        if expected != got {
            return Err(NumpyFault::SizeMismatch {
                dtype,
                shape,
                expected,
                got,
            });
        }
        Ok(Self {
            dtype,
            shape,
            fortran: fields.fortran,
            len: before,
        })
    }
}

/// The number of characters of a text, if the element type is one.
fn text_of(descr: &str) -> Option<u64> {
    let characters = descr.strip_prefix("<U")?.parse().ok()?;
    (characters <= MAX_TEXT).then_some(characters)
}

/// The text of so many 32-bit characters, which come next; zeros fill it up.
pub(super) fn read_text(from: &mut dyn Read, characters: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    (&mut *from).take(4 * characters).read_to_end(&mut bytes)?;
    let text = bytes.as_chunks::<4>().0.iter();
    let text = text.map(|&unit| char::from_u32(u32::from_le_bytes(unit)));
    let text: Option<String> = text.collect();
    let text = text.ok_or_else(|| io::Error::other("a text of it is not Unicode"))?;
    Ok(text.trim_end_matches('\0').to_owned())
}

/// The element type of NumPy's name for it.
fn dtype_of(descr: &str) -> Result<FileDType, NumpyFault> {
    let owned = || descr.to_owned();
    let (order, kind) = descr.split_at_checked(1).unwrap_or(("", descr));
    let known = match kind {
        "f2" => FileDType::F16,
        "f4" => FileDType::F32,
        "f8" => FileDType::F64,
        "i1" => FileDType::I8,
        "i2" => FileDType::I16,
        "i4" => FileDType::I32,
        "i8" => FileDType::I64,
        "u1" => FileDType::U8,
        "u2" => FileDType::U16,
        "u4" => FileDType::U32,
        "u8" => FileDType::U64,
        "b1" => FileDType::Bool,
        "c8" => FileDType::C64,
        _ if kind.starts_with('O') => return Err(NumpyFault::Objects { descr: owned() }),
        _ => return Err(NumpyFault::DType { descr: owned() }),
    };
    match order {
        "<" => Ok(known),
        "|" | "=" if known.bits() == 8 => Ok(known),
        ">" if known.bits() == 8 => Ok(known),
        ">" => Err(NumpyFault::BigEndian { descr: owned() }),
        _ => Err(NumpyFault::DType { descr: owned() }),
    }
}

/// The three fields of a header.
struct Fields {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

/// A reader of the one Python literal that a header is.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Literal<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn fields(mut self) -> Result<Fields, NumpyFault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{', "an opening brace")?;
        while !self.take(b'}') {
            let key = self.string()?;
            self.expect(b':', "a colon")?;
            // A second value for a key is refused: the slot is taken.
            match key.as_str() {
                "descr" if descr.is_none() => descr = Some(self.descr()?),
                "fortran_order" if fortran.is_none() => fortran = Some(self.boolean()?),
                "shape" if shape.is_none() => shape = Some(self.tuple()?),
                _ => return Err(self.expected("each of descr, fortran_order and shape once")),
            }
            if !self.take(b',') {
                self.expect(b'}', "a comma or a closing brace")?;
                break;
            }
        }
        if self.peek().is_some() {
            return Err(self.expected("the end of the header"));
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Fields {
                descr,
                fortran,
                shape,
            }),
            _ => Err(self.expected("each of descr, fortran_order and shape once")),
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), NumpyFault> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.expected(what))
    }

    fn expected(&self, expected: &'static str) -> NumpyFault {
        let at = self.at;
        NumpyFault::HeaderSyntax { at, expected }
    }

    /// The element type: a string; a list of fields is a structured array.
    fn descr(&mut self) -> Result<String, NumpyFault> {
        match self.peek() {
            Some(b'[' | b'(') => Err(NumpyFault::Structured),
            _ => self.string(),
        }
    }

    fn string(&mut self) -> Result<String, NumpyFault> {
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quote = quote.ok_or_else(|| self.expected("a string"))?;
        self.at += 1;
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| byte == quote);
        let inner = end.map(|end| &rest[..end]);
        // NumPy's names need no escapes.
        let inner = inner.filter(|inner| !inner.contains(&b'\\'));
        let text = inner.and_then(|inner| std::str::from_utf8(inner).ok());
        let text = text.ok_or_else(|| self.expected("a string"))?;
        self.at += text.len() + 1;
        Ok(text.to_owned())
    }

    fn boolean(&mut self) -> Result<bool, NumpyFault> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.expected("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, NumpyFault> {
        let mut out = Vec::new();
        self.expect(b'(', "an opening parenthesis")?;
        while !self.take(b')') {
            out.push(self.number()?);
            if !self.take(b',') {
                self.expect(b')', "a comma or a closing parenthesis")?;
                break;
            }
        }
        Ok(out)
    }

    fn number(&mut self) -> Result<u64, NumpyFault> {
        self.peek();
        let digits = self.text[self.at..].iter();
        let len = digits.take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at..self.at + len]).ok();
        let number = text.and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| self.expected("a whole number that fits 64 bits"))?;
        self.at += len;
        // Written by Python 2.
        self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
        Ok(number)
    }
}
