//! The catalogue's real models, from their GGUF files, against what transformers computes from the same files.

mod common;

use common::{difference, real_model};
use serde_json::Value;
use steercheck_model::{FinalNorm, HeadKind, Kernels, LoadOptions, Model, Precision, Reads};
use steercheck_testkit::shared;

/// f32 sums in another order; the oracle's own limit for logits.
const LOGITS: f64 = 1e-3;
/// The golden norms are rounded to four decimals.
const NORM: f64 = 1e-4;

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|i| u32::try_from(i.as_u64().unwrap()).unwrap()).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|f| f.as_f64().unwrap()).collect()
}

fn check(golden: &Value, model: &Model) {
    let cases = golden["prompts"].as_array().unwrap();
    let prompts: Vec<Vec<u32>> = cases.iter().map(|p| ids(&p["token_ids_used"])).collect();
    let traces = model.trace(&prompts, &Reads::LAST_RESIDUALS).unwrap();
    for (case, trace) in cases.iter().zip(traces) {
        let text = &case["text"];
        let residual = trace.residual.unwrap().squeeze(1).unwrap();
        let norms = residual.sqr().unwrap().sum(1).unwrap().sqrt().unwrap().to_vec1::<f32>().unwrap();
        for (b, (ours, theirs)) in norms.iter().zip(floats(&case["last_hidden_l2"])).enumerate() {
            let d = (f64::from(*ours) - theirs).abs();
            assert!(d <= NORM + 1e-5 * theirs, "{text} residual {b}: {ours} against {theirs}");
        }
        let lens = model.logits(&residual, FinalNorm::Apply, HeadKind::Full).unwrap();
        let top1: Vec<u64> = lens.argmax(1).unwrap().to_vec1::<u32>().unwrap().into_iter().map(u64::from).collect();
        let want: Vec<u64> = ids(&case["lens_argmax"]).into_iter().map(u64::from).collect();
        assert_eq!(top1, want, "{text}: lens");
        let last = residual.narrow(0, model.spec.depth(), 1).unwrap();
        let asked = ids(&case["top10_ids"]);
        let reading =
            model.read(&last, FinalNorm::Apply, HeadKind::Full, std::slice::from_ref(&asked)).unwrap().remove(0);
        assert_eq!(reading.top1, asked[0], "{text}");
        for (score, (rank, logit)) in reading.tokens.iter().zip(floats(&case["top10_logits"]).iter().enumerate()) {
            let d = (f64::from(score.logit) - logit).abs();
            assert!(d <= LOGITS, "{text} token {}: {} against {logit}", score.token, score.logit);
            assert_eq!(score.rank, rank, "{text}");
            let sum = f64::from(score.logit) - score.log_prob;
            assert!((sum - case["logsumexp"].as_f64().unwrap()).abs() <= LOGITS, "{text}: logsumexp {sum}");
        }
    }
}

#[test]
fn smollm2_and_gemma_agree_with_transformers_in_both_precisions() {
    let Some(shared) = shared() else { return };
    for (name, file) in
        [("smollm2-135m-instruct", "smollm2-135m-instruct-q4_1.json"), ("gemma-3-270m", "gemma-3-270m-q4_k_m.json")]
    {
        let golden = std::fs::read_to_string(shared.join("fixtures/real").join(file)).unwrap();
        let golden: Value = serde_json::from_str(&golden).unwrap();
        for precision in [Precision::F32, Precision::Stored] {
            let Some(loaded) = real_model(name, &LoadOptions { precision, ..LoadOptions::default() }) else { continue };
            check(&golden, &loaded.model);
        }
    }
}

#[test]
fn integer_kernels_run_by_request_for_k_quants_and_differ_from_the_model() {
    let integer = LoadOptions { kernels: Kernels::Integer, ..LoadOptions::default() };
    for (name, expected) in [("gemma-3-270m", Kernels::Integer), ("smollm2-135m-instruct", Kernels::Float)] {
        let (Some(asked), Some(plain)) = (real_model(name, &integer), real_model(name, &LoadOptions::default())) else {
            return;
        };
        let prompts = [vec![504, 3575, 282, 4649, 314]];
        let logits = |m: &Model| {
            let top = m.last_residual(&prompts).unwrap();
            m.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap()
        };
        let d = difference(&logits(&asked.model), &logits(&plain.model));
        assert!(if expected == Kernels::Integer { d > 1e-3 && d < 5.0 } else { d == 0.0 }, "{name}: {d}");
        assert_eq!((asked.model.info.kernels, plain.model.info.kernels), (expected, Kernels::Float));
    }
}

#[test]
fn a_model_that_does_not_fit_as_f32_is_kept_as_stored_and_an_explicit_f32_is_refused() {
    let name = "smollm2-135m-instruct";
    let small = LoadOptions { memory: 400_000_000, ..LoadOptions::default() };
    let Some(loaded) = real_model(name, &small) else { return };
    assert_eq!(loaded.model.info.precision, Precision::Stored);
    let Some(path) = steercheck_testkit::real_model(name) else { return };
    let asked = LoadOptions { precision: Precision::F32, ..small };
    let error = steercheck_model::Loaded::open(&path, &asked).err().unwrap().to_string();
    assert!(error.contains("--dtype stored") && error.contains("MB"), "{error}");
}
