//! The catalogue: the one that is built in, lookups, and what makes one malformed.

use steercheck_hub::{Catalogue, HubError, Kind, SourceSpec};

use crate::bench::{FREE, catalogue_of};

#[test]
fn the_built_in_catalogue_is_sound_and_has_the_default_model() {
    let catalogue = Catalogue::builtin();
    let model = catalogue.find(&catalogue.default).unwrap();
    assert_eq!(
        (model.name.as_str(), model.kind, model.parameters),
        ("smollm2-135m-instruct", Kind::Instruct, 134_515_008)
    );
    assert!(!model.licence.needs_acceptance, "the first run must not ask for anything");
    let gemma = catalogue.find("gemma-3-270m").unwrap();
    assert!(gemma.licence.needs_acceptance && gemma.licence.terms.is_some());
    assert!(matches!(&gemma.sources[0], SourceSpec::Python { packages } if packages.len() == 4));
}

#[test]
fn names_are_found_whatever_their_case_and_the_nearest_are_offered() {
    let catalogue = Catalogue::builtin();
    assert!(catalogue.find("SmolLM2-135M-Instruct").is_some());
    assert!(catalogue.find("smollm2").is_none());
    assert_eq!(catalogue.nearest("gemma3-270m"), ["gemma-3-270m"]);
    assert_eq!(catalogue.nearest("SMOLLM2"), ["smollm2-135m-instruct"]);
    assert_eq!(catalogue.nearest("llama2-7"), ["llama2-7b", "llama2i-7b", "llama2-70b"]);
    assert_eq!(catalogue.nearest("falcon3"), ["falcon3-7b"]);
    assert!(catalogue.nearest("zzz").is_empty() && catalogue.nearest("gpt2").is_empty());
}

const HUB: &str = "[[model.source]]\nkind = \"hub\"\nid = \"org/name\"\nrevision = \"main\"\nfile = \"a.gguf\"";
const PYTHON: &str =
    "[[model.source]]\nkind = \"python\"\npackages = [{ name = \"p\", version = \"1\", member = \"a/b\" }]";

fn text() -> String {
    let sources = format!("{PYTHON}\n{HUB}");
    format!(
        "default = \"tiny\"\n[[model]]\nname = \"tiny\"\nfamily = \"T\"\ntitle = \"T\"\nparameters = 7\nkind = \"base\"\nlicence = {FREE}\n\
         file = {{ name = \"t.gguf\", bytes = 7, sha256 = \"{}\" }}\n{sources}",
        "0".repeat(64)
    )
}

#[test]
fn a_malformed_catalogue_is_refused_with_the_reason() {
    Catalogue::parse(&text()).unwrap();
    let table = [
        ("default = \"tiny\"", "default = \"other\"", "the default model `other` is not in it"),
        ("name = \"tiny\"", "name = \"Tiny\"", "a name is made of"),
        ("needs_acceptance = false", "needs_acceptance = true", "terms to accept"),
        ("t.gguf", "../t.gguf", "`file` needs a plain name"),
        ("bytes = 7", "bytes = 0", "`file` needs a plain name"),
        ("000\"", "00G\"", "`file` needs a plain name"),
        ("member = \"a/b\"", "member = \"a/../../b\"", "package `p`"),
        ("name = \"p\"", "name = \"--index\"", "package `--index`"),
        ("id = \"org/name\"", "id = \"name\"", "hub source `name`"),
        ("\nfile = \"a.gguf\"", "", "a hub source states a `file` exactly where the model does"),
        ("kind = \"base\"", "kind = \"bass\"", "unknown variant"),
        ("family", "famly", "unknown field"),
    ];
    for (from, to, reason) in table {
        let broken = text().replacen(from, to, 1);
        assert_ne!(broken, text(), "{from}");
        let error = Catalogue::parse(&broken).unwrap_err();
        assert!(matches!(&error, HubError::BadCatalogue { why } if why.contains(reason)), "{to}: {error}");
    }
    let twice = text() + &text()["default = \"tiny\"".len()..];
    assert!(Catalogue::parse(&twice).unwrap_err().to_string().contains("model `tiny` is there twice"));
}

#[test]
fn many_models_with_hub_ids_and_pinned_revisions_fit_in() {
    let one = |i: usize| {
        format!(
            "[[model]]\nname = \"m-{i}\"\nfamily = \"F\"\ntitle = \"T\"\nparameters = 1\nkind = \"base\"\nlicence = {FREE}\n\
             [[model.source]]\nkind = \"hub\"\nid = \"org/m-{i}\"\nrevision = \"{i:040x}\"\n"
        )
    };
    let text: String = std::iter::once("default = \"m-0\"\n".to_owned()).chain((0..36).map(one)).collect();
    assert_eq!(Catalogue::parse(&text).unwrap().models.len(), 36);
    assert_eq!(catalogue_of(b"x", FREE, HUB).models.len(), 1);
}
