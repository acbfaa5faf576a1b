//! The figures of "Steering off Course" (Da Silva et al., ACL 2025, arXiv 2504.04635), recomputed from what its authors released
//! (`scripts/published.py`). Layers are residuals, counted as everywhere here.

mod summary;

pub use summary::{RECOVERIES, Recovered, by_bos, function_vector_recovery, task_vector_recovery};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Where the figures are from.
pub const CITATION: &str = "Patrick Da Silva, Hari Sethuraman, Dheeraj Rajagopal, Hannaneh Hajishirzi, Sachin Kumar: Steering off Course: Reliability \
                            Challenges in Steering Language Models, ACL 2025, arXiv 2504.04635";

/// Function vectors of one model on one task: hits of `n` items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionVectors {
    /// The model, as the study names it.
    pub model: String,
    /// Whether its tokenizer puts a BOS token before a text: `yes`, `no`.
    pub adds_bos: String,
    /// The task.
    pub task: String,
    /// Items.
    pub n: usize,
    /// Unsteered.
    pub zero_shot: usize,
    /// Five demonstrations.
    pub five_shot: usize,
    /// The default settings' best residual.
    pub default: usize,
    /// Its heads.
    pub default_heads: usize,
    /// The residual.
    pub default_residual: usize,
    /// The best of the whole grid.
    pub search: usize,
    /// Its heads.
    pub search_heads: usize,
    /// Its strength.
    pub search_strength: f64,
    /// Its residual.
    pub search_residual: usize,
}

/// Task vectors of one model on one task: shares of the items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskVectors {
    /// The model.
    pub model: String,
    /// The task.
    pub task: String,
    /// Unsteered, of 100 items.
    pub zero_shot: Option<f64>,
    /// Five demonstrations, of 50.
    pub five_shot: Option<f64>,
    /// Steered at the residual that dev chose, of 50.
    pub test: Option<f64>,
    /// That residual.
    pub dev_residual: Option<usize>,
    /// The dev items, residual by residual from 1, with spaces between.
    pub dev_by_residual: String,
}

impl TaskVectors {
    /// The dev curve, residual 1 first.
    pub fn curve(&self) -> Vec<f64> {
        self.dev_by_residual.split(' ').filter_map(|x| x.parse().ok()).collect()
    }
}

/// `DoLa` on the 817 questions of `TruthfulQA`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthfulQa {
    /// The model.
    pub model: String,
    /// `softmax`, `no_softmax` (of the contrast), `len_bias` (a constant per token).
    pub variant: String,
    /// `dola` or `baseline`.
    pub method: String,
    /// α.
    pub alpha: Option<f64>,
    /// `0-0.5`.
    pub bucket: String,
    /// Questions.
    pub n: usize,
    /// Share of questions whose best answer scores above every false one.
    pub mc1: f64,
    /// Mean share of the true answers' probability, as published.
    pub mc2: f64,
    /// Mean share of true answers above all false ones.
    pub mc3: f64,
    /// The second by log-sum-exp, without halving.
    pub mc2_log: f64,
    /// Which search it is from.
    pub search: String,
}

/// `DoLa` on FACTOR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// The model.
    pub model: String,
    /// `dola` or `baseline`.
    pub method: String,
    /// α.
    pub alpha: Option<f64>,
    /// `0-0.5`.
    pub bucket: String,
    /// `no` marks runs whose mature layer was mis-specified.
    pub mature_layer_ok: String,
    /// Items.
    pub n: usize,
    /// Accuracy where ties are right.
    pub with_ties: f64,
    /// Accuracy of strict wins.
    pub strict: f64,
    /// Which search it is from.
    pub search: String,
}

/// The logit lens on `TruthfulQA`: means over the questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lens {
    /// The model.
    pub model: String,
    /// The residual, 0 the embeddings.
    pub residual: usize,
    /// Probability of the most probable token.
    pub top: f64,
    /// Of the right answer's letter.
    pub right: f64,
    /// The largest of a wrong answer's letter.
    pub wrong: f64,
}

/// All of function vectors.
pub fn function_vectors() -> Vec<FunctionVectors> {
    read(include_str!("data/function_vectors.csv"))
}

/// All of task vectors.
pub fn task_vectors() -> Vec<TaskVectors> {
    read(include_str!("data/task_vectors.csv"))
}

/// All of `DoLa` on `TruthfulQA`.
pub fn truthful_qa() -> Vec<TruthfulQa> {
    read(include_str!("data/truthfulqa.csv"))
}

/// All of `DoLa` on FACTOR.
pub fn factor() -> Vec<Factor> {
    read(include_str!("data/factor.csv"))
}

/// All of the logit lens.
pub fn lens() -> Vec<Lens> {
    read(include_str!("data/logit_lens.csv"))
}

/// The rows of a file that is part of the program.
fn read<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize().collect::<Result<Vec<T>, _>>();
    rows.expect("the built-in figures are read by a test")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_is_read() {
        assert_eq!(super::function_vectors().len(), 331);
        assert_eq!(super::truthful_qa().len(), 126);
        assert_eq!(super::factor().len(), 117);
        let lens = super::lens();
        assert_eq!(lens.len(), 597);
        assert!(
            lens.iter().all(|point| point.top >= point.right && point.top >= point.wrong),
            "a top probability is the largest"
        );
        let task_vectors = super::task_vectors();
        assert!(task_vectors.iter().all(|row| row.curve().len() >= 26), "a curve has a point per block");
        assert!((task_vectors[0].curve()[10] - 0.7).abs() < 1e-12);
    }
}
