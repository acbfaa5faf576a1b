//! Effects of all heads: the fast path beside the naive one.

use std::time::Instant;

use serde::Serialize;
use steercheck_model::{
    Edit, EditedPrompt, FinalNorm, HeadKind, Model, ModelError, Operation, ReadAt, Reads, Site, Tokenizer,
};
use steercheck_steer::function_vector::{HeadMeans, ProjectionBias, ReadPosition, effects};

use crate::error::EvalError;
use crate::prompt::{Pair, Question, Template};
use crate::sample;
use crate::task;

/// Demonstrations of the prompt, as function vectors have them.
const DEMONSTRATIONS: usize = 10;
/// Prompts that the means are taken from.
const PROMPTS: usize = 4;
/// Runs of the fast path, whose median is told.
const REPEATS: usize = 5;

/// Effects of all heads on one prompt, both ways.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionVectorBench {
    /// The model.
    pub model: String,
    /// Threads that both ways had.
    pub threads: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Heads that were patched.
    pub heads: usize,
    /// One full forward pass for each head, batch 1, on this engine.
    pub naive_seconds: f64,
    /// All heads as rows over the prompt's prefix, its prefill included: the median of five runs.
    pub replay_seconds: f64,
    /// The former by the latter.
    pub ratio: f64,
    /// Of the answer's probability, over all heads.
    pub largest_difference: f64,
}

/// Measures the causal indirect effect of every head on a prompt of ten demonstrations. `done` is told how many naive passes there
/// have been, of how many.
pub fn function_vector(
    model: &Model,
    tokenizer: &Tokenizer,
    mut done: impl FnMut(usize, usize),
) -> Result<FunctionVectorBench, EvalError> {
    let questions = (0..=PROMPTS).map(|i| question(tokenizer, i)).collect::<Result<Vec<_>, _>>()?;
    let (asked, shown) = questions.split_first().ok_or_else(|| ModelError::Plan("there are no prompts".into()))?;
    let shown: Vec<Vec<u32>> = shown.iter().map(|q| q.prompt.clone()).collect();
    let means = HeadMeans::read(model, &shown, ReadPosition::Last)?;
    let (prompts, answers) = ([asked.prompt.clone()], [asked.answer[0]]);

    let mut seconds = Vec::with_capacity(REPEATS);
    let mut fast = Vec::new();
    for _ in 0..REPEATS {
        let started = Instant::now();
        fast = effects(model, &means, &prompts, &answers, ProjectionBias::Kept)?.patched().to_vec();
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let replay_seconds = seconds[REPEATS / 2];

    let (mut naive_seconds, mut largest) = (0.0, 0f64);
    let heads = fast.len();
    let reads = Reads { top: ReadAt::Last, ..Reads::default() };
    for (i, (site, fast)) in means.sites().zip(&fast).enumerate() {
        done(i, heads);
        let edit = Edit::last(Site::HeadOutput(site.0, site.1), Operation::Replace(means.at(site)?));
        let prompt = EditedPrompt { tokens: asked.prompt.clone(), edits: vec![edit] };
        let started = Instant::now();
        let trace = model.trace_edited(&[prompt], &reads)?.remove(0);
        let top = trace.top.ok_or_else(|| ModelError::Plan("nothing was read".into()))?;
        let reading = model.read(&top, FinalNorm::Apply, HeadKind::Full, &[answers.to_vec()])?;
        naive_seconds += started.elapsed().as_secs_f64();
        largest = largest.max((reading[0].tokens[0].log_prob.exp() - fast.exp()).abs());
    }
    Ok(FunctionVectorBench {
        model: model.info.name.clone(),
        threads: rayon::current_num_threads(),
        prompt_tokens: asked.prompt.len(),
        heads,
        naive_seconds,
        replay_seconds,
        ratio: naive_seconds / replay_seconds,
        largest_difference: largest,
    })
}

/// A question behind ten demonstrations of a built-in task.
fn question(tokenizer: &Tokenizer, index: usize) -> Result<Question, EvalError> {
    let task = task::builtin("present-past")?;
    let all: Vec<usize> = (0..task.items.len()).collect();
    let picked = sample::draw(&all, DEMONSTRATIONS + 1, &mut sample::stream(0, "bench", index));
    let pair = |i: &usize| {
        let item = &task.items[*i];
        Pair { input: item.input.clone(), answer: format!(" {}", item.answer) }
    };
    let pairs: Vec<Pair> = picked.iter().map(pair).collect();
    let (query, demonstrations) = pairs.split_last().ok_or_else(|| ModelError::Plan("the task has no items".into()))?;
    let prompt = Template::QuestionAnswer.prompt(demonstrations, &query.input);
    Ok(Question::new(tokenizer, &prompt, &query.answer)?)
}
