//! Random edits of a prompt.

use std::sync::Arc;

use steercheck_model::{Block, DecoderSpec, Edit, Head, Model, Operation, Positions, Row, Site};

use super::random::Numbers;

/// Uniform in -2..2.
pub(crate) fn vector(width: usize, numbers: &mut Numbers) -> Arc<[f32]> {
    (0..width).map(|_| 2.0 * numbers.unit()).collect()
}

/// A random edit of a prompt of this length.
pub(crate) fn edit(spec: &DecoderSpec, length: usize, numbers: &mut Numbers) -> Edit {
    let block = Block(1 + numbers.below(spec.depth()));
    let site = match numbers.below(4) {
        0 => Site::Residual(numbers.below(spec.depth() + 1)),
        1 => Site::HeadOutput(block, Head(numbers.below(spec.heads))),
        2 => Site::AttentionOutput(block),
        _ => Site::MlpOutput(block),
    };
    let width = site.width(spec);
    let operation = match numbers.below(3) {
        0 => Operation::Replace(vector(width, numbers)),
        1 => Operation::Add { vector: vector(width, numbers), strength: 2.0 * numbers.unit() },
        _ => Operation::Scale(2.0 * numbers.unit()),
    };
    let positions = match numbers.below(4) {
        0 => Positions::All,
        1 => Positions::At((0..length).filter(|p| p % 2 == 0).collect()),
        _ => Positions::Last,
    };
    Edit { site, positions, operation }
}

/// Adding a random vector at strength 0, anywhere, gives the very bits of an unedited row.
pub(crate) fn assert_strength_zero_is_the_baseline(
    what: &str,
    model: &Model,
    prompts: &[Vec<u32>],
    numbers: &mut Numbers,
) {
    let prefixes = model.prefill(prompts).unwrap();
    for b in 0..=model.spec.depth() {
        let rows: Vec<Row<'_>> = prefixes
            .iter()
            .flat_map(|p| {
                let operation = Operation::Add { vector: vector(model.spec.hidden_size, numbers), strength: 0.0 };
                [Row::baseline(p, b), Row::edited(p, vec![Edit::last(Site::Residual(b), operation)])]
            })
            .collect();
        let top = model.replay(&rows).unwrap().top.to_vec2::<f32>().unwrap();
        for pair in top.chunks(2) {
            let bits = |row: &[f32]| -> Vec<u32> { row.iter().map(|x| x.to_bits()).collect() };
            assert_eq!(bits(&pair[0]), bits(&pair[1]), "{what}: residual {b}");
        }
    }
}
