//! What distinguishes one decoder from another, as data. A family fills in a [`DecoderSpec`]; one forward pass serves
//! every spec.

use serde::Serialize;

use crate::rope::RotarySpec;

/// A decoder language model, described by the axes along which the families differ.
#[derive(Debug, Clone, Serialize)]
pub struct DecoderSpec {
    /// Name of the family, for people and records.
    pub family: &'static str,
    /// Rows of the embedding and of the head.
    pub vocab_size: usize,
    /// Width of the residual stream (D).
    pub hidden_size: usize,
    /// Width of the MLP's inner layer.
    pub intermediate_size: usize,
    /// Query heads (H).
    pub heads: usize,
    /// Key/value heads; query head h reads key/value head h / (H / `kv_heads`).
    pub kv_heads: usize,
    /// Width of one head. `heads * head_dim` need not be `hidden_size`.
    pub head_dim: usize,
    /// Positions that the configuration promises.
    pub max_positions: usize,
    /// Token embeddings are multiplied by this before the first block.
    pub embedding_multiplier: f32,
    /// Attention and MLP outputs are multiplied by this before they are added to the residual stream.
    pub residual_multiplier: f32,
    /// Scores are q·k times this.
    pub attention_scale: f32,
    /// Scores are `cap * tanh(score / cap)` before masking.
    pub attention_soft_cap: Option<f32>,
    /// Norms around attention and MLP.
    pub norms: BlockNorms,
    /// Norm of queries and keys before rotary positions.
    pub qk_norm: QkNorm,
    /// Which projections carry a bias.
    pub biases: Biases,
    /// The MLP.
    pub mlp: Mlp,
    /// The kinds of rotary positions that blocks refer to.
    pub rotary: Vec<RotarySpec>,
    /// One entry per block, first to last.
    pub blocks: Vec<BlockSpec>,
    /// What follows the last block.
    pub head: HeadSpec,
}

/// What may differ from block to block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BlockSpec {
    /// Index into [`DecoderSpec::rotary`]; `None` for a block without positions.
    pub rotary: Option<usize>,
    /// A position attends to itself and the `window - 1` before it; `None` to all before it.
    pub window: Option<usize>,
}

/// Kind and constant of a norm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NormSpec {
    /// Root-mean-square, or mean and variance.
    pub kind: NormKind,
    /// Added to the (mean) square.
    pub eps: f32,
    /// Added to the stored weight (1 where checkpoints store `weight - 1`).
    pub weight_offset: f32,
}

/// Kind of a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormKind {
    /// x / rms(x) · w (Zhang and Sennrich 2019).
    Rms,
    /// (x - mean) / std · w + b (Ba et al. 2016); the bias may be absent.
    Layer,
}

/// Where the norms of a block stand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BlockNorms {
    /// The kind used throughout the block and before the head.
    pub spec: NormSpec,
    /// Around each of attention and MLP.
    pub place: NormPlace,
}

/// Where a norm stands with respect to attention or MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormPlace {
    /// Only on the input.
    Before,
    /// Only on the output, before it is added to the residual stream.
    After,
    /// On both.
    Around,
}

impl NormPlace {
    /// Whether the sublayer's input is normed.
    pub fn before(self) -> bool {
        self != Self::After
    }

    /// Whether the sublayer's output is normed.
    pub fn after(self) -> bool {
        self != Self::Before
    }
}

/// Norm of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum QkNorm {
    /// None.
    None,
    /// Over each head's width, one weight for all heads.
    PerHead(NormSpec),
    /// Over the whole projection.
    Whole(NormSpec),
}

/// Which projections carry a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Biases {
    /// Query, key and value projections.
    pub qkv: bool,
    /// Attention output projection.
    pub output: bool,
    /// MLP projections.
    pub mlp: bool,
}

/// The MLP's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mlp {
    /// Applied to the gate where there is one, else to the inner layer.
    pub activation: Activation,
    /// `down(act(gate(x)) * up(x))`, or `down(act(up(x)))`.
    pub gating: Gating,
}

/// Whether the MLP has a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Gating {
    /// `down(act(gate(x)) * up(x))`.
    Gated,
    /// `down(act(up(x)))`.
    Plain,
}

/// Activation functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// max(0, x).
    Relu,
}

impl Activation {
    /// The function that transformers calls by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" => Self::GeluTanh,
            "gelu" => Self::GeluErf,
            "relu" => Self::Relu,
            _ => return None,
        })
    }
}

/// The output head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HeadSpec {
    /// Whether the unembedding is the embedding matrix.
    pub tying: Tying,
    /// Logits are multiplied by this.
    pub logit_multiplier: f32,
    /// Logits are `cap * tanh(logit / cap)`.
    pub soft_cap: Option<f32>,
}

/// Whether the unembedding matrix is the embedding matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Tying {
    /// One matrix for both.
    Tied,
    /// A matrix of its own.
    Untied,
}

impl DecoderSpec {
    /// Number of blocks (L).
    pub fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Query heads per key/value head.
    pub fn heads_per_kv(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Whether rotary frequencies change with the total length, so that keys of a prefix are only valid at the length
    /// they were computed for.
    pub fn depends_on_length(&self) -> bool {
        self.rotary.iter().any(|r| r.scaling.depends_on_length())
    }
}
