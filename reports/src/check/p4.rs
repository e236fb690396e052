//! P4, lease and fencing: nothing under an expired epoch, lease or fence takes effect.
//!
//! Nor does anything in the name of an honest agent that it did not sign, as the simulated world tells, which sees what everyone signs.
//!
//! Judged from the entries as they were told whole: the signed evidence of a command is held against the tokens that the
//! entries before it had given out. So a result is taken only from whoever holds the task under exactly this fence; a vote
//! counts only in its epoch and for its attempt; fences rise and none is granted twice. What nodes believe of fences is held
//! against the same rule.
//!
//! A wait ends only when a majority of the coordinators that do not lie has seen the whole of its present segment, whatever it is
//! for, and what a liar says of it counts for nothing: a wait is as long as the need says, or what was left of it; a report counts for no more than its reporter's own clock had shown; and what
//! comes after a window comes after a majority has seen it through.
//!
//! Where entries of a need are missing, what follows cannot be told.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{AgentId, Cid, Epoch, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::register::{Applied, Command, Event as Did, Says};
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Envelope, ReleaseReason, Windows};

use super::clocks::Clocks;
use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Record};

const NAME: &str = "P4";

/// The oracle of P4.
#[derive(Debug, Default)]
pub struct Fencing {
    clocks: Clocks,
    /// Members of the register that do not lie.
    coordinators: usize,
    /// Those that do.
    dishonest: BTreeSet<AgentId>,
    liars: Liars,
    needs: BTreeMap<NeedId, Need>,
    notes: Notes,
    /// Who was first told to hold a fence, and the highest each node told.
    grants: BTreeMap<(NeedId, TaskName), Grants>,
}

#[derive(Debug, Default)]
struct Grants {
    first: BTreeMap<Fence, Record>,
    top: BTreeMap<NodeNo, Fence>,
}

/// A need, by the entries told so far.
#[derive(Debug, Default)]
struct Need {
    /// The last entry told; none once one was missing.
    lost: bool,
    seq: Seq,
    epoch: Epoch,
    over: Option<Record>,
    tasks: BTreeMap<TaskName, Task>,
    waits: BTreeMap<Segment, Wait>,
    /// How long its waits are, by its own text.
    windows: Option<Windows>,
    /// Waits that a majority has seen through in the entry being judged.
    through: BTreeSet<Waiting>,
}

#[derive(Debug, Default)]
struct Task {
    /// The highest fence given out, by a grant that may still be refused its bond.
    top: Fence,
    /// The winner whose bond is being booked.
    winner: Option<AgentId>,
    /// Who holds the task, under the highest fence.
    holder: Option<(AgentId, Record)>,
    /// The result being judged, under the highest fence.
    commit: Option<Cid>,
    /// Its lease was seen through by a majority, in the entry being judged.
    run_out: bool,
    is_final: bool,
    /// The challenge window of its result was seen through by a majority.
    unchallenged: bool,
    /// What was left of the window when the result was disputed.
    left: Option<Span>,
    disputed: bool,
}

#[derive(Debug)]
struct Wait {
    /// The entry that opened it.
    opened: Seq,
    waiting: Waiting,
    total: Span,
    seen: BTreeMap<AgentId, Span>,
}

impl Checker for Fencing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Took { thread: Thread::Need(need), .. } if self.is_over(need) => {}
            _ => self.clocks.see(record),
        }
        match &record.event {
            Event::Genesis { parties, .. } => {
                let (honest, lie): (Vec<_>, Vec<_>) = parties.iter().filter(|p| p.coordinator).partition(|p| p.honest);
                self.coordinators = honest.len();
                self.dishonest = lie.into_iter().map(|p| p.agent).collect();
            }
            Event::Founded { genesis } => {
                let all = genesis.coordinators.iter().map(|member| member.agent);
                self.coordinators = all.filter(|agent| !self.dishonest.contains(agent)).count();
            }
            _ if self.liars.told(record) => {}
            Event::Ordered { command, entry, thread: Thread::Need(need) } => {
                let known = self.needs.entry(*need).or_default();
                let Self { clocks, coordinators, dishonest, notes, .. } = self;
                let coordinators = *coordinators;
                let mut judge = Judging { clocks, coordinators, dishonest, need: *need, notes, record };
                judge.entry(known, command, entry);
                if known.over.is_some() {
                    self.clocks.forget(need);
                }
            }
            Event::Forged { envelope, sender } => {
                self.notes.contradict(
                    NAME,
                    format!("{envelope} takes effect, and {sender} never signed it"),
                    &[record],
                );
            }
            Event::Granted { need, task, fence, .. } => {
                self.notes.checked();
                let grants = self.grants.entry((*need, task.clone())).or_default();
                let first = grants.first.entry(*fence).or_insert_with(|| record.clone());
                if first.event != record.event {
                    self.notes.contradict(NAME, format!("fence {fence} is granted twice"), &[first, record]);
                }
                let top = grants.top.entry(record.node).or_default();
                if *fence <= *top {
                    let what = format!("a fence does not rise: {fence} is granted after {top}");
                    self.notes.contradict(NAME, what, &[record]);
                }
                *top = (*top).max(*fence);
            }
            Event::Accepted { need, task, fence, .. }
            | Event::Finalized { need, task, fence, .. }
            | Event::Announced { need, task, fence, .. } => {
                // What fell may be announced after it, by whoever catches up.
                let is_late = |top: Fence| matches!(record.event, Event::Announced { .. }) && *fence < top;
                let top = self.grants.get(&(*need, task.clone())).and_then(|grants| grants.top.get(&record.node));
                if let Some(top) = top.filter(|top| *top != fence && !is_late(**top)) {
                    self.notes.checked();
                    let what = format!("a result under fence {fence} takes effect, but {top} was granted");
                    self.notes.contradict(NAME, what, &[record]);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (need, _) in self.needs.iter().filter(|(_, known)| known.lost) {
            notes.unknown(format!("entries of {need} are missing after {}", self.needs[need].seq));
        }
        notes.finding
    }
}

impl Need {
    /// How long a wait is that begins now, if its length follows from what was told.
    fn whole(&mut self, waiting: &Waiting) -> Option<Span> {
        let windows = self.windows?;
        let ms = match waiting {
            Waiting::Proposals => windows.proposals_ms,
            Waiting::Decision => windows.decision_ms,
            Waiting::Bids(_) => windows.bids_ms,
            Waiting::Verdicts(_) | Waiting::Redraw(_) => windows.verify_ms,
            Waiting::Challenge(task) | Waiting::Late(task) => {
                let left = self.tasks.get_mut(task).and_then(|task| task.left.take());
                return left.or(Some(Span::from_ms(windows.challenge_ms.into())));
            }
            _ => return None,
        };
        Some(Span::from_ms(ms.into()))
    }
}

impl Wait {
    /// Whether it is a window in which somebody may dispute the result of `task`.
    fn is_window_of(&self, task: &TaskName) -> bool {
        matches!(&self.waiting, Waiting::Challenge(of) | Waiting::Late(of) if of == task)
    }

    /// What a majority of `n` has not seen of it.
    fn left(&self, n: usize) -> Span {
        let mut seen: Vec<Span> = self.seen.values().copied().collect();
        seen.sort_unstable_by(|a, b| b.cmp(a));
        let gone = seen.get(n / 2).copied().unwrap_or_default();
        self.total.saturating_sub(gone)
    }
}

impl Fencing {
    fn is_over(&self, need: &NeedId) -> bool {
        self.needs.get(need).is_some_and(|known| known.over.is_some())
    }
}

/// One entry being judged.
struct Judging<'a> {
    clocks: &'a Clocks,
    coordinators: usize,
    dishonest: &'a BTreeSet<AgentId>,
    need: NeedId,
    notes: &'a mut Notes,
    record: &'a Record,
}

impl Judging<'_> {
    fn entry(&mut self, need: &mut Need, command: &Command, entry: &Applied) {
        if need.lost || entry.seq != need.seq.next() {
            // One told again is no gap, and has no effect here either.
            need.lost |= entry.seq > need.seq;
            return;
        }
        need.seq = entry.seq;
        let events = entry.outcome.events();
        if events.is_empty() {
            return;
        }
        self.notes.checked();
        if let Some(over) = &need.over {
            self.notes.contradict(NAME, "something takes effect after the need's end", &[over, self.record]);
        }
        match command {
            Command::Act(envelope) => self.act(need, envelope),
            Command::Count(votes) => votes.iter().for_each(|vote| self.vote(need, vote)),
            Command::Word(word) => {
                if let Says::Elapsed { elapsed, segment } = word.says {
                    self.timed(need, word.by, elapsed, segment);
                }
            }
            _ => {}
        }
        let reported = matches!(command, Command::Word(_));
        events.iter().for_each(|event| self.event(need, event, reported));
        need.through.clear();
        need.tasks.values_mut().for_each(|task| task.run_out = false);
    }

    /// A coordinator's stopwatch shows so much of a wait.
    fn timed(&mut self, need: &mut Need, by: AgentId, elapsed: Span, segment: Segment) {
        match need.waits.get_mut(&segment) {
            Some(_) if self.dishonest.contains(&by) => {}
            Some(wait) => {
                let seen = wait.seen.entry(by).or_default();
                *seen = (*seen).max(elapsed);
                let opened = wait.opened;
                if let Some(passed) = self.clocks.short(&self.need, &by, opened, segment, elapsed) {
                    let (said, passed) = (elapsed.0, passed.0);
                    self.wrong(format!("{by} reports {said} ns of a wait, and its own clock showed {passed}"));
                }
            }
            None => self.wrong(format!("a report counts for segment {segment}, which is not running")),
        }
    }

    fn wrong(&mut self, what: impl Into<String>) {
        self.notes.contradict(NAME, what, &[self.record]);
    }

    /// What an agent signed takes effect: its tokens are the present ones.
    fn act(&mut self, need: &Need, envelope: &Envelope) {
        let of = |task: &TaskName| need.tasks.get(task);
        let (task, holds) = match &envelope.body {
            Body::Claim(claim) => (&claim.task, false),
            Body::Heartbeat(beat) => (&beat.task, true),
            Body::Yield(body) => (&body.task, true),
            Body::Commit(commit) => (&commit.task, true),
            _ => return,
        };
        let verb = envelope.verb().as_str();
        self.epoch(need, envelope);
        let (epoch, fence) = (need.epoch, envelope.fence.unwrap_or_default());
        let top = of(task).map_or(Fence(0), |t| t.top);
        if fence != top {
            self.wrong(format!("{verb} under fence {fence} takes effect in epoch {epoch}, under fence {top}"));
        } else if holds {
            match of(task).and_then(|t| t.holder.as_ref()) {
                None => self.wrong(format!("{verb} takes effect, but the lease under fence {fence} has ended")),
                Some((holder, granted)) if *holder != envelope.sender => {
                    let what = format!("{verb} of one who does not hold the task takes effect");
                    self.notes.contradict(NAME, what, &[granted, self.record]);
                }
                Some(_) => {}
            }
        }
    }

    /// A vote is used as evidence: of this epoch, on this attempt.
    fn vote(&mut self, need: &Need, vote: &Envelope) {
        self.epoch(need, vote);
        let Body::Attest(attest) = &vote.body else { return };
        let task = need.tasks.get(&attest.task);
        let (top, commit) = task.map_or((Fence(0), None), |t| (t.top, t.commit));
        if vote.fence != Some(top) {
            let fence = vote.fence.unwrap_or_default();
            self.wrong(format!("a verdict under fence {fence} is counted under fence {top}"));
        } else if commit != Some(attest.commit) {
            self.wrong("a verdict is counted for another result than it judges");
        }
    }

    fn epoch(&mut self, need: &Need, envelope: &Envelope) {
        if envelope.epoch != Some(need.epoch) {
            let (verb, epoch) = (envelope.verb().as_str(), envelope.epoch.unwrap_or_default());
            self.wrong(format!("{verb} of epoch {epoch} takes effect in epoch {}", need.epoch));
        }
    }

    /// What comes after a window comes once a majority has seen it through.
    fn after(&mut self, need: &Need, event: &Did) {
        let what = match event {
            Did::Voting { .. } if need.waits.values().any(|wait| wait.waiting == Waiting::Proposals) => {
                "a vote begins while the window for proposals is open"
            }
            Did::Granting { task, .. } if !need.through.contains(&Waiting::Bids(task.clone())) => {
                "a bid wins, and no majority saw the window for bids through"
            }
            Did::Settled { task, .. } if !need.tasks.get(task).is_some_and(|task| task.unchallenged) => {
                "a result is settled, and no majority saw its challenge window through"
            }
            Did::Paid { task } if !need.through.contains(&Waiting::Late(task.clone())) => {
                "a result is paid, and no majority saw its late window through"
            }
            _ => return,
        };
        self.wrong(what);
    }

    fn event(&mut self, need: &mut Need, event: &Did, reported: bool) {
        self.after(need, event);
        match event {
            Did::Opened { epoch, .. } | Did::EpochPassed { epoch } if *epoch < need.epoch => {
                self.wrong(format!("epoch {epoch} begins after epoch {}", need.epoch));
            }
            Did::Opening { need: text } => {
                if let Body::Need(text) = &text.body {
                    need.windows = Some(text.windows);
                }
            }
            Did::Opened { epoch, .. } => need.epoch = *epoch,
            Did::EpochPassed { epoch } => {
                if *epoch == need.epoch {
                    self.wrong(format!("epoch {epoch} passes into itself"));
                }
                need.epoch = *epoch;
                need.waits.clear();
            }
            Did::WaitOpened { segment, total, waiting } => {
                if need.waits.last_key_value().is_some_and(|(last, _)| last >= segment) {
                    self.wrong(format!("segment {segment} does not rise"));
                }
                // The rest of a stretched lease follows the segment that ran out.
                if let Waiting::Lease(task) = waiting
                    && let Some(task) = need.tasks.get_mut(task)
                {
                    task.run_out = false;
                }
                if let Some(whole) = need.whole(waiting).filter(|whole| whole > total) {
                    self.wrong(format!("a wait of {} ns begins, and it should be {} ns long", total.0, whole.0));
                }
                // A wait has one segment: the one before is over.
                need.waits.retain(|_, wait| wait.waiting != *waiting);
                let wait = Wait { opened: need.seq, waiting: waiting.clone(), total: *total, seen: BTreeMap::new() };
                need.waits.insert(*segment, wait);
            }
            Did::WaitClosed { waiting } => {
                let Some(segment) = need.waits.iter().find(|(_, w)| w.waiting == *waiting).map(|(s, _)| *s) else {
                    return self.wrong("a wait ends that was not running");
                };
                let wait = need.waits.remove(&segment).expect("just found");
                let through = wait.seen.values().filter(|seen| **seen >= wait.total).count();
                let is_through = through > self.coordinators / 2;
                let contested = need.tasks.iter().any(|(name, task)| task.disputed && wait.is_window_of(name));
                if contested {
                    self.wrong("a window ends while the result is disputed");
                }
                if !reported && !is_through {
                    // Votes, a commit or a void result may end others; these end by themselves, or with their need.
                    if matches!(waiting, Waiting::Proposals | Waiting::Redraw(_) | Waiting::Late(_)) {
                        self.wrong("a window is closed that no majority saw through");
                    }
                    return;
                }
                if !is_through {
                    let n = self.coordinators;
                    self.wrong(format!("a wait ends that {through} of {n} coordinators saw through in its segment"));
                }
                match waiting {
                    Waiting::Lease(task) => need.tasks.entry(task.clone()).or_default().run_out = true,
                    Waiting::Challenge(task) => need.tasks.entry(task.clone()).or_default().unchallenged = true,
                    _ => {}
                }
                need.through.insert(wait.waiting);
            }
            Did::Granting { bid, fence, task, .. } => {
                let task = need.tasks.entry(task.clone()).or_default();
                if *fence <= task.top {
                    let top = task.top;
                    self.wrong(format!("a fence does not rise: {fence} is given out after {top}"));
                }
                (task.top, task.winner) = (*fence, Some(bid.agent));
            }
            Did::Replaced { mandate } | Did::Restored { mandate } => {
                // Whoever gave up its seat has no clock that counts.
                for handover in mandate.handovers() {
                    need.waits.values_mut().for_each(|wait| {
                        wait.seen.remove(&handover.old);
                    });
                }
            }
            // What was seen of its window is not in what is left.
            Did::Challenged { left, task, .. } => {
                let windows = need.waits.values().filter(|wait| wait.is_window_of(task));
                let least = windows.map(|wait| wait.left(self.coordinators)).max().unwrap_or_default();
                if *left < least {
                    self.wrong(format!("a window stands still with {} ns left of it, of {} ns", left.0, least.0));
                }
                let task = need.tasks.entry(task.clone()).or_default();
                (task.left, task.disputed) = (Some(*left), true);
            }
            // It stands still.
            Did::Empanelled { task, .. } => need.waits.retain(|_, wait| !wait.is_window_of(task)),
            Did::Ruled { task: name, .. } => {
                let task = need.tasks.entry(name.clone()).or_default();
                task.disputed = false;
                // Where nobody sat it never stood still.
                if need.waits.values().any(|wait| wait.is_window_of(name)) {
                    task.left = None;
                }
            }
            Did::Over { .. } => need.over = Some(self.record.clone()),
            _ => self.of_task(need, event),
        }
    }

    /// What happens to a task happens under its highest fence.
    fn of_task(&mut self, need: &mut Need, event: &Did) {
        let epoch = need.epoch;
        let (name, fence) = match event {
            Did::Leased { fence, task } | Did::Renewed { fence, task, .. } | Did::Released { fence, task, .. } => {
                (task, Some(*fence))
            }
            Did::Accepted { fence, task, .. } => (task, Some(*fence)),
            Did::Final { record } => {
                if record.epoch != epoch {
                    self.wrong(format!("a result of epoch {} becomes final in epoch {epoch}", record.epoch));
                }
                (&record.task, Some(record.fence))
            }
            Did::Settled { task, .. }
            | Did::Paid { task }
            | Did::TaskEnded { task, .. }
            | Did::Invalidated { task, .. } => (task, None),
            _ => return,
        };
        if let Did::Released { .. } = event {
            need.waits.retain(|_, wait| !wait.is_window_of(name));
        }
        let task = need.tasks.entry(name.clone()).or_default();
        if let Some(fence) = fence.filter(|fence| *fence != task.top) {
            let top = task.top;
            return self.wrong(format!("something happens under fence {fence}, but {top} was given out"));
        }
        let stands = match event {
            Did::Leased { .. } => match task.winner.take() {
                Some(winner) => {
                    task.holder = Some((winner, self.record.clone()));
                    true
                }
                None => false,
            },
            Did::Renewed { .. } => task.holder.is_some(),
            Did::Accepted { commit, .. } => {
                task.commit = Some(commit.id());
                task.holder.take().is_some()
            }
            Did::Released { reason, .. } => {
                task.disputed = false;
                let (held, judged) = (task.holder.take().is_some(), task.commit.take().is_some());
                let was_final = std::mem::take(&mut task.is_final);
                match reason {
                    ReleaseReason::Unruled => was_final,
                    ReleaseReason::Voided => held || judged,
                    ReleaseReason::Expired if held && !task.run_out => {
                        return self.wrong("a lease expires that no majority saw through");
                    }
                    ReleaseReason::Expired | ReleaseReason::Yielded => held,
                    ReleaseReason::Failed | ReleaseReason::Unseated => judged,
                    ReleaseReason::Unbonded => task.winner.take().is_some(),
                    ReleaseReason::Unbid => !held && !judged,
                }
            }
            Did::Final { record } => {
                (task.is_final, task.unchallenged, task.left) = (true, false, None);
                task.commit == Some(record.commit)
            }
            Did::Settled { .. } | Did::Paid { .. } => task.is_final,
            Did::Invalidated { commit, .. } => {
                std::mem::take(&mut task.is_final) && task.commit.take() == Some(*commit)
            }
            _ => {
                let idle = task.holder.is_none() && task.commit.is_none();
                (task.winner, task.holder, task.commit) = (None, None, None);
                idle
            }
        };
        if !stands {
            self.wrong(format!("{} happens to task {name} without what it rests on", word(event)));
        }
    }
}

/// The event's name.
fn word(event: &Did) -> &'static str {
    match event {
        Did::Leased { .. } => "a grant",
        Did::Renewed { .. } => "a renewal",
        Did::Accepted { .. } => "an acceptance",
        Did::Released { .. } => "a release",
        Did::Final { .. } => "finality",
        Did::Settled { .. } | Did::Paid { .. } => "a settlement",
        Did::Invalidated { .. } => "an invalidation",
        _ => "an end",
    }
}

#[cfg(test)]
#[path = "p4_tests.rs"]
mod tests;
