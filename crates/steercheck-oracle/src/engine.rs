//! What the engine makes of each kind of job. The tensors are those that `oracle.py` writes.

use candle_core::{DType, Tensor};
use steercheck_model::{Model, ModelError, Prefix, ReadAt, Reads, Row, Trace};
use steercheck_steer::task_vector::{self, TaskVector as Theta};

use crate::jobs::{HeadKind, Kind, Lens, Logits, MeanHeads, TaskVector, Work};
use crate::rows::{self, Answer, Softmax};
use crate::{Array, Error, TensorFile, Values};

/// The kinds of jobs that the engine can run.
pub const BUILT: [Kind; 4] = [Kind::Logits, Kind::MeanHeads, Kind::TaskVector, Kind::Lens];

/// Runs one job, which the model must be able to run (see [`crate::JobFile::check`]); tensors are named without the job.
pub fn compute(model: &Model, work: &Work) -> Result<TensorFile, Error> {
    match work {
        Work::Logits(work) => logits(model, work),
        Work::MeanHeads(work) => mean_heads(model, work),
        Work::TaskVector(work) => task_vector(model, work),
        Work::Lens(work) => lens(model, work),
        Work::Cie(_) | Work::FunctionVector(_) | Work::Dola(_) => {
            Err(Error::NotBuilt { kinds: format!("jobs of kind {}", work.kind()) })
        }
    }
}

fn logits(model: &Model, work: &Logits) -> Result<TensorFile, Error> {
    let trace = traces(model, std::slice::from_ref(&work.ids), ReadAt::All, ReadAt::Nothing)?.remove(0);
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

/// The mean is taken in f64.
fn mean_heads(model: &Model, work: &MeanHeads) -> Result<TensorFile, Error> {
    let mut heads = Vec::with_capacity(work.prompts.len());
    for trace in traces(model, &work.prompts, ReadAt::Nothing, ReadAt::Last)? {
        heads.push(read(trace.heads)?.squeeze(1)?.to_dtype(DType::F64)?);
    }
    Ok(named([("mean", array(&Tensor::stack(&heads, 0)?.mean(0)?)?)]))
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
    let tops =
        prefixes.iter().map(|prefix| prefix.residuals().get(model.spec.depth())).collect::<Result<Vec<_>, _>>()?;
    let clean = answers_in(model, &Tensor::stack(&tops, 0)?, |row| answers[row])?;
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

    let readings: Vec<_> = readings.into_iter().flatten().collect();
    if readings.len() != whole.len() {
        return Err(
            ModelError::Plan(format!("the sweep has {} readings of {} rows", readings.len(), whole.len())).into()
        );
    }
    Ok(readings
        .iter()
        .zip(whole)
        .map(|(reading, whole)| Answer {
            top1: i64::from(reading.top1),
            margin: f64::from(reading.margin),
            prob: reading.tokens[0].log_prob.exp(),
            rank: reading.tokens[0].rank as i64,
            ranks: whole.ranks,
        })
        .collect())
}

fn lens(model: &Model, work: &Lens) -> Result<TensorFile, Error> {
    let prompts: Vec<Vec<u32>> = work.prompts.iter().map(|look| look.ids.clone()).collect();
    let (mut top1, mut margin, mut top_prob, mut prob) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (look, trace) in work.prompts.iter().zip(traces(model, &prompts, ReadAt::All, ReadAt::Nothing)?) {
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
fn traces(model: &Model, prompts: &[Vec<u32>], residual: ReadAt, heads: ReadAt) -> Result<Vec<Trace>, Error> {
    Ok(model.trace(prompts, &Reads { residual, heads, ..Reads::default() })?)
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

fn named<const N: usize>(tensors: [(&str, Array); N]) -> TensorFile {
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
