//! The command line: parses, wires, prints. Everything it does can be called twice in one process.

mod arguments;
mod bench;
mod check;
mod cost;
mod device;
mod error;
mod examine;
mod explain;
mod generate;
mod lens;
mod loading;
mod logging;
mod machine;
mod models;
mod progress;
mod published;
mod report;
mod sources;
mod studies;
mod study_models;
mod tables;
mod vector;
mod verify;

pub use arguments::Arguments;
pub use error::CliError;

use arguments::{BenchCommand, Command, ModelsCommand, VectorCommand};

/// Runs a parsed command line.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    logging::start(arguments.log())?;
    match &arguments.command {
        Command::Check(options) => check::run(options),
        Command::Models(ModelsCommand::List(options)) => models::list(options),
        Command::Models(ModelsCommand::Get(options)) => models::get(options),
        Command::Models(ModelsCommand::Verify(options)) => verify::run(options),
        Command::Lens(options) => lens::run(options),
        Command::Generate(options) => generate::run(options),
        Command::Vector(VectorCommand::Make(options)) => vector::make(options),
        Command::Vector(VectorCommand::Show(options)) => vector::show(options),
        Command::Vector(VectorCommand::Export(options)) => vector::export(options),
        Command::Study(command) => studies::study(command),
        Command::Published(options) => published::run(options),
        Command::Report(options) => report::of_store::run(options),
        Command::Store(command) => studies::of_store(command),
        Command::Bench(BenchCommand::Fv(options)) => bench::function_vector(options),
        Command::Bench(BenchCommand::Dola(options)) => bench::dola(options),
    }
}
