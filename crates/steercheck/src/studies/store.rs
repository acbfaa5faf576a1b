//! `steercheck store`.

use steercheck_eval::export::{ExportForm, tables, write};
use steercheck_eval::store::{Checked, Store};

use crate::arguments::{ExportName, StoreExportOptions, StoreOptions};
use crate::error::CliError;
use crate::models::print;
use crate::report::of_store::stored;
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

/// Writes a store's tables.
pub(super) fn export(options: &StoreExportOptions) -> Result<(), CliError> {
    let form = match options.format {
        ExportName::Parquet => ExportForm::Parquet,
        ExportName::Csv => ExportForm::Csv,
    };
    let out = options.out.clone().unwrap_or_else(|| options.folder.join("export"));
    let records = stored(&options.folder)?;
    let mut lines = Vec::new();
    for table in tables(&records)? {
        let path = write(&table, &out, form)?;
        lines.push(format!("{}: {} rows", path.display(), table.rows.len()));
    }
    print(&(lines.join("\n") + "\n"))
}
