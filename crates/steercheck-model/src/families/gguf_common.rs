//! What GGUF files share, whatever the family: llama.cpp's keys and tensor names. What a file does not say, its tensors show:
//! biases, tying, which norms there are, whether projections are fused.

use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::gguf::Gguf;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};
use crate::slots::{Cut, Names, Piece, Place, part, whole};
use crate::spec::{
    Activation, Affine, Biases, DecoderSpec, ExpertWeights, Experts, Gating, LearnedPositions, Mlp, NormKind, Tying,
};
use crate::weights::Weights;

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::hf_rope::MOST_POSITIONS;

/// llama.cpp's tensor names (gguf-py's `tensor_mapping.py` lists them).
const NAMES: Names = Names {
    root: "",
    embedding: "token_embd",
    positions: "position_embd",
    embedding_norm: "token_embd_norm",
    project_in: "token_embd_project",
    project_out: "output_project",
    final_norm: "output_norm",
    head: "output",
    block: "blk",
    piece,
};

/// Names of files with a second attention norm (Falcon 40B): there the MLP's has the name of attention's.
const TWO_NORMS: Names = Names {
    piece: |piece, spec| match piece {
        Piece::AttentionNorm => vec![whole("attn_norm_2")],
        Piece::MlpNorm => vec![whole("attn_norm")],
        other => self::piece(other, spec),
    },
    ..NAMES
};

/// The names that a file follows.
pub(super) fn names(gguf: &Gguf) -> Names {
    if has(gguf, "blk.0.attn_norm_2.weight") { TWO_NORMS } else { NAMES }
}

fn piece(piece: Piece, _: &DecoderSpec) -> Vec<Place> {
    let qkv = part("attn_qkv", Cut::Sequential);
    let experts = |stem, numbered| vec![part(stem, Cut::Expert), whole(numbered)];
    match piece {
        Piece::AttentionNorm => vec![whole("attn_norm")],
        Piece::MlpNorm => vec![whole("ffn_norm")],
        Piece::Query => vec![whole("attn_q"), qkv],
        Piece::Key => vec![whole("attn_k"), qkv],
        Piece::Value => vec![whole("attn_v"), qkv],
        Piece::Output => vec![whole("attn_output")],
        Piece::QueryNorm => vec![whole("attn_q_norm")],
        Piece::KeyNorm => vec![whole("attn_k_norm")],
        Piece::AttentionPostNorm => vec![whole("post_attention_norm")],
        Piece::MlpPostNorm => vec![whole("post_ffw_norm")],
        Piece::Gate => vec![whole("ffn_gate"), part("ffn_up", Cut::GateUp)],
        Piece::Up => vec![whole("ffn_up"), part("ffn_up", Cut::GateUp)],
        Piece::Down => vec![whole("ffn_down")],
        Piece::Router => vec![whole("ffn_gate_inp")],
        Piece::ExpertGate => experts("ffn_gate_exps", "ffn_gate.{e}"),
        Piece::ExpertUp => experts("ffn_up_exps", "ffn_up.{e}"),
        Piece::ExpertDown => experts("ffn_down_exps", "ffn_down.{e}"),
        Piece::SharedGate => vec![whole("ffn_gate_shexp")],
        Piece::SharedUp => vec![whole("ffn_up_shexp")],
        Piece::SharedDown => vec![whole("ffn_down_shexp")],
        Piece::SharedRouter => vec![whole("ffn_gate_inp_shexp")],
    }
}

/// The file's architecture as its keys begin, e.g. `llama`.
fn prefix(gguf: &Gguf) -> Result<String> {
    Ok(gguf.text("general.architecture")?.unwrap_or_default().to_string())
}

fn has(gguf: &Gguf, name: &str) -> bool {
    gguf.tensors.contains_key(name)
}

/// A required size within bounds.
fn size(gguf: &Gguf, key: &str, most: usize) -> Result<usize> {
    let n = gguf.required_int(key)?;
    if (1..=most).contains(&n) { Ok(n) } else { Err(gguf.problem(key, format!("is {n}; 1 to {most} is possible"))) }
}

/// A number above 0, or the default.
pub(super) fn positive(gguf: &Gguf, key: &str, default: f64) -> Result<f64> {
    match gguf.float(key)? {
        None => Ok(default),
        Some(f) if f > 0.0 => Ok(f),
        Some(f) => Err(gguf.problem(key, format!("is {f}; it must be above 0"))),
    }
}

/// A bound, or the default where the key is absent. 0 is how llama.cpp writes that there is none.
pub(super) fn cap(gguf: &Gguf, key: &str, default: Option<f32>) -> Result<Option<f32>> {
    let stated = gguf.float(key)?.map(|f| f as f32);
    Ok(stated.map_or(default, |f| Some(f).filter(|f| *f > 0.0 && f.is_finite())))
}

/// A pre-norm decoder of the file's sizes, its norms, biases, gates and head as its tensors show; no positions yet.
fn base(gguf: &Gguf, family: &'static str) -> Result<DecoderSpec> {
    let arch = prefix(gguf)?;
    let key = |k: &str| format!("{arch}.{k}");
    let hidden = size(gguf, &key("embedding_length"), MOST)?;
    let heads = size(gguf, &key("attention.head_count"), MOST_HEADS)?;
    let kv_heads = gguf.int(&key("attention.head_count_kv"))?.unwrap_or(heads);
    if kv_heads == 0 || kv_heads > heads {
        let problem = format!("is {kv_heads}; 1 to {heads} (the number of heads) is possible");
        return Err(gguf.problem(&key("attention.head_count_kv"), problem));
    }
    let width_key = key("attention.key_length");
    let head_dim = match gguf.int(&width_key)? {
        Some(_) => size(gguf, &width_key, MOST_HEADS)?,
        None if hidden.is_multiple_of(heads) => hidden / heads,
        None => return Err(gguf.problem(&width_key, format!("is missing and {heads} heads do not divide {hidden}"))),
    };
    if let Some(v) = gguf.int(&key("attention.value_length"))?
        && v != head_dim
    {
        let problem = format!("is {v}; only key_length ({head_dim}) is implemented");
        return Err(gguf.problem(&key("attention.value_length"), problem));
    }
    let vocab = match gguf.tensors.get("token_embd.weight") {
        Some(t) if t.shape.len() == 2 && t.shape[0] > 0 => t.shape[0],
        _ => return Err(gguf.problem("token_embd.weight", "is not among the tensors as a matrix")),
    };
    let positions = match gguf.int(&key("context_length"))? {
        Some(_) => size(gguf, &key("context_length"), MOST_POSITIONS)?,
        None => 2048,
    };
    let inner = size(gguf, &key("feed_forward_length"), MOST)?;
    let blocks = size(gguf, &key("block_count"), MOST_BLOCKS)?;
    let sizes = Sizes { vocab, hidden, inner, blocks, heads, head_dim, positions };
    let (rms, layer) = (key("attention.layer_norm_rms_epsilon"), key("attention.layer_norm_epsilon"));
    let (kind, eps_key) =
        if gguf.float(&rms)?.is_some() { (NormKind::Rms, rms) } else { (NormKind::Layer, layer.clone()) };
    let eps = gguf
        .float(&eps_key)?
        .filter(|e| *e > 0.0)
        .ok_or_else(|| gguf.problem(&eps_key, "is missing or not above 0"))?;
    let affine = if has(gguf, "output_norm.bias") { Affine::ScaleAndBias } else { Affine::Scale };
    let fused = gguf.tensors.get("blk.0.ffn_up.weight").is_some_and(|t| t.shape[0] == 2 * inner);
    let gates = ["blk.0.ffn_gate.weight", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_gate.0.weight"];
    let mlp = if fused || gates.iter().any(|n| has(gguf, n)) {
        Mlp { activation: Activation::Silu, gating: Gating::Gated }
    } else {
        Mlp { activation: Activation::GeluTanh, gating: Gating::Plain }
    };
    let mut spec = hf_common::decoder(family, &sizes, hf_common::norm(kind, affine, eps), mlp);
    spec.kv_heads = kv_heads;
    spec.biases = Biases {
        qkv: has(gguf, "blk.0.attn_q.bias") || has(gguf, "blk.0.attn_qkv.bias"),
        output: has(gguf, "blk.0.attn_output.bias"),
        mlp: has(gguf, "blk.0.ffn_up.bias"),
    };
    spec.head.tying = if has(gguf, "output.weight") { Tying::Untied } else { Tying::Tied };
    spec.head.bias = has(gguf, "output.bias");
    Ok(spec)
}

/// A file of the GPT generation: no positions yet, no experts.
pub(super) fn gpt_shaped(gguf: &Gguf, family: &'static str) -> Result<DecoderSpec> {
    let spec = base(gguf, family)?;
    no_experts(gguf)?;
    Ok(spec)
}

/// Sizes that some converters write by rule, whatever the tensors are: an MLP four times as wide as the stream, as many
/// key/value heads as query heads.
pub(super) fn sizes_by_rule(gguf: &Gguf, spec: &mut DecoderSpec) {
    let rows = |name: &str| gguf.tensors.get(name).map(|t| t.shape[0]).filter(|rows| *rows <= MOST);
    if spec.intermediate_size == 4 * spec.hidden_size
        && let Some(inner) = rows("blk.0.ffn_up.weight")
    {
        spec.intermediate_size = inner;
    }
    if spec.kv_heads == spec.heads
        && let Some(kv) = rows("blk.0.attn_k.weight").map(|rows| rows / spec.head_dim)
        && (1..=spec.heads).contains(&kv)
    {
        spec.kv_heads = kv;
    }
}

/// A llama-shaped file: rotary positions in all blocks, no experts.
pub(super) fn llama_shaped(gguf: &Gguf, family: &'static str, pairs: RotaryPairs) -> Result<DecoderSpec> {
    let mut spec = gpt_shaped(gguf, family)?;
    rotate(gguf, &mut spec, pairs)?;
    Ok(spec)
}

/// A llama-shaped file with experts in the blocks that have a router.
pub(super) fn expert_shaped(
    gguf: &Gguf,
    family: &'static str,
    pairs: RotaryPairs,
    weights: ExpertWeights,
) -> Result<DecoderSpec> {
    let mut spec = base(gguf, family)?;
    rotate(gguf, &mut spec, pairs)?;
    experts(gguf, &mut spec, weights)?;
    Ok(spec)
}

/// Refuses a file with experts.
fn no_experts(gguf: &Gguf) -> Result<()> {
    let key = format!("{}.expert_count", prefix(gguf)?);
    match gguf.int(&key)? {
        None | Some(0) => Ok(()),
        Some(n) => Err(gguf.problem(&key, format!("is {n}; mixtures of experts are not implemented for this family"))),
    }
}

/// Experts in the blocks that have a router.
fn experts(gguf: &Gguf, spec: &mut DecoderSpec, weights: ExpertWeights) -> Result<()> {
    let arch = prefix(gguf)?;
    let key = |k: &str| format!("{arch}.{k}");
    let count = size(gguf, &key("expert_count"), 4096)?;
    let used = size(gguf, &key("expert_used_count"), count)?;
    let weights = match gguf.bool(&key("expert_weights_norm"))? {
        None => weights,
        Some(true) => ExpertWeights::Renormalised,
        Some(false) => ExpertWeights::Probabilities,
    };
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        if has(gguf, &format!("blk.{i}.ffn_gate_inp.weight")) {
            let down = [format!("blk.{i}.ffn_down_exps.weight"), format!("blk.{i}.ffn_down.0.weight")];
            let inner = down.iter().find_map(|n| gguf.tensors.get(n)).and_then(|t| t.shape.last().copied());
            let inner = inner.unwrap_or(spec.intermediate_size);
            let shared = gguf.tensors.get(&format!("blk.{i}.ffn_up_shexp.weight")).map(|t| t.shape[0]);
            block.experts = Some(Experts { count, used, inner, weights, shared });
        }
    }
    Ok(())
}

/// Learned positions from the table's shape.
pub(super) fn learned_positions(gguf: &Gguf, spec: &mut DecoderSpec) -> Result<()> {
    let table = gguf.tensors.get("position_embd.weight");
    let rows =
        table.map(|t| t.shape[0]).ok_or_else(|| gguf.problem("position_embd.weight", "is not among the tensors"))?;
    spec.max_positions = spec.max_positions.min(rows);
    spec.embedding.positions = Some(LearnedPositions { rows, offset: 0 });
    Ok(())
}

/// Gives all blocks the file's rotary positions.
pub(super) fn rotate(gguf: &Gguf, spec: &mut DecoderSpec, pairs: RotaryPairs) -> Result<()> {
    let arch = prefix(gguf)?;
    let key = |k: &str| format!("{arch}.rope.{k}");
    let dims = gguf.int(&key("dimension_count"))?.unwrap_or(spec.head_dim);
    let theta = gguf.float(&key("freq_base"))?.filter(|t| *t > 0.0).unwrap_or(10_000.0);
    hf_common::rotate(spec, RotarySpec { theta, dims, pairs, scaling: scaling(gguf, &arch)? });
    Ok(())
}

/// The lists of `LongRoPE`.
const LONG_ROPE: [&str; 2] = ["rope_factors_short.weight", "rope_factors_long.weight"];

/// Blocks with a window, by `attention.sliding_window_pattern`: a number p (all but every p-th) or a list for each block.
pub(super) fn windows(gguf: &Gguf, spec: &mut DecoderSpec, window: Option<usize>, pattern: usize) -> Result<()> {
    let key = format!("{}.attention.sliding_window_pattern", prefix(gguf)?);
    let listed = gguf.bools(&key)?;
    if let Some(listed) = listed.as_ref().filter(|l| l.len() != spec.depth()) {
        return Err(gguf.problem(&key, format!("has {} entries for {} blocks", listed.len(), spec.depth())));
    }
    let pattern = if listed.is_some() { pattern } else { gguf.int(&key)?.unwrap_or(pattern).max(1) };
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        let slides = listed.as_ref().map_or(!(i + 1).is_multiple_of(pattern), |l| l[i]);
        block.window = window.filter(|w| slides && *w > 0);
    }
    Ok(())
}

/// Divisors of the frequencies, which are tensors: one list, or two for short and long prompts.
pub(super) fn divisors(gguf: &Gguf, weights: &Weights, spec: &mut DecoderSpec) -> Result<()> {
    let Some(global) = spec.rotary.first_mut() else { return Ok(()) };
    let read = |name: &str| -> Result<Option<Vec<f32>>> {
        let Some(tensor) = weights.get(name) else { return Ok(None) };
        if tensor.shape != [global.dims / 2] {
            let problem = format!(
                "has shape {:?} where one divisor for each of {} frequencies is expected; convert the model again",
                tensor.shape,
                global.dims / 2
            );
            return Err(ModelError::Tensor { name: name.into(), problem });
        }
        Ok(Some(tensor.widen(&candle_core::Device::Cpu)?.to_vec1::<f32>()?))
    };
    if let Some(factors) = read("rope_freqs.weight")? {
        global.scaling = RotaryScaling::Factors(factors);
    }
    let (arch, [short, long]) = (prefix(gguf)?, LONG_ROPE);
    let lists = (read(short)?, read(long)?);
    let key = format!("{arch}.rope.scaling.type");
    if gguf.text(&key)? == Some("longrope") && (lists.0.is_none() || lists.1.is_none()) {
        return Err(
            gguf.problem(&key, format!("is longrope, but {short} or {long} is missing; convert the model again"))
        );
    }
    if let (Some(short), Some(long)) = lists {
        let trained = match gguf.int(&format!("{arch}.rope.scaling.original_context_length"))? {
            Some(n) if n > 0 => n,
            _ => spec.max_positions,
        };
        let attention_factor = positive(gguf, &format!("{arch}.rope.scaling.attn_factor"), 1.0)?;
        global.scaling = RotaryScaling::LongRope { short, long, trained, attention_factor };
    }
    // Elsewhere it is part of the scaling already, or would have to be.
    let key = format!("{arch}.rope.scaling.attn_factor");
    let holds = matches!(global.scaling, RotaryScaling::LongRope { .. } | RotaryScaling::Yarn { .. });
    if let Some(f) = gguf.float(&key)?.filter(|f| !holds && (f - 1.0).abs() > 0.0) {
        return Err(gguf.problem(&key, format!("is {f}; it is implemented with yarn and longrope only")));
    }
    Ok(())
}

/// Stretching by metadata. Divisors per frequency are put in by [`divisors`].
fn scaling(gguf: &Gguf, arch: &str) -> Result<RotaryScaling> {
    let key = |k: &str| format!("{arch}.rope.scaling.{k}");
    // Converters of 2023 wrote one key for linear scaling; llama.cpp still reads it, and takes no type for linear.
    let factor = match gguf.float(&key("factor"))? {
        Some(f) => Some(f),
        None => gguf.float(&format!("{arch}.rope.scale_linear"))?,
    };
    let factor = factor.filter(|f| *f >= 1.0);
    let Some(kind) = gguf.text(&key("type"))? else {
        return Ok(factor.map_or(RotaryScaling::None, |factor| RotaryScaling::Linear { factor }));
    };
    let missing = || gguf.problem(&key("factor"), "is missing or below 1");
    let trained = key("original_context_length");
    Ok(match kind {
        // The divisors of longrope are tensors.
        "none" | "longrope" => RotaryScaling::None,
        "linear" => RotaryScaling::Linear { factor: factor.ok_or_else(missing)? },
        "yarn" => {
            let factor = factor.ok_or_else(missing)?;
            RotaryScaling::Yarn {
                factor,
                trained: match gguf.int(&trained)? {
                    Some(0) => return Err(gguf.problem(&trained, "is 0; it must be at least 1")),
                    Some(n) => n,
                    None => gguf.required_int(&format!("{arch}.context_length"))?,
                },
                beta_fast: positive(gguf, &key("yarn_beta_fast"), 32.0)?,
                beta_slow: positive(gguf, &key("yarn_beta_slow"), 1.0)?,
                // `yarn_attn_factor` is the configuration's attention_factor, which replaces the default;
                // `attn_factor` (`hparams.rope_attn_factor` in llama.cpp) multiplies it.
                attention_factor: positive(
                    gguf,
                    &key("yarn_attn_factor"),
                    RotaryScaling::yarn_attention_factor(factor, None, None),
                )? * positive(gguf, &key("attn_factor"), 1.0)?,
                truncate: true,
            }
        }
        other => {
            let problem = format!("is '{}'; implemented are none, linear, yarn and longrope", plain(other));
            return Err(gguf.problem(&key("type"), problem));
        }
    })
}
