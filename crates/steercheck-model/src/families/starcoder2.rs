//! `StarCoder` 2: llama with mean-and-variance norms, biases, an MLP without a gate, a window in every block. Lozhkov et al. 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Biases, DecoderSpec, Gating, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["starcoder2"],
    architectures: &["starcoder2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names { piece: |piece, _| vec![whole(stem(piece))], ..names::LLAMA },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::Up => "mlp.c_fc",
        Piece::Down => "mlp.c_proj",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "starcoder2",
        norm_kind: NormKind::Layer,
        norm_affine: Affine::ScaleAndBias,
        eps_key: "norm_epsilon",
        eps: 1e-5,
        max_positions: 4096,
        tying: Tying::Tied,
        activation: "gelu_pytorch_tanh",
        gating: Gating::Plain,
        kv_heads: Some(2),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    let biased = config.bool("use_bias", true)?;
    spec.biases = Biases { qkv: biased, output: biased, mlp: biased };
    hf_common::one_window(config, &mut spec, config.int("sliding_window")?)?;
    Ok(spec)
}

/// The converter leaves the window out, and llama.cpp runs without one.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "starcoder2")?;
    gguf_common::rotate(gguf, &mut spec, RotaryPairs::Halves)?;
    Ok(spec)
}
