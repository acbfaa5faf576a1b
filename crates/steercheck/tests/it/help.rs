//! The help texts: readable in one look, and stable.

use std::path::Path;

use crate::common::{folder, stdout, steercheck, succeeds};

const HELPS: [&[&str]; 25] = [
    &["--help"],
    &["check", "--help"],
    &["models", "--help"],
    &["models", "list", "--help"],
    &["models", "get", "--help"],
    &["models", "verify", "--help"],
    &["bench", "--help"],
    &["bench", "fv", "--help"],
    &["generate", "--help"],
    &["vector", "--help"],
    &["vector", "make", "--help"],
    &["vector", "show", "--help"],
    &["vector", "export", "--help"],
    &["bench", "dola", "--help"],
    &["lens", "--help"],
    &["study", "--help"],
    &["study", "plan", "--help"],
    &["study", "run", "--help"],
    &["study", "status", "--help"],
    &["store", "--help"],
    &["store", "verify", "--help"],
    &["published", "--help"],
    &["study", "submit", "--help"],
    &["store", "export", "--help"],
    &["report", "--help"],
];

fn help(arguments: &[&str]) -> String {
    succeeds(folder().path(), arguments)
}

#[test]
fn the_help_of_every_command_is_as_it_was() {
    insta::assert_snapshot!("help", help(HELPS[0]));
    insta::assert_snapshot!("check_help", help(HELPS[1]));
    insta::assert_snapshot!("models_help", help(HELPS[2]));
    insta::assert_snapshot!("models_list_help", help(HELPS[3]));
    insta::assert_snapshot!("models_get_help", help(HELPS[4]));
    insta::assert_snapshot!("models_verify_help", help(HELPS[5]));
    insta::assert_snapshot!("bench_help", help(HELPS[6]));
    insta::assert_snapshot!("bench_fv_help", help(HELPS[7]));
    insta::assert_snapshot!("generate_help", help(HELPS[8]));
    insta::assert_snapshot!("vector_help", help(HELPS[9]));
    insta::assert_snapshot!("vector_make_help", help(HELPS[10]));
    insta::assert_snapshot!("vector_show_help", help(HELPS[11]));
    insta::assert_snapshot!("vector_export_help", help(HELPS[12]));
    insta::assert_snapshot!("bench_dola_help", help(HELPS[13]));
    insta::assert_snapshot!("lens_help", help(HELPS[14]));
    insta::assert_snapshot!("study_help", help(HELPS[15]));
    insta::assert_snapshot!("study_plan_help", help(HELPS[16]));
    insta::assert_snapshot!("study_run_help", help(HELPS[17]));
    insta::assert_snapshot!("study_status_help", help(HELPS[18]));
    insta::assert_snapshot!("store_help", help(HELPS[19]));
    insta::assert_snapshot!("store_verify_help", help(HELPS[20]));
    insta::assert_snapshot!("published_help", help(HELPS[21]));
    insta::assert_snapshot!("study_submit_help", help(HELPS[22]));
    insta::assert_snapshot!("store_export_help", help(HELPS[23]));
    insta::assert_snapshot!("report_help", help(HELPS[24]));
}

#[test]
fn every_help_fits_a_screen_of_eighty_or_a_hundred_columns_and_fifty_lines() {
    for width in ["80", "100", "300"] {
        for arguments in HELPS {
            let output = steercheck(Path::new(".")).env("COLUMNS", width).args(arguments).output().unwrap();
            let text = stdout(&output);
            let most = width.parse::<usize>().unwrap().min(100);
            let widest = text.lines().map(|l| l.chars().count()).max().unwrap();
            assert!(widest <= most, "{arguments:?} at {width} columns is {widest} wide");
            assert!(text.lines().count() <= 50, "{arguments:?} at {width} columns has {} lines", text.lines().count());
            assert_eq!(output.stderr, b"");
        }
    }
}

#[test]
fn short_and_long_help_are_the_same() {
    assert_eq!(help(&["check", "-h"]), help(&["check", "--help"]));
}

#[test]
fn the_version_is_the_package_version() {
    assert_eq!(help(&["--version"]), format!("steercheck {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_without_a_command_shows_the_help_and_fails() {
    let output = steercheck(Path::new(".")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: steercheck <COMMAND>"));
}
