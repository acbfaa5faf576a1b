//! Edits on their way through a pass: planned rows, the change itself, the count of what fired.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use crate::error::{ModelError, Result};
use crate::layout::{Segment, select};
use crate::site::{Edit, Operation, Receipt, Site};
use crate::spec::DecoderSpec;

/// A point of the pass at which edits act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Applied {
    /// On the residual stream after a block (0: the embeddings).
    Residual(usize),
    /// On the head outputs of a block.
    Heads(usize),
    /// On a block's attention output.
    Attention(usize),
    /// On a block's MLP output.
    Mlp(usize),
}

impl Applied {
    fn of(site: Site) -> Self {
        match site {
            Site::Residual(b) => Self::Residual(b),
            Site::HeadOutput(b, _) => Self::Heads(b.0),
            Site::AttentionOutput(b) => Self::Attention(b.0),
            Site::MlpOutput(b) => Self::Mlp(b.0),
        }
    }
}

struct Planned<'a> {
    /// Index into `counts`.
    count: usize,
    row: usize,
    /// First column of the site in its tensor.
    column: usize,
    width: usize,
    operation: &'a Operation,
}

struct Count {
    segment: usize,
    site: Site,
    planned: usize,
    fired: usize,
    change: f64,
    before: f64,
}

/// All edits of a run by the point at which they act.
pub(crate) struct PlannedEdits<'a> {
    by_point: BTreeMap<Applied, Vec<Planned<'a>>>,
    counts: Vec<Count>,
    segments: usize,
}

impl<'a> PlannedEdits<'a> {
    /// Resolves positions to rows. An edit before the segment's first row or below its entry cannot act and is refused.
    pub(crate) fn new(segments: &[Segment<'a>], first_row: &[usize], spec: &DecoderSpec) -> Result<Self> {
        let mut out = Self { by_point: BTreeMap::new(), counts: Vec::new(), segments: segments.len() };
        for (i, segment) in segments.iter().enumerate() {
            for edit in segment.edits {
                out.plan(i, segment, edit, first_row[i], spec)?;
            }
        }
        Ok(out)
    }

    fn plan(
        &mut self,
        i: usize,
        segment: &Segment<'a>,
        edit: &'a Edit,
        first: usize,
        spec: &DecoderSpec,
    ) -> Result<()> {
        edit.check(spec, segment.length)?;
        let positions = edit.positions.resolve(segment.length)?;
        let column = match edit.site {
            Site::HeadOutput(_, h) => h.0 * spec.head_dim,
            _ => 0,
        };
        let count = self.counts.len();
        let planned = positions.len();
        self.counts.push(Count { segment: i, site: edit.site, planned, fired: 0, change: 0.0, before: 0.0 });
        let at = self.by_point.entry(Applied::of(edit.site)).or_default();
        for position in positions {
            let Some(offset) = position.checked_sub(segment.start) else {
                return Err(ModelError::Plan(format!("the edit at {} acts before the suffix begins", edit.site)));
            };
            at.push(Planned {
                count,
                row: first + offset,
                column,
                width: edit.site.width(spec),
                operation: &edit.operation,
            });
        }
        Ok(())
    }

    /// Applies the edits of this point to `x` `[rows, columns]`, in the order planned. `x` is replaced, never written
    /// into: its storage may be shared.
    pub(crate) fn apply(&mut self, x: &mut Tensor, point: Applied) -> Result<()> {
        let Some(mut due) = self.by_point.remove(&point) else { return Ok(()) };
        // Two edits of one value act one after the other: one round each.
        while !due.is_empty() {
            let mut seen = BTreeMap::new();
            let (now, later): (Vec<_>, Vec<_>) = due.into_iter().partition(|p| {
                let first = *seen.entry((p.row, p.column)).or_insert(p.count);
                first == p.count
            });
            *x = self.round(x, &now)?;
            due = later;
        }
        Ok(())
    }

    fn round(&mut self, x: &Tensor, edits: &[Planned<'_>]) -> Result<Tensor> {
        let (rows, columns) = x.dims2()?;
        let Some(width) = edits.first().map(|e| e.width) else { return Ok(x.clone()) };
        if let Some(e) = edits.iter().find(|e| e.row >= rows) {
            let site = self.counts[e.count].site.to_string();
            return Err(ModelError::EditDidNotFire { site, planned: self.counts[e.count].planned, fired: 0 });
        }
        // Pieces of a row as rows of their own: heads become [rows * heads, head_dim].
        let pieces = columns / width;
        let flat = x.contiguous()?.reshape((rows * pieces, width))?;
        let index: Vec<usize> = edits.iter().map(|e| e.row * pieces + e.column / width).collect();
        let before = select(&flat, &index)?;
        // x becomes factor · x + addend, which is exact for a factor of 0 or 1 and an addend of 0.
        let mut factors = Vec::with_capacity(edits.len());
        let mut addends = Vec::with_capacity(edits.len() * width);
        for e in edits {
            match e.operation {
                Operation::Replace(v) => {
                    factors.push(0f32);
                    addends.extend_from_slice(v);
                }
                Operation::Add { vector, strength } => {
                    factors.push(1.0);
                    addends.extend(vector.iter().map(|v| v * strength));
                }
                Operation::Scale(factor) => {
                    factors.push(*factor);
                    addends.resize(addends.len() + width, 0.0);
                }
            }
        }
        let factors = Tensor::from_vec(factors, (edits.len(), 1), x.device())?;
        let addends = Tensor::from_vec(addends, (edits.len(), width), x.device())?;
        let after = (before.broadcast_mul(&factors)? + addends)?;
        let norms = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.sqr()?.sum(1)?.sqrt()?.to_dtype(DType::F32)?.to_vec1()?) };
        let (changes, befores) = (norms(&(&after - &before)?)?, norms(&before)?);
        for ((e, change), before) in edits.iter().zip(changes).zip(befores) {
            let count = &mut self.counts[e.count];
            if !change.is_finite() || !before.is_finite() {
                return Err(ModelError::NotFinite { at: format!("the value edited at {}", count.site) });
            }
            count.fired += 1;
            count.change += f64::from(change);
            count.before += f64::from(before);
        }
        let mut source: Vec<usize> = (0..rows * pieces).collect();
        for (i, target) in index.iter().enumerate() {
            source[*target] = rows * pieces + i;
        }
        Ok(select(&Tensor::cat(&[&flat, &after], 0)?, &source)?.reshape((rows, columns))?)
    }

    /// One receipt per edit and segment; an error if any edit acted at another count than planned.
    pub(crate) fn receipts(&self) -> Result<Vec<Vec<Receipt>>> {
        let mut out = vec![Vec::new(); self.segments];
        for c in &self.counts {
            if c.fired != c.planned {
                return Err(ModelError::EditDidNotFire {
                    site: c.site.to_string(),
                    planned: c.planned,
                    fired: c.fired,
                });
            }
            let n = c.fired.max(1) as f64;
            out[c.segment].push(Receipt {
                site: c.site,
                planned: c.planned,
                fired: c.fired,
                change: c.change / n,
                before: c.before / n,
            });
        }
        Ok(out)
    }
}
