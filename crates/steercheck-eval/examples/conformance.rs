//! Every fixture through every check, as one markdown table: `conformance [FIXTURES [GGUFS]]`. FIXTURES holds a folder per model with
//! its golden tensors (default: those of the shared folder), GGUFS a file `FIXTURE.gguf` for each that has one.

use std::error::Error;
use std::path::{Path, PathBuf};

use steercheck_eval::conformance::{self, Check, Extent, Golden, Grade, short};
use steercheck_model::{LoadOptions, Loaded, Model};

/// Columns and the checks whose largest difference they show.
const COLUMNS: [(&str, &[&str]); 11] = [
    ("residuals", &["golden hidden", "golden final_hidden"]),
    ("head outputs", &["golden attn_proj_in"]),
    ("logits", &["golden logits"]),
    ("lens", &["golden lens_raw", "golden lens_norm"]),
    ("greedy", &["golden greedy_ids"]),
    ("identity", &["residual identity"]),
    ("heads sum", &["heads sum to attention"]),
    ("batch", &["batch = single"]),
    ("cached", &["cached = uncached"]),
    ("replay, edits", &["replay = full forward"]),
    ("strength 0", &["strength 0 = baseline"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let given = arguments.next().or_else(|| Some(steercheck_testkit::shared()?.join("fixtures")));
    let fixtures = given.ok_or("give the folder of the fixtures")?;
    let ggufs = arguments.next();
    let entries = std::fs::read_dir(&fixtures)?.collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).collect();
    folders.retain(|folder| folder.join("golden.safetensors").exists());
    folders.sort();

    let mut head = vec!["fixture", "family"];
    head.extend(COLUMNS.map(|(title, _)| title));
    head.extend(ggufs.as_ref().map(|_| "GGUF logits"));
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(head.len()));
    let (mut failed, mut refused) = (0, Vec::new());
    for folder in &folders {
        let model = open(folder)?;
        let mut checks = conformance::run(&model, Err("the fixtures have no tokenizer"), Extent::Full)?;
        checks.extend(Golden::read(folder, &model)?.compare(&model)?);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut row = vec![name.clone(), model.info.family.to_string()];
        row.extend(COLUMNS.map(|(_, names)| cell(&checks, names)));
        if let Some(file) = ggufs.as_ref().map(|ggufs| ggufs.join(format!("{name}.gguf"))) {
            row.push(match from_gguf(&file, folder) {
                _ if !file.exists() => "–".to_string(),
                Ok(of_file) => {
                    let shown = cell(&of_file, &["golden logits"]);
                    checks.extend(of_file);
                    shown
                }
                Err(reason) => {
                    refused.push(format!("{name}.gguf: {reason}"));
                    "**refused**".to_string()
                }
            });
        }
        println!("| {} |", row.join(" | "));
        failed += checks.iter().filter(|c| c.grade == Grade::Failed).count();
    }
    let n = folders.len();
    println!(
        "\n{n} models, {failed} failed checks. At most 2e-4: absolute beside golden tensors, else of a row's largest value"
    );
    for reason in &refused {
        println!("\nrefused: {reason}");
    }
    if failed + refused.len() == 0 {
        Ok(())
    } else {
        Err(format!("{failed} checks failed, {} files refused", refused.len()).into())
    }
}

fn open(path: &Path) -> Result<Model, Box<dyn Error>> {
    Ok(Loaded::open(path, &LoadOptions::default())?.model)
}

/// The golden checks of a GGUF file.
fn from_gguf(file: &Path, folder: &Path) -> Result<Vec<Check>, Box<dyn Error>> {
    let model = open(file)?;
    Ok(Golden::read(folder, &model)?.compare(&model)?)
}

/// The largest difference of some checks, in bold if one failed; `=` where tokens are equal.
fn cell(checks: &[Check], names: &[&str]) -> String {
    let found: Vec<&Check> = checks.iter().filter(|c| names.contains(&c.name)).collect();
    let largest = found.iter().filter_map(|c| c.relative()).reduce(f32::max);
    let failed = found.iter().any(|c| c.grade == Grade::Failed);
    match (found.is_empty(), failed, largest) {
        (true, ..) => "–".to_string(),
        (_, false, Some(largest)) => short(largest),
        (_, false, None) => "=".to_string(),
        (_, true, Some(largest)) => format!("**{}**", short(largest)),
        (_, true, None) => "**≠**".to_string(),
    }
}
