//! Mixtral: mistral with a mixture of experts in every block. Jiang et al. 2024. Its GGUF files call themselves llama.

use super::{Family, hf_common, hf_rope, mistral, names};
use crate::config::Config;
use crate::error::Result;
use crate::slots::{Names, Piece, whole};
use crate::spec::{DecoderSpec, ExpertWeights, Experts};

pub(super) const FAMILY: Family = Family {
    model_types: &["mixtral"],
    architectures: &[],
    from_config,
    from_gguf: None,
    names: Names { piece: |piece, _| vec![whole(stem(piece))], ..names::LLAMA },
};

const ROPE: hf_rope::Rope = hf_rope::Rope { theta: 1_000_000.0, ..hf_rope::PLAIN };

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::Router => "block_sparse_moe.gate",
        Piece::ExpertGate => "block_sparse_moe.experts.{e}.w1",
        Piece::ExpertDown => "block_sparse_moe.experts.{e}.w2",
        Piece::ExpertUp => "block_sparse_moe.experts.{e}.w3",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults { family: "mixtral", eps: 1e-5, rope: ROPE, ..mistral::DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    hf_common::one_window(config, &mut spec, config.int("sliding_window")?)?;
    let (count, used) = hf_common::expert_counts(config, &["num_experts", "num_local_experts"], (8, 2))?;
    let experts =
        Experts { count, used, inner: spec.intermediate_size, weights: ExpertWeights::Renormalised, shared: None };
    for block in &mut spec.blocks {
        block.experts = Some(experts);
    }
    Ok(spec)
}
