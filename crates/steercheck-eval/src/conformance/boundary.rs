//! The boundary between prompt and answer (methods.md §0), on the prompts of the study's methods.

use steercheck_model::{Model, Tokenizer};

use super::{Check, Grade};
use crate::cell::{Subject, usable_items};
use crate::error::EvalError;
use crate::prompt::{Pair, Question, function_vector_prompt, task_vector_prompt};
use crate::protocol::Protocol;
use crate::task;

pub(super) const NAME: &str = "answer boundary";

/// Demonstrations and query to a prompt.
type Template = fn(&[Pair], &str) -> String;

/// The same pairs, answers behind a space.
fn spaced(pairs: &[Pair]) -> Vec<Pair> {
    let one = |p: &Pair| Pair { input: p.input.clone(), answer: format!(" {}", p.answer.trim_start()) };
    pairs.iter().map(one).collect()
}

/// For every item of every built-in task that either protocol keeps, in the prompts of task and function vectors, without and
/// with demonstrations: the answer's ids are those of prompt and answer together, without the beginning that they share with the
/// prompt's, and spell the answer. Where a token spans the boundary, the answer is scored from before it, and that is noted.
pub fn answer_boundary(model: &Model, tokenizer: &Tokenizer) -> Result<Check, EvalError> {
    let (mut asked, mut merged, mut example) = (0, 0, None);
    for name in task::builtin_names() {
        let task = task::builtin(name)?;
        for protocol in [Protocol::RIGOROUS, Protocol::STUDY] {
            let pairs =
                usable_items(&Subject { model, tokenizer, neutral: None, kept: None }, &task, protocol.single_token)?;
            let behind_space = spaced(&pairs);
            let templates: [(Template, &[Pair]); 2] =
                [(task_vector_prompt, &pairs), (function_vector_prompt, &behind_space)];
            for (template, pair, shown) in templates.iter().flat_map(|(template, pairs)| {
                let (shown, rest) = pairs.split_at(pairs.len().min(2));
                rest.iter().map(move |pair| (template, pair, shown))
            }) {
                // Every other prompt has demonstrations.
                let demonstrations = if asked % 2 == 0 { shown } else { &[] };
                let prompt = template(demonstrations, &pair.input);
                let question = match Question::new(tokenizer, &prompt, &pair.answer) {
                    Ok(question) => question,
                    Err(e) => return Ok(Check::said(NAME, Grade::Failed, format!("{name}: {e}"))),
                };
                if let Some(problem) = problem(tokenizer, &prompt, &pair.answer, &question)? {
                    return Ok(Check::said(NAME, Grade::Failed, format!("{name}: {problem}")));
                }
                asked += 1;
                if question.boundary_merged {
                    merged += 1;
                    example.get_or_insert_with(|| format!("{:?} of {name}", pair.answer));
                }
            }
        }
    }
    let tasks = task::builtin_names().len();
    Ok(match example {
        _ if asked == 0 => Check::said(NAME, Grade::NotApplicable, "no built-in task has an item for this tokenizer"),
        None => {
            Check::said(NAME, Grade::Passed, format!("{asked} prompts of {tasks} tasks, no token spans the boundary"))
        }
        Some(example) => {
            let detail = format!(
                "in {merged} of {asked} prompts a token spans the boundary, first {example}; records say where"
            );
            Check::said(NAME, Grade::Noted, detail)
        }
    })
}

/// What is wrong with a question, if anything is: told by ids and by texts, not by how it was made.
fn problem(tokenizer: &Tokenizer, prompt: &str, answer: &str, q: &Question) -> Result<Option<String>, EvalError> {
    let (alone, whole) = (tokenizer.encode(prompt)?, tokenizer.encode(&format!("{prompt}{answer}"))?);
    if [&q.prompt[..], &q.answer[..]].concat() != whole {
        return Ok(Some(format!("prompt and answer of {answer:?} are not the ids of both together")));
    }
    if !alone.starts_with(&q.prompt) || q.boundary_merged != (q.prompt.len() < alone.len()) {
        return Ok(Some(format!(
            "the prompt's ids are not a beginning of those with {answer:?}, and this is not said"
        )));
    }
    let text = tokenizer.decode(&q.answer)?;
    // A tokenizer that changes the answer by itself cannot be held to it here; the round trip says so.
    let kept = tokenizer.decode(&tokenizer.encode_plain(answer)?)?.trim() == answer.trim();
    if kept && !q.boundary_merged && text.trim() != answer.trim() {
        return Ok(Some(format!("the ids of {answer:?} spell {text:?}")));
    }
    Ok(None)
}
