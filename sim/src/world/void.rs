//! A history in which a register was founded anew is two: what counts, and what the lost register lived until it was heard of no
//! more. Each has to hold by itself, so what is told is kept until it is known which of the two it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{NeedId, Seq, Thread};
use swarm_core::register::{Applied, Chain};
use swarm_reports::check::{Checker, Convergence, End, Judge, Judgement, Outcome, SingleDecide, Verdict};
use swarm_reports::history::{Event, NodeNo, Phase, Record, WORLD};

use crate::policies;

/// The entry that a record tells of.
pub type About = (Thread, Seq);

/// The records of a run whose register may be founded anew.
pub struct Void {
    /// Hosts before this one were the first coordinators.
    coordinators: u32,
    /// The first host of the register that was founded anew, and what it was founded on.
    founded: Option<(u32, BTreeMap<Thread, Chain>)>,
    records: Vec<(Record, Option<About>)>,
    /// Records before this one that a host told of a need beyond what was kept are void: it forgot what they tell.
    forgot: BTreeMap<(u32, Thread), usize>,
    /// What was applied of the first one, for those who fold it anew.
    applied: BTreeMap<NeedId, BTreeMap<Seq, Arc<Applied>>>,
}

impl Void {
    pub fn new(coordinators: u32) -> Self {
        Self { coordinators, founded: None, records: Vec::new(), forgot: BTreeMap::new(), applied: BTreeMap::new() }
    }

    pub fn founded(&mut self, first: u32, base: BTreeMap<Thread, Chain>) {
        self.founded = Some((first, base));
    }

    /// Whether host `no` is a member of the register that was founded anew.
    pub fn is_new(&self, no: u32) -> bool {
        self.founded.as_ref().is_some_and(|(first, _)| no >= *first)
    }

    /// How far `thread` was kept.
    pub fn kept(&self, thread: Thread) -> Seq {
        let base = self.founded.as_ref().and_then(|(_, base)| base.get(&thread));
        base.map_or(Seq(0), |chain| chain.seq)
    }

    /// Host `no` forgot what it had believed of a need beyond what was kept; so many records are on their way.
    pub fn forgot(&mut self, no: u32, need: NeedId, coming: usize) {
        self.forgot.insert((no, Thread::Need(need)), self.records.len() + coming);
    }

    pub fn applied(&mut self, no: u32, thread: Thread, entry: &Arc<Applied>) {
        let beyond = self.is_new(no) && entry.seq > self.kept(thread);
        if let (false, Thread::Need(need)) = (beyond, thread) {
            self.applied.entry(need).or_default().insert(entry.seq, Arc::clone(entry));
        }
    }

    /// The entries of a need up to `kept`.
    pub fn prefix(&self, need: NeedId, kept: Seq) -> Vec<Arc<Applied>> {
        self.applied
            .get(&need)
            .into_iter()
            .flat_map(|log| log.range(..=kept))
            .map(|(_, entry)| Arc::clone(entry))
            .collect()
    }

    pub fn see(&mut self, record: Record, about: Option<About>) {
        self.records.push((record, about));
    }

    /// Whether the record at `at` is of what was lost.
    fn is_lost(&self, at: usize, node: NodeNo, about: Option<About>) -> bool {
        let Some((thread, seq)) = about else { return false };
        if seq <= self.kept(thread) || self.is_new(node.0) {
            return false;
        }
        let forgot = self.forgot.get(&(node.0, thread)).is_some_and(|until| at < *until);
        self.founded.is_some() && (node.0 < self.coordinators || forgot)
    }

    /// Judges both, and the one promise that binds them: nothing void takes effect unreported.
    pub fn judge(&self, end: &End) -> Judgement {
        let judge = || Judge::new(policies::library());
        let (mut new, mut old, mut both) = (judge(), judge(), SingleDecide::default());
        // Who believes in the lost one what the new one vouches for, and when its replicas were to agree, nobody promised.
        let mut links = Convergence::default();
        let mut lost_finals: BTreeSet<Arc<[u8]>> = BTreeSet::new();
        let mut kept_finals: BTreeSet<Arc<[u8]>> = BTreeSet::new();
        for (at, (record, about)) in self.records.iter().enumerate() {
            if let (Event::Finalized { record: bytes, .. }, Some(_)) = (&record.event, about) {
                let of = if self.is_lost(at, record.node, *about) { &mut lost_finals } else { &mut kept_finals };
                of.insert(Arc::clone(bytes));
            }
        }
        for (at, (record, about)) in self.records.iter().enumerate() {
            let said_of_lost = |event: &Event| match event {
                Event::Announced { record, .. } => lost_finals.contains(record) && !kept_finals.contains(record),
                _ => false,
            };
            let lost = self.is_lost(at, record.node, *about) || (about.is_none() && said_of_lost(&record.event));
            both.see(record);
            if !lost {
                new.see(record);
            }
            let beyond = about.is_some_and(|(thread, seq)| seq > self.kept(thread)) && !lost;
            let last_word = matches!(
                record.event,
                Event::View { .. } | Event::Correct { .. } | Event::Replayed { .. } | Event::Mark(_)
            );
            // What was lost never healed: until when it waits in vain is not its fault.
            let heals = matches!(record.event, Event::Phase(phase) if phase >= Phase::Heal);
            let of_old = record.node == WORLD || !self.is_new(record.node.0);
            if self.founded.is_some() && !beyond && !last_word && !heals && of_old {
                old.see(record);
                if record.node != WORLD {
                    links.see(record);
                }
            }
        }
        let mut judged = new.finish(end);
        if self.founded.is_none() {
            return judged;
        }
        let unfinished = End { settled: false, ..end.clone() };
        let promised = |name: &str| !["P10", "liveness"].contains(&name);
        let mut also: Vec<_> =
            old.finish(&unfinished).properties.into_iter().filter(|(name, _)| promised(name)).collect();
        also.extend([("P1", both.finish(end)), ("P10", links.finish(&unfinished))]);
        for (name, finding) in also {
            let Some(own) = judged.properties.get_mut(name) else { continue };
            own.checked += finding.checked;
            if finding.verdict == Verdict::Violated {
                own.verdict = Verdict::Violated;
                own.violations += finding.violations;
                own.contradictions.extend(finding.contradictions);
                judged.outcome = judged.outcome.max(Outcome::Violated);
            }
        }
        judged
    }
}
