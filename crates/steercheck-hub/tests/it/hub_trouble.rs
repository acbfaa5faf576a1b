//! Models of the hub, when something is wrong: each trouble has its own error, and nothing useless stays on disk.

use std::collections::VecDeque;
use std::net::TcpListener;

use steercheck_hub::{HubError, resolve};

use crate::bench::Bench;
use crate::fake_hub::{FakeHub, Mood, Script};

fn trouble(script: Script, asked: &str, token: Option<&str>) -> (HubError, Vec<String>) {
    let bench = Bench::new();
    let hub = FakeHub::start(script);
    let mut options = bench.options();
    options.hub.endpoint = Some(hub.endpoint.clone());
    options.hub.token = token.map(ToOwned::to_owned);
    let error = resolve(asked, &options).unwrap_err();
    (error, bench.files("hf"))
}

fn refused(status: u16, code: &'static str, token: Option<&str>) -> String {
    let script = Script { refuses: Some((status, code)), ..Script::default() };
    trouble(script, "org/name@v2", token).0.to_string()
}

#[test]
fn refusals_of_the_hub_say_what_to_do() {
    let absent = "the hub has no model org/name at revision v2, or it is private: check the spelling; for a private model set HF_TOKEN";
    assert_eq!(refused(404, "RepoNotFound", None), absent);
    assert_eq!(refused(404, "RevisionNotFound", Some("t")), absent);
    assert_eq!(refused(401, "RepoNotFound", None), absent);
    assert_eq!(
        refused(401, "GatedRepo", None),
        "org/name is gated or private (no token was sent): accept the terms on the model's page, \
         and set HF_TOKEN to an access token of that account"
    );
    assert!(refused(403, "GatedRepo", Some("t")).contains("the token that was sent does not open it"));
    assert!(refused(500, "", None).starts_with("the model hub gave an unusable answer for org/name (status 500"));
}

#[test]
fn no_connection_is_told_as_such() {
    let bench = Bench::new();
    let mut options = bench.options();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    options.hub.endpoint = Some(format!("http://127.0.0.1:{port}"));
    let error = resolve("org/name", &options).unwrap_err();
    assert!(matches!(error, HubError::HubUnreachable { .. }), "{error}");
    assert!(error.to_string().ends_with("check the network, the proxy and HF_ENDPOINT, or give a path to the model"));
}

fn weights_as(mood: Mood) -> Script {
    Script { moods: VecDeque::from([mood]), ..Script::of([("config.json", b"{}"), ("model.safetensors", b"weights")]) }
}

#[test]
fn weights_of_another_length_are_discarded() {
    for other in [b"less".to_vec(), b"much more weights".to_vec()] {
        let (error, left) = trouble(weights_as(Mood::Instead(other.clone())), "org/name", None);
        assert!(matches!(error, HubError::WrongSize { expected: 7, got, .. } if got == other.len() as u64), "{error}");
        assert_eq!(left.len(), 2, "only config.json and its content: {left:?}");
    }
}

#[test]
fn weights_with_another_hash_are_discarded() {
    let (error, left) = trouble(weights_as(Mood::Instead(b"wEights".to_vec())), "org/name", None);
    assert!(matches!(error, HubError::WrongHash { .. }), "{error}");
    assert_eq!(left.len(), 2, "only config.json and its content: {left:?}");
}

#[test]
fn a_repository_without_weights_says_what_to_ask_for_instead() {
    let gguf = Script::of([("a.Q4.gguf", b"GGUF"), ("b.gguf", b"GGUF")]);
    assert_eq!(
        trouble(gguf.clone(), "org/name", None).0.to_string(),
        "org/name has neither safetensors nor pytorch_model.bin (it has 2 GGUF files): name one of its GGUF files, as in org/name:a.Q4.gguf"
    );
    let missing = trouble(gguf, "org/name:c.gguf", None).0.to_string();
    assert!(missing.starts_with("org/name has no file `c.gguf` (it has a.Q4.gguf, b.gguf)"), "{missing}");
    let pickled = Script::of([("config.json", b"{}"), ("training_args.bin", b"x")]);
    let error = trouble(pickled, "org/name", None).0.to_string();
    assert!(error.contains("its .bin files have other names") && error.contains("org/name@revision"), "{error}");
}

#[test]
fn names_sent_by_the_hub_cannot_leave_its_cache() {
    let index: &[u8] = br#"{"weight_map":{"a":"../../../m.safetensors"}}"#;
    let shards = Script::of([("config.json", b"{}"), ("model.safetensors.index.json", index)]);
    let (error, _) = trouble(shards, "org/name", None);
    assert!(matches!(&error, HubError::HubAnswer { said, .. } if said.contains("names the shard")), "{error}");
    for bad in ["../../../m.bin", "m.safetensors", "a/../../m.bin", "/m.bin"] {
        let index = format!("{{\"weight_map\":{{\"a\":\"{bad}\"}}}}");
        let shards = Script::of([("config.json", b"{}"), ("pytorch_model.bin.index.json", index.as_bytes())]);
        let (error, _) = trouble(shards, "org/name", None);
        let named = "pytorch_model.bin.index.json names the shard";
        assert!(matches!(&error, HubError::HubAnswer { said, .. } if said.contains(named)), "{error}");
    }
    let etag = Script { etag: Some("../../evil"), ..Script::of([("a.gguf", b"GGUF")]) };
    let (error, left) = trouble(etag, "org/name:a.gguf", None);
    assert!(matches!(&error, HubError::HubAnswer { said, .. } if said.contains("etag")), "{error}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_shard_that_is_not_in_the_repository_is_named() {
    let index: &[u8] = br#"{"weight_map":{"a":"m-1.safetensors"}}"#;
    let script = Script::of([("config.json", b"{}"), ("model.safetensors.index.json", index)]);
    let (error, _) = trouble(script, "org/name", None);
    assert!(matches!(&error, HubError::NoSuchHubFile { file, .. } if file == "m-1.safetensors"), "{error}");
}
