//! The pre-tokenizers behind the names that `tokenizer.ggml.pre` takes in a GGUF file.
//!
//! A pre-tokenizer is a list of patterns applied one after the other, each splitting the pieces that the one before left.
//! Names and patterns follow llama.cpp (`src/llama-vocab.cpp` and `src/unicode.cpp`, build 11434), with these changes of
//! notation, none of which moves a split:
//! - llama.cpp folds every letter category into `\p{L}` and tells cases apart in ASCII alone, so
//!   `(?=[\p{L}])([^a-z])` is written `[\p{L}&&[^a-z]]` and `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` is `[\p{L}\p{M}]`;
//! - its `\d` is ASCII, so it is written `[0-9]`;
//! - patterns that llama.cpp runs as hand-written functions are written as the pattern that the function carries out.

use super::TokenizerError;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

/// One way to split text before byte-pair merging, and the names that GGUF files give it.
pub(crate) struct PreTokenizer {
    /// Values of `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    /// Patterns, applied in order.
    splits: &'static [&'static str],
    /// A piece that is a token as it stands is taken whole, without merging.
    pub(crate) ignore_merges: bool,
}

/// Contractions in either case, spelled out: `(?i:'s)` would match a long s as well, and llama.cpp does not.
macro_rules! contractions {
    () => {
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    };
}
/// What most patterns end with: line ends with the spaces before them, then spaces but for the last before a word.
macro_rules! spaces {
    () => {
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}
/// A word of capitals then small letters, as the GPT-4o family splits `camelCase`; `$letter` is the class of letters.
macro_rules! cased_word {
    ($letter:literal, $end:expr) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[",
            $letter,
            r"&&[^a-z]]*[",
            $letter,
            r"&&[^A-Z]]+",
            $end,
            r"|[^\r\n\p{L}\p{N}]?[",
            $letter,
            r"&&[^a-z]]+[",
            $letter,
            r"&&[^A-Z]]*",
            $end,
        )
    };
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*", spaces!());
const QWEN2: &str = concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*", spaces!());
const QWEN35: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*", spaces!());
const JAIS2: &str = concat!(
    contractions!(),
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
    r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)",
    r"|\s{1,2}(?!\S)|\s{1}"
);
const MINICPM5: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*", spaces!());
const BAILING: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+");
const SEED_CODER: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+", spaces!());
const EXAONE_MOE: &str = concat!(
    contractions!(),
    r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?",
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
);
const UFAKZEKA: &str = concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*", spaces!());
const TEKKEN: &str = concat!(cased_word!(r"\p{L}", ""), r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*", spaces!());
const GPT4O: &str =
    concat!(cased_word!(r"\p{L}", concat!(contractions!(), "?")), r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*", spaces!());
const GRANITE_97M: &str = concat!(
    cased_word!(r"\p{L}\p{M}", concat!(contractions!(), "?")),
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    spaces!()
);
const TINY_AYA: &str =
    concat!(r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", contractions!(), r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*", spaces!());
const YOUTU: &str =
    concat!(r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", contractions!(), r"?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*", spaces!());
const YOUTU_SCRIPTS: &str = concat!(
    r"[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+",
    r"|[\u{FF01}\u{2026}\u{201C}\u{201D}\u{2018}\u{2019}\u{2014}\u{FF1A}\u{FF1B}\u{FF0C}\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+",
    r"|[\u{3105}-\u{312F}]+|[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+"
);
const DEEPSEEK_WORDS: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"##,
    spaces!()
);
const SPARK_WORDS: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"##,
    r"|[\r\n]|\s+(?!\S)|\s+"
);
const CJK_AND_KANA: &str = r"[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
/// The second range begins far below the first: the family's own pattern has it so. Spaces are out of the class because
/// llama.cpp runs this pattern and the next on a text whose spaces outside ASCII became a vertical tab.
const DEEPSEEK_CJK: &str = r"[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}&&\S]+";
const DEEPSEEK_PUNCTUATION: &str =
    r"\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}&&\S]+";
/// The same family's list of cased letters.
#[rustfmt::skip]
const DEEPSEEK_LETTERS: &str = concat!(
    r"\s?[A-Za-z",
        r"\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}\u{370}-\u{373}",
        r"\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}",
        r"\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}",
        r"\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}",
        r"\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}",
        r"\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}",
        r"\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}",
        r"\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}",
        r"\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}",
        r"\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}",
        r"\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}",
        r"\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}",
    "]+"
);
const ASIAN_SCRIPTS: &str = concat!(
    r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{8C48}-\u{FAFF}\u{3040}-\u{309F}\u{30A0}-\u{30FF}\u{FF65}-\u{FF9F}",
    r"\u{2F00}-\u{2FDF}\u{E40}-\u{E7F}\u{E80}-\u{EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}",
    r"\u{A9E0}-\u{A9FF}\u{AC00}-\u{D7AF}\u{1100}-\u{11FF}]+"
);
/// Digits in threes from the right. llama.cpp leaves the text before a number joined to its first group.
const DIGITS_FROM_THE_RIGHT: &str = r"\G\P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))";
const BLOOM: &str = r" ?[^(\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+";
macro_rules! han {
    () => {
        r"\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2EBEF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}"
    };
}
const KIMI_K2: &str = concat!(
    "[",
    han!(),
    r"]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^",
    han!(),
    "]]+",
    contractions!(),
    r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
    spaces!()
);

const fn splits(names: &'static [&'static str], splits: &'static [&'static str]) -> PreTokenizer {
    PreTokenizer { names, splits, ignore_merges: false }
}

const fn whole_tokens_first(names: &'static [&'static str], splits: &'static [&'static str]) -> PreTokenizer {
    PreTokenizer { names, splits, ignore_merges: true }
}

/// Every name that is known. Names whose tokens are not byte-level (`gemma4`, `mmbert`, `sarvam-moe`, `whitespace`,
/// `granite-embed-multi-311m`) are absent on purpose.
#[rustfmt::skip]
const TABLE: &[PreTokenizer] = &[
    splits(&["default"], &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
    splits(&[
        "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert",
        "jina-v1-en", "jina-v2-code", "roberta-bpe", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4",
    ], &[GPT2]),
    splits(&[
        "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
    ], &[r"\p{N}", GPT2]),
    splits(&["falcon"], &[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
    whole_tokens_first(&[
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "glm4", "glm5",
    ], &[LLAMA3]),
    splits(&["dbrx", "smaug-bpe", "chatglm-bpe"], &[LLAMA3]),
    splits(&["jais-2"], &[JAIS2]),
    splits(&[
        "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2",
    ], &[QWEN2]),
    splits(&["qwen35"], &[QWEN35]),
    splits(&["ufakzeka"], &[UFAKZEKA]),
    splits(&["laguna"], &[r"[^\n]+|[\n]+", QWEN2]),
    whole_tokens_first(&["minicpm5"], &[r"\p{N}{1,3}", MINICPM5]),
    splits(&["bailingmoe", "bailingmoe2", "llada-moe"], &[BAILING]),
    splits(&["seed-coder"], &[SEED_CODER]),
    splits(&["exaone-moe"], &[EXAONE_MOE]),
    whole_tokens_first(&["tekken"], &[TEKKEN]),
    splits(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], &[GPT4O]),
    whole_tokens_first(&["granite-embed-multi-97m"], &[GRANITE_97M]),
    splits(&["tiny_aya", "cohere2moe"], &[DIGITS_FROM_THE_RIGHT, TINY_AYA]),
    splits(&["afmoe"], &[DIGITS_FROM_THE_RIGHT, ASIAN_SCRIPTS, DEEPSEEK_WORDS]),
    whole_tokens_first(&["youtu"], &[YOUTU_SCRIPTS, YOUTU]),
    splits(&["kimi-k2"], &[KIMI_K2]),
    splits(&["superbpe"], &[r"\p{N}+", "(?=([0-9]{3})+(?![0-9]))"]),
    splits(&["deepseek-llm"], &[
        r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, r"\s+$", DEEPSEEK_CJK, r"\p{N}+",
    ]),
    splits(&["deepseek-coder"], &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, r"\p{N}"]),
    splits(&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], &[r"\p{N}{1,3}", CJK_AND_KANA, DEEPSEEK_WORDS]),
    splits(&["spark2_5"], &[r"\p{N}{1,3}", CJK_AND_KANA, SPARK_WORDS, r"\p{N}"]),
    splits(&["bloom", "poro-chat", "gpt3-finnish"], &[BLOOM]),
    splits(&["viking"], &[BLOOM, r"\p{N}"]),
    splits(&["chameleon"], &[
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2,
    ]),
];

/// Every name that [`find`] knows, in the table's order.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|entry| entry.names).copied()
}

/// The pre-tokenizer that `tokenizer.ggml.pre` names; a file without the key is read as `default`, as llama.cpp does.
pub(crate) fn find(pre: Option<&str>) -> Result<&'static PreTokenizer, TokenizerError> {
    let pre = pre.filter(|name| !name.is_empty()).unwrap_or("default");
    TABLE
        .iter()
        .find(|entry| entry.names.contains(&pre))
        .ok_or_else(|| TokenizerError::UnknownPreTokenizer { pre: pre.to_owned(), near: near(pre) })
}

/// Up to three known names that look like `pre`, the nearest first.
fn near(pre: &str) -> Vec<&'static str> {
    let mut scored: Vec<(f64, &str)> = names().map(|name| (strsim::jaro_winkler(pre, name), name)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().filter(|(score, _)| *score > 0.75).take(3).map(|(_, name)| name).collect()
}

impl PreTokenizer {
    /// The splits in sequence, then the mapping of bytes to characters. Characters in `missing` stand for bytes without
    /// a token: llama.cpp drops them after merging, so they end a piece and vanish.
    pub(crate) fn build(&self, missing: &[char]) -> Result<PreTokenizerWrapper, TokenizerError> {
        let mut steps = Vec::with_capacity(self.splits.len() + 2);
        for pattern in self.splits {
            steps.push(split(pattern, SplitDelimiterBehavior::Isolated)?);
        }
        let (add_prefix_space, trim_offsets, use_regex) = (false, false, false);
        steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(add_prefix_space, trim_offsets, use_regex)));
        if !missing.is_empty() {
            let class: Vec<String> = missing.iter().map(|&c| format!(r"\u{{{:X}}}", u32::from(c))).collect();
            steps.push(split(&format!("[{}]", class.concat()), SplitDelimiterBehavior::Removed)?);
        }
        Ok(PreTokenizerWrapper::Sequence(Sequence::new(steps)))
    }
}

fn split(pattern: &str, behavior: SplitDelimiterBehavior) -> Result<PreTokenizerWrapper, TokenizerError> {
    Split::new(SplitPattern::Regex(pattern.to_owned()), behavior, false)
        .map(PreTokenizerWrapper::Split)
        .map_err(|error| TokenizerError::Build { detail: error.to_string() })
}
