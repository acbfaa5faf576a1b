//! What is read from a store: `report`, `store export`, `published --store`.

use std::path::Path;

use serde_json::Value;

use crate::common::{folder, list, refusal, roomy_model_of, run, says, succeeds, word_task};

const STUDY: &str = "models = [\"llama2-7b\", \"llama2i-7b\"]\ntasks = [\"country-capital.tsv\", \"two.tsv\"]\nseeds = 2\n\
                     side-effects = false\n[items]\ndev = 5\ntest = 8\n[tv]\n[fv]\nstrengths = [1, 4]\nheads = [2, 4]\n";

/// A store of two tiny models that go by names of the study, with two methods on two tasks; none where the fixtures are missing.
fn store() -> Option<tempfile::TempDir> {
    let here = folder();
    for (name, fixture) in [("llama2-7b", "llama_llama3rope"), ("llama2i-7b", "qwen2_tied")] {
        roomy_model_of(here.path(), name, fixture)?;
    }
    word_task(here.path(), "country-capital.tsv", 150);
    word_task(here.path(), "two.tsv", 160);
    std::fs::write(here.path().join("study.toml"), STUDY).unwrap();
    let said = succeeds(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    let status = succeeds(here.path(), &["study", "status", "study.toml", "--store", "store"]);
    assert!(said.contains("16 cells done"), "{status}");
    Some(here)
}

/// Columns by name, and rows, of a CSV file.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let texts = |record: &csv::StringRecord| record.iter().map(str::to_string).collect::<Vec<_>>();
    let head = texts(reader.headers().unwrap());
    (head, reader.records().map(|record| texts(&record.unwrap())).collect())
}

#[test]
fn a_store_is_reported_exported_and_set_beside_what_was_published() {
    let Some(here) = store() else { return };
    reported(here.path());
    exported(here.path());
    beside(here.path());
}

fn reported(here: &Path) {
    let text = succeeds(here, &["report", "store"]);
    let parts = [
        "Methods over models and tasks",
        "Tasks over models",
        "Models by what they are",
        "pre-trained only",
        "Tuned models beside those",
        "Cells that recover at least",
        "function vectors, λ = 1",
        "country-capital",
    ];
    says(&text, &parts);
    says(&text, &["Accuracy by the residual that is steered", "▁"]);
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let json: Value = serde_json::from_str(&succeeds(here, &["report", "store", "--format", "json"])).unwrap();
    assert_eq!(list(&json["cards"]).len(), 8);
    let methods = list(&json["summaries"]["methods"]);
    assert!(methods.iter().all(|m| m["gain"]["models"] == 2 && m["gain"]["cells"] == 4), "{json}");
    assert_eq!(list(&json["summaries"]["heat"]).len(), 3);
    let cards = succeeds(here, &["report", "store", "--format", "csv"]);
    assert_eq!(cards.lines().count(), 9);
    assert_eq!(cards, succeeds(here, &["report", "store", "--format", "csv"]), "the same records give the same bytes");
    says(&succeeds(here, &["report", "store", "--format", "md"]), &["## llama2-7b", "| method |"]);
    says(&succeeds(here, &["report", "store", "--format", "latex"]), &["\\begin{tabular}"]);
    says(&refusal(here, &["report", "nowhere"]), &["no records in nowhere"]);
}

fn exported(here: &Path) {
    let said = succeeds(here, &["store", "export", "store", "--out", "tables", "--format", "csv"]);
    says(&said, &["items.csv", "cards.csv", "cells.csv: 16 rows", "settings.csv", "heads.csv"]);
    let (head, rows) = table(&here.join("tables/items.csv"));
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let (card_head, cards) = table(&here.join("tables/cards.csv"));
    let of_card = |name: &str| card_head.iter().position(|column| column == name).unwrap();
    assert_eq!(cards.len(), 8);
    for card in &cards {
        for (arm, column) in [("zero-shot", "zero_shot"), ("steered", "steered"), ("few-shot", "few_shot")] {
            let names = [at("model"), at("method"), at("task")];
            let of = [of_card("model"), of_card("method"), of_card("task")];
            let mine =
                |row: &&Vec<String>| row[at("arm")] == arm && names.iter().zip(of).all(|(a, b)| row[*a] == card[b]);
            let hits: Vec<bool> = rows.iter().filter(mine).map(|row| row[at("hit")] == "true").collect();
            // Eight items, two seeds.
            assert_eq!(hits.len(), 16);
            let share = hits.iter().filter(|hit| **hit).count() as f64 / 16.0;
            assert!((share - card[of_card(column)].parse::<f64>().unwrap()).abs() < 1e-12, "{card:?}");
        }
    }
    succeeds(here, &["store", "export", "store"]);
    let parquet = std::fs::read(here.join("store/export/items.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    // An export is no part of the store.
    succeeds(here, &["store", "verify", "store"]);
    says(&refusal(here, &["store", "export", "nowhere"]), &["no records in nowhere"]);
}

fn beside(here: &Path) {
    let text = succeeds(here, &["published", "--store", "store"]);
    says(
        &text,
        &[
            "Measured beside published",
            "country-capital",
            "best of the grid",
            "test at the choice of dev",
            "2504.04635",
        ],
    );
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let rows: Value =
        serde_json::from_str(&succeeds(here, &["published", "llama2-7b", "--store", "store", "--format", "json"]))
            .unwrap();
    for row in list(&rows) {
        let number = |name: &str| row[name].as_f64().unwrap();
        let measured = |name: &str| row["measured"][name].as_f64().unwrap();
        assert!((number("difference") - (measured("point") - number("published"))).abs() < 1e-12);
        let inside = measured("low") <= number("published") && number("published") <= measured("high");
        assert_eq!((row["inside"].as_bool().unwrap(), row["model"].as_str().unwrap()), (inside, "llama2-7b"));
    }
    let only = succeeds(here, &["published", "--store", "store", "--method", "tv", "--format", "csv"]);
    assert!(only.contains("task-vector") && !only.contains("function-vector"), "{only}");
    let output = run(here, &["published", "gptj-6b", "--store", "store"]);
    assert_eq!(output.status.code(), Some(2));
    says(
        &String::from_utf8_lossy(&output.stderr),
        &["nothing in store was published for gptj-6b", "llama2-7b, llama2i-7b"],
    );
}

/// Every `href="#…"` and every id of a page.
fn anchors(page: &str) -> (Vec<&str>, Vec<&str>) {
    let after = |sign: &'static str| -> Vec<&str> {
        page.split(sign).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    };
    (after("href=\"#"), after(" id=\""))
}

#[test]
fn the_page_is_whole_in_itself_and_shows_the_text_of_strangers_as_text() {
    let Some(here) = store() else { return };
    word_task(here.path(), "a<script>alert(1)<script>.tsv", 150);
    let study = STUDY.replace("\"two.tsv\"", "\"a<script>alert(1)<script>.tsv\"");
    std::fs::write(here.path().join("study.toml"), study).unwrap();
    succeeds(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    let said = succeeds(here.path(), &["report", "store", "--out", "page", "--figures", "svg,png,pdf"]);
    says(&said, &["report.html", "figures"]);
    let page = std::fs::read_to_string(here.path().join("page/report.html")).unwrap();
    assert!(page.len() < 3 << 20, "{}", page.len());
    assert!(page.contains("a&lt;script&gt;alert(1)") && page.matches("<script").count() == 1, "one script, ours");
    // Nothing is fetched: no address but the namespace of SVG.
    let addresses: Vec<&str> = page.split("http").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let fetched = |a: &&&str| !a.starts_with("-equiv") && !a.starts_with("://www.w3.org/2000/svg");
    assert_eq!(addresses.iter().find(fetched), None);
    let (links, ids) = anchors(&page);
    assert!(links.len() > 10 && links.iter().all(|link| ids.contains(link)), "{links:?}");
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "no anchor stands twice");
    says(
        &page,
        &["function vectors, λ = 1", "Where the task&#39;s heads are", "Items: what was asked and said"]
            .map(|s| s.split('&').next().unwrap()),
    );
    // No figure without its n.
    for caption in page.split("<figcaption>").skip(1).map(|rest| rest.split("<details>").next().unwrap()) {
        assert!(caption.contains("n = "), "{caption}");
    }
    // Drawings that stand alone are SVG, with their numbers beside them.
    let svg = std::fs::read_to_string(here.path().join("page/figures/gains.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>"));
    assert!(here.path().join("page/figures/gains.csv").is_file());
    let begins =
        |name: &str, sign: &[u8]| std::fs::read(here.path().join("page/figures").join(name)).unwrap().starts_with(sign);
    assert!(begins("gains.png", b"\x89PNG") && begins("base-and-tuned.pdf", b"%PDF"));
    for figure in
        ["gains", "recovery-thresholds", "best-task-vector-residual", "demonstrations", "optimism", "published"]
    {
        assert!(ids.contains(&figure), "{figure} is not in {ids:?}");
    }
    let part = ["report", "store", "--models", "llama2-7b", "--methods", "tv", "--tasks", "two", "--format", "csv"];
    assert_eq!(succeeds(here.path(), &part).lines().count(), 2);
    says(
        &refusal(here.path(), &["report", "store", "--models", "llama3"]),
        &["no cell in store", "llama2-7b, llama2i-7b"],
    );
    succeeds(here.path(), &["report", "store", "--out", "again"]);
    assert_eq!(page, std::fs::read_to_string(here.path().join("again/report.html")).unwrap());
}
