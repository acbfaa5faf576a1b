//! `steercheck vector`: vectors as files.

use std::path::{Path, PathBuf};

use steercheck_eval::card::cards;
use steercheck_eval::{MadeVector, VectorAbout};
use steercheck_model::{VectorFile, read_vectors, write_control_vector};

use crate::arguments::{
    CheckOptions, ExportForm, ExportOptions, MakeOptions, MethodName, ProtocolName, ShowOptions, VectorMethod,
};
use crate::error::CliError;
use crate::examine::examine;
use crate::models::print;
use crate::tables::{Format, wrapped};

/// Checks a method on a task and writes the vector that it chose.
pub(crate) fn make(options: &MakeOptions) -> Result<(), CliError> {
    let check = CheckOptions {
        model: options.model.clone(),
        tasks: vec![options.task.clone()],
        methods: vec![match options.method {
            VectorMethod::Fv => MethodName::Fv,
            VectorMethod::Tv => MethodName::Tv,
        }],
        vector: None,
        positions: None,
        bos: None,
        explain: false,
        fv_position: None,
        fv_bias: None,
        fv_effects: None,
        fv_heads: None,
        dola_norm: None,
        protocol: ProtocolName::Rigorous,
        profile: Some(options.profile),
        seed: options.seed,
        out: options.out.clone(),
        json: false,
        format: Format::Text,
        force: false,
        loading: options.loading.clone(),
    };
    if let Some(to) = &options.to {
        writable(to)?;
    }
    let examined = examine(&check)?;
    let all = cards(&examined.records)?;
    // Of several seeds the first one's vector is kept; the card covers all of them.
    let (Some(record), Some(card)) = (examined.records.first(), all.first()) else {
        return Err(CliError::Usage("nothing was run; name a task with enough items".into()));
    };
    let made = MadeVector::of(record, card, &options.out)?;
    let method = match options.method {
        VectorMethod::Fv => "fv",
        VectorMethod::Tv => "tv",
    };
    let to = options.to.clone().unwrap_or_else(|| PathBuf::from(format!("{}-{method}.safetensors", made.about.task)));
    made.write(&to)?;
    print(&format!("{}\n{}\nvector     {}\n", examined.summary, about(&made.about), to.display()))
}

/// Minutes of work must not end in a file that cannot be written.
fn writable(file: &Path) -> Result<(), CliError> {
    if file.is_dir() || file.file_name().is_none() {
        return Err(CliError::Usage(format!("--to {} is a folder; name a file", file.display())));
    }
    Ok(steercheck_eval::record::check_folder(file.parent().unwrap_or(Path::new("")))?)
}

/// Prints what a file says of its vectors.
pub(crate) fn show(options: &ShowOptions) -> Result<(), CliError> {
    let file = read_vectors(&options.file, None)?;
    let made = MadeVector::read(&options.file)?;
    if options.json {
        let json = serde_json::json!({
            "file": file.file,
            "blake3": file.hash,
            "container": file.container,
            "model_hint": file.model_hint,
            "norms": file.norms(),
            "about": made.map(|m| m.about),
        });
        return print(&format!("{json:#}\n"));
    }
    let own = made.map_or_else(|| "it says nothing of how it was made\n".to_string(), |m| about(&m.about));
    print(&format!("{}\n{own}", directions(&file)))
}

/// The file and where its vectors act.
fn directions(file: &VectorFile) -> String {
    let hint = file.model_hint.as_ref().map_or_else(String::new, |hint| format!(", made for {hint}"));
    let norms: Vec<String> = file
        .norms()
        .into_iter()
        .map(|(place, norm)| match place {
            Some(residual) => format!("residual {residual}: norm {norm:.3}"),
            None => format!("no place given: norm {norm:.3}"),
        })
        .collect();
    format!(
        "file       {} ({}{hint}, BLAKE3 {})\nvectors    {} numbers each; {}\n",
        file.file,
        file.container,
        &file.hash[..16],
        file.width(),
        norms.join(", ")
    )
}

/// What a made vector says of itself.
fn about(about: &VectorAbout) -> String {
    let method = match about.method.as_str() {
        "function-vector" => "function vector",
        "task-vector" => "task vector",
        other => other,
    };
    let relative = about.relative_norm.map_or_else(String::new, |x| format!(", {x:.2} times the residual's"));
    let tokens: Vec<String> = about.read_out.iter().take(6).map(|t| format!("{:?}", t.text)).collect();
    let mut lines = vec![
        format!("made       {method} for {} on {}, by {}", about.task, about.model, about.program),
        format!("acts       {}, at the last token; norm {:.1}{relative}", about.setting, about.norm),
    ];
    if !tokens.is_empty() {
        lines.push(format!("reads as   {}", tokens.join(" ")));
    }
    lines.push(format!(
        "check      protocol {}, profile {}, seed {}, record {}",
        about.protocol,
        about.profile,
        about.seed,
        &about.record[..16.min(about.record.len())]
    ));
    let verdict = about.verdict.as_ref().map_or_else(String::new, |v| format!("{v}: "));
    lines.push(wrapped(&format!("verdict    {verdict}{}", about.reason), 11));
    lines.extend(about.caveat.iter().map(|caveat| wrapped(&format!("but        it is {caveat}"), 11)));
    lines.join("\n") + "\n"
}

/// Writes a vector for another program.
pub(crate) fn export(options: &ExportOptions) -> Result<(), CliError> {
    let ExportForm::GgufControlVector = options.format;
    let Some(made) = MadeVector::read(&options.file)? else {
        let file = options.file.display();
        return Err(CliError::Usage(format!("{file} was not written by `steercheck vector make`; give such a file")));
    };
    let to = options.to.clone().unwrap_or_else(|| options.file.with_extension("gguf"));
    writable(&to)?;
    let VectorAbout { residual, family, blocks, positions, .. } = &made.about;
    write_control_vector(&to, family, *blocks, *residual, &made.vector)?;
    let layer = residual - 1;
    let covered = if positions == "last" {
        "llama.cpp adds it at every token, and the card covered the last token of a prompt alone: judge it again with `steercheck check MODEL \
         --vector FILE --where all`"
    } else {
        "llama.cpp adds it at every token, as the card covered it"
    };
    let said = format!(
        "direction.{layer} acts on what llama.cpp's layer {layer} puts out (blocks count from 0 there): residual {residual}. The strength is \
         multiplied in: use --control-vector, or --control-vector-scaled with 1. {covered}"
    );
    print(&format!("{}\n{}\n", to.display(), wrapped(&said, 0)))
}
