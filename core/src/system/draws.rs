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

/// A running round of reveals.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub number: u32,
    pub asks: Vec<Seating>,
    pub reveals: BTreeMap<AgentId, Digest>,
}

impl System {
    pub(super) fn open_next_round(&mut self, doing: &mut Doing) {
        if self.round.is_some() || self.queue.is_empty() {
            return;
        }
        self.rounds += 1;
        let asks = self.queue.drain(..).collect();
        self.round = Some(Round { number: self.rounds, asks, reveals: BTreeMap::new() });
        self.wait(Waiting::Reveals, ms(self.params().reveal_ms));
        doing.events.push(Event::RoundOpened { round: self.rounds });
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
        let (last, prev) = self.revealed.get(by).ok_or(Reject::NotEntitled)?;
        reveal::check_after(prev, value, round - last)
    }

    pub(super) fn reveal(&mut self, doing: &mut Doing, by: AgentId, number: u32, value: Digest) {
        self.revealed.insert(by, (number, value));
        doing.events.push(Event::Revealed { by, round: number, value });
        let round = self.round.as_mut().expect("check found the round");
        round.reveals.insert(by, value);
        let voices = self.members.voices();
        if voices.count(round.reveals.keys()) == voices.seats() {
            self.waits.remove(&Waiting::Reveals);
            self.close_round(doing);
        }
    }

    /// Draws for every ask of the round, from what was revealed. Silence is named.
    pub(super) fn close_round(&mut self, doing: &mut Doing) {
        let honest = self.params().liars_max as usize + 1;
        let voices = self.members.voices();
        if self.round.as_ref().is_some_and(|round| voices.count(round.reveals.keys()) < honest) {
            // Nothing that liars alone could have chosen may become a seed: wait on.
            return self.wait(Waiting::Reveals, ms(self.params().reveal_ms));
        }
        let Some(round) = self.round.take() else { return };
        let owed = |member: &AgentId| self.anchored.get(member).is_some_and(|at| *at < round.number);
        let silent = |member: &AgentId| !round.reveals.contains_key(member) && owed(member);
        let omitted = voices.holders().filter(silent).collect();
        doing.events.push(Event::RoundClosed { omitted, round: round.number });
        for seating in round.asks {
            let answer = self.seat(doing, &seating, &round.reveals).unwrap_or_else(Answer::Denied);
            let Seating { need, seq, at, .. } = seating;
            doing.events.push(Event::Answered { answer, at, need, seq });
        }
        self.open_next_round(doing);
    }

    fn seat(
        &mut self,
        doing: &mut Doing,
        seating: &Seating,
        reveals: &BTreeMap<AgentId, Digest>,
    ) -> Result<Answer, Reject> {
        let Ask::Seats { commit, k_result, planner, worker, .. } = &seating.ask else { return Err(Reject::NoEvidence) };
        let seed = committee::seed(commit, reveals);
        let (snapshot, params) = (Arc::clone(self.snapshot()), Arc::clone(&self.genesis));
        let params = &params.params;
        let barred = [self.identity(worker), self.identity(planner)];
        let terms =
            committee::Terms { barred: &barred, snapshot: &snapshot, spare: params.seats_spare, target: *k_result };
        let drawn = committee::draw(&seed, terms, params).map_err(|_| Reject::NoQuorum)?;
        // A seat counts once its lien is booked; whoever has no free stake left leaves its seat to the spares.
        let mut seats = Vec::new();
        for verifier in drawn.members {
            let id = LienId { need: seating.need, commit: *commit, verifier };
            let key = doing.key();
            if self.ledger.lien(key, id, params.lien).is_ok() {
                seats.push(verifier);
            }
        }
        if seats.len() < drawn.k as usize {
            let key = doing.key();
            self.ledger.unlien_all(key, seating.need, *commit).expect("what was just booked can be ended");
            return Err(Reject::NotEnough);
        }
        seats.sort_unstable();
        Ok(Answer::Seated { k_result: drawn.k, seats, seed, snapshot: snapshot.reference() })
    }
}
