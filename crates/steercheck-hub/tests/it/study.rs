//! The study's models: how many there are, what belongs together, sizes, and the way to the hub.

use std::collections::{BTreeMap, BTreeSet};

use steercheck_hub::{Catalogue, HubError, Kind, Model, Role, Source, SourceSpec, StudyEntry, resolve};

use crate::bench::{Bench, FREE, catalogue_of};
use crate::fake_hub::{COMMIT, FakeHub, Script};

fn entries() -> impl Iterator<Item = (&'static Model, &'static StudyEntry)> {
    Catalogue::builtin().models.iter().filter_map(|model| Some((model, model.study.as_ref()?)))
}

fn counted() -> Vec<(&'static Model, &'static StudyEntry)> {
    entries().filter(|(_, entry)| entry.role == Role::Model).collect()
}

#[test]
fn there_are_36_models_of_14_families_and_11_pairs() {
    let models = counted();
    assert_eq!(models.len(), 36);
    assert_eq!(models.iter().map(|(model, _)| &model.family).collect::<BTreeSet<_>>().len(), 14);
    assert_eq!(models.iter().filter(|(_, entry)| entry.tuned_from.is_some()).count(), 11);
    assert_eq!(models.iter().filter(|(_, entry)| entry.adds_bos).count(), 19, "methods.md: 19 add BOS, 17 do not");
    let dola: Vec<&str> =
        entries().filter(|(_, entry)| entry.role == Role::DolaOnly).map(|(model, _)| model.name.as_str()).collect();
    assert_eq!(dola, ["olmo-7b-0424", "llama3_0-8b", "llama3_0-70b"]);
}

#[test]
fn a_tuned_model_has_a_base_model_of_its_own_family_and_shape() {
    let catalogue = Catalogue::builtin();
    let mut bases = BTreeSet::new();
    for (model, entry) in entries() {
        assert_eq!(model.kind == Kind::Instruct, entry.tuned_from.is_some(), "{}", model.name);
        let Some(base) = &entry.tuned_from else { continue };
        let base = catalogue.find(base).unwrap();
        assert_eq!((base.kind, &base.family, &base.shape), (Kind::Base, &model.family, &model.shape), "{}", model.name);
        assert!(bases.insert(&base.name), "{} is in two pairs", base.name);
    }
}

#[test]
fn a_checkpoint_is_a_revision_of_the_repository_of_its_model() {
    let catalogue = Catalogue::builtin();
    let hub = |model: &Model| match &model.sources[0] {
        SourceSpec::Hub { id, revision, file: None } => (id.clone(), revision.clone()),
        other => panic!("{}: {other:?}", model.name),
    };
    let mut revisions = BTreeMap::new();
    for (model, entry) in entries() {
        let Role::Checkpoint { of, note } = &entry.role else {
            assert_eq!(hub(model).1, "main", "{}", model.name);
            continue;
        };
        let whole = catalogue.find(of).unwrap();
        assert_eq!((hub(model).0, &model.shape), (hub(whole).0, &whole.shape), "{}", model.name);
        assert!(!note.is_empty());
        revisions.insert(model.name.as_str(), hub(model).1);
    }
    let wanted = [
        ("amber-7b-101bt", "ckpt_028"),
        ("amber-7b-21bt", "ckpt_005"),
        ("amber-7b-49bt", "ckpt_013"),
        ("olmo-7b-100bt", "step24000-tokens100B"),
        ("olmo-7b-20bt", "step5000-tokens20B"),
        ("olmo-7b-2700bt", "step639000-tokens2680B"),
        ("olmo-7b-50bt", "step12000-tokens50B"),
    ];
    assert_eq!(revisions.iter().map(|(name, revision)| (*name, revision.as_str())).collect::<Vec<_>>(), wanted);
}

/// Published counts that were looked up apart from the file.
#[test]
fn shapes_amount_to_the_published_numbers_of_parameters() {
    let published = [
        ("gptj-6b", 6_050_882_784),
        ("pythia-6.9b", 6_857_302_016),
        ("llama-7b", 6_738_415_616),
        ("llama2i-13b", 13_015_864_320),
        ("llama2-70b", 68_976_648_192),
        ("llama3i-8b", 8_030_261_248),
        ("llama3_0-70b", 70_553_706_496),
        ("llama3.2-3b", 3_212_749_824),
        ("mistral1-7b", 7_241_732_096),
        ("mistral3i-7b", 7_248_023_552),
        ("amber-7b-21bt", 6_738_415_616),
        ("falcon3-7b", 7_455_550_464),
        ("gemma2-2b", 2_614_341_888),
        ("gemma2i-9b", 9_241_705_984),
        ("gemma2-27b", 27_227_128_320),
        ("qwen2-1.5b", 1_543_714_304),
        ("qwen2i-7b", 7_615_616_512),
        ("qwen2-72b", 72_706_203_648),
        ("qwen2.5i-3b", 3_085_938_688),
        ("qwen2.5-14b", 14_770_033_664),
        ("olmo-7b-0424", 6_888_095_744),
        ("olmo2i-7b", 7_298_617_344),
        ("olmo2-13b", 13_716_198_400),
        ("smollm2-135m-instruct", 134_515_008),
        ("gemma-3-270m", 268_098_176),
    ];
    for (name, parameters) in published {
        let model = Catalogue::builtin().find(name).unwrap();
        let shape = model.shape.as_ref().unwrap();
        assert_eq!((shape.parameters(), model.parameters), (parameters, parameters), "{name}");
    }
    let shape = Catalogue::builtin().find("llama2-7b").unwrap().shape.as_ref().unwrap();
    assert_eq!((shape.bytes_in_bf16(), shape.bytes_at_4_bits()), (13_476_831_232, 4_085_164_467));
}

#[test]
fn a_model_is_fetched_from_its_repository_under_its_short_name() {
    let bench = Bench::new();
    let files: [(&str, &[u8]); 3] =
        [("config.json", b"{}"), ("model.safetensors", b"weights"), ("tokenizer.json", b"{}")];
    let hub = FakeHub::start(Script { renamed: Some("meta-llama/Llama-2-7b-hf"), ..Script::of(files) });
    let mut options = bench.options();
    options.hub.endpoint = Some(hub.endpoint.clone());
    let resolved = resolve("Llama2-7B", &options).unwrap();
    assert_eq!(resolved.name, "llama2-7b");
    let source = Source::Catalogue { model: "llama2-7b".into(), commit: Some(COMMIT.into()) };
    assert_eq!(
        (resolved.source.clone(), hub.asked()[0].path.as_str()),
        (source, "/api/models/meta-llama/Llama-2-7b-hf/revision/main")
    );
    assert_eq!(std::fs::read(resolved.path.join("model.safetensors")).unwrap(), b"weights");
    // Once there, it is the same by its short name and by its id, and the hub is not asked.
    let before = hub.asked().len();
    assert_eq!(resolve("llama2-7b", &options).unwrap(), resolved);
    assert_eq!(resolve("meta-llama/Llama-2-7b-hf", &options).unwrap().path, resolved.path);
    assert_eq!(hub.asked().len(), before);
}

#[test]
fn a_checkpoint_is_fetched_at_its_revision_and_found_by_the_published_spelling() {
    let bench = Bench::new();
    let files: [(&str, &[u8]); 3] =
        [("config.json", b"{}"), ("model.safetensors", b"weights"), ("tokenizer.json", b"{}")];
    let hub = FakeHub::start(Script { renamed: Some("allenai/OLMo-7B-0724-hf"), ..Script::of(files) });
    let mut options = bench.options();
    options.hub.endpoint = Some(hub.endpoint.clone());
    let resolved = resolve("olmo-7b-20BT", &options).unwrap();
    assert_eq!(resolved.name, "olmo-7b-20bt");
    assert_eq!(hub.asked()[0].path, "/api/models/allenai/OLMo-7B-0724-hf/revision/step5000-tokens20B");
    let by_id = resolve("allenai/OLMo-7B-0724-hf@step5000-tokens20B", &options).unwrap();
    assert_eq!(by_id.path, resolved.path);
}

#[test]
fn a_gated_model_says_where_its_terms_are_accepted_and_one_with_terms_asks_for_them() {
    let bench = Bench::new();
    let hub = FakeHub::start(Script { refuses: Some((401, "GatedRepo")), ..Script::of([]) });
    let mut options = bench.options();
    options.hub.endpoint = Some(hub.endpoint.clone());
    let gated = resolve("llama3-8b", &options).unwrap_err();
    assert!(matches!(gated, HubError::NeedsToken { .. }) && gated.to_string().contains("meta-llama/Llama-3.1-8B"));
    let asking = resolve("qwen2-72b", &options).unwrap_err();
    assert!(matches!(asking, HubError::LicenceNotAccepted { .. }), "{asking}");
}

#[test]
fn a_malformed_list_is_refused_with_the_reason() {
    let text = format!(
        "shape.s = {{ blocks = 1, heads = 1, kv_heads = 1, head_dim = 2, hidden_size = 2, intermediate_size = 2, vocab_size = 3, tied = true }}\n\
         parameters.s = 40\nlicence.l = {FREE}\n\
         [[family]]\nname = \"F\"\nadds_bos = true\nlicence = \"l\"\nmodels = [\n\
         {{ name = \"a\", title = \"A\", id = \"o/a\", shape = \"s\" }},\n\
         {{ name = \"b\", title = \"B\", id = \"o/b\", shape = \"s\", tuned_from = \"a\" }},\n\
         {{ name = \"c\", title = \"C\", id = \"o/a\", revisions = [\"r\"], shape = \"s\", checkpoint_of = \"a\", note = \"n\" }}]"
    );
    let catalogue = || {
        let source = "[[model.source]]\nkind = \"hub\"\nid = \"org/name\"\nrevision = \"main\"\nfile = \"a.gguf\"";
        catalogue_of(b"x", FREE, source)
    };
    let read = catalogue().with_study(&text).unwrap();
    assert_eq!(read.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["tiny", "a", "b", "c"]);
    let table = [
        ("parameters.s = 40", "parameters.s = 41", "model `a`: its shape amounts to 40 parameters, not 41"),
        ("vocab_size = 3", "vocab_size = 99000000", "out of range"),
        ("kv_heads = 1", "kv_heads = 2", "more key heads than query heads"),
        ("tied = true", "tied = true, norn = \"none\"", "unknown field"),
        ("shape = \"s\" }", "shape = \"t\" }", "its shape is not there"),
        ("licence = \"l\"", "licence = \"m\"", "its licence is not there"),
        ("tuned_from = \"a\"", "tuned_from = \"c\"", "model `b`: `c` is no base model of its family and shape"),
        (", note = \"n\"", "", "a checkpoint states"),
        ("[\"r\"]", "[\"../r\"]", "hub source `o/a`"),
        ("[\"r\"]", "[]", "it has no source"),
        ("name = \"b\"", "name = \"a\"", "model `a` is there twice"),
        ("name = \"b\"", "name = \"tiny\"", "model `tiny` is there twice"),
    ];
    for (from, to, reason) in table {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from}");
        let error = catalogue().with_study(&broken).unwrap_err();
        assert!(matches!(&error, HubError::BadCatalogue { why } if why.contains(reason)), "{to}: {error}");
    }
}
