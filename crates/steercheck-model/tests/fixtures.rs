//! Every fixture: what the engine reads equals what transformers computed.

mod common;

use std::collections::BTreeMap;

use candle_core::Tensor;
use common::{FIXTURES, difference, golden, open, prompts};
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Precision, Reads};
use steercheck_testkit::shared;

const TOLERANCE: f32 = 1e-4;

/// Largest difference per quantity.
fn compare(shared: &std::path::Path, name: &str, config: &str, options: &LoadOptions) -> BTreeMap<&'static str, f32> {
    let model = open(shared, name, config, options);
    let gold = golden(shared, name);
    let ids = prompts(&gold, "input_ids");
    let traces = model.trace(&ids, &Reads::ALL).unwrap();
    let mut worst = BTreeMap::new();
    let mut note = |what: &'static str, ours: &Tensor, theirs: &Tensor| {
        let d = difference(ours, theirs);
        let w = worst.entry(what).or_insert(0f32);
        *w = w.max(d);
    };
    let depth = model.spec.depth();
    for (i, trace) in traces.iter().enumerate() {
        let of = |key: &str| gold[key].get(i).unwrap();
        let residual = trace.residual.as_ref().unwrap();
        for b in 0..=depth {
            note("residual", &residual.get(b).unwrap(), &of(&format!("hidden.{b}")));
            let last = residual.get(b).unwrap().narrow(0, ids[i].len() - 1, 1).unwrap();
            for (norm, key) in [(FinalNorm::Skip, "lens_raw"), (FinalNorm::Apply, "lens_norm")] {
                let lens = model.logits(&last, norm, HeadKind::WeightAndBias).unwrap();
                note("lens", &lens.get(0).unwrap(), &of(&format!("{key}.{b}")));
            }
        }
        let heads = trace.heads.as_ref().unwrap();
        for b in 0..depth {
            note("heads", &heads.get(b).unwrap().flatten_from(1).unwrap(), &of(&format!("attn_proj_in.{b}")));
        }
        let top = residual.get(depth).unwrap();
        note("final", &model.head_input(&top, FinalNorm::Apply).unwrap(), &of("final_hidden"));
        note("logits", &model.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap(), &of("logits"));
    }
    worst
}

#[test]
fn every_fixture_agrees_with_its_golden_tensors_from_both_configurations_and_in_both_precisions() {
    let Some(shared) = shared() else { return };
    let mut failures = Vec::new();
    for name in FIXTURES {
        for config in ["config.json", "config_v5.json"] {
            // transformers has no class for InternLM 2, and so no second form of its configuration.
            if *name == "internlm2" && config == "config_v5.json" {
                continue;
            }
            for precision in [Precision::F32, Precision::Stored] {
                let options = LoadOptions { precision, ..LoadOptions::default() };
                let worst = compare(&shared, name, config, &options);
                println!("{name:24} {config:15} {precision:?}: {worst:?}");
                if worst.len() != 5 || worst.values().any(|d| *d > TOLERANCE) {
                    failures.push(format!("{name}/{config} {precision:?}: {worst:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn greedy_continuations_are_the_golden_ones() {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let gold = golden(&shared, name);
        let mut ids = prompts(&gold, "input_ids");
        let want = prompts(&gold, "greedy_ids");
        for _ in ids[0].len()..want[0].len() {
            let top = model.last_residual(&ids).unwrap();
            let read = model.read(&top, FinalNorm::Apply, HeadKind::Full, &vec![Vec::new(); ids.len()]).unwrap();
            for (row, reading) in ids.iter_mut().zip(read) {
                row.push(reading.top1);
            }
        }
        assert_eq!(ids, want, "{name}");
    }
}
