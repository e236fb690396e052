//! What adversaries send besides: the opposite of what they said, others' words altered or said again, plans for others' tasks,
//! votes without a seat.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Credits, Epoch, Fence, Nonce, Thread, label};
use swarm_core::node::{Message, Subject};
use swarm_core::plan::{Fact, TaskState};
use swarm_core::wire::{Attest, AttestPlan, Body, Content, Decide, Draft, Envelope, UpdatePlan, Verdict};
use swarm_scenarios::Strategy;

use super::{NONCES, Unworked};
use crate::kernel::Cx;
use crate::world::actor::BUS;
use crate::world::host::Host;
use crate::world::wire::{Post, Wire};

/// A forger meddles with one in so many messages that it hears.
const MEDDLES: u64 = 8;

impl Host {
    /// Signs and publishes something that its node does not know of, under a nonce of its own unless it brings one.
    fn says_more(&mut self, cx: &mut Cx<'_, Wire>, to: (Subject, Vec<AgentId>), mut content: Content, own_nonce: bool) {
        let Some(liar) = &mut self.liar else { return };
        if own_nonce {
            liar.signed += 1;
            content.nonce = Nonce(NONCES + liar.signed);
        }
        content.sender = self.keys.agent();
        let envelope = Arc::new(self.sign(&Draft::new(content)));
        let mut recorder = self.recorder.borrow_mut();
        recorder.envelopes += 1;
        recorder.attested(&envelope);
        drop(recorder);
        self.lied();
        self.brings(cx, to, Message { entries: [].into(), envelope }, None);
    }

    /// Publishes a message, or these bytes in its place. Nobody hinders it: the bus does not ask who brings what.
    pub(super) fn brings(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        (subject, inboxes): (Subject, Vec<AgentId>),
        message: Message,
        forged: Option<Vec<u8>>,
    ) {
        let Some(op) = self.liar.as_mut().map(super::Liar::op) else { return };
        let post = Rc::new(Post { subject, message, verified: OnceCell::new(), inboxes, damaged: None, forged });
        self.send(cx, BUS, Wire::Publish { op, post });
    }

    /// Says the opposite as well: to half of the coordinators as if it were the same envelope, and to all as another.
    pub(super) fn says_otherwise(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        subject: Subject,
        inboxes: &[AgentId],
        draft: &Draft,
    ) {
        let mut other = (**draft).clone();
        match &mut other.body {
            Body::Attest(attest) => {
                let passes = attest.verdict == Verdict::Pass;
                attest.verdict = if passes { Verdict::Fail } else { Verdict::Pass };
                attest.reasons = if passes { vec![label("output-mismatch")] } else { Vec::new() };
            }
            Body::AttestPlan(vote) => vote.proposal = None,
            Body::Verdict(ruling) => ruling.upheld = !ruling.upheld,
            Body::Claim(claim) => claim.cost = Credits(claim.cost.0.saturating_sub(1).max(1)),
            Body::Need(need) => need.budget.0 += 1,
            _ => return,
        }
        let Some(liar) = &self.liar else { return };
        let half: Vec<AgentId> = liar.coordinators.iter().copied().step_by(2).collect();
        if let Some(first) = half.first() {
            self.says_more(cx, (Subject::Inbox(*first), half.clone()), other.clone(), false);
        }
        // Another NEED would be another need.
        if !matches!(other.body, Body::Need(_)) {
            self.says_more(cx, (subject, inboxes.to_vec()), other, true);
        }
    }

    /// Says it again from the far end of logical time.
    pub(super) fn poisons(&mut self, cx: &mut Cx<'_, Wire>, subject: Subject, inboxes: &[AgentId], draft: &Draft) {
        for far in [u64::MAX, 1 << 53, draft.lamport.0.saturating_add(1_000_001)] {
            let mut content = (**draft).clone();
            content.lamport.0 = far;
            self.says_more(cx, (subject, inboxes.to_vec()), content, true);
        }
    }

    /// What it makes of something that it hears. Whether its node hears it too is another matter.
    pub(in crate::world::host) fn overhears(&mut self, cx: &mut Cx<'_, Wire>, post: &Rc<Post>) {
        let Some(strategy) = self.strategy() else { return };
        let heard = Arc::clone(&post.message.envelope);
        if heard.sender == self.agent() {
            return;
        }
        match (strategy, &heard.body, heard.thread) {
            (Strategy::LazyAttester, Body::Attest(attest), _) => self.copies(cx, attest.commit, &heard),
            (Strategy::LazyAttester, Body::Verdict(ruling), _) => self.copies(cx, ruling.challenge, &heard),
            (Strategy::Forger, ..) if cx.rng().below(MEDDLES) == 0 => self.meddles(cx, post),
            (Strategy::PlanPatcher, Body::Decide(decide), _) => self.patches(cx, &heard, decide),
            (Strategy::Sybil, Body::Propose(_), Thread::Need(_)) => {
                let vote = AttestPlan { policy: heard.policy.digest, proposal: Some(heard.id()) };
                // The epoch is the first, as far as anyone without a seat needs to know.
                self.says_of(cx, &heard, Body::AttestPlan(vote), Some(Epoch(1)));
            }
            (Strategy::Sybil, Body::Commit(commit), Thread::Need(_)) => {
                let (commit, task, policy) = (heard.id(), commit.task.clone(), heard.policy.digest);
                let verdict = Verdict::Pass;
                let attest = Attest { commit, policy, proof: policy, reasons: Vec::new(), task, verdict };
                self.says_of(cx, &heard, Body::Attest(attest), heard.epoch);
            }
            _ => {}
        }
    }

    /// Says something of what it heard, where that was said.
    fn says_of(&mut self, cx: &mut Cx<'_, Wire>, heard: &Envelope, body: Body, epoch: Option<Epoch>) {
        let Some(capability) = self.liar.as_ref().and_then(|liar| liar.capability.clone()) else { return };
        let Thread::Need(need) = heard.thread else { return };
        let mut content: Content = (**heard).clone();
        (content.body, content.capability, content.epoch) = (body, capability, epoch);
        (content.refs, content.target, content.expires) = (Vec::new(), None, None);
        content.lamport.0 += 1;
        if matches!(content.body, Body::AttestPlan(_) | Body::UpdatePlan(_)) {
            content.fence = None;
        }
        if matches!(content.body, Body::UpdatePlan(_)) {
            content.epoch = None;
        }
        self.says_more(cx, (Subject::Thread(need), Vec::new()), content, true);
    }

    /// Somebody has judged what it was to judge itself: it says the same, proof and all.
    fn copies(&mut self, cx: &mut Cx<'_, Wire>, of: Cid, heard: &Envelope) {
        let Some(Unworked { subject, inboxes, draft }) = self.liar.as_mut().and_then(|liar| liar.unworked.remove(&of))
        else {
            return;
        };
        let mut content = (**draft).clone();
        content.body = heard.body.clone();
        self.says_more(cx, (subject, inboxes), content, false);
    }

    /// Another's envelope: once more as it was, with a byte changed, with its own signature under it, or as its own word.
    fn meddles(&mut self, cx: &mut Cx<'_, Wire>, post: &Rc<Post>) {
        let Post { subject, message, inboxes, .. } = &**post;
        let to = (*subject, inboxes.clone());
        let mut content = (**message.envelope).clone();
        // What carries it needs a name that the bus does not know yet.
        let carrier = |host: &mut Self, mut content: Content| {
            if let Some(liar) = &mut host.liar {
                liar.signed += 1;
                content.nonce = Nonce(NONCES + liar.signed);
            }
            content.sender = host.keys.agent();
            Arc::new(host.sign(&Draft::new(content)))
        };
        let bytes = message.envelope.bytes();
        let forged = match (cx.rng().below(5), &mut content.body) {
            (0, Body::Claim(claim)) => {
                // Another offers to do it for next to nothing.
                claim.cost = Credits(1);
                content.nonce = Nonce(NONCES + self.liar.as_ref().map_or(0, |liar| liar.signed) + 1);
                let meant = Draft::new(content.clone());
                let own = carrier(self, content.clone());
                let text = String::from_utf8_lossy(own.bytes()).replace(&own.id().to_string(), &meant.id().to_string());
                text.replace(&own.sender.to_string(), &content.sender.to_string()).into_bytes()
            }
            (1, _) => bytes.to_vec(),
            (2, _) => {
                let mut bytes = bytes.to_vec();
                let at = cx.rng().below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << cx.rng().below(7);
                bytes
            }
            (3, _) => {
                // Its own signature where the other's was.
                let own = carrier(self, content.clone()).sig().to_string();
                let text = String::from_utf8_lossy(bytes).replace(&message.envelope.sig().to_string(), &own);
                text.into_bytes()
            }
            _ => {
                if let Some(capability) = self.liar.as_ref().and_then(|liar| liar.capability.clone()) {
                    content.capability = capability;
                }
                return self.says_more(cx, to, content, true);
            }
        };
        self.lied();
        let envelope = carrier(self, content);
        self.brings(cx, to, Message { entries: message.entries.clone(), envelope }, Some(forged));
    }

    /// Facts that would leave every task of a decided plan waiting for one that nobody does, or done already, or in a circle.
    fn patches(&mut self, cx: &mut Cx<'_, Wire>, heard: &Envelope, decide: &Decide) {
        let Body::Propose(plan) = &decide.proposal.body else { return };
        let names = plan.patch.iter().filter_map(|fact| match fact {
            Fact::AddTask { task, .. } => Some(task.clone()),
            _ => None,
        });
        let names: Vec<_> = names.collect();
        let never = label("never-done");
        let mut facts = vec![Fact::AddTask {
            job: label("synth"),
            produces: vec![label("never")],
            requires: Vec::new(),
            task: never.clone(),
        }];
        for (at, task) in names.iter().enumerate() {
            facts.push(Fact::Link { child: task.clone(), parent: never.clone() });
            facts.push(Fact::Requires { label: label("never"), task: task.clone() });
            let next = &names[(at + 1) % names.len()];
            facts.push(Fact::Link { child: task.clone(), parent: next.clone() });
            let (epoch, fence) = (Epoch(u64::MAX >> 1), Fence(u64::MAX >> 1));
            facts.push(Fact::State { epoch, fence, state: TaskState::Paid, task: task.clone() });
        }
        self.says_of(cx, heard, Body::UpdatePlan(UpdatePlan { facts }), None);
    }
}
