//! GPT-Neo: learned positions, windows in every other block, scores that are not scaled. Black et al. 2021. llama.cpp's
//! converter does not write it.

use serde_json::Value;

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, names};
use crate::config::{Config, shown};
use crate::error::Result;
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Biases, DecoderSpec, Gating, LearnedPositions, Mlp, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt_neo"],
    architectures: &[],
    from_config,
    from_gguf: None,
    names: Names { piece: |piece, _| vec![whole(stem(piece))], ..names::GPT },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "ln_1",
        Piece::Query => "attn.attention.q_proj",
        Piece::Key => "attn.attention.k_proj",
        Piece::Value => "attn.attention.v_proj",
        Piece::Output => "attn.attention.out_proj",
        Piece::MlpNorm => "ln_2",
        Piece::Up => "mlp.c_fc",
        Piece::Down => "mlp.c_proj",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = config.size("hidden_size", MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads", "num_heads"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: hf_common::size_or(config, &["intermediate_size"], MOST, 4 * hidden)?,
        blocks: hf_common::size(config, &["num_hidden_layers", "num_layers"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "num_heads", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings"], 2048)?,
    };
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_epsilon", 1e-5)?);
    let activation = hf_common::activation(config, "activation_function", "gelu_new")?;
    let mut spec = hf_common::decoder("gpt_neo", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    spec.biases = Biases { qkv: false, output: true, mlp: true };
    spec.embedding.positions = Some(LearnedPositions { rows: sizes.positions, offset: 0 });
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    hf_common::scale_scores(&mut spec, 1.0);
    let window = hf_common::size_or(config, &["window_size"], hf_common::MOST, 256)?;
    let local = local_blocks(config)?;
    if local.len() != spec.depth() {
        let problem = format!("describes {} blocks of {}", local.len(), spec.depth());
        let key = if config.get("attention_layers").is_some() { "attention_layers" } else { "attention_types" };
        return Err(config.problem(key, problem));
    }
    for (block, local) in spec.blocks.iter_mut().zip(local) {
        block.window = local.then_some(window);
    }
    Ok(spec)
}

/// Which blocks have a window, by `attention_layers`, a kind for each block, or else by `attention_types`: pairs of a pattern
/// and how often it is repeated.
fn local_blocks(config: Config<'_>) -> Result<Vec<bool>> {
    if let Some(layers) = config.list("attention_layers")? {
        let odd = || config.problem("attention_layers", "holds something else than \"global\" and \"local\"");
        return layers.iter().map(|kind| is_local(kind).ok_or_else(odd)).collect();
    }
    let key = "attention_types";
    let Some(types) = config.list(key)? else {
        return Ok((0..24).map(|i| i % 2 == 1).collect());
    };
    let odd =
        |v: &Value| config.problem(key, format!("holds {}; [[\"global\", \"local\"], times] is expected", shown(v)));
    let mut out = Vec::new();
    for pair in types {
        let (pattern, times) = pair
            .get(0)
            .and_then(Value::as_array)
            .zip(pair.get(1).and_then(Value::as_u64))
            .filter(|(p, n)| (p.len() as u64).saturating_mul(*n) <= MOST_BLOCKS as u64)
            .ok_or_else(|| odd(pair))?;
        for _ in 0..times {
            for kind in pattern {
                out.push(is_local(kind).ok_or_else(|| odd(pair))?);
            }
        }
    }
    Ok(out)
}

fn is_local(kind: &Value) -> Option<bool> {
    match kind.as_str() {
        Some("global") => Some(false),
        Some("local") => Some(true),
        _ => None,
    }
}
