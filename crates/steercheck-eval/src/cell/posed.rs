//! Items as they are put to a model: which of a task's are usable with a tokenizer, and how their texts stand in prompts.

use super::Subject;
use crate::error::EvalError;
use crate::prompt::{Candidates, Pair, Question, Template, continuation, task_vector_prompt};
use crate::protocol::SingleToken;
use crate::task::{Item, Style, Task};

/// The variant with a leading space is taken if it keeps at least this share of what the other keeps.
const SPACE_SHARE: f64 = 0.7;

/// An item as it stands in prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posed {
    /// What is asked, and the right answer with what stands before it.
    pub(super) pair: Pair,
    /// What else there is to choose from, likewise.
    pub(super) choices: Vec<String>,
}

impl Posed {
    /// The item behind demonstrations, cut apart from its answers.
    pub(super) fn candidates(
        &self,
        subject: &Subject<'_>,
        template: Template,
        demonstrations: &[Pair],
    ) -> Result<Candidates, EvalError> {
        let prompt = template.prompt(demonstrations, &self.pair.input);
        let answers: Vec<&str> = std::iter::once(&self.pair.answer).chain(&self.choices).map(String::as_str).collect();
        Ok(Candidates::new(subject.tokenizer, &prompt, &answers)?)
    }
}

/// Items of a task that can be asked.
pub(super) struct Usable {
    pub(super) items: Vec<Posed>,
    /// Whether answers stand behind a space.
    pub(super) leading_space: bool,
}

/// The items that stay after a protocol's rule for answers of one token, in the variant (with a space before the answer or without)
/// that keeps enough of them. Whole prompts all stay, each with the space that it needs.
pub(super) fn usable(subject: &Subject<'_>, task: &Task, rule: SingleToken) -> Result<Usable, EvalError> {
    if task.style == Style::Prompts {
        let items: Vec<Posed> = task.items.iter().map(verbatim).collect();
        let leading_space = items.iter().all(|i| i.pair.answer.starts_with(' '));
        return Ok(Usable { items, leading_space });
    }
    let (with, without) = (variant(subject, task, rule, " ")?, variant(subject, task, rule, "")?);
    let leading_space = with.len() as f64 >= SPACE_SHARE * without.len() as f64;
    Ok(Usable { items: if leading_space { with } else { without }, leading_space })
}

fn verbatim(item: &Item) -> Posed {
    let answer = |text: &String| continuation(&item.input, text);
    Posed {
        pair: Pair { input: item.input.clone(), answer: answer(&item.answer) },
        choices: item.choices.iter().map(answer).collect(),
    }
}

fn variant(subject: &Subject<'_>, task: &Task, rule: SingleToken, space: &str) -> Result<Vec<Posed>, EvalError> {
    let mut out = Vec::new();
    for item in &task.items {
        let answer = format!("{space}{}", item.answer);
        let keep = match rule {
            _ if !task.single_token => true,
            SingleToken::AfterExclamationMark => subject.tokenizer.encode_plain(&format!("!{answer}"))?.len() == 2,
            SingleToken::InContext => {
                let query = task_vector_prompt(&[], &item.input);
                let question = Question::new(subject.tokenizer, &query, &answer)?;
                question.answer.len() == 1 && !question.boundary_merged
            }
        };
        if keep {
            let choices = item.choices.iter().map(|c| format!("{space}{c}")).collect();
            out.push(Posed { pair: Pair { input: item.input.clone(), answer }, choices });
        }
    }
    Ok(out)
}

/// The pairs of a task that a protocol's rule for answers of one token keeps, as they stand in prompts.
pub(crate) fn usable_items(subject: &Subject<'_>, task: &Task, rule: SingleToken) -> Result<Vec<Pair>, EvalError> {
    Ok(usable(subject, task, rule)?.items.into_iter().map(|posed| posed.pair).collect())
}
