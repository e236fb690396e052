//! What is wrong with a file, where, and how to mend it. Every finding has a code that does not
//! change; its texts may. A finding without a place or without a mend must not exist.

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What kind of mistake a finding is; the names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kebab-case name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

codes! {
    /// An amount of credits is not a plain decimal string.
    BadAmount = "bad-amount",
    /// A duration cannot be read.
    BadDuration = "bad-duration",
    /// A name is not kebab-case.
    BadName = "bad-name",
    /// A target cannot be read.
    BadTarget = "bad-target",
    /// The requester cannot pay for its needs.
    BalanceTooSmall = "balance-too-small",
    /// The budget does not give each task a credit.
    BudgetTooSmall = "budget-too-small",
    /// A quorum is smaller than its target because the pool is small (warning).
    ClampedQuorum = "clamped-quorum",
    /// Two keys that exclude each other.
    ConflictingKeys = "conflicting-keys",
    /// Two things bear one name.
    DuplicateName = "duplicate-name",
    /// An even number of coordinators.
    EvenCoordinators = "even-coordinators",
    /// A fault begins or ends after the fault phase.
    FaultAfterEnd = "fault-after-end",
    /// The fee is above the cap of its class.
    FeeAboveCap = "fee-above-cap",
    /// Heartbeats are too rare for the lease.
    HeartbeatTooSlow = "heartbeat-too-slow",
    /// A committee cannot be seated under the caps.
    ImpossibleCommittee = "impossible-committee",
    /// A quorum can never be reached.
    ImpossibleQuorum = "impossible-quorum",
    /// A range whose greatest value is below its least.
    InvertedRange = "inverted-range",
    /// A capsule is none, or does not prove itself.
    BadCapsule = "bad-capsule",
    /// A capsule is not there, or cannot be read.
    MissingCapsule = "missing-capsule",
    /// Nothing here makes lying dearer than honesty (warning).
    LyingPays = "lying-pays",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// A key that this kind of fault does not take.
    MisplacedKey = "misplaced-key",
    /// The needs file is not there.
    MissingNeedsFile = "missing-needs-file",
    /// Some pairs of planner and worker leave too few verifiers for a committee (warning).
    NarrowCommittee = "narrow-committee",
    /// A setting that changes nothing (warning).
    NoEffect = "no-effect",
    /// A target that the cluster does not have.
    NoSuchTarget = "no-such-target",
    /// Nobody is left who could do it.
    NobodyLeft = "nobody-left",
    /// A number beyond its bounds.
    OutOfRange = "out-of-range",
    /// The phases are longer than the run may last.
    PastLimit = "past-limit",
    /// The settle phase is shorter than the windows that must end in it.
    SettleTooShort = "settle-too-short",
    /// The run would start out of bootstrap with a pool that is in it.
    StillBootstrap = "still-bootstrap",
    /// The file is not well-formed.
    Syntax = "syntax",
    /// The file is larger than the limit.
    TooLarge = "too-large",
    /// Faults may take more coordinators or verifiers out of work than a quorum can do without (warning).
    TooManyDown = "too-many-down",
    /// More coordinators lie than the cluster bears.
    TooManyLiars = "too-many-liars",
    /// A key that does not exist.
    UnknownKey = "unknown-key",
    /// A mark that does not exist.
    UnknownMark = "unknown-mark",
    /// A word that is not among those allowed.
    UnknownValue = "unknown-value",
    /// The file cannot be read, or is no text.
    Unreadable = "unreadable",
    /// Nothing would be checked.
    Vacuous = "vacuous",
    /// A value of another type.
    WrongType = "wrong-type",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// It can, but hardly as meant.
    Warning,
}

/// One mistake, its place and its mend. Prints best through `miette`.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of mistake.
    pub code: Code,
    /// How bad.
    pub level: Level,
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
    /// The place as bytes of the file.
    #[serde(skip)]
    span: Range<usize>,
    /// What is shown of the file.
    #[serde(skip)]
    text: Text,
}

/// A file with a longer line is not quoted in reports, only pointed into.
const SHOWN_LINE_BYTES_MAX: usize = 4_096;

/// The text of a file with its name, shared by its findings.
pub(crate) type Text = Arc<NamedSource<String>>;

/// A finding before its place is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub code: Code,
    pub level: Level,
    pub what: String,
    pub mend: String,
}

impl Draft {
    pub fn error(code: Code, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, level: Level::Error, what: what.into(), mend: mend.into() }
    }

    pub fn warning(code: Code, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, what, mend) }
    }

    /// The finding at a span of bytes; a span beyond the text, or inside a character, is cut back.
    pub fn at(self, text: &Text, span: Range<usize>) -> Finding {
        let all = text.inner();
        let start = floor(all, span.start);
        let end = floor(all, span.end).max(start);
        let before = &all[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Finding {
            code: self.code,
            level: self.level,
            file: plain(text.name()),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: plain(&self.what),
            mend: plain(&self.mend),
            span: start..end,
            text: shown(text),
        }
    }
}

/// Whether a terminal might obey it instead of showing it.
fn is_command(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t' | '\r')
}

/// A text in which what a terminal might obey is spelled out.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_command(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

/// A file's text as it is shown: every byte in its place, and nothing in it that a terminal might obey.
fn shown(text: &Text) -> Text {
    if !text.inner().contains(is_command) && !text.name().contains(is_command) {
        return Arc::clone(text);
    }
    // As many bytes as what it stands for.
    let stand_in = |c: char| match c.len_utf8() {
        _ if !is_command(c) => c,
        1 => '?',
        _ => '\u{bf}',
    };
    let safe: String = text.inner().chars().map(stand_in).collect();
    Arc::new(NamedSource::new(plain(text.name()), safe))
}

fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.level {
            Level::Error => Severity::Error,
            Level::Warning => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.mend))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let text = self.text.inner();
        // miette's renderer panics on columns above 2^16 (seen with a file of one long line).
        let fits = text.lines().all(|line| line.len() <= SHOWN_LINE_BYTES_MAX);
        (fits && !text.is_empty()).then_some(&*self.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some("here".into()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Findings of a level that are told of one file; who mends these sees the next.
const TOLD_MAX: usize = 100;

/// The first of `findings`, and how many more there are.
fn told(mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(TOLD_MAX);
    findings.truncate(TOLD_MAX);
    if let Some(last) = findings.last_mut().filter(|_| more > 0) {
        last.what = format!("{}; and {more} more in this file", last.what);
    }
    findings
}

/// Everything that is wrong with one file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file, as it was named.
    pub file: PathBuf,
    /// What makes it unusable, in the order of the file.
    pub errors: Vec<Finding>,
    /// What is hardly meant, in the order of the file.
    pub warnings: Vec<Finding>,
}

impl Report {
    /// Sorts findings into a report.
    pub(crate) fn new(file: PathBuf, mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
        let (errors, warnings) = findings.into_iter().partition(|f| f.level == Level::Error);
        Self { file, errors: told(errors), warnings: told(warnings) }
    }

    /// Errors first, then warnings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.errors.iter().chain(&self.warnings)
    }

    /// Whether the file can be used.
    pub fn is_usable(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there is nothing to say.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty() && self.warnings.is_empty()
    }
}

/// A file that cannot be used. As a `miette` diagnostic it shows every error in its place.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong; `errors` is never empty.
    pub report: Report,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.report.errors.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{}: {count} error{plural}", self.report.file.display())
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.report.errors.iter().map(|finding| finding as &dyn Diagnostic)))
    }
}
