//! What a person and a machine see of a comparison.

mod common;

use std::collections::BTreeSet;

use common::{f32s, i64s};
use steercheck_oracle::table::{Lines, render};
use steercheck_oracle::{JobFile, TensorFile, Tolerances, compare_jobs};

fn comparison() -> steercheck_oracle::Comparison {
    let golden: TensorFile = [
        ("dola/totals", f32s(&[1], &[0.0])),
        ("tv/clean_prob", f32s(&[2], &[0.5, 0.5])),
        ("tv/layers", i64s(&[2], &[1, 2])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into();
    let mut other = golden.clone();
    other.insert("tv/clean_prob".to_owned(), f32s(&[2], &[0.500_05, 0.5]));
    other.insert("tv/layers".to_owned(), i64s(&[2], &[1, 3]));
    let jobs = r#"{"format": 1, "jobs": [{"name": "tv", "kind": "task_vector", "items": []}]}"#;
    let built = BTreeSet::from(["tv".to_owned()]);
    compare_jobs(&golden, &other, &Tolerances::default(), &built).with_kinds(&JobFile::parse(jobs).unwrap())
}

#[test]
fn table_has_a_row_per_quantity_and_a_line_per_failure() {
    let expected = "\
| job | kind        | quantity   | values | ties | largest diff | of allowed | allowed                      | verdict   |
|-----|-------------|------------|--------|------|--------------|------------|------------------------------|-----------|
| tv  | task_vector | clean_prob |      2 |    0 |       5.0e-5 |    49.96 % | min(1e-4, 1e-2 of it) + 1e-7 | agrees    |
| tv  | task_vector | layers     |      2 |    0 |              |            | equal                        | DISAGREES |
BAD tv/layers: 1 of 2 differ, such as 3 for 2 at [1]
0 jobs agree, 1 disagree; 4 values compared
";
    assert_eq!(render(&comparison(), Lines::Ascii), expected);
}

#[test]
fn table_is_never_coloured() {
    for lines in [Lines::Ascii, Lines::Utf8] {
        assert!(!render(&comparison(), lines).contains('\u{1b}'));
    }
    assert!(render(&comparison(), Lines::Ascii).is_ascii());
    assert!(render(&comparison(), Lines::Utf8).contains('│'));
}

#[test]
fn json_has_the_same_content() {
    let json = serde_json::to_value(comparison()).unwrap();
    let tv = &json["jobs"][0];
    assert_eq!((tv["kind"].as_str(), tv["outcome"].as_str()), (Some("task_vector"), Some("disagrees")));
    assert_eq!(tv["quantities"][0]["values"], 2);
    assert!((tv["quantities"][0]["largest_share"].as_f64().unwrap() - 0.4995).abs() < 1e-3);
    let failure = &tv["failures"][0];
    assert_eq!((failure["tensor"].as_str(), failure["reason"].as_str()), (Some("tv/layers"), Some("differs")));
    assert_eq!((failure["wrong"].as_u64(), failure["of"].as_u64()), (Some(1), Some(2)));
}
