//! Logs of what a run does, on standard error, for those who ask.

use tracing_subscriber::EnvFilter;

use crate::error::CliError;

/// Where a filter is taken from if the command line has none.
const VARIABLE: &str = "STEERCHECK_LOG";

/// Turns logs on as asked by `--log` or the environment; without either there are none.
pub(crate) fn start(asked: Option<&str>) -> Result<(), CliError> {
    let from_environment = || std::env::var(VARIABLE).ok().filter(|filter| !filter.is_empty());
    let Some(filter) = asked.map(str::to_string).or_else(from_environment) else { return Ok(()) };
    let filter = EnvFilter::try_new(&filter).map_err(|e| {
        CliError::Usage(format!("'{filter}' is no filter of logs ({e}); write warn, info, debug, or steercheck=debug"))
    })?;
    // A process that runs several commands keeps the first one's.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
    Ok(())
}
