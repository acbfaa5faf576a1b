//! Which model of the catalogue a name in records or on disk stands for.

use crate::catalogue::{Catalogue, Kind, Model, SourceSpec};

impl Catalogue {
    /// The model that goes by this name: the catalogue's own, its hub id, the id's last part, each in any case and with or without a
    /// revision or the type of its weights behind it (`Llama-2-7b-hf.Q4_K_M`).
    pub fn known_as(&self, name: &str) -> Option<&Model> {
        let name = name.to_ascii_lowercase();
        let stem = without_weights(&name);
        self.models.iter().find(|model| names(model).any(|known| known == name || known == stem))
    }

    /// The name of the model that a model was tuned from; none where it was not, or is not known.
    pub fn tuned_from(&self, name: &str) -> Option<&str> {
        self.known_as(name)?.study.as_ref()?.tuned_from.as_deref()
    }

    /// Whether a model was tuned to follow instructions; none where it is not known.
    pub fn is_tuned(&self, name: &str) -> Option<bool> {
        self.known_as(name).map(|model| model.kind == Kind::Instruct)
    }
}

/// What a model is called, in lower case.
fn names(model: &Model) -> impl Iterator<Item = String> {
    let ids = model.sources.iter().filter_map(|source| match source {
        SourceSpec::Hub { id, .. } => Some(id.to_ascii_lowercase()),
        SourceSpec::Python { .. } => None,
    });
    let both = ids.flat_map(|id| [id.rsplit('/').next().unwrap_or_default().to_string(), id]);
    std::iter::once(model.name.to_ascii_lowercase()).chain(both)
}

/// `llama-2-7b.q4_k_m`, `llama-2-7b-bf16` and `meta/llama-2-7b@main:x.gguf` without what says how the weights are stored.
fn without_weights(name: &str) -> &str {
    let name = name.split(['@', ':']).next().unwrap_or(name);
    let Some((stem, last)) = name.rsplit_once(['.', '-']) else { return name };
    let quantised = last
        .trim_start_matches('i')
        .strip_prefix('q')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if quantised || ["f16", "bf16", "f32", "fp16", "gguf"].contains(&last) { stem } else { name }
}

#[cfg(test)]
mod tests {
    use crate::Catalogue;

    #[test]
    fn a_model_goes_by_its_names_with_and_without_its_weights() {
        let catalogue = Catalogue::builtin();
        let known = |name: &str| catalogue.known_as(name).map(|model| model.name.as_str());
        for name in
            ["llama2-7b", "meta-llama/Llama-2-7b-hf", "Llama-2-7b-hf", "llama-2-7b-hf.Q4_K_M", "Llama-2-7b-hf-bf16"]
        {
            assert_eq!(known(name), Some("llama2-7b"), "{name}");
        }
        assert_eq!(known("meta-llama/Llama-2-7b-hf@main"), Some("llama2-7b"));
        assert_eq!(known("Llama-2-7b-chat-hf.IQ3_S"), Some("llama2i-7b"));
        assert_eq!(known("Qwen2.5-7B"), Some("qwen2.5-7b"));
        assert_eq!(known("mine"), None);
        assert_eq!((catalogue.tuned_from("llama2i-7b"), catalogue.tuned_from("llama2-7b")), (Some("llama2-7b"), None));
        assert_eq!((catalogue.is_tuned("llama2i-7b"), catalogue.is_tuned("mine")), (Some(true), None));
    }
}
