//! Fetching a wheel with the user's own pip, so that its index, proxy and credentials hold. The wheel is opened as a zip and
//! never installed; `--only-binary` sees to it that pip runs no build script of a source package either, which even
//! `pip download` would.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::catalogue::PackageSpec;
use crate::error::Room;
use crate::progress::Step;
use crate::{HubError, Options};

/// Downloads the wheel of a package into the empty folder `into`.
pub(crate) fn download(
    package: &PackageSpec,
    into: &Path,
    room: Room<'_>,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    let wanted = package.requirement();
    let step = Step::begin(options.progress, &format!("pip download {wanted}"), None);
    let output = run_pip(&wanted, into, options, &step)?;
    if !output.status.success() {
        return Err(judge(wanted, &String::from_utf8_lossy(&output.stderr), room));
    }
    let wheels: Vec<PathBuf> = fs::read_dir(into)
        .map_err(HubError::io("read", into))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        other => {
            Err(HubError::PipFailed { package: wanted, said: format!("it left {} wheels instead of one", other.len()) })
        }
    }
}

impl PackageSpec {
    /// `name==version`.
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// Runs the first pip that is there.
fn run_pip(wanted: &str, into: &Path, options: &Options<'_>, step: &Step<'_>) -> Result<Output, HubError> {
    let known: [&[&str]; 4] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
    let commands: Vec<Vec<OsString>> = match &options.pip {
        Some(pip) => vec![vec![pip.clone()]],
        None => known.iter().map(|words| words.iter().map(OsString::from).collect()).collect(),
    };
    // pip downloads to the system's temporary folder first, which is often too small for a model.
    let workshop = into.join("tmp");
    fs::create_dir(&workshop).map_err(HubError::io("create", &workshop))?;
    for command in &commands {
        let child = Command::new(&command[0])
            .args(&command[1..])
            .args(["download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-cache-dir"])
            .args(["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--dest"])
            .arg(into)
            .arg(wanted)
            .env("TMPDIR", &workshop)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        match child.and_then(|child| watch(child, &workshop, step)) {
            Ok(output) if is_missing(&output) => {}
            Ok(output) => return Ok(output),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
            Err(e) => return Err(HubError::io("run", Path::new(&command[0]))(e)),
        }
    }
    let tried: Vec<String> = commands.iter().map(|words| words.join(OsStr::new(" ")).display().to_string()).collect();
    Err(HubError::PipMissing { tried: tried.join(", ") })
}

/// Waits for pip and reports what has arrived in its temporary folder: not every version of pip tells its progress.
fn watch(child: Child, workshop: &Path, step: &Step<'_>) -> io::Result<Output> {
    let waiter = thread::spawn(move || child.wait_with_output());
    let mut seen = 0;
    while !waiter.is_finished() {
        let now = length_below(workshop);
        step.advance(now.saturating_sub(seen));
        seen = seen.max(now);
        thread::sleep(Duration::from_millis(50));
    }
    waiter.join().expect("the waiting thread only waits")
}

/// Bytes of all files below a folder.
fn length_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let length = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => length_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(length).sum()
}

/// A Python without pip, or a version manager's shim for a command that is not installed.
fn is_missing(output: &Output) -> bool {
    let no_module = String::from_utf8_lossy(&output.stderr).contains("No module named pip");
    !output.status.success() && (no_module || output.status.code() == Some(127))
}

/// What pip's complaint means: pip has no machine-readable errors. With no network pip ends
/// in "no matching version (from versions: none)", so the signs of a lost connection come first.
fn judge(package: String, stderr: &str, room: Room<'_>) -> HubError {
    const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
    // The most telling first: the error text quotes from there.
    const NO_NETWORK: [&str; 14] = [
        "Failed to establish a new connection",
        "Failed to resolve",
        "Failed to connect",
        "NameResolutionError",
        "NewConnectionError",
        "name resolution",
        "Name or service not known",
        "Network is unreachable",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyError",
        "SSLError",
        "Connection aborted",
        "timed out",
    ];
    const NO_VERSION: [&str; 2] = ["Could not find a version that satisfies", "No matching distribution found"];
    let has = |signs: &[&str]| signs.iter().any(|sign| stderr.contains(sign));
    let other_versions = stderr.contains("(from versions:") && !stderr.contains("(from versions: none)");
    let said = last_words(stderr);
    if has(&NO_ROOM) {
        room.full()
    } else if has(&NO_NETWORK) && !other_versions {
        HubError::PipNoNetwork { package, said: connection_words(stderr, &NO_NETWORK).unwrap_or(said) }
    } else if has(&NO_VERSION) {
        HubError::PackageNotFound { package, said }
    } else {
        HubError::PipFailed { package, said }
    }
}

/// The last line that pip marks as an error, or else the last line.
fn last_words(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line =
        lines().rfind(|line| line.starts_with("ERROR:")).or_else(|| lines().next_back()).unwrap_or("it said nothing");
    shorten(line.trim_start_matches("ERROR:").trim())
}

/// The most telling words of the first line with such a sign, up to the quote that ends them.
fn connection_words(stderr: &str, signs: &[&str]) -> Option<String> {
    let line = stderr.lines().find(|line| signs.iter().any(|sign| line.contains(sign)))?;
    let start = signs.iter().find_map(|sign| line.find(sign))?;
    let words = line[start..].split(['\'', '"']).next()?;
    Some(shorten(words.trim_end_matches(|c: char| !c.is_alphanumeric())))
}

fn shorten(line: &str) -> String {
    const LONGEST: usize = 200;
    let line = line.trim_end_matches('.');
    if line.chars().count() <= LONGEST {
        line.to_owned()
    } else {
        line.chars().take(LONGEST).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(stderr: &str) -> HubError {
        judge("big==1.0".into(), stderr, Room { folder: Path::new("cache"), bytes: 7, variable: "STEERCHECK_CACHE" })
    }

    #[test]
    fn a_lost_connection_is_not_taken_for_a_missing_version() {
        let lost = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<urllib3.connection>: \
                    Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/big/\n\
                    ERROR: Could not find a version that satisfies the requirement big==1.0 (from versions: none)\n\
                    ERROR: No matching distribution found for big==1.0\n";
        let quoted = "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution";
        assert!(matches!(judged(lost), HubError::PipNoNetwork { said, .. } if said == quoted));
        let passing = lost.replace("versions: none", "versions: 0.9");
        assert!(matches!(judged(&passing), HubError::PackageNotFound { .. }));
    }

    #[test]
    fn each_complaint_of_pip_has_its_own_error() {
        let absent = "ERROR: No matching distribution found for big==1.0\n";
        assert_eq!(
            judged(absent).to_string(),
            "pip's package index has no wheel of big==1.0 (No matching distribution found for big==1.0): \
             if pip is configured for a mirror, let it serve this package"
        );
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n";
        assert!(matches!(judged(full), HubError::DiskFull { bytes: 7, .. }));
        assert!(
            matches!(judged("ERROR: something new\n"), HubError::PipFailed { said, .. } if said == "something new")
        );
        assert!(matches!(judged(""), HubError::PipFailed { said, .. } if said == "it said nothing"));
    }
}
