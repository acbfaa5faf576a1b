//! The command `steercheck-oracle`.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use steercheck_oracle::table::Lines;
use steercheck_oracle::{Arguments, Report, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shared = env::var_os("STEERCHECK_SHARED").map(PathBuf::from);
    let reports = match run(&arguments, shared.as_deref()) {
        Ok(reports) => reports,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let lines = if io::stdout().is_terminal() { Lines::Utf8 } else { Lines::Ascii };
    let mut output = if arguments.json { Report::json(&reports) } else { String::new() };
    for report in &reports {
        match report.text(lines) {
            Err(error) => eprintln!("error: {error}"),
            Ok(table) if !arguments.json => output += &table,
            Ok(_) => {}
        }
    }
    match io::stdout().write_all(output.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the output: {error}");
            return ExitCode::from(2);
        }
        _ => {}
    }
    ExitCode::from(reports.iter().map(Report::exit_status).max().unwrap_or(0))
}
