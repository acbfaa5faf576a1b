//! Models of the hub, when all goes well.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::thread;

use steercheck_hub::{HubError, Options, Source, resolve, resolve_in, verify};

use crate::bench::{Bench, FREE, catalogue_of, content};
use crate::fake_hub::{COMMIT, FakeHub, Mood, Script};

const INDEX: &[u8] = br#"{"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-1.safetensors"}}"#;

fn at<'a>(bench: &'a Bench, hub: &FakeHub) -> Options<'a> {
    let mut options = bench.options();
    options.hub.endpoint = Some(hub.endpoint.clone());
    options
}

fn small() -> Script {
    Script::of([
        ("config.json", b"{}"),
        ("model.safetensors", b"weights"),
        ("tokenizer.json", b"{\"t\":1}"),
        ("pytorch_model.bin", b"pickle"),
    ])
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_repository_without_safetensors_gives_its_pytorch_file_or_the_shards_of_it() {
    let index: &[u8] = br#"{"weight_map":{"a":"p-1.bin","b":"p-2.bin"}}"#;
    let small: [(&str, &[u8]); 3] = [("config.json", b"{}"), ("tokenizer.json", b"{}"), ("training_args.bin", b"x")];
    let whole: &[(&str, &[u8])] = &[("pytorch_model.bin", b"pickle")];
    let sharded: &[(&str, &[u8])] =
        &[("pytorch_model.bin.index.json", index), ("p-1.bin", b"one"), ("p-2.bin", b"two"), ("p-3.bin", b"none")];
    for (weights, wanted) in [
        (whole, vec!["config.json", "pytorch_model.bin", "tokenizer.json"]),
        (sharded, vec!["config.json", "p-1.bin", "p-2.bin", "pytorch_model.bin.index.json", "tokenizer.json"]),
    ] {
        let bench = Bench::new();
        let mut script = Script::of(small);
        script.files.extend(weights.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
        let hub = FakeHub::start(script);
        let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
        assert_eq!(names(&resolved.path), wanted);
        // It is complete: the hub is not asked again.
        let before = hub.asked().len();
        assert_eq!(resolve("org/name", &at(&bench, &hub)).unwrap(), resolved);
        assert_eq!(hub.asked().len(), before);
        // Without one of its shards it is not.
        fs::remove_file(resolved.path.join(wanted[1])).unwrap();
        assert_eq!(names(&resolve("org/name", &at(&bench, &hub)).unwrap().path), wanted);
        assert!(hub.asked().len() > before);
    }
}

#[test]
fn shards_in_safetensors_are_preferred_to_a_pytorch_file() {
    let bench = Bench::new();
    let hub = FakeHub::start(Script::of([
        ("config.json", b"{}".as_slice()),
        ("model.safetensors.index.json", INDEX),
        ("m-1.safetensors", b"one"),
        ("m-2.safetensors", b"two"),
        ("pytorch_model.bin", b"pickle"),
    ]));
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    let wanted = ["config.json", "m-1.safetensors", "m-2.safetensors", "model.safetensors.index.json"];
    assert_eq!(names(&resolved.path), wanted);
}

#[test]
fn a_sharded_repository_arrives_as_one_folder_and_is_not_asked_for_again() {
    let bench = Bench::new();
    let (one, two) = (content(300_000), content(70_000));
    let hub = FakeHub::start(Script::of([
        ("config.json", b"{\"model_type\":\"x\"}"),
        ("model.safetensors.index.json", INDEX),
        ("m-1.safetensors", &one),
        ("m-2.safetensors", &two),
        ("pytorch_model-1.bin", b"pickle"),
        ("tokenizer.json", b"{}"),
        ("README.md", b"words"),
    ]));
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    assert_eq!(resolved.name, "org/name");
    let source = Source::Hub { id: "org/name".into(), revision: "main".into(), commit: COMMIT.into() };
    assert_eq!(resolved.source, source);
    let wanted =
        ["config.json", "m-1.safetensors", "m-2.safetensors", "model.safetensors.index.json", "tokenizer.json"];
    assert_eq!(names(&resolved.path), wanted);
    assert_eq!(fs::read(resolved.path.join("m-1.safetensors")).unwrap(), one);
    assert_eq!(fs::read(resolved.path.join("m-2.safetensors")).unwrap(), two);
    let steps = bench.said.steps.lock().unwrap().clone();
    assert!(steps.contains(&("m-1.safetensors".to_owned(), Some(300_000))));
    assert_eq!(*bench.said.finished.lock().unwrap(), steps.len());

    let before = hub.asked().len();
    assert_eq!(resolve("org/name", &at(&bench, &hub)).unwrap(), resolved);
    assert_eq!(hub.asked().len(), before);
}

#[test]
fn a_revision_is_asked_for_and_stays_part_of_the_name() {
    let bench = Bench::new();
    let hub = FakeHub::start(small());
    let resolved = resolve("org/name@refs/pr/3", &at(&bench, &hub)).unwrap();
    assert_eq!(resolved.name, "org/name@refs/pr/3");
    assert_eq!(hub.asked()[0].path, "/api/models/org/name/revision/refs%2Fpr%2F3");
    // The commit that it stood for is the same model, and is in the cache now.
    let before = hub.asked().len();
    let pinned = resolve(&format!("org/name@{COMMIT}"), &at(&bench, &hub)).unwrap();
    assert_eq!((pinned.path, hub.asked().len()), (resolved.path, before));
}

#[test]
fn the_token_is_sent_to_the_hub_and_to_no_other_host() {
    let bench = Bench::new();
    let hub = FakeHub::start(small());
    let mut options = at(&bench, &hub);
    options.hub.token = Some("hf_secret".to_owned());
    resolve("org/name", &options).unwrap();
    for asked in hub.asked() {
        let expected = if asked.path.starts_with("/store/") { None } else { Some("Bearer hf_secret".to_owned()) };
        assert_eq!(asked.token, expected, "{} {}", asked.method, asked.path);
    }
    assert!(!format!("{options:?}").contains("hf_secret"));
}

#[test]
fn a_renamed_repository_is_followed() {
    let bench = Bench::new();
    let hub = FakeHub::start(Script { renamed: Some("neworg/newname"), ..small() });
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    assert_eq!(fs::read(resolved.path.join("model.safetensors")).unwrap(), b"weights");
}

#[test]
fn one_gguf_file_of_a_repository_is_named_with_a_colon() {
    let bench = Bench::new();
    let hub = FakeHub::start(Script::of([("a.gguf", b"GGUF-a"), ("sub/b.gguf", b"GGUF-b")]));
    let resolved = resolve("org/name:sub/b.gguf", &at(&bench, &hub)).unwrap();
    assert_eq!(fs::read(&resolved.path).unwrap(), b"GGUF-b");
    assert_eq!(resolved.name, "org/name:sub/b.gguf");
    assert_eq!(hub.asked_of_store().len(), 1);
}

#[test]
fn a_cut_download_goes_on_from_the_byte_where_it_was_cut() {
    let bench = Bench::new();
    let weights = content(500_000);
    let mut script = small();
    script.files.insert("model.safetensors".to_owned(), weights.clone());
    script.moods = VecDeque::from([Mood::CutAfter(123_456), Mood::Status(503), Mood::CutAfter(1_000)]);
    let hub = FakeHub::start(script);
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    assert_eq!(fs::read(resolved.path.join("model.safetensors")).unwrap(), weights);
    let ranges: Vec<_> = hub.asked_of_store().into_iter().map(|asked| asked.range).collect();
    let from = |byte: u32| Some(format!("bytes={byte}-"));
    assert_eq!(ranges, [None, from(123_456), from(123_456), from(124_456)]);
}

#[test]
fn what_a_killed_run_left_is_continued_and_checked() {
    let weights = content(10_000);
    // Left: a good part, a part that is too long, all of it, and other bytes.
    let mut long = weights.clone();
    long.push(0);
    let table = [(weights[..4_000].to_vec(), true), (long, true), (weights.clone(), true), (vec![0; 4_000], false)];
    for (left, is_good) in table {
        let bench = Bench::new();
        let mut script = small();
        script.files.insert("model.safetensors".to_owned(), weights.clone());
        let hub = FakeHub::start(script);
        let blobs = bench.folder.path().join("hf/hub/models--org--name/blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join(format!("{}.partial", crate::bench::sha256(&weights))), &left).unwrap();
        let result = resolve("org/name", &at(&bench, &hub));
        if is_good {
            assert_eq!(fs::read(result.unwrap().path.join("model.safetensors")).unwrap(), weights);
        } else {
            assert!(matches!(result.unwrap_err(), HubError::WrongHash { .. }));
            assert!(!bench.files("hf").iter().any(|name| name.ends_with(".partial")));
        }
    }
}

#[test]
fn a_store_that_knows_no_ranges_still_gives_the_right_file() {
    let bench = Bench::new();
    let weights = content(90_000);
    let mut script = small();
    script.files.insert("model.safetensors".to_owned(), weights.clone());
    script.moods = VecDeque::from([Mood::CutAfter(50_000), Mood::IgnoreRange]);
    let hub = FakeHub::start(script);
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    assert_eq!(fs::read(resolved.path.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn four_at_once_fetch_each_file_once() {
    let bench = Bench::new();
    let weights = content(2_000_000);
    let mut script = small();
    script.files.insert("model.safetensors".to_owned(), weights.clone());
    let hub = FakeHub::start(script);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let silent = Options { progress: &steercheck_hub::Silent, ..at(&bench, &hub) };
                let resolved = resolve("org/name", &silent).unwrap();
                assert_eq!(fs::read(resolved.path.join("model.safetensors")).unwrap(), weights);
            });
        }
    });
    assert_eq!(hub.asked_of_store().len(), 1);
}

#[test]
fn force_fetches_what_is_there_again() {
    let bench = Bench::new();
    let hub = FakeHub::start(small());
    let resolved = resolve("org/name", &at(&bench, &hub)).unwrap();
    let weights = resolved.path.join("model.safetensors");
    fs::write(&weights, b"dAmaged").unwrap();
    let mut options = at(&bench, &hub);
    options.force = true;
    resolve("org/name", &options).unwrap();
    assert_eq!(fs::read(&weights).unwrap(), b"weights");
}

#[test]
fn a_catalogue_model_from_the_hub_is_held_to_the_catalogues_hash() {
    let source = "[[model.source]]\nkind = \"hub\"\nid = \"org/name\"\nrevision = \"main\"\nfile = \"a.gguf\"";
    let bench = Bench::new();
    let hub = FakeHub::start(Script::of([("a.gguf", b"GGUF-a")]));
    let options = at(&bench, &hub);
    let right = catalogue_of(b"GGUF-a", FREE, source);
    let resolved = resolve_in(&right, "Tiny", &options).unwrap();
    assert_eq!(resolved.name, "tiny");
    let commit = Some(COMMIT.to_owned());
    assert_eq!(resolved.source, Source::Catalogue { model: "tiny".into(), commit });
    assert_eq!(verify(&right.models[0], &options).unwrap(), Some(resolved.path));
    let wrong = catalogue_of(b"GGUF-b", FREE, source);
    assert!(matches!(resolve_in(&wrong, "tiny", &options), Err(HubError::DamagedFile { .. })));
}
