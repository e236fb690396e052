//! What any coordinator may do, and one should: the first in line does it at once, each further one waits a little longer
//! and stands down when it sees it done. Of what is said it takes more to be done where some may lie (`chorus`).
//!
//! Who is first is drawn per duty from its key, so no coordinator carries more than its share and no single one is needed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use crate::config::ms;
use crate::id::{AgentId, Digest, Epoch, Fence, Thread};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::timer::Timer;
use crate::register::{Command, Says, Submission};
use crate::time::Span;
use crate::wire::Body;

/// Something to be done until it is done.
#[derive(Clone)]
pub(super) enum What {
    /// Have it ordered: submit it until it was applied, or would have no effect.
    Submit { thread: Thread, wish: Submission },
    /// Say something once.
    Say(Arc<Saying>),
}

/// What a coordinator has taken on.
#[derive(Clone, Default)]
pub(super) struct Duties {
    open: BTreeMap<Digest, Duty>,
}

/// One thing that it has taken on.
#[derive(Clone)]
struct Duty {
    what: What,
    /// How often it was tried.
    attempts: u32,
    /// Who has said it.
    said: BTreeSet<AgentId>,
}

impl Duties {
    /// Takes on a submission.
    pub fn submit(&mut self, desk: &mut Desk, place: usize, of: usize, thread: Thread, wish: Submission) {
        let key = match &wish {
            Submission::Ready(command) => key(thread, command, &command.id()),
            Submission::Own(word) => own(thread, &word.id()),
        };
        let rank = match &wish {
            Submission::Ready(_) => rank(&key, place, of),
            Submission::Own(word) => match word.says {
                // Everybody times a wait, and a majority's word ends it.
                Says::Elapsed { segment, .. } => {
                    rank(&Digest::of_json("swarm/segment", &(thread, segment)), place, of).saturating_sub(of / 2)
                }
                // What else is a coordinator's own word has no line to stand in.
                Says::Anchor { .. } | Says::Reveal { .. } => 0,
            },
        };
        self.take(desk, key, rank, What::Submit { thread, wish });
    }

    /// What is open under the name of `command`, whose id this is.
    pub fn find(&self, thread: Thread, command: &Command, id: &Digest) -> Option<(Digest, &Submission)> {
        let key = key(thread, command, id);
        match &self.open.get(&key)?.what {
            // Other votes on the same thing may still count where these did not.
            What::Submit { wish: Submission::Ready(own), .. }
                if matches!(**own, Command::Count(_)) && own.id() != *id =>
            {
                None
            }
            What::Submit { wish, .. } => Some((key, wish)),
            What::Say(_) => None,
        }
    }

    /// Takes on a saying, known to all coordinators by its thread and body.
    pub fn say(&mut self, desk: &mut Desk, place: usize, of: usize, saying: Saying) {
        let key = name(saying.thread, (saying.epoch, saying.fence), &saying.body);
        self.take(desk, key, rank(&key, place, of), What::Say(Arc::new(saying)));
    }

    fn take(&mut self, desk: &mut Desk, key: Digest, rank: usize, what: What) {
        if self.open.contains_key(&key) {
            return;
        }
        let stagger = ms(desk.setup.local.stagger_ms);
        self.open.insert(key, Duty { what, attempts: 0, said: BTreeSet::new() });
        desk.wake_in(Span(stagger.0.saturating_mul(rank as u64)), Timer::Duty(key));
    }

    /// The duty that is due; it stays open. Says how often it was tried before.
    pub fn due(&mut self, key: &Digest) -> Option<(What, u32)> {
        let duty = self.open.get_mut(key)?;
        duty.attempts += 1;
        Some((duty.what.clone(), duty.attempts))
    }

    /// Somebody did it, or it has no effect any more.
    pub fn done(&mut self, desk: &mut Desk, key: &Digest) {
        if self.open.remove(key).is_some() {
            desk.cancel(&Timer::Duty(*key));
        }
    }

    /// `by` has said it; where `liars` may lie, and so say it to some alone, as many have to as leave more than those beside them.
    pub fn heard(&mut self, desk: &mut Desk, key: &Digest, by: AgentId, liars: usize) {
        let Some(duty) = self.open.get_mut(key) else { return };
        duty.said.insert(by);
        if duty.said.len() > 2 * liars || planted(Mutant::OneAnnounces) {
            self.done(desk, key);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// All open duties that submit to `thread`.
    pub fn submissions(&self, thread: Thread) -> impl Iterator<Item = (Digest, &Submission)> + '_ {
        self.open.iter().filter_map(move |(key, duty)| match &duty.what {
            What::Submit { thread: at, wish } if *at == thread => Some((*key, wish)),
            _ => None,
        })
    }
}

/// The name of a submission: commands that say the same in two threads are two. Votes on one thing are one thing to count,
/// although each coordinator has heard others of them.
fn key(thread: Thread, command: &Command, id: &Digest) -> Digest {
    match command {
        Command::Count(votes) => {
            let task = votes.first().and_then(|vote| match &vote.body {
                Body::Attest(attest) => Some((vote.verb(), &attest.task)),
                Body::Verdict(ruling) => Some((vote.verb(), &ruling.task)),
                _ => None,
            });
            Digest::of_json("swarm/count", &(thread, task))
        }
        _ => own(thread, id),
    }
}

/// The name of a submission that only its command's id tells apart.
fn own(thread: Thread, id: &Digest) -> Digest {
    Digest::of_json("swarm/submission", &(thread, id))
}

/// This coordinator's place in line for a duty.
pub(super) fn rank(key: &Digest, place: usize, of: usize) -> usize {
    (place + of - (key.prefix() % of as u64) as usize) % of
}

/// The name under which every coordinator knows a saying. What is said of a task's next attempt may read like what was said of
/// the one before: the tokens tell them apart.
pub(super) fn name(thread: Thread, tokens: (Option<Epoch>, Option<Fence>), body: &Body) -> Digest {
    Digest::of_json("swarm/duty", &(thread, tokens, body.verb(), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NeedId, Nonce, label};
    use crate::node::io::Subject;
    use crate::wire::{Release, ReleaseReason};
    use alloc::vec::Vec;

    /// A lease of one task that expires twice is released twice, also where the first word comes again.
    #[test]
    fn what_was_said_of_one_attempt_is_not_said_of_the_next() {
        let (mut desk, mut duties) = (Desk::of_nobody(), Duties::default());
        let need = NeedId::of(&AgentId([1; 32]), Nonce(1));
        let release = |fence: u64| {
            let body = Body::Release(Release { reason: ReleaseReason::Expired, task: label("t") });
            Saying::new(Subject::MarketTask, Thread::Need(need), body).epoch(Epoch::FIRST).fence(Fence(fence))
        };
        (1..=2).for_each(|fence| duties.say(&mut desk, 0, 1, release(fence)));
        assert_eq!(duties.open.len(), 2, "the second is no copy of the first");
        let heard = release(1);
        duties.done(&mut desk, &name(heard.thread, (heard.epoch, heard.fence), &heard.body));
        let left: Vec<_> = duties.open.values().collect();
        assert!(matches!(&left[..], [Duty { what: What::Say(saying), .. }] if saying.fence == Some(Fence(2))));
    }
}
