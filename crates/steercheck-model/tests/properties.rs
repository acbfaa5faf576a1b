//! Whatever the family, the sizes and the settings: a batch equals its prompts alone, a replayed edit equals the full pass
//! with the edit, stored weights equal widened ones, and strength 0 is the baseline bit for bit.

mod common;

use candle_core::Tensor;
use common::difference;
use common::edits::{assert_strength_zero_is_the_baseline, edit};
use common::random::{self, Numbers, Sizes};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use steercheck_model::{Edit, EditedPrompt, LoadOptions, Loaded, Model, Precision, Reads, Row};
use tempfile::TempDir;

/// Of the largest value that is compared, or of 1.
const TOLERANCE: f32 = 5e-5;

/// A model and the prompts it is tried with.
#[derive(Debug, Clone)]
struct Case {
    config: Value,
    seed: u64,
    lengths: Vec<usize>,
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let widths = prop_oneof![Just(2usize), Just(4), Just(6), Just(10), Just(16)];
    (2usize..60, 3usize..40, 1usize..50, 1usize..5, 1usize..4, 1usize..4, widths).prop_map(
        |(vocab, hidden, inner, blocks, kv_heads, per_kv, head_dim)| Sizes {
            vocab,
            hidden,
            inner,
            blocks,
            heads: kv_heads * per_kv,
            kv_heads,
            head_dim,
        },
    )
}

fn rope() -> impl Strategy<Value = Value> {
    let trained = 2u64..12;
    prop_oneof![
        Just(Value::Null),
        (1.0..9.0).prop_map(|factor| json!({"rope_type": "linear", "factor": factor})),
        (1.0..9.0, trained.clone()).prop_map(|(factor, trained)| json!({
            "rope_type": "dynamic", "factor": factor, "original_max_position_embeddings": trained
        })),
        (1.0..9.0, trained.clone()).prop_map(|(factor, trained)| json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": trained
        })),
        (1.0..9.0, trained).prop_map(|(factor, trained)| json!({
            "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": trained
        })),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let family = prop_oneof![Just("llama"), Just("mistral"), Just("qwen2"), Just("smollm3"), Just("gemma3_text")];
    let flags = prop::array::uniform4(any::<bool>());
    let rest = (rope(), 1.0..50_000.0, proptest::option::of(1u64..9), prop::collection::vec(any::<bool>(), 8));
    let prompts = prop::collection::vec(1usize..14, 2..5);
    (family, sizes(), flags, rest, any::<u64>(), prompts).prop_map(
        |(family, sizes, [tied, bias, mlp_bias, caps], (rope, theta, window, pattern), seed, lengths)| {
            let mut config = random::config(family, sizes);
            config["tie_word_embeddings"] = json!(tied);
            config["rope_scaling"] = rope;
            config["rope_theta"] = json!(theta);
            config["sliding_window"] = json!(window);
            config["use_sliding_window"] = json!(true);
            let list = |a: &str, b: &str| -> Vec<String> {
                (0..sizes.blocks).map(|i| if pattern[i] { a.to_string() } else { b.to_string() }).collect()
            };
            match family {
                "llama" => {
                    config["attention_bias"] = json!(bias);
                    config["mlp_bias"] = json!(mlp_bias);
                }
                "smollm3" => {
                    config["no_rope_layers"] =
                        json!((0..sizes.blocks).map(|i| u8::from(pattern[i])).collect::<Vec<_>>());
                }
                "gemma3_text" => {
                    config["query_pre_attn_scalar"] = json!(sizes.head_dim + 1);
                    // This class takes no null.
                    config["sliding_window"] = json!(window.unwrap_or(3));
                    config["layer_types"] = json!(list("sliding_attention", "full_attention"));
                    if caps {
                        config["final_logit_softcapping"] = json!(5.0);
                    }
                }
                _ if window.is_some() => config["layer_types"] = json!(list("full_attention", "sliding_attention")),
                _ => {}
            }
            Case { config, seed, lengths }
        },
    )
}

/// A case's model in two precisions, and its prompts.
struct Opened {
    wide: Model,
    stored: Model,
    prompts: Vec<Vec<u32>>,
}

impl Case {
    fn open(&self) -> Opened {
        let folder = TempDir::new().unwrap();
        random::write_folder(folder.path(), &self.config, &random::tensors(&self.config, self.seed));
        let open = |precision| {
            let options = LoadOptions { precision, ..LoadOptions::default() };
            Loaded::open(folder.path(), &options).unwrap().model
        };
        let (wide, stored) = (open(Precision::F32), open(Precision::Stored));
        let prompts = random::prompts(wide.spec.vocab_size, &self.lengths, self.seed);
        Opened { wide, stored, prompts }
    }
}

/// Runs a property over cases that are the same on every machine.
fn holds(check: impl Fn(&Opened, &mut Numbers)) {
    let config =
        Config { cases: 64, rng_seed: RngSeed::Fixed(20_250_301), failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            check(&case.open(), &mut Numbers(case.seed));
            Ok(())
        })
        .unwrap();
}

fn assert_near(what: &str, a: &Tensor, b: &Tensor) {
    let scale = b.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap().max(1.0);
    let d = difference(a, b);
    assert!(d <= TOLERANCE * scale, "{what}: {d} of {scale}");
}

/// Residual L at the last token of an edited prompt, run whole and for itself.
fn naive(model: &Model, tokens: &[u32], edits: &[Edit]) -> Tensor {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits: edits.to_vec() };
    let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
    trace.residual.unwrap().get(model.spec.depth()).unwrap()
}

#[test]
fn a_batch_equals_its_prompts_alone_and_stored_weights_equal_widened_ones() {
    holds(|opened, _| {
        let together = opened.wide.trace(&opened.prompts, &Reads::ALL).unwrap();
        let stored = opened.stored.trace(&opened.prompts, &Reads::ALL).unwrap();
        for (i, tokens) in opened.prompts.iter().enumerate() {
            let alone = EditedPrompt { tokens: tokens.clone(), edits: Vec::new() };
            let alone = opened.wide.trace_edited(&[alone], &Reads::ALL).unwrap().remove(0);
            for (what, trace) in [("batch", &together[i]), ("stored", &stored[i])] {
                for (part, a, b) in [
                    ("residual", &trace.residual, &alone.residual),
                    ("heads", &trace.heads, &alone.heads),
                    ("attention", &trace.attention, &alone.attention),
                    ("mlp", &trace.mlp, &alone.mlp),
                ] {
                    assert_near(&format!("{what}: {part}"), a.as_ref().unwrap(), b.as_ref().unwrap());
                }
            }
        }
    });
}

#[test]
fn replayed_edits_equal_full_passes_with_the_same_edits() {
    holds(|opened, numbers| {
        for model in [&opened.wide, &opened.stored] {
            let prefixes = model.prefill(&opened.prompts).unwrap();
            let (mut rows, mut wanted) = (Vec::new(), Vec::new());
            for (tokens, prefix) in opened.prompts.iter().zip(&prefixes) {
                wanted.push(naive(model, tokens, &[]));
                rows.push(Row::baseline(prefix, numbers.below(model.spec.depth() + 1)));
                for count in [1, 1, 1, 1, 2, 3] {
                    let edits: Vec<Edit> = (0..count).map(|_| edit(&model.spec, tokens.len(), numbers)).collect();
                    wanted.push(naive(model, tokens, &edits));
                    rows.push(Row::edited(prefix, edits));
                }
            }
            let got = model.replay(&rows).unwrap();
            for (i, want) in wanted.iter().enumerate() {
                assert_near(&format!("{:?}", rows[i].edits), &got.top.narrow(0, i, 1).unwrap(), want);
                assert!(got.receipts[i].iter().all(|r| r.fired == r.planned && r.fired > 0));
            }
        }
    });
}

#[test]
fn strength_zero_is_the_baseline_bit_for_bit() {
    holds(|opened, numbers| {
        for model in [&opened.wide, &opened.stored] {
            assert_strength_zero_is_the_baseline("a family", model, &opened.prompts, numbers);
        }
    });
}
