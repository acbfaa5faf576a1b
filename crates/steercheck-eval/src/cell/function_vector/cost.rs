//! What a function-vector cell will cost: work, memory, and how often it goes through the weights.

use steercheck_model::{Model, ModelError, bytes_text};
use steercheck_steer::function_vector::HeadMeans;
use steercheck_steer::reading::rows_at_once;

use super::arms::RANDOM_DRAWS;
use super::draws::Shown;
use super::{Asked, FunctionVectorCell, zero_shot};
use crate::cell::variants::PARTS;
use crate::cell::{Planned, Subject};
use crate::error::EvalError;
use crate::prompt::Candidates;

impl FunctionVectorCell {
    /// Work ahead.
    pub fn planned(&self, model: &Model) -> Planned {
        let depth = model.spec.depth() as u64;
        let p = &self.prompts;
        let of_others = self.others.iter().flat_map(|o| [&o.means, &o.effects]);
        let shown = [&p.means, &p.effects, &p.shuffled, &p.wrong, &p.presented].into_iter().chain(of_others);
        let shown = shown.map(|list| list.iter().map(|s| &s.candidates.prompt).collect());
        let shuffled = self.test.iter().filter_map(|a| a.shuffled.as_ref());
        let asked = [
            self.items().map(|a| &a.zero_shot.prompt).collect(),
            self.test.iter().map(|a| &a.few_shot.prompt).collect(),
            shuffled.map(|c| &c.prompt).collect(),
        ];
        let shots = (0..self.shots.len()).map(|k| self.test.iter().map(|a| &a.shots[k].prompt).collect());
        let lists: Vec<Vec<&Vec<u32>>> = shown.chain(asked).chain(shots).collect();
        let tokens: u64 = lists.iter().map(|prompts| model.distinct_tokens(prompts) as u64).sum();
        // A head of block b runs the blocks from b on.
        let patched = (p.effects.len() * (1 + self.others.len()) * model.spec.heads) as u64;
        let above = |residual: usize| depth - residual as u64;
        let items = self.items().count() as u64;
        let swept = items * self.places.iter().map(|p| above(p.residual)).sum::<u64>();
        // The chosen residual is not known yet: half-way is a fair guess.
        let arms = (self.test.len() * (8 + RANDOM_DRAWS + PARTS.len())) as u64;
        let rows = patched * depth + items * self.places.len() as u64 + arms;
        Planned {
            prompts: lists.iter().map(Vec::len).sum::<usize>() as u64,
            rows,
            patched: patched * depth,
            work: tokens * depth + patched * depth * (depth + 1) / 2 + swept + arms * depth / 2,
            readings: rows + (self.test.len() * (2 + self.shots.len())) as u64,
            contrasts: 0,
        }
    }

    /// About how often the weights of all blocks are gone through, each time once for all rows of a batch.
    pub fn passes(&self) -> f64 {
        // Means, prefixes of effects, of dev, of test and of shuffled prompts, the few-shot arm and placebos.
        let whole = 8 + self.shots.len() + 2 * self.others.len();
        // Batches of effects and of the grid enter everywhere.
        let batches = 4 + 2 * self.others.len();
        (whole + batches) as f64
    }

    fn items(&self) -> impl Iterator<Item = &Asked> {
        self.dev.iter().chain(&self.test)
    }

    /// An error if a prompt with its answer is longer than the model's context.
    pub(super) fn check_length(&self, subject: &Subject<'_>) -> Result<(), EvalError> {
        let spec = &subject.model.spec;
        let p = &self.prompts;
        let shown = [&p.means, &p.effects, &p.shuffled, &p.wrong, &p.presented];
        let of_others = self.others.iter().flat_map(|o| [&o.means, &o.effects]);
        let shown = shown.into_iter().chain(of_others).flatten().map(|s| &s.candidates);
        let asked =
            self.items().flat_map(|a| [&a.zero_shot, &a.few_shot].into_iter().chain(&a.shuffled).chain(&a.shots));
        let length = |c: &Candidates| c.prompt.len() + c.answers.iter().map(Vec::len).max().unwrap_or(0);
        let tokens = shown.chain(asked).map(length).max().unwrap_or(0);
        if tokens > spec.max_positions && !spec.stretches() {
            let (task, context) = (self.about.task.name.clone(), spec.max_positions);
            return Err(EvalError::TooLong { task, method: "function-vector", tokens, context });
        }
        Ok(())
    }

    /// An error if what the cell holds at its busiest moment, besides the weights, is more than the budget.
    pub(super) fn check_memory(&self, model: &Model) -> Result<(), ModelError> {
        let prompts = |list: &[Shown]| list.iter().map(|s| s.candidates.prompt.clone()).collect::<Vec<_>>();
        let (means, effects) = (prompts(&self.prompts.means), prompts(&self.prompts.effects));
        let shuffled: Vec<Vec<u32>> =
            self.test.iter().filter_map(|a| a.shuffled.as_ref()).map(|c| c.prompt.clone()).collect();
        let own = [effects, zero_shot(&self.dev), zero_shot(&self.test), shuffled];
        let batches = own.into_iter().chain(self.others.iter().map(|o| prompts(&o.effects)));
        let over = |prompts: &Vec<Vec<u32>>| model.prefill_bytes(prompts) + batch_bytes(model, prompts);
        let needed = batches.map(|prompts| over(&prompts)).max().unwrap_or(0).max(HeadMeans::bytes(model, &means));
        let budget = model.activation_budget();
        if needed > budget {
            return Err(ModelError::Memory { needed: bytes_text(needed), budget: bytes_text(budget) });
        }
        Ok(())
    }
}

/// Bytes of a batch of rows over these prompts.
fn batch_bytes(model: &Model, prompts: &[Vec<u32>]) -> u64 {
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    model.rows_bytes(rows_at_once(model, longest, 1), longest)
}
