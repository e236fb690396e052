//! How coordinators lie: early stopwatches, challenges kept back, entries that were never applied, announcements that few hear, and
//! silence, or another value than was promised, where a draw waits for one. Each speaks in its own name alone: it has no key but its own.

use std::sync::Arc;

use swarm_core::id::{AgentId, Digest, Segment, Thread};
use swarm_core::node::{Message, Note, Subject};
use swarm_core::register::{Applied, Chain, Command, Event as Did, Outcome, Says, Submission, Word};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Draft};
use swarm_scenarios::Strategy;

use crate::kernel::Cx;
use crate::world::host::Host;
use crate::world::wire::Wire;

impl Host {
    /// Whether it keeps from the register what its node would have ordered.
    pub(in crate::world::host) fn suppresses(&self, wish: &Submission) -> bool {
        let Submission::Ready(command) = wish else { return false };
        let Command::Act(said) = &**command else { return false };
        let disputes = matches!(said.body, Body::Challenge(_)) && said.sender != self.agent();
        let kept = disputes && self.strategy() == Some(Strategy::ChallengeWithholder);
        if kept {
            self.lied();
        }
        kept
    }

    /// Whether it says nothing where a draw waits for its value.
    pub(in crate::world::host) fn conceals(&self) -> bool {
        let silent = self.strategy() == Some(Strategy::SilentReveal);
        if silent {
            self.lied();
        }
        silent
    }

    /// What it says to have promised for a round, in place of what it has.
    pub(in crate::world::host) fn pretends(&self, round: u32) -> Option<Digest> {
        (self.strategy() == Some(Strategy::FalseReveal)).then(|| {
            self.lied();
            Digest::of_json("sim/false-reveal", &(self.agent(), round))
        })
    }

    /// Reports waits that have just begun as over.
    pub(super) fn hurries(&mut self, cx: &mut Cx<'_, Wire>, note: &Note) {
        let Some(liar) = &self.liar else { return };
        let Note::Applied { entry, thread, .. } = note else { return };
        let hurried = |waiting: &Waiting| match liar.strategy {
            Strategy::EarlyStopwatch => true,
            Strategy::ChallengeWithholder => matches!(waiting, Waiting::Challenge(_) | Waiting::Late(_)),
            _ => false,
        };
        let begun: Vec<(Segment, Span)> = match thread {
            Thread::Need(_) => {
                let opened = entry.outcome.events().iter().filter_map(|event| match event {
                    Did::WaitOpened { segment, total, waiting } if hurried(waiting) => Some((*segment, *total)),
                    _ => None,
                });
                opened.collect()
            }
            Thread::System => {
                let running = self.node.system().into_iter().flat_map(|system| system.waits());
                let fresh = running.filter(|(waiting, watch)| hurried(waiting) && watch.segment > liar.hurried);
                fresh.map(|(_, watch)| (watch.segment, watch.total)).collect()
            }
        };
        for (segment, elapsed) in begun {
            self.hurry(cx, *thread, segment, elapsed);
        }
    }

    fn hurry(&mut self, cx: &mut Cx<'_, Wire>, thread: Thread, segment: Segment, elapsed: Span) {
        let by = self.agent();
        let Some(liar) = &mut self.liar else { return };
        if thread == Thread::System {
            liar.hurried = segment.max(liar.hurried);
        }
        let op = liar.op();
        // The other is known to lie by what it withholds.
        if liar.strategy == Strategy::EarlyStopwatch {
            self.lied();
        }
        let word = Word { by, says: Says::Elapsed { elapsed, segment }, thread };
        let command = Arc::new(Command::Word(word.sign(self.keys.signing())));
        self.register(cx, |half, cx, outs| half.submit(cx, op, thread, command, outs));
    }

    /// Vouches for what it applied before half of the coordinators, and for something else before everyone; whether it does.
    pub(in crate::world::host) fn forks(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        subject: Subject,
        inboxes: &[AgentId],
        draft: &Draft,
        entries: &Arc<[Arc<Applied>]>,
    ) -> bool {
        let Some(liar) = self.liar.as_ref().filter(|liar| liar.strategy == Strategy::Forker) else { return false };
        let Some((other, otherwise)) = forged(draft, entries) else { return false };
        let half: Vec<AgentId> = liar.coordinators.iter().copied().step_by(2).collect();
        // Whoever hears both takes the first.
        if let Some(first) = half.first() {
            self.vouches(cx, (Subject::Inbox(*first), half.clone()), draft.clone(), entries.clone());
        }
        self.vouches(cx, (subject, inboxes.to_vec()), other, otherwise);
        true
    }

    /// Tells coordinators alone what is to be told to all; whether it does.
    pub(in crate::world::host) fn whispers(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        draft: &Draft,
        entries: &Arc<[Arc<Applied>]>,
    ) -> bool {
        let tells = matches!(draft.body, Body::Decide(_) | Body::Finalize(_) | Body::Release(_) | Body::Invalidate(_));
        let whispers = tells && self.strategy() == Some(Strategy::Whisperer);
        if whispers {
            self.vouches(cx, (Subject::Coordinators, Vec::new()), draft.clone(), Arc::clone(entries));
        }
        whispers
    }

    fn vouches(
        &mut self,
        cx: &mut Cx<'_, Wire>,
        to: (Subject, Vec<AgentId>),
        draft: Draft,
        entries: Arc<[Arc<Applied>]>,
    ) {
        let envelope = Arc::new(self.sign(&draft));
        self.recorder.borrow_mut().envelopes += 1;
        self.lied();
        self.brings(cx, to, Message { entries, envelope }, None);
    }
}

/// The same ENTRY, of entries that did something else; nothing if it is no ENTRY.
fn forged(draft: &Draft, entries: &[Arc<Applied>]) -> Option<(Draft, Arc<[Arc<Applied>]>)> {
    let mut content = (**draft).clone();
    let thread = content.thread;
    let Body::Entry(batch) = &mut content.body else { return None };
    let otherwise = |entry: &Arc<Applied>| {
        let outcome = match &entry.outcome {
            Outcome::Did(_) => Outcome::Refused(Reject::NotEntitled),
            Outcome::Refused(_) => Outcome::Did(Vec::new()),
        };
        Arc::new(Applied::new(entry.command, outcome, entry.seq))
    };
    let entries: Arc<[Arc<Applied>]> = entries.iter().map(otherwise).collect();
    batch.links = entries.iter().map(|entry| entry.link(thread)).collect();
    let mut chain = Chain { head: batch.prev, seq: batch.first };
    batch.links.iter().for_each(|link| chain.push(link));
    batch.head = chain.head;
    Some((Draft::new(content), entries))
}
