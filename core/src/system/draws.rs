//! Committees: drawn from a seed that nobody could know when the result was committed (PROTOCOL 6: Draw).
//!
//! Asks for a committee gather while a round of reveals runs; the next round serves them. Every value of a round is revealed
//! after all results it serves were accepted, so a worker that tries a thousand commits cannot steer who judges it (T68).
//! One round serves every result accepted before it, which is what keeps entries per result few.

use super::*;
use crate::reveal;

/// An ask that waits for its committee.
#[derive(Clone, Debug)]
pub(super) struct Seating {
    pub need: NeedId,
    pub seq: Seq,
    pub at: u32,
    pub ask: Ask,
}

/// What a coordinator has promised to reveal.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// The round its chain counts from.
    since: u32,
    /// Round and value of its last accepted reveal; first of all the chain's end.
    last: (u32, Digest),
    /// The chain that follows, by the round it counts from.
    next: Option<(u32, Digest)>,
    /// The round that is round 0 to its holder: a newcomer grew its first chain before it could know when it would be seated.
    zero: u32,
}

impl Promise {
    /// The chain that ends in `anchor` and counts from round `since`.
    pub fn new(since: u32, anchor: Digest) -> Self {
        Self { since, last: (since, anchor), next: None, zero: 0 }
    }

    /// A newcomer's first chain, which it counts from its own round 0.
    pub fn first(since: u32, anchor: Digest) -> Self {
        Self { zero: since, ..Self::new(since, anchor) }
    }

    /// The promise as it stands for `round`.
    fn at(&self, round: u32) -> Self {
        match self.next {
            Some((since, anchor)) if round > since => Self::new(since, anchor),
            _ => self.clone(),
        }
    }
}

/// Most asks that one round serves; the rest wait for the next. All answers of a round stand in one entry, which every answer
/// brings along as its proof: without a bound the largest would not fit through a register.
pub const ROUND_ASKS_MAX: usize = 32;

/// A running round of reveals. Whom it can draw is fixed when it opens: whoever reveals last knows all the other values, and could
/// otherwise order another pool until it likes what comes out (T68).
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub number: u32,
    /// What it serves, and who has a part in each.
    pub asks: Vec<(Seating, Vec<pool::Identity>)>,
    pub reveals: BTreeMap<AgentId, Digest>,
    pub snapshot: Arc<Snapshot>,
}

impl System {
    pub(super) fn open_next_round(&mut self, doing: &mut Doing) {
        if self.round.is_some() || self.queue.is_empty() {
            return;
        }
        self.rounds += 1;
        let served = self.queue.len().min(ROUND_ASKS_MAX);
        let served: Vec<Seating> = self.queue.drain(..served).collect();
        let with_barred = |seating: Seating| {
            let barred = self.barred(seating.need, &seating.ask);
            (seating, barred)
        };
        let asks = served.into_iter().map(with_barred).collect();
        let snapshot = Arc::clone(self.snapshot());
        self.round = Some(Round { number: self.rounds, asks, reveals: BTreeMap::new(), snapshot });
        self.wait(Waiting::Reveals, ms(self.params().reveal_ms));
        doing.events.push(Event::RoundOpened { round: self.rounds });
        self.close_full_round(doing);
    }

    /// The value of round r hashes to the one last accepted in as many steps as rounds lie between them: one that was
    /// silent in a round skips that round's value.
    pub(super) fn check_reveal(&self, by: &AgentId, round: u32, value: &Digest) -> Result<(), Reject> {
        if round > self.rounds {
            return Err(Reject::WrongPhase);
        }
        // What comes after its round never counts: whoever still carries it may let it go.
        let open = self.round.as_ref().filter(|open| open.number == round).ok_or(Reject::Expired)?;
        if open.reveals.contains_key(by) {
            return Err(Reject::Duplicate);
        }
        let (last, prev) = self.promises.get(by).ok_or(Reject::NotEntitled)?.at(round).last;
        if planted(Mutant::RevealUnchecked) {
            return Ok(());
        }
        // A chain that begins later has no value yet.
        reveal::check_after(&prev, value, round.saturating_sub(last))
    }

    /// A chain is promised before any result that its values will judge was accepted, or one who holds both could look for
    /// values it likes: not for the open round, and not for the next, which serves results that may be known (T68).
    pub(super) fn check_anchor(&self, by: &AgentId, since: u32) -> Result<(), Reject> {
        let promise = self.promises.get(by).ok_or(Reject::NotEntitled)?;
        if promise.next.is_some_and(|(next, _)| next >= self.rounds) {
            return Err(Reject::Duplicate);
        }
        if since <= self.rounds { Err(Reject::Expired) } else { Ok(()) }
    }

    pub(super) fn anchor(&mut self, doing: &mut Doing, by: AgentId, anchor: Digest, since: u32) {
        let promise = self.promises.get_mut(&by).expect("check found the promise");
        *promise = promise.at(self.rounds);
        promise.next = Some((since, anchor));
        doing.events.push(Event::Anchored { anchor, by, since });
    }

    /// The round from which `member` should promise a new chain to count, if it is time: when three quarters of its chain
    /// are used up, from where that ends, or a little later than now.
    pub fn anchor_due(&self, member: &AgentId) -> Option<u32> {
        let (promise, length) = (self.promises.get(member)?.at(self.rounds), self.params().reveals);
        let end = promise.since.saturating_add(length);
        let due = promise.next.is_none() && end.saturating_sub(self.rounds) <= length / 4;
        due.then(|| end.max(self.rounds + 1 + length / 8))
    }

    /// The chain out of which `member` reveals in `round`, and the round, both as the holder of the chain counts. None if it
    /// owes nothing: it is no member, or its chain is for later rounds.
    pub fn chain_of(&self, member: &AgentId, round: u32) -> Option<(u32, u32)> {
        let promise = self.promises.get(member)?.at(round);
        (round > promise.since).then(|| (promise.since - promise.zero, round - promise.zero))
    }

    pub(super) fn reveal(&mut self, doing: &mut Doing, by: AgentId, number: u32, value: Digest) {
        let promise = self.promises.get_mut(&by).expect("check found the promise");
        *promise = promise.at(number);
        promise.last = (number, value);
        doing.events.push(Event::Revealed { by, round: number, value });
        let round = self.round.as_mut().expect("check found the round");
        round.reveals.insert(by, value);
        self.close_full_round(doing);
    }

    /// Closes the round if nobody owes it anything any more.
    pub(super) fn close_full_round(&mut self, doing: &mut Doing) {
        if self.round.is_some() && self.silent().is_empty() {
            self.waits.remove(&Waiting::Reveals);
            self.close_round(doing);
        }
    }

    /// Who owes the open round a value.
    fn silent(&self) -> Vec<AgentId> {
        let Some(round) = &self.round else { return Vec::new() };
        let owes =
            |member: &AgentId| !round.reveals.contains_key(member) && self.chain_of(member, round.number).is_some();
        self.members.voices().holders().filter(owes).collect()
    }

    /// Draws for every ask of the round, from what was revealed. Silence is named.
    pub(super) fn close_round(&mut self, doing: &mut Doing) {
        let honest = self.params().liars_max as usize + 1;
        let voices = self.members.voices();
        if self.round.as_ref().is_some_and(|round| voices.count(round.reveals.keys()) < honest) {
            // Nothing that liars alone could have chosen may become a seed: wait on.
            if !self.silent().is_empty() {
                return self.wait(Waiting::Reveals, ms(self.params().reveal_ms));
            }
            // All the others were seated lately, and will reveal in the round after this one or in the next.
            let asks = self.round.take().map(|round| round.asks).unwrap_or_default();
            self.queue = asks.into_iter().map(|(seating, _)| seating).chain(self.queue.drain(..)).collect();
            return self.open_next_round(doing);
        }
        let omitted = self.silent();
        let Some(mut round) = self.round.take() else { return };
        doing.events.push(Event::RoundClosed { omitted, round: round.number });
        for (seating, barred) in core::mem::take(&mut round.asks) {
            let answer = self.seat(doing, &seating, &barred, &round).unwrap_or_else(Answer::Denied);
            let Seating { need, seq, at, .. } = seating;
            doing.events.push(Event::Answered { answer, at, need, seq });
        }
        self.open_next_round(doing);
    }

    /// Draws a committee that rules on a challenge. Its members stake nothing on it: what they say of the result, anyone can see.
    fn empanel(
        &mut self,
        doing: &mut Doing,
        seating: &Seating,
        barred: &[pool::Identity],
        Round { reveals, snapshot, .. }: &Round,
    ) -> Result<Answer, Reject> {
        let Ask::Contest { bench, challenge, k_ruling, .. } = &seating.ask else {
            return Err(Reject::NoEvidence);
        };
        let seed = match planted(Mutant::PanelForeseen) {
            true => committee::seed(challenge, &BTreeMap::new()),
            false => committee::seed(challenge, reveals),
        };
        let spare = self.genesis.params.seats_spare;
        let spare = if *bench == Bench::Larger { k_ruling + 2 * spare } else { spare };
        let terms = committee::Terms { barred, snapshot, spare, target: *k_ruling };
        match committee::draw(&seed, terms, &self.genesis.params) {
            Ok(drawn) => {
                let mut seats = drawn.members;
                seats.sort_unstable();
                let k_result = bench.k(drawn.k, seats.len() as u32);
                Ok(Answer::Seated { k_result, seats, seed, snapshot: snapshot.reference() })
            }
            Err(_) => Err(self.unheard(doing, seating.need, &seating.ask)),
        }
    }

    /// Nobody can rule on a challenge. Where nobody ever sat, the bond is as if it had never been booked.
    fn unheard(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask) -> Reject {
        if let Ask::Contest { challenge, challenger, draw: 1, .. } = ask {
            let pot = Pot::Challenge(need, *challenge);
            self.ledger.pay(doing.key(), &pot, &[], *challenger).expect("it was booked for this very draw");
            self.accused(challenger, None);
        }
        Reject::NoQuorum
    }

    /// Who may not be drawn for this, nor anyone related.
    fn barred(&self, need: NeedId, ask: &Ask) -> Vec<pool::Identity> {
        let mut barred = match ask {
            Ask::Seats { planner, worker, .. } => [worker, planner].map(|agent| self.identity(need, agent)).into(),
            _ => self.parties(need, ask),
        };
        if matches!(ask, Ask::Contest { bench, .. } if bench.is_of_opinion()) {
            // They are kept for the end.
            barred.extend(self.genesis.arbiters.iter().map(|agent| self.identity(need, agent)));
        }
        barred
    }

    /// Those who have a part in what is disputed.
    fn parties(&self, need: NeedId, ask: &Ask) -> Vec<pool::Identity> {
        let Ask::Contest { attesters, challenger, planner, worker, .. } = ask else { return Vec::new() };
        attesters.iter().chain([challenger, planner, worker]).map(|agent| self.identity(need, agent)).collect()
    }

    /// The arbiters that have no part in what is disputed, nor are related to who has. Nobody draws them, so there is nothing to wait
    /// for.
    pub(super) fn arbiters(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask) -> Result<Answer, Reject> {
        let Ask::Contest { bench: bench @ Bench::Arbiters, challenge, k_ruling, .. } = ask else {
            return Err(Reject::NoEvidence);
        };
        let parties = if planted(Mutant::ArbiterIsParty) { Vec::new() } else { self.parties(need, ask) };
        let is_party = |agent: &AgentId| parties.iter().any(|party| party.related(&self.identity(need, agent)));
        let seats: Vec<_> = self.genesis.arbiters.iter().filter(|agent| !is_party(agent)).copied().collect();
        if seats.is_empty() {
            return Err(self.unheard(doing, need, ask));
        }
        let (seed, k_result) = (committee::seed(challenge, &BTreeMap::new()), bench.k(*k_ruling, seats.len() as u32));
        Ok(Answer::Seated { k_result, seats, seed, snapshot: self.snapshot().reference() })
    }

    fn seat(
        &mut self,
        doing: &mut Doing,
        seating: &Seating,
        barred: &[pool::Identity],
        round: &Round,
    ) -> Result<Answer, Reject> {
        if let Ask::Contest { .. } = seating.ask {
            return self.empanel(doing, seating, barred, round);
        }
        let Ask::Seats { commit, k_result, lien: amount, .. } = &seating.ask else { return Err(Reject::NoEvidence) };
        let Round { reveals, snapshot, .. } = round;
        let seed = committee::seed(commit, reveals);
        let genesis = Arc::clone(&self.genesis);
        let params = &genesis.params;
        let terms = committee::Terms { barred, snapshot, spare: params.seats_spare, target: *k_result };
        let drawn = committee::draw(&seed, terms, params).map_err(|_| Reject::NoQuorum)?;
        // A seat counts once its lien is booked, and nobody has two; whoever has no free stake left leaves its seat to the spares.
        let lien = |verifier: &AgentId| LienId { need: seating.need, commit: *commit, verifier: *verifier };
        let can = |verifier: &AgentId| self.ledger.could_lien(&lien(verifier), *amount).is_ok();
        let seats: BTreeSet<_> = drawn.members.into_iter().filter(can).collect();
        // Nothing is booked for a committee that will not sit: the next draw may seat some of them for the same result.
        if seats.len() < drawn.k as usize {
            return Err(Reject::NotEnough);
        }
        for verifier in &seats {
            let key = doing.key();
            self.ledger.lien(key, lien(verifier), *amount).expect("it was just looked at");
        }
        let seats = seats.into_iter().collect();
        Ok(Answer::Seated { k_result: drawn.k, seats, seed, snapshot: snapshot.reference() })
    }
}
