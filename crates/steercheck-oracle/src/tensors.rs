//! Result files: safetensors with tensors named `job/name` of four kinds of numbers, metadata `format` = 1.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::{fs, path::Path};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::Error;

/// Tensors by name, in the order of their names.
pub type TensorFile = BTreeMap<String, Array>;

/// A tensor: row-major values and a shape whose product is their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the axes; none for a single number.
    pub shape: Vec<usize>,
    /// The values, last axis fastest.
    pub values: Values,
}

/// Values of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Bytes, also used for truth values.
    U8(Vec<u8>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::U8(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dtype's name in safetensors.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
            Self::I64(_) => "I64",
            Self::U8(_) => "U8",
        }
    }

    /// All values as 64-bit floats; integers beyond 2⁵³ are rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::F64(values) => values.clone(),
            Self::I64(values) => values.iter().map(|&v| v as f64).collect(),
            Self::U8(values) => values.iter().map(|&v| f64::from(v)).collect(),
        }
    }

    /// All values as integers, unless they are floats.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match self {
            Self::I64(values) => Some(values.clone()),
            Self::U8(values) => Some(values.iter().map(|&v| i64::from(v)).collect()),
            Self::F32(_) | Self::F64(_) => None,
        }
    }

    /// Little-endian bytes.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::U8(values) => values.clone(),
        }
    }
}

impl Array {
    /// A tensor; panics if `shape` and the number of values differ, because that is the caller's defect.
    pub fn new(shape: &[usize], values: Values) -> Self {
        let array = Self { shape: shape.to_vec(), values };
        assert!(array.is_consistent(), "shape {:?} with {} values", array.shape, array.values.len());
        array
    }

    /// Whether the shape's product is the number of values.
    pub fn is_consistent(&self) -> bool {
        let product = self.shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
        product == Some(self.values.len())
    }

    fn from_view(name: &str, view: &TensorView<'_>) -> Result<Self, Error> {
        let bytes = view.data();
        let values = match view.dtype() {
            Dtype::F32 => Values::F32(numbers(bytes, f32::from_le_bytes)),
            Dtype::F64 => Values::F64(numbers(bytes, f64::from_le_bytes)),
            Dtype::I64 => Values::I64(numbers(bytes, i64::from_le_bytes)),
            Dtype::U8 => Values::U8(bytes.to_vec()),
            other => {
                return Err(Error::Dtype { tensor: name.to_owned(), dtype: format!("{other:?}") });
            }
        };
        let array = Self { shape: view.shape().to_vec(), values };
        array.checked(name)
    }

    fn checked(self, name: &str) -> Result<Self, Error> {
        if self.is_consistent() { Ok(self) } else { Err(self.inconsistent(name)) }
    }

    fn inconsistent(&self, name: &str) -> Error {
        Error::Shape { tensor: name.to_owned(), shape: self.shape.clone(), values: self.values.len() }
    }
}

/// Numbers of N bytes each.
fn numbers<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
}

/// Reads a result file.
pub fn read(path: &Path) -> Result<TensorFile, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|source| Error::NotSafetensors { path: path.to_owned(), source })?;
    file.iter().map(|(name, view)| Ok((name.to_owned(), Array::from_view(name, &view)?))).collect()
}

/// Writes a result file: under a temporary name in the same folder, then renamed, so that a reader never sees half of it.
pub fn write(path: &Path, tensors: &TensorFile) -> Result<(), Error> {
    if let Some((name, array)) = tensors.iter().find(|(_, array)| !array.is_consistent()) {
        return Err(array.inconsistent(name));
    }
    let bytes = serialize(tensors).map_err(|source| Error::NotSafetensors { path: path.to_owned(), source })?;
    replace(path, &bytes)
}

fn serialize(tensors: &TensorFile) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let bytes: Vec<_> = tensors.values().map(|array| array.values.to_bytes()).collect();
    let views: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, array), bytes)| {
            let dtype = match array.values {
                Values::F32(_) => Dtype::F32,
                Values::F64(_) => Dtype::F64,
                Values::I64(_) => Dtype::I64,
                Values::U8(_) => Dtype::U8,
            };
            Ok((name, TensorView::new(dtype, array.shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("format".to_owned(), crate::jobs::FORMAT.to_string())]);
    safetensors::serialize(views, Some(metadata))
}

/// Writes a file whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    try_replace(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn try_replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; a result file is like any other file, subject to the umask.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".steercheck-oracle-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
