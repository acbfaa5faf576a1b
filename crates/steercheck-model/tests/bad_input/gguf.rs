//! GGUF files that are cut short, flipped or lie.

use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use serde_json::json;
use steercheck_model::{Gguf, ModelError};
use tempfile::TempDir;

use super::common::convert::convert;
use super::common::gguf_writer::{Kind, Meta, Writer};
use super::common::random::{self, Numbers, Sizes};
use super::{Tally, is_about, is_clear, memory_was_bounded, options, use_model, variant};

const TINY: Sizes = Sizes { vocab: 24, hidden: 32, inner: 32, blocks: 2, heads: 2, kv_heads: 1, head_dim: 16 };

/// A small SentencePiece vocabulary.
fn with_tokenizer(file: &mut Writer) {
    let tokens: Vec<String> = ["<unk>", "<s>", "</s>", "\u{2581}"]
        .into_iter()
        .map(String::from)
        .chain(('a'..='t').map(String::from))
        .collect();
    let list = |f: &dyn Fn(usize) -> Meta| Meta::List((0..tokens.len()).map(f).collect());
    file.meta("tokenizer.ggml.model", Meta::text("llama"));
    file.meta("tokenizer.ggml.tokens", list(&|i| Meta::text(&tokens[i])));
    file.meta("tokenizer.ggml.scores", list(&|i| Meta::F32(-(i as f32))));
    file.meta("tokenizer.ggml.token_type", list(&|i| Meta::I32(if i < 3 { 3 } else { 1 })));
    file.meta("tokenizer.ggml.bos_token_id", Meta::U32(1));
    file.meta("tokenizer.ggml.add_bos_token", Meta::Bool(true));
    file.meta("tokenizer.ggml.unknown_token_id", Meta::U32(0));
}

/// Sound files of several families and stored types.
fn sound() -> Vec<(&'static str, Writer)> {
    let file = |family: &str, kind: Kind, more: &[(&str, serde_json::Value)]| {
        let mut config = random::config(family, TINY);
        for (key, value) in more {
            config[*key] = value.clone();
        }
        let mut file = convert(&config, &random::tensors(&config, 7), kind);
        with_tokenizer(&mut file);
        file.meta("a.nested", Meta::List(vec![Meta::List(vec![Meta::U8(1), Meta::U8(2)]); 3]));
        file.meta("a.wide", Meta::List(vec![Meta::F64(0.5), Meta::F64(1.5)]));
        file
    };
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16
    });
    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16});
    let gemma =
        [("query_pre_attn_scalar", json!(16)), ("sliding_window", json!(2)), ("tie_word_embeddings", json!(true))];
    vec![
        ("llama3", file("llama", Kind::Ggml(GgmlDType::Q8_0), &[("rope_scaling", llama3)])),
        ("yarn", file("llama", Kind::F16, &[("rope_scaling", yarn), ("attention_bias", json!(true))])),
        ("qwen2", file("qwen2", Kind::Ggml(GgmlDType::Q4_1), &[("tie_word_embeddings", json!(true))])),
        ("gemma3", file("gemma3_text", Kind::Bf16, &gemma)),
        ("smollm3", file("smollm3", Kind::Ggml(GgmlDType::Q5_0), &[])),
    ]
}

fn first() -> Writer {
    sound().remove(0).1
}

/// Writes a file and uses it as a model.
fn open_bytes(folder: &Path, bytes: &[u8], way: usize) -> Result<(), ModelError> {
    let path = folder.join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    use_model(&path, &options(way))
}

#[test]
fn the_files_that_the_mutations_start_from_are_sound() {
    let folder = TempDir::new().unwrap();
    for (name, file) in sound() {
        let written = file.write();
        for way in 0..3 {
            open_bytes(folder.path(), &written.bytes, way).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn a_file_cut_at_any_field_or_in_its_data_is_said_to_be_incomplete() {
    let folder = TempDir::new().unwrap();
    for (name, file) in sound() {
        let written = file.write();
        let all = written.bytes.len();
        let data = (0..20).map(|i| written.data_start + (all - written.data_start) * i / 20).chain([all - 1]);
        let beside = written.boundaries.iter().flat_map(|b| [b.saturating_sub(1), *b, b + 1]);
        for cut in beside.chain(data) {
            let error = Gguf::parse(&written.bytes[..cut], "model.gguf").unwrap_err();
            is_about(&format!("{name} cut at {cut}"), &error, "Damaged", "model.gguf is damaged or incomplete");
        }
        for cut in [0, 1, 3, 4, 9, written.data_start / 2, written.data_start, all - 1] {
            let error = open_bytes(folder.path(), &written.bytes[..cut], 0).unwrap_err();
            is_about(&format!("{name} cut at {cut}"), &error, "Damaged", "download it again");
        }
    }
}

#[test]
fn every_single_flipped_bit_of_the_header_is_read_or_refused() {
    let mut tally = Tally::default();
    for (name, file) in sound() {
        let written = file.write();
        let mut bytes = written.bytes.clone();
        for bit in 0..written.data_start * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            tally.attempt(|| format!("{name}: bit {bit}"), || Gguf::parse(&bytes, "model.gguf"));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    tally.settle("single bits");
}

#[test]
fn models_with_flipped_header_bits_are_used_or_refused() {
    let folder = TempDir::new().unwrap();
    let mut numbers = Numbers(20_240_501);
    let mut tally = Tally::default();
    for (name, file) in sound() {
        let written = file.write();
        for i in 0..700 {
            let mut bytes = written.bytes.clone();
            let bits: Vec<usize> = (0..=i % 2).map(|_| numbers.below(written.data_start * 8)).collect();
            for bit in &bits {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            tally.attempt(|| format!("{name}: bits {bits:?}, way {}", i % 3), || open_bytes(folder.path(), &bytes, i));
        }
    }
    assert!(tally.accepted > 100, "{}", tally.accepted);
    tally.settle("models with flipped bits");
}

#[test]
fn models_with_overwritten_numbers_are_used_or_refused() {
    let folder = TempDir::new().unwrap();
    let mut numbers = Numbers(77);
    let mut tally = Tally::default();
    let extremes: [&[u8]; 6] =
        [&[0; 8], &[0xff; 8], &[0xff; 4], &[0, 0, 0, 0x80], &[0, 0, 0xc0, 0x7f], &[0, 0, 0, 0, 0, 0, 0, 0x80]];
    for (name, file) in sound() {
        let written = file.write();
        for i in 0..300 {
            let mut bytes = written.bytes.clone();
            let at = written.boundaries[numbers.below(written.boundaries.len())];
            let new = extremes[numbers.below(extremes.len())];
            bytes[at..at + new.len()].copy_from_slice(new);
            tally.attempt(|| format!("{name}: {new:?} at {at}"), || open_bytes(folder.path(), &bytes, i));
        }
    }
    tally.settle("models with overwritten numbers");
}

/// Every metadata value replaced by every strange one, in well-formed files.
#[test]
fn any_metadata_value_in_any_key_is_used_or_refused() {
    let strange = [
        Meta::U8(0),
        Meta::U8(1),
        Meta::I8(-1),
        Meta::U32(3),
        Meta::U32(1 << 24),
        Meta::U32(u32::MAX),
        Meta::U64(u64::MAX),
        Meta::I64(i64::MIN),
        Meta::F32(f32::NAN),
        Meta::F32(-0.0),
        Meta::F32(1e-45),
        Meta::F64(1e308),
        Meta::F64(f64::NEG_INFINITY),
        Meta::Bool(true),
        Meta::text(""),
        Meta::text("yarn"),
        Meta::text("gpt2"),
        Meta::text("two\nlines\u{1b}[2J"),
        Meta::text(&"long ".repeat(10_000)),
        Meta::List(vec![]),
        u32s(&[0, 0]),
        u32s(&[2; 24]),
        Meta::List(vec![Meta::text("a"); 24]),
        Meta::List(vec![Meta::F32(f32::NAN); 24]),
    ];
    let folder = TempDir::new().unwrap();
    let mut tally = Tally::default();
    for (name, file) in sound() {
        let more = ["rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "rope.freq_base_swa"];
        let more = more.into_iter().chain(["attention.sliding_window_pattern", "final_logit_softcapping"]);
        let arch = if name == "llama3" || name == "yarn" { "llama" } else { name };
        for key in file.keys().into_iter().chain(more.map(|k| format!("{arch}.{k}"))) {
            for (i, value) in strange.iter().enumerate() {
                let mut file = file.clone();
                file.meta(&key, value.clone());
                let bytes = file.write().bytes;
                tally.attempt(|| format!("{name}: {key} is {value:?}"), || open_bytes(folder.path(), &bytes, i));
            }
        }
    }
    assert!(tally.accepted > 500, "{}", tally.accepted);
    tally.settle("strange metadata");
}

/// A file, what is done to it, and the variant and word of the error that must come.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Writer), &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    let folder = TempDir::new().unwrap();
    for (what, spoil, wanted, word) in cases {
        let mut file = first();
        spoil(&mut file);
        let bytes = file.write().bytes;
        for way in 0..2 {
            match open_bytes(folder.path(), &bytes, way) {
                Ok(()) => panic!("{what}: was accepted"),
                Err(error) => is_about(what, &error, wanted, word),
            }
        }
    }
    memory_was_bounded();
}

fn u32s(values: &[u32]) -> Meta {
    Meta::List(values.iter().map(|v| Meta::U32(*v)).collect())
}

#[test]
fn metadata_that_cannot_be_is_refused() {
    let deep = (0..9).fold(Meta::U8(1), |inner, _| Meta::List(vec![inner]));
    check(&[
        ("nested", &|f| f.meta("a.deep", deep.clone()), "Damaged", "nested too deep"),
        ("a key twice", &|f| f.meta_again("general.name", Meta::U8(1)), "Damaged", "appears twice"),
        ("a long key", &|f| f.meta(&"k".repeat(70_000), Meta::U8(1)), "Damaged", "65535"),
        ("alignment 0", &|f| f.meta("general.alignment", Meta::U32(0)), "Damaged", "general.alignment is 0"),
        ("alignment", &|f| f.meta("general.alignment", Meta::text("32")), "Damaged", "not an integer"),
        ("alignment", &|f| f.meta("general.alignment", Meta::U64(1 << 40)), "Damaged", "general.alignment"),
        ("a part", &|f| f.meta("split.count", Meta::U16(3)), "Config", "llama-gguf-split --merge"),
        ("no architecture", &|f| f.without("general.architecture"), "Config", "general.architecture"),
        ("architecture 7", &|f| f.meta("general.architecture", Meta::U32(7)), "Config", "is not a text"),
        (
            "lama",
            &|f| f.meta("general.architecture", Meta::text("lama")),
            "UnknownArchitecture",
            "nearest known: llama",
        ),
        ("qwen25", &|f| f.meta("general.architecture", Meta::text("qwen25")), "UnknownArchitecture", "qwen2"),
        ("zzz", &|f| f.meta("general.architecture", Meta::text("zzz")), "UnknownArchitecture", "known are llama"),
        ("another family's keys", &|f| f.meta("general.architecture", Meta::text("qwen2")), "Config", "qwen2."),
    ]);
}

#[test]
fn sizes_that_cannot_be_are_refused_with_the_key() {
    fn set(key: &'static str, value: Meta) -> impl Fn(&mut Writer) {
        move |f| f.meta(&format!("llama.{key}"), value.clone())
    }
    check(&[
        ("no depth", &|f| f.without("llama.block_count"), "Config", "block_count' is missing"),
        ("depth 0", &set("block_count", Meta::U32(0)), "Config", "1 to 4096"),
        ("depth 4097", &set("block_count", Meta::U32(4097)), "Config", "1 to 4096"),
        ("depth 4096", &set("block_count", Meta::U32(4096)), "Tensor", "blk."),
        ("depth -1", &set("block_count", Meta::I32(-1)), "Config", "out of range"),
        ("depth 2.0", &set("block_count", Meta::F32(2.0)), "Config", "block_count"),
        ("depth text", &set("block_count", Meta::text("2")), "Config", "block_count"),
        ("width", &set("embedding_length", Meta::U64(u64::MAX)), "Config", "embedding_length"),
        ("width 0", &set("embedding_length", Meta::U32(0)), "Config", "embedding_length"),
        ("width", &set("embedding_length", Meta::U32(1 << 24)), "Tensor", "token_embd.weight"),
        ("inner", &set("feed_forward_length", Meta::U32(33)), "Tensor", "ffn_"),
        ("inner per block", &set("feed_forward_length", u32s(&[32, 64])), "Config", "one integer for all blocks"),
        ("inner none", &set("feed_forward_length", u32s(&[])), "Config", "one integer for all blocks"),
        ("heads 0", &set("attention.head_count", Meta::U32(0)), "Config", "head_count"),
        ("heads 2^32-1", &set("attention.head_count", Meta::U32(u32::MAX)), "Config", "head_count"),
        ("heads 3", &set("attention.head_count", Meta::U32(3)), "Tensor", "attn_"),
        ("kv heads 0", &set("attention.head_count_kv", Meta::U32(0)), "Config", "1 to 2"),
        ("kv heads 3", &set("attention.head_count_kv", Meta::U32(3)), "Config", "1 to 2"),
        ("head width 0", &set("attention.key_length", Meta::U32(0)), "Config", "key_length"),
        ("head width huge", &set("attention.key_length", Meta::U64(1 << 63)), "Config", "key_length"),
        ("value width", &set("attention.value_length", Meta::U32(8)), "Config", "value_length"),
        ("experts", &set("expert_count", Meta::U32(8)), "Config", "expert_used_count"),
        ("eps 0", &set("attention.layer_norm_rms_epsilon", Meta::F32(0.0)), "Config", "epsilon"),
        ("eps NaN", &set("attention.layer_norm_rms_epsilon", Meta::F32(f32::NAN)), "Config", "epsilon"),
        ("context 0", &set("context_length", Meta::U32(0)), "Config", "context_length"),
        ("rotated 17", &set("rope.dimension_count", Meta::U32(17)), "Config", "even number up to 16"),
        ("theta NaN", &set("rope.freq_base", Meta::F32(f32::NAN)), "Config", "freq_base"),
        ("theta tiny", &set("rope.freq_base", Meta::F64(1e-300)), "Config", "finite"),
    ]);
}

#[test]
fn heads_that_do_not_divide_are_refused_with_the_key() {
    let mut config = random::config("llama", Sizes { heads: 4, kv_heads: 2, head_dim: 8, ..TINY });
    let tensors = random::tensors(&config, 1);
    let spoiled = |key: &str, value: u32, drop: bool| {
        let mut file = convert(&config, &tensors, Kind::F32);
        file.meta(&format!("llama.{key}"), Meta::U32(value));
        if drop {
            file.without("llama.attention.key_length");
            file.without("llama.attention.value_length");
        }
        open_bytes(TempDir::new().unwrap().path(), &file.write().bytes, 0).unwrap_err()
    };
    is_about("3 of 4", &spoiled("attention.head_count_kv", 3, false), "Config", "does not divide 4 heads");
    is_about("5 of 32", &spoiled("attention.head_count", 5, true), "Config", "5 heads do not divide 32");
    config["head_dim"] = json!(7);
    // Without q and k, whose rows the converter could not reorder.
    let tensors = random::tensors(&config, 1).into_iter().filter(|(n, _)| !n.contains("_proj")).collect();
    let file = convert(&config, &tensors, Kind::F32);
    let error = open_bytes(TempDir::new().unwrap().path(), &file.write().bytes, 0).unwrap_err();
    is_about("odd head width", &error, "Config", "even number up to 6");
}

#[test]
fn rotary_settings_that_cannot_be_are_refused() {
    fn set(pairs: &'static [(&'static str, f64)], kind: &'static str) -> impl Fn(&mut Writer) {
        move |f| {
            f.meta("llama.rope.scaling.type", Meta::text(kind));
            for (key, value) in pairs {
                f.meta(&format!("llama.rope.scaling.{key}"), Meta::F32(*value as f32));
            }
        }
    }
    let factors = |n: usize| {
        move |f: &mut Writer| {
            f.without_tensor("rope_freqs.weight");
            f.tensor("rope_freqs.weight", &Tensor::ones(n, candle_core::DType::F32, &Device::Cpu).unwrap(), Kind::F32);
        }
    };
    let yarn_from_0 = |f: &mut Writer| {
        set(&[("factor", 4.0)], "yarn")(f);
        f.meta("llama.rope.scaling.original_context_length", Meta::U32(0));
    };
    check(&[
        ("longrope", &set(&[], "longrope"), "Config", "rope_factors_short.weight"),
        ("no factor", &set(&[], "linear"), "Config", "scaling.factor"),
        ("factor 0", &set(&[("factor", 0.0)], "linear"), "Config", "scaling.factor"),
        ("factor -4", &set(&[("factor", -4.0)], "yarn"), "Config", "scaling.factor"),
        ("factor NaN", &set(&[("factor", f64::NAN)], "yarn"), "Config", "scaling.factor"),
        ("yarn from 0", &yarn_from_0, "Config", "original_context_length"),
        ("attention factor", &set(&[("factor", 4.0), ("yarn_attn_factor", -1.0)], "yarn"), "Config", "above 0"),
        ("beta 0", &set(&[("factor", 4.0), ("yarn_beta_slow", 0.0)], "yarn"), "Config", "above 0"),
        ("7 factors", &factors(7), "Tensor", "8 frequencies"),
        ("9 factors", &factors(9), "Tensor", "8 frequencies"),
        (
            "overflowing factors",
            &|f| {
                f.without_tensor("rope_freqs.weight");
                f.raw_tensor("rope_freqs.weight", &[1 << 40, 1 << 40, 1, 1], 0, vec![]);
            },
            "Damaged",
            "rope_freqs.weight",
        ),
    ]);
}

#[test]
fn tensors_that_cannot_be_are_refused_by_name() {
    let big = vec![0u8; 4096];
    let raw = |shape: &'static [u64], code: u32| {
        let big = big.clone();
        move |f: &mut Writer| f.raw_tensor("extra", shape, code, big.clone())
    };
    check(&[
        ("twice", &|f| f.raw_tensor("output_norm.weight", &[32], 0, vec![0; 128]), "Damaged", "appears twice"),
        ("rank 0", &raw(&[], 0), "Damaged", "'extra' has 0 dimensions"),
        ("rank 5", &raw(&[1, 1, 1, 1, 1], 0), "Damaged", "'extra' has 5 dimensions"),
        ("width 0", &raw(&[0], 0), "Damaged", "dimension of 0"),
        ("hidden 0", &raw(&[0, 1 << 62, 1 << 62, 1], 0), "Damaged", "dimension of 0"),
        ("overflow", &raw(&[1 << 40, 1 << 40], 0), "Damaged", "'extra'"),
        ("overflow in bytes", &raw(&[1 << 62], 0), "Damaged", "'extra'"),
        ("2^64-1", &raw(&[u64::MAX], 1), "Damaged", "'extra'"),
        ("half a block", &raw(&[2, 48], 2), "Damaged", "its type cannot hold"),
        ("half a super-block", &raw(&[2, 128], 12), "Damaged", "its type cannot hold"),
        ("larger than the file", &raw(&[4096, 4096], 0), "Damaged", "past the end"),
        ("IQ2_XXS", &raw(&[256], 16), "Tensor", "ggml type 16"),
        ("no type", &raw(&[256], 9999), "Tensor", "ggml type 9999"),
        ("a long name", &|f| f.raw_tensor(&"n".repeat(300), &[1], 0, vec![0; 4]), "Damaged", "more than 256"),
        ("no embedding", &|f| f.without_tensor("token_embd.weight"), "Config", "token_embd.weight"),
        ("no norm", &|f| f.without_tensor("blk.1.ffn_norm.weight"), "Tensor", "'blk.1.ffn_norm.weight' is missing"),
        ("no value", &|f| f.without_tensor("blk.0.attn_v.weight"), "Tensor", "'blk.0.attn_v.weight' is missing"),
        (
            "another shape",
            &|f| {
                f.without_tensor("blk.0.attn_v.weight");
                f.raw_tensor("blk.0.attn_v.weight", &[32, 16], 0, vec![0; 2048]);
            },
            "Tensor",
            "[32, 16] where [16, 32]",
        ),
        (
            "a flat embedding",
            &|f| {
                f.without_tensor("token_embd.weight");
                f.raw_tensor("token_embd.weight", &[768], 0, vec![0; 3072]);
            },
            "Config",
            "token_embd.weight",
        ),
    ]);
}

#[test]
fn weights_that_are_not_finite_are_said_to_be_so() {
    let folder = TempDir::new().unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        let mut file = first();
        file.without_tensor("output_norm.weight");
        file.without_tensor("blk.0.attn_norm.weight");
        let data: Vec<u8> = (0..32).flat_map(|_| value.to_le_bytes()).collect();
        file.raw_tensor("output_norm.weight", &[32], 0, data.clone());
        file.raw_tensor("blk.0.attn_norm.weight", &[32], 0, data);
        let error = open_bytes(folder.path(), &file.write().bytes, 0).unwrap_err();
        is_about("NaN", &error, "NotFinite", "NaN or infinity");
    }
}

#[test]
fn counts_that_do_not_fit_the_file_are_refused_before_anything_is_allocated() {
    let written = first().write();
    let mut tally = Tally::default();
    // Number of tensors, number of keys, length of the first key.
    for (at, word) in [(8, "number of tensors"), (16, "number of metadata keys"), (24, "a metadata key")] {
        for lie in [u64::MAX, 1 << 63, 1 << 40, written.bytes.len() as u64] {
            let mut bytes = written.bytes.clone();
            bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            let error = Gguf::parse(&bytes, "model.gguf").unwrap_err();
            is_about(&format!("{lie} at {at}"), &error, "Damaged", word);
        }
    }
    // Every eight bytes of the header as a length, wherever they stand.
    for at in 0..written.data_start - 8 {
        for lie in [u64::MAX, u64::MAX / 2, 1 << 40, written.bytes.len() as u64 - at as u64 - 8] {
            let mut bytes = written.bytes.clone();
            bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            tally.attempt(|| format!("{lie} at {at}"), || Gguf::parse(&bytes, "model.gguf"));
        }
    }
    tally.settle("lengths");
}

#[test]
fn versions_and_byte_orders_that_are_not_read_are_named() {
    let written = first().write();
    for (version, word) in [([1, 0, 0, 0], "version 1"), ([4, 0, 0, 0], "version 4"), ([0, 0, 0, 3], "big-endian")] {
        let mut bytes = written.bytes.clone();
        bytes[4..8].copy_from_slice(&version);
        is_about(word, &Gguf::parse(&bytes, "model.gguf").unwrap_err(), "Damaged", word);
    }
    let mut bytes = written.bytes;
    bytes[..4].copy_from_slice(b"GGML");
    let folder = TempDir::new().unwrap();
    is_about("magic", &open_bytes(folder.path(), &bytes, 0).unwrap_err(), "NotAModel", "GGUF");
}

#[test]
fn an_array_of_many_small_entries_does_not_take_many_times_its_size_in_memory() {
    let mut file = Writer::new();
    file.meta("a", Meta::text("b"));
    let mut bytes = file.write().bytes;
    // One more key: an array of ten million bytes, that would be a hundred times that as values.
    bytes[16..24].copy_from_slice(&2u64.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.push(b'c');
    bytes.extend(9u32.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(10_000_000u64.to_le_bytes());
    bytes.resize(bytes.len() + 10_000_000, 1);
    is_about("entries", &Gguf::parse(&bytes, "model.gguf").unwrap_err(), "Damaged", "entries");
    memory_was_bounded();
}

#[test]
fn a_type_that_metadata_does_not_have_is_refused() {
    let written = first().write();
    // The type of the first key stands after header (24 bytes), length (8) and "general.architecture" (20).
    for (code, word) in [(13u32, "unknown metadata type 13"), (u32::MAX, "unknown metadata type")] {
        let mut bytes = written.bytes.clone();
        bytes[52..56].copy_from_slice(&code.to_le_bytes());
        is_about("type", &Gguf::parse(&bytes, "model.gguf").unwrap_err(), "Damaged", word);
    }
    let mut bytes = written.bytes.clone();
    bytes[32] = 0xff;
    is_about("key", &Gguf::parse(&bytes, "model.gguf").unwrap_err(), "Damaged", "not UTF-8");
    let mut file = Writer::new();
    file.meta("a", Meta::Bool(true));
    let mut bytes = file.write().bytes;
    bytes[37] = 2;
    let error = Gguf::parse(&bytes, "model.gguf").unwrap_err();
    is_about("boolean", &error, "Damaged", "boolean");
    is_clear(&error);
    assert_eq!(variant(&error), "Damaged");
}
