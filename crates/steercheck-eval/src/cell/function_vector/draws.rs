//! What stands in the prompts of a cell: those that vectors are made of, and those that items are asked with.

use rand::seq::SliceRandom;

use crate::cell::Subject;
use crate::cell::posed::Posed;
use crate::error::EvalError;
use crate::prompt::{Candidates, Pair, Template};
use crate::sample;

/// Demonstrations in the prompts that vectors are made of.
pub(super) const DEMONSTRATIONS: usize = 10;
/// Prompts for mean head outputs, and as many for effects.
pub(super) const PROMPTS: usize = 25;

/// Draws prompts from a task's items.
pub(super) struct Draws<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) template: Template,
    pub(super) items: &'a [Posed],
    /// Those that demonstrations come from.
    pub(super) train: &'a [usize],
    /// Those that the queries of the vector's prompts come from: with train alone, a query is none of its own demonstrations.
    pub(super) queries: &'a [usize],
    pub(super) seed: u64,
}

/// What becomes of the demonstrations' answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// Each has its own.
    True,
    /// In random order, so that some may keep their own: the prompts of effects.
    Permuted,
    /// Shifted, so that none keeps its own: the placebo.
    Shifted,
}

/// A prompt that vectors are made of, and the answer to its query.
pub(super) struct Shown {
    pub(super) candidates: Candidates,
}

impl Draws<'_> {
    /// [`PROMPTS`] prompts of ten demonstrations and a query each.
    pub(super) fn shown(&self, purpose: &str, labels: Labels) -> Result<Vec<Shown>, EvalError> {
        (0..PROMPTS).map(|i| self.shown_one(purpose, i, labels)).collect()
    }

    fn shown_one(&self, purpose: &str, index: usize, labels: Labels) -> Result<Shown, EvalError> {
        let mut rng = sample::stream(self.seed, purpose, index);
        let query = sample::draw(self.queries, 1, &mut rng)[0];
        let others: Vec<usize> = self.train.iter().copied().filter(|i| *i != query).collect();
        let picked = sample::draw(&others, DEMONSTRATIONS, &mut rng);
        let mut demonstrations = self.pairs(&picked);
        relabel(&mut demonstrations, labels, |n| {
            let mut order: Vec<usize> = (0..n).collect();
            order.shuffle(&mut rng);
            order
        });
        Ok(Shown { candidates: self.items[query].candidates(self.subject, self.template, &demonstrations)? })
    }

    /// Demonstrations for an item that is asked.
    pub(super) fn demonstrations(&self, purpose: &str, index: usize, n: usize) -> Vec<Pair> {
        let others: Vec<usize> = self.train.iter().copied().filter(|i| *i != index).collect();
        self.pairs(&sample::draw(&others, n, &mut sample::stream(self.seed, purpose, index)))
    }

    /// The same with each other's answers.
    pub(super) fn shifted(&self, purpose: &str, index: usize, n: usize) -> Vec<Pair> {
        let mut demonstrations = self.demonstrations(purpose, index, n);
        relabel(&mut demonstrations, Labels::Shifted, |_| Vec::new());
        demonstrations
    }

    fn pairs(&self, indices: &[usize]) -> Vec<Pair> {
        indices.iter().map(|i| self.items[*i].pair.clone()).collect()
    }
}

fn relabel(demonstrations: &mut [Pair], labels: Labels, permutation: impl FnOnce(usize) -> Vec<usize>) {
    let n = demonstrations.len();
    let order = match labels {
        Labels::True => return,
        Labels::Permuted => permutation(n),
        Labels::Shifted => (0..n).map(|i| (i + 1) % n).collect(),
    };
    let answers: Vec<String> = order.iter().map(|i| demonstrations[*i].answer.clone()).collect();
    demonstrations.iter_mut().zip(answers).for_each(|(pair, answer)| pair.answer = answer);
}
