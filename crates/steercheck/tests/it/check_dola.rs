//! `steercheck check --methods dola` on a tiny model: what is recorded follows from the scores that are recorded beside it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{all_comparable, arm, folder, list, records, refusal, says, steercheck, succeeds, tiny_model};

const QUESTIONS: usize = 31;

/// Questions of words: the best answer, one more that is true, and three that are not.
fn questions(here: &Path) {
    let answer =
        |i: usize, k: usize| format!("w{} w{} w{}", (i * 7 + k * 13) % 150, (i + k * 31) % 150, (k * 5 + 2) % 150);
    let mut text = String::new();
    for i in 0..QUESTIONS {
        let answers: Vec<String> = (0..5).map(|k| answer(i, k)).collect();
        let line = json!({"question": format!("w{i} w{}", i + 50), "best": answers[0], "true": answers[..2], "false": answers[2..]});
        writeln!(text, "{line}").unwrap();
    }
    std::fs::write(here.join("words.jsonl"), text).unwrap();
    std::fs::write(here.join("primer.txt"), "w1 w2 w3 w4 w5 w6 w7 w8 w9\n\n").unwrap();
}

fn check(here: &Path, options: &[&str]) -> Value {
    let arguments = ["check", "tiny", "--methods", "dola", "--tasks", "words.jsonl", "--format", "json"];
    let cards = succeeds(here, &arguments.iter().chain(options).copied().collect::<Vec<_>>());
    list(&serde_json::from_str::<Value>(&cards).unwrap())[0].clone()
}

/// MC1, MC2 and MC3 of scores of which the first two are those of true answers.
fn metrics(scores: &[f64]) -> (bool, f64, f64) {
    let most = scores[2..].iter().copied().fold(f64::MIN, f64::max);
    let top = scores.iter().copied().fold(f64::MIN, f64::max);
    let mass = |part: &[f64]| part.iter().map(|s| (s - top).exp()).sum::<f64>();
    let above = scores[..2].iter().filter(|s| **s > most).count() as f64;
    (scores[0] > most, mass(&scores[..2]) / mass(scores), above / 2.0)
}

#[test]
fn every_figure_of_the_record_follows_from_its_scores() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    questions(here.path());
    let card = check(here.path(), &[]);
    let record = &records(here.path())[0];
    let names = [
        "baseline",
        "steered",
        "random-layer",
        "static-layer",
        "length-constant",
        "unmasked",
        "baseline-without-period",
        "without-period",
    ];
    assert_eq!(list(&record["plan"]["arms"]), names.map(|n| json!(n)));
    for name in names {
        let found = arm(record, name);
        let items = list(&found["scored"]);
        assert_eq!(items.len(), QUESTIONS, "{name}");
        let mut hits = 0;
        for item in items {
            let scores: Vec<f64> = list(&item["scores"]).iter().map(|s| s.as_f64().unwrap()).collect();
            let (mc1, mc2, mc3) = metrics(&scores);
            assert_eq!(item["hit"], mc1, "{name}: {item}");
            assert!((item["mc2"].as_f64().unwrap() - mc2).abs() < 1e-9, "{name}: {item}");
            assert!((item["mc3"].as_f64().unwrap() - mc3).abs() < 1e-9, "{name}: {item}");
            hits += u64::from(mc1);
        }
        assert_eq!(found["hits"], hits, "{name}");
    }
    // Every question is in one fold; the setting of a fold is of the grid, and its questions' scores are those of that setting.
    let folds = list(&record["results"]["folds"]);
    let mut seen: Vec<u64> = folds.iter().flat_map(|f| list(&f["items"])).map(|i| i.as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert!(folds.len() == 5 && seen.into_iter().eq(0..QUESTIONS as u64));
    assert_eq!(list(&record["results"]["grid"]).len(), 48);
    for fold in folds.iter().filter(|f| f["setting"]["alpha"] == 0.0) {
        for item in list(&fold["items"]) {
            let of = |name: &str| list(&arm(record, name)["scored"])[item.as_u64().unwrap() as usize]["scores"].clone();
            assert_eq!(of("steered"), of("unmasked"), "without a mask nothing is masked");
        }
    }
    // " w1 w2 w3.": three words behind spaces, and a period; each bucket chose a layer for every token.
    for used in list(&record["results"]["layer_use"]) {
        let tokens: u64 = list(&used["tokens"]).iter().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(tokens as usize, QUESTIONS * 5 * 7, "{used}");
        let by_item = list(&used["by_item"]);
        assert_eq!(by_item.len(), QUESTIONS);
        assert!(by_item.iter().all(|row| list(row).iter().map(|n| n.as_u64().unwrap()).sum::<u64>() == 35), "{used}");
    }
    for layers in list(&card["scoring"]["layer_use"]) {
        let agreement = |name: &str| layers[name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&agreement("within")) && (0.0..=1.0).contains(&agreement("between")), "{layers}");
    }
    masks_count_what_the_scores_say(record);
    // This tokenizer knows no period, and tells no letters apart.
    assert_eq!(record["results"]["boundary"], json!({"answers": QUESTIONS * 5, "own_period": 0}));
    assert_eq!(arm(record, "without-period")["scored"], arm(record, "steered")["scored"]);
    assert_eq!(record["results"]["lens"], Value::Null);
    says(&record["about"]["task"]["notes"].to_string(), &["rises late was not asked", "same tokens"]);
    assert_eq!(card["verdict"], "untestable", "{card}");
    says(card["reason"].as_str().unwrap(), &["a change of 10 points would not be seen on 31 questions"]);
    assert_eq!(card["scoring"]["controls"].as_array().unwrap().len(), 3);
}

/// The masked tokens that the arms list, beside those that are counted by α.
fn masks_count_what_the_scores_say(record: &Value) {
    let masks = list(&record["results"]["masks"]);
    assert_eq!(masks.len(), 6);
    assert_eq!((&masks[0]["alpha"], &masks[0]["masked"], &masks[0]["best"]), (&json!(0.0), &json!(0), &json!(0)));
    let counts: Vec<u64> = masks.iter().map(|m| m["masked"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted() && masks.iter().all(|m| m["tokens"] == json!(QUESTIONS * 5 * 7)), "{masks:?}");
    // Where all folds chose one α, the steered arm lists exactly these.
    let folds = list(&record["results"]["folds"]);
    let alpha = &folds[0]["setting"]["alpha"];
    if folds.iter().all(|fold| fold["setting"]["alpha"] == *alpha) {
        let listed = |item: &Value| item.get("masked").map_or(0, |m| list(m).iter().map(|n| n.as_u64().unwrap()).sum());
        let total: u64 = list(&arm(record, "steered")["scored"]).iter().map(listed).sum();
        let counted = masks.iter().find(|m| m["alpha"] == *alpha).unwrap();
        assert_eq!(counted["masked"], total);
    }
}

#[test]
fn questions_that_do_not_fit_are_left_out_and_named() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    let mut rows = String::from("full_prefix,completion,contradiction_0\n");
    for i in 0..11 {
        writeln!(rows, "{}w{i},w1,w2", if i == 4 { "w1 ".repeat(70) } else { String::new() }).unwrap();
    }
    std::fs::write(here.path().join("mixed.csv"), rows).unwrap();
    let printed = succeeds(here.path(), &["check", "tiny", "--methods", "dola", "--tasks", "mixed.csv"]);
    says(&printed, &["note on mixed: 1 of 11 questions were left out", "64 tokens", "Strict wins", "n = 10"]);
    let record = &records(here.path())[0];
    assert_eq!(record["plan"]["counts"]["test"], 10);
    assert_eq!(list(&record["results"]["items"]["test"]).len(), 10);
}

#[test]
fn one_thread_and_two_give_identical_records_and_another_seed_changes_the_random_layers_at_most() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    questions(here.path());
    let run = |threads: &str, options: &[&str]| {
        let arguments = ["check", "tiny", "--methods", "dola", "--tasks", "words.jsonl"];
        let mut command = steercheck(here.path());
        let done = command.env("RAYON_NUM_THREADS", threads).args(arguments).args(options).assert().success();
        let printed = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        says(&printed, &["DoLa: per cent right", "Premature layers that diverge most", "constant"]);
        assert!(printed.lines().all(|l| l.chars().count() <= 100), "{printed}");
        let found = all_comparable(here.path());
        std::fs::remove_dir_all(here.path().join("steercheck-out")).unwrap();
        found
    };
    let first = run("1", &[]);
    assert_eq!(first, run("2", &[]));
    let other = run("2", &["--seed", "1"]);
    for name in ["baseline", "steered", "static-layer", "length-constant", "unmasked"] {
        assert_eq!(arm(&first[0], name), arm(&other[0], name), "{name}");
    }
    let normed = run("2", &["--dola-norm", "final"]);
    assert_eq!(arm(&first[0], "baseline"), arm(&normed[0], "baseline"));
    assert_ne!(arm(&first[0], "steered"), arm(&normed[0], "steered"));
}

#[test]
fn the_study_reports_what_its_own_questions_chose_and_counts_tied_completions() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    questions(here.path());
    let card = check(here.path(), &["--protocol", "study"]);
    assert_eq!(card["verdict"], Value::Null, "{card}");
    let record = &records(here.path())[0];
    assert_eq!(list(&record["plan"]["arms"]), ["baseline", "steered"].map(|n| json!(n)));
    assert_eq!(record["results"]["folds"], Value::Null);
    assert_eq!(record["results"]["chosen"]["setting"]["post-softmax"], "yes");
    // The same completion twice: a tie.
    let mut rows = String::from("full_prefix,completion,contradiction_0,contradiction_1\n");
    for i in 0..12 {
        writeln!(rows, "w{i} w{},w3 w4,w5 w{i},w5 w{i}", i + 20).unwrap();
    }
    std::fs::write(here.path().join("news.csv"), rows).unwrap();
    succeeds(here.path(), &["check", "tiny", "--methods", "dola", "--tasks", "news.csv", "--out", "other"]);
}

#[test]
fn what_does_not_suit_the_method_is_said() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    questions(here.path());
    let says_of = |arguments: &[&str], parts: &[&str]| says(&refusal(here.path(), arguments), parts);
    says_of(
        &["check", "tiny", "--methods", "dola", "--tasks", "antonym"],
        &["DoLa scores sets of questions, and none is named"],
    );
    says_of(&["check", "tiny", "--methods", "tv", "--tasks", "words.jsonl"], &["sets of questions are for DoLa"]);
    says_of(&["check", "tiny", "--tasks", "words.jsonl,words.jsonl"], &["asked for twice"]);
    says_of(&["check", "tiny", "--methods", "dola", "--tasks", "missing.csv"], &["missing.csv", "check the path"]);
    let long = format!("full_prefix,completion,contradiction_0\n{},w1,w2\n", "w1 ".repeat(80));
    std::fs::write(here.path().join("long.csv"), long).unwrap();
    says_of(&["check", "tiny", "--methods", "dola", "--tasks", "long.csv"], &["context has 64"]);
}

#[test]
fn text_is_generated_with_the_layer_of_every_token() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    let run = |options: &[&str]| {
        let arguments = ["generate", "tiny", "w1 w2 w3", "--tokens", "5"];
        succeeds(here.path(), &arguments.iter().chain(options).copied().collect::<Vec<_>>())
    };
    says(
        &run(&["--dola", "low", "--trace"]),
        &["unsteered", "DoLa: layers low, alpha 0.1", "ln p / q", "to choose from"],
    );
    let json: Value = serde_json::from_str(&run(&["--dola", "0,2", "--alpha", "0", "--json"])).unwrap();
    let steps = list(&json["trace"]);
    assert_eq!(steps.len(), 5);
    for step in steps {
        assert!(step["layer"] == 0 || step["layer"] == 2, "{step}");
        assert_eq!(step["kept"], 160, "no mask at alpha 0: {step}");
    }
    let tokens: Vec<&Value> = steps.iter().map(|s| &s["token"]).collect();
    assert_eq!(tokens, list(&json["steered"]["tokens"]).iter().collect::<Vec<_>>());
    // At alpha 1 the most probable token alone is left: the text of the model itself.
    let certain: Value = serde_json::from_str(&run(&["--dola", "high", "--alpha", "1", "--json"])).unwrap();
    assert_eq!(certain["steered"]["tokens"], certain["unsteered"]["tokens"]);
    let sampled = |seed: &str| run(&["--dola", "low", "--temperature", "2", "--seed", seed, "--alpha", "0.01"]);
    assert_eq!(sampled("3"), sampled("3"));
    let penalised: Value =
        serde_json::from_str(&run(&["--dola", "0", "--alpha", "0", "--repetition-penalty", "50", "--json"])).unwrap();
    let tokens = list(&penalised["steered"]["tokens"]);
    assert!(tokens.iter().enumerate().all(|(i, t)| !tokens[..i].contains(t)), "{tokens:?}");
    let refused = |layers: &str| refusal(here.path(), &["generate", "tiny", "w1", "--dola", layers]);
    says(&refused("3"), &["residuals from 0 to 2"]);
    says(&refused("middle"), &["write low, high, or residuals"]);
}
