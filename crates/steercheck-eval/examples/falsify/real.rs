//! Real runs in which a placebo is presented as the method.

use std::path::Path;

use steercheck_eval::card::{Card, Verdict, cards};
use steercheck_eval::cell::{
    Cell, Choices, FunctionVectorCell, FunctionVectorOptions, Presented, Subject, TaskVectorCell, TaskVectorOptions,
};
use steercheck_eval::task::{self, builtin_names};
use steercheck_eval::{EvalError, Profile, Protocol};
use steercheck_model::{LoadOptions, Loaded};

/// A method, whose placebos may not be found to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    TaskVector,
    FunctionVector,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TaskVector => "task vectors",
            Self::FunctionVector => "function vectors",
        }
    }

    fn placebos(self) -> &'static [Presented] {
        const ALL: [Presented; 4] =
            [Presented::RandomDirection, Presented::ShuffledLabels, Presented::WrongTask, Presented::RandomHeads];
        match self {
            Self::TaskVector => &ALL[..3],
            Self::FunctionVector => &ALL,
        }
    }

    /// Function vectors cost more: fewer tasks and seeds.
    fn tasks(self) -> Vec<&'static str> {
        match self {
            Self::TaskVector => builtin_names().to_vec(),
            Self::FunctionVector => vec!["present-past", "singular-plural", "capitalise", "country-capital"],
        }
    }

    fn seeds(self, asked: u64) -> u64 {
        match self {
            Self::TaskVector => asked,
            Self::FunctionVector => asked.min(3),
        }
    }

    fn cell(self, subject: &Subject<'_>, task: &str, seed: u64, presented: Presented) -> Result<Cell, EvalError> {
        let task = task::builtin(task)?;
        let (protocol, profile) = (Protocol::RIGOROUS, Profile::QUICK);
        Ok(match self {
            Self::TaskVector => {
                let options = TaskVectorOptions { protocol, profile, seed, presented };
                Cell::TaskVector(Box::new(TaskVectorCell::prepare(subject, &task, &options)?))
            }
            Self::FunctionVector => {
                let options = FunctionVectorOptions { protocol, choices: Choices::RIGOROUS, profile, seed, presented };
                Cell::FunctionVector(Box::new(FunctionVectorCell::prepare(subject, &task, &options)?))
            }
        })
    }
}

/// The cards of one method, placebo and seed, a task each.
pub(crate) struct Run {
    pub(crate) method: Method,
    pub(crate) presented: Presented,
    pub(crate) seed: u64,
    pub(crate) cards: Vec<Card>,
}

/// Runs tasks with a placebo in the method's place, once per seed. Left out, and named, are tasks with too few items for the tokenizer
/// and, after the first seed, those that were untestable with it. `only` names one placebo.
pub(crate) fn run(
    model: &Path,
    methods: &[Method],
    seeds: u64,
    only: Option<&str>,
) -> Result<Vec<Run>, Box<dyn std::error::Error>> {
    let loaded = Loaded::open(model, &LoadOptions::default())?;
    let tokenizer = loaded.tokenizer?;
    // Head outputs of one seed serve all placebos.
    let kept = tempfile::tempdir()?;
    let subject = Subject { model: &loaded.model, tokenizer: &tokenizer, neutral: None, kept: Some(kept.path()) };
    let mut out = Vec::new();
    for method in methods {
        for presented in method.placebos().iter().filter(|p| only.is_none() || p.placebo() == only) {
            let mut names = method.tasks();
            for seed in 0..method.seeds(seeds) {
                let mut judged = Vec::new();
                for name in &names {
                    let cell = match method.cell(&subject, name, seed, *presented) {
                        Ok(cell) => cell,
                        Err(EvalError::TooFewItems { task, usable, .. }) => {
                            eprintln!("{task} has {usable} usable items and is left out");
                            continue;
                        }
                        Err(e) => return Err(e.into()),
                    };
                    let finished = cell.run(&subject, None)?;
                    for artefact in &finished.artefacts {
                        artefact.write(kept.path())?;
                    }
                    // Alone in its family, which is when the tests are least strict.
                    judged.push(cards(&[finished.record])?.remove(0));
                }
                report(*method, *presented, seed, &judged);
                if seed == 0 {
                    let testable = |card: &&Card| card.verdict.is_some_and(|v| v != Verdict::Untestable);
                    let testable: Vec<&str> =
                        judged.iter().filter(testable).map(|c| c.measured.subject.task.as_str()).collect();
                    names.retain(|name| testable.contains(name));
                }
                out.push(Run { method: *method, presented: *presented, seed, cards: judged });
            }
        }
    }
    Ok(out)
}

/// A line of progress.
fn report(method: Method, presented: Presented, seed: u64, judged: &[Card]) {
    let found: Vec<String> = judged
        .iter()
        .map(|c| format!("{} {}", c.measured.subject.task, c.verdict.map_or("not judged", Verdict::text)))
        .collect();
    let placebo = presented.placebo().unwrap_or("method");
    eprintln!("{}, {placebo}, seed {seed}: {}", method.name(), found.join(", "));
}
