//! Stored weights: tensors that lie in mapped files in the type they were written in, and are widened to f32 when and
//! where they are needed.

mod described;
mod folder;
mod mapping;
mod matrix;
mod pickle;
mod pytorch;
mod results;
mod safetensors;
mod torch_zip;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

use crate::error::{ModelError, Result};
use crate::gguf::{Gguf, GgufTensor};
use crate::kernels::Number;
pub(crate) use mapping::Mapping;
pub(crate) use matrix::StoredMatrix;
pub use results::read_tensors;
pub(crate) use safetensors::offsets_past;

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

    /// Bytes in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.range.len() as u64
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

    /// Columns `[rows, columns]` widened to f32. Only matrices of floats are kept with their inputs as rows.
    pub(crate) fn widen_columns(&self, columns: &Range<usize>, device: &Device) -> candle_core::Result<Tensor> {
        let (size, dtype) = match self.stored {
            StoredType::F32 => (4, DType::F32),
            StoredType::F16 => (2, DType::F16),
            StoredType::Bf16 => (2, DType::BF16),
            StoredType::Ggml(t) => candle_core::bail!("columns of {t:?} blocks cannot be cut out"),
        };
        let all = self.row_bytes(&(0..self.rows()));
        let mut raw = Vec::with_capacity(self.rows() * columns.len() * size);
        for row in all.chunks_exact(self.inner() * size) {
            raw.extend_from_slice(&row[columns.start * size..columns.end * size]);
        }
        Tensor::from_raw_buffer(&raw, dtype, &[self.rows(), columns.len()], device)?.to_dtype(DType::F32)
    }

    fn quantised(&self, raw: &[u8], t: GgmlDType, rows: usize, device: &Device) -> candle_core::Result<QTensor> {
        // candle casts the bytes to its blocks and asserts their alignment; a file may place them anywhere.
        let aligned = (raw.as_ptr() as usize).is_multiple_of(4);
        let data = if aligned { Cow::Borrowed(raw) } else { Cow::Owned(raw.to_vec()) };
        QTensor::new(QStorage::from_data(data, device, t)?, (rows, self.inner()))
    }

    /// Whether its type has super-blocks of 256. candle's integer kernels of the older types are slower than widening
    /// (docs/performance-log.md).
    pub(crate) fn is_k_quant(&self) -> bool {
        use GgmlDType::{Q2K, Q3K, Q4K, Q5K, Q6K, Q8K};
        matches!(self.stored, StoredType::Ggml(Q2K | Q3K | Q4K | Q5K | Q6K | Q8K))
    }

    /// The whole tensor in its stored quantisation, for candle's integer kernels; `None` for floats.
    pub(crate) fn as_quantised(&self, device: &Device) -> Result<Option<QTensor>> {
        match self.stored {
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

/// How a file of weights is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// A header and numbers.
    Safetensors,
    /// What `torch.save` writes.
    PyTorch,
    /// llama.cpp's files.
    Gguf,
}

impl Container {
    /// The name that records use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "pytorch",
            Self::Gguf => "gguf",
        }
    }
}

/// The tensors of a mapped GGUF file by name.
pub(crate) fn gguf_tensors(map: &Arc<Mapping>, gguf: &Gguf) -> BTreeMap<String, StoredTensor> {
    let of = |t: &GgufTensor| StoredTensor {
        map: map.clone(),
        range: t.range.clone(),
        stored: t.stored,
        shape: t.shape.clone(),
    };
    gguf.tensors.iter().map(|(name, t)| (name.clone(), of(t))).collect()
}

/// All tensors of a model by the name they have in the file.
pub(crate) struct Weights {
    tensors: BTreeMap<String, StoredTensor>,
    /// How the files are laid out.
    pub(crate) container: Container,
    /// BLAKE3 over the weight files in name order.
    pub(crate) hash: String,
    /// Bytes of the weight files.
    pub(crate) bytes: u64,
    /// What reading all of them once for the hash took.
    pub(crate) reading: Duration,
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
        Ok((Self::of_maps(gguf_tensors(&map, &gguf), Container::Gguf, &[map]), gguf))
    }

    /// Maps one safetensors file.
    pub(crate) fn open_safetensors(path: &Path) -> Result<Self> {
        Self::of_files(Container::Safetensors, &[path.to_path_buf()])
    }

    /// Maps the weights of a folder: `model.safetensors` or the shards that its index lists, else `pytorch_model.bin` or its
    /// shards.
    pub(crate) fn open_folder(folder: &Path) -> Result<Self> {
        let (container, paths) = folder::weight_files(folder)?;
        Self::of_files(container, &paths)
    }

    fn of_files(container: Container, paths: &[PathBuf]) -> Result<Self> {
        let directory = match container {
            Container::PyTorch => pytorch::directory,
            Container::Safetensors | Container::Gguf => safetensors::directory,
        };
        let mut tensors = BTreeMap::new();
        let mut maps = Vec::new();
        for path in paths {
            let map = Arc::new(Mapping::open(path)?);
            for (name, stored) in directory(&map)? {
                if tensors.insert(name.clone(), stored).is_some() {
                    return Err(ModelError::Damaged {
                        file: map.name().to_string(),
                        what: format!("tensor '{name}' appears in two shards"),
                    });
                }
            }
            maps.push(map);
        }
        Ok(Self::of_maps(tensors, container, &maps))
    }

    fn of_maps(tensors: BTreeMap<String, StoredTensor>, container: Container, maps: &[Arc<Mapping>]) -> Self {
        let started = Instant::now();
        let hash = hash_of(maps);
        let bytes = maps.iter().map(|m| m.bytes().len() as u64).sum();
        Self { tensors, container, hash, bytes, reading: started.elapsed() }
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
