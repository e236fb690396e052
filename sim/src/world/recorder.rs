//! What the hosts saw, told as a history and judged as it comes.
//!
//! A node's notes say what it believes; the recorder puts them into the history's words, one record per node and belief. It
//! knows no rule of the protocol: where a word of the history needs something told earlier (who proposed what), it looks it
//! up in what the same node told before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Credits, Epoch, Fence, NeedId, Segment, TaskName, Thread};
use swarm_core::ledger::{self, Posting};
use swarm_core::node::{Note, Pool};
use swarm_core::register::{Applied, Ending, Event as Did};
use swarm_core::wire::{Body, Envelope, ReleaseReason, SnapshotRef, canonical};
use swarm_reports::check::{End, Judge, Judgement};
use swarm_reports::history::{
    Account, AlarmKind, Event, LedgerEvent, Leg, Move, NeedEnd, NodeNo, PoolMember, PoolSnapshot, Record, TaskEnd,
    WORLD,
};

/// What one node told of one need so far.
#[derive(Default)]
struct Told {
    epoch: Epoch,
    k_plan: u32,
    snapshot: SnapshotRef,
    /// Who proposed, and how many tasks.
    planners: BTreeMap<Cid, (AgentId, u32)>,
    tasks: BTreeMap<TaskName, TaskTold>,
    renewals: u64,
}

#[derive(Default)]
struct TaskTold {
    fence: Fence,
    worker: AgentId,
    commit: Cid,
    k_result: u32,
    /// A bid is kept in the open window.
    bid: bool,
    workers: BTreeSet<AgentId>,
}

/// Gathers a history and judges it.
pub struct Recorder {
    judge: Judge,
    /// Records of the present instant, not stamped yet.
    fresh: Vec<(NodeNo, Event)>,
    told: BTreeMap<(u32, NeedId), Told>,
    /// FINALIZE records by node, in the order believed.
    pub finals: BTreeMap<u32, Vec<Arc<[u8]>>>,
    pub outputs: BTreeMap<NeedId, BTreeMap<TaskName, BTreeMap<swarm_core::id::Label, Cid>>>,
    /// The whole history, if somebody wants to keep it.
    pub kept: Option<Vec<Record>>,
    pub envelopes: u64,
    seen: BTreeSet<Cid>,
    /// Needs in the order posted, with how they ended where the requester knows.
    pub posted: Vec<NeedId>,
    pub over: BTreeMap<NeedId, Ending>,
}

impl Recorder {
    pub fn new(keep: bool) -> Self {
        Self {
            judge: Judge::default(),
            fresh: Vec::new(),
            told: BTreeMap::new(),
            finals: BTreeMap::new(),
            outputs: BTreeMap::new(),
            kept: keep.then(Vec::new),
            envelopes: 0,
            seen: BTreeSet::new(),
            posted: Vec::new(),
            over: BTreeMap::new(),
        }
    }

    pub fn world(&mut self, event: Event) {
        self.fresh.push((WORLD, event));
    }

    pub fn mark(&mut self, mark: &'static str) {
        self.world(Event::mark(mark));
    }

    pub fn tell(&mut self, no: u32, event: Event) {
        self.fresh.push((NodeNo(no), event));
    }

    /// Everything told since the last call happened at `at`.
    pub fn stamp(&mut self, at: u64) {
        for (node, event) in self.fresh.drain(..) {
            let record = Record { at, event, node };
            self.judge.see(&record);
            if let Some(kept) = &mut self.kept {
                kept.push(record);
            }
        }
    }

    pub fn finish(&mut self, end: &End) -> Judgement {
        self.judge.finish(end)
    }

    /// A host signed this.
    pub fn published(&mut self, no: u32, envelope: &Envelope) {
        if !self.seen.insert(envelope.id()) {
            return;
        }
        self.envelopes += 1;
        match (&envelope.body, envelope.thread) {
            (Body::Need(body), Thread::Need(need)) => {
                self.posted.push(need);
                let event = Event::NeedPosted {
                    budget: body.budget,
                    fees: body.fees,
                    k_plan: body.k_plan,
                    k_result: body.k_result,
                    need,
                    requester: envelope.sender,
                };
                self.tell(no, event);
            }
            // What is said of a result is held against what is believed of it.
            (Body::Finalize(record), Thread::Need(need)) => {
                let (fence, task, bytes) = (record.fence, record.task.clone(), canonical::to_vec(record));
                self.tell(no, Event::Finalized { fence, need, record: bytes.into(), task });
            }
            (Body::Yield(_), _) => self.mark("task-yielded"),
            (Body::Refuse(_), _) => self.mark("task-refused"),
            _ => {}
        }
    }

    /// A node told something.
    pub fn note(&mut self, no: u32, note: Note) {
        match note {
            Note::Believed { entry, link, thread } => {
                self.tell(no, Event::Believed { link, seq: entry.seq, thread });
                self.believed(no, thread, &entry);
            }
            Note::Applied { link, entry, thread } => self.tell(no, Event::Applied { link, seq: entry.seq, thread }),
            Note::Refused { reject, .. } => self.tell(no, Event::Refused { reason: reject }),
            Note::Diverged { thread, entry } => {
                let what = format!("what is believed at {} of {thread} is not what was applied", entry.seq);
                self.tell(no, Event::Alarm { kind: AlarmKind::Internal, what });
            }
            Note::Posted(postings) => self.posted(no, &postings),
            Note::Pool(pool) => self.tell(no, Event::SnapshotTaken(Arc::new(told_pool(&pool)))),
            Note::Mark(mark) => self.tell(no, Event::Mark(mark)),
        }
    }

    fn believed(&mut self, no: u32, thread: Thread, entry: &Applied) {
        for event in entry.outcome.events() {
            match thread {
                Thread::System => self.believed_system(no, event),
                Thread::Need(need) => self.believed_need(no, need, event),
            }
        }
    }

    /// Liens are booked and ended in the system thread's entries.
    fn believed_system(&mut self, no: u32, did: &Did) {
        match did {
            Did::Registered { .. } => self.mark("agent-joined"),
            Did::Answered { at, need, seq, .. } | Did::Told { at, need, seq } => {
                self.tell(no, Event::Discharged { at: *at, need: *need, seq: *seq });
            }
            _ => {}
        }
    }

    fn believed_need(&mut self, no: u32, need: NeedId, did: &Did) {
        let told = self.told.entry((no, need)).or_default();
        let event = match did {
            Did::Opened { epoch, k_plan, snapshot, voters } => {
                let first = told.k_plan == 0;
                (told.epoch, told.k_plan, told.snapshot) = (*epoch, *k_plan, *snapshot);
                let event =
                    Event::Voters { epoch: *epoch, need, snapshot: *snapshot, voters: voters.as_slice().into() };
                self.tell(no, event);
                if !first {
                    return self.mark("epoch-advanced");
                }
                Event::NeedOpened { need }
            }
            Did::Proposed { proposal, .. } => {
                let tasks = match &proposal.body {
                    Body::Propose(plan) => plan.cost_caps.len() as u32,
                    _ => 0,
                };
                told.planners.insert(proposal.id(), (proposal.sender, tasks));
                return;
            }
            Did::Decided { counted, proposal } => {
                let (planner, tasks) = told.planners.get(proposal).copied().unwrap_or_default();
                let decided = Event::Decided {
                    approvals: counted.iter().map(|c| c.verifier).collect(),
                    epoch: told.epoch,
                    k: told.k_plan,
                    need,
                    planner,
                    proposal: *proposal,
                    snapshot: told.snapshot,
                };
                self.tell(no, decided);
                Event::Planned { need, tasks }
            }
            Did::Granting { bid, task, .. } => {
                let task = told.tasks.entry(task.clone()).or_default();
                task.worker = bid.agent;
                return;
            }
            Did::Bidding { task } => {
                told.tasks.entry(task.clone()).or_default().bid = false;
                return;
            }
            Did::Bid { task, .. } => {
                if core::mem::replace(&mut told.tasks.entry(task.clone()).or_default().bid, true) {
                    self.mark("bid-beaten");
                }
                return;
            }
            Did::Leased { fence, task } => {
                let epoch = told.epoch;
                let of = told.tasks.entry(task.clone()).or_default();
                of.fence = *fence;
                let worker = of.worker;
                let again = !of.workers.is_empty() && !of.workers.contains(&worker);
                of.workers.insert(worker);
                self.tell(no, Event::Granted { epoch, fence: *fence, need, task: task.clone(), worker });
                if again {
                    self.mark("task-reassigned");
                }
                return;
            }
            Did::Renewed { fence, task } => {
                told.renewals += 1;
                Event::Renewed { fence: *fence, need, segment: Segment(told.renewals), task: task.clone() }
            }
            Did::Released { fence, reason, task } => {
                // A bid window without a grant ends no lease.
                if matches!(reason, ReleaseReason::Unbid | ReleaseReason::Unbonded) {
                    return;
                }
                let event = Event::LeaseEnded { fence: *fence, need, reason: *reason, task: task.clone() };
                if *reason == ReleaseReason::Expired {
                    self.mark("lease-expired");
                }
                event
            }
            Did::Accepted { commit, fence, task } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.commit = commit.id();
                Event::Accepted { commit: of.commit, fence: *fence, need, task: task.clone(), worker: commit.sender }
            }
            Did::Seated { k_result, seats, seed, snapshot, task } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.k_result = *k_result;
                let (commit, snapshot) = (of.commit, *snapshot);
                Event::Seated {
                    commit,
                    need,
                    seats: seats.as_slice().into(),
                    seed: *seed,
                    snapshot,
                    task: task.clone(),
                }
            }
            Did::Judged { counted, task, verdict } => {
                let of = told.tasks.entry(task.clone()).or_default();
                Event::Tallied {
                    commit: of.commit,
                    counted: counted.iter().map(|c| c.verifier).collect(),
                    k: of.k_result,
                    need,
                    task: task.clone(),
                    verdict: *verdict,
                }
            }
            Did::Final { record } => {
                let bytes: Arc<[u8]> = canonical::to_vec(&**record).into();
                self.finals.entry(no).or_default().push(Arc::clone(&bytes));
                self.outputs.entry(need).or_default().insert(record.task.clone(), record.outputs.clone());
                Event::Finalized { fence: record.fence, need, record: bytes, task: record.task.clone() }
            }
            Did::Settled { payouts, task } => {
                Event::Settled { need, payouts: payouts.as_slice().into(), task: task.clone() }
            }
            Did::Paid { task } => {
                self.tell(no, Event::Paid { need, task: task.clone() });
                Event::TaskEnded { how: TaskEnd::Paid, need, task: task.clone() }
            }
            Did::TaskEnded { ending, task } => {
                let how = if *ending == Ending::Cancelled { TaskEnd::Cancelled } else { TaskEnd::Failed };
                Event::TaskEnded { how, need, task: task.clone() }
            }
            Did::Over { ending } => {
                if self.over.insert(need, *ending).is_none() {
                    self.mark(match ending {
                        Ending::Closed => "need-settled",
                        Ending::Failed => "need-failed",
                        Ending::Cancelled => "need-cancelled",
                    });
                }
                let how = match ending {
                    Ending::Closed => NeedEnd::Closed,
                    Ending::Failed => NeedEnd::Failed,
                    Ending::Cancelled => NeedEnd::Cancelled,
                };
                Event::NeedEnded { how, need }
            }
            _ => return,
        };
        self.tell(no, event);
    }

    /// Postings of one operation become one told operation.
    fn posted(&mut self, no: u32, postings: &[Posting]) {
        for op in postings.chunk_by(|a, b| a.op == b.op) {
            for posting in op {
                if let (ledger::Account::Pot(pot), false) = (&posting.credit, posting.ends) {
                    let event = LedgerEvent::PotOpened { need: Some(need_of(pot)), pot: pot_name(pot) };
                    self.tell(no, Event::Ledger(event));
                }
            }
            let legs: Arc<[Leg]> = (op.iter())
                .filter(|p| p.amount.0 > 0)
                .map(|p| Leg { amount: p.amount, from: account(&p.debit), to: account(&p.credit) })
                .collect();
            if !legs.is_empty() {
                let event = LedgerEvent::Posted { key: op[0].op.to_string().into(), legs, op: kind(&op[0]) };
                self.tell(no, Event::Ledger(event));
            }
            for posting in op.iter().filter(|p| p.ends) {
                if let ledger::Account::Pot(pot) = &posting.debit {
                    self.tell(no, Event::Ledger(LedgerEvent::PotEnded { pot: pot_name(pot) }));
                }
            }
        }
    }

    /// A coordinator's books at the end.
    pub fn books(&mut self, no: u32, books: &ledger::Ledger) {
        let mut balances: Vec<(Account, Credits)> = Vec::new();
        for (agent, balance) in books.balances() {
            balances.push((account(&ledger::Account::Available(agent)), balance.available));
            balances.push((Account::Stake(agent), balance.staked));
            balances.push((Account::Unbonding(agent), balance.unbonding));
            let lent: u64 = books.backers(agent).map(|(_, amount)| amount.0).sum();
            balances.push((Account::Delegated(agent), Credits(lent)));
        }
        balances.extend(books.open_pots().map(|(pot, amount)| (Account::Pot(pot_name(pot)), amount)));
        balances.retain(|(_, amount)| amount.0 > 0);
        let event = LedgerEvent::Books { balances: balances.into(), burned: books.burned(), minted: books.minted() };
        self.tell(no, Event::Ledger(event));
    }
}

fn pot_name(pot: &ledger::Pot) -> Arc<str> {
    match pot {
        ledger::Pot::Escrow(need) => format!("escrow/{need}").into(),
        ledger::Pot::Bond(need, task, fence) => format!("bond/{need}/{task}/{fence}").into(),
    }
}

fn need_of(pot: &ledger::Pot) -> NeedId {
    match pot {
        ledger::Pot::Escrow(need) | ledger::Pot::Bond(need, ..) => *need,
    }
}

fn account(account: &ledger::Account) -> Account {
    match account {
        ledger::Account::Mint | ledger::Account::Burnt => Account::Outside,
        ledger::Account::Available(agent) if *agent == swarm_core::config::COMMONS => Account::Commons,
        ledger::Account::Available(agent) => Account::Free(*agent),
        ledger::Account::Stake(agent) => Account::Stake(*agent),
        ledger::Account::Delegated { to, .. } => Account::Delegated(*to),
        ledger::Account::Unbonding(agent) => Account::Unbonding(*agent),
        ledger::Account::Pot(pot) => Account::Pot(pot_name(pot)),
    }
}

/// The kind of an operation, from where its first move goes.
fn kind(posting: &Posting) -> Move {
    use ledger::Account as A;
    match (&posting.debit, &posting.credit) {
        (A::Mint, _) => Move::Mint,
        (_, A::Burnt) => Move::Burn,
        (A::Available(_), A::Pot(ledger::Pot::Escrow(_))) => Move::Reserve,
        (A::Available(_), A::Pot(ledger::Pot::Bond(..))) => Move::Bond,
        (A::Available(_), A::Stake(_)) => Move::Stake,
        (A::Available(_), A::Delegated { .. }) => Move::Delegate,
        (A::Stake(_), A::Unbonding(_)) => Move::Unstake,
        (A::Unbonding(_), _) => Move::Withdraw,
        (A::Pot(ledger::Pot::Bond(..)), _) => Move::Unbond,
        (A::Pot(_), _) => Move::Pay,
        _ => Move::Transfer,
    }
}

fn told_pool(pool: &Pool) -> PoolSnapshot {
    let members = pool.snapshot.seats().iter().zip(&pool.standing).map(|(seat, (stake, reputation_bp))| PoolMember {
        agent: seat.identity.agent,
        asn: seat.identity.asn.clone(),
        org: seat.identity.org.clone(),
        region: seat.identity.region.clone(),
        reputation_bp: *reputation_bp,
        stake: *stake,
        weight: seat.weight.0,
    });
    PoolSnapshot {
        active: pool.snapshot.active(),
        bootstrap: pool.snapshot.bootstrap(),
        members: members.collect(),
        snapshot: pool.snapshot.reference(),
    }
}
