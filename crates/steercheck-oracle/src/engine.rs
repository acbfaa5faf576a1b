//! What the engine makes of each kind of job. The tensors are those that `oracle.py` writes.

use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Tensor};
use steercheck_model::{Block, Head, Model, ModelError, Prefix, ReadAt, Reading, Reads, Row, Trace};
use steercheck_steer::function_vector::{self, HeadMeans, HeadSite, Injection, ProjectionBias, ReadPosition};
use steercheck_steer::task_vector::{self, TaskVector as Theta};

use crate::dola;
use crate::jobs::{
    Cie, FunctionVector, HeadKind, Heads, Lens, Logits, MeanHeads, Question, TaskVector, TensorRef, Work,
};
use crate::rows::{self, Answer, Softmax};
use crate::{Array, Error, TensorFile, Values};

/// Where jobs find the tensors that they take as input.
pub struct Inputs<'a> {
    /// The results so far, named `job/name`.
    pub done: &'a TensorFile,
    /// The folder of the job file.
    pub folder: &'a Path,
}

/// Runs one job, which the model must be able to run (see [`crate::JobFile::check`]); tensors are named without the job.
pub fn compute(model: &Model, work: &Work, inputs: &Inputs<'_>) -> Result<TensorFile, Error> {
    match work {
        Work::Logits(work) => logits(model, work),
        Work::MeanHeads(work) => mean_heads(model, work),
        Work::Cie(work) => cie(model, work, inputs),
        Work::FunctionVector(work) => function_vector(model, work, inputs),
        Work::TaskVector(work) => task_vector(model, work),
        Work::Lens(work) => lens(model, work),
        Work::Dola(work) => dola::compute(model, work),
    }
}

fn logits(model: &Model, work: &Logits) -> Result<TensorFile, Error> {
    let trace = traces(model, std::slice::from_ref(&work.ids))?.remove(0);
    let residual = read(trace.residual)?;
    let at: Vec<u32> = work.positions.iter().map(|&position| position as u32).collect();
    // [L + 1, positions, D]
    let hidden = residual.index_select(&Tensor::new(at, residual.device())?, 1)?;
    let top = hidden.get(model.spec.depth())?;
    let mut logits = Vec::with_capacity(work.positions.len() * model.spec.vocab_size);
    rows::for_each_row(model, &top, HeadKind::Full.into(), |_, row| logits.extend_from_slice(row))?;
    let shape = [work.positions.len(), model.spec.vocab_size];
    Ok(named([
        ("logits", Array::new(&shape, Values::F32(logits))),
        ("hidden", array(&hidden.transpose(0, 1)?)?),
        ("final", array(&model.final_norm(&top)?)?),
    ]))
}

fn mean_heads(model: &Model, work: &MeanHeads) -> Result<TensorFile, Error> {
    let means = HeadMeans::read(model, &work.prompts, ReadPosition::Last)?;
    Ok(named([("mean", Array::new(&means.shape(), Values::F32(means.values().to_vec())))]))
}

fn means_of(model: &Model, from: &TensorRef, inputs: &Inputs<'_>) -> Result<HeadMeans, Error> {
    let values = from.load(inputs.done, inputs.folder)?.values.to_f64();
    Ok(HeadMeans::new(&model.spec, values.into_iter().map(|x| x as f32).collect())?)
}

fn cie(model: &Model, work: &Cie, inputs: &Inputs<'_>) -> Result<TensorFile, Error> {
    let means = means_of(model, &work.mean_heads, inputs)?;
    let (prompts, answers) = split(&work.prompts);
    let started = Instant::now();
    let effects = function_vector::effects(model, &means, &prompts, &answers, ProjectionBias::Kept)?;
    let seconds = started.elapsed().as_secs_f64() / prompts.len() as f64;
    let clean: Vec<f32> = effects.clean().iter().map(|x| x.exp() as f32).collect();
    let heads = model.spec.depth() * model.spec.heads;
    let delta = effects.patched().chunks(heads).zip(effects.clean());
    let delta = delta.flat_map(|(patched, clean)| patched.iter().map(|x| (x.exp() - clean.exp()) as f32));
    let shape = [prompts.len(), model.spec.depth(), model.spec.heads];
    Ok(named([
        ("delta", Array::new(&shape, Values::F32(delta.collect()))),
        ("clean", Array::new(&shape[..1], Values::F32(clean))),
        ("seconds", Array::new(&shape[..1], Values::F32(vec![seconds as f32; prompts.len()]))),
    ]))
}

/// Whole rows of logits are seen for the intervals of ranks, which the product does not report.
fn function_vector(model: &Model, work: &FunctionVector, inputs: &Inputs<'_>) -> Result<TensorFile, Error> {
    let means = means_of(model, &work.mean_heads, inputs)?;
    let heads: Vec<HeadSite> = match &work.heads {
        Heads::List(list) => list.iter().map(|[block, head]| (Block(block + 1), Head(*head))).collect(),
        Heads::Top { from, top } => {
            let delta = from.load(inputs.done, inputs.folder)?.values.to_f64();
            let all = model.spec.depth() * model.spec.heads;
            let sum = |i: usize| delta.iter().skip(i).step_by(all).sum::<f64>();
            let sums: Vec<f64> = (0..all).map(sum).collect();
            function_vector::ranked(&sums, model.spec.heads).into_iter().take(*top).collect()
        }
    };
    let vector =
        function_vector::vectors(model, &means, &heads, &[heads.len()], ProjectionBias::Kept)?.swap_remove(0).vector;
    let at = |residual: usize| {
        let vector = &vector;
        work.lambdas.iter().map(move |l| Injection { vector: vector.clone(), strength: *l as f32, residual })
    };
    let injections: Vec<Injection> = work.layers.iter().flat_map(|layer| at(*layer)).collect();

    let (prompts, answers) = split(&work.prompts);
    let prefixes = model.prefill(&prompts)?;
    let asked: Vec<Vec<u32>> = answers.iter().map(|&answer| vec![answer]).collect();
    let mut readings = Vec::with_capacity(prefixes.len() * injections.len());
    function_vector::sweep(model, &prefixes, &injections, &asked, |swept| {
        readings.push(swept.reading);
        Ok(())
    })?;
    let rows = prefixes.iter().flat_map(|p| injections.iter().map(|i| Row::edited(p, vec![i.edit()])));
    let rows: Vec<Row<'_>> = rows.collect();
    let whole = answers_in(model, &model.replay(&rows)?.top, |row| answers[row / injections.len()])?;
    let swept = with_ranks(&readings, whole)?;
    let clean = clean(model, &prefixes.iter().collect::<Vec<_>>(), &answers)?;

    let pairs = heads.iter().flat_map(|(block, head)| [block.0 as i64 - 1, head.0 as i64]).collect();
    let mut out = named([
        ("fv", Array::new(&[vector.len()], Values::F32(vector.to_vec()))),
        ("heads", Array::new(&[heads.len(), 2], Values::I64(pairs))),
    ]);
    out.extend(rows::tensors(&clean, "clean_", &[prompts.len()]));
    out.extend(rows::tensors(&swept, "", &[prompts.len(), work.layers.len(), work.lambdas.len()]));
    Ok(out)
}

fn split(questions: &[Question]) -> (Vec<Vec<u32>>, Vec<u32>) {
    questions.iter().map(|question| (question.ids.clone(), question.answer)).unzip()
}

/// The product's method and its readings of the sweep; whole rows of logits are only seen for the intervals of ranks,
/// which the product does not report, and for the clean runs.
fn task_vector(model: &Model, work: &TaskVector) -> Result<TensorFile, Error> {
    let layers = work.layers(model.spec.depth());
    let dummies: Vec<Vec<Vec<u32>>> = work.items.iter().map(|item| item.dummies.clone()).collect();
    let queries: Vec<Vec<u32>> = work.items.iter().map(|item| item.ids.clone()).collect();
    let thetas = task_vector::extract(model, &dummies, &[], None)?.vectors;
    let prefixes = model.prefill(&queries)?;
    let prefixes: Vec<&Prefix> = prefixes.iter().collect();

    let answers: Vec<u32> = work.items.iter().map(|item| item.answer).collect();
    let clean = clean(model, &prefixes, &answers)?;
    let swept = sweep(model, &prefixes, &thetas, &layers, &answers)?;

    let mut theta = Vec::with_capacity(work.items.len() * layers.len() * model.spec.hidden_size);
    for of_item in &thetas {
        for &layer in &layers {
            theta.extend_from_slice(of_item.at(layer)?);
        }
    }
    let shape = [work.items.len(), layers.len(), model.spec.hidden_size];
    let mut out = named([
        ("theta", Array::new(&shape, Values::F32(theta))),
        ("layers", Array::new(&[layers.len()], Values::I64(layers.iter().map(|&layer| layer as i64).collect()))),
    ]);
    out.extend(rows::tensors(&clean, "clean_", &shape[..1]));
    out.extend(rows::tensors(&swept, "", &shape[..2]));
    Ok(out)
}

/// Every item's θ at every layer, item by item.
fn sweep(
    model: &Model,
    prefixes: &[&Prefix],
    thetas: &[Theta],
    layers: &[usize],
    answers: &[u32],
) -> Result<Vec<Answer>, Error> {
    let asked: Vec<Vec<u32>> = answers.iter().map(|&answer| vec![answer]).collect();
    let readings = task_vector::sweep(model, prefixes, thetas, layers, &asked)?.readings;

    let mut edited = Vec::with_capacity(prefixes.len() * layers.len());
    for (prefix, theta) in prefixes.iter().zip(thetas) {
        for &layer in layers {
            edited.push(Row::edited(prefix, vec![task_vector::injection(theta, layer)?]));
        }
    }
    let whole = answers_in(model, &model.replay(&edited)?.top, |row| answers[row / layers.len()])?;

    with_ranks(&readings.into_iter().flatten().collect::<Vec<_>>(), whole)
}

/// The model's own answers.
fn clean(model: &Model, prefixes: &[&Prefix], answers: &[u32]) -> Result<Vec<Answer>, Error> {
    let top = |prefix: &&Prefix| prefix.residuals().get(model.spec.depth());
    let tops = prefixes.iter().map(top).collect::<Result<Vec<_>, _>>()?;
    answers_in(model, &Tensor::stack(&tops, 0)?, |row| answers[row])
}

/// The product's readings, with the intervals of ranks from whole rows.
fn with_ranks(readings: &[Reading], whole: Vec<Answer>) -> Result<Vec<Answer>, Error> {
    if readings.len() != whole.len() {
        let (read, rows) = (readings.len(), whole.len());
        return Err(ModelError::Plan(format!("the sweep has {read} readings of {rows} rows")).into());
    }
    let one = |(reading, whole): (&Reading, Answer)| Answer {
        top1: i64::from(reading.top1),
        margin: f64::from(reading.margin),
        prob: reading.tokens[0].log_prob.exp(),
        rank: reading.tokens[0].rank as i64,
        ranks: whole.ranks,
    };
    Ok(readings.iter().zip(whole).map(one).collect())
}

fn lens(model: &Model, work: &Lens) -> Result<TensorFile, Error> {
    let prompts: Vec<Vec<u32>> = work.prompts.iter().map(|look| look.ids.clone()).collect();
    let (mut top1, mut margin, mut top_prob, mut prob) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (look, trace) in work.prompts.iter().zip(traces(model, &prompts)?) {
        // [L + 1, D]
        let residual = read(trace.residual)?.narrow(1, look.position, 1)?.squeeze(1)?;
        rows::for_each_row(model, &residual, work.head.into(), |_, row| {
            let (best, by) = rows::best(row);
            let softmax = Softmax::of(row);
            top1.push(best);
            margin.push(by as f32);
            top_prob.push(softmax.top_prob() as f32);
            prob.extend(look.tokens.iter().map(|&token| softmax.prob(f64::from(row[token as usize])) as f32));
        })?;
    }
    let shape = [work.prompts.len(), model.spec.depth() + 1, work.prompts[0].tokens.len()];
    Ok(named([
        ("top1", Array::new(&shape[..2], Values::I64(top1))),
        ("margin", Array::new(&shape[..2], Values::F32(margin))),
        ("top_prob", Array::new(&shape[..2], Values::F32(top_prob))),
        ("prob", Array::new(&shape, Values::F32(prob))),
    ]))
}

/// One pass over all prompts.
fn traces(model: &Model, prompts: &[Vec<u32>]) -> Result<Vec<Trace>, Error> {
    Ok(model.trace(prompts, &Reads { residual: ReadAt::All, ..Reads::default() })?)
}

fn read(tensor: Option<Tensor>) -> Result<Tensor, Error> {
    tensor.ok_or_else(|| ModelError::Plan("nothing was read".to_owned()).into())
}

/// Reads the next token of rows of residual L `[rows, D]`.
fn answers_in(model: &Model, top: &Tensor, answer: impl Fn(usize) -> u32) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::with_capacity(top.dim(0)?);
    rows::for_each_row(model, top, HeadKind::Full.into(), |at, row| answers.push(Answer::read(row, answer(at))))?;
    Ok(answers)
}

fn array(tensor: &Tensor) -> Result<Array, Error> {
    let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(Array::new(tensor.dims(), Values::F32(values)))
}

pub(crate) fn named<const N: usize>(tensors: [(&str, Array); N]) -> TensorFile {
    tensors.map(|(name, array)| (name.to_owned(), array)).into()
}

impl From<HeadKind> for steercheck_model::HeadKind {
    fn from(head: HeadKind) -> Self {
        match head {
            HeadKind::Full => Self::Full,
            HeadKind::Weight => Self::Weight,
        }
    }
}
