//! What the configurations of Hugging Face share: sizes, activations, windows, the shape of llama.

use crate::config::{Config, shown};
use crate::error::Result;
use crate::files::plain;
use crate::spec::{
    Activation, Affine, Arrangement, Biases, BlockNorms, BlockSpec, DecoderSpec, EmbeddingSpec, ExpertWeights, Gating,
    HeadSpec, Mlp, NormKind, NormPlace, NormSpec, QkNorm, Tying,
};

use super::hf_rope::{self, MOST_POSITIONS, Rope};

pub(super) const MOST: usize = 1 << 24;
/// Most heads, and most dimensions of one: their product is taken, and a table is made of the latter.
pub(super) const MOST_HEADS: usize = 1 << 16;
/// Most experts of a block.
const MOST_EXPERTS: usize = 4096;
/// Most blocks.
pub(super) const MOST_BLOCKS: usize = 4096;

/// The sizes that every decoder has.
pub(super) struct Sizes {
    pub(super) vocab: usize,
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) blocks: usize,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) positions: usize,
}

/// Kind and weights of a norm with this epsilon.
pub(super) fn norm(kind: NormKind, affine: Affine, eps: f64) -> NormSpec {
    NormSpec { kind, eps: eps as f32, weight_offset: 0.0, affine }
}

/// A pre-norm decoder of these sizes without positions, biases or specialities, untied.
pub(super) fn decoder(family: &'static str, sizes: &Sizes, norm: NormSpec, mlp: Mlp) -> DecoderSpec {
    let block = BlockSpec { rotary: None, window: None, attention_scale: scale(sizes.head_dim), experts: None };
    DecoderSpec {
        family,
        vocab_size: sizes.vocab,
        hidden_size: sizes.hidden,
        intermediate_size: sizes.inner,
        heads: sizes.heads,
        kv_heads: sizes.heads,
        head_dim: sizes.head_dim,
        max_positions: sizes.positions,
        embedding: EmbeddingSpec { width: sizes.hidden, multiplier: 1.0, positions: None, norm: None },
        residual_multiplier: 1.0,
        attention_soft_cap: None,
        arrangement: Arrangement::Sequential,
        norms: BlockNorms { spec: norm, place: NormPlace::Before },
        qk_norm: QkNorm::None,
        qkv_clip: None,
        alibi: None,
        biases: Biases::default(),
        mlp,
        rotary: Vec::new(),
        blocks: vec![block; sizes.blocks],
        head: HeadSpec { norm: Some(norm), tying: Tying::Untied, bias: false, logit_multiplier: 1.0, soft_cap: None },
    }
}

/// 1/√width.
pub(super) fn scale(width: usize) -> f32 {
    (width as f64).powf(-0.5) as f32
}

/// A size under the first of these keys that the configuration states; where it states none, the error names the last, which
/// is the class's own.
pub(super) fn size(config: Config<'_>, keys: &[&str], most: usize) -> Result<usize> {
    let key = keys.iter().find(|k| config.get(k).is_some()).or(keys.last()).copied().unwrap_or_default();
    config.size(key, most)
}

/// A size that has a default, under the first of these keys that the configuration states.
pub(super) fn size_or(config: Config<'_>, keys: &[&str], most: usize, default: usize) -> Result<usize> {
    if keys.iter().any(|k| config.get(k).is_some()) { size(config, keys, most) } else { Ok(default) }
}

/// Positions of the context.
pub(super) fn positions(config: Config<'_>, keys: &[&str], default: usize) -> Result<usize> {
    size_or(config, keys, MOST_POSITIONS, default)
}

/// Width of a head where it follows from the residual stream's; `key` states the number of heads.
pub(super) fn head_dim(config: Config<'_>, key: &str, hidden: usize, heads: usize) -> Result<usize> {
    if !hidden.is_multiple_of(heads) {
        return Err(config.problem(key, format!("is {heads}, which does not divide the width of {hidden}")));
    }
    match config.int("head_dim")? {
        Some(stated) if stated != hidden / heads => {
            let problem = format!("is {stated}; for this family only {} is implemented", hidden / heads);
            Err(config.problem("head_dim", problem))
        }
        _ => Ok(hidden / heads),
    }
}

/// The activation that a key names.
pub(super) fn activation(config: Config<'_>, key: &'static str, default: &'static str) -> Result<Activation> {
    let name = config.text(key)?.unwrap_or(default);
    Activation::from_name(name).ok_or_else(|| {
        let known = Activation::NAMES;
        config.problem(key, format!("is '{}', which is not implemented ({known} are)", plain(name)))
    })
}

/// Whether embedding and head are one matrix.
pub(super) fn tying(config: Config<'_>, default: Tying) -> Result<Tying> {
    let tied = config.bool("tie_word_embeddings", default == Tying::Tied)?;
    Ok(if tied { Tying::Tied } else { Tying::Untied })
}

/// Where the width of a head comes from.
#[derive(Clone, Copy)]
pub(super) enum HeadDim {
    /// The key `head_dim`, or the residual stream's width by the number of heads.
    Key,
    /// The key `head_dim`, or this.
    KeyOr(usize),
    /// The residual stream's width by the number of heads: the class has no other.
    Width,
}

/// Class defaults that a configuration may leave out.
pub(super) struct Defaults {
    pub(super) family: &'static str,
    pub(super) norm_kind: NormKind,
    pub(super) norm_affine: Affine,
    pub(super) eps_key: &'static str,
    pub(super) eps: f64,
    pub(super) rope: Rope,
    pub(super) max_positions: usize,
    pub(super) tying: Tying,
    pub(super) activation_key: &'static str,
    pub(super) activation: &'static str,
    pub(super) gating: Gating,
    /// Where the width of a head comes from.
    pub(super) head_dim: HeadDim,
    /// Of a class that has one; else as many as query heads.
    pub(super) kv_heads: Option<usize>,
}

/// Defaults of llama's class in transformers.
pub(super) const LLAMA_DEFAULTS: Defaults = Defaults {
    family: "llama",
    norm_kind: NormKind::Rms,
    norm_affine: Affine::Scale,
    eps_key: "rms_norm_eps",
    eps: 1e-6,
    rope: hf_rope::PLAIN,
    max_positions: 2048,
    tying: Tying::Untied,
    activation_key: "hidden_act",
    activation: "silu",
    gating: Gating::Gated,
    head_dim: HeadDim::Key,
    kv_heads: None,
};

/// Everything that llama-shaped configurations have in common; biases, windows and norms beyond that are the family's.
pub(super) fn llama_shaped(config: Config<'_>, defaults: &Defaults) -> Result<DecoderSpec> {
    let hidden = config.size("hidden_size", MOST)?;
    let heads = config.size("num_attention_heads", MOST_HEADS)?;
    let head_dim = match (config.int("head_dim")?, defaults.head_dim) {
        (_, HeadDim::Width) => head_dim(config, "num_attention_heads", hidden, heads)?,
        (Some(_), _) => config.size("head_dim", MOST_HEADS)?,
        (None, HeadDim::KeyOr(d)) => d,
        (None, HeadDim::Key) if hidden.is_multiple_of(heads) => hidden / heads,
        (None, HeadDim::Key) => {
            return Err(config.problem("head_dim", format!("is missing and {heads} heads do not divide {hidden}")));
        }
    };
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: config.size("intermediate_size", MOST)?,
        blocks: config.size("num_hidden_layers", MOST_BLOCKS)?,
        heads,
        head_dim,
        positions: positions(config, &["max_position_embeddings"], defaults.max_positions)?,
    };
    let norm = norm(defaults.norm_kind, defaults.norm_affine, config.positive(defaults.eps_key, defaults.eps)?);
    let activation = activation(config, defaults.activation_key, defaults.activation)?;
    let mut spec = decoder(defaults.family, &sizes, norm, Mlp { activation, gating: defaults.gating });
    spec.kv_heads = match defaults.kv_heads {
        Some(default) if !config.states("num_key_value_heads") => default,
        _ => size_or(config, &["num_key_value_heads"], heads, heads)?,
    };
    spec.head.tying = tying(config, defaults.tying)?;
    rotate(&mut spec, hf_rope::rotary(config, &defaults.rope, head_dim, sizes.positions)?);
    Ok(spec)
}

/// Gives all blocks the same rotary positions.
pub(super) fn rotate(spec: &mut DecoderSpec, rotary: crate::rope::RotarySpec) {
    spec.rotary = vec![rotary];
    for block in &mut spec.blocks {
        block.rotary = Some(0);
    }
}

/// Gives all blocks the same scale of scores.
pub(super) fn scale_scores(spec: &mut DecoderSpec, scale: f32) {
    for block in &mut spec.blocks {
        block.attention_scale = scale;
    }
}

/// Biases as llama's keys set them.
pub(super) fn llama_biases(config: Config<'_>) -> Result<Biases> {
    Ok(Biases { mlp: config.bool("mlp_bias", false)?, ..attention_biases(config)? })
}

/// Biases of all attention projections by one key, none in the MLP.
pub(super) fn attention_biases(config: Config<'_>) -> Result<Biases> {
    let attention = config.bool("attention_bias", false)?;
    Ok(Biases { qkv: attention, output: attention, mlp: false })
}

/// How many experts there are and how many a token uses.
pub(super) fn expert_counts(config: Config<'_>, keys: &[&str], default: (usize, usize)) -> Result<(usize, usize)> {
    let count = size_or(config, keys, MOST_EXPERTS, default.0)?;
    let used = size_or(config, &["num_experts_per_tok"], MOST_EXPERTS, default.1)?;
    if used > count {
        return Err(config.problem("num_experts_per_tok", format!("is {used} of {count} experts")));
    }
    Ok((count, used))
}

/// Whether the weights of the used experts are made to sum to 1.
pub(super) fn expert_weights(config: Config<'_>) -> Result<ExpertWeights> {
    let renormalised = config.bool("norm_topk_prob", false)?;
    Ok(if renormalised { ExpertWeights::Renormalised } else { ExpertWeights::Probabilities })
}

/// Windows of blocks by transformers 5's `layer_types`, or by a rule where that key is absent.
pub(super) fn windows(
    config: Config<'_>,
    spec: &mut DecoderSpec,
    window: Option<usize>,
    rule: impl Fn(usize) -> bool,
) -> Result<()> {
    if window == Some(0) {
        return Err(config.problem("sliding_window", "is 0; it must be at least 1, or null for none"));
    }
    let types = config.list("layer_types")?;
    if let Some(types) = types
        && types.len() != spec.depth()
    {
        return Err(config.problem("layer_types", format!("has {} entries for {} blocks", types.len(), spec.depth())));
    }
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        let slides = match types.map(|t| &t[i]) {
            None => rule(i),
            Some(t) if t == "sliding_attention" => true,
            Some(t) if t == "full_attention" => false,
            Some(t) => {
                return Err(config.problem(
                    "layer_types",
                    format!("holds {}; full_attention and sliding_attention are implemented", shown(t)),
                ));
            }
        };
        if slides && window.is_none() && types.is_some() {
            return Err(config.problem("layer_types", "holds sliding_attention, but no sliding_window is in use"));
        }
        block.window = if slides { window } else { None };
    }
    Ok(())
}

/// The window of all blocks where the class reads no `layer_types`.
pub(super) fn one_window(config: Config<'_>, spec: &mut DecoderSpec, window: Option<usize>) -> Result<()> {
    if window == Some(0) {
        return Err(config.problem("sliding_window", "is 0; it must be at least 1, or null for none"));
    }
    for block in &mut spec.blocks {
        block.window = window;
    }
    Ok(())
}
