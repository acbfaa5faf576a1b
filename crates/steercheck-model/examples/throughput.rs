//! How fast a model is traced, replayed and read here:
//! `cargo run --release -p steercheck-model --example throughput -- MODEL.gguf [stored]`

use std::path::Path;
use std::time::Instant;

use steercheck_model::{EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Precision, Reads, Result, Row};

const PROMPTS: u32 = 64;
const TOKENS: u32 = 55;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.first() else {
        eprintln!("usage: throughput MODEL.gguf [stored]");
        return Ok(());
    };
    let stored = arguments.get(1).is_some_and(|a| a == "stored");
    let precision = if stored { Precision::Stored } else { Precision::F32 };
    let model = Loaded::open(Path::new(path), &LoadOptions { precision, ..LoadOptions::default() })?.model;
    let vocab = model.spec.vocab_size as u32;
    let prompts: Vec<Vec<u32>> =
        (0..PROMPTS).map(|i| (0..TOKENS).map(|j| (i * 977 + j * 131) % vocab).collect()).collect();

    for _ in 0..2 {
        let started = Instant::now();
        model.trace(&prompts, &Reads::LAST_RESIDUALS)?;
        let seconds = started.elapsed().as_secs_f64();
        println!("trace   {:8.0} tokens/s", f64::from(PROMPTS * TOKENS) / seconds);
    }
    let prefixes = model.prefill(&prompts[..24])?;
    let rows: Vec<Row<'_>> =
        prefixes.iter().flat_map(|p| (1..=model.spec.depth()).map(move |b| Row::baseline(p, b))).collect();
    let started = Instant::now();
    let replayed = model.replay(&rows)?;
    let replay = rows.len() as f64 / started.elapsed().as_secs_f64();
    println!("replay  {replay:8.0} rows/s from every block");
    let whole: Vec<EditedPrompt> =
        prompts[..24].iter().map(|p| EditedPrompt { tokens: p.clone(), edits: Vec::new() }).collect();
    let started = Instant::now();
    model.trace_edited(&whole, &Reads::LAST_RESIDUALS)?;
    let full = whole.len() as f64 / started.elapsed().as_secs_f64();
    println!("full    {full:8.1} passes/s of {TOKENS} tokens; a replayed row costs 1/{:.0} of one", replay / full);
    let started = Instant::now();
    model.read(&replayed.top, FinalNorm::Apply, HeadKind::Full, &vec![vec![5]; rows.len()])?;
    println!("read    {:8.0} rows/s", rows.len() as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
