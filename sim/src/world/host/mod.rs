//! The host of one node: carries out its effects, hands it what arrives, wakes it in time.
//!
//! The host holds what the node must not: the keys. It does the work the node asks for on artifacts from the store, taking
//! simulated time; and it gives every question that nobody answered in time the honest answer, `Unknown`.

mod auditor;
mod crash;
mod disk;
mod jobs;
mod lies;
mod outbox;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, NeedId, OpId, Seq, Thread};
use swarm_core::identity::Keys;
use swarm_core::node::{Act, Effect, Input, Message, Node, Note, Outcome, Setup};
use swarm_core::register::{Entry, Submission};
use swarm_core::reveal::Chains;
use swarm_core::time::{Instant, Now, WallTime};
use swarm_core::wire::{Body, Envelope, Ring};
use swarm_reports::history::{AlarmKind, Event};

pub use self::auditor::{Plot, Plots};
use self::crash::Return;
use self::disk::Disk;
use self::jobs::Job;
pub use self::lies::Liar;
use self::outbox::{Again, Outbox};
use crate::kernel::{Cx, LocalTime, NodeId, Span};
use crate::world::actor::{BUS, service};
use crate::world::audit::AuditLog;
use crate::world::recorder::{Recorder, Shown};
use crate::world::register::{Embedded, Half, Out, Outs, Register};
use crate::world::wire::{Post, Wire};

/// How long a host waits for an answer before it says `Unknown`, and before it asks the store again; nanoseconds.
const ANSWER: u64 = 5_000_000_000;

/// How long a coordinator leaves it to the author to publish again what the bus forgot. Not all wait equally long: whoever is
/// first spares the others, who hear it then.
const STAND_BY: Span = Span::new(2 * ANSWER, 8 * ANSWER);

/// What else the host waits for.
#[derive(Clone, Debug)]
enum Waits {
    /// An answer to an operation.
    Answer(OpId),
    /// The store.
    Store(u64),
    /// The end of a job.
    Job(u64),
    /// The bus, to follow a need or no longer.
    Follow(NeedId),
    /// An act of the agent behind the node.
    Act(Box<Act>),
    /// The bus, to keep again what it had forgotten.
    Repost(OpId),
    /// The disk.
    Sync,
}

/// How an agent behaves apart from the protocol: how long its work takes, and how often it changes its mind.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub work: Span,
    pub yield_bp: u32,
    pub refuse_bp: u32,
    /// In how many of all documents it sees no contradiction where there is one, in basis points.
    pub dissent_bp: u32,
    /// Which variant of a plan it proposes.
    pub variant: u32,
    /// What honest hosts get for their work is told.
    pub tells_truth: bool,
}

/// What faults make of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ills {
    /// Nothing it sends leaves it.
    pub silent: bool,
    /// Its verifying jobs take this many times as long, and this much more.
    pub slow: Option<(u32, u64)>,
    /// Its verifying jobs fail.
    pub failing: bool,
    /// Its disk is full.
    pub full: bool,
    /// Its disk takes this much longer.
    pub slow_disk: Option<Span>,
    /// Pieces of the register's history that it hands on damaged, parts per million.
    pub damage_ppm: u32,
    /// It slept through its lease and does not know: what it says of a task is counted.
    pub undead: bool,
}

/// How often each of a host's ills changed what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harm {
    pub silenced: u64,
    pub slowed: u64,
    pub failed: u64,
    pub no_room: u64,
    pub synced_late: u64,
    pub damaged: u64,
    /// What an undead worker said of its task, and its COMMITs among it.
    pub undead: u64,
    pub undead_commits: u64,
}

/// What is remembered of a host's life, and by whom.
pub struct Memory {
    /// It is to be lived again at the end.
    pub replayed: bool,
    /// It is written to a disk that takes this long for each sync; without one, writing takes no time and nobody may die.
    pub sync: Option<Span>,
    /// It hears what the node tells.
    pub recorder: Rc<RefCell<Recorder>>,
    /// The keys of all, which all hosts of a run find good together.
    pub ring: Rc<RefCell<Ring>>,
}

/// One node's host.
pub struct Host {
    pub no: u32,
    node: Node,
    keys: Keys,
    chains: Option<Chains>,
    habits: Habits,
    /// What is wrong with it, and how often that bit.
    pub ills: Ills,
    pub harm: Harm,
    pub signatures: u64,
    /// Its disk is gone, and with it the agent: it never comes back.
    pub gone: bool,
    /// Its register has lost what it acknowledged: it decides nothing any more.
    pub lost: bool,
    waits: BTreeMap<(LocalTime, u64), Waits>,
    answers: BTreeMap<OpId, (LocalTime, u64)>,
    /// What the bus has not acknowledged, signed once; and which operation asked for it.
    posts: BTreeMap<Cid, Rc<Post>>,
    posting: BTreeMap<OpId, Cid>,
    /// What the bus did acknowledge, and what it delivered, in case it forgets.
    outbox: Outbox,
    jobs: BTreeMap<u64, Job>,
    /// Subscriptions that the bus has not confirmed: to be on, or off.
    follows: BTreeMap<NeedId, bool>,
    /// Subscriptions to be begun anew once the bus has confirmed that they ended: only then does it send all of it again.
    anew: BTreeSet<NeedId>,
    counter: u64,
    /// What orders its commands and hands it entries.
    register: Half,
    /// Envelopes delivered before, by the first word of their ids. Only asked, never gone through: its order decides nothing.
    seen: HashSet<u64>,
    /// Inputs that wait for the present one to be drained.
    inbox: VecDeque<Input>,
    busy: bool,
    recorder: Rc<RefCell<Recorder>>,
    ring: Rc<RefCell<Ring>>,
    /// Where its inputs are written down, if that takes time.
    disk: Option<Disk>,
    /// The process is dead, or could not start for want of room.
    down: bool,
    unbooted: bool,
    /// How often it was started.
    boots: u32,
    /// What it will do when it is back.
    back: Return,
    /// The last entry of each thread that the node was handed: a register half that came back hands all over again.
    fed: BTreeMap<Thread, Seq>,
    /// The setup and every input, kept if the node may die or is to be replayed.
    tape: Option<Tape>,
    /// Whether it is to be replayed.
    replayed: bool,
    /// The audit log, if somebody wants to keep it.
    pub audit: Option<AuditLog>,
    /// How it lies, if it does.
    pub liar: Option<Liar>,
    /// The decoys that it is in on, with others.
    pub plots: Plots,
}

/// What it takes to live a node's life again.
pub struct Tape {
    pub setup: Setup,
    /// Each with the number of effects that followed.
    pub inputs: Vec<(Now, Input, usize)>,
    pub effects: Vec<Effect>,
    /// What its drafts became when they were signed as they stood.
    pub signed: HashMap<Cid, Arc<Envelope>>,
}

impl Tape {
    /// A life that has not begun.
    pub fn new(setup: Setup) -> Self {
        Self { setup, inputs: Vec::new(), effects: Vec::new(), signed: HashMap::new() }
    }
}

impl Host {
    pub fn new(
        no: u32,
        setup: Setup,
        keys: Keys,
        chains: Option<Chains>,
        habits: Habits,
        register: Half,
        Memory { replayed, sync, recorder, ring }: Memory,
    ) -> Self {
        let tape = (replayed || sync.is_some()).then(|| Tape::new(setup.clone()));
        Self {
            no,
            node: Node::new(setup),
            keys,
            chains,
            habits,
            ills: Ills::default(),
            harm: Harm::default(),
            signatures: 0,
            gone: false,
            lost: false,
            waits: BTreeMap::new(),
            answers: BTreeMap::new(),
            posts: BTreeMap::new(),
            posting: BTreeMap::new(),
            outbox: Outbox::default(),
            jobs: BTreeMap::new(),
            follows: BTreeMap::new(),
            anew: BTreeSet::new(),
            counter: 0,
            register,
            seen: HashSet::new(),
            inbox: VecDeque::new(),
            busy: false,
            recorder,
            ring,
            disk: sync.map(Disk::new),
            down: false,
            unbooted: false,
            boots: 0,
            back: Return::default(),
            tape,
            replayed,
            fed: BTreeMap::new(),
            audit: None,
            liar: None,
            plots: Plots::default(),
        }
    }

    pub fn node(&mut self) -> &mut Node {
        &mut self.node
    }

    /// Whether nothing is wrong with it for good: it must have caught up with the others in the end.
    pub fn is_well(&self) -> bool {
        !(self.ills.silent || self.down || self.lost || self.gone)
    }

    /// The agent behind it.
    pub fn agent(&self) -> AgentId {
        self.keys.agent()
    }

    /// What it applied so far, in the order of the register; of one whose disk is written at all.
    pub fn entries(&self) -> Vec<Entry> {
        let inputs = self.tape.iter().flat_map(|tape| &tape.inputs);
        let applied = |(_, input, _): &(Now, Input, usize)| match input {
            Input::Applied(entry) => Some(entry.clone()),
            _ => None,
        };
        inputs.filter_map(applied).collect()
    }

    /// The operators turn it to a register that was restored.
    pub fn reconnect(&mut self, cx: &mut Cx<'_, Wire>, era: u32) {
        self.register = Half::Embedded(Embedded::after(self.entries().len() as u64, era));
        if !self.down {
            self.arm(cx);
        }
    }

    /// How many mandates its node knows to have taken effect.
    pub fn mandates(&self) -> usize {
        self.node.system().map_or(0, |system| system.members().mandates().len())
    }

    /// The whole audit log, closed, if it was kept.
    pub fn close_audit(&mut self) -> Option<String> {
        self.audit.take().map(|audit| audit.close(&self.keys))
    }

    /// Whether its register half says that it leads.
    pub fn leads(&self) -> bool {
        !self.gone && self.register.get().leads()
    }

    /// Messages of the raft protocol it sent.
    pub fn raft_messages(&self) -> u64 {
        self.register.get().raft_messages()
    }

    /// The node's life as it was written down, if it is to be lived again.
    pub fn take_tape(&mut self) -> Option<Tape> {
        self.tape.take().filter(|_| self.replayed)
    }

    /// What its clock shows now, for those who judge how long it waited.
    fn show(&self, now: Now, what: Shown<'_>) {
        self.recorder.borrow_mut().clock(self.no, self.keys.agent(), (self.boots, now.mono.0), what);
    }

    fn now(cx: &mut Cx<'_, Wire>) -> Now {
        Now { mono: Instant(cx.now().ns()), wall: WallTime(cx.wall().ns() / 1_000_000) }
    }

    /// The one loop: one thing changes, then everything that follows is drained. What carrying out an effect brings in waits
    /// for its turn.
    fn input(&mut self, cx: &mut Cx<'_, Wire>, input: Input) {
        self.inbox.push_back(input);
        self.drain(cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_, Wire>) {
        if self.inbox.is_empty() || core::mem::replace(&mut self.busy, true) {
            return;
        }
        while let Some(input) = self.inbox.pop_front() {
            let now = Self::now(cx);
            if let Input::Applied(entry) = &input {
                self.show(now, Shown::Took(entry.thread, entry.seq));
            }
            let mut effects = 0;
            let taped = self.tape.is_some().then(|| input.clone());
            if let Some(disk) = &mut self.disk {
                disk.written += 1;
            }
            if let Some(audit) = &mut self.audit {
                audit.input(now, &input);
            }
            self.node.handle(now, input);
            while let Some(effect) = self.node.poll_effect() {
                if let Some(tape) = &mut self.tape {
                    tape.effects.push(effect.clone());
                }
                if let Some(audit) = &mut self.audit {
                    audit.effect(&effect, |draft| Arc::new(self.keys.sign(draft.clone())));
                }
                // What it knew when it said so counts, however much later its disk lets it, even in another boot.
                if let Effect::Submit { wish: Submission::Own(word), .. } = &effect {
                    self.show(now, Shown::Says(word));
                }
                effects += 1;
                self.then(cx, effect);
            }
            if let (Some(tape), Some(input)) = (&mut self.tape, taped) {
                tape.inputs.push((now, input, effects));
            }
            if let Some(audit) = &mut self.audit {
                audit.drained(&self.keys);
            }
        }
        self.busy = false;
        self.sync(cx);
        self.arm(cx);
    }

    fn arm(&mut self, cx: &mut Cx<'_, Wire>) {
        let own = self.waits.first_key_value().map(|((at, _), _)| *at);
        let node = self.node.next_deadline().map(|at| LocalTime::from_ns(at.0));
        match own.into_iter().chain(node).chain(self.register.get().deadline()).min() {
            Some(at) => cx.wake_at(at),
            None => cx.clear_wake(),
        }
    }

    fn wait(&mut self, cx: &mut Cx<'_, Wire>, after: u64, what: Waits) -> (LocalTime, u64) {
        self.counter += 1;
        let key = (cx.now().plus(after), self.counter);
        self.waits.insert(key, what);
        key
    }

    pub fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        if self.down {
            return;
        }
        if !self.has_room() {
            return;
        }
        while let Some(entry) = self.waits.first_entry().filter(|e| e.key().0 <= cx.now()) {
            match entry.remove() {
                Waits::Answer(op) => {
                    self.answers.remove(&op);
                    self.posting.remove(&op);
                    self.input(cx, Input::Done { op, outcome: Outcome::Unknown });
                }
                Waits::Store(job) => self.ask_store(cx, job),
                Waits::Job(job) => self.finish(cx, job),
                Waits::Follow(need) => self.ask_bus(cx, need),
                Waits::Act(act) => self.input(cx, Input::Act(act)),
                Waits::Repost(op) => self.repost(cx, op),
                Waits::Sync => self.synced(cx),
            }
        }
        if self.register.get().deadline().is_some_and(|at| at <= cx.now()) {
            self.register(cx, |half, cx, outs| half.on_time(cx, outs));
        }
        if self.node.next_deadline().is_some_and(|at| at.0 <= cx.now().ns()) {
            self.input(cx, Input::Wake);
        }
        self.arm(cx);
    }

    pub fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        // What comes in the very moment of a return, before the process runs, nobody hears.
        if self.down {
            return;
        }
        if !self.has_room() {
            return;
        }
        match msg {
            // Not what was published: without an acknowledgement the bus reads it again, from another replica.
            Wire::Deliver { post, .. } if !post.is_whole() => {
                self.recorder.borrow_mut().mark("damaged-delivery-refused");
            }
            Wire::Deliver { again, delivery, place, post } => {
                if !self.seen.insert(post.message.envelope.id().0.prefix()) && again {
                    self.recorder.borrow_mut().mark("message-redelivered");
                }
                self.overhears(cx, &post);
                match post.receive(&self.ring) {
                    Ok(message) => {
                        let envelope = Arc::clone(&message.envelope);
                        self.input(cx, Input::Message(message));
                        self.hold_then(cx, place, Rc::clone(&post));
                        if let (Body::Need(_), Thread::Need(need)) = (&envelope.body, envelope.thread) {
                            self.may_decline(cx, need);
                        }
                    }
                    Err(reject) => {
                        let envelope = post.message.envelope.id();
                        self.recorder.borrow_mut().note(self.no, Note::Refused { envelope, reject });
                    }
                }
                self.send_then(cx, service(BUS), Wire::Ack { delivery });
            }
            Wire::Published { op, place } => {
                let post = self.posting.remove(&op).and_then(|id| self.posts.remove(&id));
                let again = match post {
                    Some(post) => self.outbox.acked(place, post),
                    None => self.outbox.reposted(op, place),
                };
                self.answered(op, Outcome::Committed);
                self.drain(cx);
                again.into_iter().for_each(|op| self.repost(cx, op));
            }
            Wire::Lost { era, last } => self.bus_lost(cx, era, last),
            Wire::Following { need, on } if self.follows.get(&need) == Some(&on) => {
                self.follows.remove(&need);
                if self.anew.remove(&need) {
                    self.follow(cx, need, true);
                }
            }
            Wire::Kept { job, cid } => self.kept(cx, job, cid),
            Wire::Got { job, cid, bytes } => self.got(cx, job, cid, bytes),
            msg => self.register(cx, |half, cx, outs| half.on_wire(cx, from, msg, outs)),
        }
    }

    /// Lets something happen to the register half and carries out what follows: what it hands over queues up as a whole,
    /// so that a submission made meanwhile cannot overtake it, and messages leave after that.
    fn register(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        happens: impl FnOnce(&mut dyn Register, &mut Cx<'_, Wire>, &mut Outs),
    ) {
        let mut outs = Outs::new();
        let deadline = self.register.get().deadline();
        happens(self.register.get_mut(), cx, &mut outs);
        let mut sends = Vec::new();
        for out in outs {
            match out {
                Out::Send(to, msg) => sends.push((to, msg)),
                Out::Applied(entry) => {
                    let fed = self.fed.entry(entry.thread).or_default();
                    if entry.seq > *fed {
                        *fed = entry.seq;
                        self.inbox.push_back(Input::Applied(entry));
                    }
                }
                Out::Answer(op, outcome) => self.answered(op, outcome),
                Out::Mark(mark) => self.recorder.borrow_mut().mark(mark),
                Out::DataLoss(what) => {
                    self.lost = true;
                    let alarm = Event::Alarm { kind: AlarmKind::DataLoss, what };
                    self.recorder.borrow_mut().tell(self.no, alarm);
                }
            }
        }
        self.drain(cx);
        for (to, mut msg) in sends {
            if self.ills.damage_ppm > 0 {
                self.harm.damaged += msg.damage_pieces(cx.rng(), self.ills.damage_ppm);
            }
            self.send_then(cx, to, msg);
        }
        if self.register.get().deadline() != deadline {
            self.arm(cx);
        }
    }

    /// An operation has its answer, unless it was given up before.
    fn answered(&mut self, op: OpId, outcome: Outcome) {
        if let Some(key) = self.answers.remove(&op) {
            self.waits.remove(&key);
            self.inbox.push_back(Input::Done { op, outcome });
        }
    }

    fn send(&mut self, cx: &mut Cx<'_, Wire>, to: u32, msg: Wire) {
        self.send_to(cx, service(to), msg);
    }

    /// Sends, unless the worker has fallen silent.
    fn send_to(&mut self, cx: &mut Cx<'_, Wire>, to: NodeId, msg: Wire) {
        // It still hears: what it takes to receive goes through.
        let hears = matches!(
            msg,
            Wire::Ack { .. } | Wire::Applied { .. } | Wire::Get { .. } | Wire::Follow(_) | Wire::Unfollow(_)
        );
        if self.ills.silent && !hears {
            self.harm.silenced += 1;
            return;
        }
        cx.send(to, msg);
    }

    fn answer_within(&mut self, cx: &mut Cx<'_, Wire>, op: OpId) {
        let key = self.wait(cx, ANSWER, Waits::Answer(op));
        self.answers.insert(op, key);
    }

    fn carry_out(&mut self, cx: &mut Cx<'_, Wire>, effect: Effect) {
        match effect {
            Effect::Publish { op, subject, inboxes, draft, entries } => {
                if self.withholds(subject, &inboxes, &draft)
                    || self.forks(cx, subject, &inboxes, &draft, &entries)
                    || self.whispers(cx, &draft, &entries)
                {
                    return self.input(cx, Input::Done { op, outcome: Outcome::Committed });
                }
                let mut first = None;
                let post = match self.posts.get(&draft.id()) {
                    Some(post) => Rc::clone(post),
                    None => {
                        let said = self.lie(&draft);
                        let envelope = Arc::new(self.sign(said.as_ref().unwrap_or(&draft)));
                        self.recorder.borrow_mut().published(self.no, &envelope);
                        if let (Some(tape), None) = (&mut self.tape, &said) {
                            tape.signed.insert(draft.id(), Arc::clone(&envelope));
                        }
                        let post = Rc::new(Post {
                            subject,
                            message: Message { entries, envelope },
                            verified: OnceCell::new(),
                            inboxes: inboxes.clone(),
                            damaged: None,
                            forged: None,
                        });
                        first = Some(said);
                        self.posts.insert(draft.id(), Rc::clone(&post));
                        post
                    }
                };
                if self.ills.undead {
                    let commits = matches!(draft.body, Body::Commit(_));
                    self.harm.undead_commits += u64::from(commits);
                    if commits || matches!(draft.body, Body::Heartbeat(_) | Body::Yield(_)) {
                        self.harm.undead += 1;
                        self.recorder.borrow_mut().mark("zombie-spoke");
                    }
                }
                self.posting.insert(op, draft.id());
                self.answer_within(cx, op);
                self.send(cx, BUS, Wire::Publish { op, post });
                if let Some(said) = first {
                    self.follows_up(cx, subject, &inboxes, &draft, said.as_ref());
                }
            }
            Effect::Submit { op, wish, .. } if self.suppresses(&wish) => {
                self.input(cx, Input::Done { op, outcome: Outcome::Committed });
            }
            Effect::Submit { op, thread, wish } => {
                self.signatures += u64::from(matches!(wish, Submission::Own(_)));
                let command = wish.sign(self.keys.signing());
                self.answer_within(cx, op);
                self.register(cx, |half, cx, outs| half.submit(cx, op, thread, command, outs));
            }
            Effect::Execute { op, work } => match self.feigns(&work) {
                None => self.begin(cx, op, work),
                Some(outcome) => {
                    if let Some(outcome) = outcome {
                        self.input(cx, Input::Done { op, outcome });
                    }
                }
            },
            Effect::Anchor { op, since } => {
                let anchor = self.chains.as_mut().map(|chains| chains.anchor(since));
                let outcome = anchor.map_or(Outcome::NotCommitted, Outcome::Anchored);
                self.input(cx, Input::Done { op, outcome });
            }
            Effect::Reveal { op, .. } if self.conceals() => {
                self.input(cx, Input::Done { op, outcome: Outcome::NotCommitted });
            }
            Effect::Reveal { op, since, round } => {
                let value = self.chains.as_mut().and_then(|chains| chains.value(since, round));
                let value = value.map(|value| self.pretends(round).unwrap_or(value));
                let outcome = value.map_or(Outcome::NotCommitted, Outcome::Revealed);
                self.input(cx, Input::Done { op, outcome });
            }
            Effect::Follow(need) => self.follow(cx, need, true),
            Effect::Unfollow(need) => self.follow(cx, need, false),
            Effect::Emit(note) => {
                // Whoever lost its seat has no part in the register any more.
                if matches!(note, Note::Retired { .. }) {
                    self.register = Half::Embedded(Embedded::default());
                }
                self.schemes(cx, &note);
                self.audits(cx, &note);
                self.recorder.borrow_mut().note(self.no, note);
            }
        }
    }

    /// The bus has lost what it had acknowledged: it is told again.
    fn bus_lost(&mut self, cx: &mut Cx<'_, Wire>, era: u64, last: u64) {
        self.send(cx, BUS, Wire::Noted { era });
        let Again { said, heard } = self.outbox.lost(era, last);
        if !said.is_empty() {
            self.recorder.borrow_mut().mark("bus-loss-noticed");
        }
        said.into_iter().for_each(|op| self.repost(cx, op));
        heard.into_iter().for_each(|op| self.stand_by(cx, op));
    }

    /// What another said is published again only if its author does not: that one may have lost its disk.
    fn stand_by(&mut self, cx: &mut Cx<'_, Wire>, op: OpId) {
        let after = cx.rng().within(STAND_BY);
        self.wait(cx, after, Waits::Repost(op));
        self.arm(cx);
    }

    /// Whether it was made to be a member of the register.
    pub fn coordinates(&self) -> bool {
        self.chains.is_some()
    }

    fn repost(&mut self, cx: &mut Cx<'_, Wire>, op: OpId) {
        if let Some(post) = self.outbox.unkept(op) {
            if post.message.envelope.sender != self.agent() {
                self.recorder.borrow_mut().mark("heard-published-again");
            }
            self.send(cx, BUS, Wire::Publish { op, post });
            self.wait(cx, ANSWER, Waits::Repost(op));
            self.arm(cx);
        }
    }

    fn follow(&mut self, cx: &mut Cx<'_, Wire>, need: NeedId, on: bool) {
        if on && self.follows.get(&need) == Some(&false) {
            self.anew.insert(need);
            return;
        }
        self.anew.remove(&need);
        self.follows.insert(need, on);
        self.ask_bus(cx, need);
    }

    /// Asks the bus for a subscription until it confirms it.
    fn ask_bus(&mut self, cx: &mut Cx<'_, Wire>, need: NeedId) {
        let Some(on) = self.follows.get(&need) else { return };
        self.send(cx, BUS, if *on { Wire::Follow(need) } else { Wire::Unfollow(need) });
        self.wait(cx, ANSWER, Waits::Follow(need));
    }

    fn sign(&mut self, draft: &swarm_core::wire::Draft) -> Envelope {
        self.signatures += 1;
        self.keys.sign(draft.clone())
    }

    /// An agent may decline a need that it hears of.
    fn may_decline(&mut self, cx: &mut Cx<'_, Wire>, need: NeedId) {
        if self.habits.refuse_bp > 0 && cx.rng().below(10_000) < u64::from(self.habits.refuse_bp) {
            self.input(cx, Input::Act(Box::new(Act::Refuse(need))));
        }
    }
}
