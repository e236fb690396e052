//! A swarm in a box: real nodes, a bus that delivers at once, one sequencer, a toy executor, one clock that jumps.
//!
//! No faults and no randomness of its own: what it is for is the simplest run in which the whole protocol happens.

#![allow(dead_code, reason = "each test uses its own part of it")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use swarm_core::audit::Writer;
use swarm_core::base::Base;
use swarm_core::config::{Local, Params};
use swarm_core::genesis::{self, Genesis, Holding, Member};
use swarm_core::id::{AgentId, Cid, Credits, Digest, NeedId, Seq, Thread, label};
use swarm_core::identity::Keys;
use swarm_core::members::{Mandate, Succession};
use swarm_core::node::{Act, Effect, Input, Message, Node, Note, Outcome, Setup, Subject, Work};
use swarm_core::plan::Fact;
use swarm_core::policy::{BaseRules, Engines, Evaluator, Limits};
use swarm_core::register::{Chain, Command, Ending, Entry, Event, Outcome as Came};
use swarm_core::reveal::Chains;
use swarm_core::time::{Instant, Now, Span, WallTime};
use swarm_core::wire::*;

pub const COORDINATORS: usize = 3;

/// What each node of the box is.
pub const ROLES: [Role; 17] = [
    Role::Coordinator,
    Role::Coordinator,
    Role::Coordinator,
    Role::Requester,
    Role::Planner,
    Role::Planner,
    Role::Worker,
    Role::Worker,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
    Role::Verifier,
];

/// Rules that nodes find: the founding ones, and those that the policy keys may announce.
struct Shelf;

impl Engines for Shelf {
    fn find(&self, engine: &Digest) -> Option<Arc<dyn Evaluator>> {
        [evaluator(), stricter()].into_iter().find(|rules| rules.engine() == *engine)
    }
}

pub fn engines() -> Arc<dyn Engines> {
    Arc::new(Shelf)
}

fn evaluator() -> Arc<dyn Evaluator> {
    Arc::new(BaseRules::new(Limits::default()))
}

/// Other rules, which ask for smaller budgets.
pub fn stricter() -> Arc<dyn Evaluator> {
    Arc::new(BaseRules::new(Limits { budget_simple_max: Credits(2_000), ..Limits::default() }))
}

/// Node `n`'s keys; coordinators come in rising order of their ids.
pub fn keys() -> Vec<Keys> {
    let mut keys: Vec<Keys> =
        (0..ROLES.len()).map(|n| Keys::from_seed(&Digest::sha256(format!("key {n}").as_bytes()))).collect();
    keys[..COORDINATORS].sort_by_key(Keys::agent);
    keys
}

/// Values in each hash chain.
const REVEALS: u32 = 256;

fn chains(n: usize) -> Chains {
    Chains::new(Digest::sha256(format!("chain {n}").as_bytes()), REVEALS)
}

fn founding(keys: &Keys, n: usize, role: Role) -> Arc<Envelope> {
    let places = [format!("org-{n}"), format!("as-{n}"), format!("region-{n}")];
    genesis::sign(keys, genesis::manifest(keys, vec![role], vec![label("toy")], places))
}

pub fn genesis(keys: &[Keys]) -> Genesis {
    let evaluator = evaluator();
    let params = Params {
        bid_extension_ms: 50,
        challenge_min_ms: 100,
        decision_min_ms: 500,
        lease_min_ms: 1_000,
        reveal_ms: 100,
        reveals: REVEALS,
        snapshot_ms: 100,
        verify_min_ms: 1_000,
        ..Params::default()
    };
    let stake = |role| if role == Role::Verifier { Credits(10_000) } else { Credits(0) };
    let holdings = keys
        .iter()
        .zip(ROLES)
        .map(|(k, role)| (k.agent(), Holding { balance: Credits(1_000_000), stake: stake(role) }));
    let members = keys[..COORDINATORS].iter().enumerate();
    Genesis {
        arbiters: Vec::new(),
        capsule: evaluator.capsule(),
        coordinators: members.map(|(n, k)| Member { agent: k.agent(), anchor: chains(n).anchor(0) }).collect(),
        engine: evaluator.engine(),
        holdings: holdings.collect(),
        manifests: keys.iter().zip(ROLES).enumerate().map(|(n, (k, role))| founding(k, n, role)).collect(),
        mints: Vec::new(),
        params,
        policy_keys: Vec::new(),
        recovery: recovery().iter().map(Keys::agent).collect(),
    }
}

/// The policy keys, rising.
pub fn policy_keys() -> Vec<Keys> {
    let mut all: Vec<Keys> = (1..=3).map(|n| Keys::from_seed(&Digest::sha256(&[b'p', n]))).collect();
    all.sort_by_key(Keys::agent);
    all
}

/// The recovery keys, rising.
pub fn recovery() -> Vec<Keys> {
    let mut all: Vec<Keys> = (1..=3).map(|n| Keys::from_seed(&Digest::sha256(&[b'r', n]))).collect();
    all.sort_by_key(Keys::agent);
    all
}

pub fn local() -> Local {
    Local { bid_jitter_ms: 20, entry_batch_ms: 1, heartbeat_ms: 200, stagger_ms: 20, ..Local::default() }
}

/// Two tasks, one after the other.
pub fn need() -> Need {
    Need {
        budget: Credits(1_000),
        class: Class::Simple,
        deadline_ms: 60_000,
        fee: Credits(2),
        fees: Credits(1_000),
        forms: [].into(),
        k_plan: 3,
        k_result: 3,
        produces: vec![label("out")],
        recipe: label("toy"),
        requires: BTreeMap::from([(label("text"), Cid::of(b"a text"))]),
        supersedes: None,
        windows: Windows {
            bids_ms: 100,
            challenge_ms: 100,
            decision_ms: 500,
            lease_ms: 1_000,
            proposals_ms: 100,
            verify_ms: 1_000,
        },
    }
}

fn toy_plan() -> Propose {
    let task = |name: &str, requires: &str, produces: &str| Fact::AddTask {
        job: label("toy"),
        produces: vec![label(produces)],
        requires: vec![label(requires)],
        task: label(name),
    };
    Propose {
        ballot: 1,
        cost_caps: BTreeMap::from([(label("first"), Credits(400)), (label("second"), Credits(400))]),
        eta_ms: 10,
        patch: vec![
            task("first", "text", "middle"),
            task("second", "middle", "out"),
            Fact::Link { child: label("second"), parent: label("first") },
        ],
    }
}

/// One node with what its host holds for it.
pub struct Host {
    pub node: Node,
    pub keys: Keys,
    pub chains: Option<Chains>,
    pub writer: Writer,
    pub log: String,
    pub follows: BTreeSet<NeedId>,
    /// Which register it is a member of, if it is a coordinator: the first one, or one that was founded anew.
    pub register: Option<usize>,
    /// What went in and was not handled yet.
    pub inbox: VecDeque<Input>,
}

impl Host {
    fn new(setup: Setup, keys: Keys, chains: Option<Chains>) -> Self {
        let (writer, log) = Writer::open(&setup);
        let inbox = VecDeque::from([Input::Boot]);
        let register = chains.is_some().then_some(0);
        Self { node: Node::new(setup), keys, chains, writer, log, follows: BTreeSet::new(), register, inbox }
    }
}

/// What stands in the place of a command.
pub type Forger = Box<dyn FnMut(&Thread, &Command) -> Option<Command> + Send + Sync>;

/// Commands in order, by thread.
pub type Register = BTreeMap<Thread, Vec<Arc<Command>>>;

/// All of them.
pub struct Swarm {
    pub genesis: Arc<Genesis>,
    local: Local,
    /// What registers that were founded anew are founded on.
    bases: Vec<Arc<Base>>,
    /// Seats that changed hands.
    pub mandates: Vec<Arc<Mandate>>,
    /// Hosts that are switched off.
    pub off: BTreeSet<usize>,
    pub hosts: Vec<Host>,
    pub now: Now,
    /// The register, and those that were founded anew.
    pub registers: Vec<Register>,
    /// What a liar has ordered in place of what is submitted.
    pub forger: Option<Forger>,
    /// Whose words were ordered, and what they did.
    pub words: Vec<(AgentId, Came)>,
    /// Hosts nobody hears, and what they said.
    pub muted: BTreeSet<usize>,
    pub unheard: Vec<(Subject, Vec<AgentId>, Message)>,
    /// Work takes for ever.
    pub stalled: bool,
    /// Hosts that cannot fetch capsules.
    pub without_store: BTreeSet<usize>,
    /// What hosts found void.
    pub reconciled: Vec<(usize, Note)>,
    pub said: Vec<(Subject, Message)>,
    /// Needs that coordinators have seen end.
    pub ended: BTreeMap<NeedId, Ending>,
    /// What must not happen.
    pub diverged: u32,
    pub refused: Vec<(AgentId, String)>,
    /// Coordinators that learned that they are none any more.
    pub retired: Vec<AgentId>,
}

impl Swarm {
    pub fn new() -> Self {
        Self::at(local())
    }

    /// Nodes that all go at this pace.
    pub fn at(local: Local) -> Self {
        Self::of(genesis(&keys()), local)
    }

    /// One whose policy these keys can change.
    pub fn governed() -> Self {
        let policy_keys = policy_keys().iter().map(Keys::agent).collect();
        Self::of(Genesis { policy_keys, ..genesis(&keys()) }, local())
    }

    fn of(genesis: Genesis, local: Local) -> Self {
        let (all, genesis) = (keys(), Arc::new(genesis));
        genesis.check().expect("a sound genesis");
        let hosts = all.into_iter().enumerate().map(|(n, keys)| {
            let setup = Setup {
                me: keys.agent(),
                genesis: Arc::clone(&genesis),
                local: local.clone(),
                bases: Vec::new(),
                mandates: Vec::new(),
                stream: Digest::sha256(format!("stream {n}").as_bytes()),
                engines: engines(),
            };
            Host::new(setup, keys, (n < COORDINATORS).then(|| chains(n)))
        });
        Self {
            hosts: hosts.collect(),
            genesis,
            bases: Vec::new(),
            local,
            mandates: Vec::new(),
            off: BTreeSet::new(),
            now: Now { mono: Instant(1_000), wall: WallTime(1_700_000_000_000) },
            registers: vec![Register::new()],
            forger: None,
            words: Vec::new(),
            muted: BTreeSet::new(),
            unheard: Vec::new(),
            stalled: false,
            without_store: BTreeSet::new(),
            reconciled: Vec::new(),
            said: Vec::new(),
            ended: BTreeMap::new(),
            diverged: 0,
            refused: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// The requester's agent posts a need.
    pub fn post(&mut self, need: Need) {
        self.hosts[3].inbox.push_back(Input::Act(Box::new(Act::Post(need))));
    }

    /// The recovery keys give coordinator `n`'s seat to a newcomer, which starts with nothing but its mandate. Returns what was
    /// there before.
    pub fn replace(&mut self, n: usize) -> Host {
        let nth = 100 + self.mandates.len();
        let keys = Keys::from_seed(&Digest::sha256(format!("key {nth}").as_bytes()));
        let manifest = founding(&keys, nth, Role::Coordinator);
        let new = Member { agent: keys.agent(), anchor: chains(nth).anchor(0) };
        let act = swarm_core::members::Act::Replace(Succession { manifest, new, old: self.hosts[n].keys.agent() });
        let after = self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default();
        let mandate = Arc::new(Mandate::sign(act, after, &self.genesis.digest(), &recovery()[1..]));
        self.mandates.push(Arc::clone(&mandate));
        let operator = (0..COORDINATORS).find(|other| *other != n && !self.off.contains(other)).expect("one is up");
        self.hosts[operator].inbox.push_back(Input::Act(Box::new(Act::Mandate(mandate))));
        let mut host = self.newcomer(nth, keys);
        self.learn_all(&mut host, 0);
        self.off.remove(&n);
        std::mem::replace(&mut self.hosts[n], host)
    }

    /// A coordinator that starts with nothing but the mandates.
    fn newcomer(&self, nth: usize, keys: Keys) -> Host {
        let setup = Setup {
            me: keys.agent(),
            genesis: Arc::clone(&self.genesis),
            local: self.local.clone(),
            bases: self.bases.clone(),
            mandates: self.mandates.clone(),
            stream: Digest::sha256(format!("stream {nth}").as_bytes()),
            engines: engines(),
        };
        Host::new(setup, keys, Some(chains(nth)))
    }

    /// The register hands everything over from its beginning, and so does the bus.
    fn learn_all(&self, host: &mut Host, register: usize) {
        for (thread, log) in &self.registers[register] {
            for (command, seq) in log.iter().zip(1..) {
                let entry = Entry { command: Arc::clone(command), seq: Seq(seq), thread: *thread };
                host.inbox.push_back(Input::Applied(entry));
            }
        }
        let all = self.said.iter().filter(|(subject, _)| !matches!(subject, Subject::Inbox(_)));
        host.inbox.extend(all.map(|(_, message)| Input::Message(message.clone())));
        host.register = Some(register);
    }

    /// The recovery keys found the register anew on what survived of it, with new agents on new hosts, which are returned. The
    /// old members know nothing of it.
    pub fn refound(&mut self, survived: Register, heads: BTreeMap<Thread, Chain>) -> std::ops::Range<usize> {
        let register = self.registers.len();
        let first = self.hosts.len();
        let newcomer = |n: usize| Keys::from_seed(&Digest::sha256(format!("key {}", 200 + first + n).as_bytes()));
        let seats = (0..COORDINATORS).map(|n| {
            let (keys, nth) = (newcomer(n), 200 + first + n);
            let new = Member { agent: keys.agent(), anchor: chains(nth).anchor(0) };
            // Whoever founded the register last, in the order of the seats.
            let old = if register == 1 { n } else { first - COORDINATORS + n };
            Succession { manifest: founding(&keys, nth, Role::Coordinator), new, old: self.hosts[old].keys.agent() }
        });
        let (generation, seats) = (register as u32, seats.collect());
        let base = Base { generation, heads };
        let act = swarm_core::members::Act::Refound { base: base.root(), generation, seats };
        self.bases.push(Arc::new(base));
        let after = self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default();
        let mandate = Arc::new(Mandate::sign(act, after, &self.genesis.digest(), &recovery()[1..]));
        self.mandates.push(Arc::clone(&mandate));
        let mut kept = survived;
        kept.entry(Thread::System).or_default();
        for log in kept.values_mut() {
            log.push(Arc::new(Command::Mandate(Arc::clone(&mandate))));
        }
        self.registers.push(kept);
        for n in 0..COORDINATORS {
            let (keys, nth) = (newcomer(n), 200 + first + n);
            let mut host = self.newcomer(nth, keys);
            self.learn_all(&mut host, register);
            self.hosts.push(host);
        }
        first..first + COORDINATORS
    }

    /// Everyone hears what the muted ones have said, and will say.
    pub fn heal(&mut self) {
        self.muted.clear();
        for (subject, inboxes, message) in std::mem::take(&mut self.unheard) {
            self.deliver(subject, &inboxes, &message);
        }
    }

    /// Handles inputs until there are none, jumping over idle time, until `done` or `span` has passed.
    pub fn run(&mut self, span: Span, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.mono + span;
        loop {
            while let Some(n) = self.hosts.iter().position(|h| !h.inbox.is_empty()) {
                if self.off.contains(&n) {
                    self.hosts[n].inbox.clear();
                } else {
                    self.step(n);
                }
            }
            if done(self) {
                return true;
            }
            let up = self.hosts.iter().enumerate().filter(|(n, _)| !self.off.contains(n));
            let next = up.filter_map(|(_, h)| h.node.next_deadline()).min();
            let Some(next) = next.filter(|next| *next <= end) else { return false };
            self.now.mono = next.max(self.now.mono);
            for host in &mut self.hosts {
                if host.node.next_deadline().is_some_and(|at| at <= next) {
                    host.inbox.push_back(Input::Wake);
                }
            }
        }
    }

    /// Runs one need to its end, closes all logs, and gives them.
    pub fn finished() -> Self {
        let mut swarm = Self::new();
        swarm.post(need());
        assert!(swarm.run(Span::from_secs(60), |s| !s.ended.is_empty()), "the need ends");
        swarm.run(Span::from_ms(500), |_| false);
        swarm.close();
        swarm
    }

    pub fn close(&mut self) {
        for host in &mut self.hosts {
            host.log += &host.writer.seal(&host.keys, true);
        }
    }

    fn step(&mut self, n: usize) {
        let host = &mut self.hosts[n];
        let input = host.inbox.pop_front().expect("there is one");
        host.log += &host.writer.input(self.now, &input);
        host.node.handle(self.now, input);
        let mut effects = Vec::new();
        while let Some(effect) = host.node.poll_effect() {
            let signed = match &effect {
                Effect::Publish { draft, .. } => Some(Arc::new(host.keys.sign(Draft::clone(draft)))),
                _ => None,
            };
            host.log.extend(host.writer.effect(&effect, signed.as_ref()));
            effects.push((effect, signed));
        }
        if host.writer.is_seal_due() {
            host.log += &host.writer.seal(&host.keys, false);
        }
        effects.into_iter().for_each(|(effect, signed)| self.carry_out(n, effect, signed));
    }

    fn carry_out(&mut self, n: usize, effect: Effect, signed: Option<Arc<Envelope>>) {
        let mut answer = |op, outcome| self.hosts[n].inbox.push_back(Input::Done { op, outcome });
        match effect {
            Effect::Publish { op, subject, inboxes, entries, .. } => {
                let message = Message { entries, envelope: signed.expect("signed above") };
                if self.muted.contains(&n) {
                    // Those on its side of the split hear it.
                    let among = self.hosts.iter_mut().enumerate().filter(|(m, _)| self.muted.contains(m));
                    among.for_each(|(_, host)| host.inbox.push_back(Input::Message(message.clone())));
                    self.unheard.push((subject, inboxes, message));
                } else {
                    self.deliver(subject, &inboxes, &message);
                }
                self.hosts[n].inbox.push_back(Input::Done { op, outcome: Outcome::Committed });
            }
            Effect::Submit { op, thread, wish } => {
                let command = wish.sign(self.hosts[n].keys.signing());
                let forged = self.forger.as_mut().and_then(|forger| forger(&thread, &command));
                let command = forged.map_or(command, Arc::new);
                self.order_in(self.hosts[n].register.expect("a coordinator's"), thread, command);
                self.hosts[n].inbox.push_back(Input::Done { op, outcome: Outcome::Committed });
            }
            Effect::Execute { op, work: Work::Load { capsule, engine } } => {
                let found = engines().find(&engine).filter(|rules| rules.capsule() == capsule);
                answer(
                    op,
                    match found {
                        _ if self.without_store.contains(&n) => Outcome::CouldNot(label("unavailable")),
                        Some(_) => Outcome::Loaded(engine),
                        None => Outcome::CouldNot(label("bad-capsule")),
                    },
                );
            }
            Effect::Execute { op, work: Work::Plan { .. } } => answer(op, Outcome::Planned(toy_plan())),
            Effect::Execute { work: Work::Run { .. }, .. } if self.stalled => {}
            Effect::Execute { op, work: Work::Run { inputs, keys, produces, .. } } => {
                let done = Digest::of_json("toy", &inputs);
                let outputs = produces.into_iter().map(|name| (name, Cid(done))).collect();
                let telemetry = Telemetry { bytes: Count(1), steps: Count(1) };
                let proofs = keys.iter().map(|key| Digest::of("toy-proof", &[&key.0, &done.0])).collect();
                answer(op, Outcome::Ran { against: vec![], outputs, proofs, states: vec![done], telemetry });
            }
            Effect::Anchor { op, since } => {
                let anchor = self.hosts[n].chains.as_mut().expect("a coordinator's").anchor(since);
                self.hosts[n].inbox.push_back(Input::Done { op, outcome: Outcome::Anchored(anchor) });
            }
            Effect::Reveal { op, since, round } => {
                let value = self.hosts[n].chains.as_mut().and_then(|c| c.value(since, round)).expect("it is due");
                self.hosts[n].inbox.push_back(Input::Done { op, outcome: Outcome::Revealed(value) });
            }
            Effect::Follow(need) => {
                if self.hosts[n].follows.insert(need) && self.hosts[n].register.is_none() {
                    let past = self.said.iter().filter(|(subject, _)| *subject == Subject::Thread(need));
                    self.hosts[n].inbox.extend(past.map(|(_, message)| Input::Message(message.clone())));
                }
            }
            Effect::Unfollow(need) => drop(self.hosts[n].follows.remove(&need)),
            Effect::Emit(note) => self.note(n, &note),
        }
    }

    fn deliver(&mut self, subject: Subject, inboxes: &[AgentId], message: &Message) {
        self.said.push((subject, message.clone()));
        for host in &mut self.hosts {
            let coordinates = host.register.is_some();
            let concerns = match subject {
                Subject::MarketNeed | Subject::MarketTask | Subject::MarketFinal | Subject::System => true,
                Subject::Coordinators => coordinates,
                Subject::Thread(need) => coordinates || host.follows.contains(&need),
                Subject::Inbox(agent) => agent == host.keys.agent(),
            };
            if concerns || inboxes.contains(&host.keys.agent()) {
                host.inbox.push_back(Input::Message(message.clone()));
            }
        }
    }

    /// Puts a command in its place, once.
    pub fn order(&mut self, thread: Thread, command: Arc<Command>) {
        self.order_in(0, thread, command);
    }

    fn order_in(&mut self, register: usize, thread: Thread, command: Arc<Command>) {
        let log = self.registers[register].entry(thread).or_default();
        if !log.contains(&command) {
            log.push(Arc::clone(&command));
            let seq = Seq(log.len() as u64);
            for host in self.hosts.iter_mut().filter(|host| host.register == Some(register)) {
                host.inbox.push_back(Input::Applied(Entry { command: Arc::clone(&command), seq, thread }));
            }
        }
    }

    fn note(&mut self, n: usize, note: &Note) {
        if let (0, Note::Applied { command, entry, .. }) = (n, note)
            && let Command::Word(word) = &**command
        {
            self.words.push((word.by, entry.outcome.clone()));
        }
        match note {
            Note::Diverged { .. } => self.diverged += 1,
            Note::Reconciled { .. } => self.reconciled.push((n, note.clone())),
            Note::Retired { .. } => self.retired.push(self.hosts[n].keys.agent()),
            Note::Refused { reject, .. } => {
                self.refused.push((self.hosts[n].keys.agent(), reject.to_string()));
            }
            Note::Applied { thread: Thread::Need(need), .. } => {
                for event in note.events() {
                    if let Event::Over { ending } = event {
                        self.ended.insert(*need, *ending);
                    }
                }
            }
            _ => {}
        }
    }
}
