//! Votes: kept until they decide, then brought before the register together.

use super::*;

/// Votes on one need kept until they count.
const BALLOTS_MAX: usize = 256;

impl Coordinator {
    pub(super) fn vote(&mut self, desk: &mut Desk, need: NeedId, envelope: &Arc<Envelope>) -> Result<(), Reject> {
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
    pub(super) fn count(&mut self, desk: &mut Desk, need: NeedId, task: Option<TaskName>) {
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
