//! Whether a model of a certain size can run a job file.

use std::collections::BTreeMap;

use crate::Error;
use crate::jobs::{
    Cie, Dola, FunctionVector, Heads, Item, Job, JobFile, Kind, Lens, Logits, MeanHeads, Question, TaskVector,
    TensorRef, Work,
};

/// What is wrong with a job; the caller adds the job's name.
type Problem = String;

/// The model's size and the jobs that came before.
struct Context<'a> {
    vocab_size: usize,
    layers: usize,
    heads: usize,
    earlier: BTreeMap<&'a str, Kind>,
}

impl JobFile {
    /// Whether a model with so many tokens, blocks and query heads can run every job: ids, positions, layers and heads in
    /// range, nothing empty that must not be, references to earlier jobs of the right kind. Files that jobs refer to are
    /// not opened.
    pub fn check(&self, vocab_size: usize, layers: usize, heads: usize) -> Result<(), Error> {
        if self.jobs.is_empty() {
            return Err(Error::NoJobs);
        }
        let mut context = Context { vocab_size, layers, heads, earlier: BTreeMap::new() };
        for job in &self.jobs {
            context.job(job).map_err(|problem| Error::Unusable { job: job.name.clone(), problem })?;
            context.earlier.insert(&job.name, job.kind());
        }
        Ok(())
    }
}

impl Context<'_> {
    fn job(&self, job: &Job) -> Result<(), Problem> {
        if job.name.is_empty() || job.name.contains('/') {
            return Err(
                "a job's name must not be empty or contain a slash, since its tensors are named job/name".into()
            );
        }
        if self.earlier.contains_key(job.name.as_str()) {
            return Err("an earlier job has the same name".into());
        }
        match &job.work {
            Work::Logits(work) => self.logits(work),
            Work::MeanHeads(work) => self.mean_heads(work),
            Work::Cie(work) => self.cie(work),
            Work::FunctionVector(work) => self.function_vector(work),
            Work::TaskVector(work) => self.task_vector(work),
            Work::Dola(work) => self.dola(work),
            Work::Lens(work) => self.lens(work),
        }
    }

    fn logits(&self, work: &Logits) -> Result<(), Problem> {
        self.prompt("ids", &work.ids)?;
        some("positions", &work.positions)?;
        work.positions.iter().try_for_each(|&position| position_in("positions", position, &work.ids))
    }

    fn mean_heads(&self, work: &MeanHeads) -> Result<(), Problem> {
        some("prompts", &work.prompts)?;
        each(&work.prompts, |at, ids| self.prompt(&format!("prompts[{at}]"), ids))
    }

    fn cie(&self, work: &Cie) -> Result<(), Problem> {
        self.reference("mean_heads", &work.mean_heads, Kind::MeanHeads, "mean")?;
        self.questions(&work.prompts)
    }

    fn function_vector(&self, work: &FunctionVector) -> Result<(), Problem> {
        self.reference("mean_heads", &work.mean_heads, Kind::MeanHeads, "mean")?;
        match &work.heads {
            Heads::List(list) => {
                some("heads", list)?;
                each(list, |at, &[block, head]| {
                    below(&format!("heads[{at}] names block"), block, self.layers, "blocks")?;
                    below(&format!("heads[{at}] names head"), head, self.heads, "heads")
                })?;
            }
            Heads::Top { from, top } => {
                self.reference("heads.from", from, Kind::Cie, "delta")?;
                let all = self.layers.saturating_mul(self.heads);
                if !(1..=all).contains(top) {
                    return Err(format!("heads.top is {top}, and the model has {all} heads"));
                }
            }
        }
        some("layers", &work.layers)?;
        self.edited_layers(&work.layers)?;
        some("lambdas", &work.lambdas)?;
        each(&work.lambdas, |at, lambda| finite(&format!("lambdas[{at}]"), *lambda))?;
        self.questions(&work.prompts)
    }

    fn task_vector(&self, work: &TaskVector) -> Result<(), Problem> {
        self.edited_layers(work.layers.as_deref().unwrap_or_default())?;
        some("items", &work.items)?;
        each(&work.items, |at, Item { dummies, ids, answer }| {
            some(&format!("items[{at}].dummies"), dummies)?;
            each(dummies, |dummy, ids| self.prompt(&format!("items[{at}].dummies[{dummy}]"), ids))?;
            self.prompt(&format!("items[{at}].ids"), ids)?;
            self.token(&format!("items[{at}].answer"), *answer)
        })
    }

    fn dola(&self, work: &Dola) -> Result<(), Problem> {
        some("pairs", &work.pairs)?;
        each(&work.pairs, |at, pair| {
            self.prompt(&format!("pairs[{at}].prefix"), &pair.prefix)?;
            self.prompt(&format!("pairs[{at}].continuation"), &pair.continuation)
        })?;
        some("configs", &work.configs)?;
        each(&work.configs, |at, config| {
            if !(0.0..=1.0).contains(&config.alpha) {
                return Err(format!("configs[{at}].alpha is {}, and must lie between 0 and 1", config.alpha));
            }
            let field = format!("configs[{at}].candidates");
            some(&field, &config.candidates)?;
            config.candidates.iter().try_for_each(|&layer| {
                let last = self.layers.saturating_sub(1);
                (layer < self.layers)
                    .then_some(())
                    .ok_or_else(|| format!("{field} names layer {layer}, and candidates must be among 0 to {last}"))
            })
        })
    }

    fn lens(&self, work: &Lens) -> Result<(), Problem> {
        some("prompts", &work.prompts)?;
        let tokens = work.prompts[0].tokens.len();
        each(&work.prompts, |at, look| {
            self.prompt(&format!("prompts[{at}].ids"), &look.ids)?;
            position_in(&format!("prompts[{at}].position"), look.position, &look.ids)?;
            if look.tokens.len() != tokens {
                let got = look.tokens.len();
                return Err(format!("prompts[{at}].tokens has {got} tokens, and prompts[0].tokens {tokens}"));
            }
            look.tokens.iter().try_for_each(|&id| self.token(&format!("prompts[{at}].tokens"), id))
        })
    }

    fn questions(&self, prompts: &[Question]) -> Result<(), Problem> {
        some("prompts", prompts)?;
        each(prompts, |at, Question { ids, answer }| {
            self.prompt(&format!("prompts[{at}].ids"), ids)?;
            self.token(&format!("prompts[{at}].answer"), *answer)
        })
    }

    /// A list of ids that is not empty.
    fn prompt(&self, field: &str, ids: &[u32]) -> Result<(), Problem> {
        some(field, ids)?;
        ids.iter().try_for_each(|&id| self.token(field, id))
    }

    fn token(&self, field: &str, id: u32) -> Result<(), Problem> {
        below(&format!("{field} has token"), id as usize, self.vocab_size, "tokens")
    }

    /// Layers whose block's output is edited: 1…L.
    fn edited_layers(&self, layers: &[usize]) -> Result<(), Problem> {
        match layers.iter().find(|layer| !(1..=self.layers).contains(*layer)) {
            Some(layer) => Err(format!("layers has {layer}, and must be among 1 to {}", self.layers)),
            None => Ok(()),
        }
    }

    fn reference(&self, field: &str, to: &TensorRef, kind: Kind, leaf: &str) -> Result<(), Problem> {
        match to {
            TensorRef::File { file, .. } if file.is_absolute() => {
                Err(format!("{field} names the file {}, and must be relative to the job file", file.display()))
            }
            TensorRef::File { .. } => Ok(()),
            TensorRef::Job(name) => match name.split_once('/') {
                Some((job, tensor)) if tensor == leaf && self.earlier.get(job) == Some(&kind) => Ok(()),
                _ => Err(format!("{field} is {name}, and must be JOB/{leaf} with an earlier job of kind {kind}")),
            },
        }
    }
}

fn some<T>(field: &str, list: &[T]) -> Result<(), Problem> {
    if list.is_empty() { Err(format!("{field} is empty")) } else { Ok(()) }
}

fn each<T>(list: &[T], check: impl Fn(usize, &T) -> Result<(), Problem>) -> Result<(), Problem> {
    list.iter().enumerate().try_for_each(|(at, item)| check(at, item))
}

fn below(what: &str, index: usize, count: usize, things: &str) -> Result<(), Problem> {
    if index < count { Ok(()) } else { Err(format!("{what} {index}, and the model has {count} {things}")) }
}

fn position_in(field: &str, position: usize, ids: &[u32]) -> Result<(), Problem> {
    if position < ids.len() {
        Ok(())
    } else {
        Err(format!("{field} has position {position}, and the prompt has {} tokens", ids.len()))
    }
}

fn finite(field: &str, number: f64) -> Result<(), Problem> {
    if number.is_finite() { Ok(()) } else { Err(format!("{field} is {number}, and must be finite")) }
}
