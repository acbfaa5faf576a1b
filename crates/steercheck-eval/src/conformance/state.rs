//! Inner states: finite, and adding up block by block.

use candle_core::Tensor;
use steercheck_model::{Block, FinalNorm, HeadKind, Model, ModelError, NormPlace, Reads, Result, Trace};

use super::{Bound, Check, Extent, Grade, Largest};

pub(super) const FINITE: &str = "finite states and logits";
pub(super) const REBUILT: &str = "residual identity";
pub(super) const SUMS: &str = "heads sum to attention";

/// What a trace with [`steercheck_model::Reads::ALL`] holds.
pub(super) fn read(t: Option<&Tensor>) -> Result<&Tensor> {
    t.ok_or_else(|| ModelError::Plan("the states that are checked were not read".into()))
}

/// `block 3, prompt 1, position 5`, counted from 1, as prompts and positions are in texts for people.
pub(super) fn place(what: &str, block: usize, prompt: usize, position: usize) -> String {
    format!("at {what} {block}, prompt {}, token {}", prompt + 1, position + 1)
}

/// Residuals at every block and the logits of the model's output (in the short form at the last token) hold neither NaN nor
/// infinity.
pub fn finite(model: &Model, traces: &[Trace], extent: Extent) -> Result<Check> {
    let depth = model.spec.depth();
    let failed = |detail: String| Ok(Check::said(FINITE, Grade::Failed, detail));
    let mut positions = 0;
    for (i, trace) in traces.iter().enumerate() {
        let residual = read(trace.residual.as_ref())?;
        for b in 0..=depth {
            if first_bad_row(&residual.get(b)?)?.is_some() {
                return failed(format!("residual {b} of prompt {} holds NaN or infinity", i + 1));
            }
        }
        let top = residual.get(depth)?;
        let (first, rows) = asked_rows(top.dim(0)?, extent);
        let logits = model.logits(&top.narrow(0, first, rows)?, FinalNorm::Apply, HeadKind::Full)?;
        if let Some(row) = first_bad_row(&logits)? {
            let token = first + row + 1;
            return failed(format!("the logits of prompt {}, token {token}, hold NaN or infinity", i + 1));
        }
        positions += rows;
    }
    let detail = format!("residuals 0 to {depth} of {} prompts, logits at {positions} tokens", traces.len());
    Ok(Check::said(FINITE, Grade::Passed, detail))
}

/// The same for a model whose pass ends with an error because the top is not finite: finds where that begins.
pub(super) fn not_finite(model: &Model, prompts: &[Vec<u32>]) -> Result<Check> {
    // What is not finite stays so in the residuals above: search by halves.
    let (mut good, mut bad) = (0, model.spec.depth());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        match model.trace(prompts, &Reads { until: Some(middle), ..Reads::LAST_RESIDUALS }) {
            Ok(_) => good = middle,
            Err(ModelError::NotFinite { .. }) => bad = middle,
            Err(e) => return Err(e),
        }
    }
    Ok(Check::said(FINITE, Grade::Failed, format!("residual {bad} is the first with NaN or infinity at a last token")))
}

/// The first row of `[rows, columns]` that holds NaN or infinity.
fn first_bad_row(t: &Tensor) -> Result<Option<usize>> {
    let columns = t.dim(1)?.max(1);
    let numbers = t.flatten_all()?.to_vec1::<f32>()?;
    Ok(numbers.iter().position(|x| !x.is_finite()).map(|at| at / columns))
}

/// First and number of the positions that are looked at: all, or the last.
fn asked_rows(positions: usize, extent: Extent) -> (usize, usize) {
    match extent {
        Extent::Full => (0, positions),
        Extent::Short => (positions.saturating_sub(1), positions.min(1)),
    }
}

/// Residual b is what residual b - 1, attention and MLP of block b lead to, with the multipliers and norms between them; and
/// where no norm stands between, their plain sum, attention and MLP first.
pub fn rebuilt_residuals(model: &Model, traces: &[Trace]) -> Result<Check> {
    let mut largest = Largest::new(Bound::Relative);
    let depth = model.spec.depth();
    for (i, trace) in traces.iter().enumerate() {
        let residual = read(trace.residual.as_ref())?;
        let (attention, mlp) = (read(trace.attention.as_ref())?, read(trace.mlp.as_ref())?);
        for b in 1..=depth {
            let before = residual.get(b - 1)?;
            let rebuilt = model.rebuild_residual(Block(b), &before, &attention.get(b - 1)?, &mlp.get(b - 1)?)?;
            let after = residual.get(b)?;
            let at = |position: usize| place("residual", b, i, position);
            largest.rows(&rebuilt, &after, at)?;
            if !matches!(model.spec.norms.place, NormPlace::AfterSum | NormPlace::Stream) {
                let multiplier = f64::from(model.spec.residual_multiplier);
                let added = ((attention.get(b - 1)? + mlp.get(b - 1)?)? * multiplier)?;
                largest.rows(&(before + added)?, &after, at)?;
            }
        }
    }
    Ok(largest.check(REBUILT, &format!("{depth} blocks, {} prompts", traces.len())))
}

/// The heads' contributions sum to what the output projection makes of all heads together (before any norm on it), and that,
/// with bias and norm, is the attention output that was traced. In the short form at the last token of the first, middle
/// and last block.
pub fn attention_sums(model: &Model, traces: &[Trace], extent: Extent) -> Result<Check> {
    let mut largest = Largest::new(Bound::Relative);
    let blocks = some_blocks(model.spec.depth(), extent);
    for (i, trace) in traces.iter().enumerate() {
        let (heads, attention) = (read(trace.heads.as_ref())?, read(trace.attention.as_ref())?);
        let (first, rows) = asked_rows(heads.dim(1)?, extent);
        for b in &blocks {
            let z = heads.get(b - 1)?.narrow(0, first, rows)?.flatten_from(1)?;
            let parts = model.attention_from_heads(Block(*b), &z)?;
            let sum = model.head_contributions(Block(*b), &z)?.sum(1)?;
            let at = |row: usize| place("block", *b, i, first + row);
            largest.rows(&sum, &parts.heads, at)?;
            largest.rows(&parts.added, &attention.get(b - 1)?.narrow(0, first, rows)?, at)?;
        }
    }
    let compared = format!("{} heads of {} blocks, {} prompts", model.spec.heads, blocks.len(), traces.len());
    Ok(largest.check(SUMS, &compared))
}

/// All blocks, or the first, the middle and the last.
fn some_blocks(depth: usize, extent: Extent) -> Vec<usize> {
    match extent {
        Extent::Full => (1..=depth).collect(),
        Extent::Short => few_blocks(depth),
    }
}

/// The first, the middle and the last block, each once.
pub(super) fn few_blocks(depth: usize) -> Vec<usize> {
    let mut blocks = vec![1, depth.div_ceil(2), depth];
    blocks.dedup();
    blocks
}
