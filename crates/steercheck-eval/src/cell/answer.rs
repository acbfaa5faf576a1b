//! Scoring whole answers: the tokens after the first, teacher forced, with the edit where it was, at the last token of the
//! prompt.

use steercheck_model::{Edit, FinalNorm, HeadKind, Model, Positions, Row};
use steercheck_steer::task_vector;

use crate::error::EvalError;
use crate::prompt::Question;

/// Question and number of answer tokens before the one to be scored, with the prompt that ends there.
fn places(questions: &[&Question]) -> (Vec<(usize, usize)>, Vec<Vec<u32>>) {
    let places: Vec<(usize, usize)> =
        questions.iter().enumerate().flat_map(|(i, q)| (1..q.answer.len()).map(move |n| (i, n))).collect();
    let prompts = places.iter().map(|(i, n)| questions[*i].with_answer(*n)).collect();
    (places, prompts)
}

/// For every question, the sum of the log-probabilities of its answer's second and later tokens, once for each of its
/// lists of edits (an empty list is the unsteered model). `edits` has one entry per question.
pub(super) fn later_tokens(
    model: &Model,
    questions: &[&Question],
    edits: &[Vec<Vec<Edit>>],
) -> Result<Vec<Vec<f64>>, EvalError> {
    let mut sums: Vec<Vec<f64>> = edits.iter().map(|arms| vec![0.0; arms.len()]).collect();
    let (places, prompts) = places(questions);
    if places.is_empty() {
        return Ok(sums);
    }
    let prefixes = model.prefill(&prompts)?;
    let (mut rows, mut asked, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for ((i, n), prefix) in places.iter().zip(&prefixes) {
        let last = questions[*i].prompt.len() - 1;
        for (arm, edits) in edits[*i].iter().enumerate() {
            let at = |e: &Edit| Edit { positions: Positions::At(vec![last]), ..e.clone() };
            rows.push(if edits.is_empty() {
                Row::baseline_from(prefix, last)
            } else {
                Row::edited(prefix, edits.iter().map(at).collect())
            });
            asked.push(vec![questions[*i].answer[*n]]);
            targets.push((*i, arm));
        }
    }
    let (readings, _) = task_vector::read_rows(model, &rows, &asked)?;
    for ((i, arm), reading) in targets.into_iter().zip(readings) {
        sums[i][arm] += reading.tokens.first().map_or(f64::NAN, |t| t.log_prob);
    }
    Ok(sums)
}

/// The same for unsteered prompts that are only traced, without prefixes: few-shot prompts.
pub(super) fn later_tokens_unsteered(model: &Model, questions: &[&Question]) -> Result<Vec<f64>, EvalError> {
    let mut sums = vec![0.0; questions.len()];
    let (places, prompts) = places(questions);
    if places.is_empty() {
        return Ok(sums);
    }
    let asked: Vec<Vec<u32>> = places.iter().map(|(i, n)| vec![questions[*i].answer[*n]]).collect();
    let top = model.last_residual(&prompts)?;
    let readings = model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked)?;
    for ((i, _), reading) in places.into_iter().zip(readings) {
        sums[i] += reading.tokens.first().map_or(f64::NAN, |t| t.log_prob);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steercheck_model::{
        Edit, EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Model, Operation, Positions, Reads, Site,
    };

    use super::{later_tokens, later_tokens_unsteered};
    use crate::prompt::Question;

    fn model() -> Option<Model> {
        let folder = steercheck_testkit::shared()?.join("fixtures/gemma3_text");
        Some(Loaded::open(&folder, &LoadOptions::default()).expect("a fixture loads").model)
    }

    /// The sum by one full pass per token, the edit at the prompt's last position.
    fn naive(model: &Model, q: &Question, edits: &[Edit]) -> f64 {
        let depth = model.spec.depth();
        let positions = Positions::At(vec![q.prompt.len() - 1]);
        (1..q.answer.len())
            .map(|n| {
                let edits = edits.iter().map(|e| Edit { positions: positions.clone(), ..e.clone() }).collect();
                let prompt = EditedPrompt { tokens: q.with_answer(n), edits };
                let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
                let top = trace.residual.unwrap().get(depth).unwrap();
                let asked = [vec![q.answer[n]]];
                model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked).unwrap()[0].tokens[0].log_prob
            })
            .sum()
    }

    #[test]
    fn later_tokens_equal_full_passes_with_the_edit_at_the_prompts_end() {
        let Some(model) = model() else { return };
        let question = |seed: u32, prompt: u32, answer: u32| Question {
            prompt: (0..prompt).map(|i| (seed * 7 + i * 13) % 150).collect(),
            answer: (0..answer).map(|i| (seed * 11 + i * 29) % 150).collect(),
            boundary_merged: false,
        };
        let questions = [question(1, 5, 3), question(2, 9, 1), question(3, 1, 2)];
        let questions: Vec<&Question> = questions.iter().collect();
        let vector: Arc<[f32]> = (0..model.spec.hidden_size).map(|i| (i % 5) as f32 - 2.0).collect();
        let replace = Edit::last(Site::Residual(2), Operation::Replace(vector));
        let edits = vec![vec![vec![], vec![replace.clone()]]; 3];
        let got = later_tokens(&model, &questions, &edits).unwrap();
        let unsteered = later_tokens_unsteered(&model, &questions).unwrap();
        for (i, q) in questions.iter().enumerate() {
            let (clean, steered) = (naive(&model, q, &[]), naive(&model, q, std::slice::from_ref(&replace)));
            assert!((got[i][0] - clean).abs() < 1e-4 && (unsteered[i] - clean).abs() < 1e-4, "{i}: {got:?} {clean}");
            assert!((got[i][1] - steered).abs() < 1e-4, "{i}: {got:?} {steered}");
        }
        assert!((got[0][0] - got[0][1]).abs() > 1e-3, "the edit changed nothing");
        let zero = Operation::Add { vector: vec![1.0; model.spec.hidden_size].into(), strength: 0.0 };
        let edits = vec![vec![vec![], vec![Edit::last(Site::Residual(2), zero)]]; 3];
        for arms in later_tokens(&model, &questions, &edits).unwrap() {
            assert_eq!(arms[0].to_bits(), arms[1].to_bits(), "strength 0 changed something");
        }
        assert!(got[1][0].abs() < f64::EPSILON, "an answer of one token has no later ones");
    }
}
