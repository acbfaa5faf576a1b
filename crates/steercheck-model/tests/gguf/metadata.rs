//! What is read from a file's keys.

use serde_json::json;
use steercheck_model::{Gguf, GgufValue, Model, Precision, RotaryScaling};

use super::common::convert::convert;
use super::common::gguf_writer::{Kind, Meta, Writer};
use super::common::random::{self, Sizes};
use super::{between, open_folder, open_gguf};

#[test]
fn metadata_of_every_type_is_read_back() {
    let mut file = Writer::new();
    let written = [
        ("a.u8", Meta::U8(200), GgufValue::Int(200)),
        ("a.i8", Meta::I8(-3), GgufValue::Int(-3)),
        ("a.u16", Meta::U16(65_535), GgufValue::Int(65_535)),
        ("a.i16", Meta::I16(-32_768), GgufValue::Int(-32_768)),
        ("a.u32", Meta::U32(u32::MAX), GgufValue::Int(u32::MAX.into())),
        ("a.i32", Meta::I32(i32::MIN), GgufValue::Int(i32::MIN.into())),
        ("a.u64", Meta::U64(u64::MAX), GgufValue::Int(u64::MAX.into())),
        ("a.i64", Meta::I64(i64::MIN), GgufValue::Int(i64::MIN.into())),
        ("a.f32", Meta::F32(0.25), GgufValue::Float(0.25)),
        ("a.f64", Meta::F64(1e-300), GgufValue::Float(1e-300)),
        ("a.yes", Meta::Bool(true), GgufValue::Bool(true)),
        ("a.no", Meta::Bool(false), GgufValue::Bool(false)),
        ("a.text", Meta::text("Grüße 😀"), GgufValue::Text("Grüße 😀".into())),
        ("a.empty", Meta::List(vec![]), GgufValue::Array(vec![])),
        (
            "a.texts",
            Meta::List(vec![Meta::text(""), Meta::text("b")]),
            GgufValue::Array(vec![GgufValue::Text(String::new()), GgufValue::Text("b".into())]),
        ),
        (
            "a.nested",
            Meta::List(vec![Meta::List(vec![Meta::I8(1)]), Meta::List(vec![Meta::F32(0.5)])]),
            GgufValue::Array(vec![
                GgufValue::Array(vec![GgufValue::Int(1)]),
                GgufValue::Array(vec![GgufValue::Float(0.5)]),
            ]),
        ),
    ];
    for (key, value, _) in &written {
        file.meta(key, value.clone());
    }
    let gguf = Gguf::parse(&file.write().bytes, "a.gguf").unwrap();
    assert_eq!(gguf.metadata.len(), written.len());
    for (key, _, want) in &written {
        assert_eq!(&gguf.metadata[*key], want, "{key}");
    }
    assert_eq!(gguf.text("a.text").unwrap(), Some("Grüße 😀"));
    assert_eq!(gguf.int("a.u16").unwrap(), Some(65_535));
    assert_eq!(gguf.float("a.f32").unwrap(), Some(0.25));
    assert_eq!(gguf.float("a.i8").unwrap(), Some(-3.0));
    assert_eq!(gguf.bool("a.yes").unwrap(), Some(true));
    assert_eq!(gguf.texts("a.texts").unwrap(), Some(vec![String::new(), "b".into()]));
    assert_eq!(gguf.int("a.absent").unwrap(), None);
    for error in [
        gguf.int("a.i8").err(),
        gguf.int("a.text").err(),
        gguf.text("a.u8").err(),
        gguf.bool("a.u8").err(),
        gguf.float("a.text").err(),
        gguf.texts("a.nested").err(),
        gguf.floats("a.texts").err(),
        gguf.ints("a.f32").err(),
        gguf.required_int("a.absent").err(),
    ] {
        assert!(error.unwrap().to_string().contains("a.gguf: key 'a."));
    }
}

/// A llama's GGUF file with these keys added, and the scaling that is read from it.
fn scaling_of(keys: &[(&str, Meta)]) -> RotaryScaling {
    let config = random::config("llama", Sizes::SMALL);
    let mut file = convert(&config, &random::tensors(&config, 1), Kind::F16);
    for (key, value) in keys {
        file.meta(&format!("llama.rope.{key}"), value.clone());
    }
    open_gguf(&file, Precision::Stored).spec.rotary[0].scaling.clone()
}

#[test]
fn rotary_scaling_is_read_as_llama_cpp_reads_it() {
    let linear = RotaryScaling::Linear { factor: 4.0 };
    let factor = ("scaling.factor", Meta::F32(4.0));
    assert_eq!(scaling_of(&[]), RotaryScaling::None);
    assert_eq!(scaling_of(&[("scaling.type", Meta::text("linear")), factor.clone()]), linear);
    // Without a type, a factor is linear; files of 2023 have it under another key.
    assert_eq!(scaling_of(std::slice::from_ref(&factor)), linear);
    assert_eq!(scaling_of(&[("scale_linear", Meta::F32(4.0))]), linear);
    assert_eq!(scaling_of(&[("scaling.type", Meta::text("none")), factor.clone()]), RotaryScaling::None);

    let yarn = |more: &[(&str, Meta)]| {
        let mut keys = vec![("scaling.type", Meta::text("yarn")), factor.clone()];
        keys.extend_from_slice(more);
        match scaling_of(&keys) {
            RotaryScaling::Yarn { factor, trained, attention_factor, .. } => (factor, trained, attention_factor),
            other => panic!("{other:?}"),
        }
    };
    let default = 0.1 * 4f64.ln() + 1.0;
    let (factor, trained, attention_factor) = yarn(&[("scaling.original_context_length", Meta::U32(16))]);
    assert_eq!((factor, trained), (4.0, 16));
    assert!((attention_factor - default).abs() < 1e-6);
    // The context length stands in for the original one.
    assert_eq!(yarn(&[]).1, 64);
    // `attn_factor` multiplies the default, `yarn_attn_factor` replaces it.
    assert!((yarn(&[("scaling.attn_factor", Meta::F32(0.5))]).2 - 0.5 * default).abs() < 1e-6);
    assert!((yarn(&[("scaling.yarn_attn_factor", Meta::F32(1.5))]).2 - 1.5).abs() < 1e-6);
}

#[test]
fn every_fourth_block_of_a_smollm3_file_is_without_rotary_positions() {
    let sizes = Sizes { blocks: 5, ..Sizes::SMALL };
    let mut config = random::config("smollm3", sizes);
    let tensors = random::tensors(&config, 5);
    let model = open_gguf(&convert(&config, &tensors, Kind::F32), Precision::F32);
    let rotates: Vec<bool> = model.spec.blocks.iter().map(|b| b.rotary.is_some()).collect();
    assert_eq!(rotates, [true, true, true, false, true]);
    config["no_rope_layers"] = json!([1, 1, 1, 0, 1]);
    config["rope_theta"] = json!(10_000.0);
    let d = between(&model, &open_folder(&config, &tensors));
    assert!(d <= 1e-4, "{d}");
}

#[test]
fn a_gemma3_file_without_a_window_has_only_global_blocks() {
    let mut config = random::config("gemma3_text", Sizes { blocks: 7, ..Sizes::SMALL });
    config["query_pre_attn_scalar"] = json!(16);
    config["tie_word_embeddings"] = json!(true);
    config["sliding_window"] = json!(4);
    config["rope_theta"] = json!(1_000_000.0);
    let tensors = random::tensors(&config, 29);
    let mut file = convert(&config, &tensors, Kind::F32);
    let windows = |model: &Model| -> Vec<Option<usize>> { model.spec.blocks.iter().map(|b| b.window).collect() };
    let model = open_gguf(&file, Precision::F32);
    let (w, none) = (Some(4), None);
    assert_eq!(windows(&model), [w, w, w, w, w, none, w]);
    assert!(between(&model, &open_folder(&config, &tensors)) <= 1e-4);
    for absent in [false, true] {
        file.meta("gemma3.attention.sliding_window", Meta::U32(0));
        if absent {
            file.without("gemma3.attention.sliding_window");
        }
        assert_eq!(windows(&open_gguf(&file, Precision::F32)), [None; 7]);
    }
}
