//! The system slot: what is global (PROTOCOL 5, 6, 9). Membership, the ledger, pool snapshots, draws.
//!
//! Only coordinators hold it. A need's slot asks, with proof; here it is carried out exactly once, keyed by where it was
//! asked, and answered. Credits are set aside and voters drawn in one step, a committee is drawn and its liens booked in one
//! step: two loose steps would lose money in a crash between them.

mod decoys;
mod draws;
mod registry;
mod rulings;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::committee;
use crate::config::{Params, ms};
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, Lamport, NeedId, Segment, Seq, TaskName, Thread};
use crate::lamport::AHEAD_MAX;
use crate::ledger::{Booking, Ledger, LienId, OpKey, Pot, only_authority, op_key};
use crate::members::{Mandate, Members, Succession};
use crate::mutant::{Mutant, planted};
use crate::policy::is_same;
use crate::pool::{self, Age, Snapshot};
use crate::register::{Answer, Ask, Bench, BondFate, Command, Ending, Event, Proof, Says, Word};
use crate::reject::Reject;
use crate::slot::{Registry, Standing, Stopwatch, Waiting};
use crate::time::Span;
use crate::wire::{Body, Envelope, Manifest, NewPolicy, Verb};
use decoys::Masked;
use draws::{Promise, Round, Seating};
use rulings::Accuser;

/// A registered agent.
#[derive(Clone, Debug)]
struct Agent {
    manifest: Arc<Envelope>,
    identity: Arc<pool::Identity>,
    /// What it stated before, and the entry until which.
    before: Vec<(Seq, Arc<pool::Identity>)>,
    reputation_bp: u32,
    /// Number of the snapshot that was current when its last counted verdict was booked.
    served_at: u32,
}

impl Agent {
    fn new(manifest: &Arc<Envelope>, reputation_bp: u32, served_at: u32) -> Self {
        let Body::Manifest(says) = &manifest.body else { unreachable!("only a MANIFEST is registered") };
        let identity = Arc::new(pool::Identity::of(says));
        Self { manifest: Arc::clone(manifest), identity, before: Vec::new(), reputation_bp, served_at }
    }

    fn manifest(&self) -> &Manifest {
        match &self.manifest.body {
            Body::Manifest(manifest) => manifest,
            _ => unreachable!("only a MANIFEST is registered"),
        }
    }
}

/// A policy that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// Address of its capsule.
    pub capsule: Cid,
    /// Its engine hash.
    pub engine: Digest,
    /// Its number; the one of the genesis is number 0.
    pub number: u32,
}

/// What a snapshot fixed.
#[derive(Clone, Debug)]
struct Taken {
    snapshot: Arc<Snapshot>,
    standings: BTreeMap<AgentId, Arc<Standing>>,
}

/// The system slot.
#[derive(Clone)]
pub struct System {
    genesis: Arc<Genesis>,
    /// Where generations of the register begin that were founded anew.
    bases: Vec<Arc<Base>>,
    members: Members,
    /// The policy that needs are opened under, and agents' own acts are judged by.
    policy: Adopted,
    ledger: Ledger,
    agents: BTreeMap<AgentId, Agent>,
    /// The newest snapshot, and those that needs cite by number.
    taken: BTreeMap<u32, Taken>,
    /// Which each need was told, and may cite until it is over here ([`System::cites`]).
    cited: BTreeMap<NeedId, BTreeSet<u32>>,
    /// Something changed since the last snapshot.
    dirty: bool,
    /// How many of each need's asks were carried out or queued: always the first so many.
    asked: BTreeMap<NeedId, u32>,
    /// Envelopes of agents' own acts that took effect.
    acts: BTreeSet<Cid>,
    /// The highest Lamport value among them.
    lamport: Lamport,
    /// Whose escrow it is, and the entry that set it aside; whose bond.
    requesters: BTreeMap<NeedId, (AgentId, Seq)>,
    bonds: BTreeMap<(NeedId, TaskName, Fence), AgentId>,
    accusers: BTreeMap<AgentId, Accuser>,
    /// Announced decoys, until they are exposed.
    masks: BTreeMap<Digest, Masked>,
    queue: VecDeque<Seating>,
    round: Option<Round>,
    rounds: u32,
    /// What each coordinator will reveal.
    promises: BTreeMap<AgentId, Promise>,
    waits: BTreeMap<Waiting, Stopwatch>,
    segment: Segment,
    finalized_needs: u32,
    day_passed: bool,
}

/// What one entry of the system thread is doing.
struct Doing {
    seq: Seq,
    part: u32,
    events: Vec<Event>,
}

impl Doing {
    /// A fresh id for a ledger operation of this entry.
    fn key(&mut self) -> OpKey {
        self.part += 1;
        op_key(&Thread::System, self.seq, self.part)
    }
}

impl System {
    /// The state that a genesis describes, with its first snapshot taken.
    pub fn new(genesis: Arc<Genesis>) -> Self {
        let params = &genesis.params;
        let mut ledger = Ledger::new(params.supply_max);
        let mut agents = BTreeMap::new();
        for envelope in &genesis.manifests {
            agents.insert(envelope.sender, Agent::new(envelope, pool::REPUTATION_START, 1));
            ledger.open_account(envelope.sender);
        }
        for (part, (agent, holding)) in genesis.holdings.iter().enumerate() {
            let key = |step: u32| op_key(&Thread::System, Seq(0), 2 * part as u32 + step);
            let total = Credits(holding.balance.0 + holding.stake.0);
            ledger.open_account(*agent);
            if total.0 > 0 {
                ledger.mint(key(0), *agent, total).expect("Genesis::check holds the founding accounts below the cap");
            }
            if holding.stake.0 > 0 {
                ledger.stake(key(1), *agent, holding.stake).expect("it was minted a line above");
            }
        }
        let mut system = Self {
            bases: Vec::new(),
            members: Members::new(&genesis),
            policy: Adopted { capsule: genesis.capsule, engine: genesis.engine, number: 0 },
            promises: genesis.coordinators.iter().map(|m| (m.agent, Promise::new(0, m.anchor))).collect(),
            ledger,
            agents,
            taken: BTreeMap::new(),
            cited: BTreeMap::new(),
            dirty: false,
            asked: BTreeMap::new(),
            acts: BTreeSet::new(),
            lamport: Lamport(0),
            requesters: BTreeMap::new(),
            bonds: BTreeMap::new(),
            accusers: BTreeMap::new(),
            masks: BTreeMap::new(),
            queue: VecDeque::new(),
            round: None,
            rounds: 0,
            waits: BTreeMap::new(),
            segment: Segment(0),
            finalized_needs: 0,
            day_passed: false,
            genesis,
        };
        system.wait(Waiting::Bootstrap, Span::from_secs(24 * 3_600));
        system.take_snapshot();
        system
    }

    /// Applies `command` as the entry at `seq`; a refusal leaves everything as it was, but that an agent's own act is used up.
    ///
    /// # Errors
    /// Why the command has no effect.
    pub fn apply(&mut self, seq: Seq, command: &Command) -> Result<Vec<Event>, Reject> {
        self.check(seq, command)?;
        let mut doing = Doing { seq, part: 0, events: Vec::new() };
        match command {
            Command::Act(envelope) => {
                // Taken or refused, it is used up: what was refused is not brought up again when it suits somebody, nor for ever.
                let done = self.act(&mut doing, envelope);
                if done.is_ok() || !planted(Mutant::RefusedInsisted) {
                    self.acts.insert(envelope.id());
                }
                done?;
            }
            Command::Relay(proof) => self.relay(&mut doing, proof)?,
            Command::Word(word) => match word.says {
                Says::Anchor { anchor, since } => self.anchor(&mut doing, word.by, anchor, since),
                Says::Elapsed { elapsed, segment } => self.elapsed(&mut doing, word.by, elapsed, segment),
                Says::Reveal { round, value } => self.reveal(&mut doing, word.by, round, value),
            },
            Command::Snapshot { .. } => {
                let snapshot = self.take_snapshot().reference();
                doing.events.push(Event::SnapshotTaken { snapshot });
            }
            // That a group of the register runs is no state of the protocol.
            Command::Start { .. } => {}
            Command::Mandate(mandate) => self.replace(&mut doing, mandate)?,
            Command::Count(_) => return Err(Reject::WrongFields),
        }
        self.ledger.check();
        Ok(doing.events)
    }

    /// The same where the register was founded anew on these bases.
    pub fn on(mut self, bases: &[Arc<Base>]) -> Self {
        self.bases = bases.to_vec();
        self
    }

    /// Whether `command` may take effect as the entry at `seq`, as far as can be said without trying.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, seq: Seq, command: &Command) -> Result<(), Reject> {
        match command {
            Command::Act(envelope) if self.acts.contains(&envelope.id()) => Err(Reject::Duplicate),
            Command::Act(envelope) if envelope.expires.is_some_and(|expires| expires.is_over(seq, self.lamport)) => {
                Err(Reject::Expired)
            }
            Command::Act(envelope) => self.governs(envelope),
            Command::Relay(proof) => {
                self.turn_of(proof)?;
                self.asked_by(proof).map(|_| ())
            }
            Command::Word(word) => self.check_word(word),
            Command::Snapshot { number } if !self.dirty || *number != self.number() + 1 => Err(Reject::WrongPhase),
            Command::Snapshot { .. } => Ok(()),
            Command::Start { bucket } if *bucket >= self.params().buckets => Err(Reject::OutOfBounds),
            Command::Start { .. } => Ok(()),
            Command::Mandate(mandate) => {
                let (members, last) = (&self.members, self.members.last_mandate());
                mandate.stands(&self.genesis, members.handovers(), members.generation(), &last)
            }
            Command::Count(_) => Err(Reject::WrongFields),
        }
    }

    /// As [`System::check`], for a coordinator's word, signed or not.
    ///
    /// # Errors
    /// Why it would have no effect.
    pub fn check_word(&self, word: &Word) -> Result<(), Reject> {
        if word.thread != Thread::System {
            return Err(Reject::WrongFields);
        }
        match &word.says {
            Says::Anchor { since, .. } => self.check_anchor(&word.by, *since),
            Says::Elapsed { elapsed, segment } => {
                let watch = self.waits.values().find(|w| w.segment == *segment).ok_or(Reject::WrongSegment)?;
                if !self.members.voices().holds(&word.by) {
                    return Err(Reject::NotEntitled);
                }
                if watch.has_heard(&word.by, *elapsed) { Err(Reject::Duplicate) } else { Ok(()) }
            }
            Says::Reveal { round, value } => self.check_reveal(&word.by, *round, value),
        }
    }

    /// Running waits.
    pub fn waits(&self) -> &BTreeMap<Waiting, Stopwatch> {
        &self.waits
    }

    /// The policy that needs are opened under from here on.
    pub fn policy(&self) -> Adopted {
        self.policy
    }

    /// The members of the register.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The round of reveals that is open, if one is.
    pub fn open_round(&self) -> Option<u32> {
        self.round.as_ref().map(|round| round.number)
    }

    /// Whether `member` has revealed in the open round.
    pub fn has_revealed(&self, member: &AgentId) -> bool {
        self.round.as_ref().is_some_and(|round| round.reveals.contains_key(member))
    }

    /// Whether a snapshot would differ from the current one.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.taken.last_key_value().expect("the genesis is the first snapshot").1.snapshot
    }

    /// Number of the current snapshot.
    pub fn number(&self) -> u32 {
        self.snapshot().number()
    }

    /// The need's slot goes by snapshot `number` and later ones from now on, or by none any more. What nobody goes by is let
    /// go with the next snapshot; that is no state of the thread, only what this replica of it may still be asked.
    pub fn cites(&mut self, need: &NeedId, number: Option<u32>) {
        let Some(cited) = self.cited.get_mut(need) else { return };
        let keeps = number.map_or_else(BTreeSet::new, |number| cited.split_off(&number));
        if keeps.is_empty() {
            self.cited.remove(need);
        } else {
            *cited = keeps;
        }
    }

    /// How many snapshots are kept.
    pub fn snapshots(&self) -> usize {
        self.taken.len()
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was booked since the last call.
    pub fn take_bookings(&mut self) -> Vec<Booking> {
        self.ledger.take_bookings()
    }

    fn wait(&mut self, waiting: Waiting, total: Span) {
        self.segment = Segment(self.segment.0 + 1);
        self.waits.insert(waiting, Stopwatch::new(self.segment, total));
    }

    /// The deployment's parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.genesis.params
    }

    /// Whether an agent's own act was judged by the policy that counts. A CAPSULE speaks for itself, whatever it was judged by:
    /// it is how those hear of a policy who know only the one before.
    fn governs(&self, envelope: &Envelope) -> Result<(), Reject> {
        match &envelope.body {
            Body::Capsule(new) if new.number <= self.policy.number => Err(Reject::NotBetter),
            Body::Capsule(new) => {
                new.vet(&self.genesis)?;
                // Its turn comes: nobody else can have announced it.
                if new.number > self.policy.number + 1 { Err(Reject::WrongPhase) } else { Ok(()) }
            }
            _ if self.goes_by(&envelope.policy.engine) => Ok(()),
            _ => Err(Reject::EngineMismatch),
        }
    }

    /// Whether what was judged by this engine may take effect.
    fn goes_by(&self, engine: &Digest) -> bool {
        is_same(engine, &self.policy.engine) || planted(Mutant::OldPolicyCounts)
    }

    /// An agent's own act: its signed envelope is all the evidence there is.
    fn act(&mut self, doing: &mut Doing, envelope: &Arc<Envelope>) -> Result<(), Reject> {
        let (key, sender) = (doing.key(), envelope.sender);
        match &envelope.body {
            Body::Manifest(_) => {
                // Who brings up an old one again, in whatever order, changes nobody's mind.
                let said = |manifest: &Envelope| (manifest.lamport, manifest.id());
                if self.agents.get(&sender).is_some_and(|known| said(&known.manifest) >= said(envelope)) {
                    return Err(Reject::NotBetter);
                }
                self.register(doing.seq, envelope);
                doing.events.push(Event::Registered { manifest: Arc::clone(envelope) });
            }
            Body::Mint(body) => {
                only_authority(&self.genesis.mints, &sender)?;
                self.ledger.mint(key, body.to, body.amount)?;
            }
            Body::Transfer(body) => self.ledger.transfer(key, sender, body.to, body.amount)?,
            Body::Stake(body) => {
                self.worth(&sender, |staked| staked.saturating_add(body.amount.0))?;
                self.ledger.stake(key, sender, body.amount)?;
            }
            Body::Delegate(body) => self.ledger.delegate(key, sender, body.to, body.amount)?,
            Body::Unstake(body) => {
                self.worth(&sender, |staked| if staked == body.amount.0 { u64::MAX } else { body.amount.0 })?;
                self.ledger.unstake(key, sender, body.amount)?;
                let total = Span::from_secs(u64::from(self.params().unbonding_s));
                self.wait(Waiting::Unbonding(sender, key), total);
            }
            Body::Withdraw(body) => self.ledger.withdraw(key, sender, body.amount)?,
            Body::Mask(body) => self.announce(doing, sender, body.mask)?,
            Body::Capsule(NewPolicy { capsule, engine, number, .. }) => {
                let policy = Adopted { capsule: *capsule, engine: *engine, number: *number };
                self.policy = policy;
                doing.events.push(Event::Governed { policy });
                return Ok(());
            }
            _ => return Err(Reject::WrongFields),
        }
        if envelope.verb() != Verb::Manifest {
            doing.events.push(Event::Booked { envelope: envelope.id() });
        }
        // One value from far ahead would end everything that expires by it.
        self.lamport = self.lamport.max(envelope.lamport.min(Lamport(self.lamport.0.saturating_add(AHEAD_MAX))));
        self.dirty = true;
        Ok(())
    }

    /// Whether what is staked, or unstaked but for the whole, is no less than what a seat takes: keys cost nothing, and what each
    /// unstakes is watched for days by every coordinator.
    fn worth(&self, agent: &AgentId, moved: impl Fn(u64) -> u64) -> Result<(), Reject> {
        let staked = self.ledger.balance(agent).map_or(0, |balance| balance.staked.0);
        if moved(staked) < self.params().stake_min.0 { Err(Reject::OutOfBounds) } else { Ok(()) }
    }

    /// Takes a MANIFEST of its sender's.
    fn register(&mut self, seq: Seq, manifest: &Arc<Envelope>) {
        let sender = manifest.sender;
        self.ledger.open_account(sender);
        let Some(known) = self.agents.get_mut(&sender) else {
            let agent = Agent::new(manifest, pool::REPUTATION_START, self.number());
            self.agents.insert(sender, agent);
            return;
        };
        let new = Agent::new(manifest, known.reputation_bp, known.served_at);
        let mut before = core::mem::take(&mut known.before);
        if known.identity != new.identity {
            before.push((seq, Arc::clone(&known.identity)));
        }
        *known = Agent { before, ..new };
    }

    /// A seat changes hands. What the one that goes has revealed stands, since others may have seen it; what it has reported
    /// does not. The newcomer's chain is for results that nobody has committed yet (T68): not for the open round, nor the next.
    fn replace(&mut self, doing: &mut Doing, mandate: &Arc<Mandate>) -> Result<(), Reject> {
        self.members.mandate(mandate)?;
        for Succession { manifest, new, old } in mandate.successions() {
            self.register(doing.seq, manifest);
            self.acts.insert(manifest.id());
            self.promises.remove(old);
            self.promises.insert(new.agent, Promise::first(self.rounds + 1, new.anchor));
            self.waits.values_mut().for_each(|watch| watch.forget(old));
            self.dirty = true;
        }
        let restored = mandate.generation().is_some();
        let mandate = Arc::clone(mandate);
        doing.events.push(if restored { Event::Restored { mandate } } else { Event::Replaced { mandate } });
        self.close_full_round(doing);
        Ok(())
    }

    fn elapsed(&mut self, doing: &mut Doing, by: AgentId, elapsed: Span, segment: Segment) {
        let enough = self.params().end_at(self.members.voices().seats());
        let (waiting, watch) =
            self.waits.iter_mut().find(|(_, w)| w.segment == segment).expect("check found the segment");
        watch.report(by, elapsed);
        let over = watch.is_over(enough).then(|| waiting.clone());
        doing.events.push(Event::Reported { by, elapsed, segment });
        let Some(waiting) = over else { return };
        self.waits.remove(&waiting);
        doing.events.push(Event::WaitClosed { waiting: waiting.clone() });
        match waiting {
            Waiting::Bootstrap => {
                self.day_passed = true;
                self.dirty = true;
            }
            Waiting::Unbonding(agent, tranche) => {
                let matured = self.ledger.mature(doing.key(), &agent, &tranche);
                // A slash may have taken the whole of it meanwhile.
                assert!(matches!(matured, Ok(()) | Err(Reject::NoSuchThing)), "a tranche matures once: {matured:?}");
            }
            Waiting::Reveals => self.close_round(doing),
            _ => unreachable!("only needs wait for that"),
        }
    }

    /// Whether it is the turn of the ask that `proof` speaks of. In order: an escrow that was closed before its last attempt
    /// was paid could not pay it any more.
    ///
    /// # Errors
    /// `Duplicate` if it was carried out, `WrongPhase` if others come first.
    pub fn turn_of(&self, proof: &Proof) -> Result<(), Reject> {
        let (Thread::Need(need), Some(Event::Asked { number, .. })) = (proof.thread, proof.claim()) else {
            return Err(Reject::NoEvidence);
        };
        match number.cmp(&(self.asked.get(&need).copied().unwrap_or(0) + 1)) {
            Ordering::Less if planted(Mutant::AskedTwice) => Ok(()),
            Ordering::Less => Err(Reject::Duplicate),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(Reject::WrongPhase),
        }
    }

    /// The ask that `proof` proves, whose it is, and which of its asks.
    fn asked_by<'a>(&self, proof: &'a Proof) -> Result<(NeedId, u32, &'a Ask), Reject> {
        let Thread::Need(need) = proof.thread else { return Err(Reject::NoEvidence) };
        let voices = self.members.voices().on(&self.bases);
        match proof.check(voices, self.params().believe_at(voices.seats()))? {
            Event::Asked { ask, number } => Ok((need, *number, ask)),
            _ => Err(Reject::NoEvidence),
        }
    }

    fn relay(&mut self, doing: &mut Doing, proof: &Proof) -> Result<(), Reject> {
        let (need, number, ask) = self.asked_by(proof)?;
        let (seq, at) = (proof.entry.seq, proof.at);
        self.asked.insert(need, number);
        let answer = match ask {
            Ask::Escrow { engine, .. } if !self.goes_by(engine) => Err(Reject::EngineMismatch),
            Ask::Escrow { amount, k_plan, requester, .. } => self.escrow(doing, need, *requester, *amount, *k_plan),
            Ask::Voters { epoch, k_plan } => self
                .voters(need, *epoch, *k_plan)
                .map(|(k_plan, voters)| Answer::Voters { k_plan, snapshot: self.snapshot().reference(), voters }),
            Ask::Grant { bond, fence, task, worker, .. } => {
                let pot = (need, task.clone(), *fence);
                let key = doing.key();
                self.ledger.reserve(key, Pot::Bond(need, task.clone(), *fence), *worker, *bond).map(|()| {
                    self.bonds.insert(pot, *worker);
                    Answer::Granted
                })
            }
            Ask::Seats { .. } => {
                self.queue.push_back(Seating { need, seq, at, ask: ask.clone() });
                doing.events.push(Event::Queued { at, need, seq });
                self.open_next_round(doing);
                return Ok(());
            }
            Ask::Contest { bench, bond, challenge, challenger, draw, .. } => {
                let taken = match draw {
                    1 => self.accuse(doing, need, *challenge, *challenger, *bond),
                    _ => Ok(()),
                };
                if taken.is_ok() && *bench == Bench::Arbiters {
                    let answer = self.arbiters(doing, need, ask).unwrap_or_else(Answer::Denied);
                    doing.events.push(Event::Answered { answer, at, need, seq });
                    return Ok(());
                }
                if taken.is_ok() {
                    self.queue.push_back(Seating { need, seq, at, ask: ask.clone() });
                    doing.events.push(Event::Queued { at, need, seq });
                    self.open_next_round(doing);
                    return Ok(());
                }
                taken.map(|()| unreachable!("it was taken"))
            }
            Ask::Rule { .. } => {
                self.rule(doing, need, ask);
                doing.events.push(Event::Told { at, need, seq });
                return Ok(());
            }
            Ask::Mask { mask, .. } => self.unmask(need, mask).map(|()| Answer::Masked),
            Ask::Expose { mask, .. } => {
                self.expose(doing, need, ask);
                self.masks.remove(mask);
                doing.events.push(Event::Told { at, need, seq });
                return Ok(());
            }
            Ask::End { .. } => {
                self.end(doing, need, ask);
                doing.events.push(Event::Told { at, need, seq });
                return Ok(());
            }
            Ask::Close { ending, payouts, planner } => {
                let payouts: Vec<_> = payouts.iter().map(|p| (p.to, p.amount)).collect();
                let key = doing.key();
                if let Some((requester, _)) = self.requesters.remove(&need) {
                    self.ledger
                        .pay(key, &Pot::Escrow(need), &payouts, requester)
                        .expect("a slot asks for no more than its escrow holds, once");
                }
                if *ending == Ending::Closed {
                    self.finalized_needs += 1;
                }
                self.planned(planner.as_ref(), *ending);
                doing.events.push(Event::Told { at, need, seq });
                return Ok(());
            }
        };
        let answer = answer.unwrap_or_else(Answer::Denied);
        if let Answer::Escrowed { snapshot, .. } | Answer::Voters { snapshot, .. } = &answer {
            self.cited.entry(need).or_default().insert(snapshot.number);
        }
        doing.events.push(Event::Answered { answer, at, need, seq });
        Ok(())
    }

    fn escrow(
        &mut self,
        doing: &mut Doing,
        need: NeedId,
        requester: AgentId,
        amount: Credits,
        k_plan: u32,
    ) -> Result<Answer, Reject> {
        // Nobody is drawn for what cannot be paid.
        self.ledger.affords(&requester, amount)?;
        let (k_plan, voters) = self.voters(need, Epoch::FIRST, k_plan)?;
        let key = doing.key();
        self.ledger.reserve(key, Pot::Escrow(need), requester, amount)?;
        self.requesters.insert(need, (requester, doing.seq));
        Ok(Answer::Escrowed { k_plan, snapshot: self.snapshot().reference(), voters })
    }

    /// K and who may vote on a need's plans in `epoch`.
    fn voters(&self, need: NeedId, epoch: Epoch, target: u32) -> Result<(u32, Vec<AgentId>), Reject> {
        let snapshot = self.snapshot();
        let drawn = committee::voters(&need, epoch, snapshot, target, self.params());
        let drawn = drawn.ok().filter(|_| !planted(Mutant::VotersDenied)).ok_or(Reject::NoQuorum)?;
        let mut voters = drawn.members;
        voters.sort_unstable();
        Ok((drawn.k, voters))
    }

    /// What became of a need is what its plan was worth: whoever made it is known by that.
    fn planned(&mut self, planner: Option<&AgentId>, ending: Ending) {
        let Some(agent) = planner.and_then(|planner| self.agents.get_mut(planner)) else { return };
        agent.reputation_bp = match ending {
            Ending::Closed => pool::succeeded(agent.reputation_bp),
            Ending::Failed => pool::lease_expired(agent.reputation_bp),
            Ending::Cancelled | Ending::Decoy => return,
        };
        self.dirty = true;
    }

    /// An attempt is over: money, liens and reputation follow.
    fn end(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask) {
        let Ask::End { bond, commit, counted, fence, payouts, settled, task } = ask else { return };
        let payouts: Vec<_> = payouts.iter().map(|p| (p.to, p.amount)).collect();
        if !payouts.is_empty() {
            let key = doing.key();
            self.ledger
                .pay_partly(key, &Pot::Escrow(need), &payouts)
                .expect("a slot asks for no more than its escrow holds");
        }
        if let Some(commit) = commit {
            let key = doing.key();
            self.ledger.unlien_all(key, need, *commit).expect("liens end once, with their attempt");
        }
        let pot = Pot::Bond(need, task.clone(), *fence);
        let owner = self.bonds.remove(&(need, task.clone(), *fence)).filter(|_| !planted(Mutant::BondKept));
        if let Some(worker) = owner {
            let held = self.ledger.pot(&pot).unwrap_or_default();
            let key = doing.key();
            let kept = match bond {
                BondFate::Back => Credits(0),
                BondFate::LessFee => {
                    let fee_bp = self.params().yield_fee_bp;
                    held.share(fee_bp).max(Credits(u64::from(fee_bp > 0))).min(held)
                }
                BondFate::Forfeit => held,
            };
            let toll: &[_] = if kept.0 > 0 { &[(crate::config::COMMONS, kept)] } else { &[] };
            self.ledger.pay(key, &pot, toll, worker).expect("a bond ends once, with its attempt");
            if let Some(agent) = self.agents.get_mut(&worker) {
                agent.reputation_bp = match bond {
                    BondFate::Back if *settled => pool::succeeded(agent.reputation_bp),
                    BondFate::Forfeit => pool::lease_expired(agent.reputation_bp),
                    _ => agent.reputation_bp,
                };
            }
        }
        let number = self.number();
        for verifier in counted {
            if let Some(agent) = self.agents.get_mut(verifier) {
                agent.served_at = number;
                if *settled {
                    agent.reputation_bp = pool::succeeded(agent.reputation_bp);
                }
            }
        }
        self.dirty = true;
    }
}
