//! Preparing a function-vector cell: which items are dev and test, what stands in every prompt, which settings there are.

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_steer::function_vector::Scale;

use super::draws::{DEMONSTRATIONS, Draws, Labels, PROMPTS};
use super::grid::Place;
use super::options::{Heads, Pool, Selection, Split};
use super::published_split::PublishedSplit;
use super::universal::{self, Other};
use super::{
    ARMS, ARMS_ALONE, Asked, FEW, FunctionVectorCell, FunctionVectorOptions, Prompts, SPLIT_SEED, VERSION, bias_text,
    position_text,
};
use crate::cell::posed::{Posed, Usable, usable};
use crate::cell::wrong_task::wrong_task;
use crate::cell::{Presented, Subject};
use crate::error::EvalError;
use crate::prompt::{Pair, Template};
use crate::protocol::{Grid, Placebos};
use crate::record::{About, Counts, MethodPlan, ModelPlan, Plan, TaskInfo, TokenizerInfo, Value};
use crate::sample;
use crate::side_effects::NeutralText;
use crate::task::{Match, Style, Task};

/// Seeds of the published splits: of the vector's items, and of those that are asked.
const PUBLISHED: [u32; 2] = [42, 0];

/// Items by use, as indices.
struct Parts {
    /// Empty where the test items choose the setting.
    dev: Vec<usize>,
    test: Vec<usize>,
    /// Demonstrations come from here, and the few-shot arm's from `asked_train`.
    train: Vec<usize>,
    queries: Vec<usize>,
    asked_train: Vec<usize>,
}

impl FunctionVectorCell {
    /// Splits the items, draws demonstrations, tokenises every prompt. An error if the task has too few items, or if what they need at once
    /// does not fit the memory.
    pub fn prepare(subject: &Subject<'_>, task: &Task, options: &FunctionVectorOptions) -> Result<Self, EvalError> {
        let started = Instant::now();
        let FunctionVectorOptions { protocol, choices, profile, seed, presented } = options;
        // Every item counts, and an answer by its first token.
        let asked_as = Task { single_token: false, matching: Match::FirstToken, ..task.clone() };
        let Usable { items, leading_space } = usable(subject, &asked_as, protocol.single_token)?;
        let parts = parts(task, &items, options)?;
        let placebos = protocol.placebos == Placebos::All;
        let wrong = wrong_task(task)?;
        let (wrong_name, wrong_hash) = (wrong.name.clone(), wrong.hash());
        let wrong = usable(subject, &Task { single_token: false, ..wrong }, protocol.single_token)?.items;
        let template = template(task);
        let all_wrong: Vec<usize> = (0..wrong.len()).collect();
        let (train, queries) = (&parts.train, &parts.queries);
        let draws = Draws { subject, template, items: &items, train, queries, seed: *seed };
        let of_wrong = Draws {
            template: Template::QuestionAnswer,
            items: &wrong,
            train: &all_wrong,
            queries: &all_wrong,
            ..draws
        };
        let prompts = prompts(&draws, &of_wrong, *presented, placebos)?;
        let others = match choices.heads {
            Heads::OfTask => Vec::new(),
            Heads::Universal => universal::others(subject, task, protocol, *seed)?,
        };
        let asking = Asking { draws: Draws { train: &parts.asked_train, ..draws }, shots: &profile.shots };

        let position = choices.read_at.position(subject.tokenizer.adds_bos());
        let grid = profile.grid_for(subject.model.info.parameters);
        let residuals = residuals(subject.model.spec.depth(), grid.residuals);
        let heads = subject.model.spec.depth() * subject.model.spec.heads;
        let counts: Vec<usize> = grid.heads.iter().copied().filter(|n| *n <= heads).collect();
        let chosen_on_test = choices.selection == Selection::Test;
        let plan = Plan {
            method: method(template, options, position_text(position), placebos.then_some(wrong_hash), &others),
            model: ModelPlan::of(subject.model),
            tokenizer: TokenizerInfo::of(subject.tokenizer),
            task: task.hash(),
            protocol: protocol.clone(),
            counts: Counts {
                dev: if chosen_on_test { parts.test.len() } else { parts.dev.len() },
                test: parts.test.len(),
                baseline: 0,
            },
            grid: axes(&grid, &counts, &residuals),
            arms: if placebos { &ARMS[..] } else { &ARMS_ALONE[..] }.iter().map(ToString::to_string).collect(),
            seed: *seed,
            split_seed: SPLIT_SEED,
            side_effects: if placebos { subject.neutral.map(NeutralText::plan) } else { None },
        };
        let about = About {
            machine: Some(About::machine()),
            program: About::program(),
            model: subject.model.info.clone(),
            task: TaskInfo {
                name: task.name.clone(),
                items: task.items.len(),
                usable: items.len(),
                leading_space,
                matching: asked_as.matching.name().to_string(),
                notes: task.notes.clone(),
            },
            wrong_task: placebos.then_some(wrong_name),
            profile: profile.name.to_string(),
        };
        let cell = Self {
            plan,
            about,
            presented: *presented,
            position,
            bias: choices.bias,
            scale: choices.effects,
            places: places(&grid, &counts, &residuals),
            counts,
            shots: profile.shots.to_vec(),
            prompts,
            others,
            dev: asking.items(&parts.dev, "dev")?,
            test: asking.items(&parts.test, "test")?,
            chosen_on_test,
            task: asked_as,
            prepared_seconds: started.elapsed().as_secs_f64(),
        };
        cell.check_length(subject)?;
        cell.check_memory(subject.model)?;
        Ok(cell)
    }
}

/// Pairs stand in the method's own template, whole prompts as they are.
fn template(task: &Task) -> Template {
    match task.style {
        Style::Pairs => Template::QuestionAnswer,
        Style::Prompts => Template::Verbatim,
    }
}

/// Which items are what.
fn parts(task: &Task, items: &[Posed], options: &FunctionVectorOptions) -> Result<Parts, EvalError> {
    let FunctionVectorOptions { choices, profile, .. } = options;
    let rest = DEMONSTRATIONS + 1;
    let (dev, parts) = match choices.split {
        Split::One => {
            let order = sample::permutation(items.len(), &mut sample::stream(SPLIT_SEED, "split", 0));
            let n = order.len();
            let (dev, later) = order.split_at(profile.dev.min(n));
            let (test, train) = later.split_at(profile.test.min(later.len()));
            let mut pool = train.to_vec();
            if choices.pool == Pool::WithTest {
                pool.extend(test);
            }
            let parts = Parts {
                dev: if choices.selection == Selection::Dev { dev.to_vec() } else { Vec::new() },
                test: test.to_vec(),
                train: pool.clone(),
                queries: pool,
                asked_train: train.to_vec(),
            };
            (profile.dev, parts)
        }
        Split::Published => {
            let [of_vector, asked] = PUBLISHED.map(|seed| PublishedSplit::new(items.len(), seed));
            // As published: the first test items, or as many as there are.
            let test = asked.test.into_iter().take(profile.test).collect();
            let parts = Parts {
                dev: Vec::new(),
                test,
                train: of_vector.train,
                queries: of_vector.valid,
                asked_train: asked.train,
            };
            (0, parts)
        }
    };
    let few = parts.train.len() < rest || parts.queries.is_empty() || parts.asked_train.len() < rest;
    let short = choices.split == Split::One && parts.test.len() < profile.test;
    if few || short || parts.test.is_empty() {
        return Err(EvalError::TooFewItems {
            task: task.name.clone(),
            usable: items.len(),
            items: task.items.len(),
            needed: dev + profile.test + rest,
            dev,
            test: profile.test,
            rest,
        });
    }
    Ok(parts)
}

/// The prompts that vectors are made of.
fn prompts(draws: &Draws<'_>, wrong: &Draws<'_>, presented: Presented, placebos: bool) -> Result<Prompts, EvalError> {
    let when = |wanted: bool, draws: &Draws<'_>, purpose: &str, labels: Labels| {
        if wanted { draws.shown(purpose, labels) } else { Ok(Vec::new()) }
    };
    Ok(Prompts {
        means: draws.shown("means", Labels::True)?,
        effects: draws.shown("effects", Labels::Permuted)?,
        shuffled: when(placebos, draws, "shuffled-labels", Labels::Shifted)?,
        wrong: when(placebos, wrong, "wrong-task", Labels::True)?,
        presented: match presented {
            Presented::ShuffledLabels => draws.shown("presented", Labels::Shifted)?,
            Presented::WrongTask => wrong.shown("presented", Labels::True)?,
            Presented::Method | Presented::RandomDirection | Presented::RandomHeads => Vec::new(),
        },
    })
}

/// How items are asked.
struct Asking<'a> {
    draws: Draws<'a>,
    shots: &'a [usize],
}

impl Asking<'_> {
    fn items(&self, indices: &[usize], part: &str) -> Result<Vec<Asked>, EvalError> {
        indices.iter().map(|index| self.item(*index, part)).collect()
    }

    fn item(&self, index: usize, part: &str) -> Result<Asked, EvalError> {
        let Draws { subject, template, items, .. } = self.draws;
        let posed = items[index].clone();
        let behind = |demonstrations: &[Pair]| posed.candidates(subject, template, demonstrations);
        let most = self.shots.iter().copied().max().unwrap_or(0).max(FEW);
        let drawn = self.draws.demonstrations(part, index, most.max(DEMONSTRATIONS));
        let tested = part == "test";
        let shots = if tested { self.shots } else { &[] };
        Ok(Asked {
            zero_shot: behind(&[])?,
            few_shot: behind(&drawn[..FEW])?,
            shuffled: if tested {
                Some(behind(&self.draws.shifted("shuffled-prompt", index, DEMONSTRATIONS))?)
            } else {
                None
            },
            shots: shots.iter().map(|n| behind(&drawn[..*n])).collect::<Result<_, _>>()?,
            demonstrations: drawn[..FEW].to_vec(),
            posed,
        })
    }
}

/// At most so many residuals of a model of this depth, evenly spaced up to the last.
fn residuals(depth: usize, most: Option<usize>) -> Vec<usize> {
    let step = most.map_or(1, |most| depth.div_ceil(most.max(1)));
    let mut out: Vec<usize> = (0..depth).step_by(step).map(|back| depth - back).collect();
    out.reverse();
    out
}

fn axes(grid: &Grid, heads: &[usize], residuals: &[usize]) -> BTreeMap<String, Vec<Value>> {
    let counts = |list: &[usize]| list.iter().copied().map(Value::Count).collect();
    BTreeMap::from([
        ("heads".to_string(), counts(heads)),
        ("residual".to_string(), counts(residuals)),
        ("strength".to_string(), grid.strengths.iter().copied().map(Value::Number).collect()),
    ])
}

/// The settings, the weakest and those of the fewest heads first: of settings with as many hits the first is chosen.
fn places(grid: &Grid, heads: &[usize], residuals: &[usize]) -> Vec<Place> {
    let mut out = Vec::with_capacity(grid.strengths.len() * heads.len() * residuals.len());
    for strength in grid.strengths.iter() {
        for (vector, n) in heads.iter().enumerate() {
            let at = |residual: &usize| Place { vector, heads: *n, strength: *strength, residual: *residual };
            out.extend(residuals.iter().map(at));
        }
    }
    out
}

/// The method and its options, as the plan has them.
fn method(
    template: Template,
    options: &FunctionVectorOptions,
    read_at: &str,
    wrong_task: Option<String>,
    others: &[Other],
) -> MethodPlan {
    let count = |name: &str, n: usize| (name.to_string(), Value::Count(n));
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let split = match options.choices.split {
        Split::One => "one",
        Split::Published => "published",
    };
    let selection = match options.choices.selection {
        Selection::Dev => "dev",
        Selection::Test => "test",
    };
    let pool = match options.choices.pool {
        Pool::Train => "train",
        Pool::WithTest => "train and test",
    };
    let mut all = BTreeMap::from([
        text("template", template.text()),
        text("match", Match::FirstToken.name()),
        text("read-at", read_at),
        text("bias", bias_text(options.choices.bias)),
        text("split", split),
        text("selection", selection),
        text("pool", pool),
        count("prompts", PROMPTS),
        count("prompt-demonstrations", DEMONSTRATIONS),
        count("demonstrations", FEW),
    ]);
    if !options.profile.shots.is_empty() {
        let shots: Vec<String> = options.profile.shots.iter().map(usize::to_string).collect();
        all.extend([text("shots", &shots.join(" "))]);
    }
    if options.choices.effects == Scale::LogProbability {
        all.extend([text("effects", "log-probability")]);
    }
    if options.choices.heads == Heads::Universal {
        all.extend([text("heads", "universal")]);
        all.extend(others.iter().map(|other| text(&format!("effects-{}", other.name), &other.hash)));
    }
    all.extend(wrong_task.map(|hash| text("wrong-task", &hash)));
    all.extend(options.presented.placebo().map(|name| text("presented", name)));
    MethodPlan { name: "function-vector".into(), version: VERSION, options: all }
}

#[cfg(test)]
mod tests {
    use super::residuals;

    #[test]
    fn residuals_are_evenly_spaced_and_end_at_the_last() {
        assert_eq!(residuals(4, None), [1, 2, 3, 4]);
        assert_eq!(residuals(30, Some(16)), (1..=15).map(|i| 2 * i).collect::<Vec<_>>());
        assert_eq!(residuals(18, Some(16)), [2, 4, 6, 8, 10, 12, 14, 16, 18]);
        assert_eq!(residuals(12, Some(16)).len(), 12);
    }
}
