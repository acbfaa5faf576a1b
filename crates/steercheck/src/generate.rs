//! `steercheck generate`.

use steercheck_eval::generate::{Acting, Choice, Generated, generate};
use steercheck_model::{Loaded, read_vectors};
use steercheck_steer::given_vector::GivenVector;

use crate::arguments::{ActingAt, GenerateOptions};
use crate::error::CliError;
use crate::loading;
use crate::models::{self, print};
use crate::progress::line;
use crate::tables::wrapped;

/// Runs the command.
pub(crate) fn run(options: &GenerateOptions) -> Result<(), CliError> {
    let file = options.vector.as_ref().map(|v| read_vectors(&v.file, v.tensor.as_deref())).transpose()?;
    let found = models::find(Some(&options.model), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found.path, &options.loading, memory)?;
    let tokenizer = tokenizer?;
    let vector = options.vector.as_ref().zip(file.as_ref());
    let vector = vector.map(|(spec, file)| GivenVector::resolve(spec, file, &model.spec)).transpose()?;
    for note in vector.iter().flat_map(|v| &v.notes) {
        line(&format!("note: {note}"));
    }
    let acting = match options.positions {
        None | Some(ActingAt::Last) => Acting::Last,
        Some(ActingAt::Generated) => Acting::Generated,
        Some(ActingAt::All) => Acting::All,
    };
    let choice = match options.temperature {
        None => Choice::Greedy,
        Some(temperature) => Choice::Sampled { temperature, top_p: options.top_p, seed: options.seed },
    };
    let prompt = options.prompt.replace("\\n", "\n");
    let steering = vector.as_ref().map(|v| (v, acting));
    let texts = generate(&model, &tokenizer, &prompt, steering, options.tokens, choice)?;
    if options.json {
        let json = serde_json::json!({
            "model": model.info.name,
            "prompt": prompt,
            "choice": choice,
            "where": vector.as_ref().map(|_| acting),
            "unsteered": texts.first(),
            "steered": texts.get(1),
        });
        return print(&format!("{json:#}\n"));
    }
    let steered = match (&vector, acting) {
        (Some(vector), Acting::Last) => heading(vector, "at the prompt's last token"),
        (Some(vector), Acting::Generated) => heading(vector, "at the prompt's last token and every one after it"),
        (Some(vector), Acting::All) => heading(vector, "at every token"),
        (None, _) => String::new(),
    };
    let mut out = section("unsteered", &texts[0]);
    out.extend(texts.get(1).map(|text| format!("\n{}", section(&steered, text))));
    print(&out)
}

/// `steered: residual 8, norm 62.1, at the prompt's last token`.
fn heading(vector: &GivenVector, tokens: &str) -> String {
    let norms: Vec<String> = vector.norms().iter().map(|(b, norm)| format!("residual {b}, norm {norm:.1}")).collect();
    match &norms[..] {
        [one] => format!("steered: {one}, {tokens}"),
        many => format!("steered: {} residuals, {tokens}", many.len()),
    }
}

fn section(heading: &str, text: &Generated) -> String {
    let end = if text.ended { ", ended by the model" } else { "" };
    let about = format!("{heading} ({} tokens, log-probability {:.1}{end})", text.tokens.len(), text.log_prob);
    // Line breaks of the text stay where they are.
    let lines: Vec<String> = text.text.lines().map(|l| format!("  {l}")).collect();
    format!("{}\n{}\n", wrapped(&about, 2), lines.join("\n"))
}
