//! Vectors that a user brings: added to the residual stream after one block, or after each of several by its own
//! direction, times a strength.
//!
//! residual b += strength · direction b, at the last token of the prompt (as function vectors do) or at every position (as
//! llama.cpp does with its control vectors, repeng and contrastive activation addition). Nothing is normalised. What a file holds is
//! read by [`steercheck_model::read_vectors`].

mod placebo;
mod spec;

use std::collections::BTreeMap;
use std::sync::Arc;

use steercheck_model::{DecoderSpec, Directions, Edit, Operation, Positions, Result, Site, VectorFile};

pub use spec::{Place, VectorSpec, VectorSpecError};

/// A vector at its places in a model.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenVector {
    /// Residual and direction `[D]`, by ascending residual: at least one, none of them all zeros.
    pub directions: Vec<(usize, Arc<[f32]>)>,
    /// Multiplies every direction.
    pub strength: f32,
    /// What of the file was left out, and why: one sentence each.
    pub notes: Vec<String>,
}

/// At which positions of a prompt a vector is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// At the last token.
    Last,
    /// At every token.
    All,
}

impl Where {
    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::All => "all",
        }
    }

    /// The positions of an edit.
    pub fn positions(self) -> Positions {
        match self {
            Self::Last => Positions::Last,
            Self::All => Positions::All,
        }
    }
}

/// `3, 5-8 and 12`: ascending numbers as people read them.
fn runs(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => parts.push((*n, *n)),
        }
    }
    let text =
        |(first, last): &(usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let parts: Vec<String> = parts.iter().map(text).collect();
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.join(""),
    }
}

impl GivenVector {
    /// What `spec` asks of `file` on this model. An error says which places the file or the model has instead.
    pub fn resolve(spec: &VectorSpec, file: &VectorFile, model: &DecoderSpec) -> Result<Self> {
        let depth = model.depth();
        if let Some(Place::At(last) | Place::Each(_, last)) = spec.place
            && last > depth
        {
            return Err(file.problem(format!(
                "block {last} was asked for and the model has blocks 1 to {depth}; choose one of these"
            )));
        }
        let mut notes = Vec::new();
        let directions = match (file.directions(depth, model.hidden_size)?, spec.place) {
            (Directions::Bare(vector), Some(Place::At(b))) => vec![(b, vector)],
            (Directions::Bare(_), Some(Place::Each(first, last))) => {
                return Err(file.problem(format!(
                    "it holds one vector and blocks {first}-{last} take one each; choose one block: @{last}"
                )));
            }
            (Directions::Bare(_), None) => {
                return Err(file.problem(format!(
                    "it does not say after which block its vector acts; say so: @BLOCK, 1 to {depth}"
                )));
            }
            (Directions::Placed(all), None) => {
                let (zeros, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, v)| is_zero(v));
                let zeros: Vec<usize> = zeros.into_iter().map(|(b, _)| b).collect();
                if !zeros.is_empty() && !others.is_empty() {
                    notes.push(format!("the directions for residual {} are all zeros and were left out", runs(&zeros)));
                }
                others
            }
            (Directions::Placed(all), Some(place)) => picked(file, &all, place)?,
        };
        if directions.is_empty() {
            return Err(file.problem("all of its directions are zeros, which steer nothing; make the vector again"));
        }
        let zeros: Vec<usize> = directions.iter().filter(|(_, v)| is_zero(v)).map(|(b, _)| *b).collect();
        if !zeros.is_empty() {
            return Err(file.problem(format!(
                "its direction for residual {} is all zeros, which steers nothing; choose other blocks or make the vector again",
                runs(&zeros)
            )));
        }
        let largest = directions.iter().flat_map(|(_, v)| v.iter()).fold(0f32, |a, x| a.max(x.abs()));
        if !(largest * spec.strength).is_finite() {
            return Err(file.problem(format!(
                "its largest entry, {largest:e}, times the strength {:e} is beyond 32-bit floats; choose a smaller strength",
                spec.strength
            )));
        }
        Ok(Self { directions, strength: spec.strength, notes })
    }

    /// The edits of a prompt, one per direction.
    pub fn edits(&self, positions: Where) -> Vec<Edit> {
        let edit = |(residual, vector): &(usize, Arc<[f32]>)| Edit {
            site: Site::Residual(*residual),
            positions: positions.positions(),
            operation: Operation::Add { vector: vector.clone(), strength: self.strength },
        };
        self.directions.iter().map(edit).collect()
    }

    /// The same directions at `factor` times the strength.
    #[must_use]
    pub fn scaled(&self, factor: f32) -> Self {
        Self { strength: self.strength * factor, ..self.clone() }
    }

    /// By how much the residuals move: strength times Euclidean norm of each direction, by residual.
    pub fn norms(&self) -> Vec<(usize, f64)> {
        let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let strength = f64::from(self.strength).abs();
        self.directions.iter().map(|(b, v)| (*b, strength * norm(v))).collect()
    }
}

fn is_zero(vector: &[f32]) -> bool {
    vector.iter().all(|x| *x == 0.0)
}

/// The directions of the blocks asked for, all of which the file must have.
fn picked(file: &VectorFile, all: &BTreeMap<usize, Arc<[f32]>>, place: Place) -> Result<Vec<(usize, Arc<[f32]>)>> {
    let (first, last) = match place {
        Place::At(b) => (b, b),
        Place::Each(first, last) => (first, last),
    };
    let missing: Vec<usize> = (first..=last).filter(|b| !all.contains_key(b)).collect();
    if missing.is_empty() {
        return Ok(all.range(first..=last).map(|(b, v)| (*b, v.clone())).collect());
    }
    let there: Vec<usize> = all.keys().copied().collect();
    Err(file.problem(format!(
        "it has no direction for residual {}, only for {} (llama.cpp's direction.N acts on residual N + 1)",
        runs(&missing),
        runs(&there)
    )))
}
