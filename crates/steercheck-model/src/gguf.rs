//! Reader of the GGUF container, versions 2 and 3 (ggml's `docs/gguf.md`). The file is untrusted: every length, offset
//! and count is checked against the file's size before anything is allocated or read.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::weights::StoredType;

/// Deepest nesting of arrays that is followed.
const MAX_DEPTH: usize = 4;
/// Array entries in all metadata together. One byte of a file can become a [`GgufValue`] of 32, so that counts which fit
/// the file are not bound enough; the largest tokenizers known have under two million.
const MAX_ENTRIES: usize = 1 << 23;
/// Tensors in a file; the largest models have a few thousand.
const MAX_TENSORS: usize = 1 << 20;
/// Bytes of a metadata key (the format's limit) and of a tensor's name (ggml itself allows 64).
const MAX_KEY: usize = (1 << 16) - 1;
const MAX_NAME: usize = 256;

/// One metadata value. Integers keep their sign; arrays of strings and numbers keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// Any integer type.
    Int(i128),
    /// f32 or f64.
    Float(f64),
    /// Boolean.
    Bool(bool),
    /// UTF-8 text.
    Text(String),
    /// A list.
    Array(Vec<GgufValue>),
}

/// What a GGUF file says of one tensor.
#[derive(Debug, Clone)]
pub(crate) struct GgufTensor {
    pub(crate) stored: StoredType,
    /// Row major, outermost first: a matrix is `[out, in]` (GGUF writes it the other way round).
    pub(crate) shape: Vec<usize>,
    /// Byte range in the file.
    pub(crate) range: Range<usize>,
}

/// Metadata and tensor directory of a GGUF file.
#[derive(Debug, Clone)]
pub struct Gguf {
    file: String,
    /// Metadata by key, in key order.
    pub metadata: BTreeMap<String, GgufValue>,
    pub(crate) tensors: BTreeMap<String, GgufTensor>,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    file: &'a str,
    /// Array entries that may still come.
    entries: usize,
}

impl<'a> Cursor<'a> {
    fn damaged(&self, what: impl Into<String>) -> ModelError {
        ModelError::Damaged { file: self.file.to_string(), what: plain(&what.into()) }
    }

    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|e| *e <= self.bytes.len());
        let Some(end) = end else {
            return Err(self.damaged(format!("{what} at byte {} runs past the end of the file", self.at)));
        };
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut out = [0u8; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things that take at least `least` bytes each, so that it can't exceed the rest of the file.
    fn count(&mut self, least: usize, what: &str) -> Result<usize> {
        let n = self.u64(what)?;
        let most = (self.bytes.len() - self.at) / least.max(1);
        usize::try_from(n)
            .ok()
            .filter(|n| *n <= most)
            .ok_or_else(|| self.damaged(format!("{what} {n} does not fit in the file")))
    }

    fn text(&mut self, most: usize, what: &str) -> Result<String> {
        let n = self.count(1, what)?;
        if n > most {
            return Err(self.damaged(format!("{what} has {n} bytes, more than {most}")));
        }
        let raw = self.take(n, what)?;
        String::from_utf8(raw.to_vec()).map_err(|_| self.damaged(format!("{what} is not UTF-8")))
    }

    /// A key or a tensor's name: these end up in messages and records.
    fn name(&mut self, most: usize, what: &str) -> Result<String> {
        let text = self.text(most, what)?;
        if text.chars().any(char::is_control) {
            return Err(self.damaged(format!("{what} holds control characters")));
        }
        Ok(text)
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<GgufValue> {
        let what = "a metadata value";
        Ok(match kind {
            0 => GgufValue::Int(self.array::<1>(what)?[0].into()),
            1 => GgufValue::Int(i8::from_le_bytes(self.array(what)?).into()),
            2 => GgufValue::Int(u16::from_le_bytes(self.array(what)?).into()),
            3 => GgufValue::Int(i16::from_le_bytes(self.array(what)?).into()),
            4 => GgufValue::Int(self.u32(what)?.into()),
            5 => GgufValue::Int(i32::from_le_bytes(self.array(what)?).into()),
            6 => GgufValue::Float(f32::from_le_bytes(self.array(what)?).into()),
            7 => match self.array::<1>(what)?[0] {
                0 => GgufValue::Bool(false),
                1 => GgufValue::Bool(true),
                b => return Err(self.damaged(format!("a boolean holds {b}"))),
            },
            8 => GgufValue::Text(self.text(usize::MAX, "a metadata text")?),
            9 if depth < MAX_DEPTH => {
                let inner = self.u32("an array's type")?;
                let least = match inner {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    9 => 12,
                    8 | 10..=12 => 8,
                    t => return Err(self.damaged(format!("unknown metadata type {t}"))),
                };
                let n = self.count(least, "an array's length")?;
                self.entries = self
                    .entries
                    .checked_sub(n)
                    .ok_or_else(|| self.damaged(format!("its arrays hold more than {MAX_ENTRIES} entries")))?;
                let mut items = Vec::with_capacity(n);
                for _ in 0..n {
                    items.push(self.value(inner, depth + 1)?);
                }
                GgufValue::Array(items)
            }
            10 => GgufValue::Int(self.u64(what)?.into()),
            11 => GgufValue::Int(i64::from_le_bytes(self.array(what)?).into()),
            12 => GgufValue::Float(f64::from_le_bytes(self.array(what)?)),
            9 => return Err(self.damaged("arrays nested too deep")),
            t => return Err(self.damaged(format!("unknown metadata type {t}"))),
        })
    }
}

/// ggml's type numbers (`enum ggml_type`) that candle can widen.
fn stored_type(code: u32) -> Option<StoredType> {
    Some(match code {
        0 => StoredType::F32,
        1 => StoredType::F16,
        30 => StoredType::Bf16,
        2 => StoredType::Ggml(GgmlDType::Q4_0),
        3 => StoredType::Ggml(GgmlDType::Q4_1),
        6 => StoredType::Ggml(GgmlDType::Q5_0),
        7 => StoredType::Ggml(GgmlDType::Q5_1),
        8 => StoredType::Ggml(GgmlDType::Q8_0),
        10 => StoredType::Ggml(GgmlDType::Q2K),
        11 => StoredType::Ggml(GgmlDType::Q3K),
        12 => StoredType::Ggml(GgmlDType::Q4K),
        13 => StoredType::Ggml(GgmlDType::Q5K),
        14 => StoredType::Ggml(GgmlDType::Q6K),
        _ => return None,
    })
}

impl Gguf {
    /// Reads metadata and tensor directory. `file` is the name used in messages.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let mut c = Cursor { bytes, at: 0, file, entries: MAX_ENTRIES };
        if c.take(4, "the magic number")? != b"GGUF" {
            return Err(c.damaged("it does not begin with 'GGUF'"));
        }
        let version = c.u32("the version")?;
        if (2..=3).contains(&version.swap_bytes()) {
            return Err(c.damaged("it is written in big-endian byte order, which is not read"));
        }
        if !(2..=3).contains(&version) {
            return Err(c.damaged(format!("GGUF version {version}; versions 2 and 3 are read")));
        }
        let tensor_count = c.count(24, "the number of tensors")?;
        if tensor_count > MAX_TENSORS {
            return Err(c.damaged(format!("it lists {tensor_count} tensors, more than {MAX_TENSORS}")));
        }
        let key_count = c.count(13, "the number of metadata keys")?;
        let mut metadata = BTreeMap::new();
        for _ in 0..key_count {
            let key = c.name(MAX_KEY, "a metadata key")?;
            let kind = c.u32("a metadata type")?;
            let value = c.value(kind, 0)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(c.damaged(format!("metadata key '{key}' appears twice")));
            }
        }
        let mut directory = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            let name = c.name(MAX_NAME, "a tensor's name")?;
            let dims = c.u32("a tensor's rank")?;
            if !(1..=4).contains(&dims) {
                return Err(c.damaged(format!("tensor '{name}' has {dims} dimensions")));
            }
            let mut shape = Vec::with_capacity(dims as usize);
            for _ in 0..dims {
                let d = c.u64("a tensor's shape")?;
                let fits = usize::try_from(d).ok().filter(|d| *d > 0);
                shape.push(fits.ok_or_else(|| c.damaged(format!("tensor '{name}' has a dimension of {d}")))?);
            }
            shape.reverse();
            let code = c.u32("a tensor's type")?;
            let offset = c.u64("a tensor's offset")?;
            let stored = stored_type(code).ok_or_else(|| ModelError::Tensor {
                name: name.clone(),
                problem: format!("is stored as ggml type {code}, which is not read (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and Q2_K to Q6_K are); quantise the model to one of these"),
            })?;
            directory.push((name, shape, stored, offset));
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(GgufValue::Int(a)) if *a > 0 && *a <= 1 << 20 => *a as usize,
            Some(GgufValue::Int(a)) => return Err(c.damaged(format!("general.alignment is {a}"))),
            Some(_) => return Err(c.damaged("general.alignment is not an integer")),
        };
        let data_start = c.at.div_ceil(alignment) * alignment;
        let mut tensors = BTreeMap::new();
        for (name, shape, stored, offset) in directory {
            let size = stored
                .bytes_of(&shape)
                .ok_or_else(|| c.damaged(format!("tensor '{name}' has shape {shape:?}, which its type cannot hold")))?;
            let range = usize::try_from(offset)
                .ok()
                .and_then(|o| data_start.checked_add(o))
                .and_then(|s| s.checked_add(size).map(|e| s..e))
                .filter(|r| r.end <= bytes.len())
                .ok_or_else(|| c.damaged(format!("tensor '{name}' lies past the end of the file")))?;
            if tensors.insert(name.clone(), GgufTensor { stored, shape, range }).is_some() {
                return Err(c.damaged(format!("tensor '{name}' appears twice")));
            }
        }
        Ok(Self { file: file.to_string(), metadata, tensors })
    }

    /// An error about a metadata key.
    pub(crate) fn problem(&self, key: &str, problem: impl Into<String>) -> ModelError {
        ModelError::Config { source_name: self.file.clone(), key: key.to_string(), problem: problem.into() }
    }

    /// Name used in messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A text value, `None` where the key is absent.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Text(t)) => Ok(Some(t)),
            Some(_) => Err(self.problem(key, "is not a text")),
        }
    }

    /// A non-negative integer, `None` where the key is absent. A list of equal integers (as some converters write
    /// per-block values) counts as that integer.
    pub fn int(&self, key: &str) -> Result<Option<usize>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Int(i)) => {
                usize::try_from(*i).map(Some).map_err(|_| self.problem(key, format!("is {i}, out of range")))
            }
            Some(GgufValue::Array(items)) if !items.is_empty() && items.iter().all(|i| *i == items[0]) => {
                match &items[0] {
                    GgufValue::Int(i) => {
                        usize::try_from(*i).map(Some).map_err(|_| self.problem(key, format!("is {i}, out of range")))
                    }
                    _ => Err(self.problem(key, "is not a list of integers")),
                }
            }
            Some(_) => Err(self.problem(key, "is not one integer for all blocks")),
        }
    }

    /// As [`Gguf::int`], and an error where the key is absent.
    pub fn required_int(&self, key: &str) -> Result<usize> {
        self.int(key)?.ok_or_else(|| self.problem(key, "is missing and has no default"))
    }

    /// A number, `None` where the key is absent.
    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Float(f)) if f.is_finite() => Ok(Some(*f)),
            Some(GgufValue::Int(i)) => Ok(Some(*i as f64)),
            Some(_) => Err(self.problem(key, "is not a finite number")),
        }
    }

    /// A boolean, `None` where the key is absent.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Bool(b)) => Ok(Some(*b)),
            Some(_) => Err(self.problem(key, "is not a boolean")),
        }
    }

    /// A list of booleans, `None` where the key is absent or not a list.
    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>> {
        match self.metadata.get(key) {
            Some(GgufValue::Array(items)) if matches!(items.first(), Some(GgufValue::Bool(_))) => {
                self.list(key, "booleans", |v| if let GgufValue::Bool(b) = v { Some(*b) } else { None })
            }
            _ => Ok(None),
        }
    }

    /// A list of texts, `None` where the key is absent.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>> {
        self.list(key, "texts", |v| if let GgufValue::Text(t) = v { Some(t.clone()) } else { None })
    }

    /// A list of numbers, `None` where the key is absent.
    pub fn floats(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.list(key, "numbers", |v| match v {
            GgufValue::Float(f) => Some(*f as f32),
            GgufValue::Int(i) => Some(*i as f32),
            _ => None,
        })
    }

    /// A list of integers, `None` where the key is absent.
    pub fn ints(&self, key: &str) -> Result<Option<Vec<i32>>> {
        self.list(key, "integers", |v| if let GgufValue::Int(i) = v { i32::try_from(*i).ok() } else { None })
    }

    fn list<T>(&self, key: &str, what: &str, read: impl Fn(&GgufValue) -> Option<T>) -> Result<Option<Vec<T>>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Array(items)) => items
                .iter()
                .map(&read)
                .collect::<Option<Vec<T>>>()
                .map(Some)
                .ok_or_else(|| self.problem(key, format!("is not a list of {what}"))),
            Some(_) => Err(self.problem(key, format!("is not a list of {what}"))),
        }
    }
}
