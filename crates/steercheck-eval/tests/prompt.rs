//! Prompts as texts, and answers cut from them by the ids of a real tokenizer.

use steercheck_eval::prompt::{
    Candidates, Pair, Question, Template, continuation, function_vector_prompt, task_vector_prompt,
};
use steercheck_model::{LoadOptions, Loaded, Tokenizer};

fn tokenizer() -> Option<Tokenizer> {
    let path = steercheck_testkit::real_model("smollm2-135m-instruct")?;
    Some(Loaded::open(&path, &LoadOptions::default()).expect("the model loads").tokenizer.expect("it has a tokenizer"))
}

fn pair(input: &str, answer: &str) -> Pair {
    Pair { input: input.into(), answer: answer.into() }
}

#[test]
fn templates_are_the_published_ones_and_prompts_stand_verbatim() {
    let shown = [pair("a", " b"), pair("c", " d")];
    for (template, few_shot, zero_shot) in [
        (Template::Arrow, "example:a-> b\nexample:c-> d\nexample:x->", "example:x->"),
        (Template::QuestionAnswer, "Q: a\nA: b\n\nQ: c\nA: d\n\nQ: x\nA:", "Q: x\nA:"),
        (Template::Verbatim, "a b\n\nc d\n\nx", "x"),
    ] {
        assert_eq!(template.prompt(&shown, "x"), few_shot);
        assert_eq!(template.prompt(&[], "x"), zero_shot);
        // The text for records is a demonstration.
        let one = template.text().replace("{x}", "a").replace("{y}", " b");
        assert!(few_shot.starts_with(&one) && one.starts_with(&template.prompt(&[], "a")), "{one:?}");
    }
    assert_eq!(task_vector_prompt(&shown, "x"), Template::Arrow.prompt(&shown, "x"));
    assert_eq!(function_vector_prompt(&shown, "x"), Template::QuestionAnswer.prompt(&shown, "x"));
}

#[test]
fn an_answer_follows_behind_a_space_where_one_belongs() {
    for (prompt, answer, follows) in [
        ("The capital of France is", "Paris", " Paris"),
        ("2 + 2 =", "4", " 4"),
        ("Question: what?\nAnswer:", "this", " this"),
        ("The capital of France is ", "Paris", "Paris"),
        ("Answer:\n", "Paris", "Paris"),
        ("Is it so?", " Yes", " Yes"),
        ("A: first\nB: second\nThe answer is (", "B", "B"),
        ("He said \"", "no", "no"),
        ("\"", "no", "no"),
        ("He said \"no\"", "twice", " twice"),
        ("The dogs'", "tails", " tails"),
        ("法国的首都是", "巴黎", "巴黎"),
        ("Paris in Chinese is", "巴黎", "巴黎"),
        ("Seoul is the capital of", "한국", " 한국"),
        ("", "Paris", "Paris"),
    ] {
        assert_eq!(continuation(prompt, answer), follows, "{prompt:?}");
    }
}

#[test]
fn one_candidate_is_a_question() {
    let Some(tokenizer) = tokenizer() else { return };
    for (prompt, answer) in
        [("The capital of France is", " Paris"), ("The capital of Fr", "ance"), ("Is it (", "B) or not")]
    {
        let Candidates { prompt: ids, answers, boundary_merged } =
            Candidates::new(&tokenizer, prompt, &[answer]).unwrap();
        let question = Question::new(&tokenizer, prompt, answer).unwrap();
        assert_eq!((ids, answers, boundary_merged), (question.prompt, vec![question.answer], question.boundary_merged));
    }
}

#[test]
fn candidates_share_the_prompt_that_survives_in_front_of_all() {
    let Some(tokenizer) = tokenizer() else { return };
    let check = |prompt: &str, answers: &[&str]| {
        let candidates = Candidates::new(&tokenizer, prompt, answers).unwrap();
        for (answer, ids) in answers.iter().zip(&candidates.answers) {
            let whole = [&candidates.prompt[..], &ids[..]].concat();
            assert_eq!(whole, tokenizer.encode(&format!("{prompt}{answer}")).unwrap(), "{answer}");
        }
        let alone = tokenizer.encode(prompt).unwrap();
        assert!(alone.starts_with(&candidates.prompt));
        assert_eq!(candidates.boundary_merged, candidates.prompt.len() < alone.len());
        candidates
    };
    let capitals = check("The capital of France is", &[" Paris", " Rome", " Ouagadougou"]);
    assert!(!capitals.boundary_merged && capitals.answers[2].len() > 1);
    // One answer joins the prompt's last word, so that all are scored from before that word.
    let merged = check("The capital of Fr", &[" Paris", "ance"]);
    assert!(merged.boundary_merged);
    assert_eq!(merged.answers[0].len(), 2, "the second candidate's boundary holds for the first too");
    let same_start = check("She", &[" is", " is not"]);
    assert!(same_start.answers[1].starts_with(&same_start.answers[0]));
}

#[test]
fn candidates_without_tokens_or_with_the_same_ones_are_refused() {
    let Some(tokenizer) = tokenizer() else { return };
    for (prompt, answers, said) in [
        ("The capital of France is", &[" Paris", ""] as &[&str], "the answer '' has no tokens of its own"),
        // Joined with "ance", the prompt's own last tokens would pass for an answer.
        ("The capital of Fr", &["ance", ""], "the answer '' has no tokens of its own"),
        ("The capital of France is", &[" Paris", " Rome", " Paris"], "' Paris' and ' Paris' have the same tokens"),
        ("The capital of France is", &[], "there are no answers"),
    ] {
        let got = Candidates::new(&tokenizer, prompt, answers).unwrap_err().to_string();
        assert!(got.contains(said), "expected {said}\ngot      {got}");
    }
}
