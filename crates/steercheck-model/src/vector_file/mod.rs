//! Steering vectors that a user brings: the directions that a file holds, by the residual they act on.
//!
//! Two formats are told apart by their first bytes: llama.cpp's control vectors ([`gguf`]) and safetensors
//! ([`safetensors`]). What a tensor's name says of its place is in [`names`]. A file is read before a model is at hand;
//! [`VectorFile::directions`] then says what it means for a model of a given depth and width.

mod export;
mod gguf;
mod names;
mod safetensors;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::weights::{Container, Mapping};
use names::Meaning;

pub use export::write_control_vector;

/// Names that a message lists, and characters of each.
const LISTED: usize = 8;
const NAME: usize = 40;

/// The directions of a file, before a model has said how deep and how wide it is.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorFile {
    /// The file's name without folder.
    pub file: String,
    /// BLAKE3 of the file, in hexadecimal.
    pub hash: String,
    /// How the file is laid out: `gguf` or `safetensors`.
    pub container: &'static str,
    /// The model family that the writer of a control vector named: a `model_type` (repeng) or an architecture of
    /// llama.cpp. Nothing depends on it.
    pub model_hint: Option<String>,
    held: Held,
}

#[derive(Debug, Clone, PartialEq)]
enum Held {
    Bare(Arc<[f32]>),
    /// By residual, all of one width.
    Placed(BTreeMap<usize, Arc<[f32]>>),
    /// `[rows, width]`, row major: whether the first row is residual 0 or 1 depends on the model's depth.
    Rows {
        width: usize,
        numbers: Vec<f32>,
    },
}

/// What a file holds for one model.
#[derive(Debug, Clone, PartialEq)]
pub enum Directions {
    /// One vector `[D]` that says nothing of where it acts.
    Bare(Arc<[f32]>),
    /// Vectors `[D]` by the residual they act on; 0 is the embedding output.
    Placed(BTreeMap<usize, Arc<[f32]>>),
}

/// A tensor whose numbers are still in the file.
struct Found<'a> {
    name: String,
    /// Outermost first, dimensions of 1 left out: `[width]` or `[rows, width]`.
    shape: Vec<usize>,
    numbers: Box<dyn Fn() -> Result<Vec<f32>> + 'a>,
}

/// The tensors of a file and the model family that it names.
struct Listing<'a> {
    found: Vec<Found<'a>>,
    model_hint: Option<String>,
}

/// A shape without its dimensions of 1, but never empty: `[1, D]`, `[D, 1]` and `[D]` are one vector.
fn squeezed(shape: &[usize]) -> Vec<usize> {
    let out: Vec<usize> = shape.iter().copied().filter(|d| *d != 1).collect();
    if out.is_empty() { vec![1] } else { out }
}

/// Reads the directions of a control vector (GGUF) or of a safetensors file: all of its tensors, or the one called
/// `tensor`. Entries that are not finite are refused here, zeros not: a control vector may leave blocks alone.
pub fn read_vectors(path: &Path, tensor: Option<&str>) -> Result<VectorFile> {
    let map = Arc::new(Mapping::open(path)?);
    let file = map.name().to_string();
    let (container, Listing { found, model_hint }) = if map.bytes().starts_with(b"GGUF") {
        (Container::Gguf, gguf::listing(&map)?)
    } else {
        (Container::Safetensors, safetensors::listing(&map)?)
    };
    let found = match tensor {
        None => found,
        Some(wanted) => vec![chosen(&file, found, wanted)?],
    };
    let held = held(&file, &found)?;
    let hash = blake3::hash(map.bytes()).to_hex().to_string();
    Ok(VectorFile { file, hash, container: container.name(), model_hint, held })
}

impl VectorFile {
    /// Numbers in a direction.
    pub fn width(&self) -> usize {
        match &self.held {
            Held::Bare(vector) => vector.len(),
            Held::Placed(vectors) => vectors.values().next().map_or(0, |v| v.len()),
            Held::Rows { width, .. } => *width,
        }
    }

    /// Euclidean norms by residual, `None` where the file says nothing of the place; the rows of a matrix in their order.
    pub fn norms(&self) -> Vec<(Option<usize>, f64)> {
        let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        match &self.held {
            Held::Bare(vector) => vec![(None, norm(vector))],
            Held::Placed(vectors) => vectors.iter().map(|(residual, v)| (Some(*residual), norm(v))).collect(),
            Held::Rows { width, numbers } => numbers.chunks_exact((*width).max(1)).map(|v| (None, norm(v))).collect(),
        }
    }

    /// An error about this file.
    pub fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Vector { file: self.file.clone(), problem: problem.into() }
    }

    /// The directions for a model of `depth` blocks and `width` numbers in a residual. A matrix of `depth + 1` rows begins
    /// with residual 0, one of `depth` rows with residual 1.
    pub fn directions(&self, depth: usize, width: usize) -> Result<Directions> {
        if self.width() != width {
            return Err(self.problem(format!(
                "its vectors have {} numbers and the model's residuals have {width}; give a vector that was made for this model",
                self.width()
            )));
        }
        match &self.held {
            Held::Bare(vector) => Ok(Directions::Bare(vector.clone())),
            Held::Placed(vectors) => match vectors.last_key_value() {
                Some((top, _)) if *top > depth => Err(self.problem(format!(
                    "it has a direction for the residual after block {top} and the model has {depth} blocks; give a vector that was made for this model"
                ))),
                _ => Ok(Directions::Placed(vectors.clone())),
            },
            Held::Rows { numbers, .. } => {
                let rows = numbers.len() / width.max(1);
                let Some(first @ 0..=1) = (depth + 1).checked_sub(rows) else {
                    return Err(self.problem(format!(
                        "its matrix has {rows} rows; a model of {depth} blocks takes {depth} (after each block) or {} (the embeddings first)",
                        depth + 1
                    )));
                };
                let rows = numbers.chunks_exact(width).enumerate();
                Ok(Directions::Placed(rows.map(|(i, row)| (first + i, row.into())).collect()))
            }
        }
    }
}

/// The tensor called `wanted`.
fn chosen<'a>(file: &str, found: Vec<Found<'a>>, wanted: &str) -> Result<Found<'a>> {
    let names: Vec<String> = found.iter().map(|f| f.name.clone()).collect();
    found.into_iter().find(|f| f.name == wanted).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let likeness = |name: &str| strsim::jaro_winkler(wanted, name);
        let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let hint = nearest
            .filter(|n| likeness(n) > 0.75)
            .map_or_else(String::new, |n| format!(" (did you mean '{}'?)", quoted(n)));
        ModelError::Vector {
            file: file.into(),
            problem: format!("it has no tensor '{}'{hint}; it has {}", quoted(wanted), list(&known)),
        }
    })
}

/// A tensor's name as messages quote it: in one line, and its beginning if it is long.
fn quoted(name: &str) -> String {
    let beginning: String = name.chars().take(NAME).collect();
    plain(&beginning) + if beginning.len() < name.len() { "..." } else { "" }
}

/// `a, b and 3 more`.
fn list(names: &[&str]) -> String {
    let first: Vec<String> = names.iter().take(LISTED).map(|n| quoted(n)).collect();
    let more = names.len() - first.len();
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// What the tensors mean together.
fn held(file: &str, found: &[Found<'_>]) -> Result<Held> {
    let problem = |problem: String| ModelError::Vector { file: file.into(), problem };
    for f in found {
        let fits = matches!(f.shape[..], [_] | [_, _]) && !f.shape.contains(&0);
        if !fits {
            return Err(problem(format!(
                "its tensor '{}' has shape {:?}; a vector has one dimension, the vectors of all blocks together have two",
                quoted(&f.name),
                f.shape
            )));
        }
    }
    let meanings = found.iter().map(|f| names::meaning(file, &f.name)).collect::<Result<Vec<_>>>()?;
    match (found, &meanings[..]) {
        ([], _) => Err(problem("it holds no tensors; save the vector under any name".into())),
        ([only], [Meaning::NoPlace]) => match only.shape[..] {
            [_, width] => Ok(Held::Rows { width, numbers: numbers(file, only)? }),
            _ => Ok(Held::Bare(numbers(file, only)?.into())),
        },
        _ => {
            let unplaced: Vec<&str> = found
                .iter()
                .zip(&meanings)
                .filter(|(_, m)| **m == Meaning::NoPlace)
                .map(|(f, _)| f.name.as_str())
                .collect();
            if unplaced.is_empty() {
                placed(file, found, &meanings)
            } else {
                Err(problem(names::unclear(file, &list(&unplaced), unplaced[0])))
            }
        }
    }
}

fn placed(file: &str, found: &[Found<'_>], meanings: &[Meaning]) -> Result<Held> {
    let problem = |problem: String| ModelError::Vector { file: file.into(), problem };
    let mut out: BTreeMap<usize, (Arc<[f32]>, &str)> = BTreeMap::new();
    for (f, meaning) in found.iter().zip(meanings) {
        let Meaning::Residual(residual) = *meaning else { continue };
        if f.shape.len() != 1 {
            let name = quoted(&f.name);
            return Err(problem(format!("its tensor '{name}' has shape {:?}; one block takes one vector", f.shape)));
        }
        if let Some((other, name)) = out.values().next()
            && other.len() != f.shape[0]
        {
            return Err(problem(format!(
                "its '{}' has {} numbers and '{}' has {}; all directions are as wide as the model's residuals",
                quoted(name),
                other.len(),
                quoted(&f.name),
                f.shape[0]
            )));
        }
        let vector = numbers(file, f)?.into();
        if let Some((_, name)) = out.insert(residual, (vector, &f.name)) {
            return Err(problem(format!(
                "its '{}' and '{}' both act on residual {residual}; keep one of them",
                quoted(name),
                quoted(&f.name)
            )));
        }
    }
    Ok(Held::Placed(out.into_iter().map(|(residual, (vector, _))| (residual, vector)).collect()))
}

/// A tensor's numbers, all finite.
fn numbers(file: &str, found: &Found<'_>) -> Result<Vec<f32>> {
    let numbers = (found.numbers)()?;
    match numbers.iter().position(|x| !x.is_finite()) {
        None => Ok(numbers),
        Some(at) => Err(ModelError::Vector {
            file: file.into(),
            problem: format!(
                "entry {at} (from 0) of its tensor '{}' is not a finite 32-bit number; make the vector again",
                quoted(&found.name)
            ),
        }),
    }
}
