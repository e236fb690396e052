//! What a coordinator owes the register: submitted until it was applied, given up when it would have no effect.

use super::*;

impl Coordinator {
    pub(super) fn submit(&mut self, desk: &mut Desk, thread: Thread, wish: impl Into<Submission>) {
        if self.seated.is_some() {
            self.duties.submit(desk, self.place, self.of, thread, wish.into());
        }
    }

    pub(super) fn say(&mut self, desk: &mut Desk, saying: Saying) {
        if self.seated.is_some() {
            self.duties.say(desk, self.place, self.of, saying);
        }
    }

    /// Whether `segment` is of a window that a challenge would stop: one that is here and not applied yet, or one that nobody sits over yet,
    /// while others wait to be heard.
    pub(super) fn is_disputed(&self, need: NeedId, segment: Segment) -> bool {
        let record = &self.slots[&need].record;
        let Some(window @ (Waiting::Challenge(task) | Waiting::Late(task))) = record.waiting(segment) else {
            return false;
        };
        record.is_contested(window)
            || self.duties.submissions(Thread::Need(need)).any(|(_, wish)| match wish {
                Submission::Ready(command) if let Command::Act(envelope) = &**command => {
                    matches!(&envelope.body, Body::Challenge(said) if said.task == *task)
                }
                _ => false,
            })
    }

    /// Whose word counts for which seat in `thread`.
    pub(super) fn voices(&self, thread: Thread) -> Voices<'_> {
        match thread {
            Thread::System => self.system.members().voices().on(self.system.bases()),
            Thread::Need(need) => self.slots[&need].record.voices(self.system.genesis()).on(self.system.bases()),
        }
    }

    /// Whether a proof is enough in the thread it is to be shown to. One that speaks of newcomers has to wait for them.
    pub(super) fn convinces(&self, thread: Thread, command: &Command) -> bool {
        match command {
            Command::Relay(proof) => proof.check(self.voices(thread), self.system.params().believe_at(self.of)).is_ok(),
            _ => true,
        }
    }

    /// Whether a submission of one's own would take effect now. A proof was checked when it was believed: only whether it
    /// is still wanted is looked at again.
    pub(super) fn stands(&self, thread: Thread, command: &Command) -> Result<(), Reject> {
        match (thread, command) {
            (Thread::System, Command::Relay(proof)) => self.system.turn_of(proof),
            (Thread::Need(need), Command::Relay(proof)) => self.slots[&need].record.awaits(proof),
            // Every mandate was vetted when it came: by the system thread, or by the operator's own act.
            (Thread::Need(need), Command::Mandate(mandate)) => {
                self.slots[&need].record.lacks(mandate, self.system.genesis())
            }
            (Thread::System, command) => self.system.check(self.lane.chain.seq.next(), command),
            (Thread::Need(need), command) => self.slots[&need].check(command, &self.system),
        }
    }

    /// As [`Coordinator::stands`], for a word of one's own too.
    pub(super) fn still_stands(&self, thread: Thread, wish: &Submission) -> Result<(), Reject> {
        match (thread, wish) {
            (_, Submission::Ready(command)) => self.stands(thread, command),
            (Thread::System, Submission::Own(word)) => self.system.check_word(word),
            (Thread::Need(need), Submission::Own(word)) => self.slots[&need].record.check_word(word, &self.system),
        }
    }

    /// Gives up what would have no effect any more.
    pub(super) fn stand_down(&mut self, desk: &mut Desk, thread: Thread) {
        let moot = self.duties.submissions(thread).filter(|(_, wish)| self.is_moot(thread, wish));
        let moot: Vec<Digest> = moot.map(|(key, _)| key).collect();
        moot.iter().for_each(|key| self.duties.done(desk, key));
    }

    /// Whether a submission of one's own would have no effect, now or later.
    pub(super) fn is_moot(&self, thread: Thread, wish: &Submission) -> bool {
        match (thread, self.still_stands(thread, wish)) {
            (_, Ok(())) => false,
            (Thread::System, Err(reject)) => reject != Reject::WrongPhase,
            (Thread::Need(need), Err(reject)) => match wish {
                Submission::Ready(command) if let Command::Act(envelope) = &**command => {
                    !may_pass(&self.slots[&need].record, self.system.params(), envelope, reject)
                }
                _ => true,
            },
        }
    }

    pub(super) fn do_duty(&mut self, desk: &mut Desk, key: &Digest) {
        let Some((what, attempts)) = self.duties.due(key) else { return };
        match what {
            // The thread does not know yet whose word it is shown.
            What::Submit { thread, wish: Submission::Ready(command) } if !self.convinces(thread, &command) => {
                desk.wake_in(ms(desk.setup.local.stagger_ms), Timer::Duty(*key));
            }
            What::Submit { thread: Thread::System, wish }
                if let Err(reject) = self.still_stands(Thread::System, &wish) =>
            {
                if reject == Reject::WrongPhase {
                    // Its turn has not come: another ask of the same need goes first.
                    desk.wake_in(ms(desk.setup.local.stagger_ms), Timer::Duty(*key));
                } else {
                    self.duties.done(desk, key);
                }
            }
            What::Submit { thread, wish } => {
                desk.submit(thread, wish);
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
}
