//! All checkers side by side, and what they come to together.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::policy::Engines;

use super::earned::{Earned, Earnings};
use super::stories::Stories;
use super::sums::Sums;
use super::{
    ChallengeSafety, Checker, Conservation, Convergence, End, Fencing, Finding, ForcedErrors, LeaseLifetime, Liveness,
    NeedCounts, NeedStory, Outcome, PolicyGates, QuorumValidity, SameFinalize, SingleDecide, Verdict,
};
use crate::history::{AlarmKind, Record};
use crate::model::Model;

/// What is missing where a data-loss alarm had to be raised and was not, among the names of properties.
pub const DATA_LOSS: &str = "data-loss";

/// Judges records as they come.
pub struct Judge {
    checkers: Vec<Box<dyn Checker + Send>>,
    sums: Sums,
    stories: Stories,
    earnings: Earnings,
}

/// What a history comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// All of it in one word.
    pub outcome: Outcome,
    /// What each property's checker found.
    pub properties: BTreeMap<&'static str, Finding>,
    /// How often each mark was hit; those expected stand here with zero.
    pub sometimes: BTreeMap<String, u64>,
    /// Properties asked for, of those judged.
    pub asked: Vec<&'static str>,
    /// Properties that were violated, and only where they had to be: beyond what they promise.
    pub expected: Vec<&'static str>,
    /// Properties asked for and never checked.
    pub vacuous: Vec<&'static str>,
    /// Alarms raised, each once.
    pub alarms: Vec<(AlarmKind, String)>,
    /// How often something was refused, by the reason's name.
    pub refused: BTreeMap<String, u64>,
    /// What became of the needs.
    pub needs: NeedCounts,
    /// What became of each of them.
    pub stories: Vec<NeedStory>,
    /// What everyone earned, by part; nothing of a run that was cut short, in which nobody had its due yet.
    pub earned: Vec<Earned>,
    /// Records judged.
    pub records: u64,
}

impl Default for Judge {
    /// With every checker there is; of policies only the engines are compared.
    fn default() -> Self {
        Self::all(PolicyGates::default())
    }
}

impl Judge {
    /// With every checker there is, and the rules that what takes effect is judged by again.
    pub fn new(engines: Arc<dyn Engines>) -> Self {
        Self::all(PolicyGates::new(engines))
    }

    fn all(gates: PolicyGates) -> Self {
        Self::with(vec![
            Box::<SingleDecide>::default(),
            Box::<SameFinalize>::default(),
            Box::<ChallengeSafety>::default(),
            Box::<Fencing>::default(),
            Box::<LeaseLifetime>::default(),
            Box::<QuorumValidity>::default(),
            Box::<Conservation>::default(),
            Box::<Convergence>::default(),
            Box::<Liveness>::default(),
            Box::<Model>::default(),
            Box::<ForcedErrors>::default(),
            Box::new(gates),
        ])
    }

    /// With these checkers only.
    pub fn with(checkers: Vec<Box<dyn Checker + Send>>) -> Self {
        Self { checkers, sums: Sums::default(), stories: Stories::default(), earnings: Earnings::default() }
    }

    /// Takes the next record.
    pub fn see(&mut self, record: &Record) {
        self.sums.see(record);
        self.stories.see(record);
        self.earnings.see(record);
        for checker in &mut self.checkers {
            checker.see(record);
        }
    }

    /// Judges what was seen, if it ended so. May be asked again after more was seen.
    pub fn finish(&mut self, end: &End) -> Judgement {
        let all = self.checkers.iter_mut().map(|c| (c.name(), c.finish(end)));
        // Of what nobody asked for, and of which nothing was seen, nothing is said.
        let properties: BTreeMap<_, _> = all
            .filter(|(name, found)| {
                end.expect.properties.contains(*name) || found.checked > 0 || found.verdict != Verdict::Holds
            })
            .collect();
        let mut sometimes = self.sums.marks.clone();
        for mark in &end.expect.marks {
            sometimes.entry(mark.clone()).or_default();
        }
        let asked: Vec<_> = properties.keys().copied().filter(|name| end.expect.properties.contains(*name)).collect();
        let mut vacuous: Vec<_> = asked.iter().copied().filter(|name| properties[name].checked == 0).collect();
        let alarms: Vec<_> = self.sums.alarms.iter().cloned().collect();
        let broken = |name: &str, found: &Finding| {
            end.expect.breaks.contains(name) && found.beyond > 0 && found.violations == found.beyond
        };
        let expected: Vec<_> =
            properties.iter().filter(|(name, found)| broken(name, found)).map(|(name, _)| *name).collect();
        let judged = (properties.iter())
            .filter(|(name, _)| !expected.contains(name))
            .map(|(name, finding)| outcome(name, finding.verdict));
        let raised = alarms.iter().map(|(kind, _)| match kind {
            AlarmKind::DataLoss if end.expect.data_loss => Outcome::Held,
            AlarmKind::DataLoss => Outcome::DataLoss,
            AlarmKind::Internal => Outcome::Internal,
        });
        // A loss that had to be seen and was not is as bad as a property that was never checked.
        if end.expect.data_loss && !alarms.iter().any(|(kind, _)| *kind == AlarmKind::DataLoss) {
            vacuous.push(DATA_LOSS);
        }
        let empty = if vacuous.is_empty() { Outcome::Held } else { Outcome::Vacuous };
        let outcome = judged.chain(raised).chain([empty]).max().unwrap_or_default();
        let (needs, refused) = (self.stories.counts(), self.sums.refused.clone());
        let earned = if end.settled { self.earnings.finish() } else { Vec::new() };
        let (stories, records) = (self.stories.all(), self.sums.records);
        Judgement {
            outcome,
            properties,
            sometimes,
            asked,
            expected,
            vacuous,
            alarms,
            refused,
            needs,
            stories,
            earned,
            records,
        }
    }
}

impl Judgement {
    /// The exit code (ARCHITECTURE: Exit codes).
    pub fn exit_code(&self) -> u8 {
        self.outcome.code()
    }
}

/// Judges a whole history.
pub fn judge<'a>(history: impl IntoIterator<Item = &'a Record>, end: &End) -> Judgement {
    let mut judge = Judge::default();
    for record in history {
        judge.see(record);
    }
    judge.finish(end)
}

/// What a property's verdict means for the whole.
pub(crate) fn outcome(property: &str, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Holds => Outcome::Held,
        Verdict::Unknown => Outcome::Unknown,
        Verdict::Violated if property == "liveness" => Outcome::NoLiveness,
        Verdict::Violated => Outcome::Violated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::PROPERTIES;
    use crate::check::fixture::{agent, good, need};
    use crate::history::{Event, NeedEnd, NodeNo};

    #[test]
    fn a_good_history_is_judged_whole() {
        let mut run = good();
        run.end.expect.marks.insert("never".into());
        let judged = judge(&run.records, &run.end);
        assert_eq!((judged.outcome, judged.exit_code()), (Outcome::Held, 0), "{judged:#?}");
        let mut names: Vec<_> = judged.properties.keys().copied().collect();
        names.sort_by_key(|name| PROPERTIES.iter().position(|p| p == name));
        // Nobody lied, and nobody pretended to.
        let asked = |name: &&str| !["P3", "decoys"].contains(name);
        assert_eq!(names, PROPERTIES.into_iter().filter(asked).collect::<Vec<_>>());
        assert_eq!(judged.sometimes, [("never".to_owned(), 0), ("reassigned".to_owned(), 1)].into());
        assert_eq!(
            judged.needs,
            NeedCounts { posted: 1, opened: 1, finalized: 1, settled: 1, ..NeedCounts::default() }
        );
        assert_eq!(judged.records, run.records.len() as u64);
    }

    #[test]
    fn nothing_is_vacuous_not_green() {
        let judged = judge([], &End { settled: true, ..End::default() });
        assert_eq!((judged.outcome, judged.exit_code()), (Outcome::Vacuous, 4));
        assert_eq!(judged.vacuous.len(), PROPERTIES.len() - 2, "P3 and decoys were not asked for");
    }

    #[test]
    fn one_property_never_checked_is_vacuous_if_it_was_asked_for() {
        let mut run = good();
        // What one node alone tells was compared with nothing.
        run.drop_all(|e| matches!(e, Event::Replayed { .. }));
        run.records.retain(|r| !matches!(r.event, Event::Finalized { .. }) || r.node == NodeNo(0));
        let judged = judge(&run.records, &run.end);
        assert_eq!((judged.outcome, judged.vacuous.as_slice()), (Outcome::Vacuous, ["P2"].as_slice()));
        run.end.expect.properties.remove("P2");
        assert_eq!(judge(&run.records, &run.end).outcome, Outcome::Held);
    }

    #[test]
    fn a_loss_that_is_wanted_must_be_seen() {
        let mut run = good();
        run.end.expect.data_loss = true;
        let judged = judge(&run.records, &run.end);
        assert_eq!((judged.outcome, judged.vacuous.as_slice()), (Outcome::Vacuous, ["data-loss"].as_slice()));
        run.tell(0, Event::Alarm { kind: AlarmKind::DataLoss, what: "y".into() });
        assert_eq!(judge(&run.records, &run.end).outcome, Outcome::Held);
    }

    /// A checker of P3 that finds so many contradictions, and so many of them beyond what it promises.
    struct Found(u64, u64);

    impl Checker for Found {
        fn name(&self) -> &'static str {
            "P3"
        }

        fn see(&mut self, _: &Record) {}

        fn finish(&mut self, _: &End) -> Finding {
            let verdict = if self.0 > 0 { Verdict::Violated } else { Verdict::Holds };
            Finding { verdict, checked: 1, violations: self.0, beyond: self.1, ..Finding::default() }
        }
    }

    #[test]
    fn only_what_is_beyond_the_promise_and_declared_is_no_violation() {
        let mut run = good();
        run.end.expect.properties = ["P3".to_owned()].into();
        let judged = |run: &crate::check::fixture::Run, found: Found| {
            let judged = Judge::with(vec![Box::new(found)]).finish(&run.end);
            (judged.outcome, judged.expected.len())
        };
        assert_eq!(judged(&run, Found(2, 2)), (Outcome::Violated, 0));
        run.end.expect.breaks.insert("P3".to_owned());
        assert_eq!(judged(&run, Found(2, 2)), (Outcome::Held, 1));
        assert_eq!(judged(&run, Found(2, 1)), (Outcome::Violated, 0), "one of them was promised not to happen");
        assert_eq!(judged(&run, Found(0, 0)), (Outcome::Held, 0));
        run.end.expect.breaks = ["P1".to_owned()].into();
        assert_eq!(judged(&run, Found(2, 2)), (Outcome::Violated, 0));
    }

    #[test]
    fn each_kind_of_bad_end_has_its_code_and_the_worst_wins() {
        let mut run = good();
        let code = |run: &crate::check::fixture::Run| judge(&run.records, &run.end).exit_code();
        run.end.settled = false;
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        assert_eq!(code(&run), 2);
        run.end.settled = true;
        assert_eq!(code(&run), 3);
        run.repeat_last(|e| matches!(e, Event::Decided { .. }));
        assert_eq!(code(&run), 1);
        run.tell(0, Event::Alarm { kind: AlarmKind::Internal, what: "x".into() });
        assert_eq!(code(&run), 70);
        run.tell(0, Event::Alarm { kind: AlarmKind::DataLoss, what: "y".into() });
        assert_eq!(code(&run), 75);
    }

    #[test]
    fn every_need_is_counted_in_one_end() {
        let mut run = good();
        for (nonce, how) in [(7, Some(NeedEnd::Failed)), (8, Some(NeedEnd::Cancelled)), (9, None)] {
            let need = swarm_core::id::NeedId::of(&agent(1), swarm_core::id::Nonce(nonce));
            run.tell(0, Event::NeedOpened { need });
            if let Some(how) = how {
                run.tell(0, Event::NeedEnded { how, need });
                run.tell(1, Event::NeedEnded { how, need });
            }
        }
        let needs = judge(&run.records, &run.end).needs;
        assert_eq!(
            needs,
            NeedCounts { posted: 4, opened: 4, finalized: 1, settled: 1, cancelled: 1, failed: 1, unfinished: 1 }
        );
    }

    #[test]
    fn contradictions_name_both_records() {
        let mut run = good();
        run.repeat_last(|e| matches!(e, Event::Decided { .. }));
        let judged = judge(&run.records, &run.end);
        let found = &judged.properties["P1"].contradictions[0];
        assert_eq!(found.property, "P1");
        assert_eq!(found.records.len(), 2);
        assert!(found.records.iter().all(|w| w.node == NodeNo(2).to_string() && w.event.contains(&need().to_string())));
    }
}
