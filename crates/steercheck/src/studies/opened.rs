//! A model of a study, opened as the study says.

use std::time::Duration;

use steercheck_eval::side_effects::NeutralText;
use steercheck_eval::study::{self, Study};
use steercheck_model::{Loaded, Model, Tokenizer};

use crate::arguments::{Dtype, Loading};
use crate::error::CliError;
use crate::machine::parse_bytes;
use crate::{loading, models};

/// What cells are prepared and run with.
pub(super) struct Opened {
    pub(super) model: Model,
    pub(super) tokenizer: Tokenizer,
    /// None where the study leaves side effects out.
    pub(super) neutral: Option<NeutralText>,
    pub(super) memory: u64,
    /// What reading the files once has taken.
    pub(super) reading: Duration,
}

/// The study's limits and choices as the command line has them.
pub(super) fn loading(study: &Study) -> Result<Loading, CliError> {
    let memory = study.limits.memory.as_deref().map(parse_bytes).transpose();
    Ok(Loading {
        dtype: match study.load.dtype {
            study::Dtype::Auto => Dtype::Auto,
            study::Dtype::Stored => Dtype::Stored,
            study::Dtype::F32 => Dtype::F32,
        },
        memory: memory.map_err(|e| CliError::Usage(format!("{}: limits, memory: {e}", study.name)))?,
        integer_kernels: study.load.integer_kernels,
        accept_licence: study.load.accept_licence,
    })
}

impl Opened {
    /// Finds a model, downloading it if need be, and opens it.
    pub(super) fn open(study: &Study, name: &str) -> Result<Self, CliError> {
        let loading = loading(study)?;
        let found = models::find(Some(name), loading.accept_licence, false)?;
        let memory = loading::memory(&loading);
        let Loaded { model, tokenizer, reading } = loading::open(&found, &loading, memory)?;
        let tokenizer = match study.load.bos {
            None => tokenizer?,
            Some(bos) => tokenizer?.with_bos(bos == study::OnOff::On)?,
        };
        let neutral = if study.side_effects { Some(NeutralText::new(&tokenizer, &model.spec)?) } else { None };
        Ok(Self { model, tokenizer, neutral, memory, reading })
    }
}
