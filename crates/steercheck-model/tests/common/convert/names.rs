//! Tensor names (gguf-py's `tensor_mapping.py`).

/// Names there and here.
pub(super) type Table = &'static [(&'static str, &'static str)];

/// What stands before everything else, or is missing.
const ROOTS: [&str; 3] = ["model.", "transformer.", "gpt_neox."];
/// What stands before a block's number.
const BLOCKS: [&str; 3] = ["layers.", "h.", "blocks."];

const TOP: Table = &[
    ("embed_tokens", "token_embd"),
    ("tok_embeddings", "token_embd"),
    ("wte", "token_embd"),
    ("word_embeddings", "token_embd"),
    ("embed_in", "token_embd"),
    ("word_embeddings_layernorm", "token_embd_norm"),
    ("wpe", "position_embd"),
    ("norm", "output_norm"),
    ("norm_f", "output_norm"),
    ("ln_f", "output_norm"),
    ("final_layer_norm", "output_norm"),
    ("final_layernorm", "output_norm"),
    ("lm_head", "output"),
    ("embed_out", "output"),
    ("output", "output"),
];

const BLOCK: Table = &[
    ("input_layernorm", "attn_norm"),
    ("attention_norm", "attn_norm"),
    ("ln_1", "attn_norm"),
    ("norm_1", "attn_norm"),
    // Falcon 40B's two: the MLP's has the name that attention's has elsewhere.
    ("ln_mlp", "attn_norm"),
    ("ln_attn", "attn_norm_2"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("attention.wq", "attn_q"),
    ("attention.wk", "attn_k"),
    ("attention.wv", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attention.query_key_value", "attn_qkv"),
    ("attention.query_key_value", "attn_qkv"),
    ("attn.c_attn", "attn_qkv"),
    ("attn.Wqkv", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("attention.wo", "attn_output"),
    ("self_attn.dense", "attn_output"),
    ("self_attention.dense", "attn_output"),
    ("attention.dense", "attn_output"),
    ("attn.c_proj", "attn_output"),
    ("attn.out_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("ffn_norm", "ffn_norm"),
    ("ln_2", "ffn_norm"),
    ("norm_2", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("feed_forward.w1", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("feed_forward.w3", "ffn_up"),
    // Gate and up projection in one tensor keep the name of the second.
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.dense_h_to_4h", "ffn_up"),
    ("mlp.c_fc", "ffn_up"),
    ("mlp.fc1", "ffn_up"),
    ("ffn.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("feed_forward.w2", "ffn_down"),
    ("mlp.dense_4h_to_h", "ffn_down"),
    ("mlp.c_proj", "ffn_down"),
    ("mlp.fc2", "ffn_down"),
    ("ffn.down_proj", "ffn_down"),
    ("mlp.gate", "ffn_gate_inp"),
    ("block_sparse_moe.gate", "ffn_gate_inp"),
    ("mlp.experts.gate_proj", "ffn_gate_exps"),
    ("mlp.experts.up_proj", "ffn_up_exps"),
    ("mlp.experts.down_proj", "ffn_down_exps"),
    ("block_sparse_moe.experts.w1", "ffn_gate_exps"),
    ("block_sparse_moe.experts.w3", "ffn_up_exps"),
    ("block_sparse_moe.experts.w2", "ffn_down_exps"),
    ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
    ("mlp.shared_expert.up_proj", "ffn_up_shexp"),
    ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
    ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
];

/// Families with a norm on what attention adds use a name of llama's for it.
pub(super) const NORMS_AFTER: Table = &[("post_attention_layernorm", "post_attention_norm")];

/// Buffers of old checkpoints, and the heads of the Gemmas, which are their embeddings.
pub(super) fn left_out(name: &str, arch: &str) -> bool {
    let buffers =
        [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"];
    buffers.iter().any(|b| name.ends_with(b)) || (arch.starts_with("gemma") && name == "lm_head.weight")
}

/// The name of the tensor that one of the experts' becomes a part of, and the expert's number.
pub(super) fn expert(name: &str) -> Option<(String, usize)> {
    let (before, after) = name.split_once(".experts.")?;
    let (number, rest) = after.split_once('.')?;
    Some((format!("{before}.experts.{rest}"), number.parse().ok()?))
}

/// The name of a tensor in the file; `special` stands before the common table.
pub(super) fn gguf(name: &str, special: Table) -> String {
    let (stem, part) = name.rsplit_once('.').unwrap();
    let stem = ROOTS.iter().find_map(|r| stem.strip_prefix(r)).unwrap_or(stem);
    let find = |table: Table, stem: &str| table.iter().find(|(there, _)| *there == stem).map(|(_, here)| *here);
    let block = BLOCKS.iter().find_map(|b| stem.strip_prefix(b)).and_then(|rest| rest.split_once('.'));
    let stem = match block {
        Some((number, piece)) => {
            find(special, piece).or_else(|| find(BLOCK, piece)).map(|here| format!("blk.{number}.{here}"))
        }
        None => find(TOP, stem).map(String::from),
    };
    format!("{}.{part}", stem.unwrap_or_else(|| panic!("no GGUF name for {name}")))
}
