//! `steercheck generate`.

use steercheck_eval::generate::{Acting, Choice, Contrast, Contrasting, Generated, generate, generate_contrasted};
use steercheck_model::{FinalNorm, HeadKind, Loaded, Model, read_vectors};
use steercheck_steer::dola::{Choice as Layers, Config, Measure, Readout, bucket};
use steercheck_steer::given_vector::GivenVector;

use crate::arguments::{ActingAt, GenerateOptions};
use crate::error::CliError;
use crate::loading;
use crate::models::{self, print};
use crate::progress::line;
use crate::tables::Flush::{Left, Right};
use crate::tables::{plain, wrapped};

/// Runs the command.
pub(crate) fn run(options: &GenerateOptions) -> Result<(), CliError> {
    let file = options.vector.as_ref().map(|v| read_vectors(&v.file, v.tensor.as_deref())).transpose()?;
    let found = models::find(Some(&options.model), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found, &options.loading, memory)?;
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
    let mut texts = generate(&model, &tokenizer, &prompt, steering, options.tokens, choice)?;
    let mut steps = Vec::new();
    if let Some(layers) = &options.dola {
        let contrast = contrast(&model, layers, options)?;
        let (text, found) = generate_contrasted(&model, &tokenizer, &prompt, &contrast, options.tokens, choice)?;
        texts.push(text);
        steps = found;
    }
    if options.json {
        let json = serde_json::json!({
            "model": model.info.name,
            "prompt": prompt,
            "choice": choice,
            "where": vector.as_ref().map(|_| acting),
            "unsteered": texts.first(),
            "steered": texts.get(1),
            "trace": options.dola.as_ref().map(|_| &steps),
        });
        return print(&format!("{json:#}\n"));
    }
    let steered = match (&vector, acting) {
        (Some(vector), Acting::Last) => heading(vector, "at the prompt's last token"),
        (Some(vector), Acting::Generated) => heading(vector, "at the prompt's last token and every one after it"),
        (Some(vector), Acting::All) => heading(vector, "at every token"),
        (None, _) => format!("DoLa: layers {}, alpha {}", options.dola.as_deref().unwrap_or_default(), options.alpha),
    };
    let mut out = section("unsteered", &texts[0]);
    out.extend(texts.get(1).map(|text| format!("\n{}", section(&steered, text))));
    out.extend(options.trace.then(|| format!("\n{}\n", trace(&steps))));
    print(&out)
}

/// `low` and `high` are the lower and the upper half of the layers, as in transformers.
fn contrast(model: &Model, layers: &str, options: &GenerateOptions) -> Result<Contrast, CliError> {
    let depth = model.spec.depth();
    let candidates: Vec<usize> = match layers {
        "low" => bucket(depth, 0.0, 0.5),
        "high" => bucket(depth, 0.5, 1.0),
        list => {
            let parsed: Result<Vec<usize>, _> = list.split(',').map(|l| l.trim().parse::<usize>()).collect();
            let wrong = || {
                CliError::Usage(format!(
                    "--dola {list}: write low, high, or residuals from 0 to {} such as 0,2,4",
                    depth - 1
                ))
            };
            let mut layers = parsed.map_err(|_| wrong())?;
            layers.sort_unstable();
            layers.dedup();
            if layers.last().is_none_or(|l| *l >= depth) {
                return Err(wrong());
            }
            layers
        }
    };
    Ok(Contrast {
        config: Config {
            alpha: options.alpha,
            candidates: candidates.into(),
            choice: Layers::Largest(Measure::Paper),
            post_softmax: false,
        },
        readout: Readout { norm: FinalNorm::Skip, mature: HeadKind::Full, premature: HeadKind::Full },
        repetition_penalty: options.repetition_penalty,
    })
}

/// A line per token.
fn trace(steps: &[Contrasting]) -> String {
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|s| vec![format!("{:?}", s.text), s.layer.to_string(), format!("{:.2}", s.score), s.kept.to_string()])
        .collect();
    plain(&[("token", Left), ("layer", Right), ("ln p / q", Right), ("to choose from", Right)], &rows)
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
