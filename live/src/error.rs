//! What can go wrong, in words that say where and how to mend it, and the exit code of each.

use std::io;
use std::path::{Path, PathBuf};

use swarm_core::audit::BadLog;
use swarm_policy::capsule::CapsuleError;
use swarm_ports::jobs::GatherError;
use swarm_ports::recipes::PlanError;
use swarm_ports::store::StoreError;

/// How the process ends; the numbers are the project's (ARCHITECTURE: Exit codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every need was closed and settled.
    Held = 0,
    /// Two nodes disagree about what was agreed.
    Violated = 1,
    /// A need did not end, or not well.
    NoLiveness = 3,
    /// The command line is wrong.
    Usage = 64,
    /// An input file is.
    BadInput = 65,
    /// A file, a folder or a lock cannot be had.
    Unavailable = 69,
    /// A mistake in this program.
    Internal = 70,
    /// Something that was acknowledged is gone.
    DataLoss = 75,
    /// Interrupted; what was done is safe and can be gone on with.
    Interrupted = 130,
}

/// Why the command did not do what it should.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LiveError {
    /// The needs file has mistakes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Needs(#[from] swarm_scenarios::Failure),
    /// There is no input.
    #[error(transparent)]
    Input(#[from] GatherError),
    /// A need cannot be planned.
    #[error("need {line} cannot be planned: {why}")]
    #[diagnostic(help("change its recipe, its parts or its budget"))]
    Plan {
        /// Which need, from 1.
        line: usize,
        /// Why.
        why: PlanError,
    },
    /// A need asks for more than the rules allow.
    #[error("need {line}: {what}")]
    #[diagnostic(help("lower it, or raise the need's class"))]
    Refused {
        /// Which need, from 1.
        line: usize,
        /// What is too much.
        what: String,
    },
    /// The needs call for more kinds of work than a manifest can name.
    #[error("{kinds} kinds of work; a worker can offer {max}")]
    #[diagnostic(help("cut the inputs into the same number of parts more often"))]
    TooManyKinds {
        /// How many.
        kinds: usize,
        /// The bound.
        max: usize,
    },
    /// The policy is none.
    #[error("{}: is no policy: {why}", path.display())]
    #[diagnostic(help("`swarm-sim policy test` says more; `policy build` makes one"))]
    Policy {
        /// The capsule's file.
        path: PathBuf,
        /// Why.
        why: CapsuleError,
    },
    /// The folder belongs to something else.
    #[error("{}: holds {found}, which no swarm put there", path.display())]
    #[diagnostic(help("name a new or empty folder"))]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// A name in it.
        found: String,
    },
    /// The folder was begun for another job.
    #[error("{}: was begun with another {what}", path.display())]
    #[diagnostic(help("go on with what it was begun with, or name a new folder"))]
    OtherJob {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The folder is of another version.
    #[error("{}: format {found}; this version reads and writes format {wanted}", path.display())]
    #[diagnostic(help("use the version that wrote it, or name a new folder"))]
    WrongVersion {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format here.
        wanted: u32,
    },
    /// A file in it is damaged.
    #[error("{}: {what}", path.display())]
    #[diagnostic(help("restore the file from a copy, or name a new folder"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An audit log is damaged.
    #[error("{}, {bad}", path.display())]
    #[diagnostic(help("no crash does this: restore the file from a copy, or name a new folder"))]
    Log {
        /// The log.
        path: PathBuf,
        /// The first bad line.
        bad: BadLog,
    },
    /// Something that was acknowledged is gone.
    #[error("{}: {what}", path.display())]
    #[diagnostic(help("DATA LOSS: do not go on with this folder; restore it from a copy"))]
    DataLoss {
        /// Where.
        path: PathBuf,
        /// What is gone.
        what: String,
    },
    /// One of the stores.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be read or written.
    #[error("{}: cannot be {verb}: {why}", path.display())]
    #[diagnostic(help("check the path, its owner and the room on the disk"))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// What the system says.
        why: io::Error,
    },
    /// The system would not do something else.
    #[error("{what}: {why}")]
    System {
        /// What.
        what: &'static str,
        /// What the system says.
        why: io::Error,
    },
}

impl LiveError {
    /// The exit code it ends the process with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Needs(_)
            | Self::Input(_)
            | Self::Plan { .. }
            | Self::Refused { .. }
            | Self::TooManyKinds { .. }
            | Self::Policy { .. }
            | Self::NotOurs { .. }
            | Self::OtherJob { .. }
            | Self::WrongVersion { .. }
            | Self::Damaged { .. }
            | Self::Log { .. } => Exit::BadInput,
            Self::DataLoss { .. } => Exit::DataLoss,
            Self::Store(StoreError::Corrupt { .. } | StoreError::CorruptArtifact { .. }) => Exit::DataLoss,
            Self::Store(StoreError::WrongVersion { .. }) => Exit::BadInput,
            Self::Store(_) | Self::File { .. } | Self::System { .. } => Exit::Unavailable,
        }
    }
}

pub(crate) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> LiveError {
    move |why| LiveError::File { path: path.to_owned(), verb: "written", why }
}

pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LiveError {
    move |why| LiveError::File { path: path.to_owned(), verb: "read", why }
}
