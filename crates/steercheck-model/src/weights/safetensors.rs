//! Safetensors files: one, or shards listed by an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};

use super::{Mapping, StoredTensor, StoredType};
use crate::error::{ModelError, Result};
use crate::files::{plain, read_json};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

fn weight_map(folder: &Path) -> Result<Option<BTreeMap<String, String>>> {
    let path = folder.join(INDEX);
    if !path.exists() {
        return Ok(None);
    }
    let damaged = |what: String| ModelError::Damaged { file: INDEX.into(), what: plain(&what) };
    let json = read_json(&path)?;
    let map = json.get("weight_map").and_then(|m| m.as_object()).ok_or_else(|| damaged("no weight_map".into()))?;
    let mut out = BTreeMap::new();
    for (name, file) in map {
        let file = file.as_str().ok_or_else(|| damaged(format!("'{name}' names no file")))?;
        // A shard lies beside its index; anything else is a path somebody smuggled in.
        if file.is_empty()
            || Path::new(file).components().count() != 1
            || file.contains(['/', '\\'])
            || [".", ".."].contains(&file)
        {
            return Err(damaged(format!("'{name}' points outside of the folder ('{file}')")));
        }
        out.insert(name.clone(), file.to_string());
    }
    if out.is_empty() {
        return Err(damaged("weight_map is empty".into()));
    }
    Ok(Some(out))
}

/// The weight files of a folder, in name order.
pub(super) fn shard_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join(SINGLE);
    if single.exists() {
        return Ok(vec![single]);
    }
    let Some(map) = weight_map(folder)? else {
        return Err(ModelError::NotAModel {
            path: folder.to_path_buf(),
            reason: format!("it holds neither {SINGLE} nor {INDEX}"),
        });
    };
    let files: BTreeSet<&String> = map.values().collect();
    let paths: Vec<PathBuf> = files.into_iter().map(|f| folder.join(f)).collect();
    if let Some(missing) = paths.iter().find(|p| !p.exists()) {
        return Err(ModelError::Io { path: missing.clone(), reason: "this shard of the index is missing".into() });
    }
    Ok(paths)
}

/// Whether a byte offset lies past the file's end. The library adds the last one up with the header's length before it
/// compares the sum with the file's size; version 0.8.0 panics where that overflows and overflow is checked.
pub(super) fn offsets_past(bytes: &[u8]) -> bool {
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
