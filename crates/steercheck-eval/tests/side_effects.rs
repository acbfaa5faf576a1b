//! Side effects on the neutral text: exactly none at strength 0, and otherwise what plain passes over each window give.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use candle_core::DType;
use serde_json::{Map, Value, json};
use steercheck_eval::EvalError;
use steercheck_eval::side_effects::{
    Acts, NeutralText, SideEffects, TEXT, Unsteered, check_memory, held_bytes, measure, repetition_rate, work,
    work_unsteered,
};
use steercheck_model::{
    Edit, EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Model, ModelError, Operation, Positions, ReadAt,
    Reads, Site, Tokenizer,
};
use steercheck_testkit::{real_model, shared};

/// Rotary, learned positions, linear biases, sliding windows, and two whose positions depend on the total length.
const FAMILIES: [&str; 7] =
    ["llama_llama3rope", "gpt2", "mpt", "mistral_sliding", "gemma3_text", "llama_dynamic", "phi3_longrope"];

/// A tokenizer of ASCII characters, ids 0 to 127, and `<s>`, 128.
fn characters() -> Value {
    let mut next = 255;
    let mut one = |b: u32| {
        let printable = (33..=126).contains(&b);
        next += u32::from(!printable);
        char::from_u32(if printable { b } else { next }).unwrap()
    };
    let vocab: Map<String, Value> = (0..128).map(|b| (one(b).to_string(), json!(b))).collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 128, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []}
    })
}

/// A fixture with this tokenizer; all but GPT-2's put `<s>` before a prompt.
fn open(shared: &Path, name: &str, options: &LoadOptions) -> (Model, Tokenizer) {
    let folder = common::copy(&shared.join("fixtures").join(name), &["config.json", "model.safetensors"]);
    std::fs::write(folder.path().join("tokenizer.json"), characters().to_string()).unwrap();
    let config = json!({"bos_token": "<s>", "add_bos_token": name != "gpt2"});
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let loaded = Loaded::open(folder.path(), options).unwrap();
    (loaded.model, loaded.tokenizer.unwrap())
}

fn for_every_family(check: impl Fn(&str, &mut Model, &NeutralText)) {
    let Some(shared) = shared() else { return };
    for name in FAMILIES {
        let (mut model, tokenizer) = open(&shared, name, &LoadOptions::default());
        let text = NeutralText::new(&tokenizer, &model.spec).unwrap();
        check(name, &mut model, &text);
    }
}

/// Where edits may act. Models whose positions depend on the total length run windows whole in any case, and every token of a
/// continuation from its beginning: once is enough.
fn kinds(model: &Model) -> Vec<Acts> {
    if model.spec.depends_on_length() { vec![Acts::AtLast] } else { vec![Acts::AtLast, Acts::Everywhere] }
}

/// A direction of length 1 that looks like no other.
fn direction(width: usize) -> Arc<[f32]> {
    let raw: Vec<f32> = (0..width).map(|i| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0).collect();
    let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.into_iter().map(|x| x / norm).collect()
}

fn add(model: &Model, positions: Positions, strength: f32) -> Edit {
    let operation = Operation::Add { vector: direction(model.spec.hidden_size), strength };
    Edit { site: Site::Residual(model.spec.depth().div_ceil(2)), positions, operation }
}

/// The edit of every window, as methods of this kind would give it.
fn edit_of(model: &Model, acts: Acts, strength: f32) -> impl Fn(usize, usize) -> Vec<Edit> {
    move |_, last| {
        let positions = match acts {
            Acts::AtLast => Positions::At(vec![last]),
            Acts::Everywhere => Positions::All,
        };
        vec![add(model, positions, strength)]
    }
}

fn mean(of: impl IntoIterator<Item = f64>) -> f64 {
    let all: Vec<f64> = of.into_iter().collect();
    all.iter().sum::<f64>() / all.len() as f64
}

fn mean_kl(effects: &SideEffects) -> f64 {
    mean(effects.kl.iter().flatten().map(|kl| f64::from(*kl)))
}

#[test]
fn strength_zero_has_no_side_effects_at_all() {
    for_every_family(|name, model, text| {
        for acts in kinds(model) {
            let unsteered = Unsteered::new(model, text, acts).unwrap();
            let got = measure(model, text, &unsteered, edit_of(model, acts, 0.0)).unwrap();
            assert!(got.kl.iter().flatten().all(|kl| kl.to_bits() == 0), "{name} {acts:?}: {:?}", got.kl);
            let bits = |all: &[f64]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got.nll_steered), bits(&got.nll_unsteered), "{name} {acts:?}");
            assert_eq!(bits(&got.repetition_steered), bits(&got.repetition_unsteered), "{name} {acts:?}");
            assert_eq!(got, measure(model, text, &unsteered, |_, _| Vec::new()).unwrap(), "{name}: no edit");
        }
    });
}

/// One distribution for each row of residual L, in f64.
fn distributions(model: &Model, tokens: &[u32], edits: Vec<Edit>) -> Vec<Vec<f64>> {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits };
    let reads = Reads { top: ReadAt::All, ..Reads::default() };
    let top = model.trace_edited(&[prompt], &reads).unwrap().remove(0).top.unwrap();
    let logits = model.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap();
    let rows: Vec<Vec<f64>> = logits.to_dtype(DType::F64).unwrap().to_vec2().unwrap();
    rows.into_iter()
        .map(|row| {
            let sum: f64 = row.iter().map(|l| l.exp()).sum();
            row.iter().map(|l| l.exp() / sum).collect()
        })
        .collect()
}

/// Greedy continuation, every token from a pass over everything before it.
fn continuation(model: &Model, context: &[u32], edits: &[Edit], tokens: usize) -> Vec<u32> {
    let mut all = context.to_vec();
    for _ in 0..tokens {
        let last = distributions(model, &all, edits.to_vec()).pop().unwrap();
        let best = (0..last.len()).rev().max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        all.push(best as u32);
    }
    all.split_off(context.len())
}

#[test]
fn what_is_measured_equals_whole_passes_over_each_window() {
    for_every_family(|name, model, text| {
        for acts in kinds(model) {
            let edits = edit_of(model, acts, 30.0);
            let unsteered = Unsteered::new(model, text, acts).unwrap();
            let got = measure(model, text, &unsteered, &edits).unwrap();
            let shape = (got.kl.len(), got.nll_steered.len(), got.nll_unsteered.len(), got.tokens);
            let n = text.windows();
            assert_eq!(shape, (n, n, n, text.measured()), "{name}");
            let last = text.last_context();
            for i in (0..n).step_by(9) {
                let (next, whole) = (text.next(i), [text.context(i), text.next(i)].concat());
                let plain = distributions(model, &whole[..whole.len() - 1], Vec::new());
                let steered = distributions(model, &whole[..whole.len() - 1], edits(i, last));
                let rows = plain[last..].iter().zip(&steered[last..]);
                let kl: Vec<f64> = rows.map(|(p, q)| p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()).collect();
                assert_eq!(kl.len(), got.kl[i].len(), "{name}");
                for (want, got) in kl.iter().zip(&got.kl[i]) {
                    assert!((want - f64::from(*got)).abs() <= 1e-8 + 1e-3 * want, "{name} {acts:?}: {got}, {want}");
                }
                let nll = |rows: &[Vec<f64>]| {
                    mean(rows[last..].iter().zip(next).map(|(row, token)| -row[*token as usize].ln()))
                };
                for (got, want) in [(got.nll_unsteered[i], nll(&plain)), (got.nll_steered[i], nll(&steered))] {
                    assert!((got - want).abs() <= 1e-4, "{name} {acts:?}: {got} against {want}");
                }
            }
            assert!(got.kl.iter().flatten().any(|kl| *kl > 1e-4), "{name}: the edit did something");
            assert_eq!(got.repetition_steered.len(), 16, "{name}");
            for i in [0, 7, 15] {
                for (edits, got) in [(vec![], got.repetition_unsteered[i]), (edits(i, last), got.repetition_steered[i])]
                {
                    let want = repetition_rate(&continuation(model, text.context(i), &edits, 24));
                    assert!((got - want).abs() < 1e-12, "{name} {acts:?} continuation {i}: {got} against {want}");
                }
            }
        }
    });
}

#[test]
fn divergences_at_parts_of_the_strength_are_those_of_weaker_edits() {
    let Some(shared) = shared() else { return };
    // One whose prefixes are kept, one whose windows are run whole.
    for name in ["llama_llama3rope", "phi3_longrope"] {
        let (model, tokenizer) = open(&shared, name, &LoadOptions::default());
        let (model, text) = (&model, &NeutralText::new(&tokenizer, &model.spec).unwrap());
        for acts in kinds(model) {
            let unsteered = Unsteered::new(model, text, acts).unwrap();
            let means = |got: &SideEffects| -> Vec<f64> {
                got.kl.iter().map(|w| mean(w.iter().map(|x| f64::from(*x)))).collect()
            };
            let got = measure(model, text, &unsteered, edit_of(model, acts, 4.0)).unwrap();
            assert_eq!(got.kl_at_parts.len(), 3, "{name}");
            for (part, strength) in got.kl_at_parts.iter().zip([1.0, 2.0, 3.0]) {
                let weaker = measure(model, text, &unsteered, edit_of(model, acts, strength)).unwrap();
                for (a, b) in part.iter().zip(means(&weaker)) {
                    assert!(
                        (f64::from(*a) - b).abs() <= 1e-4 * b.max(1e-6),
                        "{name}, {acts:?}, {strength}: {a} and {b}"
                    );
                }
            }
        }
        // What is replaced goes a share of the way to it: strength 1 of the edits that a part is made of is the edit itself.
        let unsteered = Unsteered::new(model, text, Acts::AtLast).unwrap();
        let at = |operation: Operation, last: usize| {
            let positions = Positions::At(vec![last]);
            Edit { site: Site::Residual(model.spec.depth().div_ceil(2)), positions, operation }
        };
        let vector: Arc<[f32]> = direction(model.spec.hidden_size).iter().map(|x| 3.0 * x).collect();
        let replace = |_: usize, last: usize| vec![at(Operation::Replace(Arc::clone(&vector)), last)];
        let half = |_: usize, last: usize| at(Operation::Replace(Arc::clone(&vector)), last).partial(0.5);
        let whole = |_: usize, last: usize| at(Operation::Replace(Arc::clone(&vector)), last).partial(1.0);
        let got = measure(model, text, &unsteered, replace).unwrap();
        let full = mean_kl(&measure(model, text, &unsteered, whole).unwrap());
        assert!((mean_kl(&got) - full).abs() <= 1e-3 * full, "{name}: {} and {full}", mean_kl(&got));
        let halved = mean_kl(&measure(model, text, &unsteered, half).unwrap());
        let part = mean(got.kl_at_parts[1].iter().map(|x| f64::from(*x)));
        assert!((part - halved).abs() <= 1e-3 * halved, "{name}: {part} and {halved}");
    }
}

#[test]
fn work_is_what_was_announced() {
    for_every_family(|name, model, text| {
        let rows = Arc::new(AtomicU64::new(0));
        let counter = rows.clone();
        model.watch(Some(Arc::new(move |n| {
            counter.fetch_add(n, Ordering::Relaxed);
        })));
        for acts in kinds(model) {
            rows.store(0, Ordering::Relaxed);
            let unsteered = Unsteered::new(model, text, acts).unwrap();
            assert_eq!(rows.swap(0, Ordering::Relaxed), work_unsteered(model, text, acts).rows, "{name} {acts:?}");
            measure(model, text, &unsteered, edit_of(model, acts, 1.0)).unwrap();
            assert_eq!(rows.load(Ordering::Relaxed), work(model, text, acts).rows, "{name} {acts:?}");
        }
    });
}

#[test]
fn edits_that_act_elsewhere_than_was_prepared_for_are_refused() {
    let Some(shared) = shared() else { return };
    let (model, tokenizer) = open(&shared, "llama_llama3rope", &LoadOptions::default());
    let text = NeutralText::new(&tokenizer, &model.spec).unwrap();
    for (acts, positions) in [
        (Acts::AtLast, Positions::All),
        (Acts::AtLast, Positions::Last),
        (Acts::AtLast, Positions::At(vec![2, text.last_context()])),
        (Acts::AtLast, Positions::At(vec![text.last_context() + 1])),
        (Acts::Everywhere, Positions::Last),
    ] {
        let unsteered = Unsteered::new(&model, &text, acts).unwrap();
        let error = measure(&model, &text, &unsteered, |_, _| vec![add(&model, positions.clone(), 1.0)]).err().unwrap();
        assert!(error.to_string().contains("were prepared for"), "{acts:?} {positions:?}: {error}");
    }
    // Anything else that cannot be done is refused as everywhere.
    let unsteered = Unsteered::new(&model, &text, Acts::AtLast).unwrap();
    let site = Site::Residual(model.spec.depth() + 1);
    let nowhere = |_, last| vec![Edit { site, ..add(&model, Positions::At(vec![last]), 1.0) }];
    assert!(matches!(measure(&model, &text, &unsteered, nowhere), Err(EvalError::Model(ModelError::Plan(_)))));
}

#[test]
fn memory_is_checked_before_anything_runs() {
    let Some(shared) = shared() else { return };
    let (roomy, tokenizer) = open(&shared, "llama_llama3rope", &LoadOptions::default());
    let text = NeutralText::new(&tokenizer, &roomy.spec).unwrap();
    for acts in [Acts::AtLast, Acts::Everywhere] {
        check_memory(&roomy, &text, acts).unwrap();
        let options = LoadOptions { memory: 2_000_000, ..LoadOptions::default() };
        let (tight, _) = open(&shared, "llama_llama3rope", &options);
        assert!(held_bytes(&tight, &text, acts) > 0);
        let error = Unsteered::new(&tight, &text, acts).err().unwrap();
        assert!(matches!(error, EvalError::Model(ModelError::Memory { .. })), "{error}");
    }
}

#[test]
fn windows_are_the_text_in_order_and_each_begins_as_a_prompt_does() {
    let Some(shared) = shared() else { return };
    assert!(TEXT.is_ascii() && TEXT.split_whitespace().count() >= 4000, "{} words", TEXT.split_whitespace().count());
    let lines: Vec<&str> = TEXT.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "no line stands twice");
    for (name, special) in [("llama_llama3rope", 1), ("gpt2", 0)] {
        let (mut model, tokenizer) = open(&shared, name, &LoadOptions::default());
        let text = NeutralText::new(&tokenizer, &model.spec).unwrap();
        let mut spelled = Vec::new();
        for i in 0..text.windows() {
            assert_eq!(text.context(i).len(), text.last_context() + 1, "{name}");
            assert!(text.context(i)[..special].iter().all(|t| *t == 128), "{name}");
            spelled.extend(text.context(i)[special..].iter().chain(text.next(i)).map(|t| *t as u8));
        }
        assert_eq!(spelled, TEXT.as_bytes()[..text.used()], "{name}");
        assert!((4000..=4096).contains(&text.used()), "{name}: {}", text.used());
        assert_eq!(text.hash, blake3::hash(TEXT.as_bytes()).to_hex().to_string());
        // The longest sequence that is run just fits: a context and a continuation whose last token is not run.
        assert_eq!(text.last_context() + 24, model.spec.max_positions, "{name}");
        model.spec.max_positions = 30;
        let error = NeutralText::new(&tokenizer, &model.spec).err().unwrap().to_string();
        assert!(error.contains("the model has 30") && error.contains("leave them out"), "{error}");
    }
}

#[test]
fn what_is_recorded_reads_back_as_it_was_and_holds_nothing_else() {
    let Some(shared) = shared() else { return };
    let (model, tokenizer) = open(&shared, "gpt2", &LoadOptions::default());
    let text = NeutralText::new(&tokenizer, &model.spec).unwrap();
    let unsteered = Unsteered::new(&model, &text, Acts::AtLast).unwrap();
    let got = measure(&model, &text, &unsteered, edit_of(&model, Acts::AtLast, 2.0)).unwrap();
    let json = serde_json::to_string(&got).unwrap();
    let back: SideEffects = serde_json::from_str(&json).unwrap();
    assert!(back.kl == got.kl && back.text_hash == got.text_hash && back.tokens == got.tokens);
    // Parsing may lose the last bit of an f64.
    for (a, b) in back.nll_steered.iter().zip(&got.nll_steered) {
        assert!((a - b).abs() < 1e-12, "{a} against {b}");
    }
    let mut value: Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let want = "text_hash tokens kl kl_at_parts nll_unsteered nll_steered repetition_unsteered repetition_steered"
        .split(' ')
        .collect::<Vec<_>>();
    assert_eq!(keys, want);
    for kl in value["kl"].as_array().unwrap().iter().flat_map(|w| w.as_array().unwrap()) {
        let text = kl.to_string();
        let digits = text.split('e').next().unwrap().trim_start_matches(['0', '.', '-']);
        assert!(digits.chars().filter(char::is_ascii_digit).count() <= 5, "{text}");
    }
    value["more"] = json!(1);
    assert!(serde_json::from_value::<SideEffects>(value).is_err());
}

#[test]
fn a_real_model_reads_four_thousand_tokens_and_a_long_vector_does_more_than_a_short_one() {
    let Some(path) = real_model("smollm2-135m-instruct") else { return };
    let loaded = Loaded::open(&path, &LoadOptions::default()).unwrap();
    let model = loaded.model;
    let text = NeutralText::new(&loaded.tokenizer.unwrap(), &model.spec).unwrap();
    assert!(text.used() >= 4000, "{} tokens", text.used());
    let started = Instant::now();
    let unsteered = Unsteered::new(&model, &text, Acts::AtLast).unwrap();
    println!("unsteered {:.1} s", started.elapsed().as_secs_f64());
    let mut last = 0.0;
    for strength in [0.0, 10.0, 100.0] {
        let started = Instant::now();
        let got = measure(&model, &text, &unsteered, edit_of(&model, Acts::AtLast, strength)).unwrap();
        let kl = mean_kl(&got);
        println!(
            "strength {strength}: {:.1} s, KL {kl:.5}, NLL {:.4} to {:.4}, repetition {:.3} to {:.3}",
            started.elapsed().as_secs_f64(),
            mean(got.nll_unsteered.clone()),
            mean(got.nll_steered.clone()),
            mean(got.repetition_unsteered.clone()),
            mean(got.repetition_steered.clone()),
        );
        assert!(if strength == 0.0 { kl == 0.0 } else { kl > 2.0 * last }, "{kl} after {last}");
        // Plain prose, read by a model that was trained on plain prose.
        assert!((2.0..4.5).contains(&mean(got.nll_unsteered)));
        last = kl;
    }
}
