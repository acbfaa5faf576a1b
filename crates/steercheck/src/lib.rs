//! The command line: parses, wires, prints. Everything it does can be called twice in one process.

mod arguments;
mod check;
mod cost;
mod device;
mod error;
mod loading;
mod machine;
mod models;
mod progress;
mod report;
mod study;
mod tables;
mod verify;

pub use arguments::Arguments;
pub use error::CliError;

use arguments::{Command, ModelsCommand};

/// Runs a parsed command line.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Check(options) => check::run(options),
        Command::Models(ModelsCommand::List(options)) => models::list(options),
        Command::Models(ModelsCommand::Get(options)) => models::get(options),
        Command::Models(ModelsCommand::Verify(options)) => verify::run(options),
    }
}
