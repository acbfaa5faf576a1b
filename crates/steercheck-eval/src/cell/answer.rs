//! Scoring whole answers: the tokens after the first, teacher forced, with the edits where they were: at the last token of the
//! prompt, or at every position.

use steercheck_model::{Edit, FinalNorm, HeadKind, Model, Positions, Reading, Row};
use steercheck_steer::reading::read_rows;

use crate::error::EvalError;
use crate::prompt::Candidates;

/// The first tokens of all candidates, the right one's first.
pub(super) fn first_tokens(candidates: &Candidates) -> Vec<u32> {
    candidates.answers.iter().map(|answer| answer[0]).collect()
}

/// What a candidate's second and later tokens are, given those before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Later {
    /// Sum of the natural logarithms of their probabilities.
    pub(super) log_prob: f64,
    /// Whether each is the most probable one: greedy decoding that begins with the first token gives the rest.
    pub(super) greedy: bool,
}

impl Later {
    /// That of an answer of one token.
    pub(super) const NONE: Self = Self { log_prob: 0.0, greedy: true };

    fn add(&mut self, reading: &Reading) {
        let token = reading.tokens.first();
        self.log_prob += token.map_or(f64::NAN, |t| t.log_prob);
        self.greedy &= token.is_some_and(|t| t.token == reading.top1);
    }
}

/// A later token of a candidate: item, candidate, its tokens before this one.
#[derive(Clone, Copy)]
struct Place {
    item: usize,
    candidate: usize,
    before: usize,
}

/// Every later token with the prompt that ends before it.
fn places(items: &[&Candidates]) -> (Vec<Place>, Vec<Vec<u32>>) {
    let mut places = Vec::new();
    for (item, candidates) in items.iter().enumerate() {
        for (candidate, answer) in candidates.answers.iter().enumerate() {
            places.extend((1..answer.len()).map(|before| Place { item, candidate, before }));
        }
    }
    let prompt = |p: &Place| {
        let Candidates { prompt, answers, .. } = items[p.item];
        [&prompt[..], &answers[p.candidate][..p.before]].concat()
    };
    let prompts = places.iter().map(prompt).collect();
    (places, prompts)
}

/// For every item, what each candidate's second and later tokens are, once for each of its lists of edits (an empty list is the unsteered model): `[items][variants][candidates]`. `edits` is `[items][variants]`.
pub(super) fn later_tokens(
    model: &Model,
    items: &[&Candidates],
    edits: &[Vec<Vec<Edit>>],
) -> Result<Vec<Vec<Vec<Later>>>, EvalError> {
    let none =
        |(variants, item): (&Vec<Vec<Edit>>, &&Candidates)| vec![vec![Later::NONE; item.answers.len()]; variants.len()];
    let mut sums: Vec<Vec<Vec<Later>>> = edits.iter().zip(items).map(none).collect();
    let (places, prompts) = places(items);
    if places.is_empty() {
        return Ok(sums);
    }
    let prefixes = model.prefill(&prompts)?;
    let everywhere = edits.iter().flatten().flatten().any(|e| e.positions == Positions::All);
    let (mut rows, mut asked, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (place, prefix) in places.iter().zip(&prefixes) {
        let last = items[place.item].prompt.len() - 1;
        for (variant, edits) in edits[place.item].iter().enumerate() {
            let at = |e: &Edit| match e.positions {
                Positions::All => e.clone(),
                _ => Edit { positions: Positions::At(vec![last]), ..e.clone() },
            };
            rows.push(if edits.is_empty() {
                Row::baseline_from(prefix, if everywhere { 0 } else { last })
            } else {
                Row::edited(prefix, edits.iter().map(at).collect())
            });
            asked.push(vec![items[place.item].answers[place.candidate][place.before]]);
            targets.push((*place, variant));
        }
    }
    let (readings, _) = read_rows(model, &rows, &asked)?;
    for ((place, variant), reading) in targets.into_iter().zip(readings) {
        sums[place.item][variant][place.candidate].add(&reading);
    }
    Ok(sums)
}

/// The same for unsteered prompts that are only traced, without prefixes: few-shot prompts. `[items][candidates]`.
pub(super) fn later_tokens_unsteered(model: &Model, items: &[&Candidates]) -> Result<Vec<Vec<Later>>, EvalError> {
    let mut sums: Vec<Vec<Later>> = items.iter().map(|item| vec![Later::NONE; item.answers.len()]).collect();
    let (places, prompts) = places(items);
    if places.is_empty() {
        return Ok(sums);
    }
    let asked: Vec<Vec<u32>> = places.iter().map(|p| vec![items[p.item].answers[p.candidate][p.before]]).collect();
    let top = model.last_residual(&prompts)?;
    let readings = model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked)?;
    for (place, reading) in places.into_iter().zip(readings) {
        sums[place.item][place.candidate].add(&reading);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steercheck_model::{
        Edit, EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Model, Operation, Positions, Reading, Reads, Site,
    };

    use super::{Later, later_tokens, later_tokens_unsteered};
    use crate::prompt::Candidates;

    fn model() -> Option<Model> {
        let folder = steercheck_testkit::shared()?.join("fixtures/gemma3_text");
        Some(Loaded::open(&folder, &LoadOptions::default()).expect("a fixture loads").model)
    }

    /// The next token after a prompt and the first tokens of an answer, by one full pass, the edit at the prompt's last position.
    fn read(model: &Model, prompt: &[u32], answer: &[u32], asked: u32, edits: &[Edit]) -> Reading {
        let last = Positions::At(vec![prompt.len() - 1]);
        let at = |e: &Edit| match e.positions {
            Positions::All => e.clone(),
            _ => Edit { positions: last.clone(), ..e.clone() },
        };
        let edited = EditedPrompt { tokens: [prompt, answer].concat(), edits: edits.iter().map(at).collect() };
        let trace = model.trace_edited(&[edited], &Reads::LAST_RESIDUALS).unwrap().remove(0);
        let top = trace.residual.unwrap().get(model.spec.depth()).unwrap();
        model.read(&top, FinalNorm::Apply, HeadKind::Full, &[vec![asked]]).unwrap().remove(0)
    }

    fn naive(model: &Model, q: &Candidates, candidate: usize, edits: &[Edit]) -> Later {
        let answer = &q.answers[candidate];
        let readings: Vec<Reading> =
            (1..answer.len()).map(|n| read(model, &q.prompt, &answer[..n], answer[n], edits)).collect();
        Later {
            log_prob: readings.iter().map(|r| r.tokens[0].log_prob).sum(),
            greedy: readings.iter().all(|r| r.tokens[0].rank == 0),
        }
    }

    /// What greedy decoding with the edits gives.
    fn greedy(model: &Model, prompt: &[u32], edits: &[Edit]) -> Vec<u32> {
        let mut answer = Vec::new();
        for _ in 0..4 {
            answer.push(read(model, prompt, &answer, 0, edits).top1);
        }
        answer
    }

    fn items() -> Vec<Candidates> {
        let tokens = |seed: u32, n: u32| (0..n).map(|i| (seed * 7 + i * 13) % 150).collect::<Vec<u32>>();
        let item = |seed: u32, prompt: u32, answers: &[u32]| Candidates {
            prompt: tokens(seed, prompt),
            answers: answers.iter().zip(1..).map(|(n, i)| tokens(seed * 11 + i, *n)).collect(),
            boundary_merged: false,
        };
        vec![item(1, 5, &[3, 2]), item(2, 9, &[1]), item(3, 1, &[2, 1, 4])]
    }

    #[test]
    fn later_tokens_equal_full_passes_with_the_edits_where_they_were() {
        let Some(model) = model() else { return };
        let items = items();
        let items: Vec<&Candidates> = items.iter().collect();
        let vector: Arc<[f32]> = (0..model.spec.hidden_size).map(|i| (i % 5) as f32 - 2.0).collect();
        let replace = Edit::last(Site::Residual(2), Operation::Replace(vector.clone()));
        let everywhere = Edit {
            site: Site::Residual(1),
            positions: Positions::All,
            operation: Operation::Add { vector, strength: 0.5 },
        };
        let unsteered = later_tokens_unsteered(&model, &items).unwrap();
        for edit in [replace, everywhere] {
            let got = later_tokens(&model, &items, &vec![vec![vec![], vec![edit.clone()]]; 3]).unwrap();
            for (i, item) in items.iter().enumerate() {
                for candidate in 0..item.answers.len() {
                    let clean = naive(&model, item, candidate, &[]);
                    let steered = naive(&model, item, candidate, std::slice::from_ref(&edit));
                    let of = |variant: usize| got[i][variant][candidate];
                    for (found, wanted) in [(of(0), clean), (unsteered[i][candidate], clean), (of(1), steered)] {
                        assert!((found.log_prob - wanted.log_prob).abs() < 1e-4, "{i}: {found:?} {wanted:?}");
                        assert_eq!(found.greedy, wanted.greedy, "{i}");
                    }
                }
            }
            let change = got[0][0][0].log_prob - got[0][1][0].log_prob;
            assert!(change.abs() > 1e-3, "the edit changed nothing");
            assert_eq!(got[1][0][0], Later::NONE, "an answer of one token has no later ones");
        }
    }

    #[test]
    fn what_greedy_decoding_gives_is_greedy_with_its_edits_alone() {
        let Some(model) = model() else { return };
        let vector: Arc<[f32]> = (0..model.spec.hidden_size).map(|i| (i % 5) as f32 - 2.0).collect();
        let edits = vec![Edit::last(Site::Residual(2), Operation::Replace(vector))];
        let prompt: Vec<u32> = (0..9).map(|i| (14 + i * 13) % 150).collect();
        let (clean, steered) = (greedy(&model, &prompt, &[]), greedy(&model, &prompt, &edits));
        assert_ne!(clean[1..], steered[1..], "the edit changed nothing");
        let item = Candidates { prompt, answers: vec![clean, steered], boundary_merged: false };
        let got = &later_tokens(&model, &[&item], &[vec![vec![], edits]]).unwrap()[0];
        assert_eq!(
            got.iter().map(|v| v.iter().map(|l| l.greedy).collect()).collect::<Vec<Vec<bool>>>(),
            [[true, false], [false, true]]
        );
        assert!(later_tokens_unsteered(&model, &[&item]).unwrap()[0][0].greedy);
    }

    #[test]
    fn strength_zero_changes_no_bit_at_the_last_token_and_at_every_position() {
        let Some(model) = model() else { return };
        let items = items();
        let items: Vec<&Candidates> = items.iter().collect();
        for positions in [Positions::Last, Positions::All] {
            let operation = Operation::Add { vector: vec![1.0; model.spec.hidden_size].into(), strength: 0.0 };
            let zero = Edit { site: Site::Residual(2), positions, operation };
            for variants in later_tokens(&model, &items, &vec![vec![vec![], vec![zero]]; 3]).unwrap() {
                let bits = |v: &[Later]| v.iter().map(|x| (x.log_prob.to_bits(), x.greedy)).collect::<Vec<_>>();
                assert_eq!(bits(&variants[0]), bits(&variants[1]), "strength 0 changed something");
            }
        }
    }
}
