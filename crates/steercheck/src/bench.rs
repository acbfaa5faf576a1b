//! `steercheck bench`.

use steercheck_eval::bench::{self, FunctionVectorBench};
use steercheck_model::Loaded;

use crate::arguments::BenchOptions;
use crate::error::CliError;
use crate::models::{self, print};
use crate::progress::line;
use crate::{loading, report};

/// Naive passes between two lines of progress.
const STEP: usize = 50;

/// Effects of all heads, one full pass each and as replayed rows.
pub(crate) fn function_vector(options: &BenchOptions) -> Result<(), CliError> {
    let found = models::find(options.model.as_deref(), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found.path, &options.loading, memory)?;
    let tokenizer = tokenizer?;
    let result = bench::function_vector(&model, &tokenizer, |done, all| {
        if done > 0 && done % STEP == 0 {
            line(&format!("{done} of {all} naive passes"));
        }
    })?;
    if options.json {
        let json = serde_json::to_string_pretty(&result).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&format!("{}\n{}", report::summary(&model.info, Some(&tokenizer)), text(&result)))
}

fn text(result: &FunctionVectorBench) -> String {
    let FunctionVectorBench { threads, prompt_tokens, heads, naive_seconds, replay_seconds, ratio, .. } = result;
    let threads = format!("{threads} thread{}", if *threads == 1 { "" } else { "s" });
    format!(
        "effects of {heads} heads on a prompt of {prompt_tokens} tokens, {threads}\n\
         naive      {naive_seconds:.2} s, one full pass for each head\n\
         replay     {replay_seconds:.3} s, all heads as rows over the prompt's prefix (median of five)\n\
         ratio      {ratio:.0}\n\
         agreement  probabilities at most {:.0e} apart\n",
        result.largest_difference
    )
}
