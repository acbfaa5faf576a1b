//! The lens over a data set, on the default real model.

use steercheck_eval::card::LensMeasured;
use steercheck_eval::cell::{LensAsked, LensCell, LensOptions, Subject};
use steercheck_eval::lens::{LensTable, lens, lettered};
use steercheck_eval::scoring::{Answer, Question, builtin_set};
use steercheck_eval::task;
use steercheck_model::{FinalNorm, LoadOptions, Loaded, Model, Tokenizer};

fn real() -> Option<(Model, Tokenizer)> {
    let path = steercheck_testkit::real_model("smollm2-135m-instruct")?;
    let Loaded { model, tokenizer, .. } = Loaded::open(&path, &LoadOptions::default()).expect("the model loads");
    Some((model, tokenizer.expect("it has a tokenizer")))
}

fn question(answers: &[(&str, bool)]) -> Question {
    let answer = |(text, is_true): &(&str, bool)| Answer { text: format!(" {text}"), is_true: *is_true };
    Question { title: "Why?".into(), prompt: "Q: Why?\nA:".into(), answers: answers.iter().map(answer).collect() }
}

#[test]
fn the_lens_on_lettered_questions_and_on_tasks() {
    let Some((model, tokenizer)) = real() else { return };
    letters_are_shuffled_and_the_best_answer_comes_first(&tokenizer);
    a_table_is_the_grid_at_the_last_position(&model, &tokenizer);
    a_task_is_asked_behind_other_items(&model, &tokenizer);
}

fn letters_are_shuffled_and_the_best_answer_comes_first(tokenizer: &Tokenizer) {
    let asked = question(&[("so.", true), ("also so.", true), ("no.", false), ("no.", false)]);
    let mut seen = std::collections::BTreeSet::new();
    for index in 0..12 {
        let look = lettered(tokenizer, &asked, 0, index).unwrap();
        let text = tokenizer.decode(&look.prompt).unwrap();
        let lines = if look.answer == " A" { " A: so.\n B: no." } else { " A: no.\n B: so." };
        assert_eq!(text, format!("Question: Why?\n{lines}\nAnswer:"));
        assert_eq!(look.answers.len(), 2);
        assert_eq!(tokenizer.decode(&look.answers[..1]).unwrap(), look.answer);
        assert_eq!(look, lettered(tokenizer, &asked, 0, index).unwrap());
        seen.insert(look.answer);
    }
    assert_eq!(seen.len(), 2);
    // Beyond the alphabet there are no letters.
    let texts: Vec<String> = (0..40).map(|i| format!("{i}.")).collect();
    let many: Vec<(&str, bool)> = texts.iter().enumerate().map(|(i, text)| (text.as_str(), i == 0)).collect();
    let look = lettered(tokenizer, &question(&many), 0, 0).unwrap();
    assert_eq!(look.answers.len(), 26);
    let text = tokenizer.decode(&look.prompt).unwrap();
    assert!(text.contains("\n Z: ") && !text.contains(": 26."), "{text}");
}

/// Against another way to the same numbers: the grid of one prompt, all of whose positions are read.
fn a_table_is_the_grid_at_the_last_position(model: &Model, tokenizer: &Tokenizer) {
    let set = builtin_set("misconceptions").unwrap().unwrap();
    let looks: Vec<_> = (0..11).map(|i| lettered(tokenizer, &set.questions[i], 3, i).unwrap()).collect();
    let table = LensTable::read(model, &looks).unwrap();
    assert!(table.is_whole() && table.items() == 11);
    for item in [0, 7, 10] {
        let look = &looks[item];
        let text = tokenizer.decode(&look.prompt).unwrap();
        // The letter follows, so that the grid reads its probability at the prompt's end.
        let grid = lens(model, tokenizer, &format!("{text}{}", look.answer), FinalNorm::Apply).unwrap();
        let last = look.prompt.len() - 1;
        assert_eq!(grid.tokens[last + 1], look.answers[0]);
        let model_says = grid.residuals.last().unwrap()[last].token;
        for (b, seen) in grid.residuals.iter().map(|row| &row[last]).enumerate() {
            let close = |x: f32, y: f64| assert!((f64::from(x) - y).abs() < 1e-5, "item {item}, residual {b}: {x} {y}");
            close(table.top[item][b], seen.probability);
            close(table.probability[item][0][b], seen.next.unwrap());
            assert_eq!(table.rank[item][0][b] as usize, seen.next_rank.unwrap(), "item {item}, residual {b}");
            assert_eq!(table.settled[item][b], seen.token == model_says);
        }
    }
}

fn a_task_is_asked_behind_other_items(model: &Model, tokenizer: &Tokenizer) {
    let subject = Subject { model, tokenizer, neutral: None, kept: None };
    let task = task::builtin("present-past").unwrap();
    let run = |shots: usize| {
        let options = LensOptions { items: 12, shots, seed: 1 };
        LensCell::prepare(&subject, LensAsked::Task(&task), &options).unwrap().run(model).unwrap()
    };
    let (with, without) = (run(5), run(0));
    for item in &with.results.items.test {
        assert_eq!(item.demonstrations.len(), 5);
        assert!(item.demonstrations.iter().all(|shown| shown.input != item.input), "{}", item.input);
    }
    let last = |record: &steercheck_eval::Record| {
        let measured = LensMeasured::of(record.results.lens.as_ref().unwrap()).unwrap();
        assert!(measured.rise.is_none() && measured.curve.len() == 31);
        measured.curve.last().unwrap().right.point
    };
    // Five examples make the right answer far more probable than none.
    assert!(last(&with) > 0.4 && last(&without) < 0.2, "{} {}", last(&with), last(&without));
    assert_ne!(with.key(), without.key());
    let bytes = with.to_json();
    let back = steercheck_eval::Record::from_bytes("record", bytes.as_bytes()).unwrap();
    assert_eq!(back.results, with.results);
}
