//! The study's models as they are listed, against the names, layers and ids in its published results.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::common::{list, with_empty_cache};

/// The study's entries by name.
fn entries() -> BTreeMap<String, Value> {
    let models: Value = serde_json::from_str(&with_empty_cache(&["models", "list", "--study", "--json"])).unwrap();
    let named = |model: &Value| (model["name"].as_str().unwrap().to_string(), model.clone());
    list(&models).iter().map(named).collect()
}

/// The distinct rows of a published table, these columns alone. None of them holds a comma or a quote.
fn rows(shared: &Path, file: &str, columns: &[&str]) -> BTreeSet<Vec<String>> {
    let text = std::fs::read_to_string(shared.join("reference").join(file)).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at: Vec<usize> = columns.iter().map(|c| head.iter().position(|h| h == c).unwrap()).collect();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        at.iter().map(|i| fields[*i].to_string()).collect()
    };
    lines.map(row).collect()
}

#[test]
fn the_published_function_vectors_are_of_the_listed_models_with_their_layers_and_bos() {
    let Some(shared) = steercheck_testkit::shared() else { return };
    let entries = entries();
    let rows = rows(&shared, "function_vectors.csv", &["model", "n_layers", "tokenizer_adds_bos"]);
    // The supervised stage of OLMo Instruct has seven rows there and is not one of the 36 models.
    let published: Vec<_> = rows.iter().filter(|row| row[0] != "olmos-7b").collect();
    assert_eq!((rows.len(), published.len()), (37, 36));
    for row in &published {
        let entry = entries.get(&row[0]).unwrap_or_else(|| panic!("{} is not listed", row[0]));
        assert_eq!(entry["study"], "model", "{}", row[0]);
        assert_eq!(entry["blocks"].to_string(), row[1], "{}", row[0]);
        assert_eq!(entry["adds_bos"], row[2] == "yes", "{}", row[0]);
    }
    let listed: BTreeSet<&String> = entries.iter().filter(|(_, e)| e["study"] == "model").map(|(n, _)| n).collect();
    assert_eq!(listed, published.iter().map(|row| &row[0]).collect());
}

#[test]
fn the_published_task_vectors_are_of_listed_models_with_their_layers() {
    let Some(shared) = steercheck_testkit::shared() else { return };
    let entries = entries();
    let rows = rows(&shared, "task_vectors.csv", &["model", "n_layers"]);
    assert_eq!(rows.len(), 29);
    for row in rows {
        assert_eq!(
            (&entries[&row[0]]["study"], entries[&row[0]]["blocks"].to_string()),
            (&"model".into(), row[1].clone())
        );
    }
}

#[test]
fn the_published_dola_results_are_of_listed_models_with_their_hub_ids_and_layers() {
    let Some(shared) = steercheck_testkit::shared() else { return };
    let entries = entries();
    for file in ["dola_truthfulqa.csv", "dola_factor.csv"] {
        let rows = rows(&shared, file, &["model", "hf_id", "n_layers"]);
        assert_eq!(rows.len(), 10, "{file}");
        let mut dola_only = 0;
        for row in rows {
            let entry = entries.get(&row[0]).unwrap_or_else(|| panic!("{} is not listed", row[0]));
            assert_eq!(entry["hub_id"], row[1], "{file}");
            assert_eq!(entry["blocks"].to_string(), row[2], "{file}: {}", row[0]);
            dola_only += usize::from(entry["study"] == "dola only");
        }
        assert_eq!(dola_only, 3, "{file}");
    }
}

#[test]
fn the_published_logit_lens_is_of_listed_models_and_checkpoints_with_their_layers() {
    let Some(shared) = steercheck_testkit::shared() else { return };
    let entries = entries();
    let mut layers: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows(&shared, "logit_lens_truthfulqa.csv", &["model", "layer"]) {
        *layers.entry(row[0].to_lowercase()).or_default() += 1;
    }
    let checkpoints: Vec<_> =
        layers.keys().filter(|name| entries[*name]["study"] == "checkpoint").map(String::as_str).collect();
    assert_eq!(checkpoints, ["olmo-7b-100bt", "olmo-7b-20bt", "olmo-7b-2700bt", "olmo-7b-50bt"]);
    for (name, residuals) in layers {
        assert_eq!(entries[&name]["blocks"].as_u64().unwrap() + 1, residuals as u64, "{name}: residual 0 counts");
    }
}

#[test]
fn every_model_of_the_study_is_listed_with_all_that_it_needs() {
    for (name, entry) in entries() {
        for key in ["blocks", "heads", "kv_heads", "head_dim", "hidden_size", "intermediate_size", "vocab_size"] {
            assert!(entry[key].as_u64().is_some_and(|n| n > 0), "{name}: {key}");
        }
        let bytes = |key: &str| entry[key].as_u64().unwrap() as f64;
        assert!((bytes("bytes_in_bf16") - 2.0 * bytes("parameters")).abs() < 0.5, "{name}");
        let bits = 8.0 * bytes("bytes_at_4_bits") / bytes("parameters");
        assert!((bits - 4.85).abs() < 1e-6, "{name}: {bits} bits per weight");
        let id = entry["hub_id"].as_str().unwrap();
        assert_eq!(id.contains('@'), entry["study"] == "checkpoint", "{name}: {id}");
        assert_eq!(entry["tuned_from"].is_string(), entry["kind"] == "instruct", "{name}");
    }
}
