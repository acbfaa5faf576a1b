//! Real runs in which a placebo is presented as the method.

use std::path::Path;

use steercheck_eval::card::{Card, CardError, Verdict, cards};
use steercheck_eval::cell::{Presented, Subject, TaskVectorCell, TaskVectorOptions};
use steercheck_eval::record::Record;
use steercheck_eval::task::{self, builtin_names};
use steercheck_eval::{EvalError, Profile, Protocol};
use steercheck_model::{LoadOptions, Loaded};

/// Everything that may not be found to work.
pub(crate) const PRESENTED: [Presented; 3] =
    [Presented::RandomDirection, Presented::ShuffledLabels, Presented::WrongTask];

/// The cards of one placebo and seed, a task each.
pub(crate) struct Run {
    pub(crate) presented: Presented,
    pub(crate) seed: u64,
    pub(crate) cards: Vec<Card>,
}

/// Runs every built-in task with a placebo in the method's place, once per seed. Left out, and named, are tasks with too few items for
/// the tokenizer and, after the first seed, those that were untestable with it.
pub(crate) fn run(model: &Path, seeds: u64) -> Result<Vec<Run>, Box<dyn std::error::Error>> {
    let loaded = Loaded::open(model, &LoadOptions::default())?;
    let tokenizer = loaded.tokenizer?;
    let subject = Subject { model: &loaded.model, tokenizer: &tokenizer, neutral: None, kept: None };
    let mut out = Vec::new();
    for presented in PRESENTED {
        let mut names: Vec<&str> = builtin_names().to_vec();
        for seed in 0..seeds {
            let mut records: Vec<Record> = Vec::new();
            for &name in &names {
                let options =
                    TaskVectorOptions { protocol: Protocol::RIGOROUS, profile: Profile::QUICK, seed, presented };
                match TaskVectorCell::prepare(&subject, &task::builtin(name)?, &options) {
                    Ok(cell) => records.push(cell.run(&subject, None)?.record),
                    Err(EvalError::TooFewItems { task, usable, .. }) if seed == 0 => {
                        eprintln!("{task} has {usable} usable items and is left out");
                    }
                    Err(EvalError::TooFewItems { .. }) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            // Each alone in its family, which is when the tests are least strict.
            let judged = records
                .iter()
                .map(|r| Ok(cards(std::slice::from_ref(r))?.remove(0)))
                .collect::<Result<Vec<Card>, CardError>>()?;
            let found: Vec<&str> = judged.iter().filter_map(|c| c.verdict.map(Verdict::text)).collect();
            eprintln!("{}, seed {seed}: {}", presented.placebo().unwrap_or("method"), found.join(", "));
            if seed == 0 {
                let testable = |card: &&Card| card.verdict.is_some_and(|v| v != Verdict::Untestable);
                let testable: Vec<&str> =
                    judged.iter().filter(testable).map(|c| c.measured.subject.task.as_str()).collect();
                names.retain(|name| testable.contains(name));
                eprintln!("further seeds: {}", names.join(", "));
            }
            out.push(Run { presented, seed, cards: judged });
        }
    }
    Ok(out)
}
