//! Preparing a task-vector cell: which items stay, which are dev and test, what stands in every prompt.

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::ModelError;

use super::draws::{Draws, Use};
use super::{ARMS, Asked, DEMONSTRATIONS, DUMMIES, Options, SPLIT_SEED, TaskVectorCell, VERSION};
use crate::cell::posed::{Usable, usable};
use crate::cell::wrong_task::wrong_task;
use crate::cell::{Presented, Subject};
use crate::error::EvalError;
use crate::prompt::Template;
use crate::protocol::{Baseline, Placebos};
use crate::record::{About, Counts, MethodPlan, ModelPlan, Plan, TaskInfo, TokenizerInfo, Value};
use crate::sample;
use crate::side_effects::NeutralText;
use crate::task::{Style, Task};

impl TaskVectorCell {
    /// Splits the items, draws demonstrations, tokenises every prompt. An error if the task has too few items, or if what
    /// they need at once does not fit the memory.
    pub fn prepare(subject: &Subject<'_>, task: &Task, options: &Options) -> Result<Self, EvalError> {
        let started = Instant::now();
        let Options { protocol, profile, seed, presented } = options;
        if *presented == Presented::RandomHeads {
            return Err(ModelError::Plan(
                "task vectors are not made of heads, so that there are no random ones".into(),
            )
            .into());
        }
        let Usable { items, leading_space } = usable(subject, task, protocol.single_token)?;
        let rest = DEMONSTRATIONS + DUMMIES + 1;
        let needed = profile.dev + profile.test + rest;
        if items.len() < needed {
            return Err(EvalError::TooFewItems {
                task: task.name.clone(),
                usable: items.len(),
                items: task.items.len(),
                needed,
                dev: profile.dev,
                test: profile.test,
                rest,
            });
        }
        let order = sample::permutation(items.len(), &mut sample::stream(SPLIT_SEED, "split", 0));
        let (dev, later) = order.split_at(profile.dev);
        let (test, train) = later.split_at(profile.test);
        let wrong = wrong_task(task)?;
        let (wrong_name, wrong_hash) = (wrong.name.clone(), wrong.hash());
        let wrong = usable(subject, &Task { single_token: false, ..wrong }, protocol.single_token)?.items;
        let other = match protocol.baseline {
            Baseline::TestItems => &[],
            Baseline::OtherItems(n) => &train[..n.min(train.len())],
        };
        let placebos = protocol.placebos == Placebos::All;
        let draws = Draws {
            subject,
            template: template(task),
            items: &items,
            train,
            wrong: &wrong,
            seed: *seed,
            presented: *presented,
            placebos,
        };
        let counts = Counts { dev: dev.len(), test: test.len(), baseline: other.len() };
        let method = method(template(task), *presented, placebos.then_some(wrong_hash));
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
                notes: task.notes.clone(),
            },
            wrong_task: placebos.then_some(wrong_name),
            profile: profile.name.to_string(),
        };
        let cell = Self {
            plan: plan(subject, task, options, method, counts),
            about,
            task: task.clone(),
            presented: *presented,
            dev: draws.ask(dev, Use::Dev)?,
            test: draws.ask(test, Use::Test)?,
            baseline: draws.ask(other, Use::Baseline)?,
            prepared_seconds: started.elapsed().as_secs_f64(),
        };
        cell.check_memory(subject.model)?;
        Ok(cell)
    }

    /// What determines it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        &self.about.task.name
    }

    pub(super) fn everything(&self) -> impl Iterator<Item = &Asked> {
        self.dev.iter().chain(&self.test).chain(&self.baseline)
    }
}

/// Pairs stand in the method's own template, whole prompts as they are.
fn template(task: &Task) -> Template {
    match task.style {
        Style::Pairs => Template::Arrow,
        Style::Prompts => Template::Verbatim,
    }
}

/// Everything that determines the cell's results.
fn plan(subject: &Subject<'_>, task: &Task, options: &Options, method: MethodPlan, counts: Counts) -> Plan {
    let Options { protocol, seed, .. } = options;
    let arms = if protocol.placebos == Placebos::All { &ARMS[..] } else { &ARMS[..3] };
    let residuals = (1..=subject.model.spec.depth()).map(Value::Count).collect();
    Plan {
        method,
        model: ModelPlan::of(subject.model),
        tokenizer: TokenizerInfo::of(subject.tokenizer),
        task: task.hash(),
        protocol: protocol.clone(),
        counts,
        grid: BTreeMap::from([("residual".to_string(), residuals)]),
        arms: arms.iter().map(ToString::to_string).collect(),
        seed: *seed,
        split_seed: SPLIT_SEED,
        side_effects: match protocol.placebos {
            Placebos::All => subject.neutral.map(NeutralText::plan),
            Placebos::None => None,
        },
    }
}

/// The method and its options, as the plan has them.
fn method(template: Template, presented: Presented, wrong_task: Option<String>) -> MethodPlan {
    let count = |name: &str, n: usize| (name.to_string(), Value::Count(n));
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let mut options = BTreeMap::from([
        text("template", template.text()),
        count("demonstrations", DEMONSTRATIONS),
        count("dummies", DUMMIES),
    ]);
    options.extend(wrong_task.map(|hash| text("wrong-task", &hash)));
    options.extend(presented.placebo().map(|name| text("presented", name)));
    MethodPlan { name: "task-vector".into(), version: VERSION, options }
}
