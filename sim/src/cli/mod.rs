//! The command line of `swarm-sim`: from arguments to an exit code (ARCHITECTURE: Exit codes).
//!
//! One file per command; the rest are their parts. What must never happen here: a verdict that the reports do not hold, a
//! file left half-written, a panic or a raw error shown to the user.

#![deny(clippy::print_stderr, clippy::print_stdout)]

/// Says something beside the report, on standard error. Whether anyone reads it changes nothing.
macro_rules! tell {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod again;
mod args;
mod determinism;
mod error;
mod files;
mod folder;
mod interrupt;
mod lint;
mod manifest;
mod mutants;
mod panics;
mod policy;
mod pool;
mod progress;
mod replay;
mod run;
mod scenarios;
mod schema;
mod seeds;
mod sweep;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use files::LateFile;
use miette::Report;

pub use args::{
    Cli, Command, CompletionsArgs, Format, LintArgs, MutantsArgs, PolicyArgs, ReplayArgs, RunArgs, SchemaArgs,
    SchemaOf, SweepArgs,
};
pub use error::CliError;
pub use seeds::{Seeds, SeedsError};

/// The exit codes that are no verdict of a run.
mod code {
    pub const USAGE: u8 = 64;
    pub const BAD_INPUT: u8 = 65;
    pub const UNAVAILABLE: u8 = 69;
    pub const INTERNAL: u8 = 70;
    pub const INTERRUPTED: u8 = 130;
}

/// The whole program.
pub fn main() -> ExitCode {
    panics::install();
    plain_words();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Help and version come as errors too; they are none. A reader that has gone away is no news either.
            let _ = asked.print();
            return ExitCode::from(if asked.use_stderr() { code::USAGE } else { 0 });
        }
    };
    let done = panics::guarded(|| interrupt::install().map_err(Report::from).and_then(|()| dispatch(cli.command)));
    ExitCode::from(match done {
        Ok(Ok(code)) => code,
        Ok(Err(report)) => {
            tell!("{report:?}");
            report.downcast_ref::<CliError>().map_or(code::INTERNAL, CliError::code)
        }
        Err(panic) => {
            tell!("{}", panics::line(&panic, &again::whole()));
            code::INTERNAL
        }
    })
}

/// Error reports break lines between words, never inside a name with hyphens: it is there to be copied.
fn plain_words() {
    // Only a hook set before this one could be in the way, and there is none.
    let _ = miette::set_hook(Box::new(|_| {
        let whole = miette::MietteHandlerOpts::new().break_words(false);
        let whole = whole.word_separator(textwrap::WordSeparator::AsciiSpace);
        Box::new(whole.word_splitter(textwrap::WordSplitter::NoHyphenation).build())
    }));
}

fn dispatch(command: Command) -> Result<u8, Report> {
    match command {
        Command::Run(args) => Ok(run::run(&args)?),
        Command::Sweep(args) => Ok(sweep::run(&args)?),
        Command::Replay(args) => Ok(replay::run(&args)?),
        Command::Lint(args) => Ok(lint::run(&args)?),
        Command::Mutants(args) => mutants::run(&args),
        Command::Policy(args) => Ok(policy::run(&args)?),
        Command::Schema(args) => Ok(schema::run(&args)?),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "swarm-sim", &mut script);
            Ok(say(&script).map(|()| 0)?)
        }
    }
}

/// Writes text for people.
type Say = fn(String) -> Result<(), CliError>;

/// Where text for people goes beside these reports: to standard output, or to standard error if one of them takes the former.
fn beside(reports: &[&Option<LateFile>]) -> Result<Say, CliError> {
    let mut taken = reports.iter().copied().flatten().filter(|file| file.is_output());
    match (taken.next(), taken.next()) {
        (None, _) => Ok(say),
        (Some(_), None) => Ok(|text| {
            // As of everything that goes there: that nobody reads it is no error.
            let _ = io::stderr().write_all(text.as_bytes());
            Ok(())
        }),
        (Some(_), Some(second)) => Err(CliError::OneFile(second.path().to_owned())),
    }
}

/// Writes to standard output. That nobody reads it (`| head`) is no error.
fn say(text: impl AsRef<[u8]>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}
