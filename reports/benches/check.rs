//! How long judging takes: a history of about 30,000 records in which everything holds, by all checkers.
//!
//! `cargo bench -p swarm-reports` prints the best of ten rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, NeedId, Nonce, Segment, Seq, Thread, label};
use swarm_core::wire::{FinalizeRecord, SnapshotRef, Verdict};
use swarm_reports::history::{
    Account, LedgerEvent, Leg, Move, NeedEnd, Party, Phase, PoolMember, PoolSnapshot, Rules, TaskEnd,
};
use swarm_reports::{End, Event, NodeNo, Outcome, Record, WORLD, judge};

const NODES: u32 = 12;
const RECORDS: usize = 30_000;

struct Teller(Vec<Record>);

impl Teller {
    fn all(&mut self, event: Event) {
        for node in 0..NODES {
            let at = self.0.len() as u64 * 1_000;
            self.0.push(Record::new(at, NodeNo(node), event.clone()));
        }
    }
}

fn agent(n: u32) -> AgentId {
    AgentId(Digest::sha256(&n.to_be_bytes()).0)
}

fn agents(range: std::ops::Range<u32>) -> Arc<[AgentId]> {
    range.map(agent).collect()
}

fn history() -> Vec<Record> {
    let rules = Rules::of(&swarm_core::config::Params::default(), u64::MAX, u64::MAX);
    let party = |node| Party {
        agent: agent(1_000 + node),
        asn: String::new(),
        coordinator: node < 5,
        honest: true,
        node: NodeNo(node),
        org: String::new(),
        region: String::new(),
    };
    let member = |n: u32| PoolMember {
        agent: agent(n),
        asn: format!("AS{n}"),
        org: format!("org{n}"),
        region: format!("region{n}"),
        reputation_bp: 5_000,
        stake: Credits(1_000),
        weight: 31,
    };
    let snapshot = SnapshotRef { digest: Digest::sha256(b"pool"), number: 1 };
    let pool = PoolSnapshot { active: 60, bootstrap: false, members: (0..60).map(member).collect(), snapshot };
    let mut told = Teller(Vec::new());
    told.0.push(Record::new(
        0,
        WORLD,
        Event::Genesis { parties: (0..NODES).map(party).collect(), rules: rules.into() },
    ));
    told.0.push(Record::new(0, WORLD, Event::Phase(Phase::Heal)));
    told.all(Event::SnapshotTaken(pool.into()));
    let post = |key: String, op, from: &Account, to: &Account, amount| {
        let legs = [Leg { amount: Credits(amount), from: from.clone(), to: to.clone() }];
        Event::Ledger(LedgerEvent::Posted { key: key.into(), legs: legs.into(), op })
    };
    let (purse, worker) = (Account::Free(agent(1_000)), agent(1_001));
    told.all(post("mint".into(), Move::Mint, &Account::Outside, &purse, 1_000_000_000));
    let mut n = 0;
    while told.0.len() < RECORDS {
        n += 1;
        let need = NeedId::of(&agent(1_000), Nonce(n));
        let thread = Thread::Need(need);
        let pot: Arc<str> = format!("escrow/{need}").into();
        let account = Account::Pot(pot.clone());
        let requester = agent(1_000);
        let posted =
            Event::NeedPosted { budget: Credits(100), fees: Credits(50), k_plan: 3, k_result: 5, need, requester };
        told.0.push(Record::new(0, NodeNo(0), posted));
        told.all(Event::Ledger(LedgerEvent::PotOpened { need: Some(need), pot: pot.clone() }));
        told.all(post(format!("reserve/{need}"), Move::Reserve, &purse, &account, 150));
        told.all(Event::NeedOpened { need });
        told.all(Event::Voters { epoch: Epoch(1), need, snapshot, voters: agents(0..8) });
        let approvals = agents(0..3);
        told.all(Event::Decided {
            approvals,
            epoch: Epoch(1),
            k: 3,
            need,
            planner: agent(1_002),
            proposal: Cid::default(),
            snapshot,
        });
        for task in ["split", "count", "merge"].map(label) {
            let commit = Cid::of(task.as_str().as_bytes());
            let fence = Fence(1);
            told.all(Event::Granted { epoch: Epoch(1), fence, need, task: task.clone(), worker });
            for segment in 1..=3 {
                told.all(Event::Renewed {
                    fence,
                    more_ms: 60_000,
                    need,
                    segment: Segment(segment),
                    task: task.clone(),
                });
            }
            told.all(Event::Accepted { commit, fence, need, task: task.clone(), worker });
            let seed = Digest::default();
            told.all(Event::Seated { commit, need, seats: agents(10..17), seed, snapshot, task: task.clone() });
            told.all(Event::Tallied {
                commit,
                counted: agents(10..15),
                k: 5,
                need,
                task: task.clone(),
                verdict: Verdict::Pass,
            });
            let record = FinalizeRecord {
                attestations: (0..5_u8).map(|n| Cid::of(&[n])).collect(),
                commit,
                engines: vec![],
                epoch: Epoch(1),
                fence,
                need,
                outputs: Default::default(),
                payouts: vec![],
                plan: Digest::default(),
                snapshot,
                task: task.clone(),
            };
            let bytes: Arc<[u8]> = serde_json::to_vec(&record).expect("a record has a JSON form").into();
            for node in 0..NODES {
                // Each node has bytes of its own, as in a real run.
                let record = bytes.to_vec().into();
                told.0.push(Record::new(0, NodeNo(node), Event::Finalized { fence, need, record, task: task.clone() }));
            }
            told.all(Event::TaskEnded { how: TaskEnd::Paid, need, task });
        }
        told.all(post(format!("unreserve/{need}"), Move::Unreserve, &account, &purse, 150));
        told.all(Event::Ledger(LedgerEvent::PotEnded { pot }));
        for seq in 1..=20 {
            told.all(Event::Applied { link: Digest::default(), seq: Seq(seq), thread });
            told.all(Event::Believed { link: Digest::default(), seq: Seq(seq), thread });
        }
        told.all(Event::NeedEnded { how: NeedEnd::Closed, need });
        told.all(Event::View { correct: true, digest: Digest::default(), heads: vec![], thread });
    }
    told.0
}

fn main() {
    let records = history();
    let end = End { at: u64::MAX, settled: true, ..End::default() };
    let judged = judge(&records, &end);
    assert_eq!(judged.outcome, Outcome::Held, "{judged:#?}");
    let round = |_| {
        let start = Instant::now();
        std::hint::black_box(judge(&records, &end));
        start.elapsed()
    };
    let best: Duration = (0..10).map(round).min().unwrap_or_default();
    println!("{} records judged in {} us", records.len(), best.as_micros());
}
