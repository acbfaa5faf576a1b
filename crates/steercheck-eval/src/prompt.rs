//! The prompts of the in-context methods, as texts and as token ids.

use serde::{Deserialize, Serialize};
use steercheck_model::{ModelError, Tokenizer};

/// A pair as it stands in a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// `Q: {x}\nA:{y}` and an empty line per demonstration, then the query `Q: {x}\nA:` (Todd et al. 2023); answers begin with a
/// space.
pub fn function_vector_prompt(demonstrations: &[Pair], query: &str) -> String {
    let mut parts: Vec<String> = demonstrations.iter().map(|p| format!("Q: {}\nA:{}", p.input, p.answer)).collect();
    parts.push(format!("Q: {query}\nA:"));
    parts.join("\n\n")
}

/// A prompt and its answer, cut apart by token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The prompt, as far as its ids survive in front of the answer.
    pub prompt: Vec<u32>,
    /// The answer: ids(prompt + answer) without the beginning it shares with ids(prompt).
    pub answer: Vec<u32>,
    /// A token spans the boundary, so that the prompt is shorter than it would be alone.
    pub boundary_merged: bool,
}

impl Question {
    /// Tokenises an answer in its context: never by words, always by ids. An answer without tokens is an error.
    pub fn new(tokenizer: &Tokenizer, prompt: &str, answer: &str) -> Result<Self, ModelError> {
        let alone = tokenizer.encode(prompt)?;
        let mut whole = tokenizer.encode(&format!("{prompt}{answer}"))?;
        let common = alone.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        let ids = whole.split_off(common);
        if ids.is_empty() || whole.is_empty() {
            return Err(ModelError::Tokenizer(format!(
                "the answer '{answer}' has no tokens of its own after '{prompt}'"
            )));
        }
        Ok(Self { prompt: whole, answer: ids, boundary_merged: common < alone.len() })
    }

    /// The prompt followed by the first `n` tokens of the answer.
    pub fn with_answer(&self, n: usize) -> Vec<u32> {
        [&self.prompt[..], &self.answer[..n]].concat()
    }
}
