//! What is kept beside records: vectors, means and effects, as safetensors files under keys of the same kind.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;

use super::file::write_bytes;
use super::plan::key_of;
use super::{RecordError, Value};
use crate::error::EvalError;

/// Tensors that a cell made and a later one may want.
#[derive(Debug, Clone, PartialEq)]
pub struct Artefact {
    /// What it is: `task-vectors`.
    pub kind: String,
    /// Everything that determines it, by name; its BLAKE3 is the key.
    pub determinants: BTreeMap<String, Value>,
    /// Numbers with their shape, by name.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// What the key is made of.
#[derive(Serialize)]
struct Determined<'a> {
    kind: &'a str,
    determinants: &'a BTreeMap<String, Value>,
}

impl Artefact {
    /// BLAKE3 of what determines it, in hexadecimal.
    pub fn key(&self) -> String {
        key_of("steercheck artefact 1\n", &Determined { kind: &self.kind, determinants: &self.determinants })
    }

    /// Where it is or would be in a folder.
    pub fn path(folder: &Path, key: &str) -> PathBuf {
        folder.join("artefacts").join(format!("{key}.safetensors"))
    }

    /// Writes it as `artefacts/KEY.safetensors` of a folder. Metadata: `format`, `version`, `kind`, `key`, the determinants as
    /// JSON, and `digest`, the BLAKE3 of the tensors' names, shapes and bytes.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, EvalError> {
        let path = Self::path(folder, &self.key());
        let failed = |reason: String| EvalError::Write { path: path.clone(), reason };
        let bytes: BTreeMap<&str, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, (_, numbers))| (name.as_str(), numbers.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = self
            .tensors
            .iter()
            .map(|(name, (shape, _))| {
                let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name.as_str()]);
                view.map(|view| (name.clone(), view)).map_err(|e| failed(e.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        // One entry: the crate keeps metadata in a hash map, whose order would differ from run to run.
        let about = serde_json::to_string(&self.metadata()).map_err(|e| failed(e.to_string()))?;
        let metadata = HashMap::from([("steercheck-artefact".to_string(), about)]);
        let file = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))?;
        write_bytes(&path, &file)?;
        Ok(path)
    }

    fn metadata(&self) -> Metadata {
        Metadata {
            version: VERSION,
            key: self.key(),
            kind: self.kind.clone(),
            determinants: self.determinants.clone(),
            digest: digest(&self.tensors),
        }
    }

    /// Reads an artefact back and checks its key and its digest.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let bytes =
            std::fs::read(path).map_err(|e| RecordError::Read { path: path.to_path_buf(), reason: e.to_string() })?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let not_one = |reason: String| RecordError::NotARecord { file: file.clone(), reason };
        let damaged = |reason: &str| RecordError::Damaged { file: file.clone(), reason: reason.into() };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| not_one(e.to_string()))?;
        let about = header.metadata().as_ref().and_then(|m| m.get("steercheck-artefact"));
        let about = about.ok_or_else(|| not_one("it says nothing of an artefact".into()))?;
        let about: Metadata = serde_json::from_str(about).map_err(|e| not_one(e.to_string()))?;
        if about.version != VERSION {
            return Err(RecordError::Version { file, found: u64::from(about.version), known: VERSION });
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| not_one(e.to_string()))?;
        let mut out = Self { kind: about.kind, determinants: about.determinants, tensors: BTreeMap::new() };
        for (name, view) in tensors.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(not_one(format!("the tensor {name} is not of f32")));
            }
            let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            out.tensors.insert(name, (view.shape().to_vec(), numbers));
        }
        if digest(&out.tensors) != about.digest {
            return Err(damaged("its tensors do not have the digest that it carries"));
        }
        if out.key() != about.key {
            return Err(damaged("its key is not that of what determines it"));
        }
        Ok(out)
    }
}

/// The layout that is written and read.
const VERSION: u32 = 1;

#[derive(Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    version: u32,
    key: String,
    kind: String,
    determinants: BTreeMap<String, Value>,
    digest: String,
}

/// BLAKE3 of names, shapes and bytes, each behind its length.
fn digest(tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, (shape, numbers)) in tensors {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(shape.len() as u64).to_le_bytes());
        for side in shape {
            hasher.update(&(*side as u64).to_le_bytes());
        }
        for x in numbers {
            hasher.update(&x.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
