//! Entries of the register: what they do here, and what has to be looked at after each.

use super::*;

impl Coordinator {
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

    pub(super) fn apply_held(&mut self, desk: &mut Desk, need: NeedId) {
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
        self.system.cites(&need, goes_by(&slot.record));
        self.settle(desk, entry, &applied);
        let slot = self.slots.get_mut(&need).expect("it is held");
        let events = applied.outcome.events();
        let params = &desk.setup.genesis.clone().params;
        for event in events {
            match event {
                Event::Bid { task, .. } => slot.lane.extend(desk, &Waiting::Bids(task.clone()), params),
                Event::Opening { need: opening } => desk.rules.opening(need, opening.policy.engine),
                Event::Proposed { .. } => slot.lane.extend(desk, &Waiting::Proposals, params),
                _ => {}
            }
        }
        if events.iter().any(|event| matches!(event, Event::Unmasked { decoy: true, .. })) {
            self.bring_passes(desk, need);
        }
        if !events.is_empty() {
            self.stand_down(desk, Thread::Need(need));
            self.look_again(desk, need);
            self.look_at_members(desk, need, events);
        }
        self.believe(desk, Thread::Need(need));
    }

    pub(super) fn apply_system(&mut self, desk: &mut Desk, entry: &Entry) {
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
        // A need may have ended before it was answered.
        if let (Command::Relay(proof), false) = (&*entry.command, applied.outcome.events().is_empty())
            && let Thread::Need(need) = proof.thread
            && let Some(slot) = self.slots.get(&need).filter(|slot| slot.record.is_over())
        {
            self.system.cites(&need, goes_by(&slot.record));
        }
        self.settle(desk, entry, &applied);
        for event in applied.outcome.events() {
            match event {
                Event::SnapshotTaken { .. } => desk.emit(Note::Pool(self.system.pool())),
                // Whoever came late has it from the register alone.
                Event::Governed { .. } => {
                    if let Command::Act(envelope) = &*entry.command
                        && let Body::Capsule(new) = &envelope.body
                    {
                        desk.adopt(new);
                    }
                }
                _ => {}
            }
        }
        self.stand_down(desk, Thread::System);
        self.look_at_seats(desk, &applied);
        self.look_at_round(desk);
        self.look_at_pool(desk);
        self.believe(desk, Thread::System);
    }

    /// A submission of one's own is over when its command did something, or has nothing left to do. What was refused may have been
    /// another's forgery under the same id: that covers neither proof nor signatures, nor where a word was given (T73). An agent's own act
    /// is used up by then (`system`), or would be refused again.
    fn settle(&mut self, desk: &mut Desk, entry: &Entry, applied: &Applied) {
        let Some((key, wish)) = self.duties.find(entry.thread, &entry.command, &applied.command) else { return };
        let over = match (&applied.outcome, &*entry.command) {
            (Outcome::Did(_), _) => true,
            // Its turn may not have come.
            (Outcome::Refused(_), Command::Relay(_)) => false,
            // Nor that of a CAPSULE that another goes before.
            (Outcome::Refused(_), _) if entry.thread == Thread::System => self.is_moot(entry.thread, wish),
            (Outcome::Refused(_), _) => self.still_stands(entry.thread, wish).is_err(),
        };
        if over {
            self.duties.done(desk, &key);
        }
    }

    /// Offers again what came early, and counts again what was voted.
    pub(super) fn look_again(&mut self, desk: &mut Desk, need: NeedId) {
        let early = self.slot(need).early.take();
        for envelope in early.into_iter().filter(|_| !planted(Mutant::EarlyForgotten)) {
            if let Err(reject) = self.offer(desk, need, &envelope) {
                self.deny(desk, &envelope, reject);
            }
        }
        let choices: BTreeSet<Choice> = self.slots[&need].ballots.keys().map(|(choice, _)| choice.clone()).collect();
        choices.into_iter().for_each(|choice| self.count(desk, need, choice));
    }

    pub(super) fn look_at_round(&mut self, desk: &mut Desk) {
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
        self.submit(desk, Thread::System, own(by, Says::Anchor { anchor, since }));
    }

    /// The host revealed this coordinator's value.
    pub fn revealed(&mut self, desk: &mut Desk, round: u32, value: Digest) {
        let by = desk.me();
        self.submit(desk, Thread::System, own(by, Says::Reveal { round, value }));
    }

    pub(super) fn look_at_pool(&mut self, desk: &mut Desk) {
        if self.system.is_dirty() && !desk.is_waiting(&Timer::Snapshot) {
            let pause = ms(desk.setup.genesis.params.snapshot_ms);
            desk.wake_in(pause, Timer::Snapshot);
        }
    }
}

/// A coordinator's word in the system thread.
fn own(by: AgentId, says: Says) -> Submission {
    Submission::Own(Word { by, says, thread: Thread::System })
}

/// What took effect came before whatever is said from now on. One member alone can have anything ordered, so a value far
/// ahead moves nothing: what is true of it, the members' own envelopes will tell (T07).
fn heed(desk: &mut Desk, command: &Command, outcome: &Outcome) {
    if let (Command::Act(envelope), Outcome::Did(_)) = (command, outcome) {
        desk.clock.take(envelope.lamport);
    }
}

/// The snapshot that a need's slot goes by; later ones, of which it was not told yet, may follow.
fn goes_by(record: &Record) -> Option<u32> {
    (!record.is_over()).then_some(record.snapshot.number)
}
