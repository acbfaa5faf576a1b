//! What `check` and `vector make` have in common: a model is opened and verified, cells are prepared and run, records written.

use std::path::Path;
use std::time::Instant;

use steercheck_eval::cell::{Cell, Choices, Finished, Heads, ReadAt, Subject, VectorCell, VectorOptions};
use steercheck_eval::conformance::{Extent, Summary};
use steercheck_eval::record::{self, Written};
use steercheck_eval::side_effects::{self, NeutralText, Unsteered};
use steercheck_eval::study::{Design, Method, NotRun, Part, Prepared, Source};
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

/// What an examination found.
pub(crate) struct Examined {
    pub(crate) records: Vec<Record>,
    pub(crate) not_run: Vec<NotRun>,
    /// The model, and how its conformance checks ended.
    pub(crate) summary: String,
}

/// Runs methods, or a vector, on tasks, and writes the records.
pub(crate) fn examine(options: &CheckOptions) -> Result<Examined, CliError> {
    let (protocol, _) = sizes(options);
    if (1..options.methods.len()).any(|i| options.methods[..i].contains(&options.methods[i])) {
        return Err(CliError::Usage("a method is asked for twice; name each once".into()));
    }
    let asked = asked(options, &protocol)?;
    let given = options.vector.as_ref().map(|v| read_vectors(&v.file, v.tensor.as_deref())).transpose()?;
    // Minutes of work must not end in a folder that cannot be written.
    record::check_folder(&options.out)?;
    let found = models::find(options.model.as_deref(), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { mut model, tokenizer, reading } = loading::open(&found, &options.loading, memory)?;
    let tokenizer = match options.bos {
        None => tokenizer?,
        Some(bos) => tokenizer?.with_bos(bos == OnOff::On)?,
    };
    let vector = options.vector.as_ref().zip(given).map(|(spec, file)| GivenVector::resolve(spec, &file, &model.spec));
    let text = NeutralText::new(&tokenizer, &model.spec)?;
    let subject = Subject { model: &model, tokenizer: &tokenizer, neutral: Some(&text), kept: None };
    let Prepared { cells, not_run } = match vector.transpose()? {
        Some(vector) => of_vector(&subject, &vector, &asked, options)?,
        None => design(options, &asked).prepare(&subject)?,
    };
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

/// What the options ask of the model.
fn design(options: &CheckOptions, asked: &Asked) -> Design {
    let (protocol, profile) = sizes(options);
    let methods = match &options.methods[..] {
        [] => {
            let of_tasks = [MethodName::Tv, MethodName::Fv].into_iter().filter(|_| !asked.tasks.is_empty());
            let of_sets = [MethodName::Dola].into_iter().filter(|_| !asked.sets.is_empty());
            of_tasks.chain(of_sets).collect()
        }
        methods => methods.to_vec(),
    };
    let part = |name: MethodName| {
        let (method, sources) = match name {
            MethodName::Tv => (Method::TaskVector, &asked.tasks),
            MethodName::Fv => (Method::FunctionVector(choices(options, &protocol)), &asked.tasks),
            MethodName::Dola => (Method::Dola(dola_norm(options)), &asked.sets),
        };
        Part { method, sources: sources.clone() }
    };
    let parts = methods.into_iter().map(part).collect();
    Design { seeds: seeds(options, &profile), protocol, profile, parts }
}

fn seeds(options: &CheckOptions, profile: &Profile) -> Vec<u64> {
    (0..profile.seeds as u64).map(|i| options.seed.wrapping_add(i)).collect()
}

fn dola_norm(options: &CheckOptions) -> FinalNorm {
    match options.dola_norm {
        Some(DolaNorm::Final) => FinalNorm::Apply,
        Some(DolaNorm::None) | None => FinalNorm::Skip,
    }
}

/// The protocol's choices, but for those that were made on the command line.
fn choices(options: &CheckOptions, protocol: &Protocol) -> Choices {
    Choices::of(protocol).with(
        options.fv_position.map(|position| match position {
            FvPosition::Last => ReadAt::Last,
            FvPosition::Penultimate => ReadAt::Penultimate,
        }),
        options.fv_bias.map(|bias| match bias {
            FvBias::Kept => ProjectionBias::Kept,
            FvBias::Published => ProjectionBias::AsPublished,
        }),
        options.fv_effects.map(|effects| match effects {
            FvEffects::Probability => Scale::Probability,
            FvEffects::LogProbability => Scale::LogProbability,
        }),
        options.fv_heads.map(|heads| match heads {
            FvHeads::Task => Heads::OfTask,
            FvHeads::Universal => Heads::Universal,
        }),
    )
}

/// The cells of the user's vector.
fn of_vector(
    subject: &Subject<'_>,
    vector: &GivenVector,
    asked: &Asked,
    options: &CheckOptions,
) -> Result<Prepared, EvalError> {
    let (_, profile) = sizes(options);
    let positions = options.positions.map_or(Where::Last, Into::into);
    let mut out = Prepared::default();
    for task in asked.tasks.iter().filter_map(Source::task) {
        for seed in seeds(options, &profile) {
            let options = VectorOptions { vector: vector.clone(), positions, profile: profile.clone(), seed };
            match VectorCell::prepare(subject, task, &options) {
                Ok(cell) => out.cells.push(Cell::Vector(Box::new(cell))),
                Err(reason @ (EvalError::TooFewItems { .. } | EvalError::TooLong { .. })) => {
                    out.not_run.push(NotRun { task: task.name.clone(), method: "given vector", reason });
                    break;
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(out)
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
    let planned: Vec<u64> = cells.iter().map(|c| c.planned(model).work + c.acts().map_or(0, aside)).collect();
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
