//! `SentencePiece` byte-pair encoding by score: `tokenizer.ggml.model` = `llama` (Llama 2, Mistral 0.1, Gemma).
//!
//! llama.cpp joins, again and again, the two neighbours whose concatenation is the token with the highest score, the
//! leftmost on ties (`llm_tokenizer_spm_session` in `src/llama-vocab.cpp`). `tokenizers` ranks *pairs*, no two alike. The
//! merge list derived here is every split of every token into two tokens, ordered by the token's score.
//!
//! Why that is the same procedure: two neighbours `x y` that make a token cover a stretch of text which no merge has
//! crossed, so what happened inside went exactly as it goes for that stretch alone, and `x y` is the one pair that the
//! token is ever made from. The order among one token's splits is therefore never asked for; the other splits are dead
//! entries. Two conditions remain, which trained `SentencePiece` models meet:
//! - tokens that compete for a character have different scores (equal ones are taken by id here, from the left there);
//! - every character of a token is a token (one that is not is spelled in bytes here before merging starts).
//!
//! Every token takes part in merging, control tokens too, as in llama.cpp: where `<` and `s>` are tokens, a literal `<s>`
//! in a text becomes the control token.

use super::gguf::Tokens;
use super::{GgufVocab, TokenizerError, build_error};
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as DecoderSequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::{Prepend, Replace, Sequence};
use tokenizers::{DecoderWrapper, NormalizerWrapper, Tokenizer};

/// `SentencePiece`'s stand-in for a space, U+2581.
const SPACE: &str = "\u{2581}";

/// The tokenizer without its added tokens.
pub(crate) fn build(vocab: &GgufVocab, tokens: &Tokens) -> Result<Tokenizer, TokenizerError> {
    let scores =
        vocab.scores.as_ref().ok_or(TokenizerError::MissingKey { key: "tokenizer.ggml.scores", model: "llama" })?;
    if let Some(id) = scores.iter().position(|score| score.is_nan()) {
        return Err(TokenizerError::BadScore { id });
    }
    if let Some(byte) = (0..=u8::MAX).find(|byte| !tokens.ids.contains_key(&format!("<0x{byte:02X}>"))) {
        return Err(TokenizerError::MissingByte { byte });
    }
    let model = BPE::builder()
        .vocab_and_merges(tokens.ids.clone(), merges(tokens, scores)?)
        .byte_fallback(true)
        .build()
        .map_err(build_error)?;
    let prefix = vocab.add_space_prefix.unwrap_or(true);
    let replace = |from, to| Replace::new(from, to).map_err(build_error);

    let mut tokenizer = Tokenizer::new(model);
    let mut normalizers = Vec::new();
    if prefix {
        normalizers.push(NormalizerWrapper::Prepend(Prepend::new(SPACE.to_owned())));
    }
    normalizers.push(NormalizerWrapper::Replace(replace(" ", SPACE)?));
    tokenizer.with_normalizer(Some(Sequence::new(normalizers))).map_err(build_error)?;
    let mut decoders = vec![
        DecoderWrapper::Replace(replace(SPACE, " ")?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ];
    if prefix {
        decoders.push(DecoderWrapper::Strip(Strip::new(' ', 1, 0)));
    }
    tokenizer.with_decoder(Some(DecoderSequence::new(decoders)));
    Ok(tokenizer)
}

/// The merge list in order of rank. Linear in the total length of the tokens, apart from sorting their ids by score.
fn merges(tokens: &Tokens, scores: &[f32]) -> Result<Merges, TokenizerError> {
    let mut order: Vec<usize> = (0..tokens.texts.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut merges = Merges::with_capacity(2 * order.len());
    // The lowest and the highest score of a token that merging can make.
    let mut range: Option<(f32, f32)> = None;
    let mut merged = 0;
    for id in order {
        let text: &str = &tokens.texts[id];
        let before = merges.len();
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if tokens.ids.contains_key(left) && tokens.ids.contains_key(right) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
        if merges.len() > before {
            merged += 1;
            range = Some((scores[id], range.map_or(scores[id], |(_, high)| high)));
        }
    }
    match range {
        Some((low, high)) if merged > 1 && low.total_cmp(&high).is_eq() => {
            Err(TokenizerError::SameScores { score: low })
        }
        _ => Ok(merges),
    }
}
