//! Every fast way to compute something gives what the plain forward pass gives.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use steercheck_model::{
    Block, Edit, EditedPrompt, Head, Model, Operation, Prefix, Reads, Replayed, Result, Row, Site, Trace,
};

use super::state::{few_blocks, place, read};
use super::{Bound, Check, Extent, Grade, Largest};

pub(super) const BATCH: &str = "batch = single";
pub(super) const CACHED: &str = "cached = uncached";
pub(super) const REPLAY: &str = "replay = full forward";
pub(super) const ZERO: &str = "strength 0 = baseline";

/// Each prompt whole and for itself: what everything else is compared with.
pub(super) fn each_alone(model: &Model, prompts: &[Vec<u32>]) -> Result<Vec<Trace>> {
    let alone = |tokens: &Vec<u32>| {
        let prompt = EditedPrompt { tokens: tokens.clone(), edits: Vec::new() };
        Ok(model.trace_edited(&[prompt], &Reads::ALL)?.remove(0))
    };
    prompts.iter().map(alone).collect()
}

/// Residuals, head outputs, attention and MLP of prompts that ran together, their common beginnings merged, are those of each
/// prompt alone.
pub fn batch_equals_single(together: &[Trace], alone: &[Trace]) -> Result<Check> {
    let mut largest = Largest::new(Bound::Relative);
    for (i, (a, b)) in together.iter().zip(alone).enumerate() {
        let kinds = [
            ("residual", &a.residual, &b.residual, 0),
            ("heads of block", &a.heads, &b.heads, 1),
            ("attention of block", &a.attention, &b.attention, 1),
            ("MLP of block", &a.mlp, &b.mlp, 1),
        ];
        for (what, a, b, first) in kinds {
            let (a, b) = (read(a.as_ref())?, read(b.as_ref())?);
            for layer in 0..a.dim(0)? {
                // Heads side by side: a row is a position.
                let flat = |t: &Tensor| -> Result<Tensor> { Ok(t.get(layer)?.flatten_from(1)?) };
                largest.rows(&flat(a)?, &flat(b)?, |position| place(what, layer + first, i, position))?;
            }
        }
    }
    Ok(largest.check(BATCH, &format!("every state of {} prompts", together.len())))
}

/// Residual L of the last token, `[1, D]`.
fn top(trace: &Trace) -> Result<Tensor> {
    let residual = read(trace.residual.as_ref())?;
    let last = residual.get(residual.dim(0)? - 1)?;
    Ok(last.narrow(0, last.dim(0)? - 1, 1)?)
}

/// A prompt that goes on over the keys and values of its beginning, from a block or from a position, ends where the whole
/// prompt ends.
pub fn cached_equals_uncached(model: &Model, prefixes: &[Prefix], alone: &[Trace], extent: Extent) -> Result<Check> {
    let depth = model.spec.depth();
    let mut largest = Largest::new(Bound::Relative);
    let mut rows = Vec::new();
    for (i, prefix) in prefixes.iter().enumerate() {
        let length = prefix.len();
        let (blocks, positions) = match extent {
            Extent::Short => (vec![0, depth / 2], vec![length / 2]),
            Extent::Full => ((0..=depth).collect(), vec![0, length / 4, length / 2, length.saturating_sub(2)]),
        };
        rows.extend(blocks.into_iter().map(|b| (i, format!("from residual {b}"), Row::baseline(prefix, b))));
        let from = |p: usize| (i, format!("from token {}", p + 1), Row::baseline_from(prefix, p));
        rows.extend(positions.into_iter().map(from));
    }
    let (places, rows): (Vec<_>, Vec<_>) = rows.into_iter().map(|(i, how, row)| ((i, how), row)).unzip();
    let got = model.replay(&rows)?;
    for (row, (i, how)) in places.iter().enumerate() {
        largest.rows(&got.top.narrow(0, row, 1)?, &top(&alone[*i])?, |_| format!("in prompt {} {how}", i + 1))?;
    }
    Ok(largest.check(CACHED, &format!("{} ways into {} prompts", rows.len(), prefixes.len())))
}

/// One edit and where it is made.
struct Planned {
    prompt: usize,
    edit: Edit,
}

/// A head replaced, a vector added to a residual, a residual replaced, at the last token, with half of what another prompt has
/// there: vectors of the size that steering works with.
fn plan(model: &Model, alone: &[Trace], extent: Extent) -> Result<Vec<Planned>> {
    let depth = model.spec.depth();
    let blocks = match extent {
        Extent::Short => vec![depth.div_ceil(2)],
        Extent::Full => few_blocks(depth),
    };
    let mut out = Vec::new();
    for prompt in 0..alone.len() {
        let other = &alone[(prompt + 1) % alone.len()];
        let (residual, heads) = (read(other.residual.as_ref())?, read(other.heads.as_ref())?);
        let last = residual.dim(1)? - 1;
        for b in &blocks {
            let head = b % model.spec.heads;
            let half = |t: Tensor| -> Result<Arc<[f32]>> {
                Ok((t * 0.5)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?.into())
            };
            let state = half(residual.get(*b)?.get(last)?)?;
            let z = half(heads.get(b - 1)?.get(last)?.get(head)?)?;
            let add = Operation::Add { vector: state.clone(), strength: 1.0 };
            let edits = [
                Edit::last(Site::HeadOutput(Block(*b), Head(head)), Operation::Replace(z)),
                Edit::last(Site::Residual(*b), add),
                Edit::last(Site::Residual(*b), Operation::Replace(state)),
            ];
            out.extend(edits.map(|edit| Planned { prompt, edit }));
        }
    }
    Ok(out)
}

/// Replayed edits end where full forward passes with the same edits end, and fire as planned.
pub fn replay_equals_full(model: &Model, prefixes: &[Prefix], alone: &[Trace], extent: Extent) -> Result<Check> {
    let planned = plan(model, alone, extent)?;
    let rows: Vec<Row<'_>> = planned.iter().map(|p| Row::edited(&prefixes[p.prompt], vec![p.edit.clone()])).collect();
    let got = model.replay(&rows)?;
    let whole: Vec<EditedPrompt> = planned
        .iter()
        .map(|p| EditedPrompt { tokens: prefixes[p.prompt].tokens().to_vec(), edits: vec![p.edit.clone()] })
        .collect();
    let want = model.trace_edited(&whole, &Reads::LAST_RESIDUALS)?;
    let edits: Vec<(usize, Site)> = planned.iter().map(|p| (p.prompt, p.edit.site)).collect();
    compare_edits(&edits, &got, &want)
}

/// Compares what replayed rows and full passes lead to; `edits` are prompt and site of each.
fn compare_edits(edits: &[(usize, Site)], got: &Replayed, want: &[Trace]) -> Result<Check> {
    let mut largest = Largest::new(Bound::Relative);
    for (row, ((prompt, site), want)) in edits.iter().zip(want).enumerate() {
        let at = format!("in prompt {}, edited at {site}", prompt + 1);
        largest.rows(&got.top.narrow(0, row, 1)?, &top(want)?, |_| at.clone())?;
        let (fast, whole) = (&got.receipts[row][0], &want.receipts[0]);
        if (fast.site, fast.fired) != (whole.site, whole.fired) {
            return Ok(Check::said(REPLAY, Grade::Failed, format!("an edit fired otherwise {at}")));
        }
    }
    Ok(largest.check(REPLAY, &format!("{} edits of heads and residuals", edits.len())))
}

/// An edit of strength 0 leaves the very bits of an unedited row of its batch.
pub fn strength_zero(model: &Model, prefixes: &[Prefix], extent: Extent) -> Result<Check> {
    let depth = model.spec.depth();
    let residuals: Vec<usize> = match extent {
        Extent::Short => few_blocks(depth),
        Extent::Full => (0..=depth).collect(),
    };
    let places: Vec<(usize, usize)> =
        (0..prefixes.len()).flat_map(|i| residuals.iter().map(move |b| (i, *b))).collect();
    let vector = |prefix: &Prefix, b: usize| -> Result<Arc<[f32]>> {
        Ok(prefix.residuals().get(b)?.to_dtype(DType::F32)?.to_vec1::<f32>()?.into())
    };
    let mut rows = Vec::new();
    for (i, b) in &places {
        let prefix = &prefixes[*i];
        let operation = Operation::Add { vector: vector(prefix, *b)?, strength: 0.0 };
        rows.push(Row::baseline(prefix, *b));
        rows.push(Row::edited(prefix, vec![Edit::last(Site::Residual(*b), operation)]));
    }
    let top = model.replay(&rows)?.top;
    compare_pairs(&places, &top)
}

/// Compares the rows of `top` two by two; `places` are prompt and residual of each pair.
fn compare_pairs(places: &[(usize, usize)], top: &Tensor) -> Result<Check> {
    let mut largest = Largest::new(Bound::Nothing);
    for (pair, (prompt, b)) in places.iter().enumerate() {
        let (baseline, zero) = (top.narrow(0, 2 * pair, 1)?, top.narrow(0, 2 * pair + 1, 1)?);
        largest.rows(&zero, &baseline, |_| format!("at residual {b}, prompt {}", prompt + 1))?;
    }
    Ok(largest.check(ZERO, &format!("bit for bit, {} edits", places.len())))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use steercheck_model::{Block, Head, Receipt, Replayed, Site, Trace};

    use super::{compare_edits, compare_pairs};
    use crate::conformance::Grade;

    fn tops(rows: &[[f32; 2]]) -> Tensor {
        Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap()
    }

    fn receipt(site: Site, fired: usize) -> Receipt {
        Receipt { site, planned: 1, fired, change: 1.0, before: 1.0 }
    }

    #[test]
    fn a_replay_that_ends_elsewhere_or_fires_otherwise_fails() {
        let site = Site::HeadOutput(Block(2), Head(1));
        let whole = |x: f32, fired: usize| Trace {
            residual: Some(Tensor::new(&[[[0f32, 0.0]], [[x, 1.0]]], &Device::Cpu).unwrap()),
            heads: None,
            attention: None,
            mlp: None,
            top: None,
            receipts: vec![receipt(site, fired)],
        };
        let got = Replayed { top: tops(&[[1.0, 1.0]]), receipts: vec![vec![receipt(site, 1)]] };
        let compare = |want: Trace| compare_edits(&[(0, site)], &got, &[want]).unwrap();
        assert_eq!(compare(whole(1.0, 1)).grade, Grade::Passed);
        let elsewhere = compare(whole(1.01, 1));
        assert_eq!(elsewhere.grade, Grade::Failed);
        assert!(elsewhere.detail.ends_with("largest in prompt 1, edited at block 2 head 1"), "{}", elsewhere.detail);
        assert!(compare(whole(1.0, 2)).detail.contains("fired otherwise"));
    }

    #[test]
    fn a_strength_of_zero_that_changes_the_last_bit_fails() {
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        let rows = |last: f32| tops(&[[1.0, 2.0], [1.0, 2.0], [3.0, 1.0], [3.0, last]]);
        assert_eq!(compare_pairs(&[(0, 1), (1, 4)], &rows(1.0)).unwrap().grade, Grade::Passed);
        let check = compare_pairs(&[(0, 1), (1, 4)], &rows(next)).unwrap();
        assert_eq!((check.grade, check.allowed), (Grade::Failed, Some(0.0)));
        assert!(check.detail.ends_with("largest at residual 4, prompt 2"), "{}", check.detail);
    }
}
