//! `steercheck published`.

use serde_json::Value;

use crate::common::{folder, list, refusal, says, succeeds};

#[test]
fn the_published_summaries_are_those_of_the_paper() {
    let here = folder();
    let text = succeeds(here.path(), &["published"]);
    // Function vectors after the search: 35 of 171 cells where BOS is added, 132 of 153 where it is not.
    says(
        &text,
        &["function vectors, best of the search", "of tokenizers that add BOS", "171", "153", "20", "86", "2504.04635"],
    );
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let json: Value = serde_json::from_str(&succeeds(here.path(), &["published", "--format", "json"])).unwrap();
    assert_eq!(list(&json["function_vectors"]).len(), 331);
    assert_eq!(list(&json["truthful_qa"]).len(), 126);
}

#[test]
fn one_models_figures_are_printed_by_method() {
    let here = folder();
    let all = succeeds(here.path(), &["published", "llama2-7b"]);
    says(
        &all,
        &["function vectors of llama2-7b", "task vectors of llama2-7b", "logit lens of llama2-7b", "TruthfulQA"],
    );
    assert!(all.lines().all(|l| l.chars().count() <= 100), "{all}");
    let one = succeeds(here.path(), &["published", "llama2-7b", "--method", "tv", "--format", "csv"]);
    assert!(one.starts_with("task,zero-shot") && one.lines().count() == 10, "{one}");
    let typo = refusal(here.path(), &["published", "lama2-7b"]);
    says(&typo, &["did you mean 'llama2-7b'"]);
    let none = refusal(here.path(), &["published", "gptj-6b", "--method", "dola"]);
    says(&none, &["no published figures of this method for gptj-6b"]);
}
