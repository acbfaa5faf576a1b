//! GPT-J: attention and MLP in parallel behind one norm, rotary pairs of neighbours, a bias on the logits. Wang and
//! Komatsuzaki 2021. llama.cpp's converter does not write it.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, names};
use crate::config::Config;
use crate::error::Result;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Arrangement, Biases, DecoderSpec, Gating, Mlp, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gptj"],
    architectures: &[],
    from_config,
    from_gguf: None,
    names: Names { piece: |piece, _| vec![whole(stem(piece))], ..names::GPT },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "ln_1",
        Piece::Query => "attn.q_proj",
        Piece::Key => "attn.k_proj",
        Piece::Value => "attn.v_proj",
        Piece::Output => "attn.out_proj",
        Piece::Up => "mlp.fc_in",
        Piece::Down => "mlp.fc_out",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = hf_common::size(config, &["hidden_size", "n_embd"], MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads", "n_head"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: hf_common::size_or(config, &["n_inner"], MOST, 4 * hidden)?,
        blocks: hf_common::size(config, &["num_hidden_layers", "n_layer"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "n_head", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings", "n_positions"], 2048)?,
    };
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_epsilon", 1e-5)?);
    let activation = hf_common::activation(config, "activation_function", "gelu_new")?;
    let mut spec = hf_common::decoder("gptj", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    spec.arrangement = Arrangement::ParallelSharedNorm;
    spec.biases = Biases { qkv: false, output: false, mlp: true };
    spec.head.tying = hf_common::tying(config, Tying::Untied)?;
    spec.head.bias = true;
    if config.states("rotary_dim") && config.get("rotary_dim").is_none() {
        return Err(config.problem("rotary_dim", "is null; state how many dimensions of a head are rotated"));
    }
    let dims = hf_common::size_or(config, &["rotary_dim"], sizes.head_dim, 64)?;
    let rotary = RotarySpec { theta: 10_000.0, dims, pairs: RotaryPairs::Neighbours, scaling: RotaryScaling::None };
    hf_common::rotate(&mut spec, rotary);
    Ok(spec)
}
