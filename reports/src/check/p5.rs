//! P5, lease lifetime: in the order of the register, as each node believes it, at most one holder has a task, fences
//! strictly rise, and nothing is accepted from or renewed for anyone else; and an abandoned task is open again, or over,
//! within a bound.
//!
//! Nobody holds for ever: a lease with all its renewals lasts no longer than its share of the eta that it was won with, and
//! whoever let it expire is not granted the task again.
//!
//! No lease expires before its time: from the moment the entry that granted it was first applied anywhere, to the moment the entry that
//! ends it was, any majority with one good clock in it needs the time that the rules promise, and as much more as it was prolonged by.
//!
//! The order is judged per node, always. The bound is judged in global time over all nodes (whoever tells it first), and
//! only for what was still due once the run was healed: before that a partition may hold anything up.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{AgentId, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::wire::ReleaseReason;

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Phase, Record, Rules};
use crate::render::span;

const NAME: &str = "P5";

/// The oracle of P5.
#[derive(Debug, Default)]
pub struct LeaseLifetime {
    entries: Entries,
    healed_at: Option<u64>,
    liars: Liars,
    needs: BTreeMap<NeedId, BTreeMap<TaskName, Task>>,
    notes: Notes,
    rules: Option<Arc<Rules>>,
}

#[derive(Debug, Default)]
struct Task {
    /// Who was granted a fence, by whoever told it first.
    grants: BTreeMap<Fence, Record>,
    /// The task as each node believes it.
    by_node: BTreeMap<NodeNo, Belief>,
    /// What is awaited of it, over all nodes.
    wait: Wait,
}

/// When the entries of needs were applied, and which one a node tells of.
#[derive(Debug, Default)]
struct Entries {
    /// In global time, by whoever was first: when its node took it in, if that was told, or else when it was told.
    applied: BTreeMap<NeedId, BTreeMap<Seq, u64>>,
    /// The entry whose events a node tells; none once it left one out.
    told: BTreeMap<(NodeNo, NeedId), Option<Seq>>,
}

/// Where a task stands for one node. The records are those that made it so.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Held(Lease),
    Judged(Fence, Record),
    Over(Record),
}

/// A lease that stands.
#[derive(Debug)]
struct Lease {
    fence: Fence,
    holder: AgentId,
    granted: Record,
    /// How long it lasts in all, and how long it may; milliseconds.
    total_ms: u64,
    most_ms: u64,
}

#[derive(Debug, Default)]
struct Belief {
    /// Who let a lease of it expire, and when that was told.
    barred: BTreeMap<AgentId, Record>,
    /// The lease that stands, for how long it is held.
    since: Option<Since>,
    state: State,
    top: Fence,
}

/// When a lease was granted: when its entry was first applied, in global time; how long it was to be, and is with its renewals.
#[derive(Debug)]
struct Since {
    applied_at: u64,
    granted: Record,
    lease_ms: u64,
    total_ms: u64,
}

/// What must come next, and since when.
#[derive(Debug, Default)]
struct Wait {
    fence: Fence,
    over: bool,
    segment: Segment,
    since: Option<(Due, u64, Record)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A renewal, a result or the end of the lease.
    LeaseEnd,
    /// The next grant, or the end of the task.
    NextGrant,
}

impl Checker for LeaseLifetime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Genesis { rules, .. } => self.rules = Some(rules.clone()),
            Event::Phase(phase) if *phase >= Phase::Heal => {
                self.healed_at.get_or_insert(record.at);
            }
            // A slow disk tells an entry late, and delays no stopwatch.
            Event::Took { thread: Thread::Need(need), seq, .. }
            | Event::Applied { thread: Thread::Need(need), seq, .. }
                if !self.liars.told(record) =>
            {
                self.entries.applied.entry(*need).or_default().entry(*seq).or_insert(record.at);
            }
            Event::Believed { thread: Thread::Need(need), seq, .. } if !self.liars.told(record) => {
                let told = self.entries.told.entry((record.node, *need)).or_insert(Some(Seq(0)));
                // One told again after a restart, by its link alone, leaves the place where it was.
                if told.is_some_and(|told| *seq > told) {
                    *told = told.map(Seq::next).filter(|next| next == seq);
                }
            }
            Event::Granted { need, task, .. }
            | Event::Renewed { need, task, .. }
            | Event::LeaseEnded { need, task, .. }
            | Event::Accepted { need, task, .. }
            | Event::TaskEnded { need, task, .. }
                if !self.liars.told(record) =>
            {
                let tasks = self.needs.entry(*need).or_default();
                if !tasks.contains_key(task) {
                    tasks.insert(task.clone(), Task::default());
                }
                let known = tasks.get_mut(task).expect("it was just put there");
                let stretch_bp = self.rules.as_deref().map_or(u32::MAX, |rules| rules.lease_stretch_bp);
                known.order(record, stretch_bp, &mut self.notes);
                let least = self.rules.as_deref().map_or(0, |rules| rules.held_ns_min);
                if let Some(applied_at) = self.entries.applied_at(record.node, need) {
                    known.early(record, applied_at, least, &mut self.notes);
                }
                let bound = Bound { rules: self.rules.as_deref(), healed_at: self.healed_at };
                known.wait.see(record, bound, &mut self.notes);
            }
            Event::NeedEnded { need, .. } if !self.liars.told(record) => {
                let bound = Bound { rules: self.rules.as_deref(), healed_at: self.healed_at };
                for task in self.needs.get_mut(need).into_iter().flat_map(BTreeMap::values_mut) {
                    task.wait.end(record, bound, &mut self.notes);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        let bound = Bound { rules: self.rules.as_deref(), healed_at: self.healed_at };
        for (_, tasks) in self.needs.iter().filter(|(need, _)| !end.expect.excused.contains(need)) {
            for (name, task) in tasks {
                let Some((due, since, record)) = &task.wait.since else { continue };
                match bound.after(*due, *since) {
                    Some(limit) if end.at > limit => {
                        notes.checked();
                        notes.contradict(NAME, format!("{} by {}", due.missed(), span(limit)), &[record]);
                    }
                    _ => notes.unknown(format!("task {name} still waits, but the run ended before its bound")),
                }
            }
        }
        notes.finding
    }
}

impl Task {
    /// Judges the order of one node's beliefs.
    fn order(&mut self, record: &Record, stretch_bp: u32, notes: &mut Notes) {
        let belief = self.by_node.entry(record.node).or_default();
        match &record.event {
            Event::Granted { fence, worker, eta_ms, lease_ms, .. } => {
                notes.checked();
                match self.grants.get(fence) {
                    None => drop(self.grants.insert(*fence, record.clone())),
                    Some(first) => {
                        let same = matches!(&first.event, Event::Granted { worker: w, .. } if w == worker);
                        if !same {
                            notes.contradict(NAME, "one fence is granted to two workers", &[first, record]);
                        }
                    }
                }
                match &belief.state {
                    State::Idle => {}
                    State::Held(held) => {
                        notes.contradict(NAME, "a task is granted while it is held", &[&held.granted, record])
                    }
                    State::Judged(_, then) => {
                        notes.contradict(NAME, "a task is granted while its result is judged", &[then, record]);
                    }
                    State::Over(then) => notes.contradict(NAME, "a task is granted after its end", &[then, record]),
                }
                if let Some(expired) = belief.barred.get(worker) {
                    notes.contradict(NAME, "a task is granted again to one who let it expire", &[expired, record]);
                }
                if *fence <= belief.top {
                    let what = format!("a fence does not rise: {fence} is granted after {}", belief.top);
                    let first = self.grants.get(&belief.top).filter(|first| *first != record);
                    notes.contradict(NAME, what, &first.into_iter().chain([record]).collect::<Vec<_>>());
                }
                belief.top = belief.top.max(*fence);
                let total_ms = u64::from(*lease_ms);
                let share = u128::from(*eta_ms) * u128::from(stretch_bp) / 10_000;
                let most_ms = u64::try_from(share).unwrap_or(u64::MAX).max(total_ms);
                let (fence, holder, granted) = (*fence, *worker, record.clone());
                belief.state = State::Held(Lease { fence, holder, granted, total_ms, most_ms });
            }
            Event::Renewed { fence, more_ms, .. } => match &mut belief.state {
                State::Held(lease) if lease.fence == *fence => {
                    lease.total_ms = lease.total_ms.saturating_add(u64::from(*more_ms));
                    let (total, most) = (lease.total_ms, lease.most_ms);
                    if total > most {
                        let what = format!("a lease is prolonged to {total} ms, and {most} is the most for its eta");
                        notes.contradict(NAME, what, &[&lease.granted, record]);
                    }
                }
                _ => belief.wrong("a lease is renewed that does not stand", record, notes),
            },
            Event::Accepted { fence, worker, .. } => {
                if !matches!(&belief.state, State::Held(l) if l.fence == *fence && l.holder == *worker) {
                    belief.wrong("a result is accepted from one who does not hold the task", record, notes);
                }
                belief.state = State::Judged(*fence, record.clone());
            }
            Event::LeaseEnded { fence, reason, .. } => {
                let held = match &belief.state {
                    State::Held(lease) if lease.fence == *fence => Some(lease.holder),
                    _ => None,
                };
                let fits = match reason {
                    ReleaseReason::Expired | ReleaseReason::Yielded => held.is_some(),
                    ReleaseReason::Failed | ReleaseReason::Unseated | ReleaseReason::Unruled => {
                        matches!(&belief.state, State::Judged(f, _) if f == fence)
                    }
                    ReleaseReason::Voided => {
                        matches!(&belief.state, State::Held(Lease { fence: f, .. }) | State::Judged(f, _) if f == fence)
                    }
                    ReleaseReason::Unbonded => held.is_some() || matches!(belief.state, State::Idle),
                    ReleaseReason::Unbid => matches!(belief.state, State::Idle),
                };
                if !fits {
                    belief.wrong("a lease ends that does not stand, or not for this reason", record, notes);
                }
                if let (ReleaseReason::Expired, Some(holder)) = (reason, held) {
                    belief.barred.entry(holder).or_insert_with(|| record.clone());
                }
                belief.top = belief.top.max(*fence);
                belief.state = State::Idle;
            }
            Event::TaskEnded { .. } => {
                if let State::Over(then) = &belief.state {
                    notes.contradict(NAME, "a task ends twice", &[then, record]);
                }
                belief.state = State::Over(record.clone());
            }
            _ => {}
        }
    }
}

impl Entries {
    /// When the entry that `node` tells of was first applied.
    fn applied_at(&self, node: NodeNo, need: &NeedId) -> Option<u64> {
        let seq = self.told.get(&(node, *need)).copied().flatten()?;
        self.applied.get(need)?.get(&seq).copied()
    }
}

impl Task {
    /// Judges whether a lease expired before its time, by when the entries were applied.
    fn early(&mut self, record: &Record, applied_at: u64, least: u64, notes: &mut Notes) {
        let belief = self.by_node.entry(record.node).or_default();
        match &record.event {
            Event::Granted { lease_ms, .. } => {
                let (lease_ms, granted) = (u64::from(*lease_ms), record.clone());
                belief.since = Some(Since { applied_at, granted, lease_ms, total_ms: lease_ms });
            }
            // It follows what is running.
            Event::Renewed { more_ms, .. } => {
                if let Some(since) = &mut belief.since {
                    since.total_ms = since.total_ms.saturating_add((*more_ms).into());
                }
            }
            Event::LeaseEnded { reason: ReleaseReason::Expired, .. } if least > 0 => {
                let Some(since) = belief.since.take() else { return };
                notes.checked();
                let held = applied_at.saturating_sub(since.applied_at);
                let least = u128::from(least) * u128::from(since.total_ms) / u128::from(since.lease_ms.max(1));
                let least = u64::try_from(least).unwrap_or(u64::MAX);
                if held < least {
                    let (held, least) = (span(held), span(least));
                    let what = format!("a lease expired after {held}, before any majority could have seen {least}");
                    notes.contradict(NAME, what, &[&since.granted, record]);
                }
            }
            _ => {}
        }
    }
}

impl Belief {
    /// `record` does not fit the state it is told in.
    fn wrong(&self, what: &str, record: &Record, notes: &mut Notes) {
        match &self.state {
            State::Idle => notes.contradict(NAME, format!("{what}: nobody holds the task"), &[record]),
            State::Held(Lease { granted: then, .. }) | State::Judged(_, then) | State::Over(then) => {
                notes.contradict(NAME, what, &[then, record])
            }
        }
    }
}

/// How long something may wait.
#[derive(Clone, Copy)]
struct Bound<'a> {
    rules: Option<&'a Rules>,
    healed_at: Option<u64>,
}

impl Bound<'_> {
    /// The latest moment for what is due since `since`; nothing while the run is not healed.
    fn after(self, due: Due, since: u64) -> Option<u64> {
        let rules = self.rules?;
        let length = match due {
            Due::LeaseEnd => rules.held_ns_max,
            Due::NextGrant => rules.idle_ns_max,
        };
        Some(since.max(self.healed_at?).saturating_add(length))
    }
}

impl Due {
    fn missed(self) -> &'static str {
        match self {
            Self::LeaseEnd => "a silent holder's lease did not end",
            Self::NextGrant => "an abandoned task was neither granted nor ended",
        }
    }
}

impl Wait {
    fn see(&mut self, record: &Record, bound: Bound<'_>, notes: &mut Notes) {
        if self.over {
            return;
        }
        match &record.event {
            Event::Granted { fence, .. } if *fence > self.fence => {
                (self.fence, self.segment) = (*fence, Segment(0));
                self.next(Some(Due::LeaseEnd), record, bound, notes);
            }
            Event::Renewed { fence, segment, .. }
                if *fence == self.fence && *segment > self.segment && self.awaits(Due::LeaseEnd) =>
            {
                self.segment = *segment;
                self.next(Some(Due::LeaseEnd), record, bound, notes);
            }
            Event::Accepted { fence, .. } if *fence == self.fence && self.awaits(Due::LeaseEnd) => {
                self.next(None, record, bound, notes);
            }
            // A second node that tells the same end must not start the wait anew.
            Event::LeaseEnded { fence, reason, .. }
                if *fence == self.fence && *reason != ReleaseReason::Unbid && !self.awaits(Due::NextGrant) =>
            {
                // What rests on a void result waits until that is done again, which has bounds of its own.
                let due = (*reason != ReleaseReason::Voided).then_some(Due::NextGrant);
                self.next(due, record, bound, notes);
            }
            Event::TaskEnded { .. } => self.end(record, bound, notes),
            _ => {}
        }
    }

    fn awaits(&self, what: Due) -> bool {
        self.since.as_ref().is_some_and(|(due, ..)| *due == what)
    }

    fn end(&mut self, record: &Record, bound: Bound<'_>, notes: &mut Notes) {
        self.next(None, record, bound, notes);
        self.over = true;
    }

    /// `record` ends the wait; judges whether in time, and begins the next.
    fn next(&mut self, due: Option<Due>, record: &Record, bound: Bound<'_>, notes: &mut Notes) {
        let ended = std::mem::replace(&mut self.since, due.map(|due| (due, record.at, record.clone())));
        if let Some((due, since, then)) = ended {
            notes.checked();
            if let Some(limit) = bound.after(due, since).filter(|limit| record.at > *limit) {
                notes.contradict(NAME, format!("{} by {}", due.missed(), span(limit)), &[&then, record]);
            }
        }
    }
}

#[cfg(test)]
#[path = "p5_tests.rs"]
mod tests;
