//! Judges plans, results and disputes: votes for the best proposal that does what is needed, does accepted work again, and says so where what became
//! final is not what that gives.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::ms;
use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Label, NeedId, OpId, TaskName, Thread, label};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Look, Message, Outcome, Subject, Work};
use crate::node::threads::Threads;
use crate::node::timer::Timer;
use crate::plan::{Fact, Source, TaskState};
use crate::policy;
use crate::register::Event;
use crate::slot::{Phase, Record};
use crate::wire::{Attest, AttestPlan, Body, Challenge, Envelope, Evidence, Role, Ruling, Telemetry, Verdict};

/// Times a result whose artifacts cannot be had is tried before it is failed as unavailable.
const TRIES: u32 = 5;

/// Why a result is checked.
#[derive(Clone)]
enum Purpose {
    /// This verifier sits on its committee.
    Attest,
    /// It is final, and this verifier looks whether it is right.
    Watch,
    /// It is disputed, and this verifier rules on what is said against it.
    Rule { challenge: Cid, evidence: Evidence },
}

/// A result being checked.
#[derive(Clone)]
struct Check {
    purpose: Purpose,
    need: NeedId,
    task: TaskName,
    epoch: Epoch,
    fence: Fence,
    commit: Arc<Envelope>,
    /// Verdicts whose proofs are looked at as well, and those proofs.
    proofs: Vec<(AgentId, Digest)>,
    tries: u32,
}

impl Check {
    /// Whose proofs the work is to give.
    fn keys(&self, me: &AgentId) -> Vec<Digest> {
        let key = |verifier: &AgentId| proof_key(verifier, &self.commit.id(), self.fence);
        match self.purpose {
            Purpose::Attest => Vec::from([key(me)]),
            Purpose::Watch | Purpose::Rule { .. } => self.proofs.iter().map(|(verifier, _)| key(verifier)).collect(),
        }
    }

    /// What is looked at.
    fn look(&self) -> Look {
        let (outputs, states) = match &self.commit.body {
            Body::Commit(commit) => (commit.outputs.clone(), commit.states.clone()),
            _ => Default::default(),
        };
        let question = match &self.purpose {
            Purpose::Rule { evidence, .. } => Some(evidence.clone()),
            Purpose::Attest | Purpose::Watch => None,
        };
        Look { outputs, question, states }
    }

    /// The work that is to be done for it, under the keys of `me` if it asks for a verdict; none where what the result was made of is void, for
    /// on what has taken its place even what is right would look wrong.
    fn work(&self, record: &Record, me: &AgentId) -> Option<Work> {
        if record.is_outdated(&self.task) {
            return None;
        }
        work(record, self.need, &self.task, self.keys(me), Some(Box::new(self.look())))
    }

    /// What it found to speak against the result.
    fn objection(&self, evidence: Evidence) -> Objection {
        Objection { need: self.need, task: self.task.clone(), evidence }
    }

    /// Whose proofs are others than the work gave.
    fn false_proofs(&self, proofs: &[Digest]) -> impl Iterator<Item = Evidence> {
        let pairs = self.proofs.iter().zip(proofs);
        pairs
            .filter(|((_, said), got)| said != *got)
            .map(|((verifier, _), _)| Evidence::FalseProof { verifier: *verifier })
    }
}

/// The verifier's part of a node.
#[derive(Clone, Default)]
pub(super) struct Verifier {
    voted: BTreeSet<(NeedId, Epoch)>,
    planning: BTreeMap<OpId, NeedId>,
    /// What a need asks for, as planned again by this verifier's own host; nothing where it knows no such plan.
    plans: BTreeMap<NeedId, Option<BTreeSet<Fact>>>,
    checking: BTreeMap<OpId, Check>,
    /// What this verifier knows to speak against a result, by the COMMIT: until the result is over.
    objections: BTreeMap<Cid, Objection>,
    /// Its own disputes that are not over.
    own: BTreeSet<Cid>,
}

/// What speaks against a result.
#[derive(Clone)]
struct Objection {
    need: NeedId,
    task: TaskName,
    evidence: Evidence,
}

/// Key of a verifier's proof of work for one commit: its id and a salt that only this slot has (PROTOCOL 8).
pub fn proof_key(verifier: &AgentId, commit: &Cid, seed_fence: Fence) -> Digest {
    let verifier = if planted(Mutant::ProofOfAnyone) { &AgentId::default() } else { verifier };
    Digest::of("swarm/proof", &[&verifier.0, &commit.0.0, &seed_fence.0.to_be_bytes()])
}

/// The work that redoes (or does) a task: its job on its inputs.
pub(super) fn work(
    record: &Record,
    need: NeedId,
    task: &TaskName,
    keys: Vec<Digest>,
    verify: Option<Box<Look>>,
) -> Option<Work> {
    let forms = record.need().map(|need| need.forms.clone()).unwrap_or_default();
    let plan = &record.decision.as_ref()?.plan;
    let planned = plan.tasks().get(task)?;
    let input = |source: &Source| match source {
        Source::Given(cid) => Some(*cid),
        Source::Output { label, task } => record.tasks.get(task)?.record.as_ref()?.outputs.get(label).copied(),
    };
    Some(Work::Run {
        forms: forms.into_iter().filter(|(label, _)| planned.produces.contains(label)).collect(),
        inputs: planned.sources.iter().map(input).collect::<Option<Vec<_>>>()?,
        job: planned.job.clone(),
        keys,
        names: planned.requires.clone(),
        need,
        produces: planned.produces.clone(),
        task: task.clone(),
        verify,
    })
}

/// What came of doing the work again.
struct Ran<'a> {
    outputs: &'a BTreeMap<Label, Cid>,
    proofs: &'a [Digest],
    /// What the host says against what was committed.
    read: &'a [Evidence],
    took: Telemetry,
}

/// What doing the work again says of a COMMIT.
struct Seen {
    /// Why it fails; nothing if it is right.
    reasons: Vec<Label>,
    /// What of that can be shown to others.
    against: Vec<Evidence>,
    /// Digest of the policy's answer at the commit gate, which compares what the worker says it took with what it took here.
    policy: Digest,
}

impl Seen {
    fn of(desk: &Desk, commit: &Envelope, ran: &Ran<'_>) -> Self {
        let Ran { outputs, took, read, .. } = *ran;
        let committed = match &commit.body {
            Body::Commit(body) => Some(&body.outputs),
            _ => None,
        };
        let is_of_stretch = |said: &&Evidence| matches!(said, Evidence::StretchMismatch { .. });
        // What is cheapest to look at comes first.
        let mut against: Vec<_> = read.iter().filter(is_of_stretch).cloned().collect();
        let others = committed.into_iter().flatten().filter(|(label, cid)| outputs.get(*label) != Some(*cid));
        let is_astray = !against.is_empty();
        against.extend(others.map(|(label, _)| Evidence::OutputMismatch { label: label.clone() }));
        let gate = policy::commit(&**desk.rules.of(commit.thread), commit, &[Role::Worker], Some(took));
        let is_contradiction = read.iter().any(Evidence::is_opinion);
        let is_uncited = read.iter().any(|said| matches!(said, Evidence::MissingCitation { .. }));
        let is_malformed = read.iter().any(|said| matches!(said, Evidence::SchemaViolation { .. }));
        let why = [
            (committed != Some(outputs), "output-mismatch"),
            (is_astray, "stretch-mismatch"),
            (gate.is_err(), "policy-denied"),
            (is_malformed, "schema-violation"),
            (is_uncited, "missing-citation"),
            (is_contradiction, "semantic-contradiction"),
        ];
        let reasons = why.iter().filter(|(fails, _)| *fails).map(|(_, why)| label(why)).collect();
        // Under another engine the policy is not even asked.
        let answer = gate.map_or_else(|denial| denial.evaluation.map(|evaluation| *evaluation), Some);
        let rules = answer.iter().flat_map(|answer| &answer.reasons).cloned();
        against.extend(rules.map(|rule| Evidence::PolicyBreach { capsule: commit.policy.capsule, rule }));
        // Among these what can be shown comes before what is a matter of opinion.
        against.extend(read.iter().filter(|said| !is_of_stretch(said)).cloned());
        Self { reasons, against, policy: answer.map_or_else(Digest::default, |answer| answer.digest) }
    }
}

/// Disputes a final result on its agent's word.
pub(super) fn dispute(desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
    let Some(task) = record.tasks.get(name) else { return };
    let label = task.committed().and_then(|commit| commit.outputs.keys().next().cloned());
    if let (Some(commit), Some(label)) = (&task.commit, label) {
        challenge(desk, need, record.epoch, task.fence, commit, name, Evidence::OutputMismatch { label });
    }
}

fn challenge(
    desk: &mut Desk,
    need: NeedId,
    epoch: Epoch,
    fence: Fence,
    commit: &Envelope,
    task: &TaskName,
    evidence: Evidence,
) {
    let body = Challenge { commit: commit.id(), evidence, task: task.clone() };
    let saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::Challenge(body));
    desk.say(saying.epoch(epoch).fence(fence));
}

impl Verifier {
    /// An ENTRY in the inbox: if it calls this verifier to a thread, follow it. One coordinator's word is enough to look.
    pub fn called(&mut self, desk: &mut Desk, threads: &mut Threads, message: &Message) {
        let me = desk.me();
        let calls = |event: &Event| match event {
            Event::Opened { voters, .. } => voters.contains(&me),
            Event::Seated { seats, .. } | Event::Empanelled { seats, .. } => seats.contains(&me),
            _ => false,
        };
        if let Thread::Need(need) = message.envelope.thread
            && message.entries.iter().flat_map(|e| e.outcome.events()).any(calls)
        {
            threads.follow(desk, need);
        }
    }

    /// The need is over: nothing of it is voted on any more.
    pub fn forget(&mut self, need: &NeedId) {
        self.plans.remove(need);
        self.voted.retain(|(of, _)| of != need);
        self.objections.retain(|_, objection| objection.need != *need);
    }

    /// Votes once per epoch, when proposals are in and this verifier was drawn, for a plan of the tasks that its own host plans for that
    /// need: on what terms they are offered is the score's affair.
    pub fn vote(&mut self, desk: &mut Desk, need: NeedId, record: &Record) {
        let drawn = record.phase == Phase::Open && record.voters.contains(&desk.me());
        if !drawn || self.voted.contains(&(need, record.epoch)) {
            return;
        }
        let Some(own) = self.plans.get(&need) else {
            let asked = self.planning.values().any(|of| *of == need);
            if let Some(envelope) = record.need.as_ref().filter(|_| !asked) {
                let op = desk.execute(Work::Plan { need: Arc::clone(envelope) });
                self.planning.insert(op, need);
            }
            return;
        };
        if record.candidates.is_empty() {
            return;
        }
        self.voted.insert((need, record.epoch));
        let Some(own) = own else {
            // It has nothing to hold a plan against, and says nothing. Another epoch, another try.
            self.plans.remove(&need);
            return;
        };
        let own: BTreeSet<_> = own.iter().collect();
        let does_it = |proposal: &Envelope| match &proposal.body {
            Body::Propose(said) => said.patch.iter().collect::<BTreeSet<_>>() == own || planted(Mutant::PlanUnread),
            _ => false,
        };
        // The best that does what is needed and that the policy lets pass: one coordinator alone can have any ordered.
        let rules = Arc::clone(desk.rules.of(Thread::Need(need)));
        let mut body = AttestPlan { policy: Digest::default(), proposal: None };
        let candidates = record.candidates.iter().filter_map(|candidate| record.proposals.get(candidate));
        for (proposal, _) in candidates.filter(|(proposal, _)| does_it(proposal)) {
            match policy::ingress(&*rules, proposal, &[Role::Planner]) {
                Ok(evaluation) => {
                    body = AttestPlan { policy: evaluation.digest, proposal: Some(proposal.id()) };
                    break;
                }
                Err(denial) => body.policy = denial.evaluation.map_or_else(Digest::default, |e| e.digest),
            }
        }
        let saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::AttestPlan(body));
        desk.say(saying.epoch(record.epoch));
    }

    /// A committee sits: if this verifier is on it, it does the work.
    pub fn seated(&mut self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
        let task = &record.tasks[name];
        if task.state != TaskState::Verifying || !task.seats.contains(&desk.me()) {
            return;
        }
        self.check(desk, need, record, name, Purpose::Attest);
    }

    /// A result is final: whoever knows that it is wrong says so, and some look.
    pub fn finalized(&mut self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
        let task = &record.tasks[name];
        let (Some(commit), Some(lease)) = (&task.commit, &task.lease) else { return };
        if self.objections.contains_key(&commit.id()) {
            return self.object(desk, need, record, name);
        }
        let me = desk.me();
        let lot = Digest::of("swarm/watch", &[&me.0, &commit.id().0.0]).prefix() % 10_000;
        let has_part = task.seats.contains(&me) || lease.bid.agent == me;
        if !has_part && lot < u64::from(desk.setup.local.watch_bp) {
            self.check(desk, need, record, name, Purpose::Watch);
        }
    }

    /// Disputes a result that it knows something against, unless it has done so. While somebody else's dispute is open nobody is heard:
    /// whoever has something to say says it again when that is over.
    pub fn object(&self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
        let Some(task) = record.tasks.get(name) else { return };
        let stands = matches!(task.state, TaskState::Final | TaskState::Settled);
        let Some(commit) = task.commit.as_ref().filter(|_| stands && task.may_hear(&desk.me())) else {
            return;
        };
        if let Some(Objection { evidence, .. }) = self.objections.get(&commit.id())
            && task.may_fell(evidence)
            && (task.state == TaskState::Final || !evidence.is_opinion())
        {
            challenge(desk, need, record.epoch, task.fence, commit, name, evidence.clone());
        }
    }

    /// Somebody disputes a result.
    pub fn challenged(&mut self, desk: &Desk, challenge: &Envelope) {
        if challenge.sender == desk.me() {
            self.own.insert(challenge.id());
        }
    }

    /// A dispute is over: whoever was not heard meanwhile says what is wrong. Where it was this verifier's own, there will be room for what
    /// else it knows, once the system thread has let its bond go.
    pub fn ruled(&mut self, desk: &mut Desk, threads: &Threads, need: NeedId, name: &TaskName, challenge: &Cid) {
        let Some(record) = threads.record(&need) else { return };
        if !self.own.remove(challenge) {
            return self.object(desk, need, record, name);
        }
        // While others of its own are open, their ends will make that room.
        let was_heard = record.tasks.get(name).is_none_or(|task| !task.may_hear(&desk.me()));
        if was_heard || self.own.is_empty() {
            desk.wake_in(ms(desk.setup.local.backoff_max_ms), Timer::Object);
        }
    }

    /// Disputes whatever it knows to be wrong and was not heard on.
    pub fn object_again(&self, desk: &mut Desk, threads: &Threads) {
        for Objection { need, task, .. } in self.objections.values() {
            if let Some(record) = threads.record(need) {
                self.object(desk, *need, record, task);
            }
        }
    }

    /// A result is over: nobody is heard against it any more.
    pub fn over(&mut self, commit: &Cid) {
        self.objections.remove(commit);
    }

    /// A committee sits that rules on a dispute.
    pub fn empanelled(&mut self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
        let Some(dispute) = record.tasks[name].dispute.as_ref().filter(|d| d.seats.contains(&desk.me())) else {
            return;
        };
        let Body::Challenge(said) = &dispute.challenge.body else { return };
        let purpose = Purpose::Rule { challenge: dispute.challenge.id(), evidence: said.evidence.clone() };
        self.check(desk, need, record, name, purpose);
    }

    /// Has a task's work done again.
    fn check(&mut self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName, purpose: Purpose) {
        let task = &record.tasks[name];
        let Some(commit) = &task.commit else { return };
        let looks_at = |verifier: &AgentId| match &purpose {
            Purpose::Attest => false,
            Purpose::Watch => true,
            Purpose::Rule { evidence, .. } => evidence.accused() == Some(*verifier),
        };
        let proofs = task.proofs.iter().filter(|(verifier, _)| looks_at(verifier));
        let check = Check {
            proofs: proofs.map(|(verifier, proof)| (*verifier, *proof)).collect(),
            purpose,
            need,
            task: name.clone(),
            epoch: record.epoch,
            fence: task.fence,
            commit: Arc::clone(commit),
            tries: 0,
        };
        if let Some(work) = check.work(record, &desk.me()) {
            let op = desk.execute(work);
            self.checking.insert(op, check);
        }
    }

    /// The work was done again: say what came of it.
    pub fn done(&mut self, desk: &mut Desk, threads: &Threads, op: OpId, outcome: &Outcome) {
        if let Some(need) = self.planning.remove(&op) {
            let plan = match outcome {
                Outcome::Planned(propose) => Some(propose.patch.iter().cloned().collect()),
                _ => None,
            };
            if let Some(record) = threads.record(&need).filter(|record| !record.is_over()) {
                self.plans.insert(need, plan);
                self.vote(desk, need, record);
            }
            return;
        }
        let Some(mut check) = self.checking.remove(&op) else { return };
        let record = threads.record(&check.need);
        let ran = match outcome {
            Outcome::Ran { against, outputs, proofs, telemetry, .. } => {
                Some(Ran { outputs, proofs, read: against, took: *telemetry })
            }
            _ => None,
        };
        match (outcome, &ran) {
            (_, Some(ran)) if !matches!(check.purpose, Purpose::Attest) => self.looked(desk, &check, ran),
            (_, Some(ran)) => {
                let Seen { reasons, against, policy } = Seen::of(desk, &check.commit, ran);
                if let Some(first) = against.into_iter().next() {
                    self.objections.insert(check.commit.id(), check.objection(first));
                }
                self.attest(desk, &check, reasons, ran.proofs.first().copied().unwrap_or_default(), policy);
                // Others may have passed it while this one was at work.
                if let Some(record) = record.filter(|_| !planted(Mutant::LateFailShrugged)) {
                    self.object(desk, check.need, record, &check.task);
                }
            }
            _ if check.tries + 1 < TRIES => {
                check.tries += 1;
                if let Some(work) = record.and_then(|record| check.work(record, &desk.me())) {
                    let op = desk.execute(work);
                    self.checking.insert(op, check);
                }
            }
            // What cannot be seen cannot be disputed, nor ruled on.
            _ if !matches!(check.purpose, Purpose::Attest) => {}
            (Outcome::CouldNot(reason), _) => {
                let reasons = alloc::vec![reason.clone()];
                self.attest(desk, &check, reasons, Digest::default(), Digest::default());
            }
            _ => {}
        }
    }

    /// A final result was looked at: dispute it, or rule on a dispute.
    fn looked(&mut self, desk: &mut Desk, check: &Check, ran: &Ran<'_>) {
        let Check { need, task, epoch, fence, commit, purpose, .. } = check;
        let mut against = Seen::of(desk, commit, ran).against;
        // Each disputes but once: of several false proofs not all look at the same.
        let mut others: Vec<Evidence> = check.false_proofs(ran.proofs).collect();
        let turn = Digest::of("swarm/watch", &[&desk.me().0, &commit.id().0.0]).prefix() % (others.len() as u64).max(1);
        others.rotate_left(turn as usize);
        against.extend(others);
        match purpose {
            Purpose::Attest => {}
            Purpose::Watch => {
                if let Some(first) = against.into_iter().next() {
                    self.objections.insert(commit.id(), check.objection(first.clone()));
                    challenge(desk, *need, *epoch, *fence, commit, task, first);
                }
            }
            Purpose::Rule { challenge, evidence } => {
                let shrugged = match evidence {
                    Evidence::OutputMismatch { .. } | Evidence::SemanticContradiction { .. } => false,
                    Evidence::StretchMismatch { .. } => planted(Mutant::StretchShrugged),
                    Evidence::PolicyBreach { .. } => planted(Mutant::BreachShrugged),
                    Evidence::SchemaViolation { .. } => planted(Mutant::SchemaUnchecked),
                    Evidence::MissingCitation { .. } => planted(Mutant::CitationUnchecked),
                    Evidence::FalseProof { .. } => planted(Mutant::ProofShrugged),
                };
                let body = Ruling {
                    challenge: *challenge,
                    gas: ran.took.steps,
                    seen: Digest::of_json("swarm/seen", &(ran.outputs, ran.proofs, ran.took)),
                    task: task.clone(),
                    upheld: against.contains(evidence) && !shrugged,
                };
                let saying = Saying::new(Subject::Thread(*need), Thread::Need(*need), Body::Verdict(body));
                if !planted(Mutant::RulingWithheld) {
                    desk.say(saying.epoch(*epoch).fence(*fence));
                }
            }
        }
    }

    /// Passes what no reason speaks against.
    fn attest(&mut self, desk: &mut Desk, check: &Check, reasons: Vec<Label>, proof: Digest, policy: Digest) {
        let verdict = if reasons.is_empty() { Verdict::Pass } else { Verdict::Fail };
        let body = Attest { commit: check.commit.id(), policy, proof, reasons, task: check.task.clone(), verdict };
        let saying = Saying::new(Subject::Thread(check.need), Thread::Need(check.need), Body::Attest(body));
        desk.say(saying.epoch(check.epoch).fence(check.fence));
        desk.mark(if verdict == Verdict::Pass { "verdict-pass" } else { "verdict-fail" });
    }

    /// Work asked for before a boot is asked for again.
    pub fn again(&mut self, desk: &mut Desk, op: OpId, work: &Work) {
        if let Some(need) = self.planning.remove(&op) {
            let op = desk.execute(work.clone());
            self.planning.insert(op, need);
        }
        if let Some(check) = self.checking.remove(&op) {
            let op = desk.execute(work.clone());
            self.checking.insert(op, check);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bids::Bid;
    use crate::id::{Credits, Lamport};
    use crate::node::io::Effect;
    use crate::plan::testkit::{add, link, propose, sealed};
    use crate::plan::{self, Plan};
    use crate::slot::{Decision, HEARINGS_MAX, Lease};
    use crate::wire::Commit;

    #[test]
    fn whatever_speaks_against_a_result_fails_it_even_what_cannot_be_shown() {
        let desk = Desk::of_nobody();
        let outputs = BTreeMap::from([(label("a"), Cid::of(b"a"))]);
        let took = Telemetry::default();
        let body = Commit { outputs: outputs.clone(), states: Vec::new(), task: label("t"), telemetry: took };
        let commit = sealed(1, 1, Body::Commit(body));
        fn ran(outputs: &BTreeMap<Label, Cid>) -> Ran<'_> {
            Ran { outputs, proofs: &[], read: &[], took: Telemetry::default() }
        }
        // It was said under another engine than this verifier's, which is no evidence.
        let seen = Seen::of(&desk, &commit, &ran(&outputs));
        assert_eq!((seen.reasons, seen.against), (alloc::vec![label("policy-denied")], Vec::new()));
        let others = BTreeMap::from([(label("a"), Cid::of(b"b"))]);
        let seen = Seen::of(&desk, &commit, &ran(&others));
        assert_eq!(seen.reasons, [label("output-mismatch"), label("policy-denied")]);
        assert_eq!(seen.against, [Evidence::OutputMismatch { label: label("a") }]);
        // Whoever looks gets nothing where nobody can do the work: of each output it can be shown that the job does not give it.
        let seen = Seen::of(&desk, &commit, &ran(&BTreeMap::new()));
        assert_eq!(seen.reasons, [label("output-mismatch"), label("policy-denied")]);
        assert_eq!(seen.against, [Evidence::OutputMismatch { label: label("a") }]);
        let read = [Evidence::StretchMismatch { stretch: 3 }];
        let seen = Seen::of(&desk, &commit, &Ran { read: &read, ..ran(&outputs) });
        assert_eq!(seen.reasons, [label("stretch-mismatch"), label("policy-denied")]);
        assert_eq!(seen.against, read, "right outputs of a wrong run");
    }

    /// On what has taken the place of a void result even what is right would look wrong, to whoever comes late or tries again.
    #[test]
    fn nobody_looks_at_a_result_on_other_inputs_than_it_was_made_of() {
        let facts = alloc::vec![
            add("cut", "synth/1", "", "piece"),
            add("join", "synth/1", "text", "total"),
            link("cut", "join")
        ];
        let propose = propose(facts);
        let plan = Arc::new(Plan::of(&plan::testkit::need(), &propose).unwrap());
        let proposal = sealed(1, 1, Body::Propose(propose));
        let need = NeedId(Cid::of(b"need"));
        let mut record = Record::new(need);
        record.tasks = plan.tasks().keys().map(|name| (name.clone(), crate::slot::Task::new().into())).collect();
        record.decision = Some(Decision { proposal, counted: Vec::new(), plan, digest: Digest::default() });
        let (cut, join) = (label("cut"), label("join"));
        let bid = Bid {
            agent: AgentId([1; 32]),
            cost: Credits(1),
            eta_ms: 1,
            id: Cid::of(b"bid"),
            lamport: Lamport(1),
            score: 1,
        };
        let task = record.tasks.get_mut(&join).unwrap();
        task.lease = Some(Lease { bid, fees: Credits(1), org: Default::default(), granted_ms: 1, rest_ms: 0 });
        task.rests_on = alloc::vec![Fence(1)];
        let body = Commit {
            outputs: BTreeMap::new(),
            states: Vec::new(),
            task: join.clone(),
            telemetry: Telemetry::default(),
        };
        let check = Check {
            purpose: Purpose::Watch,
            need,
            task: join,
            epoch: Epoch(1),
            fence: Fence(1),
            commit: sealed(1, 1, Body::Commit(body)),
            proofs: Vec::new(),
            tries: 0,
        };
        let mut is_done_on = |fence: u64, state| {
            let parent = record.tasks.get_mut(&cut).unwrap();
            (parent.fence, parent.state) = (Fence(fence), state);
            check.work(&record, &AgentId([2; 32])).is_some()
        };
        assert!(is_done_on(1, TaskState::Final) && is_done_on(1, TaskState::Settled));
        assert!(!is_done_on(1, TaskState::Idle), "it is void");
        assert!(!is_done_on(2, TaskState::Final), "another has taken its place");
    }

    /// Others may have passed it while this one was at work: its verdict is not counted any more, and what it knows still counts.
    #[test]
    fn who_finds_it_wrong_after_it_is_final_disputes_it() {
        let outputs = BTreeMap::from([(label("out"), Cid::of(b"wrong"))]);
        let body = Commit { outputs, states: Vec::new(), task: label("t"), telemetry: Telemetry::default() };
        let commit = sealed(1, 1, Body::Commit(body));
        let (need, name) = (NeedId(Cid::of(b"need")), label("t"));
        let said = |state, commits: bool| {
            let (mut desk, mut threads, mut verifier) = (Desk::of_nobody(), Threads::default(), Verifier::default());
            threads.follow(&mut desk, need);
            let record = &mut threads.followed.get_mut(&need).unwrap().record;
            record.tasks.insert(name.clone(), crate::slot::Task::new().into());
            let task = record.tasks.get_mut(&name).unwrap();
            (task.state, task.commit) = (state, commits.then(|| Arc::clone(&commit)));
            let check = Check {
                purpose: Purpose::Attest,
                need,
                task: name.clone(),
                epoch: Epoch(1),
                fence: Fence(0),
                commit: Arc::clone(&commit),
                proofs: Vec::new(),
                tries: 0,
            };
            verifier.checking.insert(OpId(7), check);
            let (against, proofs, states, telemetry) = Default::default();
            let outputs = BTreeMap::from([(label("out"), Cid::of(b"right"))]);
            let outcome = Outcome::Ran { against, outputs, proofs, states, telemetry };
            verifier.done(&mut desk, &threads, OpId(7), &outcome);
            let said = core::iter::from_fn(|| desk.poll_effect()).filter_map(|effect| match effect {
                Effect::Publish { draft, .. } => Some(draft.body.verb().as_str()),
                _ => None,
            });
            said.collect::<Vec<_>>()
        };
        // Nobody's ATTEST passes no gate; a CHALLENGE is anyone's.
        assert_eq!(said(TaskState::Verifying, true), [] as [&str; 0]);
        assert_eq!(said(TaskState::Final, true), ["CHALLENGE"]);
        assert_eq!(said(TaskState::Final, false), [] as [&str; 0], "it is not this result that is final");
    }

    /// While another's dispute is open nobody is heard: what speaks against a result is said again for as long as it stands.
    #[test]
    fn who_was_not_heard_says_it_again() {
        let mut desk = Desk::of_nobody();
        let body =
            Commit { outputs: BTreeMap::new(), states: Vec::new(), task: label("t"), telemetry: Telemetry::default() };
        let commit = sealed(1, 1, Body::Commit(body));
        let (need, name) = (NeedId(Cid::of(b"need")), label("t"));
        let mut record = Record::new(need);
        record.tasks.insert(name.clone(), crate::slot::Task::new().into());
        let mut verifier = Verifier::default();
        let mut said = |verifier: &Verifier, record: &Record| {
            verifier.object(&mut desk, need, record, &name);
            core::iter::from_fn(|| desk.poll_effect()).filter(|effect| matches!(effect, Effect::Publish { .. })).count()
        };
        record.tasks.get_mut(&name).unwrap().commit = Some(Arc::new((*commit).clone()));
        let set = |record: &mut Record, state| record.tasks.get_mut(&name).unwrap().state = state;
        set(&mut record, TaskState::Final);
        assert_eq!(said(&verifier, &record), 0, "nothing speaks against it");
        let evidence = Evidence::StretchMismatch { stretch: 0 };
        verifier.objections.insert(commit.id(), Objection { need, task: name.clone(), evidence });
        assert_eq!((said(&verifier, &record), said(&verifier, &record)), (1, 1), "for as long as it was not heard");
        set(&mut record, TaskState::Settled);
        assert_eq!(said(&verifier, &record), 1, "it still costs stake");
        set(&mut record, TaskState::Verifying);
        assert_eq!(said(&verifier, &record), 0, "nothing stands");
        set(&mut record, TaskState::Final);
        record.tasks.get_mut(&name).unwrap().challengers.insert(AgentId([1; 32]), 1);
        assert_eq!(said(&verifier, &record), 1, "nobody was found to look");
        record.tasks.get_mut(&name).unwrap().challengers.insert(AgentId([1; 32]), HEARINGS_MAX);
        assert_eq!(said(&verifier, &record), 0, "it was heard");
        record.tasks.get_mut(&name).unwrap().challengers.clear();
        verifier.over(&commit.id());
        assert_eq!(said(&verifier, &record), 0, "it is over");
    }
}
