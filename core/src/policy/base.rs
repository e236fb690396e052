//! The native rules: who may say what, how large, how dear, how long.
//!
//! They repeat some bounds of the wire on purpose: each gate alone must stop a bad envelope, and a deployment may draw its
//! bounds closer here without becoming another protocol.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use serde::{Deserialize, Serialize};

use crate::config::WINDOW_BOUNDS_MS;
use crate::id::{Cid, Credits, Digest, label};
use crate::policy::{Evaluation, Evaluator, Gate, PolicyInput};
use crate::wire::{Body, Class, Count, ENVELOPE_BYTES_MAX, Telemetry, Verb, bounds, canonical};

/// Name and version of the rules; a change of any rule or of its metering is a new version.
const NAME: &str = "swarm-base-rules/1";

/// The numbers in the rules. Part of the engine hash. Fields in alphabetical order: hashed as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most budget of a complex need.
    pub budget_complex_max: Credits,
    /// Most budget of a critical need.
    pub budget_critical_max: Credits,
    /// Most budget of a simple need.
    pub budget_simple_max: Credits,
    /// Longest envelope, in bytes.
    pub bytes_max: u32,
    /// Highest price of a bid, and highest cap of a task in a proposal.
    pub cost_max: Credits,
    /// Most artifacts referred to.
    pub refs_max: u32,
    /// Most bytes a job may read and write.
    pub telemetry_bytes_max: Count,
    /// Most steps a job may take.
    pub telemetry_steps_max: Count,
    /// Longest wait of a need, in milliseconds.
    pub window_max_ms: u32,
    /// Shortest wait of a need, in milliseconds.
    pub window_min_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            budget_complex_max: Credits(1_000_000_000),
            budget_critical_max: Credits(1_000_000_000_000),
            budget_simple_max: Credits(1_000_000),
            bytes_max: ENVELOPE_BYTES_MAX as u32,
            cost_max: Credits(1_000_000_000),
            refs_max: bounds::REFS_MAX as u32,
            telemetry_bytes_max: Count(1 << 40),
            telemetry_steps_max: Count(1 << 50),
            window_max_ms: WINDOW_BOUNDS_MS.1,
            window_min_ms: WINDOW_BOUNDS_MS.0,
        }
    }
}

/// What a rule sees: the limits, the gate, the input, and the meter.
struct Ask<'a> {
    limits: &'a Limits,
    gate: Gate,
    input: &'a PolicyInput<'a>,
    gas: Cell<u64>,
}

impl Ask<'_> {
    /// Whether `value` lies within bounds; costs one unit.
    fn within<T: PartialOrd>(&self, value: T, min: T, max: T) -> bool {
        self.gas.update(|gas| gas + 1);
        min <= value && value <= max
    }
}

struct Rule {
    /// Its name, which is the reason of a denial.
    name: &'static str,
    /// What it says, for people and for the engine hash.
    says: &'static str,
    holds: fn(&Ask<'_>) -> bool,
}

/// All rules. All of them are asked each time, and none stops at its first bad value, so that the reasons are complete and
/// gas is the number of values there are.
const RULES: &[Rule] = &[
    Rule {
        name: "role",
        says: "the cited manifest gives a role that may say the verb",
        holds: |ask| {
            ask.gas.update(|gas| gas + ask.input.roles.len() as u64);
            ask.input.content.body.verb().allowed(ask.input.roles)
        },
    },
    Rule {
        name: "size",
        says: "the envelope has at most bytes_max bytes",
        holds: |ask| ask.within(ask.input.bytes, 1, ask.limits.bytes_max as usize),
    },
    Rule {
        name: "refs",
        says: "it refers to at most refs_max artifacts",
        holds: |ask| ask.within(ask.input.content.refs.len(), 0, ask.limits.refs_max as usize),
    },
    Rule {
        name: "budget",
        says: "NEED: the budget is at least 1 and at most the maximum of its class",
        holds: |ask| match &ask.input.content.body {
            Body::Need(need) => {
                let max = match need.class {
                    Class::Simple => ask.limits.budget_simple_max,
                    Class::Complex => ask.limits.budget_complex_max,
                    Class::Critical => ask.limits.budget_critical_max,
                };
                ask.within(need.budget, Credits(1), max)
            }
            _ => true,
        },
    },
    Rule {
        name: "fee",
        says: "NEED: the fee per verdict is at most that of its class (10, 100, 1000)",
        holds: |ask| match &ask.input.content.body {
            Body::Need(need) => ask.within(need.fee, Credits(0), need.class.fee_max()),
            _ => true,
        },
    },
    Rule {
        name: "window",
        says: "NEED: every wait is within window_min_ms and window_max_ms",
        holds: |ask| match &ask.input.content.body {
            Body::Need(need) => {
                let waits = &need.windows;
                let limits = ask.limits;
                [
                    waits.bids_ms,
                    waits.challenge_ms,
                    waits.decision_ms,
                    waits.lease_ms,
                    waits.proposals_ms,
                    waits.verify_ms,
                ]
                .into_iter()
                .filter(|wait| !ask.within(*wait, limits.window_min_ms, limits.window_max_ms))
                .count()
                    == 0
            }
            _ => true,
        },
    },
    Rule {
        name: "cost",
        says: "CLAIM: the price, and PROPOSE: each task's cap, is at least 1 and at most cost_max",
        holds: |ask| {
            let fits = |cost: Credits| ask.within(cost, Credits(1), ask.limits.cost_max);
            match &ask.input.content.body {
                Body::Claim(claim) => fits(claim.cost),
                Body::Propose(propose) => propose.cost_caps.values().filter(|cap| !fits(**cap)).count() == 0,
                _ => true,
            }
        },
    },
    Rule {
        name: "telemetry",
        says: "COMMIT: claims at most the maximum; at the commit gate the work was measured, and took at most what was claimed",
        holds: |ask| {
            let claimed = match &ask.input.content.body {
                Body::Commit(commit) => commit.telemetry,
                // No claim is a budget of nothing, not one of everything.
                _ => Telemetry::default(),
            };
            let limits = ask.limits;
            let sane = ask.within(claimed.bytes, Count(0), limits.telemetry_bytes_max)
                & ask.within(claimed.steps, Count(0), limits.telemetry_steps_max);
            match (ask.gate, ask.input.measured) {
                (Gate::Commit, Some(measured)) => {
                    sane & ask.within(measured.bytes, Count(0), claimed.bytes)
                        & ask.within(measured.steps, Count(0), claimed.steps)
                }
                (Gate::Commit, None) => false,
                _ => sane,
            }
        },
    },
];

/// The native policy.
#[derive(Clone, Debug)]
pub struct BaseRules {
    limits: Limits,
    engine: Digest,
    capsule: Cid,
}

impl BaseRules {
    /// The rules with these limits.
    pub fn new(limits: Limits) -> Self {
        let text = text(&limits);
        let engine = Digest::of("swarm/engine", &[NAME.as_bytes(), text.as_bytes()]);
        Self { limits, engine, capsule: Cid::of(text.as_bytes()) }
    }

    /// The names of all rules, which are the reasons a denial can have.
    pub fn rules() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|rule| rule.name)
    }

    /// The rules in words; what [`Evaluator::capsule`] is the address of.
    pub fn text(&self) -> String {
        text(&self.limits)
    }
}

impl Default for BaseRules {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

fn text(limits: &Limits) -> String {
    let mut text = format!("{NAME}\n");
    for rule in RULES {
        text += &format!("{}: {}\n", rule.name, rule.says);
    }
    for verb in Verb::ALL {
        text += &format!("{} {:?}\n", verb.as_str(), verb.roles());
    }
    text + core::str::from_utf8(&canonical::to_vec(limits)).expect("JSON is UTF-8") + "\n"
}

impl Evaluator for BaseRules {
    fn engine(&self) -> Digest {
        self.engine
    }

    fn capsule(&self) -> Cid {
        self.capsule
    }

    fn evaluate(&self, gate: Gate, input: &PolicyInput<'_>) -> Evaluation {
        let ask = Ask { limits: &self.limits, gate, input, gas: Cell::new(0) };
        let denied: Vec<_> = RULES.iter().filter(|rule| !(rule.holds)(&ask)).map(|rule| label(rule.name)).collect();
        Evaluation::new(input.digest(gate), denied, ask.gas.get())
    }

    fn allows(&self, gate: Gate, input: &PolicyInput<'_>) -> bool {
        let ask = Ask { limits: &self.limits, gate, input, gas: Cell::new(0) };
        RULES.iter().all(|rule| (rule.holds)(&ask))
    }
}
