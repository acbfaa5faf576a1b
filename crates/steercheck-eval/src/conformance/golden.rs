//! Golden tensors: what a reference implementation computed with the same weights, tensor by tensor.
//!
//! Names and shapes are those of the fixtures: a batch of B prompts of T tokens, hidden size D, vocabulary V, H heads of width dh.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Reads, Trace, read_tensors};

use super::state::read;
use super::{Bound, Check, Grade, Largest};
use crate::error::EvalError;

const FILE: &str = "golden.safetensors";

/// The kinds of tensors and the checks they become.
pub const KINDS: [(&str, &str); 7] = [
    ("logits", "golden logits"),
    ("hidden", "golden hidden"),
    ("final_hidden", "golden final_hidden"),
    ("attn_proj_in", "golden attn_proj_in"),
    ("lens_raw", "golden lens_raw"),
    ("lens_norm", "golden lens_norm"),
    ("greedy_ids", "golden greedy_ids"),
];

/// A file of golden tensors that fits a model: every name is known, every shape as it must be.
pub struct Golden {
    /// The batch, B prompts of one length.
    ids: Vec<Vec<u32>>,
    /// By kind and number, without the batch.
    tensors: BTreeMap<(&'static str, usize), Tensor>,
}

fn wrong(what: String) -> EvalError {
    EvalError::Golden { what }
}

/// `[B, n]` token ids.
fn token_ids(name: &str, t: &Tensor) -> Result<Vec<Vec<u32>>, EvalError> {
    if t.dtype() != DType::I64 || t.rank() != 2 {
        let (dtype, shape) = (t.dtype().as_str(), t.dims());
        return Err(wrong(format!("{name} is {dtype} of shape {shape:?}, and should be I64 of two dimensions")));
    }
    let rows = t.to_vec2::<i64>().map_err(ModelError::from)?;
    let id = |i: i64| u32::try_from(i).map_err(|_| wrong(format!("{name} holds {i}, which is no token id")));
    rows.into_iter().map(|row| row.into_iter().map(id).collect()).collect()
}

impl Golden {
    /// Reads `golden.safetensors` of a folder. An unknown name, another shape than the model's, a missing batch and a file with
    /// nothing to compare are errors that name the tensor.
    pub fn read(folder: &Path, model: &Model) -> Result<Self, EvalError> {
        let mut all = read_tensors(&folder.join(FILE))?;
        let input = all.remove("input_ids").ok_or_else(|| {
            wrong("input_ids is missing: the batch that the other tensors were computed from".to_string())
        })?;
        let ids = token_ids("input_ids", &input)?;
        let (batch, length) = (ids.len(), ids.first().map_or(0, Vec::len));
        if batch == 0 || length == 0 {
            return Err(wrong("input_ids is empty".to_string()));
        }
        let vocab = model.spec.vocab_size;
        if let Some(id) = ids.iter().flatten().find(|id| **id as usize >= vocab) {
            return Err(wrong(format!("input_ids holds token {id}; the model's vocabulary has {vocab}")));
        }
        if all.is_empty() {
            return Err(wrong("it holds input_ids alone, and nothing to compare".to_string()));
        }
        let mut tensors = BTreeMap::new();
        for (name, tensor) in all {
            let key = key(&name, model.spec.depth())?;
            check_shape(&name, key.0, &tensor, model, [batch, length])?;
            tensors.insert(key, tensor);
        }
        Ok(Self { ids, tensors })
    }

    /// Compares every tensor; one check per kind that the file holds.
    pub fn compare(&self, model: &Model) -> Result<Vec<Check>, EvalError> {
        let traces = model.trace(&self.ids, &Reads::ALL)?;
        let mut found: BTreeMap<&'static str, (Largest, usize)> = BTreeMap::new();
        for ((kind, number), want) in self.tensors.iter().filter(|((kind, _), _)| *kind != "greedy_ids") {
            let (largest, count) = found.entry(kind).or_insert_with(|| (Largest::new(Bound::Absolute), 0));
            *count += 1;
            for (i, trace) in traces.iter().enumerate() {
                let ours = value(model, kind, *number, trace)?;
                let want = want.get(i).map_err(ModelError::from)?;
                let at = |row: usize| where_it_is(kind, *number, i, row);
                largest.rows(&ours, &want, at).map_err(EvalError::from)?;
            }
        }
        let mut checks = Vec::new();
        for (kind, name) in KINDS {
            if let Some((largest, count)) = found.remove(kind) {
                let tensors = if count == 1 { "1 tensor".to_string() } else { format!("{count} tensors") };
                checks.push(largest.check(name, &tensors));
            } else if let Some(want) = self.tensors.get(&(kind, 0)) {
                checks.push(self.greedy(model, name, want)?);
            }
        }
        Ok(checks)
    }

    /// Continues the batch greedily, each time from the whole sequence.
    fn greedy(&self, model: &Model, name: &'static str, want: &Tensor) -> Result<Check, EvalError> {
        let want = token_ids("greedy_ids", want)?;
        let mut ids = self.ids.clone();
        let total = want.first().map_or(0, Vec::len);
        for _ in ids[0].len()..total {
            let top = model.last_residual(&ids)?;
            let none = vec![Vec::new(); ids.len()];
            let readings = model.read(&top, FinalNorm::Apply, HeadKind::Full, &none)?;
            for (row, reading) in ids.iter_mut().zip(readings) {
                row.push(reading.top1);
            }
        }
        let pairs = ids.iter().flatten().zip(want.iter().flatten());
        let differing = pairs.filter(|(ours, theirs)| ours != theirs).count();
        let n = total - self.ids[0].len();
        Ok(if differing == 0 {
            Check::said(name, Grade::Passed, format!("{} continuations of {n} tokens", ids.len()))
        } else {
            Check::said(name, Grade::Failed, format!("{differing} of {} ids differ", ids.len() * total))
        })
    }
}

/// `hidden.3` as kind and number; kinds without number get 0.
fn key(name: &str, depth: usize) -> Result<(&'static str, usize), EvalError> {
    let (stem, number) = match name.rsplit_once('.') {
        Some((stem, number)) => (stem, Some(number)),
        None => (name, None),
    };
    let kind = KINDS.iter().map(|(kind, _)| *kind).find(|kind| *kind == stem);
    let count = match stem {
        "attn_proj_in" => Some(depth),
        "hidden" | "lens_raw" | "lens_norm" => Some(depth + 1),
        _ => None,
    };
    // Written as it is read back: not `01`, not `+1`.
    let index = number.and_then(|n| n.parse::<usize>().ok().filter(|i| i.to_string() == n));
    match (kind, count, number, index) {
        (Some(kind), None, None, _) => Ok((kind, 0)),
        (Some(kind), Some(count), Some(_), Some(i)) if i < count => Ok((kind, i)),
        (Some(kind), Some(count), ..) => {
            Err(wrong(format!("{name:?} does not exist for this model, which has {kind}.0 to {kind}.{}", count - 1)))
        }
        _ => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            Err(wrong(format!("{name:?} is not a tensor that is compared; known are input_ids, {}", known.join(", "))))
        }
    }
}

fn check_shape(name: &str, kind: &str, t: &Tensor, model: &Model, [b, n]: [usize; 2]) -> Result<(), EvalError> {
    let spec = &model.spec;
    let vocab = spec.vocab_size;
    let want = match kind {
        "logits" => vec![b, n, vocab],
        "hidden" => vec![b, n, spec.hidden_size],
        "final_hidden" => vec![b, n, spec.embedding.width],
        "attn_proj_in" => vec![b, n, spec.heads * spec.head_dim],
        "lens_raw" | "lens_norm" => vec![b, vocab],
        _ => {
            let ids = token_ids(name, t)?;
            if ids.len() == b && ids.iter().all(|row| row.len() > n) {
                return Ok(());
            }
            return Err(wrong(format!("{name} has the shape {:?}, and should have [{b}, more than {n}]", t.dims())));
        }
    };
    if t.dtype() == DType::F32 && t.dims() == want {
        return Ok(());
    }
    let (dtype, shape) = (t.dtype().as_str(), t.dims());
    Err(wrong(format!("{name} is {dtype} of shape {shape:?}, and this model gives f32 of shape {want:?}")))
}

/// What the model computes for one prompt, in the shape of the golden tensor without its batch.
fn value(model: &Model, kind: &str, number: usize, trace: &Trace) -> Result<Tensor, ModelError> {
    let residual = read(trace.residual.as_ref())?;
    let top = residual.get(model.spec.depth())?;
    match kind {
        "logits" => model.logits(&top, FinalNorm::Apply, HeadKind::Full),
        "final_hidden" => model.head_input(&top, FinalNorm::Apply),
        "attn_proj_in" => Ok(read(trace.heads.as_ref())?.get(number)?.flatten_from(1)?),
        "lens_raw" | "lens_norm" => {
            let norm = if kind == "lens_raw" { FinalNorm::Skip } else { FinalNorm::Apply };
            let last = residual.get(number)?;
            let last = last.narrow(0, last.dim(0)? - 1, 1)?;
            Ok(model.logits(&last, norm, HeadKind::WeightAndBias)?.get(0)?)
        }
        _ => Ok(residual.get(number)?),
    }
}

fn where_it_is(kind: &str, number: usize, prompt: usize, row: usize) -> String {
    let name = match kind {
        "logits" | "final_hidden" => kind.to_string(),
        _ => format!("{kind}.{number}"),
    };
    match kind {
        "lens_raw" | "lens_norm" => format!("in {name}, prompt {}", prompt + 1),
        _ => format!("in {name}, prompt {}, token {}", prompt + 1, row + 1),
    }
}
