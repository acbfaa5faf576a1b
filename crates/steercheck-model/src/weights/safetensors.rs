//! The tensors of a safetensors file.

use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};

use super::{Mapping, StoredTensor, StoredType};
use crate::error::{ModelError, Result};
use crate::files::plain;

/// Whether a byte offset lies past the file's end. The library adds the last one up with the header's length before it
/// compares the sum with the file's size; version 0.8.0 panics where that overflows and overflow is checked.
pub(crate) fn offsets_past(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let header = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| rest.get(..n));
    let Some(Ok(serde_json::Value::Object(header))) = header.map(serde_json::from_slice) else { return false };
    header.values().filter_map(|t| t.get("data_offsets")?.get(1)?.as_u64()).any(|end| end > bytes.len() as u64)
}

/// Every tensor of one mapped file.
pub(super) fn directory(map: &Arc<Mapping>) -> Result<Vec<(String, StoredTensor)>> {
    let damaged = |what: String| ModelError::Damaged { file: map.name().to_string(), what: plain(&what) };
    let bytes = map.bytes();
    if offsets_past(bytes) {
        return Err(damaged("a tensor lies past the end of the file".into()));
    }
    let parsed = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut out = Vec::with_capacity(parsed.len());
    for (name, view) in parsed.tensors() {
        let stored = match view.dtype() {
            Dtype::F32 => StoredType::F32,
            Dtype::F16 => StoredType::F16,
            Dtype::BF16 => StoredType::Bf16,
            // 8-bit floats, or integers that some quantiser packed.
            other if name.ends_with(".weight") => {
                let problem = format!(
                    "is stored as {other}, which is not read (F32, F16 and BF16 are); convert the model to one of these"
                );
                return Err(ModelError::Tensor { name: plain(&name), problem });
            }
            // Masks and other buffers of old checkpoints: no family asks for them.
            _ => continue,
        };
        let data = view.data();
        let start = data.as_ptr() as usize - bytes.as_ptr() as usize;
        let shape = if view.shape().is_empty() { vec![1] } else { view.shape().to_vec() };
        if stored.bytes_of(&shape) != Some(data.len()) {
            return Err(damaged(format!("tensor '{name}' has shape {shape:?} but {} bytes", data.len())));
        }
        out.push((name.clone(), StoredTensor { map: map.clone(), range: start..start + data.len(), stored, shape }));
    }
    Ok(out)
}
