//! Everything that can go wrong in this crate, as data.

use std::path::PathBuf;

use thiserror::Error;

/// What went wrong while a model was loaded, traced or edited. Every text says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be opened, mapped or read.
    #[error("cannot read {}: {reason}; check that the path exists and is readable", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// A model file breaks its format: truncated, an offset or count out of range, a wrong magic number.
    #[error("{file} is damaged or incomplete ({what}); download it again or check its checksum")]
    Damaged {
        /// File name without folder.
        file: String,
        /// The first thing that did not hold.
        what: String,
    },
    /// The folder or file is not one of the formats that are read.
    #[error(
        "{} is not a model that can be read: {reason}; give a folder with config.json and *.safetensors or pytorch_model.bin, or a .gguf file",
        path.display()
    )]
    NotAModel {
        /// What was given.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// No family reads this architecture.
    #[error("architecture '{name}' is not supported; {hint}")]
    UnknownArchitecture {
        /// `model_type` of config.json, or `general.architecture` of a GGUF file.
        name: String,
        /// The nearest known names.
        hint: String,
    },
    /// The architecture is of another kind.
    #[error(
        "'{name}' is not a decoder transformer with attention heads; it is {kind}, which has no residual stream and heads to read and edit as steercheck does: choose a decoder such as llama, qwen2 or gpt_neox"
    )]
    NotADecoder {
        /// `model_type` of config.json, or `general.architecture` of a GGUF file.
        name: String,
        /// What it is instead.
        kind: &'static str,
    },
    /// A configuration key is missing, has the wrong type or a value that is not implemented.
    #[error("{source_name}: key '{key}' {problem}")]
    Config {
        /// `config.json` or the GGUF file's name.
        source_name: String,
        /// The key.
        key: String,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// A tensor that the architecture needs is missing, has another shape, or is stored in a type that is not read.
    #[error("tensor '{name}' {problem}")]
    Tensor {
        /// The name in the file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tokenizer is malformed or does not fit the model.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The model came without a tokenizer.
    #[error("tokenizer: {what}; {advice}")]
    NoTokenizer {
        /// What is not there.
        what: &'static str,
        /// What would be.
        advice: &'static str,
    },
    /// A file of steering vectors does not hold what it should.
    #[error("{file}: {problem}")]
    Vector {
        /// File name without folder.
        file: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The work would need more memory than allowed.
    #[error(
        "this needs about {needed} of memory and {budget} are allowed; raise --memory, use --dtype stored, or fewer items"
    )]
    Memory {
        /// Estimated bytes, rendered.
        needed: String,
        /// Allowed bytes, rendered.
        budget: String,
    },
    /// A prompt or a plan of edits is not possible on this model. Raised before anything runs.
    #[error("the plan cannot run: {0}")]
    Plan(String),
    /// An edit did not act as often as planned. The results of the batch are withheld.
    #[error(
        "an edit at {site} fired {fired} times instead of {planned}; its results are withheld because they would not be what was asked"
    )]
    EditDidNotFire {
        /// The site, rendered.
        site: String,
        /// Positions planned.
        planned: usize,
        /// Positions edited.
        fired: usize,
    },
    /// An edit or a read-out met NaN or infinity.
    #[error("{at} holds NaN or infinity; the model's weights or the edit's vector are not finite there")]
    NotFinite {
        /// Where it was seen.
        at: String,
    },
    /// The tensor engine refused an operation.
    #[error("tensor engine: {0}")]
    Engine(#[from] candle_core::Error),
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, ModelError>;

/// `did you mean 'a' or 'b'`, or the whole list when nothing is near.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    let mut scored: Vec<(f64, &str)> =
        known.iter().map(|k| (strsim::jaro_winkler(&name.to_lowercase(), k), *k)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = scored.iter().filter(|(s, _)| *s > 0.75).take(3).map(|(_, k)| *k).collect();
    if near.is_empty() {
        format!("known are {}", known.join(", "))
    } else {
        format!("the nearest known: {}", near.join(", "))
    }
}

/// Bytes as people read them: `98.4 MB`.
pub fn bytes_text(bytes: u64) -> String {
    let b = bytes as f64;
    if b >= 1e9 { format!("{:.2} GB", b / 1e9) } else { format!("{:.1} MB", b / 1e6) }
}
