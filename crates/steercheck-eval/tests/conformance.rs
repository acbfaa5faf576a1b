//! The conformance checks: every family passes them, and each can fail.

mod common;

use std::path::Path;

use candle_core::{DType, Tensor};
use common::{copy, fixtures, open, rewrite};
use steercheck_eval::EvalError;
use steercheck_eval::conformance::{
    self, Check, Extent, Golden, Grade, KINDS, Summary, attention_sums, batch_equals_single, cached_equals_uncached,
    finite, prompts, rebuilt_residuals, replay_equals_full, strength_zero,
};
use steercheck_model::{Block, EditedPrompt, LoadOptions, Loaded, Model, Operation, Reads, Site, Trace};
use steercheck_testkit::shared;

const FIXTURE: &str = "llama_llama3rope";

fn named<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no check {name}"))
}

#[test]
fn every_family_passes_every_check_and_agrees_with_its_golden_tensors() {
    let Some(shared) = shared() else { return };
    let names = fixtures(&shared);
    assert!(names.len() >= 39, "{} fixtures", names.len());
    for name in names {
        let folder = shared.join("fixtures").join(&name);
        let model = open(&folder);
        let mut checks = conformance::run(&model, Err("none"), Extent::Full).unwrap();
        let skipped = checks.iter().filter(|c| c.grade == Grade::NotApplicable).count();
        assert_eq!((checks.len(), skipped), (10, 3), "{name}: only the tokenizer's checks do not apply");
        let golden = Golden::read(&folder, &model).unwrap().compare(&model).unwrap();
        assert_eq!(golden.iter().map(|c| c.name).collect::<Vec<_>>(), KINDS.map(|k| k.1), "{name}");
        checks.extend(golden);
        let bad: Vec<&Check> =
            checks.iter().filter(|c| !matches!(c.grade, Grade::Passed | Grade::NotApplicable)).collect();
        assert!(bad.is_empty(), "{name}: {bad:#?}");
        let summary = Summary::of(&checks);
        assert!(summary.failed.is_empty() && summary.largest_difference.unwrap() < 2e-4, "{name}: {summary:?}");
        let short = conformance::run(&model, Err("none"), Extent::Short).unwrap();
        assert!(short.len() == 7 && short.iter().all(|c| c.grade == Grade::Passed), "{name}: {short:#?}");
    }
}

/// What a golden folder with one tensor changed leads to.
fn against(
    shared: &Path,
    change: impl Fn(&mut std::collections::HashMap<String, Tensor>),
) -> Result<Vec<Check>, EvalError> {
    let folder = shared.join("fixtures").join(FIXTURE);
    let changed = copy(&folder, &["golden.safetensors"]);
    rewrite(&changed.path().join("golden.safetensors"), change);
    let model = open(&folder);
    Golden::read(changed.path(), &model)?.compare(&model)
}

/// Adds to the last number of a tensor.
fn nudge(t: &Tensor, by: f64) -> Tensor {
    let flat = t.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    let mut numbers = flat.to_vec1::<f64>().unwrap();
    *numbers.last_mut().unwrap() += by;
    let device = t.device();
    Tensor::from_vec(numbers, t.dims(), device).unwrap().to_dtype(t.dtype()).unwrap()
}

#[test]
fn one_altered_number_of_a_golden_tensor_fails_the_check_of_its_kind_alone() {
    let Some(shared) = shared() else { return };
    for (kind, check) in KINDS {
        let name = match kind {
            "logits" | "final_hidden" | "greedy_ids" => kind.to_string(),
            _ => format!("{kind}.2"),
        };
        let by = if kind == "greedy_ids" { 1.0 } else { 1e-3 };
        let checks = against(&shared, |all| {
            let changed = nudge(&all[&name], by);
            all.insert(name.clone(), changed);
        })
        .unwrap();
        let failed: Vec<&str> = checks.iter().filter(|c| c.grade == Grade::Failed).map(|c| c.name).collect();
        assert_eq!(failed, [check]);
        let found = named(&checks, check);
        if kind != "greedy_ids" {
            assert!((found.difference.unwrap() - 1e-3).abs() < 1e-4 && found.allowed == Some(2e-4), "{found:?}");
            assert!(found.detail.contains(&format!("largest in {name}, prompt 2")), "{found:?}");
        }
    }
}

#[test]
fn a_golden_tensor_that_is_nan_fails() {
    let Some(shared) = shared() else { return };
    let checks = against(&shared, |all| {
        let nan = nudge(&all["hidden.1"], f64::NAN);
        all.insert("hidden.1".to_string(), nan);
    });
    let checks = checks.unwrap();
    let check = named(&checks, "golden hidden");
    assert_eq!((check.grade, check.difference), (Grade::Failed, None), "{check:?}");
}

#[test]
fn golden_tensors_that_do_not_fit_are_refused_by_name() {
    let Some(shared) = shared() else { return };
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &candle_core::Device::Cpu).unwrap();
    let with = |name: &str, tensor: Tensor| {
        let error = against(&shared, |all| {
            all.insert(name.to_string(), tensor.clone());
        });
        error.expect_err(name).to_string()
    };
    let f32 = DType::F32;
    let cases = [
        ("router.0", zeros(&[2, 24, 4], f32), "\"router.0\" is not a tensor that is compared"),
        (
            "hidden",
            zeros(&[2, 24, 48], f32),
            "\"hidden\" does not exist for this model, which has hidden.0 to hidden.3",
        ),
        ("hidden.4", zeros(&[2, 24, 48], f32), "\"hidden.4\" does not exist"),
        ("hidden.01", zeros(&[2, 24, 48], f32), "\"hidden.01\" does not exist"),
        ("attn_proj_in.3", zeros(&[2, 24, 48], f32), "\"attn_proj_in.3\" does not exist"),
        ("logits.0", zeros(&[2, 24, 160], f32), "\"logits.0\" is not a tensor that is compared"),
        ("logits", zeros(&[2, 23, 160], f32), "logits is f32 of shape [2, 23, 160]"),
        ("hidden.1", zeros(&[2, 24, 47], f32), "hidden.1 is f32 of shape [2, 24, 47]"),
        ("lens_raw.0", zeros(&[2, 160], DType::I64), "lens_raw.0 is i64"),
        ("greedy_ids", zeros(&[2, 24], DType::I64), "greedy_ids has the shape [2, 24]"),
        ("greedy_ids", zeros(&[3, 30], DType::I64), "greedy_ids has the shape [3, 30]"),
        ("input_ids", zeros(&[2, 24], f32), "input_ids is f32"),
        ("input_ids", zeros(&[24], DType::I64), "input_ids is i64 of shape [24]"),
        ("input_ids", zeros(&[0, 24], DType::I64), "input_ids is empty"),
        ("input_ids", (zeros(&[2, 24], DType::I64) + 160.0).unwrap(), "token 160; the model's vocabulary has 160"),
        ("input_ids", (zeros(&[2, 24], DType::I64) - 1.0).unwrap(), "input_ids holds -1"),
        ("hidden.1", zeros(&[2, 24, 48], DType::F64), "tensor 'hidden.1' is stored as F64"),
    ];
    for (name, tensor, wanted) in cases {
        let text = with(name, tensor);
        assert!(text.contains(wanted), "no {wanted:?} in: {text}");
    }
    let text = against(&shared, |all| drop(all.remove("input_ids"))).unwrap_err().to_string();
    assert!(text.contains("input_ids is missing"), "{text}");
    let text = against(&shared, |all| all.retain(|name, _| name == "input_ids")).unwrap_err().to_string();
    assert!(text.contains("nothing to compare"), "{text}");
}

#[test]
fn a_golden_file_that_is_missing_or_cut_off_is_refused_at_every_length() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("fixtures").join(FIXTURE);
    let model = open(&folder);
    let changed = copy(&folder, &["golden.safetensors"]);
    let path = changed.path().join("golden.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 100, 9, 8, 7, 1, 0] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let text = Golden::read(changed.path(), &model).err().unwrap().to_string();
        assert!(text.contains("golden.safetensors is damaged or incomplete"), "{length} bytes: {text}");
    }
    std::fs::remove_file(&path).unwrap();
    let text = Golden::read(changed.path(), &model).err().unwrap().to_string();
    assert!(text.contains("golden.safetensors"), "{text}");
}

#[test]
fn a_part_of_the_golden_tensors_is_compared_as_far_as_it_goes() {
    let Some(shared) = shared() else { return };
    let checks =
        against(&shared, |all| all.retain(|name, _| ["input_ids", "hidden.2"].contains(&name.as_str()))).unwrap();
    assert_eq!(checks.iter().map(|c| (c.name, c.grade)).collect::<Vec<_>>(), [("golden hidden", Grade::Passed)]);
    assert!(checks[0].detail.starts_with("1 tensor;"), "{}", checks[0].detail);
}

/// The model, the prompts of the full form, and what is read of them together.
fn setup(shared: &Path) -> (Model, Vec<Vec<u32>>, Vec<Trace>) {
    let model = open(&shared.join("fixtures").join(FIXTURE));
    let prompts = prompts(&model, None, Extent::Full).unwrap();
    let traces = model.trace(&prompts, &Reads::ALL).unwrap();
    (model, prompts, traces)
}

/// Adds to one number of a tensor `[layers, ..]` in a layer.
fn tamper(t: &mut Option<Tensor>, layer: usize, by: f64) {
    let whole = t.take().unwrap();
    let mut layers: Vec<Tensor> = (0..whole.dim(0).unwrap()).map(|i| whole.get(i).unwrap()).collect();
    layers[layer] = nudge(&layers[layer], by);
    *t = Some(Tensor::stack(&layers, 0).unwrap());
}

#[test]
fn a_residual_that_is_not_the_sum_of_its_parts_fails_with_its_block_and_prompt() {
    let Some(shared) = shared() else { return };
    let (model, _, mut traces) = setup(&shared);
    assert_eq!(rebuilt_residuals(&model, &traces).unwrap().grade, Grade::Passed);
    tamper(&mut traces[1].residual, 3, 0.01);
    let check = rebuilt_residuals(&model, &traces).unwrap();
    assert_eq!(check.grade, Grade::Failed);
    assert!(check.detail.contains("largest at residual 3, prompt 2, token 18"), "{}", check.detail);
    tamper(&mut traces[1].residual, 3, -0.01);
    tamper(&mut traces[0].mlp, 1, 0.01);
    assert!(rebuilt_residuals(&model, &traces).unwrap().detail.contains("largest at residual 2, prompt 1"));
}

#[test]
fn attention_that_is_not_the_sum_of_its_heads_fails() {
    let Some(shared) = shared() else { return };
    let (model, _, mut traces) = setup(&shared);
    for extent in [Extent::Short, Extent::Full] {
        assert_eq!(attention_sums(&model, &traces, extent).unwrap().grade, Grade::Passed);
    }
    tamper(&mut traces[2].attention, 1, 0.01);
    for extent in [Extent::Short, Extent::Full] {
        let check = attention_sums(&model, &traces, extent).unwrap();
        assert_eq!(check.grade, Grade::Failed, "{extent:?}");
        assert!(check.detail.contains("largest at block 2, prompt 3"), "{}", check.detail);
    }
    let (model, _, mut traces) = setup(&shared);
    tamper(&mut traces[0].heads, 0, 0.5);
    assert_eq!(attention_sums(&model, &traces, Extent::Full).unwrap().grade, Grade::Failed);
}

#[test]
fn states_that_are_nan_or_infinite_fail_with_their_place() {
    let Some(shared) = shared() else { return };
    for bad in [f64::NAN, f64::INFINITY] {
        let (model, _, mut traces) = setup(&shared);
        assert_eq!(finite(&model, &traces, Extent::Full).unwrap().grade, Grade::Passed);
        tamper(&mut traces[1].residual, 2, bad);
        for extent in [Extent::Short, Extent::Full] {
            let check = finite(&model, &traces, extent).unwrap();
            assert_eq!(check.grade, Grade::Failed);
            assert_eq!(check.detail, "residual 2 of prompt 2 holds NaN or infinity");
        }
    }
}

#[test]
fn a_model_with_weights_that_are_not_finite_fails_and_what_follows_is_not_judged() {
    let Some(shared) = shared() else { return };
    let broken = copy(&shared.join("fixtures").join(FIXTURE), &["config.json", "model.safetensors"]);
    rewrite(&broken.path().join("model.safetensors"), |all| {
        let huge = (all["lm_head.weight"].clone() * 1e39).unwrap();
        all.insert("lm_head.weight".to_string(), huge);
    });
    let model = open(broken.path());
    let checks = conformance::run(&model, Err("none"), Extent::Short).unwrap();
    let failed = Summary::of(&checks).failed;
    assert_eq!(failed, ["finite states and logits"]);
    assert!(checks[0].detail.contains("logits of prompt 1"), "{}", checks[0].detail);
    assert!(checks[1..].iter().all(|c| c.grade == Grade::NotApplicable), "{checks:#?}");
}

/// Each prompt whole and alone, with an edit of block 2 that nobody asked for.
fn disturbed(model: &Model, prompts: &[Vec<u32>]) -> Vec<Trace> {
    let edit = steercheck_model::Edit::last(Site::MlpOutput(Block(2)), Operation::Scale(1.01));
    let edited = |tokens: &Vec<u32>| EditedPrompt { tokens: tokens.clone(), edits: vec![edit.clone()] };
    let all: Vec<EditedPrompt> = prompts.iter().map(edited).collect();
    model.trace_edited(&all, &Reads::ALL).unwrap()
}

#[test]
fn fast_paths_that_end_elsewhere_than_the_whole_pass_fail() {
    let Some(shared) = shared() else { return };
    let (model, prompts, traces) = setup(&shared);
    let wrong = disturbed(&model, &prompts);
    let prefixes = model.prefill(&prompts).unwrap();
    let check = batch_equals_single(&traces, &wrong).unwrap();
    assert_eq!(check.grade, Grade::Failed);
    assert!(check.detail.contains("largest at "), "{}", check.detail);
    let check = cached_equals_uncached(&model, &prefixes, &wrong, Extent::Full).unwrap();
    assert_eq!(check.grade, Grade::Failed);
    assert!(check.detail.contains("largest in prompt "), "{}", check.detail);
    // Compared with the right ones, they pass.
    assert_eq!(batch_equals_single(&traces, &traces).unwrap().grade, Grade::Passed);
    assert_eq!(cached_equals_uncached(&model, &prefixes, &traces, Extent::Full).unwrap().grade, Grade::Passed);
    let check = replay_equals_full(&model, &prefixes, &traces, Extent::Full).unwrap();
    assert_eq!((check.grade, check.difference.is_some()), (Grade::Passed, true), "{check:?}");
    let check = strength_zero(&model, &prefixes, Extent::Full).unwrap();
    assert_eq!((check.grade, check.difference, check.allowed), (Grade::Passed, Some(0.0), Some(0.0)));
}

#[test]
fn integer_kernels_are_held_to_what_they_promise() {
    let Some(path) = steercheck_testkit::real_model("gemma-3-270m") else { return };
    let options = LoadOptions { kernels: steercheck_model::Kernels::Integer, ..LoadOptions::default() };
    let Loaded { model, tokenizer, .. } = Loaded::open(&path, &options).unwrap();
    let checks = conformance::run(&model, Ok(&tokenizer.unwrap()), Extent::Short).unwrap();
    let graded = |grade| checks.iter().filter(|c| c.grade == grade).count();
    assert_eq!((graded(Grade::Passed), graded(Grade::NotApplicable)), (3, 4), "{checks:#?}");
}
