//! A loaded model: its spec, its weights, and what is worth telling about them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::block::BlockWeights;
use crate::embedding::EmbeddingWeights;
use crate::error::{ModelError, Result};
use crate::families;
use crate::files::{file_name, read_json};
use crate::linear::Linear;
use crate::loader::Loader;
use crate::norm::Norm;
use crate::spec::DecoderSpec;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// In which form weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// [`Precision::Stored`] for files of f32, f16 and bf16, which are multiplied as fast where they lie; for quantised ones
    /// [`Precision::F32`] if that fits three quarters of the memory budget, else [`Precision::Stored`].
    #[default]
    Auto,
    /// As in the file, mapped, widened inside each product.
    Stored,
    /// Widened to f32 once, at load.
    F32,
}

/// Which kernels multiply quantised weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernels {
    /// Weights are widened; the product is f32.
    #[default]
    Float,
    /// candle's integer kernels for K-quants, which round activations to 8 bits in every product: results are not the
    /// model's to better than a few per cent. Other types are multiplied as with [`Kernels::Float`].
    Integer,
}

/// How a model is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where tensors live.
    pub device: Device,
    /// Form of the weights.
    pub precision: Precision,
    /// Kernels for quantised weights.
    pub kernels: Kernels,
    /// Bytes that weights and activations may take together.
    pub memory: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, precision: Precision::Auto, kernels: Kernels::Float, memory: u64::MAX }
    }
}

/// What is worth telling about a loaded model; part of every record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// File or folder name, without its path.
    pub name: String,
    /// `gguf`, `safetensors` or `pytorch`.
    pub format: String,
    /// Family.
    pub family: String,
    /// Blocks (L).
    pub blocks: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Numbers in the weights that are used.
    pub parameters: u64,
    /// Matrices by the type they are stored in.
    pub stored_types: BTreeMap<String, usize>,
    /// The form they are kept in.
    pub precision: Precision,
    /// The kernels that multiply them.
    pub kernels: Kernels,
    /// BLAKE3 of the weight files.
    pub weights_hash: String,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Tensors of the file that nothing uses.
    pub unused_tensors: Vec<String>,
}

/// A decoder language model, ready to be traced and edited.
pub struct Model {
    /// Its description.
    pub spec: DecoderSpec,
    /// What is worth telling.
    pub info: ModelInfo,
    pub(crate) device: Device,
    pub(crate) embedding: EmbeddingWeights,
    pub(crate) blocks: Vec<BlockWeights>,
    pub(crate) final_norm: Option<Norm>,
    /// `[width, D]`, where the head's width is not the residual stream's.
    pub(crate) project_out: Option<Linear>,
    /// The unembedding matrix and its bias.
    pub(crate) head: Linear,
    /// Bytes left for activations.
    pub(crate) activation_budget: u64,
    pub(crate) watcher: Option<Watcher>,
}

/// Is told after each block how many rows have gone through it: `L` calls' worth is a token.
pub type Watcher = Arc<dyn Fn(u64) + Send + Sync>;

/// A model and the tokenizer that came with it.
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// The tokenizer, or why there is none (fixtures and some checkpoints carry none).
    pub tokenizer: std::result::Result<Tokenizer, ModelError>,
    /// What reading the weight files once took, when they were hashed.
    pub reading: Duration,
}

impl Loaded {
    /// Opens a folder with config.json and safetensors or PyTorch files, or a .gguf file.
    pub fn open(path: &Path, options: &LoadOptions) -> Result<Self> {
        if path.is_dir() {
            Self::open_folder(path, "config.json", options)
        } else if path.is_file() {
            Self::open_gguf(path, options)
        } else if path.exists() {
            Err(ModelError::NotAModel { path: path.into(), reason: "it is neither a file nor a folder".into() })
        } else {
            Err(ModelError::Io { path: path.into(), reason: "no such file or folder".into() })
        }
    }

    /// Opens a safetensors file whose tensors have the names of [`DecoderSpec::tensors`], for a spec of any axes.
    pub fn open_spec(path: &Path, spec: DecoderSpec, options: &LoadOptions) -> Result<Model> {
        families::check(&spec, "the spec")?;
        let weights = Weights::open_safetensors(path)?;
        Loader::new(&weights, families::CANONICAL, spec, options).load(file_name(path))
    }

    /// Opens a Hugging Face folder by a configuration file of the given name.
    pub fn open_folder(folder: &Path, config: &str, options: &LoadOptions) -> Result<Self> {
        let path = folder.join(config);
        if !path.exists() {
            return Err(ModelError::NotAModel { path: folder.into(), reason: format!("it holds no {config}") });
        }
        let json = read_json(&path)?;
        let (spec, names) = families::from_config(&json)?;
        let weights = Weights::open_folder(folder)?;
        let vocab_size = spec.vocab_size;
        let model = Loader::new(&weights, names, spec, options).load(file_name(folder))?;
        let tokenizer = Tokenizer::from_folder(folder, vocab_size);
        Ok(Self { model, tokenizer, reading: weights.reading })
    }

    fn open_gguf(path: &Path, options: &LoadOptions) -> Result<Self> {
        let (weights, gguf) = Weights::open_gguf(path)?;
        let (spec, names) = families::from_gguf(&gguf, &weights)?;
        let vocab_size = spec.vocab_size;
        let model = Loader::new(&weights, names, spec, options).load(file_name(path))?;
        // What a converter wrote, the architecture reads: a bias or norm that is left out here would change the results.
        if let Some(name) = model.info.unused_tensors.first() {
            let problem = "is in the file, but nothing of this architecture reads it; convert the model again".into();
            return Err(ModelError::Tensor { name: name.clone(), problem });
        }
        let tokenizer = Tokenizer::from_gguf(&gguf, vocab_size);
        Ok(Self { model, tokenizer, reading: weights.reading })
    }
}

impl Model {
    /// Has progress reported to `watcher` from now on.
    pub fn watch(&mut self, watcher: Option<Watcher>) {
        self.watcher = watcher;
    }

    /// Bytes that activations may take.
    pub fn activation_budget(&self) -> u64 {
        self.activation_budget
    }

    /// The device that tensors live on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
