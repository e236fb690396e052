//! Runs summed. Merging is associative and does not depend on order, so a sweep says the same with any number of workers.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_core::id::Digest;

use super::profit::{self, Profits};
use super::{FaultCount, RealNs, RunReport, TraceHash, VERSION};
use crate::check::{Contradiction, DATA_LOSS, NeedCounts, Outcome, Verdict};
use crate::history::AlarmKind;
use crate::wide::Wide;

/// What became of a property in several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PropertySum {
    /// Runs that asked for it.
    pub asked: u64,
    /// How often there was something to check.
    pub checked: u64,
    /// Runs in which its promise ended, though the scenario does not say that it shows this.
    #[serde(default)]
    pub ended: u64,
    /// The lowest seed with which it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_first: Option<Wide>,
    /// Runs in which it was violated just where the scenario says that its promise ends; neither violated nor unknown there.
    #[serde(default)]
    pub expected: u64,
    /// Runs in which an alarm was due and none was raised; others do not make up for them.
    #[serde(default)]
    pub missed: u64,
    /// Runs in which it could not be told.
    pub unknown: u64,
    /// The worst verdict.
    pub verdict: Verdict,
    /// Runs in which it was contradicted.
    pub violated: u64,
}

impl PropertySum {
    /// Whether what was asked for is missing.
    fn is_missing(&self) -> bool {
        (self.asked > 0 && self.checked == 0) || self.missed > 0
    }
}

/// Several runs, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sums {
    /// How many.
    pub runs: u64,
    /// The hashes of all of them, mixed with scenario and seed and added, so that order does not matter.
    pub trace_hash: TraceHash,
    /// Properties by name.
    pub properties: BTreeMap<String, PropertySum>,
    /// Faults by name.
    pub faults: BTreeMap<String, FaultCount>,
    /// Hits by mark.
    pub sometimes: BTreeMap<String, u64>,
    /// Marks that a scenario requires.
    #[serde(default)]
    pub required_marks: BTreeSet<String>,
    /// What became of the needs.
    pub needs: NeedCounts,
    /// What everyone earned, by role and strategy, in the runs that did not come to an expected violation: where a promise ends,
    /// lying may pay. Who was there in none but those stands here with no actors.
    #[serde(default)]
    pub profits: Profits,
    /// Strategies that a scenario knows to pay better than honesty.
    #[serde(default)]
    pub paying: BTreeSet<String>,
    /// Properties that a scenario takes beyond their promise, and why they cannot hold there.
    #[serde(default)]
    pub breaks: BTreeMap<String, String>,
    /// Refusals by reason.
    pub refused: BTreeMap<String, u64>,
    /// Messages delivered.
    pub deliveries: u64,
    /// Distinct envelopes published.
    pub envelopes: u64,
    /// Signatures made.
    pub signatures: u64,
    /// Messages of the raft protocol sent.
    pub raft_messages: u64,
    /// Simulated time, nanoseconds.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub simulated_ns: u64,
    /// Real time of all runs together, nanoseconds. No part of equality.
    pub real_ns: RealNs,
}

/// A run that must be looked into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub seed: u64,
    /// What it came to.
    pub verdict: Outcome,
    /// The properties that did not hold; none if the run failed in another way.
    #[serde(default)]
    pub properties: BTreeMap<String, Verdict>,
    /// What went wrong, one line each: properties, alarms, needs that did not end or failed, if that is what failed.
    pub what: Vec<String>,
    /// The first contradiction of each property.
    pub contradictions: Vec<Contradiction>,
    /// The command that does it again.
    pub reproduce: String,
}

/// Runs of one scenario from which on a mark never hit or a fault that never bit is no bad luck any more.
pub const RUNS_TELLING: u64 = 100;

/// Needs told of in a failure; the run's own report has all.
const NEEDS_TOLD_MAX: usize = 10;

/// What kind of thing a scenario asked for and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// A property to be judged that was never checked.
    Property,
    /// A mark to be hit that never was.
    Mark,
    /// A planned fault that never made a difference.
    Fault,
    /// A strategy known to pay that did not pay.
    Profit,
    /// A property to be violated beyond its promise that never was.
    Violation,
}

/// A way of lying in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Lie {
    /// The scenario's name.
    pub scenario: String,
    /// The role.
    pub role: String,
    /// The strategy.
    pub strategy: String,
}

/// Something that a scenario asked for and that none of its runs had: there, nothing was checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The scenario's name.
    pub scenario: String,
    /// What kind of thing.
    pub kind: GapKind,
    /// Its name.
    pub name: String,
    /// Whether it counts in the verdict: a property always, the rest from 100 runs of the scenario on.
    pub counts: bool,
}

/// What a sweep came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweepReport {
    /// The version of this format.
    pub version: u32,
    /// All of it in one word; an interrupted sweep never held.
    pub verdict: Outcome,
    /// How many runs were asked for; `runs` were done.
    #[serde(default)]
    pub planned_runs: u64,
    /// Whether somebody ended it early.
    #[serde(default)]
    pub interrupted: bool,
    /// Runs that were done twice, to see whether they were the same; those that were not are failures.
    #[serde(default)]
    pub done_twice: u64,
    /// Over all scenarios.
    #[serde(flatten)]
    pub total: Sums,
    /// Each scenario by name.
    pub scenarios: BTreeMap<String, Sums>,
    /// Runs that failed, by scenario and seed.
    pub failures: Vec<Failure>,
    /// Properties that a scenario asked for and that none of its runs checked: the names in `gaps`.
    pub vacuous: Vec<String>,
    /// Marks that a scenario expected and that none of its runs hit: the names in `gaps`.
    pub marks_never_hit: Vec<String>,
    /// Faults that a scenario planned and that bit in none of its runs: the names in `gaps`.
    pub faults_never_bit: Vec<String>,
    /// What each scenario asked for and none of its runs had.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Ways of lying that pay: run by run they earn more than the honest of the same role by more than noise, and the scenario
    /// does not say that it is known to.
    #[serde(default)]
    pub pays: Vec<Lie>,
    /// Ways of lying whose profit was not weighed: fewer than ten runs had honest ones beside them and came to no expected violation.
    #[serde(default)]
    pub unweighed: Vec<Lie>,
}

impl Default for SweepReport {
    /// No runs at all, which is vacuous.
    fn default() -> Self {
        Self {
            version: VERSION,
            verdict: Outcome::Vacuous,
            planned_runs: 0,
            interrupted: false,
            done_twice: 0,
            total: Sums::default(),
            scenarios: BTreeMap::new(),
            failures: Vec::new(),
            vacuous: Vec::new(),
            marks_never_hit: Vec::new(),
            faults_never_bit: Vec::new(),
            gaps: Vec::new(),
            pays: Vec::new(),
            unweighed: Vec::new(),
        }
    }
}

impl SweepReport {
    /// The sum of these runs.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a RunReport>) -> Self {
        let mut sweep = Self::default();
        runs.into_iter().for_each(|run| sweep.add(run));
        sweep
    }

    /// Adds one run.
    pub fn add(&mut self, run: &RunReport) {
        let sums = Sums::from(run);
        self.total.merge(&sums);
        self.planned_runs = self.planned_runs.saturating_add(1);
        self.scenarios.entry(run.scenario.clone()).or_default().merge(&sums);
        if run.verdict.failed() {
            self.failures.push(Failure::of(run));
        }
        self.conclude();
    }

    /// Adds a failure that no run's report tells, for example of a run that did not come to the same hash again.
    pub fn fail(&mut self, failure: Failure) {
        self.scenarios.entry(failure.scenario.clone()).or_default();
        self.failures.push(failure);
        self.conclude();
    }

    /// Adds another sweep.
    pub fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        self.planned_runs = self.planned_runs.saturating_add(other.planned_runs);
        self.interrupted |= other.interrupted;
        self.done_twice += other.done_twice;
        for (name, sums) in &other.scenarios {
            self.scenarios.entry(name.clone()).or_default().merge(sums);
        }
        self.failures.extend(other.failures);
        self.conclude();
    }

    /// Says how many runs were asked for, and whether somebody ended the sweep before they were done.
    pub fn close(&mut self, planned_runs: u64, interrupted: bool) {
        (self.planned_runs, self.interrupted) = (planned_runs, interrupted);
        self.conclude();
    }

    /// The exit code (ARCHITECTURE: Exit codes).
    pub fn exit_code(&self) -> u8 {
        self.verdict.code()
    }

    /// Derives what follows from the sums.
    fn conclude(&mut self) {
        self.failures.sort();
        self.gaps = self.scenarios.iter().flat_map(|(scenario, sums)| sums.gaps(scenario)).collect();
        // Another scenario's runs do not make up for one's own, so nothing of this follows from the totals.
        let names = |kind| {
            let of_kind = self.gaps.iter().filter(|gap| gap.kind == kind).map(|gap| gap.name.clone());
            of_kind.collect::<BTreeSet<_>>().into_iter().collect()
        };
        self.vacuous = names(GapKind::Property);
        self.marks_never_hit = names(GapKind::Mark);
        self.faults_never_bit = names(GapKind::Fault);
        self.pays = self.scenarios.iter().flat_map(|(scenario, sums)| sums.pays(scenario)).collect();
        self.unweighed = self.scenarios.iter().flat_map(|(scenario, sums)| sums.unweighed(scenario)).collect();
        let empty = self.total.runs == 0 || self.gaps.iter().any(|gap| gap.counts);
        let failed = self.failures.iter().map(|f| f.verdict).max().unwrap_or_default();
        let cut = if self.interrupted { Outcome::Unknown } else { Outcome::Held };
        let paid = if self.pays.is_empty() { Outcome::Held } else { Outcome::Violated };
        self.verdict = failed.max(cut).max(paid).max(if empty { Outcome::Vacuous } else { Outcome::Held });
    }
}

impl Lie {
    fn of(scenario: &str, role: &str, strategy: &str) -> Self {
        Self { scenario: scenario.to_owned(), role: role.to_owned(), strategy: strategy.to_owned() }
    }
}

impl Failure {
    /// A run's failure.
    pub fn of(run: &RunReport) -> Self {
        let failed = run.properties.iter().filter_map(|(name, p)| match p.verdict {
            _ if p.expected => None,
            Verdict::Holds => None,
            Verdict::Unknown => Some(format!("{name} unknown: {}", p.unknown.first().map_or("no reason given", |u| u))),
            Verdict::Violated => Some(format!("{name} violated ({})", p.violations)),
        });
        let alarms = run.alarms.iter().map(|a| a.what.clone());
        let needs =
            run.stories.iter().filter(|_| run.verdict == Outcome::NoLiveness).filter_map(|story| {
                story.why.as_ref().map(|why| format!("need {} {}: {why}", story.need, story.end()))
            });
        let mut contradictions: Vec<Contradiction> = Vec::new();
        let expected = |property: &String| run.properties.get(property).is_some_and(|p| p.expected);
        for found in run.contradictions.iter().filter(|found| !expected(&found.property)) {
            if contradictions.iter().all(|c| c.property != found.property) {
                contradictions.push(found.clone());
            }
        }
        Self {
            scenario: run.scenario.clone(),
            seed: run.seed,
            verdict: run.verdict,
            properties: (run.properties.iter())
                .filter(|(_, p)| p.verdict != Verdict::Holds && !p.expected)
                .map(|(name, p)| (name.clone(), p.verdict))
                .collect(),
            what: failed.chain(alarms).chain(needs.take(NEEDS_TOLD_MAX)).collect(),
            contradictions,
            reproduce: run.reproduce.clone(),
        }
    }
}

impl From<&RunReport> for Sums {
    fn from(run: &RunReport) -> Self {
        let sum = |p: &super::PropertyReport| PropertySum {
            asked: u64::from(p.asked),
            checked: p.checked,
            ended: u64::from(!p.ended.is_empty()),
            ended_first: (!p.ended.is_empty()).then_some(Wide(run.seed)),
            expected: u64::from(p.expected),
            missed: 0,
            unknown: u64::from(p.verdict == Verdict::Unknown),
            verdict: if p.expected { Verdict::Holds } else { p.verdict },
            violated: u64::from(p.verdict == Verdict::Violated && !p.expected),
        };
        let mut properties: BTreeMap<_, _> = run.properties.iter().map(|(name, p)| (name.clone(), sum(p))).collect();
        // A loss that has to be seen is asked for as a property is, and in each run: others' alarms do not stand for one's own.
        let seen = run.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::DataLoss).count() as u64;
        let missed = u64::from(run.vacuous.iter().any(|name| name == DATA_LOSS));
        if missed > 0 || (seen > 0 && run.verdict != Outcome::DataLoss) {
            properties
                .insert(DATA_LOSS.into(), PropertySum { asked: 1, checked: seen, missed, ..PropertySum::default() });
        }
        let parts: [&[u8]; 3] = [run.scenario.as_bytes(), &run.seed.to_be_bytes(), &run.trace_hash.0.to_be_bytes()];
        let mixed = Digest::of("swarm/sweep-trace", &parts).0;
        let (half, _) = mixed.split_first_chunk::<16>().expect("a digest has 32 bytes");
        Self {
            runs: 1,
            trace_hash: TraceHash(u128::from_be_bytes(*half)),
            properties,
            faults: run.faults.clone(),
            sometimes: run.sometimes.clone(),
            required_marks: run.required_marks.clone(),
            needs: run.needs,
            profits: if run.expected().next().is_some() {
                profit::uncounted(&run.profits)
            } else {
                run.profits.clone()
            },
            paying: run.paying.clone(),
            breaks: run.breaks.clone(),
            refused: run.refused.clone(),
            deliveries: run.deliveries,
            envelopes: run.envelopes,
            signatures: run.signatures,
            raft_messages: run.raft_messages,
            simulated_ns: run.simulated_ns,
            real_ns: run.real_ns,
        }
    }
}

impl Sums {
    fn gaps(&self, scenario: &str) -> Vec<Gap> {
        let gap = |kind: GapKind, name: &String| {
            let counts = kind == GapKind::Property || self.runs >= RUNS_TELLING;
            Gap { scenario: scenario.to_owned(), kind, name: name.clone(), counts }
        };
        let properties = self.properties.iter().filter(|(_, p)| p.is_missing());
        let marks = self.sometimes.iter().filter(|(_, hits)| **hits == 0);
        let faults = self.faults.iter().filter(|(_, fault)| fault.bites == 0);
        let pays: BTreeSet<&String> = profit::paying(&self.profits).map(|(_, strategy)| strategy).collect();
        let misjudged = self.paying.iter().filter(|strategy| !pays.contains(strategy));
        let seen = |name: &String| self.properties.get(name).is_some_and(|p| p.expected > 0);
        let unbroken = self.breaks.keys().filter(|name| !seen(name));
        (properties.map(|(name, _)| gap(GapKind::Property, name)))
            .chain(marks.map(|(name, _)| gap(GapKind::Mark, name)))
            .chain(faults.map(|(name, _)| gap(GapKind::Fault, name)))
            .chain(misjudged.map(|name| gap(GapKind::Profit, name)))
            .chain(unbroken.map(|name| gap(GapKind::Violation, name)))
            .collect()
    }

    fn pays<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = Lie> + 'a {
        let undeclared = profit::paying(&self.profits).filter(|(_, strategy)| !self.paying.contains(*strategy));
        undeclared.map(|(role, strategy)| Lie::of(scenario, role, strategy))
    }

    fn unweighed<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = Lie> + 'a {
        profit::unweighed(&self.profits).map(|(role, strategy)| Lie::of(scenario, role, strategy))
    }

    fn merge(&mut self, other: &Self) {
        self.trace_hash.0 = self.trace_hash.0.wrapping_add(other.trace_hash.0);
        for (name, p) in &other.properties {
            let own = self.properties.entry(name.clone()).or_default();
            own.verdict = own.verdict.max(p.verdict);
            own.ended_first = own.ended_first.into_iter().chain(p.ended_first).min();
            add([
                (&mut own.asked, p.asked),
                (&mut own.checked, p.checked),
                (&mut own.ended, p.ended),
                (&mut own.expected, p.expected),
                (&mut own.missed, p.missed),
                (&mut own.unknown, p.unknown),
                (&mut own.violated, p.violated),
            ]);
        }
        for (name, fault) in &other.faults {
            let own = self.faults.entry(name.clone()).or_default();
            add([(&mut own.injected, fault.injected), (&mut own.bites, fault.bites)]);
        }
        for (own, other) in [(&mut self.sometimes, &other.sometimes), (&mut self.refused, &other.refused)] {
            for (name, n) in other {
                add([(own.entry(name.clone()).or_default(), *n)]);
            }
        }
        self.required_marks.extend(other.required_marks.iter().cloned());
        profit::merge(&mut self.profits, &other.profits);
        self.paying.extend(other.paying.iter().cloned());
        self.breaks.extend(other.breaks.iter().map(|(name, why)| (name.clone(), why.clone())));
        let (own, needs) = (&mut self.needs, &other.needs);
        add([
            (&mut own.posted, needs.posted),
            (&mut own.opened, needs.opened),
            (&mut own.finalized, needs.finalized),
            (&mut own.settled, needs.settled),
            (&mut own.cancelled, needs.cancelled),
            (&mut own.failed, needs.failed),
            (&mut own.unfinished, needs.unfinished),
            (&mut self.runs, other.runs),
            (&mut self.deliveries, other.deliveries),
            (&mut self.envelopes, other.envelopes),
            (&mut self.signatures, other.signatures),
            (&mut self.raft_messages, other.raft_messages),
            (&mut self.simulated_ns, other.simulated_ns),
            (&mut self.real_ns.0, other.real_ns.0),
        ]);
    }
}

/// Adds each pair; a sum that would pass 64 bits stays at the end of them, in whatever order it was reached.
fn add<const N: usize>(pairs: [(&mut u64, u64); N]) {
    for (own, other) in pairs {
        *own = own.saturating_add(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Earned;
    use crate::history::{NodeNo, Part};
    use crate::report::HONEST;
    use crate::report::fixture::{held, violated};
    use proptest::prelude::*;

    fn vacuous(seed: u64) -> RunReport {
        let mut run = held(seed);
        run.verdict = Outcome::Vacuous;
        run.properties.get_mut("P2").unwrap().checked = 0;
        run
    }

    #[test]
    fn a_sweep_sums_and_names_what_failed() {
        let sweep = SweepReport::of([&held(1), &violated(3), &violated(2)]);
        assert_eq!((sweep.verdict, sweep.exit_code(), sweep.total.runs), (Outcome::Violated, 1, 3));
        assert_eq!(sweep.scenarios["split"].runs, 2);
        assert_eq!(sweep.total.deliveries, 3 * 4_211);
        assert_eq!(sweep.failures.iter().map(|f| f.seed).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(sweep.failures[0].reproduce, "swarm-sim run scenarios/split.toml --seed 2");
        assert_eq!(sweep.failures[0].what[0], "P1 violated (1)");
        assert_eq!(
            (sweep.marks_never_hit, sweep.faults_never_bit),
            (vec!["lost-disk".to_owned()], vec!["partition".to_owned()])
        );
    }

    #[test]
    fn a_run_without_liveness_says_what_became_of_its_needs() {
        let mut run = held(1);
        (run.stories[0].end, run.stories[0].why) = (None, Some("no plan was decided".to_owned()));
        assert!(Failure::of(&run).what.is_empty(), "where it is not what failed it is no news");
        run.verdict = Outcome::NoLiveness;
        let what = format!("need {} unfinished: no plan was decided", run.stories[0].need);
        assert_eq!(Failure::of(&run).what, [what]);
    }

    #[test]
    fn a_property_must_be_checked_somewhere() {
        let sweep = SweepReport::of([&vacuous(1), &vacuous(2)]);
        assert_eq!((sweep.verdict, sweep.exit_code()), (Outcome::Vacuous, 4));
        assert_eq!(sweep.vacuous, ["P2"]);
        assert!(sweep.failures.is_empty());
        assert_eq!(SweepReport::of([&vacuous(1), &held(2)]).verdict, Outcome::Held);
        assert_eq!(SweepReport::default().exit_code(), 4);
    }

    #[test]
    fn an_alarm_that_was_due_is_missed_in_the_run_that_has_none() {
        let loud = |seed| {
            let mut run = held(seed);
            run.alarms.push(crate::report::AlarmReport { kind: AlarmKind::DataLoss, what: "gone".into() });
            run
        };
        let mut silent = held(2);
        (silent.verdict, silent.vacuous) = (Outcome::Vacuous, vec![DATA_LOSS.to_owned()]);
        assert_eq!(SweepReport::of([&loud(1), &loud(3)]).verdict, Outcome::Held);
        let sweep = SweepReport::of([&loud(1), &silent, &loud(3)]);
        assert_eq!((sweep.verdict, sweep.exit_code()), (Outcome::Vacuous, 4));
        assert_eq!((sweep.vacuous.as_slice(), sweep.gaps[0].counts), ([DATA_LOSS.to_owned()].as_slice(), true));
        assert_eq!(
            sweep.total.properties[DATA_LOSS],
            PropertySum { asked: 3, checked: 2, missed: 1, ..PropertySum::default() }
        );
    }

    #[test]
    fn every_scenario_is_held_to_its_own_word() {
        let other = |mut run: RunReport| {
            run.scenario = "other".into();
            run
        };
        let sweep = SweepReport::of([&vacuous(1), &other(held(2))]);
        assert_eq!((sweep.verdict, sweep.vacuous.as_slice()), (Outcome::Vacuous, ["P2".to_owned()].as_slice()));
        // Nor does one scenario's luck hide what another of the sweep lacks.
        let mut lucky = other(held(3));
        lucky.sometimes.values_mut().for_each(|hits| *hits = 1);
        lucky.faults.values_mut().for_each(|fault| fault.bites = 1);
        let both = SweepReport::of([&held(1), &lucky]);
        assert_eq!((both.marks_never_hit, both.faults_never_bit), (vec!["lost-disk".into()], vec!["partition".into()]));
        assert_eq!(SweepReport::of([&lucky]).faults_never_bit, [""; 0]);
        let gap = sweep.gaps.iter().find(|gap| gap.counts).unwrap();
        assert_eq!((gap.scenario.as_str(), gap.kind, gap.name.as_str()), ("quiet", GapKind::Property, "P2"));
    }

    #[test]
    fn marks_and_faults_count_once_there_were_runs_enough() {
        let runs: Vec<_> = (0..RUNS_TELLING).map(held).collect();
        let few = SweepReport::of(&runs[1..]);
        assert_eq!((few.verdict, few.gaps.len()), (Outcome::Held, 2));
        let enough = SweepReport::of(&runs);
        assert_eq!((enough.verdict, enough.exit_code()), (Outcome::Vacuous, 4));
        let names: Vec<_> = enough.gaps.iter().map(|gap| (gap.kind, gap.name.as_str(), gap.counts)).collect();
        assert_eq!(names, [(GapKind::Mark, "lost-disk", true), (GapKind::Fault, "partition", true)]);
    }

    /// A run in which these workers earned so much.
    fn paid(seed: u64, earned: &[(&str, i128)]) -> RunReport {
        let part = |strategy: &str| Part { role: "worker".into(), strategy: strategy.into(), owner: NodeNo(1) };
        let earned: Vec<_> =
            earned.iter().map(|(strategy, credits)| Earned { part: part(strategy), credits: *credits }).collect();
        RunReport { profits: profit::of(&earned, &BTreeSet::new()), ..held(seed) }
    }

    #[test]
    fn a_lie_that_pays_fails_the_sweep_by_name_unless_the_scenario_says_so() {
        let run = |seed: u64, gain: i128| {
            let noise = i128::from(seed % 3);
            paid(seed, &[(HONEST, noise), (HONEST, 2 - noise), ("thief", gain + noise)])
        };
        let sweep = |runs: u64, gain| SweepReport::of(&(0..runs).map(|seed| run(seed, gain)).collect::<Vec<_>>());
        let caught = sweep(30, 3);
        assert_eq!((caught.verdict, caught.exit_code()), (Outcome::Violated, 1));
        let thief = Lie::of("quiet", "worker", "thief");
        assert_eq!((caught.pays.as_slice(), caught.unweighed.as_slice()), ([thief.clone()].as_slice(), [].as_slice()));
        let honest = &caught.total.profits["worker"][HONEST];
        assert_eq!((honest.actors, honest.runs, honest.sum), (60, 30, 60));
        assert_eq!(sweep(30, 0).pays, []);
        assert_eq!((sweep(9, 3).pays, sweep(9, 3).unweighed), (vec![], vec![thief]), "too few to tell");
        assert_eq!((sweep(9, 3).verdict, sweep(30, 0).unweighed), (Outcome::Held, vec![]));
        let declared = |gain| {
            let known = |seed| RunReport { paying: ["thief".to_owned()].into(), ..run(seed, gain) };
            SweepReport::of(&(0..30).map(known).collect::<Vec<_>>())
        };
        assert_eq!((declared(3).pays, declared(3).verdict), (vec![], Outcome::Held));
        let gap = |gap: &Gap| gap.kind == GapKind::Profit && gap.name == "thief";
        assert!(declared(0).gaps.iter().any(gap) && !declared(3).gaps.iter().any(gap));
    }

    /// Runs of a scenario that goes beyond a promise, so many of which come to that.
    fn beyond(runs: u64, come: u64) -> SweepReport {
        // Nothing else is missing.
        let run = |seed| {
            let mut run = crate::report::fixture::beyond(seed, seed < come);
            run.profits.clear();
            run.sometimes.values_mut().for_each(|hits| *hits = 1);
            run.faults.values_mut().for_each(|fault| fault.bites = 1);
            run
        };
        SweepReport::of(&(0..runs).map(run).collect::<Vec<_>>())
    }

    #[test]
    fn a_violation_that_was_declared_has_to_be_seen() {
        let one = beyond(RUNS_TELLING, 1);
        assert_eq!((one.verdict, one.exit_code(), one.failures.len(), one.gaps.len()), (Outcome::Held, 0, 0, 0));
        let p3 = one.scenarios["quiet"].properties["P3"];
        assert_eq!((p3.verdict, p3.expected, p3.violated, p3.unknown), (Verdict::Holds, 1, 0, 0));
        let none = beyond(RUNS_TELLING, 0);
        assert_eq!((none.verdict, none.exit_code()), (Outcome::Vacuous, 4));
        assert_eq!((none.gaps[0].kind, none.gaps[0].name.as_str()), (GapKind::Violation, "P3"));
        let few = beyond(RUNS_TELLING - 1, 0);
        assert_eq!((few.verdict, few.gaps[0].counts), (Outcome::Held, false));
    }

    #[test]
    fn what_was_not_declared_fails_there_too() {
        let mut other = violated(7);
        other.scenario = "quiet".into();
        other.breaks.insert("P3".into(), "all of a panel lie".into());
        let mut sweep = beyond(RUNS_TELLING, 3);
        sweep.add(&other);
        assert_eq!((sweep.verdict, sweep.exit_code()), (Outcome::Violated, 1));
        assert_eq!(sweep.failures[0].properties.keys().collect::<Vec<_>>(), ["P1"]);
        // And of a failure that came beside an expected violation only the failure is told.
        let mut both = crate::report::fixture::beyond(8, true);
        both.properties.insert("P1".into(), other.properties["P1"].clone());
        both.contradictions.clone_from(&other.contradictions);
        let failure = Failure::of(&both);
        assert_eq!((failure.properties.len(), failure.what.len()), (1, 1));
    }

    #[test]
    fn what_is_earned_where_a_promise_ended_is_weighed_against_nothing() {
        let thief = vec![Lie::of("quiet", "worker", "thief")];
        let beyond = |runs, come| {
            let runs: Vec<_> = (0..runs).map(|seed| crate::report::fixture::beyond(seed, seed < come)).collect();
            SweepReport::of(&runs)
        };
        let all = beyond(40, 40);
        assert_eq!((all.pays, all.unweighed), (vec![], thief.clone()), "nothing is left to weigh, and that is said");
        assert_eq!(all.total.profits["worker"]["thief"], profit::Profit::default());
        // But the word that a promise may end does not excuse what is earned where it did not.
        let some = beyond(40, 10);
        assert_eq!((some.pays, some.verdict), (thief, Outcome::Violated));
        let counted = some.total.profits["worker"]["thief"];
        assert_eq!((counted.actors, counted.runs, counted.worst), (30, 30, 1_034));
    }

    #[test]
    fn an_interrupted_sweep_never_held() {
        let mut sweep = SweepReport::of([&held(1)]);
        assert_eq!((sweep.verdict, sweep.planned_runs), (Outcome::Held, 1));
        sweep.close(400, true);
        assert_eq!((sweep.verdict, sweep.planned_runs, sweep.interrupted), (Outcome::Unknown, 400, true));
        let mut sweep = SweepReport::of([&violated(1)]);
        sweep.close(400, true);
        assert_eq!(sweep.verdict, Outcome::Violated);
    }

    #[test]
    fn a_failure_from_elsewhere_counts() {
        let mut sweep = SweepReport::of([&held(1)]);
        sweep.fail(Failure { verdict: Outcome::Internal, ..Failure::of(&held(1)) });
        assert_eq!(sweep.exit_code(), 70);
    }

    #[test]
    fn the_hash_tells_which_seed_had_which_trace() {
        let (mut a, mut b) = (held(1), held(2));
        let before = SweepReport::of([&a, &b]).total.trace_hash;
        std::mem::swap(&mut a.trace_hash, &mut b.trace_hash);
        assert_ne!(SweepReport::of([&a, &b]).total.trace_hash, before);
    }

    fn runs() -> impl Strategy<Value = Vec<RunReport>> {
        let run = (any::<u64>(), 0..4_u8, any::<u64>(), any::<u64>()).prop_map(|(seed, kind, n, real)| {
            let mut run = match kind {
                0 => held(seed % 99),
                1 => violated(seed % 99),
                _ => vacuous(seed % 99),
            };
            (run.deliveries, run.simulated_ns, run.real_ns) = (n, n / 2, RealNs(real));
            let earned = i128::from(n >> 4) - i128::from(real >> 4);
            if kind == 3 {
                run.breaks.insert("P3".into(), "all of a panel lie".into());
            }
            run.profits = paid(seed, &[(HONEST, earned), ("thief", -earned), ("thief", i128::from(seed))]).profits;
            run
        });
        prop::collection::vec(run, 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merging_is_associative_and_has_no_order(list in runs(), cut: [prop::sample::Index; 2], shuffle: u64) {
            let whole = SweepReport::of(&list);
            let mut cuts = cut.map(|c| c.index(list.len() + 1));
            cuts.sort_unstable();
            let part = |range: std::ops::Range<usize>| SweepReport::of(&list[range]);
            let parts = || [part(0..cuts[0]), part(cuts[0]..cuts[1]), part(cuts[1]..list.len())];
            let joined = |parts: Vec<SweepReport>| parts.into_iter().reduce(|mut a, b| { a.merge(b); a }).unwrap();

            let [a, b, c] = parts();
            prop_assert_eq!(&joined(vec![a, b, c]), &whole);
            let [a, b, c] = parts();
            prop_assert_eq!(&joined(vec![a, joined(vec![b, c])]), &whole);
            let [a, b, c] = parts();
            prop_assert_eq!(&joined(vec![c, a, b]), &whole);
            let mut list = list;
            if !list.is_empty() {
                let by = shuffle as usize % list.len();
                list.rotate_left(by);
            }
            prop_assert_eq!(&SweepReport::of(&list), &whole);
            prop_assert_eq!(serde_json::from_str::<SweepReport>(&serde_json::to_string(&whole).unwrap()).unwrap(), whole);
        }
    }
}
