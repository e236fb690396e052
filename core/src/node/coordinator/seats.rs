//! Seats of the register: every open need is told of who holds one now.

use super::*;

impl Coordinator {
    /// The operator's word that a seat changes hands, or that the register was restored.
    pub fn mandate(&mut self, desk: &mut Desk, mandate: Arc<Mandate>) {
        let envelope = mandate.named();
        let command = Command::Mandate(mandate);
        match self.system.check(self.lane.chain.seq.next(), &command) {
            Ok(()) => self.submit(desk, Thread::System, command),
            Err(reject) => desk.emit(Note::Refused { envelope, reject }),
        }
    }

    /// What an entry of the system thread means for seats: newcomers are known, and every open need is told of them.
    pub(super) fn look_at_seats(&mut self, desk: &mut Desk, applied: &Applied) {
        for event in applied.outcome.events() {
            let (Event::Replaced { mandate } | Event::Restored { mandate }) = event else { continue };
            self.newcomers.push(Arc::clone(mandate));
            let all: Vec<NeedId> = self.slots.keys().copied().collect();
            if mandate.handovers().any(|handover| handover.new == desk.me()) {
                self.seated = Some(applied.seq);
                let needs = all.iter().map(|need| Thread::Need(*need));
                needs.chain([Thread::System]).for_each(|thread| desk.wake_in(Span::ZERO, Timer::Batch(thread)));
            }
            all.iter().for_each(|need| self.seat(desk, *need));
        }
    }

    /// What an entry of a need means for seats there: a need that was taken up knows only the founders.
    pub(super) fn look_at_members(&mut self, desk: &mut Desk, need: NeedId, events: &[Event]) {
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
}
