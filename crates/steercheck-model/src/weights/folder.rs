//! Which files of a folder hold its weights: one file, or shards listed by an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Container;
use crate::error::{ModelError, Result};
use crate::files::{plain, read_json};

/// The names of a single file and of an index, most preferred first: a folder often holds the same weights twice.
const NAMES: [(Container, &str, &str); 2] = [
    (Container::Safetensors, "model.safetensors", "model.safetensors.index.json"),
    (Container::PyTorch, "pytorch_model.bin", "pytorch_model.bin.index.json"),
];

fn weight_map(folder: &Path, index: &str) -> Result<BTreeMap<String, String>> {
    let damaged = |what: String| ModelError::Damaged { file: index.into(), what: plain(&what) };
    let json = read_json(&folder.join(index))?;
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
    Ok(out)
}

fn shard_paths(folder: &Path, index: &str) -> Result<Vec<PathBuf>> {
    let map = weight_map(folder, index)?;
    let files: BTreeSet<&String> = map.values().collect();
    let paths: Vec<PathBuf> = files.into_iter().map(|f| folder.join(f)).collect();
    if let Some(missing) = paths.iter().find(|p| !p.exists()) {
        return Err(ModelError::Io { path: missing.clone(), reason: "this shard of the index is missing".into() });
    }
    Ok(paths)
}

/// The weight files of a folder, in name order, and how they are written.
pub(super) fn weight_files(folder: &Path) -> Result<(Container, Vec<PathBuf>)> {
    for (container, single, index) in NAMES {
        if folder.join(single).exists() {
            return Ok((container, vec![folder.join(single)]));
        }
        if folder.join(index).exists() {
            return Ok((container, shard_paths(folder, index)?));
        }
    }
    let names: Vec<&str> = NAMES.iter().flat_map(|(_, single, index)| [*single, *index]).collect();
    let reason = format!("it holds neither {} nor {}", names[..3].join(", "), names[3]);
    Err(ModelError::NotAModel { path: folder.to_path_buf(), reason })
}
