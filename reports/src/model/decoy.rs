//! Needs whose result is wrong on purpose (PROTOCOL 8: Forced errors): what may be unmasked, and what that costs whom.

use std::collections::BTreeSet;
use std::sync::Arc;

use swarm_core::config::COMMONS;
use swarm_core::id::{AgentId, Cid, Credits, Digest, NeedId, Seq, TaskName};
use swarm_core::register::{Answer, Ask, Ending, Event as Did};
use swarm_core::slot::Waiting;
use swarm_core::wire::{Attest, Body, Envelope, Unmask, Verdict};

use super::need::{Elsewhere, Need, Stage, Task};
use super::system::{System, escrow, free};
use crate::history::Account;

/// A result that was found wrong, and what its requester says of it.
#[derive(Clone, Debug)]
pub struct Wrong {
    commit: Arc<Envelope>,
    price: Credits,
    seats: Vec<AgentId>,
    caught: BTreeSet<AgentId>,
    slashed: BTreeSet<AgentId>,
    said: Option<Unmask>,
    sure: bool,
    passed: BTreeSet<AgentId>,
}

impl Task {
    /// Its result is wrong: these failed it, or those passed it and are slashed for that.
    pub fn is_wrong(&mut self, caught: &[AgentId], slashed: &[AgentId]) {
        let (Some(commit), Some(winner)) = (&self.commit, &self.winner) else { return };
        self.wrong = Some(Wrong {
            commit: Arc::clone(commit),
            price: winner.bid.cost,
            seats: self.seats.clone(),
            caught: caught.iter().copied().collect(),
            slashed: slashed.iter().copied().collect(),
            said: None,
            sure: false,
            passed: BTreeSet::new(),
        });
    }

    /// Somebody says, rightly or not, that it was wrong on purpose.
    pub fn is_being_unmasked(&self) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.said.is_some())
    }

    pub fn is_decoy(&self) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.sure)
    }
}

impl Need {
    pub(super) fn unmask(&mut self, envelope: &Arc<Envelope>, said: &Unmask) -> Option<()> {
        let requester = self.text.as_ref()?.sender;
        let (epoch, alone) = (self.epoch, self.tasks.len() == 1);
        let is_of_opinion = self.text()?.forms.values().any(|form| form.claims.is_some());
        let task = self.tasks.get_mut(&said.task)?;
        let present = envelope.epoch == Some(epoch) && envelope.fence == Some(task.fence);
        if envelope.sender != requester || !alone || !present || is_of_opinion || task.stage != Stage::Idle {
            return None;
        }
        let wrong = task.wrong.as_mut().filter(|wrong| wrong.said.is_none() && wrong.commit.id() == said.commit)?;
        let Body::Commit(commit) = &wrong.commit.body else { return None };
        let outputs: Vec<Cid> = commit.outputs.values().copied().collect();
        let mask = Digest::of_json("swarm/mask", &(requester, wrong.commit.sender, outputs, said.salt));
        if mask != said.mask {
            return None;
        }
        wrong.said = Some(said.clone());
        let task = said.task.clone();
        self.did(Did::Unmasking { task: task.clone(), unmask: Arc::clone(envelope) });
        self.ask(Ask::Mask { mask, task });
        Some(())
    }

    pub(super) fn take_mask(&mut self, answer: &Answer, name: &TaskName, elsewhere: &impl Elsewhere) {
        let decoy = *answer == Answer::Masked;
        let task = self.tasks.get_mut(name).expect("one of its tasks");
        match &mut task.wrong {
            Some(wrong) if decoy => wrong.sure = true,
            wrong => *wrong = None,
        }
        self.did(Did::Unmasked { decoy, task: name.clone() });
        let bids = Waiting::Bids(name.clone());
        if decoy {
            self.stop(bids);
            self.wait(Waiting::Verdicts(name.clone()), self.windows().verify_ms);
        } else if !self.waits.contains_key(&bids) {
            self.grant(name, elsewhere);
        }
    }

    /// A verdict on its own: who passed a decoy.
    pub(super) fn passes(&mut self, envelope: &Arc<Envelope>, said: &Attest) -> Option<()> {
        let epoch = self.epoch;
        let task = self.tasks.get_mut(&said.task)?;
        let present = envelope.epoch == Some(epoch) && envelope.fence == Some(task.fence);
        let wrong = task.wrong.as_mut().filter(|wrong| wrong.sure && wrong.commit.id() == said.commit)?;
        let verifier = envelope.sender;
        let new = wrong.seats.contains(&verifier) && !wrong.slashed.contains(&verifier);
        if !present || said.verdict != Verdict::Pass || !new || !wrong.passed.insert(verifier) {
            return None;
        }
        self.did(Did::Passed { attest: envelope.id(), task: said.task.clone(), verifier });
        Some(())
    }

    pub(super) fn expose(&mut self, name: &TaskName, elsewhere: &impl Elsewhere) {
        let Some(wrong) = self.tasks.get(name).and_then(|task| task.wrong.clone()) else { return };
        let (Some(said), Some(decision)) = (wrong.said, &self.decision) else { return };
        let ruled = !wrong.slashed.is_empty();
        let bond = if ruled { 0 } else { super::follow::bond(decision.plan[name].cap, elsewhere.params()) };
        let price = if ruled { Credits(0) } else { wrong.price };
        let outnumbered = !ruled && wrong.passed.len() > wrong.caught.len();
        self.budget -= price.0;
        self.ask(Ask::Expose {
            bond: Credits(bond),
            caught: wrong.caught.into_iter().collect(),
            denied: said.denied,
            mask: said.mask,
            passed: if outnumbered { Vec::new() } else { wrong.passed.into_iter().collect() },
            price,
            task: name.clone(),
            worker: wrong.commit.sender,
        });
        self.end_task(name, Ending::Decoy);
    }
}

impl System {
    /// A decoy is announced, for a credit.
    pub(super) fn announce(&mut self, by: AgentId, mask: Digest) -> bool {
        let can = !self.masks.contains_key(&mask) && self.accounts.contains(&by);
        let done = can && self.books.shift(&free(&by), &Account::Commons, 1);
        if done {
            self.masks.insert(mask, (by, self.seq, None));
        }
        done
    }

    /// Whether the need was masked before it was taken up, by a mask that is nobody else's.
    pub(super) fn masked(&mut self, need: NeedId, mask: &Digest) -> bool {
        let Some((_, taken_up)) = self.requesters.get(&need).copied() else { return false };
        match self.masks.get_mut(mask) {
            Some((_, since, of @ None)) if *since < taken_up => {
                *of = Some(need);
                true
            }
            _ => false,
        }
    }

    pub(super) fn expose(&mut self, need: NeedId, ask: &Ask) {
        let Ask::Expose { bond, caught, denied, mask, passed, price, worker, .. } = ask else { return };
        let (Some((requester, _)), Some((by, ..))) = (self.requesters.get(&need).copied(), self.masks.remove(mask))
        else {
            return;
        };
        let pot = Account::Pot(format!("decoy/{need}").into());
        self.books.shift(&escrow(&need), &pot, price.0);
        let part = |amount: u64, bp: u32| (u128::from(amount) * u128::from(bp) / 10_000) as u64;
        let (lien, slash_bp, reward_bp) = (self.params().lien.0, self.params().slash_bp, self.params().reward_bp);
        let mut own = 0;
        for offender in passed {
            let bound = self.books.at(&Account::Stake(*offender)) + self.books.at(&Account::Unbonding(*offender));
            let loss = part(lien, slash_bp).min(bound - self.books.encumbered(offender));
            own += loss;
            self.lose(offender, loss, &pot);
            if let Some(agent) = self.agents.get_mut(offender) {
                agent.reputation_bp /= 2;
            }
        }
        let jackpot = price.0 + part(own, reward_bp);
        let n = caught.len() as u64;
        let each = jackpot.checked_div(n).unwrap_or(0);
        for (agent, at) in caught.iter().zip(0..) {
            let kin = [requester, *worker, by].iter().any(|one| self.were_related(need, one, agent));
            if !kin && !denied.contains(agent) {
                self.books.shift(&pot, &free(agent), each + u64::from(at < jackpot - each * n));
            }
        }
        let rest = self.books.at(&pot);
        self.books.shift(&pot, &Account::Commons, rest);
        let back = bond.0.min(self.books.at(&Account::Commons));
        self.books.shift(&free(&COMMONS), &free(worker), back);
        self.dirty = true;
    }
}

/// Announced decoys: by whom, when, and which need was opened by it.
pub(super) type Masks = std::collections::BTreeMap<Digest, (AgentId, Seq, Option<NeedId>)>;
