//! What votes do to a need: on its plans, and on the results of its tasks (PROTOCOL 5, 6).

use std::collections::BTreeSet;
use std::sync::Arc;

use swarm_core::id::Cid;
use swarm_core::register::{Counted, Event as Did};
use swarm_core::slot::Waiting;
use swarm_core::wire::{AttestPlan, Body, Envelope};

use super::need::{Decision, Elsewhere, Need, Phase, Stage, Task};
use super::plan;
use super::quorum::{Count, count};

impl Need {
    pub(super) fn count(&mut self, votes: &[Arc<Envelope>], elsewhere: &impl Elsewhere) -> Option<()> {
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
            Body::Verdict(_) => self.count_rulings(votes, elsewhere),
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
}

pub(super) fn counted(vote: &Envelope) -> Counted {
    let proof = if let Body::Attest(said) = &vote.body { Some(said.proof) } else { None };
    Counted { attest: vote.id(), engine: vote.policy.engine, proof, verifier: vote.sender }
}
