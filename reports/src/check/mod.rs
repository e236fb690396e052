//! The oracles: what a history must show for a property to hold (ARCHITECTURE: Properties).
//!
//! A checker sees records one by one and never asks the protocol's code what is right: it has its own arithmetic. Its
//! verdict has three values, and says how often it had something to check; a property that was never checked is vacuous,
//! not green. The same checkers judge a simulated run, the history of a live one, and watch online.

mod clocks;
mod decoys;
pub mod draw;
mod dues;
mod earned;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod fuzz;
mod gates;
mod judge;
mod liveness;
mod looks;
mod outcome;
mod p1;
mod p10;
mod p2;
mod p3;
mod p4;
mod p5;
mod p6;
mod p9;
mod panels;
mod pools;
mod rounds;
mod stories;
mod sums;

pub use decoys::ForcedErrors;
pub use earned::Earned;
pub use gates::PolicyGates;
pub use judge::{DATA_LOSS, Judge, Judgement, judge};
pub use liveness::Liveness;
pub use outcome::{Outcome, exit_code};
pub use p1::SingleDecide;
pub use p2::SameFinalize;
pub use p3::ChallengeSafety;
pub use p4::Fencing;
pub use p5::LeaseLifetime;
pub use p6::QuorumValidity;
pub use p9::Conservation;
pub use p10::Convergence;
pub use stories::{NeedCounts, NeedStory};

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_core::id::NeedId;

use crate::history::{Event, NeedEnd, NodeNo, Record};

/// What became of a property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing contradicts it.
    #[default]
    Holds,
    /// It could not be told: the run ended too early, or evidence is missing.
    Unknown,
    /// Something contradicts it.
    Violated,
}

/// What is given besides the history when it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Global time of the end, in nanoseconds.
    pub at: u64,
    /// What the run had to come to.
    pub expect: Expect,
    /// Whether the run came to the end of its settle phase, and was not cut short by a limit or by hand.
    pub settled: bool,
}

/// What a run must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Properties that are judged beyond their promise too, and have to be violated there.
    pub breaks: BTreeSet<String>,
    /// The run loses what was acknowledged: the alarm about it is what is right, and its absence is not.
    pub data_loss: bool,
    /// The ends that are right for a need.
    pub ends: BTreeSet<NeedEnd>,
    /// Needs that could not be served: any end is right for them, and none.
    pub excused: BTreeSet<NeedId>,
    /// Marks that should be hit somewhere; they are reported with their count even if that is zero.
    pub marks: BTreeSet<String>,
    /// The properties asked for; the others are judged too, but may be vacuous.
    pub properties: BTreeSet<String>,
}

/// The properties judged here.
pub const PROPERTIES: [&str; 12] =
    ["P1", "P2", "P3", "P4", "P5", "P6", "P9", "P10", "liveness", "policy", "model", "decoys"];

/// Those of them that there is nothing to see of in every run: it takes somebody who lies, or a decoy.
pub const RARE: [&str; 2] = ["P3", "decoys"];

impl Default for Expect {
    /// Every need closed, every property checked, no marks.
    fn default() -> Self {
        Self {
            breaks: BTreeSet::new(),
            data_loss: false,
            ends: [NeedEnd::Closed].into(),
            excused: BTreeSet::new(),
            marks: BTreeSet::new(),
            properties: PROPERTIES.into_iter().filter(|name| !RARE.contains(name)).map(str::to_owned).collect(),
        }
    }
}

/// A property's oracle.
pub trait Checker {
    /// The property's name.
    fn name(&self) -> &'static str;
    /// Takes the next record.
    fn see(&mut self, record: &Record);
    /// Judges what was seen, if it ended so. May be asked again after more was seen.
    fn finish(&mut self, end: &End) -> Finding;
}

/// What a checker found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// How often there was something to check.
    pub checked: u64,
    /// How often it was contradicted.
    pub violations: u64,
    /// How often something was found beyond what it promises: among the contradictions where a scenario says that it shows this, beside
    /// them anywhere else.
    pub beyond: u64,
    /// In what way, where no scenario says so; each once, the first few.
    pub ended: Vec<String>,
    /// The first few contradictions.
    pub contradictions: Vec<Contradiction>,
    /// The first few reasons why it could not be told.
    pub unknown: Vec<String>,
}

/// What contradicts what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// The property contradicted.
    pub property: String,
    /// In what way.
    pub what: String,
    /// The records that cannot both be right, in the order in which they were told; one alone contradicts the rules.
    pub records: Vec<Witness>,
}

/// A record as it is shown in a contradiction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Witness {
    /// When it was told, in nanoseconds of global time.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub at_ns: u64,
    /// Who told it.
    pub node: String,
    /// The event, as JSON; cut when it is long.
    pub event: String,
}

/// Longest event text of a witness, in bytes.
const EVENT_BYTES_MAX: usize = 1_000;
/// Contradictions kept per property, and reasons for not knowing.
const KEPT_MAX: usize = 5;

impl Witness {
    fn of(record: &Record) -> Self {
        let mut event = serde_json::to_string(&record.event).expect("every event has a JSON form");
        if event.len() > EVENT_BYTES_MAX {
            event.truncate(event.floor_char_boundary(EVENT_BYTES_MAX));
            event.push_str("...");
        }
        Self { at_ns: record.at, node: record.node.to_string(), event }
    }
}

/// What a checker writes down while it looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) finding: Finding,
}

impl Notes {
    /// Something was checked.
    pub(crate) fn checked(&mut self) {
        self.finding.checked += 1;
    }

    /// `records` cannot stand together.
    pub(crate) fn contradict(&mut self, property: &str, what: impl Into<String>, records: &[&Record]) {
        self.finding.violations += 1;
        self.finding.verdict = Verdict::Violated;
        if self.finding.contradictions.len() < KEPT_MAX {
            let records = records.iter().map(|record| Witness::of(record)).collect();
            self.finding.contradictions.push(Contradiction {
                property: property.to_owned(),
                what: what.into(),
                records,
            });
        }
    }

    /// `records` cannot stand together, but nobody promised that they would: a violation where a scenario has `declared` that it
    /// shows this, and told beside the verdict anywhere else.
    pub(crate) fn beyond(&mut self, property: &str, declared: bool, what: impl Into<String>, records: &[&Record]) {
        self.finding.beyond += 1;
        if declared {
            return self.contradict(property, what, records);
        }
        let what = what.into();
        if self.finding.ended.len() < KEPT_MAX && !self.finding.ended.contains(&what) {
            self.finding.ended.push(what);
        }
    }

    /// It cannot be told, because `why`.
    pub(crate) fn unknown(&mut self, why: impl Into<String>) {
        self.finding.verdict = self.finding.verdict.max(Verdict::Unknown);
        if self.finding.unknown.len() < KEPT_MAX {
            self.finding.unknown.push(why.into());
        }
    }
}

/// The nodes whose beliefs are not judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Liars(BTreeSet<NodeNo>);

impl Liars {
    /// Takes note of a genesis.
    pub(crate) fn see(&mut self, record: &Record) {
        if let Event::Genesis { parties, .. } = &record.event {
            self.0.extend(parties.iter().filter(|p| !p.honest).map(|p| p.node));
        }
    }

    /// Whether `record` is a liar's belief. What somebody asks for is no belief: a need is judged whoever said it.
    pub(crate) fn told(&self, record: &Record) -> bool {
        !matches!(record.event, Event::NeedPosted { .. }) && self.0.contains(&record.node)
    }
}
