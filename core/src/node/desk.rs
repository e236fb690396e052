//! What every role needs: a voice, a clock, a way to ask the host for things and to wait.
//!
//! Whatever has an answer is remembered until the answer comes. A publish that was not acknowledged is repeated, the same
//! envelope under the same id, with a back-off drawn from the node's own stream.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::ms;
use crate::id::{AgentId, Cid, Epoch, Fence, Label, Lamport, Nonce, OpId, Thread};
use crate::lamport::Clock;
use crate::node::io::{Effect, Note, Setup, Subject, Work};
use crate::node::roster::Roster;
use crate::node::rules::Rules;
use crate::node::timer::Timer;
use crate::policy;
use crate::register::{Applied, Submission};
use crate::reject::Reject;
use crate::rng::Stream;
use crate::time::{Instant, Now, Span};
use crate::wire::{Body, CapabilityRef, Content, Draft, NewPolicy, PolicyRef, Role, Verb, trace_of};

/// A publish on its way.
#[derive(Clone)]
struct Unacked {
    attempts: u32,
    draft: Arc<Draft>,
    entries: Arc<[Arc<Applied>]>,
    inboxes: Vec<AgentId>,
    subject: Subject,
}

/// What an operation was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Publish(Cid),
    Submit(crate::id::Digest),
    Execute(Work),
    Anchor(u32),
    Reveal(u32),
}

/// The shared part of a node.
#[derive(Clone)]
pub(super) struct Desk {
    pub setup: Setup,
    pub now: Now,
    pub clock: Clock,
    pub stream: Stream,
    /// Id of the manifest acted under, with the names of its capabilities.
    pub manifest: Cid,
    pub capabilities: Vec<Label>,
    /// The roles it gives.
    pub roles: Vec<Role>,
    /// The members of the register it knows of.
    pub roster: Roster,
    /// The policies it knows of.
    pub rules: Rules,
    /// The envelope that the present input is about.
    pub cause: Option<Cid>,
    nonce: Nonce,
    ops: u64,
    asked: BTreeMap<OpId, Asked>,
    unacked: BTreeMap<Cid, Unacked>,
    /// What is to be said once the rules of its need are at hand.
    unsaid: Vec<Saying>,
    timers: BTreeSet<(Instant, Timer)>,
    due: BTreeMap<Timer, Instant>,
    effects: VecDeque<Effect>,
}

/// What to say, before it becomes an envelope.
#[derive(Clone)]
pub(super) struct Saying {
    pub subject: Subject,
    pub thread: Thread,
    pub body: Body,
    pub epoch: Option<Epoch>,
    pub fence: Option<Fence>,
    pub inboxes: Vec<AgentId>,
    pub entries: Arc<[Arc<Applied>]>,
    pub refs: Vec<Cid>,
    pub target: Option<AgentId>,
}

impl Saying {
    /// Says `body` in `thread` on `subject`, and nothing else.
    pub fn new(subject: Subject, thread: Thread, body: Body) -> Self {
        Self {
            subject,
            thread,
            body,
            epoch: None,
            fence: None,
            inboxes: Vec::new(),
            entries: [].into(),
            refs: Vec::new(),
            target: None,
        }
    }

    /// Under this epoch.
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Under this fence.
    pub fn fence(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }
}

impl Desk {
    pub fn new(setup: Setup) -> Self {
        let (manifest, capabilities) = match setup.manifest() {
            Some((envelope, manifest)) => {
                (envelope.id(), manifest.capabilities.iter().map(|c| c.name.clone()).collect())
            }
            None => (Cid::default(), Vec::new()),
        };
        let roster = Roster::new(&setup);
        let clock = Clock::new(Lamport(0), roster.voices().seats(), roster.believe_at);
        let roles = setup.manifest().map_or_else(Vec::new, |(_, m)| m.roles.clone());
        let rules = Rules::new(&setup.genesis, Arc::clone(&setup.engines));
        Self {
            roles,
            roster,
            rules,
            stream: Stream::new(&setup.stream),
            setup,
            now: Now::default(),
            clock,
            manifest,
            capabilities,
            cause: None,
            nonce: Nonce(0),
            ops: 0,
            asked: BTreeMap::new(),
            unacked: BTreeMap::new(),
            unsaid: Vec::new(),
            timers: BTreeSet::new(),
            due: BTreeMap::new(),
            effects: VecDeque::new(),
        }
    }

    pub fn me(&self) -> AgentId {
        self.setup.me
    }

    pub fn emit(&mut self, note: Note) {
        self.effects.push_back(Effect::Emit(note));
    }

    pub fn mark(&mut self, mark: &'static str) {
        self.emit(Note::Mark(mark.into()));
    }

    pub fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn op(&mut self, asked: Asked) -> OpId {
        self.ops += 1;
        self.asked.insert(OpId(self.ops), asked);
        OpId(self.ops)
    }

    /// The nonce that the next saying will carry.
    pub fn next_nonce(&self) -> Nonce {
        Nonce(self.nonce.0 + 1)
    }

    /// What was to be said is not: the names that its nonce would give are spent, so nothing else comes to bear them.
    pub fn keep_back(&mut self) {
        self.nonce = self.next_nonce();
    }

    /// Signs and publishes, until it is acknowledged; later, where the rules of the need are not at hand yet. Preflight may forbid it: then it is refused here and never leaves.
    pub fn say(&mut self, saying: Saying) -> Option<Cid> {
        // That an entry was applied is so under any rules: whoever waited with it would leave a need of rules that nobody has
        // without an end.
        if saying.body.verb() != Verb::Entry && self.rules.are_awaited(saying.thread) {
            self.unsaid.push(saying);
            return None;
        }
        let said = self.try_say(saying);
        if let Err(reject) = said {
            self.emit(Note::Refused { envelope: Cid::default(), reject });
        }
        said.ok()
    }

    /// Says what waited for rules that have come.
    pub fn speak_up(&mut self) {
        core::mem::take(&mut self.unsaid).into_iter().for_each(|saying| {
            self.say(saying);
        });
    }

    /// As [`Desk::say`], for those who have their own word for a refusal.
    pub fn try_say(&mut self, saying: Saying) -> Result<Cid, Reject> {
        self.nonce = self.next_nonce();
        // A capability named after the verb's work, or else the first: one is always cited.
        let name = self.capabilities.first().cloned().unwrap_or_else(|| crate::id::label("agent"));
        let rules = Arc::clone(self.rules.of(saying.thread));
        let manifest = if matches!(saying.body, Body::Manifest(_)) { Cid::default() } else { self.manifest };
        let content = Content {
            body: saying.body,
            capability: CapabilityRef { manifest, name },
            epoch: saying.epoch,
            expires: None,
            fence: saying.fence,
            lamport: self.clock.tick(),
            nonce: self.nonce,
            policy: PolicyRef::default(),
            refs: saying.refs,
            sender: self.me(),
            target: saying.target,
            thread: saying.thread,
            time: self.now.wall,
            trace: trace_of(saying.thread, self.cause.as_ref()),
        };
        let (draft, _) = policy::preflight(&*rules, content, &self.roles).map_err(|denial| denial.reject)?;
        let draft = Arc::new(draft);
        let id = draft.id();
        if let (Body::Need(_), Thread::Need(need)) = (&draft.body, draft.thread) {
            self.rules.heard(need, draft.policy.engine);
        }
        let unacked =
            Unacked { attempts: 0, draft, entries: saying.entries, inboxes: saying.inboxes, subject: saying.subject };
        self.unacked.insert(id, unacked);
        self.publish(id);
        Ok(id)
    }

    fn publish(&mut self, id: Cid) {
        let op = self.op(Asked::Publish(id));
        let Some(unacked) = self.unacked.get_mut(&id) else { return };
        unacked.attempts += 1;
        let (subject, inboxes) = (unacked.subject, unacked.inboxes.clone());
        let (draft, entries) = (Arc::clone(&unacked.draft), unacked.entries.clone());
        self.effects.push_back(Effect::Publish { op, subject, inboxes, draft, entries });
    }

    /// Publishes again what was not acknowledged.
    pub fn republish(&mut self, id: Cid) {
        if self.unacked.contains_key(&id) {
            self.publish(id);
        }
    }

    pub fn submit(&mut self, thread: Thread, wish: Submission) {
        let op = self.op(Asked::Submit(wish.id()));
        self.effects.push_back(Effect::Submit { op, thread, wish });
    }

    pub fn execute(&mut self, work: Work) -> OpId {
        let op = self.op(Asked::Execute(work.clone()));
        self.effects.push_back(Effect::Execute { op, work });
        op
    }

    /// Takes up a policy that was announced, by a CAPSULE that was vetted: the host is asked for its rules.
    pub fn adopt(&mut self, new: &NewPolicy) {
        if self.rules.announce(new) {
            self.execute(Work::Load { capsule: new.capsule, engine: new.engine });
        }
    }

    pub fn anchor(&mut self, since: u32) {
        let op = self.op(Asked::Anchor(since));
        self.effects.push_back(Effect::Anchor { op, since });
    }

    /// Asks for the value that is due in `round`, which is round `index` to the chain that counts from `since`.
    pub fn reveal(&mut self, round: u32, since: u32, index: u32) {
        let op = self.op(Asked::Reveal(round));
        self.effects.push_back(Effect::Reveal { op, since, round: index });
    }

    /// Takes an answer: what it was asked for, once.
    pub fn answered(&mut self, op: OpId, committed: bool) -> Option<Asked> {
        let asked = self.asked.remove(&op)?;
        if let Asked::Publish(id) = &asked {
            if committed {
                self.unacked.remove(id);
                self.cancel(&Timer::Publish(*id));
            } else if let Some(unacked) = self.unacked.get(id) {
                let pause = self.back_off(unacked.attempts);
                self.wake_in(pause, Timer::Publish(*id));
            }
        }
        Some(asked)
    }

    /// Nothing asked before a boot will be answered: publishes are repeated, the rest is handed back to be asked anew.
    pub fn boot(&mut self) -> Vec<(OpId, Asked)> {
        let asked: Vec<_> = core::mem::take(&mut self.asked).into_iter().collect();
        let unacked: Vec<Cid> = self.unacked.keys().copied().collect();
        unacked.into_iter().for_each(|id| self.publish(id));
        // What was measured on the clock of an earlier boot means nothing on this one: everything is due anew.
        let pending: Vec<Timer> = core::mem::take(&mut self.due).into_keys().collect();
        self.timers.clear();
        for timer in pending {
            if !matches!(timer, Timer::Publish(_)) {
                self.wake_in(Span::ZERO, timer);
            }
        }
        asked.into_iter().filter(|(_, asked)| !matches!(asked, Asked::Publish(_))).collect()
    }

    /// Full jitter below min(longest, first x 2^n) (PROTOCOL 7).
    pub fn back_off(&mut self, attempts: u32) -> Span {
        let local = &self.setup.local;
        let first = u64::from(local.backoff_ms) << attempts.saturating_sub(1).min(20);
        let most = Span::from_ms(first.min(u64::from(local.backoff_max_ms)));
        Span(self.stream.below(most.0.max(1)) + 1)
    }

    /// Wakes the node in `span` for `timer`; an earlier wish for the same timer is replaced.
    pub fn wake_in(&mut self, span: Span, timer: Timer) {
        self.cancel(&timer);
        let at = self.now.mono + span;
        self.due.insert(timer.clone(), at);
        self.timers.insert((at, timer));
    }

    /// How long it is until `timer`; nothing if it is not set.
    pub fn left(&self, timer: &Timer) -> Span {
        self.due.get(timer).map_or(Span::ZERO, |at| at.since(self.now.mono))
    }

    pub fn is_waiting(&self, timer: &Timer) -> bool {
        self.due.contains_key(timer)
    }

    pub fn cancel(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.due.remove_entry(timer) {
            self.timers.remove(&(at, timer));
        }
    }

    /// Whether everything was said and acknowledged.
    pub fn is_quiet(&self) -> bool {
        self.unsaid.is_empty() && self.unacked.is_empty()
    }

    /// The next timer that is due.
    pub fn due(&mut self) -> Option<Timer> {
        let (at, _) = self.timers.first()?;
        if *at > self.now.mono {
            return None;
        }
        let (_, timer) = self.timers.pop_first()?;
        self.due.remove(&timer);
        Some(timer)
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A pause drawn below `most` milliseconds.
    pub fn jitter(&mut self, most: u32) -> Span {
        Span(self.stream.below(ms(most).0 + 1))
    }
}

/// A deployment of nobody.
#[cfg(test)]
pub(crate) fn genesis_of_nobody() -> crate::genesis::Genesis {
    crate::genesis::Genesis {
        arbiters: Vec::new(),
        capsule: Cid::default(),
        coordinators: Vec::new(),
        engine: crate::id::Digest::default(),
        holdings: BTreeMap::new(),
        manifests: Vec::new(),
        mints: Vec::new(),
        params: crate::config::Params::default(),
        policy_keys: Vec::new(),
        recovery: Vec::new(),
    }
}

#[cfg(test)]
impl Desk {
    /// The desk of an agent in a deployment of nobody.
    pub fn of_nobody() -> Self {
        Self::of(Vec::new(), AgentId([1; 32]))
    }

    /// The desk of `me` in a deployment of these coordinators.
    pub fn of(coordinators: Vec<crate::genesis::Member>, me: AgentId) -> Self {
        use crate::config::Local;
        use crate::genesis::Genesis;
        use crate::id::Digest;
        use crate::policy::{BaseRules, Evaluator as _, Only};
        let rules = BaseRules::default();
        let genesis = Genesis { coordinators, engine: rules.engine(), ..genesis_of_nobody() };
        let setup = Setup {
            me,
            bases: Vec::new(),
            genesis: Arc::new(genesis),
            local: Local::default(),
            mandates: Vec::new(),
            stream: Digest::default(),
            engines: Arc::new(Only(Arc::new(rules))),
        };
        Desk::new(setup)
    }
}
