//! What can be wrong with a vocabulary.

/// Why a GGUF file's vocabulary gives no tokenizer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TokenizerError {
    /// `tokenizer.ggml.model` is not one of the two kinds.
    #[error(
        "`tokenizer.ggml.model` is `{model}`, and steercheck reads only `gpt2` and `llama` vocabularies from GGUF files; use the model's safetensors release, which has a tokenizer.json"
    )]
    UnknownModel {
        /// The value found.
        model: String,
    },
    /// `tokenizer.ggml.pre` names no known pre-tokenizer.
    #[error(
        "`tokenizer.ggml.pre` is `{pre}`, a pre-tokenizer that steercheck does not know{}; use the model's safetensors release, which has a tokenizer.json, or add the name to tokenizer/pre_tokenizer.rs",
        did_you_mean(.near)
    )]
    UnknownPreTokenizer {
        /// The value found.
        pre: String,
        /// Known names that look like it.
        near: Vec<&'static str>,
    },
    /// No tokens.
    #[error("`tokenizer.ggml.tokens` is empty; the file has no vocabulary, so download or convert it again")]
    Empty,
    /// A key that this kind of vocabulary needs is absent.
    #[error("a `{model}` vocabulary needs `{key}`, which the file does not have; download or convert it again")]
    MissingKey {
        /// The GGUF key.
        key: &'static str,
        /// The kind of vocabulary.
        model: &'static str,
    },
    /// A list that runs parallel to the tokens has another length.
    #[error("`{key}` has {got} entries for {expected} tokens; the file is damaged, so download or convert it again")]
    WrongLength {
        /// The GGUF key.
        key: &'static str,
        /// The number of tokens.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// Two ids have the same text.
    #[error(
        "tokens {first} and {second} are both `{text}`; the vocabulary is damaged, so download or convert it again"
    )]
    DuplicateToken {
        /// The text.
        text: String,
        /// The lower id.
        first: u32,
        /// The higher id.
        second: u32,
    },
    /// A token type that GGUF does not define.
    #[error(
        "token {id} has type {value}, and GGUF defines 1 to 6; the file is damaged, so download or convert it again"
    )]
    TokenType {
        /// The token.
        id: usize,
        /// The type found.
        value: i32,
    },
    /// A score that cannot be compared.
    #[error("token {id} has a score that is not a number; the file is damaged, so download or convert it again")]
    BadScore {
        /// The token.
        id: usize,
    },
    /// Scores that rank nothing.
    #[error(
        "every merged token has the score {score}, so the scores do not say what to merge first; convert the file again with its scores"
    )]
    SameScores {
        /// The score.
        score: f32,
    },
    /// The unknown token's id lies outside the vocabulary.
    #[error("`tokenizer.ggml.unknown_token_id` is {id}, and there are {tokens} tokens; correct the file's metadata")]
    UnknownId {
        /// The id found.
        id: u32,
        /// The number of tokens.
        tokens: usize,
    },
    /// A merge that is not two tokens with a space between.
    #[error("merge {index} is `{merge}`, not two tokens with a space between; download or convert the file again")]
    BadMerge {
        /// Its place in the list, from 0.
        index: usize,
        /// The line.
        merge: String,
    },
    /// A merge of tokens, or into one, that the vocabulary lacks.
    #[error(
        "merge {index}, `{merge}`, needs the token `{token}`, which is missing; download or convert the file again"
    )]
    MergeToken {
        /// Its place in the list, from 0.
        index: usize,
        /// The line.
        merge: String,
        /// The missing token.
        token: String,
    },
    /// A byte that could not be spelled.
    #[error(
        "the vocabulary has no token `<0x{byte:02X}>`, so characters outside it could not be spelled in bytes; convert the file again"
    )]
    MissingByte {
        /// The byte.
        byte: u8,
    },
    /// The tokenizer library refused the parts.
    #[error(
        "the tokenizer could not be built from this vocabulary: {detail}; please report this with the model's name"
    )]
    Build {
        /// The library's own words.
        detail: String,
    },
}

#[allow(clippy::needless_pass_by_value)] // shaped for map_err
pub(crate) fn build_error(error: impl ToString) -> TokenizerError {
    TokenizerError::Build { detail: error.to_string() }
}

fn did_you_mean(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        names => {
            format!(" (did you mean {}?)", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or "))
        }
    }
}
