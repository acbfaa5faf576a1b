//! Preparing a `DoLa` cell: which questions are asked, what is configured, what determines it.

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::{FinalNorm, HeadKind, Model, ModelError};
use steercheck_steer::dola::{Measure, Readout};

use super::choose::FOLDS;
use super::{ARMS, ARMS_ALONE, DolaCell, DolaOptions, SPLIT_SEED, VERSION};
use crate::cell::Subject;
use crate::error::EvalError;
use crate::lens::{Look, lettered};
use crate::protocol::{Placebos, Profile, Protocol};
use crate::record::{About, Counts, MethodPlan, ModelPlan, Plan, TaskInfo, TokenizerInfo, Value};
use crate::sample;
use crate::scoring::grid::{ALPHAS, Bucket, buckets, grid};
use crate::scoring::{Asked, Kind, Question, QuestionSet};

impl DolaCell {
    /// Tokenises the questions and lays out the grid. An error if a question with an answer does not fit the model's context, or the model
    /// is too shallow for the buckets.
    pub fn prepare(subject: &Subject<'_>, set: &QuestionSet, options: &DolaOptions) -> Result<Self, EvalError> {
        let started = Instant::now();
        let DolaOptions { protocol, profile, seed, norm } = options;
        let (model, tokenizer) = (subject.model, subject.tokenizer);
        let items = set.questions.len();
        let set = some(set, profile);
        let asked = Asked::new(tokenizer, &set)?;
        let (mut set, asked) = that_fit(set, asked, model)?;
        let looks = looks(subject, &mut set)?;
        let periods =
            (0..set.questions.len()).map(|i| asked.ends_in_period(tokenizer, i)).collect::<Result<Vec<_>, _>>()?;
        let buckets = buckets(model.spec.depth(), model.info.parameters);
        let points = grid(&buckets, &ALPHAS, Measure::Paper);
        let study = protocol.name == Protocol::STUDY.name;
        // As published: the unembedding matrix alone in the contrast, the model's own logits in the baseline.
        let head = if study { HeadKind::Weight } else { HeadKind::Full };
        let placebos = protocol.placebos == Placebos::All;
        let n = set.questions.len();
        let plan = Plan {
            method: method(options, study),
            model: ModelPlan::of(model),
            tokenizer: TokenizerInfo::of(tokenizer),
            task: set.hash(),
            protocol: protocol.clone(),
            counts: Counts { dev: 0, test: n, baseline: 0 },
            grid: axes(&buckets),
            arms: if placebos { &ARMS[..] } else { &ARMS_ALONE[..] }.iter().map(ToString::to_string).collect(),
            seed: *seed,
            split_seed: SPLIT_SEED,
            side_effects: None,
        };
        let matching = match set.kind {
            Kind::MultipleChoice => "mc1",
            Kind::Completion => "completion",
        };
        let about = About {
            machine: Some(About::machine()),
            program: About::program(),
            model: model.info.clone(),
            task: TaskInfo {
                name: set.name.clone(),
                items,
                usable: n,
                leading_space: true,
                matching: matching.into(),
                notes: set.notes.clone(),
            },
            wrong_task: None,
            profile: profile.name.to_string(),
        };
        Ok(Self {
            plan,
            about,
            asked,
            buckets,
            points,
            readout: Readout { norm: *norm, mature: head, premature: head },
            periods,
            looks,
            prepared_seconds: started.elapsed().as_secs_f64(),
            set,
        })
    }
}

/// The questions of a profile, drawn where it has fewer than there are.
fn some(set: &QuestionSet, profile: &Profile) -> QuestionSet {
    let n = set.questions.len();
    let Some(most) = profile.questions.filter(|most| *most < n) else { return set.clone() };
    let order = sample::permutation(n, &mut sample::stream(SPLIT_SEED, "questions", 0));
    let mut taken: Vec<usize> = order.into_iter().take(most).collect();
    taken.sort_unstable();
    set.some(&taken)
}

/// The questions that the model's context holds with each of their answers; the others are named in a note. An error if most are too long.
fn that_fit(set: QuestionSet, asked: Asked, model: &Model) -> Result<(QuestionSet, Asked), EvalError> {
    let (n, context) = (set.questions.len(), model.spec.max_positions);
    let places = if model.spec.stretches() { (0..n).collect() } else { asked.fitting(context) };
    if places.len() == n {
        return Ok((set, asked));
    }
    if 2 * places.len() < n {
        return Err(EvalError::TooLong { task: set.name, method: "DoLa", tokens: asked.longest(), context });
    }
    let (mut fitting, left) = (set.some(&places), n - places.len());
    fitting.notes.push(format!(
        "{left} of {n} questions were left out: the model's context of {context} tokens does not hold them"
    ));
    Ok((fitting, asked.some(&places)))
}

/// The questions as lettered multiple choice. None for completions, nor where the tokenizer does not tell letters apart or the context is
/// too short, of which a note is made.
fn looks(subject: &Subject<'_>, set: &mut QuestionSet) -> Result<Vec<Look>, EvalError> {
    if set.kind == Kind::Completion {
        return Ok(Vec::new());
    }
    let one = |(i, question): (usize, &Question)| lettered(subject.tokenizer, question, SPLIT_SEED, i);
    let spec = &subject.model.spec;
    let why = match set.questions.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>() {
        Ok(looks) if spec.stretches() || looks.iter().all(|look| look.prompt.len() <= spec.max_positions) => {
            return Ok(looks);
        }
        Ok(_) => "the model's context is too short for lettered answers".to_string(),
        Err(EvalError::Model(ModelError::Tokenizer(why))) => why,
        Err(e) => return Err(e),
    };
    set.notes.push(format!("whether the right answer's probability rises late was not asked: {why}"));
    Ok(Vec::new())
}

fn method(options: &DolaOptions, study: bool) -> MethodPlan {
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let norm = match options.norm {
        FinalNorm::Apply => "final",
        FinalNorm::Skip => "none",
    };
    let mut all = BTreeMap::from([
        text("divergence", "paper"),
        text("norm", norm),
        text("heads", if study { "weight" } else { "full" }),
        text("choice", if study { "on the reported items: bucket at alpha 0.1, then alpha" } else { "folds" }),
    ]);
    if study {
        all.extend([text("mc2", "halved")]);
    } else {
        all.insert("folds".into(), Value::Count(FOLDS));
    }
    MethodPlan { name: "dola".into(), version: VERSION, options: all }
}

fn axes(buckets: &[Bucket]) -> BTreeMap<String, Vec<Value>> {
    let text = |text: &str| Value::Text(text.to_owned());
    BTreeMap::from([
        ("alpha".to_string(), ALPHAS.iter().copied().map(Value::Number).collect()),
        ("bucket".to_string(), buckets.iter().map(|b| text(&b.name)).collect()),
        ("post-softmax".to_string(), ["yes", "no"].map(text).to_vec()),
    ])
}
