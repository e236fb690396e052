//! Draws, held against who could have been drawn, and the rounds of reveals that they wait for (PROTOCOL 6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, NeedId};
use swarm_core::members::Mandate;
use swarm_core::register::{Answer, Ask, Event as Did};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Manifest, SnapshotRef};

use super::need::Elsewhere;
use super::quorum;
use super::system::{Judged, Pool, System, manifest};
use crate::check::draw::{self, Drawn};
use crate::history::{Account, Rules};

/// Most asks that one round serves.
const ROUND_ASKS: usize = 32;

impl System {
    pub(super) fn voters(&self, target: u32, k: u32, snapshot: &SnapshotRef, voters: &[AgentId]) -> Result<(), String> {
        let pool = self.current(snapshot)?;
        let active = pool.members.len();
        let own = quorum::k(target, active, active, self.params());
        let size = (own + self.params().voters_spare as usize).min(active);
        drawn(pool, voters, own, k, size..=size)
    }

    pub(super) fn current(&self, snapshot: &SnapshotRef) -> Result<&Pool, String> {
        let pool = self.pools.last().filter(|_| snapshot.number as usize == self.pools.len());
        pool.ok_or_else(|| {
            format!("snapshot {} was drawn from, and {} is current here", snapshot.number, self.pools.len())
        })
    }

    /// The pool that the open round draws from, if that is the one told.
    pub(super) fn drawn_from(&self, snapshot: &SnapshotRef) -> Result<&Pool, String> {
        let number = self.stood;
        let pool =
            number.checked_sub(1).and_then(|at| self.pools.get(at)).filter(|_| snapshot.number as usize == number);
        pool.ok_or_else(|| format!("snapshot {} was drawn from, and the round began under {number}", snapshot.number))
    }

    /// Seats change hands, or a generation begins, or both.
    pub(super) fn replace(&mut self, mandate: &Arc<Mandate>, told: &[Did]) -> Judged {
        for handover in mandate.handovers() {
            let Some(seat) = self.holders.iter().position(|holder| *holder == handover.old) else { return Ok(false) };
            self.holders[seat] = handover.new;
            self.left.insert(handover.old, seat);
            self.waits.values_mut().for_each(|watch| {
                watch.seen.remove(&handover.old);
            });
            self.dirty = true;
        }
        for succession in mandate.successions() {
            self.chains.remove(&succession.old);
            self.chains.insert(succession.new.agent, vec![(self.rounds + 1, succession.new.anchor)]);
        }
        for manifest in mandate.manifests() {
            self.register(manifest);
            self.acts.insert(manifest.id());
        }
        let mandate = Arc::clone(mandate);
        self.out.push(match mandate.generation() {
            Some(_) => Did::Restored { mandate },
            None => Did::Replaced { mandate },
        });
        // Perhaps only they owed the open round a value.
        self.close_full_round(told)?;
        Ok(true)
    }

    pub(super) fn open_round(&mut self, told: &[Did]) -> Result<(), String> {
        if self.round.is_some() || self.queue.is_empty() {
            return Ok(());
        }
        self.rounds += 1;
        self.stood = self.pools.len();
        self.round = Some((self.queue.drain(..self.queue.len().min(ROUND_ASKS)).collect(), BTreeMap::new()));
        self.wait(Waiting::Reveals, Span::from_ms(u64::from(self.params().reveal_ms)));
        self.out.push(Did::RoundOpened { round: self.rounds });
        // Where every seat has just changed hands nobody can reveal yet.
        self.close_full_round(told)
    }

    /// Who has a chain that began before the open round, and has not revealed in it.
    fn owing(&self) -> Vec<AgentId> {
        let Some((_, revealed)) = &self.round else { return Vec::new() };
        let has_begun = |member: &AgentId| {
            self.chains.get(member).is_some_and(|chains| chains.iter().any(|(since, _)| *since < self.rounds))
        };
        let owes = |member: &&AgentId| !revealed.contains_key(*member) && has_begun(member);
        self.holders.iter().filter(owes).copied().collect()
    }

    /// The seat that an agent holds or held.
    fn seat_of(&self, agent: &AgentId) -> Option<usize> {
        self.holders.iter().position(|holder| holder == agent).or_else(|| self.left.get(agent).copied())
    }

    /// Closes the round if nobody owes it a value.
    fn close_full_round(&mut self, told: &[Did]) -> Result<(), String> {
        if self.round.is_none() || !self.owing().is_empty() {
            return Ok(());
        }
        self.waits.remove(&Waiting::Reveals);
        self.close_round(told)
    }

    /// A chain is promised for rounds that begin later, and only when the last one promised has begun.
    pub(super) fn anchor(&mut self, by: AgentId, anchor: Digest, since: u32) -> bool {
        let rounds = self.rounds;
        let Some(chains) = self.chains.get_mut(&by) else { return false };
        let begun = chains.len() == 1 || chains.last().is_some_and(|(last, _)| *last < rounds);
        let may = begun && since > rounds;
        if may {
            chains.push((since, anchor));
            self.out.push(Did::Anchored { anchor, by, since });
        }
        may
    }

    /// Whether `value` is what `by` promised to reveal in `round`: hashed once for each round of its chain it gives the end of that.
    fn promised(&self, by: &AgentId, round: u32, value: Digest) -> bool {
        let chain = self.chains.get(by).and_then(|chains| chains.iter().rfind(|(since, _)| *since < round));
        chain.is_some_and(|(since, end)| {
            (*since..round).fold(value, |value, _| Digest::of("swarm/reveal", &[&value.0])) == *end
        })
    }

    pub(super) fn reveal(&mut self, by: AgentId, round: u32, value: Digest, told: &[Did]) -> Judged {
        let promised = self.promised(&by, round, value);
        let Some((_, revealed)) = self.round.as_mut().filter(|_| round == self.rounds && promised) else {
            return Ok(false);
        };
        if revealed.insert(by, value).is_some() {
            return Ok(false);
        }
        self.out.push(Did::Revealed { by, round, value });
        self.close_full_round(told)?;
        Ok(true)
    }

    /// The round is over: its asks are answered as told. With fewer than one honest value in it, it goes on while somebody owes one, and
    /// else what it was to serve waits for the next.
    pub(super) fn close_round(&mut self, told: &[Did]) -> Result<(), String> {
        let owing = self.owing();
        let Some((seatings, revealed)) = self.round.take() else { return Ok(()) };
        let seats: BTreeSet<usize> = revealed.keys().filter_map(|by| self.seat_of(by)).collect();
        if seats.len() <= self.params().liars_max as usize {
            if owing.is_empty() {
                self.queue.splice(0..0, seatings);
                return self.open_round(told);
            }
            self.round = Some((seatings, revealed));
            self.wait(Waiting::Reveals, Span::from_ms(u64::from(self.params().reveal_ms)));
            return Ok(());
        }
        self.out.push(Did::RoundClosed { omitted: owing, round: self.rounds });
        for (need, seq, at, ask) in seatings {
            let found = told.iter().find_map(|event| match event {
                Did::Answered { answer, at: a, need: n, seq: s } if (*n, *s, *a) == (need, seq, at) => Some(answer),
                _ => None,
            });
            let answer = found.ok_or("a round is over, and one who asked for a committee has no answer")?;
            self.seat(need, &ask, answer, &revealed)?;
            self.out.push(Did::Answered { answer: answer.clone(), at, need, seq });
        }
        self.open_round(told)
    }

    /// Whether voters can be drawn for an epoch of a need.
    pub(super) fn can_draw_voters(&self, need: &NeedId, epoch: Epoch, k_plan: u32) -> bool {
        let pool = self.pools.last();
        pool.is_some_and(|pool| draw::voters(need, epoch, &pool.taken, k_plan, &self.rules()).is_some())
    }

    /// Whom the reveals of a round give for a committee on `about` with so many spares, if anybody.
    pub(super) fn committee(
        &self,
        about: &Cid,
        kin: impl Fn(&AgentId) -> bool,
        (target, seats_spare): (u32, u32),
        reveals: &BTreeMap<AgentId, Digest>,
    ) -> Option<Drawn> {
        let seed = draw::committee_seed(about, reveals);
        let rules = Rules { seats_spare, ..self.rules() };
        let pool = self.pools.get(self.stood.checked_sub(1)?)?;
        draw::committee(&seed, &pool.taken, |member| kin(&member.agent), target, &rules)
    }

    /// What a draw goes by.
    fn rules(&self) -> Rules {
        Rules::of(self.params(), 0, 0, 0)
    }

    /// Whether `verifier` can answer for a seat on `commit` with stake that answers for nothing else.
    fn can_answer(&self, need: &NeedId, commit: &Cid, verifier: &AgentId, lien: u64) -> bool {
        let taken = self.books.liens.contains_key(format!("lien/{need}/{commit}/{verifier}").as_str());
        !taken && self.books.encumbered(verifier) + lien <= self.books.at(&Account::Stake(*verifier))
    }

    fn seat(
        &mut self,
        need: NeedId,
        ask: &Ask,
        answer: &Answer,
        reveals: &BTreeMap<AgentId, Digest>,
    ) -> Result<(), String> {
        let Ask::Seats { commit, k_result, lien: Credits(lien), planner, worker, .. } = ask else {
            return self.empanel(need, ask, answer, reveals);
        };
        let kin = |agent: &AgentId| [worker, planner].iter().any(|party| self.is_kin(need, agent, party));
        let Answer::Seated { k_result: k, seats, snapshot, .. } = answer else {
            let drawn = self.committee(commit, kin, (*k_result, self.params().seats_spare), reveals);
            let able =
                |drawn: &Drawn| drawn.members.iter().filter(|one| self.can_answer(&need, commit, one, *lien)).count();
            let due = match drawn {
                None => Some(Reject::NoQuorum),
                Some(drawn) if able(&drawn) < drawn.k as usize => Some(Reject::NotEnough),
                Some(_) => None,
            };
            return match (answer, due) {
                (Answer::Denied(why), Some(due)) if *why == due => Ok(()),
                (Answer::Denied(why), Some(due)) => {
                    Err(format!("a committee is denied for {why}, and is for {due} here"))
                }
                (Answer::Denied(_), None) => Err("a committee is denied, and can be seated here".into()),
                _ => Err("a committee was asked for, and something else was answered".into()),
            };
        };
        let pool = self.drawn_from(snapshot)?;
        let strangers = pool.members.iter().filter(|agent| !kin(agent)).count();
        let eligible = if pool.taken.bootstrap { pool.members.len() } else { strangers };
        let own = quorum::k(*k_result, pool.members.len(), eligible, self.params());
        let most = (own + self.params().seats_spare as usize).min(eligible);
        drawn(pool, seats, own, *k, own..=most)?;
        let due = self.committee(commit, kin, (*k_result, self.params().seats_spare), reveals);
        let due = due.map(|due| due.members.into_iter().filter(|one| self.can_answer(&need, commit, one, *lien)));
        if due.is_none_or(|due| !due.eq(seats.iter().copied())) {
            return Err("others sit than are drawn here".into());
        }
        if let Some(one) = seats.iter().find(|agent| !pool.taken.bootstrap && kin(agent)) {
            return Err(format!("{one} sits in judgement of its own or of its relations"));
        }
        for verifier in seats {
            if !self.can_answer(&need, commit, verifier, *lien) {
                return Err(format!("{verifier} sits, and has no stake left to answer for it"));
            }
            self.books.book(format!("lien/{need}/{commit}/{verifier}").into(), *verifier, *lien);
        }
        Ok(())
    }

    /// What an agent said of itself when `need` was opened; the first that it ever said, if that was later.
    fn stated(&self, need: NeedId, agent: &AgentId) -> Option<&Manifest> {
        let known = self.agents.get(agent)?;
        let opened = self.requesters.get(&need).map(|(_, opened)| *opened);
        let then = known.before.iter().filter(|(until, _)| opened.is_some_and(|opened| *until > opened));
        let then = then.min_by_key(|(until, _)| *until).map(|(_, said)| said);
        manifest(then.unwrap_or(&known.manifest))
    }

    /// Whether two are one, or were of one known organisation or network when `need` was opened.
    pub(super) fn were_related(&self, need: NeedId, a: &AgentId, b: &AgentId) -> bool {
        let of = |agent| self.stated(need, agent).map(|said| (&*said.org, &*said.asn));
        a == b || of(a).zip(of(b)).is_some_and(|(a, b)| are_kin(a, b))
    }

    /// Whether whom the open round could draw is, by the snapshot, of the organisation or network that `party` was of when `need` was
    /// opened.
    pub(super) fn is_kin(&self, need: NeedId, member: &AgentId, party: &AgentId) -> bool {
        let pool = self.stood.checked_sub(1).and_then(|at| self.pools.get(at));
        let of = pool.and_then(|pool| pool.taken.members.iter().find(|known| known.agent == *member));
        let said = self.stated(need, party);
        member == party || of.zip(said).is_some_and(|(of, said)| are_kin((&of.org, &of.asn), (&said.org, &said.asn)))
    }
}

/// Whether two of these organisations and networks are of one that is known.
fn are_kin((org, asn): (&str, &str), (other_org, other_asn): (&str, &str)) -> bool {
    (!org.is_empty() && org == other_org) || (!asn.is_empty() && asn == other_asn)
}

/// Whether `list` can have been drawn: members of the pool, each once, as many as there should be, and K is K.
pub(super) fn drawn(
    pool: &Pool,
    list: &[AgentId],
    own: usize,
    k: u32,
    sizes: std::ops::RangeInclusive<usize>,
) -> Result<(), String> {
    let distinct: BTreeSet<_> = list.iter().copied().collect();
    if let Some(stranger) = distinct.difference(&pool.members).next() {
        return Err(format!("{stranger} was drawn, and is not in the pool"));
    }
    if k as usize != own {
        return Err(format!("K is {own} here, {k} was told"));
    }
    if distinct.len() != list.len() || !sizes.contains(&list.len()) {
        return Err(format!("{} of {} distinct were drawn, and {sizes:?} should be", distinct.len(), list.len()));
    }
    Ok(())
}
