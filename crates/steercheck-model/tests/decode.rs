//! Greedy decoding over kept keys and values equals running the whole sequence for every token.

mod common;

use std::sync::Arc;

use common::{FIXTURES, golden, open, prompts};
use steercheck_model::{
    Block, Continuation, Edit, EditedPrompt, FinalNorm, HeadKind, LoadOptions, Model, ModelError, Operation, Positions,
    ReadAt, Reads, Receipt, Row, Site,
};
use steercheck_testkit::shared;

/// New tokens per prompt.
const TOKENS: usize = 6;
/// Of log-probabilities, which cancel what residuals of a fixture differ by.
const TOLERANCE: f64 = 1e-4;

fn vector(width: usize, seed: u32) -> Arc<[f32]> {
    (0..width as u32).map(|i| ((i * 37 + seed * 101) % 19) as f32 / 9.0 - 1.0).collect()
}

/// Kinds of edits of one prompt, by name.
fn plans(model: &Model) -> Vec<(&'static str, Vec<Edit>)> {
    let (d, depth) = (model.spec.hidden_size, model.spec.depth());
    let replace = |b, seed| Edit::last(Site::Residual(b), Operation::Replace(vector(d, seed)));
    let add = |b, strength| Operation::Add { vector: vector(d, 3 + b as u32), strength };
    let everywhere =
        |b, strength| Edit { site: Site::Residual(b), positions: Positions::All, operation: add(b, strength) };
    let early = Edit { positions: Positions::At(vec![1, 4]), ..replace(1, 7) };
    vec![
        ("nothing", vec![]),
        ("replace at the last token", vec![replace(1, 1)]),
        ("add at the last token", vec![Edit::last(Site::MlpOutput(Block(depth)), add(depth, 2.0))]),
        ("at earlier positions", vec![early]),
        ("add everywhere", vec![everywhere(depth - 1, 0.7)]),
        ("add from a position on", vec![Edit { positions: Positions::From(3), ..everywhere(1, 0.6) }]),
        ("everywhere and at the last token", vec![everywhere(1, -0.5), replace(depth, 2), everywhere(depth, 0.4)]),
    ]
}

/// Every token from a pass over the whole sequence, edits at their positions in it.
fn naive(model: &Model, prompt: &EditedPrompt, tokens: usize) -> Continuation {
    let length = prompt.tokens.len();
    let absolute = |e: &Edit| match e.positions {
        Positions::Last => Edit { positions: Positions::At(vec![length - 1]), ..e.clone() },
        _ => e.clone(),
    };
    let mut whole = EditedPrompt { tokens: prompt.tokens.clone(), edits: prompt.edits.iter().map(absolute).collect() };
    let (mut log_probs, mut receipts) = (Vec::new(), Vec::new());
    for _ in 0..tokens {
        let reads = Reads { top: ReadAt::Last, ..Reads::default() };
        let trace = model.trace_edited(std::slice::from_ref(&whole), &reads).unwrap().remove(0);
        let read = model.read(&trace.top.unwrap(), FinalNorm::Apply, HeadKind::Full, &[vec![]]).unwrap().remove(0);
        whole.tokens.push(read.top1);
        log_probs.push(read.top1_log_prob);
        receipts = trace.receipts;
    }
    Continuation { tokens: whole.tokens.split_off(length), log_probs, receipts }
}

fn assert_equal(what: &str, got: &Continuation, want: &Continuation) {
    assert_eq!(got.tokens, want.tokens, "{what}");
    for (a, b) in got.log_probs.iter().zip(&want.log_probs) {
        assert!((a - b).abs() <= TOLERANCE, "{what}: {a} against {b}");
    }
    assert_eq!(got.receipts.len(), want.receipts.len(), "{what}");
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * (1.0 + b.abs());
    for (a, b) in got.receipts.iter().zip(&want.receipts) {
        let figures = |r: &Receipt| (r.site, r.planned, r.fired);
        assert_eq!(figures(a), figures(b), "{what}");
        assert!(near(a.change, b.change) && near(a.before, b.before), "{what}: {a:?} against {b:?}");
    }
}

/// A fixture's prompts cut to several lengths, two of them with a common beginning.
fn several(model: &Model, base: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let vocab = model.spec.vocab_size as u32;
    let mut forked = base[0][..14].to_vec();
    forked.extend([base[0][14] % (vocab - 1) + 1, 3]);
    vec![base[0].clone(), base[1][..6].to_vec(), forked, base[0][..15].to_vec()]
}

fn for_every_fixture(check: impl Fn(&str, &Model, &[Vec<u32>])) {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let all = several(&model, &prompts(&golden(&shared, name), "input_ids"));
        check(name, &model, &all);
    }
}

#[test]
fn continuations_equal_a_whole_pass_for_every_token_whatever_is_edited() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        let plans = plans(model);
        let edited: Vec<EditedPrompt> = plans
            .iter()
            .flat_map(|(_, edits)| prompts.iter().map(|p| EditedPrompt { tokens: p.clone(), edits: edits.clone() }))
            .collect();
        let rows: Vec<Row<'_>> = plans
            .iter()
            .flat_map(|(_, edits)| {
                prefixes.iter().map(|p| {
                    if edits.is_empty() { Row::baseline(p, model.spec.depth()) } else { Row::edited(p, edits.clone()) }
                })
            })
            .collect();
        // All prompts and edits in one batch.
        let by_prompt = model.continue_greedily(&edited, TOKENS).unwrap();
        let by_row = model.continue_rows_greedily(&rows, TOKENS).unwrap();
        for (i, prompt) in edited.iter().enumerate() {
            let what = format!("{name}, {} tokens, {}", prompt.tokens.len(), plans[i / prompts.len()].0);
            let want = naive(model, prompt, TOKENS);
            assert_equal(&what, &by_prompt[i], &want);
            assert_equal(&format!("{what}, from a prefix"), &by_row[i], &want);
        }
    });
}

#[test]
fn edits_change_what_is_said_and_an_edit_everywhere_acts_on_every_token_that_runs() {
    for_every_fixture(|name, model, prompts| {
        let d = model.spec.hidden_size;
        let edit = Edit {
            site: Site::Residual(model.spec.depth()),
            positions: Positions::All,
            operation: Operation::Replace(vector(d, 5)),
        };
        let edited: Vec<EditedPrompt> =
            prompts.iter().map(|p| EditedPrompt { tokens: p.clone(), edits: vec![edit.clone()] }).collect();
        let all = model.continue_greedily(&edited, TOKENS).unwrap();
        for (continuation, prompt) in all.iter().zip(prompts) {
            // Residual L is the same vector everywhere, and so is the token.
            assert!(continuation.tokens.iter().all(|t| *t == all[0].tokens[0]), "{name}: {:?}", continuation.tokens);
            assert_eq!(continuation.receipts[0].fired, prompt.len() + TOKENS - 1, "{name}");
        }
    });
}

#[test]
fn strength_zero_says_the_same_with_the_same_bits() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        let d = model.spec.hidden_size;
        for (b, positions) in [(0, Positions::Last), (1, Positions::Last), (1, Positions::All)] {
            let operation = Operation::Add { vector: vector(d, 9), strength: 0.0 };
            let zero = Edit { site: Site::Residual(b), positions: positions.clone(), operation };
            // From residual 0 both, as the batches must be alike.
            let from = |p, edits| Row { enter: 0, ..Row::edited(p, edits) };
            let start = if positions == Positions::All { 0 } else { usize::MAX };
            let plain: Vec<Row<'_>> = prefixes.iter().map(|p| Row { start, ..from(p, vec![]) }).collect();
            let steered: Vec<Row<'_>> = prefixes.iter().map(|p| from(p, vec![zero.clone()])).collect();
            let plain = model.continue_rows_greedily(&plain, TOKENS).unwrap();
            let steered = model.continue_rows_greedily(&steered, TOKENS).unwrap();
            for (a, b) in plain.iter().zip(&steered) {
                assert_eq!((&a.tokens, &a.log_probs), (&b.tokens, &b.log_probs), "{name} {positions:?}");
                assert_eq!(b.receipts[0].change.to_bits(), 0, "{name}");
            }
        }
    });
}

#[test]
fn continuations_of_a_fixture_are_the_golden_ones() {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let gold = golden(&shared, name);
        let (ids, want) = (prompts(&gold, "input_ids"), prompts(&gold, "greedy_ids"));
        let whole: Vec<EditedPrompt> =
            ids.iter().map(|p| EditedPrompt { tokens: p.clone(), edits: Vec::new() }).collect();
        let n = ids[0].len();
        let got = model.continue_greedily(&whole, want[0].len() - n).unwrap();
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got.tokens, want[n..], "{name}");
        }
    }
}

#[test]
fn a_row_that_goes_on_after_its_prompt_equals_the_whole_pass() {
    for_every_fixture(|name, model, prompts| {
        let then = [7u32, 2, 11];
        let prefixes = model.prefill(prompts).unwrap();
        if model.spec.depends_on_length() {
            let error = model.replay_suffixes(&[Row::baseline(&prefixes[0], 0).then(&then)]).err().unwrap();
            assert!(error.to_string().contains("total length"), "{name}: {error}");
            return;
        }
        let edit = |length: usize, positions: Vec<usize>| Edit {
            site: Site::Residual(1),
            positions: Positions::At(positions.into_iter().map(|back| length - back).collect()),
            operation: Operation::Add { vector: vector(model.spec.hidden_size, 4), strength: 1.5 },
        };
        let mut plans: Vec<(Row<'_>, EditedPrompt)> = Vec::new();
        for (prefix, prompt) in prefixes.iter().zip(prompts) {
            let tokens = [&prompt[..], &then].concat();
            // None; at the prompt's last token; before it; in what follows; everywhere.
            let n = tokens.len();
            let everywhere = Edit { positions: Positions::All, ..edit(n, vec![1]) };
            let some = [4, 5, 2, 1].map(|back| vec![edit(n, vec![back])]);
            for edits in [vec![], vec![everywhere]].into_iter().chain(some) {
                let row = Row::edited(prefix, edits.clone());
                let row = if edits.is_empty() { Row::baseline(prefix, model.spec.depth()) } else { row };
                plans.push((row.then(&then), EditedPrompt { tokens: tokens.clone(), edits }));
            }
        }
        let (rows, whole): (Vec<_>, Vec<_>) = plans.into_iter().unzip();
        let got = model.replay_suffixes(&rows).unwrap();
        let reads = Reads { top: ReadAt::All, ..Reads::default() };
        let mut at = 0;
        for ((prompt, want), row) in whole.iter().zip(model.trace_edited(&whole, &reads).unwrap()).zip(&rows) {
            let first = prompt.edits.first().map(|e| e.positions.resolve(prompt.tokens.len()).unwrap()[0]);
            let start = first.unwrap_or(usize::MAX).min(row.prefix.len());
            let len = prompt.tokens.len() - start;
            let want = want.top.unwrap().narrow(0, start, len).unwrap();
            let scale = 1.0 + want.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            let d = common::difference(&got.top.narrow(0, at, len).unwrap(), &want);
            assert!(d <= 3e-5 * scale, "{name}, {} tokens, {:?}: {d}", prompt.tokens.len(), prompt.edits);
            at += len;
        }
        assert_eq!(at, got.top.dim(0).unwrap(), "{name}");
    });
}

#[test]
fn what_does_not_fit_the_context_is_refused_before_anything_runs() {
    for_every_fixture(|name, model, prompts| {
        let most = model.spec.max_positions;
        let whole = EditedPrompt { tokens: prompts[1].clone(), edits: Vec::new() };
        // The last token is chosen but never run.
        let room = most - prompts[1].len() + 1;
        let fits = model.continue_greedily(std::slice::from_ref(&whole), room).unwrap();
        assert_eq!(fits[0].tokens.len(), room, "{name}");
        let beyond = model.continue_greedily(&[whole], room + 1);
        match beyond {
            Ok(_) => assert!(model.spec.stretches(), "{name}"),
            Err(e) => assert!(e.to_string().contains(&format!("context has {most}")), "{name}: {e}"),
        }
        let far = Edit { positions: Positions::At(vec![most]), ..plans(model)[1].1[0].clone() };
        let far = EditedPrompt { tokens: prompts[1].clone(), edits: vec![far] };
        assert!(matches!(model.continue_greedily(&[far], 2), Err(ModelError::Plan(_))), "{name}");
        let empty = EditedPrompt { tokens: Vec::new(), edits: Vec::new() };
        assert!(matches!(model.continue_greedily(&[empty], 2), Err(ModelError::Plan(_))), "{name}");
    });
}

#[test]
fn tokens_that_are_chosen_from_logits_go_on_as_greedy_ones_do_until_an_end() {
    for_every_fixture(|name, model, prompts| {
        let edit =
            Edit::last(Site::Residual(1), Operation::Add { vector: vector(model.spec.hidden_size, 9), strength: 0.5 });
        let edited: Vec<EditedPrompt> = prompts
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let positions = if i % 2 == 0 { Positions::Last } else { Positions::From(p.len() - 1) };
                EditedPrompt { tokens: p.clone(), edits: vec![Edit { positions, ..edit.clone() }] }
            })
            .collect();
        let greedy = model.continue_greedily(&edited, TOKENS).unwrap();
        let largest = |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best }) as u32;
        let chosen = model.continue_by(&edited, TOKENS, &[], |_, row| largest(row)).unwrap();
        for (i, (a, b)) in chosen.iter().zip(&greedy).enumerate() {
            assert_equal(&format!("{name} prompt {i}"), a, b);
        }
        // The third token of the second prompt as an end: others go on unless they take it, too.
        let end = greedy[1].tokens[2];
        let cut = model.continue_by(&edited, TOKENS, &[end], |_, row| largest(row)).unwrap();
        for (got, whole) in cut.iter().zip(&greedy) {
            let n = whole.tokens.iter().position(|t| *t == end).map_or(TOKENS, |at| at + 1);
            assert_eq!(got.tokens, whole.tokens[..n], "{name}");
            // What was run: the prompt and all new tokens but the last.
            let fired = got.receipts[0].fired;
            assert!(fired == 1 || fired == n, "{name}: {fired} of {n}");
        }
    });
}
