//! `steercheck lens`.

use serde_json::Value;

use crate::common::{folder, list, refusal, says, succeeds, tiny_model};

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
