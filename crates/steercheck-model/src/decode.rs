//! Decoding: sequences that grow by a token at a time, all together, over the keys and values of what they already hold.
//!
//! [`Decoder`] is the step; how the next token is chosen from residual L is its caller's.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::attention::KeyValue;
use crate::error::{ModelError, Result, bytes_text};
use crate::layout::{Context, Entry, Keep, Segment};
use crate::model::Model;
use crate::prefix::{Past, Stretch};
use crate::readout::{FinalNorm, HeadKind, LOGIT_BYTES, Reading};
use crate::replay::Row;
use crate::run;
use crate::site::{Edit, Positions, Receipt};
use crate::trace::EditedPrompt;

/// What was added to one prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Continuation {
    /// The new tokens. An end-of-sequence token does not end them.
    pub tokens: Vec<u32>,
    /// Natural logarithm of each one's probability where it was chosen.
    pub log_probs: Vec<f64>,
    /// What the edits did, in the prompt and in the new tokens that were run: all but the last.
    pub receipts: Vec<Receipt>,
}

/// A growing sequence.
struct Sequence {
    tokens: Vec<u32>,
    /// The prompt's edits, their positions made absolute: the last token is the prompt's.
    edits: Vec<Edit>,
    /// Those of them, by index, that act on every new token, too, as edits at the last position.
    ongoing: Vec<(usize, Edit)>,
    receipts: Vec<Receipt>,
    /// Keys and values of every token that has run.
    past: Past,
}

impl Sequence {
    fn new(tokens: Vec<u32>, edits: &[Edit]) -> Self {
        let last = tokens.len() - 1;
        let absolute = |e: &Edit| match e.positions {
            Positions::Last => Edit { positions: Positions::At(vec![last]), ..e.clone() },
            _ => e.clone(),
        };
        let goes_on = |e: &Edit| matches!(e.positions, Positions::All | Positions::From(_));
        let ongoing = edits.iter().enumerate().filter(|(_, e)| goes_on(e));
        let ongoing = ongoing.map(|(i, e)| (i, Edit { positions: Positions::Last, ..e.clone() })).collect();
        let edits = edits.iter().map(absolute).collect();
        Self { tokens, edits, ongoing, receipts: Vec::new(), past: Past::default() }
    }
}

/// Keys and values of new tokens, written where they stay: one entry per block, `[sequences, kv_heads, capacity, head_dim]`.
struct Written {
    blocks: Vec<KeyValue>,
    len: usize,
}

/// Sequences that grow together.
pub(crate) struct Decoder<'a> {
    model: &'a Model,
    sequences: Vec<Sequence>,
    /// `None` where keys and values depend on the total length: every step runs the sequences whole.
    written: Option<Written>,
    /// Residual L at the last token of every sequence, `[sequences, D]`.
    pub(crate) top: Tensor,
    /// Residuals 0..=L there, `[sequences, D]` each; empty unless they are kept.
    residuals: Vec<Tensor>,
    keep_residuals: bool,
}

impl<'a> Decoder<'a> {
    /// Runs the prompts; at most `capacity` tokens may be added to each.
    fn new(
        model: &'a Model,
        segments: &[Segment<'_>],
        prompts: Vec<Vec<u32>>,
        capacity: usize,
        keep_residuals: bool,
    ) -> Result<Self> {
        for prompt in &prompts {
            model.check_tokens(prompt)?;
            let (n, most) = (prompt.len(), model.spec.max_positions);
            if n + capacity > most && !model.spec.stretches() {
                return Err(ModelError::Plan(format!(
                    "a prompt of {n} tokens cannot go on for {} more: the model's context has {most}; continue for \
                     fewer, or shorten the prompt",
                    capacity + 1
                )));
            }
        }
        let whole = model.spec.depends_on_length();
        let sizes: Vec<(usize, usize)> = segments
            .iter()
            .map(|s| if whole { (s.length + capacity, s.length + capacity) } else { (s.entry.rows(), s.length) })
            .collect();
        model.check_budget(model.bytes_of_decoding(&sizes, capacity))?;
        let out = run::run(model, segments, &keep(segments, !whole, keep_residuals))?;
        let mut sequences: Vec<Sequence> =
            prompts.into_iter().zip(segments).map(|(tokens, s)| Sequence::new(tokens, s.edits)).collect();
        let store = Arc::new(out.key_values);
        for ((i, (sequence, segment)), receipts) in sequences.iter_mut().zip(segments).enumerate().zip(out.receipts) {
            sequence.receipts = receipts;
            if !whole {
                sequence.past = past(segment, &store, out.first_row[i], model.spec.depth());
            }
        }
        let residuals = out.residual;
        let mut decoder = Self { model, sequences, written: None, top: out.top, residuals, keep_residuals };
        if !whole {
            decoder.reserve(capacity)?;
        }
        Ok(decoder)
    }

    /// Makes room for this many new tokens of every sequence.
    fn reserve(&mut self, capacity: usize) -> Result<()> {
        let (spec, n) = (&self.model.spec, self.sequences.len());
        let shape = (n, spec.kv_heads, capacity.max(1), spec.head_dim);
        let zeros = || Tensor::zeros(shape, DType::F32, &self.model.device);
        let blocks = (0..spec.depth())
            .map(|_| Ok(KeyValue { keys: zeros()?, values: zeros()? }))
            .collect::<Result<Vec<KeyValue>>>()?;
        for (i, sequence) in self.sequences.iter_mut().enumerate() {
            let of = |b: &KeyValue| Ok(KeyValue { keys: b.keys.get(i)?, values: b.values.get(i)? });
            let store = Arc::new(blocks.iter().map(of).collect::<Result<Vec<KeyValue>>>()?);
            let (start, blocks) = (sequence.tokens.len(), 1..=spec.depth());
            sequence.past.stretches.push(Stretch { start, len: 0, store, row: 0, blocks });
        }
        self.written = Some(Written { blocks, len: 0 });
        Ok(())
    }

    /// Adds one token to every sequence and runs it.
    pub(crate) fn step(&mut self, tokens: &[u32]) -> Result<()> {
        for (sequence, token) in self.sequences.iter_mut().zip(tokens) {
            sequence.tokens.push(*token);
        }
        if self.written.is_none() {
            return self.step_whole();
        }
        let ongoing: Vec<Vec<Edit>> =
            self.sequences.iter().map(|s| s.ongoing.iter().map(|(_, e)| e.clone()).collect()).collect();
        let segments: Vec<Segment<'_>> = self
            .sequences
            .iter()
            .zip(&ongoing)
            .map(|(s, edits)| {
                let (start, length) = (s.tokens.len() - 1, s.tokens.len());
                let entry = Entry::Tokens(Cow::Borrowed(&s.tokens[start..]));
                Segment { entry, context: Context::Past(&s.past), start, length, edits }
            })
            .collect();
        let out = run::run(self.model, &segments, &keep(&segments, true, self.keep_residuals))?;
        if let Some(written) = &mut self.written {
            // Rows are the sequences in order, as all enter at once.
            let rows = |t: &Tensor| -> Result<Tensor> { Ok(t.transpose(0, 1)?.unsqueeze(2)?.contiguous()?) };
            for (to, new) in written.blocks.iter().zip(&out.key_values) {
                to.keys.slice_set(&rows(&new.keys)?, 2, written.len)?;
                to.values.slice_set(&rows(&new.values)?, 2, written.len)?;
            }
            written.len += 1;
        }
        for (sequence, receipts) in self.sequences.iter_mut().zip(out.receipts) {
            if let Some(newest) = sequence.past.stretches.last_mut() {
                newest.len += 1;
            }
            for ((i, _), receipt) in sequence.ongoing.iter().zip(&receipts) {
                sequence.receipts[*i].extend(receipt);
            }
        }
        (self.top, self.residuals) = (out.top, out.residual);
        Ok(())
    }

    fn step_whole(&mut self) -> Result<()> {
        let segments: Vec<Segment<'_>> = self.sequences.iter().map(|s| whole(&s.tokens, &s.edits)).collect();
        let out = run::run(self.model, &segments, &keep(&segments, false, self.keep_residuals))?;
        for (sequence, receipts) in self.sequences.iter_mut().zip(out.receipts) {
            sequence.receipts = receipts;
        }
        (self.top, self.residuals) = (out.top, out.residual);
        Ok(())
    }

    /// Goes on with the most probable token of every sequence, the lowest id on ties.
    fn greedily(mut self, tokens: usize) -> Result<Vec<Continuation>> {
        let none = vec![Vec::new(); self.sequences.len()];
        let (mut chosen, mut log_probs) = (none.clone(), vec![Vec::new(); none.len()]);
        for i in 0..tokens {
            let readings = self.model.read(&self.top, FinalNorm::Apply, HeadKind::Full, &none)?;
            let next: Vec<u32> = readings.iter().map(|r| r.top1).collect();
            for (sequence, reading) in readings.iter().enumerate() {
                chosen[sequence].push(reading.top1);
                log_probs[sequence].push(reading.top1_log_prob);
            }
            if i + 1 < tokens {
                self.step(&next)?;
            }
        }
        let all = chosen.into_iter().zip(log_probs).zip(self.sequences);
        Ok(all.map(|((tokens, log_probs), s)| Continuation { tokens, log_probs, receipts: s.receipts }).collect())
    }

    /// Goes on with the tokens that `choose` takes from each sequence's logits, until it has taken one of `ends`.
    fn by_choice(
        mut self,
        tokens: usize,
        ends: &[u32],
        mut choose: impl FnMut(usize, &[f32]) -> u32,
    ) -> Result<Vec<Continuation>> {
        let mut done: Vec<Continuation> = vec![Continuation::default(); self.sequences.len()];
        let mut open: Vec<bool> = vec![true; done.len()];
        for i in 0..tokens {
            let logits = self.model.logits(&self.top, FinalNorm::Apply, HeadKind::Full)?;
            let logits = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
            // Sequences that have ended run along on any token; nothing is taken from them.
            let mut next = vec![0; done.len()];
            for (k, row) in logits.iter().enumerate() {
                if !open[k] {
                    continue;
                }
                let token = choose(k, row);
                let reading = Reading::of_logits(row, &[token])
                    .ok_or_else(|| ModelError::NotFinite { at: "a row of logits".into() })?;
                done[k].tokens.push(token);
                done[k].log_probs.push(reading.tokens[0].log_prob);
                done[k].receipts.clone_from(&self.sequences[k].receipts);
                open[k] = !ends.contains(&token);
                next[k] = token;
            }
            if !open.contains(&true) {
                break;
            }
            if i + 1 < tokens {
                self.step(&next)?;
            }
        }
        Ok(done)
    }
}

/// What a step keeps: residuals at the last token of every sequence, where they are wanted.
fn keep(segments: &[Segment<'_>], key_values: bool, residuals: bool) -> Keep {
    let last = |(i, s): (usize, &Segment<'_>)| (i, s.entry.rows() - 1);
    let residual = if residuals { segments.iter().enumerate().map(last).collect() } else { Vec::new() };
    Keep { residual, key_values, ..Keep::default() }
}

/// A sequence from its first token on.
fn whole<'a>(tokens: &'a [u32], edits: &'a [Edit]) -> Segment<'a> {
    let entry = Entry::Tokens(Cow::Borrowed(tokens));
    Segment { entry, context: Context::None, start: 0, length: tokens.len(), edits }
}

/// What stands before the token after a segment: what stood before the segment, and what its own run kept in `store`.
fn past(segment: &Segment<'_>, store: &Arc<Vec<KeyValue>>, row: usize, depth: usize) -> Past {
    let (start, len, entry) = (segment.start, segment.entry.rows(), segment.entry.residual());
    let mut stretches = Vec::new();
    if let Context::Past(before) = segment.context {
        stretches.extend(before.part(&(0..start), &(1..=depth)));
        // A row that enters above the first block leaves the keys and values below as they were.
        stretches.extend(before.part(&(start..start + len), &(1..=entry)));
    }
    stretches.push(Stretch { start, len, store: store.clone(), row, blocks: entry + 1..=depth });
    Past { stretches }
}

impl Model {
    /// Runs each prompt whole and for itself, with its edits, and goes on greedily for so many tokens. An edit at all positions, or at all from
    /// one on, acts on the new tokens too; any other edit acts in the prompt alone.
    pub fn continue_greedily(&self, prompts: &[EditedPrompt], tokens: usize) -> Result<Vec<Continuation>> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        for prompt in prompts {
            self.check_tokens(&prompt.tokens)?;
        }
        let segments: Vec<Segment<'_>> = prompts.iter().map(|p| whole(&p.tokens, &p.edits)).collect();
        let prompts = prompts.iter().map(|p| p.tokens.clone()).collect();
        Decoder::new(self, &segments, prompts, tokens.saturating_sub(1), false)?.greedily(tokens)
    }

    /// As [`Model::continue_greedily`], with every next token taken from the logits `[vocab]` by `choose`, which is told the
    /// prompt's number. A continuation ends with the first of `ends` that it takes.
    pub fn continue_by(
        &self,
        prompts: &[EditedPrompt],
        tokens: usize,
        ends: &[u32],
        choose: impl FnMut(usize, &[f32]) -> u32,
    ) -> Result<Vec<Continuation>> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        for prompt in prompts {
            self.check_tokens(&prompt.tokens)?;
        }
        let segments: Vec<Segment<'_>> = prompts.iter().map(|p| whole(&p.tokens, &p.edits)).collect();
        let prompts = prompts.iter().map(|p| p.tokens.clone()).collect();
        Decoder::new(self, &segments, prompts, tokens.saturating_sub(1), false)?.by_choice(tokens, ends, choose)
    }

    /// Goes on with a prompt by tokens that `choose` takes from residuals 0..=L at its last token, `[1, D]` each, until it takes one of
    /// `ends`; each step runs the new token alone.
    pub fn continue_by_residuals(
        &self,
        prompt: &[u32],
        tokens: usize,
        ends: &[u32],
        mut choose: impl FnMut(&[Tensor]) -> Result<u32>,
    ) -> Result<Vec<u32>> {
        self.check_tokens(prompt)?;
        let segments = [whole(prompt, &[])];
        let mut decoder = Decoder::new(self, &segments, vec![prompt.to_vec()], tokens.saturating_sub(1), true)?;
        let mut chosen = Vec::with_capacity(tokens);
        for i in 0..tokens {
            let token = choose(&decoder.residuals)?;
            chosen.push(token);
            if ends.contains(&token) {
                break;
            }
            if i + 1 < tokens {
                decoder.step(&[token])?;
            }
        }
        Ok(chosen)
    }

    /// As [`Model::continue_greedily`], for rows over prefixes: what comes before a row's first edit is not run again.
    pub fn continue_rows_greedily(&self, rows: &[Row<'_>], tokens: usize) -> Result<Vec<Continuation>> {
        let segments = self.row_segments(rows)?;
        let prompts = rows.iter().map(Row::tokens).collect();
        Decoder::new(self, &segments, prompts, tokens.saturating_sub(1), false)?.greedily(tokens)
    }

    /// Bytes besides weights and prefixes that greedy continuations by `tokens` tokens will take at most, of so many prompts
    /// of at most `length` tokens, the last `suffix` of which are run; they are refused if they exceed the budget.
    pub fn decoding_bytes(&self, prompts: usize, suffix: usize, length: usize, tokens: usize) -> u64 {
        let whole = length + tokens;
        let size = if self.spec.depends_on_length() { (whole, whole) } else { (suffix, length) };
        self.bytes_of_decoding(&vec![size; prompts], tokens)
    }

    /// `sizes` holds each sequence's positions that are run at once and its length.
    fn bytes_of_decoding(&self, sizes: &[(usize, usize)], capacity: usize) -> u64 {
        let spec = &self.spec;
        let rows: usize = sizes.iter().map(|(rows, _)| rows).sum();
        let scores = sizes.iter().map(|(rows, length)| 2 * rows * (length + capacity)).max().unwrap_or(0);
        let position = 2 * spec.kv_heads * spec.head_dim * spec.depth();
        let kept = 4 * ((rows + sizes.len() * capacity) * position) as u64;
        let logits = LOGIT_BYTES.min(4 * sizes.len() * spec.vocab_size) as u64;
        kept + logits + run::block_bytes(self, rows, scores)
    }

    fn check_budget(&self, needed: u64) -> Result<()> {
        if needed > self.activation_budget {
            let (needed, budget) = (bytes_text(needed), bytes_text(self.activation_budget));
            return Err(ModelError::Memory { needed, budget });
        }
        Ok(())
    }
}
