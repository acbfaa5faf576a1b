//! The prompts that models are checked on: those of built-in tasks, or made-up ids where there is no tokenizer.

use rand::Rng;
use steercheck_model::{Model, Tokenizer};

use super::Extent;
use crate::error::EvalError;
use crate::prompt::{Pair, task_vector_prompt};
use crate::sample;
use crate::task::{self, Task};

/// Two prompts of one beginning; in the full form a third of that kind and its beginning alone, one of another task, and one of
/// a single token.
pub fn prompts(model: &Model, tokenizer: Option<&Tokenizer>, extent: Extent) -> Result<Vec<Vec<u32>>, EvalError> {
    let mut all = match tokenizer {
        Some(tokenizer) => of_tasks(tokenizer, extent)?,
        None => of_numbers(model.spec.vocab_size, extent),
    };
    if extent == Extent::Full {
        let shared = all[0].iter().zip(&all[1]).take_while(|(a, b)| a == b).count();
        all.push(all[0].iter().take(shared.max(1)).copied().collect());
        all.push(all[1].iter().take(1).copied().collect());
    }
    for prompt in &mut all {
        prompt.truncate(model.spec.max_positions);
    }
    Ok(all)
}

fn of_tasks(tokenizer: &Tokenizer, extent: Extent) -> Result<Vec<Vec<u32>>, EvalError> {
    let past = task::builtin("present-past")?;
    let shown = |task: &Task, n: usize| -> Vec<Pair> {
        let pair = |i: &task::Item| Pair { input: i.input.clone(), answer: format!(" {}", i.answer) };
        task.items.iter().take(n).map(pair).collect()
    };
    let two = shown(&past, 2);
    let mut texts: Vec<String> = past.items[2..4].iter().map(|i| task_vector_prompt(&two, &i.input)).collect();
    if extent == Extent::Full {
        texts.push(task_vector_prompt(&two, &past.items[4].input));
        let capitals = task::builtin("country-capital")?;
        texts.push(task_vector_prompt(&shown(&capitals, 5), &capitals.items[5].input));
        texts.push(task_vector_prompt(&[], &capitals.items[6].input));
    }
    Ok(texts.iter().map(|t| tokenizer.encode(t)).collect::<Result<_, _>>()?)
}

/// The same ids for the same vocabulary.
fn of_numbers(vocab: usize, extent: Extent) -> Vec<Vec<u32>> {
    let ids = |n: usize, index: usize| -> Vec<u32> {
        let mut rng = sample::stream(0, "conformance", index);
        (0..n).map(|_| (rng.next_u64() % vocab as u64) as u32).collect()
    };
    let beginning = ids(14, 0);
    let mut all: Vec<Vec<u32>> = (1..3).map(|i| [beginning.clone(), ids(2 + i, i)].concat()).collect();
    if extent == Extent::Full {
        all.push([beginning, ids(9, 3)].concat());
        all.extend([ids(30, 4), ids(7, 5)]);
    }
    all
}
