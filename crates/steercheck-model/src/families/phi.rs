//! Phi 1, 1.5 and 2: attention and MLP in parallel behind one norm, biases everywhere, rotary positions on a share of each
//! head. Gunasekar et al. 2023, Li et al. 2023.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Arrangement, Biases, DecoderSpec, Gating, NormKind, QkNorm};

pub(super) const FAMILY: Family = Family {
    model_types: &["phi"],
    architectures: &["phi2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names { final_norm: "final_layernorm", piece: |piece, _| vec![whole(stem(piece))], ..names::LLAMA },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::Output => "self_attn.dense",
        Piece::QueryNorm => "self_attn.q_layernorm",
        Piece::KeyNorm => "self_attn.k_layernorm",
        Piece::Up => "mlp.fc1",
        Piece::Down => "mlp.fc2",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "phi",
        norm_kind: NormKind::Layer,
        norm_affine: Affine::ScaleAndBias,
        eps_key: "layer_norm_eps",
        eps: 1e-5,
        rope: hf_rope::Rope { partial: Some(0.5), ..hf_rope::PLAIN },
        activation: "gelu_new",
        gating: Gating::Plain,
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.arrangement = Arrangement::ParallelSharedNorm;
    spec.biases = Biases { qkv: true, output: true, mlp: true };
    spec.head.bias = true;
    if config.bool("qk_layernorm", false)? {
        spec.qk_norm = QkNorm::PerHead(spec.norms.spec);
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "phi")?;
    gguf_common::sizes_by_rule(gguf, &mut spec);
    gguf_common::rotate(gguf, &mut spec, RotaryPairs::Halves)?;
    spec.arrangement = Arrangement::ParallelSharedNorm;
    Ok(spec)
}
