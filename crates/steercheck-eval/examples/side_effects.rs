//! What a vector does to a model on the neutral text, and how long measuring it takes:
//! `cargo run --release -p steercheck-eval --example side_effects -- MODEL.gguf`

use std::path::Path;
use std::time::Instant;

use steercheck_eval::EvalError;
use steercheck_eval::side_effects::{Acts, NeutralText, Unsteered, measure, work, work_unsteered};
use steercheck_model::{Edit, LoadOptions, Loaded, Operation, Positions, Site};

fn mean(all: impl IntoIterator<Item = f64>) -> f64 {
    let (n, sum) = all.into_iter().fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x));
    sum / n
}

fn main() -> Result<(), EvalError> {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: side_effects MODEL.gguf");
        return Ok(());
    };
    let Loaded { model, tokenizer, .. } = Loaded::open(Path::new(&path), &LoadOptions::default())?;
    let text = NeutralText::new(&tokenizer?, &model.spec)?;
    let (width, depth) = (model.spec.hidden_size, model.spec.depth());
    println!("{} windows, {} tokens, {} of them measured", text.windows(), text.used(), text.measured());
    for acts in [Acts::AtLast, Acts::Everywhere] {
        let started = Instant::now();
        let unsteered = Unsteered::new(&model, &text, acts)?;
        let rows = |work: u64| work / depth as u64;
        let tokens = rows(work_unsteered(&model, &text, acts).rows);
        println!("{acts:?}: unsteered {:.1} s, {tokens} tokens", started.elapsed().as_secs_f64());
        for strength in [0.0, 3.0, 30.0] {
            let vector = (0..width).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
            let operation = Operation::Add { vector, strength };
            let started = Instant::now();
            let got = measure(&model, &text, &unsteered, |_, last| {
                let positions = if acts == Acts::AtLast { Positions::At(vec![last]) } else { Positions::All };
                vec![Edit { site: Site::Residual(depth / 2), positions, operation: operation.clone() }]
            })?;
            println!(
                "  strength {strength}: {:.1} s, {} tokens; KL {:.4}, NLL {:.3} to {:.3}, repetition {:.3} to {:.3}",
                started.elapsed().as_secs_f64(),
                rows(work(&model, &text, acts).rows),
                mean(got.kl.iter().flatten().map(|kl| f64::from(*kl))),
                mean(got.nll_unsteered),
                mean(got.nll_steered),
                mean(got.repetition_unsteered),
                mean(got.repetition_steered),
            );
        }
    }
    Ok(())
}
