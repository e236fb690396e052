//! What an evaluation comes to. Whatever is not a clear yes is a denial with its own reason (T49).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use swarm_core::id::{Label, label};

/// Why an evaluation gave no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It cost more than the cap.
    OutOfGas,
    /// It wanted more memory than the cap.
    OverMemory,
    /// The module gave up, in its own words.
    Aborted(String),
    /// The module did what no module may, such as a read beyond its memory; the interpreter's word for it.
    Trapped(&'static str),
    /// No rule gave a value.
    Undefined,
    /// The value is not an object.
    NotAnObject,
    /// The object is not `{"allow": true or false, "reasons": [names]}`, or says yes with reasons against.
    MalformedDecision,
    /// The result is not text of the module's memory, or not JSON.
    MalformedResult,
}

impl Failure {
    /// Its name, the reason of the denial. What a module says of itself is not part of it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OutOfGas => "out-of-gas",
            Self::OverMemory => "over-memory",
            Self::Aborted(_) => "policy-abort",
            Self::Trapped(_) => "policy-trap",
            Self::Undefined => "undefined",
            Self::NotAnObject => "not-an-object",
            Self::MalformedDecision => "malformed-decision",
            Self::MalformedResult => "malformed-result",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Aborted(words) => write!(f, ": {words}"),
            Self::Trapped(what) => write!(f, ": {what}"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for Failure {}

/// An evaluation and its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it cost. The whole cap if it ran out.
    pub gas: u64,
    /// The value of the entry point, as JSON.
    pub value: Result<String, Failure>,
}

/// What a policy says: an object with exactly these fields, of which `reasons` may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether it may pass.
    pub allow: bool,
    /// Names of what speaks against it. An array, or a set, which comes out sorted.
    #[serde(default)]
    pub reasons: Vec<Label>,
}

/// A decision, or the name of what came instead, and its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub allow: bool,
    /// What speaks against it; never empty in a denial.
    pub reasons: Vec<Label>,
    /// What it cost.
    pub gas: u64,
}

/// The reason of a denial for which the policy gives none.
pub(crate) const DENIED: &str = "denied";

impl Run {
    /// Reads the value as a decision.
    pub fn verdict(&self) -> Verdict {
        match self.value.as_deref().map_err(Clone::clone).and_then(decision) {
            Ok(Decision { allow, mut reasons }) => {
                if !allow && reasons.is_empty() {
                    reasons.push(label(DENIED));
                }
                Verdict { allow, reasons, gas: self.gas }
            }
            Err(failure) => Verdict { allow: false, reasons: [label(failure.as_str())].into(), gas: self.gas },
        }
    }
}

fn decision(value: &str) -> Result<Decision, Failure> {
    if !value.starts_with('{') {
        return Err(Failure::NotAnObject);
    }
    let decision = serde_json::from_str::<Decision>(value).map_err(|_| Failure::MalformedDecision)?;
    match decision.reasons.len() <= REASONS_MAX && (!decision.allow || decision.reasons.is_empty()) {
        true => Ok(decision),
        false => Err(Failure::MalformedDecision),
    }
}

/// Most reasons in one decision.
const REASONS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: &str) -> (bool, Vec<Label>) {
        let verdict = Run { gas: 1, value: Ok(value.into()) }.verdict();
        (verdict.allow, verdict.reasons)
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        assert_eq!(verdict(r#"{"allow":true,"reasons":[]}"#), (true, Vec::new()));
        assert_eq!(verdict(r#"{"allow":true}"#), (true, Vec::new()));
        for (value, reason) in [
            (r#"{"allow":false,"reasons":["size"]}"#, "size"),
            (r#"{"allow":false,"reasons":[]}"#, DENIED),
            (r#"{"allow":true,"reasons":["size"]}"#, "malformed-decision"),
            (r#"{"reasons":[]}"#, "malformed-decision"),
            (r#"{"allow":1}"#, "malformed-decision"),
            (r#"{"allow":true,"allow":true}"#, "malformed-decision"),
            (r#"{"allow":true,"also":1}"#, "malformed-decision"),
            (r#"{"allow":true,"reasons":[1]}"#, "malformed-decision"),
            (r#"{"allow":false,"reasons":["Size!"]}"#, "malformed-decision"),
            ("true", "not-an-object"),
            ("[true]", "not-an-object"),
            ("null", "not-an-object"),
        ] {
            assert_eq!(verdict(value), (false, [label(reason)].into()), "{value}");
        }
    }
}
