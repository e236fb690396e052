//! `swarm-live`: reads the command line, and turns every ending into its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use swarm_live::Exit;
use swarm_live::cli::{Cli, Command};
use swarm_live::up::up;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Whether the words arrive is no reason for another ending.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { Exit::Held } else { Exit::Usage } as u8);
        }
    };
    let Command::Up(options) = cli.command;
    // The panic itself has been reported by then; it is our own mistake, never the input's.
    let exit = match catch_unwind(AssertUnwindSafe(|| up(&options))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            let exit = error.exit();
            eprintln!("{:?}", miette::Report::new(error));
            exit
        }
        Err(_) => Exit::Internal,
    };
    ExitCode::from(exit as u8)
}
