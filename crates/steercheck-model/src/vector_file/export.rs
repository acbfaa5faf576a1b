//! Control vectors for llama.cpp.

use std::io::Write;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use crate::error::{ModelError, Result};

/// Writes a vector `[D]` that acts on a residual as a control vector: one tensor `direction.N` with N = `residual` - 1, which llama.cpp
/// adds to what its layer N puts out, at every token. An error for residual 0 and 1: llama.cpp never steers its layer 0, and refuses a file
/// that would.
pub fn write_control_vector(path: &Path, family: &str, blocks: usize, residual: usize, vector: &[f32]) -> Result<()> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let problem = |problem: String| ModelError::Vector { file: file.clone(), problem };
    if residual < 2 {
        return Err(problem(format!(
            "llama.cpp cannot add a vector to residual {residual}: its control vectors begin after its layer 1, which is residual 2"
        )));
    }
    if residual > blocks {
        return Err(problem(format!("residual {residual} is beyond the model's {blocks} blocks")));
    }
    let tensor = Tensor::new(vector, &Device::Cpu)?;
    let tensor = QTensor::quantize(&tensor, GgmlDType::F32)?;
    let layers = u32::try_from(blocks).map_err(|e| problem(e.to_string()))?;
    let metadata = [
        ("general.architecture", Value::String("controlvector".into())),
        ("controlvector.model_hint", Value::String(family.into())),
        ("controlvector.layer_count", Value::U32(layers)),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (*name, value)).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &[(&format!("direction.{}", residual - 1), &tensor)])?;
    let failed =
        |e: std::io::Error| problem(format!("it cannot be written ({e}); check the folder and the space left"));
    // A temporary name first, so that no half a file is left.
    let temporary = path.with_extension("gguf.steercheck-part");
    let written = std::fs::File::create(&temporary)
        .and_then(|mut f| f.write_all(bytes.get_ref()).and_then(|()| f.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}
