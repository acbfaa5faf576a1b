//! `steercheck study submit`: a job array of Slurm, a part of the study in each task.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use steercheck_eval::record::{About, check_folder};
use steercheck_eval::store::Store;
use steercheck_eval::study::{Slurm, Study};

use super::{all_units, label, plain_name};
use crate::arguments::StudySubmitOptions;
use crate::error::CliError;
use crate::models::print;

/// Parts of a study that does not say how many.
const PARTS: usize = 16;

/// An array that was submitted, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submitted {
    /// Slurm's number of the array.
    pub(super) job: String,
    /// Its tasks.
    pub(super) parts: usize,
}

/// Runs the command.
pub(super) fn run(options: &StudySubmitOptions) -> Result<(), CliError> {
    let mut study = Study::load(&options.file, options.data.as_deref())?;
    if let Some(partition) = &options.partition {
        study.slurm.partition = Some(partition.clone());
    }
    let cells = all_units(&study).len();
    let parts = options.parts.or(study.slurm.shards).unwrap_or(PARTS).clamp(1, cells.max(1));
    check_folder(&options.store)?;
    let store = Store::open(&options.store)?;
    let failed = |what: &Path, e: std::io::Error| CliError::Usage(format!("cannot write {}: {e}", what.display()));
    let folder = store.root().join("slurm");
    std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let absolute = |path: &Path| path.canonicalize().map_err(|e| failed(path, e));
    let program = std::env::current_exe().map_err(|e| failed(Path::new("the program's own path"), e))?;
    let text = script(&Script {
        study: &study,
        program: &program,
        file: &absolute(&options.file)?,
        data: options.data.as_deref().map(absolute).transpose()?.as_deref(),
        store: &absolute(store.root())?,
        parts,
    });
    let path = folder.join(format!("{}.sh", label(&study)));
    std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
    if options.dry_run {
        return print(&format!(
            "{}\n{} parts; not submitted: `sbatch {}` does it\n",
            path.display(),
            parts,
            path.display()
        ));
    }
    let job = sbatch(&path)?;
    let submitted = Submitted { job: job.clone(), parts };
    let json = serde_json::to_string(&submitted).map_err(|e| CliError::Output(e.to_string()))?;
    let kept = submitted_file(store.root(), &study);
    std::fs::write(&kept, json + "\n").map_err(|e| failed(&kept, e))?;
    let (file, store) = (options.file.display(), options.store.display());
    print(&format!(
        "submitted as job {job}: {parts} parts of {cells} cells\n`steercheck study status {file} --store {store}` says how far it is\n"
    ))
}

/// Where a store keeps which array was submitted.
pub(super) fn submitted_file(store: &Path, study: &Study) -> PathBuf {
    store.join("slurm").join(format!("{}.json", label(study)))
}

/// The number that Slurm gives.
fn sbatch(script: &Path) -> Result<String, CliError> {
    let output = Command::new("sbatch").arg("--parsable").arg(script).output().map_err(|e| {
        CliError::Usage(format!(
            "sbatch cannot be run ({e}): submit on a machine of the cluster, or use --dry-run and `study run --shard`"
        ))
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    // With several clusters: number;cluster.
    let job = said.trim().split(';').next().unwrap_or_default().to_string();
    if !output.status.success() || job.is_empty() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(CliError::Usage(format!(
            "sbatch refuses {} ({}); correct the [slurm] table of the study",
            script.display(),
            error.trim().lines().last().unwrap_or("it says nothing")
        )));
    }
    Ok(job)
}

/// What a script is made of.
struct Script<'a> {
    study: &'a Study,
    program: &'a Path,
    file: &'a Path,
    /// Where its task files are, if that was said.
    data: Option<&'a Path>,
    store: &'a Path,
    parts: usize,
}

fn script(of: &Script<'_>) -> String {
    let Script { study, program, file, data, store, parts } = of;
    let Slurm { partition, account, qos, time, mem, gres, cpus, throttle, setup, shards: _ } = &study.slurm;
    let throttle = throttle.map_or_else(String::new, |n| format!("%{n}"));
    let name = plain_name(study);
    let mut out =
        format!("#!/bin/sh\n# Written by {} for the study {name}: one part of {parts} per task.\n", About::program());
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "#SBATCH --{name}={value}");
        }
    };
    option("job-name", Some(format!("steercheck-{name}")));
    option("array", Some(format!("1-{parts}{throttle}")));
    option("output", Some(format!("{}/slurm/%A_%a.log", store.display())));
    option("partition", partition.clone());
    option("account", account.clone());
    option("qos", qos.clone());
    option("time", time.clone());
    option("mem", mem.clone());
    option("gres", gres.clone());
    option("cpus-per-task", cpus.map(|n| n.to_string()));
    out.push('\n');
    for line in setup {
        out.push_str(line);
        out.push('\n');
    }
    let [program, file, store] = [program, file, store].map(|path| quoted(&path.to_string_lossy()));
    let data = data.map_or_else(String::new, |data| format!(" --data {}", quoted(&data.to_string_lossy())));
    let _ =
        writeln!(out, "exec {program} study run {file}{data} --store {store} --shard \"$SLURM_ARRAY_TASK_ID/{parts}\"");
    out
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What Slurm says of an array: sentences, none where it cannot be asked.
pub(super) fn states(submitted: &Submitted) -> Vec<String> {
    let ask = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Submitted { job, parts } = submitted;
    let queued = ask("squeue", &["--noheader", "--array", "--jobs", job, "--format", "%K %T %R"]);
    let over = ask(
        "sacct",
        &["--noheader", "--parsable2", "--allocations", "--jobs", job, "--format", "JobID,State,ExitCode"],
    );
    let mut out = vec![format!("job {job} of {parts} parts")];
    for line in queued.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        out.push(format!("in the queue: part {line}"));
    }
    let ended = |line: &&str| !["RUNNING", "PENDING"].iter().any(|state| line.contains(state));
    for line in over.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty()).filter(ended) {
        out.push(format!("over: {}", line.replace('|', " ")));
    }
    if queued.is_none() && over.is_none() {
        out.push("neither squeue nor sacct answers here: ask on a machine of the cluster".into());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use steercheck_eval::study::Study;

    use super::{Script, quoted, script};

    #[test]
    fn the_script_has_a_line_per_option_and_quotes_its_paths() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b's.toml");
        let text = "models = [\"x\"]\n[tv]\ntasks = [\"antonym\"]\n[slurm]\npartition = \"long\"\ntime = \"01:00:00\"\nmem = \"8G\"\ncpus = 2\n\
                    throttle = 3\nsetup = [\"module load rust\"]\n";
        std::fs::write(&file, text).unwrap();
        let study = Study::load(&file, None).unwrap();
        let store = Path::new("/data/store");
        let made = script(&Script {
            study: &study,
            program: Path::new("/bin/steercheck"),
            file: &file,
            data: Some(Path::new("/data/tasks")),
            store,
            parts: 7,
        });
        let lines: Vec<&str> = made.lines().collect();
        for line in [
            "#SBATCH --array=1-7%3",
            "#SBATCH --partition=long",
            "#SBATCH --time=01:00:00",
            "#SBATCH --mem=8G",
            "#SBATCH --cpus-per-task=2",
            "#SBATCH --output=/data/store/slurm/%A_%a.log",
            "module load rust",
        ] {
            assert!(lines.contains(&line), "{line} is not in:\n{made}");
        }
        assert_eq!(lines[0], "#!/bin/sh");
        assert!(!made.contains("--gres"), "{made}");
        let last = lines.last().unwrap();
        assert!(
            last.starts_with("exec '/bin/steercheck' study run '")
                && last.contains(" --data '/data/tasks' --store '/data/store' ")
                && last.ends_with("--shard \"$SLURM_ARRAY_TASK_ID/7\""),
            "{last}"
        );
        assert!(last.contains("a b'\\''s.toml"), "{last}");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
