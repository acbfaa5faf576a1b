//! Byte-level byte-pair encoding: `tokenizer.ggml.model` = `gpt2`.

use super::gguf::Tokens;
use super::{GgufVocab, TokenizerError, build_error, pre_tokenizer};
use std::collections::HashSet;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{DecoderWrapper, Tokenizer};

/// The tokenizer without its added tokens.
pub(crate) fn build(vocab: &GgufVocab, tokens: &Tokens) -> Result<Tokenizer, TokenizerError> {
    let pre = pre_tokenizer::find(vocab.pre.as_deref())?;
    let mut missing: Vec<char> =
        ByteLevel::alphabet().into_iter().filter(|c| !tokens.ids.contains_key(&*c.encode_utf8(&mut [0; 4]))).collect();
    missing.sort_unstable();
    let model = BPE::builder()
        .vocab_and_merges(tokens.ids.clone(), merges(vocab, tokens)?)
        .ignore_merges(pre.ignore_merges)
        .build()
        .map_err(build_error)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pre.build(&missing)?));
    tokenizer.with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::default())));
    Ok(tokenizer)
}

/// The merge list, first mention of a pair first: `tokenizers` would let the last one win, llama.cpp the first.
fn merges(vocab: &GgufVocab, tokens: &Tokens) -> Result<Merges, TokenizerError> {
    let lines =
        vocab.merges.as_ref().ok_or(TokenizerError::MissingKey { key: "tokenizer.ggml.merges", model: "gpt2" })?;
    let mut seen = HashSet::with_capacity(lines.len());
    let mut merges = Merges::with_capacity(lines.len());
    let mut joined = String::new();
    for (index, line) in lines.iter().enumerate() {
        let bad = || TokenizerError::BadMerge { index, merge: line.clone() };
        // A leading space belongs to the first half, as in llama.cpp.
        let first_char = line.chars().next().ok_or_else(bad)?.len_utf8();
        let at = line[first_char..].find(' ').ok_or_else(bad)? + first_char;
        let (left, right) = (&line[..at], &line[at + 1..]);
        if right.is_empty() {
            return Err(bad());
        }
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        for token in [left, right, &joined] {
            if !tokens.ids.contains_key(token) {
                return Err(TokenizerError::MergeToken { index, merge: line.clone(), token: token.to_owned() });
            }
        }
        if seen.insert((left, right)) {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    Ok(merges)
}
