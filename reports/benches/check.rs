//! How long judging takes: a history of about 30,000 records in which everything holds, by all checkers.
//!
//! `cargo bench -p swarm-reports` prints the best of ten rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, NeedId, Nonce, Segment, Seq, Thread, label};
use swarm_core::register::{Answer, Applied, Command, Event as Did, Outcome as Came};
use swarm_core::wire::{FinalizeRecord, SnapshotRef, Verdict};
use swarm_reports::check::{Expect, draw};
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

fn history() -> Vec<Record> {
    let params = swarm_core::config::Params { bootstrap_needs: 0, ..Default::default() };
    let rules = Rules::of(&params, u64::MAX, u64::MAX, 1);
    let party = |node| Party {
        agent: agent(1_000 + node),
        asn: String::new(),
        coordinator: node < 5,
        honest: true,
        node: NodeNo(node),
        org: String::new(),
        part: None,
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
        Event::Genesis { parties: (0..NODES).map(party).collect(), rules: rules.clone().into() },
    ));
    told.0.push(Record::new(0, WORLD, Event::Phase(Phase::Heal)));
    told.0.push(Record::new(
        0,
        WORLD,
        Event::Correct { members: (0..5).map(NodeNo).collect(), nodes: (0..NODES).map(NodeNo).collect() },
    ));
    told.all(Event::SnapshotTaken(pool.clone().into()));
    let post = |key: String, op, from: &Account, to: &Account, amount| {
        let legs = [Leg { amount: Credits(amount), from: from.clone(), to: to.clone() }];
        Event::Ledger(LedgerEvent::Posted { key: key.into(), legs: legs.into(), op })
    };
    let (purse, worker) = (Account::Free(agent(1_000)), agent(1_001));
    told.all(post("mint".into(), Move::Mint, &Account::Outside, &purse, 1_000_000_000));
    let (mut n, mut seq) = (0, Seq(0));
    while told.0.len() < RECORDS {
        n += 1;
        let need = NeedId::of(&agent(1_000), Nonce(n));
        let thread = Thread::Need(need);
        let pot: Arc<str> = format!("escrow/{need}").into();
        let account = Account::Pot(pot.clone());
        let requester = agent(1_000);
        let (budget, fee, fees, k_plan, k_result) = (Credits(100), Credits(0), Credits(50), 3, 5);
        let posted = Event::NeedPosted { budget, fee, fees, k_plan, k_result, need, requester };
        told.0.push(Record::new(0, NodeNo(0), posted));
        told.all(Event::Ledger(LedgerEvent::PotOpened { need, pot: pot.clone() }));
        told.all(post(format!("reserve/{need}"), Move::Reserve, &purse, &account, 150));
        told.all(Event::NeedOpened { need });
        let voters = draw::voters(&need, Epoch(1), &pool, 3, &rules).expect("enough are there").members;
        let approvals = voters[..3].into();
        told.all(Event::Voters { epoch: Epoch(1), need, snapshot, voters: voters.into() });
        told.all(Event::Decided {
            approvals,
            epoch: Epoch(1),
            k: 3,
            need,
            planner: agent(1_002),
            proposal: Cid::default(),
            snapshot,
        });
        let tasks = ["split", "count", "merge"].map(label);
        told.all(Event::Planned { need, tasks: tasks.clone().into(), wanted: tasks[2..].into() });
        for task in tasks {
            let commit = Cid::of(task.as_str().as_bytes());
            let (epoch, eta_ms, fence, lease_ms) = (Epoch(1), 300_000, Fence(1), 60_000);
            told.all(Event::Granted { epoch, eta_ms, fence, lease_ms, need, task: task.clone(), worker });
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
            let seed = draw::committee_seed(&commit, &Default::default());
            let seats = draw::committee(&seed, &pool, |_| false, 5, &rules).expect("enough are there").members;
            let answer = Answer::Seated { k_result: 5, seats: seats.clone(), seed, snapshot };
            let did = vec![
                Did::RoundOpened { round: 1 },
                Did::RoundClosed { omitted: vec![], round: 1 },
                Did::Answered { answer, at: 0, need, seq },
            ];
            seq = seq.next();
            let command = Command::Snapshot { number: 1 };
            let entry = Applied::new(command.id(), Came::Did(did), seq).into();
            let event = Event::Ordered { command: command.into(), entry, thread: Thread::System };
            told.0.push(Record::new(0, NodeNo(0), event));
            let counted = seats[..5].into();
            told.all(Event::Seated { commit, need, seats: seats.into(), seed, snapshot, task: task.clone() });
            told.all(Event::Tallied { commit, counted, k: 5, need, task: task.clone(), verdict: Verdict::Pass });
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
        told.all(Event::View { digest: Digest::default(), heads: vec![Digest::default()], thread });
    }
    let (balances, burned, minted) = ([(purse, Credits(1_000_000_000))].into(), Credits(0), Credits(1_000_000_000));
    told.all(Event::Ledger(LedgerEvent::Books { balances, burned, minted }));
    told.0
}

fn main() {
    let records = history();
    let mut end = End { at: u64::MAX, settled: true, expect: Expect::default() };
    // Nobody has a manifest in this history: the model has nothing to follow.
    end.expect.properties.remove("model");
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
