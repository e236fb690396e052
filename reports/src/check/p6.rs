//! P6, quorum validity: every count that decided something counted distinct members of the recorded snapshot, staked,
//! drawn, unrelated to those they judged, at least K of them, whether they voted on a plan, a result or a dispute; whoever
//! was drawn for a plan or a result is whom the snapshot and the seed give, and the seed is that of the round of reveals;
//! bootstrap relaxes what it may, while it may; and no result is final that a committee did not pass. Everything is
//! recomputed here from what was recorded: the K, the size, the seats that a node states prove nothing. Of those who rule
//! on a dispute the K and the draw are the plain model's to say.
//!
//! A count whose evidence was not told yet waits for it. If it never comes, the verdict is unknown where somebody else had
//! to tell it; where the same thread had to, there was none, and that is a contradiction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Epoch, Fence, NeedId, TaskName, Thread};
use swarm_core::register::{Applied, Bench, Event as Did};
use swarm_core::wire::{Body, Envelope, FinalizeRecord, SnapshotRef, Verdict as Counted};

use super::pools::{Faults, Pool, counted, enough, within};
use super::rounds::Rounds;
use super::{Checker, End, Finding, Liars, Notes, draw};
use crate::history::{Event, Party, PoolMember, PoolSnapshot, Record, Rules};

const NAME: &str = "P6";

/// The oracle of P6.
#[derive(Debug, Default)]
pub struct QuorumValidity {
    liars: Liars,
    needs: BTreeMap<NeedId, Need>,
    notes: Notes,
    /// Committees that ruled on a dispute.
    panels: Vec<Panel>,
    parties: BTreeMap<AgentId, Party>,
    /// Draws and counts whose evidence is not complete.
    pending: Vec<Record>,
    rounds: Rounds,
    rules: Option<Arc<Rules>>,
    /// Snapshots by number: the first of each.
    snapshots: BTreeMap<u32, Pool>,
}

#[derive(Debug, Default)]
struct Need {
    commits: BTreeMap<TaskName, BTreeMap<Cid, Commit>>,
    decided: Option<(AgentId, Record)>,
    disputes: BTreeMap<TaskName, Dispute>,
    finals: BTreeMap<TaskName, BTreeMap<Fence, Record>>,
    targets: Option<(u32, u32)>,
    /// Grants whose result was void: the next one needs two passes more for each.
    void: BTreeMap<TaskName, BTreeSet<Fence>>,
    voters: BTreeMap<Epoch, Record>,
}

#[derive(Debug, Default)]
struct Commit {
    fence: Option<Fence>,
    seated: Option<Record>,
    tallied: Option<Record>,
    worker: Option<AgentId>,
}

/// A dispute, and who sits over it.
#[derive(Debug)]
struct Dispute {
    bench: Bench,
    challenge: Arc<Envelope>,
    sits: Option<(u32, Vec<AgentId>, SnapshotRef)>,
}

/// A committee that ruled.
#[derive(Debug)]
struct Panel {
    bench: Bench,
    challenge: Arc<Envelope>,
    counted: Vec<AgentId>,
    k: u32,
    need: NeedId,
    record: Record,
    seats: Vec<AgentId>,
    snapshot: SnapshotRef,
    task: TaskName,
}

/// Evidence that was not told (yet).
enum Missing {
    /// Others had to tell it: without it nothing can be said.
    Told(&'static str),
    /// Whoever told what rests on it would have told it first: it never was.
    Done(&'static str),
}

impl Checker for QuorumValidity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        if self.liars.told(record) {
            return;
        }
        match &record.event {
            Event::Genesis { parties, rules } => {
                self.rules = Some(rules.clone());
                self.parties = parties.iter().map(|p| (p.agent, p.clone())).collect();
            }
            Event::NeedPosted { need, k_plan, k_result, .. } => {
                self.needs.entry(*need).or_default().targets = Some((*k_plan, *k_result));
            }
            Event::Ordered { command, entry, thread: Thread::System } => self.rounds.see(command, entry),
            Event::Ordered { entry, thread: Thread::Need(need), .. } => {
                self.proofs(entry, record);
                entry.outcome.events().iter().for_each(|did| self.disputed(*need, did, record));
            }
            Event::SnapshotTaken(taken) => self.snapshot(taken, record),
            Event::Voters { need, epoch, .. } => {
                let state = self.needs.entry(*need).or_default();
                let what = "two nodes drew other voters for one epoch";
                if first(&mut self.notes, state.voters.get(epoch), record, what) {
                    state.voters.insert(*epoch, record.clone());
                    self.weigh(record);
                }
            }
            Event::Decided { need, planner, .. } => {
                let state = self.needs.entry(*need).or_default();
                let before = state.decided.as_ref().map(|(_, r)| r);
                // Another decision is P1's to judge.
                if before.is_some_and(|before| !same_decision(before, record)) {
                    return;
                }
                let what = "two nodes counted other approvals for one decision";
                if first(&mut self.notes, before, record, what) {
                    state.decided = Some((*planner, record.clone()));
                    self.weigh(record);
                }
            }
            Event::Accepted { need, task, commit, worker, fence } => {
                let known = self.needs.entry(*need).or_default().commit(task, commit);
                known.worker.get_or_insert(*worker);
                known.fence.get_or_insert(*fence);
            }
            Event::Invalidated { need, task, fence, .. } => {
                self.needs.entry(*need).or_default().void.entry(task.clone()).or_default().insert(*fence);
            }
            Event::Seated { need, task, commit, .. } => {
                let state = self.needs.entry(*need).or_default().commit(task, commit);
                let what = "two nodes drew another committee for one commit";
                if first(&mut self.notes, state.seated.as_ref(), record, what) {
                    state.seated = Some(record.clone());
                    self.weigh(record);
                }
            }
            Event::Tallied { need, task, commit, .. } => {
                let state = self.needs.entry(*need).or_default().commit(task, commit);
                let what = "one commit was counted in two ways";
                if first(&mut self.notes, state.tallied.as_ref(), record, what) {
                    state.tallied = Some(record.clone());
                    self.weigh(record);
                }
            }
            Event::Finalized { need, task, fence, .. } => {
                // That all tell the same bytes is P2's to judge.
                let finals = &mut self.needs.entry(*need).or_default().finals;
                if !finals.get(task).is_some_and(|fences| fences.contains_key(fence)) {
                    finals.entry(task.clone()).or_default().insert(*fence, record.clone());
                    self.weigh(record);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        for record in std::mem::take(&mut self.pending) {
            self.weigh(&record);
        }
        let mut notes = self.notes.clone();
        for panel in &self.panels {
            match self.ruled(panel) {
                Err(Missing::Told(what)) => {
                    notes.unknown(format!("a ruling cannot be judged: {what} is not in the history"))
                }
                Err(Missing::Done(what)) => {
                    notes.checked();
                    notes.contradict(
                        NAME,
                        format!("a ruling rests on nothing: there never was {what}"),
                        &[&panel.record],
                    );
                }
                Ok(faults) => {
                    notes.checked();
                    faults.into_iter().for_each(|fault| notes.contradict(NAME, fault, &[&panel.record]));
                }
            }
        }
        for record in &self.pending {
            match self.judge(record) {
                Err(Missing::Told(what)) => notes.unknown(format!(
                    "what {} told at {} ns cannot be recomputed: {what} is not in the history",
                    record.node, record.at
                )),
                Err(Missing::Done(what)) => {
                    notes.checked();
                    notes.contradict(NAME, format!("it rests on nothing: there never was {what}"), &[record]);
                }
                Ok(_) => {}
            }
        }
        notes.finding
    }
}

impl QuorumValidity {
    /// Whoever does the work has a proof of its own: one that two honest verifiers give anybody could copy.
    fn proofs(&mut self, entry: &Applied, record: &Record) {
        let counted = entry.outcome.events().iter().flat_map(|event| match event {
            Did::Judged { counted, .. } => counted.as_slice(),
            _ => &[],
        });
        let is_honest = |verifier: &AgentId| self.parties.get(verifier).is_some_and(|party| party.honest);
        // Whoever could not look has none.
        let own =
            counted.filter(|vote| is_honest(&vote.verifier) && vote.proof.is_some_and(|proof| proof.0 != [0; 32]));
        let mut by = BTreeMap::new();
        for vote in own {
            self.notes.checked();
            if let Some(other) = by.insert(vote.proof, vote.verifier) {
                let what = format!("{other} and {} did the work, and prove it by one and the same", vote.verifier);
                self.notes.contradict(NAME, what, &[record]);
            }
        }
    }

    /// Who is asked about a dispute, and who said what.
    fn disputed(&mut self, need: NeedId, did: &Did, record: &Record) {
        let disputes = &mut self.needs.entry(need).or_default().disputes;
        match did {
            Did::Challenged { bench, challenge, task, .. } => {
                let dispute = Dispute { bench: *bench, challenge: Arc::clone(challenge), sits: None };
                disputes.insert(task.clone(), dispute);
            }
            Did::Unruled { bench, task } => {
                if let Some(dispute) = disputes.get_mut(task) {
                    (dispute.bench, dispute.sits) = (*bench, None);
                }
            }
            Did::Empanelled { k_ruling, seats, snapshot, task, .. } => {
                if let Some(dispute) = disputes.get_mut(task) {
                    dispute.sits = Some((*k_ruling, seats.clone(), *snapshot));
                }
            }
            Did::Ruled { counted, ruling: Some(_), task, .. } => {
                let sat = disputes.remove(task).and_then(|of| Some((of.bench, of.challenge, of.sits?)));
                let Some((bench, challenge, (k, seats, snapshot))) = sat else {
                    return self.notes.contradict(NAME, "a dispute is ruled on, and nobody sits over it", &[record]);
                };
                let (counted, record) = (counted.iter().map(|vote| vote.verifier).collect(), record.clone());
                let task = task.clone();
                self.panels.push(Panel { bench, challenge, counted, k, need, record, seats, snapshot, task });
            }
            _ => {}
        }
    }

    /// What is wrong with a ruling. That whom the seed gives was asked the plain model draws again.
    fn ruled(&self, panel: &Panel) -> Result<Faults, Missing> {
        let rules = self.rules.as_deref().ok_or(Missing::Told("the genesis"))?;
        let Panel { bench, challenge, counted: votes, k, need, seats, snapshot, task, .. } = panel;
        let mut faults: Faults = enough(votes, 1, *k).into_iter().collect();
        if *bench == Bench::Arbiters {
            // They are named, whatever they stake.
            let strangers = votes.iter().filter(|vote| !seats.contains(vote));
            faults.extend(strangers.map(|agent| format!("{agent} was counted and is no arbiter")));
            return Ok(faults);
        }
        let pool = self.pool(snapshot)?;
        faults.extend(counted(rules, pool, votes, seats));
        let Body::Challenge(said) = &challenge.body else { return Ok(faults) };
        let state = self.need(need)?;
        let mut judged = self.judged(state, task, &said.commit)?.to_vec();
        judged.push(challenge.sender);
        let tallied = state.commits.get(task).and_then(|commits| commits.get(&said.commit)?.tallied.as_ref());
        if let Event::Tallied { counted, .. } = &tallied.ok_or(Missing::Done("a count of its verdicts"))?.event {
            judged.extend(counted.iter());
        }
        faults.extend(self.related(pool, votes, &judged));
        Ok(faults)
    }

    fn snapshot(&mut self, taken: &Arc<PoolSnapshot>, record: &Record) {
        if let Some(pool) = self.snapshots.get(&taken.snapshot.number) {
            if !Arc::ptr_eq(&pool.taken, taken) && pool.taken != *taken {
                self.notes.contradict(NAME, "two snapshots have one number", &[&pool.record, record]);
            }
            return;
        }
        let pool = Pool::new(taken, record);
        if pool.len() != taken.members.len() {
            self.notes.contradict(NAME, "a snapshot names a member twice", &[record]);
        }
        if taken.active as usize > taken.members.len() {
            self.notes.contradict(NAME, "a snapshot counts more active members than it has", &[record]);
        }
        self.snapshots.insert(taken.snapshot.number, pool);
        self.weigh(record);
    }

    /// Judges a draw or a count, or keeps it until its evidence is there.
    fn weigh(&mut self, record: &Record) {
        match self.judge(record) {
            Err(_) => self.pending.push(record.clone()),
            Ok((rests_on, faults)) => {
                self.notes.checked();
                for fault in faults {
                    self.notes.contradict(NAME, fault, &rests_on.iter().chain([record]).collect::<Vec<_>>());
                }
            }
        }
    }

    /// What is wrong with `record`, and what it rests on.
    fn judge(&self, record: &Record) -> Result<(Option<Record>, Faults), Missing> {
        let rules = self.rules.as_deref().ok_or(Missing::Told("the genesis"))?;
        match &record.event {
            Event::SnapshotTaken(taken) => self.bootstrap(rules, taken),
            Event::Voters { need, epoch, snapshot, voters } => {
                let (k_plan, _) = self.targets(need)?;
                let pool = self.pool(snapshot)?;
                let own = draw::voters(need, *epoch, &pool.taken, k_plan, rules);
                let (k, size) = own.as_ref().map_or((1, 0), |own| (own.k, own.members.len()));
                let mut faults = within(rules, pool, voters, k.saturating_add(rules.voters_spare));
                if faults.is_empty() && voters.len() != size {
                    faults.push(format!("{} vote, and {size} should", voters.len()));
                } else if faults.is_empty() && own.is_some_and(|own| *own.members != **voters) {
                    faults.push("the voters are not those whom need, epoch and snapshot give".into());
                }
                Ok((None, faults))
            }
            Event::Seated { need, task, commit, snapshot, seats, seed } => {
                let state = self.need(need)?;
                let k_result = self.k_result(need, task, commit)?;
                let pool = self.pool(snapshot)?;
                let judged = self.judged(state, task, commit)?;
                let reveals = self.rounds.reveals(need, seed).ok_or(Missing::Done("a round that gave this seed"))?;
                let kin = |m: &PoolMember| judged.iter().any(|other| self.tie(pool, &m.agent, other).is_some());
                let own = draw::committee(seed, &pool.taken, kin, k_result, rules);
                let (k, drawn) = own.map_or((1, Vec::new()), |own| (own.k, own.members));
                let mut faults = within(rules, pool, seats, k.saturating_add(rules.seats_spare));
                // Those who have no stake left to answer for a seat leave it to the spares.
                let sizes = k as usize..=drawn.len();
                if faults.is_empty() && !sizes.contains(&seats.len()) {
                    faults.push(format!("{} sit, and {sizes:?} should", seats.len()));
                }
                faults.extend(self.related(pool, seats, &judged));
                if draw::committee_seed(commit, reveals) != *seed {
                    faults.push("the seed is not what this commit and the reveals of its round give".into());
                }
                let stranger = seats.iter().find(|seat| !drawn.contains(seat));
                if let (true, Some(seat)) = (faults.is_empty(), stranger) {
                    faults.push(format!("{seat} sits, and is not among those whom seed and snapshot give"));
                }
                Ok((None, faults))
            }
            Event::Decided { need, epoch, snapshot, approvals, k, .. } => {
                let (k_plan, _) = self.targets(need)?;
                let draw = self.need(need)?.voters.get(epoch).ok_or(Missing::Done("a draw of voters in its epoch"))?;
                let Event::Voters { voters, snapshot: drawn_from, .. } = &draw.event else {
                    unreachable!("kept by kind")
                };
                let pool = self.pool(drawn_from)?;
                let mut faults = counted(rules, pool, approvals, voters);
                if drawn_from != snapshot {
                    faults.push("the decision names another snapshot than its voters were drawn from".into());
                }
                let active = pool.taken.active;
                faults.extend(enough(approvals, draw::k(k_plan, active, active, rules), *k));
                Ok((Some(draw.clone()), faults))
            }
            Event::Tallied { need, task, commit, counted: votes, k, .. } => {
                let state = self.need(need)?;
                let k_result = self.k_result(need, task, commit)?;
                let known = state.commits.get(task).and_then(|c| c.get(commit));
                let seated = known.and_then(|c| c.seated.as_ref()).ok_or(Missing::Done("a draw of its committee"))?;
                let Event::Seated { seats, snapshot, .. } = &seated.event else { unreachable!("kept by kind") };
                let pool = self.pool(snapshot)?;
                let judged = self.judged(state, task, commit)?;
                let mut faults = counted(rules, pool, votes, seats);
                faults.extend(self.related(pool, votes, &judged));
                let taken = &pool.taken;
                let kin = |m: &&PoolMember| judged.iter().any(|other| self.tie(pool, &m.agent, other).is_some());
                let strangers = taken.members.len() - taken.members.iter().filter(kin).count();
                let eligible = if taken.bootstrap { taken.active } else { strangers as u32 };
                faults.extend(enough(votes, draw::k(k_result, taken.active, eligible, rules), *k));
                Ok((Some(seated.clone()), faults))
            }
            Event::Finalized { need, task, fence, record } => {
                let Ok(record) = serde_json::from_slice::<FinalizeRecord>(record) else {
                    return Ok((None, vec!["what is final is no FINALIZE record".into()]));
                };
                let known = self.need(need)?.commits.get(task).and_then(|commits| commits.get(&record.commit));
                let tallied = known.and_then(|c| c.tallied.as_ref()).ok_or(Missing::Done("a count of its verdicts"))?;
                let seated = known.and_then(|c| c.seated.as_ref()).ok_or(Missing::Done("a draw of its committee"))?;
                let mut faults = Faults::new();
                if let Event::Tallied { verdict: Counted::Fail, .. } = &tallied.event {
                    faults.push("a result is final that its committee failed".into());
                }
                if let Event::Tallied { counted, .. } = &tallied.event
                    && counted.len() != record.attestations.len()
                {
                    let (named, counted) = (record.attestations.len(), counted.len());
                    faults.push(format!("the record names {named} attestations, and {counted} were counted"));
                }
                if !matches!(&seated.event, Event::Seated { snapshot, .. } if *snapshot == record.snapshot) {
                    faults.push("the record names another snapshot than its committee was drawn from".into());
                }
                if record.fence != *fence {
                    faults.push("the record is of another fence".into());
                }
                Ok((Some(tallied.clone()), faults))
            }
            _ => Ok((None, Faults::new())),
        }
    }

    /// Bootstrap lasts until enough are active and it is ripe, and never returns.
    fn bootstrap(&self, rules: &Rules, taken: &PoolSnapshot) -> Result<(Option<Record>, Faults), Missing> {
        let number = taken.snapshot.number;
        let before = match number.checked_sub(1) {
            None | Some(0) => None,
            Some(before) => Some(self.snapshots.get(&before).ok_or(Missing::Told("the snapshot before"))?),
        };
        let young = before.is_none_or(|before| before.taken.bootstrap);
        let few = taken.active < rules.bootstrap_active_min;
        let fault = match (young, taken.bootstrap) {
            (false, true) => Some("bootstrap returns"),
            (true, false) if few => Some("a pool too small has left bootstrap"),
            (true, true) if few => None,
            (true, now) => {
                let ripe = self.rounds.ripe(number, rules).ok_or(Missing::Told("the entry that took the snapshot"))?;
                match (ripe, now) {
                    (true, true) => Some("a pool that has outgrown bootstrap is still in it"),
                    (false, false) => Some("a pool has left bootstrap before its time"),
                    _ => None,
                }
            }
            (false, false) => None,
        };
        Ok((before.map(|pool| pool.record.clone()), fault.map(str::to_owned).into_iter().collect()))
    }

    fn need(&self, need: &NeedId) -> Result<&Need, Missing> {
        self.needs.get(need).ok_or(Missing::Told("the need"))
    }

    fn targets(&self, need: &NeedId) -> Result<(u32, u32), Missing> {
        self.need(need)?.targets.ok_or(Missing::Told("the need's own text"))
    }

    /// Passes that this commit is asked for.
    fn k_result(&self, need: &NeedId, task: &TaskName, commit: &Cid) -> Result<u32, Missing> {
        let (_, k_result) = self.targets(need)?;
        let state = self.need(need)?;
        let known = state.commits.get(task).and_then(|commits| commits.get(commit));
        let fence = known.and_then(|known| known.fence).ok_or(Missing::Told("the acceptance of the commit"))?;
        let void = state.void.get(task).map_or(0, |fences| fences.range(..fence).count());
        Ok((k_result + 2 * void as u32).min(50))
    }

    fn pool(&self, snapshot: &SnapshotRef) -> Result<&Pool, Missing> {
        let pool = self.snapshots.get(&snapshot.number).ok_or(Missing::Told("the snapshot"))?;
        if pool.taken.snapshot == *snapshot { Ok(pool) } else { Err(Missing::Told("a snapshot of this digest")) }
    }

    /// Those whom a committee must not be related to: the worker and the planner.
    fn judged(&self, need: &Need, task: &TaskName, commit: &Cid) -> Result<[AgentId; 2], Missing> {
        let commit = need.commits.get(task).and_then(|commits| commits.get(commit));
        let worker = commit.and_then(|c| c.worker).ok_or(Missing::Told("the acceptance of the commit"))?;
        let (planner, _) = need.decided.as_ref().ok_or(Missing::Told("the decision"))?;
        Ok([worker, *planner])
    }

    /// Who of `judges` is one of `judged` or shares a known organisation or network with one.
    fn related(&self, pool: &Pool, judges: &[AgentId], judged: &[AgentId]) -> Faults {
        let pairs = judges.iter().flat_map(|judge| judged.iter().map(move |other| (judge, other)));
        let why = |(judge, other)| Some(format!("{judge} {}, {other}", self.tie(pool, judge, other)?));
        // In bootstrap they may; that they do only where strangers are missing is the draw's to say.
        pairs.filter(|_| !pool.taken.bootstrap).filter_map(why).collect()
    }

    /// What ties `judge` to `other`, in words.
    fn tie(&self, pool: &Pool, judge: &AgentId, other: &AgentId) -> Option<&'static str> {
        let ((org, asn), (other_org, other_asn)) = (self.ties(pool, judge), self.ties(pool, other));
        if judge == other {
            Some("is the one judged")
        } else if !org.is_empty() && org == other_org {
            Some("shares the organisation of the one judged")
        } else if !asn.is_empty() && asn == other_asn {
            Some("shares the network of the one judged")
        } else {
            None
        }
    }

    fn ties<'a>(&'a self, pool: &'a Pool, agent: &AgentId) -> (&'a str, &'a str) {
        match (pool.member(agent), self.parties.get(agent)) {
            (Some(member), _) => (&member.org, &member.asn),
            (None, Some(party)) => (&party.org, &party.asn),
            (None, None) => ("", ""),
        }
    }
}

impl Need {
    fn commit(&mut self, task: &TaskName, commit: &Cid) -> &mut Commit {
        if !self.commits.contains_key(task) {
            self.commits.insert(task.clone(), BTreeMap::new());
        }
        self.commits.get_mut(task).expect("it was just put there").entry(*commit).or_default()
    }
}

/// Whether `record` is the first of its kind; a later one must say the same.
fn first(notes: &mut Notes, before: Option<&Record>, record: &Record, what: &str) -> bool {
    if let Some(before) = before.filter(|before| before.event != record.event) {
        notes.contradict(NAME, what, &[before, record]);
    }
    before.is_none()
}

/// Whether two records tell of one proposal decided in one epoch.
fn same_decision(a: &Record, b: &Record) -> bool {
    let of = |r: &Record| match &r.event {
        Event::Decided { proposal, epoch, .. } => Some((*proposal, *epoch)),
        _ => None,
    };
    of(a) == of(b)
}

#[cfg(test)]
#[path = "p6_tests.rs"]
mod tests;
