//! Writes GGUF files, version 3 (ggml's `docs/gguf.md`), with every type of metadata and the tensor types that are read.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};

/// A metadata value, by the type it is written in.
#[derive(Debug, Clone)]
pub(crate) enum Meta {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    /// Entries of one type; an empty list is written as one of u32.
    List(Vec<Meta>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Meta {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_string())
    }

    fn code(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::Text(_) => 8,
            Self::List(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(v) => out.push(*v),
            Self::I8(v) => out.extend(v.to_le_bytes()),
            Self::U16(v) => out.extend(v.to_le_bytes()),
            Self::I16(v) => out.extend(v.to_le_bytes()),
            Self::U32(v) => out.extend(v.to_le_bytes()),
            Self::I32(v) => out.extend(v.to_le_bytes()),
            Self::F32(v) => out.extend(v.to_le_bytes()),
            Self::Bool(v) => out.push(u8::from(*v)),
            Self::Text(v) => text(v, out),
            Self::List(items) => {
                out.extend(items.first().map_or(4, Self::code).to_le_bytes());
                out.extend((items.len() as u64).to_le_bytes());
                for item in items {
                    item.write(out);
                }
            }
            Self::U64(v) => out.extend(v.to_le_bytes()),
            Self::I64(v) => out.extend(v.to_le_bytes()),
            Self::F64(v) => out.extend(v.to_le_bytes()),
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// How a tensor's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    F32,
    F16,
    Bf16,
    Ggml(GgmlDType),
}

impl Kind {
    /// Elements that the innermost dimension must be a multiple of.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::Ggml(t) => t.block_size(),
            _ => 1,
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 30,
            Self::Ggml(t) => match t {
                GgmlDType::Q4_0 => 2,
                GgmlDType::Q4_1 => 3,
                GgmlDType::Q5_0 => 6,
                GgmlDType::Q5_1 => 7,
                GgmlDType::Q8_0 => 8,
                GgmlDType::Q2K => 10,
                GgmlDType::Q3K => 11,
                GgmlDType::Q4K => 12,
                GgmlDType::Q5K => 13,
                GgmlDType::Q6K => 14,
                other => panic!("{other:?} is not written"),
            },
        }
    }

    fn bytes(self, tensor: &Tensor) -> Vec<u8> {
        let little_endian = |dtype| {
            let mut out = Vec::new();
            tensor.to_dtype(dtype).unwrap().write_bytes(&mut out).unwrap();
            out
        };
        match self {
            Self::F32 => little_endian(DType::F32),
            Self::F16 => little_endian(DType::F16),
            Self::Bf16 => little_endian(DType::BF16),
            Self::Ggml(t) => QTensor::quantize(tensor, t).unwrap().data().unwrap().to_vec(),
        }
    }

    /// The tensor in f32 after it has been through this type.
    pub(crate) fn rounded(self, tensor: &Tensor) -> Tensor {
        let through = |dtype| tensor.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
        match self {
            Self::F32 => through(DType::F32),
            Self::F16 => through(DType::F16),
            Self::Bf16 => through(DType::BF16),
            Self::Ggml(t) => QTensor::quantize(tensor, t).unwrap().dequantize(&Device::Cpu).unwrap(),
        }
    }
}

#[derive(Clone)]
struct Entry {
    name: String,
    /// Innermost dimension first, as the format has it.
    shape: Vec<u64>,
    code: u32,
    data: Vec<u8>,
}

/// A file in the making.
#[derive(Clone)]
pub(crate) struct Writer {
    metadata: Vec<(String, Meta)>,
    tensors: Vec<Entry>,
    alignment: usize,
}

/// A finished file.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    /// Where each field of header, metadata and tensor directory ends.
    pub(crate) boundaries: Vec<usize>,
    /// Where the tensors' data begin.
    pub(crate) data_start: usize,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { metadata: Vec::new(), tensors: Vec::new(), alignment: 32 }
    }

    /// Adds a key, or replaces its value.
    pub(crate) fn meta(&mut self, key: &str, value: Meta) {
        match self.metadata.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.to_string(), value)),
        }
    }

    /// Adds a key that may be there already.
    pub(crate) fn meta_again(&mut self, key: &str, value: Meta) {
        self.metadata.push((key.to_string(), value));
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.metadata.iter().map(|(k, _)| k.clone()).collect()
    }

    /// `general.architecture`.
    pub(crate) fn architecture(&self) -> String {
        let found = self.metadata.iter().find(|(k, _)| k == "general.architecture");
        match found {
            Some((_, Meta::Text(name))) => name.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn without(&mut self, key: &str) {
        self.metadata.retain(|(k, _)| k != key);
    }

    pub(crate) fn align(&mut self, alignment: u32) {
        self.alignment = alignment as usize;
        self.meta("general.alignment", Meta::U32(alignment));
    }

    /// Adds a tensor `[.., out, in]`.
    pub(crate) fn tensor(&mut self, name: &str, tensor: &Tensor, kind: Kind) {
        let shape: Vec<u64> = tensor.dims().iter().map(|d| *d as u64).collect();
        self.raw_tensor(name, &shape, kind.code(), kind.bytes(tensor));
    }

    /// Adds a tensor whose shape (outermost first), type and bytes need not belong together.
    pub(crate) fn raw_tensor(&mut self, name: &str, shape: &[u64], code: u32, data: Vec<u8>) {
        let shape = shape.iter().rev().copied().collect();
        self.tensors.push(Entry { name: name.to_string(), shape, code, data });
    }

    /// Adds this file's tensors to another.
    pub(crate) fn move_tensors_to(self, other: &mut Self) {
        other.tensors.extend(self.tensors);
    }

    pub(crate) fn without_tensor(&mut self, name: &str) {
        self.tensors.retain(|t| t.name != name);
    }

    pub(crate) fn write(&self) -> Written {
        let mut out = b"GGUF".to_vec();
        let mut boundaries = vec![0, out.len()];
        out.extend(3u32.to_le_bytes());
        boundaries.push(out.len());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        boundaries.push(out.len());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        boundaries.push(out.len());
        for (key, value) in &self.metadata {
            text(key, &mut out);
            boundaries.push(out.len());
            out.extend(value.code().to_le_bytes());
            boundaries.push(out.len());
            value.write(&mut out);
            boundaries.push(out.len());
        }
        let mut offset = 0usize;
        for tensor in &self.tensors {
            text(&tensor.name, &mut out);
            boundaries.push(out.len());
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            boundaries.push(out.len());
            for d in &tensor.shape {
                out.extend(d.to_le_bytes());
            }
            boundaries.push(out.len());
            out.extend(tensor.code.to_le_bytes());
            boundaries.push(out.len());
            out.extend((offset as u64).to_le_bytes());
            boundaries.push(out.len());
            offset = (offset + tensor.data.len()).next_multiple_of(self.alignment);
        }
        let data_start = out.len().next_multiple_of(self.alignment);
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.data);
        }
        Written { bytes: out, boundaries, data_start }
    }
}
