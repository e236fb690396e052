//! The system thread, as the model keeps it: the books, who is registered, who may be drawn, what was asked and answered.
//!
//! Committees are drawn again here from what was revealed; that the voters of a plan are the right ones is P6's to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::config::{COMMONS, Params};
use swarm_core::genesis::Genesis;
use swarm_core::id::{AgentId, Cid, Digest, Epoch, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::register::{Answer, Ask, Bench, BondFate, Command, Ending, Event as Did, Proof, Says};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Envelope, Manifest, Payout, Verb};

use super::books::Books;
use super::decoy::Masks;
use super::need::{Elsewhere, Standing, Watch};
use crate::history::{Account, PoolSnapshot};

/// A registered agent.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    /// What it said of itself before, and the entry until which.
    pub(super) before: Vec<(Seq, Arc<Envelope>)>,
    pub(super) manifest: Arc<Envelope>,
    pub(super) reputation_bp: u32,
    /// The snapshot that was current when its last counted verdict was booked.
    pub(super) served_at: u32,
}

/// A pool snapshot, as it must be: who may be drawn.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) members: BTreeSet<AgentId>,
    pub(super) taken: PoolSnapshot,
    standings: BTreeMap<AgentId, Standing>,
}

/// An ask for a committee, and where it stands.
pub(super) type Seating = (NeedId, Seq, u32, Ask);

/// The system thread.
#[derive(Debug)]
pub struct System {
    pub genesis: Arc<Genesis>,
    /// Who holds each seat of the register, and which one those held who left.
    pub(super) holders: Vec<AgentId>,
    pub(super) left: BTreeMap<AgentId, usize>,
    pub seq: Seq,
    pub books: Books,
    pub(super) minted: u64,
    pub(super) accounts: BTreeSet<AgentId>,
    pub(super) agents: BTreeMap<AgentId, Agent>,
    /// The number of the pool snapshot when the open round began: its draws go by that.
    pub(super) stood: usize,
    pub(super) pools: Vec<Pool>,
    pub(super) dirty: bool,
    asked: BTreeMap<NeedId, u32>,
    pub(super) acts: BTreeSet<Cid>,
    pub(super) requesters: BTreeMap<NeedId, (AgentId, Seq)>,
    pub(super) masks: Masks,
    pub(super) bonds: BTreeMap<(NeedId, TaskName, Fence), AgentId>,
    /// What backs a member (to, by).
    pub(super) lent: BTreeMap<(AgentId, AgentId), u64>,
    /// Unbonding credits by agent, oldest first: name, amount, whether the time is over.
    pub(super) tranches: BTreeMap<AgentId, Vec<(Digest, u64, bool)>>,
    /// Challenges that are open, and whose they are.
    pub(super) contested: BTreeSet<(Cid, AgentId)>,
    /// How each agent's challenges were ruled on: whether upheld.
    pub(super) rulings: BTreeMap<AgentId, Vec<bool>>,
    pub(super) queue: Vec<Seating>,
    pub(super) round: Option<(Vec<Seating>, BTreeMap<AgentId, Digest>)>,
    pub(super) rounds: u32,
    /// What each coordinator promised to reveal: chains by the round that they count from, and their ends.
    pub(super) chains: BTreeMap<AgentId, Vec<(u32, Digest)>>,
    pub(super) waits: BTreeMap<Waiting, Watch>,
    segment: u64,
    pub(super) finalized: u32,
    pub(super) day_passed: bool,
    told: BTreeMap<(Seq, u32), Did>,
    /// The policy's number and engine.
    pub(super) policy: (u32, Digest),
    pub(super) out: Vec<Did>,
}

/// What a command comes to: whether it takes effect, or that this cannot be told.
pub(super) type Judged = Result<bool, String>;

impl System {
    pub fn new(genesis: Arc<Genesis>) -> Self {
        let mut system = Self {
            holders: genesis.coordinators.iter().map(|member| member.agent).collect(),
            left: BTreeMap::new(),
            seq: Seq(0),
            books: Books::default(),
            minted: 0,
            accounts: [COMMONS].into(),
            agents: BTreeMap::new(),
            stood: 0,
            pools: Vec::new(),
            dirty: false,
            asked: BTreeMap::new(),
            acts: BTreeSet::new(),
            requesters: BTreeMap::new(),
            masks: Masks::new(),
            bonds: BTreeMap::new(),
            lent: BTreeMap::new(),
            tranches: BTreeMap::new(),
            contested: BTreeSet::new(),
            rulings: BTreeMap::new(),
            queue: Vec::new(),
            round: None,
            rounds: 0,
            chains: genesis.coordinators.iter().map(|member| (member.agent, vec![(0, member.anchor)])).collect(),
            waits: BTreeMap::new(),
            segment: 0,
            finalized: 0,
            day_passed: false,
            told: BTreeMap::new(),
            policy: (0, genesis.engine),
            out: Vec::new(),
            genesis: Arc::clone(&genesis),
        };
        for manifest in &genesis.manifests {
            system.register(manifest);
        }
        for (agent, holding) in &genesis.holdings {
            system.accounts.insert(*agent);
            system.minted = system.minted.saturating_add(holding.balance.0).saturating_add(holding.stake.0);
            system.books.shift(&Account::Outside, &free(agent), holding.balance.0);
            system.books.shift(&Account::Outside, &Account::Stake(*agent), holding.stake.0);
        }
        system.wait(Waiting::Bootstrap, Span::from_secs(24 * 3_600));
        system.take_snapshot();
        system
    }

    /// Applies the command of the next entry, given what was told that it did (nothing if it was refused) and who asked
    /// what: `Ok(None)` if that is what it does, `Ok(Some(..))` with the difference, `Err` if this model does not keep what
    /// it takes to tell.
    pub fn apply(
        &mut self,
        command: &Command,
        told: Option<&[Did]>,
        asked: impl Fn(&NeedId, Seq, u32, &Did) -> bool,
    ) -> Result<Option<String>, ()> {
        self.seq = self.seq.next();
        self.out.clear();
        let events = told.unwrap_or_default();
        let answers = events.iter().zip(0..).filter(|(event, _)| matches!(event, Did::Answered { .. }));
        self.told.extend(answers.map(|(event, at)| ((self.seq, at), event.clone())));
        let does = match command {
            Command::Act(envelope) if envelope.expires.is_some() => return Err(()),
            // Who signed a policy is not looked at: it stands if it was told to.
            Command::Act(envelope) if told.is_none() && envelope.verb() == Verb::Capsule => return Ok(None),
            Command::Act(envelope) => Ok(self.act(envelope)),
            Command::Relay(proof) => self.relay(proof, events, asked),
            Command::Word(word) if word.thread != Thread::System => Ok(false),
            Command::Word(word) => match word.says {
                Says::Elapsed { elapsed, segment } => self.elapsed(word.by, elapsed, segment, events),
                Says::Anchor { anchor, since } => Ok(self.anchor(word.by, anchor, since)),
                Says::Reveal { round, value } => self.reveal(word.by, round, value, events),
            },
            // That a group of the register starts is nothing to the protocol.
            Command::Start { bucket } => Ok(*bucket < self.params().buckets),
            Command::Snapshot { number } => Ok(self.snapshot(*number)),
            // Who signed it is not looked at: it stands if it was told to.
            Command::Mandate(_) if told.is_none() => return Ok(None),
            Command::Mandate(mandate) => self.replace(mandate, events),
            Command::Count(_) => Ok(false),
        };
        let does = match does {
            Ok(does) => does,
            Err(difference) => return Ok(Some(difference)),
        };
        Ok(match (does, told) {
            (true, None) => Some("it was refused, and takes effect here".into()),
            (false, Some(_)) => Some("it took effect, and is refused here".into()),
            (false, None) => None,
            (true, Some(told)) => super::first_difference(&self.out, told),
        })
    }

    pub(super) fn register(&mut self, manifest: &Arc<Envelope>) {
        let agent = manifest.sender;
        self.accounts.insert(agent);
        let now = (self.pools.len() as u32).max(1);
        let (reputation_bp, served_at) =
            self.agents.get(&agent).map_or((5_000, now), |known| (known.reputation_bp, known.served_at));
        let mut before = Vec::new();
        if let Some(known) = self.agents.remove(&agent) {
            before = known.before;
            before.push((self.seq, known.manifest));
        }
        self.agents.insert(agent, Agent { before, manifest: Arc::clone(manifest), reputation_bp, served_at });
    }

    pub(super) fn wait(&mut self, waiting: Waiting, total: Span) {
        self.segment += 1;
        self.waits.insert(waiting, Watch { segment: Segment(self.segment), total, seen: BTreeMap::new() });
    }

    fn take_snapshot(&mut self) {
        let taken = self.weighed();
        let members = taken.members.iter().map(|member| member.agent).collect();
        let known = || self.agents.iter().filter_map(|(agent, known)| Some((agent, known, manifest(&known.manifest)?)));
        let standing = |agent: &AgentId, known: &Agent, manifest: &Manifest| Standing {
            free: self.books.at(&free(agent)),
            manifest: known.manifest.id(),
            org: manifest.org.clone(),
            reputation_bp: known.reputation_bp,
            roles: manifest.roles.clone(),
            can: manifest.capabilities.iter().map(|c| c.name.clone()).collect(),
        };
        let standings = known().map(|(agent, known, manifest)| (*agent, standing(agent, known, manifest))).collect();
        self.pools.push(Pool { members, taken, standings });
        self.dirty = false;
    }

    /// What differs in a snapshot as it was told.
    pub fn pool_differs(&self, told: &PoolSnapshot) -> Option<String> {
        let own = &self.pools.get((told.snapshot.number as usize).checked_sub(1)?)?.taken;
        let (ours, theirs) = (own.members.iter().map(|m| m.agent), told.members.iter().map(|m| m.agent));
        if !ours.eq(theirs) || told.active != own.active {
            return Some(format!("{} may be drawn here, {} were told", own.members.len(), told.members.len()));
        }
        if told.bootstrap != own.bootstrap {
            return Some(format!("bootstrap is {} here", own.bootstrap));
        }
        if let Some((ours, theirs)) = own.members.iter().zip(&told.members).find(|(ours, theirs)| ours != theirs) {
            let agent = ours.agent;
            return Some(if ours.reputation_bp != theirs.reputation_bp {
                format!("the reputation of {agent} is {} here", ours.reputation_bp)
            } else if ours.stake != theirs.stake {
                format!("the stake of {agent} is {} here, {} was told", ours.stake, theirs.stake)
            } else if ours.weight != theirs.weight {
                format!("the weight of {agent} is {} here, {} was told", ours.weight, theirs.weight)
            } else {
                format!("{agent} has stated another place than was told")
            });
        }
        (told.snapshot != own.snapshot).then(|| format!("its digest is {} here", own.snapshot.digest))
    }

    fn snapshot(&mut self, number: u32) -> bool {
        if !self.dirty || number as usize != self.pools.len() + 1 {
            return false;
        }
        self.take_snapshot();
        let snapshot = self.pools[self.pools.len() - 1].taken.snapshot;
        self.out.push(Did::SnapshotTaken { snapshot });
        true
    }

    fn elapsed(&mut self, by: AgentId, elapsed: Span, segment: Segment, told: &[Did]) -> Judged {
        let (enough, member) = (self.through(), self.holders.contains(&by));
        let Some((waiting, watch)) = self.waits.iter_mut().find(|(_, watch)| watch.segment == segment) else {
            return Ok(false);
        };
        let capped = elapsed.min(watch.total);
        if !member || watch.seen.get(&by).is_some_and(|seen| *seen >= capped) {
            return Ok(false);
        }
        watch.seen.insert(by, capped);
        self.out.push(Did::Reported { by, elapsed, segment });
        if watch.seen.values().filter(|seen| **seen >= watch.total).count() < enough {
            return Ok(true);
        }
        let waiting = waiting.clone();
        self.waits.remove(&waiting);
        self.out.push(Did::WaitClosed { waiting: waiting.clone() });
        match waiting {
            Waiting::Bootstrap => (self.day_passed, self.dirty) = (true, true),
            Waiting::Unbonding(agent, name) => {
                for tranche in self.tranches.entry(agent).or_default().iter_mut().filter(|(of, ..)| *of == name) {
                    tranche.2 = true;
                }
            }
            _ => self.close_round(told)?,
        }
        Ok(true)
    }

    /// What a need asks, carried out once and in the order of its asks.
    fn relay(&mut self, proof: &Proof, told: &[Did], asked: impl Fn(&NeedId, Seq, u32, &Did) -> bool) -> Judged {
        let (Thread::Need(need), Some(claim @ Did::Asked { ask, number })) = (proof.thread, proof.claim()) else {
            return Ok(false);
        };
        let (seq, at) = (proof.entry.seq, proof.at);
        if *number != self.asked.get(&need).copied().unwrap_or(0) + 1 {
            return Ok(false);
        }
        // Whether enough vouched for it is not recounted: what the need's thread did is known here.
        if !asked(&need, seq, at, claim) {
            return Ok(false);
        }
        self.asked.insert(need, *number);
        let answered = told.iter().find_map(|event| match event {
            Did::Answered { answer, at: a, need: n, seq: s } if (*n, *s, *a) == (need, seq, at) => Some(answer.clone()),
            _ => None,
        });
        let answer = match (ask, answered) {
            (Ask::Seats { .. }, _) => {
                self.queue.push((need, seq, at, ask.clone()));
                self.out.push(Did::Queued { at, need, seq });
                self.open_round(told)?;
                return Ok(true);
            }
            (Ask::Contest { bench, .. }, answered) => {
                let Some(why) = self.contest(need, ask) else {
                    if let (Bench::Arbiters, Some(answer)) = (bench, answered) {
                        self.arbiters(need, ask, &answer)?;
                        self.out.push(Did::Answered { answer, at, need, seq });
                        return Ok(true);
                    }
                    self.queue.push((need, seq, at, ask.clone()));
                    self.out.push(Did::Queued { at, need, seq });
                    self.open_round(told)?;
                    return Ok(true);
                };
                Answer::Denied(why)
            }
            (Ask::Rule { .. }, _) => {
                self.rule(need, ask);
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Expose { .. }, _) => {
                self.expose(need, ask);
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Mask { mask, .. }, Some(answer)) => match (answer, self.masked(need, mask)) {
                (Answer::Masked, true) => Answer::Masked,
                (answer @ Answer::Denied(_), false) => answer,
                (_, masked) => return Err(format!("a mask is answered so, and there in time is {masked} here")),
            },
            (Ask::End { .. }, _) => {
                self.end(need, ask)?;
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Close { ending, payouts, planner }, _) => {
                if let Some((requester, _)) = self.requesters.remove(&need) {
                    let pot = escrow(&need);
                    self.pay(&pot, payouts)?;
                    self.books.shift(&pot, &free(&requester), self.books.at(&pot));
                }
                self.finalized += u32::from(*ending == Ending::Closed);
                if let Some(agent) = planner.as_ref().and_then(|planner| self.agents.get_mut(planner)) {
                    match ending {
                        Ending::Closed => agent.rises(),
                        Ending::Failed => agent.sinks(),
                        Ending::Cancelled | Ending::Decoy => {}
                    }
                    self.dirty |= !matches!(ending, Ending::Cancelled | Ending::Decoy);
                }
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Escrow { engine, .. }, Some(answer)) if *engine != self.policy.1 => match answer {
                Answer::Denied(Reject::EngineMismatch) => answer,
                _ => return Err("a need of another policy than the one that counts is not refused for that".into()),
            },
            (Ask::Escrow { amount, k_plan, requester, .. }, Some(answer)) => {
                let affords = self.accounts.contains(requester) && self.books.at(&free(requester)) >= amount.0;
                let can = self.can_draw_voters(&need, Epoch::FIRST, *k_plan);
                match &answer {
                    Answer::Escrowed { k_plan: k, snapshot, voters } if affords && can => {
                        self.voters(*k_plan, *k, snapshot, voters)?;
                        self.books.shift(&free(requester), &escrow(&need), amount.0);
                        self.requesters.insert(need, (*requester, self.seq));
                    }
                    Answer::Denied(Reject::NoQuorum) if !can => {}
                    Answer::Denied(why) if can && !affords && *why != Reject::NoQuorum => {}
                    _ => {
                        let had = format!("can be had is {affords} and can be voted on is {can} here");
                        return Err(format!("the escrow of {amount} is answered so, and {had}"));
                    }
                }
                answer
            }
            (Ask::Voters { epoch, k_plan }, Some(answer)) => {
                let can = self.can_draw_voters(&need, *epoch, *k_plan);
                match &answer {
                    Answer::Voters { k_plan: k, snapshot, voters } => self.voters(*k_plan, *k, snapshot, voters)?,
                    Answer::Denied(Reject::NoQuorum) if !can => {}
                    Answer::Denied(_) if can => return Err("voters are denied, and can be drawn here".into()),
                    _ => return Err("voters were asked for, and something else was answered".into()),
                }
                answer
            }
            (Ask::Grant { bond, fence, task, worker, .. }, Some(answer)) => {
                let name = (need, task.clone(), *fence);
                let fresh = !self.bonds.contains_key(&name);
                let booked =
                    fresh && self.accounts.contains(worker) && self.books.shift(&free(worker), &bond_of(&name), bond.0);
                if booked {
                    self.bonds.insert(name, *worker);
                }
                match answer {
                    Answer::Granted if booked => answer,
                    Answer::Denied(_) if !booked => answer,
                    _ => return Err(format!("a bond of {bond} is answered so, and was booked is {booked} here")),
                }
            }
            (_, None) => return Err("an ask that wants an answer has none".into()),
        };
        self.out.push(Did::Answered { answer, at, need, seq });
        Ok(true)
    }

    /// Pays out of `pot`.
    fn pay(&mut self, pot: &Account, payouts: &[Payout]) -> Result<(), String> {
        for payout in payouts {
            if !self.books.shift(pot, &free(&payout.to), payout.amount.0) {
                return Err(format!("{pot:?} cannot pay {} to {}", payout.amount, payout.to));
            }
        }
        Ok(())
    }

    /// An attempt is over.
    fn end(&mut self, need: NeedId, ask: &Ask) -> Result<(), String> {
        let Ask::End { bond, commit, counted, fence, payouts, settled, task } = ask else { return Ok(()) };
        self.pay(&escrow(&need), payouts)?;
        if let Some(commit) = commit {
            self.books.free(&format!("lien/{need}/{commit}/"));
        }
        let name = (need, task.clone(), *fence);
        if let Some(worker) = self.bonds.remove(&name) {
            let pot = bond_of(&name);
            let held = self.books.at(&pot);
            let kept = match bond {
                BondFate::Back => 0,
                BondFate::LessFee => {
                    let fee_bp = self.params().yield_fee_bp;
                    let fee = (u128::from(held) * u128::from(fee_bp) / 10_000) as u64;
                    fee.max(u64::from(fee_bp > 0)).min(held)
                }
                BondFate::Forfeit => held,
            };
            self.books.shift(&pot, &Account::Commons, kept);
            self.books.shift(&pot, &free(&worker), held - kept);
            if let Some(agent) = self.agents.get_mut(&worker) {
                match bond {
                    BondFate::Back if *settled => agent.rises(),
                    BondFate::Forfeit => agent.sinks(),
                    _ => {}
                }
            }
        }
        for verifier in counted.iter().filter(|_| *settled) {
            self.agents.get_mut(verifier).into_iter().for_each(Agent::rises);
        }
        self.served(counted);
        self.dirty = true;
        Ok(())
    }
}

impl System {
    /// Verdicts of these were counted.
    pub(super) fn served(&mut self, verifiers: &[AgentId]) {
        let now = self.pools.len() as u32;
        for verifier in verifiers {
            self.agents.get_mut(verifier).into_iter().for_each(|agent| agent.served_at = now);
        }
    }
}

impl Elsewhere for System {
    fn params(&self) -> &Params {
        &self.genesis.params
    }

    fn members(&self) -> usize {
        self.genesis.coordinators.len()
    }

    fn has_arbiters(&self) -> bool {
        !self.genesis.arbiters.is_empty()
    }

    fn is_founder(&self, agent: &AgentId) -> bool {
        self.genesis.coordinators.iter().any(|member| member.agent == *agent)
    }

    fn standing(&self, snapshot: u32, agent: &AgentId) -> Option<&Standing> {
        self.pools.get((snapshot as usize).checked_sub(1)?)?.standings.get(agent)
    }

    fn told(&self, seq: Seq, at: u32) -> Option<&Did> {
        self.told.get(&(seq, at))
    }
}

impl Agent {
    /// A settled success: a twentieth of the way to the top.
    fn rises(&mut self) {
        self.reputation_bp += 10_000_u32.saturating_sub(self.reputation_bp) / 20;
    }

    /// A failure of its own: a twentieth of what it had, rounded up.
    fn sinks(&mut self) {
        self.reputation_bp -= (self.reputation_bp * 5).div_ceil(100);
    }
}

pub(super) fn manifest(envelope: &Envelope) -> Option<&Manifest> {
    match &envelope.body {
        Body::Manifest(manifest) => Some(manifest),
        _ => None,
    }
}

pub(super) fn free(agent: &AgentId) -> Account {
    if *agent == COMMONS { Account::Commons } else { Account::Free(*agent) }
}

pub(super) fn escrow(need: &NeedId) -> Account {
    Account::Pot(format!("escrow/{need}").into())
}

pub(super) fn bond_of((need, task, fence): &(NeedId, TaskName, Fence)) -> Account {
    Account::Pot(format!("bond/{need}/{task}/{fence}").into())
}
