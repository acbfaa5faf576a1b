//! Decoder language models whose inner states can be read and edited.
//!
//! [`Loaded::open`] maps a model; [`Model::trace`] reads residuals and head outputs; [`Model::prefill`] and [`Model::replay`] run
//! any number of edited variants of a prompt at the cost of its last token; [`Model::read`] turns residuals into tokens.
//!
//! Blocks are numbered 1 to L. *Residual b* is the residual stream after block b, residual 0 the embedding output.

mod alibi;
mod attention;
mod block;
mod branches;
mod config;
mod contributions;
mod decode;
mod divergence;
mod edits;
mod embedding;
mod error;
mod families;
mod files;
mod forest;
mod gguf;
mod kernels;
mod layout;
mod linear;
mod loader;
mod mlp;
mod model;
mod norm;
mod prefix;
mod readout;
mod replay;
mod rope;
mod run;
mod site;
mod slots;
mod spec;
pub mod tokenizer;
mod trace;
mod vector_file;
mod weights;

pub use branches::Branches;
pub use contributions::AttentionParts;
pub use decode::Continuation;
pub use divergence::Divergence;
pub use error::{ModelError, Result, bytes_text};
pub use gguf::{Gguf, GgufValue};
pub use model::{Kernels, LoadOptions, Loaded, Model, ModelInfo, Precision, Watcher};
pub use prefix::Prefix;
pub use readout::{FinalNorm, HeadKind, Reading, TokenScore};
pub use replay::{Replayed, Row};
pub use rope::{RotaryPairs, RotaryScaling, RotarySpec};
pub use site::{Block, Edit, Head, Operation, Positions, Receipt, Site};
pub use spec::{
    Activation, Affine, Alibi, AlibiRounding, Arrangement, Biases, BlockNorms, BlockSpec, DecoderSpec, EmbeddingSpec,
    ExpertWeights, Experts, Gating, HeadSpec, LearnedPositions, Mlp, NormKind, NormPlace, NormSpec, QkNorm, Tying,
};
pub use tokenizer::{Declared, Tokenizer};
pub use trace::{EditedPrompt, ReadAt, Reads, Trace};
pub use vector_file::{Directions, VectorFile, read_vectors, write_control_vector};
pub use weights::{StoredType, read_tensors};

/// Where tensors live; re-exported so that callers need no tensor crate of their own.
pub use candle_core::Device;
