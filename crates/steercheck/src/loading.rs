//! Opening a model as the command line asks for it.

use std::path::Path;

use steercheck_model::{Kernels, LoadOptions, Loaded, Precision};

use crate::arguments::{Dtype, Loading};
use crate::device;
use crate::error::CliError;
use crate::machine::usable_memory;

/// Opens a model that has been found.
pub(crate) fn open(path: &Path, asked: &Loading) -> Result<Loaded, CliError> {
    let options = LoadOptions {
        device: device::best(),
        precision: match asked.dtype {
            Dtype::Auto => Precision::Auto,
            Dtype::Stored => Precision::Stored,
            Dtype::F32 => Precision::F32,
        },
        kernels: if asked.integer_kernels { Kernels::Integer } else { Kernels::Float },
        memory: asked.memory.unwrap_or_else(usable_memory),
    };
    Ok(Loaded::open(path, &options)?)
}
