//! One prompt, one edit, what changes: `cargo run --release -p steercheck-model --example edit -- MODEL "The capital of France is"`

use std::path::Path;

use steercheck_model::{Edit, FinalNorm, HeadKind, LoadOptions, Loaded, ModelError, Operation, Result, Row, Site};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, prompt] = arguments.as_slice() else {
        eprintln!("usage: edit MODEL PROMPT");
        return Ok(());
    };
    let Loaded { model, tokenizer, .. } = Loaded::open(Path::new(path), &LoadOptions::default())?;
    let tokenizer = tokenizer?;
    let prefix = model.prefill(&[tokenizer.encode(prompt)?])?.remove(0);

    // Scale the residual stream to a half after each block in turn; every row runs from its block to the top.
    let depth = model.spec.depth();
    let mut rows = vec![Row::baseline(&prefix, depth)];
    rows.extend((1..=depth).map(|b| Row::edited(&prefix, vec![Edit::last(Site::Residual(b), Operation::Scale(0.5))])));
    let replayed = model.replay(&rows)?;
    let asked = vec![Vec::new(); rows.len()];
    let readings = model.read(&replayed.top, FinalNorm::Apply, HeadKind::Full, &asked)?;
    for (i, (reading, receipts)) in readings.iter().zip(&replayed.receipts).enumerate() {
        let what = receipts
            .first()
            .map_or_else(|| "unedited".to_string(), |r| format!("{} halved, moved by {:.1}", r.site, r.change));
        let token = tokenizer.decode(&[reading.top1]).map_err(|e| ModelError::Plan(e.to_string()))?;
        println!("{i:3}  {token:12} {:5.1} %  {what}", 100.0 * reading.top1_log_prob.exp());
    }
    Ok(())
}
