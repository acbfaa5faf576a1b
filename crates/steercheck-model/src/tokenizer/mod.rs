//! Text to token ids and back, with the model's policy on special tokens.

mod bpe;
mod error;
mod gguf;
mod pre_tokenizer;
mod sentencepiece;

use std::path::Path;
use std::sync::OnceLock;

pub use error::TokenizerError;
pub use gguf::{GgufVocab, from_gguf};
pub use pre_tokenizer::names as pre_tokenizer_names;

pub(crate) use error::build_error;

use crate::error::{ModelError, Result};
use crate::files::{plain, read_json, read_text};
use crate::gguf::Gguf;

/// Pre-tokenizers whose models llama.cpp gives a BOS where the file does not say.
const BOS_BY_PRE: &[&str] = &["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"];

/// What the families call the token that ends a text or a turn.
const ENDS: [&str; 9] = [
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_turn>",
];

/// A tokenizer and what it puts before every prompt. An end-of-sequence token is never added.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bos: Option<u32>,
    adds_bos: bool,
    declared: Declared,
    hash: OnceLock<String>,
}

/// What a tokenizer's files say about special tokens around a text. What is done is [`Tokenizer::policy`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Ids that the post-processor of tokenizer.json puts before a text.
    pub before: Vec<u32>,
    /// Ids that it puts after a text.
    pub after: Vec<u32>,
    /// `add_bos_token` of `tokenizer_config.json` or of the GGUF metadata.
    pub adds_bos: Option<bool>,
    /// `add_eos_token` of `tokenizer_config.json` or of the GGUF metadata.
    pub adds_eos: Option<bool>,
}

fn failed(e: &(dyn std::error::Error + Send + Sync)) -> ModelError {
    ModelError::Tokenizer(plain(&e.to_string()))
}

impl Tokenizer {
    /// Reads `tokenizer.json` and the BOS policy of `tokenizer_config.json` or the tokenizer's post-processor.
    pub(crate) fn from_folder(folder: &Path, vocab_size: usize) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !path.exists() {
            return Err(ModelError::NoTokenizer {
                what: "the folder holds no tokenizer.json",
                advice: "save the model with its fast tokenizer, or use a GGUF file",
            });
        }
        let mut inner: tokenizers::Tokenizer = read_text(&path)?.parse().map_err(|e| {
            ModelError::Tokenizer(plain(&format!("tokenizer.json is damaged ({e}); download it again")))
        })?;
        inner.with_truncation(None).map_err(|e| failed(&*e))?;
        inner.with_padding(None);
        let (bare, full) = (Self::raw(&inner, "a", false)?, Self::raw(&inner, "a", true)?);
        let before = full.windows(bare.len().max(1)).position(|w| w == bare).unwrap_or(0);
        let mut declared = Declared {
            before: full[..before].to_vec(),
            after: full.get(before + bare.len()..).unwrap_or_default().to_vec(),
            ..Declared::default()
        };
        let mut bos = full[..before].first().copied();
        let mut adds_bos = before > 0;
        if before > 1 {
            return Err(ModelError::Tokenizer(format!(
                "it puts {before} special tokens before a text; one is implemented"
            )));
        }
        let path = folder.join("tokenizer_config.json");
        if path.exists() {
            let config = read_json(&path)?;
            let token = config.get("bos_token");
            let text = token.and_then(|t| t.as_str().or_else(|| t.get("content").and_then(|c| c.as_str())));
            bos = bos.or_else(|| text.and_then(|t| inner.token_to_id(t)));
            let flag = |key: &str| config.get(key).and_then(serde_json::Value::as_bool);
            (declared.adds_bos, declared.adds_eos) = (flag("add_bos_token"), flag("add_eos_token"));
            if let Some(adds) = declared.adds_bos {
                adds_bos = adds && bos.is_some();
            }
        }
        Self { inner, bos, adds_bos, declared, hash: OnceLock::new() }.fitting(vocab_size)
    }

    /// Builds the tokenizer from a GGUF file's metadata.
    pub(crate) fn from_gguf(gguf: &Gguf, vocab_size: usize) -> Result<Self> {
        let key = |k: &str| format!("tokenizer.ggml.{k}");
        let model = gguf.text(&key("model"))?.ok_or(ModelError::NoTokenizer {
            what: "the file holds none (no key 'tokenizer.ggml.model')",
            advice: "convert the model again, with its tokenizer",
        })?;
        let id = |k: &str| -> Result<Option<u32>> { Ok(gguf.int(&key(k))?.and_then(|i| u32::try_from(i).ok())) };
        let pre = gguf.text(&key("pre"))?.map(str::to_string);
        let tokens = gguf.texts(&key("tokens"))?.ok_or_else(|| gguf.problem(&key("tokens"), "is missing"))?;
        let by_default = model == "llama" || pre.as_deref().is_some_and(|p| model == "gpt2" && BOS_BY_PRE.contains(&p));
        let declared = Declared {
            adds_bos: gguf.bool(&key("add_bos_token"))?,
            adds_eos: gguf.bool(&key("add_eos_token"))?,
            ..Declared::default()
        };
        let adds_bos = declared.adds_bos.unwrap_or(by_default);
        let bos = id("bos_token_id")?.or((model == "llama").then_some(1));
        let vocab = GgufVocab {
            model: model.to_string(),
            pre,
            scores: gguf.floats(&key("scores"))?,
            token_types: gguf.ints(&key("token_type"))?,
            merges: gguf.texts(&key("merges"))?,
            unknown_id: id("unknown_token_id")?,
            add_space_prefix: gguf.bool(&key("add_space_prefix"))?,
            tokens,
        };
        let inner = from_gguf(&vocab).map_err(|e| ModelError::Tokenizer(plain(&e.to_string())))?;
        if adds_bos && bos.is_none() {
            return Err(gguf.problem(&key("bos_token_id"), "is missing although add_bos_token is true"));
        }
        Self { inner, bos, adds_bos, declared, hash: OnceLock::new() }.fitting(vocab_size)
    }

    /// Refuses a tokenizer that can give ids which the embedding does not have.
    fn fitting(self, vocab_size: usize) -> Result<Self> {
        let largest = self.inner.get_vocab(true).into_values().max().into_iter().chain(self.bos).max();
        match largest {
            None => Err(ModelError::Tokenizer("its vocabulary is empty".into())),
            Some(id) if id as usize >= vocab_size => Err(ModelError::Tokenizer(format!(
                "it gives ids up to {id} but the model's vocabulary has {vocab_size}; the tokenizer belongs to another model"
            ))),
            Some(_) => Ok(self),
        }
    }

    fn raw(inner: &tokenizers::Tokenizer, text: &str, special: bool) -> Result<Vec<u32>> {
        Ok(inner.encode_fast(text, special).map_err(|e| failed(&*e))?.get_ids().to_vec())
    }

    /// Ids of a prompt as the model sees it, BOS included where the policy adds one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids: Vec<u32> = self.bos.filter(|_| self.adds_bos).into_iter().collect();
        ids.extend(self.encode_plain(text)?);
        Ok(ids)
    }

    /// Ids of a text alone.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        Self::raw(&self.inner, text, false)
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| failed(&*e))
    }

    /// The beginning-of-sequence token, whether or not it is added.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Tokens that end a text or a turn, by the names that the families give them.
    pub fn ends(&self) -> Vec<u32> {
        ENDS.iter().filter_map(|name| self.inner.token_to_id(name)).collect()
    }

    /// Whether BOS stands before every prompt.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// The same tokenizer with a BOS token before every prompt or without. An error if it knows none.
    pub fn with_bos(&self, adds: bool) -> Result<Self> {
        if adds && self.bos.is_none() {
            return Err(ModelError::Tokenizer(
                "it knows no BOS token, so that none can be put before prompts; leave --bos on out".into(),
            ));
        }
        let (inner, declared) = (self.inner.clone(), self.declared.clone());
        Ok(Self { inner, bos: self.bos, adds_bos: adds, declared, hash: OnceLock::new() })
    }

    /// What the files say about special tokens around a text.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// The token of an id, as the vocabulary spells it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The policy in words, for summaries and records: `BOS <bos> (2) before every prompt, no EOS`.
    pub fn policy(&self) -> String {
        match self.bos {
            Some(id) if self.adds_bos => {
                let text = self.inner.id_to_token(id).unwrap_or_default();
                format!("BOS {text} ({id}) before every prompt, no EOS")
            }
            _ => "no BOS, no EOS".to_string(),
        }
    }

    /// Number of tokens.
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// BLAKE3 of the tokenizer's serialised form and its policy.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let json = self.inner.to_string(false).unwrap_or_default();
            let mut hasher = blake3::Hasher::new();
            hasher.update(json.as_bytes());
            hasher.update(self.policy().as_bytes());
            hasher.finalize().to_hex().to_string()
        })
    }
}
