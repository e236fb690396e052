//! A small history in which everything holds, and ways to doctor it.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::genesis::Genesis;
use swarm_core::id::{
    AgentId, Cid, Credits, Digest, Epoch, Fence, Lamport, NeedId, Nonce, Segment, Seq, TaskName, Thread, label,
};
use swarm_core::identity::Keys;
use swarm_core::register::{Answer, Applied, Command, Event as Did, Outcome, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::time::{Span, WallTime};
use swarm_core::wire::{
    Body, CapabilityRef, Content, Draft, Due, Envelope, FinalizeRecord, Payout, PolicyRef, ReleaseReason, SnapshotRef,
    trace_of,
};

use super::{Checker, End, Finding, Verdict, draw};
use crate::history::{
    Account, Event, LedgerEvent, Leg, Move, NeedEnd, NodeNo, Party, Phase, PoolMember, PoolSnapshot, Record, Rules,
    TaskEnd, WORLD,
};

/// A second.
pub const S: u64 = 1_000_000_000;

/// A history and how it ended.
#[derive(Clone)]
pub struct Run {
    pub records: Vec<Record>,
    pub end: End,
}

pub fn agent(n: u8) -> AgentId {
    AgentId([n; 32])
}

pub fn need() -> NeedId {
    NeedId::of(&agent(1), Nonce(1))
}

pub fn task() -> TaskName {
    label("t")
}

pub fn rules() -> Rules {
    let params = swarm_core::config::Params { bootstrap_needs: 0, ..Default::default() };
    Rules::of(&params, 60 * S, 100 * S, 600 * S)
}

impl Run {
    pub fn tell(&mut self, node: u32, event: Event) {
        let at = self.records.last().map_or(0, |r| r.at) + S / 10;
        self.records.push(Record::new(at, NodeNo(node), event));
        self.end.at = at + S;
    }

    /// Told by each of the three nodes.
    fn all(&mut self, event: Event) {
        (0..3).for_each(|node| self.tell(node, event.clone()));
    }

    fn last(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.records.iter().rposition(|r| which(&r.event)).expect("the fixture has such an event")
    }

    pub fn edit_last(&mut self, which: impl Fn(&Event) -> bool, edit: impl FnOnce(&mut Event)) {
        let at = self.last(which);
        edit(&mut self.records[at].event);
    }

    pub fn edit_all(&mut self, edit: impl FnMut(&mut Event)) {
        self.records.iter_mut().map(|r| &mut r.event).for_each(edit);
    }

    pub fn repeat_last(&mut self, which: impl Fn(&Event) -> bool) {
        let at = self.last(which);
        self.records.insert(at, self.records[at].clone());
    }

    pub fn move_last_to_end(&mut self, which: impl Fn(&Event) -> bool) {
        let record = self.records.remove(self.last(which));
        self.records.push(record);
    }

    pub fn drop_all(&mut self, which: impl Fn(&Event) -> bool) {
        self.records.retain(|r| !which(&r.event));
    }

    pub fn liar(&mut self, node: u32) {
        self.edit_all(|e| {
            if let Event::Genesis { parties, .. } = e {
                let mut list = parties.to_vec();
                list.iter_mut().filter(|p| p.node == NodeNo(node)).for_each(|p| p.honest = false);
                *parties = list.into();
            }
        });
    }

    pub fn finding(&self, mut checker: impl Checker) -> Finding {
        self.records.iter().for_each(|r| checker.see(r));
        let found = checker.finish(&self.end);
        assert_eq!(checker.finish(&self.end), found, "a checker asked twice says the same");
        found
    }
}

pub fn verdict(checker: impl Checker, run: &Run) -> Verdict {
    run.finding(checker).verdict
}

#[track_caller]
pub fn holds(checker: impl Checker, run: &Run) {
    let found = run.finding(checker);
    assert_eq!(found.verdict, Verdict::Holds, "{found:#?}");
    assert!(found.checked > 0, "vacuous");
}

#[track_caller]
pub fn caught(checker: impl Checker, run: &Run, what: &str) {
    let found = run.finding(checker);
    assert_eq!(found.verdict, Verdict::Violated, "{found:#?}");
    assert!(found.contradictions.iter().any(|c| c.what.contains(what)), "no {what:?} in {found:#?}");
    assert!(found.violations as usize >= found.contradictions.len() && found.contradictions.len() <= 5);
}

#[track_caller]
pub fn unknown(checker: impl Checker, run: &Run, why: &str) {
    let found = run.finding(checker);
    assert_eq!(found.verdict, Verdict::Unknown, "{found:#?}");
    assert!(found.unknown.iter().any(|u| u.contains(why)), "no {why:?} in {found:#?}");
}

/// Agents 10 to 29, each of an organisation, network and region of its own, and all of them active.
pub fn pool() -> PoolSnapshot {
    let snapshot = SnapshotRef { digest: Digest::sha256(b"pool"), number: 1 };
    let member = |n: u8| PoolMember {
        agent: agent(n),
        asn: format!("AS{n}"),
        org: format!("org{n}"),
        region: format!("region{n}"),
        reputation_bp: 5_000,
        stake: Credits(1_000),
        weight: 31,
    };
    PoolSnapshot { active: 20, bootstrap: false, members: (10..30).map(member).collect(), snapshot }
}

fn party(node: u32, n: u8, name: &str, coordinator: bool) -> Party {
    Party {
        agent: agent(n),
        asn: format!("AS-{name}"),
        coordinator,
        honest: true,
        node: NodeNo(node),
        org: name.into(),
        part: None,
        region: String::new(),
    }
}

fn commit() -> Cid {
    Cid::of(b"commit")
}

/// What its one coordinator that revealed anything revealed.
fn revealed() -> (AgentId, Digest) {
    (agent(1), Digest::sha256(b"reveal"))
}

/// The seed of its committee.
pub fn seed() -> Digest {
    draw::committee_seed(&commit(), &[revealed()].into())
}

/// Who votes on its plans.
pub fn voters() -> Vec<AgentId> {
    draw::voters(&need(), Epoch(1), &pool(), 3, &rules()).expect("enough are there").members
}

/// Who judges its result.
pub fn seats() -> Vec<AgentId> {
    draw::committee(&seed(), &pool(), |_| false, 5, &rules()).expect("enough are there").members
}

/// Somebody who is in the pool and neither votes nor sits.
pub fn outsider() -> AgentId {
    let drawn = [voters(), seats()].concat();
    (10..30).map(agent).find(|one| !drawn.contains(one)).expect("twenty are more than fifteen")
}

/// The entry of the system thread in which the round of reveals ends and the committee is drawn.
fn round() -> Event {
    let (need, snapshot, (by, value)) = (need(), pool().snapshot, revealed());
    let answer = Answer::Seated { k_result: 5, seats: seats(), seed: seed(), snapshot };
    let events = vec![
        Did::RoundOpened { round: 1 },
        Did::Revealed { by, round: 1, value },
        Did::RoundClosed { omitted: vec![agent(2)], round: 1 },
        Did::Answered { answer, at: 0, need, seq: Seq(2) },
    ];
    let command = Command::Snapshot { number: 1 };
    let entry = Applied::new(command.id(), Outcome::Did(events), Seq(1));
    Event::Ordered { command: command.into(), entry: entry.into(), thread: Thread::System }
}

/// One need with one task, whose first holder falls silent; three nodes, of which two are coordinators.
pub fn good() -> Run {
    let (need, task, snapshot) = (need(), task(), pool().snapshot);
    let (escrow, commit, fence): (Arc<str>, _, _) = ("escrow".into(), commit(), Fence(2));
    let (voters, seats) = (voters(), seats());
    let (approvals, judges) = (&voters[..3], &seats[..5]);
    let mut run = Run { records: Vec::new(), end: End { settled: true, ..End::default() } };
    let leg =
        |from: &Account, to: &Account, amount| Leg { amount: Credits(amount), from: from.clone(), to: to.clone() };
    let post =
        |key: &str, op, legs: &[Leg]| Event::Ledger(LedgerEvent::Posted { key: key.into(), legs: legs.into(), op });
    let (requester, worker) = (Account::Free(agent(1)), Account::Free(agent(3)));
    let (pot, backer) = (Account::Pot(escrow.clone()), seats[0]);
    let stake = Account::Stake(backer);

    let parties = [party(0, 1, "ask", true), party(1, 2, "plan", true), party(2, 3, "work", false)];
    run.records.push(Record::new(0, WORLD, Event::Genesis { parties: parties.into(), rules: rules().into() }));
    run.records.push(Record::new(0, WORLD, Event::Phase(Phase::Fault)));
    run.all(post(
        "mint",
        Move::Mint,
        &[leg(&Account::Outside, &requester, 1_000), leg(&Account::Outside, &Account::Free(backer), 1_000)],
    ));
    run.all(post("stake", Move::Stake, &[leg(&Account::Free(backer), &stake, 1_000)]));
    run.all(Event::SnapshotTaken(pool().into()));
    run.tell(
        2,
        Event::NeedPosted {
            budget: Credits(100),
            fee: Credits(5),
            fees: Credits(50),
            k_plan: 3,
            k_result: 5,
            need,
            requester: agent(1),
        },
    );
    run.all(Event::Ledger(LedgerEvent::PotOpened { need, pot: escrow.clone() }));
    run.all(post("reserve", Move::Reserve, &[leg(&requester, &pot, 150)]));
    run.all(Event::NeedOpened { need });
    run.all(Event::Voters { epoch: Epoch(1), need, snapshot, voters: voters.as_slice().into() });
    run.all(Event::Decided {
        approvals: approvals.into(),
        epoch: Epoch(1),
        k: 3,
        need,
        planner: agent(2),
        proposal: Cid::of(b"plan"),
        snapshot,
    });
    run.all(Event::Planned { need, tasks: [task.clone()].into(), wanted: [task.clone()].into() });
    let granted = |fence, worker| {
        let (epoch, task) = (Epoch(1), task.clone());
        Event::Granted { epoch, eta_ms: 300_000, fence, lease_ms: 60_000, need, task, worker }
    };
    run.all(granted(Fence(1), agent(4)));
    run.all(Event::Renewed { fence: Fence(1), more_ms: 60_000, need, segment: Segment(1), task: task.clone() });
    run.records.push(Record::new(60 * S, WORLD, Event::Phase(Phase::Heal)));
    run.all(Event::LeaseEnded { fence: Fence(1), need, reason: ReleaseReason::Expired, task: task.clone() });
    run.tell(0, Event::mark("reassigned"));
    run.all(granted(fence, agent(3)));
    run.all(Event::Accepted { commit, fence, need, task: task.clone(), worker: agent(3) });
    run.tell(0, round());
    let drawn = seats.as_slice().into();
    run.all(Event::Seated { commit, need, seats: drawn, seed: seed(), snapshot, task: task.clone() });
    run.all(Event::Ledger(LedgerEvent::LienBooked { agent: backer, amount: Credits(100), lien: "lien".into(), need }));
    run.all(Event::Tallied {
        commit,
        counted: judges.into(),
        k: 5,
        need,
        task: task.clone(),
        verdict: swarm_core::wire::Verdict::Pass,
    });
    let fees = judges.iter().map(|to| Payout { amount: Credits(5), due: Due::Fee, to: *to });
    let payouts: Vec<_> = fees.chain([Payout { amount: Credits(90), due: Due::Price, to: agent(3) }]).collect();
    let record = FinalizeRecord {
        attestations: judges.iter().map(|judge| Cid::of(&judge.0)).collect(),
        commit,
        engines: vec![],
        epoch: Epoch(1),
        fence,
        need,
        outputs: Default::default(),
        payouts: payouts.clone(),
        plan: Digest::sha256(b"plan"),
        snapshot,
        task: task.clone(),
    };
    let record: Arc<[u8]> = serde_json::to_vec(&record).unwrap().into();
    run.all(Event::Finalized { fence, need, record, task: task.clone() });
    run.all(Event::Settled { need, payouts: payouts.into(), task: task.clone() });
    let fee = |to: &AgentId| leg(&pot, &Account::Free(*to), 5);
    let due: Vec<_> = judges.iter().map(fee).chain([leg(&pot, &worker, 90)]).collect();
    run.all(post("pay", Move::Pay, &due));
    let rest: Vec<_> = approvals.iter().map(fee).chain([leg(&pot, &requester, 20)]).collect();
    run.all(post("close", Move::Pay, &rest));
    run.all(Event::Ledger(LedgerEvent::PotEnded { pot: escrow }));
    run.all(Event::Ledger(LedgerEvent::LienEnded { lien: "lien".into() }));
    run.all(Event::Paid { need, task: task.clone() });
    run.all(Event::TaskEnded { how: TaskEnd::Paid, need, task });
    run.all(Event::NeedEnded { how: NeedEnd::Closed, need });
    let mut balances: BTreeMap<Account, Credits> =
        [(requester, Credits(870)), (worker, Credits(90)), (stake, Credits(1_000))].into();
    for paid in judges.iter().chain(approvals) {
        balances.entry(Account::Free(*paid)).or_default().0 += 5;
    }
    run.all(Event::Ledger(LedgerEvent::Books {
        balances: balances.into_iter().collect(),
        burned: Credits(0),
        minted: Credits(2_000),
    }));
    let thread = Thread::Need(need);
    for seq in 1..=3 {
        let link = Digest::sha256(&[seq]);
        let seq = Seq(u64::from(seq));
        (0..2).for_each(|node| run.tell(node, Event::Applied { link, seq, thread }));
        if seq != Seq(2) {
            run.all(Event::Believed { link, seq, thread });
        }
    }
    let (members, nodes) = ([NodeNo(0), NodeNo(1)].into(), (0..3).map(NodeNo).collect());
    run.tell(WORLD.0, Event::Correct { members, nodes });
    run.all(Event::View { digest: Digest::sha256(b"view"), heads: vec![Digest::sha256(b"head")], thread });
    run.all(Event::Replayed { equal: true, first_difference: None });
    // Told last: the agents of this history have no manifests, so the model is not to look at what it says of them.
    run.tell(WORLD.0, Event::Founded { genesis: genesis().into() });
    // Two that nobody vouches for.
    let votes = [90, 91].map(|of| (agent(of), Cid::of(&[of])));
    run.tell(0, Event::Disagreed { engine: Digest::default(), need, votes });
    run.tell(0, nonsense());
    run
}

pub fn keys(n: u8) -> Keys {
    Keys::from_seed(&Digest([n; 32]))
}

/// What agent `n` signs.
pub fn said(n: u8, body: Body, epoch: u64, fence: Option<u64>) -> Arc<Envelope> {
    let content = Content {
        body,
        capability: CapabilityRef { manifest: Cid::default(), name: task() },
        epoch: Some(Epoch(epoch)),
        expires: None,
        fence: fence.map(Fence),
        lamport: Lamport(1),
        nonce: Nonce(1),
        policy: PolicyRef::default(),
        refs: Vec::new(),
        sender: keys(n).agent(),
        target: None,
        thread: Thread::Need(need()),
        time: WallTime(0),
        trace: trace_of(Thread::Need(need()), None),
    };
    Arc::new(keys(n).sign(Draft::new(content)))
}

/// A deployment of nobody.
pub fn genesis() -> Genesis {
    Genesis {
        arbiters: Vec::new(),
        capsule: Cid::default(),
        coordinators: Vec::new(),
        engine: Digest::default(),
        holdings: Default::default(),
        manifests: Vec::new(),
        mints: Vec::new(),
        params: swarm_core::config::Params::default(),
        policy_keys: Vec::new(),
        recovery: Vec::new(),
    }
}

/// Somebody reports on a wait of a need that nobody has said, and is refused.
pub fn nonsense() -> Event {
    let thread = Thread::Need(NeedId::of(&agent(1), Nonce(99)));
    let keys = Keys::from_seed(&Digest([1; 32]));
    let says = Says::Elapsed { elapsed: Span(1), segment: Segment(9) };
    let command = Command::Word(Word { by: keys.agent(), says, thread }.sign(keys.signing()));
    let entry = Applied::new(command.id(), Outcome::Refused(Reject::WrongSegment), Seq(1));
    Event::Ordered { command: command.into(), entry: entry.into(), thread }
}
