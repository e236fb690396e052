//! One need, as the model keeps it: what each command may do, by PROTOCOL 5 to 8.
//!
//! A command is judged by one function that either says why not (`None`) or does it, and writes down what happened in the
//! words of the history, to be held against what was told. What follows from it is in `follow`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::bids::Bid;
use swarm_core::config::Params;
use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::register::{Answer, Ask, BondFate, Command, Counted, Ending, Event as Did, Proof};
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{
    AttestPlan, Body, Envelope, Expires, FinalizeRecord, Need as Text, ReleaseReason, Role, SnapshotRef, Windows,
};

use super::plan::{self, Bidder, Planned};
use super::quorum::{Count, count};

/// What is registered of an agent.
#[derive(Clone, Debug)]
pub struct Standing {
    pub manifest: Cid,
    pub org: String,
    pub reputation_bp: u32,
    pub roles: Vec<Role>,
    pub can: Vec<swarm_core::id::Label>,
}

/// What a need looks up elsewhere.
pub trait Elsewhere {
    fn params(&self) -> &Params;
    /// Members of the register, and whether `agent` is one.
    fn members(&self) -> usize;
    fn is_member(&self, agent: &AgentId) -> bool;
    fn standing(&self, snapshot: u32, agent: &AgentId) -> Option<&Standing>;
    /// What the system thread told as event `at` of its entry `seq`.
    fn told(&self, seq: Seq, at: u32) -> Option<&Did>;
}

/// Where a need stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Absent,
    Opening,
    Open,
    Decided,
    Over,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Idle,
    Granting,
    Leased,
    Drawing,
    Verifying,
    Final,
    Settled,
    Paid,
    Failed,
    Cancelled,
}

impl Stage {
    pub fn has_result(self) -> bool {
        matches!(self, Self::Final | Self::Settled | Self::Paid)
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Paid | Self::Failed | Self::Cancelled)
    }
}

/// The winner of a task, and what was carved for it.
#[derive(Clone, Debug)]
pub struct Winner {
    pub bid: Bid,
    pub fees: u64,
    pub org: String,
    pub renewals: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Task {
    pub stage: Stage,
    pub fence: Fence,
    pub attempts: u32,
    /// Bid windows in a row without a grant, and draws without a committee.
    pub dry: u32,
    pub draws: u32,
    pub best: Option<Bid>,
    pub offers: BTreeMap<AgentId, u32>,
    pub barred: BTreeSet<AgentId>,
    pub winner: Option<Winner>,
    pub commit: Option<Arc<Envelope>>,
    pub seats: Vec<AgentId>,
    pub k: u32,
    pub snapshot: SnapshotRef,
    pub result: Option<Arc<FinalizeRecord>>,
    pub unchallenged: bool,
}

/// A running wait.
#[derive(Clone, Debug)]
pub struct Watch {
    pub segment: Segment,
    pub total: Span,
    pub seen: BTreeMap<AgentId, Span>,
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub proposal: Arc<Envelope>,
    pub digest: Digest,
    pub plan: BTreeMap<TaskName, Planned>,
    pub counted: Vec<Counted>,
}

/// One need.
#[derive(Clone, Debug)]
pub struct Need {
    pub id: NeedId,
    pub seq: Seq,
    pub phase: Phase,
    pub text: Option<Arc<Envelope>>,
    pub epoch: Epoch,
    pub snapshot: SnapshotRef,
    pub k: u32,
    pub voters: Vec<AgentId>,
    pub proposals: BTreeMap<Cid, (Arc<Envelope>, u32)>,
    pub candidates: Vec<Cid>,
    pub decision: Option<Decision>,
    pub tasks: BTreeMap<TaskName, Task>,
    pub waits: BTreeMap<Waiting, Watch>,
    pub segment: Segment,
    pub asked: u32,
    /// Asks that wait for their answer, by where they stand.
    pub open_asks: BTreeMap<(Seq, u32), Option<TaskName>>,
    pub budget: u64,
    pub fees: u64,
    pub acts: BTreeSet<Cid>,
    pub winners: Vec<String>,
    /// What the present entry did so far.
    pub out: Vec<Did>,
}

/// What a command comes to.
pub enum Said {
    Does(Vec<Did>),
    Refused,
    /// It rests on something that this model does not keep.
    CannotTell,
}

impl Need {
    pub fn new(id: NeedId) -> Self {
        Self {
            id,
            seq: Seq(0),
            phase: Phase::Absent,
            text: None,
            epoch: Epoch(0),
            snapshot: SnapshotRef::default(),
            k: 0,
            voters: Vec::new(),
            proposals: BTreeMap::new(),
            candidates: Vec::new(),
            decision: None,
            tasks: BTreeMap::new(),
            waits: BTreeMap::new(),
            segment: Segment(0),
            asked: 0,
            open_asks: BTreeMap::new(),
            budget: 0,
            fees: 0,
            acts: BTreeSet::new(),
            winners: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Applies the command of the next entry.
    pub fn apply(&mut self, command: &Command, elsewhere: &impl Elsewhere) -> Said {
        self.seq = self.seq.next();
        self.out.clear();
        let evidence: Vec<&Arc<Envelope>> = match command {
            Command::Act(envelope) => vec![envelope],
            Command::Count(votes) => votes.iter().collect(),
            Command::Elapsed { .. } | Command::Relay(_) => Vec::new(),
            _ => return Said::CannotTell,
        };
        if let Command::Act(envelope) = command
            && self.acts.contains(&envelope.id())
        {
            return Said::Refused;
        }
        for envelope in &evidence {
            match envelope.expires {
                Some(Expires::Lamport(_)) => return Said::CannotTell,
                Some(Expires::Register(last)) if self.seq > last => return Said::Refused,
                _ => {}
            }
        }
        let fits = self.phase != Phase::Over && evidence.iter().all(|e| e.thread == Thread::Need(self.id));
        let done = match command {
            _ if !fits => None,
            Command::Act(envelope) => self.act(envelope, elsewhere),
            Command::Count(votes) => self.count(votes, elsewhere),
            Command::Relay(proof) => match self.answered(proof, elsewhere) {
                Some(true) => Some(()),
                Some(false) => None,
                None => return Said::CannotTell,
            },
            Command::Elapsed { by, elapsed, segment } => self.elapsed(*by, *elapsed, *segment, elsewhere),
            _ => None,
        };
        if done.is_none() {
            return Said::Refused;
        }
        if let Command::Act(envelope) = command {
            self.acts.insert(envelope.id());
        }
        while self.phase != Phase::Over && (self.end_a_wait(elsewhere) || self.move_a_task(elsewhere)) {}
        Said::Does(std::mem::take(&mut self.out))
    }

    pub fn text(&self) -> Option<&Text> {
        match &self.text.as_ref()?.body {
            Body::Need(text) => Some(text),
            _ => None,
        }
    }

    pub fn windows(&self) -> Windows {
        self.text().expect("asked of open needs only").windows
    }

    pub fn did(&mut self, event: Did) {
        self.out.push(event);
    }

    pub fn ask(&mut self, ask: Ask) {
        self.asked += 1;
        let about = match &ask {
            Ask::Grant { task, .. } | Ask::Seats { task, .. } => Some(Some(task.clone())),
            Ask::Escrow { .. } | Ask::Voters { .. } => Some(None),
            _ => None,
        };
        if let Some(about) = about {
            self.open_asks.insert((self.seq, self.out.len() as u32), about);
        }
        self.did(Did::Asked { ask, number: self.asked });
    }

    pub fn wait(&mut self, waiting: Waiting, ms: u32) {
        self.segment = Segment(self.segment.0 + 1);
        let (segment, total) = (self.segment, Span::from_ms(u64::from(ms)));
        self.waits.insert(waiting.clone(), Watch { segment, total, seen: BTreeMap::new() });
        self.did(Did::WaitOpened { segment, total, waiting });
    }

    pub fn stop(&mut self, waiting: Waiting) {
        if self.waits.remove(&waiting).is_some() {
            self.did(Did::WaitClosed { waiting });
        }
    }

    fn act(&mut self, envelope: &Arc<Envelope>, elsewhere: &impl Elsewhere) -> Option<()> {
        let params = elsewhere.params();
        match &envelope.body {
            Body::Need(text) => {
                let most = match text.class {
                    swarm_core::wire::Class::Simple => 10,
                    swarm_core::wire::Class::Complex => 100,
                    swarm_core::wire::Class::Critical => 1_000,
                };
                let ballots = u128::from(text.k_plan) + u128::from(text.k_result) + u128::from(params.seats_spare);
                let total = u128::from(text.budget.0) + u128::from(text.fees.0);
                let sound = text.fee.0 <= most
                    && text.k_plan > 0
                    && text.k_result > 0
                    && text.budget.0 > 0
                    && u128::from(text.fees.0) >= u128::from(text.fee.0) * ballots
                    && total <= u128::from(params.supply_max.0);
                if self.phase != Phase::Absent || !sound {
                    return None;
                }
                (self.phase, self.epoch, self.text) = (Phase::Opening, Epoch(1), Some(Arc::clone(envelope)));
                (self.budget, self.fees) = (text.budget.0, text.fees.0);
                self.did(Did::Opening { need: Arc::clone(envelope) });
                let amount = Credits(self.budget + self.fees);
                self.ask(Ask::Escrow { amount, k_plan: text.k_plan, requester: envelope.sender });
            }
            Body::Propose(propose) => {
                let text = self.text()?.clone();
                let same = |kept: &Envelope| matches!(&kept.body, Body::Propose(p) if kept.sender == envelope.sender && p.ballot == propose.ballot);
                let room = self.proposals.len() < params.proposals_max as usize;
                if !self.waits.contains_key(&Waiting::Proposals)
                    || !room
                    || self.proposals.values().any(|(kept, _)| same(kept))
                {
                    return None;
                }
                let bidder = self.bidder(envelope, Role::Planner, &text.recipe, elsewhere)?;
                plan::read(&text, propose)?;
                let cost = propose.cost_caps.values().map(|cap| cap.0).sum();
                let score = plan::score(cost, text.budget.0, propose.eta_ms, text.deadline_ms, bidder)?;
                self.proposals.insert(envelope.id(), (Arc::clone(envelope), score));
                self.did(Did::Proposed { proposal: Arc::clone(envelope), score });
            }
            Body::Claim(claim) => {
                let name = &claim.task;
                let task = self.tasks.get(name)?;
                let waiting = Waiting::Bids(name.clone());
                let present = envelope.epoch == Some(self.epoch) && envelope.fence.unwrap_or_default() == task.fence;
                if !present || !self.waits.contains_key(&waiting) || task.barred.contains(&envelope.sender) {
                    return None;
                }
                let planned = self.decision.as_ref()?.plan[name].clone();
                let bidder = self.bidder(envelope, Role::Worker, &planned.job, elsewhere)?;
                let (cost, deadline) = (claim.cost.0, self.text()?.deadline_ms);
                let score = plan::score(cost, planned.cap, claim.eta_ms, deadline, bidder)?;
                let bid = Bid {
                    agent: envelope.sender,
                    cost: claim.cost,
                    eta_ms: claim.eta_ms,
                    id: envelope.id(),
                    lamport: envelope.lamport,
                    score,
                };
                if cost > self.budget || !improves(task, &bid, params) {
                    return None;
                }
                let task = self.tasks.get_mut(name)?;
                *task.offers.entry(bid.agent).or_default() += 1;
                task.best = Some(bid.clone());
                self.did(Did::Bid { bid, task: name.clone() });
            }
            Body::Heartbeat(beat) => {
                let (name, winner) = (&beat.task, self.held(envelope, &beat.task)?.clone());
                let lease = u64::from(self.windows().lease_ms.max(1));
                let most = u64::from(winner.bid.eta_ms) * u64::from(params.lease_stretch_bp) / 10_000;
                if u64::from(winner.renewals + 1) * lease >= most.max(lease) {
                    return None;
                }
                let task = self.tasks.get_mut(name)?;
                task.winner.as_mut()?.renewals += 1;
                let fence = task.fence;
                self.did(Did::Renewed { fence, task: name.clone() });
                self.wait(Waiting::Lease(name.clone()), self.windows().lease_ms);
            }
            Body::Yield(body) => {
                self.held(envelope, &body.task)?;
                self.stop(Waiting::Lease(body.task.clone()));
                self.release(&body.task, ReleaseReason::Yielded, BondFate::LessFee, Vec::new());
            }
            Body::Cancel(cancel) => {
                if self.text.as_ref()?.sender != envelope.sender {
                    return None;
                }
                let idle = |task: &Task| task.stage == Stage::Idle;
                let ends: Vec<TaskName> = match &cancel.task {
                    Some(task) => self.tasks.get(task).filter(|t| idle(t)).map(|_| task.clone()).into_iter().collect(),
                    None => self.tasks.iter().filter(|(_, t)| idle(t)).map(|(name, _)| name.clone()).collect(),
                };
                if cancel.task.is_none() && self.phase == Phase::Open {
                    self.close(Ending::Cancelled);
                } else if ends.is_empty() {
                    return None;
                }
                ends.iter().for_each(|task| self.end_task(task, Ending::Cancelled));
            }
            Body::Commit(commit) => {
                let name = &commit.task;
                self.held(envelope, name)?;
                let promised: BTreeSet<_> = self.decision.as_ref()?.plan[name].produces.iter().collect();
                if commit.outputs.keys().collect::<BTreeSet<_>>() != promised {
                    return None;
                }
                self.stop(Waiting::Lease(name.clone()));
                let task = self.tasks.get_mut(name)?;
                (task.stage, task.commit) = (Stage::Drawing, Some(Arc::clone(envelope)));
                let fence = task.fence;
                self.did(Did::Accepted { commit: Arc::clone(envelope), fence, task: name.clone() });
                self.ask_for_seats(name);
            }
            _ => return None,
        }
        Some(())
    }

    /// What is registered of the sender, if it may act so under the manifest it cites.
    fn bidder(
        &self,
        envelope: &Envelope,
        role: Role,
        skill: &swarm_core::id::Label,
        elsewhere: &impl Elsewhere,
    ) -> Option<Bidder> {
        let known = elsewhere.standing(self.snapshot.number, &envelope.sender)?;
        let cited = &envelope.capability;
        let may = known.manifest == cited.manifest && known.can.contains(&cited.name) && known.roles.contains(&role);
        may.then(|| Bidder {
            fits: known.can.contains(skill),
            fresh: !known.org.is_empty() && !self.winners.contains(&known.org),
            reputation_bp: known.reputation_bp,
        })
    }

    /// The winner who holds `task`, if it is the sender, under these very tokens.
    fn held(&self, envelope: &Envelope, task: &TaskName) -> Option<&Winner> {
        let task = self.tasks.get(task)?;
        let present = envelope.epoch == Some(self.epoch) && envelope.fence == Some(task.fence);
        let winner = task.winner.as_ref().filter(|winner| winner.bid.agent == envelope.sender)?;
        (present && task.stage == Stage::Leased).then_some(winner)
    }

    fn count(&mut self, votes: &[Arc<Envelope>], elsewhere: &impl Elsewhere) -> Option<()> {
        let rising = votes.windows(2).all(|pair| pair[0].id() < pair[1].id());
        if !rising || votes.iter().any(|vote| vote.epoch != Some(self.epoch)) {
            return None;
        }
        match &votes.first()?.body {
            Body::AttestPlan(_) => self.count_plans(votes, elsewhere),
            Body::Attest(first) => {
                let name = first.task.clone();
                let task = self.tasks.get(&name).filter(|task| task.stage == Stage::Verifying)?;
                let (commit, fence) = (task.commit.as_ref()?.id(), task.fence);
                let mut ballots = Vec::new();
                for vote in votes {
                    let Body::Attest(body) = &vote.body else { return None };
                    if body.task != name || body.commit != commit || vote.fence != Some(fence) {
                        return None;
                    }
                    ballots.push((vote.sender, body.verdict));
                }
                match count(task.k as usize, &task.seats, &ballots) {
                    Count::Reached(verdict) => {
                        let agree =
                            |vote: &&Arc<Envelope>| matches!(&vote.body, Body::Attest(a) if a.verdict == verdict);
                        let counted = votes.iter().filter(agree).map(|vote| counted(vote)).collect();
                        self.judge(&name, Some(verdict), counted);
                    }
                    Count::Hung(_) => self.judge(&name, None, Vec::new()),
                    Count::Open | Count::Void => return None,
                }
                Some(())
            }
            _ => None,
        }
    }

    fn count_plans(&mut self, votes: &[Arc<Envelope>], elsewhere: &impl Elsewhere) -> Option<()> {
        if self.phase != Phase::Open || self.candidates.is_empty() || self.voters.is_empty() {
            return None;
        }
        let mut ballots = Vec::new();
        for vote in votes {
            let Body::AttestPlan(AttestPlan { proposal, .. }) = &vote.body else { return None };
            if proposal.is_some_and(|proposal| !self.candidates.contains(&proposal)) {
                return None;
            }
            ballots.push((vote.sender, *proposal));
        }
        let standing = match count(self.k as usize, &self.voters, &ballots) {
            Count::Reached(Some(proposal)) => {
                let agree =
                    |vote: &&Arc<Envelope>| matches!(&vote.body, Body::AttestPlan(a) if a.proposal == Some(proposal));
                let counted: Vec<_> = votes.iter().filter(agree).map(|vote| counted(vote)).collect();
                self.stop(Waiting::Decision);
                self.did(Did::Decided { counted: counted.clone(), proposal });
                self.decide(proposal, counted);
                return Some(());
            }
            Count::Reached(None) => {
                // Nobody wants any of them; whoever else was approved is second.
                let mut others: Vec<_> = ballots.iter().filter_map(|(_, choice)| *choice).collect();
                others.sort_unstable();
                let votes_for = |one: &Cid| others.iter().filter(|other| *other == one).count();
                let mut distinct: Vec<_> = others.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
                distinct.sort_by_key(|one| std::cmp::Reverse(votes_for(one)));
                distinct
            }
            Count::Hung(standing) => standing.into_iter().filter_map(|(_, choice)| choice).collect(),
            Count::Open | Count::Void => return None,
        };
        self.pass_epoch(standing.into_iter().take(2).collect(), elsewhere.params());
        Some(())
    }

    fn decide(&mut self, proposal: Cid, votes: Vec<Counted>) {
        let (envelope, text) = (Arc::clone(&self.proposals[&proposal].0), self.text().cloned());
        let (Body::Propose(propose), Some(text)) = (&envelope.body, text) else { return };
        let plan = plan::read(&text, propose).unwrap_or_default();
        self.phase = Phase::Decided;
        self.tasks = plan.keys().map(|name| (name.clone(), Task::default())).collect();
        self.fees = self.fees.saturating_sub(text.fee.0 * votes.len() as u64);
        let digest = plan::digest(&proposal, propose);
        self.decision = Some(Decision { digest, plan, counted: votes, proposal: Arc::clone(&envelope) });
    }

    /// A proved answer: `Some(true)` if it is taken.
    fn answered(&mut self, proof: &Proof, elsewhere: &impl Elsewhere) -> Option<bool> {
        let (Thread::System, Some(claim @ Did::Answered { answer, at, need, seq })) = (proof.thread, proof.claim())
        else {
            return Some(false);
        };
        if *need != self.id || !self.open_asks.contains_key(&(*seq, *at)) {
            return Some(false);
        }
        // Whether enough vouched for it is not recounted: what the system thread did is known here.
        if elsewhere.told(proof.entry.seq, proof.at)? != claim {
            return Some(false);
        }
        self.take_answer(answer, (*seq, *at), elsewhere.params());
        Some(true)
    }

    fn elapsed(&mut self, by: AgentId, elapsed: Span, segment: Segment, elsewhere: &impl Elsewhere) -> Option<()> {
        let watch = self.waits.values_mut().find(|watch| watch.segment == segment)?;
        let capped = elapsed.min(watch.total);
        let heard = watch.seen.get(&by).is_some_and(|seen| *seen >= capped);
        if heard || !elsewhere.is_member(&by) {
            return None;
        }
        watch.seen.insert(by, capped);
        self.did(Did::Reported { by, elapsed, segment });
        Some(())
    }
}

impl Need {
    pub fn take_answer(&mut self, answer: &Answer, place: (Seq, u32), params: &Params) {
        let task = self.open_asks.remove(&place).flatten();
        self.did(Did::Answered { answer: answer.clone(), at: place.1, need: self.id, seq: place.0 });
        match (answer, task) {
            (Answer::Escrowed { k_plan, snapshot, voters } | Answer::Voters { k_plan, snapshot, voters }, None) => {
                (self.phase, self.k, self.snapshot) = (Phase::Open, *k_plan, *snapshot);
                self.voters.clone_from(voters);
                let (epoch, k_plan, snapshot) = (self.epoch, *k_plan, *snapshot);
                self.did(Did::Opened { epoch, k_plan, snapshot, voters: voters.clone() });
                let windows = self.windows();
                if self.candidates.is_empty() {
                    self.wait(Waiting::Proposals, windows.proposals_ms);
                } else {
                    self.wait(Waiting::Decision, windows.decision_ms);
                }
            }
            (Answer::Denied(_), None) if self.phase == Phase::Open => self.close(Ending::Failed),
            (Answer::Denied(_), None) => self.over(Ending::Failed),
            (answer, Some(task)) => self.take_task_answer(answer, &task, params),
            _ => {}
        }
    }
}

fn counted(vote: &Envelope) -> Counted {
    Counted { attest: vote.id(), engine: vote.policy.engine, verifier: vote.sender }
}

/// Whether `bid` beats what is kept, in a round that its bidder still has.
fn improves(task: &Task, bid: &Bid, params: &Params) -> bool {
    let rounds = task.offers.get(&bid.agent).copied().unwrap_or(0);
    let Some(best) = &task.best else { return rounds < params.bid_rounds_max };
    let better =
        (bid.score > best.score) || (bid.score == best.score && (bid.lamport, bid.id) < (best.lamport, best.id));
    let least = u128::from(best.cost.0) * u128::from(10_000 - params.bid_improvement_bp.min(10_000));
    let cheaper = u128::from(bid.cost.0) * 10_000 <= least;
    rounds < params.bid_rounds_max && better && (rounds == 0 || cheaper)
}
