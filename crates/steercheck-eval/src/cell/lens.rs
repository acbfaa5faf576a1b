//! The lens over a data set (methods.md §4): a record without arms, of what every residual says of each item's answers.

use std::collections::BTreeMap;

use steercheck_model::Model;

use super::Subject;
use super::clock::Clock;
use super::posed::{Posed, Usable, usable};
use crate::error::EvalError;
use crate::lens::{LensTable, Look, lettered, with_demonstrations};
use crate::prompt::{Pair, Template};
use crate::protocol::Protocol;
use crate::record::{
    About, Counts, ItemRecord, Items, MethodPlan, ModelPlan, Plan, Record, Results, TaskInfo, TokenizerInfo, Value,
};
use crate::sample;
use crate::scoring::{Kind, QuestionSet};
use crate::task::{Match, Style, Task};

/// Counted up when the results change.
const VERSION: u32 = 1;
/// What a record of this method says that it is.
const METHOD: &str = "lens";

/// What is looked at.
#[derive(Clone, Copy)]
pub enum LensAsked<'a> {
    /// Questions, as lettered multiple choice.
    Questions(&'a QuestionSet),
    /// A task, behind demonstrations.
    Task(&'a Task),
}

/// How many prompts, and which.
#[derive(Debug, Clone, Copy)]
pub struct LensOptions {
    /// Items at most.
    pub items: usize,
    /// Demonstrations before a task's item.
    pub shots: usize,
    /// Seed of items, demonstrations and letters.
    pub seed: u64,
}

/// A prepared look at a data set.
pub struct LensCell {
    plan: Plan,
    about: About,
    items: Vec<ItemRecord>,
    looks: Vec<Look>,
}

impl LensCell {
    /// Chooses items and tokenises their prompts. An error if a task has no items besides its demonstrations, if completions are asked
    /// (their beginnings do not tell them apart), or if a prompt does not fit the model's context.
    pub fn prepare(subject: &Subject<'_>, asked: LensAsked<'_>, options: &LensOptions) -> Result<Self, EvalError> {
        let (task, items, looks) = match asked {
            LensAsked::Questions(set) => of_questions(subject, set, options)?,
            LensAsked::Task(task) => of_task(subject, task, options)?,
        };
        let too_long = |look: &&Look| look.prompt.len() > subject.model.spec.max_positions;
        if let Some(long) = looks.iter().find(too_long).filter(|_| !subject.model.spec.stretches()) {
            let (tokens, context) = (long.prompt.len(), subject.model.spec.max_positions);
            return Err(EvalError::TooLong { task: task.info.name, method: METHOD, tokens, context });
        }
        let plan = Plan {
            method: MethodPlan { name: METHOD.into(), version: VERSION, options: task.options },
            model: ModelPlan::of(subject.model),
            tokenizer: TokenizerInfo::of(subject.tokenizer),
            task: task.hash,
            protocol: Protocol::RIGOROUS,
            counts: Counts { dev: 0, test: items.len(), baseline: 0 },
            grid: BTreeMap::new(),
            arms: Vec::new(),
            seed: options.seed,
            split_seed: options.seed,
            side_effects: None,
        };
        let about = About {
            machine: Some(About::machine()),
            program: About::program(),
            model: subject.model.info.clone(),
            task: task.info,
            wrong_task: None,
            profile: METHOD.into(),
        };
        Ok(Self { plan, about, items, looks })
    }

    /// Looks.
    pub fn run(self, model: &Model) -> Result<Record, EvalError> {
        let mut clock = Clock::new(0.0);
        let table = LensTable::read(model, &self.looks)?;
        clock.lap("lens");
        Ok(Record {
            plan: self.plan,
            about: self.about,
            results: Results {
                lens: Some(table),
                items: Items { test: self.items, ..Items::default() },
                ..Results::default()
            },
            timings: clock.finish(),
        })
    }

    /// Work ahead in rows × blocks, as [`Model::watch`] counts it.
    pub fn planned_work(&self, model: &Model) -> u64 {
        work(model, &self.looks)
    }
}

/// The same for any prompts.
pub(super) fn work(model: &Model, looks: &[Look]) -> u64 {
    looks.iter().map(|look| look.prompt.len() as u64).sum::<u64>() * model.spec.depth() as u64
}

/// What a record says of the data.
struct Of {
    info: TaskInfo,
    hash: String,
    options: BTreeMap<String, Value>,
}

/// What was chosen to be looked at.
type Chosen = (Of, Vec<ItemRecord>, Vec<Look>);

fn of_questions(subject: &Subject<'_>, set: &QuestionSet, options: &LensOptions) -> Result<Chosen, EvalError> {
    if set.kind == Kind::Completion {
        return Err(EvalError::NoLens { task: set.name.clone() });
    }
    let n = set.questions.len();
    let mut taken = sample::permutation(n, &mut sample::stream(options.seed, "lens items", 0));
    taken.truncate(options.items);
    taken.sort_unstable();
    let (mut items, mut looks) = (Vec::new(), Vec::new());
    for index in taken {
        let question = &set.questions[index];
        let look = lettered(subject.tokenizer, question, options.seed, index)?;
        items.push(item(&question.title, &look, &[]));
        looks.push(look);
    }
    let of = Of {
        info: TaskInfo {
            name: set.name.clone(),
            items: n,
            usable: n,
            leading_space: true,
            matching: "letter".into(),
            notes: set.notes.clone(),
        },
        hash: set.hash(),
        options: BTreeMap::from([("prompt".to_string(), Value::Text("lettered".into()))]),
    };
    Ok((of, items, looks))
}

fn of_task(subject: &Subject<'_>, task: &Task, options: &LensOptions) -> Result<Chosen, EvalError> {
    // Every item counts, and an answer by its first token.
    let asked_as = Task { single_token: false, matching: Match::FirstToken, ..task.clone() };
    let Usable { items: usable, leading_space } = usable(subject, &asked_as, Protocol::RIGOROUS.single_token)?;
    let n = usable.len();
    if n <= options.shots {
        return Err(EvalError::TooFewItems {
            task: task.name.clone(),
            usable: n,
            items: task.items.len(),
            needed: options.shots + 1,
            dev: 0,
            test: 1,
            rest: options.shots,
        });
    }
    let template = match task.style {
        Style::Pairs => Template::QuestionAnswer,
        Style::Prompts => Template::Verbatim,
    };
    let order = sample::permutation(n, &mut sample::stream(options.seed, "lens items", 0));
    let (mut items, mut looks) = (Vec::new(), Vec::new());
    for index in order.into_iter().take(options.items) {
        let Posed { pair, choices } = &usable[index];
        let others: Vec<usize> = (0..n).filter(|i| *i != index).collect();
        let drawn = sample::draw(&others, options.shots, &mut sample::stream(options.seed, "lens shots", index));
        let demonstrations: Vec<Pair> = drawn.iter().map(|i| usable[*i].pair.clone()).collect();
        let look = with_demonstrations(subject.tokenizer, template, &demonstrations, pair, choices)?;
        items.push(item(&pair.input, &look, &demonstrations));
        looks.push(look);
    }
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let of = Of {
        info: TaskInfo {
            name: task.name.clone(),
            items: task.items.len(),
            usable: n,
            leading_space,
            matching: task.matching.name().into(),
            notes: task.notes.clone(),
        },
        hash: task.hash(),
        options: BTreeMap::from([
            text("prompt", "demonstrations"),
            text("template", template.text()),
            ("demonstrations".to_string(), Value::Count(options.shots)),
        ]),
    };
    Ok((of, items, looks))
}

fn item(input: &str, look: &Look, demonstrations: &[Pair]) -> ItemRecord {
    ItemRecord {
        input: input.to_owned(),
        answer: look.answer.clone(),
        answer_ids: look.answers[..1].to_vec(),
        boundary_merged: look.boundary_merged,
        choices: Vec::new(),
        demonstrations: demonstrations.to_vec(),
        dummies: Vec::new(),
    }
}
