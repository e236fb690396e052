//! P6, quorum validity: every count that decided something counted distinct members of the recorded snapshot, staked,
//! drawn, unrelated to those they judged, at least K of them; and whoever was drawn kept to the caps. Everything is
//! recomputed here from what was recorded; the K that a node states proves nothing.
//!
//! A count whose evidence was not told yet waits for it; if it never comes, the verdict is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Epoch, NeedId, TaskName};
use swarm_core::wire::{SnapshotRef, Verdict as Counted};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, Party, PoolMember, PoolSnapshot, Record, Rules};

const NAME: &str = "P6";

/// The oracle of P6.
#[derive(Debug, Default)]
pub struct QuorumValidity {
    liars: Liars,
    needs: BTreeMap<NeedId, Need>,
    notes: Notes,
    parties: BTreeMap<AgentId, Party>,
    /// Draws and counts whose evidence is not complete.
    pending: Vec<Record>,
    rules: Option<Arc<Rules>>,
    /// Snapshots by number: the first of each, with its members by name.
    snapshots: BTreeMap<u32, Pool>,
}

#[derive(Debug)]
struct Pool {
    by_agent: BTreeMap<AgentId, usize>,
    record: Record,
    taken: Arc<PoolSnapshot>,
}

#[derive(Debug, Default)]
struct Need {
    commits: BTreeMap<TaskName, BTreeMap<Cid, Commit>>,
    decided: Option<(AgentId, Record)>,
    targets: Option<(u32, u32)>,
    voters: BTreeMap<Epoch, Record>,
}

#[derive(Debug, Default)]
struct Commit {
    seated: Option<Record>,
    tallied: Option<Record>,
    worker: Option<AgentId>,
}

/// Evidence that was not told (yet).
struct Missing(&'static str);

/// What is wrong with a draw or a count, in words.
type Faults = Vec<String>;

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
            Event::Accepted { need, task, commit, worker, .. } => {
                self.needs.entry(*need).or_default().commit(task, commit).worker.get_or_insert(*worker);
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
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        for record in std::mem::take(&mut self.pending) {
            self.weigh(&record);
        }
        let mut notes = self.notes.clone();
        for record in &self.pending {
            if let Err(Missing(what)) = self.judge(record) {
                notes.unknown(format!(
                    "what {} told at {} ns cannot be recomputed: {what} is not in the history",
                    record.node, record.at
                ));
            }
        }
        notes.finding
    }
}

impl QuorumValidity {
    fn snapshot(&mut self, taken: &Arc<PoolSnapshot>, record: &Record) {
        if let Some(pool) = self.snapshots.get(&taken.snapshot.number) {
            if !Arc::ptr_eq(&pool.taken, taken) && pool.taken != *taken {
                self.notes.contradict(NAME, "two snapshots have one number", &[&pool.record, record]);
            }
            return;
        }
        let by_agent: BTreeMap<_, _> = taken.members.iter().enumerate().map(|(i, m)| (m.agent, i)).collect();
        if by_agent.len() != taken.members.len() {
            self.notes.contradict(NAME, "a snapshot names a member twice", &[record]);
        }
        if taken.active as usize > taken.members.len() {
            self.notes.contradict(NAME, "a snapshot counts more active members than it has", &[record]);
        }
        if let Some(rules) = &self.rules
            && !taken.bootstrap
            && taken.active < rules.bootstrap_active_min
        {
            self.notes.contradict(NAME, "a pool too small has left bootstrap", &[record]);
        }
        self.snapshots.insert(taken.snapshot.number, Pool { by_agent, record: record.clone(), taken: taken.clone() });
    }

    /// Judges a draw or a count, or keeps it until its evidence is there.
    fn weigh(&mut self, record: &Record) {
        match self.judge(record) {
            Err(Missing(_)) => self.pending.push(record.clone()),
            Ok((drawn, faults)) => {
                self.notes.checked();
                for fault in faults {
                    self.notes.contradict(NAME, fault, &drawn.iter().chain([record]).collect::<Vec<_>>());
                }
            }
        }
    }

    /// What is wrong with `record`, and the draw it rests on.
    fn judge(&self, record: &Record) -> Result<(Option<Record>, Faults), Missing> {
        let rules = self.rules.as_deref().ok_or(Missing("the genesis"))?;
        match &record.event {
            Event::Voters { need, snapshot, voters, .. } => {
                let (k_plan, _) = self.need(need)?.targets.ok_or(Missing("the need's own text"))?;
                let pool = self.pool(snapshot)?;
                let size = u64::from(own_k(rules, k_plan, pool.taken.active)) + u64::from(rules.voters_spare);
                Ok((None, drawn(rules, pool, voters, size)))
            }
            Event::Seated { need, task, commit, snapshot, seats, .. } => {
                let state = self.need(need)?;
                let (_, k_result) = state.targets.ok_or(Missing("the need's own text"))?;
                let pool = self.pool(snapshot)?;
                let size = u64::from(own_k(rules, k_result, pool.taken.active)) + u64::from(rules.seats_spare);
                let mut faults = drawn(rules, pool, seats, size);
                faults.extend(self.related(pool, seats, &self.judged(state, task, commit)?));
                Ok((None, faults))
            }
            Event::Decided { need, epoch, snapshot, approvals, k, .. } => {
                let state = self.need(need)?;
                let (k_plan, _) = state.targets.ok_or(Missing("the need's own text"))?;
                let draw = state.voters.get(epoch).ok_or(Missing("the draw of the voters"))?;
                let Event::Voters { voters, snapshot: drawn_from, .. } = &draw.event else {
                    unreachable!("kept by kind")
                };
                let pool = self.pool(drawn_from)?;
                let mut faults = counted(rules, pool, approvals, voters);
                if drawn_from != snapshot {
                    faults.push("the decision names another snapshot than its voters were drawn from".into());
                }
                faults.extend(enough(approvals, own_k(rules, k_plan, pool.taken.active), *k));
                Ok((Some(draw.clone()), faults))
            }
            Event::Tallied { need, task, commit, counted: votes, k, verdict } => {
                let state = self.need(need)?;
                let (_, k_result) = state.targets.ok_or(Missing("the need's own text"))?;
                let known = state.commits.get(task).and_then(|c| c.get(commit));
                let draw = known.and_then(|c| c.seated.as_ref()).ok_or(Missing("the draw of the committee"))?;
                let Event::Seated { seats, snapshot, .. } = &draw.event else { unreachable!("kept by kind") };
                let pool = self.pool(snapshot)?;
                let mut faults = counted(rules, pool, votes, seats);
                faults.extend(self.related(pool, votes, &self.judged(state, task, commit)?));
                if *verdict == Counted::Pass {
                    faults.extend(enough(votes, own_k(rules, k_result, pool.taken.active), *k));
                }
                Ok((Some(draw.clone()), faults))
            }
            _ => Ok((None, Faults::new())),
        }
    }

    fn need(&self, need: &NeedId) -> Result<&Need, Missing> {
        self.needs.get(need).ok_or(Missing("the need"))
    }

    fn pool(&self, snapshot: &SnapshotRef) -> Result<&Pool, Missing> {
        let pool = self.snapshots.get(&snapshot.number).ok_or(Missing("the snapshot"))?;
        if pool.taken.snapshot == *snapshot { Ok(pool) } else { Err(Missing("a snapshot of this digest")) }
    }

    /// Those whom a committee must not be related to: the worker and the planner.
    fn judged(&self, need: &Need, task: &TaskName, commit: &Cid) -> Result<[AgentId; 2], Missing> {
        let commit = need.commits.get(task).and_then(|commits| commits.get(commit));
        let worker = commit.and_then(|c| c.worker).ok_or(Missing("the acceptance of the commit"))?;
        let (planner, _) = need.decided.as_ref().ok_or(Missing("the decision"))?;
        Ok([worker, *planner])
    }

    /// Who of `judges` is one of `judged` or shares a known organisation or network with one.
    fn related(&self, pool: &Pool, judges: &[AgentId], judged: &[AgentId]) -> Faults {
        let mut faults = Faults::new();
        if pool.taken.bootstrap {
            return faults;
        }
        for judge in judges {
            for other in judged {
                let (org, asn) = self.ties(pool, judge);
                let (other_org, other_asn) = self.ties(pool, other);
                let why = if judge == other {
                    "is the one judged"
                } else if !org.is_empty() && org == other_org {
                    "shares the organisation of the one judged"
                } else if !asn.is_empty() && asn == other_asn {
                    "shares the network of the one judged"
                } else {
                    continue;
                };
                faults.push(format!("{judge} {why}, {other}"));
            }
        }
        faults
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

impl Pool {
    fn member(&self, agent: &AgentId) -> Option<&PoolMember> {
        self.by_agent.get(agent).map(|i| &self.taken.members[*i])
    }
}

/// PROTOCOL 6: K = max(1, min(target, floor(active x alpha))).
fn own_k(rules: &Rules, target: u32, active: u32) -> u32 {
    let share = u64::from(active) * u64::from(rules.alpha_bp) / 10_000;
    u64::from(target).min(share).max(1) as u32
}

/// Everyone in `list` once, in the pool, with enough stake.
fn members(rules: &Rules, pool: &Pool, list: &[AgentId]) -> Faults {
    let mut faults = Faults::new();
    let mut once = BTreeSet::new();
    for agent in list {
        if !once.insert(agent) {
            faults.push(format!("{agent} stands there twice"));
        }
        match pool.member(agent) {
            None => faults.push(format!("{agent} is not a member of the recorded snapshot")),
            Some(member) if member.stake < rules.stake_min => {
                faults.push(format!("{agent} has a stake of {}, less than {}", member.stake, rules.stake_min));
            }
            Some(_) => {}
        }
    }
    faults
}

/// A draw of (up to) `size`: members, within the caps unless in bootstrap.
fn drawn(rules: &Rules, pool: &Pool, list: &[AgentId], size: u64) -> Faults {
    let mut faults = members(rules, pool, list);
    if pool.taken.bootstrap {
        return faults;
    }
    let size = size.max(list.len() as u64);
    type Attribute = fn(&PoolMember) -> &str;
    let caps: [(&str, u32, Attribute); 3] = [
        ("organisation", rules.org_cap_bp, |m| &m.org),
        ("network", rules.asn_cap_bp, |m| &m.asn),
        ("region", rules.region_cap_bp, |m| &m.region),
    ];
    for (what, cap_bp, of) in caps {
        let cap = (size.saturating_mul(u64::from(cap_bp)) / 10_000).max(1);
        // Whoever's attribute is unknown counts as one of the same.
        let mut groups = BTreeMap::<&str, u64>::new();
        for member in list.iter().filter_map(|agent| pool.member(agent)) {
            *groups.entry(of(member)).or_default() += 1;
        }
        for (group, seats) in groups.into_iter().filter(|(_, seats)| *seats > cap) {
            faults.push(format!("{seats} seats are of {what} {group:?}, the cap is {cap}"));
        }
    }
    faults
}

/// A count: members, all of them drawn.
fn counted(rules: &Rules, pool: &Pool, list: &[AgentId], drawn: &[AgentId]) -> Faults {
    let mut faults = members(rules, pool, list);
    let drawn: BTreeSet<_> = drawn.iter().collect();
    faults.extend(list.iter().filter(|a| !drawn.contains(a)).map(|a| format!("{a} was counted but not drawn")));
    faults
}

/// At least K distinct, by our own K, and by the stated one.
fn enough(list: &[AgentId], own: u32, stated: u32) -> Option<String> {
    let distinct = list.iter().collect::<BTreeSet<_>>().len();
    if distinct < own as usize {
        Some(format!("{distinct} were counted and {stated} is stated, but K is {own}"))
    } else if distinct < stated as usize {
        Some(format!("{distinct} were counted, but {stated} is stated"))
    } else {
        None
    }
}

#[cfg(test)]
#[path = "p6_tests.rs"]
mod tests;
