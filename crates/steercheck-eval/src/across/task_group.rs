//! What kind of knowledge a task asks for, told by its name.

/// Words of names, and the group that they are of.
const WORDS: [(&str, &[&str]); 4] = [
    (
        "translation",
        &["translation", "english", "french", "spanish", "italian", "german", "en_", "_en", "fr_", "es_", "it_"],
    ),
    ("algorithmic", &["algorithmic", "letter", "list", "choose", "next", "prev", "first", "last", "alphabet"]),
    (
        "linguistic",
        &[
            "linguistic",
            "antonym",
            "synonym",
            "plural",
            "singular",
            "past",
            "present",
            "gerund",
            "capitali",
            "lowercase",
            "uppercase",
            "adjective",
            "verb",
            "noun",
        ],
    ),
    (
        "knowledge",
        &[
            "knowledge",
            "country",
            "capital",
            "currency",
            "landmark",
            "person",
            "park",
            "product",
            "religion",
            "location",
        ],
    ),
];

/// The group of a task of the study or of a name like those: `translation`, `algorithmic`, `linguistic`, `knowledge`; `other` tasks
/// bear a name that says none of these.
pub fn task_group(task: &str) -> &'static str {
    // What a set says of itself comes before what its words say.
    let said = WORDS.iter().find(|(group, _)| task.starts_with(group));
    let name = task.to_lowercase().replace('-', "_");
    let by_words = || WORDS.iter().find(|(_, words)| words.iter().any(|word| name.contains(word)));
    said.or_else(by_words).map_or("other", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::task_group;

    #[test]
    fn the_studys_tasks_have_their_groups() {
        let of = |tasks: &[&str]| tasks.iter().map(|task| task_group(task)).collect::<Vec<_>>();
        assert_eq!(of(&["knowledge_country_capital", "country-capital", "landmark-country"]), ["knowledge"; 3]);
        assert_eq!(
            of(&["linguistic_antonyms", "antonym", "present-past", "singular-plural", "capitalise"]),
            ["linguistic"; 5]
        );
        assert_eq!(of(&["translation_en_fr", "english-french"]), ["translation"; 2]);
        assert_eq!(of(&["algorithmic_next_letter", "choose_first_of_list"]), ["algorithmic"; 2]);
        assert_eq!(task_group("mine"), "other");
    }
}
