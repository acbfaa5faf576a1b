//! Architectures that are no decoder transformers with attention heads, by the names that checkpoints give them.

const STATE_SPACE: &[&str] = &[
    "mamba",
    "mamba2",
    "falcon_mamba",
    "falcon-mamba",
    "rwkv",
    "rwkv5",
    "rwkv6",
    "rwkv7",
    "rwkv6qwen2",
    "arwkv7",
    "xlstm",
];
const HYBRID: &[&str] = &[
    "jamba",
    "bamba",
    "zamba",
    "zamba2",
    "recurrent_gemma",
    "nemotron_h",
    "granitemoehybrid",
    "granite-hybrid",
    "falcon_h1",
    "falcon-h1",
    "lfm2",
    "plamo2",
    "qwen3_next",
    "qwen3next",
    "minimax",
];
const ENCODER_DECODER: &[&str] = &[
    "t5",
    "mt5",
    "umt5",
    "longt5",
    "switch_transformers",
    "bart",
    "mbart",
    "pegasus",
    "led",
    "marian",
    "m2m_100",
    "blenderbot",
    "prophetnet",
    "whisper",
    "encoder-decoder",
    "t5gemma",
    "t5encoder",
];
const ENCODER: &[&str] = &[
    "bert",
    "roberta",
    "xlm-roberta",
    "distilbert",
    "albert",
    "electra",
    "deberta",
    "deberta-v2",
    "modernbert",
    "nomic-bert",
    "jina-bert-v2",
];

/// What an architecture of this name is, if it is known and no decoder.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    let is = |names: &[&str]| names.contains(&name);
    if is(STATE_SPACE) {
        Some("a recurrent or state-space model")
    } else if is(HYBRID) {
        Some("a hybrid of attention and state-space blocks")
    } else if is(ENCODER_DECODER) {
        Some("an encoder-decoder")
    } else if is(ENCODER) {
        Some("an encoder")
    } else {
        None
    }
}
