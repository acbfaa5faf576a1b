//! Vectors saved as safetensors, in floats of 64, 32 or 16 bits.

use std::sync::Arc;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::{Found, Listing};
use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::weights::{Mapping, offsets_past};

/// How other files in use for vectors begin.
const OTHERS: [(&[u8], &str); 3] =
    [(b"PK\x03\x04", "a PyTorch or NumPy archive"), (b"\x80", "a Python pickle"), (b"\x93NUMPY", "a NumPy array")];

pub(super) fn listing(map: &Arc<Mapping>) -> Result<Listing<'_>> {
    let bytes = map.bytes();
    let file = map.name().to_string();
    // Eight bytes of length before the header's bracket: a short file of another kind has its own message too.
    if bytes.get(8) != Some(&b'{')
        && let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start))
    {
        let problem = format!(
            "this is {what}; save the vector with safetensors.torch.save_file({{'vector': v}}, 'v.safetensors'), or as a control vector with repeng"
        );
        return Err(ModelError::Vector { file, problem });
    }
    if bytes.len() >= 9 && bytes[8] != b'{' {
        let problem = "this is neither a safetensors file nor a GGUF file; save the vector with safetensors.torch.save_file({'vector': v}, 'v.safetensors')".into();
        return Err(ModelError::Vector { file, problem });
    }
    let damaged = |what: String| ModelError::Damaged { file: file.clone(), what: plain(&what) };
    if offsets_past(bytes) {
        return Err(damaged("a tensor lies past the end of the file".into()));
    }
    let parsed = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut found = Vec::with_capacity(parsed.len());
    for (name, view) in parsed.tensors() {
        let shape = super::squeezed(view.shape());
        let (dtype, data, called) = (view.dtype(), view.data(), plain(&name));
        let numbers = move || {
            widened(dtype, data).ok_or_else(|| ModelError::Tensor {
                name: called.clone(),
                problem: format!(
                    "is stored as {dtype}, which is not read (F32, F16, BF16 and F64 are); save it as F32"
                ),
            })
        };
        found.push(Found { name, shape, numbers: Box::new(numbers) });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { found, model_hint: None })
}

/// The numbers as f32. An f64 too large for that becomes infinite, which is refused later on.
fn widened(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|b| number(*b)).collect()
    }
    Some(match dtype {
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        _ => return None,
    })
}
