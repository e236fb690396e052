//! The needs of a real job: JSON Lines, one need a line. A file is read whole or refused whole,
//! with every bad line named.

use crate::file::open_regular;
use crate::finding::{Code, Draft, Failure, Finding, Report, Text};
use crate::value::Credits;
use crate::wording::from_serde;
use crate::workload::Class;
use miette::NamedSource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The largest needs file that is read.
pub const NEEDS_BYTES_MAX: u64 = 4 << 20;
/// The most needs one file may hold.
pub const NEEDS_LINES_MAX: usize = 10_000;
/// The longest line.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// What a line looks like.
const EXAMPLE: &str = r#"{"recipe":"wordcount","parts":4}"#;
/// The most parts one input may be cut into.
pub const PARTS_MAX: u32 = 64;

/// One need of a real job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedLine {
    /// What is to be made of the input.
    pub recipe: NeedRecipe,
    /// How many parts the input is cut into, 1 to 64.
    #[serde(default = "default_parts")]
    #[schemars(range(min = 1, max = PARTS_MAX))]
    pub parts: u32,
    /// Credits for all tasks together; the scenario's budget unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Credits>,
    /// Credits for each counted verdict; the scenario's fee unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Credits>,
    /// The scenario's class unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

const fn default_parts() -> u32 {
    4
}

/// What a real job does with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeedRecipe {
    /// How often each word occurs: split, count each part, sort each count, merge. A word is a longest run of the ASCII
    /// bytes `A-Z a-z 0-9 _`; case counts, and so does every byte: no locale, no Unicode. The output holds a line for each
    /// word, sorted by its bytes: the count, a tab, the word.
    Wordcount,
}

impl NeedRecipe {
    /// How many tasks it makes of so many parts: one split, a count and a sort each, one merge.
    pub const fn tasks(self, parts: u32) -> u32 {
        match self {
            Self::Wordcount => parts.saturating_mul(2).saturating_add(2),
        }
    }

    /// How many tasks follow one another on the longest path.
    pub const fn depth(self) -> u32 {
        match self {
            Self::Wordcount => 4,
        }
    }
}

/// The needs of one file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Never empty.
    pub lines: Vec<NeedLine>,
}

impl Needs {
    /// Reads a file; the error names every bad line.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        match read_text(path, NEEDS_BYTES_MAX) {
            Ok(text) => Self::parse(&name, text),
            Err(draft) => {
                let text = Arc::new(NamedSource::new(&name, String::new()));
                let report = Report::new(path.into(), vec![draft.at(&text, 0..0)]);
                Err(Failure { report })
            }
        }
    }

    /// Reads a text; `name` stands for the file in errors.
    pub fn parse(name: &str, text: impl Into<String>) -> Result<Self, Failure> {
        let text: Text = Arc::new(NamedSource::new(name, text.into()));
        let mut findings = Vec::new();
        let lines = parse_lines(&text, &mut findings);
        if findings.is_empty() {
            Ok(Self { lines })
        } else {
            Err(Failure { report: Report::new(name.into(), findings) })
        }
    }
}

fn parse_lines(text: &Text, findings: &mut Vec<Finding>) -> Vec<NeedLine> {
    let mut needs = Vec::new();
    let mut start = 0;
    for line in text.inner().split_inclusive('\n') {
        let span = start..start + line.trim_end().len();
        start += line.len();
        if line.trim().is_empty() {
            continue;
        }
        if needs.len() + findings.len() >= NEEDS_LINES_MAX {
            let what = format!("more than {NEEDS_LINES_MAX} needs");
            let draft = Draft::error(Code::TooLarge, what, "cut the file into several");
            findings.push(draft.at(text, span));
            break;
        }
        match parse_line(line) {
            Ok(need) => needs.push(need),
            Err((draft, column)) => {
                let at = column.map_or(span.clone(), |column| {
                    let at = (span.start + column.saturating_sub(1)).min(span.end);
                    at..at
                });
                findings.push(draft.at(text, at));
            }
        }
    }
    if needs.is_empty() && findings.is_empty() {
        let mend = format!("write one JSON object a line, such as {EXAMPLE}");
        findings.push(Draft::error(Code::Vacuous, "the file holds no need", mend).at(text, 0..0));
    }
    needs
}

/// The column (from 1) of a key that stands in a line of JSON.
fn key_at(line: &str, key: &str) -> Option<usize> {
    line.find(&format!("\"{key}\"")).map(|at| at + 1)
}

/// The column (from 1) at which the string or the word begins that ends at `column`, in a line of JSON.
fn token_at(line: &str, column: usize) -> usize {
    let (mut begin, mut quoted, mut escaped, mut word) = (0, false, false, false);
    for (at, byte) in line.bytes().enumerate().take(column) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                begin = if quoted { at } else { begin };
                word = false;
            }
            _ if quoted => {}
            b'[' | b'{' => (begin, word) = (at, false),
            b' ' | b'\t' | b',' | b':' | b'}' | b']' => word = false,
            _ if !word => (begin, word) = (at, true),
            _ => {}
        }
    }
    begin + 1
}

/// One need, or what is wrong and in which column (from 1) if that is known.
fn parse_line(line: &str) -> Result<NeedLine, (Draft, Option<usize>)> {
    if line.len() > LINE_BYTES_MAX {
        let what = format!("a line of {} bytes; at most {LINE_BYTES_MAX} are read", line.len());
        return Err((Draft::error(Code::TooLarge, what, "one need is one short line"), None));
    }
    let need: NeedLine = serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        let bare = message.rsplit_once(" at line ").map_or(message.as_str(), |(bare, _)| bare);
        let mut draft = from_serde(bare, Code::Syntax, None);
        // Mends of form are worded for TOML.
        match draft.code {
            Code::Syntax if bare.starts_with("duplicate") => {}
            Code::Syntax => draft.mend = format!("write one JSON object a line, such as {EXAMPLE}"),
            Code::MissingKey => {
                draft.mend = format!("a line holds at least what {EXAMPLE} holds");
                return (draft, None);
            }
            _ => {}
        }
        // A mistake of form is where reading ended, a wrong value where it begins.
        let at = if error.is_data() { token_at(line, error.column()) } else { error.column() };
        (draft, Some(at))
    })?;
    if !(1..=PARTS_MAX).contains(&need.parts) {
        let what = format!("{} parts", need.parts);
        let mend = format!("write a number from 1 to {PARTS_MAX}");
        return Err((Draft::error(Code::OutOfRange, what, mend), key_at(line, "parts")));
    }
    if let Some(Credits(budget)) = need.budget
        && budget < u64::from(need.recipe.tasks(need.parts))
    {
        let tasks = need.recipe.tasks(need.parts);
        let what = format!("a budget of {budget} for {tasks} tasks");
        let mend = format!("each task costs at least one credit: write {tasks} or more");
        return Err((Draft::error(Code::BudgetTooSmall, what, mend), key_at(line, "budget")));
    }
    if let (Some(Credits(fee)), Some(class)) = (need.fee, need.class)
        && fee > class.fee_max()
    {
        let what = format!("a fee of {fee} in class {}", class.name());
        let mend = format!("write at most {} or raise the class", class.fee_max());
        return Err((Draft::error(Code::FeeAboveCap, what, mend), key_at(line, "fee")));
    }
    Ok(need)
}

/// A file's text, if it can be had and is not too large. The limit is enforced while reading: a file
/// may grow under the reader.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, Draft> {
    let unreadable = |error: std::io::Error| {
        let mend = "check the path and that the file can be read";
        Draft::error(Code::Unreadable, format!("the file cannot be read: {error}"), mend)
    };
    let file = open_regular(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("the file is larger than {bytes_max} bytes");
        return Err(Draft::error(Code::TooLarge, what, "name the right file, or cut it down"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let what = format!("the file is no UTF-8 text: byte {at} is not part of a character");
        Draft::error(Code::Unreadable, what, "save it as UTF-8")
    })
}
