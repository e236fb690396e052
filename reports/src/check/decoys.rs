//! Forced errors: whoever passes a decoy that is opened pays for it, whether its verdict was counted or not; nobody shares in the
//! jackpot who knew, or who did not catch it; a need ends as a decoy exactly where its mask was there before it, and only if the
//! world knows that its result was wrong on purpose; and no such result is ever settled.
//!
//! What is opened is one attempt. One before it whose committee was split was never found wrong, so nobody could open that, and
//! whoever passed it goes free.
//!
//! That nobody honest is slashed is P3's to judge, and where every credit went the model's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Digest, NeedId, Seq, Thread};
use swarm_core::register::{Answer, Command, Event as Did};
use swarm_core::wire::{Body, FinalizeRecord, Verdict};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Account, Event, LedgerEvent, Move, NeedEnd, Party, Record};

const NAME: &str = "decoys";

/// The oracle of forced errors.
#[derive(Debug, Default)]
pub struct ForcedErrors {
    liars: Liars,
    notes: Notes,
    parties: BTreeMap<AgentId, Party>,
    needs: BTreeMap<NeedId, Decoy>,
    /// What was announced, by whom and in which entry, and the entry in which each need was taken up.
    masks: BTreeMap<Digest, (AgentId, Seq)>,
    taken_up: BTreeMap<NeedId, Seq>,
    /// Who lost stake, and to which pots.
    slashed: BTreeMap<AgentId, BTreeSet<Arc<str>>>,
    /// Whom the pots of decoys paid.
    paid: BTreeMap<Arc<str>, Vec<(AgentId, Record)>>,
}

/// What is wrong on purpose, whose need it is, and who committed to it.
type Plot = (Arc<[Cid]>, AgentId, AgentId, Record);

#[derive(Debug, Default)]
struct Decoy {
    /// One for each attempt by somebody who is in on it, in their order, and the one that was opened: the last before that.
    planted: Vec<Plot>,
    opened: Option<Plot>,
    /// Who signed a pass of which COMMIT before any was opened.
    passed: BTreeMap<(Cid, AgentId), Record>,
    /// Whose verdicts failed each commit.
    failed: BTreeMap<Cid, Arc<[AgentId]>>,
    finals: Vec<(Arc<[Cid]>, Record)>,
    settled: bool,
    unmasked: Option<(bool, Digest, Cid, Record)>,
    ended: Option<(NeedEnd, Record)>,
}

impl Checker for ForcedErrors {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.parties = parties.iter().map(|party| (party.agent, party.clone())).collect();
            }
            Event::Planted { need, outputs, requester, worker, .. } => {
                let known = self.needs.entry(*need).or_default();
                known.planted.push((outputs.clone(), *requester, *worker, record.clone()));
            }
            Event::Betrayed { commit, need, verifier } => {
                let known = self.needs.entry(*need).or_default();
                // Once it is opened nobody has to hear of more.
                if known.unmasked.is_none() {
                    known.passed.entry((*commit, *verifier)).or_insert_with(|| record.clone());
                }
            }
            _ if self.liars.told(record) => {}
            Event::Ordered { command, entry, thread: Thread::System } => {
                let events = entry.outcome.events();
                if let (Command::Act(envelope), false) = (&**command, events.is_empty())
                    && let Body::Mask(body) = &envelope.body
                {
                    self.masks.entry(body.mask).or_insert((envelope.sender, entry.seq));
                }
                for event in events {
                    if let Did::Answered { answer: Answer::Escrowed { .. }, need, .. } = event {
                        self.taken_up.entry(*need).or_insert(entry.seq);
                    }
                }
            }
            Event::Tallied { need, commit, counted, verdict: Verdict::Fail, .. } => {
                self.needs.entry(*need).or_default().failed.entry(*commit).or_insert_with(|| counted.clone());
            }
            Event::Finalized { need, record: bytes, .. } => {
                if let Ok(said) = serde_json::from_slice::<FinalizeRecord>(bytes) {
                    let outputs: Arc<[Cid]> = said.outputs.values().copied().collect();
                    self.needs.entry(*need).or_default().finals.push((outputs, record.clone()));
                }
            }
            Event::Settled { need, .. } => self.needs.entry(*need).or_default().settled = true,
            Event::Unmasked { commit, decoy, mask, need, .. } => {
                let known = self.needs.entry(*need).or_default();
                if known.unmasked.is_none() {
                    known.opened = known.planted.last().cloned();
                    known.unmasked = Some((*decoy, *mask, *commit, record.clone()));
                }
            }
            Event::NeedEnded { need, how } => {
                self.needs.entry(*need).or_default().ended.get_or_insert_with(|| (*how, record.clone()));
            }
            Event::Ledger(LedgerEvent::Posted { legs, op, .. }) => {
                for leg in legs.iter() {
                    match (&leg.from, &leg.to) {
                        (Account::Stake(agent) | Account::Unbonding(agent), Account::Pot(pot))
                            if *op == Move::Slash =>
                        {
                            self.slashed.entry(*agent).or_default().insert(pot.clone());
                        }
                        (Account::Pot(pot), Account::Free(agent)) if pot.starts_with("decoy/") => {
                            let paid = self.paid.entry(pot.clone()).or_default();
                            if !paid.iter().any(|(to, _)| to == agent) {
                                paid.push((*agent, record.clone()));
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (need, decoy) in &self.needs {
            self.judge(need, decoy, end, &mut notes);
        }
        notes.finding
    }
}

impl ForcedErrors {
    fn judge(&self, need: &NeedId, decoy: &Decoy, end: &End, notes: &mut Notes) {
        let ended = decoy.ended.as_ref().filter(|(how, _)| *how == NeedEnd::Decoy).map(|(_, record)| record);
        for (outputs, _, _, planted) in &decoy.planted {
            notes.checked();
            if let (true, Some((_, told))) = (decoy.settled, decoy.finals.last())
                && decoy.finals.last().is_some_and(|(last, _)| last == outputs)
            {
                notes.contradict(NAME, "a result that is wrong on purpose is settled", &[planted, told]);
            }
        }
        let Some((opened, mask, commit, told)) = &decoy.unmasked else {
            if let Some(ended) = ended {
                notes.contradict(NAME, format!("need {need} ends as a decoy, and nobody opened it"), &[ended]);
            }
            return;
        };
        notes.checked();
        let Some((_, requester, worker, planted)) = &decoy.opened else {
            return notes.contradict(NAME, format!("need {need} is opened as a decoy, and is none"), &[told]);
        };
        let announced = self.masks.get(mask);
        let in_time = match (announced, self.taken_up.get(need)) {
            (Some((_, since)), Some(taken_up)) => since < taken_up,
            _ => false,
        };
        match (in_time, opened) {
            (true, false) => {
                notes.contradict(NAME, format!("need {need} was masked and opened, and goes on"), &[planted, told]);
            }
            (false, true) => notes.contradict(NAME, format!("need {need} is a decoy that nobody announced"), &[told]),
            _ => {}
        }
        if !opened {
            return;
        }
        let Some(ended) = ended else {
            if end.settled {
                notes.contradict(NAME, format!("need {need} was a decoy, and does not end as one"), &[told]);
            } else {
                notes.unknown(format!("need {need} was a decoy and had not ended when the run was cut short"));
            }
            return;
        };
        let pot: Arc<str> = format!("decoy/{need}").into();
        let ruled = format!("challenge/{need}/");
        let answers = |agent: &AgentId| {
            let pots = self.slashed.get(agent).into_iter().flatten();
            pots.into_iter().any(|of| *of == pot || of.starts_with(&ruled))
        };
        let passes = || decoy.passed.iter().filter(|((of, _), _)| of == commit);
        // Where a verdict found it wrong, and more passed than failed it, nobody knows that it was.
        let outnumbered = decoy.failed.get(commit).is_some_and(|caught| passes().count() > caught.len());
        for ((_, verifier), passed) in passes() {
            notes.checked();
            if end.settled && !outnumbered && !answers(verifier) {
                notes.contradict(NAME, format!("{verifier} passed a decoy, and loses nothing"), &[passed, ended]);
            }
        }
        let own = [Some(requester), Some(worker), announced.map(|(by, _)| by)];
        let caught = decoy.failed.get(commit).map(|caught| &**caught).unwrap_or_default();
        for (agent, paid) in self.paid.get(&pot).into_iter().flatten() {
            notes.checked();
            if !caught.contains(agent) {
                notes.contradict(NAME, format!("{agent} has a part in the jackpot, and did not catch it"), &[paid]);
            }
            if own.iter().flatten().any(|one| self.related(one, agent)) {
                notes.contradict(
                    NAME,
                    format!("{agent} has a part in the jackpot, and its opener is a relation"),
                    &[paid],
                );
            }
        }
    }

    fn related(&self, one: &AgentId, other: &AgentId) -> bool {
        let (Some(a), Some(b)) = (self.parties.get(one), self.parties.get(other)) else { return one == other };
        let same = |a: &str, b: &str| !a.is_empty() && a == b;
        one == other || same(&a.org, &b.org) || same(&a.asn, &b.asn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{Run, agent, caught, good, holds, need, seats, task, unknown};
    use crate::history::{Leg, NodeNo, WORLD};
    use swarm_core::genesis;
    use swarm_core::id::{Credits, label};
    use swarm_core::identity::Keys;
    use swarm_core::register::{Applied, Outcome};
    use swarm_core::wire::{Draft, Envelope, Mask, Role};

    const MASK: Digest = Digest([5; 32]);

    fn planted() -> Arc<[Cid]> {
        [Cid::of(b"wrong")].into()
    }

    fn opener() -> Keys {
        Keys::from_seed(&Digest([6; 32]))
    }

    fn announced() -> Arc<Envelope> {
        let nowhere = [const { String::new() }; 3];
        let manifest = genesis::manifest(&opener(), vec![Role::Requester], vec![label("request")], nowhere);
        let mut content = (**genesis::sign(&opener(), manifest)).clone();
        content.body = Body::Mask(Mask { mask: MASK });
        Arc::new(opener().sign(Draft::new(content)))
    }

    /// An entry of the system thread.
    fn entry(seq: u64, command: Command, did: Did) -> Event {
        let entry = Applied::new(command.id(), Outcome::Did(vec![did]), Seq(seq));
        Event::Ordered { command: command.into(), entry: entry.into(), thread: Thread::System }
    }

    fn taken_up(seq: u64) -> Event {
        let (snapshot, voters) = (Default::default(), Vec::new());
        let answer = Answer::Escrowed { k_plan: 1, snapshot, voters };
        entry(seq, Command::Snapshot { number: 1 }, Did::Answered { answer, at: 0, need: need(), seq: Seq(1) })
    }

    fn passer() -> AgentId {
        seats()[5]
    }

    fn posted(from: Account, to: Account, op: Move) -> Event {
        let leg = Leg { amount: Credits(50), from, to };
        Event::Ledger(LedgerEvent::Posted { key: format!("{leg:?}").into(), legs: [leg].into(), op })
    }

    /// A decoy that five caught and one passed.
    fn opened() -> Run {
        let mut run = good();
        let is_result = |e: &Event| matches!(e, Event::Finalized { .. } | Event::Settled { .. } | Event::Paid { .. });
        run.drop_all(|e| is_result(e) || matches!(e, Event::NeedEnded { .. }));
        let mut commit = Cid::default();
        run.edit_all(|e| {
            if let Event::Tallied { verdict, commit: of, .. } = e {
                (*verdict, commit) = (Verdict::Fail, *of);
            }
        });
        let pot: Arc<str> = format!("decoy/{}", need()).into();
        let (requester, worker, name) = (agent(1), agent(3), task());
        let booked = Did::Booked { envelope: announced().id() };
        run.tell(0, entry(7, Command::Act(announced()), booked));
        run.tell(0, taken_up(8));
        let plot = Event::Planted { need: need(), outputs: planted(), requester, task: name.clone(), worker };
        run.tell(WORLD.0, plot);
        run.tell(WORLD.0, Event::Betrayed { commit, need: need(), verifier: passer() });
        run.tell(0, Event::Unmasked { commit, decoy: true, mask: MASK, need: need(), task: name });
        run.tell(WORLD.0, Event::Betrayed { commit, need: need(), verifier: agent(99) });
        run.tell(0, posted(Account::Stake(passer()), Account::Pot(pot.clone()), Move::Slash));
        run.tell(0, posted(Account::Pot(pot), Account::Free(seats()[0]), Move::Pay));
        run.tell(0, Event::NeedEnded { how: NeedEnd::Decoy, need: need() });
        run
    }

    #[test]
    fn nothing_is_seen_where_there_is_no_decoy() {
        assert_eq!(good().finding(ForcedErrors::default()).checked, 0);
        holds(ForcedErrors::default(), &opened());
    }

    #[test]
    fn t28_whoever_passes_a_decoy_pays() {
        let mut run = opened();
        let slash = |e: &Event| matches!(e, Event::Ledger(LedgerEvent::Posted { op: Move::Slash, .. }));
        run.drop_all(slash);
        caught(ForcedErrors::default(), &run, "passed a decoy, and loses nothing");
        // A ruling may have cost it that already; what it lost elsewhere is not for this.
        for (pot, is_for_it) in [(format!("challenge/{}/x", need()), true), ("challenge/another/x".to_owned(), false)] {
            let mut run = run.clone();
            let lost = posted(Account::Stake(passer()), Account::Pot(pot.into()), Move::Slash);
            run.records.insert(1, Record::new(0, NodeNo(0), lost));
            match is_for_it {
                true => holds(ForcedErrors::default(), &run),
                false => caught(ForcedErrors::default(), &run, "loses nothing"),
            }
        }
    }

    #[test]
    fn who_passed_an_attempt_that_nobody_could_open_goes_free() {
        let mut run = opened();
        let before = Event::Betrayed { commit: Cid::of(b"a split before"), need: need(), verifier: agent(98) };
        run.records.insert(1, Record::new(0, WORLD, before));
        holds(ForcedErrors::default(), &run);
    }

    /// Whoever did an attempt before it that came to nothing has no part in this one, nor have its relations.
    #[test]
    fn the_one_who_did_what_is_opened_is_the_opener_s_relation() {
        for (org, is_kin) in [("of the one before", false), ("of this one", true)] {
            let mut run = opened();
            run.edit_all(|e| {
                if let Event::Genesis { parties, .. } = e {
                    let mut list = parties.to_vec();
                    for (who, name) in [(agent(97), "of the one before"), (agent(3), "of this one"), (seats()[0], org)]
                    {
                        list.retain(|party| party.agent != who);
                        list.push(Party { agent: who, asn: String::new(), org: name.to_owned(), ..list[0].clone() });
                    }
                    *parties = list.into();
                }
            });
            let (outputs, requester, worker) = ([Cid::of(b"before")].into(), agent(1), agent(97));
            let before = Event::Planted { need: need(), outputs, requester, task: task(), worker };
            run.records.insert(1, Record::new(0, WORLD, before));
            match is_kin {
                false => holds(ForcedErrors::default(), &run),
                true => caught(ForcedErrors::default(), &run, "its opener is a relation"),
            }
        }
    }

    #[test]
    fn a_jackpot_is_for_those_who_caught_it_and_knew_nothing() {
        let paid_to = |who: AgentId| {
            let mut run = opened();
            run.edit_all(|e| {
                if let Event::Ledger(LedgerEvent::Posted { legs, .. }) = e
                    && matches!(&legs[0].from, Account::Pot(pot) if pot.starts_with("decoy/"))
                {
                    let leg = Leg { to: Account::Free(who), ..legs[0].clone() };
                    *legs = [leg].into();
                }
            });
            run
        };
        caught(ForcedErrors::default(), &paid_to(passer()), "did not catch it");
        let mut run = opened();
        run.edit_all(|e| {
            if let Event::Genesis { parties, .. } = e {
                let mut list = parties.to_vec();
                let mut kin = list[0].clone();
                (kin.agent, kin.org) = (seats()[0], list[0].org.clone());
                list.push(kin);
                *parties = list.into();
            }
        });
        caught(ForcedErrors::default(), &run, "its opener is a relation");
        let mut run = opened();
        run.edit_all(|e| {
            if let Event::Tallied { counted, .. } = e {
                *counted = counted.iter().copied().chain([opener().agent()]).collect();
            }
        });
        let pot: Arc<str> = format!("decoy/{}", need()).into();
        run.tell(0, posted(Account::Pot(pot), Account::Free(opener().agent()), Move::Pay));
        caught(ForcedErrors::default(), &run, "its opener is a relation");
    }

    #[test]
    fn t26_a_decoy_was_announced_before_its_need_and_is_one() {
        let mut late = opened();
        late.edit_all(|e| {
            if matches!(e, Event::Ordered { entry, .. } if entry.seq == Seq(8)) {
                *e = taken_up(6);
            }
        });
        caught(ForcedErrors::default(), &late, "that nobody announced");
        let mut none = opened();
        none.drop_all(|e| matches!(e, Event::Planted { .. }));
        caught(ForcedErrors::default(), &none, "opened as a decoy, and is none");
        let mut silent = opened();
        silent.drop_all(|e| matches!(e, Event::Unmasked { .. }));
        caught(ForcedErrors::default(), &silent, "nobody opened it");
    }

    #[test]
    fn a_decoy_ends_as_one_and_its_result_is_never_settled() {
        let mut on = opened();
        on.edit_all(|e| {
            if let Event::Unmasked { decoy, .. } = e {
                *decoy = false;
            }
        });
        caught(ForcedErrors::default(), &on, "was masked and opened, and goes on");
        let mut run = opened();
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        caught(ForcedErrors::default(), &run, "does not end as one");
        run.end.settled = false;
        unknown(ForcedErrors::default(), &run, "had not ended");
        // Another result of the need may be settled, if it is not opened.
        for (outputs, wrong) in [(planted(), true), ([Cid::of(b"right")].into(), false)] {
            let mut run = good();
            run.edit_all(|e| {
                if let Event::Finalized { record, .. } = e {
                    let mut said: FinalizeRecord = serde_json::from_slice(record).unwrap();
                    said.outputs = [(task(), outputs[0])].into();
                    *record = serde_json::to_vec(&said).unwrap().into();
                }
            });
            let (requester, worker) = (agent(1), agent(3));
            run.tell(WORLD.0, Event::Planted { need: need(), outputs: planted(), requester, task: task(), worker });
            match wrong {
                true => caught(ForcedErrors::default(), &run, "wrong on purpose is settled"),
                false => holds(ForcedErrors::default(), &run),
            }
        }
    }
}
