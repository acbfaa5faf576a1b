//! The places of a decoder that weights go into, and the names that files give them.

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
}

/// Weight or bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Weight,
    Bias,
}

impl Part {
    fn name(self) -> &'static str {
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
    FinalNorm,
    Head,
    /// 0-based block.
    Block(usize, Piece),
}

/// How a format names its tensors.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) embedding: &'static str,
    pub(crate) final_norm: &'static str,
    pub(crate) head: &'static str,
    /// What stands before the block's number.
    pub(crate) block: &'static str,
    pub(crate) piece: fn(Piece) -> &'static str,
}

impl Names {
    /// The tensor's name, e.g. `model.layers.3.self_attn.q_proj.weight`.
    pub(crate) fn name(&self, slot: Slot, part: Part) -> String {
        let stem = match slot {
            Slot::Embedding => self.embedding.to_string(),
            Slot::FinalNorm => self.final_norm.to_string(),
            Slot::Head => self.head.to_string(),
            Slot::Block(i, piece) => format!("{}.{i}.{}", self.block, (self.piece)(piece)),
        };
        format!("{stem}.{}", part.name())
    }
}
