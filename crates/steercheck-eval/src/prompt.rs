//! Prompts and the answers behind them, as texts and as token ids.

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

/// How demonstrations and a query become a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// `example:{x}->{y}`, one a line, and `example:{x}->` (Hendel et al. 2023).
    Arrow,
    /// `Q: {x}` and below it `A:{y}`, an empty line between two, and `A:` without an answer (Todd et al. 2023). Answers begin
    /// with a space.
    QuestionAnswer,
    /// `{x}{y}`, an empty line between two, and `{x}`: whole prompts, see [`continuation`].
    Verbatim,
}

impl Template {
    /// What stands before an input, between it and its answer, and between two demonstrations.
    fn parts(self) -> [&'static str; 3] {
        match self {
            Self::Arrow => ["example:", "->", "\n"],
            Self::QuestionAnswer => ["Q: ", "\nA:", "\n\n"],
            Self::Verbatim => ["", "", "\n\n"],
        }
    }

    /// A demonstration with x and y in the places of input and answer, for records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Arrow => "example:{x}->{y}",
            Self::QuestionAnswer => "Q: {x}\nA:{y}",
            Self::Verbatim => "{x}{y}",
        }
    }

    /// The demonstrations, then the query without its answer.
    pub fn prompt(self, demonstrations: &[Pair], query: &str) -> String {
        let [before, between, separator] = self.parts();
        let mut out = String::new();
        for Pair { input, answer } in demonstrations {
            out.extend([before, input, between, answer, separator]);
        }
        out.extend([before, query, between]);
        out
    }
}

/// The answer as it follows a whole prompt: behind a space, unless there is whitespace already, the prompt ends in an opening
/// bracket or quotation mark, or one of the two is written without spaces between words.
pub fn continuation(prompt: &str, answer: &str) -> String {
    let (mut before, after) = (prompt.chars().rev(), answer.chars().next());
    let (last, last_but_one) = (before.next(), before.next());
    let opening = match last {
        Some('(' | '[' | '{' | '“' | '„' | '‘' | '«' | '¿' | '¡') => true,
        Some('"' | '\'') => last_but_one.is_none_or(char::is_whitespace),
        _ => false,
    };
    // Thai, Lao and Khmer; East Asian punctuation, kana, ideographs and full-width forms.
    let unspaced = |c: char| matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}');
    let joined = [last, after].into_iter().flatten().any(|c| c.is_whitespace() || unspaced(c));
    if opening || joined || last.is_none() { answer.to_owned() } else { format!(" {answer}") }
}

/// `example:{x}->{y}` lines and the query `example:{x}->`: [`Template::Arrow`].
pub fn task_vector_prompt(demonstrations: &[Pair], query: &str) -> String {
    Template::Arrow.prompt(demonstrations, query)
}

/// `Q: {x}\nA:{y}` and an empty line per demonstration, then the query `Q: {x}\nA:`: [`Template::QuestionAnswer`].
pub fn function_vector_prompt(demonstrations: &[Pair], query: &str) -> String {
    Template::QuestionAnswer.prompt(demonstrations, query)
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
        let Candidates { prompt, mut answers, boundary_merged } = Candidates::new(tokenizer, prompt, &[answer])?;
        Ok(Self { prompt, answer: answers.swap_remove(0), boundary_merged })
    }

    /// The prompt followed by the first `n` tokens of the answer.
    pub fn with_answer(&self, n: usize) -> Vec<u32> {
        [&self.prompt[..], &self.answer[..n]].concat()
    }
}

/// A prompt and the answers to choose from, cut apart by token ids at one place for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// The prompt, as far as its ids survive in front of every answer.
    pub prompt: Vec<u32>,
    /// What ids(prompt + answer) has after that, the right answer first: none is empty, no two are equal.
    pub answers: Vec<Vec<u32>>,
    /// A token of one of the answers spans the boundary, so that the prompt is shorter than it would be alone.
    pub boundary_merged: bool,
}

impl Candidates {
    /// Tokenises every answer in its context, the right one first. An answer without tokens of its own is an error, and so are
    /// two with the same tokens.
    pub fn new(tokenizer: &Tokenizer, prompt: &str, answers: &[&str]) -> Result<Self, ModelError> {
        let alone = tokenizer.encode(prompt)?;
        let mut wholes = Vec::with_capacity(answers.len());
        let mut common = alone.len();
        for answer in answers {
            let whole = tokenizer.encode(&format!("{prompt}{answer}"))?;
            let shared = alone.iter().zip(&whole).take_while(|(a, b)| a == b).count();
            if shared == 0 || shared == whole.len() {
                let text = format!("the answer '{answer}' has no tokens of its own after '{prompt}'");
                return Err(ModelError::Tokenizer(text));
            }
            if let Some(twin) = wholes.iter().position(|other| *other == whole) {
                let text = format!(
                    "the answers '{}' and '{}' have the same tokens after '{prompt}'; give answers that differ",
                    answers[twin], answer
                );
                return Err(ModelError::Tokenizer(text));
            }
            common = common.min(shared);
            wholes.push(whole);
        }
        if wholes.is_empty() {
            return Err(ModelError::Tokenizer(format!("there are no answers after '{prompt}'; give one at least")));
        }
        let answers = wholes.iter_mut().map(|whole| whole.split_off(common)).collect();
        let prompt = wholes.swap_remove(0);
        Ok(Self { boundary_merged: common < alone.len(), prompt, answers })
    }
}
