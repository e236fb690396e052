//! A host for whole nodes in a few lines: a bus that loses nothing, a register that orders what it is given, an executor that
//! knows one job. Time jumps to the next deadline when nobody has anything to say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::kit::{chains, genesis, keys, propose, two_steps};
use swarm_core::config::{Local, Params};
use swarm_core::genesis::Genesis;
use swarm_core::id::*;
use swarm_core::node::{Act, Effect, Input, Message, Node, Note, Outcome, Setup, Subject, Work};
use swarm_core::plan::Fact;
use swarm_core::policy::{BaseRules, Evaluator, Limits, Only};
use swarm_core::register::{Command, Entry};
use swarm_core::rng::Stream;
use swarm_core::time::{Instant, Now, Span, WallTime};
use swarm_core::wire::{Envelope, Need, Telemetry, Verb};

/// What a hook makes of a submission: order these instead.
pub type Hook = Box<dyn FnMut(&Thread, &Arc<Command>) -> Option<Vec<Arc<Command>>>>;

pub struct Host {
    pub genesis: Arc<Genesis>,
    pub nodes: BTreeMap<String, Node>,
    pub notes: Vec<(String, Note)>,
    /// Everything said, with where.
    pub said: Vec<(Subject, Message)>,
    pub now: u64,
    /// May stand between the coordinators and the register.
    pub hook: Option<Hook>,
    /// Whose reveals are answered only when `late_reveals` is called.
    pub silent: Option<String>,
    /// Delivers in an order drawn from this.
    pub shuffle: Option<Stream>,
    /// The coordinator that announces to coordinators alone.
    pub whisperer: Option<String>,
    /// Whether the register takes nothing twice under one id.
    pub by_id: bool,
    /// What planners propose.
    pub plan: Vec<Fact>,
    /// Whose next attempt at a plan fails.
    pub no_plan: BTreeSet<String>,
    /// What verifiers are at, if they take their time.
    pub at_work: Option<Vec<(String, Input)>>,
    /// Whether workers take their time with them.
    pub slow_workers: bool,
    posted: u64,
    unrevealed: Vec<(String, OpId, u32, u32)>,
    register: BTreeMap<Thread, Vec<Arc<Command>>>,
    follows: BTreeMap<NeedId, BTreeSet<String>>,
    queue: VecDeque<(String, Input)>,
}

impl Host {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(params: impl FnOnce(&mut Params)) -> Self {
        Self::of(3, params)
    }

    pub fn of(coordinators: usize, params: impl FnOnce(&mut Params)) -> Self {
        let (mut genesis, people) = genesis(coordinators, params);
        let evaluator = Arc::new(BaseRules::new(Limits::default()));
        (genesis.engine, genesis.capsule) = (evaluator.engine(), evaluator.capsule());
        genesis.check().expect("the genesis is sound");
        let genesis = Arc::new(genesis);
        let node = |name: &String| {
            let setup = Setup {
                me: people[name].agent(),
                genesis: Arc::clone(&genesis),
                local: Local::default(),
                bases: Vec::new(),
                mandates: Vec::new(),
                stream: Digest::sha256(name.as_bytes()),
                engines: Arc::new(Only(evaluator.clone())),
            };
            (name.clone(), Node::new(setup))
        };
        let nodes: BTreeMap<String, Node> = people.keys().map(node).collect();
        let queue = nodes.keys().map(|name| (name.clone(), Input::Boot)).collect();
        Self {
            nodes,
            notes: Vec::new(),
            said: Vec::new(),
            now: 0,
            hook: None,
            silent: None,
            shuffle: None,
            whisperer: None,
            by_id: false,
            plan: two_steps(),
            no_plan: BTreeSet::new(),
            at_work: None,
            slow_workers: false,
            posted: 0,
            unrevealed: Vec::new(),
            register: BTreeMap::new(),
            follows: BTreeMap::new(),
            queue,
            genesis,
        }
    }

    pub fn post(&mut self, need: Need) -> NeedId {
        self.queue.push_back(("r1".into(), Input::Act(Box::new(Act::Post(need)))));
        self.posted += 1;
        NeedId::of(&keys("r1").agent(), Nonce(self.posted))
    }

    /// Hands an envelope to everyone.
    pub fn tell_all(&mut self, envelope: &Arc<Envelope>) {
        let message = Message { entries: [].into(), envelope: Arc::clone(envelope) };
        for name in self.nodes.keys() {
            self.queue.push_back((name.clone(), Input::Message(message.clone())));
        }
    }

    /// Hands an envelope to one node.
    pub fn tell(&mut self, name: &str, envelope: &Arc<Envelope>) {
        let message = Message { entries: [].into(), envelope: Arc::clone(envelope) };
        self.queue.push_back((name.into(), Input::Message(message)));
    }

    /// Hands one node an envelope with what travels beside it.
    pub fn tell_beside(&mut self, name: &str, message: Message) {
        self.queue.push_back((name.into(), Input::Message(message)));
    }

    /// Hands everything that was ever said to everyone again.
    pub fn repeat_all(&mut self) {
        for (_, message) in self.said.clone() {
            for name in self.nodes.keys() {
                self.queue.push_back((name.clone(), Input::Message(message.clone())));
            }
        }
    }

    /// Verifiers are done with what they are at, one verifier after the other.
    pub fn work_is_done(&mut self) -> usize {
        let mut done = std::mem::take(self.at_work.as_mut().expect("they take their time"));
        done.sort_by(|(one, _), (other, _)| one.cmp(other));
        let many = done.len();
        self.queue.extend(done);
        many
    }

    /// Everybody dies and starts again on what it had.
    pub fn reboot(&mut self) {
        self.queue.clear();
        self.queue.extend(self.nodes.keys().map(|name| (name.clone(), Input::Boot)));
    }

    /// The register hands the first coordinator all entries once more.
    pub fn hand_over_again(&mut self) {
        for name in self.coordinators().into_iter().take(1) {
            for (thread, commands) in &self.register {
                for (command, seq) in commands.iter().zip(1..) {
                    let entry = Entry { command: Arc::clone(command), seq: Seq(seq), thread: *thread };
                    self.queue.push_back((name.clone(), Input::Applied(entry)));
                }
            }
        }
    }

    /// Gives the answers that were held back.
    pub fn late_reveals(&mut self) {
        self.silent = None;
        for (name, op, since, round) in std::mem::take(&mut self.unrevealed) {
            let value = chains(&name, &self.genesis.params).value(since, round).expect("a value that is due");
            self.queue.push_back((name, Input::Done { op, outcome: Outcome::Revealed(value) }));
        }
    }

    /// Puts a command in its place.
    pub fn order(&mut self, thread: Thread, command: Arc<Command>) {
        let entries = self.register.entry(thread).or_default();
        if entries.iter().any(|known| *known == command || (self.by_id && known.id() == command.id())) {
            return;
        }
        entries.push(Arc::clone(&command));
        let entry = Entry { command, seq: Seq(entries.len() as u64), thread };
        for name in self.coordinators() {
            self.queue.push_back((name, Input::Applied(entry.clone())));
        }
    }

    pub fn coordinators(&self) -> Vec<String> {
        self.nodes.keys().filter(|name| name.starts_with('c')).cloned().collect()
    }

    /// Runs until everyone is quiet or `hours` have passed; whether all are quiet.
    pub fn run(&mut self, hours: u64) -> bool {
        self.run_for(Span::from_secs(hours * 3_600))
    }

    /// As [`Host::run`], for so long.
    pub fn run_for(&mut self, span: Span) -> bool {
        let end = self.now + span.0;
        loop {
            while let Some((name, input)) = self.next() {
                self.handle(&name, input);
            }
            if self.nodes.values().all(Node::is_quiet) && !self.said.is_empty() {
                return true;
            }
            let next = self.nodes.iter().filter_map(|(name, node)| Some((node.next_deadline()?.0, name.clone()))).min();
            match next {
                Some((at, name)) if at <= end => {
                    self.now = self.now.max(at);
                    self.handle(&name, Input::Wake);
                }
                _ => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    /// The next input: in order, or messages in any order.
    fn next(&mut self) -> Option<(String, Input)> {
        let messages: Vec<usize> = match self.queue.front()? {
            (_, Input::Message(_)) if self.shuffle.is_some() => {
                let at = self.queue.iter().enumerate().filter(|(_, (_, i))| matches!(i, Input::Message(_)));
                at.map(|(at, _)| at).take(64).collect()
            }
            _ => vec![0],
        };
        let pick = self.shuffle.as_mut().map_or(0, |stream| stream.below(messages.len() as u64) as usize);
        self.queue.remove(messages[pick])
    }

    fn handle(&mut self, name: &str, input: Input) {
        let now = Now { mono: Instant(self.now), wall: WallTime(0) };
        self.nodes.get_mut(name).expect("a node").handle(now, input);
        while let Some(effect) = self.nodes.get_mut(name).expect("a node").poll_effect() {
            self.carry_out(name, effect);
        }
    }

    fn carry_out(&mut self, name: &str, effect: Effect) {
        let (op, outcome) = match effect {
            Effect::Execute { op, work: Work::Load { .. } } => (op, Outcome::CouldNot(label("bad-capsule"))),
            Effect::Publish { op, subject, inboxes, draft, entries } => {
                let envelope = Arc::new(keys(name).sign(draft.as_ref().clone()));
                let message = Message { entries, envelope };
                self.said.push((subject, message.clone()));
                let announces = matches!(message.envelope.verb(), Verb::Decide | Verb::Finalize | Verb::Release);
                let whispers = announces && self.whisperer.as_deref() == Some(name);
                for to in self.nodes.keys() {
                    let follows = |need| self.follows.get(&need).is_some_and(|who: &BTreeSet<String>| who.contains(to));
                    let hears = match subject {
                        Subject::Thread(need) => to.starts_with('c') || follows(need),
                        Subject::Coordinators => to.starts_with('c'),
                        Subject::Inbox(agent) => keys(to).agent() == agent,
                        _ => true,
                    };
                    let hears = hears && (!whispers || to.starts_with('c'));
                    if hears || inboxes.contains(&keys(to).agent()) {
                        self.queue.push_back((to.clone(), Input::Message(message.clone())));
                    }
                }
                (op, Outcome::Committed)
            }
            Effect::Submit { op, thread, wish } => {
                let command = wish.sign(keys(name).signing());
                let ordered = self.hook.as_mut().and_then(|hook| hook(&thread, &command));
                for command in ordered.unwrap_or_else(|| vec![command]) {
                    self.order(thread, command);
                }
                (op, Outcome::Committed)
            }
            Effect::Execute { op, work: Work::Plan { .. } } if self.no_plan.remove(name) => {
                (op, Outcome::CouldNot(label("unavailable")))
            }
            Effect::Execute { op, work: Work::Plan { .. } } => (op, Outcome::Planned(propose(self.plan.clone(), 1))),
            Effect::Execute { op, work: Work::Run { keys, produces, verify, .. } } => {
                let outputs = produces.into_iter().map(|l| (l.clone(), Cid::of(l.as_str().as_bytes()))).collect();
                let ran = Outcome::Ran {
                    against: vec![],
                    outputs,
                    proofs: vec![Digest::default(); keys.len()],
                    states: vec![],
                    telemetry: Telemetry::default(),
                };
                if let (Some(at_work), true) = (&mut self.at_work, verify.is_some() || self.slow_workers) {
                    at_work.push((name.into(), Input::Done { op, outcome: ran }));
                    return;
                }
                (op, ran)
            }
            Effect::Anchor { op, since } => (op, Outcome::Anchored(chains(name, &self.genesis.params).anchor(since))),
            Effect::Reveal { op, since, round } if self.silent.as_deref() == Some(name) => {
                self.unrevealed.push((name.into(), op, since, round));
                return;
            }
            Effect::Reveal { op, since, round } => {
                let value = chains(name, &self.genesis.params).value(since, round);
                (op, Outcome::Revealed(value.expect("a value that is due")))
            }
            Effect::Follow(need) => {
                if self.follows.entry(need).or_default().insert(name.into()) {
                    for (_, message) in self.said.iter().filter(|(subject, _)| *subject == Subject::Thread(need)) {
                        self.queue.push_back((name.into(), Input::Message(message.clone())));
                    }
                }
                return;
            }
            Effect::Unfollow(_) => return,
            Effect::Emit(note) => {
                self.notes.push((name.into(), note));
                return;
            }
        };
        self.queue.push_back((name.into(), Input::Done { op, outcome }));
    }
}
