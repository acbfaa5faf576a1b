//! `steercheck lens`.

use serde_json::Value;

use crate::common::{all_comparable, folder, list, records, refusal, says, succeeds, tiny_model, word_task};

fn grid(here: &std::path::Path, options: &[&str]) -> Value {
    let arguments = ["lens", "tiny", "w1 w2 w3 w4", "--json"];
    serde_json::from_str(&succeeds(here, &arguments.iter().chain(options).copied().collect::<Vec<_>>())).unwrap()
}

#[test]
fn the_last_residual_says_what_the_model_says_and_the_norm_matters_before() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    let seen = grid(here.path(), &[]);
    let residuals = list(&seen["residuals"]);
    // Words and the spaces between them; embeddings and three blocks.
    assert_eq!((residuals.len(), list(&seen["tokens"]).len()), (4, 7), "{seen}");
    let top = &list(&residuals[3])[6];
    let generated: Value =
        serde_json::from_str(&succeeds(here.path(), &["generate", "tiny", "w1 w2 w3 w4", "--tokens", "1", "--json"]))
            .unwrap();
    let first = &generated["unsteered"]["first"][0];
    assert_eq!(first["token"], top["token"]);
    let probability = first["log_prob"].as_f64().unwrap().exp();
    assert!((top["probability"].as_f64().unwrap() - probability).abs() < 1e-5, "{top} {first}");
    assert_eq!((&top["next"], &top["next_rank"]), (&Value::Null, &Value::Null));
    for residual in residuals {
        for (i, at) in list(residual).iter().enumerate().take(6) {
            let (next, best) = (at["next"].as_f64().unwrap(), at["probability"].as_f64().unwrap());
            assert!(next <= best + 1e-12 && (at["next_rank"] == 0) == (at["token"] == seen["tokens"][i + 1]), "{at}");
        }
    }
    let raw = grid(here.path(), &["--no-norm"]);
    assert_eq!(raw["final_norm"], false);
    assert_ne!(raw["residuals"][1], seen["residuals"][1]);
}

#[test]
fn the_grid_fits_the_terminal_and_can_be_cut() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    let whole = succeeds(here.path(), &["lens", "tiny", "w1 w2 w3 w4 w5 w6 w7 w8 w9"]);
    assert!(whole.lines().all(|l| l.chars().count() <= 100), "{whole}");
    says(&whole, &["norm and the head", "'w9'", "residual"]);
    let cut = succeeds(here.path(), &["lens", "tiny", "w1 w2 w3", "--positions", "2", "--no-norm"]);
    says(&cut, &["without", "'w3'"]);
    assert!(!cut.contains("'w1'\n"), "{cut}");
    says(&refusal(here.path(), &["lens", "tiny", ""]), &["empty"]);
}

#[test]
fn a_data_set_gives_curves_with_intervals_and_a_record() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    word_task(here.path(), "words.tsv", 40);
    let arguments = ["lens", "tiny", "--task", "words.tsv", "--shots", "2", "--items", "15"];
    let run = |options: &[&str]| succeeds(here.path(), &arguments.iter().chain(options).copied().collect::<Vec<_>>());
    let printed = run(&[]);
    says(&printed, &["The logit lens on words: 15 items behind 2 demonstrations", "residual", "ranks", "record"]);
    assert!(printed.lines().all(|l| l.chars().count() <= 100), "{printed}");
    let first = all_comparable(here.path());
    let measured: Value = serde_json::from_str(&run(&["--format", "json"])).unwrap();
    assert_eq!(first, all_comparable(here.path()), "the same again");
    let table = &records(here.path())[0]["results"]["lens"];
    let curve = list(&measured["curve"]);
    assert_eq!((curve.len(), measured["n"].as_u64(), &measured["rise"]), (4, Some(15), &Value::Null));
    for (b, point) in curve.iter().enumerate() {
        let of = |rows: &Value, item: usize| list(&list(rows)[item])[b].as_f64().unwrap();
        let mean = (0..15).map(|item| of(&table["top"], item)).sum::<f64>() / 15.0;
        let top = |part: &str| point["top"][part].as_f64().unwrap();
        // The record has f32 in their shortest form.
        assert!(
            (top("point") - mean).abs() < 1e-7 && top("low") <= top("point") && top("point") <= top("high"),
            "{point}"
        );
        let right: f64 = (0..15).map(|i| list(&list(&list(&table["probability"])[i])[0])[b].as_f64().unwrap()).sum();
        assert!((point["right"]["point"].as_f64().unwrap() - right / 15.0).abs() < 1e-7, "{point}");
    }
    assert_eq!(curve[3]["settled"]["point"], 1.0);
    let csv = run(&["--format", "csv"]);
    assert!(csv.starts_with("residual,top,top_low") && csv.lines().count() == 5, "{csv}");
    assert_eq!(csv.lines().map(|l| l.split(',').count()).max(), Some(19));
    for format in ["md", "latex"] {
        says(&run(&["--format", format]), &["logit lens"]);
    }
}

#[test]
fn what_the_lens_cannot_look_at_is_said() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    let completions = "full_prefix,completion,contradiction_0\nw1 w2,w3,w4\n";
    std::fs::write(here.path().join("news.csv"), completions).unwrap();
    word_task(here.path(), "few.tsv", 4);
    let says_of = |arguments: &[&str], parts: &[&str]| says(&refusal(here.path(), arguments), parts);
    says_of(&["lens", "tiny", "--task", "news.csv"], &["completions of 'news'", "give questions"]);
    says_of(&["lens", "tiny", "--task", "few.tsv"], &["'few'", "are needed"]);
    says_of(&["lens", "tiny", "--task", "few.tsv", "--shots", "3", "--items", "0"], &["whole number from 1"]);
    says_of(&["lens", "tiny"], &["PROMPT"]);
    says_of(&["lens", "tiny", "w1", "--task", "few.tsv"], &["cannot be used with"]);
    word_task(here.path(), "long.tsv", 60);
    says_of(&["lens", "tiny", "--task", "long.tsv", "--shots", "30"], &["context has 64"]);
}
