//! A loaded model: its spec, its weights, and what is worth telling about them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::quantized::QMatMul;
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use crate::block::BlockWeights;
use crate::error::{ModelError, Result, bytes_text};
use crate::families;
use crate::files::{file_name, read_json};
use crate::linear::{Linear, Weight};
use crate::norm::Norm;
use crate::rope::RotaryScaling;
use crate::slots::{Names, Part, Piece, Slot};
use crate::spec::{DecoderSpec, Gating, NormKind, NormSpec, QkNorm, Tying};
use crate::tokenizer::Tokenizer;
use crate::weights::{StoredTensor, Weights};

/// In which form weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// [`Precision::F32`] if that fits the memory budget, else [`Precision::Stored`].
    #[default]
    Auto,
    /// As in the file, mapped, widened tile by tile inside each product.
    Stored,
    /// Widened to f32 once, at load.
    F32,
}

/// Which kernels multiply quantised weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernels {
    /// Weights are widened; the product is f32.
    #[default]
    Float,
    /// candle's integer kernels, which round activations to 8 bits in every product: results are not the model's to
    /// better than a few per cent.
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
#[derive(Debug, Clone, Serialize)]
pub struct ModelInfo {
    /// File or folder name, without its path.
    pub name: String,
    /// `gguf` or `safetensors`.
    pub format: &'static str,
    /// Family.
    pub family: &'static str,
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
    pub(crate) embedding: Linear,
    pub(crate) blocks: Vec<BlockWeights>,
    pub(crate) final_norm: Norm,
    /// `None` where the embedding serves.
    pub(crate) unembedding: Option<Linear>,
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
}

impl Loaded {
    /// Opens a folder with config.json and safetensors, or a .gguf file.
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
        let model = Loader { weights: &weights, names, options, used: Mutex::default() }.load(
            spec,
            file_name(folder),
            "safetensors",
        )?;
        let tokenizer = Tokenizer::from_folder(folder, vocab_size);
        Ok(Self { model, tokenizer })
    }

    fn open_gguf(path: &Path, options: &LoadOptions) -> Result<Self> {
        let (weights, gguf) = Weights::open_gguf(path)?;
        let (mut spec, names) = families::from_gguf(&gguf)?;
        let loader = Loader { weights: &weights, names, options, used: Mutex::default() };
        if let Some(factors) = weights.get("rope_freqs.weight") {
            let factors = factors.widen(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
            if let Some(global) = spec.rotary.first_mut() {
                global.scaling = RotaryScaling::Factors(factors);
            }
            loader.mark("rope_freqs.weight");
            families::check(&spec, gguf.file())?;
        }
        let vocab_size = spec.vocab_size;
        let model = loader.load(spec, file_name(path), "gguf")?;
        let tokenizer = Tokenizer::from_gguf(&gguf, vocab_size);
        Ok(Self { model, tokenizer })
    }
}

struct Loader<'a> {
    weights: &'a Weights,
    names: Names,
    options: &'a LoadOptions,
    used: Mutex<BTreeSet<String>>,
}

impl Loader<'_> {
    fn mark(&self, name: &str) {
        if let Ok(mut used) = self.used.lock() {
            used.insert(name.to_string());
        }
    }

    fn tensor(&self, slot: Slot, part: Part, shape: &[usize]) -> Result<&StoredTensor> {
        let name = self.names.name(slot, part);
        let Some(tensor) = self.weights.get(&name) else {
            return Err(ModelError::Tensor {
                name,
                problem: "is missing: the weights do not belong to this configuration".into(),
            });
        };
        if tensor.shape != shape {
            let problem = format!(
                "has shape {:?} where {shape:?} is expected: the weights do not belong to this configuration",
                tensor.shape
            );
            return Err(ModelError::Tensor { name, problem });
        }
        self.mark(&name);
        Ok(tensor)
    }

    fn matrix(&self, slot: Slot, shape: [usize; 2], precision: Precision) -> Result<Weight> {
        let stored = self.tensor(slot, Part::Weight, &shape)?;
        if self.options.kernels == Kernels::Integer
            && !matches!(slot, Slot::Embedding)
            && let Some(q) = stored.as_quantised(&self.options.device)?
        {
            return Ok(Weight::Integer(QMatMul::from_qtensor(q)?));
        }
        Ok(match precision {
            Precision::Stored => Weight::Stored(stored.clone()),
            _ => Weight::Dense(stored.widen(&self.options.device)?),
        })
    }

    fn vector(&self, slot: Slot, part: Part, width: usize) -> Result<Tensor> {
        self.tensor(slot, part, &[width])?.widen(&self.options.device)
    }

    fn linear(&self, slot: Slot, shape: [usize; 2], biased: bool, precision: Precision) -> Result<Linear> {
        let bias = if biased { Some(self.vector(slot, Part::Bias, shape[0])?) } else { None };
        Ok(Linear { weight: self.matrix(slot, shape, precision)?, bias })
    }

    fn norm(&self, slot: Slot, width: usize, spec: NormSpec) -> Result<Norm> {
        let weight = (self.vector(slot, Part::Weight, width)? + f64::from(spec.weight_offset))?;
        let bias = match spec.kind {
            NormKind::Layer if self.weights.get(&self.names.name(slot, Part::Bias)).is_some() => {
                Some(self.vector(slot, Part::Bias, width)?)
            }
            _ => None,
        };
        Ok(Norm { spec, weight, bias })
    }

    fn block(&self, spec: &DecoderSpec, i: usize, precision: Precision) -> Result<BlockWeights> {
        let (d, inner) = (spec.hidden_size, spec.intermediate_size);
        let (q, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let at = |piece| Slot::Block(i, piece);
        let norm = |wanted: bool, piece| -> Result<Option<Norm>> {
            if wanted { Ok(Some(self.norm(at(piece), d, spec.norms.spec)?)) } else { Ok(None) }
        };
        let qk = |piece, whole: usize| -> Result<Option<Norm>> {
            match spec.qk_norm {
                QkNorm::None => Ok(None),
                QkNorm::PerHead(n) => Ok(Some(self.norm(at(piece), spec.head_dim, n)?)),
                QkNorm::Whole(n) => Ok(Some(self.norm(at(piece), whole, n)?)),
            }
        };
        let linear = |piece, shape, biased| self.linear(at(piece), shape, biased, precision);
        let place = spec.norms.place;
        Ok(BlockWeights {
            attention_norm: norm(place.before(), Piece::AttentionNorm)?,
            query: linear(Piece::Query, [q, d], spec.biases.qkv)?,
            key: linear(Piece::Key, [kv, d], spec.biases.qkv)?,
            value: linear(Piece::Value, [kv, d], spec.biases.qkv)?,
            query_norm: qk(Piece::QueryNorm, q)?,
            key_norm: qk(Piece::KeyNorm, kv)?,
            output: linear(Piece::Output, [d, q], spec.biases.output)?,
            attention_post_norm: norm(place.after(), Piece::AttentionPostNorm)?,
            mlp_norm: norm(place.before(), Piece::MlpNorm)?,
            gate: match spec.mlp.gating {
                Gating::Gated => Some(linear(Piece::Gate, [inner, d], spec.biases.mlp)?),
                Gating::Plain => None,
            },
            up: linear(Piece::Up, [inner, d], spec.biases.mlp)?,
            down: linear(Piece::Down, [d, inner], spec.biases.mlp)?,
            mlp_post_norm: norm(place.after(), Piece::MlpPostNorm)?,
        })
    }

    /// The form that the request and the budget lead to, and the bytes it takes.
    fn precision(&self, parameters: u64) -> Result<(Precision, u64)> {
        let widened = parameters * 4;
        let chosen = match self.options.precision {
            // A quarter of the budget stays for activations.
            Precision::Auto if widened <= self.options.memory / 4 * 3 => Precision::F32,
            Precision::Auto => Precision::Stored,
            asked => asked,
        };
        let bytes = if chosen == Precision::F32 { widened } else { 0 };
        if bytes > self.options.memory {
            return Err(ModelError::Memory { needed: bytes_text(bytes), budget: bytes_text(self.options.memory) });
        }
        Ok((chosen, bytes))
    }

    fn load(&self, spec: DecoderSpec, name: String, format: &'static str) -> Result<Model> {
        let matrices = [spec.vocab_size, spec.hidden_size];
        // The embedding's presence and shape first: a wrong configuration should fail before anything is widened.
        self.tensor(Slot::Embedding, Part::Weight, &matrices)?;
        let parameters = self.parameters(&spec);
        let (precision, weight_bytes) = self.precision(parameters)?;
        let blocks = (0..spec.depth())
            .into_par_iter()
            .map(|i| self.block(&spec, i, precision))
            .collect::<Result<Vec<BlockWeights>>>()?;
        let embedding = Linear { weight: self.matrix(Slot::Embedding, matrices, precision)?, bias: None };
        let unembedding = match spec.head.tying {
            Tying::Tied => None,
            Tying::Untied => Some(self.linear(Slot::Head, matrices, false, precision)?),
        };
        let final_norm = self.norm(Slot::FinalNorm, spec.hidden_size, spec.norms.spec)?;
        let used = self.used.lock().map(|u| u.clone()).unwrap_or_default();
        let mut stored_types = BTreeMap::new();
        for (name, tensor) in self.weights.iter().filter(|(n, t)| used.contains(*n) && t.shape.len() > 1) {
            debug_assert!(!name.is_empty());
            *stored_types.entry(tensor.stored.name()).or_insert(0) += 1;
        }
        let info = ModelInfo {
            name,
            format,
            family: spec.family,
            blocks: spec.depth(),
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
            hidden_size: spec.hidden_size,
            vocab_size: spec.vocab_size,
            parameters,
            stored_types,
            precision,
            kernels: self.options.kernels,
            weights_hash: self.weights.hash.clone(),
            file_bytes: self.weights.bytes,
            unused_tensors: self.weights.iter().map(|(n, _)| n.to_string()).filter(|n| !used.contains(n)).collect(),
        };
        Ok(Model {
            spec,
            info,
            device: self.options.device.clone(),
            embedding,
            blocks,
            final_norm,
            unembedding,
            activation_budget: self.options.memory.saturating_sub(weight_bytes),
            watcher: None,
        })
    }

    /// Numbers in the tensors that the spec asks for, by their shapes.
    fn parameters(&self, spec: &DecoderSpec) -> u64 {
        let prefix = format!("{}.", self.names.block);
        let in_depth =
            |rest: &str| rest.split('.').next().and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n < spec.depth());
        let wanted = |name: &str| match name.strip_prefix(&prefix) {
            Some(rest) => in_depth(rest),
            None => {
                [self.names.embedding, self.names.final_norm].iter().any(|n| name.starts_with(n))
                    || (spec.head.tying == Tying::Untied && name.starts_with(self.names.head))
            }
        };
        self.weights.iter().filter(|(n, _)| wanted(n)).map(|(_, t)| t.shape.iter().product::<usize>() as u64).sum()
    }
}

impl Model {
    /// Has progress reported to `watcher` from now on.
    pub fn watch(&mut self, watcher: Option<Watcher>) {
        self.watcher = watcher;
    }

    /// The device that tensors live on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The unembedding matrix with its bias.
    pub(crate) fn head(&self) -> &Linear {
        self.unembedding.as_ref().unwrap_or(&self.embedding)
    }
}
