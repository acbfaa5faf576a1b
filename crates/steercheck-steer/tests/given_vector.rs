//! Vectors from files on real models: where they act, that both ways of running them agree, what the placebos do.

use std::path::PathBuf;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use steercheck_model::{
    EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Model, Reading, Reads, Row, read_vectors,
};
use steercheck_steer::given_vector::{GivenVector, VectorSpec, Where};
use steercheck_steer::placebo::random_direction;
use steercheck_steer::reading::read_rows;
use steercheck_testkit::shared;
use tempfile::TempDir;

fn open(name: &str) -> Option<Model> {
    let folder = shared()?.join("fixtures").join(name);
    Some(Loaded::open(&folder, &LoadOptions::default()).expect("a fixture loads").model)
}

/// A file with tensors `[rows, width]` of these names.
fn save(folder: &TempDir, tensors: &[(&str, usize, Vec<f32>)]) -> PathBuf {
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, rows, numbers)| {
            let data = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            (*name, vec![*rows, numbers.len() / rows], data)
        })
        .collect();
    let views =
        tensors.iter().map(|(name, shape, data)| (*name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    let path = folder.path().join("v.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

/// What `place` (and strength) asks of a file with these tensors.
fn resolve(model: &Model, tensors: &[(&str, usize, Vec<f32>)], place: &str) -> Result<GivenVector, String> {
    let folder = TempDir::new().unwrap();
    let path = save(&folder, tensors);
    let spec: VectorSpec = format!("{}{place}", path.display()).parse().unwrap();
    let file = read_vectors(&spec.file, spec.tensor.as_deref()).map_err(|e| e.to_string())?;
    GivenVector::resolve(&spec, &file, &model.spec).map_err(|e| e.to_string())
}

fn naive(model: &Model, tokens: &[u32], vector: &GivenVector, positions: Where, asked: u32) -> Reading {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits: vector.edits(positions) };
    let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
    let top = trace.residual.unwrap().get(model.spec.depth()).unwrap();
    model.read(&top, FinalNorm::Apply, HeadKind::Full, &[vec![asked]]).unwrap().remove(0)
}

#[test]
fn replays_of_vectors_and_placebos_equal_full_passes_and_move_the_stream_by_their_norms() {
    for name in ["gemma3_text", "llama_llama3rope", "gptj"] {
        let Some(model) = open(name) else { return };
        let (depth, width) = (model.spec.depth(), model.spec.hidden_size);
        let numbers: Vec<f32> = (0..depth).flat_map(|b| random_direction(width, b as u64)).collect();
        let all = resolve(&model, &[("all", depth, numbers.clone())], "*3").unwrap();
        let one = resolve(&model, &[("one", 1, numbers[..width].to_vec())], "@2*-4").unwrap();
        assert_eq!((all.directions.len(), one.directions[0].0), (depth, 2));
        let tokens: Vec<u32> = (0..9).map(|i| (i * 37 + 11) % 150).collect();
        let prefix = model.prefill(std::slice::from_ref(&tokens)).unwrap().remove(0);
        for (positions, fired) in [(Where::Last, 1), (Where::All, tokens.len())] {
            for vector in [&all, &one, &one.random_direction(5), &all.random_direction(5), &all.permuted(5)] {
                let rows = [
                    Row::edited(&prefix, vector.edits(positions)),
                    Row::edited(&prefix, vector.zero().edits(positions)),
                    match positions {
                        Where::Last => Row::baseline(&prefix, vector.directions[0].0),
                        Where::All => Row::baseline_from(&prefix, 0),
                    },
                ];
                let (readings, receipts) = read_rows(&model, &rows, &vec![vec![5]; 3]).unwrap();
                let want = naive(&model, &tokens, vector, positions, 5);
                let (got, difference) = (&readings[0], readings[0].tokens[0].log_prob - want.tokens[0].log_prob);
                assert!(got.top1 == want.top1 && difference.abs() < 1e-4, "{name} {positions:?}: {got:?} {want:?}");
                assert_eq!(readings[1], readings[2], "{name}: strength 0 changed something");
                assert!((got.tokens[0].log_prob - readings[2].tokens[0].log_prob).abs() > 1e-4, "{name}: no effect");
                for (receipt, (_, norm)) in receipts[0].iter().zip(vector.norms()) {
                    assert_eq!(receipt.fired, fired);
                    assert!((receipt.change - norm).abs() < 1e-3 * norm, "{name}: {} for {norm}", receipt.change);
                }
            }
        }
    }
}

#[test]
fn a_place_chooses_directions_and_zeros_are_left_out_only_where_nobody_asked_for_them() {
    let Some(model) = open("gemma3_text") else { return };
    let (depth, width) = (model.spec.depth(), model.spec.hidden_size);
    let row = |x: usize| vec![x as f32; width];
    let matrix = |first: usize| {
        let numbers = (0..=depth).flat_map(|b| row(if b < first { 0 } else { b })).collect();
        vec![("all", depth + 1, numbers)]
    };
    let chosen = |tensors: &[(&str, usize, Vec<f32>)], place: &str| -> Vec<(usize, f32)> {
        let vector = resolve(&model, tensors, place).unwrap_or_else(|e| panic!("{e}"));
        vector.directions.iter().map(|(b, v)| (*b, v[0])).collect()
    };
    let every = |range: std::ops::RangeInclusive<usize>| range.map(|b| (b, b as f32)).collect::<Vec<_>>();
    assert_eq!(chosen(&matrix(1), ""), every(1..=depth));
    assert_eq!(chosen(&matrix(1), "@2"), every(2..=2));
    assert_eq!(chosen(&matrix(1), &format!("@2-{depth}")), every(2..=depth));
    let direction = [("direction.1", 1, row(2)), ("direction.2", 1, row(3))];
    assert_eq!(chosen(&direction, ""), [(2, 2.0), (3, 3.0)]);
    assert_eq!(chosen(&direction, ":direction.2"), [(3, 3.0)]);
    assert_eq!(chosen(&[("v", 1, row(7)), ("w", 1, row(8))], ":w@0"), [(0, 8.0)]);
    let notes = resolve(&model, &matrix(3), "").unwrap().notes;
    assert_eq!(notes, ["the directions for residual 0-2 are all zeros and were left out"]);
    let huge = vec![3e38; width];
    for (tensors, place, said) in [
        (matrix(3), "@2-4", "its direction for residual 2 is all zeros, which steers nothing"),
        (vec![("v", 1, row(0))], "@1", "its direction for residual 1 is all zeros"),
        (matrix(depth + 1), "", "all of its directions are zeros"),
        (vec![("v", 1, row(1))], "", "it does not say after which block its vector acts; say so: @BLOCK, 1 to"),
        (vec![("v", 1, row(1))], "@1-2", "it holds one vector and blocks 1-2 take one each"),
        (vec![("v", 1, row(1))], "@99", "block 99 was asked for and the model has blocks 1 to"),
        (direction.to_vec(), "@1-3", "it has no direction for residual 1, only for 2-3"),
        (direction.to_vec(), "@4", "it has no direction for residual 4, only for 2-3 (llama.cpp's"),
        (vec![("v", 1, vec![1.0; width + 1])], "@1", "numbers and the model's residuals have"),
        (vec![("v", 1, huge)], "@1*2", "times the strength 2e0 is beyond 32-bit floats"),
    ] {
        let got = resolve(&model, &tensors, place).expect_err(said);
        assert!(got.contains(said), "expected {said}\ngot      {got}");
    }
}
