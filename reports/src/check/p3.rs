//! P3, challenge safety: a final result that is wrong and is disputed in time is void once that is ruled, and everyone who passed
//! it is slashed; one that is right is never ruled void; and nobody honest is ever slashed. Whoever is honest and says in time what is
//! wrong with a result is heard, whatever else is said of it meanwhile.
//!
//! Where a committee that ruled had nobody honest among those who were counted, it said what it liked, and the promise ends there.
//! What such a one did wrong is a violation where a scenario says that it shows just this. Anywhere else it is told beside the verdict:
//! the property was not promised there, and nobody shall take what stands for right.
//! What is right is what honest hosts got, and took, when they did the same work, whether the protocol asked them to or not.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Digest, Fence, Label, NeedId, TaskName};
use swarm_core::wire::{FinalizeRecord, Telemetry};

use super::{Checker, End, Finding, Liars, Notes, looks};
use crate::history::{Account, Claim, Event, LedgerEvent, Move, NodeNo, Phase, Record};

const NAME: &str = "P3";

/// One final result.
type Grant = (NeedId, TaskName, Fence);

/// What an honest host got for its work, what that took, and what it had come to along the way.
type Got = (Arc<[Cid]>, Telemetry, Arc<[Digest]>);

/// What an honest host read, if it is a text, and what its task was given.
type Text = (Option<Arc<str>>, Arc<[Label]>);

/// The oracle of P3.
#[derive(Debug, Default)]
pub struct ChallengeSafety {
    liars: Liars,
    dishonest: BTreeSet<AgentId>,
    notes: Notes,
    /// What the work gives under each key, as honest hosts found.
    proofs: BTreeMap<Digest, Digest>,
    /// What honest hosts read.
    read: BTreeMap<Cid, Text>,
    /// What honest hosts got for each task, and what it took.
    truth: BTreeMap<(NeedId, TaskName), Vec<Got>>,
    finals: BTreeMap<Grant, (Record, Arc<[Cid]>)>,
    disputes: BTreeMap<Cid, (Grant, Claim, Record)>,
    /// What honest verifiers said against a result, whether anybody heard it or not.
    objections: BTreeMap<(Grant, AgentId), (Claim, Record)>,
    /// Those who were heard before it was settled.
    heard: BTreeSet<(Grant, AgentId)>,
    /// Nodes that came through: what another said may never have left it.
    correct: BTreeSet<NodeNo>,
    /// When faults were over, and how long what is said may take from there to where it counts.
    whole: u64,
    lag: u64,
    /// How disputes were ruled on, and whether anybody honest ruled so: K liars on one committee say what they like, and there
    /// the promise ends.
    ruled: BTreeMap<Cid, (Option<bool>, bool, Record)>,
    void: BTreeMap<Grant, (BTreeSet<AgentId>, Record)>,
    /// Disputes that began when their result was settled already: money cannot be taken back, stake can.
    late: BTreeSet<Cid>,
    settled: BTreeMap<(NeedId, TaskName), Record>,
    /// Who lost stake, and to which pots.
    slashed: BTreeMap<AgentId, Vec<(Account, Record)>>,
}

impl Checker for ChallengeSafety {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Phase(Phase::Settle) => self.whole = record.at,
            Event::Correct { nodes, .. } => self.correct = nodes.iter().copied().collect(),
            Event::Genesis { parties, rules } => {
                self.lag = rules.lag_ns_max;
                self.dishonest.extend(parties.iter().filter(|party| !party.honest).map(|party| party.agent));
            }
            Event::Worked { need, task, outputs, proofs, states, took, .. } => {
                self.proofs.extend(proofs.iter().copied());
                let known = self.truth.entry((*need, task.clone())).or_default();
                if !known.iter().any(|(got, cost, way)| (got, cost, way) == (outputs, took, states)) {
                    known.push((outputs.clone(), *took, Arc::clone(states)));
                }
            }
            Event::Read { artifact, given, text } => {
                self.read.entry(*artifact).or_insert_with(|| (text.clone(), Arc::clone(given)));
            }
            _ if self.liars.told(record) => {}
            Event::Finalized { need, task, fence, record: bytes } => {
                if let Ok(said) = serde_json::from_slice::<FinalizeRecord>(bytes) {
                    let outputs = said.outputs.values().copied().collect();
                    self.finals.entry((*need, task.clone(), *fence)).or_insert_with(|| (record.clone(), outputs));
                }
            }
            Event::Objected { challenger, claim, need, task, fence, .. } => {
                let grant = (*need, task.clone(), *fence);
                match self.objections.entry((grant, *challenger)) {
                    // What it says of it then is more.
                    Entry::Occupied(mut failed) if failed.get().0 == Claim::Whole => {
                        failed.insert((claim.clone(), record.clone()));
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(first) => drop(first.insert((claim.clone(), record.clone()))),
                }
            }
            Event::Challenged { challenge, challenger, claim, need, task, fence, .. } => {
                let grant = (*need, task.clone(), *fence);
                if !self.settled.contains_key(&(grant.0, grant.1.clone())) {
                    self.heard.insert((grant.clone(), *challenger));
                }
                if let Entry::Vacant(first) = self.disputes.entry(*challenge) {
                    if self.settled.contains_key(&(grant.0, grant.1.clone())) {
                        self.late.insert(*challenge);
                    }
                    first.insert((grant, claim.clone(), record.clone()));
                }
            }
            Event::Ruled { challenge, ruling, panel, .. } => {
                let honest = panel.iter().any(|member| !self.dishonest.contains(member)) || panel.is_empty();
                self.ruled.entry(*challenge).or_insert_with(|| (*ruling, honest, record.clone()));
            }
            Event::Invalidated { need, task, fence, offenders, .. } => {
                let offenders = offenders.iter().copied().collect();
                self.void.entry((*need, task.clone(), *fence)).or_insert_with(|| (offenders, record.clone()));
            }
            Event::Settled { need, task, .. } => {
                self.settled.entry((*need, task.clone())).or_insert_with(|| record.clone());
            }
            Event::Ledger(LedgerEvent::Posted { legs, op, .. }) if *op == Move::Slash => {
                for leg in legs.iter() {
                    let (Account::Stake(agent) | Account::Unbonding(agent)) = &leg.from else { continue };
                    self.slashed.entry(*agent).or_default().push((leg.to.clone(), record.clone()));
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        let beyond = end.expect.breaks.contains(NAME);
        for (agent, losses) in &self.slashed {
            for (pot, slash) in losses {
                notes.checked();
                if self.is_of_opinion(pot) {
                    let what = format!("{agent} is slashed for what people differ about");
                    notes.contradict(NAME, what, &[slash]);
                }
                match self.is_of_liars(pot) {
                    _ if self.dishonest.contains(agent) => {}
                    false => notes.contradict(NAME, format!("{agent} is honest and is slashed"), &[slash]),
                    true => {
                        let what = format!("{agent} is honest and is slashed, because liars alone ruled so");
                        notes.beyond(NAME, beyond, what, &[slash]);
                    }
                }
            }
        }
        self.judge_unheard(&mut notes);
        for (grant, (told, outputs)) in &self.finals {
            let Some(truth) = self.truth.get(&(grant.0, grant.1.clone())) else { continue };
            let of_it: Vec<_> = self.disputes.iter().filter(|(_, (of, ..))| of == grant).collect();
            notes.checked();
            if let Some((_, void)) = self.void.get(grant)
                && truth.iter().any(|(got, ..)| got == outputs)
                && of_it.iter().all(|(challenge, (_, claim, _))| {
                    let about_it = !matches!(claim, Claim::Proof { .. });
                    !about_it
                        || (self.is_true(claim, outputs, truth) == Some(true) && !self.is_ruled_by_liars(challenge))
                })
            {
                notes.contradict(NAME, "a result that is right is void", &[told, void]);
            }
            if let Some((_, void)) = self.void.get(grant)
                && !of_it.iter().any(|(challenge, _)| matches!(self.ruled.get(challenge), Some((Some(true), ..))))
            {
                notes.contradict(NAME, "a result is void, and nobody ruled so", &[told, void]);
            }
            for (challenge, (_, claim, said)) in of_it {
                notes.checked();
                if *claim == Claim::Sense {
                    match self.ruled.get(challenge) {
                        Some((Some(true), _, ruled)) => self.judge_upheld(challenge, grant, ruled, &mut notes),
                        None if end.settled => notes.contradict(NAME, "a dispute has no end", &[told, said]),
                        None => notes.unknown("a dispute had no end when the run was cut short".to_owned()),
                        _ => {}
                    }
                    continue;
                }
                let Some(is_true) = self.is_true(claim, outputs, truth) else { continue };
                let stands = matches!(claim, Claim::Proof { .. }) || !self.void.contains_key(grant);
                match (is_true, self.ruled.get(challenge)) {
                    (true, Some((Some(true), false, ruled))) => {
                        let what = "what is right is ruled wrong, because liars alone ruled so";
                        notes.beyond(NAME, beyond, what, &[told, said, ruled]);
                    }
                    // Another challenge may yet have felled it.
                    (false, Some((Some(false), false, ruled))) if stands => {
                        let what = "what is wrong stands, because liars alone ruled so";
                        notes.beyond(NAME, beyond, what, &[told, said, ruled]);
                    }
                    (_, Some((_, false, _))) => {}
                    (true, Some((Some(true), _, ruled))) => {
                        notes.contradict(NAME, "a challenge of what is right is upheld", &[told, said, ruled]);
                    }
                    (false, Some((Some(false), _, ruled))) => {
                        notes.contradict(NAME, "a challenge of what is wrong is dismissed", &[told, said, ruled]);
                    }
                    (false, Some((Some(true), _, ruled))) => match claim {
                        Claim::Proof { by, .. } if !self.has_paid(by, challenge) => {
                            notes.contradict(
                                NAME,
                                format!("{by} gave a false proof, and is not slashed"),
                                &[said, ruled],
                            );
                        }
                        Claim::Proof { .. } => {}
                        _ => self.judge_upheld(challenge, grant, ruled, &mut notes),
                    },
                    (_, None) if end.settled => notes.contradict(NAME, "a dispute has no end", &[told, said]),
                    (_, None) => notes.unknown("a dispute had no end when the run was cut short".to_owned()),
                    _ => {}
                }
            }
        }
        notes.finding
    }
}

impl ChallengeSafety {
    /// Whether what is disputed is so, by what any honest host got and took; nothing if no honest host looked.
    fn is_true(&self, claim: &Claim, outputs: &[Cid], truth: &[Got]) -> Option<bool> {
        let any = |is: &dyn Fn(&Got) -> bool| Some(truth.iter().any(is));
        match claim {
            Claim::Whole => any(&|(got, ..)| **got == *outputs),
            Claim::Output(at) => any(&|(got, ..)| got.get(*at as usize) == outputs.get(*at as usize)),
            Claim::Stretch { at, states } => {
                let found: Vec<bool> =
                    truth.iter().filter_map(|got| leads(*at as usize, states, outputs, got)).collect();
                (!found.is_empty()).then(|| found.contains(&true))
            }
            Claim::Took(said) => any(&|(_, took, _)| took.bytes <= said.bytes && took.steps <= said.steps),
            Claim::Lawful => Some(true),
            Claim::Sense => None,
            Claim::Proof { key, said, .. } => self.proofs.get(key).map(|proof| proof == said),
            Claim::Cited { artifact, pointer } => {
                let (text, given) = self.read.get(artifact)?;
                let given: Vec<&str> = given.iter().map(Label::as_str).collect();
                Some(!looks::is_uncited(text.as_deref(), pointer.as_str(), &given))
            }
            Claim::Form { artifact, pointer, schema } => {
                let schema = serde_json::to_value(schema).expect("a schema is JSON");
                let (text, _) = self.read.get(artifact)?;
                Some(!looks::is_broken(text.as_deref(), &schema, pointer.as_str()))
            }
        }
    }

    /// Whether all who were counted when this challenge was ruled on are liars.
    fn is_ruled_by_liars(&self, challenge: &Cid) -> bool {
        self.ruled.get(challenge).is_some_and(|(_, honest, _)| !honest)
    }

    /// Whether this is the pot of such a challenge.
    fn is_of_liars(&self, pot: &Account) -> bool {
        challenge_of(pot).is_some_and(|id| self.is_ruled_by_liars(&id))
    }

    /// Whether this is the pot of a challenge that says what people differ about.
    fn is_of_opinion(&self, pot: &Account) -> bool {
        let said = challenge_of(pot).and_then(|id| self.disputes.get(&id));
        said.is_some_and(|(_, claim, _)| *claim == Claim::Sense)
    }

    /// What is wrong and was disputed in time by somebody honest does not stand because nobody heard that. Of a false proof it stands.
    fn judge_unheard(&self, notes: &mut Notes) {
        for (of @ (grant, challenger), (claim, said)) in &self.objections {
            let task = (grant.0, grant.1.clone());
            let settled = self.settled.get(&task).filter(|settled| said.at.max(self.whole) + self.lag <= settled.at);
            let last = self.finals.range(..=(task.0, task.1.clone(), Fence(u64::MAX))).next_back();
            let (Some(settled), Some((last, (told, outputs))), Some(truth)) = (settled, last, self.truth.get(&task))
            else {
                continue;
            };
            if last != grant || matches!(claim, Claim::Proof { .. }) || !self.correct.contains(&said.node) {
                continue;
            }
            notes.checked();
            if self.is_true(claim, outputs, truth) == Some(false) && !self.heard.contains(of) {
                let what = format!("what is wrong stands, and {challenger}, who is honest and said so, was not heard");
                notes.contradict(NAME, what, &[told, said, settled]);
            }
        }
    }

    /// Whether `offender` lost stake for what this challenge was about, or for what another said of the same result: a seat answers once.
    fn has_paid(&self, offender: &AgentId, challenge: &Cid) -> bool {
        let about = |challenge: &Cid| self.disputes.get(challenge).map(|(grant, ..)| grant);
        let losses = self.slashed.get(offender).into_iter().flatten().filter_map(|(pot, _)| challenge_of(pot));
        losses.into_iter().any(|of| of == *challenge || about(&of).is_some_and(|of| about(challenge) == Some(of)))
    }

    /// What is wrong was ruled so: it is void unless it was settled before, and all who passed it have lost stake.
    fn judge_upheld(&self, challenge: &Cid, grant: &Grant, ruled: &Record, notes: &mut Notes) {
        let Some((offenders, void)) = self.void.get(grant) else {
            if !self.late.contains(challenge) {
                notes.contradict(NAME, "a result was ruled wrong, and stands", &[ruled]);
            }
            return;
        };
        for offender in offenders.iter().filter(|offender| !self.has_paid(offender, challenge)) {
            notes.contradict(NAME, format!("{offender} passed what is void, and is not slashed"), &[void]);
        }
    }
}

/// Whether a stretch of a run leads from what was said of its begin to what was said of its end; nothing if it begins with what an honest
/// host did not come to, or the work cannot be done.
fn leads(at: usize, said: &[Digest], outputs: &[Cid], (got, _, way): &Got) -> Option<bool> {
    if got.is_empty() && !outputs.is_empty() {
        return None;
    }
    let begins = at.checked_sub(1).is_none_or(|before| before >= way.len() || said.get(before) == way.get(before));
    let ends = match at.cmp(&way.len()) {
        Ordering::Less => said.get(at) == way.get(at),
        Ordering::Equal => said.len() == at && outputs == &**got,
        Ordering::Greater => true,
    };
    begins.then_some(ends)
}

/// The challenge whose pot it is: its name ends with that.
fn challenge_of(pot: &Account) -> Option<Cid> {
    let Account::Pot(name) = pot else { return None };
    name.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{Run, caught, good, need};
    use crate::history::Leg;
    use swarm_core::id::Credits;
    use swarm_core::wire::Count;

    fn final_of(run: &Run) -> (TaskName, Fence, Arc<[Cid]>) {
        let found = run.records.iter().find_map(|r| match &r.event {
            Event::Finalized { task, fence, record, .. } => Some((task.clone(), *fence, record.clone())),
            _ => None,
        });
        let (task, fence, bytes) = found.expect("the good run has a result");
        let said: FinalizeRecord = serde_json::from_slice(&bytes).unwrap();
        (task, fence, said.outputs.values().copied().collect())
    }

    /// What it came to along the way.
    fn way() -> Arc<[Digest]> {
        [Digest([3; 32]), Digest([4; 32])].into()
    }

    /// A good run in which honest hosts got `outputs`.
    fn with_truth(right: bool) -> (Run, TaskName, Fence) {
        let mut run = good();
        let (task, fence, outputs) = final_of(&run);
        let outputs = if right { outputs } else { [Cid::of(b"what it should be")].into() };
        let took = Telemetry { bytes: Count(10), steps: Count(10) };
        let (inputs, proofs) = ([].into(), [(Digest([1; 32]), Digest([2; 32]))].into());
        run.tell(0, Event::Worked { inputs, need: need(), outputs, proofs, states: way(), task: task.clone(), took });
        (run, task, fence)
    }

    fn dispute(run: &mut Run, task: &TaskName, fence: Fence, ruling: Option<Option<bool>>) {
        dispute_of(Claim::Output(0), run, task, fence, ruling);
    }

    fn dispute_of(claim: Claim, run: &mut Run, task: &TaskName, fence: Fence, ruling: Option<Option<bool>>) {
        let (challenge, commit) = (Cid::of(b"challenge"), Cid::of(b"commit"));
        let challenger = AgentId([9; 32]);
        run.tell(
            0,
            Event::Challenged { challenge, challenger, claim, commit, fence, need: need(), task: task.clone() },
        );
        if let Some(ruling) = ruling {
            run.tell(0, Event::Ruled { challenge, need: need(), panel: [].into(), ruling, task: task.clone() });
        }
    }

    fn void(run: &mut Run, task: &TaskName, fence: Fence, offenders: &[AgentId]) {
        let (commit, offenders) = (Cid::of(b"commit"), offenders.into());
        run.tell(0, Event::Invalidated { commit, fence, need: need(), offenders, task: task.clone() });
    }

    fn slash(run: &mut Run, agent: AgentId) {
        slash_into(run, agent, Cid::of(b"challenge"));
    }

    fn slash_into(run: &mut Run, agent: AgentId, challenge: Cid) {
        let pot = format!("challenge/{}/{challenge}", need());
        let leg = Leg { amount: Credits(5), from: Account::Stake(agent), to: Account::Pot(pot.into()) };
        run.tell(0, Event::Ledger(LedgerEvent::Posted { key: "slash".into(), legs: [leg].into(), op: Move::Slash }));
    }

    #[test]
    fn nothing_is_known_where_nobody_honest_did_the_work() {
        assert_eq!(good().finding(ChallengeSafety::default()).checked, 0);
    }

    #[test]
    fn what_is_right_stands() {
        let (mut run, task, fence) = with_truth(true);
        dispute(&mut run, &task, fence, Some(Some(false)));
        assert_eq!(run.finding(ChallengeSafety::default()).violations, 0);
        let mut upheld = with_truth(true).0;
        dispute(&mut upheld, &task, fence, Some(Some(true)));
        caught(ChallengeSafety::default(), &upheld, "what is right is upheld");
        void(&mut run, &task, fence, &[]);
        caught(ChallengeSafety::default(), &run, "that is right is void");
    }

    #[test]
    fn what_is_wrong_falls_and_costs_stake() {
        let (mut run, task, fence) = with_truth(false);
        let liar = AgentId([7; 32]);
        dispute(&mut run, &task, fence, Some(Some(true)));
        // What is paid only after it was disputed is no excuse; what was paid before it cannot be taken back.
        let is_paid = |r: &Record| matches!(r.event, Event::Settled { .. });
        let (paid, rest): (Vec<Record>, Vec<Record>) = run.records.iter().cloned().partition(is_paid);
        let mut late = run.clone();
        late.records = paid.iter().chain(&rest).cloned().collect();
        assert_eq!(late.finding(ChallengeSafety::default()).violations, 0);
        run.records = rest;
        caught(ChallengeSafety::default(), &run, "ruled wrong, and stands");
        run.records.extend(paid);
        caught(ChallengeSafety::default(), &run, "ruled wrong, and stands");
        void(&mut run, &task, fence, &[liar]);
        caught(ChallengeSafety::default(), &run, "is not slashed");
        // What it lost for something else does not count.
        let mut other = run.clone();
        slash_into(&mut other, liar, Cid::of(b"another challenge"));
        caught(ChallengeSafety { dishonest: [liar].into(), ..Default::default() }, &other, "is not slashed");
        let (mut dismissed, ..) = with_truth(false);
        dispute(&mut dismissed, &task, fence, Some(Some(false)));
        caught(ChallengeSafety::default(), &dismissed, "what is wrong is dismissed");
        let (mut open, ..) = with_truth(false);
        dispute(&mut open, &task, fence, None);
        caught(ChallengeSafety::default(), &open, "has no end");
    }

    #[test]
    fn one_loss_is_enough_for_one_result() {
        let (mut run, task, fence) = with_truth(false);
        let (liar, other) = (AgentId([7; 32]), Cid::of(b"another"));
        dispute(&mut run, &task, fence, Some(Some(true)));
        void(&mut run, &task, fence, &[liar]);
        slash_into(&mut run, liar, other);
        let oracle = || ChallengeSafety { dishonest: [liar].into(), ..Default::default() };
        caught(oracle(), &run, "is not slashed");
        // What took its stake was about the same result: two that see one wrong do not cost it twice.
        let (commit, claim, challenger) = (Cid::of(b"commit"), Claim::Output(0), AgentId([8; 32]));
        let need = need();
        run.tell(0, Event::Challenged { challenge: other, challenger, claim, commit, fence, need, task: task.clone() });
        run.tell(0, Event::Ruled { challenge: other, need, panel: [].into(), ruling: Some(true), task });
        assert_eq!(run.finding(oracle()).violations, 0);
    }

    #[test]
    fn whoever_says_in_time_what_is_wrong_is_heard() {
        let lag = crate::check::fixture::rules().lag_ns_max;
        let (good, task, fence) = with_truth(false);
        let is_paid = |r: &Record| matches!(r.event, Event::Settled { .. });
        let (paid, rest): (Vec<Record>, Vec<Record>) = good.records.iter().cloned().partition(is_paid);
        let (one, other) = (AgentId([8; 32]), AgentId([9; 32]));
        // Somebody says something of it, and it is paid so much later.
        let said = |claim: &Claim, node: u32, later: u64, heard: &[AgentId]| {
            let mut run = Run { records: rest.clone(), ..good.clone() };
            let (commit, need, task) = (Cid::of(b"commit"), need(), task.clone());
            let (claim, said) = (claim.clone(), |n: u8| Cid::of(&[n]));
            run.tell(node, Event::Objected { challenge: said(0), challenger: one, claim, commit, fence, need, task });
            let at = run.records.last().unwrap().at;
            for who in heard {
                let (challenge, claim, task) = (said(who.0[0]), Claim::Lawful, task_of(&run));
                let heard =
                    Event::Challenged { challenge, challenger: *who, claim, commit, fence, need, task: task.clone() };
                run.tell(0, heard);
                run.tell(0, Event::Ruled { challenge, need, panel: [].into(), ruling: Some(false), task });
            }
            run.records.extend(paid.iter().cloned().map(|paid| Record { at: at + later, ..paid }));
            run
        };
        let wrong = Claim::Output(0);
        caught(
            ChallengeSafety::default(),
            &said(&Claim::Whole, 0, lag, &[]),
            "who is honest and said so, was not heard",
        );
        caught(ChallengeSafety::default(), &said(&wrong, 0, lag, &[]), "who is honest and said so, was not heard");
        caught(ChallengeSafety::default(), &said(&wrong, 0, lag, &[other]), "who is honest and said so, was not heard");
        let violations = |run: &Run| run.finding(ChallengeSafety::default()).violations;
        assert_eq!(violations(&said(&wrong, 0, lag, &[other, one])), 0, "it was heard in the end");
        assert_eq!(violations(&said(&wrong, 0, lag - 1, &[])), 0, "it was too late");
        assert_eq!(violations(&said(&Claim::Lawful, 0, lag, &[])), 0, "it was not so");
        let proof = Claim::Proof { by: other, key: Digest([1; 32]), said: Digest([3; 32]) };
        assert_eq!(violations(&said(&proof, 0, lag, &[])), 0, "the result stands with a false proof");
        let mut void_first = said(&wrong, 0, lag, &[]);
        let (commit, offenders) = (Cid::of(b"commit"), [].into());
        void_first.records.retain(|r| !matches!(r.event, Event::Settled { .. }));
        void_first.tell(0, Event::Invalidated { commit, fence, need: need(), offenders, task: task.clone() });
        assert!(!format!("{:?}", void_first.finding(ChallengeSafety::default())).contains("not heard"));
        let mut liar = said(&wrong, 0, lag, &[]);
        liar.liar(0);
        assert_eq!(violations(&liar), 0, "whoever lies says what it likes");
        assert_eq!(violations(&said(&wrong, 77, lag, &[])), 0, "it did not come through");
    }

    fn task_of(run: &Run) -> TaskName {
        final_of(run).0
    }

    #[test]
    fn a_challenge_is_held_against_what_it_calls_untrue() {
        let took = |steps| Claim::Took(Telemetry { bytes: Count(10), steps: Count(steps) });
        let (run, task, fence) = with_truth(true);
        for (claim, is_true) in [(took(9), false), (took(10), true), (Claim::Lawful, true), (Claim::Output(0), true)] {
            let mut dismissed = run.clone();
            dispute_of(claim.clone(), &mut dismissed, &task, fence, Some(Some(false)));
            let mut upheld = run.clone();
            dispute_of(claim.clone(), &mut upheld, &task, fence, Some(Some(true)));
            void(&mut upheld, &task, fence, &[]);
            let found = [dismissed, upheld].map(|run| run.finding(ChallengeSafety::default()).violations > 0);
            assert_eq!(found, [!is_true, is_true], "{claim:?}");
        }
        // What is wrong elsewhere is not what was disputed.
        let (mut run, task, fence) = with_truth(false);
        dispute_of(took(10), &mut run, &task, fence, Some(Some(false)));
        assert_eq!(run.finding(ChallengeSafety::default()).violations, 0);
    }

    /// Of a stretch is judged what follows from a begin that is right.
    #[test]
    fn a_stretch_leads_where_it_leads() {
        let (one, two, other) = (Digest([3; 32]), Digest([4; 32]), Digest([5; 32]));
        let cases: [(u32, &[Digest], Option<bool>); 10] = [
            (0, &[one, two], Some(true)),
            (0, &[other, two], Some(false)),
            (0, &[], Some(false)),
            (1, &[one, two], Some(true)),
            (1, &[one, other], Some(false)),
            (1, &[one], Some(false)),
            (1, &[other, two], None),
            (2, &[one, two], Some(true)),
            (2, &[one, two, other], Some(false)),
            (3, &[one, two, other], Some(true)),
        ];
        for (at, said, is_true) in cases {
            let claim = || Claim::Stretch { at, states: said.into() };
            for upheld in [true, false] {
                let (mut run, task, fence) = with_truth(true);
                dispute_of(claim(), &mut run, &task, fence, Some(Some(upheld)));
                if upheld {
                    void(&mut run, &task, fence, &[]);
                }
                let agrees = is_true.is_none_or(|is_true| is_true != upheld);
                let finding = run.finding(ChallengeSafety::default());
                assert_eq!(finding.violations == 0, agrees, "{at} {said:?}: {upheld}, {finding:?}");
            }
        }
        let (mut run, task, fence) = with_truth(false);
        dispute_of(Claim::Stretch { at: 2, states: way() }, &mut run, &task, fence, Some(Some(false)));
        caught(ChallengeSafety::default(), &run, "what is wrong is dismissed");
        // Of what nobody can do nobody came to a stretch.
        let (got, made_up): (Got, _) = (([].into(), Telemetry::default(), [].into()), [Cid::of(b"made up")]);
        assert_eq!((leads(0, &[], &made_up, &got), leads(0, &[], &[], &got)), (None, Some(true)));
    }

    #[test]
    fn a_false_proof_costs_its_verifier_and_nobody_else() {
        let by = AgentId([7; 32]);
        let claim = |key: u8, said: u8| Claim::Proof { by, key: Digest([key; 32]), said: Digest([said; 32]) };
        let (good, task, fence) = with_truth(true);
        let ruled = |claim, upheld| {
            let mut run = good.clone();
            dispute_of(claim, &mut run, &task, fence, Some(Some(upheld)));
            run
        };
        let liar = || ChallengeSafety { dishonest: [by].into(), ..Default::default() };
        caught(liar(), &ruled(claim(1, 2), true), "what is right is upheld");
        caught(liar(), &ruled(claim(1, 3), false), "what is wrong is dismissed");
        caught(liar(), &ruled(claim(1, 3), true), "gave a false proof, and is not slashed");
        let mut just = ruled(claim(1, 3), true);
        slash(&mut just, by);
        assert_eq!(just.finding(liar()).violations, 0);
        // Nobody honest looked: nothing is known of it.
        assert_eq!(ruled(claim(9, 3), false).finding(liar()).violations, 0);
        void(&mut just, &task, fence, &[by]);
        caught(liar(), &just, "that is right is void");
    }

    #[test]
    fn what_an_output_looks_like_is_read_and_not_believed() {
        let artifact = Cid::of(b"brief");
        let claim = |pointer: &str| Claim::Form {
            artifact,
            pointer: pointer.parse().unwrap(),
            schema: Box::new(serde_json::from_str(r#"{"items":{"type":"integer"}}"#).unwrap()),
        };
        let ruled_of = |claim: Claim, text: &str, upheld: bool| {
            let (mut run, task, fence) = with_truth(true);
            let given = ["text".parse().unwrap()].into();
            run.tell(0, Event::Read { artifact, given, text: Some(text.into()) });
            dispute_of(claim, &mut run, &task, fence, Some(Some(upheld)));
            if upheld {
                void(&mut run, &task, fence, &[]);
            }
            run
        };
        let cited =
            |text: &str, upheld| ruled_of(Claim::Cited { artifact, pointer: "/0".parse().unwrap() }, text, upheld);
        caught(ChallengeSafety::default(), &cited(r#"[{"cites":["text"]}]"#, true), "what is right is upheld");
        caught(ChallengeSafety::default(), &cited(r#"[{"cites":["hearsay"]}]"#, false), "what is wrong is dismissed");
        assert_eq!(cited(r#"[{"cites":["hearsay"]}]"#, true).finding(ChallengeSafety::default()).violations, 0);
        let ruled = |pointer: &str, text: &str, upheld| ruled_of(claim(pointer), text, upheld);
        caught(ChallengeSafety::default(), &ruled("/0", "[1]", true), "what is right is upheld");
        caught(ChallengeSafety::default(), &ruled("/0", "[1]", true), "that is right is void");
        caught(ChallengeSafety::default(), &ruled("/1", "[1,null]", false), "what is wrong is dismissed");
        assert_eq!(ruled("/1", "[1,null]", true).finding(ChallengeSafety::default()).violations, 0);
        assert_eq!(ruled("/0", "[1,null]", false).finding(ChallengeSafety::default()).violations, 0);
    }

    #[test]
    fn what_people_differ_about_costs_nobody_stake() {
        let by = AgentId([7; 32]);
        let liar = || ChallengeSafety { dishonest: [by].into(), ..Default::default() };
        for (right, upheld) in [(true, true), (true, false), (false, true), (false, false)] {
            let (mut run, task, fence) = with_truth(right);
            // What is paid cannot be taken back.
            run.records.retain(|record| !matches!(record.event, Event::Settled { .. }));
            dispute_of(Claim::Sense, &mut run, &task, fence, Some(Some(upheld)));
            if upheld {
                caught(liar(), &run, "ruled wrong, and stands");
                void(&mut run, &task, fence, &[]);
            }
            assert_eq!(run.finding(liar()).violations, 0, "whoever is right: {right} {upheld}");
            slash(&mut run, by);
            caught(liar(), &run, "is slashed for what people differ about");
        }
        let (mut open, task, fence) = with_truth(true);
        dispute_of(Claim::Sense, &mut open, &task, fence, None);
        caught(liar(), &open, "has no end");
        void(&mut open, &task, fence, &[]);
        caught(liar(), &open, "nobody ruled so");
    }

    #[test]
    fn nobody_honest_is_slashed() {
        let victim = AgentId([7; 32]);
        let mut run = good();
        slash(&mut run, victim);
        caught(ChallengeSafety::default(), &run, "is honest and is slashed");
        let ruled = |by: AgentId| {
            let (mut run, task, fence) = with_truth(true);
            dispute(&mut run, &task, fence, None);
            let (challenge, panel) = (Cid::of(b"challenge"), [by].into());
            run.tell(0, Event::Ruled { challenge, need: need(), panel, ruling: Some(true), task: task.clone() });
            void(&mut run, &task, fence, &[victim]);
            slash(&mut run, victim);
            run
        };
        let liar = AgentId([8; 32]);
        let among_liars = || ChallengeSafety { dishonest: [liar].into(), ..Default::default() };
        caught(among_liars(), &ruled(AgentId([9; 32])), "is honest and is slashed");
        let found = ruled(liar).finding(among_liars());
        assert_eq!((found.violations, found.beyond), (0, 2), "K liars rule as they like");
        assert!(found.ended.iter().all(|how| how.ends_with("because liars alone ruled so")), "{found:?}");
        assert_eq!(found.ended.len(), 2);
    }

    #[test]
    fn where_liars_alone_ruled_the_promise_ends_and_that_is_told() {
        let (liar, stranger) = (AgentId([8; 32]), AgentId([9; 32]));
        let found = |by: AgentId, right: bool, declared: bool| {
            let (mut run, task, fence) = with_truth(right);
            dispute(&mut run, &task, fence, None);
            let (challenge, panel) = (Cid::of(b"challenge"), [by].into());
            run.tell(0, Event::Ruled { challenge, need: need(), panel, ruling: Some(right), task: task.clone() });
            if right {
                void(&mut run, &task, fence, &[AgentId([7; 32])]);
                slash(&mut run, AgentId([7; 32]));
            }
            run.end.expect.breaks.extend(declared.then(|| NAME.to_owned()));
            let found = run.finding(ChallengeSafety { dishonest: [liar].into(), ..Default::default() });
            (found.violations, found.beyond, found.ended.len())
        };
        assert_eq!([found(liar, false, true), found(liar, true, true)], [(1, 1, 0), (2, 2, 0)]);
        assert_eq!([found(liar, false, false), found(liar, true, false)], [(0, 1, 1), (0, 2, 2)]);
        for declared in [false, true] {
            let (violations, beyond, _) = found(stranger, false, declared);
            assert!(violations > 0 && beyond == 0, "with one honest member it is promised: {declared}");
        }
    }
}
