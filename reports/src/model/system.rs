//! The system thread, as the model keeps it: the books, who is registered, who may be drawn, what was asked and answered.
//!
//! A draw is not drawn again here: who was drawn is taken as told and held against who could have been.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::config::{COMMONS, Params};
use swarm_core::genesis::Genesis;
use swarm_core::id::{AgentId, Cid, Digest, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::register::{Answer, Ask, BondFate, Command, Ending, Event as Did, Proof};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Envelope, Manifest, Payout, Role, SnapshotRef};

use super::books::Books;
use super::need::{Elsewhere, Standing, Watch};
use super::quorum;
use crate::history::{Account, PoolSnapshot};

/// A registered agent.
#[derive(Clone, Debug)]
struct Agent {
    manifest: Arc<Envelope>,
    reputation_bp: u32,
}

/// A pool snapshot: who may be drawn.
#[derive(Clone, Debug)]
struct Pool {
    members: BTreeSet<AgentId>,
    bootstrap: bool,
    standings: BTreeMap<AgentId, Standing>,
}

/// An ask for a committee, and where it stands.
type Seating = (NeedId, Seq, u32, Ask);

/// The system thread.
#[derive(Debug)]
pub struct System {
    pub genesis: Arc<Genesis>,
    pub seq: Seq,
    pub books: Books,
    minted: u64,
    accounts: BTreeSet<AgentId>,
    agents: BTreeMap<AgentId, Agent>,
    pools: Vec<Pool>,
    dirty: bool,
    asked: BTreeMap<NeedId, u32>,
    acts: BTreeSet<Cid>,
    requesters: BTreeMap<NeedId, AgentId>,
    bonds: BTreeMap<(NeedId, TaskName, Fence), AgentId>,
    /// Unbonding credits by agent, oldest first: name, amount, whether the time is over.
    tranches: BTreeMap<AgentId, Vec<(Digest, u64, bool)>>,
    queue: Vec<Seating>,
    round: Option<(Vec<Seating>, BTreeSet<AgentId>)>,
    rounds: u32,
    waits: BTreeMap<Waiting, Watch>,
    segment: u64,
    finalized: u32,
    day_passed: bool,
    told: BTreeMap<(Seq, u32), Did>,
    out: Vec<Did>,
}

/// What a command comes to: whether it takes effect, or that this cannot be told.
type Judged = Result<bool, String>;

impl System {
    pub fn new(genesis: Arc<Genesis>) -> Self {
        let mut system = Self {
            seq: Seq(0),
            books: Books::default(),
            minted: 0,
            accounts: [COMMONS].into(),
            agents: BTreeMap::new(),
            pools: Vec::new(),
            dirty: false,
            asked: BTreeMap::new(),
            acts: BTreeSet::new(),
            requesters: BTreeMap::new(),
            bonds: BTreeMap::new(),
            tranches: BTreeMap::new(),
            queue: Vec::new(),
            round: None,
            rounds: 0,
            waits: BTreeMap::new(),
            segment: 0,
            finalized: 0,
            day_passed: false,
            told: BTreeMap::new(),
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
        asks: impl Fn(&NeedId, Seq, u32) -> Option<Did>,
    ) -> Result<Option<String>, ()> {
        self.seq = self.seq.next();
        self.out.clear();
        let events = told.unwrap_or_default();
        let answers = events.iter().zip(0..).filter(|(event, _)| matches!(event, Did::Answered { .. }));
        self.told.extend(answers.map(|(event, at)| ((self.seq, at), event.clone())));
        let does = match command {
            Command::Act(envelope) if envelope.expires.is_some() => return Err(()),
            Command::Act(envelope) => Ok(self.act(envelope)),
            Command::Relay(proof) => self.relay(proof, events, asks),
            Command::Elapsed { by, elapsed, segment } => self.elapsed(*by, *elapsed, *segment, events),
            // Whether the value hashes to the one before is not looked at: refused, it may be for that.
            Command::Reveal { .. } if told.is_none() => return Ok(None),
            Command::Reveal { by, round, value } => self.reveal(*by, *round, *value, events),
            Command::Snapshot { number } => Ok(self.snapshot(*number, events)),
            Command::Count(_) => Ok(false),
            #[allow(unreachable_patterns, reason = "kinds of commands that come later are not known here")]
            _ => return Err(()),
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

    fn params(&self) -> &Params {
        &self.genesis.params
    }

    fn register(&mut self, manifest: &Arc<Envelope>) {
        let agent = manifest.sender;
        self.accounts.insert(agent);
        let reputation_bp = self.agents.get(&agent).map_or(5_000, |known| known.reputation_bp);
        self.agents.insert(agent, Agent { manifest: Arc::clone(manifest), reputation_bp });
    }

    fn wait(&mut self, waiting: Waiting, total: Span) {
        self.segment += 1;
        self.waits.insert(waiting, Watch { segment: Segment(self.segment), total, seen: BTreeMap::new() });
    }

    fn take_snapshot(&mut self) {
        let stake = |agent: &AgentId| self.books.at(&Account::Stake(*agent));
        let may_sit = |agent: &AgentId, manifest: &Manifest| {
            manifest.roles.contains(&Role::Verifier) && stake(agent) >= self.params().stake_min.0
        };
        let known = || self.agents.iter().filter_map(|(agent, known)| Some((agent, known, manifest(&known.manifest)?)));
        let members: BTreeSet<AgentId> =
            known().filter(|(agent, _, manifest)| may_sit(agent, manifest)).map(|(agent, ..)| *agent).collect();
        let ripe = self.day_passed || self.finalized >= self.params().bootstrap_needs;
        let grown = ripe && members.len() >= self.params().bootstrap_active_min as usize;
        let bootstrap = self.pools.last().is_none_or(|pool| pool.bootstrap) && !grown;
        let standing = |known: &Agent, manifest: &Manifest| Standing {
            manifest: known.manifest.id(),
            org: manifest.org.clone(),
            reputation_bp: known.reputation_bp,
            roles: manifest.roles.clone(),
            can: manifest.capabilities.iter().map(|c| c.name.clone()).collect(),
        };
        let standings = known().map(|(agent, known, manifest)| (*agent, standing(known, manifest))).collect();
        self.pools.push(Pool { members, bootstrap, standings });
        self.dirty = false;
    }

    /// What differs in a snapshot as it was told.
    pub fn pool_differs(&self, told: &PoolSnapshot) -> Option<String> {
        let own = self.pools.get((told.snapshot.number as usize).checked_sub(1)?)?;
        let members: BTreeSet<AgentId> = told.members.iter().map(|member| member.agent).collect();
        let repute = |agent: &AgentId| own.standings.get(agent).map(|standing| standing.reputation_bp);
        if members != own.members || told.active as usize != own.members.len() {
            Some(format!("{} may be drawn here, {} were told", own.members.len(), members.len()))
        } else if told.bootstrap != own.bootstrap {
            Some(format!("bootstrap is {} here", own.bootstrap))
        } else {
            let other = told.members.iter().find(|member| repute(&member.agent) != Some(member.reputation_bp))?;
            Some(format!("the reputation of {} is {:?} here", other.agent, repute(&other.agent)))
        }
    }

    fn snapshot(&mut self, number: u32, told: &[Did]) -> bool {
        if !self.dirty || number as usize != self.pools.len() + 1 {
            return false;
        }
        self.take_snapshot();
        // Its digest is of weights that are not kept here.
        let event = told.first().filter(|e| matches!(e, Did::SnapshotTaken { snapshot } if snapshot.number == number));
        let own = Did::SnapshotTaken { snapshot: SnapshotRef { digest: Digest::default(), number } };
        self.out.push(event.cloned().unwrap_or(own));
        true
    }

    fn act(&mut self, envelope: &Arc<Envelope>) -> bool {
        let sender = envelope.sender;
        if self.acts.contains(&envelope.id()) {
            return false;
        }
        let known = self.accounts.contains(&sender);
        let (purse, stake) = (free(&sender), Account::Stake(sender));
        let done = match &envelope.body {
            Body::Manifest(_) => {
                self.register(envelope);
                self.out.push(Did::Registered { manifest: Arc::clone(envelope) });
                true
            }
            Body::Mint(body) => {
                let may = self.genesis.mints.contains(&sender) && self.accounts.contains(&body.to) && body.amount.0 > 0;
                let fits =
                    u128::from(self.minted) + u128::from(body.amount.0) <= u128::from(self.params().supply_max.0);
                if may && fits {
                    self.minted += body.amount.0;
                    self.books.shift(&Account::Outside, &free(&body.to), body.amount.0);
                }
                may && fits
            }
            Body::Transfer(body) => {
                let may = body.amount.0 > 0 && known && self.accounts.contains(&body.to);
                may && self.books.shift(&purse, &free(&body.to), body.amount.0)
            }
            Body::Stake(body) => known && body.amount.0 > 0 && self.books.shift(&purse, &stake, body.amount.0),
            Body::Delegate(body) => {
                let may = body.amount.0 > 0 && known && self.accounts.contains(&body.to) && body.to != sender;
                may && self.books.shift(&purse, &Account::Delegated(body.to), body.amount.0)
            }
            Body::Unstake(body) => {
                let done =
                    body.amount.0 > 0 && known && self.books.shift(&stake, &Account::Unbonding(sender), body.amount.0);
                if done {
                    let name = Digest::of("swarm/op", &[&[], &self.seq.0.to_be_bytes(), &1_u32.to_be_bytes()]);
                    self.tranches.entry(sender).or_default().push((name, body.amount.0, false));
                    let total = Span::from_secs(u64::from(self.params().unbonding_s));
                    self.wait(Waiting::Unbonding(sender, name), total);
                }
                done
            }
            Body::Withdraw(body) => body.amount.0 > 0 && self.withdraw(sender, body.amount.0),
            _ => false,
        };
        if done {
            if !matches!(envelope.body, Body::Manifest(_)) {
                self.out.push(Did::Booked { envelope: envelope.id() });
            }
            self.acts.insert(envelope.id());
            self.dirty = true;
        }
        done
    }

    fn withdraw(&mut self, agent: AgentId, amount: u64) -> bool {
        let backing = self.books.at(&Account::Stake(agent)) + self.books.at(&Account::Unbonding(agent));
        let encumbered = self.books.encumbered(&agent);
        let tranches = self.tranches.entry(agent).or_default();
        let matured: u64 = tranches.iter().filter(|(.., over)| *over).map(|(_, amount, _)| amount).sum();
        if matured < amount || backing.saturating_sub(amount) < encumbered {
            return false;
        }
        let mut left = amount;
        for (_, held, _) in tranches.iter_mut().filter(|(.., over)| *over) {
            let part = left.min(*held);
            (*held, left) = (*held - part, left - part);
        }
        self.books.shift(&Account::Unbonding(agent), &free(&agent), amount)
    }

    fn elapsed(&mut self, by: AgentId, elapsed: Span, segment: Segment, told: &[Did]) -> Judged {
        let (members, member) = (self.genesis.coordinators.len(), self.is_member(&by));
        let Some((waiting, watch)) = self.waits.iter_mut().find(|(_, watch)| watch.segment == segment) else {
            return Ok(false);
        };
        let capped = elapsed.min(watch.total);
        if !member || watch.seen.get(&by).is_some_and(|seen| *seen >= capped) {
            return Ok(false);
        }
        watch.seen.insert(by, capped);
        self.out.push(Did::Reported { by, elapsed, segment });
        if watch.seen.values().filter(|seen| **seen >= watch.total).count() <= members / 2 {
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
    fn relay(&mut self, proof: &Proof, told: &[Did], asks: impl Fn(&NeedId, Seq, u32) -> Option<Did>) -> Judged {
        let (Thread::Need(need), Some(claim @ Did::Asked { ask, number })) = (proof.thread, proof.claim()) else {
            return Ok(false);
        };
        let (seq, at) = (proof.entry.seq, proof.at);
        if *number != self.asked.get(&need).copied().unwrap_or(0) + 1 {
            return Ok(false);
        }
        // Whether enough vouched for it is not recounted: what the need's thread did is known here.
        if asks(&need, seq, at).as_ref() != Some(claim) {
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
                self.open_round();
                return Ok(true);
            }
            (Ask::End { .. }, _) => {
                self.end(need, ask)?;
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Close { ending, payouts }, _) => {
                if let Some(requester) = self.requesters.remove(&need) {
                    let pot = escrow(&need);
                    self.pay(&pot, payouts)?;
                    self.books.shift(&pot, &free(&requester), self.books.at(&pot));
                }
                self.finalized += u32::from(*ending == Ending::Closed);
                self.out.push(Did::Told { at, need, seq });
                return Ok(true);
            }
            (Ask::Escrow { amount, k_plan, requester }, Some(answer)) => {
                let affords = self.accounts.contains(requester) && self.books.at(&free(requester)) >= amount.0;
                match &answer {
                    Answer::Escrowed { k_plan: k, snapshot, voters } if affords => {
                        self.voters(*k_plan, *k, snapshot, voters)?;
                        self.books.shift(&free(requester), &escrow(&need), amount.0);
                        self.requesters.insert(need, *requester);
                    }
                    Answer::Denied(Reject::NoQuorum) => {}
                    Answer::Denied(_) if !affords => {}
                    _ => {
                        return Err(format!("the escrow of {amount} is answered so, and can be had is {affords} here"));
                    }
                }
                answer
            }
            (Ask::Voters { k_plan, .. }, Some(answer)) => {
                match &answer {
                    Answer::Voters { k_plan: k, snapshot, voters } => self.voters(*k_plan, *k, snapshot, voters)?,
                    Answer::Denied(Reject::NoQuorum) => {}
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
                BondFate::LessFee => (u128::from(held) * u128::from(self.params().yield_fee_bp) / 10_000) as u64,
                BondFate::Forfeit => held,
            };
            self.books.shift(&pot, &Account::Commons, kept);
            self.books.shift(&pot, &free(&worker), held - kept);
            if let Some(agent) = self.agents.get_mut(&worker) {
                match bond {
                    BondFate::Back if *settled => agent.rises(),
                    BondFate::Forfeit => agent.reputation_bp -= (agent.reputation_bp * 5).div_ceil(100),
                    _ => {}
                }
            }
        }
        for verifier in counted.iter().filter(|_| *settled) {
            self.agents.get_mut(verifier).into_iter().for_each(Agent::rises);
        }
        self.dirty = true;
        Ok(())
    }

    fn voters(&self, target: u32, k: u32, snapshot: &SnapshotRef, voters: &[AgentId]) -> Result<(), String> {
        let pool = self.current(snapshot)?;
        let active = pool.members.len();
        let own = quorum::k(target, active, active, self.params());
        let size = (own + self.params().voters_spare as usize).min(active);
        drawn(pool, voters, own, k, size..=size)
    }

    fn current(&self, snapshot: &SnapshotRef) -> Result<&Pool, String> {
        let pool = self.pools.last().filter(|_| snapshot.number as usize == self.pools.len());
        pool.ok_or_else(|| {
            format!("snapshot {} was drawn from, and {} is current here", snapshot.number, self.pools.len())
        })
    }

    fn open_round(&mut self) {
        if self.round.is_some() || self.queue.is_empty() {
            return;
        }
        self.rounds += 1;
        self.round = Some((std::mem::take(&mut self.queue), BTreeSet::new()));
        self.wait(Waiting::Reveals, Span::from_ms(u64::from(self.params().reveal_ms)));
        self.out.push(Did::RoundOpened { round: self.rounds });
    }

    fn reveal(&mut self, by: AgentId, round: u32, value: Digest, told: &[Did]) -> Judged {
        let members = self.genesis.coordinators.len();
        let member = self.is_member(&by);
        let Some((_, revealed)) = self.round.as_mut().filter(|_| round == self.rounds && member) else {
            return Ok(false);
        };
        if !revealed.insert(by) {
            return Ok(false);
        }
        let all = revealed.len() == members;
        self.out.push(Did::Revealed { by, round, value });
        if all {
            self.waits.remove(&Waiting::Reveals);
            self.close_round(told)?;
        }
        Ok(true)
    }

    /// The round is over: its asks are answered as told, if that can be.
    fn close_round(&mut self, told: &[Did]) -> Result<(), String> {
        let least = self.params().liars_max as usize + 1;
        if self.round.as_ref().is_some_and(|(_, revealed)| revealed.len() < least) {
            self.wait(Waiting::Reveals, Span::from_ms(u64::from(self.params().reveal_ms)));
            return Ok(());
        }
        let Some((seatings, revealed)) = self.round.take() else { return Ok(()) };
        let members = self.genesis.coordinators.iter().map(|member| member.agent);
        let omitted = members.filter(|member| !revealed.contains(member)).collect();
        self.out.push(Did::RoundClosed { omitted, round: self.rounds });
        for (need, seq, at, ask) in seatings {
            let found = told.iter().find_map(|event| match event {
                Did::Answered { answer, at: a, need: n, seq: s } if (*n, *s, *a) == (need, seq, at) => Some(answer),
                _ => None,
            });
            let answer = found.ok_or("a round is over, and one who asked for a committee has no answer")?;
            self.seat(need, &ask, answer)?;
            self.out.push(Did::Answered { answer: answer.clone(), at, need, seq });
        }
        self.open_round();
        Ok(())
    }

    fn seat(&mut self, need: NeedId, ask: &Ask, answer: &Answer) -> Result<(), String> {
        let (Ask::Seats { commit, k_result, planner, worker, .. }, Answer::Seated { k_result: k, seats, snapshot, .. }) =
            (ask, answer)
        else {
            return match answer {
                Answer::Denied(Reject::NoQuorum | Reject::NotEnough) => Ok(()),
                _ => Err("a committee was asked for, and something else was answered".into()),
            };
        };
        let pool = self.current(snapshot)?;
        let kin = |agent: &AgentId| self.related(agent, worker) || self.related(agent, planner);
        let strangers = pool.members.iter().filter(|agent| !kin(agent)).count();
        let eligible = if pool.bootstrap { pool.members.len() } else { strangers };
        let own = quorum::k(*k_result, pool.members.len(), eligible, self.params());
        let most = (own + self.params().seats_spare as usize).min(eligible);
        drawn(pool, seats, own, *k, own..=most)?;
        if let Some(one) = seats.iter().find(|agent| !pool.bootstrap && kin(agent)) {
            return Err(format!("{one} sits in judgement of its own or of its relations"));
        }
        let lien = self.params().lien.0;
        for verifier in seats {
            if self.books.encumbered(verifier) + lien > self.books.at(&Account::Stake(*verifier)) {
                return Err(format!("{verifier} sits, and has no stake left to answer for it"));
            }
            self.books.book(format!("lien/{need}/{commit}/{verifier}").into(), *verifier, lien);
        }
        Ok(())
    }

    /// Whether two are one, or of one known organisation or network.
    fn related(&self, a: &AgentId, b: &AgentId) -> bool {
        let of = |agent: &AgentId| self.agents.get(agent).and_then(|known| manifest(&known.manifest));
        let (Some(x), Some(y)) = (of(a), of(b)) else { return a == b };
        a == b || (!x.org.is_empty() && x.org == y.org) || (!x.asn.is_empty() && x.asn == y.asn)
    }
}

impl Elsewhere for System {
    fn params(&self) -> &Params {
        &self.genesis.params
    }

    fn members(&self) -> usize {
        self.genesis.coordinators.len()
    }

    fn is_member(&self, agent: &AgentId) -> bool {
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
}

/// Whether `list` can have been drawn: members of the pool, each once, as many as there should be, and K is K.
fn drawn(
    pool: &Pool,
    list: &[AgentId],
    own: usize,
    k: u32,
    sizes: std::ops::RangeInclusive<usize>,
) -> Result<(), String> {
    let distinct: BTreeSet<_> = list.iter().copied().collect();
    if let Some(stranger) = distinct.difference(&pool.members).next() {
        return Err(format!("{stranger} was drawn, and is not in the pool"));
    }
    if k as usize != own {
        return Err(format!("K is {own} here, {k} was told"));
    }
    if distinct.len() != list.len() || !sizes.contains(&list.len()) {
        return Err(format!("{} of {} distinct were drawn, and {sizes:?} should be", distinct.len(), list.len()));
    }
    Ok(())
}

fn manifest(envelope: &Envelope) -> Option<&Manifest> {
    match &envelope.body {
        Body::Manifest(manifest) => Some(manifest),
        _ => None,
    }
}

fn free(agent: &AgentId) -> Account {
    if *agent == COMMONS { Account::Commons } else { Account::Free(*agent) }
}

fn escrow(need: &NeedId) -> Account {
    Account::Pot(format!("escrow/{need}").into())
}

fn bond_of((need, task, fence): &(NeedId, TaskName, Fence)) -> Account {
    Account::Pot(format!("bond/{need}/{task}/{fence}").into())
}
