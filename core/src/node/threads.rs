//! The needs that an agent follows without being a coordinator: their believed records and their plans.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::Base;
use crate::id::{NeedId, Seq, TaskName, Thread};
use crate::node::desk::Desk;
use crate::node::io::{Effect, Message, Note};
use crate::plan::{Document, Taken, View};
use crate::register::{Applied, Believed, Event, Feed};
use crate::reject::Reject;
use crate::slot::Record;
use crate::wire::Envelope;

/// A thread's plan at one of its parties: the signed patches, and what they and the believed entries amount to.
#[derive(Clone)]
pub(super) struct Sheet {
    pub document: Document,
    pub view: View,
    /// The need was never opened: nothing is kept of it.
    void: bool,
}

impl Sheet {
    pub fn new(need: NeedId) -> Self {
        Self { document: Document::new(Thread::Need(need)), view: View::new(), void: false }
    }

    /// Takes a PROPOSE or UPDATE_PLAN. Returns the one that lost its place to it.
    pub fn add(&mut self, envelope: &Arc<Envelope>) -> Result<Option<Arc<Envelope>>, Reject> {
        if self.void {
            return Err(Reject::WrongPhase);
        }
        let lost = match self.document.insert(envelope)? {
            Taken::Known => return Ok(None),
            Taken::New => None,
            Taken::Instead(lost) => Some(lost),
        };
        if let Some(lost) = &lost {
            self.view.drop_patch(lost);
        }
        self.view.add_patch(envelope)?;
        Ok(lost)
    }

    /// Takes what a believed entry did; `record` is the record after it.
    pub fn believe(&mut self, record: &Record, event: &Event) {
        match event {
            Event::Opening { need } => self.view.entitle(need.sender),
            Event::Over { .. } if record.was_denied() => {
                *self = Self { void: true, ..Self::new(record.id) };
            }
            // Whatever the register holds of a plan, the document holds too.
            Event::Proposed { proposal, .. } => {
                let _known_or_new = self.add(proposal);
            }
            Event::Decided { proposal, .. } => {
                self.view.decided(*proposal, record.epoch);
                if let Some(decision) = &record.decision {
                    self.view.entitle(decision.proposal.sender);
                }
                record.tasks.keys().for_each(|task| self.restate(record, task));
            }
            Event::Leased { task, .. } => {
                if let Some(lease) = &record.tasks[task].lease {
                    self.view.entitle(lease.bid.agent);
                }
                self.restate(record, task);
            }
            Event::Granting { task, .. }
            | Event::Released { task, .. }
            | Event::Accepted { task, .. }
            | Event::Seated { task, .. }
            | Event::Settled { task, .. }
            | Event::Paid { task }
            | Event::TaskEnded { task, .. } => self.restate(record, task),
            Event::Final { record: result } => self.restate(record, &result.task),
            Event::Invalidated { task, .. } => {
                self.view.invalidate(task.clone(), record.epoch, record.tasks[task].fence);
                self.restate(record, task);
            }
            _ => {}
        }
    }

    fn restate(&mut self, record: &Record, task: &crate::id::TaskName) {
        let held = &record.tasks[task];
        self.view.restate(task.clone(), record.epoch, held.fence, held.state);
    }
}

/// What a node holds of one need, for whoever compares replicas.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Digest of the plan document's heads.
    pub heads: crate::id::Digest,
    /// The record, as far as this node believes (an agent) or applied (a coordinator).
    pub record: Record,
    /// Digest of the plan's view.
    pub view: crate::id::Digest,
}

impl Holding {
    pub(super) fn of(record: &Record, sheet: &mut Sheet) -> Self {
        Self { heads: sheet.document.heads_digest(), record: record.clone(), view: sheet.view.digest() }
    }
}

/// One followed need.
#[derive(Clone)]
pub(super) struct Followed {
    feed: Feed,
    pub record: Record,
    pub sheet: Sheet,
    /// What was believed before the thread had to be folded anew, until the fold has come as far as both agree.
    void: Option<Box<Void>>,
}

/// A belief that reaches further than what was kept of a lost register.
#[derive(Clone)]
struct Void {
    /// How far both agree.
    kept: Seq,
    /// How far it reached.
    lost: Seq,
    record: Record,
}

/// All followed needs.
#[derive(Clone, Default)]
pub(super) struct Threads {
    pub followed: BTreeMap<NeedId, Followed>,
    /// Needs that were folded anew as far as what was kept, since somebody asked.
    reconciled: Vec<NeedId>,
    /// Followed needs of which something found no room to wait in for those who found the register anew.
    missed: BTreeSet<NeedId>,
}

impl Followed {
    fn new(need: NeedId) -> Self {
        Self { feed: Feed::new(Thread::Need(need)), record: Record::new(need), sheet: Sheet::new(need), void: None }
    }
}

impl Threads {
    /// Starts to receive a need's conversation from its beginning.
    pub fn follow(&mut self, desk: &mut Desk, need: NeedId) {
        self.followed.entry(need).or_insert_with(|| {
            desk.effect(Effect::Follow(need));
            Followed::new(need)
        });
    }

    /// The register was founded anew on `base`: whatever was believed beyond it is void, and its thread is folded anew, in
    /// silence as far as both agree.
    pub fn refound(&mut self, desk: &mut Desk, base: &Base) {
        for (need, followed) in &mut self.followed {
            let (kept, chain) = (base.of(Thread::Need(*need)), followed.feed.chain());
            if chain.seq < kept.seq || chain == kept {
                continue;
            }
            let record = core::mem::replace(&mut followed.record, Record::new(*need));
            *followed = Followed::new(*need);
            followed.void = Some(Box::new(Void { kept: kept.seq, lost: chain.seq, record }));
            desk.effect(Effect::Unfollow(*need));
            desk.effect(Effect::Follow(*need));
            if let Some(note) = followed.reconcile(*need) {
                desk.emit(note);
                self.reconciled.push(*need);
            }
        }
    }

    /// What was said of a need by somebody unknown is lost here.
    pub fn miss(&mut self, need: NeedId) {
        if self.followed.contains_key(&need) {
            self.missed.insert(need);
        }
    }

    /// What was lost may be heard now: whatever was said of these needs is fetched again.
    pub fn fetch_missed(&mut self, desk: &mut Desk) {
        for need in core::mem::take(&mut self.missed) {
            desk.effect(Effect::Unfollow(need));
            desk.effect(Effect::Follow(need));
        }
    }

    /// The needs whose fold has come as far as what was kept, since the last call.
    pub fn take_reconciled(&mut self) -> Vec<NeedId> {
        core::mem::take(&mut self.reconciled)
    }

    pub fn record(&self, need: &NeedId) -> Option<&Record> {
        self.followed.get(need).map(|f| &f.record)
    }

    /// What is held of each need.
    pub fn holdings(&mut self) -> Vec<(NeedId, Holding)> {
        self.followed.iter_mut().map(|(need, f)| (*need, Holding::of(&f.record, &mut f.sheet))).collect()
    }

    /// Takes an ENTRY of a followed need and returns what has become believed, folded already.
    pub fn vouch(&mut self, desk: &mut Desk, message: &Message) -> Result<Vec<(NeedId, Seq, Event)>, Reject> {
        let Thread::Need(need) = message.envelope.thread else { return Ok(Vec::new()) };
        let Some(followed) = self.followed.get_mut(&need) else { return Ok(Vec::new()) };
        if !desk.roster.is_member(&message.envelope.sender) {
            return Err(Reject::NotEntitled);
        }
        let (voices, believe_at) = (desk.roster.voices(), desk.roster.believe_at);
        followed.feed.vouch(voices, believe_at, &message.envelope, &message.entries)?;
        let mut news = Vec::new();
        while let Some(Believed { entry, link, .. }) = followed.feed.poll(desk.roster.voices(), believe_at) {
            followed.fold(&entry);
            if followed.void.is_some() {
                if let Some(note) = followed.reconcile(need) {
                    desk.emit(note);
                    self.reconciled.push(need);
                }
                continue;
            }
            desk.emit(Note::Believed { entry: Arc::clone(&entry), link, thread: Thread::Need(need) });
            news.extend(entry.outcome.events().iter().map(|event| (need, entry.seq, event.clone())));
        }
        Ok(news)
    }
}

impl Followed {
    /// What is void, once the fold has come as far as what was kept.
    fn reconcile(&mut self, need: NeedId) -> Option<Note> {
        let reached = self.feed.chain().seq;
        let Void { kept, lost, record } = *self.void.take_if(|void| void.kept <= reached)?;
        let now = &self.record;
        let decided = |record: &Record| record.decision.as_ref().map(|d| (record.epoch, d.proposal.id()));
        let orphaned = decided(&record).filter(|old| decided(now) != Some(*old));
        let stands = |name: &TaskName| now.tasks.get(name).and_then(|task| task.record.as_ref());
        let attested = record.tasks.iter().filter_map(|(name, task)| {
            task.record.as_ref().filter(|record| orphaned.is_some() || stands(name) != Some(record))
        });
        let salvaged = attested.flat_map(|record| record.outputs.values().copied()).collect();
        Some(Note::Reconciled { kept, lost, need, orphaned, salvaged })
    }

    fn fold(&mut self, entry: &Applied) {
        for (event, at) in entry.outcome.events().iter().zip(0..) {
            self.record.fold(entry.seq, at, event);
            self.sheet.believe(&self.record, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testkit::{note, thread, update};
    use crate::register::Ending;

    /// Who comes to a register that is founded anew may say a word on every thread before its whole base has come here.
    #[test]
    fn what_found_no_room_to_wait_for_a_base_is_fetched_again_once() {
        let (mut desk, mut threads) = (Desk::of_nobody(), Threads::default());
        let need = |n: u8| NeedId(crate::id::Cid::of(&[n]));
        let mut told = |threads: &mut Threads, missed: &[u8]| {
            missed.iter().for_each(|n| threads.miss(need(*n)));
            threads.fetch_missed(&mut desk);
            let follows = core::iter::from_fn(|| desk.poll_effect()).map(|effect| match effect {
                Effect::Follow(need) => (need, true),
                Effect::Unfollow(need) => (need, false),
                other => panic!("{other:?}"),
            });
            follows.collect::<Vec<_>>()
        };
        assert_eq!(told(&mut threads, &[1, 2]), [], "nobody here follows them");
        for n in [1, 2] {
            threads.followed.insert(need(n), Followed::new(need(n)));
        }
        assert_eq!(told(&mut threads, &[2, 3, 2]), [(need(2), false), (need(2), true)]);
        assert_eq!(told(&mut threads, &[]), []);
    }

    #[test]
    fn nothing_is_kept_of_a_plan_whose_need_was_never_opened() {
        let Thread::Need(need) = thread() else { panic!("the kit has a need") };
        let opening = Event::Opening {
            need: crate::plan::testkit::sealed(1, 1, crate::wire::Body::Need(crate::plan::testkit::need())),
        };
        let over = Event::Over { ending: Ending::Failed };
        let mut sheets = [Sheet::new(need), Sheet::new(need)];
        let remark = update(1, 1, alloc::vec![note("a", "k", "v")]);
        assert_eq!(sheets[0].add(&remark), Ok(None));
        let mut record = Record::new(need);
        for event in [&opening, &over] {
            record.fold(Seq(1), 0, event);
            sheets.iter_mut().for_each(|sheet| sheet.believe(&record, event));
        }
        assert!(record.was_denied());
        assert_eq!(sheets[1].add(&remark), Err(Reject::WrongPhase), "whether it came before or after");
        let digests = |sheet: &Sheet| (sheet.document.heads_digest(), sheet.view.digest());
        assert_eq!(digests(&sheets[0]), digests(&sheets[1]));
        assert_eq!(sheets[0].document.patches().len(), 0);
    }
}
