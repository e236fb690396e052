//! What can be wrong with what a command is given, in words that say where and how to mend it, and its exit code.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use swarm_policy::capsule::CapsuleError;

use crate::cli::code;
use crate::cli::policy::OPA_VERSION;
use crate::world::InputError;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CliError {
    /// Scenario files with mistakes.
    #[error("{}", counted(.0))]
    Scenarios(#[related] Vec<swarm_scenarios::Finding>),
    /// No scenario file among what was named.
    #[error("no scenario file in what was named: {}", listed(.0))]
    #[diagnostic(help("name .toml files, or folders that hold some"))]
    NoScenarios(Vec<PathBuf>),
    /// The real input.
    #[error(transparent)]
    #[diagnostic(help("{}", mend(source)))]
    Input {
        /// What is wrong with it.
        source: InputError,
    },
    /// A sweep is given an input.
    #[error("--input: a sweep works on made-up text, or it would not be the same everywhere")]
    #[diagnostic(help("leave it out, or work on your own files with `run --input`"))]
    SweepInput,
    /// A folder to write to that holds something.
    #[error("--out {}: the folder is not empty", .0.display())]
    #[diagnostic(help("name a new folder, or empty this one: nothing is ever overwritten"))]
    NotEmpty(PathBuf),
    /// A file to write to that is a folder, or the other way round.
    #[error("{}: {what}", path.display())]
    #[diagnostic(help("name another one"))]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot be written: {why}", path.display())]
    #[diagnostic(help(
        "check that the folder exists, who owns it, and the room on the disk; nothing was left half-written"
    ))]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {why}", path.display())]
    #[diagnostic(help("check the path and who may read it"))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Nothing to replay.
    #[error("{}: no audit log (*.jsonl) in this folder, nor in an `audit` folder below it", .0.display())]
    #[diagnostic(help("name a folder that `run --out` wrote, or one log"))]
    NoLogs(PathBuf),
    /// A run folder's manifest that cannot be used.
    #[error("{}: no manifest of a run: {what}", path.display())]
    #[diagnostic(help("replay the folder as `run --out` of this version left it, or one log of its `audit` folder"))]
    NoManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A policy that is refused.
    #[error("{}: {}: {why}", path.display(), why.as_str())]
    Capsule {
        /// The capsule or module.
        path: PathBuf,
        /// Why.
        why: Box<CapsuleError>,
    },
    /// A list of cases that is none.
    #[error("{}: cases that cannot be taken: {what}", path.display())]
    #[diagnostic(help(
        r#"write [{{"input": {{"gate": "ingress", ...}}, "decision": {{"allow": false, "reasons": ["role"]}}}}, ...]"#
    ))]
    NotCases {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A question to a policy that is not JSON.
    #[error("{}: not JSON: {what}", path.display())]
    #[diagnostic(help("give one JSON value"))]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A key file that holds no key.
    #[error("{}: no key", .0.display())]
    #[diagnostic(help("write 64 hexadecimal digits of good randomness into it, as `openssl rand -hex 32` gives them"))]
    NoKey(PathBuf),
    /// Others may read the key.
    #[error("{}: mode {mode:o} lets others at the key", path.display())]
    #[diagnostic(help("`chmod 600` it, or make a new one if others may have read it"))]
    OpenKey {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The compiler of policies is not there, or another one is.
    #[error("opa {} is needed to compile Rego: {why}", OPA_VERSION)]
    #[diagnostic(help(
        "go install github.com/open-policy-agent/opa@v{}, or set OPA to its path; to run policies it is not needed",
        OPA_VERSION
    ))]
    NoOpa {
        /// What came of calling it.
        why: String,
    },
    /// The compiler refuses the sources.
    #[error("opa refuses: {0}")]
    #[diagnostic(help("mend the policy where it says, and see that --entry names a rule of it"))]
    OpaSays(String),
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// No threads to run on.
    #[error("no threads for --jobs")]
    #[diagnostic(help("try a smaller number"))]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Ctrl-C could not be listened for.
    #[error("Ctrl-C cannot be listened for: {0}")]
    Signals(io::Error),
    /// Two reports would go into one file.
    #[error("{}: one file cannot hold two reports", .0.display())]
    #[diagnostic(help("name a file for each of --json, --junit and --markdown"))]
    OneFile(PathBuf),
    /// A report would take the place of what is swept.
    #[error("{}: is a scenario of this sweep; a report in its place would destroy it", .0.display())]
    #[diagnostic(help("name another file for the report"))]
    OverInput(PathBuf),
}

impl CliError {
    /// The exit code it ends the program with.
    pub const fn code(&self) -> u8 {
        match self {
            Self::NotEmpty(_)
            | Self::WrongKind { .. }
            | Self::SweepInput
            | Self::OneFile(_)
            | Self::OverInput(_)
            | Self::Input { source: InputError::Unused } => code::USAGE,
            Self::NoScenarios(_)
            | Self::Scenarios(_)
            | Self::Input { .. }
            | Self::Unreadable { .. }
            | Self::NoLogs(_)
            | Self::NoManifest { .. }
            | Self::Capsule { .. }
            | Self::NotCases { .. }
            | Self::NotJson { .. }
            | Self::NoKey(_)
            | Self::OpenKey { .. }
            | Self::OpaSays(_) => code::BAD_INPUT,
            Self::NoOpa { .. } | Self::Unwritable { .. } | Self::Output(_) | Self::Threads(_) | Self::Signals(_) => {
                code::UNAVAILABLE
            }
        }
    }

    /// The policy in `path` is refused.
    pub(crate) fn capsule(path: &Path) -> impl FnOnce(CapsuleError) -> Self {
        move |why| Self::Capsule { path: path.to_owned(), why: Box::new(why) }
    }

    /// `path` cannot be written.
    pub(crate) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::Unwritable { path: path.to_owned(), why }
    }

    /// `path` cannot be read.
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::Unreadable { path: path.to_owned(), why }
    }
}

fn counted(errors: &[swarm_scenarios::Finding]) -> String {
    let files: BTreeSet<&str> = errors.iter().map(|finding| finding.file.as_str()).collect();
    let files: Vec<&str> = files.into_iter().collect();
    format!("cannot be used: {}", files.join(", "))
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn mend(error: &InputError) -> &'static str {
    match error {
        InputError::Gather(_) => "name a file or a folder of files that can be read",
        InputError::Unused => "leave --input out, or give the scenario a needs file",
        InputError::Need { .. } => "change its recipe, its parts or its budget in the needs file",
        InputError::Policy { .. } => "name a capsule that `policy test` finds good",
        InputError::Genesis(_) => "change the setting in the scenario's [protocol] or [cluster]",
    }
}
