//! From stored tensors to a model: every place that the spec has is found, checked and brought into the asked form.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;

use candle_core::Tensor;
use candle_core::quantized::QMatMul;
use rayon::prelude::*;

use crate::block::BlockWeights;
use crate::embedding::EmbeddingWeights;
use crate::error::{ModelError, Result, bytes_text};
use crate::families::READ_WITH_SPEC;
use crate::kernels;
use crate::linear::{Linear, Weight};
use crate::mlp::{DenseMlp, ExpertMlps, MlpWeights};
use crate::model::{Kernels, LoadOptions, Model, ModelInfo, Precision};
use crate::norm::Norm;
use crate::slots::{Cut, Names, Need, Orientation, Part, Piece, Place, Slot};
use crate::spec::{Affine, Arrangement, DecoderSpec, Gating, NormSpec, QkNorm, Tying};
use crate::weights::{StoredMatrix, StoredTensor, StoredType, Weights};

/// A stored tensor and what of it a place takes.
struct Found<'a> {
    slot: Slot,
    tensor: &'a StoredTensor,
    place: Place,
    rows: Vec<Range<usize>>,
}

/// What becomes of the weights in memory.
struct Forms {
    precision: Precision,
    kernels: Kernels,
    /// What they take besides the mapped file.
    bytes: u64,
}

pub(crate) struct Loader<'a> {
    weights: &'a Weights,
    names: Names,
    spec: DecoderSpec,
    options: &'a LoadOptions,
    used: Mutex<BTreeSet<String>>,
}

impl<'a> Loader<'a> {
    /// A loader for these weights. Files that were saved without a head leave out what stands before all other names, or its
    /// first part. Where the configuration says that embedding and head are one, but the file holds two that differ, it is
    /// the file that counts, as in transformers 5.
    pub(crate) fn new(weights: &'a Weights, mut names: Names, mut spec: DecoderSpec, options: &'a LoadOptions) -> Self {
        let embedding = |root: &str| weights.get(&format!("{root}{}.weight", names.embedding));
        let shorter = |root: &'static str| root.split_once('.').map_or("", |(_, rest)| rest);
        let roots = [names.root, shorter(names.root), ""];
        names.root = roots.into_iter().find(|r| embedding(r).is_some()).unwrap_or(names.root);
        if spec.head.tying == Tying::Tied
            && let Some((a, b)) = embedding(names.root).zip(weights.get(&format!("{}.weight", names.head)))
            && a.differs_from(b)
        {
            spec.head.tying = Tying::Untied;
        }
        Self { weights, names, spec, options, used: Mutex::default() }
    }

    fn take(&self, name: &str) -> Option<&'a StoredTensor> {
        let tensor = self.weights.get(name)?;
        if let Ok(mut used) = self.used.lock() {
            used.insert(name.to_string());
        }
        Some(tensor)
    }

    /// The first place that holds a tensor of the right shape.
    fn find(&self, need: &Need) -> Result<Found<'a>> {
        let places = self.names.places(need.slot, &self.spec);
        let named = |stem: &str| format!("{stem}.{}", need.part.name());
        let mut problem = None;
        for (stem, place) in &places {
            let name = named(stem);
            let Some(tensor) = self.weights.get(&name) else { continue };
            let (rows, total) = need.rows(place.cut, &self.spec);
            if fits(tensor, need, *place, total) {
                self.take(&name);
                return Ok(Found { slot: need.slot, tensor, place: *place, rows });
            }
            problem.get_or_insert_with(|| {
                let mut wanted = need.shape.clone();
                wanted[0] = total;
                if place.orientation == Orientation::InOut {
                    wanted.reverse();
                }
                let problem = format!(
                    "has shape {:?} where {wanted:?} is expected: the weights do not belong to this configuration",
                    tensor.shape
                );
                ModelError::Tensor { name, problem }
            });
        }
        Err(problem.unwrap_or_else(|| ModelError::Tensor {
            name: places.first().map(|(stem, _)| named(stem)).unwrap_or_default(),
            problem: "is missing: the weights do not belong to this configuration".into(),
        }))
    }

    /// A norm's weight or a bias, in f32.
    fn vector(&self, slot: Slot, part: Part, shape: &[usize]) -> Result<Tensor> {
        let need = Need { slot, part, shape: shape.to_vec() };
        let device = &self.options.device;
        if let Some((stem, _)) = self.names.places(slot, &self.spec).first()
            && stem.contains("{h}")
        {
            let rows = (0..shape[0]).map(|h| {
                let name = format!("{}.{}", stem.replace("{h}", &h.to_string()), part.name());
                match self.take(&name) {
                    Some(t) if t.shape == shape[1..] => t.widen(device),
                    _ => Err(ModelError::Tensor { name, problem: format!("is missing or not {} long", shape[1]) }),
                }
            });
            return Ok(Tensor::stack(&rows.collect::<Result<Vec<_>>>()?, 0)?);
        }
        let found = self.find(&need)?;
        let all = found.tensor.widen(device)?;
        let parts = found.rows.iter().map(|r| Ok(all.narrow(0, r.start, r.len())?)).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?.reshape(shape)?)
    }

    /// Whether candle's integer kernels multiply it: whole K-quants, on request. Rows are looked up in tables of embeddings.
    fn is_for_integers(&self, found: &Found<'_>) -> bool {
        let whole = found.place.orientation == Orientation::OutIn
            && found.rows.iter().map(Range::len).sum::<usize>() == found.tensor.rows();
        let table = matches!(found.slot, Slot::Embedding | Slot::Positions);
        self.options.kernels == Kernels::Integer && whole && !table && found.tensor.is_k_quant()
    }

    fn matrix(&self, slot: Slot, shape: [usize; 2], precision: Precision) -> Result<Weight> {
        let found = self.find(&Need { slot, part: Part::Weight, shape: shape.to_vec() })?;
        let device = &self.options.device;
        if self.is_for_integers(&found)
            && let Some(q) = found.tensor.as_quantised(device)?
        {
            return Ok(Weight::Integer(QMatMul::from_qtensor(q)?));
        }
        let orientation = found.place.orientation;
        let stored = StoredMatrix { tensor: found.tensor.clone(), orientation, outputs: found.rows };
        Ok(match precision {
            Precision::Stored => Weight::Stored(stored),
            _ => Weight::Dense(stored.widen(device)?),
        })
    }

    fn linear(&self, slot: Slot, shape: [usize; 2], biased: bool, precision: Precision) -> Result<Linear> {
        let bias = if biased { Some(self.vector(slot, Part::Bias, &shape[..1])?) } else { None };
        Ok(Linear { weight: self.matrix(slot, shape, precision)?, bias })
    }

    fn norm(&self, slot: Slot, shape: &[usize], spec: NormSpec) -> Result<Norm> {
        let width = shape.last().copied().unwrap_or(1);
        let ones = Tensor::ones(width, candle_core::DType::F32, &self.options.device)?;
        let mut norm = Norm { spec, weight: ones, bias: None, by_head: None };
        if spec.affine != Affine::None {
            let weight = (self.vector(slot, Part::Weight, shape)? + f64::from(spec.weight_offset))?;
            if shape.len() > 1 { norm.by_head = Some(weight) } else { norm.weight = weight }
        }
        if spec.affine == Affine::ScaleAndBias {
            norm.bias = Some(self.vector(slot, Part::Bias, shape)?);
        }
        Ok(norm)
    }

    fn block(&self, i: usize, precision: Precision) -> Result<BlockWeights> {
        let spec = &self.spec;
        let d = spec.hidden_size;
        let (q, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let at = |piece| Slot::Block(i, piece);
        let norm = |wanted: bool, piece| -> Result<Option<Norm>> {
            if wanted { Ok(Some(self.norm(at(piece), &[d], spec.norms.spec)?)) } else { Ok(None) }
        };
        let qk = |piece, heads: usize| -> Result<Option<Norm>> {
            let (shape, n): (Vec<usize>, NormSpec) = match spec.qk_norm {
                QkNorm::None => return Ok(None),
                QkNorm::PerHead(n) => (vec![spec.head_dim], n),
                QkNorm::EachHead(n) => (vec![heads, spec.head_dim], n),
                QkNorm::Whole(n) => (vec![heads * spec.head_dim], n),
            };
            Ok(Some(self.norm(at(piece), &shape, n)?))
        };
        let linear = |piece, shape, biased| self.linear(at(piece), shape, biased, precision);
        let place = spec.norms.place;
        let shared_norm = spec.arrangement == Arrangement::ParallelSharedNorm;
        Ok(BlockWeights {
            attention_norm: norm(place.own(), Piece::AttentionNorm)?,
            query: linear(Piece::Query, [q, d], spec.biases.qkv)?,
            key: linear(Piece::Key, [kv, d], spec.biases.qkv)?,
            value: linear(Piece::Value, [kv, d], spec.biases.qkv)?,
            query_norm: qk(Piece::QueryNorm, spec.heads)?,
            key_norm: qk(Piece::KeyNorm, spec.kv_heads)?,
            output: linear(Piece::Output, [d, q], spec.biases.output)?,
            attention_post_norm: norm(place.after(), Piece::AttentionPostNorm)?,
            mlp_norm: norm(place.own() && !shared_norm, Piece::MlpNorm)?,
            mlp: self.mlp(i, precision)?,
            mlp_post_norm: norm(place.after(), Piece::MlpPostNorm)?,
        })
    }

    fn dense(&self, slots: [Slot; 3], inner: usize, biased: bool, precision: Precision) -> Result<DenseMlp> {
        let d = self.spec.hidden_size;
        let [gate, up, down] = slots;
        Ok(DenseMlp {
            gate: match self.spec.mlp.gating {
                Gating::Gated => Some(self.linear(gate, [inner, d], biased, precision)?),
                Gating::Plain => None,
            },
            up: self.linear(up, [inner, d], biased, precision)?,
            down: self.linear(down, [d, inner], biased, precision)?,
        })
    }

    fn mlp(&self, i: usize, precision: Precision) -> Result<MlpWeights> {
        let spec = &self.spec;
        let d = spec.hidden_size;
        let at = |piece| Slot::Block(i, piece);
        let Some(experts) = spec.blocks[i].experts else {
            let slots = [Piece::Gate, Piece::Up, Piece::Down].map(at);
            return Ok(MlpWeights::Dense(self.dense(slots, spec.intermediate_size, spec.biases.mlp, precision)?));
        };
        let shared = match experts.shared {
            None => None,
            Some(inner) => {
                let slots = [Piece::SharedGate, Piece::SharedUp, Piece::SharedDown].map(at);
                let gate = self.linear(at(Piece::SharedRouter), [1, d], false, precision)?;
                Some((self.dense(slots, inner, false, precision)?, gate))
            }
        };
        Ok(MlpWeights::Experts(ExpertMlps {
            spec: experts,
            router: self.linear(at(Piece::Router), [experts.count, d], false, precision)?,
            experts: (0..experts.count)
                .map(|e| {
                    let slots = [Piece::ExpertGate, Piece::ExpertUp, Piece::ExpertDown].map(|p| Slot::Expert(i, e, p));
                    self.dense(slots, experts.inner, false, precision)
                })
                .collect::<Result<_>>()?,
            shared,
        }))
    }

    /// The forms that the request, the stored types and the budget lead to. Quantised weights are faster widened once. Floats
    /// are as fast where they lie, given kernels that read them.
    fn forms(&self, parameters: u64, matrices: &[Found<'_>]) -> Result<Forms> {
        let memory = self.options.memory;
        let widened = parameters * 4;
        let quantised = |m: &Found<'_>| matches!(m.tensor.stored, StoredType::Ggml(_));
        let read_in_place = kernels::available() && self.options.device.is_cpu();
        let chosen = match self.options.precision {
            Precision::Auto if read_in_place && !matrices.iter().any(quantised) => Precision::Stored,
            // A quarter of the budget stays for activations.
            Precision::Auto if widened <= memory / 4 * 3 => Precision::F32,
            Precision::Auto => Precision::Stored,
            asked => asked,
        };
        // Integer kernels work on copies.
        let integer = matrices.iter().filter(|m| self.is_for_integers(m)).map(|m| m.tensor.bytes()).sum();
        let bytes = if chosen == Precision::F32 { widened } else { integer };
        if bytes > memory {
            return Err(ModelError::Memory { needed: bytes_text(bytes), budget: bytes_text(memory) });
        }
        let kernels = if integer > 0 { Kernels::Integer } else { Kernels::Float };
        Ok(Forms { precision: chosen, kernels, bytes })
    }

    fn embedding(&self, precision: Precision) -> Result<EmbeddingWeights> {
        let spec = &self.spec.embedding;
        let (d, width) = (self.spec.hidden_size, spec.width);
        let table =
            |slot, shape| -> Result<Linear> { Ok(Linear { weight: self.matrix(slot, shape, precision)?, bias: None }) };
        Ok(EmbeddingWeights {
            tokens: table(Slot::Embedding, [self.spec.vocab_size, width])?,
            project: if width == d { None } else { Some(table(Slot::ProjectIn, [d, width])?) },
            positions: spec.positions.map(|p| table(Slot::Positions, [p.rows, d])).transpose()?,
            norm: spec.norm.map(|n| self.norm(Slot::EmbeddingNorm, &[d], n)).transpose()?,
        })
    }

    fn head(&self, embedding: &Linear, precision: Precision) -> Result<Linear> {
        let shape = [self.spec.vocab_size, self.spec.embedding.width];
        let weight = match self.spec.head.tying {
            Tying::Tied => embedding.weight.clone(),
            Tying::Untied => self.matrix(Slot::Head, shape, precision)?,
        };
        let bias = if self.spec.head.bias { Some(self.vector(Slot::Head, Part::Bias, &shape[..1])?) } else { None };
        Ok(Linear { weight, bias })
    }

    /// The model, once every tensor has been found to be there in its shape: a wrong configuration fails before anything
    /// is widened.
    pub(crate) fn load(self, name: String) -> Result<Model> {
        let mut matrices = Vec::new();
        for need in self.spec.needs() {
            let of_heads = matches!(need.slot, Slot::Block(_, Piece::QueryNorm | Piece::KeyNorm));
            if need.shape.len() == 2 && !of_heads {
                matrices.push(self.find(&need)?);
            }
        }
        let parameters = self.spec.parameters();
        let forms = self.forms(parameters, &matrices)?;
        let precision = forms.precision;
        let blocks = (0..self.spec.depth())
            .into_par_iter()
            .map(|i| self.block(i, precision))
            .collect::<Result<Vec<BlockWeights>>>()?;
        let embedding = self.embedding(precision)?;
        let head = self.head(&embedding.tokens, precision)?;
        let (d, width) = (self.spec.hidden_size, self.spec.embedding.width);
        let project_out =
            if width == d { None } else { Some(self.linear(Slot::ProjectOut, [width, d], false, precision)?) };
        let final_norm = self.spec.head.norm.map(|n| self.norm(Slot::FinalNorm, &[d], n)).transpose()?;
        let info = self.info(name, parameters, &forms);
        Ok(Model {
            info,
            device: self.options.device.clone(),
            embedding,
            blocks,
            final_norm,
            project_out,
            head,
            activation_budget: self.options.memory.saturating_sub(forms.bytes),
            watcher: None,
            spec: self.spec,
        })
    }

    fn info(&self, name: String, parameters: u64, forms: &Forms) -> ModelInfo {
        let spec = &self.spec;
        let used = self.used.lock().map(|u| u.clone()).unwrap_or_default();
        let mut stored_types = BTreeMap::new();
        for (_, tensor) in self.weights.iter().filter(|(n, t)| used.contains(*n) && t.shape.len() > 1) {
            *stored_types.entry(tensor.stored.name()).or_insert(0) += 1;
        }
        ModelInfo {
            name,
            format: self.weights.container.name().to_string(),
            family: spec.family.to_string(),
            blocks: spec.depth(),
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
            hidden_size: spec.hidden_size,
            vocab_size: spec.vocab_size,
            parameters,
            stored_types,
            precision: forms.precision,
            kernels: forms.kernels,
            weights_hash: self.weights.hash.clone(),
            file_bytes: self.weights.bytes,
            unused_tensors: self
                .weights
                .iter()
                .map(|(n, _)| n.to_string())
                .filter(|n| !used.contains(n) && !READ_WITH_SPEC.contains(&n.as_str()))
                .filter(|n| !BUFFERS.iter().any(|end| n.ends_with(end)))
                .collect(),
        }
    }
}

/// Endings of what old checkpoints carry beside weights: causal masks, and frequencies, which are computed here.
const BUFFERS: [&str; 5] =
    [".attn.bias", ".attention.bias", ".attn.masked_bias", ".attention.masked_bias", "rotary_emb.inv_freq"];

/// Whether a stored tensor has the shape that a place of it needs, `total` rows in all.
fn fits(tensor: &StoredTensor, need: &Need, place: Place, total: usize) -> bool {
    let mut shape = need.shape.clone();
    shape[0] = total;
    if need.part == Part::Weight && place.orientation == Orientation::InOut && shape.len() == 2 {
        shape.reverse();
    }
    // All experts' matrices are one tensor of three dimensions; a matrix of one row may be stored as a vector.
    let stacked = tensor.shape.len() == 3 && shape.len() == 2 && [tensor.rows(), tensor.inner()] == shape[..];
    let row = shape.len() == 2 && shape[0] == 1 && tensor.shape == shape[1..];
    tensor.shape == shape || (place.cut == Cut::Expert && stacked) || row
}
