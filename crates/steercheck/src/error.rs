//! Errors of the command line and their exit codes.

use std::process::ExitCode;

use steercheck_eval::EvalError;
use steercheck_eval::card::CardError;
use steercheck_eval::task::TaskError;
use steercheck_hub::HubError;
use steercheck_model::ModelError;
use thiserror::Error;

/// What ends a command early. The text is what the user sees.
#[derive(Debug, Error)]
pub enum CliError {
    /// A model could not be found or fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A model could not be loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An evaluation failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Records make no card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A task could not be read.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A model is not what it should be.
    #[error("{0}")]
    Conformance(String),
    /// Options that do not go together or name nothing.
    #[error("{0}")]
    Usage(String),
    /// A study is not complete.
    #[error("{0}")]
    Incomplete(String),
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    Output(String),
}

impl CliError {
    /// 1 where a run failed or a result could not be kept, 2 where the input or the options are at fault.
    pub fn exit_code(&self) -> ExitCode {
        let ran = |e: &ModelError| {
            matches!(e, ModelError::EditDidNotFire { .. } | ModelError::NotFinite { .. } | ModelError::Engine(_))
        };
        let failed = match self {
            Self::Model(e) | Self::Eval(EvalError::Model(e)) => ran(e),
            Self::Eval(EvalError::ZeroChanged { .. } | EvalError::Write { .. })
            | Self::Output(_)
            | Self::Card(_)
            | Self::Conformance(_)
            | Self::Incomplete(_) => true,
            _ => false,
        };
        ExitCode::from(if failed { 1 } else { 2 })
    }
}
