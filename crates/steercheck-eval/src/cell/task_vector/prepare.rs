//! Preparing a task-vector cell: which items stay, which are dev and test, what stands in every prompt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use steercheck_model::ModelError;

use super::{ARMS, Asked, DEMONSTRATIONS, DUMMIES, Options, Presented, SPLIT_SEED, TaskVectorCell, VERSION};
use crate::cell::Subject;
use crate::error::EvalError;
use crate::prompt::{self, Pair, Question};
use crate::protocol::{Baseline, Placebos, SingleToken};
use crate::record::{About, Counts, MethodPlan, ModelPlan, Plan, TaskInfo, TokenizerInfo, Value};
use crate::sample;
use crate::task::{self, Task};

/// The variant with a leading space is taken if it keeps at least this share of what the other keeps.
const SPACE_SHARE: f64 = 0.7;
/// Keeps the shifts of shuffled labels that are presented as the method from those of the placebo arm.
const PRESENTED: u64 = 0x5eed;
/// Tasks whose vectors may be the `wrong-task` placebo, see [`wrong_task`].
const WRONG_TASKS: [&str; 2] = ["antonym", "country-capital"];

/// Items after the single-token rule, their answers in the variant that was taken.
struct Usable {
    pairs: Vec<Pair>,
    leading_space: bool,
}

fn usable(subject: &Subject<'_>, task: &Task, rule: SingleToken) -> Result<Usable, EvalError> {
    let variant = |space: bool| -> Result<Vec<Pair>, EvalError> {
        let mut out = Vec::new();
        for item in &task.items {
            let answer = if space { format!(" {}", item.answer) } else { item.answer.clone() };
            let keep = match rule {
                _ if !task.single_token => true,
                SingleToken::AfterExclamationMark => subject.tokenizer.encode_plain(&format!("!{answer}"))?.len() == 2,
                SingleToken::InContext => {
                    let query = prompt::task_vector_prompt(&[], &item.input);
                    let question = Question::new(subject.tokenizer, &query, &answer)?;
                    question.answer.len() == 1 && !question.boundary_merged
                }
            };
            if keep {
                out.push(Pair { input: item.input.clone(), answer });
            }
        }
        Ok(out)
    };
    let (with, without) = (variant(true)?, variant(false)?);
    let leading_space = with.len() as f64 >= SPACE_SHARE * without.len() as f64;
    Ok(Usable { pairs: if leading_space { with } else { without }, leading_space })
}

/// The pairs of a task that a protocol's rule for answers of one token keeps, as they stand in prompts.
pub(crate) fn usable_items(subject: &Subject<'_>, task: &Task, rule: SingleToken) -> Result<Vec<Pair>, EvalError> {
    Ok(usable(subject, task, rule)?.pairs)
}

/// The task of [`WRONG_TASKS`] that shares the fewest pairs with this one, the first on ties: by the data and not by the name,
/// so that antonyms from a file are not set against the built-in ones.
fn wrong_task(task: &Task) -> Result<Task, EvalError> {
    let pairs: BTreeSet<(&str, &str)> = task.items.iter().map(|i| (i.input.as_str(), i.answer.as_str())).collect();
    let candidates = WRONG_TASKS.iter().map(|name| task::builtin(name)).collect::<Result<Vec<Task>, _>>()?;
    let shared = |t: &Task| t.items.iter().filter(|i| pairs.contains(&(i.input.as_str(), i.answer.as_str()))).count();
    let fewest = candidates.iter().map(shared).min().unwrap_or(0);
    let chosen = candidates.into_iter().find(|t| shared(t) == fewest);
    chosen.ok_or_else(|| ModelError::Plan("there is no other task for the wrong-task placebo".into()).into())
}

/// Demonstrations and dummies for one query, drawn from a pool.
struct Drawn {
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
}

fn draw(pairs: &[Pair], pool: &[usize], seed: u64, purpose: &str, index: usize) -> Drawn {
    let picked = sample::draw(pool, DEMONSTRATIONS + DUMMIES, &mut sample::stream(seed, purpose, index));
    let (demonstrations, dummies) = picked.split_at(DEMONSTRATIONS.min(picked.len()));
    Drawn {
        demonstrations: demonstrations.iter().map(|i| pairs[*i].clone()).collect(),
        dummies: dummies.iter().map(|i| pairs[*i].input.clone()).collect(),
    }
}

impl Drawn {
    fn prompts(&self, subject: &Subject<'_>) -> Result<Vec<Vec<u32>>, ModelError> {
        let one = |d: &String| subject.tokenizer.encode(&prompt::task_vector_prompt(&self.demonstrations, d));
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

impl TaskVectorCell {
    /// Splits the items, draws demonstrations, tokenises every prompt. An error if the task has too few items, or if what
    /// they need at once does not fit the memory.
    pub fn prepare(subject: &Subject<'_>, task: &Task, options: &Options) -> Result<Self, EvalError> {
        let started = Instant::now();
        let Options { protocol, profile, seed, presented } = options;
        let (seed, presented) = (*seed, *presented);
        let Usable { pairs, leading_space } = usable(subject, task, protocol.single_token)?;
        let rest = DEMONSTRATIONS + DUMMIES + 1;
        let needed = profile.dev + profile.test + rest;
        if pairs.len() < needed {
            return Err(EvalError::TooFewItems {
                task: task.name.clone(),
                usable: pairs.len(),
                items: task.items.len(),
                needed,
                dev: profile.dev,
                test: profile.test,
                rest,
            });
        }
        let order = sample::permutation(pairs.len(), &mut sample::stream(SPLIT_SEED, "split", 0));
        let (dev, later) = order.split_at(profile.dev);
        let (test, train) = later.split_at(profile.test);
        let wrong = wrong_task(task)?;
        let (wrong_name, wrong_hash) = (wrong.name.clone(), wrong.hash());
        let wrong = usable(subject, &Task { single_token: false, ..wrong }, protocol.single_token)?.pairs;
        let wrong_pool: Vec<usize> = (0..wrong.len()).collect();
        let asked = |index: usize, purpose: &str| -> Result<Asked, EvalError> {
            let pair = pairs[index].clone();
            let drawn = draw(&pairs, train, seed, purpose, index);
            let query = prompt::task_vector_prompt(&[], &pair.input);
            let few_shot = prompt::task_vector_prompt(&drawn.demonstrations, &pair.input);
            let dummy_prompts = match presented {
                Presented::Method | Presented::RandomDirection => drawn.prompts(subject)?,
                Presented::ShuffledLabels => {
                    let apart = draw(&pairs, train, seed, &format!("presented-{purpose}"), index);
                    apart.shuffled(seed ^ PRESENTED, index).prompts(subject)?
                }
                Presented::WrongTask => {
                    draw(&wrong, &wrong_pool, seed, &format!("presented-{purpose}"), index).prompts(subject)?
                }
            };
            let placebos = protocol.placebos == Placebos::All && purpose == "test";
            let (shuffled, wrong) = if placebos {
                let wrong = draw(&wrong, &wrong_pool, seed, "wrong-task", index);
                (drawn.shuffled(seed, index).prompts(subject)?, wrong.prompts(subject)?)
            } else {
                (Vec::new(), Vec::new())
            };
            Ok(Asked {
                zero_shot: Question::new(subject.tokenizer, &query, &pair.answer)?,
                dummy_prompts,
                few_shot: Question::new(subject.tokenizer, &few_shot, &pair.answer)?,
                demonstrations: drawn.demonstrations,
                dummies: drawn.dummies,
                pair,
                shuffled,
                wrong,
            })
        };
        let all = |indices: &[usize], purpose: &str| -> Result<Vec<Asked>, EvalError> {
            indices.iter().map(|i| asked(*i, purpose)).collect()
        };
        let other = match protocol.baseline {
            Baseline::TestItems => &[],
            Baseline::OtherItems(n) => &train[..n.min(train.len())],
        };
        let with_placebos = protocol.placebos == Placebos::All;
        let plan = Plan {
            method: method(presented, with_placebos.then_some(wrong_hash)),
            model: ModelPlan::of(subject.model),
            tokenizer: TokenizerInfo::of(subject.tokenizer),
            task: task.hash(),
            protocol: protocol.clone(),
            counts: Counts { dev: dev.len(), test: test.len(), baseline: other.len() },
            grid: BTreeMap::from([(
                "residual".to_string(),
                (1..=subject.model.spec.depth()).map(Value::Count).collect(),
            )]),
            arms: ARMS[..if with_placebos { ARMS.len() } else { 3 }].iter().map(ToString::to_string).collect(),
            seed,
            split_seed: SPLIT_SEED,
            side_effects: None,
        };
        let about = About {
            program: About::program(),
            model: subject.model.info.clone(),
            task: TaskInfo {
                name: task.name.clone(),
                items: task.items.len(),
                usable: pairs.len(),
                leading_space,
                matching: task.matching.name().to_string(),
                notes: task.notes.clone(),
            },
            wrong_task: with_placebos.then_some(wrong_name),
            profile: profile.name.to_string(),
        };
        let cell = Self {
            plan,
            about,
            task: task.clone(),
            presented,
            dev: all(dev, "dev")?,
            test: all(test, "test")?,
            baseline: all(other, "baseline")?,
            prepared_seconds: started.elapsed().as_secs_f64(),
        };
        cell.check_memory(subject.model)?;
        Ok(cell)
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        &self.about.task.name
    }

    pub(super) fn everything(&self) -> impl Iterator<Item = &Asked> {
        self.dev.iter().chain(&self.test).chain(&self.baseline)
    }
}

/// The method and its options, as the plan has them.
fn method(presented: Presented, wrong_task: Option<String>) -> MethodPlan {
    let count = |name: &str, n: usize| (name.to_string(), Value::Count(n));
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let mut options = BTreeMap::from([
        text("template", "example:{x}->{y}"),
        count("demonstrations", DEMONSTRATIONS),
        count("dummies", DUMMIES),
    ]);
    options.extend(wrong_task.map(|hash| text("wrong-task", &hash)));
    options.extend(presented.placebo().map(|name| text("presented", name)));
    MethodPlan { name: "task-vector".into(), version: VERSION, options }
}

#[cfg(test)]
mod tests {
    use super::wrong_task;
    use crate::task::{Task, builtin};

    #[test]
    fn the_wrong_task_is_another_one_even_where_the_name_hides_it() {
        let name = |task: &Task| wrong_task(task).unwrap().name;
        assert_eq!(name(&builtin("present-past").unwrap()), "antonym");
        assert_eq!(name(&builtin("antonym").unwrap()), "country-capital");
        let disguised = Task { name: "opposites".into(), ..builtin("antonym").unwrap() };
        assert_eq!(name(&disguised), "country-capital");
    }
}
