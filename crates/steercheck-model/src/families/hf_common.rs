//! What the configurations of Hugging Face share: sizes, rotary settings in both generations of keys, llama's names.

use crate::config::{Config, shown};
use crate::error::Result;
use crate::files::plain;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};
use crate::slots::{Names, Piece};
use crate::spec::{
    Activation, Biases, BlockNorms, BlockSpec, DecoderSpec, Gating, HeadSpec, Mlp, NormKind, NormPlace, NormSpec,
    QkNorm, Tying,
};

/// Names of llama and of the many families that kept them.
pub(super) const LLAMA_NAMES: Names = Names {
    embedding: "model.embed_tokens",
    final_norm: "model.norm",
    head: "lm_head",
    block: "model.layers",
    piece: llama_piece,
};

fn llama_piece(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "input_layernorm",
        Piece::Query => "self_attn.q_proj",
        Piece::Key => "self_attn.k_proj",
        Piece::Value => "self_attn.v_proj",
        Piece::Output => "self_attn.o_proj",
        Piece::QueryNorm => "self_attn.q_norm",
        Piece::KeyNorm => "self_attn.k_norm",
        // Blocks with norms on the outputs call the MLP's own norm otherwise: see gemma3.
        Piece::AttentionPostNorm | Piece::MlpNorm => "post_attention_layernorm",
        Piece::Gate => "mlp.gate_proj",
        Piece::Up => "mlp.up_proj",
        Piece::Down => "mlp.down_proj",
        Piece::MlpPostNorm => "post_feedforward_layernorm",
    }
}

const MOST: usize = 1 << 24;
/// Most heads, and most dimensions of one: their product is taken, and a table is made of the latter.
const MOST_HEADS: usize = 1 << 16;
/// Most positions: beyond any model's, and exact as a float.
const MOST_POSITIONS: usize = 1 << 40;

/// Class defaults that a configuration may leave out.
pub(super) struct Defaults {
    pub(super) family: &'static str,
    pub(super) eps: f64,
    pub(super) theta: f64,
    pub(super) max_positions: usize,
    pub(super) tying: Tying,
    pub(super) activation_key: &'static str,
    pub(super) activation: &'static str,
    pub(super) head_dim: Option<usize>,
}

/// Defaults of llama's class in transformers.
pub(super) const LLAMA_DEFAULTS: Defaults = Defaults {
    family: "llama",
    eps: 1e-6,
    theta: 10_000.0,
    max_positions: 2048,
    tying: Tying::Untied,
    activation_key: "hidden_act",
    activation: "silu",
    head_dim: None,
};

/// Everything that llama-shaped configurations have in common; biases, windows and norms beyond that are the family's.
pub(super) fn llama_shaped(config: Config<'_>, defaults: &Defaults) -> Result<DecoderSpec> {
    let hidden_size = config.size("hidden_size", MOST)?;
    let heads = config.size("num_attention_heads", MOST_HEADS)?;
    let depth = config.size("num_hidden_layers", 4096)?;
    let head_dim = match (config.int("head_dim")?, defaults.head_dim) {
        (Some(_), _) => config.size("head_dim", MOST_HEADS)?,
        (None, Some(d)) => d,
        (None, None) if hidden_size.is_multiple_of(heads) => hidden_size / heads,
        (None, None) => {
            return Err(config.problem("head_dim", format!("is missing and {heads} heads do not divide {hidden_size}")));
        }
    };
    let kv_heads =
        if config.get("num_key_value_heads").is_some() { config.size("num_key_value_heads", heads)? } else { heads };
    let max_positions = match config.get("max_position_embeddings") {
        Some(_) => config.size("max_position_embeddings", MOST_POSITIONS)?,
        None => defaults.max_positions,
    };
    let name = config.text(defaults.activation_key)?.unwrap_or(defaults.activation);
    let activation = Activation::from_name(name).ok_or_else(|| {
        config.problem(
            defaults.activation_key,
            format!("is '{}', which is not implemented (silu, gelu, gelu_pytorch_tanh and relu are)", plain(name)),
        )
    })?;
    let norm = NormSpec {
        kind: NormKind::Rms,
        eps: config.positive("rms_norm_eps", defaults.eps)? as f32,
        weight_offset: 0.0,
    };
    let tied = config.bool("tie_word_embeddings", defaults.tying == Tying::Tied)?;
    let rotary = rotary(config, defaults.theta, head_dim, max_positions)?;
    Ok(DecoderSpec {
        family: defaults.family,
        vocab_size: config.size("vocab_size", MOST)?,
        hidden_size,
        intermediate_size: config.size("intermediate_size", MOST)?,
        heads,
        kv_heads,
        head_dim,
        max_positions,
        embedding_multiplier: 1.0,
        residual_multiplier: 1.0,
        attention_scale: (head_dim as f64).powf(-0.5) as f32,
        attention_soft_cap: None,
        norms: BlockNorms { spec: norm, place: NormPlace::Before },
        qk_norm: QkNorm::None,
        biases: Biases::default(),
        mlp: Mlp { activation, gating: Gating::Gated },
        rotary: vec![rotary],
        blocks: vec![BlockSpec { rotary: Some(0), window: None }; depth],
        head: HeadSpec { tying: if tied { Tying::Tied } else { Tying::Untied }, logit_multiplier: 1.0, soft_cap: None },
    })
}

/// Biases as llama's keys set them.
pub(super) fn llama_biases(config: Config<'_>) -> Result<Biases> {
    let attention = config.bool("attention_bias", false)?;
    Ok(Biases { qkv: attention, output: attention, mlp: config.bool("mlp_bias", false)? })
}

/// Rotary settings from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
fn rotary(config: Config<'_>, theta: f64, dims: usize, max_positions: usize) -> Result<RotarySpec> {
    let new = config.object("rope_parameters")?;
    for c in [Some(config), new].into_iter().flatten() {
        if let Some(f) = c.float("partial_rotary_factor")?.filter(|f| (f - 1.0).abs() > 0.0) {
            return Err(c.problem("partial_rotary_factor", format!("is {f}; for this family only 1 is implemented")));
        }
    }
    let theta = match new {
        Some(new) => new.positive("rope_theta", config.positive("rope_theta", theta)?)?,
        None => config.positive("rope_theta", theta)?,
    };
    let old = config.object("rope_scaling")?;
    let scaling = match new.or(old) {
        None => RotaryScaling::None,
        Some(c) => scaling(c, max_positions)?,
    };
    Ok(RotarySpec { theta, dims, pairs: RotaryPairs::Halves, scaling })
}

/// The scaling that an object with `rope_type` (or the older `type`) describes.
pub(super) fn scaling(c: Config<'_>, max_positions: usize) -> Result<RotaryScaling> {
    let kind = match c.text("rope_type")? {
        Some(kind) => Some(kind),
        None => c.text("type")?,
    };
    let factor = |least: f64| -> Result<f64> {
        match c.float("factor")? {
            None => Err(c.problem("factor", "is missing and has no default")),
            Some(f) if f >= least => Ok(f),
            Some(f) => Err(c.problem("factor", format!("is {f}; it must be at least {least}"))),
        }
    };
    let trained = || -> Result<usize> {
        match c.get("original_max_position_embeddings") {
            Some(_) => c.size("original_max_position_embeddings", MOST_POSITIONS),
            None => Ok(max_positions),
        }
    };
    Ok(match kind {
        None | Some("default") => RotaryScaling::None,
        Some("linear") => RotaryScaling::Linear { factor: factor(1.0)? },
        Some("dynamic") => RotaryScaling::Dynamic { factor: factor(1.0)?, trained: trained()? },
        Some("llama3") => {
            let (low, high) = (c.positive("low_freq_factor", 1.0)?, c.positive("high_freq_factor", 4.0)?);
            if high <= low {
                return Err(
                    c.problem("high_freq_factor", format!("is {high}; it must be above low_freq_factor ({low})"))
                );
            }
            RotaryScaling::Llama3 { factor: factor(1.0)?, low, high, trained: trained()? }
        }
        Some("yarn") => {
            let factor = match c.float("factor")? {
                Some(_) => factor(1.0)?,
                None => max_positions as f64 / trained()? as f64,
            };
            let default = RotaryScaling::yarn_attention_factor(factor, c.float("mscale")?, c.float("mscale_all_dim")?);
            RotaryScaling::Yarn {
                factor,
                trained: trained()?,
                beta_fast: c.positive("beta_fast", 32.0)?,
                beta_slow: c.positive("beta_slow", 1.0)?,
                attention_factor: c.positive("attention_factor", default)?,
                truncate: c.bool("truncate", true)?,
            }
        }
        Some(other) => {
            return Err(c.problem(
                "rope_type",
                format!("is '{}'; implemented are default, linear, dynamic, llama3 and yarn", plain(other)),
            ));
        }
    })
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
        block.window = if slides { window } else { None };
    }
    Ok(())
}
