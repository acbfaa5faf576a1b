use std::fs;

use serde_json::{Value as Json, json};

use super::sample::with_hits;
use super::{Record, RecordError, Value, Written};

type Change = fn(&mut Json);

fn sample() -> Record {
    with_hits("past", 3, 6, [1, 5, 4, 0, 2, 0])
}

fn read(json: &str) -> Result<Record, RecordError> {
    Record::from_bytes("record.json", json.as_bytes())
}

/// The record with a change made to its JSON, its digest renewed: whole, and not what steercheck writes.
fn forged(change: impl FnOnce(&mut Json)) -> String {
    let mut json: Json = serde_json::from_str(&sample().to_json()).unwrap();
    change(&mut json);
    json.as_object_mut().unwrap().shift_remove("digest");
    let mut text = json.to_string();
    text.pop();
    let digest = blake3::hash(text.as_bytes());
    format!("{text},\"digest\":\"{digest}\"}}\n")
}

fn reason(json: &str) -> String {
    read(json).unwrap_err().to_string()
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let record = sample();
    let Written::Kept(path) = record.write(folder.path()).unwrap() else { panic!("nothing was there") };
    assert_eq!(path, folder.path().join("records").join(format!("{}.json", record.key())));
    assert_eq!(Record::read(&path).unwrap(), record);
    assert_eq!(Record::read_all(folder.path()).unwrap(), [record]);
    assert_eq!(fs::read_dir(folder.path().join("records")).unwrap().count(), 1);
}

#[test]
fn a_forgery_without_a_change_is_the_record_itself() {
    assert_eq!(forged(|_| {}), sample().to_json());
}

#[test]
fn every_flipped_byte_is_refused() {
    let json = sample().to_json();
    for position in 0..json.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = json.clone().into_bytes();
            bytes[position] ^= flip;
            let error = Record::from_bytes("record.json", &bytes);
            assert!(error.is_err(), "byte {position} ^ {flip:#x} passed: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn every_shortened_record_is_refused() {
    let json = sample().to_json();
    for length in 0..json.len() {
        assert!(Record::from_bytes("record.json", &json.as_bytes()[..length]).is_err(), "{length} bytes passed");
    }
    assert!(read(&(json + " ")).is_err());
}

#[test]
fn what_is_no_record_is_told_from_an_unknown_version_and_from_damage() {
    assert!(reason("{}").contains("is not a steercheck record (missing field `format`"), "{}", reason("{}"));
    assert!(reason(&forged(|r| r["format"] = json!("other"))).contains("its format is 'other'"));
    let version = reason(&forged(|r| r["version"] = json!(3)));
    assert!(version.contains("version 3") && version.contains("reads version 2"), "{version}");
    let damaged = reason(&sample().to_json().replace("\"residual\":2", "\"residual\":1"));
    assert!(damaged.contains("is damaged") && damaged.contains("digest"), "{damaged}");
}

#[test]
fn fields_that_are_not_known_are_refused_wherever_they_stand() {
    for pointer in
        ["", "/plan", "/plan/protocol", "/about/model", "/results", "/results/arms/0", "/results/arms/2/outcomes/0"]
    {
        let json = forged(|r| r.pointer_mut(pointer).unwrap()["surprise"] = json!(1));
        assert!(reason(&json).contains("unknown field `surprise`"), "{pointer}: {}", reason(&json));
    }
}

#[test]
fn a_missing_arm_or_item_is_refused_by_name() {
    let without = |arm: &str| {
        let arm = arm.to_string();
        forged(|r| r["results"]["arms"].as_array_mut().unwrap().retain(|a| a["name"] != arm))
    };
    for arm in ["zero-shot", "steered", "shuffled-labels"] {
        assert!(reason(&without(arm)).contains(&format!("the arm '{arm}' is missing")), "{}", reason(&without(arm)));
    }
    let short = forged(|r| drop(r["results"]["arms"][1]["outcomes"].as_array_mut().unwrap().pop()));
    assert!(reason(&short).contains("the arm 'few-shot' has 5 outcomes of 6"), "{}", reason(&short));
    let item = forged(|r| drop(r["results"]["items"]["test"].as_array_mut().unwrap().pop()));
    assert!(reason(&item).contains("it lists 5 of 6 test items"), "{}", reason(&item));
}

#[test]
fn figures_that_contradict_each_other_are_refused() {
    let changes: [(&str, Change, &str); 7] = [
        ("hits", |r| r["results"]["arms"][2]["hits"] = json!(5), "counts 5 hits and lists 4"),
        ("key", |r| r["key"] = json!("0".repeat(64)), "its plan has the key"),
        ("seed", |r| r["plan"]["seed"] = json!(4), "its plan has the key"),
        ("choice", |r| r["results"]["grid"][0]["dev"] = json!(4), "not the first with the most hits"),
        ("grid", |r| drop(r["results"]["grid"].as_array_mut().unwrap().pop()), "1 settings of 2"),
        ("completed", |r| r["results"]["arms"][0]["outcomes"][1]["completed"] = json!(true), "completes an answer"),
        ("setting", |r| r["results"]["grid"][0]["setting"]["residual"] = json!(7), "was not planned (residual 7)"),
    ];
    for (what, change, words) in changes {
        let text = reason(&forged(change));
        assert!(text.contains(words), "{what}: {text}");
    }
}

#[test]
fn the_key_covers_what_determines_results_and_nothing_else() {
    let record = sample();
    let mut named = record.clone();
    named.about.model.name = "another file name".into();
    named.about.task.name = "another task name".into();
    named.about.profile = "standard".into();
    named.timings.insert("total".into(), 9.0);
    assert_eq!(named.key(), record.key());
    let changes: [fn(&mut Record); 9] = [
        |r| r.plan.seed += 1,
        |r| r.plan.split_seed += 1,
        |r| r.plan.counts.test += 1,
        |r| r.plan.model.weights.push('x'),
        |r| r.plan.tokenizer.hash.push('x'),
        |r| r.plan.task.push('x'),
        |r| r.plan.method.version += 1,
        |r| r.plan.protocol.single_token = crate::protocol::SingleToken::AfterExclamationMark,
        |r| drop(r.plan.grid.insert("strength".into(), vec![Value::Number(2.0)])),
    ];
    let mut keys = vec![record.key()];
    for change in changes {
        let mut other = record.clone();
        change(&mut other);
        assert!(!keys.contains(&other.key()));
        keys.push(other.key());
    }
}

#[test]
fn a_large_record_is_compressed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let record = with_hits("past", 3, 1500, [100, 900, 800, 90, 300, 80]);
    let Written::Kept(path) = record.write(folder.path()).unwrap() else { panic!("nothing was there") };
    assert!(path.to_string_lossy().ends_with(".json.zst"), "{}", path.display());
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() * 4 < record.to_json().len());
    assert_eq!(Record::read(&path).unwrap(), record);
}

#[test]
fn every_flipped_byte_of_a_compressed_record_is_refused() {
    let bytes = super::file::compressed_bytes(&sample().to_json()).unwrap();
    assert_eq!(zstd::decode_all(&bytes[..]).unwrap(), sample().to_json().into_bytes(), "any zstd reads it");
    assert!(Record::from_bytes("record.json.zst", &bytes).is_ok());
    for position in 0..bytes.len() {
        for flip in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << flip;
            assert!(Record::from_bytes("record.json.zst", &damaged).is_err(), "bit {flip} of byte {position} passed");
        }
        assert!(Record::from_bytes("record.json.zst", &bytes[..position]).is_err());
    }
}

#[test]
fn a_record_that_is_there_stays_unless_its_results_differ() {
    let folder = tempfile::tempdir().unwrap();
    let record = sample();
    let Written::Kept(path) = record.write(folder.path()).unwrap() else { panic!("nothing was there") };
    let before = fs::read(&path).unwrap();
    let mut later = record.clone();
    later.timings.insert("total".into(), 7.0);
    assert_eq!(later.write(folder.path()).unwrap(), Written::Kept(path.clone()));
    assert_eq!(fs::read(&path).unwrap(), before, "only the timings differed");
    let mut other = record.clone();
    other.results.arms[2].outcomes[0].log_prob -= 1e-9;
    assert_eq!(other.write(folder.path()).unwrap(), Written::Replaced(path.clone()));
    assert_eq!(Record::read(&path).unwrap(), other);
    fs::write(&path, b"damaged").unwrap();
    assert_eq!(record.write(folder.path()).unwrap(), Written::Kept(path.clone()));
    assert_eq!(Record::read(&path).unwrap(), record, "a damaged record is written again");
}

#[test]
fn numbers_come_back_bit_by_bit() {
    let mut record = sample();
    for (i, outcome) in record.results.arms[0].outcomes.iter_mut().enumerate() {
        outcome.log_prob = -(1.0 + i as f64).sqrt() / 3.0;
        outcome.answer_log_prob = f64::MIN_POSITIVE * (i + 1) as f64;
    }
    assert_eq!(read(&record.to_json()).unwrap(), record);
}

#[test]
fn an_artefact_comes_back_and_a_damaged_one_is_refused() {
    use std::collections::BTreeMap;

    use super::Artefact;
    let folder = tempfile::tempdir().unwrap();
    let artefact = Artefact {
        kind: "task-vectors".into(),
        determinants: BTreeMap::from([("cell".to_string(), Value::Text("abc".into()))]),
        tensors: BTreeMap::from([("theta".to_string(), (vec![2, 3], vec![1.0, -2.5, 3.25, 0.0, 1e-9, 7.0]))]),
    };
    let path = artefact.write(folder.path()).unwrap();
    assert_eq!(path, Artefact::path(folder.path(), &artefact.key()));
    assert_eq!(Artefact::read(&path).unwrap(), artefact);
    let bytes = fs::read(&path).unwrap();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        assert!(Artefact::read(&path).is_err(), "byte {position} passed");
    }
    let other = Artefact { kind: "head-means".into(), ..artefact.clone() };
    assert_ne!(other.key(), artefact.key());
}

#[test]
fn effects_of_heads_and_numbers_of_demonstrations_that_do_not_fit_are_refused() {
    use crate::head_map::HeadMap;

    let map = |p: f64| HeadMap {
        prompts: 25,
        mean: vec![vec![0.1, 0.0], vec![0.2, -0.1]],
        low: vec![vec![0.0, -0.1], vec![0.1, -0.2]],
        high: vec![vec![0.2, 0.1], vec![0.3, 0.0]],
        p_holm: vec![vec![p, 1.0], vec![0.01, 1.0]],
        mean_log: vec![vec![0.5, 0.0], vec![1.0, -0.4]],
        split_half: None,
    };
    // A record of a function vector, its key as its plan has it.
    let with = |heads: Option<HeadMap>, shots: &[(usize, usize)]| {
        let mut record = sample();
        record.plan.method.name = "function-vector".into();
        record.plan.method.options.insert("shots".into(), Value::Text("0 5".into()));
        record.results.heads = heads;
        record.results.shots = shots
            .iter()
            .map(|(demonstrations, hits)| super::Shots { demonstrations: *demonstrations, hits: *hits })
            .collect();
        record.to_json()
    };
    let planned = [(0, 1), (5, 4)];
    assert!(read(&with(Some(map(0.2)), &planned)).is_ok());
    let ragged = HeadMap { low: vec![vec![0.0, -0.1]], ..map(0.2) };
    let outside = HeadMap { high: vec![vec![0.05, 0.1], vec![0.3, 0.0]], ..map(0.2) };
    for (heads, shots, words) in [
        (None, &planned[..], "the effects of its heads are missing"),
        (Some(ragged), &planned, "not one number per head"),
        (Some(outside), &planned, "outside of their intervals"),
        (Some(map(1.5)), &planned, "outside of their intervals"),
        (Some(map(0.2)), &planned[..1], "'0 5' were planned"),
        (Some(map(0.2)), &[(0, 1), (5, 99)], "more hits than items"),
    ] {
        let text = reason(&with(heads, shots));
        assert!(text.contains(words), "{words}: {text}");
    }
}
