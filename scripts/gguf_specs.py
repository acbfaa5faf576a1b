"""The fixtures' models with settings that llama.cpp's converter writes into a GGUF file: a `--specs` file for make_fixtures.py.

Where the converter writes no key for a setting, or the same number for every model, the setting is what published models have.
"""

# No architecture of these in the converter, or nothing of this setting in the format.
NONE = {"falcon_rw_style", "gpt_neo_local", "gptj", "opt", "opt_350m_style", "llama_dynamic"}
ROPE = dict(rope_theta=10000.0)
CARRIED = {
    "falcon_40b_style": ROPE,
    "falcon_7b_style": ROPE,
    "gemma2": dict(**ROPE, query_pre_attn_scalar=12),
    "gemma3_text": dict(query_pre_attn_scalar=16, sliding_window_pattern=6, num_hidden_layers=7, vocab_size=90, intermediate_size=32),
    "gemma_mqa": ROPE,
    "glm": dict(**ROPE, head_dim=12, rms_norm_eps=1e-5, partial_rotary_factor=0.5),
    "gpt_neox_hub_buffers": dict(rotary_emb_base=10000),
    "gpt_neox_parallel": dict(rotary_emb_base=10000),
    "mistral_sliding": dict(sliding_window=None),
    "mpt": dict(layer_norm_epsilon=1e-5, attn_config=dict(alibi=True, alibi_bias_max=8, clip_qkv=1.2)),
    "olmoe": dict(clip_qkv=None, rms_norm_eps=1e-5),
    "phi": ROPE,
    "qwen2_moe": dict(mlp_only_layers=[], num_hidden_layers=2),
    "smollm3": dict(num_hidden_layers=5, no_rope_layers=[1, 1, 1, 0, 1]),
    "stablelm": ROPE,
    "starcoder2": dict(sliding_window=None),
}

SPECS = [{**spec, **CARRIED.get(spec["name"], {})} for spec in SPECS if spec["name"] not in NONE]  # noqa: F821
