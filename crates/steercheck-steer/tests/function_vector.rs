//! The fast path of function vectors (replayed rows) against the naive one (a full pass per prompt and per edit), on every fixture.

use std::path::Path;
use std::sync::Arc;

use steercheck_model::{
    Block, Edit, EditedPrompt, FinalNorm, Head, HeadKind, LoadOptions, Loaded, Model, Operation, Positions, Reading,
    Reads, Site,
};
use steercheck_steer::function_vector::{
    HeadMeans, Injection, ProjectionBias, ReadPosition, Scale, effects, sweep, vectors,
};
use steercheck_testkit::shared;

/// Every fixture with a config.json of its own and what is read of it in tests.
fn for_every_fixture(check: impl Fn(&str, &Model)) {
    let Some(shared) = shared() else { return };
    let mut names: Vec<String> = std::fs::read_dir(shared.join("fixtures"))
        .expect("there are fixtures")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.join("config.json").is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        check(&name, &open(&shared, &name));
    }
}

fn open(shared: &Path, name: &str) -> Model {
    Loaded::open(&shared.join("fixtures").join(name), &LoadOptions::default()).expect("a fixture loads").model
}

fn prompts(n: u32, length: u32) -> Vec<Vec<u32>> {
    (0..n).map(|i| (0..length + i).map(|j| (i * 31 + j * 17 + 7) % 100 + 5).collect()).collect()
}

/// One full pass with these edits, and the reading of its last token.
fn naive(model: &Model, tokens: &[u32], edits: Vec<Edit>, answer: u32) -> Reading {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits };
    let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
    let top = trace.residual.unwrap().get(model.spec.depth()).unwrap();
    model.read(&top, FinalNorm::Apply, HeadKind::Full, &[vec![answer]]).unwrap().remove(0)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4
}

/// The mean of head outputs over whole passes at a place counted from the end.
fn naive_mean(model: &Model, prompts: &[Vec<u32>], back: usize, (block, head): (usize, usize)) -> Vec<f32> {
    let mut sum = vec![0f64; model.spec.head_dim];
    for tokens in prompts {
        let prompt = EditedPrompt { tokens: tokens.clone(), edits: Vec::new() };
        let heads = model.trace_edited(&[prompt], &Reads::ALL).unwrap().remove(0).heads.unwrap();
        let z = heads.get(block - 1).unwrap().get(tokens.len() - back).unwrap().get(head).unwrap();
        sum.iter_mut().zip(z.to_vec1::<f32>().unwrap()).for_each(|(s, x)| *s += f64::from(x));
    }
    sum.iter().map(|s| (s / prompts.len() as f64) as f32).collect()
}

#[test]
fn means_effects_and_vectors_equal_full_passes() {
    for_every_fixture(|name, model| {
        let (seen, asked) = (prompts(3, 11), prompts(2, 9));
        let answers = [9u32, 14];
        let (depth, heads) = (model.spec.depth(), model.spec.heads);
        for (at, back) in [(ReadPosition::Last, 1), (ReadPosition::Penultimate, 2)] {
            let means = HeadMeans::read(model, &seen, at).unwrap();
            for site in [(1, 0), (depth, heads - 1)] {
                let got = means.at((Block(site.0), Head(site.1))).unwrap();
                let want = naive_mean(model, &seen, back, site);
                assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 3e-5), "{name} {at:?} {site:?}");
            }
        }
        let means = HeadMeans::read(model, &seen, ReadPosition::Last).unwrap();
        for bias in [ProjectionBias::Kept, ProjectionBias::AsPublished] {
            let got = effects(model, &means, &asked, &answers, bias).unwrap();
            for (i, (tokens, answer)) in asked.iter().zip(answers).enumerate() {
                assert!(close(got.clean()[i], naive(model, tokens, vec![], answer).tokens[0].log_prob), "{name} clean");
                for (k, site) in means.sites().enumerate() {
                    let mut edits =
                        vec![Edit::last(Site::HeadOutput(site.0, site.1), Operation::Replace(means.at(site).unwrap()))];
                    if let (ProjectionBias::AsPublished, Some(b)) = (bias, model.projection_bias(site.0).unwrap()) {
                        edits.push(Edit {
                            site: Site::AttentionOutput(site.0),
                            positions: Positions::All,
                            operation: Operation::Add { vector: Arc::from(b), strength: -1.0 },
                        });
                    }
                    let want = naive(model, tokens, edits, answer).tokens[0].log_prob;
                    let got = got.patched()[i * depth * heads + k];
                    assert!(close(got, want), "{name} {bias:?} prompt {i} {site:?}: {got} and {want}");
                }
            }
        }
    });
}

#[test]
fn a_vector_is_the_sum_of_what_its_heads_add_and_every_injection_equals_a_full_pass() {
    for_every_fixture(|name, model| {
        let (seen, asked) = (prompts(3, 11), prompts(2, 5));
        let answers = [9u32, 14];
        let means = HeadMeans::read(model, &seen, ReadPosition::Last).unwrap();
        let ranking =
            effects(model, &means, &seen[..2], &answers, ProjectionBias::Kept).unwrap().ranking(Scale::default());
        let all = ranking.len();
        let made = vectors(model, &means, &ranking, &[all, 1, 2], ProjectionBias::Kept).unwrap();
        assert_eq!(made.iter().map(|v| v.heads.len()).collect::<Vec<_>>(), [all, 1, 2]);
        // All heads of a block through the whole projection at once, minus its bias.
        let mut want = vec![0f64; model.spec.hidden_size];
        for b in 1..=model.spec.depth() {
            let z: Vec<f32> =
                (0..model.spec.heads).flat_map(|h| means.at((Block(b), Head(h))).unwrap().to_vec()).collect();
            let z =
                candle_core::Tensor::from_vec(z, (1, model.spec.heads * model.spec.head_dim), model.device()).unwrap();
            let sum =
                model.attention_from_heads(Block(b), &z).unwrap().heads.squeeze(0).unwrap().to_vec1::<f32>().unwrap();
            want.iter_mut().zip(sum).for_each(|(w, s)| *w += f64::from(s));
        }
        let scale = want.iter().fold(1f64, |m, w| m.max(w.abs()));
        let same = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-5 * scale;
        assert!(made[0].vector.iter().zip(&want).all(same), "{name}: the sum of all heads");
        assert!(vectors(model, &means, &ranking, &[all + 1], ProjectionBias::Kept).is_err());

        let published = vectors(model, &means, &ranking, &[2], ProjectionBias::AsPublished).unwrap().remove(0).vector;
        for (i, (p, v)) in published.iter().zip(made[2].vector.iter()).enumerate() {
            let bias = |k: usize| model.projection_bias(ranking[k].0).unwrap().map_or(0.0, |b| b[i]);
            assert!((p - v - bias(0) - bias(1)).abs() < 1e-5, "{name}: a bias for each head");
        }

        let injections: Vec<Injection> = (1..=model.spec.depth())
            .flat_map(|residual| {
                let vector = &made[2].vector;
                [0.0, 0.5, 8.0].map(|strength| Injection { vector: vector.clone(), strength, residual })
            })
            .collect();
        let prefixes = model.prefill(&asked).unwrap();
        let tokens = [vec![answers[0]], vec![answers[1]]];
        let mut seen = 0;
        sweep(model, &prefixes, &injections, &tokens, |swept| {
            let (item, injection) = (swept.item, &injections[swept.setting]);
            let want = naive(model, &asked[item], vec![injection.edit()], answers[item]);
            let got = &swept.reading;
            assert!(close(got.tokens[0].log_prob, want.tokens[0].log_prob), "{name} item {item} {injection:?}");
            assert_eq!(swept.receipts[0].fired, 1);
            assert!((swept.receipts[0].change > 0.0) == (injection.strength > 0.0), "{name} {:?}", swept.receipts);
            seen += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, asked.len() * injections.len());
    });
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let Some(shared) = shared() else { return };
    let model = open(&shared, "llama_llama3rope");
    let error = HeadMeans::read(&model, &[vec![5]], ReadPosition::Penultimate).unwrap_err().to_string();
    assert!(error.contains("no token before its last"), "{error}");
    assert!(HeadMeans::read(&model, &[], ReadPosition::Last).is_err());
    assert!(HeadMeans::new(&model.spec, vec![0.0; 5]).unwrap_err().to_string().contains("5 mean head outputs"));
    let means = HeadMeans::read(&model, &prompts(1, 6), ReadPosition::Last).unwrap();
    assert!(effects(&model, &means, &prompts(2, 6), &[1], ProjectionBias::Kept).is_err());
    assert!(means.at((Block(0), Head(0))).is_err() && means.at((Block(1), Head(99))).is_err());
}
