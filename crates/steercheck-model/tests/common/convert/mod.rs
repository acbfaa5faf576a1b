//! A Hugging Face model as llama.cpp's converter writes it (`convert_hf_to_gguf.py` and `conversion/`, read in the version
//! that llama-cpp-python 0.3.36 carries): which keys, which names, and what it does to the tensors. `gguf_real_converter.rs`
//! compares these files with the converter's own.

mod keys;
mod names;
mod reorder;
mod rotary;

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde_json::Value;

use super::gguf_writer::{Kind, Meta, Writer};
use super::random::Tensors;
use keys::Keys;
use reorder::Change;

/// How models of one type are written.
struct Layout {
    /// `model_type` in config.json.
    model_type: &'static str,
    /// `general.architecture`.
    arch: &'static str,
    keys: fn(&mut Keys<'_>),
    /// What happens to tensors before they get their new names; the first change that applies is made.
    changes: &'static [Change],
    /// Pieces of a block that have other names here than elsewhere.
    names: names::Table,
}

const PLAIN: Layout = Layout { model_type: "", arch: "", keys: keys::common, changes: &[], names: &[] };

const LAYOUTS: &[Layout] = &[
    Layout { model_type: "llama", arch: "llama", keys: keys::llama, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "mistral", arch: "llama", keys: keys::llama, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "mixtral", arch: "llama", keys: keys::llama, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "smollm3", arch: "smollm3", keys: keys::llama, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "granite", arch: "granite", keys: keys::granite, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "olmo", arch: "olmo", keys: keys::olmo, changes: &[reorder::rotary_pairs], ..PLAIN },
    Layout { model_type: "olmo2", arch: "olmo2", names: names::NORMS_AFTER, ..PLAIN },
    Layout { model_type: "olmoe", arch: "olmoe", keys: keys::olmoe, ..PLAIN },
    Layout { model_type: "qwen2", arch: "qwen2", ..PLAIN },
    Layout { model_type: "qwen3", arch: "qwen3", ..PLAIN },
    Layout { model_type: "qwen2_moe", arch: "qwen2moe", keys: keys::qwen2_moe, ..PLAIN },
    Layout { model_type: "gemma", arch: "gemma", keys: keys::gemma, changes: &[reorder::norm_plus_1], ..PLAIN },
    Layout {
        model_type: "gemma2",
        arch: "gemma2",
        keys: keys::gemma2,
        changes: &[reorder::norm_plus_1],
        names: names::NORMS_AFTER,
    },
    Layout {
        model_type: "gemma3_text",
        arch: "gemma3",
        keys: keys::gemma3,
        changes: &[reorder::norm_plus_1],
        names: names::NORMS_AFTER,
    },
    Layout { model_type: "cohere", arch: "command-r", keys: keys::cohere, ..PLAIN },
    Layout { model_type: "starcoder2", arch: "starcoder2", ..PLAIN },
    Layout { model_type: "stablelm", arch: "stablelm", keys: keys::stablelm, ..PLAIN },
    Layout { model_type: "phi", arch: "phi2", keys: keys::phi, ..PLAIN },
    Layout { model_type: "phi3", arch: "phi3", keys: keys::phi3, ..PLAIN },
    Layout { model_type: "glm", arch: "chatglm", keys: keys::glm, ..PLAIN },
    Layout { model_type: "internlm2", arch: "internlm2", changes: &[reorder::split_grouped], ..PLAIN },
    Layout { model_type: "gpt2", arch: "gpt2", keys: keys::gpt2, changes: &[reorder::conv1d], ..PLAIN },
    Layout { model_type: "gpt_neox", arch: "gptneox", keys: keys::gpt_neox, changes: &[reorder::sequential], ..PLAIN },
    Layout { model_type: "bloom", arch: "bloom", keys: keys::bloom, changes: &[reorder::sequential], ..PLAIN },
    Layout { model_type: "falcon", arch: "falcon", keys: keys::falcon, changes: &[reorder::sequential], ..PLAIN },
    Layout { model_type: "mpt", arch: "mpt", keys: keys::mpt, ..PLAIN },
];

/// A model's config.json.
#[derive(Clone, Copy)]
struct Settings<'a>(&'a Value);

impl Settings<'_> {
    /// The first of these keys that holds a whole number.
    fn int(self, keys: &[&str]) -> Option<usize> {
        keys.iter().find_map(|k| self.0[k].as_u64()).map(|n| n as usize)
    }

    /// The same where the model cannot be without.
    fn size(self, keys: &[&str]) -> usize {
        self.int(keys).unwrap_or_else(|| panic!("the configuration has none of {keys:?}"))
    }

    fn float(self, keys: &[&str]) -> Option<f64> {
        keys.iter().find_map(|k| self.0[k].as_f64())
    }

    fn hidden(self) -> usize {
        self.size(&["hidden_size", "n_embd", "d_model"])
    }

    fn heads(self) -> usize {
        self.size(&["num_attention_heads", "n_head", "n_heads"])
    }

    /// Key/value heads; Falcon's one is a switch.
    fn kv_heads(self) -> usize {
        let new = self.0["new_decoder_architecture"].as_bool() == Some(true);
        if self.0["multi_query"].as_bool() == Some(true) && !new {
            return 1;
        }
        self.int(&["num_key_value_heads", "num_kv_heads"]).unwrap_or_else(|| self.heads())
    }

    fn head_dim(self) -> usize {
        self.int(&["head_dim"]).unwrap_or_else(|| self.hidden() / self.heads())
    }
}

/// The experts' matrices `[out, in]` as one tensor `[experts, out, in]`, in the order of their numbers.
fn experts_stacked(tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    let mut groups: BTreeMap<String, BTreeMap<usize, Tensor>> = BTreeMap::new();
    let mut out = Vec::new();
    for (name, tensor) in tensors {
        match names::expert(&name) {
            Some((whole, number)) => {
                groups.entry(whole).or_default().insert(number, tensor);
            }
            None => out.push((name, tensor)),
        }
    }
    let stack = |of: BTreeMap<usize, Tensor>| Tensor::stack(&of.into_values().collect::<Vec<_>>(), 0).unwrap();
    out.extend(groups.into_iter().map(|(name, of)| (name, stack(of))));
    out
}

/// The type of a tensor in a file whose matrices are of this kind: vectors, norms, routers and positions stay in f32.
fn kind_of(name: &str, tensor: &Tensor, kind: Kind) -> Kind {
    let whole = ["_norm.weight", "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "position_embd.weight"];
    if tensor.dims().len() < 2 || whole.iter().any(|w| name.ends_with(w)) { Kind::F32 } else { kind }
}

/// The GGUF file of a model.
pub(crate) fn convert(config: &Value, tensors: &Tensors, kind: Kind) -> Writer {
    let family = config["model_type"].as_str().unwrap();
    let layout = LAYOUTS.iter().find(|l| l.model_type == family).unwrap_or_else(|| panic!("no layout for {family}"));
    let settings = Settings(config);
    let mut out = Writer::new();
    out.meta("general.architecture", Meta::text(layout.arch));
    out.meta("general.name", Meta::text("a small model"));
    out.meta("general.file_type", Meta::U32(0));
    out.meta("general.quantization_version", Meta::U32(2));
    (layout.keys)(&mut Keys { settings, arch: layout.arch, out: &mut out });
    let mut changed = Vec::new();
    for (name, tensor) in tensors.iter().filter(|(name, _)| !names::left_out(name, layout.arch)) {
        let tensor = tensor.to_dtype(DType::F32).unwrap();
        let made = layout.changes.iter().find_map(|change| change(settings, name, &tensor));
        changed.extend(made.unwrap_or_else(|| vec![(name.clone(), tensor)]));
    }
    for (name, tensor) in experts_stacked(changed) {
        let name = names::gguf(&name, layout.names);
        out.tensor(&name, &tensor, kind_of(&name, &tensor, kind));
    }
    for (name, divisors) in rotary::divisors(settings) {
        out.tensor(name, &divisors, Kind::F32);
    }
    out
}
