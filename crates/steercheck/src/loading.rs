//! Opening a model as the command line asks for it.

use steercheck_hub::Resolved;
use steercheck_model::{Kernels, LoadOptions, Loaded, Precision};

use crate::arguments::{Dtype, Loading};
use crate::device;
use crate::error::CliError;
use crate::machine::usable_memory;

/// Bytes that a run may take.
pub(crate) fn memory(asked: &Loading) -> u64 {
    asked.memory.unwrap_or_else(usable_memory)
}

/// Opens a model that has been found. It is called by its short name: a snapshot of the hub lies in a folder named after a commit.
pub(crate) fn open(found: &Resolved, asked: &Loading, memory: u64) -> Result<Loaded, CliError> {
    let options = LoadOptions {
        device: device::best(),
        precision: match asked.dtype {
            Dtype::Auto => Precision::Auto,
            Dtype::Stored => Precision::Stored,
            Dtype::F32 => Precision::F32,
        },
        kernels: if asked.integer_kernels { Kernels::Integer } else { Kernels::Float },
        memory,
    };
    let mut loaded = Loaded::open(&found.path, &options)?;
    loaded.model.info.name.clone_from(&found.name);
    if options.kernels == Kernels::Integer && loaded.model.info.kernels == Kernels::Float {
        let types: Vec<&str> = loaded.model.info.stored_types.keys().map(String::as_str).collect();
        let reason = "--integer-kernels multiplies K-quants, and this file holds none";
        return Err(CliError::Usage(format!("{reason} ({}); leave the option out", types.join(", "))));
    }
    Ok(loaded)
}
