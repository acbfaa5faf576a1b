//! The prompts that the lens looks at: questions as lettered multiple choice, tasks behind demonstrations.

use steercheck_model::Tokenizer;

use crate::error::EvalError;
use crate::prompt::{Candidates, Pair, Template};
use crate::sample;
use crate::scoring::Question;

/// Answers that have a letter.
const LETTERS: usize = 26;

/// A prompt, and the tokens that the answers to it begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Token ids, as far as they survive in front of the answers.
    pub prompt: Vec<u32>,
    /// The right answer's first token, then those of the wrong ones, none twice.
    pub answers: Vec<u32>,
    /// The right answer's text, as it follows the prompt.
    pub answer: String,
    /// A token of one of the answers spans the boundary, so that the prompt is shorter than it would be alone.
    pub boundary_merged: bool,
}

/// A question as `Question: …`, one line of ` A: …` per answer, and `Answer:`. Its answers are the best one and the false ones, in an order
/// drawn by the seed, each once; those beyond the alphabet are left out. The right answer is its letter.
pub fn lettered(tokenizer: &Tokenizer, question: &Question, seed: u64, index: usize) -> Result<Look, EvalError> {
    let mut answers: Vec<&str> = Vec::new();
    for answer in question.answers.iter().take(1).chain(question.answers.iter().filter(|a| !a.is_true)) {
        let text = answer.text.trim();
        if !answers.contains(&text) && answers.len() < LETTERS {
            answers.push(text);
        }
    }
    let order = sample::permutation(answers.len(), &mut sample::stream(seed, "letters", index));
    let letter = |place: usize| format!(" {}", char::from(b'A' + place as u8));
    let mut prompt = format!("Question: {}\n", question.title);
    for (place, answer) in order.iter().enumerate() {
        prompt.extend([&letter(place), ": ", answers[*answer], "\n"]);
    }
    prompt += "Answer:";
    // The right one first: where each answer stands.
    let places = (0..answers.len()).filter_map(|answer| order.iter().position(|o| *o == answer));
    look(tokenizer, &prompt, &places.map(letter).collect::<Vec<_>>())
}

/// A query behind demonstrations, in the form of [`Template::QuestionAnswer`]; `choices` are the wrong answers, where the task has some.
pub fn with_demonstrations(
    tokenizer: &Tokenizer,
    template: Template,
    demonstrations: &[Pair],
    query: &Pair,
    choices: &[String],
) -> Result<Look, EvalError> {
    let answers: Vec<String> = std::iter::once(&query.answer).chain(choices).cloned().collect();
    look(tokenizer, &template.prompt(demonstrations, &query.input), &answers)
}

fn look(tokenizer: &Tokenizer, prompt: &str, answers: &[String]) -> Result<Look, EvalError> {
    let texts: Vec<&str> = answers.iter().map(String::as_str).collect();
    let candidates = Candidates::new(tokenizer, prompt, &texts)?;
    let mut first: Vec<u32> = Vec::new();
    for ids in &candidates.answers {
        if !first.contains(&ids[0]) {
            first.push(ids[0]);
        }
    }
    let Candidates { prompt, boundary_merged, .. } = candidates;
    Ok(Look { prompt, answers: first, answer: answers[0].clone(), boundary_merged })
}
