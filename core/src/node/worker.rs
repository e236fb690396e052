//! Bids for tasks it can do, does them under a lease, and stops in time.
//!
//! A holder counts its lease on its own clock from when it learned of it, with a margin below what coordinators count: it
//! may stop too early, never too late. What it holds on the bus proves nothing; only the fence does.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bids::{self, Bounds};
use crate::config::ms;
use crate::id::{Credits, Digest, Epoch, Fence, NeedId, OpId, TaskName, Thread};
use crate::node::crowd::is_called;
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Outcome, Subject, Work};
use crate::node::threads::Threads;
use crate::node::timer::Timer;
use crate::node::verifier::work;
use crate::plan::{Fact, Plan};
use crate::register::Event;
use crate::slot::{Record, Task, Waiting, lease_margin, renewable};
use crate::time::{Instant, Span};
use crate::wire::{Body, Claim, Commit, Envelope, Heartbeat, Manifest, Release, ReleaseReason, UpdatePlan, Yield};

/// Tasks one worker holds or bids for at a time.
const BUSY_MAX: usize = 8;

/// A decided need, as a worker sees it from the market.
#[derive(Clone)]
struct Offer {
    need: Arc<Envelope>,
    /// The DECIDE.
    decide: Arc<Envelope>,
    /// Its plan, while there is anything left to do.
    plan: Option<Arc<Plan>>,
    epoch: Epoch,
    /// Its tasks with a result, while not all have one.
    finals: BTreeSet<TaskName>,
    /// Own bids in the present window.
    bids: BTreeMap<TaskName, Own>,
}

/// Own bids for a task in the present window.
#[derive(Clone, Copy)]
struct Own {
    /// How many.
    round: u32,
    /// The last one's price.
    cost: Credits,
    /// What the register gave this worker beside price and speed; unknown before a bid was kept.
    given: Option<u32>,
}

impl Offer {
    /// What a task admits.
    fn bounds(&self, task: &TaskName) -> Option<Bounds> {
        let Body::Need(need) = &self.need.body else { return None };
        let planned = self.plan.as_ref()?.tasks().get(task)?;
        Some(Bounds { cost_cap: planned.cost_cap, deadline_ms: need.deadline_ms })
    }

    /// A time to ask for: between one lease and two, by chance.
    fn eta(&self, desk: &mut Desk) -> u32 {
        let Body::Need(need) = &self.need.body else { return 1 };
        let most = need.windows.lease_ms.saturating_mul(2).min(need.deadline_ms);
        (most - desk.stream.below(u64::from(most / 2) + 1) as u32).max(1)
    }
}

/// The plan that `decide` decided for `need`.
fn plan_of(need: &Envelope, decide: &Envelope) -> Option<Plan> {
    let (Body::Need(need), Body::Decide(decide)) = (&need.body, &decide.body) else { return None };
    let Body::Propose(propose) = &decide.proposal.body else { return None };
    Plan::of(need, propose).ok()
}

/// A task being done.
#[derive(Clone)]
struct Held {
    epoch: Epoch,
    fence: Fence,
    /// The running execution, if it runs.
    op: Option<OpId>,
    /// From when on the stretch that runs can be followed by another.
    renewable: Instant,
}

/// The worker's part of a node.
#[derive(Clone, Default)]
pub(super) struct Worker {
    needs: BTreeMap<NeedId, Arc<Envelope>>,
    offers: BTreeMap<NeedId, Offer>,
    held: BTreeMap<(NeedId, TaskName), Held>,
    /// How each task was last released, as the register said.
    released: BTreeMap<(NeedId, TaskName), Attempt>,
}

/// The attempt that a bid follows.
#[derive(Clone, Copy, Default)]
struct Attempt {
    /// The fence it ended under.
    fence: Fence,
    /// Bid windows since then that nobody bid in.
    unbid: u32,
}

impl Worker {
    pub fn need(&mut self, envelope: &Arc<Envelope>) {
        if let Thread::Need(need) = envelope.thread {
            self.needs.insert(need, Arc::clone(envelope));
        }
    }

    /// A plan was decided: its tasks without parents are open for bids.
    pub fn decided(&mut self, desk: &mut Desk, decide: &Arc<Envelope>) {
        let (Thread::Need(need), Some(epoch)) = (decide.thread, decide.epoch) else { return };
        // A higher epoch voids what a lost generation of the register had decided.
        if self.offers.get(&need).is_some_and(|offer| offer.epoch >= epoch) {
            return;
        }
        let known = self.offers.get(&need).map(|offer| Arc::clone(&offer.need));
        let Some(envelope) = self.needs.remove(&need).or(known) else { return };
        let Some(plan) = plan_of(&envelope, decide) else { return };
        let offer = Offer {
            decide: Arc::clone(decide),
            plan: Some(Arc::new(plan)),
            epoch,
            finals: BTreeSet::new(),
            bids: BTreeMap::new(),
            need: envelope,
        };
        self.offers.insert(need, offer);
        self.look(desk, need);
    }

    /// A result is final: its children may be open now.
    pub fn finalized(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName) {
        let Some(offer) = self.offers.get_mut(&need) else { return };
        let Some(plan) = &offer.plan else { return };
        offer.finals.insert(task.clone());
        offer.bids.remove(task);
        if plan.tasks().keys().all(|name| offer.finals.contains(name)) {
            (offer.plan, offer.finals) = (None, BTreeSet::new());
        }
        self.look(desk, need);
    }

    /// A task is open again.
    pub fn released(&mut self, desk: &mut Desk, need: NeedId, release: &Release, fence: Fence) {
        let task = &release.task;
        if self.needs.contains_key(&need) || self.offers.contains_key(&need) {
            let attempt = self.released.entry((need, task.clone())).or_default();
            attempt.unbid = match release.reason {
                ReleaseReason::Unbid => attempt.unbid + 1,
                // A window that one won who could not pay says nothing of who would bid.
                ReleaseReason::Unbonded => attempt.unbid,
                _ => 0,
            };
            attempt.fence = fence;
        }
        let Some(offer) = self.offers.get_mut(&need) else { return };
        if offer.plan.is_none()
            && let Some(plan) = plan_of(&offer.need, &offer.decide)
        {
            offer.finals = plan.tasks().keys().cloned().collect();
            offer.plan = Some(Arc::new(plan));
        }
        offer.finals.remove(task);
        offer.bids.remove(task);
        self.look(desk, need);
    }

    /// A final result is void: its task is open again, and whatever rests on it will be when that is done.
    pub fn invalidated(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName, fence: Fence) {
        let release = Release { reason: ReleaseReason::Voided, task: task.clone() };
        self.released(desk, need, &release, fence);
        let Some(offer) = self.offers.get_mut(&need) else { return };
        let Some(plan) = offer.plan.clone() else { return };
        let mut void = BTreeSet::from([task.clone()]);
        // Tasks that rest on each other are as many as their longest chain has links.
        for _ in 0..plan.tasks().len() {
            let below = plan.tasks().iter().filter(|(_, planned)| planned.parents.iter().any(|p| void.contains(p)));
            let below: Vec<TaskName> = below.map(|(name, _)| name.clone()).collect();
            void.extend(below);
        }
        void.remove(task);
        offer.finals.retain(|name| !void.contains(name));
        offer.bids.retain(|name, _| !void.contains(name));
    }

    /// Pauses a random while before bidding for whatever is open and within this worker's abilities.
    fn look(&mut self, desk: &mut Desk, need: NeedId) {
        let Some(offer) = self.offers.get(&need) else { return };
        let Some(plan) = &offer.plan else { return };
        let open: Vec<TaskName> = (plan.tasks().iter())
            .filter(|(name, planned)| {
                let ready = planned.parents.iter().all(|p| offer.finals.contains(p));
                let fits = desk.capabilities.contains(&planned.job);
                ready && fits && !offer.finals.contains(*name) && !offer.bids.contains_key(*name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for task in open {
            let timer = Timer::Bid(need, task);
            if !desk.is_waiting(&timer) {
                let pause = desk.jitter(desk.setup.local.bid_jitter_ms);
                desk.wake_in(pause, timer);
            }
        }
    }

    /// The pause is over: bid, or answer whoever leads by now.
    pub fn bid(
        &mut self,
        desk: &mut Desk,
        threads: &mut Threads,
        floor: Credits,
        crowd: usize,
        need: NeedId,
        task: &TaskName,
    ) {
        let Attempt { fence, unbid } = self.released.get(&(need, task.clone())).copied().unwrap_or_default();
        let occasion = Digest::of("swarm/bid", &[&need.0.0.0, task.as_str().as_bytes(), &fence.0.to_be_bytes()]);
        if !is_called(&occasion, &desk.me(), crowd, unbid) {
            return;
        }
        let barred = |record: &Record| record.tasks.get(task).is_some_and(|t| t.barred.contains(&desk.me()));
        if threads.record(&need).is_some_and(barred) {
            return;
        }
        if self.held.len() >= BUSY_MAX {
            desk.wake_in(Span::from_secs(10), Timer::Bid(need, task.clone()));
            return;
        }
        let Some(offer) = self.offers.get(&need) else { return };
        if offer.finals.contains(task) {
            return;
        }
        if let Some(own) = offer.bids.get(task).copied() {
            return self.outbid(desk, threads, floor, need, task, own);
        }
        let Some(planned) = offer.plan.as_ref().and_then(|plan| plan.tasks().get(task)) else { return };
        // Somewhere between two thirds of what it may cost and all of it, but never below its own floor.
        let cap = planned.cost_cap.0;
        let cost = (cap - desk.stream.below(cap / 3 + 1)).max(floor.0).max(1);
        if cost <= cap {
            let eta_ms = offer.eta(desk);
            self.claim(desk, threads, need, task, eta_ms, Own { round: 1, cost: Credits(cost), given: None });
        }
    }

    /// Undercuts whoever leads by a little more than it takes, if that wins and still pays.
    fn outbid(
        &mut self,
        desk: &mut Desk,
        threads: &mut Threads,
        floor: Credits,
        need: NeedId,
        task: &TaskName,
        own: Own,
    ) {
        let Some(offer) = self.offers.get(&need) else { return };
        let Some(bounds) = offer.bounds(task) else { return };
        let open = |record: &&Record| record.waits.contains_key(&Waiting::Bids(task.clone()));
        let held = threads.record(&need).filter(open).and_then(|record| record.tasks.get(task));
        let Some(leader) = held.and_then(|task| task.window.kept()).filter(|bid| bid.agent != desk.me()) else {
            return;
        };
        let step = u64::from(desk.setup.genesis.params.bid_improvement_bp) + 100;
        let cost = Credits((leader.cost.0.min(own.cost.0)).saturating_mul(10_000 - step.min(9_999)) / 10_000);
        let eta_ms = offer.eta(desk);
        // Whoever was never kept takes the leader for one of its own standing.
        let given = own.given.unwrap_or_else(|| bids::given(leader, bounds));
        if cost >= floor && bids::expected(cost, eta_ms, bounds, given).is_ok_and(|score| score > leader.score) {
            desk.mark("outbid");
            self.claim(desk, threads, need, task, eta_ms, Own { round: own.round + 1, cost, ..own });
        }
    }

    fn claim(&mut self, desk: &mut Desk, threads: &mut Threads, need: NeedId, task: &TaskName, eta_ms: u32, own: Own) {
        let Some(offer) = self.offers.get_mut(&need) else { return };
        let claim = Claim { cost: own.cost, eta_ms, task: task.clone() };
        let told = self.released.get(&(need, task.clone())).copied().unwrap_or_default().fence;
        let believed = threads.record(&need).and_then(|r| r.tasks.get(task)).map_or(Fence::NONE, |t| t.fence);
        let mut saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::Claim(claim)).epoch(offer.epoch);
        saying.fence = Some(told.max(believed)).filter(|fence| fence.0 > 0);
        if desk.say(saying).is_some() {
            offer.bids.insert(task.clone(), own);
            threads.follow(desk, need);
        }
    }

    /// Takes what has become believed of a followed need.
    pub fn believe(&mut self, desk: &mut Desk, threads: &Threads, need: NeedId, event: &Event) {
        match event {
            // Those who are beaten do not all answer at once: whoever pauses longest sees what the others said.
            Event::Bid { bid, task } if bid.agent != desk.me() => {
                let said = self.offers.get(&need).and_then(|offer| offer.bids.get(task));
                let timer = Timer::Bid(need, task.clone());
                if said.is_some_and(|own| own.round < desk.setup.genesis.params.bid_rounds_max)
                    && !desk.is_waiting(&timer)
                {
                    let pause = desk.jitter(desk.setup.local.bid_jitter_ms);
                    desk.wake_in(pause, timer);
                }
            }
            Event::Bid { bid, task } => {
                let Some(offer) = self.offers.get_mut(&need) else { return };
                let given = offer.bounds(task).map(|bounds| bids::given(bid, bounds));
                if let Some(own) = offer.bids.get_mut(task) {
                    own.given = given;
                }
            }
            Event::Leased { fence, task } => self.start(desk, threads, need, task, *fence),
            Event::Renewed { fence, more_ms, task }
                if self.held.get(&(need, task.clone())).is_some_and(|h| h.fence == *fence) =>
            {
                // It comes behind the stretch that runs.
                let timer = Timer::LeaseEnd(need, task.clone(), *fence);
                let left = desk.left(&timer);
                desk.wake_in(left + lease_margin(ms(*more_ms)), timer);
                desk.mark("lease-renewed");
            }
            // A stretch of it begins. What it was to last was counted with a margin for each.
            Event::WaitOpened { total, waiting: Waiting::Lease(task), .. } => {
                let fence = threads.record(&need).and_then(|record| record.tasks.get(task)).map(|task| task.fence);
                let held = self.held.get_mut(&(need, task.clone())).filter(|held| Some(held.fence) == fence);
                if let Some(held) = held {
                    desk.wake_in(lease_margin(*total), Timer::LeaseEnd(need, task.clone(), held.fence));
                    held.renewable = desk.now.mono + renewable(*total);
                    self.beat_in(desk, need, task);
                }
            }
            Event::Released { fence, task, .. }
                if self.held.get(&(need, task.clone())).is_some_and(|h| h.fence == *fence) =>
            {
                self.drop(desk, need, task);
            }
            Event::Over { .. } => {
                self.released.retain(|(of, _), _| *of != need);
                self.offers.remove(&need);
            }
            _ => {}
        }
    }

    /// The grant is this worker's: work, beat, and watch the clock.
    fn start(&mut self, desk: &mut Desk, threads: &Threads, need: NeedId, task: &TaskName, fence: Fence) {
        let Some(record) = threads.record(&need) else { return };
        let Some(lease) = record.tasks[task].lease.as_ref().filter(|l| l.bid.agent == desk.me()) else { return };
        // Belief may come late, when the lease is history already.
        if record.tasks[task].fence != fence {
            return;
        }
        let (claim, epoch) = (lease.bid.id, record.epoch);
        let Some(work) = work(record, need, task, Vec::new(), None) else { return };
        let lease_ms = record.need().map_or(1, |n| n.windows.lease_ms);
        let op = Some(desk.execute(work));
        let renewable = desk.now.mono + renewable(ms(lease_ms));
        self.held.insert((need, task.clone()), Held { epoch, fence, op, renewable });
        self.beat_in(desk, need, task);
        desk.wake_in(lease_margin(ms(lease_ms)), Timer::LeaseEnd(need, task.clone(), fence));
        let facts = alloc::vec![Fact::Claim { envelope: claim, task: task.clone() }];
        let body = Body::UpdatePlan(UpdatePlan { facts });
        desk.say(Saying::new(Subject::Thread(need), Thread::Need(need), body));
    }

    /// Drops the leases of a need that its record, folded anew, does not know.
    pub fn reconcile(&mut self, desk: &mut Desk, threads: &Threads, need: NeedId) {
        let me = desk.me();
        let stands = |task: &TaskName, held: &Held| {
            let task = threads.record(&need).and_then(|record| record.tasks.get(task));
            let holds = |t: &Task| t.fence == held.fence && t.lease.as_ref().is_some_and(|l| l.bid.agent == me);
            task.is_some_and(|task| holds(task))
        };
        let held = self.held.iter().filter(|((of, _), _)| *of == need);
        let void: Vec<TaskName> =
            held.filter(|((_, task), held)| !stands(task, held)).map(|((_, task), _)| task.clone()).collect();
        void.iter().for_each(|task| self.drop(desk, need, task));
    }

    fn drop(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName) {
        if let Some(held) = self.held.remove(&(need, task.clone())) {
            desk.cancel(&Timer::Heartbeat(need, task.clone()));
            desk.cancel(&Timer::LeaseEnd(need, task.clone(), held.fence));
        }
    }

    pub fn beat(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName) {
        let Some(held) = self.held.get(&(need, task.clone())) else { return };
        let body = Body::Heartbeat(Heartbeat { progress_bp: 0, task: task.clone() });
        let saying = Saying::new(Subject::Thread(need), Thread::Need(need), body);
        desk.say(saying.epoch(held.epoch).fence(held.fence));
        self.beat_in(desk, need, task);
    }

    /// When it beats next: after the usual pause, and in every stretch when a renewal of it can first be had, however short it is.
    fn beat_in(&self, desk: &mut Desk, need: NeedId, task: &TaskName) {
        let Some(held) = self.held.get(&(need, task.clone())) else { return };
        let (usual, first) = (ms(desk.setup.local.heartbeat_ms), held.renewable.since(desk.now.mono));
        let pause = if first > Span::ZERO { usual.min(first) } else { usual };
        desk.wake_in(pause, Timer::Heartbeat(need, task.clone()));
    }

    /// By its own clock the lease may be over: stop, whatever the work has come to.
    pub fn lease_end(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName, fence: Fence) {
        if self.held.get(&(need, task.clone())).is_some_and(|h| h.fence == fence) {
            desk.mark("holder-stopped-in-time");
            self.drop(desk, need, task);
        }
    }

    /// The work is done: commit, if the lease is still held.
    pub fn done(&mut self, desk: &mut Desk, op: OpId, outcome: &Outcome) {
        let Some((need, task)) = self.held.iter().find(|(_, h)| h.op == Some(op)).map(|(key, _)| key.clone()) else {
            return;
        };
        let held = self.held[&(need, task.clone())].clone();
        match outcome {
            Outcome::Ran { outputs, states, telemetry, .. } => {
                let body = Commit {
                    outputs: outputs.clone(),
                    states: states.clone(),
                    task: task.clone(),
                    telemetry: *telemetry,
                };
                let mut saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::Commit(body));
                saying.refs = outputs.values().copied().collect();
                desk.say(saying.epoch(held.epoch).fence(held.fence));
                self.drop(desk, need, &task);
            }
            _ => self.give_back(desk, need, &task, "the work could not be done"),
        }
    }

    fn give_back(&mut self, desk: &mut Desk, need: NeedId, task: &TaskName, reason: &str) {
        let Some(held) = self.held.get(&(need, task.clone())) else { return };
        let body = Body::Yield(Yield { reason: reason.to_string(), task: task.clone() });
        let saying = Saying::new(Subject::Thread(need), Thread::Need(need), body);
        desk.say(saying.epoch(held.epoch).fence(held.fence));
        self.drop(desk, need, task);
    }

    pub fn yield_all(&mut self, desk: &mut Desk) {
        let held: Vec<_> = self.held.keys().cloned().collect();
        for (need, task) in held {
            self.give_back(desk, need, &task, "the worker's agent asked for it");
        }
    }

    /// After a boot nobody here knows how long it slept, so the count begins anew, with a heartbeat at once. It may now work
    /// on beyond its lease; the fence keeps that without effect. Giving up instead would cost it bond and task for a blink.
    pub fn boot(&self, desk: &mut Desk, threads: &Threads) {
        for ((need, task), held) in &self.held {
            let lease_ms = threads.record(need).and_then(Record::need).map_or(1, |n| n.windows.lease_ms);
            desk.wake_in(
                lease_margin(Span::from_ms(lease_ms.into())),
                Timer::LeaseEnd(*need, task.clone(), held.fence),
            );
        }
    }

    /// Work asked for before a boot is asked for again.
    pub fn again(&mut self, desk: &mut Desk, op: OpId, work: &Work) {
        if let Some(held) = self.held.values_mut().find(|h| h.op == Some(op)) {
            held.op = Some(desk.execute(work.clone()));
        }
    }
}

/// The least a worker with this manifest works for.
pub(super) fn floor(manifest: Option<&Manifest>) -> Credits {
    manifest.map_or(Credits(1), |m| m.price_floor)
}
