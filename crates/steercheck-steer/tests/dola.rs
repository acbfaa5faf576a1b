//! `DoLa`: shared beginnings change nothing, and what is decoded is what is scored.

use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, Model};
use steercheck_steer::dola::{Choice, Config, Measure, Readout, Scorable, contrasted, score};
use steercheck_testkit::shared;

/// Families with every kind of head: soft-capped, scaled, with a bias, tied, projected; positions that depend on the
/// total length.
const FIXTURES: [&str; 11] = [
    "gemma2",
    "cohere",
    "granite",
    "gptj",
    "phi",
    "opt_350m_style",
    "gpt2",
    "olmo2",
    "gpt_neox_parallel",
    "phi3_longrope",
    "llama_dynamic",
];

fn models(check: impl Fn(&str, &Model)) {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let folder = shared.join("fixtures").join(name);
        check(name, &Loaded::open(&folder, &LoadOptions::default()).expect("a fixture loads").model);
    }
}

fn tokens(n: u32, seed: u32) -> Vec<u32> {
    (0..n).map(|i| (seed * 31 + i * 17 + i * i * 3) % 150).collect()
}

const READOUTS: [Readout; 3] = [
    Readout { norm: FinalNorm::Skip, mature: HeadKind::Full, premature: HeadKind::Full },
    Readout { norm: FinalNorm::Apply, mature: HeadKind::Full, premature: HeadKind::Full },
    Readout { norm: FinalNorm::Skip, mature: HeadKind::Weight, premature: HeadKind::Weight },
];

#[test]
fn a_prefix_and_company_change_no_score() {
    models(|name, model| {
        let common = tokens(12, 1);
        let prefix = model.prefill(std::slice::from_ref(&common)).unwrap().remove(0);
        let text = |own: u32, answer: u32, seed: u32| Scorable {
            prompt: [&common[..], &tokens(own, seed)].concat(),
            continuation: tokens(answer, seed + 7),
        };
        // Two of one question that begin alike, one of a single token, one of another question.
        let mut texts = vec![text(4, 5, 2), text(4, 1, 2), text(6, 3, 4)];
        texts.push(Scorable { continuation: [&texts[0].continuation[..2], &[9, 9]].concat(), ..texts[0].clone() });
        let layers: Vec<usize> = (0..model.spec.depth()).collect();
        for readout in READOUTS {
            let shared = score(model, Some(&prefix), &texts, &layers, readout).unwrap();
            for (i, text) in texts.iter().enumerate() {
                let alone = score(model, None, std::slice::from_ref(text), &layers, readout).unwrap();
                assert_eq!(shared.tokens(i).len(), text.continuation.len());
                for (a, b) in shared.tokens(i).zip(alone.tokens(0)) {
                    let near = |x: f64, y: f64| (x - y).abs() <= 2e-4 + 2e-4 * y.abs();
                    assert!(near(a.log_p, b.log_p) && near(a.base, b.base) && near(a.most, b.most), "{name}");
                    for layer in &layers {
                        let (a, b) = (a.layer(*layer).unwrap(), b.layer(*layer).unwrap());
                        assert!(near(a.paper, b.paper) && near(a.log_q, b.log_q), "{name} {layer}: {a:?} {b:?}");
                        assert!(near(a.normaliser, b.normaliser) && near(a.jsd, b.jsd), "{name} {layer}: {a:?} {b:?}");
                    }
                    if readout.mature == HeadKind::Full {
                        assert!(near(a.base, a.log_p), "{name}");
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_decoded_is_what_scoring_the_text_says() {
    models(|name, model| {
        let prompt = tokens(10, 5);
        let candidates: Vec<usize> = (0..model.spec.depth()).collect();
        for (measure, alpha) in [(Measure::Paper, 0.1), (Measure::Jsd, 0.0), (Measure::Paper, 0.5)] {
            let choice = Choice::Largest(measure);
            let config = Config { alpha, candidates: candidates.clone().into(), choice, post_softmax: false };
            let readout = READOUTS[1];
            let mut steps = Vec::new();
            let decoded = model
                .continue_by_residuals(&prompt, 6, &[], |residuals| {
                    let found = contrasted(model, residuals, &config, readout)?;
                    let best = (0..found.scores.len())
                        .fold(0, |best, i| if found.scores[i] > found.scores[best] { i } else { best });
                    let masked = found.scores.iter().filter(|s| **s == f32::NEG_INFINITY).count();
                    assert_eq!(masked + found.kept, found.scores.len());
                    steps.push((found.layer, f64::from(found.scores[best]), f64::from(found.log_p[best])));
                    Ok(best as u32)
                })
                .unwrap();
            let text = Scorable { prompt: prompt.clone(), continuation: decoded };
            let scores = score(model, None, &[text], &candidates, readout).unwrap();
            for (i, (token, (layer, value, log_p))) in scores.tokens(0).zip(steps).enumerate() {
                let scored = config.score(&token, i).unwrap();
                assert!((token.log_p - log_p).abs() < 1e-3, "{name} {i}: {} {log_p}", token.log_p);
                if !scored.tied {
                    assert_eq!(scored.layer, layer, "{name} {i}");
                    assert!((scored.score - value).abs() < 2e-3, "{name} {i}: {} {value}", scored.score);
                }
                assert!(scored.mask_margin > -1e-3, "{name} {i}: a masked token was taken");
            }
        }
    });
}

#[test]
fn plans_that_cannot_be_scored_are_refused() {
    let Some(shared) = shared() else { return };
    let model = Loaded::open(&shared.join("fixtures/gemma2"), &LoadOptions::default()).unwrap().model;
    let text = Scorable { prompt: vec![1, 2], continuation: vec![3] };
    let of = |texts: &[Scorable], layers: &[usize]| {
        score(&model, None, texts, layers, READOUTS[0]).err().unwrap().to_string()
    };
    assert!(of(std::slice::from_ref(&text), &[1, 0]).contains("not ascending"));
    assert!(of(std::slice::from_ref(&text), &[model.spec.depth()]).contains("not ascending numbers below"));
    assert!(of(&[Scorable { continuation: Vec::new(), ..text.clone() }], &[0]).contains("no continuation"));
    assert!(of(&[Scorable { prompt: Vec::new(), ..text }], &[0]).contains("does not go on"));
}
