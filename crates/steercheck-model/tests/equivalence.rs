//! Every fast path agrees with its naive twin, on every family.

mod common;

use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;
use common::{FIXTURES, difference, golden, open, prompts};
use steercheck_model::{
    Block, Edit, EditedPrompt, Head, LoadOptions, Model, ModelError, NormPlace, Operation, Positions, Reads, Row, Site,
};
use steercheck_testkit::shared;

const TOLERANCE: f32 = 3e-5;

/// A fixture's model, and prompts: two unlike ones, three that share a long beginning, one that is another's beginning.
fn setup(shared: &Path, name: &str) -> (Model, Vec<Vec<u32>>) {
    let model = open(shared, name, "config.json", &LoadOptions::default());
    let base = prompts(&golden(shared, name), "input_ids");
    let mut all = base.clone();
    let (mut a, mut b) = (base[0][..15].to_vec(), base[0][..15].to_vec());
    a.extend([5, 9, 11]);
    b.extend([5, 7]);
    all.extend([a, b, base[0][..15].to_vec(), base[1][..1].to_vec()]);
    (model, all)
}

fn vector(width: usize, seed: u32) -> Arc<[f32]> {
    (0..width as u32).map(|i| ((i * 37 + seed * 101) % 19) as f32 / 9.0 - 1.0).collect()
}

/// Edits of every kind at every block.
fn edits(model: &Model, positions: &Positions) -> Vec<Edit> {
    let (d, w) = (model.spec.hidden_size, model.spec.head_dim);
    let at = |site, operation| Edit { site, positions: positions.clone(), operation };
    let mut out = vec![at(Site::Residual(0), Operation::Replace(vector(d, 1)))];
    for b in 1..=model.spec.depth() {
        let seed = b as u32;
        out.push(at(Site::Residual(b), Operation::Replace(vector(d, seed))));
        out.push(at(Site::Residual(b), Operation::Add { vector: vector(d, seed + 1), strength: -1.5 }));
        out.push(at(Site::HeadOutput(Block(b), Head(b % model.spec.heads)), Operation::Replace(vector(w, seed))));
        out.push(at(Site::AttentionOutput(Block(b)), Operation::Scale(0.25)));
        out.push(at(Site::MlpOutput(Block(b)), Operation::Add { vector: vector(d, seed + 2), strength: 0.5 }));
    }
    out
}

/// Residual L at the last token, each prompt run whole and for itself.
fn naive(model: &Model, tokens: &[u32], edits: &[Edit]) -> Tensor {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits: edits.to_vec() };
    let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
    trace.residual.unwrap().get(model.spec.depth()).unwrap()
}

fn for_every_fixture(check: impl Fn(&str, &Model, &[Vec<u32>])) {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let (model, prompts) = setup(&shared, name);
        check(name, &model, &prompts);
    }
}

#[test]
fn a_batch_with_shared_beginnings_equals_each_prompt_alone() {
    for_every_fixture(|name, model, prompts| {
        let together = model.trace(prompts, &Reads::ALL).unwrap();
        for (tokens, trace) in prompts.iter().zip(&together) {
            let alone = EditedPrompt { tokens: tokens.clone(), edits: Vec::new() };
            let alone = model.trace_edited(&[alone], &Reads::ALL).unwrap().remove(0);
            for (what, a, b) in [
                ("residual", &trace.residual, &alone.residual),
                ("heads", &trace.heads, &alone.heads),
                ("attention", &trace.attention, &alone.attention),
                ("mlp", &trace.mlp, &alone.mlp),
            ] {
                let d = difference(a.as_ref().unwrap(), b.as_ref().unwrap());
                assert!(d <= TOLERANCE, "{name} {what} of {} tokens: {d}", tokens.len());
            }
        }
    });
}

#[test]
fn attention_and_mlp_outputs_rebuild_the_residual_stream() {
    for_every_fixture(|name, model, prompts| {
        for trace in model.trace(prompts, &Reads::ALL).unwrap() {
            let (r, a, m) = (trace.residual.unwrap(), trace.attention.unwrap(), trace.mlp.unwrap());
            for b in 1..=model.spec.depth() {
                let (before, attention, mlp) = (r.get(b - 1).unwrap(), a.get(b - 1).unwrap(), m.get(b - 1).unwrap());
                let rebuilt = model.rebuild_residual(Block(b), &before, &attention, &mlp).unwrap();
                let d = difference(&rebuilt, &r.get(b).unwrap());
                assert!(d <= TOLERANCE, "{name} block {b}: {d}");
                // And by hand, where nothing but a multiplier stands between.
                if !matches!(model.spec.norms.place, NormPlace::AfterSum | NormPlace::Stream) {
                    let added = ((attention + mlp).unwrap() * f64::from(model.spec.residual_multiplier)).unwrap();
                    let d = difference(&(before + added).unwrap(), &r.get(b).unwrap());
                    assert!(d <= TOLERANCE, "{name} block {b} by hand: {d}");
                }
            }
        }
    });
}

#[test]
fn a_cached_prefix_equals_the_uncached_forward_from_every_block() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        for (tokens, prefix) in prompts.iter().zip(&prefixes) {
            let want = naive(model, tokens, &[]);
            let rows: Vec<Row<'_>> = (0..=model.spec.depth()).map(|b| Row::baseline(prefix, b)).collect();
            let got = model.replay(&rows).unwrap();
            for b in 0..=model.spec.depth() {
                let d = difference(&got.top.narrow(0, b, 1).unwrap(), &want);
                assert!(d <= TOLERANCE, "{name}, {} tokens from residual {b}: {d}", tokens.len());
            }
            let rows: Vec<Row<'_>> = (0..tokens.len()).map(|p| Row::baseline_from(prefix, p)).collect();
            let got = model.replay(&rows).unwrap();
            for p in 0..tokens.len() {
                let d = difference(&got.top.narrow(0, p, 1).unwrap(), &want);
                assert!(d <= TOLERANCE, "{name}, {} tokens from position {p}: {d}", tokens.len());
            }
        }
    });
}

#[test]
fn replayed_edits_equal_full_forward_passes_with_the_same_edits() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        for positions in [Positions::Last, Positions::At(vec![3, 9]), Positions::All] {
            let mut rows = Vec::new();
            let mut want = Vec::new();
            for (tokens, prefix) in prompts.iter().zip(&prefixes) {
                if tokens.len() < 10 && positions != Positions::Last {
                    continue;
                }
                for edit in edits(model, &positions) {
                    want.push((naive(model, tokens, std::slice::from_ref(&edit)), edit.clone(), tokens.len()));
                    rows.push(Row::edited(prefix, vec![edit]));
                }
            }
            // All prompts, blocks and kinds in one batch.
            let got = model.replay(&rows).unwrap();
            for (i, (want, edit, length)) in want.iter().enumerate() {
                let scale = 1.0 + want.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let d = difference(&got.top.narrow(0, i, 1).unwrap(), want);
                assert!(d <= TOLERANCE * scale, "{name} {length} tokens, {edit:?}: {d}");
                let receipt = &got.receipts[i][0];
                let planned = edit.positions.resolve(*length).unwrap().len();
                assert_eq!((receipt.site, receipt.planned, receipt.fired), (edit.site, planned, planned));
                assert!(receipt.change > 0.0 && receipt.before > 0.0, "{name} {receipt:?}");
            }
        }
    });
}

#[test]
fn rows_that_enter_as_tokens_and_as_residuals_share_a_batch() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        let d = model.spec.hidden_size;
        let replace = |seed| Operation::Replace(vector(d, seed));
        let mut plans = Vec::new();
        for (i, prompt) in prompts.iter().enumerate() {
            plans.push((i, Edit::last(Site::Residual(0), replace(1))));
            plans.push((
                i,
                Edit {
                    site: Site::Residual(1),
                    positions: Positions::At(vec![prompt.len() / 2]),
                    operation: replace(2),
                },
            ));
            plans.push((i, Edit { site: Site::Residual(0), positions: Positions::All, operation: replace(3) }));
            plans.push((i, Edit::last(Site::Residual(2), replace(4))));
        }
        let rows: Vec<Row<'_>> = plans.iter().map(|(i, e)| Row::edited(&prefixes[*i], vec![e.clone()])).collect();
        let got = model.replay(&rows).unwrap();
        for (k, (i, edit)) in plans.iter().enumerate() {
            let want = naive(model, &prompts[*i], std::slice::from_ref(edit));
            let scale = 1.0 + want.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            let difference = difference(&got.top.narrow(0, k, 1).unwrap(), &want);
            assert!(difference <= TOLERANCE * scale, "{name} prompt {i} {edit:?}: {difference}");
        }
    });
}

#[test]
fn an_edit_changes_something_and_two_edits_act_together() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        let clean = naive(model, &prompts[0], &[]);
        for edit in edits(model, &Positions::Last) {
            let d = difference(&naive(model, &prompts[0], std::slice::from_ref(&edit)), &clean);
            assert!(d > 1e-3, "{name}: {edit:?} changed nothing ({d})");
        }
        let both: Vec<Edit> = edits(model, &Positions::Last).into_iter().skip(2).step_by(3).take(3).collect();
        let want = naive(model, &prompts[0], &both);
        let got = model.replay(&[Row::edited(&prefixes[0], both.clone())]).unwrap();
        assert!(difference(&got.top, &want) <= 1e-4, "{name} {both:?}");
        assert_eq!(got.receipts[0].len(), both.len());
    });
}

#[test]
fn strength_zero_equals_the_baseline_bit_for_bit() {
    for_every_fixture(|name, model, prompts| {
        let prefixes = model.prefill(prompts).unwrap();
        for b in 0..=model.spec.depth() {
            let zero = |p| {
                let operation = Operation::Add { vector: vector(model.spec.hidden_size, 5), strength: 0.0 };
                Row::edited(p, vec![Edit::last(Site::Residual(b), operation)])
            };
            let rows: Vec<Row<'_>> = prefixes.iter().flat_map(|p| [Row::baseline(p, b), zero(p)]).collect();
            let got = model.replay(&rows).unwrap();
            let top = got.top.to_vec2::<f32>().unwrap();
            for pair in top.chunks(2) {
                assert_eq!(pair[0], pair[1], "{name} residual {b}");
            }
            assert!(got.receipts.iter().skip(1).step_by(2).all(|r| r[0].fired == 1 && r[0].change == 0.0));
        }
    });
}

#[test]
fn a_plan_that_cannot_act_is_refused_before_anything_runs() {
    for_every_fixture(|name, model, prompts| {
        let (d, depth, heads) = (model.spec.hidden_size, model.spec.depth(), model.spec.heads);
        let prefixes = model.prefill(&prompts[..1]).unwrap();
        let add = |width| Operation::Add { vector: vector(width, 1), strength: 1.0 };
        let at = |site, operation| Edit::last(site, operation);
        let far = Edit { site: Site::Residual(1), positions: Positions::At(vec![99]), operation: add(d) };
        let nan = Operation::Replace(vec![f32::NAN; d].into());
        for (edit, word) in [
            (at(Site::Residual(depth + 1), add(d)), "does not exist"),
            (at(Site::AttentionOutput(Block(0)), add(d)), "does not exist"),
            (at(Site::MlpOutput(Block(depth + 1)), add(d)), "does not exist"),
            (at(Site::HeadOutput(Block(1), Head(heads)), add(model.spec.head_dim)), "does not exist"),
            (at(Site::Residual(1), add(d + 1)), "wide"),
            (at(Site::Residual(1), nan), "NaN"),
            (at(Site::Residual(1), Operation::Scale(f32::INFINITY)), "strength"),
            (far, "position 99"),
        ] {
            let error = model.replay(&[Row::edited(&prefixes[0], vec![edit.clone()])]).err().unwrap();
            assert!(matches!(error, ModelError::Plan(_) | ModelError::NotFinite { .. }), "{name}: {error:?}");
            assert!(error.to_string().contains(word), "{name}: {error}");
            let prompt = EditedPrompt { tokens: prompts[0].clone(), edits: vec![edit] };
            assert!(model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).is_err());
        }
        let long = model.prefill(&[vec![5; model.spec.max_positions + 1]]);
        assert_eq!(long.is_ok(), model.spec.stretches(), "{name}: a prompt beyond the context");
        assert!(model.prefill(&[vec![]]).is_err());
        assert!(model.prefill(&[vec![model.spec.vocab_size as u32]]).is_err());
        assert!(model.replay(&[Row::baseline(&prefixes[0], depth + 1)]).is_err());
    });
}

#[test]
fn an_edit_that_is_never_reached_is_an_error_and_not_a_number() {
    for_every_fixture(|name, model, prompts| {
        let edit = edits(model, &Positions::Last).pop().unwrap();
        let top = edit.site.entry();
        let prompt = EditedPrompt { tokens: prompts[0].clone(), edits: vec![edit] };
        let reads = Reads { until: Some(top), ..Reads::LAST_RESIDUALS };
        let error = model.trace_edited(&[prompt], &reads).err().unwrap();
        assert!(matches!(error, ModelError::EditDidNotFire { planned: 1, fired: 0, .. }), "{name}: {error:?}");
    });
}

#[test]
fn work_that_does_not_fit_the_memory_budget_is_refused_with_the_figures() {
    let Some(shared) = shared() else { return };
    let options = LoadOptions { memory: 1_500_000, ..LoadOptions::default() };
    let model = open(&shared, "llama_yarn", "config.json", &options);
    let prompts: Vec<Vec<u32>> = (0..100).map(|i| (0..60).map(|j| (i * 7 + j * 3) % 160).collect()).collect();
    let error = model.prefill(&prompts).err().unwrap();
    assert!(matches!(error, ModelError::Memory { .. }), "{error}");
    assert!(error.to_string().contains("MB"), "{error}");
    assert!(model.prefill(&prompts[..2]).is_ok());
}

#[test]
fn branches_are_what_whole_passes_of_each_text_give() {
    for_every_fixture(|name, model, prompts| {
        let before = prompts[0][..9].to_vec();
        let prefix = model.prefill(std::slice::from_ref(&before)).unwrap().remove(0);
        // Five that share much, one that is another's beginning, one of a single token, one twice.
        let texts: Vec<Vec<u32>> = prompts.iter().map(|p| p[..p.len().min(18)].to_vec()).collect();
        let from: Vec<usize> = texts.iter().enumerate().map(|(i, t)| (3 * i + 1) % t.len()).collect();
        for after in [None, Some(&prefix)] {
            let got = model.branches(after, &texts, &from).unwrap();
            let mut most = 0;
            for ((text, from), rows) in texts.iter().zip(&from).zip(&got.rows) {
                let (whole, skipped) = match after {
                    None => (text.clone(), 0),
                    Some(_) => ([&before[..], text].concat(), before.len()),
                };
                let prompt = EditedPrompt { tokens: whole, edits: Vec::new() };
                let trace = model.trace_edited(&[prompt], &Reads::ALL).unwrap().remove(0).residual.unwrap();
                assert_eq!(rows.len(), text.len() - from, "{name}");
                most = most.max(rows.iter().max().unwrap() + 1);
                let index: Vec<u32> = rows.iter().map(|r| *r as u32).collect();
                let index = Tensor::new(index.as_slice(), model.device()).unwrap();
                for (b, residual) in got.residuals.iter().enumerate() {
                    let wanted = trace.get(b).unwrap().narrow(0, skipped + from, rows.len()).unwrap();
                    let found = residual.index_select(&index, 0).unwrap();
                    let apart = difference(&found, &wanted);
                    assert!(apart < TOLERANCE, "{name}: residual {b} differs by {apart}");
                }
            }
            assert_eq!(got.residuals.len(), model.spec.depth() + 1);
            assert_eq!(got.residuals[0].dim(0).unwrap(), most, "{name}: rows that nobody reads");
            let total: usize = got.rows.iter().map(Vec::len).sum();
            assert!(model.spec.depends_on_length() || most < total, "{name}: nothing is shared");
        }
        let refused = model.branches(Some(&prefix), &texts[..1], &[texts[0].len()]).err().unwrap();
        assert!(matches!(refused, ModelError::Plan(_)), "{refused}");
    });
}
