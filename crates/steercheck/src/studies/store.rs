//! `steercheck store`.

use steercheck_eval::store::{Checked, Store};

use crate::arguments::StoreOptions;
use crate::error::CliError;
use crate::models::print;
use crate::tables::wrapped;

/// Checks every file of a store.
pub(super) fn verify(options: &StoreOptions) -> Result<(), CliError> {
    let folder = options.folder.display();
    if !options.folder.join("records").is_dir() {
        return Err(CliError::Usage(format!(
            "there are no records in {folder}; give the folder of a study or of a check"
        )));
    }
    let Checked { records, artefacts, leftovers, problems } = Store::open(&options.folder)?.verify();
    let mut lines = vec![format!("{folder}: {records} records and {artefacts} artefacts are whole")];
    if leftovers > 0 {
        lines.push(format!(
            "{leftovers} files under temporary names are left of stopped processes; they may be deleted"
        ));
    }
    lines.extend(problems.iter().map(|p| wrapped(&format!("{}: {}", p.file, p.what), 2)));
    print(&(lines.join("\n") + "\n"))?;
    match problems.len() {
        0 => Ok(()),
        n => Err(CliError::Incomplete(format!(
            "{n} files of {folder} are not as they should be; delete them and run the study again"
        ))),
    }
}
