//! A member of the register: applies entries, vouches for them, holds the stopwatches, and carries what agents sign into
//! the register as evidence.
//!
//! It acts on what it applied where any coordinator may act and the register will judge (submissions), and on what it
//! believes where it speaks to others (DECIDE, FINALIZE, RELEASE, SETTLE, and asks carried between threads).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Params, ms};
use crate::id::{AgentId, Digest, Fence, NeedId, Seq, TaskName, Thread, label};
use crate::members::{Mandate, Voices};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::duty::{Duties, What, key, name};
use crate::node::early::Early;
use crate::node::has_a_stake;
use crate::node::io::{Message, Note, Subject};
use crate::node::lane::Lane;
use crate::node::threads::{Holding, Sheet};
use crate::node::timer::Timer;
use crate::plan::TaskState;
use crate::quorum::votes_of;
use crate::register::{Applied, Believed, Chain, Command, Entry, Event, Outcome, Proof};
use crate::reject::Reject;
use crate::slot::{Phase, Record, Registry as _, Waiting};
use crate::system::System;
use crate::time::{Instant, Span};
use crate::wire::{Body, Decide, Deny, Envelope, NewMember, Release, Settle, Verdict};

/// Votes on one need kept until they count.
const BALLOTS_MAX: usize = 256;

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
    ballots: BTreeMap<(Option<TaskName>, AgentId), Arc<Envelope>>,
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
        let mut system = System::new(Arc::clone(&genesis));
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

    fn submit(&mut self, desk: &mut Desk, thread: Thread, command: Command) {
        if self.seated.is_some() {
            self.duties.submit(desk, self.place, self.of, thread, command);
        }
    }

    fn say(&mut self, desk: &mut Desk, saying: Saying) {
        if self.seated.is_some() {
            self.duties.say(desk, self.place, self.of, saying);
        }
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
                | Body::Snapshot(_)
                | Body::Member(_)),
                _,
            ) => {
                if !from_member {
                    return Err(Reject::NotEntitled);
                }
                self.duties.done(desk, &name(envelope.thread, body));
            }
            (Body::UpdatePlan(_), Thread::Need(need)) => self.slot(need).sheet.add(envelope)?,
            (Body::AttestPlan(_) | Body::Attest(_), Thread::Need(need)) => self.vote(desk, need, envelope)?,
            (Body::Deny(_) | Body::Refuse(_), _) => {}
            (_, Thread::Need(need)) => self.offer(desk, need, envelope)?,
            (_, Thread::System) => self.submit(desk, Thread::System, Command::Act(Arc::clone(envelope))),
        }
        Ok(())
    }

    /// An agent's envelope that may become a command: at once, later, or never.
    fn offer(&mut self, desk: &mut Desk, need: NeedId, envelope: &Arc<Envelope>) -> Result<(), Reject> {
        self.slot(need);
        let slot = &self.slots[&need];
        if let Body::Heartbeat(beat) = &envelope.body {
            // A lease renewed early loses what was left of it. From half on, as this coordinator's own stopwatch has it, the
            // renewals that the stretched eta allows last for the eta.
            let waiting = Waiting::Lease(beat.task.clone());
            if slot.lane.progress_bp(desk.now.mono, &waiting) < 5_000 {
                return Ok(());
            }
        }
        let command = Command::Act(Arc::clone(envelope));
        match slot.record.check(&command, &self.system) {
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

    fn vote(&mut self, desk: &mut Desk, need: NeedId, envelope: &Arc<Envelope>) -> Result<(), Reject> {
        let task = match &envelope.body {
            Body::Attest(attest) => Some(attest.task.clone()),
            _ => None,
        };
        let slot = self.slot(need);
        let of = task.as_ref().and_then(|task| slot.record.tasks.get(task));
        if of.is_some_and(|t| {
            let over = t.state > TaskState::Verifying || t.state == TaskState::Idle;
            envelope.fence < Some(t.fence) || (envelope.fence == Some(t.fence) && over)
        }) {
            desk.mark("verdict-late");
        }
        let slot = self.slot(need);
        // Strangers can fill the box with votes that never count; they make room for those that do.
        if slot.ballots.len() >= BALLOTS_MAX && counts(&slot.record, task.as_ref(), envelope) {
            let Slot { ballots, record, .. } = slot;
            if let Some(idle) = ballots.iter().find(|((of, _), vote)| !counts(record, of.as_ref(), vote)) {
                let idle = idle.0.clone();
                ballots.remove(&idle);
            }
        }
        if slot.ballots.len() >= BALLOTS_MAX {
            return Err(Reject::NoRoom);
        }
        // The later vote of one voter stands for a later epoch or attempt; within one, apply counts the first only.
        let newer = |old: &Arc<Envelope>| (old.epoch, old.fence) < (envelope.epoch, envelope.fence);
        let key = (task.clone(), envelope.sender);
        if slot.ballots.get(&key).is_none_or(newer) {
            slot.ballots.insert(key, Arc::clone(envelope));
        }
        self.count(desk, need, task);
        Ok(())
    }

    /// Submits the votes on a plan (no task) or a result, if they decide.
    fn count(&mut self, desk: &mut Desk, need: NeedId, task: Option<TaskName>) {
        let slot = &self.slots[&need];
        let record = &slot.record;
        let (seats, k) = match &task {
            None => (&record.voters, record.k_plan),
            Some(task) => match record.tasks.get(task) {
                Some(t) => (&t.seats, t.k_result),
                None => return,
            },
        };
        let votes: Vec<&Arc<Envelope>> = (slot.ballots.iter())
            .filter(|((of, _), vote)| *of == task && counts(record, task.as_ref(), vote))
            .map(|(_, vote)| vote)
            .collect();
        if votes.is_empty() {
            return;
        }
        let mut choices: BTreeMap<Digest, Vec<Arc<Envelope>>> = BTreeMap::new();
        for vote in &votes {
            let choice = match &vote.body {
                Body::AttestPlan(attest) => Digest::of_json("choice", &attest.proposal),
                Body::Attest(attest) => Digest::of_json("choice", &(attest.verdict, attest.commit)),
                _ => continue,
            };
            choices.entry(choice).or_default().push(Arc::clone(vote));
        }
        let most = choices.into_values().max_by_key(Vec::len).unwrap_or_default();
        let k = k as usize;
        let mut evidence = if votes_of(most.len()) >= k {
            most
        } else if most.len() + (seats.len() - votes.len()) < k {
            votes.into_iter().cloned().collect()
        } else {
            return;
        };
        evidence.sort_unstable_by_key(|vote| vote.id());
        if most_len_reached(&evidence, k) {
            evidence.truncate(k);
        }
        let command = Command::Count(evidence);
        if slot.record.check(&command, &self.system).is_ok() {
            self.submit(desk, Thread::Need(need), command);
        }
    }

    /// The register put an entry in its place.
    pub fn applied(&mut self, desk: &mut Desk, entry: Entry) {
        match entry.thread {
            Thread::System => {
                self.apply_system(desk, &entry);
                // Entries that cite the system thread may have waited for this one.
                let waiting: Vec<NeedId> =
                    self.slots.iter().filter(|(_, slot)| !slot.held.is_empty()).map(|(need, _)| *need).collect();
                waiting.into_iter().for_each(|need| self.apply_held(desk, need));
            }
            Thread::Need(need) => {
                self.slot(need).held.push_back(entry);
                self.apply_held(desk, need);
            }
        }
    }

    fn apply_held(&mut self, desk: &mut Desk, need: NeedId) {
        loop {
            let reached = self.lane.chain.seq;
            let slot = self.slot(need);
            let Some(entry) = slot.held.front().cloned() else { return };
            let expected = slot.lane.chain.seq.next();
            if entry.seq != expected {
                assert!(entry.seq < expected, "the register hands entries over in order");
                slot.held.pop_front();
                continue;
            }
            if let Command::Relay(proof) = &*entry.command
                && proof.thread == Thread::System
                && proof.entry.seq > reached
                && self.convinces(Thread::Need(need), &entry.command)
            {
                // What is proved comes; what is only claimed is not waited for, or one liar would stop the thread.
                return;
            }
            self.slot(need).held.pop_front();
            self.apply_need(desk, need, &entry);
        }
    }

    fn apply_need(&mut self, desk: &mut Desk, need: NeedId, entry: &Entry) {
        let slot = self.slots.get_mut(&need).expect("its entry was held here");
        let outcome: Outcome = slot.record.apply(entry.seq, &entry.command, &self.system).into();
        heed(desk, &entry.command, &outcome);
        if let (Command::Count(votes), Outcome::Did(events)) = (&*entry.command, &outcome)
            && let Some(Event::Decided { counted, .. }) = events.iter().find(|e| matches!(e, Event::Decided { .. }))
        {
            let counts = |vote: &&Arc<Envelope>| counted.iter().any(|c| c.attest == vote.id());
            slot.approvals = votes.iter().filter(counts).cloned().collect();
        }
        let applied = slot.lane.push(desk, &entry.command, outcome);
        slot.lane.watch(desk, slot.record.waits.iter());
        if settles(&entry.command, &applied.outcome) {
            self.duties.done(desk, &key(entry.thread, &applied.command));
        }
        let events = applied.outcome.events();
        let params = &desk.setup.genesis.clone().params;
        for event in events {
            match event {
                Event::Bid { task, .. } => slot.lane.extend(desk, &Waiting::Bids(task.clone()), params),
                Event::Proposed { .. } => slot.lane.extend(desk, &Waiting::Proposals, params),
                _ => {}
            }
        }
        if !events.is_empty() {
            self.stand_down(desk, Thread::Need(need));
            self.look_again(desk, need);
            self.look_at_members(desk, need, events);
        }
        self.believe(desk, Thread::Need(need));
    }

    fn apply_system(&mut self, desk: &mut Desk, entry: &Entry) {
        if entry.seq != self.lane.chain.seq.next() {
            assert!(entry.seq <= self.lane.chain.seq, "the register hands entries over in order");
            if !planted(Mutant::StaleEntryTaken) {
                return;
            }
        }
        let outcome: Outcome = self.system.apply(entry.seq, &entry.command).into();
        heed(desk, &entry.command, &outcome);
        let bookings = self.system.take_bookings();
        if !bookings.is_empty() {
            desk.emit(Note::Booked { bookings, seq: entry.seq });
        }
        let applied = self.lane.push(desk, &entry.command, outcome);
        self.lane.watch(desk, self.system.waits().iter());
        if settles(&entry.command, &applied.outcome) {
            self.duties.done(desk, &key(entry.thread, &applied.command));
        }
        if applied.outcome.events().iter().any(|e| matches!(e, Event::SnapshotTaken { .. })) {
            desk.emit(Note::Pool(self.system.pool()));
        }
        self.stand_down(desk, Thread::System);
        self.look_at_seats(desk, &applied);
        self.look_at_round(desk);
        self.look_at_pool(desk);
        self.believe(desk, Thread::System);
    }

    /// Whose word counts for which seat in `thread`.
    fn voices(&self, thread: Thread) -> Voices<'_> {
        match thread {
            Thread::System => self.system.members().voices(),
            Thread::Need(need) => self.slots[&need].record.voices(self.system.genesis()),
        }
    }

    /// Whether a proof is enough in the thread it is to be shown to. One that speaks of newcomers has to wait for them.
    fn convinces(&self, thread: Thread, command: &Command) -> bool {
        match command {
            Command::Relay(proof) => proof.check(self.voices(thread), self.system.params().believe_at(self.of)).is_ok(),
            _ => true,
        }
    }

    /// The operator's word that a seat changes hands, or that the register was restored.
    pub fn mandate(&mut self, desk: &mut Desk, mandate: Arc<Mandate>) {
        let envelope = mandate.named();
        let command = Command::Mandate(mandate);
        match self.system.check(&command) {
            Ok(()) => self.submit(desk, Thread::System, command),
            Err(reject) => desk.emit(Note::Refused { envelope, reject }),
        }
    }

    /// What an entry of the system thread means for seats: newcomers are known, and every open need is told of them.
    fn look_at_seats(&mut self, desk: &mut Desk, applied: &Applied) {
        let all: Vec<NeedId> = self.slots.keys().copied().collect();
        for event in applied.outcome.events() {
            let (Event::Replaced { mandate } | Event::Restored { mandate }) = event else { continue };
            self.newcomers.push(Arc::clone(mandate));
            if mandate.handovers().any(|handover| handover.new == desk.me()) {
                self.seated = Some(applied.seq);
                let needs = all.iter().map(|need| Thread::Need(*need));
                needs.chain([Thread::System]).for_each(|thread| desk.wake_in(Span::ZERO, Timer::Batch(thread)));
            }
            all.iter().for_each(|need| self.seat(desk, *need));
        }
    }

    /// What an entry of a need means for seats there: a need that was taken up knows only the founders.
    fn look_at_members(&mut self, desk: &mut Desk, need: NeedId, events: &[Event]) {
        let named = events.iter().filter_map(|event| match event {
            Event::Replaced { mandate } | Event::Restored { mandate } => Some(Arc::clone(mandate)),
            _ => None,
        });
        self.newcomers.extend(named);
        let turns =
            |event: &Event| matches!(event, Event::Opening { .. } | Event::Replaced { .. } | Event::Restored { .. });
        if events.iter().any(turns) {
            self.seat(desk, need);
        }
    }

    /// Brings the mandates of the system thread before a need that lacks them.
    fn seat(&mut self, desk: &mut Desk, need: NeedId) {
        for mandate in self.system.members().mandates().to_vec() {
            let command = Command::Mandate(mandate);
            if self.stands(Thread::Need(need), &command).is_ok() {
                self.submit(desk, Thread::Need(need), command);
            }
        }
    }

    /// Whether a submission of one's own would take effect now. A proof was checked when it was believed: only whether it
    /// is still wanted is looked at again.
    fn stands(&self, thread: Thread, command: &Command) -> Result<(), Reject> {
        match (thread, command) {
            (Thread::System, Command::Relay(proof)) => self.system.turn_of(proof),
            (Thread::Need(need), Command::Relay(proof)) => self.slots[&need].record.awaits(proof),
            // Every mandate was vetted when it came: by the system thread, or by the operator's own act.
            (Thread::Need(need), Command::Mandate(mandate)) => {
                self.slots[&need].record.lacks(mandate, self.system.genesis())
            }
            (Thread::System, command) => self.system.check(command),
            (Thread::Need(need), command) => self.slots[&need].record.check(command, &self.system),
        }
    }

    /// Gives up what would have no effect any more.
    fn stand_down(&mut self, desk: &mut Desk, thread: Thread) {
        let moot: Vec<Digest> = (self.duties.submissions(thread))
            .filter(|(_, command)| match thread {
                Thread::System => !matches!(self.stands(thread, command), Ok(()) | Err(Reject::WrongPhase)),
                Thread::Need(need) => match self.stands(thread, command) {
                    Ok(()) => false,
                    Err(reject) => match &**command {
                        Command::Act(envelope) => {
                            !may_pass(&self.slots[&need].record, self.system.params(), envelope, reject)
                        }
                        _ => true,
                    },
                },
            })
            .map(|(key, _)| key)
            .collect();
        moot.iter().for_each(|key| self.duties.done(desk, key));
    }

    /// Offers again what came early, and counts again what was voted.
    fn look_again(&mut self, desk: &mut Desk, need: NeedId) {
        for envelope in self.slot(need).early.take() {
            if let Err(reject) = self.offer(desk, need, &envelope) {
                self.deny(desk, &envelope, reject);
            }
        }
        let tasks: BTreeSet<Option<TaskName>> =
            self.slots[&need].ballots.keys().map(|(task, _)| task.clone()).collect();
        tasks.into_iter().for_each(|task| self.count(desk, need, task));
    }

    fn look_at_round(&mut self, desk: &mut Desk) {
        if let Some(since) = self.system.anchor_due(&desk.me())
            && self.anchored < since
        {
            self.anchored = since;
            desk.anchor(since);
        }
        if let Some(round) = self.system.open_round()
            && !self.system.has_revealed(&desk.me())
            && self.revealed < round
            && let Some((since, index)) = self.system.chain_of(&desk.me(), round)
        {
            self.revealed = round;
            desk.reveal(round, since, index);
        }
    }

    /// The host grew this coordinator's next chain.
    pub fn anchored(&mut self, desk: &mut Desk, since: u32, anchor: Digest) {
        let by = desk.me();
        self.submit(desk, Thread::System, Command::Anchor { anchor, by, since });
    }

    /// The host revealed this coordinator's value.
    pub fn revealed(&mut self, desk: &mut Desk, round: u32, value: Digest) {
        let by = desk.me();
        self.submit(desk, Thread::System, Command::Reveal { by, round, value });
    }

    fn look_at_pool(&mut self, desk: &mut Desk) {
        if self.system.is_dirty() && !desk.is_waiting(&Timer::Snapshot) {
            let pause = ms(desk.setup.genesis.params.snapshot_ms);
            desk.wake_in(pause, Timer::Snapshot);
        }
    }

    /// Goes through what has become believed in `thread`.
    fn believe(&mut self, desk: &mut Desk, thread: Thread) {
        loop {
            let lane = match thread {
                Thread::System => &mut self.lane,
                Thread::Need(need) => match self.slots.get_mut(&need) {
                    Some(slot) => &mut slot.lane,
                    None => return,
                },
            };
            let Some(Believed { entry, vouchers, .. }) = lane.believe(desk) else { return };
            for (event, at) in entry.outcome.events().iter().zip(0..) {
                if let Thread::Need(need) = thread {
                    let slot = self.slot(need);
                    slot.believed.fold(entry.seq, at, event);
                    let Slot { believed, sheet, .. } = slot;
                    sheet.believe(believed, event);
                    if let Event::Over { .. } = event {
                        self.ended.push(need);
                    }
                }
                self.carry(desk, thread, (&entry, at), &vouchers, event);
            }
        }
    }

    /// Does what a believed event obliges coordinators to.
    fn carry(
        &mut self,
        desk: &mut Desk,
        thread: Thread,
        (entry, at): (&Arc<Applied>, u32),
        vouchers: &[Arc<Envelope>],
        event: &Event,
    ) {
        let proof = || Proof { at, entry: Applied::clone(entry), thread, vouchers: vouchers.to_vec() };
        match (thread, event) {
            (Thread::Need(_), Event::Asked { .. }) => {
                let command = Command::Relay(proof());
                if self.stands(Thread::System, &command) != Err(Reject::Duplicate) {
                    self.submit(desk, Thread::System, command);
                }
            }
            (Thread::System, Event::Answered { need, .. }) => {
                let command = Command::Relay(proof());
                let need = *need;
                self.slot(need);
                if self.stands(Thread::Need(need), &command).is_ok() {
                    self.submit(desk, Thread::Need(need), command);
                }
            }
            // Where the register was founded anew nobody is left who could say so but the newcomers.
            (Thread::System, Event::Restored { mandate }) if mandate.base().is_some() => {
                let body = Body::Member(NewMember { mandate: Arc::clone(mandate) });
                self.say(desk, Saying::new(Subject::System, thread, body));
            }
            // What it was not there for is said by those who were. Its own coming too: nobody hears a newcomer before that.
            (Thread::System, _) if self.seated.is_none_or(|seated| entry.seq <= seated) => {}
            (Thread::System, Event::Replaced { mandate }) => {
                let body = Body::Member(NewMember { mandate: Arc::clone(mandate) });
                self.say(desk, Saying::new(Subject::System, thread, body));
            }
            (Thread::System, Event::SnapshotTaken { snapshot }) => {
                self.say(desk, Saying::new(Subject::System, thread, Body::Snapshot(*snapshot)));
            }
            (Thread::Need(need), event)
                if self.slots[&need].believed.voices(self.system.genesis()).holds(&desk.me()) =>
            {
                if let Some(mut saying) = self.announcement(need, event) {
                    if let (Body::Finalize(said), true) = (&mut saying.body, planted(Mutant::FinalizeTimed)) {
                        said.plan = Digest::of("time", &[&desk.now.wall.0.to_be_bytes()]);
                    }
                    self.say(desk, saying);
                }
            }
            _ => {}
        }
    }

    /// What everyone is told of a believed event.
    fn announcement(&self, need: NeedId, event: &Event) -> Option<Saying> {
        let slot = &self.slots[&need];
        let thread = Thread::Need(need);
        let epoch = slot.believed.epoch;
        let fence = |task: &TaskName| slot.believed.tasks.get(task).map_or(Fence::NONE, |t| t.fence);
        Some(match event {
            Event::Decided { proposal, .. } => {
                let body = Decide {
                    approvals: slot.approvals.clone(),
                    k_plan: slot.believed.k_plan,
                    proposal: Arc::clone(&slot.believed.proposals.get(proposal)?.0),
                    snapshot: slot.believed.snapshot,
                };
                Saying::new(Subject::MarketTask, thread, Body::Decide(body)).epoch(epoch)
            }
            Event::Released { fence, reason, task } => {
                let body = Release { reason: *reason, task: task.clone() };
                Saying::new(Subject::MarketTask, thread, Body::Release(body)).epoch(epoch).fence(*fence)
            }
            Event::Final { record } => {
                let mut said = (**record).clone();
                if planted(Mutant::FinalizeFromTheDay) {
                    said.snapshot = self.system.snapshot().reference();
                }
                let mut saying = Saying::new(Subject::MarketFinal, thread, Body::Finalize(said));
                saying.refs = record.outputs.values().copied().collect();
                saying.epoch(record.epoch).fence(record.fence)
            }
            Event::Settled { payouts, task } => {
                let body = Settle { payouts: payouts.clone(), task: task.clone() };
                Saying::new(Subject::Thread(need), thread, Body::Settle(body)).epoch(epoch).fence(fence(task))
            }
            _ => return None,
        })
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
            Timer::Watch(thread, segment) => {
                let lane = match thread {
                    Thread::System => &mut self.lane,
                    Thread::Need(need) => &mut self.slot(*need).lane,
                };
                if let Some(report) = lane.report(desk, *segment) {
                    self.submit(desk, *thread, report);
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

    fn do_duty(&mut self, desk: &mut Desk, key: &Digest) {
        let Some((what, attempts)) = self.duties.due(key) else { return };
        match what {
            // The thread does not know yet whose word it is shown.
            What::Submit { thread, command } if !self.convinces(thread, &command) => {
                desk.wake_in(ms(desk.setup.local.stagger_ms), Timer::Duty(*key));
            }
            What::Submit { thread: Thread::System, command } if self.stands(Thread::System, &command).is_err() => {
                if self.system.check(&command) == Err(Reject::WrongPhase) {
                    // Its turn has not come: another ask of the same need goes first.
                    desk.wake_in(ms(desk.setup.local.stagger_ms), Timer::Duty(*key));
                } else {
                    self.duties.done(desk, key);
                }
            }
            What::Submit { thread, command } => {
                desk.submit(thread, command);
                // It is done when it was applied; until then it is submitted again, more and more rarely.
                let answer = ms(desk.setup.local.answer_ms);
                let pause = desk.back_off(attempts);
                desk.wake_in(answer + pause, Timer::Duty(*key));
            }
            What::Say(saying) => {
                self.duties.done(desk, key);
                desk.say((*saying).clone());
            }
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

/// What took effect came before whatever is said from now on. One member alone can have anything ordered, so a value far
/// ahead moves nothing: what is true of it, the members' own envelopes will tell (T07).
fn heed(desk: &mut Desk, command: &Command, outcome: &Outcome) {
    if let (Command::Act(envelope), Outcome::Did(_)) = (command, outcome) {
        desk.clock.take(envelope.lamport);
    }
}

/// Whether an applied command needs no more submitting. A relay that was refused may have been another's forgery under the
/// same id, which does not cover the proof; one that has no effect any more is given up for that.
fn settles(command: &Command, outcome: &Outcome) -> bool {
    !matches!((command, outcome), (Command::Relay(_), Outcome::Refused(_)))
}

/// Whether a vote counts now: of one who is called, under the present tokens, for what is up for choice.
fn counts(record: &Record, task: Option<&TaskName>, vote: &Envelope) -> bool {
    if !record.is_of_epoch(vote) {
        return false;
    }
    match (&vote.body, task) {
        (Body::AttestPlan(attest), None) => {
            let offered = attest.proposal.is_none_or(|proposal| record.candidates.contains(&proposal));
            record.phase == Phase::Open && record.voters.contains(&vote.sender) && offered
        }
        (Body::Attest(attest), Some(task)) => record.tasks.get(task).is_some_and(|t| {
            let judged = t.is_judged_by(attest.commit, vote.fence);
            t.state == TaskState::Verifying && t.seats.contains(&vote.sender) && judged
        }),
        _ => false,
    }
}

fn most_len_reached(evidence: &[Arc<Envelope>], k: usize) -> bool {
    let choice = |vote: &Arc<Envelope>| match &vote.body {
        Body::AttestPlan(attest) => (attest.proposal, None),
        Body::Attest(attest) => (Some(attest.commit), Some(attest.verdict == Verdict::Pass)),
        _ => (None, None),
    };
    evidence.len() >= k && evidence.windows(2).all(|pair| choice(&pair[0]) == choice(&pair[1]))
}

/// Agents that an entry concerns although they may not follow the thread yet: drawn voters and committees.
fn called(entry: &Applied) -> Vec<AgentId> {
    (entry.outcome.events().iter())
        .flat_map(|event| match event {
            Event::Opened { voters, .. } => voters.as_slice(),
            Event::Seated { seats, .. } => seats.as_slice(),
            _ => &[],
        })
        .copied()
        .collect()
}

/// Agents that an entry of the system thread registered: the members' word of it tells a newcomer that it is known, and how
/// far the clock has come.
fn registered(entry: &Applied) -> Vec<AgentId> {
    let of = |event: &Event| match event {
        Event::Registered { manifest } => Some(manifest.sender),
        _ => None,
    };
    entry.outcome.events().iter().filter_map(of).collect()
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
                _ => return false,
            };
            record.tasks.get(task).is_some_and(|t| envelope.fence > Some(t.fence))
        }
        Reject::NoSuchThing => record.decision.is_none(),
        Reject::WrongPhase => match &envelope.body {
            // A window for proposals opens with the voters of an epoch, as long as there is nothing to vote for.
            Body::Propose(_) => record.phase <= Phase::Open && record.voters.is_empty() && record.candidates.is_empty(),
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
