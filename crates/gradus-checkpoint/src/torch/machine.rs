//! The stack machine of pickles, as far as descriptions of tensors need it.
//!
//! Instructions: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.

use std::collections::BTreeMap;

use super::fault::TorchFault;
use super::global::Global;
use super::opcode::forbidden;
use super::rebuild;
use super::values::{Node, Value, Values};

/// The most instructions of a pickle. A tensor takes about 60.
const MAX_STEPS: u64 = 1 << 23;

/// What a pickle describes.
#[derive(Debug)]
pub(super) struct Unpickled {
    pub(super) values: Values,
    pub(super) root: Value,
    /// The pickle's length.
    pub(super) len: usize,
}

/// Reads the pickle at the start of these bytes.
pub(super) fn unpickle(bytes: &[u8]) -> Result<Unpickled, TorchFault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    let mut steps = 0;
    loop {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(TorchFault::TooMany {
                what: "instructions",
                limit: MAX_STEPS,
            });
        }
        let begin = machine.at;
        match machine.byte()? {
            b'.' => break,
            opcode => machine.step(opcode, begin)?,
        }
    }
    Ok(Unpickled {
        root: machine.pop()?,
        len: machine.at,
        values: machine.values,
    })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Values,
    stack: Vec<Value>,
    /// Heights of the stack that were marked.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value>,
}

type Step = Result<(), TorchFault>;

impl Machine<'_> {
    /// One instruction, by its kind.
    fn step(&mut self, opcode: u8, begin: usize) -> Step {
        match opcode {
            0x80 => self.take(1).map(drop),               // PROTO
            0x95 => self.take(8).map(drop),               // FRAME
            b'(' => self.mark(),                          // MARK
            b'0' => self.pop_or_mark(),                   // POP
            b'1' => self.since_mark().map(drop),          // POP_MARK
            b'2' => self.top().map(|top| self.push(top)), // DUP
            b'N' => self.give(Value::None),
            0x88 => self.give(Value::Bool(true)),
            0x89 => self.give(Value::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a | 0x8b | b'I' | b'L' | b'F' | b'G' => {
                let number = self.number(opcode, begin)?;
                self.give(number)
            }
            b'X' | 0x8c | 0x8d | b'V' | b'S' | b'T' | b'U' => self.text(opcode, begin),
            b'B' | b'C' | 0x8e => self.raw(opcode),
            b']' | b')' | b'}' | 0x8f | b'l' | b't' | b'd' | 0x85 | 0x86 | 0x87 | 0x91 => {
                self.container(opcode)
            }
            b'a' | b'e' | 0x90 | b's' | b'u' => self.fill(opcode, begin),
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(opcode, begin),
            b'c' => self.global(begin),
            0x93 => self.stack_global(begin),
            b'P' | b'Q' => self.persistent(opcode, begin),
            b'R' | 0x81 => self.reduce(begin),
            b'b' => self.build(begin),
            _ => Err(match forbidden(opcode) {
                Some(opcode) => TorchFault::ForbiddenOpcode { opcode, at: begin },
                None => TorchFault::Opcode {
                    byte: opcode,
                    at: begin,
                },
            }),
        }
    }

    // What stands in the pickle.

    fn take(&mut self, count: usize) -> Result<&[u8], TorchFault> {
        let end = self.at.checked_add(count);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or(TorchFault::Truncated {
            at: self.bytes.len(),
        })?;
        self.at += count;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchFault> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, TorchFault> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// A length of 1, 2, 4 or 8 bytes. What does not fit is longer than any pickle.
    fn length(&mut self, width: usize) -> Result<usize, TorchFault> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX))
    }

    /// The rest of the line.
    fn line(&mut self, begin: usize) -> Result<&str, TorchFault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'\n');
        let len = len.ok_or(TorchFault::Truncated {
            at: self.bytes.len(),
        })?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len]).map_err(|_| TorchFault::Malformed {
            at: begin,
            expected: "UTF-8 text",
        })
    }

    fn number(&mut self, opcode: u8, begin: usize) -> Result<Value, TorchFault> {
        let malformed = |expected| TorchFault::Malformed {
            at: begin,
            expected,
        };
        Ok(match opcode {
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            b'F' => {
                let number = self.line(begin)?.parse().map(Value::Float);
                number.map_err(|_| malformed("a number"))?
            }
            b'I' | b'L' => match self.line(begin)? {
                "00" if opcode == b'I' => Value::Bool(false),
                "01" if opcode == b'I' => Value::Bool(true),
                digits => {
                    let number = digits.trim_end_matches('L').parse().map(Value::Int);
                    number.map_err(|_| malformed("a whole number of 64 bits"))?
                }
            },
            _ => {
                let width = if opcode == 0x8a { 1 } else { 4 };
                let len = self.length(width)?;
                return self.long(len);
            }
        })
    }

    /// A number of so many bytes, the last with the sign. One that does not fit 64 bits is kept as its bytes: the mark
    /// at the start of old files is one.
    fn long(&mut self, len: usize) -> Result<Value, TorchFault> {
        let bytes = self.take(len)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        match wide.get_mut(..len) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Ok(Value::Int(i64::from_le_bytes(wide)))
            }
            None => {
                let bytes = bytes.to_vec();
                self.values.add(Node::Bytes(bytes))
            }
        }
    }

    fn text(&mut self, opcode: u8, begin: usize) -> Step {
        let malformed = TorchFault::Malformed {
            at: begin,
            expected: "UTF-8 text without escapes",
        };
        let text = match opcode {
            b'V' | b'S' => {
                let line = self.line(begin)?;
                let line = match (opcode, line.as_bytes()) {
                    (b'S', [b'\'', .., b'\''] | [b'"', .., b'"']) => line.get(1..line.len() - 1),
                    (b'S', _) => None,
                    _ => Some(line),
                };
                line.filter(|line| !line.contains('\\')).map(str::to_owned)
            }
            _ => {
                let width = match opcode {
                    0x8c | b'U' => 1,
                    0x8d => 8,
                    _ => 4,
                };
                let len = self.length(width)?;
                std::str::from_utf8(self.take(len)?).ok().map(str::to_owned)
            }
        };
        let value = self.values.add(Node::Text(text.ok_or(malformed)?))?;
        self.give(value)
    }

    fn raw(&mut self, opcode: u8) -> Step {
        let len = self.length(match opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        })?;
        let bytes = self.take(len)?.to_vec();
        let value = self.values.add(Node::Bytes(bytes))?;
        self.give(value)
    }

    // The stack.

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn give(&mut self, value: Value) -> Step {
        self.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Step {
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The lowest height that may be popped to: what lies below a mark is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, TorchFault> {
        let top = self.stack.get(self.floor()..).and_then(<[Value]>::last);
        top.copied().ok_or(TorchFault::StackEmpty { at: self.at })
    }

    fn pop(&mut self) -> Result<Value, TorchFault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_or_mark(&mut self) -> Step {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    /// The values since the last mark.
    fn since_mark(&mut self) -> Result<Vec<Value>, TorchFault> {
        let mark = self.marks.pop();
        let mark = mark.ok_or(TorchFault::StackEmpty { at: self.at })?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    // Containers.

    fn container(&mut self, opcode: u8) -> Step {
        let node = match opcode {
            b']' | 0x8f => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            b'l' | 0x91 => Node::List(self.since_mark()?),
            b't' => Node::Tuple(self.since_mark()?),
            b'd' => Node::Dict(pairs(&self.since_mark()?, self.at)?),
            _ => {
                let count = usize::from(opcode - 0x84); // TUPLE1 to TUPLE3
                let mut items = vec![Value::None; count];
                for slot in items.iter_mut().rev() {
                    *slot = self.pop()?;
                }
                Node::Tuple(items)
            }
        };
        let value = self.values.add(node)?;
        self.give(value)
    }

    fn fill(&mut self, opcode: u8, begin: usize) -> Step {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        let top = self.top()?;
        match (self.values.get_mut(top), opcode) {
            (Some(Node::List(list)), b'a' | b'e' | 0x90) => list.extend(items),
            (Some(Node::Dict(dict)), b's' | b'u') => dict.extend(pairs(&items, begin)?),
            _ => {
                return Err(TorchFault::Type {
                    at: begin,
                    expected: "a list or a dict to fill",
                });
            }
        }
        Ok(())
    }

    fn remember(&mut self, opcode: u8, begin: usize) -> Step {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let index = match opcode {
            b'p' | b'g' => self
                .line(begin)?
                .parse()
                .map_err(|_| TorchFault::Malformed {
                    at: begin,
                    expected: "the number of a value",
                })?,
            b'q' | b'h' => wide(self.length(1)?),
            b'r' | b'j' => wide(self.length(4)?),
            _ => wide(self.memo.len()),
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let value = self.memo.get(&index).copied();
            let value = value.ok_or(TorchFault::Memo { at: begin, index })?;
            return self.give(value);
        }
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    // Functions, as data.

    fn global(&mut self, begin: usize) -> Step {
        let module = self.line(begin)?.to_owned();
        let name = self.line(begin)?;
        let global = Global::named(&module, name)?;
        self.give(Value::Global(global))
    }

    fn stack_global(&mut self, begin: usize) -> Step {
        let (name, module) = (self.pop()?, self.pop()?);
        let names = self.values.text(module).zip(self.values.text(name));
        let (module, name) = names.ok_or(TorchFault::Type {
            at: begin,
            expected: "the names of a module and of what is in it",
        })?;
        let global = Global::named(module, name)?;
        self.give(Value::Global(global))
    }

    fn persistent(&mut self, opcode: u8, begin: usize) -> Step {
        if opcode == b'P' {
            return Err(TorchFault::ForbiddenOpcode {
                opcode: "PERSID",
                at: begin,
            });
        }
        let id = self.pop()?;
        let value = rebuild::storage(&mut self.values, id)?;
        self.give(value)
    }

    fn reduce(&mut self, begin: usize) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Global(function) = function else {
            return Err(TorchFault::Type {
                at: begin,
                expected: "a function that rebuilds something",
            });
        };
        let value = rebuild::call(&mut self.values, function, arguments)?;
        self.give(value)
    }

    /// A module's state dict carries versions of its layers as an attribute; nothing else has attributes to set.
    fn build(&mut self, begin: usize) -> Step {
        self.pop()?;
        let top = self.top()?;
        match self.values.get(top) {
            Some(Node::Dict(_)) => Ok(()),
            _ => Err(TorchFault::Type {
                at: begin,
                expected: "a dict: nothing else has attributes",
            }),
        }
    }
}

fn pairs(items: &[Value], at: usize) -> Result<Vec<(Value, Value)>, TorchFault> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TorchFault::StackEmpty { at });
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
