//! Gets a model by path, catalogue name or hub id, and prints where it is:
//! `cargo run -p steercheck-hub --example get_model -- smollm2-135m-instruct [--accept-licence]`

use std::cell::Cell;
use std::process::ExitCode;

use steercheck_hub::{Catalogue, HubError, Options, Progress, resolve};

/// One line for each step, and its bytes when it ends.
#[derive(Default)]
struct Lines(Cell<u64>);

impl Progress for Lines {
    fn start(&self, what: &str, total: Option<u64>) {
        let length = total.map(|bytes| format!(" ({bytes} bytes)")).unwrap_or_default();
        eprintln!("{what}{length}");
        self.0.set(0);
    }

    fn advance(&self, bytes: u64) {
        self.0.set(self.0.get() + bytes);
    }

    fn finish(&self) {
        eprintln!("  {} bytes", self.0.get());
    }
}

fn run() -> Result<(), HubError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = arguments.iter().find(|argument| !argument.starts_with("--"));
    let lines = Lines::default();
    let options = Options {
        accept_licence: arguments.iter().any(|argument| argument == "--accept-licence"),
        progress: &lines,
        ..Options::from_env()?
    };
    let found = resolve(asked.unwrap_or(&Catalogue::builtin().default), &options)?;
    println!("{}\t{}\t{:?}", found.name, found.path.display(), found.source);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
