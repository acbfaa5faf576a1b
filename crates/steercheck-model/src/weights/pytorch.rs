//! The tensors of a PyTorch file (`pytorch_model.bin`): a zip archive of a pickle, which says what there is, and of storages, which
//! are ranges of the mapped file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::described::{self, Described};
use super::{Mapping, StoredTensor, StoredType, torch_zip};
use crate::error::{ModelError, Result};
use crate::files::plain;

/// Why a file is not read.
pub(super) enum Refusal {
    /// It breaks its format.
    Damaged(String),
    /// It is sound, and something else than plain tensors in stored members.
    Foreign(String),
}

impl Refusal {
    fn of(self, file: &str) -> ModelError {
        match self {
            Self::Damaged(what) => ModelError::Damaged { file: file.into(), what: plain(&what) },
            Self::Foreign(reason) => ModelError::NotAModel { path: PathBuf::from(file), reason: plain(&reason) },
        }
    }
}

/// Refuses what is no zip archive, above all the files of PyTorch before 1.6.
fn check_beginning(bytes: &[u8]) -> std::result::Result<(), Refusal> {
    if b"PK\x03\x04".starts_with(&bytes[..bytes.len().min(4)]) {
        return Ok(());
    }
    let what = if bytes.starts_with(b"\x80\x02") {
        "it is in the format of PyTorch before 1.6; load it with torch.load(…, weights_only=True) and save it again with torch.save or as safetensors"
    } else {
        "it is not a file of torch.save, which begins with 'PK'"
    };
    Err(Refusal::Foreign(what.into()))
}

/// The archive's own folder, by its one pickle.
fn root<'a>(members: &BTreeMap<&'a str, Range<usize>>) -> std::result::Result<&'a str, Refusal> {
    let mut roots = members.keys().filter_map(|name| name.strip_suffix("/data.pkl")).filter(|root| !root.contains('/'));
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        (None, _) => Err(Refusal::Foreign("it holds no data.pkl, as files of torch.save do".into())),
        (Some(_), Some(_)) => Err(Refusal::Damaged("it holds two data.pkl".into())),
    }
}

/// The range of the file that a tensor is; the error says what of it does not hold.
fn range_of(
    tensor: &Described<'_>,
    stored: StoredType,
    storage: &Range<usize>,
) -> std::result::Result<(Range<usize>, Vec<usize>), String> {
    let sizes = |numbers: &[i64]| numbers.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<Vec<usize>>>();
    let (shape, strides) = (&tensor.shape, &tensor.strides);
    let mut dimensions = sizes(shape).ok_or_else(|| format!("has the shape {shape:?}"))?;
    if strides.len() != dimensions.len() {
        return Err(format!("has the shape {shape:?} and the strides {strides:?}"));
    }
    let overflows = || format!("has the shape {shape:?}, which is too large");
    if dimensions.is_empty() {
        dimensions.push(1);
    }
    let bytes = stored.bytes_of(&dimensions).ok_or_else(overflows)?;
    // The step along a dimension of one element is never taken, and of none at all neither.
    let mut step = 1i64;
    for (size, stride) in shape.iter().zip(strides).rev().filter(|_| bytes > 0) {
        if *size != 1 && *stride != step {
            return Err("is stored transposed or with gaps; save it again after .contiguous()".into());
        }
        step = step.checked_mul(*size).ok_or_else(overflows)?;
    }
    let of_numbers = |n: i64| usize::try_from(n).ok().and_then(|n| stored.bytes_of(&[n]));
    if of_numbers(tensor.count) != Some(storage.len()) {
        return Err(format!("needs a storage of {} numbers, and has {} bytes", tensor.count, storage.len()));
    }
    let start =
        of_numbers(tensor.offset).filter(|start| storage.len().checked_sub(*start).is_some_and(|left| left >= bytes));
    let start = start.ok_or_else(|| {
        format!("with the shape {shape:?} from number {} on lies past its storage's end", tensor.offset)
    })?;
    let start = storage.start + start;
    Ok((start..start + bytes, dimensions))
}

/// Every tensor of one mapped file.
pub(super) fn directory(map: &Arc<Mapping>) -> Result<Vec<(String, StoredTensor)>> {
    let bytes = map.bytes();
    let refuse = |refusal: Refusal| refusal.of(map.name());
    let damaged = |what: String| refuse(Refusal::Damaged(what));
    check_beginning(bytes).map_err(refuse)?;
    let members = torch_zip::members(bytes).map_err(refuse)?;
    let root = root(&members).map_err(refuse)?;
    let member = |name: &str| members.get(format!("{root}/{name}").as_str());
    if member("byteorder").is_some_and(|range| &bytes[range.clone()] != b"little") {
        let what = "its numbers are not little-endian; save it again on an ordinary machine";
        return Err(refuse(Refusal::Foreign(what.into())));
    }
    let pickle = &bytes[member("data.pkl").cloned().unwrap_or_default()];
    let tensors = described::tensors(pickle).map_err(refuse)?;
    let mut out = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let stored = match tensor.storage {
            "FloatStorage" => StoredType::F32,
            "HalfStorage" => StoredType::F16,
            "BFloat16Storage" => StoredType::Bf16,
            other if name.ends_with(".weight") => {
                let problem = format!(
                    "is stored in a {other}, which is not read (those of float, half and bfloat16 are); convert the model to one of these"
                );
                return Err(ModelError::Tensor { name: plain(name), problem });
            }
            // Masks and other buffers of old checkpoints: no family asks for them.
            _ => continue,
        };
        let storage = member(&format!("data/{}", tensor.key));
        let storage = storage.ok_or_else(|| damaged(format!("tensor '{name}' has no storage '{}'", tensor.key)))?;
        let (range, shape) =
            range_of(&tensor, stored, storage).map_err(|problem| ModelError::Tensor { name: plain(name), problem })?;
        out.push((name.to_string(), StoredTensor { map: map.clone(), range, stored, shape }));
    }
    Ok(out)
}
