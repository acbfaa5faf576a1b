//! llama.cpp's control vectors: a GGUF file of architecture `controlvector` with a tensor `direction.N` per steered block, as
//! its `cvector-generator` and repeng write them. llama.cpp reads F32 alone; other types are widened here.

use std::sync::Arc;

use candle_core::Device;

use super::{Found, Listing};
use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::gguf::Gguf;
use crate::weights::{Mapping, gguf_tensors};

const ARCHITECTURE: &str = "controlvector";

pub(super) fn listing(map: &Arc<Mapping>) -> Result<Listing<'static>> {
    let gguf = Gguf::parse(map.bytes(), map.name())?;
    let problem = |problem: String| ModelError::Vector { file: map.name().to_string(), problem };
    match gguf.text("general.architecture")? {
        Some(ARCHITECTURE) => {}
        Some(other) => {
            return Err(problem(format!(
                "this is a model or an adapter ('{}'), not a control vector (general.architecture = {ARCHITECTURE}); give the file that cvector-generator or repeng wrote",
                plain(other)
            )));
        }
        None => {
            return Err(problem(format!(
                "it names no general.architecture, which is '{ARCHITECTURE}' in a control vector; write it with repeng or llama.cpp's cvector-generator"
            )));
        }
    }
    let model_hint = gguf.text(&format!("{ARCHITECTURE}.model_hint"))?.map(plain);
    let found = gguf_tensors(map, &gguf)
        .into_iter()
        .map(|(name, tensor)| Found {
            name,
            shape: super::squeezed(&tensor.shape),
            numbers: Box::new(move || Ok(tensor.widen(&Device::Cpu)?.flatten_all()?.to_vec1()?)),
        })
        .collect();
    Ok(Listing { found, model_hint })
}
