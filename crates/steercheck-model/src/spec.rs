//! What distinguishes one decoder from another, as data. A family fills in a [`DecoderSpec`]; one forward pass serves
//! every spec.

use serde::Serialize;

use crate::rope::{RotaryScaling, RotarySpec};

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
    /// How tokens become residual 0.
    pub embedding: EmbeddingSpec,
    /// Attention and MLP outputs are multiplied by this before they are added to the residual stream.
    pub residual_multiplier: f32,
    /// Scores are `cap * tanh(score / cap)` before masking.
    pub attention_soft_cap: Option<f32>,
    /// Whether attention and MLP follow each other or read the same residual.
    pub arrangement: Arrangement,
    /// Norms around attention and MLP.
    pub norms: BlockNorms,
    /// Norm of queries and keys before rotary positions.
    pub qk_norm: QkNorm,
    /// Queries, keys and values are clamped to ± this after projection and norm.
    pub qkv_clip: Option<f32>,
    /// Biases on scores that grow with the distance.
    pub alibi: Option<Alibi>,
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BlockSpec {
    /// Index into [`DecoderSpec::rotary`]; `None` for a block without rotary positions.
    pub rotary: Option<usize>,
    /// A position attends to itself and the `window - 1` before it; `None` to all before it.
    pub window: Option<usize>,
    /// Scores are q·k times this.
    pub attention_scale: f32,
    /// `None` for one MLP of width [`DecoderSpec::intermediate_size`].
    pub experts: Option<Experts>,
}

/// How tokens become residual 0: look-up, multiplier, projection, position embedding, norm, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EmbeddingSpec {
    /// Width of the table; where it is not the residual stream's, a projection stands behind it and another before the
    /// head.
    pub width: usize,
    /// Token embeddings are multiplied by this.
    pub multiplier: f32,
    /// Learned position embeddings that are added.
    pub positions: Option<LearnedPositions>,
    /// Norm of the sum.
    pub norm: Option<NormSpec>,
}

/// A table of position embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LearnedPositions {
    /// Rows of the table.
    pub rows: usize,
    /// Position p is row p + offset.
    pub offset: usize,
}

/// How attention and MLP of a block stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Arrangement {
    /// The MLP reads the residual stream after attention.
    Sequential,
    /// Both read the block's input through the attention's norm (GPT-J).
    ParallelSharedNorm,
    /// Both read the block's input, each through its own norm (GPT-NeoX).
    ParallelOwnNorms,
}

/// Attention with linear biases (Press et al. 2022): head h adds `slope_h · (key position)` to its scores, which equals
/// the distance up to a constant that softmax cancels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alibi {
    /// One per query head.
    pub slopes: Vec<f32>,
    /// Multiplies the biases.
    pub scale: f32,
    /// How slopes and biases are rounded.
    pub rounding: AlibiRounding,
}

/// Rounding of `ALiBi` biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AlibiRounding {
    /// f32.
    Exact,
    /// Slope, position and product are rounded to bfloat16, whatever the model's type, as Falcon's code does.
    Bf16,
}

/// A mixture of experts in place of one MLP (Shazeer et al. 2017): softmax over all experts, the best few used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token uses.
    pub used: usize,
    /// Inner width of one.
    pub inner: usize,
    /// Weights of the used ones.
    pub weights: ExpertWeights,
    /// Inner width of an expert that every token uses, behind a sigmoid gate of its own.
    pub shared: Option<usize>,
}

/// How the probabilities of the used experts become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ExpertWeights {
    /// As they are.
    Probabilities,
    /// Divided by their sum.
    Renormalised,
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
    /// Which weights it has.
    pub affine: Affine,
}

/// Weights of a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Affine {
    /// None (`OLMo`).
    None,
    /// A factor.
    Scale,
    /// A factor and a bias.
    ScaleAndBias,
}

/// Kind of a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormKind {
    /// x / rms(x) · w (Zhang and Sennrich 2019).
    Rms,
    /// (x - mean) / std · w + b (Ba et al. 2016).
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
    /// On the sum of residual stream and output (the original transformer, OPT-350M).
    AfterSum,
    /// On the input, and the normed input is what the output is added to (an option of BLOOM).
    Stream,
}

impl NormPlace {
    /// Whether the sublayer reads a normed input.
    pub fn before(self) -> bool {
        matches!(self, Self::Before | Self::Around | Self::Stream)
    }

    /// Whether the sublayer's output is normed before it is added.
    pub fn after(self) -> bool {
        matches!(self, Self::After | Self::Around)
    }

    /// Whether a block has one norm per sublayer for its input, its output's sum or its stream, under the name of the
    /// sublayer itself.
    pub(crate) fn own(self) -> bool {
        self != Self::After
    }
}

/// Norm of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum QkNorm {
    /// None.
    None,
    /// Over each head's width, one weight for all heads.
    PerHead(NormSpec),
    /// Over each head's width, a weight for each head.
    EachHead(NormSpec),
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
    /// max(0, x)².
    ReluSquared,
    /// x · sigmoid(1.702 x).
    QuickGelu,
    /// tanh.
    Tanh,
    /// The logistic function.
    Sigmoid,
    /// x.
    Identity,
}

impl Activation {
    /// The function that transformers calls by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" | "gelu_python_tanh" | "gelu_accurate" => Self::GeluTanh,
            "gelu" | "gelu_python" => Self::GeluErf,
            "relu" => Self::Relu,
            "relu2" => Self::ReluSquared,
            "quick_gelu" => Self::QuickGelu,
            "tanh" => Self::Tanh,
            "sigmoid" => Self::Sigmoid,
            "linear" => Self::Identity,
            _ => return None,
        })
    }

    /// Names that [`Activation::from_name`] takes, for messages.
    pub(crate) const NAMES: &str =
        "silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, quick_gelu, relu, relu2, tanh, sigmoid and linear";
}

/// The output head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HeadSpec {
    /// The norm before it.
    pub norm: Option<NormSpec>,
    /// Whether the unembedding is the embedding matrix.
    pub tying: Tying,
    /// Whether logits get a bias.
    pub bias: bool,
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

    /// Widest inner layer of any MLP, all experts that a token uses counted.
    pub(crate) fn widest_inner(&self) -> usize {
        let of = |e: &Experts| e.used * e.inner + e.shared.unwrap_or(0);
        self.blocks.iter().map(|b| b.experts.as_ref().map_or(self.intermediate_size, of)).max().unwrap_or(0)
    }

    /// Query heads per key/value head.
    pub fn heads_per_kv(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Whether positions stretch with the total length, so that prompts beyond `max_positions` are possible.
    pub fn stretches(&self) -> bool {
        self.rotary.iter().any(|r| matches!(r.scaling, RotaryScaling::Dynamic { .. }))
    }

    /// Whether rotary frequencies change with the total length, so that keys of a prefix are only valid at the length
    /// they were computed for.
    pub fn depends_on_length(&self) -> bool {
        self.rotary.iter().any(|r| r.scaling.depends_on_length())
    }
}
