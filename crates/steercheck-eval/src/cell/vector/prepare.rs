//! Preparing the cell of a given vector: which items are asked and what stands in every prompt; what it will cost.

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::{Model, ModelError, Reads, bytes_text};
use steercheck_steer::given_vector::{GivenVector, Where};

use super::{ARMS, Asked, VectorCell};
use crate::cell::posed::{Posed, Usable, usable};
use crate::cell::variants::PARTS;
use crate::cell::{Planned, Subject};
use crate::error::EvalError;
use crate::prompt::{Pair, Template};
use crate::protocol::{Profile, Protocol};
use crate::record::{About, Counts, MethodPlan, ModelPlan, Plan, Setting, TaskInfo, TokenizerInfo, Value};
use crate::sample;
use crate::side_effects::NeutralText;
use crate::task::{Style, Task};

/// As in the study's prompts.
const DEMONSTRATIONS: usize = 5;
/// With fewer items no interval says anything.
const LEAST_ITEMS: usize = 8;
/// Items are split the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// Variants of an item: arms without the few-shot one, and parts of the strength.
const VARIANTS: usize = ARMS.len() - 1 + PARTS.len();
/// Counted up when the results change.
const VERSION: u32 = 1;

/// How a given vector's cell is run.
#[derive(Debug, Clone)]
pub struct VectorOptions {
    /// The vector at its places.
    pub vector: GivenVector,
    /// At which positions it acts.
    pub positions: Where,
    /// Item counts: those of dev are reported along with those of test, since nothing is chosen.
    pub profile: Profile,
    /// Seed of demonstrations and placebos.
    pub seed: u64,
}

impl VectorCell {
    /// Chooses the items, draws demonstrations, tokenises every prompt. An error if the task has too few items, or if what
    /// they need at once does not fit the memory.
    pub fn prepare(subject: &Subject<'_>, task: &Task, options: &VectorOptions) -> Result<Self, EvalError> {
        let started = Instant::now();
        let VectorOptions { vector, positions, profile, seed } = options;
        let protocol = Protocol::RIGOROUS;
        // Answers of any length are scored whole; the rule for answers of one token belongs to task vectors.
        let lenient = Task { single_token: false, ..task.clone() };
        let Usable { items, leading_space } = usable(subject, &lenient, protocol.single_token)?;
        let order = sample::permutation(items.len(), &mut sample::stream(SPLIT_SEED, "split", 0));
        let asked_for = profile.dev + profile.test;
        // Demonstrations come from items that are not reported; where there are too few for both, reporting comes first.
        let with_few_shot = items.len() >= LEAST_ITEMS + DEMONSTRATIONS;
        let n = if with_few_shot { asked_for.min(items.len() - DEMONSTRATIONS) } else { items.len() };
        if n < LEAST_ITEMS {
            return Err(EvalError::TooFewItems {
                task: task.name.clone(),
                usable: items.len(),
                items: task.items.len(),
                needed: LEAST_ITEMS,
                dev: 0,
                test: LEAST_ITEMS,
                rest: 0,
            });
        }
        let (test, pool) = order.split_at(n);
        let template = template(task);
        let draw = |index: usize| -> Vec<Pair> {
            let picked = sample::draw(pool, DEMONSTRATIONS, &mut sample::stream(*seed, "demonstrations", index));
            picked.into_iter().map(|i| items[i].pair.clone()).collect()
        };
        let ask = |index: &usize| -> Result<Asked, EvalError> {
            let posed: Posed = items[*index].clone();
            let demonstrations = if with_few_shot { draw(*index) } else { Vec::new() };
            let few_shot = with_few_shot.then(|| posed.candidates(subject, template, &demonstrations)).transpose()?;
            Ok(Asked { zero_shot: posed.candidates(subject, template, &[])?, few_shot, demonstrations, posed })
        };
        let test = test.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
        let setting = setting(vector, *positions);
        let plan = Plan {
            method: method(vector, *positions, template),
            model: ModelPlan::of(subject.model),
            tokenizer: TokenizerInfo::of(subject.tokenizer),
            task: task.hash(),
            protocol,
            counts: Counts { dev: 0, test: n, baseline: 0 },
            grid: BTreeMap::new(),
            arms: ARMS.iter().filter(|a| with_few_shot || **a != "few-shot").map(ToString::to_string).collect(),
            seed: *seed,
            split_seed: SPLIT_SEED,
            side_effects: subject.neutral.map(NeutralText::plan),
        };
        let mut notes = vector.notes.clone();
        notes.extend(task.notes.iter().cloned());
        if n < asked_for {
            notes.push(format!("{n} items are reported of the {asked_for} that the profile {} asks for", profile.name));
        }
        let about = About {
            machine: Some(About::machine()),
            program: About::program(),
            model: subject.model.info.clone(),
            task: TaskInfo {
                name: task.name.clone(),
                items: task.items.len(),
                usable: items.len(),
                leading_space,
                matching: task.matching.name().to_string(),
                notes,
            },
            wrong_task: None,
            profile: profile.name.to_string(),
        };
        let cell = Self {
            plan,
            about,
            task: task.clone(),
            vector: vector.clone(),
            positions: *positions,
            setting,
            test,
            prepared_seconds: started.elapsed().as_secs_f64(),
        };
        cell.check_memory(subject.model)?;
        Ok(cell)
    }

    /// Work ahead.
    pub fn planned(&self, model: &Model) -> Planned {
        let depth = model.spec.depth() as u64;
        let prompts: Vec<&Vec<u32>> = self.test.iter().map(|a| &a.zero_shot.prompt).collect();
        let few_shot: Vec<&Vec<u32>> =
            self.test.iter().filter_map(|a| a.few_shot.as_ref()).map(|c| &c.prompt).collect();
        let whole = (model.distinct_tokens(&prompts) + model.distinct_tokens(&few_shot)) as u64;
        let each = match self.positions {
            Where::Last => self.test.len(),
            Where::All => prompts.iter().map(|p| p.len()).sum(),
        };
        let rows = (each * VARIANTS) as u64;
        Planned {
            prompts: (prompts.len() + few_shot.len()) as u64,
            rows,
            patched: 0,
            work: (whole + rows) * depth,
            readings: (self.test.len() * VARIANTS + few_shot.len()) as u64,
            contrasts: 0,
        }
    }

    /// About how often the weights of all blocks are gone through.
    pub fn passes(&self) -> f64 {
        let longer = |a: &Asked| a.zero_shot.answers.iter().any(|answer| answer.len() > 1);
        let later = if self.test.iter().any(longer) { 3.0 } else { 0.0 };
        3.0 + later
    }

    /// An error if what the cell holds at its busiest moment, besides the weights, is more than the budget.
    fn check_memory(&self, model: &Model) -> Result<(), ModelError> {
        let prompts: Vec<Vec<u32>> = self.test.iter().map(|a| a.zero_shot.prompt.clone()).collect();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let rows = match self.positions {
            Where::Last => self.test.len(),
            Where::All => prompts.iter().map(Vec::len).sum(),
        };
        let few_shot: Vec<Vec<u32>> =
            self.test.iter().filter_map(|a| a.few_shot.as_ref()).map(|c| c.prompt.clone()).collect();
        let needed = model.prefill_bytes(&prompts) + model.rows_bytes(rows * VARIANTS, longest);
        let needed = needed.max(model.trace_bytes(&few_shot, &Reads::LAST_RESIDUALS));
        let budget = model.activation_budget();
        if needed > budget {
            return Err(ModelError::Memory { needed: bytes_text(needed), budget: bytes_text(budget) });
        }
        Ok(())
    }
}

/// Pairs are asked as questions, whole prompts stand as they are.
fn template(task: &Task) -> Template {
    match task.style {
        Style::Pairs => Template::QuestionAnswer,
        Style::Prompts => Template::Verbatim,
    }
}

/// The method and its options, as the plan has them: the vector by its numbers, not by its file's name.
fn method(vector: &GivenVector, positions: Where, template: Template) -> MethodPlan {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"steercheck vector 1\n");
    for (residual, direction) in &vector.directions {
        hasher.update(&(*residual as u64).to_le_bytes());
        hasher.update(&(direction.len() as u64).to_le_bytes());
        for x in direction.iter() {
            hasher.update(&x.to_le_bytes());
        }
    }
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let options = BTreeMap::from([
        text("vector", hasher.finalize().to_hex().as_str()),
        text("where", positions.name()),
        text("template", template.text()),
        ("strength".to_string(), Value::Number(f64::from(vector.strength))),
        ("demonstrations".to_string(), Value::Count(DEMONSTRATIONS)),
    ]);
    MethodPlan { name: "vector".into(), version: VERSION, options }
}

/// Where and how strongly the vector acts.
fn setting(vector: &GivenVector, positions: Where) -> Setting {
    let strength = Value::Number(f64::from(vector.strength));
    let place = match &vector.directions[..] {
        [(residual, _)] => Value::Count(*residual),
        [(first, _), .., (last, _)] => Value::Text(format!("{first} to {last}")),
        [] => Value::Text("nowhere".into()),
    };
    Setting::default()
        .with("residual", place)
        .with("strength", strength)
        .with("where", Value::Text(positions.name().into()))
}
