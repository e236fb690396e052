//! A small history in which everything holds, and ways to doctor it.

use std::sync::Arc;

use swarm_core::genesis::Genesis;
use swarm_core::id::{
    AgentId, Cid, Credits, Digest, Epoch, Fence, NeedId, Nonce, Segment, Seq, TaskName, Thread, label,
};
use swarm_core::register::{Applied, Command, Outcome};
use swarm_core::reject::Reject;
use swarm_core::time::Span;
use swarm_core::wire::{Due, FinalizeRecord, Payout, ReleaseReason, SnapshotRef};

use super::{Checker, End, Finding, Verdict};
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
    Rules::of(&swarm_core::config::Params::default(), 60 * S, 100 * S)
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
fn pool(snapshot: SnapshotRef) -> PoolSnapshot {
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
        region: String::new(),
    }
}

fn agents(range: std::ops::Range<u8>) -> Arc<[AgentId]> {
    range.map(agent).collect()
}

/// One need with one task, whose first holder falls silent; three nodes, of which two are coordinators.
pub fn good() -> Run {
    let (need, task, snapshot) = (need(), task(), SnapshotRef { digest: Digest::sha256(b"pool"), number: 1 });
    let (escrow, commit, fence): (Arc<str>, _, _) = ("escrow".into(), Cid::of(b"commit"), Fence(2));
    let mut run = Run { records: Vec::new(), end: End { settled: true, ..End::default() } };
    let leg =
        |from: &Account, to: &Account, amount| Leg { amount: Credits(amount), from: from.clone(), to: to.clone() };
    let post =
        |key: &str, op, legs: &[Leg]| Event::Ledger(LedgerEvent::Posted { key: key.into(), legs: legs.into(), op });
    let (requester, worker) = (Account::Free(agent(1)), Account::Free(agent(3)));
    let (pot, stake) = (Account::Pot(escrow.clone()), Account::Stake(agent(15)));

    let parties = [party(0, 1, "ask", true), party(1, 2, "plan", true), party(2, 3, "work", false)];
    run.records.push(Record::new(0, WORLD, Event::Genesis { parties: parties.into(), rules: rules().into() }));
    run.records.push(Record::new(0, WORLD, Event::Phase(Phase::Fault)));
    run.all(post(
        "mint",
        Move::Mint,
        &[leg(&Account::Outside, &requester, 1_000), leg(&Account::Outside, &Account::Free(agent(15)), 1_000)],
    ));
    run.all(post("stake", Move::Stake, &[leg(&Account::Free(agent(15)), &stake, 1_000)]));
    run.all(Event::SnapshotTaken(pool(snapshot).into()));
    run.tell(
        2,
        Event::NeedPosted {
            budget: Credits(100),
            fees: Credits(50),
            k_plan: 3,
            k_result: 5,
            need,
            requester: agent(1),
        },
    );
    run.all(Event::Ledger(LedgerEvent::PotOpened { need: Some(need), pot: escrow.clone() }));
    run.all(post("reserve", Move::Reserve, &[leg(&requester, &pot, 150)]));
    run.all(Event::NeedOpened { need });
    run.all(Event::Voters { epoch: Epoch(1), need, snapshot, voters: agents(10..18) });
    run.all(Event::Decided {
        approvals: agents(10..13),
        epoch: Epoch(1),
        k: 3,
        need,
        planner: agent(2),
        proposal: Cid::of(b"plan"),
        snapshot,
    });
    run.all(Event::Granted { epoch: Epoch(1), fence: Fence(1), need, task: task.clone(), worker: agent(4) });
    run.all(Event::Renewed { fence: Fence(1), more_ms: 60_000, need, segment: Segment(1), task: task.clone() });
    run.records.push(Record::new(60 * S, WORLD, Event::Phase(Phase::Heal)));
    run.all(Event::LeaseEnded { fence: Fence(1), need, reason: ReleaseReason::Expired, task: task.clone() });
    run.tell(0, Event::mark("reassigned"));
    run.all(Event::Granted { epoch: Epoch(1), fence, need, task: task.clone(), worker: agent(3) });
    run.all(Event::Accepted { commit, fence, need, task: task.clone(), worker: agent(3) });
    run.all(Event::Seated {
        commit,
        need,
        seats: agents(15..22),
        seed: Digest::sha256(b"seed"),
        snapshot,
        task: task.clone(),
    });
    run.all(Event::Ledger(LedgerEvent::LienBooked {
        agent: agent(15),
        amount: Credits(100),
        lien: "lien".into(),
        need: Some(need),
    }));
    run.all(Event::Tallied {
        commit,
        counted: agents(15..20),
        k: 5,
        need,
        task: task.clone(),
        verdict: swarm_core::wire::Verdict::Pass,
    });
    let payouts = vec![Payout { amount: Credits(90), due: Due::Price, to: agent(3) }];
    let record = FinalizeRecord {
        attestations: vec![],
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
    run.all(post("pay", Move::Pay, &[leg(&pot, &worker, 90), leg(&pot, &requester, 60)]));
    run.all(Event::Ledger(LedgerEvent::PotEnded { pot: escrow }));
    run.all(Event::Ledger(LedgerEvent::LienEnded { lien: "lien".into() }));
    run.all(Event::Paid { need, task: task.clone() });
    run.all(Event::TaskEnded { how: TaskEnd::Paid, need, task });
    run.all(Event::NeedEnded { how: NeedEnd::Closed, need });
    let balances = [(requester, Credits(910)), (worker, Credits(90)), (stake, Credits(1_000))];
    run.all(Event::Ledger(LedgerEvent::Books {
        balances: balances.into(),
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
    run.all(Event::View {
        correct: true,
        digest: Digest::sha256(b"view"),
        heads: vec![Digest::sha256(b"head")],
        thread,
    });
    run.all(Event::Replayed { equal: true, first_difference: None });
    // Told last: the agents of this history have no manifests, so the model is not to look at what it says of them.
    run.tell(WORLD.0, Event::Founded { genesis: genesis().into() });
    run.tell(0, nonsense());
    run
}

/// A deployment of nobody.
fn genesis() -> Genesis {
    Genesis {
        capsule: Cid::default(),
        coordinators: Vec::new(),
        engine: Digest::default(),
        holdings: Default::default(),
        manifests: Vec::new(),
        mints: Vec::new(),
        params: swarm_core::config::Params::default(),
        recovery: Vec::new(),
    }
}

/// Somebody reports on a wait of a need that nobody has said, and is refused.
pub fn nonsense() -> Event {
    let command = Command::Elapsed { by: agent(1), elapsed: Span(1), segment: Segment(9) };
    let entry = Applied::new(command.id(), Outcome::Refused(Reject::WrongSegment), Seq(1));
    let thread = Thread::Need(NeedId::of(&agent(1), Nonce(99)));
    Event::Ordered { command: command.into(), entry: entry.into(), thread }
}
