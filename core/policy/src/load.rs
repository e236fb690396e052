//! Why a module is refused before it ever judges anything.

use alloc::string::String;
use core::fmt;

use crate::builtins::Refusal;
use crate::caps::{BadCaps, Caps};

/// Why a module is not loaded. Each says where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A cap out of its bounds.
    BadCaps(BadCaps),
    /// Longer than [`Caps::MODULE_BYTES_MAX`].
    Oversize {
        /// Its length.
        bytes: usize,
    },
    /// Not the bytes of a WebAssembly module.
    NotAModule,
    /// A module that does not validate, or uses more of WebAssembly than OPA does.
    InvalidModule {
        /// What the validator says.
        detail: String,
    },
    /// It wants from its host what no host of policies gives.
    ForeignImport {
        /// Module and name of the import.
        name: String,
    },
    /// An import or export of OPA's with another type than OPA's.
    WrongType {
        /// Its name.
        name: String,
    },
    /// It lacks what a module of OPA exports.
    MissingExport {
        /// Its name.
        name: &'static str,
    },
    /// Compiled for another version of OPA's interface.
    AbiVersion {
        /// What it says of itself, major and minor.
        found: (i32, i32),
    },
    /// It starts with more memory than the cap.
    OverMemory {
        /// Pages it starts with.
        pages: u64,
        /// The cap.
        cap: u32,
    },
    /// Its start function, or one that lists what it has, failed.
    StartFailed {
        /// How.
        detail: String,
    },
    /// The list of its builtins or of its entry points is not such a list.
    MalformedList {
        /// Which.
        name: &'static str,
    },
    /// It has no entry point at all.
    NoEntryPoint,
    /// It lacks this entry point.
    MissingEntryPoint {
        /// Its name.
        name: String,
    },
    /// A builtin whose answer does not depend on its arguments alone.
    ImpureBuiltin {
        /// Its name.
        name: String,
        /// What else it depends on.
        on: &'static str,
    },
    /// A builtin of OPA that is not provided here.
    UnsupportedBuiltin {
        /// Its name.
        name: String,
        /// Why not.
        because: &'static str,
    },
    /// A builtin that OPA does not have either.
    UnknownBuiltin {
        /// Its name.
        name: String,
    },
}

impl LoadError {
    /// Its name in logs and counters.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::BadCaps(_) => "bad-caps",
            Self::Oversize { .. } => "oversize",
            Self::NotAModule => "not-a-module",
            Self::InvalidModule { .. } => "invalid-module",
            Self::ForeignImport { .. } => "foreign-import",
            Self::WrongType { .. } => "wrong-type",
            Self::MissingExport { .. } => "missing-export",
            Self::AbiVersion { .. } => "abi-version",
            Self::OverMemory { .. } => "over-memory",
            Self::StartFailed { .. } => "start-failed",
            Self::MalformedList { .. } => "malformed-list",
            Self::NoEntryPoint => "no-entry-point",
            Self::MissingEntryPoint { .. } => "missing-entry-point",
            Self::ImpureBuiltin { .. } => "impure-builtin",
            Self::UnsupportedBuiltin { .. } => "unsupported-builtin",
            Self::UnknownBuiltin { .. } => "unknown-builtin",
        }
    }

    pub(crate) fn builtin(name: String, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Impure { on } => Self::ImpureBuiltin { name, on },
            Refusal::Unsupported { because } => Self::UnsupportedBuiltin { name, because },
            Refusal::Unknown => Self::UnknownBuiltin { name },
        }
    }
}

impl From<BadCaps> for LoadError {
    fn from(bad: BadCaps) -> Self {
        Self::BadCaps(bad)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built = "build it with `opa build -t wasm` of the pinned OPA";
        match self {
            Self::BadCaps(bad) => bad.fmt(f),
            Self::Oversize { bytes } => {
                write!(
                    f,
                    "the module has {bytes} bytes, at most {} are taken; split the policy",
                    Caps::MODULE_BYTES_MAX
                )
            }
            Self::NotAModule => write!(f, "these bytes are not a WebAssembly module; {built}"),
            Self::InvalidModule { detail } => write!(f, "the module does not validate: {detail}; {built}"),
            Self::ForeignImport { name } => {
                write!(f, "the module imports {name}, which no policy may have; {built}, and link nothing to it")
            }
            Self::WrongType { name } => write!(f, "{name} has not the type it has in a module of OPA; {built}"),
            Self::MissingExport { name } => write!(f, "the module does not export {name}; {built}"),
            Self::AbiVersion { found: (major, minor) } => {
                write!(
                    f,
                    "the module speaks version {major}.{minor} of OPA's interface, known is 1.1 and later 1.x; {built}"
                )
            }
            Self::OverMemory { pages, cap } => write!(
                f,
                "the module starts with {pages} pages of memory and the cap is {cap}; raise memory_pages, or shorten its tables"
            ),
            Self::StartFailed { detail } => write!(
                f,
                "the module failed before it was asked anything: {detail}; raise the gas or memory cap if it ran out, or {built}"
            ),
            Self::MalformedList { name } => write!(f, "{name}() does not list names and numbers; {built}"),
            Self::NoEntryPoint => {
                f.write_str("the module has no entry point; name one with `opa build -e package/rule`")
            }
            Self::MissingEntryPoint { name } => {
                write!(f, "the module has no entry point {name}; name it with `opa build -e {name}`")
            }
            Self::ImpureBuiltin { name, on } => {
                write!(
                    f,
                    "the policy calls {name}, whose answer depends on {on}; pass what it needs in the input instead"
                )
            }
            Self::UnsupportedBuiltin { name, because } => {
                write!(f, "the policy calls {name}, which is not provided: {because}; write the rule without it")
            }
            Self::UnknownBuiltin { name } => write!(f, "the policy calls {name}, which OPA does not have; {built}"),
        }
    }
}

impl core::error::Error for LoadError {}
