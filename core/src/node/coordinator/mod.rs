//! A member of the register: applies entries, vouches for them, holds the stopwatches, and carries what agents sign into
//! the register as evidence.
//!
//! It acts on what it applied where any coordinator may act and the register will judge (submissions), and on what it
//! believes where it speaks to others (DECIDE, FINALIZE, RELEASE, SETTLE, and asks carried between threads).

mod apply;
mod belief;
mod duties;
mod seats;
mod votes;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Params, ms};
use crate::id::{AgentId, Digest, Fence, NeedId, Segment, Seq, TaskName, Thread, label};
use crate::members::{Mandate, Voices};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::duty::{Duties, What, name};
use crate::node::early::Early;
use crate::node::has_a_stake;
use crate::node::io::{Message, Note, Subject};
use crate::node::lane::Lane;
use crate::node::threads::{Holding, Sheet};
use crate::node::timer::Timer;
use crate::plan::TaskState;
use crate::quorum::votes_of;
use crate::register::{Applied, Believed, Chain, Command, Entry, Event, Outcome, Proof, Says, Submission, Word};
use crate::reject::Reject;
use crate::slot::{Dispute, Phase, Record, Registry as _, Waiting};
use crate::system::System;
use crate::time::{Instant, Span};
use crate::wire::{Body, Decide, Deny, Envelope, Invalidate, NewMember, Release, Settle, Verdict};
use belief::{called, registered};
use votes::Choice;

/// Agents told of a refusal within a second.
const DENIED_MAX: usize = 1_024;

/// One need at a coordinator.
#[derive(Clone)]
struct Slot {
    lane: Lane,
    record: Record,
    /// The record as far as it is believed: what others are told.
    believed: Record,
    sheet: Sheet,
    /// Envelopes that may yet take effect.
    early: Early,
    /// Votes not yet counted: for a plan under no task, for a result under its task.
    ballots: BTreeMap<(Choice, AgentId), Arc<Envelope>>,
    /// The approvals that decided.
    approvals: Vec<Arc<Envelope>>,
    /// Entries that wait for the system thread to come as far as they cite.
    held: VecDeque<Entry>,
}

impl Slot {
    fn new(need: NeedId, lane: Lane) -> Self {
        Self {
            lane,
            record: Record::new(need),
            believed: Record::new(need),
            sheet: Sheet::new(need),
            early: Early::default(),
            ballots: BTreeMap::new(),
            approvals: Vec::new(),
            held: VecDeque::new(),
        }
    }

    /// Whether `command` would take effect as the next entry.
    fn check(&self, command: &Command, system: &System) -> Result<(), Reject> {
        self.record.check(self.lane.chain.seq.next(), command, system)
    }
}

/// The coordinator's part of a node.
#[derive(Clone)]
pub(super) struct Coordinator {
    system: System,
    lane: Lane,
    slots: BTreeMap<NeedId, Slot>,
    duties: Duties,
    /// Its seat among so many, which is also its place in line.
    place: usize,
    of: usize,
    /// Where the system thread gave it its seat; a founder has it from the start. Before that it only listens: whoever comes
    /// late has no part in what went on without it.
    seated: Option<Seq>,
    /// Newcomers that entries of the register named since the last time somebody asked.
    newcomers: Vec<Arc<Mandate>>,
    /// When each agent was last told of a refusal.
    denied: BTreeMap<AgentId, Instant>,
    /// The round revealed in last.
    revealed: u32,
    /// The chain asked for last, by the round it counts from.
    anchored: u32,
    /// Needs that ended since the last time somebody asked.
    ended: Vec<NeedId>,
}

impl Coordinator {
    pub fn new(desk: &mut Desk) -> Self {
        let genesis = Arc::clone(&desk.setup.genesis);
        let voices = desk.roster.voices();
        let (place, of) = (voices.seat(&desk.me()).expect("only a member is a coordinator"), voices.seats());
        let mut system = System::new(Arc::clone(&genesis)).on(desk.roster.bases());
        desk.emit(Note::Booked { bookings: system.take_bookings(), seq: Seq(0) });
        desk.emit(Note::Pool(system.pool()));
        let mut lane = Lane::new(Thread::System, place, of, desk.roster.believe_at);
        lane.watch(desk, system.waits().iter());
        Self {
            seated: genesis.is_coordinator(&desk.me()).then_some(Seq(0)),
            newcomers: Vec::new(),
            system,
            lane,
            slots: BTreeMap::new(),
            duties: Duties::default(),
            place,
            of,
            denied: BTreeMap::new(),
            revealed: 0,
            anchored: 0,
            ended: Vec::new(),
        }
    }

    /// Whether a need is held: its NEED was heard, or the register or a member spoke of it.
    pub fn knows(&self, need: &NeedId) -> bool {
        self.slots.contains_key(need)
    }

    /// Whether it is believed that a need has ended.
    pub fn has_ended(&self, need: &NeedId) -> bool {
        self.slots.get(need).is_some_and(|slot| slot.believed.is_over())
    }

    /// The needs of which that has become believed since the last call.
    pub fn take_ended(&mut self) -> Vec<NeedId> {
        core::mem::take(&mut self.ended)
    }

    /// Newcomers to the register, by mandates that entries made known since the last call.
    pub fn take_newcomers(&mut self) -> Vec<Arc<Mandate>> {
        core::mem::take(&mut self.newcomers)
    }

    pub fn system(&self) -> &System {
        &self.system
    }

    /// How far each thread has come here in which anything was applied.
    pub fn chains(&self) -> impl Iterator<Item = (Thread, Chain)> + '_ {
        let needs = self.slots.iter().map(|(need, slot)| (Thread::Need(*need), slot.lane.chain));
        needs.chain([(Thread::System, self.lane.chain)]).filter(|(_, chain)| chain.seq > Seq(0))
    }

    /// What is held of each need.
    pub fn holdings(&mut self) -> Vec<(NeedId, Holding)> {
        self.slots.iter_mut().map(|(need, slot)| (*need, Holding::of(&slot.record, &mut slot.sheet))).collect()
    }

    /// Whether every need has ended as far as it is believed, and nothing is left to be done. A thread in which nothing was
    /// ever applied is no need: anyone can name one.
    pub fn is_quiet(&self) -> bool {
        let rests =
            |slot: &Slot| slot.believed.is_over() || (slot.record.phase == Phase::Absent && slot.held.is_empty());
        self.duties.is_empty() && self.slots.values().all(rests)
    }

    fn slot(&mut self, need: NeedId) -> &mut Slot {
        let (place, of) = (self.place, self.of);
        let believe_at = self.system.params().believe_at(of);
        let lane = || Lane::new(Thread::Need(need), place, of, believe_at);
        self.slots.entry(need).or_insert_with(|| Slot::new(need, lane()))
    }

    /// After a boot: stopwatches go on, open submissions are made again.
    pub fn boot(&mut self, desk: &mut Desk) {
        self.lane.reboot(desk, self.system.waits().iter());
        for slot in self.slots.values_mut() {
            slot.lane.reboot(desk, slot.record.waits.iter());
        }
        // Moments on the clock of an earlier boot: compared with this one's they would silence it for as long as that lasted.
        self.denied.clear();
        (self.revealed, self.anchored) = (0, 0);
        self.look_at_round(desk);
        self.look_at_pool(desk);
    }

    /// Takes an envelope.
    pub fn hear(&mut self, desk: &mut Desk, message: &Message) -> Result<(), Reject> {
        let envelope = &message.envelope;
        let from_member = desk.roster.is_member(&envelope.sender);
        match (&envelope.body, envelope.thread) {
            (Body::Entry(_), thread) => {
                if !from_member {
                    return Err(Reject::NotEntitled);
                }
                match thread {
                    Thread::System => self.lane.hear(desk, message)?,
                    Thread::Need(need) => self.slot(need).lane.hear(desk, message)?,
                }
                self.believe(desk, thread);
            }
            (
                body @ (Body::Decide(_)
                | Body::Finalize(_)
                | Body::Settle(_)
                | Body::Release(_)
                | Body::Invalidate(_)
                | Body::Snapshot(_)
                | Body::Member(_)),
                _,
            ) => {
                if !from_member {
                    return Err(Reject::NotEntitled);
                }
                let key = name(envelope.thread, (envelope.epoch, envelope.fence), body);
                let liars = self.system.params().liars_max as usize;
                self.duties.heard(desk, &key, envelope.sender, liars);
            }
            (Body::UpdatePlan(_), Thread::Need(need)) => {
                if let Some(lost) = self.slot(need).sheet.add(envelope)? {
                    self.deny(desk, &lost, Reject::NoRoom);
                }
            }
            (Body::AttestPlan(_) | Body::Attest(_) | Body::Verdict(_), Thread::Need(need)) => {
                self.vote(desk, need, envelope)?;
            }
            (Body::Deny(_) | Body::Refuse(_), _) => {}
            (_, Thread::Need(need)) => self.offer(desk, need, envelope)?,
            (_, Thread::System) => {
                let command = Command::Act(Arc::clone(envelope));
                // Whoever has not heard of the newest policy is told that there is one.
                if let Err(reject @ Reject::EngineMismatch) = self.system.check(self.lane.chain.seq.next(), &command) {
                    return Err(reject);
                }
                self.submit(desk, Thread::System, command);
            }
        }
        Ok(())
    }

    /// An agent's envelope that may become a command: at once, later, or never.
    fn offer(&mut self, desk: &mut Desk, need: NeedId, envelope: &Arc<Envelope>) -> Result<(), Reject> {
        self.slot(need);
        let slot = &self.slots[&need];
        if let Body::Heartbeat(beat) = &envelope.body {
            // One renewal a stretch is all there is room for: of each it is asked for from half on, as this coordinator's own
            // stopwatch has it, so that whoever falls silent holds on for no more than another.
            let waiting = Waiting::Lease(beat.task.clone());
            if slot.lane.progress_bp(desk.now.mono, &waiting) < 5_000 {
                return Ok(());
            }
        }
        let command = Command::Act(Arc::clone(envelope));
        match slot.check(&command, &self.system) {
            Ok(()) => self.submit(desk, Thread::Need(need), command),
            Err(reject) if may_pass(&slot.record, self.system.params(), envelope, reject) => {
                let favoured = has_a_stake(desk, Some(self), &envelope.sender);
                match self.slot(need).early.keep(envelope, favoured) {
                    Some(lost) if lost.id() == envelope.id() => return Err(Reject::NoRoom),
                    Some(lost) => self.deny(desk, &lost, Reject::NoRoom),
                    None => {}
                }
            }
            // A bid that is not better is no offence, and a heartbeat at the end of the stretched lease is not either.
            Err(Reject::NotBetter | Reject::Duplicate) => {}
            Err(_) if matches!(envelope.body, Body::Heartbeat(_)) => {}
            Err(reject) => return Err(reject),
        }
        Ok(())
    }

    /// A timer of this coordinator is due.
    pub fn wake(&mut self, desk: &mut Desk, timer: &Timer) {
        match timer {
            Timer::Duty(key) => self.do_duty(desk, key),
            // It vouches when it has its seat.
            Timer::Batch(_) if self.seated.is_none() => {}
            Timer::Batch(Thread::System) => self.lane.vouch(desk, Subject::Coordinators, registered),
            Timer::Batch(Thread::Need(need)) => {
                self.slot(*need).lane.vouch(desk, Subject::Thread(*need), called);
            }
            // Nobody counts its reports before it has its seat in that thread.
            Timer::Watch(thread, _) if !self.voices(*thread).holds(&desk.me()) => {
                desk.wake_in(ms(desk.setup.local.stagger_ms), timer.clone());
            }
            // A dispute that is on its way stops the window that it is about: nobody says meanwhile that it is over.
            Timer::Watch(Thread::Need(need), segment) if self.is_disputed(*need, *segment) => {
                desk.wake_in(ms(desk.setup.local.stagger_ms), timer.clone());
            }
            Timer::Watch(thread, segment) => {
                let lane = match thread {
                    Thread::System => &mut self.lane,
                    Thread::Need(need) => &mut self.slot(*need).lane,
                };
                if let Some(report) = lane.report(desk, *segment) {
                    self.submit(desk, *thread, Submission::Own(report));
                }
            }
            Timer::Snapshot => {
                let number = self.system.number() + 1;
                if self.system.is_dirty() {
                    self.submit(desk, Thread::System, Command::Snapshot { number });
                }
            }
            _ => {}
        }
    }

    /// Tells a sender that it was refused: one coordinator does, and not too often (T10).
    pub fn deny(&mut self, desk: &mut Desk, envelope: &Envelope, reject: Reject) {
        desk.emit(Note::Refused { envelope: envelope.id(), reject });
        let first = envelope.id().0.prefix() % self.of as u64 == self.place as u64;
        let again = self.denied.get(&envelope.sender).is_some_and(|at| desk.now.mono.since(*at) < Span::from_secs(1));
        if !first || again || desk.roster.is_member(&envelope.sender) {
            return;
        }
        if self.denied.len() >= DENIED_MAX {
            self.denied.retain(|_, at| desk.now.mono.since(*at) < Span::from_secs(1));
            if self.denied.len() >= DENIED_MAX {
                return;
            }
        }
        self.denied.insert(envelope.sender, desk.now.mono);
        let body = Deny { envelope: envelope.id(), reason: label(reject.as_str()) };
        let mut saying = Saying::new(Subject::Inbox(envelope.sender), envelope.thread, Body::Deny(body));
        saying.target = Some(envelope.sender);
        desk.say(saying);
    }
}

/// Whether an envelope refused now may take effect later: it acts under a token or in a phase that this coordinator has not
/// reached.
fn may_pass(record: &Record, params: &Params, envelope: &Envelope, reject: Reject) -> bool {
    if record.is_over() {
        return false;
    }
    match reject {
        // An epoch that no generation ever reaches never comes.
        Reject::StaleEpoch => {
            envelope.epoch.is_some_and(|epoch| epoch > record.epoch && epoch.counter() <= params.epochs_max)
        }
        Reject::StaleFence => {
            let task = match &envelope.body {
                Body::Claim(b) => &b.task,
                Body::Heartbeat(b) => &b.task,
                Body::Yield(b) => &b.task,
                Body::Commit(b) => &b.task,
                Body::Challenge(b) => &b.task,
                Body::Unmask(b) => &b.task,
                _ => return false,
            };
            record.tasks.get(task).is_some_and(|t| envelope.fence > Some(t.fence))
        }
        Reject::NoSuchThing => record.decision.is_none(),
        Reject::WrongPhase => match &envelope.body {
            // A window for proposals opens with the voters of an epoch, as long as there is nothing to vote for.
            Body::Propose(_) => record.phase <= Phase::Open && record.voters.is_empty() && record.candidates.is_empty(),
            // What it is about may not be final here yet, or another dispute has to end first.
            Body::Challenge(challenge) => record
                .tasks
                .get(&challenge.task)
                .is_some_and(|t| t.dispute.is_some() || matches!(t.state, TaskState::Drawing | TaskState::Verifying)),
            // Nor may it have been found wrong here yet.
            Body::Unmask(unmask) => record
                .tasks
                .get(&unmask.task)
                .is_some_and(|t| t.dispute.is_some() || matches!(t.state, TaskState::Drawing | TaskState::Verifying)),
            Body::Claim(claim) => {
                record.decision.is_none() || record.tasks.get(&claim.task).is_some_and(|t| t.state == TaskState::Idle)
            }
            // The grant of this very fence is on its way.
            Body::Commit(_) | Body::Heartbeat(_) | Body::Yield(_) => {
                let task = match &envelope.body {
                    Body::Commit(b) => &b.task,
                    Body::Heartbeat(b) => &b.task,
                    Body::Yield(b) => &b.task,
                    _ => return false,
                };
                record.tasks.get(task).is_some_and(|t| t.state == TaskState::Granting)
            }
            _ => false,
        },
        _ => false,
    }
}
