//! Files of results, such as golden tensors: read whole, as they were written.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::Mapping;
use super::safetensors::offsets_past;
use crate::error::{ModelError, Result};
use crate::files::plain;

/// Every tensor of a safetensors file that holds 32-bit floats and 64-bit integers, on the CPU. Any other type of number is
/// an error that names the tensor.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let map = Mapping::open(path)?;
    let damaged = |what: String| ModelError::Damaged { file: map.name().to_string(), what: plain(&what) };
    if offsets_past(map.bytes()) {
        return Err(damaged("a tensor lies past the end of the file".into()));
    }
    let parsed = SafeTensors::deserialize(map.bytes()).map_err(|e| damaged(e.to_string()))?;
    let mut out = BTreeMap::new();
    for (name, view) in parsed.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::I64 => DType::I64,
            other => {
                let problem = format!("is stored as {other}; write it as F32, or token ids as I64");
                return Err(ModelError::Tensor { name: plain(&name), problem });
            }
        };
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
        out.insert(name, tensor);
    }
    Ok(out)
}
