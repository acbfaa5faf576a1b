//! Every fixture through every check, as one markdown table of families and largest differences: `conformance [FIXTURES [GGUFS]]`.
//! FIXTURES holds a folder per model with its golden tensors (default: those of the shared folder), GGUFS a file `FIXTURE.gguf` for
//! each that has one.

use std::collections::BTreeMap;
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

/// What the column of GGUF files shows.
const FROM_GGUF: [&str; 4] = ["golden hidden", "golden final_hidden", "golden attn_proj_in", "golden logits"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let given = arguments.next().or_else(|| Some(steercheck_testkit::shared()?.join("fixtures")));
    let fixtures = given.ok_or("give the folder of the fixtures")?;
    let ggufs = arguments.next();
    let entries = std::fs::read_dir(&fixtures)?.collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).collect();
    folders.retain(|folder| folder.join("golden.safetensors").exists());
    folders.sort();

    let mut families: BTreeMap<&'static str, Family> = BTreeMap::new();
    let mut refused = Vec::new();
    for folder in &folders {
        let model = open(folder)?;
        let family = families.entry(model.spec.family).or_default();
        family.models += 1;
        family.checks.extend(conformance::run(&model, Err("the fixtures have no tokenizer"), Extent::Full)?);
        family.checks.extend(Golden::read(folder, &model)?.compare(&model)?);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = ggufs.as_ref().map(|ggufs| ggufs.join(format!("{name}.gguf")));
        if let Some(file) = file.filter(|file| file.exists()) {
            match from_gguf(&file, folder) {
                // Of what the column shows: a file may hold at the golden length alone, and greedy ids go beyond.
                Ok(checks) => family.from_gguf.extend(checks.into_iter().filter(|c| FROM_GGUF.contains(&c.name))),
                Err(reason) => refused.push(format!("{name}.gguf: {reason}")),
            }
        }
    }
    print(&families);
    let checks = || families.values().flat_map(|f| f.checks.iter().chain(&f.from_gguf));
    let failed: Vec<&Check> = checks().filter(|c| c.grade == Grade::Failed).collect();
    println!(
        "\n{} models, {} checks, {} failed. At most 2e-4: absolute beside golden tensors, else of a row's largest value",
        folders.len(),
        checks().count(),
        failed.len()
    );
    for check in &failed {
        println!("\nfailed: {}: {}", check.name, check.detail);
    }
    for reason in &refused {
        println!("\nrefused: {reason}");
    }
    if failed.len() + refused.len() == 0 {
        Ok(())
    } else {
        Err(format!("{} checks failed, {} files refused", failed.len(), refused.len()).into())
    }
}

/// What was found out about the models of a family.
#[derive(Default)]
struct Family {
    models: usize,
    checks: Vec<Check>,
    from_gguf: Vec<Check>,
}

/// The table, a row for each family.
fn print(families: &BTreeMap<&'static str, Family>) {
    let mut head = vec!["family", "models"];
    head.extend(COLUMNS.map(|(title, _)| title));
    head.push("from GGUF");
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(head.len()));
    for (name, family) in families {
        let mut row = vec![(*name).to_string(), family.models.to_string()];
        row.extend(COLUMNS.map(|(_, names)| cell(&family.checks, names)));
        row.push(cell(&family.from_gguf, &FROM_GGUF));
        println!("| {} |", row.join(" | "));
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
