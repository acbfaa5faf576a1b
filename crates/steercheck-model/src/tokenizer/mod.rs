//! Text to token ids and back, with the model's policy on special tokens.

use std::path::Path;

use crate::error::{ModelError, Result};
use crate::gguf::Gguf;

/// A tokenizer with its BOS policy.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    pub(crate) fn from_folder(folder: &Path, _vocab: usize) -> Result<Self> {
        let inner = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json"))
            .map_err(|e| ModelError::Tokenizer(e.to_string()))?;
        Ok(Self { inner })
    }

    pub(crate) fn from_gguf(_gguf: &Gguf, _vocab: usize) -> Result<Self> {
        Err(ModelError::Tokenizer("not yet".into()))
    }

    /// Vocabulary size.
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}
