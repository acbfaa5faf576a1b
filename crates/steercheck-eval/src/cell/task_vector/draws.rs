//! What stands in the prompts of each item: demonstrations and dummies, with labels shuffled, of another task.

use steercheck_model::ModelError;

use super::{Asked, DEMONSTRATIONS, DUMMIES};
use crate::cell::posed::Posed;
use crate::cell::{Presented, Subject};
use crate::error::EvalError;
use crate::prompt::{Pair, Template};
use crate::sample;

/// Keeps the shifts of shuffled labels that are presented as the method from those of the placebo arm.
const PRESENTED: u64 = 0x5eed;

/// What an item is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Dev,
    Test,
    Baseline,
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Baseline => "baseline",
        }
    }
}

/// Draws what stands in the prompts of a cell.
pub(super) struct Draws<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) template: Template,
    /// All usable items.
    pub(super) items: &'a [Posed],
    /// Those that demonstrations and dummies come from.
    pub(super) train: &'a [usize],
    /// Items of another task.
    pub(super) wrong: &'a [Posed],
    pub(super) seed: u64,
    pub(super) presented: Presented,
    /// Whether test items get prompts for placebos.
    pub(super) placebos: bool,
}

impl Draws<'_> {
    /// Everything that is asked about items.
    pub(super) fn ask(&self, indices: &[usize], part: Use) -> Result<Vec<Asked>, EvalError> {
        indices.iter().map(|index| self.ask_one(*index, part)).collect()
    }

    fn ask_one(&self, index: usize, part: Use) -> Result<Asked, EvalError> {
        let posed = self.items[index].clone();
        let drawn = self.draw(part.name(), index);
        let (shuffled, wrong) = if self.placebos && part == Use::Test {
            let wrong = self.draw_wrong("wrong-task", index).prompts(self.subject, Template::Arrow)?;
            (drawn.shuffled(self.seed, index).prompts(self.subject, self.template)?, wrong)
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Asked {
            zero_shot: posed.candidates(self.subject, self.template, &[])?,
            dummy_prompts: self.dummy_prompts(&drawn, index, part)?,
            few_shot: posed.candidates(self.subject, self.template, &drawn.demonstrations)?,
            demonstrations: drawn.demonstrations,
            dummies: drawn.dummies,
            posed,
            shuffled,
            wrong,
        })
    }

    /// The prompts that θ is read from, of what is presented as the method.
    fn dummy_prompts(&self, drawn: &Drawn, index: usize, part: Use) -> Result<Vec<Vec<u32>>, ModelError> {
        let apart = format!("presented-{}", part.name());
        match self.presented {
            Presented::Method | Presented::RandomDirection | Presented::RandomHeads => {
                drawn.prompts(self.subject, self.template)
            }
            Presented::ShuffledLabels => {
                let shuffled = self.draw(&apart, index).shuffled(self.seed ^ PRESENTED, index);
                shuffled.prompts(self.subject, self.template)
            }
            Presented::WrongTask => self.draw_wrong(&apart, index).prompts(self.subject, Template::Arrow),
        }
    }

    fn draw(&self, purpose: &str, index: usize) -> Drawn {
        draw(self.items, self.train, self.seed, purpose, index)
    }

    fn draw_wrong(&self, purpose: &str, index: usize) -> Drawn {
        let pool: Vec<usize> = (0..self.wrong.len()).collect();
        draw(self.wrong, &pool, self.seed, purpose, index)
    }
}

/// Demonstrations and dummies for one query, drawn from a pool.
struct Drawn {
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
}

fn draw(items: &[Posed], pool: &[usize], seed: u64, purpose: &str, index: usize) -> Drawn {
    let picked = sample::draw(pool, DEMONSTRATIONS + DUMMIES, &mut sample::stream(seed, purpose, index));
    let (demonstrations, dummies) = picked.split_at(DEMONSTRATIONS.min(picked.len()));
    Drawn {
        demonstrations: demonstrations.iter().map(|i| items[*i].pair.clone()).collect(),
        dummies: dummies.iter().map(|i| items[*i].pair.input.clone()).collect(),
    }
}

impl Drawn {
    fn prompts(&self, subject: &Subject<'_>, template: Template) -> Result<Vec<Vec<u32>>, ModelError> {
        let one = |d: &String| subject.tokenizer.encode(&template.prompt(&self.demonstrations, d));
        self.dummies.iter().map(one).collect()
    }

    /// The same inputs, each with another one's answer: a cyclic shift, so that none keeps its own.
    fn shuffled(&self, seed: u64, index: usize) -> Self {
        let n = self.demonstrations.len();
        let by = 1 + sample::derived_seed(seed, "shift", index) as usize % (n - 1);
        let demonstrations = (0..n)
            .map(|i| Pair {
                input: self.demonstrations[i].input.clone(),
                answer: self.demonstrations[(i + by) % n].answer.clone(),
            })
            .collect();
        Self { demonstrations, dummies: self.dummies.clone() }
    }
}
