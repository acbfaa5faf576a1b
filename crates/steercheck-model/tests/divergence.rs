//! Divergences of next-token distributions against sums written down in f64, and cases worked out by hand.

mod common;

use candle_core::{DType, Device, Tensor};
use common::random::Numbers;
use common::{FIXTURES, golden, open, prompts};
use steercheck_model::{Divergence, FinalNorm, HeadKind, LoadOptions, Model, ModelError, ReadAt, Reads};
use steercheck_testkit::shared;

fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|l| (l - most).exp()).sum();
    logits.iter().map(|l| (l - most).exp() / sum).collect()
}

/// From probabilities, term by term.
fn naive(unsteered: &[f64], steered: &[f64], next: usize) -> Divergence {
    let (p, q) = (softmax(unsteered), softmax(steered));
    let kl = p.iter().zip(&q).map(|(p, q)| if *p == 0.0 { 0.0 } else { p * (p / q).ln() }).sum();
    Divergence { kl, nll_unsteered: -p[next].ln(), nll_steered: -q[next].ln() }
}

fn assert_near(what: &str, got: &Divergence, want: &Divergence, tolerance: f64) {
    for (a, b) in [(got.kl, want.kl), (got.nll_unsteered, want.nll_unsteered), (got.nll_steered, want.nll_steered)] {
        assert!((a - b).abs() <= tolerance, "{what}: {got:?} against {want:?}");
    }
}

#[test]
fn cases_by_hand() {
    let ln = f32::ln;
    // (1/2, 1/2) against (1/4, 3/4): ½ ln 2 + ½ ln ⅔.
    let got = Divergence::of_logits(&[0.0, 0.0], &[ln(1.0), ln(3.0)], 1).unwrap();
    let want = Divergence {
        kl: 0.5 * 2f64.ln() + 0.5 * (2.0 / 3.0f64).ln(),
        nll_unsteered: 2f64.ln(),
        nll_steered: (4.0 / 3.0f64).ln(),
    };
    assert_near("two tokens", &got, &want, 1e-7);
    // A constant on all logits changes nothing, however large.
    let got = Divergence::of_logits(&[1.0, 2.0, -3.0], &[1001.0, 1002.0, 997.0], 0).unwrap();
    assert!(got.kl < 1e-12 && (got.nll_steered - got.nll_unsteered).abs() < 1e-12, "{got:?}");
    // Nearly certain of one token, then of another: the distance of their logits.
    let got = Divergence::of_logits(&[300.0, 0.0], &[0.0, 300.0], 0).unwrap();
    assert_near("certain", &got, &Divergence { kl: 300.0, nll_unsteered: 0.0, nll_steered: 300.0 }, 1e-9);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(Divergence::of_logits(&[0.0, bad], &[0.0, 1.0], 0), None);
        assert_eq!(Divergence::of_logits(&[0.0, 1.0], &[bad, 1.0], 0), None);
    }
}

#[test]
fn random_rows_agree_with_the_sum_over_probabilities_and_are_never_below_zero() {
    let mut numbers = Numbers(11);
    for round in 0..400 {
        let size = 1 + numbers.below(300);
        let spread = [0.01, 1.0, 20.0][round % 3];
        let p: Vec<f32> = (0..size).map(|_| spread * numbers.unit()).collect();
        // Every other row differs by little more than rounding.
        let noise = if round % 2 == 0 { 1e-6 } else { spread };
        let q: Vec<f32> = p.iter().map(|l| l + noise * numbers.unit()).collect();
        let next = numbers.below(size);
        let got = Divergence::of_logits(&p, &q, next as u32).unwrap();
        let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|l| f64::from(*l)).collect() };
        assert_near(&format!("round {round}"), &got, &naive(&wide(&p), &wide(&q), next), 1e-11);
        assert!(got.kl >= 0.0, "{got:?}");
        let same = Divergence::of_logits(&p, &p, next as u32).unwrap();
        assert_eq!((same.kl.to_bits(), same.nll_steered.to_bits()), (0, same.nll_unsteered.to_bits()));
    }
}

fn top(model: &Model, prompts: &[Vec<u32>]) -> Tensor {
    let reads = Reads { top: ReadAt::All, ..Reads::default() };
    let tops: Vec<Tensor> = model.trace(prompts, &reads).unwrap().into_iter().map(|t| t.top.unwrap()).collect();
    Tensor::cat(&tops, 0).unwrap()
}

#[test]
fn every_familys_rows_agree_with_its_full_logits_and_equal_rows_give_exactly_zero() {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let ids = prompts(&golden(&shared, name), "input_ids");
        let unsteered = top(&model, &ids);
        let steered = unsteered.affine(0.7, 0.05).unwrap();
        let rows = unsteered.dim(0).unwrap();
        let next: Vec<u32> = (0..rows as u32).map(|i| (i * 13) % model.spec.vocab_size as u32).collect();
        let got = model.divergence(&unsteered, &steered, &next).unwrap();
        assert_eq!(got.len(), rows);
        let logits = |t: &Tensor| -> Vec<Vec<f64>> {
            let all = model.logits(t, FinalNorm::Apply, HeadKind::Full).unwrap();
            all.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
        };
        for (i, (p, q)) in logits(&unsteered).iter().zip(&logits(&steered)).enumerate() {
            assert_near(&format!("{name} row {i}"), &got[i], &naive(p, q, next[i] as usize), 1e-5);
        }
        for d in model.divergence(&unsteered, &unsteered, &next).unwrap() {
            assert_eq!((d.kl.to_bits(), d.nll_unsteered.to_bits()), (0, d.nll_steered.to_bits()), "{name}");
        }
    }
}

#[test]
fn tiles_of_a_large_vocabulary_change_nothing_and_what_does_not_fit_together_is_refused() {
    let sizes =
        common::random::Sizes { vocab: 70_000, hidden: 16, inner: 16, blocks: 1, heads: 1, kv_heads: 1, head_dim: 16 };
    let config = common::random::config("llama", sizes);
    let folder = tempfile::TempDir::new().unwrap();
    common::random::write_folder(folder.path(), &config, &common::random::tensors(&config, 5));
    let model = steercheck_model::Loaded::open(folder.path(), &LoadOptions::default()).unwrap().model;
    let mut numbers = Numbers(2);
    // More rows than the logits of one tile.
    let rows = 260;
    let mut random = || {
        let values: Vec<f32> = (0..rows * 16).map(|_| numbers.unit()).collect();
        Tensor::from_vec(values, (rows, 16), &Device::Cpu).unwrap()
    };
    let (a, b) = (random(), random());
    let next: Vec<u32> = (0..rows as u32).map(|i| i * 269).collect();
    let all = model.divergence(&a, &b, &next).unwrap();
    for i in [0, 1, 129, 130, 258, 259] {
        let one = model.divergence(&a.narrow(0, i, 1).unwrap(), &b.narrow(0, i, 1).unwrap(), &next[i..=i]).unwrap();
        assert_near(&format!("row {i}"), &all[i], &one[0], 1e-6);
    }
    assert_eq!(all, model.divergence(&a, &b, &next).unwrap(), "the same twice");
    for (p, q, next) in [(&a, &b, &next[1..]), (&a, &b.narrow(0, 1, 9).unwrap(), &next[..])] {
        assert!(matches!(model.divergence(p, q, next), Err(ModelError::Plan(_))));
    }
    let beyond = vec![70_000; rows];
    assert!(model.divergence(&a, &b, &beyond).err().unwrap().to_string().contains("token 70000"));
    let broken = (&b * f64::NAN).unwrap();
    assert!(matches!(model.divergence(&a, &broken, &next), Err(ModelError::NotFinite { .. })));
}
