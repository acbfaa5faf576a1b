//! What `check` and `vector make` have in common: a model is opened and verified, cells are prepared and run, records written.

use std::path::Path;
use std::time::Instant;

use steercheck_eval::cell::{
    Cell, Choices, DolaCell, DolaOptions, Finished, FunctionVectorCell, FunctionVectorOptions, Heads, Presented,
    ReadAt, Subject, TaskVectorCell, TaskVectorOptions, VectorCell, VectorOptions,
};
use steercheck_eval::conformance::{Extent, Summary};
use steercheck_eval::record::{self, Written};
use steercheck_eval::scoring::QuestionSet;
use steercheck_eval::side_effects::{self, NeutralText, Unsteered};
use steercheck_eval::task::Task;
use steercheck_eval::{EvalError, Profile, Protocol, Record};
use steercheck_model::{FinalNorm, Loaded, Model, Tokenizer, read_vectors};
use steercheck_steer::function_vector::{ProjectionBias, Scale};
use steercheck_steer::given_vector::{GivenVector, Where};

use crate::arguments::{
    CheckOptions, DolaNorm, FvBias, FvEffects, FvHeads, FvPosition, MethodName, OnOff, ProfileName, ProtocolName,
};
use crate::error::CliError;
use crate::models;
use crate::progress::{Work, line};
use crate::sources::{Asked, asked};
use crate::{cost, loading, report, verify};

/// A task that was asked for and cannot be run on this model by a method.
pub(crate) struct NotRun {
    pub(crate) task: String,
    pub(crate) method: &'static str,
    pub(crate) reason: EvalError,
}

/// What an examination found.
pub(crate) struct Examined {
    pub(crate) records: Vec<Record>,
    pub(crate) not_run: Vec<NotRun>,
    /// The model, and how its conformance checks ended.
    pub(crate) summary: String,
}

/// Runs methods, or a vector, on tasks, and writes the records.
pub(crate) fn examine(options: &CheckOptions) -> Result<Examined, CliError> {
    let (protocol, profile) = sizes(options);
    if (1..options.methods.len()).any(|i| options.methods[..i].contains(&options.methods[i])) {
        return Err(CliError::Usage("a method is asked for twice; name each once".into()));
    }
    let asked = asked(options, &protocol)?;
    let given = options.vector.as_ref().map(|v| read_vectors(&v.file, v.tensor.as_deref())).transpose()?;
    // Minutes of work must not end in a folder that cannot be written.
    record::check_folder(&options.out)?;
    let found = models::find(options.model.as_deref(), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { mut model, tokenizer, reading } = loading::open(&found.path, &options.loading, memory)?;
    let tokenizer = match options.bos {
        None => tokenizer?,
        Some(bos) => tokenizer?.with_bos(bos == OnOff::On)?,
    };
    let vector = options.vector.as_ref().zip(given).map(|(spec, file)| GivenVector::resolve(spec, &file, &model.spec));
    let run = Run { protocol, profile, vector: vector.transpose()?, asked: &asked, options };
    let text = NeutralText::new(&tokenizer, &model.spec)?;
    let (cells, not_run) =
        run.prepare(&Subject { model: &model, tokenizer: &tokenizer, neutral: Some(&text), kept: None })?;
    // A task that was asked for by name runs, if only by one of the methods; so does a method.
    let by_name = !options.tasks.is_empty() || !options.methods.is_empty();
    let ran = |n: &&NotRun| cells.iter().any(|cell| cell.task_name() == n.task);
    if let Some(first) = not_run.iter().find(|n| cells.is_empty() || (by_name && !ran(n))) {
        return Err(CliError::Usage(first.reason.to_string()));
    }
    let passes = Extent::Short.passes() + cells.iter().map(Cell::passes).sum::<f64>();
    cost::tell(&model.info, memory, reading, passes);
    let conformance = verify::before_a_check(&model, &tokenizer, options.force)?;
    let keep = Keep { conformance: &conformance, out: &options.out };
    let records = run_cells(&mut model, &tokenizer, &text, &cells, &keep)?;
    let conformance = format!("verified   {}\n", verify::in_a_line(&conformance));
    let summary = report::summary(&model.info, Some(&tokenizer)) + &conformance;
    Ok(Examined { records, not_run, summary })
}

pub(crate) fn sizes(options: &CheckOptions) -> (Protocol, Profile) {
    let protocol = match options.protocol {
        ProtocolName::Study => Protocol::STUDY,
        ProtocolName::Rigorous => Protocol::RIGOROUS,
    };
    let profile = match (options.profile, options.protocol) {
        (Some(ProfileName::Quick), _) | (None, ProtocolName::Rigorous) => Profile::QUICK,
        (Some(ProfileName::Standard), _) => Profile::STANDARD,
        (Some(ProfileName::Study), _) | (None, ProtocolName::Study) => Profile::STUDY,
    };
    (protocol, profile)
}

/// What is run on every task.
struct Run<'a> {
    protocol: Protocol,
    profile: Profile,
    /// The user's vector; none runs the methods.
    vector: Option<GivenVector>,
    asked: &'a Asked,
    options: &'a CheckOptions,
}

/// What is run: the user's vector, or a method.
#[derive(Clone, Copy)]
enum Way<'a> {
    Vector(&'a GivenVector),
    Method(MethodName),
}

impl Way<'_> {
    fn text(self) -> &'static str {
        match self {
            Self::Vector(_) => "given vector",
            Self::Method(MethodName::Tv) => "task vectors",
            Self::Method(MethodName::Fv) => "function vectors",
            Self::Method(MethodName::Dola) => "DoLa",
        }
    }
}

impl Run<'_> {
    fn ways(&self) -> Vec<Way<'_>> {
        match (&self.vector, &self.options.methods[..]) {
            (Some(vector), _) => vec![Way::Vector(vector)],
            (None, []) => {
                let of_tasks = [MethodName::Tv, MethodName::Fv].into_iter().filter(|_| !self.asked.tasks.is_empty());
                let of_sets = [MethodName::Dola].into_iter().filter(|_| !self.asked.sets.is_empty());
                of_tasks.chain(of_sets).map(Way::Method).collect()
            }
            (None, methods) => methods.iter().map(|m| Way::Method(*m)).collect(),
        }
    }

    /// The cells of every method, task and seed, and the tasks that cannot be run on this model.
    fn prepare(&self, subject: &Subject<'_>) -> Result<(Vec<Cell>, Vec<NotRun>), CliError> {
        let (mut cells, mut not_run) = (Vec::new(), Vec::new());
        let mut keep = |cell: Result<Cell, EvalError>, task: &str, way: Way<'_>| match cell {
            Ok(cell) => {
                cells.push(cell);
                Ok(true)
            }
            Err(reason @ (EvalError::TooFewItems { .. } | EvalError::TooLong { .. })) => {
                not_run.push(NotRun { task: task.to_string(), method: way.text(), reason });
                Ok(false)
            }
            Err(e) => Err(CliError::from(e)),
        };
        for way in self.ways() {
            if let Way::Method(MethodName::Dola) = way {
                for set in &self.asked.sets {
                    keep(self.dola(subject, set), &set.name, way)?;
                }
                continue;
            }
            for task in &self.asked.tasks {
                for seed in (0..self.profile.seeds as u64).map(|i| self.options.seed.wrapping_add(i)) {
                    if !keep(self.cell(subject, task, seed, way), &task.name, way)? {
                        break;
                    }
                }
            }
        }
        Ok((cells, not_run))
    }

    /// Nothing but the random layers depends on the seed: one is enough.
    fn dola(&self, subject: &Subject<'_>, set: &QuestionSet) -> Result<Cell, EvalError> {
        let options = DolaOptions {
            protocol: self.protocol.clone(),
            profile: self.profile.clone(),
            seed: self.options.seed,
            norm: match self.options.dola_norm {
                Some(DolaNorm::Final) => FinalNorm::Apply,
                Some(DolaNorm::None) | None => FinalNorm::Skip,
            },
            random_layer: false,
        };
        Ok(Cell::Dola(Box::new(DolaCell::prepare(subject, set, &options)?)))
    }

    /// The protocol's choices, but for those that were made on the command line.
    fn choices(&self) -> Choices {
        let mut choices = Choices::of(&self.protocol);
        match self.options.fv_position {
            Some(FvPosition::Last) => choices.read_at = ReadAt::Last,
            Some(FvPosition::Penultimate) => choices.read_at = ReadAt::Penultimate,
            None => {}
        }
        match self.options.fv_bias {
            Some(FvBias::Kept) => choices.bias = ProjectionBias::Kept,
            Some(FvBias::Published) => choices.bias = ProjectionBias::AsPublished,
            None => {}
        }
        match self.options.fv_effects {
            Some(FvEffects::Probability) => choices.effects = Scale::Probability,
            Some(FvEffects::LogProbability) => choices.effects = Scale::LogProbability,
            None => {}
        }
        match self.options.fv_heads {
            Some(FvHeads::Task) => choices.heads = Heads::OfTask,
            Some(FvHeads::Universal) => choices.heads = Heads::Universal,
            None => {}
        }
        choices
    }

    fn cell(&self, subject: &Subject<'_>, task: &Task, seed: u64, way: Way<'_>) -> Result<Cell, EvalError> {
        let (protocol, profile) = (self.protocol.clone(), self.profile.clone());
        let presented = Presented::Method;
        Ok(match way {
            Way::Vector(vector) => {
                let positions = self.options.positions.map_or(Where::Last, Into::into);
                let options = VectorOptions { vector: vector.clone(), positions, profile, seed };
                Cell::Vector(Box::new(VectorCell::prepare(subject, task, &options)?))
            }
            Way::Method(MethodName::Tv) => {
                let options = TaskVectorOptions { protocol, profile, seed, presented };
                Cell::TaskVector(Box::new(TaskVectorCell::prepare(subject, task, &options)?))
            }
            Way::Method(MethodName::Fv | MethodName::Dola) => {
                let choices = self.choices();
                let options = FunctionVectorOptions { protocol, choices, profile, seed, presented };
                Cell::FunctionVector(Box::new(FunctionVectorCell::prepare(subject, task, &options)?))
            }
        })
    }
}

/// Runs the cells. Side effects are measured where their plans ask for it.
fn run_cells(
    model: &mut Model,
    tokenizer: &Tokenizer,
    text: &NeutralText,
    cells: &[Cell],
    keep: &Keep<'_>,
) -> Result<Vec<Record>, CliError> {
    // All cells of a run steer at the same places.
    let acts = cells.iter().find_map(Cell::acts);
    let aside = |acts| side_effects::work(model, text, acts).rows;
    let planned: Vec<u64> = cells.iter().map(|c| c.planned_work(model) + c.acts().map_or(0, aside)).collect();
    let before = acts.map_or(0, |acts| side_effects::work_unsteered(model, text, acts).rows);
    let work = Work::new(before + planned.iter().sum::<u64>(), model.spec.depth());
    model.watch(Some(work.watcher()));
    work.begin("unsteered, neutral text");
    let unsteered = acts.map(|acts| Unsteered::new(model, text, acts)).transpose()?;
    let subject = Subject { model, tokenizer, neutral: Some(text), kept: Some(keep.out) };
    let mut records = Vec::with_capacity(cells.len());
    for (i, cell) in cells.iter().enumerate() {
        let what = cell.title();
        work.begin(&what);
        let started = Instant::now();
        records.push(keep.finished(cell.run(&subject, unsteered.as_ref())?)?);
        work.ended(&what, i + 1, cells.len(), started.elapsed().as_secs_f64(), planned[i]);
    }
    work.finish();
    model.watch(None);
    Ok(records)
}

/// Where records go, and what they say of the model.
pub(crate) struct Keep<'a> {
    pub(crate) conformance: &'a Summary,
    pub(crate) out: &'a Path,
}

impl Keep<'_> {
    /// Writes what a cell left.
    pub(crate) fn finished(&self, finished: Finished) -> Result<Record, CliError> {
        let mut record = finished.record;
        record.results.conformance = Some(self.conformance.clone());
        // What a record refers to is there before the record is.
        for artefact in &finished.artefacts {
            artefact.write(self.out)?;
        }
        if let Written::Replaced(path) = record.write(self.out)? {
            let why = "another machine or build gives other last digits";
            line(&format!("warning: {} held other results of the same cell and was replaced; {why}", path.display()));
        }
        Ok(record)
    }
}
