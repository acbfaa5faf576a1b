//! Stored weights: tensors that lie in mapped files in the type they were written in, and are widened to f32 when and
//! where they are needed.

mod mapping;
mod matrix;
mod results;
mod safetensors;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

use crate::error::{ModelError, Result};
use crate::gguf::Gguf;
use crate::kernels::Number;
pub(crate) use mapping::Mapping;
pub(crate) use matrix::StoredMatrix;
pub use results::read_tensors;

/// The type of a tensor's numbers in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredType {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// One of ggml's block quantisations.
    Ggml(GgmlDType),
}

impl StoredType {
    /// Elements per block and bytes per block.
    fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Ggml(t) => (t.block_size(), t.type_size()),
        }
    }

    /// Bytes that a tensor of this shape takes; `None` when the innermost dimension does not divide into blocks or the
    /// product overflows, also that of the dimensions beside one of 0.
    pub(crate) fn bytes_of(self, shape: &[usize]) -> Option<usize> {
        let (elements, bytes) = self.block();
        let inner = *shape.last()?;
        if inner % elements != 0 {
            return None;
        }
        let count = shape.iter().try_fold(1usize, |a, d| a.checked_mul((*d).max(1)))?;
        let full = (count / elements).checked_mul(bytes)?;
        Some(if shape.contains(&0) { 0 } else { full })
    }

    /// The name that files and summaries use, e.g. `Q4_1`, `BF16`.
    pub fn name(self) -> String {
        match self {
            Self::F32 => "F32".into(),
            Self::F16 => "F16".into(),
            Self::Bf16 => "BF16".into(),
            Self::Ggml(t) => {
                let raw = format!("{t:?}");
                if raw.ends_with('K') { raw.replace('K', "_K") } else { raw }
            }
        }
    }
}

/// One tensor in a mapped file.
#[derive(Clone)]
pub(crate) struct StoredTensor {
    map: Arc<Mapping>,
    range: Range<usize>,
    pub(crate) stored: StoredType,
    /// Row major, outermost first.
    pub(crate) shape: Vec<usize>,
}

impl StoredTensor {
    /// Size of a row (innermost dimension) in elements.
    pub(crate) fn inner(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Rows: the product of all dimensions but the innermost.
    pub(crate) fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }

    fn row_bytes(&self, rows: &Range<usize>) -> &[u8] {
        let (elements, bytes) = self.stored.block();
        let per_row = self.inner() / elements * bytes;
        let all = &self.map.bytes()[self.range.clone()];
        &all[rows.start * per_row..rows.end * per_row]
    }

    /// Whether another tensor of the same shape holds other numbers.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        self.shape == other.shape
            && (self.stored != other.stored
                || self.map.bytes()[self.range.clone()] != other.map.bytes()[other.range.clone()])
    }

    /// The bytes of rows and how their numbers are written; `None` for quantised ones.
    pub(crate) fn numbers(&self, rows: &Range<usize>) -> Option<(&[u8], Number)> {
        let number = match self.stored {
            StoredType::F32 => Number::F32,
            StoredType::F16 => Number::F16,
            StoredType::Bf16 => Number::Bf16,
            StoredType::Ggml(_) => return None,
        };
        Some((self.row_bytes(rows), number))
    }

    /// Rows `[rows, inner]` widened to f32.
    pub(crate) fn widen_rows(&self, rows: Range<usize>, device: &Device) -> candle_core::Result<Tensor> {
        let raw = self.row_bytes(&rows);
        let shape = [rows.len(), self.inner()];
        Ok(match self.stored {
            StoredType::F32 => Tensor::from_raw_buffer(raw, DType::F32, &shape, device)?,
            StoredType::F16 => Tensor::from_raw_buffer(raw, DType::F16, &shape, device)?.to_dtype(DType::F32)?,
            StoredType::Bf16 => Tensor::from_raw_buffer(raw, DType::BF16, &shape, device)?.to_dtype(DType::F32)?,
            StoredType::Ggml(t) => self.quantised(raw, t, rows.len(), device)?.dequantize(device)?,
        })
    }

    fn quantised(&self, raw: &[u8], t: GgmlDType, rows: usize, device: &Device) -> candle_core::Result<QTensor> {
        // candle casts the bytes to its blocks and asserts their alignment; a file may place them anywhere.
        let aligned = (raw.as_ptr() as usize).is_multiple_of(4);
        let data = if aligned { Cow::Borrowed(raw) } else { Cow::Owned(raw.to_vec()) };
        QTensor::new(QStorage::from_data(data, device, t)?, (rows, self.inner()))
    }

    /// The whole tensor in its stored quantisation, for candle's integer kernels; `None` for float types, and for rows of
    /// an odd number of blocks in the types whose kernels assert an even one.
    pub(crate) fn as_quantised(&self, device: &Device) -> Result<Option<QTensor>> {
        use GgmlDType::{Q4_1, Q5_0, Q5_1};
        match self.stored {
            StoredType::Ggml(t @ (Q4_1 | Q5_0 | Q5_1)) if !(self.inner() / t.block_size()).is_multiple_of(2) => {
                Ok(None)
            }
            StoredType::Ggml(t) => {
                let rows = self.rows();
                Ok(Some(self.quantised(self.row_bytes(&(0..rows)), t, rows, device)?))
            }
            _ => Ok(None),
        }
    }

    /// The whole tensor in f32, in its own shape.
    pub(crate) fn widen(&self, device: &Device) -> Result<Tensor> {
        Ok(self.widen_rows(0..self.rows(), device)?.reshape(self.shape.as_slice())?)
    }
}

/// All tensors of a model by the name they have in the file.
pub(crate) struct Weights {
    tensors: BTreeMap<String, StoredTensor>,
    /// BLAKE3 over the weight files in name order.
    pub(crate) hash: String,
    /// Bytes of the weight files.
    pub(crate) bytes: u64,
}

impl Weights {
    /// Maps a GGUF file.
    pub(crate) fn open_gguf(path: &Path) -> Result<(Self, Gguf)> {
        let map = Arc::new(Mapping::open(path)?);
        let start = &map.bytes()[..map.bytes().len().min(4)];
        if !b"GGUF".starts_with(start) {
            let reason = "it does not begin with 'GGUF'".into();
            return Err(ModelError::NotAModel { path: path.to_path_buf(), reason });
        }
        let gguf = Gguf::parse(map.bytes(), map.name())?;
        let tensors = gguf
            .tensors
            .iter()
            .map(|(name, t)| {
                let stored =
                    StoredTensor { map: map.clone(), range: t.range.clone(), stored: t.stored, shape: t.shape.clone() };
                (name.clone(), stored)
            })
            .collect();
        let bytes = map.bytes().len() as u64;
        Ok((Self { tensors, hash: hash_of(&[map]), bytes }, gguf))
    }

    /// Maps one safetensors file.
    pub(crate) fn open_safetensors(path: &Path) -> Result<Self> {
        Self::of_files(&[path.to_path_buf()])
    }

    /// Maps `model.safetensors`, or the shards that `model.safetensors.index.json` lists, of a folder.
    pub(crate) fn open_folder(folder: &Path) -> Result<Self> {
        Self::of_files(&safetensors::shard_paths(folder)?)
    }

    fn of_files(paths: &[PathBuf]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        let mut maps = Vec::new();
        for path in paths {
            let map = Arc::new(Mapping::open(path)?);
            for (name, stored) in safetensors::directory(&map)? {
                if tensors.insert(name.clone(), stored).is_some() {
                    return Err(ModelError::Damaged {
                        file: map.name().to_string(),
                        what: format!("tensor '{name}' appears in two shards"),
                    });
                }
            }
            maps.push(map);
        }
        let bytes = maps.iter().map(|m| m.bytes().len() as u64).sum();
        Ok(Self { tensors, hash: hash_of(&maps), bytes })
    }

    /// The tensor of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }

    /// Name and type of every tensor.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &StoredTensor)> {
        self.tensors.iter().map(|(n, t)| (n.as_str(), t))
    }
}

fn hash_of(maps: &[Arc<Mapping>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for map in maps {
        hasher.update_rayon(map.bytes());
    }
    hasher.finalize().to_hex().to_string()
}
