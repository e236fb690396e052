//! What an agent's own envelope may do to a need (PROTOCOL 5, 7).

use std::collections::BTreeSet;
use std::sync::Arc;

use swarm_core::bids::Bid;
use swarm_core::config::Params;
use swarm_core::id::{Credits, Epoch, Label, TaskName};
use swarm_core::register::{Ask, BondFate, Ending, Event as Did};
use swarm_core::slot::Waiting;
use swarm_core::wire::{Body, Class, Envelope, ReleaseReason, Role, bounds};

use super::need::{Elsewhere, Need, Phase, Stage, Task, Winner};
use super::plan::{self, Bidder};

impl Need {
    pub(super) fn act(&mut self, envelope: &Arc<Envelope>, elsewhere: &impl Elsewhere) -> Option<()> {
        let params = elsewhere.params();
        match &envelope.body {
            Body::Need(text) => {
                let most = match text.class {
                    Class::Simple => 10,
                    Class::Complex => 100,
                    Class::Critical => 1_000,
                };
                let ballots = u128::from(text.k_plan) + u128::from(text.k_result) + u128::from(params.seats_spare);
                let total = u128::from(text.budget.0) + u128::from(text.fees.0);
                let sound = text.fee.0 <= most
                    && text.fee.0 > 0
                    && text.k_plan > 0
                    && text.k_result > 0
                    && text.budget.0 > 0
                    && text.windows.lease_ms >= params.lease_min_ms
                    && text.windows.verify_ms >= params.verify_min_ms
                    && text.windows.decision_ms >= params.decision_min_ms
                    && text.windows.challenge_ms >= params.challenge_min_ms
                    && u128::from(text.fees.0) >= u128::from(text.fee.0) * ballots
                    && total <= u128::from(params.supply_max.0);
                if self.phase != Phase::Absent || !sound {
                    return None;
                }
                (self.phase, self.epoch, self.text) = (Phase::Opening, Epoch(1), Some(Arc::clone(envelope)));
                (self.budget, self.fees) = (text.budget.0, text.fees.0);
                self.did(Did::Opening { need: Arc::clone(envelope) });
                let amount = Credits(self.budget + self.fees);
                let engine = envelope.policy.engine;
                self.ask(Ask::Escrow { amount, engine, k_plan: text.k_plan, requester: envelope.sender });
            }
            Body::Propose(propose) => {
                let text = self.text()?.clone();
                let same = |kept: &Envelope| matches!(&kept.body, Body::Propose(p) if kept.sender == envelope.sender && p.ballot == propose.ballot);
                let own = self.proposals.values().filter(|(kept, _)| kept.sender == envelope.sender).count();
                let fits = envelope.bytes().len() <= bounds::propose_bytes_max(text.k_plan);
                let room = own < 2 && fits && self.proposals.len() < params.proposals_max as usize;
                if !self.waits.contains_key(&Waiting::Proposals)
                    || !room
                    || self.proposals.values().any(|(kept, _)| same(kept))
                {
                    return None;
                }
                let bidder = self.bidder(envelope, Role::Planner, &text.recipe, elsewhere)?;
                let free = elsewhere.standing(self.snapshot.number, &envelope.sender)?.free;
                if free < super::follow::bond(text.budget.0, params) {
                    return None;
                }
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
                let free = elsewhere.standing(self.snapshot.number, &bid.agent)?.free;
                let solvent = free >= super::follow::bond(planned.cap, params);
                if cost > self.budget || !solvent || !improves(task, &bid, params) {
                    return None;
                }
                let task = self.tasks.get_mut(name)?;
                *task.offers.entry(bid.agent).or_default() += 1;
                task.best = Some(bid.clone());
                self.did(Did::Bid { bid, task: name.clone() });
            }
            Body::Heartbeat(beat) => {
                let (name, winner) = (&beat.task, self.held(envelope, &beat.task)?.clone());
                let lease = self.windows().lease_ms;
                let most = u64::from(winner.bid.eta_ms) * u64::from(params.lease_stretch_bp) / 10_000;
                let more = u64::from(lease).min(most.saturating_sub(winner.granted_ms)) as u32;
                // It waits behind the stretch that runs, and one at a time.
                if more == 0 || winner.rest_ms > 0 {
                    return None;
                }
                let task = self.tasks.get_mut(name)?;
                let winner = task.winner.as_mut()?;
                winner.granted_ms += u64::from(more);
                winner.rest_ms = more;
                let fence = task.fence;
                self.did(Did::Renewed { fence, more_ms: more, task: name.clone() });
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
                let idle = |task: &Task| task.stage == Stage::Idle && !task.is_being_unmasked();
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
                self.ask_for_seats(name, elsewhere.params());
            }
            Body::Challenge(challenge) => self.challenge(envelope, challenge, elsewhere)?,
            Body::Unmask(said) => self.unmask(envelope, said)?,
            Body::Attest(said) => self.passes(envelope, said)?,
            _ => return None,
        }
        Some(())
    }

    /// What is registered of the sender, if it may act so under the manifest it cites.
    fn bidder(&self, envelope: &Envelope, role: Role, skill: &Label, elsewhere: &impl Elsewhere) -> Option<Bidder> {
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
