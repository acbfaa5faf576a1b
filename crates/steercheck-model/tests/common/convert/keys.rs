//! Metadata, by the converter's classes. Some write by rule what the model states otherwise: an MLP four times as wide as the
//! stream, Falcon's context of 2048, norms' 1e-5. The rotary base is only written by those that share [`common`].

use super::super::gguf_writer::{Meta, Writer};
use super::{Settings, rotary};

/// A file's keys in the making.
pub(super) struct Keys<'a> {
    pub(super) settings: Settings<'a>,
    pub(super) arch: &'static str,
    pub(super) out: &'a mut Writer,
}

const POSITIONS: [&str; 3] = ["max_position_embeddings", "n_positions", "max_seq_len"];
const BLOCKS: [&str; 3] = ["num_hidden_layers", "n_layer", "n_layers"];
const LAYER_EPS: [&str; 3] = ["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];
const LAYER_EPS_KEY: &str = "attention.layer_norm_epsilon";
const RMS_EPS_KEY: &str = "attention.layer_norm_rms_epsilon";
/// The base where config.json states none.
const THETA: f64 = 10_000.0;

impl Keys<'_> {
    fn meta(&mut self, key: &str, value: Meta) {
        self.out.meta(&format!("{}.{key}", self.arch), value);
    }

    pub(super) fn int(&mut self, key: &str, value: usize) {
        self.meta(key, Meta::U32(u32::try_from(value).unwrap()));
    }

    pub(super) fn float(&mut self, key: &str, value: f64) {
        self.meta(key, Meta::F32(value as f32));
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.meta(key, Meta::text(value));
    }

    /// Copies those of these settings that are stated.
    fn copy(&mut self, pairs: &[(&str, &str)]) {
        for (from, to) in pairs {
            if let Some(value) = self.settings.float(&[from]) {
                self.float(to, value);
            }
        }
    }

    fn layer_eps(&mut self) {
        let eps = self.settings.float(&LAYER_EPS).unwrap();
        self.float(LAYER_EPS_KEY, eps);
    }

    fn rms_eps(&mut self) {
        let eps = self.settings.float(&["rms_norm_eps"]).unwrap();
        self.float(RMS_EPS_KEY, eps);
    }

    /// Sizes, with the given ones of the MLP and of the context.
    fn sizes(&mut self, inner: usize, positions: usize) {
        let settings = self.settings;
        self.int("context_length", positions);
        self.int("embedding_length", settings.hidden());
        self.int("feed_forward_length", inner);
        self.int("block_count", settings.size(&BLOCKS));
        self.int("attention.head_count", settings.heads());
    }

    fn kv_heads(&mut self) {
        self.int("attention.head_count_kv", self.settings.kv_heads());
    }

    fn head_width(&mut self) {
        if let Some(width) = self.settings.int(&["head_dim"]) {
            self.int("attention.key_length", width);
            self.int("attention.value_length", width);
        }
    }

    /// Dimensions of a head of the usual width that are rotated.
    fn rotated(&mut self, share: f64) {
        let width = self.settings.hidden() / self.settings.heads();
        self.int("rope.dimension_count", (share * width as f64) as usize);
    }
}

/// What the converter writes for a family of which it knows nothing special.
pub(super) fn common(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    keys.sizes(settings.size(&["intermediate_size"]), settings.size(&POSITIONS));
    if settings.int(&["num_key_value_heads"]).is_some() {
        keys.kv_heads();
    }
    rotary::scaling(keys);
    keys.float("rope.freq_base", settings.float(&["rope_theta"]).unwrap_or(THETA));
    keys.copy(&[("rope_local_base_freq", "rope.freq_base_swa"), ("rms_norm_eps", RMS_EPS_KEY)]);
    if let Some(eps) = settings.float(&LAYER_EPS) {
        keys.float(LAYER_EPS_KEY, eps);
    }
    for (from, to) in [
        (["num_local_experts", "num_experts"].as_slice(), "expert_count"),
        (["num_experts_per_tok"].as_slice(), "expert_used_count"),
    ] {
        if let Some(n) = settings.int(from) {
            keys.int(to, n);
        }
    }
    keys.head_width();
}

pub(super) fn llama(keys: &mut Keys<'_>) {
    common(keys);
    keys.int("vocab_size", keys.settings.size(&["vocab_size"]));
    keys.int("rope.dimension_count", keys.settings.head_dim());
}

pub(super) fn granite(keys: &mut Keys<'_>) {
    llama(keys);
    keys.copy(&[
        ("attention_multiplier", "attention.scale"),
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("logits_scaling", "logit_scale"),
    ]);
}

pub(super) fn olmo(keys: &mut Keys<'_>) {
    common(keys);
    keys.float(LAYER_EPS_KEY, 1e-5);
    keys.copy(&[("clip_qkv", "attention.clamp_kqv")]);
}

pub(super) fn olmoe(keys: &mut Keys<'_>) {
    common(keys);
    keys.float(RMS_EPS_KEY, 1e-5);
}

pub(super) fn qwen2_moe(keys: &mut Keys<'_>) {
    common(keys);
    for (from, to) in [
        ("moe_intermediate_size", "expert_feed_forward_length"),
        ("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    ] {
        if let Some(n) = keys.settings.int(&[from]) {
            keys.int(to, n);
        }
    }
}

pub(super) fn gemma(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    keys.sizes(settings.size(&["intermediate_size"]), settings.size(&POSITIONS));
    keys.kv_heads();
    keys.rms_eps();
    keys.head_width();
}

pub(super) fn gemma2(keys: &mut Keys<'_>) {
    gemma(keys);
    keys.copy(&[
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping"),
    ]);
    keys.int("attention.sliding_window", keys.settings.size(&["sliding_window"]));
}

pub(super) fn gemma3(keys: &mut Keys<'_>) {
    common(keys);
    keys.copy(&[("final_logit_softcapping", "final_logit_softcapping")]);
    if keys.settings.int(&["sliding_window_pattern"]) != Some(1) {
        keys.int("attention.sliding_window", keys.settings.size(&["sliding_window"]));
    }
}

pub(super) fn cohere(keys: &mut Keys<'_>) {
    common(keys);
    keys.copy(&[("logit_scale", "logit_scale")]);
    keys.text("rope.scaling.type", "none");
}

pub(super) fn stablelm(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    keys.sizes(settings.size(&["intermediate_size"]), settings.size(&POSITIONS));
    keys.rotated(settings.float(&["partial_rotary_factor"]).unwrap());
    keys.kv_heads();
    keys.meta("use_parallel_residual", Meta::Bool(settings.0["use_parallel_residual"].as_bool().unwrap_or(true)));
    keys.layer_eps();
}

pub(super) fn phi(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    keys.sizes(4 * settings.hidden(), settings.size(&POSITIONS));
    keys.int("attention.head_count_kv", settings.heads());
    keys.layer_eps();
    keys.rotated(settings.float(&["partial_rotary_factor"]).unwrap());
}

pub(super) fn phi3(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    let most = settings.size(&POSITIONS);
    let trained = settings.size(&["original_max_position_embeddings"]);
    keys.sizes(settings.size(&["intermediate_size"]), most);
    keys.int("rope.scaling.original_context_length", trained);
    keys.kv_heads();
    keys.rms_eps();
    keys.rotated(settings.float(&["partial_rotary_factor"]).unwrap_or(1.0));
    keys.float("rope.freq_base", settings.float(&["rope_theta"]).unwrap_or(THETA));
    keys.int("attention.sliding_window", settings.int(&["sliding_window"]).unwrap_or(0));
    if settings.0["rope_scaling"].is_object() {
        keys.float("rope.scaling.attn_factor", rotary::long_factor(trained, most));
    }
}

pub(super) fn glm(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    let hidden = settings.hidden();
    keys.sizes(settings.size(&["intermediate_size"]), settings.int(&["seq_length"]).unwrap_or(hidden));
    keys.kv_heads();
    keys.float(RMS_EPS_KEY, settings.float(&["layernorm_epsilon"]).unwrap_or(1e-5));
    keys.rotated(settings.float(&["partial_rotary_factor"]).unwrap_or(0.5));
    keys.float("rope.freq_base", THETA * settings.float(&["rope_ratio"]).unwrap_or(1.0));
}

pub(super) fn gpt2(keys: &mut Keys<'_>) {
    keys.sizes(4 * keys.settings.hidden(), keys.settings.size(&POSITIONS));
    keys.layer_eps();
}

pub(super) fn gpt_neox(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    keys.sizes(settings.size(&["intermediate_size"]), settings.size(&POSITIONS));
    keys.rotated(settings.float(&["rotary_pct"]).unwrap_or(0.25));
    keys.meta("use_parallel_residual", Meta::Bool(settings.0["use_parallel_residual"].as_bool().unwrap_or(true)));
    keys.layer_eps();
}

pub(super) fn bloom(keys: &mut Keys<'_>) {
    let hidden = keys.settings.hidden();
    keys.sizes(4 * hidden, keys.settings.int(&["seq_length"]).unwrap_or(hidden));
    keys.kv_heads();
    keys.layer_eps();
}

pub(super) fn falcon(keys: &mut Keys<'_>) {
    keys.sizes(4 * keys.settings.hidden(), 2048);
    keys.text("tensor_data_layout", "jploski");
    keys.kv_heads();
    keys.layer_eps();
}

pub(super) fn mpt(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    let attention = Settings(&settings.0["attn_config"]);
    keys.sizes(4 * settings.hidden(), settings.size(&POSITIONS));
    keys.float(LAYER_EPS_KEY, 1e-5);
    if let Some(most) = attention.float(&["clip_qkv"]) {
        keys.float("attention.clamp_kqv", most);
    }
    let biased = attention.0["alibi"].as_bool() == Some(true);
    let most = if biased { attention.float(&["alibi_bias_max"]).unwrap() } else { 0.0 };
    keys.float("attention.max_alibi_bias", most);
}
