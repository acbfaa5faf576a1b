//! The pickle of a PyTorch file, read as data: nothing in it is imported, built or called, whatever it says.
//!
//! candle's reader is not used, since it trusts its input: it copies an object each time the memo hands it out (a few hundred
//! bytes can ask for more memory than there is), reserves as much as a length field claims, drops nested objects by
//! recursion, shifts by a claimed number of bytes, takes a DICT for an empty one, and keeps what it does not know. Here a
//! value is written once and everything else holds its number, so that memory and time grow with the bytes that are there; nesting
//! costs nothing because nothing descends; and of all that a pickle can name, only what a plain tensor needs has a meaning.

use std::collections::BTreeMap;

use super::pytorch::Refusal;

/// More than the directory of any real checkpoint has (200 bytes per tensor; 19,000 tensors in the largest).
const MAX_BYTES: usize = 16 << 20;
/// A tensor needs fewer than 20.
const MAX_VALUES: usize = 1 << 20;

/// What may be named. A name is no permission to call it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Global<'a> {
    OrderedDict,
    Tensor,
    Parameter,
    /// The type of a storage, e.g. `FloatStorage`.
    Storage(&'a str),
}

/// Storages by the types that plain tensors have.
const STORAGES: [&str; 12] = [
    "FloatStorage",
    "HalfStorage",
    "BFloat16Storage",
    "DoubleStorage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "ComplexFloatStorage",
    "ComplexDoubleStorage",
];

fn global<'a>(module: &str, name: &'a str) -> Result<Global<'a>, Refusal> {
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::Tensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::Parameter),
        ("torch", storage) if STORAGES.contains(&storage) => Ok(Global::Storage(storage)),
        _ => Err(Refusal::Foreign(format!("its pickle calls for {module}.{name}; only plain tensors are read"))),
    }
}

/// The number of a value.
pub(super) type Id = u32;

pub(super) enum Value<'a> {
    /// None, a truth value or a float: what no tensor is made of.
    Other,
    Int(i64),
    Text(&'a str),
    Global(Global<'a>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// What a call of something permitted would give, with the tuple of its arguments.
    Made(Global<'a>, Id),
    /// A storage beside the pickle, by the tuple that describes it.
    Persistent(Id),
}

/// All values of a pickle.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 2.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_BYTES {
            return damaged(format!("its pickle has {} bytes", bytes.len()));
        }
        let mut reader =
            Reader { rest: bytes, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
        let root = reader.run()?;
        Ok(Self { values: reader.values, root })
    }

    /// What the pickle is.
    pub(super) fn root(&self) -> &Value<'a> {
        self.value(self.root)
    }

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which open groups begin.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

pub(super) fn damaged<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Damaged(what.into()))
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else { return damaged("its pickle is cut off") };
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned number of `count` bytes, at most 8.
    fn number(&mut self, count: usize) -> Result<u64, Refusal> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A number of `count` bytes, the highest bit of which is its sign.
    fn signed(&mut self, count: usize) -> Result<i64, Refusal> {
        if count > 8 {
            return damaged(format!("its pickle has a number of {count} bytes"));
        }
        if count == 0 {
            return Ok(0);
        }
        let unused = 64 - 8 * count;
        Ok((self.number(count)? << unused) as i64 >> unused)
    }

    fn line(&mut self) -> Result<&'a str, Refusal> {
        let Some(length) = self.rest.iter().position(|b| *b == b'\n') else { return damaged("its pickle is cut off") };
        let line = self.take(length + 1)?;
        text(&line[..length])
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Refusal> {
        if self.values.len() >= MAX_VALUES {
            return damaged(format!("its pickle has more than {MAX_VALUES} values"));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    /// The topmost value, which must belong to the group that is open.
    fn top(&self) -> Result<Id, Refusal> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.get(floor..).and_then(<[Id]>::last) {
            Some(id) => Ok(*id),
            None => damaged("its pickle takes a value that is not there"),
        }
    }

    fn pop(&mut self) -> Result<Id, Refusal> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// The values of the group that was opened last.
    fn group(&mut self) -> Result<Vec<Id>, Refusal> {
        let Some(start) = self.marks.pop() else { return damaged("its pickle closes a group that is not open") };
        Ok(self.stack.split_off(start))
    }

    fn tuple(&mut self, count: usize) -> Result<(), Refusal> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<Id>, Refusal>>()?;
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Refusal> {
        let list = self.top()?;
        let Value::List(all) = &mut self.values[list as usize] else { return damaged("its pickle appends to no list") };
        all.extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Refusal> {
        let dict = self.top()?;
        let Value::Dict(all) = &mut self.values[dict as usize] else {
            return damaged("its pickle fills no dictionary");
        };
        let (pairs, []) = items.as_chunks::<2>() else { return damaged("its pickle has a key without a value") };
        all.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), Refusal> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Global(callable) = *self.value(callable) else { return damaged("its pickle calls no function") };
        let Value::Tuple(given) = self.value(arguments) else { return damaged("its pickle calls without arguments") };
        match callable {
            Global::OrderedDict if given.is_empty() => self.push(Value::Dict(Vec::new())),
            Global::OrderedDict => damaged("its pickle makes a dictionary of something else"),
            Global::Tensor | Global::Parameter => self.push(Value::Made(callable, arguments)),
            Global::Storage(name) => {
                Err(Refusal::Foreign(format!("its pickle calls torch.{name}; only plain tensors are read")))
            }
        }
    }

    /// Sets attributes: those of a dictionary (PyTorch notes module versions there) are not needed, others change what it is.
    fn build(&mut self) -> Result<(), Refusal> {
        let (state, object) = (self.pop()?, self.top()?);
        match (self.value(object), self.value(state)) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            _ => Err(Refusal::Foreign("its pickle sets the state of an object; only plain tensors are read".into())),
        }
    }

    fn put(&mut self, slot: u64) -> Result<(), Refusal> {
        let id = self.top()?;
        self.memo.insert(slot as u32, id);
        Ok(())
    }

    fn get(&mut self, slot: u64) -> Result<(), Refusal> {
        let Some(id) = self.memo.get(&(slot as u32)) else {
            return damaged(format!("its pickle repeats value {slot}, which it has not"));
        };
        // As long as the pickle's values may be: what is repeated costs one place.
        if self.stack.len() >= MAX_VALUES {
            return damaged(format!("its pickle has more than {MAX_VALUES} values"));
        }
        self.stack.push(*id);
        Ok(())
    }

    /// Reads to the end; the number of the value that it leaves.
    fn run(&mut self) -> Result<Id, Refusal> {
        loop {
            match self.take(1)?[0] {
                0x80 => match self.number(1)? {
                    2 => {}
                    other => {
                        let what = format!(
                            "its pickle has protocol {other}; save it again with torch.save as it is set by default"
                        );
                        return Err(Refusal::Foreign(what));
                    }
                },
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(global(module, name)?))?;
                }
                b'q' => self.number(1).and_then(|slot| self.put(slot))?,
                b'r' => self.number(4).and_then(|slot| self.put(slot))?,
                b'h' => self.number(1).and_then(|slot| self.get(slot))?,
                b'j' => self.number(4).and_then(|slot| self.get(slot))?,
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Other)?;
                }
                b'K' => {
                    let n = self.number(1)?;
                    self.push(Value::Int(n as i64))?;
                }
                b'M' => {
                    let n = self.number(2)?;
                    self.push(Value::Int(n as i64))?;
                }
                b'J' => {
                    let n = self.signed(4)?;
                    self.push(Value::Int(n))?;
                }
                0x8a => {
                    let length = self.number(1)?;
                    let n = self.signed(length as usize)?;
                    self.push(Value::Int(n))?;
                }
                b'X' => {
                    let length = self.number(4)?;
                    let raw = self.take(length as usize)?;
                    self.push(Value::Text(text(raw)?))?;
                }
                b'(' if self.marks.len() >= MAX_VALUES => {
                    return damaged(format!("its pickle has more than {MAX_VALUES} open groups"));
                }
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.group()?;
                    self.push(Value::Tuple(items))?;
                }
                b')' => self.tuple(0)?,
                count @ 0x85..=0x87 => self.tuple(usize::from(count - 0x84))?,
                b']' => self.push(Value::List(Vec::new()))?,
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.group()?;
                    self.append(items)?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.group()?;
                    self.set(&items)?;
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id))?;
                }
                b'.' => return self.top(),
                other => {
                    return damaged(format!("its pickle has the operation {other:#04x}, which no plain tensors need"));
                }
            }
        }
    }
}

fn text(raw: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(raw).or_else(|_| damaged("its pickle has a text that is none"))
}
