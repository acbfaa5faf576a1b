//! What a task-vector cell will cost: work, memory, and how often it goes through the weights.

use steercheck_model::{Model, ModelError, Reads, bytes_text};

use super::TaskVectorCell;
use crate::cell::Planned;
use crate::prompt::Candidates;
use crate::protocol::Placebos;

impl TaskVectorCell {
    /// Work ahead.
    pub fn planned(&self, model: &Model) -> Planned {
        let depth = model.spec.depth() as u64;
        let tokens = |lists: &[Vec<&Vec<u32>>]| -> u64 { lists.iter().map(|l| model.distinct_tokens(l) as u64).sum() };
        let whole: [Vec<&Vec<u32>>; 3] = [
            self.dev.iter().flat_map(|a| &a.dummy_prompts).collect(),
            self.test.iter().flat_map(|a| a.dummy_prompts.iter().chain([&a.few_shot.prompt])).collect(),
            self.everything().map(|a| &a.zero_shot.prompt).collect(),
        ];
        let half: [Vec<&Vec<u32>>; 2] =
            [self.test.iter().flat_map(|a| &a.shuffled).collect(), self.test.iter().flat_map(|a| &a.wrong).collect()];
        // Placebos stop at the chosen residual, which is not known yet: half-way is a fair guess.
        let arms = (self.variants() * self.test.len()) as u64;
        let items = (self.dev.len() + self.test.len()) as u64;
        let rows = items * depth + arms;
        Planned {
            prompts: whole.iter().chain(&half).map(Vec::len).sum::<usize>() as u64,
            rows,
            patched: 0,
            work: tokens(&whole) * depth
                + (tokens(&half) + arms) * depth / 2
                + items * depth * depth.saturating_sub(1) / 2,
            readings: rows + (self.test.len() + self.baseline.len()) as u64,
            contrasts: 0,
        }
    }

    /// About how often the weights of all blocks are gone through, each time once for all rows together: what a model that
    /// does not fit in memory is read again for.
    pub fn passes(&self) -> f64 {
        let longer = |item: &&Candidates| item.answers.iter().any(|answer| answer.len() > 1);
        let later = |items: Vec<&Candidates>| f64::from(u8::from(items.iter().any(longer)));
        let few_shot = later(self.test.iter().map(|a| &a.few_shot).collect());
        let zero_shot = later(self.test.iter().map(|a| &a.zero_shot).collect());
        let baseline = later(self.baseline.iter().map(|a| &a.zero_shot).collect());
        // Prefill; vectors and curve, on dev and on test; the few-shot arm's longer answers.
        let whole = 5.0 + few_shot + baseline;
        // Arms enter at the chosen residual, but for longer answers; two placebos stop there.
        let halves = if self.plan.protocol.placebos == Placebos::All { 3.0 } else { 1.0 };
        whole + halves / 2.0 + 2.0 * zero_shot
    }

    /// An error if what the cell holds at its busiest moment, besides the weights, is more than the budget.
    pub(super) fn check_memory(&self, model: &Model) -> Result<(), ModelError> {
        let spec = &model.spec;
        let prompts: Vec<Vec<u32>> = self.everything().map(|a| a.zero_shot.prompt.clone()).collect();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let tokens = model.distinct_tokens(&prompts.iter().collect::<Vec<_>>());
        // Keys and values of the prefixes stay for as long as the cell runs.
        let held = 4 * (tokens * 2 * spec.kv_heads * spec.head_dim * spec.depth()) as u64;
        let rows = self.dev.len().max(self.test.len()) * spec.depth();
        let dummies: Vec<Vec<u32>> =
            self.test.iter().flat_map(|a| a.dummy_prompts.iter().chain([&a.few_shot.prompt])).cloned().collect();
        let needed = model
            .prefill_bytes(&prompts)
            .max(held + model.rows_bytes(rows, longest))
            .max(held + model.trace_bytes(&dummies, &Reads::LAST_RESIDUALS));
        let budget = model.activation_budget();
        if needed > budget {
            return Err(ModelError::Memory { needed: bytes_text(needed), budget: bytes_text(budget) });
        }
        Ok(())
    }
}
