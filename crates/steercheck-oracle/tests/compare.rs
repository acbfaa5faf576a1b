//! What agrees and what does not: every rule just inside and just outside of its tolerance.

mod common;

use std::collections::BTreeSet;

use common::{f32s, f64s, i64s, u8s};
use steercheck_oracle::compare::{jobs_in, restrict};
use steercheck_oracle::report::{Comparison, Reason};
use steercheck_oracle::{Array, JobFile, Outcome, TensorFile, Tolerances, Values, compare, compare_jobs, tensors};

fn file(entries: &[(&str, Array)]) -> TensorFile {
    entries.iter().map(|(name, array)| ((*name).to_owned(), array.clone())).collect()
}

fn judged(golden: &TensorFile, other: &TensorFile) -> Comparison {
    compare(golden, other, &Tolerances::default())
}

/// The same file with one tensor replaced.
fn with(golden: &TensorFile, name: &str, array: Array) -> TensorFile {
    let mut other = golden.clone();
    assert!(other.insert(name.to_owned(), array).is_some(), "no tensor {name}");
    other
}

/// Whether a file with one tensor replaced agrees, and nothing else than that tensor is named if it does not.
fn agrees_with(golden: &TensorFile, name: &str, array: Array) -> bool {
    let comparison = judged(golden, &with(golden, name, array));
    assert!(comparison.failures().all(|failure| failure.tensor == name), "{comparison:?}");
    comparison.agrees()
}

fn ties(comparison: &Comparison, quantity: &str) -> usize {
    let lines = comparison.jobs.iter().flat_map(|job| &job.quantities);
    lines.filter(|line| line.quantity == quantity).map(|line| line.ties).sum()
}

/// One pair and two configurations of three tokens and two candidates: at token 1 the candidates are nearly tied.
fn dola() -> TensorFile {
    let mut file = TensorFile::new();
    for config in ["0.0", "0.1"] {
        let mut insert = |name: &str, array| file.insert(format!("dola/{config}/{name}"), array);
        insert("layer", i64s(&[3], &[0, 2, 0]));
        insert("score", f64s(&[3], &[-1.0, -100.0, 3.0]));
        insert("masked", u8s(&[3], &[0, 1, 0]));
        insert("mask_margin", f64s(&[3], &[1.5, -0.0019, f64::INFINITY]));
        insert("base", f64s(&[3], &[-2.0, -3.0, -4.0]));
        insert("div", f64s(&[3, 2], &[0.5, 0.4, 0.4996, 0.5, 0.5, 0.4994]));
        insert("score_all", f64s(&[3, 2], &[-1.0, -7.0, -50.0, -100.0, 3.0, 4.0]));
    }
    // Masked total, unmasked total, number masked, plain log-probability.
    let totals = [-998.0, -98.0, 1.0, -9.0, -998.0, -98.0, 1.0, -9.0];
    file.insert("dola/totals".to_owned(), f64s(&[1, 2, 4], &totals));
    file
}

#[test]
fn every_golden_file_agrees_with_itself() {
    let Some(folder) = common::jobs_folder() else {
        return;
    };
    for model in common::GOLDEN {
        let golden = tensors::read(&folder.join(format!("{model}.golden.safetensors"))).unwrap();
        let jobs = JobFile::read(&folder.join(format!("{model}.json"))).unwrap();
        let comparison = judged(&golden, &golden).with_kinds(&jobs);
        assert_eq!(comparison.failures().count(), 0, "{model}");
        assert!(comparison.agrees() && comparison.values() > 2000, "{model}");
        assert_eq!(comparison.jobs.len(), jobs.jobs.len(), "{model}");
        assert!(comparison.jobs.iter().all(|job| job.kind.is_some()), "{model}");
    }
}

#[test]
fn every_compared_tensor_of_the_golden_files_can_fail() {
    let Some(folder) = common::jobs_folder() else {
        return;
    };
    let golden = tensors::read(&folder.join("gemma2.golden.safetensors")).unwrap();
    let ignored =
        ["seconds", "margin", "clean_margin", "mask_margin", "rank_lo", "rank_hi", "clean_rank_lo", "clean_rank_hi"];
    for (name, array) in &golden {
        let far = match &array.values {
            Values::F32(values) => Values::F32(values.iter().map(|v| v + 1000.0).collect()),
            Values::F64(values) => Values::F64(values.iter().map(|v| v + 1000.0).collect()),
            Values::I64(values) => Values::I64(values.iter().map(|v| v + 1000).collect()),
            Values::U8(values) => Values::U8(values.iter().map(|v| 1 - v).collect()),
        };
        let other = with(&golden, name, Array { shape: array.shape.clone(), values: far });
        let failed: Vec<_> = judged(&golden, &other).failures().map(|failure| failure.tensor.clone()).collect();
        let expected = !ignored.contains(&name.rsplit('/').next().unwrap());
        assert_eq!(failed.contains(name), expected, "{name}: {failed:?}");
    }
}

#[test]
fn numbers_agree_just_inside_and_disagree_just_outside() {
    // Name, golden values, place, a value just inside and one just outside.
    let cases: [(&str, &[f32], usize, f32, f32); 14] = [
        ("job/logits", &[10.0, -3000.0], 0, 10.000_99, 10.001_01), // 1e-3, whatever else is large
        ("job/logits", &[10.0, -3000.0], 0, 9.999_01, 9.998_99),
        ("job/hidden", &[0.5, -100.0], 0, 0.510_99, 0.511_01), // 1e-3 + 1e-4 · 100
        ("job/final", &[0.5, -100.0], 0, 0.489_01, 0.488_99),
        ("job/mean", &[0.5, -100.0], 1, -100.0109, -100.0111),
        ("job/theta", &[0.5, -100.0], 1, -99.9891, -99.9889),
        ("job/fv", &[0.5, 0.0], 1, 0.001_049, 0.001_051), // 1e-3 + 1e-4 · 0.5
        ("job/prob", &[0.5, 0.0], 0, 0.500_099, 0.500_101), // 1e-4 + 1e-7
        ("job/top_prob", &[0.001, 0.0], 0, 0.001_010, 0.001_010_2), // 1 % + 1e-7
        ("job/clean_prob", &[0.001, 0.0], 1, 0.9e-7, 1.1e-7), // 1e-7
        ("job/clean", &[0.001, 0.0], 0, 0.000_990, 0.000_989_8),
        ("job/delta", &[0.1, -1e-6], 0, 0.101_009, 0.101_011), // 1e-5 + 1 %
        ("job/delta", &[0.1, -1e-6], 1, 9.00e-6, 9.02e-6),
        ("job/delta", &[0.1, -1e-6], 1, -1.100e-5, -1.102e-5),
    ];
    for (name, values, at, inside, outside) in cases {
        let golden = file(&[(name, f32s(&[1, 2], values))]);
        let replaced = |value| {
            let mut values = values.to_vec();
            values[at] = value;
            f32s(&[1, 2], &values)
        };
        assert!(agrees_with(&golden, name, replaced(inside)), "{name}: {inside} for {}", values[at]);
        assert!(!agrees_with(&golden, name, replaced(outside)), "{name}: {outside} for {}", values[at]);
    }
}

#[test]
fn dola_numbers_agree_just_inside_and_disagree_just_outside() {
    let cases = [
        ("score", 1, -100.002_99, -100.003_01), // 2e-3 + 1e-5 · 100
        ("score", 0, -0.997_991, -0.997_989),
        ("base", 0, -2.002_019, -2.002_021),
        ("score_all", 3, -99.997_01, -99.996_99),
        ("div", 1, 0.400_399, 0.400_401), // 0.1 %
        ("div", 0, 0.499_501, 0.499_499),
    ];
    let golden = dola();
    for (quantity, at, inside, outside) in cases {
        let name = format!("dola/0.1/{quantity}");
        let replaced = |value| {
            let mut values = golden[&name].values.to_f64();
            values[at] = value;
            f64s(&golden[&name].shape, &values)
        };
        assert!(agrees_with(&golden, &name, replaced(inside)), "{name}: {inside}");
        assert!(!agrees_with(&golden, &name, replaced(outside)), "{name}: {outside}");
    }
}

#[test]
fn divergence_of_zero_may_be_a_little_more() {
    let golden = file(&[("dola/0.0/div", f64s(&[1, 1], &[0.0]))]);
    assert!(agrees_with(&golden, "dola/0.0/div", f64s(&[1, 1], &[0.99e-9])));
    assert!(!agrees_with(&golden, "dola/0.0/div", f64s(&[1, 1], &[1.01e-9])));
}

#[test]
fn scale_of_a_vector_is_that_of_its_own_row() {
    let golden = file(&[("job/hidden", f32s(&[2, 2], &[0.5, -100.0, 0.5, 1.0]))]);
    assert!(agrees_with(&golden, "job/hidden", f32s(&[2, 2], &[0.51, -100.0, 0.5, 1.0])));
    assert!(!agrees_with(&golden, "job/hidden", f32s(&[2, 2], &[0.5, -100.0, 0.51, 1.0])));
}

#[test]
fn top1_may_differ_where_the_golden_margin_is_below_the_tie() {
    for prefix in ["", "clean_"] {
        let name = format!("tv/{prefix}top1");
        let golden = file(&[
            (name.as_str(), i64s(&[3], &[7, 8, 9])),
            (&format!("tv/{prefix}margin"), f32s(&[3], &[0.000_999, 0.001, 5.0])),
        ]);
        let tied = judged(&golden, &with(&golden, &name, i64s(&[3], &[1, 8, 9])));
        assert!(tied.agrees());
        assert_eq!(ties(&tied, &format!("{prefix}top1")), 1);
        assert!(!agrees_with(&golden, &name, i64s(&[3], &[7, 1, 9])), "a margin of exactly 1e-3 is no tie");
        assert!(!agrees_with(&golden, &name, i64s(&[3], &[7, 8, 1])));
    }
}

#[test]
fn rank_may_move_within_the_golden_interval() {
    for prefix in ["", "clean_"] {
        let name = format!("tv/{prefix}rank");
        let golden = file(&[
            (name.as_str(), i64s(&[2], &[3, 10])),
            (&format!("tv/{prefix}rank_lo"), i64s(&[2], &[2, 10])),
            (&format!("tv/{prefix}rank_hi"), i64s(&[2], &[5, 10])),
        ]);
        for (rank, agrees) in [(1, false), (2, true), (5, true), (6, false)] {
            assert_eq!(agrees_with(&golden, &name, i64s(&[2], &[rank, 10])), agrees, "rank {rank}");
        }
        assert!(!agrees_with(&golden, &name, i64s(&[2], &[3, 11])));
    }
}

#[test]
fn heads_and_layers_have_no_ties() {
    for name in ["fv/heads", "tv/layers"] {
        let golden = file(&[(name, i64s(&[2, 2], &[0, 1, 2, 3]))]);
        assert!(judged(&golden, &golden).agrees());
        assert!(!agrees_with(&golden, name, i64s(&[2, 2], &[0, 1, 3, 2])));
    }
}

#[test]
fn dola_layer_may_differ_where_the_best_two_divergences_are_tied() {
    let golden = dola();
    // Token 1: 0.4996 and 0.5 are within 0.1 %. Token 2: 0.4994 and 0.5 are not.
    let tied = judged(&golden, &with(&golden, "dola/0.0/layer", i64s(&[3], &[0, 0, 0])));
    assert!(tied.agrees(), "{tied:?}");
    assert_eq!(ties(&tied, "layer"), 1);
    assert!(!agrees_with(&golden, "dola/0.0/layer", i64s(&[3], &[0, 2, 2])));
}

#[test]
fn single_candidate_is_never_tied() {
    let golden = file(&[("dola/0.0/layer", i64s(&[1], &[0])), ("dola/0.0/div", f64s(&[1, 1], &[0.5]))]);
    assert!(judged(&golden, &golden).agrees());
    assert!(!agrees_with(&golden, "dola/0.0/layer", i64s(&[1], &[1])));
}

#[test]
fn dola_score_is_compared_only_where_the_layer_is_the_same() {
    let golden = dola();
    let other_score = f64s(&[3], &[-1.0, -50.0, 3.0]);
    assert!(!agrees_with(&golden, "dola/0.0/score", other_score.clone()));
    let other_layer = with(&golden, "dola/0.0/layer", i64s(&[3], &[0, 0, 0]));
    assert!(judged(&golden, &with(&other_layer, "dola/0.0/score", other_score)).agrees());
    let elsewhere = f64s(&[3], &[-1.0, -50.0, 3.1]);
    assert!(!judged(&golden, &with(&other_layer, "dola/0.0/score", elsewhere)).agrees());
}

#[test]
fn dola_mask_may_differ_where_the_margin_is_small() {
    let golden = dola();
    let tied = judged(&golden, &with(&golden, "dola/0.0/masked", u8s(&[3], &[0, 0, 0])));
    assert!(tied.agrees(), "{tied:?}");
    assert_eq!(ties(&tied, "masked"), 1);
    assert!(!agrees_with(&golden, "dola/0.0/masked", u8s(&[3], &[1, 1, 0])));
    assert!(!agrees_with(&golden, "dola/0.0/masked", u8s(&[3], &[0, 1, 1])), "an infinite margin is no tie");
    for (margin, agrees) in [(-0.002, true), (-0.002_001, false), (0.002, true)] {
        let golden = with(&golden, "dola/0.0/mask_margin", f64s(&[3], &[1.5, margin, 1.5]));
        assert_eq!(agrees_with(&golden, "dola/0.0/masked", u8s(&[3], &[0, 0, 0])), agrees, "margin {margin}");
    }
}

#[test]
fn dola_totals_are_compared_only_where_layers_and_masks_agree() {
    let golden = dola();
    let replaced = |at: usize, value| {
        let mut values = golden["dola/totals"].values.to_f64();
        values[at] = value;
        f64s(&[1, 2, 4], &values)
    };
    // Three tokens: 3 · 2e-3 + 1e-5 · 98.
    assert!(agrees_with(&golden, "dola/totals", replaced(1, -98.006_97)));
    assert!(!agrees_with(&golden, "dola/totals", replaced(1, -98.006_99)));
    for (name, array) in [("dola/0.0/layer", i64s(&[3], &[0, 0, 0])), ("dola/0.0/masked", u8s(&[3], &[0, 0, 0]))] {
        let other = with(&golden, name, array);
        let first = judged(&golden, &with(&other, "dola/totals", replaced(0, 5.0)));
        assert!(first.agrees(), "{name}: {first:?}");
        assert_eq!(first.values(), judged(&golden, &golden).values() - 4 - usize::from(name.ends_with("layer")));
        assert!(!judged(&golden, &with(&other, "dola/totals", replaced(4, 5.0))).agrees(), "the other configuration");
    }
}

#[test]
fn nan_in_either_file_fails_and_is_named() {
    let golden = dola();
    for name in ["dola/0.0/score", "dola/0.0/mask_margin", "dola/0.0/div", "dola/totals"] {
        let mut values = golden[name].values.to_f64();
        values[0] = f64::NAN;
        let with_nan = with(&golden, name, f64s(&golden[name].shape, &values));
        for (golden, other) in [(&golden, &with_nan), (&with_nan, &golden), (&with_nan, &with_nan)] {
            let comparison = judged(golden, other);
            assert!(!comparison.agrees(), "{name}");
            let said = comparison.failures().find(|failure| failure.tensor == name).unwrap().to_string();
            assert!(said.contains("NaN"), "{said}");
        }
    }
}

#[test]
fn infinite_values_fail() {
    let golden = dola();
    for value in [f64::INFINITY, f64::NEG_INFINITY] {
        let infinite = with(&golden, "dola/0.0/base", f64s(&[3], &[-2.0, value, -4.0]));
        assert!(!judged(&golden, &infinite).agrees());
        assert!(!judged(&infinite, &golden).agrees());
        assert!(!judged(&infinite, &infinite).agrees());
    }
}

#[test]
fn missing_tensors_and_other_shapes_and_dtypes_fail() {
    let golden = dola();
    let mut missing = golden.clone();
    missing.remove("dola/0.1/score_all");
    let comparison = judged(&golden, &missing);
    assert_eq!(comparison.failures().map(|failure| &failure.reason).collect::<Vec<_>>(), [&Reason::Missing]);
    assert!(!agrees_with(&golden, "dola/0.0/base", f64s(&[3, 1], &[-2.0, -3.0, -4.0])));
    assert!(!agrees_with(&golden, "dola/0.0/base", f32s(&[3], &[-2.0, -3.0, -4.0])));
    assert!(!agrees_with(&golden, "dola/0.0/mask_margin", f64s(&[1], &[0.0])));
    let more = [(String::from("surplus"), f32s(&[1], &[0.0]))].into_iter().chain(golden.clone()).collect();
    assert!(judged(&golden, &more).agrees(), "tensors that only the other file has are ignored");
}

#[test]
fn golden_that_cannot_judge_fails_and_does_not_panic() {
    let complete = dola();
    for lacking in ["layer", "score", "masked", "mask_margin", "div"] {
        let mut golden = complete.clone();
        golden.remove(&format!("dola/0.0/{lacking}"));
        let comparison = judged(&golden, &complete);
        let unjudged = comparison.failures().any(|failure| matches!(failure.reason, Reason::Unjudged { .. }));
        assert!(unjudged && !comparison.agrees(), "without {lacking}: {comparison:?}");
    }
    for (name, array) in [
        ("dola/totals", f64s(&[8], &[0.0; 8])),
        ("dola/totals", f64s(&[1, 3, 4], &[0.0; 12])),
        ("dola/0.0/layer", f64s(&[3], &[0.0, 2.0, 0.0])),
        ("dola/0.0/layer", i64s(&[2], &[0, 2])),
        ("dola/0.0/div", f64s(&[3, 0], &[])),
        ("dola/0.0/base", Array { shape: vec![4], values: Values::F64(vec![0.0]) }),
        ("dola/0.0/base", Array { shape: vec![usize::MAX, 2], values: Values::F64(vec![]) }),
        ("dola/0.0/div", Array { shape: vec![3, 2], values: Values::F64(vec![]) }),
    ] {
        let golden = with(&complete, name, array);
        assert!(!judged(&golden, &golden).agrees(), "{name} {:?}", golden[name].shape);
        assert!(!judged(&complete, &golden).agrees(), "{name} {:?}", golden[name].shape);
    }
    let unknown = file(&[("tv/surprise", f32s(&[1], &[0.0])), ("bare", f32s(&[1], &[0.0]))]);
    assert_eq!(judged(&unknown, &unknown).failures().count(), 2);
}

#[test]
fn comparing_nothing_is_not_agreement() {
    assert_eq!(judged(&TensorFile::new(), &dola()).outcome(), Outcome::Disagrees);
    let timings = file(&[("cie/seconds", f32s(&[1], &[3.0]))]);
    assert_eq!(judged(&timings, &timings).outcome(), Outcome::Disagrees);
    let empty = file(&[("tv/theta", f32s(&[0, 4], &[]))]);
    assert_eq!(judged(&empty, &empty).outcome(), Outcome::Disagrees);
    let nothing_ran = compare_jobs(&dola(), &dola(), &Tolerances::default(), &BTreeSet::new());
    assert_eq!(nothing_ran.outcome(), Outcome::Disagrees);
}

#[test]
fn jobs_that_were_not_run_are_not_compared() {
    let golden: TensorFile = dola().into_iter().chain(file(&[("lens/top_prob", f32s(&[1], &[0.5]))])).collect();
    assert_eq!(jobs_in(&golden), ["dola", "lens"].map(String::from).into());
    let built = BTreeSet::from(["lens".to_owned()]);
    assert_eq!(restrict(&golden, &built).len(), 1);
    let comparison = compare_jobs(&golden, &restrict(&golden, &built), &Tolerances::default(), &built);
    let outcomes: Vec<_> = comparison.jobs.iter().map(|job| (job.job.as_str(), job.outcome)).collect();
    assert_eq!(outcomes, [("lens", Outcome::Agrees)]);
    assert!(comparison.agrees());

    let mistyped = BTreeSet::from(["lens".to_owned(), "lense".to_owned()]);
    let comparison = compare_jobs(&golden, &golden, &Tolerances::default(), &mistyped);
    assert_eq!(comparison.outcome(), Outcome::Disagrees, "a job without golden tensors");
}

#[test]
fn tolerance_that_is_not_a_number_allows_nothing() {
    let golden = file(&[("job/logits", f32s(&[1, 1], &[1.0]))]);
    let tolerances = Tolerances { logit: f64::NAN, ..Tolerances::default() };
    assert!(!compare(&golden, &golden, &tolerances).agrees());
}

#[test]
fn failures_name_the_value_that_is_furthest_beyond() {
    let golden = file(&[("logits/logits", f32s(&[2, 2], &[0.0; 4]))]);
    let other = with(&golden, "logits/logits", f32s(&[2, 2], &[0.5, 0.0, 0.0, -2.0]));
    let comparison = judged(&golden, &other);
    let said: Vec<_> = comparison.failures().map(ToString::to_string).collect();
    assert_eq!(said, ["logits/logits: 2 of 4 differ, such as -2 for 0 at [1, 1]"]);
}
