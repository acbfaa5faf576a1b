//! The one forward pass: segments of many prompts and edited runs go through the blocks together, block by block
//! ("block-major"), so that each weight is touched once per pass. Everything public in [`crate::trace`] and
//! [`crate::replay`] is a way of calling [`run`].

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use crate::attention::{self, KeyValue};
use crate::block::TILE_ROWS;
use crate::edits::{Applied, PlannedEdits};
use crate::error::{ModelError, Result, bytes_text};
use crate::layout::{Context, Entry, Group, Keep, Layout, Segment, select};
use crate::model::Model;
use crate::rope;
use crate::site::Receipt;
use crate::spec::Arrangement;

/// What a run leaves. Lists have one entry per residual (0..=L) or per block; their rows follow the lists of [`Keep`].
pub(crate) struct Outcome {
    pub(crate) residual: Vec<Tensor>,
    pub(crate) heads: Vec<Tensor>,
    pub(crate) attention: Vec<Tensor>,
    pub(crate) mlp: Vec<Tensor>,
    /// One per block; positions are the rows of the run, see `first_row`.
    pub(crate) key_values: Vec<KeyValue>,
    /// First row of each segment.
    pub(crate) first_row: Vec<usize>,
    /// The highest residual of the pass at the last row of each segment, `[segments, D]`.
    pub(crate) top: Tensor,
    /// The highest residual at the rows of [`Keep::top`], if there are any.
    pub(crate) kept_top: Option<Tensor>,
    /// One list per segment.
    pub(crate) receipts: Vec<Vec<Receipt>>,
}

/// Estimate of the bytes that a run holds at once besides the weights.
pub(crate) fn bytes(model: &Model, segments: &[Segment<'_>], keep: &Keep) -> u64 {
    let s = &model.spec;
    let rows: usize = segments.iter().map(|s| s.entry.rows()).sum();
    let (q, kv) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
    // Scores exist for as many segments at once as there are threads.
    let longest = segments.iter().map(|s| s.entry.rows() * s.length * 2).max().unwrap_or(0);
    let kept = (s.depth() + 1)
        * (keep.residual.len() * s.hidden_size
            + keep.heads.len() * q
            + (keep.attention.len() + keep.mlp.len()) * s.hidden_size
            + if keep.key_values { rows * 2 * kv } else { 0 })
        + keep.top.len() * s.hidden_size;
    block_bytes(model, rows, longest) + 4 * kept as u64
}

/// Estimate of the bytes at the busiest moment of a block, with so many rows, and so many scores of a head at once.
pub(crate) fn block_bytes(model: &Model, rows: usize, scores: usize) -> u64 {
    let s = &model.spec;
    let (q, kv) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
    // Residual stream before and after, an output in tiles and joined; q, k, v in tiles and joined, k and v once more by
    // head, head outputs by group, joined and in order; cosines and sines.
    let live = rows * (5 * s.hidden_size + 4 * q + 6 * kv + s.rotary.len() * s.head_dim);
    let tile = rows.min(TILE_ROWS) * 4 * s.widest_inner();
    4 * (live + tile + scores * s.heads * rayon::current_num_threads()) as u64
}

/// Runs the segments from where they enter to the top.
pub(crate) fn run(model: &Model, segments: &[Segment<'_>], keep: &Keep) -> Result<Outcome> {
    let needed = bytes(model, segments, keep);
    if needed > model.activation_budget {
        return Err(ModelError::Memory { needed: bytes_text(needed), budget: bytes_text(model.activation_budget) });
    }
    let layout = Layout::new(segments, model.spec.depth());
    let mut plan = PlannedEdits::new(segments, &layout.first_row, &model.spec)?;
    Pass { model, segments, layout, keep }.execute(&mut plan)
}

struct Pass<'a> {
    model: &'a Model,
    segments: &'a [Segment<'a>],
    layout: Layout,
    keep: &'a Keep,
}

impl Pass<'_> {
    fn rows_of(&self, list: &[(usize, usize)]) -> Vec<usize> {
        list.iter().map(|(segment, offset)| self.layout.first_row[*segment] + offset).collect()
    }

    fn execute(self, plan: &mut PlannedEdits<'_>) -> Result<Outcome> {
        let model = self.model;
        let (spec, depth) = (&model.spec, self.keep.until.unwrap_or(model.spec.depth()));
        let rotary = spec
            .rotary
            .iter()
            .map(|r| rope::tables(r, &self.layout.places, &model.device))
            .collect::<Result<Vec<_>>>()?;
        let mut masks = BTreeMap::new();
        let kept =
            [&self.keep.residual, &self.keep.heads, &self.keep.attention, &self.keep.mlp].map(|l| self.rows_of(l));
        let [keep_residual, keep_heads, keep_attention, keep_mlp] = &kept;
        let keep_rows = |out: &mut Vec<Tensor>, x: &Tensor, rows: &[usize]| -> Result<()> {
            if !rows.is_empty() {
                // A copy: a view would keep the whole batch alive for every block.
                out.push(select(x, rows)?.force_contiguous()?);
            }
            Ok(())
        };
        let (mut residual, mut heads, mut attention, mut mlp) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut key_values = Vec::new();
        let mut x: Option<Tensor> = None;
        for b in 0..=depth {
            // Before the first block there are no rows.
            if let Some(before) = x.take() {
                let rows = before.dim(0)?;
                let weights = &model.blocks[b - 1];
                let turn = spec.blocks[b - 1].rotary.map(|r| {
                    let (cos, sin) = &rotary[r];
                    Ok::<_, ModelError>((&spec.rotary[r], (cos.narrow(0, 0, rows)?, sin.narrow(0, 0, rows)?)))
                });
                let turn = turn.transpose()?;
                let [q, k, v] = weights.project(spec, &before, turn.as_ref().map(|(r, t)| (*r, t)))?;
                let mut z = self.attend(b, &q, &k, &v, &mut masks, &mut key_values)?;
                drop((q, k, v));
                plan.apply(&mut z, Applied::Heads(b))?;
                keep_rows(&mut heads, &z, keep_heads)?;
                let mut added = weights.attention_output(&z)?;
                drop(z);
                plan.apply(&mut added, Applied::Attention(b))?;
                keep_rows(&mut attention, &added, keep_attention)?;
                let middle = weights.after_attention(spec, &before, &added)?;
                let parallel = spec.arrangement != Arrangement::Sequential;
                let mut added = weights.mlp_output(spec, if parallel { &before } else { &middle })?;
                drop(before);
                plan.apply(&mut added, Applied::Mlp(b))?;
                keep_rows(&mut mlp, &added, keep_mlp)?;
                x = Some(weights.after_mlp(spec, &middle, &added)?);
                if let Some(watcher) = &model.watcher {
                    watcher(rows as u64);
                }
            }
            x = self.enter(x, b)?;
            if let Some(x) = &mut x {
                plan.apply(x, Applied::Residual(b))?;
                keep_rows(&mut residual, x, keep_residual)?;
            }
        }
        let Some(x) = x else {
            return Err(ModelError::Plan("there is nothing to run".into()));
        };
        let last: Vec<usize> =
            self.segments.iter().zip(&self.layout.first_row).map(|(s, f)| f + s.entry.rows() - 1).collect();
        let top = select(&x, &last)?.force_contiguous()?;
        let kept_top = match self.rows_of(&self.keep.top) {
            rows if rows.is_empty() => None,
            rows => Some(select(&x, &rows)?.force_contiguous()?),
        };
        let norms = top.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        if !norms.is_finite() {
            return Err(ModelError::NotFinite { at: format!("residual {depth}") });
        }
        let receipts = plan.receipts()?;
        let first_row = self.layout.first_row;
        Ok(Outcome { residual, heads, attention, mlp, key_values, first_row, top, kept_top, receipts })
    }

    /// Appends the rows that enter at residual b, in the order of the segments.
    fn enter(&self, x: Option<Tensor>, b: usize) -> Result<Option<Tensor>> {
        let mut parts: Vec<Tensor> = x.into_iter().collect();
        for &i in &self.layout.entering[b] {
            parts.push(match &self.segments[i].entry {
                Entry::Tokens(tokens) => self.model.embed(tokens, self.segments[i].start)?,
                Entry::Residual { row, .. } => row.clone(),
            });
        }
        Ok(match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Tensor::cat(&parts, 0)?),
        })
    }

    /// Head outputs `[rows, heads * head_dim]` of the rows that are active in block b.
    fn attend(
        &self,
        b: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        masks: &mut BTreeMap<(usize, usize, Option<usize>), Option<Tensor>>,
        key_values: &mut Vec<KeyValue>,
    ) -> Result<Tensor> {
        let spec = &self.model.spec;
        let block = &spec.blocks[b - 1];
        let window = block.window;
        let all = KeyValue { keys: k.transpose(0, 1)?.contiguous()?, values: v.transpose(0, 1)?.contiguous()? };
        let active = self.layout.active[b - 1];
        let is_active = |i: &usize| self.layout.first_row[*i] < active;
        for group in &self.layout.groups {
            if let Group::Sequence(i) = group
                && is_active(i)
            {
                let s = &self.segments[*i];
                let key = (s.start, s.entry.rows(), window);
                if let std::collections::btree_map::Entry::Vacant(e) = masks.entry(key) {
                    e.insert(attention::mask(s.start, s.entry.rows(), window, &self.model.device)?);
                }
            }
        }
        let masks = &*masks;
        let one = |group: &Group| -> Result<Option<(Vec<usize>, Tensor)>> {
            match group {
                Group::Sequence(i) if is_active(i) => {
                    let s = &self.segments[*i];
                    let (first, rows) = (self.layout.first_row[*i], s.entry.rows());
                    let mut pieces = self.pieces_before(b, &all, s)?;
                    pieces.push(all.narrow(first, rows)?);
                    let Some(seen) = KeyValue::join(&pieces)? else { return Ok(None) };
                    let mask = masks.get(&(s.start, rows, window)).and_then(Option::as_ref);
                    let z = attention::sequence(spec, block, &q.narrow(0, first, rows)?, &seen, mask)?;
                    Ok(Some(((first..first + rows).collect(), z)))
                }
                Group::Sequence(_) => Ok(None),
                Group::Siblings(members) => {
                    let members: Vec<usize> = members.iter().copied().filter(|i| is_active(i)).collect();
                    let Some(first) = members.first().map(|i| &self.segments[*i]) else { return Ok(None) };
                    let Context::Past(past) = first.context else { return Ok(None) };
                    let rows: Vec<usize> = members.iter().map(|i| self.layout.first_row[*i]).collect();
                    let from = window.map_or(0, |w| (first.start + 1).saturating_sub(w));
                    let context = past.pieces(b, from..first.start)?;
                    let own = [&select(k, &rows)?, &select(v, &rows)?];
                    let z = attention::siblings(spec, block, &select(q, &rows)?, (&context, from), own)?;
                    Ok(Some((rows, z)))
                }
            }
        };
        let parts = self.layout.groups.par_iter().map(one).collect::<Result<Vec<_>>>()?;
        let mut source = vec![0usize; active];
        let mut tensors = Vec::new();
        let mut at = 0;
        for (rows, z) in parts.into_iter().flatten() {
            for row in rows {
                source[row] = at;
                at += 1;
            }
            tensors.push(z);
        }
        if self.keep.key_values {
            key_values.push(all);
        }
        select(&Tensor::cat(&tensors, 0)?, &source)
    }

    /// Keys and values of the positions before a segment, first to last.
    fn pieces_before(&self, b: usize, all: &KeyValue, s: &Segment<'_>) -> Result<Vec<KeyValue>> {
        Ok(match s.context {
            Context::None => Vec::new(),
            Context::Past(p) => p.pieces(b, 0..s.start)?,
            Context::Segment(i) => {
                let parent = &self.segments[i];
                let mut pieces = self.pieces_before(b, all, parent)?;
                pieces.push(all.narrow(self.layout.first_row[i], parent.entry.rows())?);
                pieces
            }
        })
    }
}

impl Model {
    /// Refuses tokens that do not exist, empty prompts, and prompts beyond the context that the model was made for (unless
    /// its positions stretch with the length).
    pub(crate) fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(ModelError::Plan("a prompt is empty".into()));
        }
        let most = self.spec.max_positions;
        if tokens.len() > most && !self.spec.stretches() {
            let n = tokens.len();
            return Err(ModelError::Plan(format!("a prompt has {n} tokens; the model's context has {most}")));
        }
        match tokens.iter().find(|t| **t as usize >= self.spec.vocab_size) {
            None => Ok(()),
            Some(t) => {
                Err(ModelError::Plan(format!("token {t} does not exist: the vocabulary has {}", self.spec.vocab_size)))
            }
        }
    }
}
