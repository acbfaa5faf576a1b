//! The command `steercheck`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = steercheck::Arguments::parse();
    match steercheck::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
