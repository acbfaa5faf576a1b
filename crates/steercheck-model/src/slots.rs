//! The places of a decoder that weights go into: which a spec has, in which shapes, and where files keep them.

use std::ops::Range;

use crate::spec::{Affine, Arrangement, DecoderSpec, Experts, Gating, NormSpec, QkNorm, Tying};

/// A sublayer's or norm's place within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    AttentionNorm,
    Query,
    Key,
    Value,
    Output,
    QueryNorm,
    KeyNorm,
    AttentionPostNorm,
    MlpNorm,
    Gate,
    Up,
    Down,
    MlpPostNorm,
    /// Scores the experts.
    Router,
    ExpertGate,
    ExpertUp,
    ExpertDown,
    SharedGate,
    SharedUp,
    SharedDown,
    /// Weighs the shared expert.
    SharedRouter,
}

/// Weight or bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Weight,
    Bias,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
        }
    }
}

/// A place in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Embedding,
    Positions,
    EmbeddingNorm,
    ProjectIn,
    ProjectOut,
    FinalNorm,
    Head,
    /// 0-based block.
    Block(usize, Piece),
    /// 0-based block, expert.
    Expert(usize, usize, Piece),
}

/// What of a stored tensor a place takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of it.
    Whole,
    /// Of queries, keys and values one after another, its third.
    Sequential,
    /// Of queries, keys and values by key/value head (its query heads, its key, its value), its share of each.
    Grouped,
    /// Of gate and up projection one after the other, its half.
    GateUp,
    /// Of all experts' matrices, its own.
    Expert,
}

/// Which dimension of a stored matrix is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// `[out, in]`, as `nn.Linear` has it.
    OutIn,
    /// `[in, out]`, as GPT-2's `Conv1D` has it.
    InOut,
}

/// Where a file keeps a place's tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The name without block and part; `{e}` stands for the expert's number, `{h}` for each head's.
    pub(crate) stem: &'static str,
    pub(crate) cut: Cut,
    pub(crate) orientation: Orientation,
}

/// A tensor of its own, `[out, in]`.
pub(crate) const fn whole(stem: &'static str) -> Place {
    Place { stem, cut: Cut::Whole, orientation: Orientation::OutIn }
}

/// A part of a fused tensor, `[out, in]`.
pub(crate) const fn part(stem: &'static str, cut: Cut) -> Place {
    Place { stem, cut, orientation: Orientation::OutIn }
}

/// How a format names its tensors.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Before every name but the head's; files that were saved without the head leave it out.
    pub(crate) root: &'static str,
    pub(crate) embedding: &'static str,
    pub(crate) positions: &'static str,
    pub(crate) embedding_norm: &'static str,
    pub(crate) project_in: &'static str,
    pub(crate) project_out: &'static str,
    pub(crate) final_norm: &'static str,
    pub(crate) head: &'static str,
    /// What stands before the block's number.
    pub(crate) block: &'static str,
    /// Where a block's pieces may be, in the order in which they are looked for.
    pub(crate) piece: fn(Piece, &DecoderSpec) -> Vec<Place>,
}

impl Names {
    /// Where a slot may be, in order, and the names there without the part.
    pub(crate) fn places(&self, slot: Slot, spec: &DecoderSpec) -> Vec<(String, Place)> {
        let top = |stem: &'static str| vec![(format!("{}{stem}", self.root), whole(stem))];
        match slot {
            Slot::Embedding => top(self.embedding),
            Slot::Positions => top(self.positions),
            Slot::EmbeddingNorm => top(self.embedding_norm),
            Slot::ProjectIn => top(self.project_in),
            Slot::ProjectOut => top(self.project_out),
            Slot::FinalNorm => top(self.final_norm),
            Slot::Head => vec![(self.head.to_string(), whole(self.head))],
            Slot::Block(i, piece) | Slot::Expert(i, _, piece) => (self.piece)(piece, spec)
                .into_iter()
                .map(|place| {
                    let stem = match slot {
                        Slot::Expert(_, e, _) => place.stem.replace("{e}", &e.to_string()),
                        _ => place.stem.to_string(),
                    };
                    (format!("{}{}.{i}.{stem}", self.root, self.block), place)
                })
                .collect(),
        }
    }
}

/// One tensor that a spec needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) slot: Slot,
    pub(crate) part: Part,
    /// `[out, in]`, `[width]`, or `[heads, width]`.
    pub(crate) shape: Vec<usize>,
}

impl Need {
    /// The rows of the stored tensor (its first dimension, for experts the first two) that the cut takes, and how many
    /// there must be in all.
    pub(crate) fn rows(&self, cut: Cut, spec: &DecoderSpec) -> (Vec<Range<usize>>, usize) {
        let rows = self.shape[0];
        let one = |start: usize| -> Vec<Range<usize>> { std::iter::once(start..start + rows).collect() };
        let (q, kv, dh, per) =
            (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim, spec.head_dim, spec.heads_per_kv());
        let piece = match self.slot {
            Slot::Block(_, piece) | Slot::Expert(_, _, piece) => Some(piece),
            _ => None,
        };
        match cut {
            Cut::Whole => (one(0), rows),
            Cut::Sequential => {
                let start = match piece {
                    Some(Piece::Key) => q,
                    Some(Piece::Value) => q + kv,
                    _ => 0,
                };
                (one(start), q + 2 * kv)
            }
            Cut::Grouped => {
                let (start, len) = match piece {
                    Some(Piece::Key) => (per * dh, dh),
                    Some(Piece::Value) => ((per + 1) * dh, dh),
                    _ => (0, per * dh),
                };
                let group = (per + 2) * dh;
                let runs = (0..spec.kv_heads).map(|g| g * group + start..g * group + start + len).collect();
                (runs, spec.kv_heads * group)
            }
            Cut::GateUp => {
                let second = matches!(piece, Some(Piece::Up | Piece::ExpertUp | Piece::SharedUp));
                let start = if second { rows } else { 0 };
                (one(start), 2 * rows)
            }
            Cut::Expert => {
                let (e, count) = match self.slot {
                    Slot::Expert(i, e, _) => (e, spec.blocks[i].experts.map_or(0, |x| x.count)),
                    _ => (0, 0),
                };
                (one(e * rows), count * rows)
            }
        }
    }
}

/// Collects the needs of a spec.
struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, slot: Slot, part: Part, shape: &[usize]) {
        self.0.push(Need { slot, part, shape: shape.to_vec() });
    }

    fn linear(&mut self, slot: Slot, shape: [usize; 2], biased: bool) {
        self.add(slot, Part::Weight, &shape);
        if biased {
            self.add(slot, Part::Bias, &shape[..1]);
        }
    }

    fn norm(&mut self, slot: Slot, shape: &[usize], spec: NormSpec) {
        if spec.affine != Affine::None {
            self.add(slot, Part::Weight, shape);
        }
        if spec.affine == Affine::ScaleAndBias {
            self.add(slot, Part::Bias, shape);
        }
    }

    fn block(&mut self, spec: &DecoderSpec, i: usize) {
        let (d, place, norm) = (spec.hidden_size, spec.norms.place, spec.norms.spec);
        let (q, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let at = |piece| Slot::Block(i, piece);
        if place.own() {
            self.norm(at(Piece::AttentionNorm), &[d], norm);
            if spec.arrangement != Arrangement::ParallelSharedNorm {
                self.norm(at(Piece::MlpNorm), &[d], norm);
            }
        }
        self.linear(at(Piece::Query), [q, d], spec.biases.qkv);
        self.linear(at(Piece::Key), [kv, d], spec.biases.qkv);
        self.linear(at(Piece::Value), [kv, d], spec.biases.qkv);
        for (piece, heads, whole) in [(Piece::QueryNorm, spec.heads, q), (Piece::KeyNorm, spec.kv_heads, kv)] {
            match spec.qk_norm {
                QkNorm::None => {}
                QkNorm::PerHead(n) => self.norm(at(piece), &[spec.head_dim], n),
                QkNorm::EachHead(n) => self.norm(at(piece), &[heads, spec.head_dim], n),
                QkNorm::Whole(n) => self.norm(at(piece), &[whole], n),
            }
        }
        self.linear(at(Piece::Output), [d, q], spec.biases.output);
        if place.after() {
            self.norm(at(Piece::AttentionPostNorm), &[d], norm);
            self.norm(at(Piece::MlpPostNorm), &[d], norm);
        }
        match &spec.blocks[i].experts {
            None => {
                let pieces = [Piece::Gate, Piece::Up, Piece::Down];
                self.mlp(spec, pieces.map(at), spec.intermediate_size, spec.biases.mlp);
            }
            Some(experts) => self.experts(spec, i, experts),
        }
    }

    fn mlp(&mut self, spec: &DecoderSpec, [gate, up, down]: [Slot; 3], inner: usize, biased: bool) {
        let d = spec.hidden_size;
        if spec.mlp.gating == Gating::Gated {
            self.linear(gate, [inner, d], biased);
        }
        self.linear(up, [inner, d], biased);
        self.linear(down, [d, inner], biased);
    }

    fn experts(&mut self, spec: &DecoderSpec, i: usize, experts: &Experts) {
        let d = spec.hidden_size;
        self.linear(Slot::Block(i, Piece::Router), [experts.count, d], false);
        for e in 0..experts.count {
            let pieces = [Piece::ExpertGate, Piece::ExpertUp, Piece::ExpertDown];
            self.mlp(spec, pieces.map(|p| Slot::Expert(i, e, p)), experts.inner, false);
        }
        if let Some(inner) = experts.shared {
            let pieces = [Piece::SharedGate, Piece::SharedUp, Piece::SharedDown];
            self.mlp(spec, pieces.map(|p| Slot::Block(i, p)), inner, false);
            self.linear(Slot::Block(i, Piece::SharedRouter), [1, d], false);
        }
    }
}

impl DecoderSpec {
    /// Every tensor that a model of this spec needs.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let mut out = Needs(Vec::new());
        let (d, width) = (self.hidden_size, self.embedding.width);
        out.linear(Slot::Embedding, [self.vocab_size, width], false);
        if width != d {
            out.linear(Slot::ProjectIn, [d, width], false);
            out.linear(Slot::ProjectOut, [width, d], false);
        }
        if let Some(positions) = self.embedding.positions {
            out.linear(Slot::Positions, [positions.rows, d], false);
        }
        if let Some(norm) = self.embedding.norm {
            out.norm(Slot::EmbeddingNorm, &[d], norm);
        }
        for i in 0..self.depth() {
            out.block(self, i);
        }
        if let Some(norm) = self.head.norm {
            out.norm(Slot::FinalNorm, &[d], norm);
        }
        if self.head.tying == Tying::Untied {
            out.add(Slot::Head, Part::Weight, &[self.vocab_size, width]);
        }
        if self.head.bias {
            out.add(Slot::Head, Part::Bias, &[self.vocab_size]);
        }
        out.0
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> u64 {
        self.needs().iter().map(|n| n.shape.iter().product::<usize>() as u64).sum()
    }
}
