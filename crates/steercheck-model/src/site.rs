//! Where a model can be read and edited, and what an edit leaves behind.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{ModelError, Result};
use crate::spec::DecoderSpec;

/// A block's number, 1 to L.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Block(pub usize);

/// A query head's number within its block, 0 to H-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Head(pub usize);

/// A place whose value can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// The residual stream after block b, 0 being the embedding output; width D.
    Residual(usize),
    /// The slice of the attention output projection's input that belongs to one query head; width `head_dim`.
    HeadOutput(Block, Head),
    /// What attention adds to the residual stream: the projection's output with its bias, after any norm on it, before
    /// the residual multiplier; width D.
    AttentionOutput(Block),
    /// What the MLP adds to the residual stream, after any norm on it, before the residual multiplier; width D.
    MlpOutput(Block),
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Residual(b) => write!(f, "residual {b}"),
            Self::HeadOutput(b, h) => write!(f, "block {} head {}", b.0, h.0),
            Self::AttentionOutput(b) => write!(f, "block {} attention output", b.0),
            Self::MlpOutput(b) => write!(f, "block {} MLP output", b.0),
        }
    }
}

impl Site {
    /// The highest residual that this site cannot change: a run that starts there sees the edit.
    pub fn entry(self) -> usize {
        match self {
            Self::Residual(b) => b,
            Self::HeadOutput(b, _) | Self::AttentionOutput(b) | Self::MlpOutput(b) => b.0 - 1,
        }
    }

    /// Width of the value at this site.
    pub fn width(self, spec: &DecoderSpec) -> usize {
        match self {
            Self::HeadOutput(..) => spec.head_dim,
            _ => spec.hidden_size,
        }
    }

    pub(crate) fn check(self, spec: &DecoderSpec) -> Result<()> {
        let depth = spec.depth();
        let in_range = match self {
            Self::Residual(b) => b <= depth,
            Self::HeadOutput(b, h) => (1..=depth).contains(&b.0) && h.0 < spec.heads,
            Self::AttentionOutput(b) | Self::MlpOutput(b) => (1..=depth).contains(&b.0),
        };
        if in_range {
            return Ok(());
        }
        Err(ModelError::Plan(format!(
            "{self} does not exist: the model has residuals 0 to {depth}, blocks 1 to {depth} and heads 0 to {}",
            spec.heads - 1
        )))
    }
}

/// Which positions of a prompt an edit acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Positions {
    /// The last token.
    Last,
    /// These 0-based positions, without repetition.
    At(Vec<usize>),
    /// This 0-based position and every one after it.
    From(usize),
    /// Every position.
    All,
}

impl Positions {
    /// The positions in a prompt of `length` tokens, ascending.
    pub fn resolve(&self, length: usize) -> Result<Vec<usize>> {
        if length == 0 {
            return Err(ModelError::Plan("an empty prompt has no positions".into()));
        }
        match self {
            Self::Last => Ok(vec![length - 1]),
            Self::All => Ok((0..length).collect()),
            Self::From(first) if *first < length => Ok((*first..length).collect()),
            Self::From(first) => Err(ModelError::Plan(format!(
                "position {first} does not exist in a prompt of {length} tokens (positions count from 0)"
            ))),
            Self::At(list) => {
                let mut out = list.clone();
                out.sort_unstable();
                out.dedup();
                if out.len() != list.len() || out.is_empty() {
                    return Err(ModelError::Plan("an edit's positions are empty or repeat".into()));
                }
                match out.last() {
                    Some(last) if *last >= length => Err(ModelError::Plan(format!(
                        "position {last} does not exist in a prompt of {length} tokens (positions count from 0)"
                    ))),
                    _ => Ok(out),
                }
            }
        }
    }
}

/// What an edit does to the value x at its site.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// x becomes v.
    Replace(Arc<[f32]>),
    /// x becomes x + strength · v.
    Add {
        /// v, as wide as the site.
        vector: Arc<[f32]>,
        /// Multiplies v; 0 leaves x as it is, bit for bit.
        strength: f32,
    },
    /// x becomes factor · x.
    Scale(f32),
}

/// One change: site, positions, operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Where.
    pub site: Site,
    /// At which positions of the prompt.
    pub positions: Positions,
    /// What happens there.
    pub operation: Operation,
}

impl Edit {
    /// An edit at the last token.
    pub fn last(site: Site, operation: Operation) -> Self {
        Self { site, positions: Positions::Last, operation }
    }

    /// The same change at a share of its strength, from 0, nothing, to 1: x + share · (edited x − x).
    #[must_use]
    pub fn partial(&self, share: f32) -> Vec<Self> {
        let with = |operation| Self { operation, ..self.clone() };
        match &self.operation {
            Operation::Replace(v) => {
                let add = Operation::Add { vector: Arc::clone(v), strength: share };
                vec![with(Operation::Scale(1.0 - share)), with(add)]
            }
            Operation::Add { vector, strength } => {
                vec![with(Operation::Add { vector: Arc::clone(vector), strength: share * strength })]
            }
            Operation::Scale(factor) => vec![with(Operation::Scale(1.0 + share * (factor - 1.0)))],
        }
    }

    /// Refuses an edit that this model or this prompt has no place for.
    pub fn check(&self, spec: &DecoderSpec, length: usize) -> Result<()> {
        self.site.check(spec)?;
        self.positions.resolve(length)?;
        let width = self.site.width(spec);
        let (vector, factor) = match &self.operation {
            Operation::Replace(v) => (Some(v), 1.0),
            Operation::Add { vector, strength } => (Some(vector), *strength),
            Operation::Scale(f) => (None, *f),
        };
        if !factor.is_finite() {
            return Err(ModelError::Plan(format!("the edit at {} has a strength of {factor}", self.site)));
        }
        if let Some(v) = vector {
            if v.len() != width {
                return Err(ModelError::Plan(format!(
                    "the vector for {} has {} numbers; the site is {width} wide",
                    self.site,
                    v.len()
                )));
            }
            if v.iter().any(|x| !x.is_finite()) {
                return Err(ModelError::NotFinite { at: format!("the vector for {}", self.site) });
            }
        }
        Ok(())
    }
}

/// Proof that an edit acted: how often, where, and by how much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Where.
    pub site: Site,
    /// How many positions it was planned for.
    pub planned: usize,
    /// How many positions it changed or, at strength 0, visited.
    pub fired: usize,
    /// Euclidean norm of the change, the mean over the positions.
    pub change: f64,
    /// Euclidean norm of the value before, the mean over the positions.
    pub before: f64,
}

impl Receipt {
    /// Takes in what the same edit did at further positions.
    pub(crate) fn extend(&mut self, more: &Self) {
        let (old, new) = (self.fired as f64, more.fired as f64);
        let mean = |a: f64, b: f64| (a * old + b * new) / (old + new).max(1.0);
        self.change = mean(self.change, more.change);
        self.before = mean(self.before, more.before);
        self.planned += more.planned;
        self.fired += more.fired;
    }
}
