//! The measures of a decoder as its published configuration gives them, and what they say about its size.

use serde::Deserialize;

/// Bits per weight of a model at 4 bits: what llama.cpp's `Q4_K_M` comes to on models of 7 to 70 billion parameters, where some
/// matrices are kept at 6 bits. Single models lie between 4.8 and 4.9.
pub const BITS_PER_WEIGHT_AT_4_BITS: f64 = 4.85;

/// The measures of a decoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Number of blocks.
    pub blocks: u64,
    /// Query heads of a block.
    pub heads: u64,
    /// Heads of keys and of values of a block; fewer than `heads` where these share them.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Width of the residual stream.
    pub hidden_size: u64,
    /// Width of the MLP.
    pub intermediate_size: u64,
    /// Rows of the embedding matrix, unused ones included.
    pub vocab_size: u64,
    /// Whether the output matrix is the embedding matrix.
    #[serde(default)]
    pub tied: bool,
    /// Whether the MLP has a gate, hence three matrices instead of two.
    #[serde(default = "yes")]
    pub gated: bool,
    /// The projections that have a bias.
    #[serde(default)]
    pub biases: Vec<Bias>,
    /// What a norm of the residual's width holds.
    #[serde(default)]
    pub norm: NormWeights,
    /// Norms of the residual's width in a block.
    #[serde(default = "two")]
    pub norms_per_block: u64,
    /// Norms of queries and keys.
    #[serde(default)]
    pub head_norm: HeadNorm,
}

/// A projection with a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bias {
    /// Queries, keys and values.
    Qkv,
    /// The output of attention.
    Output,
    /// All matrices of the MLP.
    Mlp,
    /// The output matrix, onto the vocabulary.
    Vocabulary,
}

/// What a norm holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormWeights {
    /// Nothing.
    None,
    /// A scale.
    #[default]
    Scale,
    /// A scale and a shift.
    Shift,
}

/// Over what queries and keys are normed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadNorm {
    /// They are not.
    #[default]
    None,
    /// Each head, all with the same weights.
    Head,
    /// All heads together.
    All,
}

fn yes() -> bool {
    true
}

fn two() -> u64 {
    2
}

impl Shape {
    /// Number of parameters; buffers that some files carry (rotary frequencies, masks) are none.
    pub fn parameters(&self) -> u64 {
        let embeddings = self.vocab_size * self.hidden_size * if self.tied { 1 } else { 2 };
        let blocks = self.blocks * (self.attention() + self.mlp() + self.norms_per_block * self.norm());
        embeddings + self.if_biased(Bias::Vocabulary, self.vocab_size) + blocks + self.norm()
    }

    /// Bytes of the weights in bf16.
    pub fn bytes_in_bf16(&self) -> u64 {
        2 * self.parameters()
    }

    /// Bytes of the weights at about 4 bits, see [`BITS_PER_WEIGHT_AT_4_BITS`].
    pub fn bytes_at_4_bits(&self) -> u64 {
        (self.parameters() as f64 * BITS_PER_WEIGHT_AT_4_BITS / 8.0).round() as u64
    }

    fn attention(&self) -> u64 {
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let projected = queries + 2 * keys;
        let norms = match self.head_norm {
            HeadNorm::None => 0,
            HeadNorm::Head => 2 * self.head_dim,
            HeadNorm::All => queries + keys,
        };
        self.hidden_size * (projected + queries)
            + self.if_biased(Bias::Qkv, projected)
            + self.if_biased(Bias::Output, self.hidden_size)
            + norms
    }

    fn mlp(&self) -> u64 {
        let inner = self.intermediate_size * if self.gated { 2 } else { 1 };
        self.hidden_size * (inner + self.intermediate_size) + self.if_biased(Bias::Mlp, inner + self.hidden_size)
    }

    fn norm(&self) -> u64 {
        match self.norm {
            NormWeights::None => 0,
            NormWeights::Scale => self.hidden_size,
            NormWeights::Shift => 2 * self.hidden_size,
        }
    }

    fn if_biased(&self, bias: Bias, length: u64) -> u64 {
        if self.biases.contains(&bias) { length } else { 0 }
    }

    /// Refuses what no model has, so that no product above can overflow.
    pub(crate) fn check(&self) -> Result<(), String> {
        let measures =
            [self.blocks, self.heads, self.kv_heads, self.head_dim, self.hidden_size, self.intermediate_size];
        if measures.iter().any(|m| !(1..=1 << 20).contains(m)) || !(1..=1 << 24).contains(&self.vocab_size) {
            return Err("a measure of its shape is out of range".to_owned());
        }
        if self.kv_heads > self.heads || self.norms_per_block > 8 {
            return Err("its shape has more key heads than query heads, or too many norms".to_owned());
        }
        Ok(())
    }
}
