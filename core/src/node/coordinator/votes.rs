//! Votes: kept until they decide, then brought before the register together.

use super::*;

/// Votes on one need kept until they count; those that count now, of which there are no more than seats, always have room.
const BALLOTS_MAX: usize = 256;

/// What a vote is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Choice {
    /// The plans of a need.
    Plan,
    /// A task's result.
    Result(TaskName),
    /// The dispute about one.
    Dispute(TaskName),
}

impl Choice {
    /// What `vote` is on.
    fn of(vote: &Envelope) -> Self {
        match &vote.body {
            Body::Attest(attest) => Self::Result(attest.task.clone()),
            Body::Verdict(ruling) => Self::Dispute(ruling.task.clone()),
            _ => Self::Plan,
        }
    }
}

impl Coordinator {
    pub(super) fn vote(&mut self, desk: &mut Desk, need: NeedId, envelope: &Arc<Envelope>) -> Result<(), Reject> {
        let choice = Choice::of(envelope);
        let slot = self.slot(need);
        let of = match &choice {
            Choice::Result(task) => slot.record.tasks.get(task),
            _ => None,
        };
        if of.is_some_and(|t| {
            let over = t.state > TaskState::Verifying || t.state == TaskState::Idle;
            envelope.fence < Some(t.fence) || (envelope.fence == Some(t.fence) && over)
        }) {
            desk.mark("verdict-late");
        }
        let slot = self.slot(need);
        // Strangers can fill the box with votes that never count; they make room for those that do.
        if slot.ballots.len() >= BALLOTS_MAX {
            let Slot { ballots, record, .. } = slot;
            if !counts(record, &choice, envelope) {
                return Err(Reject::NoRoom);
            }
            if let Some(idle) = ballots.iter().find(|((of, _), vote)| !counts(record, of, vote)) {
                let idle = idle.0.clone();
                ballots.remove(&idle);
            }
        }
        // The later vote of one voter stands for a later epoch or attempt; within one, apply counts the first only.
        let newer = |old: &Arc<Envelope>| match (&old.body, &envelope.body) {
            // One dispute may follow another about the same result.
            (Body::Verdict(old), Body::Verdict(new)) if old.challenge != new.challenge => {
                counts(&slot.record, &choice, envelope)
            }
            _ => (old.epoch, old.fence) < (envelope.epoch, envelope.fence),
        };
        for other in slot.ballots.values().filter(|other| differs(other, envelope)) {
            let votes = [other, envelope].map(|vote| (vote.sender, vote.id()));
            desk.emit(Note::Disagreed { engine: envelope.policy.engine, need, votes });
        }
        let key = (choice.clone(), envelope.sender);
        if slot.ballots.get(&key).is_none_or(newer) {
            slot.ballots.insert(key, Arc::clone(envelope));
        }
        if let Choice::Result(_) = choice {
            self.bring_passes(desk, need);
        }
        self.count(desk, need, choice);
        Ok(())
    }

    /// Brings before the register who passed a decoy, as far as this coordinator has heard, counted or not.
    pub(super) fn bring_passes(&mut self, desk: &mut Desk, need: NeedId) {
        let slot = &self.slots[&need];
        if !slot.record.tasks.values().any(|task| task.is_decoy()) {
            return;
        }
        let acts = slot.ballots.values().map(|vote| Command::Act(Arc::clone(vote)));
        let acts: Vec<Command> = acts.filter(|act| slot.check(act, &self.system).is_ok()).collect();
        acts.into_iter().for_each(|act| self.submit(desk, Thread::Need(need), act));
    }

    /// Submits the votes on a plan (no task) or a result, if they decide.
    pub(super) fn count(&mut self, desk: &mut Desk, need: NeedId, choice: Choice) {
        let slot = &self.slots[&need];
        let record = &slot.record;
        let (seats, k) = match &choice {
            Choice::Plan => (&record.voters, record.k_plan),
            Choice::Result(task) => match record.tasks.get(task) {
                Some(t) => (&t.seats, t.k_result),
                None => return,
            },
            Choice::Dispute(task) => match record.tasks.get(task).and_then(|t| t.dispute.as_ref()) {
                Some(dispute) => (&dispute.seats, dispute.k_ruling),
                None => return,
            },
        };
        let votes: Vec<&Arc<Envelope>> = (slot.ballots.iter())
            .filter(|((of, _), vote)| *of == choice && counts(record, &choice, vote))
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
                Body::Verdict(ruling) => Digest::of_json("choice", &ruling.upheld),
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
        if slot.check(&command, &self.system).is_ok() {
            self.submit(desk, Thread::Need(need), command);
        }
    }
}

/// Whether a vote counts now: of one who is called, under the present tokens, for what is up for choice.
fn counts(record: &Record, choice: &Choice, vote: &Envelope) -> bool {
    if !record.is_of_epoch(vote) {
        return false;
    }
    match (&vote.body, choice) {
        (Body::AttestPlan(attest), Choice::Plan) => {
            let offered = attest.proposal.is_none_or(|proposal| record.candidates.contains(&proposal));
            record.phase == Phase::Open && record.voters.contains(&vote.sender) && offered
        }
        (Body::Verdict(ruling), Choice::Dispute(task)) => record.tasks.get(task).is_some_and(|t| {
            let sits = |d: &Dispute| d.challenge.id() == ruling.challenge && d.seats.contains(&vote.sender);
            vote.fence == Some(t.fence) && t.dispute.as_ref().is_some_and(sits)
        }),
        (Body::Attest(attest), Choice::Result(task)) => record.tasks.get(task).is_some_and(|t| {
            let judged = t.is_judged_by(attest.commit, vote.fence);
            t.state == TaskState::Verifying && t.seats.contains(&vote.sender) && judged
        }),
        _ => false,
    }
}

/// Whether two judged one thing by one engine and came to different answers: one of them lies, or reckons otherwise than it says
/// (PROTOCOL 10). Whoever could not judge has no answer.
fn differs(one: &Envelope, other: &Envelope) -> bool {
    let answers = match (&one.body, &other.body) {
        (Body::Attest(one), Body::Attest(other)) if one.commit == other.commit => [one.policy, other.policy],
        (Body::AttestPlan(one), Body::AttestPlan(other))
            if one.proposal.is_some() && one.proposal == other.proposal =>
        {
            [one.policy, other.policy]
        }
        _ => return false,
    };
    let [first, second] = answers;
    one.policy.engine == other.policy.engine && first != second && !answers.contains(&Digest::default())
}

fn most_len_reached(evidence: &[Arc<Envelope>], k: usize) -> bool {
    let choice = |vote: &Arc<Envelope>| match &vote.body {
        Body::AttestPlan(attest) => (attest.proposal, None),
        Body::Attest(attest) => (Some(attest.commit), Some(attest.verdict == Verdict::Pass)),
        Body::Verdict(ruling) => (Some(ruling.challenge), Some(ruling.upheld)),
        _ => (None, None),
    };
    evidence.len() >= k && evidence.windows(2).all(|pair| choice(&pair[0]) == choice(&pair[1]))
}
