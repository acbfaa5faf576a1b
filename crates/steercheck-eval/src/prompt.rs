//! The prompts of the in-context methods, as texts and as token ids.

use serde::Serialize;
use steercheck_model::{ModelError, Tokenizer};

/// A pair as it stands in a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// What is asked.
    pub input: String,
    /// What should follow, with the leading space where the variant has one.
    pub answer: String,
}

/// `example:{x}->{y}` lines and the query `example:{x}->` (Hendel et al. 2023).
pub fn task_vector_prompt(demonstrations: &[Pair], query: &str) -> String {
    let mut lines: Vec<String> = demonstrations.iter().map(|p| format!("example:{}->{}", p.input, p.answer)).collect();
    lines.push(format!("example:{query}->"));
    lines.join("\n")
}

/// The ids that an answer has after a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerIds {
    /// ids(prompt + answer) without the longest beginning it shares with ids(prompt).
    pub ids: Vec<u32>,
    /// The prompt's own ids do not all survive in front of the answer: a token spans the boundary.
    pub boundary_merged: bool,
}

/// Tokenises an answer in its context: never by words, always by ids.
pub fn answer_ids(tokenizer: &Tokenizer, prompt: &str, answer: &str) -> Result<AnswerIds, ModelError> {
    let alone = tokenizer.encode(prompt)?;
    let whole = tokenizer.encode(&format!("{prompt}{answer}"))?;
    let common = alone.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    Ok(AnswerIds { ids: whole[common..].to_vec(), boundary_merged: common < alone.len() })
}
