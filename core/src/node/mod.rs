//! One participant: time and one input go in, effects come out, in order.
//!
//! [`Node`] only routes. What each role does with an input is in the role's own file; what all of them share (speaking,
//! waiting, asking the host) is the `desk`.

mod chorus;
mod coordinator;
mod crowd;
mod desk;
mod duty;
mod early;
mod io;
mod lane;
mod lot;
mod planner;
mod requester;
mod roster;
mod rules;
mod threads;
mod timer;
mod verifier;
mod worker;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use io::{Act, Effect, Input, Look, Message, Note, Outcome, Pool, Setup, Subject, Work};
pub use lot::PARKED_MAX;
pub use timer::Timer;
pub use verifier::proof_key;

use crate::base::{Base, Gathered, Piece};
use crate::config::ms;
use crate::id::{AgentId, Cid, Credits, Digest, Lamport, NeedId, OpId, Thread};
use crate::identity::{Ingress, Manifests};
use crate::members::Mandate;
use crate::mutant::{Mutant, planted};
use crate::node::chorus::Chorus;
use crate::nonce::{Nonces, exempt};
use crate::policy;
use crate::register::{Chain, Event};
use crate::reject::Reject;
use crate::slot::{self, Phase, Record};
use crate::system::Adopted;
use crate::time::{Instant, Now};
use crate::wire::{Amount, Body, Envelope, Mask, Refuse, Role, Verb};
use coordinator::Coordinator;
#[cfg(test)]
pub(crate) use desk::genesis_of_nobody;
use desk::{Asked, Desk, Saying};
use lot::{Awaited, Lot};
use roster::Roster;
pub use threads::Holding;
use threads::Threads;

/// A participant as a value.
#[derive(Clone)]
pub struct Node {
    desk: Desk,
    threads: Threads,
    coordinator: Option<Coordinator>,
    requester: requester::Requester,
    planner: planner::Planner,
    worker: worker::Worker,
    verifier: verifier::Verifier,
    roles: Vec<Role>,
    /// The least it works for.
    floor: Credits,
    manifests: Manifests,
    nonces: Nonces,
    chorus: Chorus,
    /// Envelopes that rest on what has not come yet.
    lot: Lot,
    /// Mandates that were heard of and vetted, not yet taken note of.
    newcomers: Vec<Newcomers>,
}

/// A mandate before it is taken note of.
#[derive(Clone)]
struct Newcomers {
    mandate: Arc<Mandate>,
    /// What has come of the base that it names.
    pieces: Gathered,
    /// That base, once it is whole; nothing rests on a part of it.
    base: Option<Arc<Base>>,
}

impl Node {
    /// A node before anything happened to it.
    pub fn new(setup: Setup) -> Self {
        let genesis = Arc::clone(&setup.genesis);
        let mut manifests = Manifests::default();
        for manifest in &genesis.manifests {
            manifests.learn(Arc::clone(manifest)).expect("Genesis::check holds the founding manifests");
        }
        for mandate in &setup.mandates {
            for manifest in mandate.manifests() {
                manifests.learn(Arc::clone(manifest)).expect("whoever sets a node up has vetted its mandates");
            }
        }
        let roles = setup.manifest().map_or_else(Vec::new, |(_, m)| m.roles.clone());
        let floor = worker::floor(setup.manifest().map(|(_, m)| m));
        let mut desk = Desk::new(setup);
        let is_coordinator = desk.roster.voices().holds(&desk.me());
        let coordinator = is_coordinator.then(|| Coordinator::new(&mut desk));
        Self {
            desk,
            threads: Threads::default(),
            coordinator,
            requester: requester::Requester,
            planner: planner::Planner::default(),
            worker: worker::Worker::default(),
            verifier: verifier::Verifier::default(),
            roles,
            floor,
            manifests,
            nonces: Nonces::default(),
            chorus: Chorus::default(),
            lot: Lot::default(),
            newcomers: Vec::new(),
        }
    }

    /// One thing changes.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.desk.now = now;
        self.desk.cause = None;
        match input {
            Input::Boot => self.boot(),
            Input::Act(act) => self.act(*act),
            Input::Message(message) => self.receive([message].into()),
            Input::Applied(entry) => {
                let thread = entry.thread;
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.applied(&mut self.desk, entry);
                }
                let mut ripe = self.ripe(thread);
                ripe.extend(self.welcome());
                self.receive(ripe);
            }
            Input::Done { op, outcome } => self.done(op, outcome),
            Input::Wake => {}
        }
        // Whatever the input was, time has passed.
        while let Some(timer) = self.desk.due() {
            self.wake(timer);
        }
        self.forget_ended();
        self.retire();
    }

    /// What follows, in order; call until there is nothing.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.desk.poll_effect()
    }

    /// When the node wants to be woken next, on its own clock.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.desk.next_deadline()
    }

    /// Who the node is.
    pub fn me(&self) -> AgentId {
        self.desk.me()
    }

    /// The highest Lamport value that it said or saw. Whatever it said after this moment carries a higher one.
    pub fn lamport(&self) -> Lamport {
        self.desk.clock.now()
    }

    /// The system slot, if the node is a coordinator.
    pub fn system(&self) -> Option<&crate::system::System> {
        self.coordinator.as_ref().map(Coordinator::system)
    }

    /// How far each thread has come here in which anything was applied; nothing but for a coordinator.
    pub fn chains(&self) -> BTreeMap<Thread, Chain> {
        self.coordinator.iter().flat_map(|coordinator| coordinator.chains()).collect()
    }

    /// Where the generations of the register begin that it knows to be founded anew.
    pub fn bases(&self) -> &[Arc<Base>] {
        self.desk.roster.bases()
    }

    /// The generation whose word it tells: a member that in which it was seated, all others the last they know of.
    pub fn generation(&self) -> u32 {
        let me = self.me();
        match self.desk.roster.is_member(&me) {
            true => self.desk.roster.voices().founded(&me),
            false => self.bases().iter().map(|base| base.generation).max().unwrap_or(0),
        }
    }

    /// Whether nothing is on its way: every need it knows of has ended, everything it said was acknowledged, and nothing it
    /// must carry is left.
    pub fn is_quiet(&self) -> bool {
        let coordinator = self.coordinator.as_ref().is_none_or(Coordinator::is_quiet);
        // A thread that one coordinator alone has called it to may be nobody's.
        let rests = |record: &Record| record.is_over() || record.phase == Phase::Absent;
        coordinator && self.desk.is_quiet() && self.threads.followed.values().all(|f| rests(&f.record))
    }

    /// What the node holds of each need: its record, and digests of its plan's heads and view.
    pub fn needs(&mut self) -> Vec<(NeedId, Holding)> {
        let mut all = Vec::new();
        if let Some(coordinator) = &mut self.coordinator {
            all.extend(coordinator.holdings());
        }
        all.extend(self.threads.holdings());
        all
    }

    fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn boot(&mut self) {
        for (op, asked) in self.desk.boot() {
            match asked {
                Asked::Execute(work @ Work::Load { .. }) => {
                    self.desk.execute(work);
                }
                Asked::Execute(work) => {
                    self.planner.again(&mut self.desk, op, &work);
                    self.worker.again(&mut self.desk, op, &work);
                    self.verifier.again(&mut self.desk, op, &work);
                }
                // A submission is a duty, and a duty is due anew; chains and reveals are asked for again below.
                Asked::Publish(_) | Asked::Submit(_) | Asked::Anchor(_) | Asked::Reveal(_) => {}
            }
        }
        if planted(Mutant::NoncesForgotten) {
            self.nonces = Nonces::default();
        }
        self.worker.boot(&mut self.desk, &self.threads);
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.boot(&mut self.desk);
        }
    }

    fn act(&mut self, act: Act) {
        let desk = &mut self.desk;
        let body = match act {
            Act::Post(need) => return self.requester.post(desk, &mut self.threads, need),
            Act::Cancel(need) => return self.requester.cancel(desk, need),
            Act::YieldAll => return self.worker.yield_all(desk),
            Act::Refuse(need) => {
                let body = Body::Refuse(Refuse { reason: "the agent asked for it".into(), task: None });
                desk.say(Saying::new(Subject::Thread(need), Thread::Need(need), body));
                return;
            }
            Act::Join(manifest) => {
                self.roles.clone_from(&manifest.roles);
                desk.roles.clone_from(&manifest.roles);
                self.floor = manifest.price_floor;
                desk.capabilities = manifest.capabilities.iter().map(|c| c.name.clone()).collect();
                if let Some(id) = desk.say(Saying::new(Subject::System, Thread::System, Body::Manifest(manifest))) {
                    desk.manifest = id;
                }
                return;
            }
            Act::Challenge { need, task } => {
                if let Some(record) = self.threads.record(&need) {
                    verifier::dispute(desk, need, record, &task);
                }
                return;
            }
            Act::Unmask { denied, need, salt } => {
                if let Some(record) = self.threads.record(&need) {
                    requester::unmask(desk, need, record, denied, salt);
                }
                return;
            }
            // Only coordinators hear of it.
            Act::Mask(mask) => {
                desk.say(Saying::new(Subject::Coordinators, Thread::System, Body::Mask(Mask { mask })));
                return;
            }
            Act::Mandate(mandate) => {
                match &mut self.coordinator {
                    Some(coordinator) => coordinator.mandate(desk, mandate),
                    None => {
                        desk.emit(Note::Refused { envelope: mandate.named(), reject: Reject::WrongRole });
                    }
                }
                return;
            }
            Act::Adopt(new) => match new.vet(&desk.setup.genesis) {
                Ok(()) => Body::Capsule(new),
                Err(reject) => return desk.emit(Note::Refused { envelope: new.capsule, reject }),
            },
            Act::Mint(body) => Body::Mint(body),
            Act::Stake(amount) => Body::Stake(Amount { amount }),
            Act::Unstake(amount) => Body::Unstake(Amount { amount }),
            Act::Withdraw(amount) => Body::Withdraw(Amount { amount }),
            Act::Transfer(body) => Body::Transfer(body),
            Act::Delegate(body) => Body::Delegate(body),
        };
        desk.say(Saying::new(Subject::System, Thread::System, body));
    }

    /// Takes envelopes in, one after the other, and whatever waited for them behind them: a queue, because a chain of
    /// envelopes that each wait for the one before can be as long as there is room.
    fn receive(&mut self, mut queue: VecDeque<Message>) {
        while let Some(message) = queue.pop_front() {
            let envelope = Arc::clone(&message.envelope);
            self.desk.cause = Some(envelope.id());
            if let Some(early) = self.introduce(&envelope) {
                queue.extend(early);
                // The rest of what it brings comes with others like it, and the bus tells all of them again.
                if !self.desk.roster.is_member(&envelope.sender) {
                    continue;
                }
            }
            self.adopt(&envelope);
            let taken = self.admit(&message);
            let done = taken.and_then(|now| if now { self.route(&message) } else { Ok(()) });
            if let Err(reject) = done {
                self.refuse(&envelope, reject);
            }
            if let Body::Manifest(_) = envelope.body {
                let cited = Awaited::Manifest(envelope.id());
                if self.manifests.get(&envelope.id()).is_some() {
                    queue.extend(self.lot.release(cited));
                } else if taken.is_err() {
                    // It never will be known: nothing can rest on it.
                    for citing in self.lot.release(cited) {
                        self.refuse(&citing.envelope, Reject::NotInManifest);
                    }
                }
            }
            queue.extend(self.welcome());
            queue.extend(self.ripe(envelope.thread));
        }
    }

    /// A MEMBER of a register that was founded anew brings its own sender: nobody whom the node knows is left to do it. Returns
    /// what was said before anyone knew the newcomers; nothing if it is another envelope. Such a MEMBER needs no room to wait
    /// in for others that bring the rest of the base: what it brings is proved, and kept once.
    fn introduce(&mut self, envelope: &Envelope) -> Option<VecDeque<Message>> {
        let Body::Member(new) = &envelope.body else { return None };
        let brings_itself = new.mandate.base().is_some()
            && new.mandate.successions().iter().any(|succession| succession.new.agent == envelope.sender);
        if !brings_itself
            || self.desk.roster.is_member(&envelope.sender)
            || new.mandate.vet(&self.desk.setup.genesis).is_err()
        {
            return None;
        }
        self.expect(&new.mandate, new.piece.as_ref());
        Some(self.welcome())
    }

    /// A CAPSULE brings its policy, whatever it was judged by itself.
    fn adopt(&mut self, envelope: &Envelope) {
        if let Body::Capsule(new) = &envelope.body
            && new.vet(&self.desk.setup.genesis).is_ok()
        {
            self.desk.adopt(new);
        }
    }

    /// Takes note of newcomers to the register. Returns what they said before anyone knew them. Whoever replaces one of whom this
    /// node does not know yet waits until it does: were it heard before it has a seat, all that it said would be refused. So do
    /// those who found the register anew, until it is known how far every thread was kept.
    fn welcome(&mut self) -> VecDeque<Message> {
        let applied = self.coordinator.as_mut().map(Coordinator::take_newcomers).unwrap_or_default();
        for mandate in applied {
            self.expect(&mandate, None);
        }
        let mut early = VecDeque::new();
        let admits = |roster: &Roster, new: &Newcomers| roster.admits(&new.mandate, new.base.as_ref());
        while let Some(at) = self.newcomers.iter().position(|new| admits(&self.desk.roster, new)) {
            let Newcomers { mandate, base, .. } = self.newcomers.remove(at);
            if self.desk.roster.knows(&mandate) {
                continue;
            }
            self.desk.roster.learn(&mandate, base.clone());
            for manifest in mandate.manifests() {
                if self.manifests.learn(Arc::clone(manifest)).is_ok() {
                    early.extend(self.lot.release(Awaited::Manifest(manifest.id())));
                }
            }
            if let Some(base) = base {
                self.threads.refound(&mut self.desk, &base);
                self.threads.fetch_missed(&mut self.desk);
                self.reconcile();
            }
        }
        // Who lost its seat believes nothing more: what it applied may not be what counts.
        self.retire();
        early
    }

    /// A newcomer to the register will be welcome, by this mandate, which was vetted; `piece` is of the base that it names.
    fn expect(&mut self, mandate: &Arc<Mandate>, piece: Option<&Piece>) {
        if self.desk.roster.knows(mandate) {
            return;
        }
        let same = |new: &Newcomers| new.mandate.after == mandate.after && new.mandate.act == mandate.act;
        let at = self.newcomers.iter().position(same).unwrap_or_else(|| {
            let mandate = Arc::clone(mandate);
            self.newcomers.push(Newcomers { mandate, pieces: Gathered::default(), base: None });
            self.newcomers.len() - 1
        });
        let new = &mut self.newcomers[at];
        if let (Some(generation), Some(root)) = (mandate.founding(), mandate.base()) {
            piece.into_iter().for_each(|piece| new.pieces.take(piece));
            new.base = new.pieces.whole(generation, root);
        }
    }

    /// A coordinator whose seat another holds is silent, also where it does not know yet how much of what it did was kept.
    fn retire(&mut self) {
        if self.coordinator.is_none() {
            return;
        }
        let me = self.desk.me();
        let founding = self.newcomers.iter().filter(|new| new.mandate.base().is_some());
        let founded = founding.flat_map(|new| new.mandate.handovers()).find(|handover| handover.old == me);
        if let Some(new) = self.desk.roster.successor(&me).or(founded.map(|handover| handover.new)) {
            self.coordinator = None;
            self.desk.emit(Note::Retired { new });
        }
    }

    /// What has nothing to wait for any more, after something happened in `thread`.
    fn ripe(&mut self, thread: Thread) -> VecDeque<Message> {
        let mut ripe: VecDeque<Message> = self.lot.near(self.desk.clock.horizon()).into();
        if let (Thread::Need(need), Some(coordinator)) = (thread, &self.coordinator)
            && coordinator.knows(&need)
        {
            ripe.extend(self.lot.release(Awaited::Need(need)));
        }
        if let (Thread::System, Some(coordinator)) = (thread, &self.coordinator) {
            let Adopted { engine, .. } = coordinator.system().policy();
            // What would only wait on for the rules themselves stays where it is.
            if self.desk.rules.find(&engine).is_some() {
                ripe.extend(self.lot.release(Awaited::Engine(engine)));
            }
        }
        ripe
    }

    /// Which rules an envelope waits for; nothing if it was judged and may pass.
    fn judge(&self, envelope: &Envelope) -> Result<Option<Digest>, Reject> {
        let (rules, engine) = (&self.desk.rules, envelope.policy.engine);
        if let Thread::Need(need) = envelope.thread
            && envelope.verb() != Verb::Entry
            && rules.engine_of(&need).is_some_and(|own| !policy::is_same(&own, &engine))
        {
            return Err(Reject::EngineMismatch);
        }
        let Some(own) = rules.find(&engine) else {
            // Where the policy can change this one may be about to be announced.
            let may_come = !self.desk.setup.genesis.policy_keys.is_empty();
            return if may_come { Ok(Some(engine)) } else { Err(Reject::EngineMismatch) };
        };
        policy::admits(&**own, envelope, self.manifests.roles(envelope))?;
        let Some(coordinator) = &self.coordinator else { return Ok(None) };
        // The policy may come back to what it was before.
        let Adopted { engine: own, number, .. } = coordinator.system().policy();
        let ahead = engine != own && rules.number(&engine) > Some(number);
        Ok(match &envelope.body {
            // A policy that does not prove itself is never brought before the register.
            Body::Capsule(new) => rules.find(&new.engine).is_none().then_some(new.engine),
            // Whoever heard of a policy first may speak under it before the register goes by it.
            Body::Need(_) => ahead.then_some(engine),
            _ if envelope.thread == Thread::System && !exempt(envelope.verb()) => ahead.then_some(engine),
            _ => None,
        })
    }

    /// Whether the envelope may be acted upon now; `Ok(false)` if it waits or was seen before.
    fn admit(&mut self, message: &Message) -> Result<bool, Reject> {
        let envelope = &message.envelope;
        let seat = self.desk.roster.voices().seat(&envelope.sender);
        let member = seat.is_some();
        match self.manifests.entitled(envelope) {
            Ok(()) => {}
            Err(Ingress::Refuse(reject)) => return Err(reject),
            // A newcomer to the register may be heard before its mandate, which brings its manifest.
            Err(Ingress::Park(manifest)) => return self.park(Awaited::Manifest(manifest), message),
        }
        // Anyone may claim the role; genesis and mandates say who has it.
        if envelope.verb().roles() == [Role::Coordinator] && !member {
            return Err(Reject::NotEntitled);
        }
        if !self.desk.clock.see(seat, envelope.lamport) {
            return self.park(Awaited::Clock(envelope.lamport), message);
        }
        if let Some(engine) = self.judge(envelope)? {
            return self.park(Awaited::Engine(engine), message);
        }
        if let Thread::Need(need) = envelope.thread
            && !exempt(envelope.verb())
            && self.has_ended(&need)
        {
            // Its windows were given back. What members say is the same said twice; nobody else's word counts any more.
            if !member {
                self.desk.emit(Note::Refused { envelope: envelope.id(), reject: Reject::WrongPhase });
            }
            return Ok(member);
        }
        // Anyone can name a thread. Only a NEED makes it one, and the members' word that there is one.
        if let (Thread::Need(need), Some(coordinator)) = (envelope.thread, &self.coordinator)
            && !matches!(envelope.body, Body::Need(_))
            && !member
            && !coordinator.knows(&need)
        {
            return self.park(Awaited::Need(need), message);
        }
        if !exempt(envelope.verb()) {
            let stranger = |agent: &AgentId| !has_a_stake(&self.desk, self.coordinator.as_ref(), agent);
            match self.nonces.accept(envelope.sender, envelope.thread, envelope.nonce, stranger) {
                // The bus delivers at least once: a second copy is no offence and no news (T02).
                Err(Reject::Replay) => return Ok(false),
                accepted => accepted?,
            }
        }
        if let Body::Manifest(_) = envelope.body {
            self.manifests.learn(Arc::clone(envelope))?;
        }
        Ok(true)
    }

    /// Lets an envelope wait. Whoever loses its place to it is refused.
    fn park(&mut self, awaited: Awaited, message: &Message) -> Result<bool, Reject> {
        let favoured = has_a_stake(&self.desk, self.coordinator.as_ref(), &message.envelope.sender);
        let each = self.desk.setup.local.parked_max as usize;
        if let Some(lost) = self.lot.park(awaited, message.clone(), each, favoured) {
            // Newcomers to the register say a word on every thread before anyone has the whole base that they stand on.
            if let Thread::Need(need) = lost.envelope.thread
                && lost.envelope.verb() == Verb::Entry
            {
                self.threads.miss(need);
            }
            self.refuse(&lost.envelope, Reject::NoRoom);
        }
        Ok(false)
    }

    /// Whether this node believes that a need has ended.
    fn has_ended(&self, need: &NeedId) -> bool {
        let coordinator = self.coordinator.as_ref().is_some_and(|c| c.has_ended(need));
        coordinator || self.threads.record(need).is_some_and(Record::is_over)
    }

    /// Gives back what was kept to tell the envelopes of ended needs apart.
    fn forget_ended(&mut self) {
        for need in self.coordinator.as_mut().map(Coordinator::take_ended).unwrap_or_default() {
            self.nonces.forget(Thread::Need(need));
            self.desk.rules.forget(&need);
            // Nothing waits any more for rules that never came.
            self.desk.speak_up();
        }
    }

    fn refuse(&mut self, envelope: &Envelope, reject: Reject) {
        match &mut self.coordinator {
            Some(coordinator) => coordinator.deny(&mut self.desk, envelope, reject),
            None => self.desk.emit(Note::Refused { envelope: envelope.id(), reject }),
        }
    }

    fn route(&mut self, message: &Message) -> Result<(), Reject> {
        let envelope = &message.envelope;
        if let (Body::Need(terms), Thread::Need(need)) = (&envelope.body, envelope.thread) {
            slot::terms(terms, &self.desk.setup.genesis.params)?;
            self.desk.rules.heard(need, envelope.policy.engine);
        }
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.hear(&mut self.desk, message)?;
        }
        if let Body::Decide(_) | Body::Finalize(_) | Body::Release(_) | Body::Invalidate(_) = envelope.body
            && !self.is_heeded(envelope)
        {
            return Ok(());
        }
        let (desk, threads) = (&mut self.desk, &mut self.threads);
        let verifier = self.roles.contains(&Role::Verifier);
        match (&envelope.body, envelope.thread) {
            (Body::Need(_), _) => {
                if self.roles.contains(&Role::Planner) {
                    self.planner.need(desk, self.manifests.count(Role::Planner), envelope);
                }
                if self.roles.contains(&Role::Worker) {
                    self.worker.need(envelope);
                }
            }
            (Body::Decide(decide), thread) => {
                self.planner.decided(desk, threads, thread, decide);
                if self.roles.contains(&Role::Worker) {
                    self.worker.decided(desk, envelope);
                }
            }
            (Body::Finalize(record), Thread::Need(need)) => self.worker.finalized(desk, need, &record.task),
            (Body::Release(release), Thread::Need(need)) => {
                self.worker.released(desk, need, release, envelope.fence.unwrap_or_default());
            }
            (Body::Invalidate(body), Thread::Need(need)) => {
                self.worker.invalidated(desk, need, &body.task, envelope.fence.unwrap_or_default());
            }
            (Body::Member(new), _) => {
                // Whoever carries it, it speaks for itself.
                new.mandate.vet(&desk.setup.genesis)?;
                self.expect(&new.mandate, new.piece.as_ref());
            }
            (Body::Entry(_), Thread::Need(_)) => {
                if verifier {
                    self.verifier.called(desk, threads, message);
                }
                let news = threads.vouch(desk, message)?;
                self.reconcile();
                for (need, _, event) in news {
                    self.believe(need, &event);
                    if let Event::Over { .. } = event {
                        self.nonces.forget(Thread::Need(need));
                        self.desk.rules.forget(&need);
                        self.desk.speak_up();
                    }
                }
            }
            (Body::UpdatePlan(_), Thread::Need(need)) => {
                if let Some(followed) = threads.followed.get_mut(&need)
                    && let Some(lost) = followed.sheet.add(envelope)?
                {
                    self.refuse(&lost, Reject::NoRoom);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a coordinator's announcement comes from as many as cannot all lie.
    fn is_heeded(&mut self, envelope: &Envelope) -> bool {
        let Some(seat) = self.desk.roster.voices().seat(&envelope.sender) else { return false };
        let liars = self.desk.setup.genesis.params.liars_max as usize;
        let name = duty::name(envelope.thread, (envelope.epoch, envelope.fence), &envelope.body);
        self.chorus.heeds(name, seat, liars)
    }

    /// What was begun under entries that are void is given up.
    fn reconcile(&mut self) {
        for need in self.threads.take_reconciled() {
            self.worker.reconcile(&mut self.desk, &self.threads, need);
        }
    }

    fn believe(&mut self, need: NeedId, event: &Event) {
        if let Event::Replaced { mandate } | Event::Restored { mandate } = event {
            self.expect(mandate, None);
        }
        if let Event::Opening { need: opening } = event {
            self.desk.rules.opening(need, opening.policy.engine);
        }
        let (worker, verifier) = (self.is(Role::Worker), self.is(Role::Verifier));
        let (desk, threads) = (&mut self.desk, &mut self.threads);
        if worker {
            self.worker.believe(desk, threads, need, event);
        }
        if verifier && let Some(record) = threads.record(&need) {
            match event {
                Event::Opened { .. } | Event::Voting { .. } => self.verifier.vote(desk, need, record),
                Event::Seated { task, .. } => self.verifier.seated(desk, need, record, task),
                Event::Final { record: result } => self.verifier.finalized(desk, need, record, &result.task),
                Event::Empanelled { task, .. } => self.verifier.empanelled(desk, need, record, task),
                Event::Challenged { challenge, .. } => self.verifier.challenged(desk, challenge),
                Event::Ruled { challenge, task, .. } if !planted(Mutant::ObjectionForgotten) => {
                    self.verifier.ruled(desk, threads, need, task, challenge);
                }
                Event::Invalidated { commit, .. } => self.verifier.over(commit),
                Event::Over { .. } => self.verifier.forget(&need),
                Event::Paid { task } => {
                    if let Some(commit) = record.tasks.get(task).and_then(|task| task.commit.as_ref()) {
                        self.verifier.over(&commit.id());
                    }
                }
                _ => {}
            }
        }
    }

    fn done(&mut self, op: OpId, outcome: Outcome) {
        let committed = outcome == Outcome::Committed;
        match (self.desk.answered(op, committed), &outcome) {
            (Some(Asked::Execute(Work::Load { capsule, engine })), outcome) => self.loaded(capsule, engine, outcome),
            (Some(Asked::Execute(_)), outcome) => {
                self.planner.done(&mut self.desk, op, outcome);
                self.worker.done(&mut self.desk, op, outcome);
                self.verifier.done(&mut self.desk, &self.threads, op, outcome);
            }
            (Some(Asked::Anchor(since)), Outcome::Anchored(anchor)) => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.anchored(&mut self.desk, since, *anchor);
                }
            }
            (Some(Asked::Reveal(round)), Outcome::Revealed(value)) => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.revealed(&mut self.desk, round, *value);
                }
            }
            _ => {}
        }
    }

    /// The host was asked for the rules of `engine`.
    fn loaded(&mut self, capsule: Cid, engine: Digest, outcome: &Outcome) {
        match outcome {
            Outcome::Loaded(loaded) if *loaded == engine => {
                if self.desk.rules.loaded(&engine) {
                    self.desk.mark("policy-loaded");
                    self.desk.speak_up();
                    let waiting = self.lot.release(Awaited::Engine(engine));
                    self.receive(waiting.into());
                }
            }
            // It may yet come.
            Outcome::CouldNot(why) if why.as_str() == "unavailable" => {
                let pause = ms(self.desk.setup.local.backoff_max_ms);
                self.desk.wake_in(pause, Timer::Load(engine));
            }
            _ => self.desk.emit(Note::Refused { envelope: capsule, reject: Reject::BadCapsule }),
        }
    }

    fn wake(&mut self, timer: Timer) {
        let (desk, threads) = (&mut self.desk, &mut self.threads);
        match timer {
            Timer::Publish(id) => desk.republish(id),
            Timer::Bid(need, task) => {
                let crowd = self.manifests.count(Role::Worker);
                self.worker.bid(desk, threads, self.floor, crowd, need, &task);
            }
            Timer::Load(engine) => {
                let wanted: Vec<_> = desk.rules.wanted().filter(|(_, of)| *of == engine).collect();
                for (capsule, engine) in wanted {
                    desk.execute(Work::Load { capsule, engine });
                }
            }
            Timer::Object => self.verifier.object_again(desk, threads),
            Timer::Plan(need) => self.planner.plan(desk, need),
            Timer::Heartbeat(need, task) => self.worker.beat(desk, need, &task),
            Timer::LeaseEnd(need, task, fence) => self.worker.lease_end(desk, need, &task, fence),
            Timer::Duty(_) | Timer::Batch(_) | Timer::Watch(..) | Timer::Snapshot => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.wake(desk, &timer);
                }
            }
        }
    }
}

/// Whether `agent` has anything to lose here: a seat in the register, or credits, as far as this node knows.
fn has_a_stake(desk: &Desk, coordinator: Option<&Coordinator>, agent: &AgentId) -> bool {
    let founded = || desk.setup.genesis.holdings.get(agent).is_some_and(|h| h.balance.0 > 0 || h.stake.0 > 0);
    let booked = |c: &Coordinator| {
        let balance = c.system().ledger().balance(agent);
        balance.is_some_and(|b| b.available.0 > 0 || b.staked.0 > 0 || b.unbonding.0 > 0 || b.delegated.0 > 0)
    };
    desk.roster.is_member(agent) || coordinator.map_or_else(founded, booked)
}
