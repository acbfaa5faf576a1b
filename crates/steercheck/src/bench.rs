//! `steercheck bench`.

use steercheck_eval::EvalError;
use steercheck_eval::bench::{self, DolaBench, FunctionVectorBench};
use steercheck_eval::scoring::{builtin_set, load_set};
use steercheck_model::Loaded;

use crate::arguments::{BenchDolaOptions, BenchOptions};
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
    let Loaded { model, tokenizer, .. } = loading::open(&found, &options.loading, memory)?;
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

/// `DoLa`'s grid.
pub(crate) fn dola(options: &BenchDolaOptions) -> Result<(), CliError> {
    let set = match &options.set {
        Some(path) => load_set(path).map_err(EvalError::from)?,
        None => match builtin_set("misconceptions") {
            Some(set) => set.map_err(EvalError::from)?,
            None => {
                return Err(CliError::Usage("there is no built-in set of questions; name a file with --set".into()));
            }
        },
    };
    let options = (&options.bench, options.questions);
    let found = models::find(options.0.model.as_deref(), options.0.loading.accept_licence, false)?;
    let memory = loading::memory(&options.0.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found, &options.0.loading, memory)?;
    let tokenizer = tokenizer?;
    let result = bench::dola(&model, &tokenizer, &set, options.1)?;
    if options.0.json {
        let json = serde_json::to_string_pretty(&result).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&format!("{}\n{}", report::summary(&model.info, Some(&tokenizer)), dola_text(&result)))
}

fn dola_text(r: &DolaBench) -> String {
    format!(
        "{} questions of {} with {} answers of {} tokens, {} thread{}\n\
         grid       {:.2} s, {} configurations and the baseline from one pass\n\
         bucket     {:.2} s, the costliest bucket at one α; the grid is {:.2} times that\n\
         norm       {:.2} s, the grid with the final norm before the premature heads\n\
         baseline   {:.2} s, beginnings shared\n\
         naive      {:.2} s, a whole pass for each answer; {:.1} times that\n\
         agreement  log-probabilities of answers at most {:.0e} apart\n",
        r.questions,
        r.set,
        r.answers,
        r.scored_tokens,
        r.threads,
        if r.threads == 1 { "" } else { "s" },
        r.grid_seconds,
        r.configurations,
        r.bucket_seconds,
        r.grid_ratio,
        r.final_norm_seconds,
        r.baseline_seconds,
        r.naive_seconds,
        r.baseline_ratio,
        r.largest_difference
    )
}
