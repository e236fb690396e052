//! What has become believed obliges: asks and answers are carried to the other thread, and everyone is told what counts.

use super::*;

impl Coordinator {
    /// Goes through what has become believed in `thread`.
    pub(super) fn believe(&mut self, desk: &mut Desk, thread: Thread) {
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
                        // Nothing that waits takes effect any more, nor does any vote.
                        (slot.early, slot.ballots) = (Early::default(), BTreeMap::new());
                        // Whoever has nothing can say as many needs as it likes.
                        if slot.believed.was_denied() {
                            (slot.believed.need, slot.record.need) = (None, None);
                        }
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
                let pieces = mandate.find_base(desk.roster.bases()).map_or_else(Vec::new, |base| base.pieces());
                let mut pieces: Vec<_> = pieces.into_iter().map(Some).collect();
                // One without threads has no pieces, and brings its newcomers all the same.
                if pieces.is_empty() {
                    pieces.push(None);
                }
                for piece in pieces {
                    let body = Body::Member(NewMember { mandate: Arc::clone(mandate), piece });
                    self.say(desk, Saying::new(Subject::System, thread, body));
                }
            }
            // What it was not there for is said by those who were. Its own coming too: nobody hears a newcomer before that.
            (Thread::System, _) if self.seated.is_none_or(|seated| entry.seq <= seated) => {}
            (Thread::System, Event::Replaced { mandate }) => {
                let body = Body::Member(NewMember { mandate: Arc::clone(mandate), piece: None });
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
            Event::Invalidated { challenge, commit, k_result, offenders, task } => {
                let body = Invalidate {
                    challenge: *challenge,
                    commit: *commit,
                    k_result: *k_result,
                    offenders: offenders.clone(),
                    task: task.clone(),
                };
                let saying = Saying::new(Subject::MarketTask, thread, Body::Invalidate(body));
                saying.epoch(epoch).fence(fence(task))
            }
            Event::Settled { payouts, task } => {
                let body = Settle { payouts: payouts.clone(), task: task.clone() };
                Saying::new(Subject::Thread(need), thread, Body::Settle(body)).epoch(epoch).fence(fence(task))
            }
            _ => return None,
        })
    }
}

/// Agents that an entry concerns although they may not follow the thread yet: drawn voters and committees.
pub(super) fn called(entry: &Applied) -> Vec<AgentId> {
    (entry.outcome.events().iter())
        .flat_map(|event| match event {
            Event::Opened { voters, .. } => voters.as_slice(),
            Event::Seated { seats, .. } | Event::Empanelled { seats, .. } => seats.as_slice(),
            _ => &[],
        })
        .copied()
        .collect()
}

/// Agents that an entry of the system thread registered: the members' word of it tells a newcomer that it is known, and how
/// far the clock has come.
pub(super) fn registered(entry: &Applied) -> Vec<AgentId> {
    let of = |event: &Event| match event {
        Event::Registered { manifest } => Some(manifest.sender),
        _ => None,
    };
    entry.outcome.events().iter().filter_map(of).collect()
}
