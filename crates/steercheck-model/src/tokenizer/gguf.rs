//! A [`tokenizers::Tokenizer`] from the vocabulary in a GGUF file's metadata, giving the ids that llama.cpp gives.

use super::{TokenizerError, bpe, build_error, sentencepiece};
use std::collections::BTreeSet;
use tokenizers::models::bpe::Vocab;
use tokenizers::{AddedToken, Tokenizer};

/// The vocabulary as GGUF metadata carries it.
#[derive(Debug, Clone, Default)]
pub struct GgufVocab {
    /// `tokenizer.ggml.model`: `gpt2` or `llama`.
    pub model: String,
    /// `tokenizer.ggml.pre`.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`, by id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.scores`, by id.
    pub scores: Option<Vec<f32>>,
    /// `tokenizer.ggml.token_type`, by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Option<Vec<i32>>,
    /// `tokenizer.ggml.merges`, each `left right`.
    pub merges: Option<Vec<String>>,
    /// `tokenizer.ggml.unknown_token_id`.
    pub unknown_id: Option<u32>,
    /// `tokenizer.ggml.add_space_prefix`.
    pub add_space_prefix: Option<bool>,
}

/// Token texts by id and ids by text, checked: as many of one as of the other.
pub(crate) struct Tokens {
    pub(crate) texts: Vec<String>,
    pub(crate) ids: Vocab,
}

/// How a token's text is met in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matching {
    /// By merging only.
    Merged,
    /// Wherever it stands, before anything else.
    Always,
    /// Only where special tokens are asked for.
    Special,
}

/// Builds the tokenizer. It never adds BOS or EOS.
///
/// User-defined tokens are matched wherever they stand in a text. Control and unknown tokens are special: a text that spells
/// one out is text, unless the caller turns that off with `set_encode_special_tokens(false)`, which is llama.cpp's
/// `parse_special`. `decode(ids, true)` leaves special tokens out.
///
/// Known deviation: where two different user-defined tokens overlap in a text, llama.cpp takes the longer one and this
/// tokenizer the one that begins first.
pub fn from_gguf(vocab: &GgufVocab) -> Result<Tokenizer, TokenizerError> {
    let build = match vocab.model.as_str() {
        "gpt2" => bpe::build,
        "llama" => sentencepiece::build,
        _ => return Err(TokenizerError::UnknownModel { model: vocab.model.clone() }),
    };
    let tokens = check(vocab)?;
    let matching = matching(vocab, &tokens)?;
    let mut tokenizer = build(vocab, &tokens)?;
    tokenizer.set_encode_special_tokens(true);
    tokenizer.add_tokens(added_tokens(&tokens, &matching)).map_err(build_error)?;
    Ok(tokenizer)
}

/// Lengths, duplicates and ids that point outside.
fn check(vocab: &GgufVocab) -> Result<Tokens, TokenizerError> {
    let expected = vocab.tokens.len();
    if expected == 0 {
        return Err(TokenizerError::Empty);
    }
    if u32::try_from(expected).is_err() {
        return Err(TokenizerError::Build { detail: format!("{expected} tokens do not fit 32-bit ids") });
    }
    let lengths = [
        ("tokenizer.ggml.scores", vocab.scores.as_ref().map(Vec::len)),
        ("tokenizer.ggml.token_type", vocab.token_types.as_ref().map(Vec::len)),
    ];
    for (key, length) in lengths {
        if let Some(got) = length.filter(|&got| got != expected) {
            return Err(TokenizerError::WrongLength { key, expected, got });
        }
    }
    if let Some(id) = vocab.unknown_id.filter(|&id| id as usize >= expected) {
        return Err(TokenizerError::UnknownId { id, tokens: expected });
    }
    let mut texts = vocab.tokens.clone();
    let mut ids = Vocab::with_capacity(expected);
    for (id, text) in texts.iter_mut().enumerate() {
        if text.is_empty() {
            *text = format!("[EMPTY_{id}]"); // llama.cpp's name for it
        }
        if let Some(first) = ids.insert(text.clone(), id as u32) {
            return Err(TokenizerError::DuplicateToken { text: text.clone(), first, second: id as u32 });
        }
    }
    Ok(Tokens { texts, ids })
}

/// Texts that llama.cpp takes for control tokens even if the file calls them something else.
const ALWAYS_CONTROL: &[&str] = &[
    // Ends of turn and of generation.
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "[e~[",
    // Fill in the middle.
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<\u{ff5c}fim\u{2581}begin\u{ff5c}>",
    "<PRE>",
    "\u{2581}<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<\u{ff5c}fim\u{2581}hole\u{ff5c}>",
    "<SUF>",
    "\u{2581}<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<\u{ff5c}fim\u{2581}end\u{ff5c}>",
    "<MID>",
    "\u{2581}<MID>",
    "<|code_middle|>",
    "<|middle|>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];
/// Texts that llama.cpp always treats as user-defined.
const ALWAYS_USER_DEFINED: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

fn matching(vocab: &GgufVocab, tokens: &Tokens) -> Result<Vec<Matching>, TokenizerError> {
    let mut matching = vec![Matching::Merged; tokens.texts.len()];
    for (id, &value) in vocab.token_types.iter().flatten().enumerate() {
        matching[id] = match value {
            0 | 1 | 5 | 6 => Matching::Merged,
            2 | 3 => Matching::Special,
            4 => Matching::Always,
            _ => return Err(TokenizerError::TokenType { id, value }),
        };
    }
    for (texts, to) in [(ALWAYS_CONTROL, Matching::Special), (ALWAYS_USER_DEFINED, Matching::Always)] {
        for id in texts.iter().filter_map(|&text| tokens.ids.get(text)) {
            matching[*id as usize] = to;
        }
    }
    Ok(matching)
}

/// The tokens to match outside the model. A special token whose text could hide a user-defined one from the matcher, which
/// takes the longest of both and then passes over special ones, is left to the model.
fn added_tokens(tokens: &Tokens, matching: &[Matching]) -> Vec<AddedToken> {
    let texts =
        |wanted| tokens.texts.iter().zip(matching).filter(move |(_, m)| **m == wanted).map(|(text, _)| text.as_str());
    let always: BTreeSet<&str> = texts(Matching::Always).collect();
    let hides = |special: &str| {
        special.char_indices().any(|(at, _)| {
            let rest = &special[at..];
            let begins_with_rest = always.range(rest..).next().is_some_and(|text| text.starts_with(rest));
            begins_with_rest || rest.char_indices().any(|(end, c)| always.contains(&rest[..end + c.len_utf8()]))
        })
    };
    let plain = always.iter().map(|&text| AddedToken::from(text, false).normalized(false));
    let special = texts(Matching::Special).filter(|text| !hides(text)).map(|text| AddedToken::from(text, true));
    plain.chain(special).collect()
}
