//! Compares two result files, as `oracle.py compare` does: `compare_files GOLDEN OTHER [--json]`, exit status 1 if they
//! disagree, 2 if they cannot be compared.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::{env, error::Error, path::Path};

use steercheck_oracle::table::{Lines, render};
use steercheck_oracle::{Tolerances, compare, tensors};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let [golden, other, rest @ ..] = arguments else {
        return Err("usage: compare_files GOLDEN OTHER [--json]".into());
    };
    let (golden, other) = (tensors::read(Path::new(golden))?, tensors::read(Path::new(other))?);
    let comparison = compare(&golden, &other, &Tolerances::default());
    if rest.iter().any(|option| option == "--json") {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        let lines = if std::io::stdout().is_terminal() { Lines::Utf8 } else { Lines::Ascii };
        print!("{}", render(&comparison, lines));
    }
    Ok(comparison.agrees())
}
