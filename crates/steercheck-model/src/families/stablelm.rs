//! `StableLM` 2 and `StableLM` 3B: llama with mean-and-variance norms and rotary positions on a share of each head; the larger
//! ones in parallel and with a norm of each head's query and key. Bellagente et al. 2024.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Arrangement, Biases, DecoderSpec, NormKind, NormSpec, QkNorm};

pub(super) const FAMILY: Family = Family {
    model_types: &["stablelm"],
    architectures: &["stablelm"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names { piece: |piece, _| vec![whole(stem(piece))], ..names::LLAMA },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::QueryNorm => "self_attn.q_layernorm.norms.{h}",
        Piece::KeyNorm => "self_attn.k_layernorm.norms.{h}",
        other => names::llama_stem(other),
    }
}

fn by_head(spec: &DecoderSpec) -> QkNorm {
    QkNorm::EachHead(NormSpec { affine: Affine::Scale, ..spec.norms.spec })
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "stablelm",
        norm_kind: NormKind::Layer,
        norm_affine: Affine::ScaleAndBias,
        eps_key: "layer_norm_eps",
        eps: 1e-5,
        rope: hf_rope::Rope { partial: Some(0.25), ..hf_rope::PLAIN },
        max_positions: 4096,
        head_dim: hf_common::HeadDim::Width,
        kv_heads: Some(32),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = Biases { qkv: config.bool("use_qkv_bias", false)?, output: false, mlp: false };
    if config.bool("qk_layernorm", false)? {
        spec.qk_norm = by_head(&spec);
    }
    if config.bool("use_parallel_residual", false)? {
        spec.arrangement = Arrangement::ParallelSharedNorm;
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "stablelm", RotaryPairs::Halves)?;
    if gguf.tensors.contains_key("blk.0.attn_q_norm.weight") {
        spec.qk_norm = by_head(&spec);
    }
    // llama.cpp takes a block without a second norm as parallel.
    if !gguf.tensors.contains_key("blk.0.ffn_norm.weight") {
        spec.arrangement = Arrangement::ParallelSharedNorm;
    }
    Ok(spec)
}
