//! `swarm-live`: reads the command line, and turns every ending into its exit code.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
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
    let options = match cli.command {
        Command::Up(options) => options,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "swarm-live", &mut script);
            // A reader that has gone away is no news.
            let _ = std::io::stdout().write_all(&script);
            return ExitCode::SUCCESS;
        }
    };
    // Names with hyphens are there to be copied: lines break between words only. No hook was set before this one.
    let _ = miette::set_hook(Box::new(|_| {
        let whole = miette::MietteHandlerOpts::new().break_words(false);
        let whole = whole.word_separator(textwrap::WordSeparator::AsciiSpace);
        Box::new(whole.word_splitter(textwrap::WordSplitter::NoHyphenation).build())
    }));
    // The panic itself has been reported by then; it is our own mistake, never the input's.
    let exit = match catch_unwind(AssertUnwindSafe(|| up(&options))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            let exit = error.exit();
            // Whether anyone reads it changes nothing.
            let _ = writeln!(std::io::stderr(), "{:?}", miette::Report::new(error));
            exit
        }
        Err(_) => Exit::Internal,
    };
    ExitCode::from(exit as u8)
}
