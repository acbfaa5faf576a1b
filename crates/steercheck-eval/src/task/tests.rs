use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const KEEP: LoadOptions = LoadOptions { quirks: Quirks::Keep, matching: None };
const DROP: LoadOptions = LoadOptions { quirks: Quirks::Drop, matching: None };

fn load(file: &str, text: &str, options: LoadOptions) -> Task {
    load_bytes(file, text.as_bytes(), options).expect(file)
}

fn refusal(file: &str, text: &str) -> String {
    load_bytes(file, text.as_bytes(), DROP).expect_err(text).to_string()
}

fn pairs(task: &Task) -> Vec<(&str, &str)> {
    task.items.iter().map(|item| (item.input.as_str(), item.answer.as_str())).collect()
}

#[test]
fn every_built_in_task_is_large_clean_and_single_valued() {
    for name in builtin_names() {
        let task = builtin(name).expect(name);
        let least = match *name {
            "country-capital" => 150,
            "singular-plural" => 200,
            _ => 250,
        };
        assert!(task.items.len() >= least, "{name}: expected {least} items or more, got {}", task.items.len());
        assert_eq!(task.name, *name);
        assert!(task.notes.iter().all(|note| note.starts_with("reversed from")), "{name}: {:?}", task.notes);
        let mut inputs = HashSet::new();
        for Item { input, answer, .. } in &task.items {
            assert!(inputs.insert(input), "{name}: {input} stands twice");
            for text in [input, answer] {
                assert!(
                    !text.is_empty() && text.trim() == text && !text.contains(['\t', '\n', '\r']),
                    "{name}: {text:?}"
                );
            }
        }
        assert_eq!(task.single_token, *name != "country-capital");
        if !task.notes.iter().any(|note| note.starts_with("reversed from")) {
            assert!(task.items.is_sorted_by_key(|item| &item.input), "{name} is not sorted");
        }
    }
}

#[test]
fn built_in_translations_are_single_valued_both_ways() {
    for (there, back) in [
        ("english-french", "french-english"),
        ("english-spanish", "spanish-english"),
        ("english-german", "german-english"),
    ] {
        let (there, back) = (builtin(there).unwrap(), builtin(back).unwrap());
        assert_eq!(there.items.len(), back.items.len(), "{}", back.name);
        assert_eq!(there.matching, Match::Synonyms);
        assert_eq!(pairs(&back.reversed(Quirks::Drop)), pairs(&there));
    }
}

#[test]
fn a_capitalised_word_differs_in_its_first_letter_only() {
    for Item { input, answer, .. } in builtin("capitalise").unwrap().items {
        assert_eq!(input[..1].to_uppercase() + &input[1..], answer);
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_and_the_list() {
    let said = builtin("country_capitals").unwrap_err().to_string();
    assert!(said.contains("did you mean country-capital?") && said.contains("german-english"), "{said}");
    assert!(builtin("Antonyms").unwrap_err().to_string().contains("did you mean antonym?"));
    assert!(builtin("capitalize").unwrap_err().to_string().contains("did you mean capitalise?"));
    let said = builtin("zzz").unwrap_err().to_string();
    assert!(!said.contains("did you mean") && said.contains("present-past"), "{said}");
}

#[test]
fn all_formats_give_the_same_items_and_the_same_hash() {
    let list = load("a.json", r#"[{"input":"x","output":"y"},{"input":"é","output":["z","w"]}]"#, DROP);
    let mapping = load("b.json", r#"{"x":"y","é":"z"}"#, DROP);
    let lines = load("c.jsonl", "{\"input\":\"x\",\"output\":\"y\"}\n\n{\"input\":\"é\",\"output\":\"z\"}\n", DROP);
    let hidden_lines = load("d.json", "{\"input\":\"x\",\"output\":\"y\"}\n{\"input\":\"é\",\"output\":\"z\"}", DROP);
    let tsv = load("e.tsv", "\u{feff}input\toutput\r\nx\ty\r\né\tz\r\n", DROP);
    for task in [&mapping, &lines, &hidden_lines, &tsv] {
        assert_eq!(pairs(task), pairs(&list));
        assert_eq!(task.hash(), list.hash());
    }
    assert_eq!(list.notes, ["1 entry lists several answers, of which the first is used (first: entry 2)"]);
    assert_eq!(tsv.notes, ["line 1: skipped the column names \"input\" and \"output\""]);
    assert_eq!(list.hash().len(), 64);
}

#[test]
fn the_hash_tells_items_order_and_matching_apart() {
    let task = load("a.tsv", "a\tb\nc\td\n", DROP);
    let mut hashes = HashSet::from([task.hash()]);
    let mut swapped = task.clone();
    swapped.items.reverse();
    let prefix = Task { matching: Match::Prefix, ..task.clone() };
    let moved_border = load("a.tsv", "a\tbc\nd\te\n", DROP);
    for other in [&swapped, &prefix, &task.reversed(Quirks::Drop), &moved_border] {
        assert!(hashes.insert(other.hash()));
    }
    let renamed = Task { name: "other".into(), notes: vec!["note".into()], ..task.clone() };
    assert_eq!(renamed.hash(), task.hash());
}

#[test]
fn the_file_name_gives_name_title_and_the_rule_of_country_capital() {
    let task = load("data/Country_Capital.json", r#"{"France":"Paris"}"#, DROP);
    assert_eq!((task.name.as_str(), task.title.as_str()), ("country-capital", "country capital"));
    assert_eq!((task.matching, task.single_token), (Match::Prefix, false));
    let exact = LoadOptions { matching: Some(Match::Exact), ..DROP };
    assert_eq!(load("country-capital.tsv", "France\tParis", exact).matching, Match::Exact);
}

#[test]
fn a_header_row_stays_or_goes_with_a_note() {
    let text = r#"{"en":"fr","the":"la"}"#;
    let (kept, dropped) = (load("en_fr.json", text, KEEP), load("en_fr.json", text, DROP));
    assert_eq!(pairs(&kept), [("en", "fr"), ("the", "la")]);
    assert_eq!(kept.notes, ["kept the header row \"en\" to \"fr\" (entry 1) as an item, as published"]);
    assert_eq!(pairs(&dropped), [("the", "la")]);
    assert_eq!(dropped.notes, ["dropped the header row \"en\" to \"fr\" (entry 1), which is no item"]);
    // The same words further down, or one word for both, are items.
    let text = r#"{"de":"de","en":"fr"}"#;
    assert_eq!(load("fr_es.json", text, DROP).items.len(), 2);
    // Two codes that are also words are a header only where the file is named after these languages.
    let text = r#"{"it":"es","and":"und"}"#;
    assert_eq!(load("en_de.json", text, DROP).items.len(), 2);
    assert_eq!(load("it_es.json", text, DROP).items.len(), 1);
    assert_eq!(load("words.tsv", "English\tGerman\nand\tund\n", DROP).items.len(), 1);
}

#[test]
fn further_answers_stay_or_go_and_exact_repeats_always_go() {
    let text = "a\t1\na\t1\nb\t2\na\t3\n";
    let (kept, dropped) = (load("x.tsv", text, KEEP), load("x.tsv", text, DROP));
    assert_eq!(pairs(&kept), [("a", "1"), ("b", "2"), ("a", "3")]);
    assert_eq!(pairs(&dropped), [("a", "1"), ("b", "2")]);
    assert_eq!(
        dropped.notes,
        ["dropped exact repeats: 1 (\"a\" to \"1\")", "dropped further answers of an input: 1 (\"a\" to \"3\")"]
    );
}

#[test]
fn a_repeated_key_is_kept_as_python_reads_it() {
    let text = r#"{"a":"1","b":"2","a":"3"}"#;
    assert_eq!(pairs(&load("x.json", text, KEEP)), [("a", "3"), ("b", "2")]);
    assert_eq!(pairs(&load("x.json", text, DROP)), [("a", "1"), ("b", "2")]);
}

#[test]
fn whitespace_around_texts_stays_or_goes_with_a_note() {
    let text = r#"[{"input":"relay","output":"Staffel\n"}]"#;
    assert_eq!(pairs(&load("x.json", text, KEEP)), [("relay", "Staffel\n")]);
    let dropped = load("x.json", text, DROP);
    assert_eq!(pairs(&dropped), [("relay", "Staffel")]);
    assert_eq!(dropped.notes, ["trimmed whitespace around the texts of 1 (entry 1)"]);
}

#[test]
fn a_reversed_task_has_one_answer_per_input_or_says_otherwise() {
    let notes = builtin("french-english").unwrap().notes;
    assert!(notes.contains(&"reversed from english-french".to_owned()), "{notes:?}");
    let task = load("english-french.tsv", "big\tgrand\ntall\tgrand\n", DROP);
    let back = task.reversed(Quirks::Drop);
    assert_eq!(back.name, "french-english");
    assert_eq!(pairs(&back), [("grand", "big")]);
    assert_eq!(
        back.notes,
        ["reversed from english-french", "dropped further answers of an input: 1 (\"grand\" to \"tall\")"]
    );
    assert_eq!(task.reversed(Quirks::Keep).items.len(), 2);
    assert_eq!(Task { title: "English to French".into(), ..task }.reversed(Quirks::Drop).title, "French to English");
}

#[test]
fn a_prediction_is_cut_at_the_line_break_and_stripped_before_it_is_matched() {
    for (rule, predicted, answer, right) in [
        (Match::Exact, " Paris\nexample", "Paris", true),
        (Match::Exact, "paris", "Paris", false),
        (Match::Exact, "\nParis", "Paris", false),
        (Match::Prefix, " Port", "Port Louis", true),
        (Match::Prefix, "Kuwait City, Kuwait", "Kuwait City", true),
        (Match::Prefix, "Rome", "Paris", false),
        (Match::Prefix, " \n", "Paris", false),
        (Match::Prefix, "Paris", " ", false),
        (Match::Synonyms, " maison", "maison", true),
        (Match::Synonyms, "mai", "maison", false),
    ] {
        assert_eq!(rule.accepts(predicted, answer), right, "{rule:?} {predicted:?} {answer:?}");
    }
}

#[test]
fn an_error_says_where_it_is_and_what_to_do() {
    let said = load_file(Path::new("no/such.json"), DROP).unwrap_err().to_string();
    assert!(said.contains("no/such.json does not exist") && said.contains("antonym"), "{said}");
    let said = load_file(Path::new(env!("CARGO_MANIFEST_DIR")), DROP).unwrap_err().to_string();
    assert!(said.contains("cannot be read"), "{said}");
    let said = load_bytes("x.json", b"{\"a\": \"\xff\"}", DROP).unwrap_err().to_string();
    assert_eq!(said, "x.json is not UTF-8 text (first wrong byte at offset 7): save it as UTF-8");
    for (file, text, said) in [
        ("x.json", "nonsense", "x.json is not valid JSON (expected ident at line 1 column 2)"),
        ("x.json", "{\"a\": \"b\"", "EOF while parsing an object at line 1 column 9"),
        ("x.jsonl", "{\"input\":\"a\",\"output\":\"b\"}\n{", "line 2: EOF"),
        ("x.json", "3", "x.json holds a number: a task file is a list of"),
        ("x.json", "[{\"input\":\"a\",\"output\":\"b\"}, 3]", "x.json, entry 2: found a number, write an object"),
        ("x.json", "[{\"input\":\"a\"}]", "x.json, entry 1: there is no \"output\""),
        ("x.json", "[{\"input\":7,\"output\":\"b\"}]", "x.json, entry 1: the input is a number; write it as text"),
        ("x.json", "{\"a\":\"b\",\"c\":null}", "x.json, entry 2: the output is null"),
        ("x.json", "{\"a\":[[\"b\"]]}", "x.json, entry 1: the output is a list"),
        ("x.json", "{\"a\":\" \"}", "x.json, entry 1: the output is empty"),
        ("x.json", "{\"a\":[]}", "x.json, entry 1: the output is empty"),
        ("x.json", "{\"\":\"a\"}", "x.json, entry 1: the input is empty"),
        ("x.tsv", "a\tb\n\na\t\n", "x.tsv, line 3: the output is empty"),
        ("x.tsv", "a\tb\nc\n", "x.tsv, line 2: found 1 column(s)"),
        ("x.tsv", "a\tb\tc\n", "x.tsv, line 1: found 3 column(s)"),
        ("x.tsv", "input\toutput\n", "x.tsv holds no items"),
        ("en-fr.json", "{\"en\":\"fr\"}", "en-fr.json holds no items"),
        ("x.json", "[]", "x.json holds no items"),
        ("x.json", "\u{feff} \n", "x.json holds no items"),
    ] {
        let got = refusal(file, text);
        assert!(got.contains(said), "{text:?}\nexpected {said}\ngot      {got}");
    }
}

const CAPITALS: &str = r#"{"prompt":"The capital of France is","answer":"Paris","choices":["Rome","Paris"]}"#;

#[test]
fn prompts_stand_verbatim_and_their_answers_are_found_by_prefix() {
    let lines = "{\"prompt\":\"  2 + 2 =\",\"answer\":\" 4\"}\n{\"prompt\":\"A:\\n\",\"answer\":\"yes\"}\n";
    let (kept, task) = (load("My_Sums.jsonl", lines, KEEP), load("My_Sums.jsonl", lines, DROP));
    assert_eq!(pairs(&kept), [("  2 + 2 =", " 4"), ("A:\n", "yes")]);
    assert_eq!(pairs(&task), [("  2 + 2 =", "4"), ("A:\n", "yes")]);
    assert_eq!((task.name.as_str(), task.style, task.matching), ("my-sums", Style::Prompts, Match::Prefix));
    assert!(!task.single_token && !task.has_choices());
    assert_eq!(
        task.notes,
        [
            "trimmed whitespace around the answers and choices of 1 (line 1)",
            "prompts that end in whitespace, which stays, so that their answers follow without a space: 1 (line 2)"
        ]
    );
    let exact = LoadOptions { matching: Some(Match::Exact), ..DROP };
    assert_eq!(load("x.jsonl", lines, exact).matching, Match::Exact);
    assert_eq!(task.reversed(Quirks::Drop), task);
    let pairs = load("x.jsonl", r#"{"input":"a","output":"b"}"#, DROP);
    assert_eq!((pairs.style, pairs.single_token, pairs.items[0].choices.len()), (Style::Pairs, true, 0));
}

#[test]
fn the_answer_is_named_by_its_text_or_by_its_index_among_the_choices() {
    let choices = r#""prompt":"The capital of France is","choices":["Rome","Paris"," Bonn"]"#;
    for (answer, right, others) in [
        ("\"Paris\"", "Paris", ["Rome", "Bonn"]),
        ("1", "Paris", ["Rome", "Bonn"]),
        ("0", "Rome", ["Paris", "Bonn"]),
        ("\"Bonn\"", "Bonn", ["Rome", "Paris"]),
        ("2", "Bonn", ["Rome", "Paris"]),
    ] {
        let task = load("x.jsonl", &format!("{{{choices},\"answer\":{answer}}}"), DROP);
        assert_eq!(
            (task.items[0].answer.as_str(), task.items[0].choices.as_slice()),
            (right, &others.map(String::from)[..])
        );
        assert!(task.has_choices());
    }
    // As a list, and alone in a file that could be a mapping from words to words.
    let listed = load("x.json", &format!("[{CAPITALS}]"), DROP);
    let alone = load("y.json", CAPITALS, DROP);
    assert_eq!((&listed.items, listed.hash()), (&alone.items, alone.hash()));
    let words = load("z.json", r#"{"prompt":"invite","answer":"réponse","way":"voie","word":"mot"}"#, DROP);
    assert_eq!((words.items.len(), words.style), (4, Style::Pairs));
}

#[test]
fn a_prompt_that_stands_again_with_other_choices_is_another_entry() {
    let other = CAPITALS.replace("Rome", "Bonn");
    let text = [CAPITALS, CAPITALS, &other].join("\n");
    let (kept, dropped) = (load("x.jsonl", &text, KEEP), load("x.jsonl", &text, DROP));
    assert_eq!((kept.items.len(), dropped.items.len()), (2, 1));
    let case = "(\"The capital of France is\" to \"Paris\")";
    assert_eq!(
        dropped.notes,
        [format!("dropped exact repeats: 1 {case}"), format!("dropped further entries of a prompt: 1 {case}")]
    );
}

#[test]
fn the_hash_tells_choices_style_and_token_rule_apart() {
    let task = load("x.jsonl", CAPITALS, DROP);
    let mut hashes = HashSet::from([task.hash()]);
    let plain = Item { choices: Vec::new(), ..task.items[0].clone() };
    let more = Item { choices: vec!["Rome".into(), "Bonn".into()], ..task.items[0].clone() };
    for other in [
        Task { style: Style::Pairs, ..task.clone() },
        Task { single_token: true, ..task.clone() },
        Task { items: vec![plain], ..task.clone() },
        Task { items: vec![more], ..task.clone() },
    ] {
        assert!(hashes.insert(other.hash()));
    }
}

#[test]
fn a_task_is_written_and_read_as_it_is() {
    for text in [CAPITALS, r#"{"input":"a","output":"b"}"#] {
        let task = load("x.jsonl", text, DROP);
        let written = serde_json::to_string(&task).unwrap();
        assert_eq!(written.contains("choices"), task.has_choices());
        assert_eq!(serde_json::from_str::<Task>(&written).unwrap(), task);
    }
}

#[test]
fn an_entry_that_cannot_be_asked_is_refused_with_what_to_write() {
    let prompt = |rest: &str| format!("{{\"prompt\":\"p\",{rest}}}");
    let unlike = format!("{CAPITALS}\n{{\"prompt\":\"p\",\"answer\":\"a\"}}");
    let long = format!("\"answer\":\"b\",\"choices\":[\"{}\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"]", "x".repeat(900));
    for (text, said) in [
        (
            prompt(r#""answer":"a","chioces":["a","b"]"#),
            "the key \"chioces\" is not known (did you mean \"choices\"?); an entry has",
        ),
        (prompt(r#""answer":"a","options":["a","b"]"#), "(did you mean \"choices\"?)"),
        (prompt(r#""output":"a""#), "the key \"output\" is not known (did you mean \"answer\"?)"),
        (prompt(r#""answer":"a","output":"a""#), "the key \"output\" is not known; an entry has"),
        (r#"{"promt":"p","answer":"a"}"#.into(), "line 1: the key \"promt\" is not known (did you mean \"prompt\"?)"),
        (r#"{"question":"p","answer":"a"}"#.into(), "(did you mean \"prompt\"?)"),
        (r#"{"input":"p","answer":"a"}"#.into(), "the key \"answer\" is not known (did you mean \"output\"?)"),
        (r#"{"Input":"p","output":"a"}"#.into(), "(did you mean \"input\"?)"),
        (r#"{"input":"p","output":"a","id":7}"#.into(), "the key \"id\" is not known; an entry has"),
        (r#"{"text":"p"}"#.into(), "\"prompt\", \"answer\" and, where there are any, \"choices\": rename or remove it"),
        ("{}".into(), "there is no \"input\""),
        (r#"{"prompt":"p"}"#.into(), "there is no \"answer\""),
        (r#"{"answer":"a"}"#.into(), "there is no \"prompt\""),
        (r#"{"choices":["a","b"]}"#.into(), "there is no \"prompt\""),
        (prompt(r#""choices":["a","b"]"#), "there is no \"answer\""),
        (
            prompt(r#""answer":1"#),
            "the answer is the number 1; write it as text in double quotes (an index, counted from 0, needs \"choices\")",
        ),
        (prompt(r#""answer":["a","b"]"#), "the answer is a list"),
        (prompt(r#""answer":" ""#), "the answer is empty"),
        (r#"{"prompt":"\n","answer":"a"}"#.into(), "the prompt is empty"),
        (r#"{"prompt":7,"answer":"a"}"#.into(), "the prompt is a number"),
        (
            prompt(r#""answer":"Pariss","choices":["Rome","Paris"]"#),
            "the answer \"Pariss\" is not among the choices (did you mean \"Paris\"?); write one of them as it stands there (\"Rome\", \"Paris\") or its index, a number counted from 0",
        ),
        (prompt(r#""answer":"B","choices":["Rome","Paris"]"#), "the answer \"B\" is not among the choices; write"),
        (prompt(r#""answer":"1","choices":["Rome","Paris"]"#), "the answer \"1\" is not among the choices"),
        (prompt(&long), "xxx...\", \"2\", \"3\", \"4\", \"5\" and 2 more)"),
        (prompt(r#""answer":2,"choices":["a","b"]"#), "the answer 2 is no index of 2 choices, which count from 0 to 1"),
        (prompt(r#""answer":-1,"choices":["a","b"]"#), "the answer -1 is no index"),
        (prompt(r#""answer":1.0,"choices":["a","b"]"#), "the answer 1.0 is no index"),
        (prompt(r#""answer":null,"choices":["a","b"]"#), "the answer is null"),
        (prompt(r#""answer":"a","choices":["a"]"#), "found 1 choice(s); give two or more, or leave \"choices\" out"),
        (prompt(r#""answer":"a","choices":[]"#), "found 0 choice(s)"),
        (prompt(r#""answer":"a","choices":["a","b"," a"]"#), "the choice \"a\" stands there twice"),
        (prompt(r#""answer":"a","choices":["a",""]"#), "the choice number 2 is empty"),
        (prompt(r#""answer":"a","choices":["a",2]"#), "the choice number 2 is a number; write it as text"),
        (prompt(r#""answer":"a","choices":"a, b""#), "\"choices\" is a text; write a list of texts"),
        (
            unlike,
            "line 2: this entry has a prompt without choices and line 1 has a prompt with choices; write all entries",
        ),
        (
            "{\"input\":\"a\",\"output\":\"b\"}\n{\"prompt\":\"a\",\"answer\":\"b\"}".into(),
            "line 2: this entry has a prompt without choices and line 1 has an input and an output",
        ),
    ] {
        let got = refusal("x.jsonl", &text);
        assert!(got.contains(said), "{text:?}\nexpected {said}\ngot      {got}");
        assert!(got.len() < 700, "{got}");
    }
    // One object in a .json file is a prompt too, and its typos are found.
    let got = refusal("x.json", r#"{"prompt":"p","answer":"a","choice":["a","b"]}"#);
    assert!(got.contains("entry 1: the key \"choice\" is not known (did you mean \"choices\"?)"), "{got}");
}

#[test]
fn no_bytes_make_the_loader_panic() {
    let seeds = [
        "{\"prompt\":\"x\",\"answer\":1,\"choices\":[\"y\",\"z\"]}\n{\"prompt\":\"é\",\"answer\":\"z\",\"choices\":[\"y\",\"z\"]}\n",
        "[{\"input\":\"x\",\"output\":[\"y\",\"z\"]},{\"input\":\"\\u00e9\",\"output\":\"z\"}]",
        "{\"en\":\"fr\",\"x\":\"y\",\"x\":\"z\",\"\\ud83d\\ude00\":\"é\"}",
        "{\"input\":\"x\",\"output\":\"y\"}\n{\"input\":\"x\",\"output\":\"é\"}\n",
        "input\toutput\nx\ty\né\tz\n",
    ];
    let mut state = 1_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=draw(4) {
            let place = draw(bytes.len());
            match draw(3) {
                0 => bytes[place] = draw(256) as u8,
                1 => bytes.truncate(place + 1),
                _ => bytes.insert(place, b"[]{}\",:\t\n\\"[draw(10)]),
            }
        }
        for file in ["x.json", "x.jsonl", "x.tsv", "x"] {
            for options in [KEEP, DROP] {
                let _ = load_bytes(file, &bytes, options);
            }
        }
    }
    let deep = "[".repeat(100_000);
    assert!(refusal("x.json", &deep).contains("recursion limit"));
}

/// The folder with the published data sets, which is not part of the repository.
fn shared() -> Option<PathBuf> {
    Some(steercheck_testkit::shared()?.join("datasets"))
}

/// Every JSON file under `folder`, with its path below it, in order.
fn json_files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let below = path.strip_prefix(folder).expect("a path below the folder");
                files.insert(below.display().to_string(), path);
            }
        }
    }
    files
}

#[test]
fn every_published_file_loads() {
    let Some(shared) = shared() else { return };
    for (set, expected) in [("task_vectors", 20), ("function_vectors", 57)] {
        let files = json_files(&shared.join(set));
        assert_eq!(files.len(), expected, "{set}");
        for (name, path) in files {
            let kept = load_file(&path, KEEP).unwrap_or_else(|error| panic!("{error}"));
            let dropped = load_file(&path, DROP).unwrap_or_else(|error| panic!("{error}"));
            assert!(dropped.items.len() <= kept.items.len() && dropped.items.len() >= 100, "{name}");
            println!("{name}: {} / {} {:?}", kept.items.len(), dropped.items.len(), dropped.notes);
        }
    }
}

#[test]
fn published_faults_are_found_where_they_are_known_to_be() {
    let Some(shared) = shared() else { return };
    for (file, kept, dropped, first) in [
        ("task_vectors/translation/en_fr.json", 739, 738, "the"),
        ("task_vectors/translation/es_en.json", 763, 762, "ser"),
        ("task_vectors/translation/fr_en.json", 772, 771, "être"),
        ("task_vectors/translation/it_en.json", 758, 757, "essere"),
        ("task_vectors/translation/en_es.json", 719, 719, "be"),
        ("task_vectors/translation/en_it.json", 757, 757, "be"),
        ("task_vectors/linguistic/antonyms.json", 162, 162, "high"),
        ("task_vectors/knowledge/country_capital.json", 139, 139, "Al Madinah Region"),
        ("function_vectors/abstractive/antonym.json", 2398, 2398, "flawed"),
        ("function_vectors/abstractive/product-company.json", 502, 494, "Platform Controller Hub"),
        ("function_vectors/abstractive_extra/french-english.json", 4698, 4109, "dépendant"),
    ] {
        let path = shared.join(file);
        let keep = load_file(&path, KEEP).expect(file);
        let drop = load_file(&path, DROP).expect(file);
        assert_eq!((keep.items.len(), drop.items.len()), (kept, dropped), "{file}: {:?}", drop.notes);
        assert_eq!(drop.items[0].input, first, "{file}");
    }
    let antonyms = load_file(&shared.join("task_vectors/linguistic/antonyms.json"), KEEP).unwrap();
    assert_eq!(antonyms.notes.len(), 2, "{:?}", antonyms.notes);
}
