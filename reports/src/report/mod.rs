//! What a run and a sweep come to, as data: version 1 of the published format.
//!
//! Numbers: what counts things is a JSON number (no count comes near 2^53); a seed and every `_ns` is a decimal string,
//! because a seed is any 64 bits and the simulated time of a sweep passes 2^53 ns; so are credits; a trace hash is 32 hex
//! digits. Fields are added within a version, never renamed or given another meaning.

mod mutants;
mod names;
mod profit;
mod scalar;
mod schema;
mod sweep;

pub use mutants::{Catch, MutantsReport, PlantedBug, Unmodified, median, unneeded};
pub use profit::{HONEST, More, PAIRS_TELLING, Profit, Profits, RING};
pub use scalar::{RealNs, TraceHash};
pub use schema::{mutants_schema, run_schema, sweep_schema};
pub use sweep::{Failure, Gap, GapKind, Lie, PropertySum, RUNS_TELLING, Sums, SweepReport};

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{Contradiction, Judgement, NeedCounts, NeedStory, Outcome, Verdict};
use crate::history::AlarmKind;
use names::named;

/// The version of both formats.
pub const VERSION: u32 = 1;

/// How often a fault was injected, and how often it changed what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultCount {
    /// Times it was injected.
    pub injected: u64,
    /// Times it made a difference.
    pub bites: u64,
}

/// One fault of a run: when it struck, and whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Struck {
    /// Its kind.
    pub kind: String,
    /// Whom it hit, by the names of their logs.
    pub whom: String,
    /// When it began, nanoseconds from the start.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub at_ns: u64,
    /// When it was taken back; the end of the run, if it never was.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub until_ns: u64,
}

/// What a run's history does not tell, but its host knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The rolling hash over everything that happened.
    pub trace_hash: u128,
    /// Faults by name; a planned one stands here even if it was never injected.
    pub faults: BTreeMap<String, FaultCount>,
    /// Each fault that struck, in the order in which they did.
    pub struck: Vec<Struck>,
    /// Marks that the scenario requires.
    pub required_marks: BTreeSet<String>,
    /// Strategies that the scenario knows to pay.
    pub paying: BTreeSet<String>,
    /// Strategies that live off those who lie beside them: what they gain is only weighed with what the others lose.
    pub rings: BTreeSet<String>,
    /// Properties that the scenario takes beyond their promise, and why they cannot hold there.
    pub breaks: BTreeMap<String, String>,
    /// Whether somebody cut it short.
    pub interrupted: bool,
    /// Whether a limit of its scenario did.
    pub limited: bool,
    /// Messages delivered.
    pub deliveries: u64,
    /// Distinct envelopes published.
    pub envelopes: u64,
    /// Signatures made.
    pub signatures: u64,
    /// Messages of the raft protocol sent, many of which share a packet; none on another register.
    pub raft_messages: u64,
    /// Simulated time that passed, nanoseconds.
    pub simulated_ns: u64,
    /// Real time that passed, nanoseconds.
    pub real_ns: u64,
    /// The command that does all this again.
    pub reproduce: String,
    /// What the nodes are called, by number.
    pub names: Vec<String>,
}

/// What became of a property in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PropertyReport {
    /// Whether the scenario asks for it.
    pub asked: bool,
    /// How often something was found beyond what it promises: of its contradictions those that its scenario says it shows, or what stands
    /// in `ended`.
    #[serde(default)]
    pub beyond: u64,
    /// How often there was something to check.
    pub checked: u64,
    /// In what way its promise ended, though the scenario does not say that it shows this; the first few. That is no failure either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<String>,
    /// Whether it was violated just where its scenario says that its promise ends. That is no failure.
    #[serde(default)]
    pub expected: bool,
    /// Why it could not be told; the first few reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// How often it was contradicted.
    pub violations: u64,
}

/// An alarm raised in a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AlarmReport {
    /// Its kind.
    pub kind: AlarmKind,
    /// What was raised.
    pub what: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The version of this format.
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub seed: u64,
    /// All of it in one word.
    pub verdict: Outcome,
    /// The rolling hash over everything that happened.
    pub trace_hash: TraceHash,
    /// Properties by name.
    pub properties: BTreeMap<String, PropertyReport>,
    /// Properties asked for and never checked.
    pub vacuous: Vec<String>,
    /// Faults by name.
    pub faults: BTreeMap<String, FaultCount>,
    /// Each fault that struck, in the order in which they did.
    #[serde(default)]
    pub struck: Vec<Struck>,
    /// Hits by mark.
    pub sometimes: BTreeMap<String, u64>,
    /// Marks that the scenario requires, each of them in `sometimes`.
    #[serde(default)]
    pub required_marks: BTreeSet<String>,
    /// What became of the needs.
    pub needs: NeedCounts,
    /// What became of each of them, in the order in which they were posted.
    #[serde(default)]
    pub stories: Vec<NeedStory>,
    /// What everyone earned, by role and strategy; nothing if it was cut short, because nobody had its due yet.
    #[serde(default)]
    pub profits: Profits,
    /// Strategies that the scenario knows to pay better than honesty.
    #[serde(default)]
    pub paying: BTreeSet<String>,
    /// Properties that the scenario takes beyond their promise, and why they cannot hold there.
    #[serde(default)]
    pub breaks: BTreeMap<String, String>,
    /// Refusals by reason.
    pub refused: BTreeMap<String, u64>,
    /// Alarms raised.
    pub alarms: Vec<AlarmReport>,
    /// Whether somebody cut it short.
    #[serde(default)]
    pub interrupted: bool,
    /// Whether a limit of its scenario did.
    #[serde(default)]
    pub limited: bool,
    /// Messages delivered.
    pub deliveries: u64,
    /// Distinct envelopes published.
    pub envelopes: u64,
    /// Signatures made.
    pub signatures: u64,
    /// Messages of the raft protocol sent, many of which share a packet; none on another register.
    pub raft_messages: u64,
    /// Simulated time that passed, nanoseconds.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub simulated_ns: u64,
    /// Real time that passed, nanoseconds. No part of equality.
    pub real_ns: RealNs,
    /// The first few contradictions of each property.
    pub contradictions: Vec<Contradiction>,
    /// The command that does all this again.
    pub reproduce: String,
}

impl RunReport {
    /// What the host knows and the judges found, together.
    pub fn new(facts: RunFacts, judged: &Judgement) -> Self {
        let property = |(name, found): (&&'static str, &crate::Finding)| {
            let report = PropertyReport {
                asked: judged.asked.contains(name),
                beyond: found.beyond,
                checked: found.checked,
                ended: found.ended.iter().map(|how| named(how, &facts.names)).collect(),
                expected: judged.expected.contains(name),
                unknown: found.unknown.iter().map(|why| named(why, &facts.names)).collect(),
                verdict: found.verdict,
                violations: found.violations,
            };
            ((*name).to_owned(), report)
        };
        let alarm = |(kind, what): &(AlarmKind, String)| AlarmReport { kind: *kind, what: what.clone() };
        Self {
            version: VERSION,
            scenario: facts.scenario,
            seed: facts.seed,
            verdict: judged.outcome,
            trace_hash: TraceHash(facts.trace_hash),
            properties: judged.properties.iter().map(property).collect(),
            vacuous: judged.vacuous.iter().map(|name| (*name).to_owned()).collect(),
            faults: facts.faults,
            struck: facts.struck,
            sometimes: judged.sometimes.clone(),
            required_marks: facts.required_marks,
            needs: judged.needs,
            stories: judged.stories.clone(),
            profits: profit::of(&judged.earned, &facts.rings),
            paying: facts.paying,
            breaks: facts.breaks,
            refused: judged.refused.clone(),
            alarms: judged.alarms.iter().map(alarm).collect(),
            interrupted: facts.interrupted,
            limited: facts.limited,
            deliveries: facts.deliveries,
            envelopes: facts.envelopes,
            signatures: facts.signatures,
            raft_messages: facts.raft_messages,
            simulated_ns: facts.simulated_ns,
            real_ns: RealNs(facts.real_ns),
            contradictions: (judged.properties.values())
                .flat_map(|found| &found.contradictions)
                .map(|found| found.named(&facts.names))
                .collect(),
            reproduce: facts.reproduce,
        }
    }

    /// The properties violated just where the scenario says that their promise ends, and why they cannot hold there.
    pub fn expected(&self) -> impl Iterator<Item = (&String, &String)> {
        self.breaks.iter().filter(|(name, _)| self.properties.get(*name).is_some_and(|p| p.expected))
    }

    /// The exit code (ARCHITECTURE: Exit codes).
    pub fn exit_code(&self) -> u8 {
        self.verdict.code()
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::check::{fixture, judge};
    use crate::history::Event;

    /// A run that held.
    pub fn held(seed: u64) -> RunReport {
        let mut run = fixture::good();
        run.end.expect.marks.insert("lost-disk".into());
        run.tell(0, Event::Refused { reason: swarm_core::reject::Reject::Replay });
        RunReport::new(facts("quiet", seed), &judge(&run.records, &run.end))
    }

    /// A run that did not.
    pub fn violated(seed: u64) -> RunReport {
        let mut run = fixture::good();
        run.edit_last(
            |e| matches!(e, Event::Decided { .. }),
            |e| {
                if let Event::Decided { proposal, .. } = e {
                    *proposal = swarm_core::id::Cid::of(b"other");
                }
            },
        );
        RunReport::new(facts("split", seed), &judge(&run.records, &run.end))
    }

    /// A run that held, in which a worker earned more by lying than the honest ones did.
    pub fn robbed(seed: u64) -> RunReport {
        let part = |strategy: &str, owner| crate::history::Part {
            role: "worker".into(),
            strategy: strategy.into(),
            owner: crate::history::NodeNo(owner),
        };
        let earned = [(HONEST, 1, 20), (HONEST, 2, -7), ("thief", 3, 1_034)].map(|(strategy, owner, credits)| {
            let credits = credits + i128::from(seed % 3);
            crate::check::Earned { part: part(strategy, owner), credits }
        });
        RunReport { profits: profit::of(&earned, &BTreeSet::new()), ..held(seed) }
    }

    /// A run whose scenario says that the promise of P3 ends in it, and which came to that or did not.
    pub fn beyond(seed: u64, came: bool) -> RunReport {
        let mut run = robbed(seed);
        run.breaks.insert("P3".into(), "all of a panel lie".into());
        let verdict = if came { Verdict::Violated } else { Verdict::Holds };
        let p3 = PropertyReport {
            asked: true,
            beyond: u64::from(came),
            checked: 5,
            ended: Vec::new(),
            expected: came,
            unknown: Vec::new(),
            verdict,
            violations: u64::from(came),
        };
        run.properties.insert("P3".into(), p3);
        run
    }

    fn facts(scenario: &str, seed: u64) -> RunFacts {
        let count = |injected, bites| FaultCount { injected, bites };
        RunFacts {
            scenario: scenario.into(),
            seed,
            trace_hash: 0x00c0_ffee_0000_0000_0000_0000_0000_0000 + u128::from(seed),
            faults: [("loss".to_owned(), count(12, 3)), ("partition".to_owned(), count(1, 0))].into(),
            struck: vec![Struck {
                kind: "loss".into(),
                whom: "worker-1 to bus".into(),
                at_ns: 1_500_000_000,
                until_ns: 61_500_000_000,
            }],
            required_marks: if scenario == "quiet" { ["lost-disk".to_owned()].into() } else { BTreeSet::new() },
            paying: BTreeSet::new(),
            rings: BTreeSet::new(),
            breaks: BTreeMap::new(),
            interrupted: false,
            limited: false,
            deliveries: 4_211,
            envelopes: 97,
            signatures: 120,
            raft_messages: 0,
            simulated_ns: 86_461_500_000_000,
            real_ns: 7_300_000,
            reproduce: format!("swarm-sim run scenarios/{scenario}.toml --seed {seed}"),
            names: (0..3).map(|n| format!("coordinator-{n}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_found() {
        let run = fixture::violated(7);
        assert_eq!((run.verdict, run.exit_code()), (Outcome::Violated, 1));
        assert_eq!(run.properties["P1"].verdict, Verdict::Violated);
        assert!(run.contradictions.iter().all(|c| c.property == "P1"));
        let again: RunReport = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(again, run);
    }

    #[test]
    fn real_time_is_no_part_of_equality() {
        let (run, mut other) = (fixture::held(1), fixture::held(1));
        other.real_ns = RealNs(1);
        assert_eq!(run, other);
        other.deliveries += 1;
        assert_ne!(run, other);
    }

    #[test]
    fn what_may_be_wide_is_text() {
        let mut run = fixture::held(u64::MAX);
        run.simulated_ns = u64::MAX;
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["seed"], "18446744073709551615");
        assert_eq!(json["simulated_ns"], "18446744073709551615");
        assert_eq!(json["real_ns"], "7300000");
        assert_eq!(json["trace_hash"].as_str().unwrap().len(), 32);
        assert_eq!(json["deliveries"], 4_211);
        assert_eq!(serde_json::from_value::<RunReport>(json).unwrap(), run);
    }

    #[test]
    fn wide_numbers_have_one_spelling() {
        let json = serde_json::to_value(fixture::held(1)).unwrap();
        for bad in ["", "01", "-1", "+1", "1.0", "18446744073709551616"] {
            let mut json = json.clone();
            json["seed"] = bad.into();
            assert!(serde_json::from_value::<RunReport>(json).is_err(), "{bad:?}");
        }
    }
}
