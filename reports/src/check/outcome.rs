//! What a run, a sweep or a command comes to, and the exit code that says so (ARCHITECTURE: Exit codes).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What it came to, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every property held and every property asked for was checked.
    #[default]
    Held,
    /// Something asked for was never checked.
    Vacuous,
    /// Something could not be told.
    Unknown,
    /// Something did not come to its end.
    NoLiveness,
    /// A safety property was violated.
    Violated,
    /// Our own code broke a rule of its own.
    Internal,
    /// Something acknowledged is gone.
    DataLoss,
}

impl Outcome {
    /// The exit code of this outcome.
    pub const fn code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Vacuous => 4,
            Self::Unknown => 2,
            Self::NoLiveness => 3,
            Self::Violated => 1,
            Self::Internal => 70,
            Self::DataLoss => 75,
        }
    }

    /// The outcome in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Vacuous => "vacuous",
            Self::Unknown => "unknown",
            Self::NoLiveness => "no liveness",
            Self::Violated => "violated",
            Self::Internal => "internal error",
            Self::DataLoss => "data loss",
        }
    }

    /// Whether it must be looked into on its own. A vacuous run need not be: the rest of its sweep may have checked.
    pub const fn failed(self) -> bool {
        !matches!(self, Self::Held | Self::Vacuous)
    }
}

/// The exit code of several outcomes: the leftmost of 75 70 1 3 2 4 that occurs, else 0.
pub fn exit_code(outcomes: impl IntoIterator<Item = Outcome>) -> u8 {
    outcomes.into_iter().max().unwrap_or_default().code()
}

#[cfg(test)]
mod tests {
    use super::Outcome::*;
    use super::*;

    #[test]
    fn the_leftmost_code_wins() {
        let order = [DataLoss, Internal, Violated, NoLiveness, Unknown, Vacuous, Held];
        assert_eq!(order.map(Outcome::code), [75, 70, 1, 3, 2, 4, 0]);
        for (i, worst) in order.iter().enumerate() {
            assert_eq!(exit_code(order[i..].iter().rev().copied()), worst.code());
        }
        assert_eq!(exit_code([]), 0);
    }
}
