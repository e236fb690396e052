//! Final results that somebody disputes, and what that costs whom (PROTOCOL 8: Window, Upheld, Bond, Slash).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::config::Params;
use swarm_core::id::{AgentId, Credits, Digest, NeedId, TaskName};
use swarm_core::register::{Answer, Ask, Bench, BondFate, Counted, Event as Did};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Challenge, Commit, Due, Envelope, Evidence, Payout, ReleaseReason};

use super::need::{Elsewhere, Need, Stage, Task};
use super::quorum::{self, Count, count};
use super::system::{System, bond_of, free};
use super::weigh;
use crate::check::draw;
use crate::history::Account;

/// A dispute about a final result.
#[derive(Clone, Debug)]
pub struct Dispute {
    challenge: Arc<Envelope>,
    late: bool,
    left: Span,
    draws: u32,
    /// How far up it was taken.
    level: usize,
    seats: Vec<AgentId>,
    k: u32,
}

impl Task {
    /// Passes that the next result is asked for: two more for each that was void.
    pub fn k_target(&self, k_result: u32) -> u32 {
        (k_result + 2 * self.voided).min(50)
    }

    /// The attempt is over, and nothing of it is left.
    pub fn forget(&mut self) {
        self.stage = Stage::Idle;
        (self.commit, self.result, self.dispute) = (None, None, None);
        self.unchallenged = false;
        self.proven.clear();
        self.seats.clear();
        self.asked.clear();
        self.challengers.clear();
        self.found_late = false;
        self.heard.clear();
    }

    /// Whose passes made the result final.
    fn passed_by(&self) -> Vec<AgentId> {
        let fees = self.result.iter().flat_map(|result| &result.payouts).filter(|payout| payout.due == Due::Fee);
        fees.map(|payout| payout.to).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The verifier whose proof a challenge disputes, if it does not dispute the result.
fn accused_in(challenge: &Envelope) -> Option<AgentId> {
    match &challenge.body {
        Body::Challenge(Challenge { evidence: Evidence::FalseProof { verifier }, .. }) => Some(*verifier),
        _ => None,
    }
}

/// What a challenge costs whoever is wrong: more, the more has to be done again.
fn bond(said: &Challenge, commit: &Commit, params: &Params) -> Credits {
    let base = match said.evidence {
        Evidence::OutputMismatch { .. } | Evidence::StretchMismatch { .. } | Evidence::FalseProof { .. } => {
            params.challenge_bond
        }
        Evidence::PolicyBreach { .. } => params.breach_bond,
        Evidence::SemanticContradiction { .. } => params.contradiction_bond,
        Evidence::SchemaViolation { .. } => params.schema_bond,
        Evidence::MissingCitation { .. } => params.citation_bond,
    };
    let looked_at = match said.evidence {
        Evidence::StretchMismatch { .. } => commit.telemetry.steps.0 / (1 + commit.states.len() as u64),
        _ => commit.telemetry.steps.0,
    };
    Credits(base.0 * 10.min(1 + looked_at / u64::from(params.gas_step)))
}

/// Those who have a part in what is disputed.
fn parties(ask: &Ask) -> impl Iterator<Item = &AgentId> {
    let named = match ask {
        Ask::Contest { attesters, challenger, planner, worker, .. } => Some((attesters, [challenger, planner, worker])),
        _ => None,
    };
    named.into_iter().flat_map(|(attesters, others)| attesters.iter().chain(others))
}

/// What people differ about goes to a committee, a larger one and the arbiters.
const LADDER: [Bench; 3] = [Bench::Judges, Bench::Larger, Bench::Arbiters];

/// How many of these there are.
fn benches(elsewhere: &impl Elsewhere) -> usize {
    LADDER.len() - usize::from(!elsewhere.has_arbiters())
}

/// Whether a challenge says what people differ about.
fn is_opinion(challenge: &Envelope) -> bool {
    let contradiction = |said: &Challenge| matches!(said.evidence, Evidence::SemanticContradiction { .. });
    matches!(&challenge.body, Body::Challenge(said) if contradiction(said))
}

impl Need {
    /// Who is to rule on the open dispute of a task.
    fn bench(&self, name: &TaskName) -> Bench {
        let dispute = self.tasks[name].dispute.as_ref();
        let opinion = dispute.filter(|dispute| is_opinion(&dispute.challenge));
        opinion.map_or(Bench::Looks, |dispute| LADDER[dispute.level])
    }

    pub(super) fn challenge(
        &mut self,
        envelope: &Arc<Envelope>,
        said: &Challenge,
        elsewhere: &impl Elsewhere,
    ) -> Option<()> {
        let task = self.tasks.get(&said.task)?;
        let present = envelope.epoch == Some(self.epoch) && envelope.fence == Some(task.fence);
        let committed = task.commit.as_ref().filter(|commit| commit.id() == said.commit)?;
        let Body::Commit(commit) = &committed.body else { return None };
        let about = match &said.evidence {
            Evidence::OutputMismatch { label } => commit.outputs.contains_key(label),
            Evidence::StretchMismatch { stretch } => (0..=commit.states.len()).contains(&(*stretch as usize)),
            Evidence::PolicyBreach { capsule, .. } => committed.policy.capsule == *capsule,
            Evidence::FalseProof { verifier } => task.proven.contains(verifier),
            Evidence::SemanticContradiction { first, label, second } => {
                let claims = self.text()?.forms.get(label)?.claims.as_ref()?;
                commit.outputs.contains_key(label) && [first, second].iter().all(|pointer| pointer.is_item_of(claims))
            }
            Evidence::MissingCitation { label, pointer } => {
                let form = self.text()?.forms.get(label)?;
                form.cited && commit.outputs.contains_key(label) && pointer.is_item_of(form.claims.as_ref()?)
            }
            Evidence::SchemaViolation { label, schema, .. } => {
                let own = self.text()?.forms.get(label)?.schema.as_ref()?;
                commit.outputs.contains_key(label) && own.digest() == *schema
            }
        };
        let was_heard = task.challengers.contains(&envelope.sender);
        let asks_on = task.asked.get(&envelope.sender).is_some_and(|times| *times >= 4);
        let done_with = task.found_late && accused_in(envelope).is_none();
        if !present || !about || was_heard || asks_on || done_with {
            return None;
        }
        // What was not found so is heard one step further up.
        let times = task.heard.iter().filter(|(heard, _)| *heard == said.evidence).map(|(_, level)| level + 1).max();
        let level = times.unwrap_or(0);
        if level >= benches(elsewhere) {
            return None;
        }
        let able = elsewhere.standing(self.snapshot.number, &envelope.sender).map_or(0, |standing| standing.free);
        if able < bond(said, commit, elsewhere.params()).0 {
            return None;
        }
        let (window, late) = match task.stage {
            Stage::Final => (Waiting::Challenge(said.task.clone()), false),
            Stage::Settled if !is_opinion(envelope) => (Waiting::Late(said.task.clone()), true),
            _ => return None,
        };
        let watch = self.waits.get(&window).filter(|_| task.dispute.is_none())?;
        // What enough have seen pass is gone from it.
        let mut seen: Vec<Span> = watch.seen.values().copied().collect();
        seen.sort_unstable_by(|a, b| b.cmp(a));
        let gone = seen.get(elsewhere.through() - 1).copied().unwrap_or_default();
        let left = Span(watch.total.0.saturating_sub(gone.0));
        let task = self.tasks.get_mut(&said.task)?;
        *task.asked.entry(envelope.sender).or_default() += 1;
        let challenge = Arc::clone(envelope);
        task.dispute =
            Some(Dispute { challenge: Arc::clone(&challenge), late, left, draws: 1, level, seats: Vec::new(), k: 0 });
        let bench = self.bench(&said.task);
        self.did(Did::Challenged { bench, challenge, left, task: said.task.clone() });
        self.ask_for_a_panel(&said.task, elsewhere.params());
        Some(())
    }

    fn ask_for_a_panel(&mut self, name: &TaskName, params: &Params) {
        let task = &self.tasks[name];
        let (Some(dispute), Some(winner), Some(decision)) = (&task.dispute, &task.winner, &self.decision) else {
            return;
        };
        let (Body::Challenge(said), Some(Body::Commit(commit))) =
            (&dispute.challenge.body, task.commit.as_ref().map(|commit| &commit.body))
        else {
            return;
        };
        let ask = Ask::Contest {
            attesters: task.passed_by(),
            bench: self.bench(name),
            bond: bond(said, commit, params),
            challenge: dispute.challenge.id(),
            challenger: dispute.challenge.sender,
            draw: dispute.draws,
            k_ruling: self.text().map_or(0, |text| text.k_result),
            planner: decision.proposal.sender,
            task: name.clone(),
            worker: winner.bid.agent,
        };
        self.ask(ask);
    }

    pub(super) fn take_panel(&mut self, answer: &Answer, name: &TaskName, elsewhere: &impl Elsewhere) {
        if matches!(answer, Answer::Seated { .. }) && self.rests_on_nothing(name) {
            return self.conclude(name, None, Vec::new());
        }
        let Some(dispute) = self.tasks.get_mut(name).and_then(|task| task.dispute.as_mut()) else { return };
        match answer {
            Answer::Seated { k_result: k, seats, seed, snapshot } => {
                dispute.k = *k;
                let challenger = dispute.challenge.sender;
                dispute.seats.clone_from(seats);
                let (seats, seed, snapshot) = (seats.clone(), *seed, *snapshot);
                self.tasks.get_mut(name).expect("one of its tasks").challengers.insert(challenger);
                self.waits
                    .retain(|waiting, _| !matches!(waiting, Waiting::Challenge(of) | Waiting::Late(of) if of == name));
                self.did(Did::Empanelled { k_ruling: *k, seats, seed, snapshot, task: name.clone() });
                let looking = self.windows().verify_ms.max(elsewhere.params().ruling_ms);
                self.wait(Waiting::Ruling(name.clone()), looking);
            }
            _ if dispute.draws == 1 => self.stands(name, None, Vec::new()),
            _ => self.unruled(name, elsewhere),
        }
    }

    pub(super) fn count_rulings(&mut self, votes: &[Arc<Envelope>], elsewhere: &impl Elsewhere) -> Option<()> {
        let Body::Verdict(first) = &votes.first()?.body else { return None };
        let name = first.task.clone();
        let task = self.tasks.get(&name)?;
        let dispute = task.dispute.as_ref().filter(|dispute| !dispute.seats.is_empty())?;
        let (challenge, fence) = (dispute.challenge.id(), task.fence);
        let mut ballots = Vec::new();
        for vote in votes {
            let Body::Verdict(ruling) = &vote.body else { return None };
            if ruling.task != name || ruling.challenge != challenge || vote.fence != Some(fence) {
                return None;
            }
            ballots.push((vote.sender, ruling.upheld));
        }
        match count(dispute.k as usize, &dispute.seats, &ballots) {
            Count::Reached(upheld) => {
                let agree = |vote: &&Arc<Envelope>| matches!(&vote.body, Body::Verdict(r) if r.upheld == upheld);
                let counted = votes.iter().filter(agree).map(|vote| super::votes::counted(vote)).collect();
                self.stop(Waiting::Ruling(name.clone()));
                self.conclude(&name, Some(upheld), counted);
            }
            Count::Hung(_) => {
                self.stop(Waiting::Ruling(name.clone()));
                self.unruled(&name, elsewhere);
            }
            Count::Open | Count::Void => return None,
        }
        Some(())
    }

    pub(super) fn unruled(&mut self, name: &TaskName, elsewhere: &impl Elsewhere) {
        let moot = self.rests_on_nothing(name);
        let Some(dispute) = self.tasks.get_mut(name).and_then(|task| task.dispute.as_mut()) else { return };
        let was_last = if is_opinion(&dispute.challenge) {
            dispute.level + 1 >= benches(elsewhere)
        } else {
            dispute.draws >= elsewhere.params().rulings_max
        };
        if was_last || moot {
            return self.conclude(name, None, Vec::new());
        }
        dispute.draws += 1;
        dispute.level += 1;
        dispute.seats.clear();
        let bench = self.bench(name);
        self.did(Did::Unruled { bench, task: name.clone() });
        self.ask_for_a_panel(name, elsewhere.params());
    }

    fn conclude(&mut self, name: &TaskName, ruling: Option<bool>, counted: Vec<Counted>) {
        let task = &self.tasks[name];
        let (Some(dispute), Some(winner), Some(commit)) = (&task.dispute, &task.winner, &task.commit) else { return };
        let (challenge, late, commit) = (dispute.challenge.id(), dispute.late, commit.id());
        let accused = accused_in(&dispute.challenge);
        let offenders = match (ruling, accused) {
            (Some(true), Some(accused)) => Vec::from([accused]),
            (Some(true), None) => task.passed_by(),
            _ => Vec::new(),
        };
        let opinion = is_opinion(&dispute.challenge);
        let ask = Ask::Rule {
            bench: self.bench(name),
            challenge,
            challenger: dispute.challenge.sender,
            commit,
            fence: task.fence,
            honest: if ruling == Some(true) && !late && accused.is_none() { self.in_vain(name) } else { Vec::new() },
            offenders: offenders.clone(),
            panel: counted.iter().map(|c| c.verifier).collect::<BTreeSet<_>>().into_iter().collect(),
            ruling,
            task: name.clone(),
            worker: accused.is_none().then_some(winner.bid.agent),
        };
        self.ask(ask);
        if let (Some(accused), Some(true)) = (accused, ruling) {
            self.tasks.get_mut(name).expect("one of its tasks").proven.remove(&accused);
        }
        if let (true, Some(true), None) = (late, ruling, accused) {
            self.tasks.get_mut(name).expect("one of its tasks").found_late = true;
        }
        if late || ruling == Some(false) || accused.is_some() || (opinion && ruling.is_none()) {
            return self.stands(name, ruling, counted);
        }
        self.did(Did::Ruled { challenge, counted, ruling, task: name.clone() });
        if ruling.is_none() {
            return self.release(name, ReleaseReason::Unruled, BondFate::Back, Vec::new());
        }
        let k_result = self.text().map_or(0, |text| text.k_result);
        let task = self.tasks.get_mut(name).expect("one of its tasks");
        task.voided += 1;
        let k_result = task.k_target(k_result);
        task.is_wrong(&[], &offenders);
        task.forget();
        if let Some(winner) = task.winner.take() {
            task.barred.insert(winner.bid.agent);
            (self.budget, self.fees) = (self.budget + winner.bid.cost.0, self.fees + winner.fees);
        }
        let offenders = if opinion { Vec::new() } else { offenders };
        self.did(Did::Invalidated { challenge, commit, k_result, offenders, task: name.clone() });
    }

    /// The result stands; its window runs on.
    fn stands(&mut self, name: &TaskName, ruling: Option<bool>, counted: Vec<Counted>) {
        let Some(task) = self.tasks.get_mut(name) else { return };
        let Some(dispute) = task.dispute.take() else { return };
        if let (Some(false), true, Body::Challenge(said)) =
            (ruling, is_opinion(&dispute.challenge), &dispute.challenge.body)
        {
            task.heard.push((said.evidence.clone(), dispute.level));
        }
        self.did(Did::Ruled { challenge: dispute.challenge.id(), counted, ruling, task: name.clone() });
        let name = name.clone();
        let window = if dispute.late { Waiting::Late(name) } else { Waiting::Challenge(name) };
        // Nobody sat over it: then it never stood still.
        if !self.waits.contains_key(&window) {
            self.wait_span(window, Span(dispute.left.0.max(1_000_000)));
        }
    }

    /// What is owed for final results that rest, however far below, on one that is void.
    fn in_vain(&self, void: &TaskName) -> Vec<Payout> {
        let Some(decision) = &self.decision else { return Vec::new() };
        let mut below: BTreeSet<&TaskName> = BTreeSet::new();
        let stands = |name: &TaskName| {
            let task = &self.tasks[name];
            task.stage == Stage::Final && task.dispute.is_none() && !self.rests_on_nothing(name)
        };
        loop {
            let rests = |parent: &TaskName| parent == void || below.contains(parent);
            let more: Vec<&TaskName> = (decision.plan.iter())
                .filter(|(name, planned)| !below.contains(name) && planned.parents.iter().any(rests) && stands(name))
                .map(|(name, _)| name)
                .collect();
            if more.is_empty() {
                break;
            }
            below.extend(more);
        }
        let mut owed: Vec<Payout> = (below.into_iter())
            .filter_map(|name| self.tasks[name].winner.as_ref())
            .map(|winner| Payout { amount: winner.bid.cost, due: Due::Price, to: winner.bid.agent })
            .collect();
        owed.sort_unstable();
        owed
    }

    /// Takes back what was begun on a result that is void.
    pub(super) fn void(&mut self, name: &TaskName) -> bool {
        let task = &self.tasks[name];
        let wait = match task.stage {
            Stage::Idle => Waiting::Bids(name.clone()),
            Stage::Leased => Waiting::Lease(name.clone()),
            Stage::Verifying => Waiting::Verdicts(name.clone()),
            Stage::Final if task.dispute.is_none() => Waiting::Challenge(name.clone()),
            _ => return false,
        };
        if task.stage == Stage::Idle {
            let running = self.waits.contains_key(&wait);
            self.stop(wait);
            return running;
        }
        self.stop(wait);
        self.release(name, ReleaseReason::Voided, BondFate::Back, Vec::new());
        true
    }
}

impl System {
    /// Books a challenger's bond; why not, if it cannot be.
    pub(super) fn contest(&mut self, need: NeedId, ask: &Ask) -> Option<Reject> {
        let Ask::Contest { bond, challenge, challenger, draw, .. } = ask else { return None };
        if *draw > 1 {
            return None;
        }
        let rulings = self.rulings.entry(*challenger).or_default();
        let (ruled, right) = (rulings.len(), rulings.iter().filter(|upheld| **upheld).count());
        let most = if ruled >= 5 && right * 5 < ruled { 1 } else { self.params().disputes_max as usize };
        let open = self.contested.iter().filter(|(_, by)| by == challenger).count();
        if open >= most {
            return Some(Reject::NoRoom);
        }
        let pot = Account::Pot(format!("challenge/{need}/{challenge}").into());
        if !self.accounts.contains(challenger) || !self.books.shift(&free(challenger), &pot, bond.0) {
            return Some(Reject::NotEnough);
        }
        self.contested.insert((*challenge, *challenger));
        None
    }

    /// A committee that rules, held against who may.
    pub(super) fn empanel(
        &mut self,
        need: NeedId,
        ask: &Ask,
        answer: &Answer,
        reveals: &BTreeMap<AgentId, Digest>,
    ) -> Result<(), String> {
        let Ask::Contest { bench, challenge, k_ruling, .. } = ask else {
            return Ok(());
        };
        // Where it is a matter of opinion the arbiters are kept for the end.
        let kept = match bench {
            Bench::Looks => &[][..],
            _ => &self.genesis.arbiters[..],
        };
        let kin = |agent: &AgentId| parties(ask).chain(kept).any(|party| self.is_kin(need, agent, party));
        let usual = self.params().seats_spare;
        let spare = if *bench == Bench::Larger { usual + usual + k_ruling } else { usual };
        let due = self.committee(challenge, kin, (*k_ruling, spare), reveals);
        let (seats, k, seed, snapshot) = match answer {
            Answer::Seated { k_result, seats, seed, snapshot } => (seats, *k_result, seed, snapshot),
            Answer::Denied(_) if due.is_some() => {
                return Err("a committee that rules is denied, and can be drawn here".into());
            }
            Answer::Denied(Reject::NoQuorum) => {
                self.unheard(need, ask);
                return Ok(());
            }
            _ => return Err("a committee was asked for, and something else was answered".into()),
        };
        let pool = self.drawn_from(snapshot)?;
        let strangers = pool.members.iter().filter(|agent| !kin(agent)).count();
        let eligible = if pool.taken.bootstrap { pool.members.len() } else { strangers };
        let own = quorum::k(*k_ruling, pool.members.len(), eligible, self.params());
        let most = (own + spare as usize).min(eligible);
        let wanted = match bench {
            Bench::Looks => own,
            // Two thirds, rounded up.
            _ => seats.len() - seats.len() / 3,
        };
        super::draws::drawn(pool, seats, wanted, k, own..=most)?;
        if *seed != draw::committee_seed(challenge, reveals) || due.is_none_or(|due| due.members != *seats) {
            return Err("others rule than are drawn here".into());
        }
        match seats.iter().find(|agent| !pool.taken.bootstrap && kin(agent)) {
            Some(one) => Err(format!("{one} rules on what it has a part in")),
            None => Ok(()),
        }
    }

    /// Nobody can rule; where nobody ever did, nothing is booked.
    fn unheard(&mut self, need: NeedId, ask: &Ask) {
        if let Ask::Contest { bond, challenge, challenger, draw: 1, .. } = ask {
            let pot = Account::Pot(format!("challenge/{need}/{challenge}").into());
            self.books.shift(&pot, &free(challenger), bond.0);
            self.contested.remove(&(*challenge, *challenger));
        }
    }

    /// Whether somebody has a part in what is disputed, or is related to one who has.
    fn has_part(&self, need: NeedId, ask: &Ask, agent: &AgentId) -> bool {
        parties(ask).any(|party| self.were_related(need, agent, party))
    }

    /// The arbiters are to rule: all who have no part in it, and most of them.
    pub(super) fn arbiters(&mut self, need: NeedId, ask: &Ask, answer: &Answer) -> Result<(), String> {
        let fit: Vec<AgentId> =
            self.genesis.arbiters.iter().filter(|arbiter| !self.has_part(need, ask, arbiter)).copied().collect();
        match answer {
            Answer::Seated { k_result, seats, .. } if *seats == fit && *k_result as usize == fit.len() / 2 + 1 => {
                Ok(())
            }
            Answer::Seated { seats, .. } => match seats.iter().find(|seat| !fit.contains(seat)) {
                Some(one) => Err(format!("{one} rules at last, and is no arbiter of this")),
                None => Err(format!("{} arbiters rule, and {} may", seats.len(), fit.len())),
            },
            Answer::Denied(Reject::NoQuorum) if fit.is_empty() => {
                self.unheard(need, ask);
                Ok(())
            }
            _ => Err("the arbiters are denied, and there are some".into()),
        }
    }

    /// A dispute is over: what it costs whom.
    pub(super) fn rule(&mut self, need: NeedId, ask: &Ask) {
        let Ask::Rule { bench, challenge, challenger, commit, fence, honest, offenders, panel, ruling, task, worker } =
            ask
        else {
            return;
        };
        let pot = Account::Pot(format!("challenge/{need}/{challenge}").into());
        let bond = self.books.at(&pot);
        self.contested.remove(&(*challenge, *challenger));
        self.rulings.entry(*challenger).or_default().extend(*ruling);
        let part = |amount: u64, bp: u32| (u128::from(amount) * u128::from(bp) / 10_000) as u64;
        self.dirty = true;
        self.served(panel);
        match ruling {
            None => {
                let fee = part(bond, self.params().yield_fee_bp).max(1).min(bond);
                self.books.shift(&pot, &free(challenger), bond - fee);
                self.books.shift(&pot, &Account::Commons, fee);
            }
            Some(false) => {
                let each = bond / (panel.len() as u64).max(1);
                panel.iter().for_each(|member| {
                    self.books.shift(&pot, &free(member), each);
                });
                let rest = self.books.at(&pot);
                self.books.shift(&pot, &Account::Outside, rest);
                self.minted -= rest;
            }
            Some(true) => {
                let prefix = format!("lien/{need}/{commit}/");
                let (slash_bp, reward_bp) = (self.params().slash_bp, self.params().reward_bp);
                let mut own = 0;
                for offender in offenders.iter().filter(|_| *bench == Bench::Looks) {
                    let lien = self.books.liens.get(format!("{prefix}{offender}").as_str()).map_or(0, |(_, n)| *n);
                    own += part(lien, slash_bp);
                    self.lose(offender, part(lien, slash_bp), &pot);
                }
                match worker {
                    Some(_) => self.books.free(&prefix),
                    None => offenders.iter().for_each(|one| self.books.free(&format!("{prefix}{one}"))),
                }
                let name = (need, task.clone(), *fence);
                if worker.is_some() && self.bonds.remove(&name).is_some() {
                    let (from, held) = (bond_of(&name), self.books.at(&bond_of(&name)));
                    self.books.shift(&from, &pot, held);
                    own += held;
                }
                for offender in offenders.iter().chain(worker) {
                    if let Some(agent) = self.agents.get_mut(offender) {
                        agent.reputation_bp /= 2;
                    }
                }
                let share = part(own, reward_bp);
                let paid = honest.iter().map(|work| work.to).chain([*challenger]);
                let is_own =
                    |agent: &AgentId| offenders.iter().chain(worker).any(|one| self.were_related(need, one, agent));
                let own: BTreeSet<AgentId> = paid.filter(is_own).collect();
                self.books.shift(&pot, &free(challenger), bond + if own.contains(challenger) { 0 } else { share });
                let mut left = share;
                for work in honest.iter().filter(|work| !own.contains(&work.to)) {
                    let paid = work.amount.0.min(left);
                    self.books.shift(&pot, &free(&work.to), paid);
                    left -= paid;
                }
                let (n, each) = (panel.len() as u64, left.checked_div(panel.len() as u64).unwrap_or(0));
                for (member, at) in panel.iter().zip(0..) {
                    // What does not divide goes to the first, one credit each.
                    self.books.shift(&pot, &free(member), each + u64::from(at < left - each * n));
                }
                let rest = self.books.at(&pot);
                self.books.shift(&pot, &Account::Commons, rest);
            }
        }
    }

    /// `agent` loses `amount` of what it bound, and its backers as much in proportion of what counts.
    pub(super) fn lose(&mut self, agent: &AgentId, amount: u64, pot: &Account) {
        let (stake, unbonding) = (Account::Stake(*agent), Account::Unbonding(*agent));
        let bound = self.books.at(&stake) + self.books.at(&unbonding);
        let own = amount.min(self.books.at(&stake));
        self.books.shift(&stake, pot, own);
        let mut rest = amount - own;
        self.books.shift(&unbonding, pot, rest);
        let tranches = self.tranches.entry(*agent).or_default();
        for ripe in [true, false] {
            for (_, held, over) in tranches.iter_mut().filter(|(.., over)| *over == ripe) {
                debug_assert_eq!(*over, ripe);
                let taken = rest.min(*held);
                *held -= taken;
                rest -= taken;
            }
        }
        tranches.retain(|(_, held, _)| *held > 0);
        let loans: Vec<u64> = self.lent.iter().filter(|((to, _), _)| to == agent).map(|(_, lent)| *lent).collect();
        let all: u64 = loans.iter().sum();
        let counts = weigh::counted(bound, loans, &self.params().clone());
        for ((to, _), lent) in self.lent.iter_mut().filter(|((to, _), _)| to == agent) {
            let counting = u128::from(*lent) * u128::from(counts) / u128::from(all.max(1));
            let lost = (counting * u128::from(amount) / u128::from(bound.max(1))) as u64;
            *lent -= lost;
            self.books.shift(&Account::Delegated(*to), pot, lost);
        }
    }
}
