//! Tensor names that many families share, and the crate's own.

use crate::slots::{Cut, Names, Piece, Place, part, whole};
use crate::spec::DecoderSpec;

/// Names of llama and of the many families that kept them.
pub(super) const LLAMA: Names = Names {
    root: "model.",
    embedding: "embed_tokens",
    positions: "embed_positions",
    embedding_norm: "embed_norm",
    project_in: "project_in",
    project_out: "project_out",
    final_norm: "norm",
    head: "lm_head",
    block: "layers",
    piece: |piece, _| vec![whole(llama_stem(piece))],
};

/// What stands in a block of llama, and under the usual names for what llama has not.
pub(super) fn llama_stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "input_layernorm",
        Piece::Query => "self_attn.q_proj",
        Piece::Key => "self_attn.k_proj",
        Piece::Value => "self_attn.v_proj",
        Piece::Output => "self_attn.o_proj",
        Piece::QueryNorm => "self_attn.q_norm",
        Piece::KeyNorm => "self_attn.k_norm",
        // Blocks with norms on the outputs call the MLP's own norm otherwise: see GEMMA.
        Piece::AttentionPostNorm | Piece::MlpNorm => "post_attention_layernorm",
        Piece::Gate => "mlp.gate_proj",
        Piece::Up => "mlp.up_proj",
        Piece::Down => "mlp.down_proj",
        Piece::MlpPostNorm => "post_feedforward_layernorm",
        Piece::Router => "mlp.gate",
        Piece::ExpertGate => "mlp.experts.{e}.gate_proj",
        Piece::ExpertUp => "mlp.experts.{e}.up_proj",
        Piece::ExpertDown => "mlp.experts.{e}.down_proj",
        Piece::SharedGate => "mlp.shared_expert.gate_proj",
        Piece::SharedUp => "mlp.shared_expert.up_proj",
        Piece::SharedDown => "mlp.shared_expert.down_proj",
        Piece::SharedRouter => "mlp.shared_expert_gate",
    }
}

/// Names of the Gemmas with four norms.
pub(super) const GEMMA: Names = Names { piece: |piece, _| vec![whole(gemma_stem(piece))], ..LLAMA };

fn gemma_stem(piece: Piece) -> &'static str {
    match piece {
        Piece::MlpNorm => "pre_feedforward_layernorm",
        other => llama_stem(other),
    }
}

/// Names under which [`crate::Model::open_spec`] looks for the tensors of any spec.
pub(crate) const CANONICAL: Names = GEMMA;

/// Names of the GPT-2 generation: word and position tables, blocks under `h`.
pub(super) const GPT: Names =
    Names { root: "transformer.", embedding: "wte", positions: "wpe", final_norm: "ln_f", block: "h", ..LLAMA };

/// Query, key and value out of one tensor that holds them one after another.
pub(super) fn sequential(piece: Piece, stem: &'static str) -> Option<Place> {
    matches!(piece, Piece::Query | Piece::Key | Piece::Value).then(|| part(stem, Cut::Sequential))
}

/// Query, key and value out of one tensor that holds them by key/value head.
pub(super) fn grouped(piece: Piece, stem: &'static str) -> Option<Place> {
    matches!(piece, Piece::Query | Piece::Key | Piece::Value).then(|| part(stem, Cut::Grouped))
}

/// Gate and up projection out of one tensor.
pub(super) fn gate_up(piece: Piece, stem: &'static str) -> Option<Place> {
    matches!(piece, Piece::Gate | Piece::Up).then(|| part(stem, Cut::GateUp))
}

/// A family's place for a piece: the special one, else the tensor of the given name.
pub(super) fn or(special: Option<Place>, stem: &'static str) -> Vec<Place> {
    vec![special.unwrap_or(whole(stem))]
}

impl DecoderSpec {
    /// Names and shapes of all tensors that a model of this spec has, as [`crate::Model::open_spec`] reads them.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        self.needs()
            .into_iter()
            .flat_map(|need| {
                let places = CANONICAL.places(need.slot, self);
                places.into_iter().map(move |(stem, _)| (format!("{stem}.{}", need.part.name()), need.shape.clone()))
            })
            .collect()
    }
}
