//! What a user may type for a model, taken apart; and which names may become part of a path or an address.

/// A model string, by its form alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One word: a name of the catalogue, or a mistake.
    Word,
    /// Only a path looks like this.
    Path,
    /// A repository of the hub.
    Hub(HubName),
}

/// `org/name[@revision][:file.gguf]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubName {
    /// `org/name`.
    pub(crate) id: String,
    /// Branch, tag or commit; `main` where none is given.
    pub(crate) revision: String,
    /// One GGUF file of the repository.
    pub(crate) file: Option<String>,
}

impl Asked {
    pub(crate) fn parse(text: &str) -> Self {
        if let Some(hub) = HubName::parse(text) {
            return Self::Hub(hub);
        }
        let path_like = text.contains(['/', '\\']) || text.starts_with(['.', '~']) || is_gguf(text);
        if path_like { Self::Path } else { Self::Word }
    }
}

impl HubName {
    fn parse(text: &str) -> Option<Self> {
        let (rest, file) = match text.split_once(':') {
            Some((rest, file)) => (rest, Some(file)),
            None => (text, None),
        };
        let (id, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        // `models/tiny.gguf` is a path that is not there; a file of a repository is written with a colon.
        let sound =
            is_hub_id(id) && !is_gguf(id) && is_revision(revision) && file.is_none_or(|f| is_member(f) && is_gguf(f));
        sound.then(|| Self { id: id.to_owned(), revision: revision.to_owned(), file: file.map(ToOwned::to_owned) })
    }

    /// As the user would write it, the default revision left out.
    pub(crate) fn short(&self) -> String {
        let revision = if self.revision == "main" { String::new() } else { format!("@{}", self.revision) };
        let file = self.file.as_ref().map(|f| format!(":{f}")).unwrap_or_default();
        format!("{}{revision}{file}", self.id)
    }
}

/// Whether the name ends in `.gguf`, whatever its case.
pub(crate) fn is_gguf(name: &str) -> bool {
    name.len() > 5 && name.as_bytes()[name.len() - 5..].eq_ignore_ascii_case(b".gguf")
}

/// One component that cannot leave its folder.
pub(crate) fn is_file_name(name: &str) -> bool {
    let allowed = |c: char| !c.is_control() && !"/\\:*?\"<>|".contains(c);
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && name.chars().all(allowed)
}

/// A relative path with forward slashes that cannot leave its folder.
pub(crate) fn is_member(path: &str) -> bool {
    path.len() <= 1024 && path.split('/').all(is_file_name)
}

/// `org/name` of the hub.
pub(crate) fn is_hub_id(id: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && p.len() <= 96 && p.chars().all(word)
    };
    id.split_once('/').is_some_and(|(org, name)| part(org) && part(name)) && !id.contains("..")
}

/// Branch, tag, commit or `refs/pr/1`.
pub(crate) fn is_revision(revision: &str) -> bool {
    revision.len() <= 255
        && revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(word))
}

/// What the hub may send as etag or commit, since both become file names.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && !text.starts_with('.') && text.chars().all(word)
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(id: &str, revision: &str, file: Option<&str>) -> Asked {
        Asked::Hub(HubName { id: id.into(), revision: revision.into(), file: file.map(Into::into) })
    }

    #[test]
    fn a_model_string_is_told_apart_by_its_form() {
        let table = [
            ("gpt2", Asked::Word),
            ("smollm2-135m-instruct", Asked::Word),
            ("org/name", hub("org/name", "main", None)),
            ("org/name@v1.0", hub("org/name", "v1.0", None)),
            ("org/name@refs/pr/3", hub("org/name", "refs/pr/3", None)),
            ("org/name:sub/m.Q4.gguf", hub("org/name", "main", Some("sub/m.Q4.gguf"))),
            ("org/name@v1:m.gguf", hub("org/name", "v1", Some("m.gguf"))),
            ("a/b/c", Asked::Path),
            ("./model", Asked::Path),
            ("~/model", Asked::Path),
            ("/model", Asked::Path),
            ("model.GGUF", Asked::Path),
            ("models/tiny.gguf", Asked::Path),
            ("org/name@../../x", Asked::Path),
            ("org/name:../m.gguf", Asked::Path),
            ("../name", Asked::Path),
            ("C:\\models\\x", Asked::Path),
        ];
        for (text, expected) in table {
            assert_eq!(Asked::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_hub_name_is_shortened_to_what_identifies_it() {
        for text in ["org/name", "org/name@v1", "org/name@v1:m.gguf", "org/name:m.gguf"] {
            let Asked::Hub(name) = Asked::parse(text) else { panic!("{text}") };
            assert_eq!(name.short(), text);
        }
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for bad in ["", "..", "a/b", "a\\b", "a\0b", "c:d"] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
        for bad in ["/etc/passwd", "a/../../b", "a//b", ""] {
            assert!(!is_member(bad), "{bad:?}");
        }
        for bad in ["", "..", "../x", "a/b", ".hidden"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
