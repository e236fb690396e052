//! What adversaries do with what their nodes want said, and besides. Each has its own key and what a real one could hear, and
//! nothing else: it changes what its node sends, keeps it back, or sends more.

mod more;
mod register;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use swarm_core::form::Form;
use swarm_core::id::{AgentId, Cid, Credits, Digest, Label, NeedId, OpId, Segment, TaskName, Thread, label};
use swarm_core::node::{Act, Input, Note, Outcome, Setup, Subject, Work};
use swarm_core::register::Event as Did;
use swarm_core::wire::{Body, CapabilityRef, Draft, Evidence, Verdict};
use swarm_ports::jobs;
use swarm_reports::history::Event;
use swarm_scenarios::Strategy;

use super::Host;
use crate::kernel::Cx;
use crate::world::wire::Wire;

/// How far ahead of its clock a poisoner dates what it says: just within what others take at once.
const AHEAD: u64 = 999_000;

/// More steps than any policy takes a claim of.
const MOST: u64 = 1 << 51;

/// A verdict that waits for somebody else's, to be like it.
struct Unworked {
    subject: Subject,
    inboxes: Vec<AgentId>,
    draft: Arc<Draft>,
}

/// What an adversary knows and remembers.
pub struct Liar {
    strategy: Strategy,
    /// The agents that it knows to lie as well, of whatever kind.
    ring: Rc<BTreeSet<AgentId>>,
    /// What it acts under.
    capability: Option<CapabilityRef>,
    coordinators: Vec<AgentId>,
    /// What it staked at the beginning.
    stake: Credits,
    /// Further envelopes it signed, and everything it brought to the bus besides what its node said.
    signed: u64,
    brought: u64,
    /// Whose each commit is, as far as it heard.
    commits: BTreeMap<Cid, AgentId>,
    /// What each challenge that it heard of disputes.
    disputed: BTreeMap<Cid, Cid>,
    /// The winner of each task it heard of, until that holds it.
    winners: BTreeMap<(NeedId, TaskName), AgentId>,
    unworked: BTreeMap<Cid, Unworked>,
    /// The last segment of the system thread that it reported as over when it began.
    hurried: Segment,
}

impl Liar {
    /// One who acts so, with these friends.
    pub fn new(strategy: Strategy, setup: &Setup, ring: Rc<BTreeSet<AgentId>>) -> Self {
        let capability = setup.manifest().map(|(envelope, manifest)| CapabilityRef {
            manifest: envelope.id(),
            name: manifest.capabilities.first().map_or_else(|| label("agent"), |capability| capability.name.clone()),
        });
        Self {
            strategy,
            ring,
            capability,
            coordinators: setup.genesis.coordinators.iter().map(|member| member.agent).collect(),
            stake: setup.genesis.holdings.get(&setup.me).map_or(Credits(0), |holding| holding.stake),
            signed: 0,
            brought: 0,
            commits: BTreeMap::new(),
            disputed: BTreeMap::new(),
            winners: BTreeMap::new(),
            unworked: BTreeMap::new(),
            hurried: Segment::default(),
        }
    }

    /// Whether a commit is a friend's.
    fn is_of_ring(&self, commit: &Cid) -> bool {
        self.commits.get(commit).is_some_and(|worker| self.ring.contains(worker))
    }
}

/// What a draft judges, if it does: the commit, or the challenge.
fn judged(draft: &Draft) -> Option<Cid> {
    match &draft.body {
        Body::Attest(attest) => Some(attest.commit),
        Body::Verdict(ruling) => Some(ruling.challenge),
        _ => None,
    }
}

impl Host {
    fn strategy(&self) -> Option<Strategy> {
        self.liar.as_ref().map(|liar| liar.strategy)
    }

    /// It did what it is here for.
    fn lied(&self) {
        if let Some(strategy) = self.strategy() {
            let mut recorder = self.recorder.borrow_mut();
            recorder.mark("adversary-lied");
            recorder.mark(strategy.mark());
        }
    }

    /// Whether it keeps to itself what its node would say.
    pub(super) fn withholds(&mut self, subject: Subject, inboxes: &[AgentId], draft: &Arc<Draft>) -> bool {
        use Strategy as S;
        let Some(liar) = &mut self.liar else { return false };
        let (kept, lied) = match (liar.strategy, &draft.body) {
            // Whoever passes everything disputes nothing.
            (S::AlwaysPass | S::PassAndRun | S::LazyAttester, Body::Challenge(_)) => (true, false),
            (S::Colluder, Body::Challenge(challenge)) => (liar.is_of_ring(&challenge.commit), false),
            (S::StakeSplitter | S::Askew, Body::Attest(_)) | (S::Heedless, Body::Need(_)) => (false, true),
            (S::Silent, Body::Attest(_) | Body::AttestPlan(_) | Body::Verdict(_) | Body::Challenge(_)) => (true, true),
            (S::LazyAttester, Body::Attest(_) | Body::Verdict(_)) => {
                if let Some(of) = judged(draft) {
                    let (inboxes, draft) = (inboxes.to_vec(), Arc::clone(draft));
                    liar.unworked.insert(of, Unworked { subject, inboxes, draft });
                }
                (true, false)
            }
            _ => (false, false),
        };
        if lied {
            self.lied();
        }
        kept
    }

    /// What it says in its node's place.
    pub(super) fn lie(&self, draft: &Draft) -> Option<Draft> {
        use Strategy as S;
        let liar = self.liar.as_ref()?;
        let mut content = (**draft).clone();
        match (liar.strategy, &mut content.body) {
            (S::AlwaysPass | S::PassAndRun, Body::Attest(attest)) => {
                attest.verdict = Verdict::Pass;
                attest.reasons.clear();
            }
            (S::Colluder | S::Shielder, Body::Attest(attest)) if liar.is_of_ring(&attest.commit) => {
                attest.verdict = Verdict::Pass;
                attest.reasons.clear();
            }
            (S::AlwaysFail, Body::Attest(attest)) => {
                attest.verdict = Verdict::Fail;
                attest.reasons = vec![label("output-mismatch")];
            }
            (S::AlwaysPass | S::PassAndRun, Body::Verdict(ruling)) => ruling.upheld = false,
            (S::Colluder | S::Shielder, Body::Verdict(ruling))
                if liar.disputed.get(&ruling.challenge).is_some_and(|c| liar.is_of_ring(c)) =>
            {
                ruling.upheld = false;
            }
            (S::AlwaysFail, Body::Verdict(ruling)) => ruling.upheld = true,
            // Whatever is wrong with a friend's result, the first stretch of its run mostly is not.
            (S::Shielder, Body::Challenge(challenge)) if liar.is_of_ring(&challenge.commit) => {
                challenge.evidence = Evidence::StretchMismatch { stretch: 0 };
            }
            (S::LowballYielder, Body::Claim(claim)) => claim.cost = Credits(1),
            (S::OtherEngine, _) => content.policy.engine = Digest::of("sim/other-engine", &[]),
            (S::LamportPoisoner, _) => content.lamport.0 = content.lamport.0.saturating_add(AHEAD),
            _ => return None,
        }
        self.lied();
        Some(Draft::new(content))
    }

    /// A worker that lies keeps other outputs than its job gave, or keeps none, or says that it took less. What cannot be done it makes up.
    pub(super) fn falsify(&self, work: &Work, outcome: &mut Outcome, unkept: &mut BTreeMap<Cid, Arc<[u8]>>) {
        if let (Work::Run { produces, .. }, Outcome::CouldNot(_)) = (work, &*outcome)
            && self.strategy() == Some(Strategy::WrongResult)
        {
            let bytes: Arc<[u8]> = b"made up"[..].into();
            let cid = Cid::of(&bytes);
            unkept.insert(cid, bytes);
            let outputs = produces.iter().map(|name| (name.clone(), cid)).collect();
            let (against, proofs, states, telemetry) = Default::default();
            *outcome = Outcome::Ran { against, outputs, proofs, states, telemetry };
            return self.lied();
        }
        let Outcome::Ran { outputs, telemetry, .. } = outcome else { return };
        match self.strategy() {
            Some(Strategy::FalseClaim) => telemetry.steps.0 /= 2,
            Some(Strategy::Lawless) => telemetry.steps.0 = MOST,
            Some(Strategy::WrongResult | Strategy::SelfChallenger) => {
                let false_of = |cid: &mut Cid| {
                    let mut bytes = unkept.remove(cid).map(|bytes| bytes.to_vec()).unwrap_or_default();
                    bytes.extend_from_slice(b"not so");
                    *cid = Cid::of(&bytes);
                    unkept.insert(*cid, bytes.into());
                };
                outputs.values_mut().for_each(false_of);
            }
            Some(Strategy::Withholder) => unkept.clear(),
            _ => return,
        }
        self.lied();
    }

    /// A worker that takes a wrong turn does one stretch of its job, and all after it, as if on other inputs.
    pub(super) fn strays(
        &self,
        work: &Work,
        inputs: &[Arc<[u8]>],
        outcome: &mut Outcome,
        unkept: &mut BTreeMap<Cid, Arc<[u8]>>,
    ) {
        let (Work::Run { job, need, produces, task, .. }, Outcome::Ran { outputs, states, .. }) = (work, outcome)
        else {
            return;
        };
        if self.strategy() != Some(Strategy::WrongTurn) {
            return;
        }
        let mut others: Vec<Vec<u8>> = inputs.iter().map(|input| input.to_vec()).collect();
        match others.first_mut() {
            // A list is one line shorter, and still a list.
            Some(input) if input.ends_with(b"\n") => {
                let last = input.split_inclusive(|byte| *byte == b'\n').next_back().map_or(0, <[u8]>::len);
                input.truncate(input.len() - last);
            }
            Some(input) => input.extend_from_slice(b"not so"),
            None => others.push(b"not so".to_vec()),
        }
        let Ok(other) = jobs::run(job.as_str(), &others, produces, &[]) else { return };
        if other.states.len() != states.len() {
            return;
        }
        let lot = Digest::of("sim/turn", &[&need.0.0.0, task.as_str().as_bytes()]).prefix();
        let turn = (lot % (states.len() as u64 + 1)) as usize;
        states.splice(turn.., other.states.into_iter().skip(turn));
        unkept.clear();
        outputs.clear();
        for (name, bytes) in other.outputs {
            outputs.insert(name, Cid::of(&bytes));
            unkept.insert(Cid::of(&bytes), bytes.into());
        }
        self.lied();
    }

    /// A worker that lies writes otherwise than its agent would: one thing and another in one breath, on
    /// hearsay, or words for numbers.
    pub(super) fn misquotes(&self, mut written: Vec<(Label, Vec<u8>)>) -> Vec<(Label, Vec<u8>)> {
        let strategy = self.strategy();
        if matches!(strategy, Some(Strategy::Contradictor | Strategy::FalseCiter | Strategy::SchemaBreaker)) {
            for (_, document) in &mut written {
                let Ok(mut text) = serde_json::from_slice::<Value>(document) else { continue };
                let Some(Value::Array(claims)) = text.get_mut("claims") else { continue };
                let Some(first) = claims.first_mut() else { continue };
                let value = first["value"].as_u64().unwrap_or_default();
                if strategy == Some(Strategy::SchemaBreaker) {
                    first["value"] = json!(value.to_string());
                } else if strategy == Some(Strategy::FalseCiter) {
                    first["cites"] = json!(["hearsay"]);
                } else {
                    let mut other = first.clone();
                    other["value"] = json!(value + 1);
                    claims.push(other);
                }
                *document = text.to_string().into_bytes();
            }
            self.lied();
        }
        written
    }

    /// What it says of work that it does not do; nothing if it never says anything.
    pub(super) fn feigns(&self, work: &Work) -> Option<Option<Outcome>> {
        let Work::Run { keys, verify, .. } = work else { return None };
        match self.strategy() {
            Some(Strategy::LazyAttester) if verify.is_some() => {
                let (outputs, states) = (BTreeMap::new(), Vec::new());
                let telemetry = swarm_core::wire::Telemetry::default();
                let (against, proofs) = (Vec::new(), vec![Digest::default(); keys.len()]);
                Some(Some(Outcome::Ran { against, outputs, proofs, states, telemetry }))
            }
            Some(Strategy::NeverCommits) if verify.is_none() => {
                self.lied();
                Some(None)
            }
            _ => None,
        }
    }

    /// Takes note of what was applied or became believed, and acts on it.
    pub(super) fn schemes(&mut self, cx: &mut Cx<'_, Wire>, note: &Note) {
        use Strategy as S;
        self.hurries(cx, note);
        let Note::Believed { entry, thread: Thread::Need(need), .. } = note else { return };
        let (me, need) = (self.agent(), *need);
        for event in entry.outcome.events() {
            let Some(liar) = &mut self.liar else { return };
            let act = match (liar.strategy, event) {
                (_, Did::Challenged { challenge, .. }) => {
                    if let Body::Challenge(said) = &challenge.body {
                        liar.disputed.insert(challenge.id(), said.commit);
                    }
                    None
                }
                (_, Did::Accepted { commit, .. }) => {
                    liar.commits.insert(commit.id(), commit.sender);
                    None
                }
                (_, Did::Granting { bid, task, .. }) => {
                    liar.winners.insert((need, task.clone()), bid.agent);
                    None
                }
                (S::LowballYielder, Did::Leased { task, .. }) => {
                    (liar.winners.get(&(need, task.clone())) == Some(&me)).then_some(Act::YieldAll)
                }
                (S::FalseChallenger, Did::Final { record }) => Some(Act::Challenge { need, task: record.task.clone() }),
                (S::SelfChallenger, Did::Final { record }) => {
                    let own = liar.commits.get(&record.commit) == Some(&me);
                    own.then(|| Act::Challenge { need, task: record.task.clone() })
                }
                (S::FrontRunner | S::Shielder, Did::Final { record }) => {
                    liar.is_of_ring(&record.commit).then(|| Act::Challenge { need, task: record.task.clone() })
                }
                (S::ReadAndCancel, Did::Final { .. }) => Some(Act::Cancel(need)),
                _ => None,
            };
            if let Some(act) = act {
                self.lied();
                self.input(cx, Input::Act(Box::new(act)));
            }
        }
    }

    /// What it does once something of its node's has left.
    pub(super) fn follows_up(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        subject: Subject,
        inboxes: &[AgentId],
        draft: &Draft,
        said: Option<&Draft>,
    ) {
        let Some(liar) = &self.liar else { return };
        let passes = matches!(&said.unwrap_or(draft).body, Body::Attest(attest) if attest.verdict == Verdict::Pass);
        match (liar.strategy, &draft.body) {
            (Strategy::PassAndRun, Body::Attest(_)) if passes => {
                let stake = liar.stake;
                self.input(cx, Input::Act(Box::new(Act::Unstake(stake))));
                self.input(cx, Input::Act(Box::new(Act::Withdraw(stake))));
            }
            (Strategy::Equivocator, Body::Attest(_) | Body::AttestPlan(_) | Body::Verdict(_))
            | (Strategy::DoubleBidder, Body::Claim(_))
            | (Strategy::DoubleNeed, Body::Need(_)) => self.says_otherwise(cx, subject, inboxes, draft),
            (Strategy::LamportPoisoner, _) => self.poisons(cx, subject, inboxes, draft),
            _ => {}
        }
    }

    /// What an honest host read.
    pub(super) fn tell_text<'a>(
        &self,
        forms: &BTreeMap<Label, Form>,
        documents: impl Iterator<Item = (&'a Label, Arc<[u8]>)>,
        given: &[Label],
    ) {
        if self.habits.tells_truth && self.liar.is_none() {
            for (_, document) in documents.filter(|(label, _)| forms.contains_key(label)) {
                let (artifact, given) = (Cid::of(&document), given.into());
                let text = std::str::from_utf8(&document).ok().map(Arc::from);
                self.recorder.borrow_mut().world(Event::Read { artifact, given, text });
            }
        }
    }

    /// What an honest host got for its work.
    pub(super) fn tell_truth(&self, need: NeedId, inputs: &[Cid], task: &Label, keys: &[Digest], outcome: &Outcome) {
        let Outcome::Ran { outputs, proofs, states, telemetry, .. } = outcome else { return };
        if self.habits.tells_truth && self.liar.is_none() {
            self.recorder.borrow_mut().world(Event::Worked {
                inputs: inputs.into(),
                need,
                outputs: outputs.values().copied().collect(),
                proofs: keys.iter().copied().zip(proofs.iter().copied()).collect(),
                states: states.as_slice().into(),
                task: task.clone(),
                took: *telemetry,
            });
        }
    }
}

/// Operations that an adversary's node knows nothing of are numbered from here.
const OPS: u64 = 1 << 61;

/// And its further envelopes bear nonces from here, which its node never comes to.
const NONCES: u64 = 1 << 40;

impl Liar {
    fn op(&mut self) -> OpId {
        self.brought += 1;
        OpId(OPS + self.brought)
    }
}
