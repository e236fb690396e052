//! One run of a scenario under one seed: fault, heal, settle, then the verdict (ARCHITECTURE: The simulator).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use swarm_core::id::{Cid, Credits, Digest, Label, NeedId, TaskName, Thread};
use swarm_core::node::{Act, Effect, Node, Note};
use swarm_core::register::Event as Did;
use swarm_core::rng::{Seed, Stream, fork};
use swarm_core::wire::{AmountTo, Role};
use swarm_nemeses::{Between, Change, Fault as Strike, Nodes, Shape, Timed, schedule};
use swarm_reports::check::{End, Expect};
use swarm_reports::history::{Event, NeedEnd, NodeNo, Part, Party, Phase, Record, Rules};
use swarm_reports::report::{HONEST, Struck};
use swarm_reports::{Judgement, RunFacts, RunReport};
use swarm_scenarios::{NeedEnd as EndName, Register, Scenario, Strategy};

use crate::kernel::{Fork, Kernel, NodeId, Place, Scope, SimTime, Span, Wire as Line};
use crate::world::actor::{Actor, BUS, STORE, host_id, service};
use crate::world::bus::{Bus, Topics};
use crate::world::cluster::{self, Cluster, InputError};
use crate::world::etcd::Etcd;
use crate::world::host::{Plot, Tape};
use crate::world::maker::{Agent, Maker};
use crate::world::operators::Operators;
use crate::world::recorder::Recorder;
use crate::world::register::Sequencer;
use crate::world::store::Store;
use crate::world::strike::{Healthy, Strikes};

/// What a run is asked to do besides running.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions<'a> {
    /// Real input for scenarios that take it.
    pub input: Option<&'a Path>,
    /// Keep the history.
    pub keep_history: bool,
    /// Replay every node's inputs afterwards, not just one node's.
    pub replay_all: bool,
    /// Keep every node's audit log.
    pub keep_audit: bool,
    /// Record the kernel's trace, to show where two runs part.
    pub record_trace: bool,
    /// The command that does this run again, for its report.
    pub reproduce: &'a str,
    /// Once set, the run is cut short; what it came to is then unknown.
    pub stop: Option<&'a AtomicBool>,
}

/// Outputs by need, task and label: the address, and the bytes if the store has them.
pub type Outputs = BTreeMap<NeedId, BTreeMap<TaskName, BTreeMap<Label, (Cid, Option<Arc<[u8]>>)>>>;

/// What a run gives.
pub struct Outcome {
    /// What is reported of it.
    pub report: RunReport,
    /// What the oracles found.
    pub judgement: Judgement,
    /// Everything told, if kept.
    pub history: Vec<Record>,
    /// Nodes' audit logs with the nodes' names, if kept.
    pub audit: Vec<(String, String)>,
    /// Final outputs, by need, task and label.
    pub outputs: Outputs,
    /// The kernel's trace, if recorded.
    pub trace: Option<crate::kernel::Trace>,
}

/// The longest an applied entry can take to reach every member once nothing is in its way: several of the longest pauses
/// between two tries, nanoseconds.
const LAG: u64 = 600_000_000_000;

/// Events of the kernel for each delivery that a scenario's limit allows: a run in which nothing arrives ends too.
const STEPS_EACH: u64 = 64;

/// How long a decoy is announced before its need is posted, nanoseconds.
const MASKED_BEFORE: u64 = 10_000_000_000;

/// How far apart the run looks whether everything has ended, nanoseconds.
const STEP: u64 = 60_000_000_000;

/// Runs `scenario` under `seed`.
///
/// # Errors
/// The input cannot be used.
pub fn run(scenario: &Scenario, seed: u64, options: RunOptions<'_>) -> Result<Outcome, InputError> {
    let began = std::time::Instant::now();
    let root: Seed = Digest::of("swarm-sim/seed", &[&seed.to_be_bytes()]);
    let cluster = cluster::build(scenario, &root, options.input)?;
    let mut world = World::build(scenario, seed, &root, cluster, options);
    world.live();
    Ok(world.finish(began, options))
}

/// What happens at a time by the scenario's will.
enum Plan {
    Fault(u32, Change),
    Post(usize),
    /// A need that is a decoy is announced.
    Mask(usize),
    /// The policy keys announce the policy of this number.
    Policy(u32),
    Cancel(usize),
    Act(u32, Act),
}

struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    kernel: Kernel<Actor>,
    recorder: Rc<RefCell<Recorder>>,
    strikes: Strikes,
    /// What struck so far, by the fault's number.
    struck: BTreeMap<u32, Struck>,
    operators: Operators<'a>,
    plan: BTreeMap<(u64, u32), Plan>,
    cluster_needs: Vec<swarm_core::wire::Need>,
    /// The hosts' names, by number.
    names: Vec<String>,
    hosts: u32,
    requesters: Vec<u32>,
    posted_by: BTreeMap<usize, (u32, usize)>,
    expect: Expect,
    cut_short: bool,
    /// A limit of the scenario cut it short.
    limited: bool,
    /// Events of the kernel so far, of whatever kind.
    steps: u64,
    stop: Option<&'a AtomicBool>,
}

impl<'a> World<'a> {
    fn build(scenario: &'a Scenario, seed: u64, root: &Seed, cluster: Cluster, options: RunOptions<'a>) -> Self {
        let mut kernel: Kernel<Actor> = Kernel::new(seed);
        if options.record_trace {
            kernel.record_trace();
        }
        let recorder = Rc::new(RefCell::new(Recorder::new(options.keep_history)));
        let shape = scenario.shape();
        let founders = cluster.members.len() as u32;
        let total = founders + cluster.joiners.len() as u32;
        let names = cluster.names();
        let draw = |range: Between<swarm_scenarios::Nanos>| Span::new(range.min.0, range.max.0);

        let mut bus = Bus::new(scenario.bus.ack_wait.0);
        (bus.ills.redeliver_ppm, bus.ills.usual_ppm) = (scenario.bus.redeliver_ppm, scenario.bus.redeliver_ppm);
        let mut members = Vec::new();
        let hears_all = cluster.eavesdroppers(scenario);
        for (no, member) in (0..).zip(&cluster.members) {
            let all = hears_all.contains(&no);
            bus.join(vec![host_id(no)], Topics { all, ..topics(member.keys.agent(), &member.roles) });
            if member.chains.is_some() {
                members.push(host_id(no));
            }
        }
        for (no, (keys, manifest)) in (founders..).zip(&cluster.joiners) {
            bus.join(vec![host_id(no)], topics(keys.agent(), &manifest.roles));
        }
        let mut store = Store::new(draw(scenario.store.delay));
        for bytes in &cluster.artifacts {
            store.keep(Arc::clone(bytes));
        }
        kernel.add(Actor::Bus(Box::new(bus)));
        kernel.add(match scenario.cluster.register {
            Register::Etcd => Actor::Etcd(Box::new(Etcd::new(Fork::new(seed).stream("etcd")))),
            Register::Embedded | Register::Raft => Actor::Register(Box::new(Sequencer::new(members))),
        });
        kernel.add(Actor::Store(Box::new(store)));

        let fork_of = Fork::new(seed);
        let timetable = schedule(&scenario.nemeses, scenario.chaos().as_ref(), &shape, |name| fork_of.stream(name))
            .expect("lint resolved every target");
        let disks = disks(&timetable, &shape);
        let anew = timetable.iter().any(|timed| matches!(&timed.change, Change::Start(f) if f.kind().founds_anew()));
        let wipes = timetable.iter().any(|timed| matches!(timed.change, Change::Start(Strike::WipeRejoin { .. })));
        if anew {
            recorder.borrow_mut().expect_void(shape.coordinators);
        }
        if let (true, Actor::Bus(bus)) = (wipes || anew, kernel.node_mut(service(BUS))) {
            bus.keep_history();
        }
        let maker = Maker::new(scenario, root, &cluster, &recorder, disks, options.keep_audit);
        let mut parties = Vec::new();
        let replayed = replayed(seed, scenario.cluster.coordinators, total, options);
        let mut chance = fork_of.stream("clocks");
        let mut variant = 0;
        let lease_ns = scenario.protocol.lease.0;
        let mut healthy = Healthy { redeliver_ppm: scenario.bus.redeliver_ppm, lease_ns, ..Healthy::default() };
        let manifests: BTreeMap<_, _> = cluster.genesis.manifests.iter().map(|m| (m.sender, Arc::clone(m))).collect();
        let founders_of = cluster.members.into_iter().map(|m| (m.keys, m.chains, m.roles));
        let joiners_of = cluster.joiners.iter().map(|(_, manifest)| manifest.clone()).collect::<Vec<_>>();
        let late = cluster.joiners.into_iter().map(|(keys, manifest)| (keys, None, manifest.roles));
        let (mut requesters, mut splitter) = (Vec::new(), None);
        for (no, (keys, chains, roles)) in (0u32..).zip(founders_of.chain(late)) {
            let agent = keys.agent();
            if roles.contains(&Role::Requester) {
                requesters.push(no);
            }
            let manifest = match manifests.get(&agent).map(|m| &m.body) {
                Some(swarm_core::wire::Body::Manifest(manifest)) => manifest.clone(),
                _ => joiners_of[(no - founders) as usize].clone(),
            };
            let lies = maker.strategy_of(party_of(no, &shape));
            // Those who share one stake are one.
            let owner = if lies == Some(Strategy::StakeSplitter) { *splitter.get_or_insert(no) } else { no };
            parties.push(Party {
                agent,
                asn: manifest.asn,
                coordinator: chains.is_some(),
                honest: lies.is_none(),
                node: NodeNo(no),
                org: manifest.org,
                part: chains.is_none().then(|| part(owner, &roles, lies)),
                region: manifest.region,
            });
            let clock = maker.clock(&mut chance);
            healthy.drift_ppm.insert(host_id(no), clock.drift_ppm);
            let plans = u32::from(roles.contains(&Role::Planner));
            let host = maker.host(Agent {
                no,
                party: party_of(no, &shape),
                keys,
                chains,
                roles,
                mandates: Vec::new(),
                bases: Vec::new(),
                disk: Vec::new(),
                variant,
                replayed: replayed.contains(&no),
            });
            variant += plans;
            kernel.add_at(Actor::Host(Box::new(host)), Place { clock, ..Place::default() });
        }
        let net = kernel.net_mut();
        net.set_wire(Scope::All, Line { delay: draw(scenario.network.delay), fifo: true });
        use crate::kernel::Fault as F;
        if scenario.network.loss_ppm > 0 {
            net.impose(Scope::All, F::Lose { ppm: scenario.network.loss_ppm });
        }
        if scenario.network.duplicate_ppm > 0 {
            net.impose(
                Scope::All,
                F::Duplicate { ppm: scenario.network.duplicate_ppm, after: Span::new(1, 1_000_000_000) },
            );
        }
        if scenario.network.reorder_ppm > 0 {
            let extra = Span::new(1, scenario.network.reorder_extra.0);
            net.impose(Scope::All, F::Reorder { ppm: scenario.network.reorder_ppm, extra });
        }

        // What chaos may draw stands in the report although this seed did not: over a sweep each kind must bite.
        let planned = scenario.kinds().into_iter();
        let mut world = Self {
            strikes: Strikes::new(shape, healthy, fork_of.stream("strikes"), planned),
            struck: BTreeMap::new(),
            operators: Operators::new(maker, fork_of.fork("operators")),
            scenario,
            seed,
            kernel,
            recorder,
            plan: BTreeMap::new(),
            hosts: total,
            names,
            cluster_needs: cluster.needs,
            requesters,
            posted_by: BTreeMap::new(),
            expect: expect(scenario),
            cut_short: false,
            limited: false,
            steps: 0,
            stop: options.stop,
        };
        let held_min = held_min(scenario, &timetable);
        for timed in timetable {
            world.at(timed.at_ns, Plan::Fault(timed.id, timed.change));
        }
        world.plan_workload(&fork_of, founders, &joiners_of);
        let genesis = Arc::clone(&cluster.genesis);
        let rules =
            Rules::of(&cluster.genesis.params, held_max(scenario), idle_max(scenario), LAG).held_at_least(held_min);
        world.recorder.borrow_mut().world(Event::Genesis { parties: parties.into(), rules: Arc::new(rules) });
        world.recorder.borrow_mut().world(Event::Founded { genesis });
        world
    }

    fn at(&mut self, at: u64, what: Plan) {
        let turn = self.plan.len() as u32;
        self.plan.insert((at, turn), what);
    }

    fn plan_workload(&mut self, fork_of: &Fork, founders: u32, joiners: &[swarm_core::wire::Manifest]) {
        let workload = &self.scenario.workload;
        let mut stream = fork_of.stream("workload");
        let span = |range: Between<swarm_scenarios::Nanos>| Span::new(range.min.0, range.max.0);
        // The register has to know of a mask before it hears of its need.
        let mut at = 1_000_000_000 + if workload.decoys_bp > 0 { MASKED_BEFORE } else { 0 };
        let mut audits = fork_of.stream("decoys");
        for number in 0..self.cluster_needs.len() {
            if workload.decoys_bp > 0 && audits.below(10_000) < u64::from(workload.decoys_bp) {
                self.at(at - MASKED_BEFORE, Plan::Mask(number));
            }
            self.at(at, Plan::Post(number));
            if workload.cancel_bp > 0 && stream.below(10_000) < u64::from(workload.cancel_bp) {
                let after = stream.below(self.scenario.protocol.proposals.0.max(1) * 4);
                self.at(at + after, Plan::Cancel(number));
            }
            at += stream.within(span(workload.every));
        }
        let mut no = founders;
        let stake = Credits(self.scenario.cluster.stake);
        for joiner in &workload.joiners {
            for _ in 0..joiner.count {
                let at = stream.within(span(joiner.at));
                let manifest = joiners[(no - founders) as usize].clone();
                let grant = AmountTo { amount: Credits(stake.0 + self.scenario.cluster.balance), to: manifest.agent };
                let verifies = manifest.roles.contains(&Role::Verifier);
                self.at(at, Plan::Act(no, Act::Join(manifest)));
                // The first coordinator holds the mint; the newcomer needs credits before it can stake them.
                self.at(at + 5_000_000_000, Plan::Act(0, Act::Mint(grant)));
                if verifies {
                    self.at(at + 30_000_000_000, Plan::Act(no, Act::Stake(stake)));
                }
                no += 1;
            }
        }
        let mut policies = fork_of.stream("policies");
        for (number, change) in (1..).zip(&self.scenario.policies) {
            let at = policies.within(span(change.at));
            self.at(at, Plan::Policy(number));
        }
        let shape = self.scenario.shape();
        for leaver in &workload.leavers {
            let at = stream.within(span(leaver.at));
            if let Some(who) = leaver_no(leaver.who, &shape, &mut stream) {
                self.at(at, Plan::Act(who, Act::Unstake(stake)));
                self.at(at + 1_000_000_000, Plan::Act(who, Act::Withdraw(stake)));
            }
        }
    }

    /// Lives through the three phases.
    fn live(&mut self) {
        let phases = &self.scenario.phases;
        let heal = phases.fault.0;
        let settle = heal + phases.heal.0;
        let end = (settle + phases.settle.0).min(self.scenario.limits.duration.0);
        self.phase(Phase::Fault);
        self.live_until(heal);
        self.heal();
        self.phase(Phase::Heal);
        self.live_until(settle);
        self.phase(Phase::Settle);
        let mut at = settle;
        while at < end && !self.cut_short {
            at = (at + STEP).min(end);
            self.live_until(at);
            if self.is_lost() {
                break;
            }
            if self.is_quiet() {
                // Whatever is on its way to a member that says nothing, or to a slow disk, still has its time: a member that never
                // caught up would else be asked for nothing.
                at = (at + LAG + STEP).min(end);
                self.live_until(at);
                if self.is_quiet() {
                    break;
                }
            }
        }
    }

    fn phase(&mut self, phase: Phase) {
        let now = self.kernel.now().ns();
        let mut recorder = self.recorder.borrow_mut();
        recorder.world(Event::Phase(phase));
        recorder.stamp(now);
    }

    /// Runs to `until`, doing what is planned on the way.
    fn live_until(&mut self, until: u64) {
        while let Some((at, turn)) = self.plan.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until) {
            self.step_to(at);
            // What a run that is cut short does not come to was neither done nor injected.
            if self.cut_short {
                return;
            }
            let what = self.plan.remove(&(at, turn)).expect("just looked up");
            self.carry_out(what);
        }
        self.step_to(until);
    }

    fn step_to(&mut self, until: u64) {
        let until = SimTime::from_ns(until);
        while !self.cut_short && self.kernel.step(until) {
            let now = self.kernel.now().ns();
            if self.strikes.is_lurking() {
                self.strikes.look(&mut self.kernel);
            }
            if self.operators.are_busy() {
                self.reseat();
            }
            self.recorder.borrow_mut().stamp(now);
            let stopped = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            self.steps += 1;
            let most = self.scenario.limits.max_deliveries;
            self.limited = self.kernel.counters().deliveries >= most || self.steps >= most.saturating_mul(STEPS_EACH);
            self.cut_short = stopped || self.limited;
        }
        // What is due now happens now, also where nothing has happened for a while.
        if !self.cut_short {
            self.kernel.run_until(until);
        }
    }

    fn carry_out(&mut self, what: Plan) {
        match what {
            Plan::Fault(id, Change::Start(fault)) => {
                if let Strike::Skew { .. } = &fault
                    && self.strikes.moves_clocks(&self.kernel, &fault) > 0
                {
                    self.recorder.borrow_mut().mark("clock-jumped");
                }
                let split = matches!(fault, Strike::RegisterSplit { .. });
                let majority = match &fault {
                    Strike::RegisterSplit { nodes } | Strike::MajorityLost { nodes } => Some(nodes.clone()),
                    _ => None,
                };
                self.note(id, &fault);
                self.strikes.start(&mut self.kernel, id, fault);
                if let Some(majority) = majority.filter(|_| split) {
                    let new = self.found_anew(id, &majority);
                    self.strikes.cut_off(&mut self.kernel, id, &new);
                }
            }
            Plan::Fault(id, Change::Turn) => self.strikes.turn(&mut self.kernel, id),
            Plan::Fault(id, Change::Stop) => self.stop(id),
            Plan::Mask(number) => self.mask(number),
            Plan::Policy(number) => {
                let policy = &self.scenario.policies[number as usize - 1].policy;
                self.operators.announce(&mut self.kernel, &self.strikes, number, policy);
            }
            Plan::Post(number) => {
                let who = self.requesters[number % self.requesters.len()];
                let nth = self.posted_by.values().filter(|(by, _)| *by == who).count();
                self.posted_by.insert(number, (who, nth));
                self.recorder.borrow_mut().tell(who, Event::NeedWanted);
                let need = self.cluster_needs[number].clone();
                self.act(who, Act::Post(need));
            }
            Plan::Cancel(number) => {
                let Some((who, _)) = self.posted_by.get(&number).copied() else { return };
                let need = self.recorder.borrow().posted.get(number).copied();
                if let Some(need) = need {
                    self.act(who, Act::Cancel(need));
                }
            }
            Plan::Act(who, act) => {
                if let Act::Unstake(_) = act {
                    self.recorder.borrow_mut().mark("agent-left");
                }
                self.act(who, act);
            }
        }
    }

    /// A need will be a decoy: its requester and the workers who are in on it know, and everyone else that something is one.
    fn mask(&mut self, number: usize) {
        let agent_of = |kernel: &Kernel<Actor>, no: u32| match kernel.node(host_id(no)) {
            Actor::Host(host) if host.liar.is_none() => Some(host.agent()),
            _ => None,
        };
        let who = self.requesters[number % self.requesters.len()];
        let (Some(requester), Some(input)) =
            (agent_of(&self.kernel, who), self.cluster_needs[number].requires.values().next().copied())
        else {
            return;
        };
        let shape = self.scenario.shape();
        let first = shape.coordinators + shape.requesters + shape.planners;
        let workers = (first..first + shape.workers).step_by(2).filter_map(|no| agent_of(&self.kernel, no));
        let seed = fork(&self.operators.maker.root, &format!("decoy/{number}"));
        let plot = Plot::new(requester, &workers.collect::<Vec<_>>(), &seed);
        // One says all masks, so that they tell nothing of whose need it will be.
        let teller = self.requesters[0];
        for mask in plot.masks() {
            self.act(teller, Act::Mask(mask));
        }
        self.operators.maker.plots.borrow_mut().insert(input, plot);
        self.recorder.borrow_mut().mark("decoy-opened");
    }

    fn act(&mut self, who: u32, act: Act) {
        self.kernel.with_node(host_id(who), |node, cx| {
            if let Actor::Host(host) = node {
                host.act(cx, 0, act);
            }
        });
    }

    /// The operators give away what seat they can.
    fn reseat(&mut self) {
        while let Some(seat) = self.operators.work(&mut self.kernel, &mut self.strikes, self.hosts) {
            self.names.push(format!("coordinator-{seat}-host-{}", self.hosts));
            self.hosts += 1;
        }
    }

    /// The operators found the register anew on what those hold who are not of this majority. Returns the new hosts.
    fn found_anew(&mut self, by: u32, majority: &swarm_nemeses::Nodes) -> Vec<NodeId> {
        let founded = self.operators.found_anew(&mut self.kernel, &mut self.strikes, majority, by, self.hosts);
        for seat in 0..founded.hosts.len() {
            self.names.push(format!("coordinator-{seat}-host-{}", self.hosts));
            self.hosts += 1;
        }
        self.recorder.borrow_mut().founded_anew(self.hosts - founded.hosts.len() as u32, founded.base);
        founded.hosts
    }

    /// Notes for the report that a fault strikes now, and whom.
    fn note(&mut self, id: u32, fault: &Strike) {
        let at_ns = self.kernel.now().ns();
        let whom = match fault {
            Strike::PauseLeader | Strike::PartitionLeader { .. } => {
                format!("{}, the leader", self.name(Strikes::leader(&self.kernel)))
            }
            _ => fault.whom(&|party| self.name(self.strikes.id(party))),
        };
        self.struck.insert(id, Struck { kind: fault.kind().name().to_owned(), whom, at_ns, until_ns: at_ns });
    }

    /// Notes that a fault is at work no longer.
    fn note_end(&mut self, id: u32) {
        // A zombie is found only some time after its fault began.
        let caught = self.strikes.caught(id).map(|caught| self.name(caught));
        if let Some(struck) = self.struck.get_mut(&id) {
            struck.until_ns = self.kernel.now().ns();
            struck.whom = caught.unwrap_or_else(|| core::mem::take(&mut struck.whom));
        }
    }

    /// What a part of the world is called.
    fn name(&self, id: NodeId) -> String {
        match self.kernel.node(id) {
            Actor::Host(host) => self.names[host.no as usize].clone(),
            Actor::Bus(_) => "bus".to_owned(),
            Actor::Store(_) => "store".to_owned(),
            Actor::Register(_) => "register".to_owned(),
            Actor::Etcd(_) => "etcd".to_owned(),
        }
    }

    fn stop(&mut self, id: u32) {
        self.note_end(id);
        let vacated = self.strikes.vacated(id);
        let (fault, bites) = self.strikes.stop(&mut self.kernel, id);
        vacated.into_iter().for_each(|seat| self.operators.call(seat));
        match &fault {
            Some(Strike::RegisterLost) => self.operators.restore(&mut self.kernel, &self.strikes),
            Some(Strike::MajorityLost { nodes }) => {
                self.found_anew(id, nodes);
            }
            _ => {}
        }
        self.reseat();
        if let Some(Strike::Partition { .. } | Strike::Cuts { .. } | Strike::PartitionLeader { .. }) = fault
            && bites > 0
        {
            self.recorder.borrow_mut().mark("partition-healed");
        }
    }

    /// Ends every fault that was to end; one that lasts for ever stays.
    fn heal(&mut self) {
        if self.cut_short {
            return;
        }
        let stops: Vec<(u64, u32)> = (self.plan.iter())
            .filter(|(_, what)| matches!(what, Plan::Fault(_, Change::Stop)))
            .map(|(key, _)| *key)
            .collect();
        for key in stops {
            if let Some(Plan::Fault(id, _)) = self.plan.remove(&key) {
                self.stop(id);
            }
        }
        // What was to begin later would be a fault after the faults.
        self.plan.retain(|_, what| !matches!(what, Plan::Fault(..)));
    }

    /// Whether every need has ended on every node that follows it, and the money has moved.
    fn is_quiet(&mut self) -> bool {
        let all = self.cluster_needs.len();
        let over = self.recorder.borrow().over.len();
        if over < all {
            return false;
        }
        let mut quiet = true;
        for no in 0..self.hosts {
            if let Actor::Host(host) = self.kernel.node_mut(host_id(no)) {
                // One that fell silent for good is waited for by nobody.
                quiet &= host.ills.silent || host.gone || host.node().is_quiet();
            }
        }
        quiet
    }

    /// Whether no coordinator decides any more: the register has lost what it acknowledged.
    fn is_lost(&self) -> bool {
        let lost = |id| matches!(self.kernel.node(id), Actor::Host(host) if host.lost);
        self.strikes.seats().all(lost)
    }

    /// Judges.
    fn finish(mut self, began: std::time::Instant, options: RunOptions<'_>) -> Outcome {
        let is_well = |no: &u32| matches!(self.kernel.node(host_id(*no)), Actor::Host(host) if host.is_well());
        let seated: BTreeSet<_> = self.strikes.seats().collect();
        // Who lost its seat while it lived shows nothing any more.
        let stays = |no: &u32| {
            let id = host_id(*no);
            seated.contains(&id) || !matches!(self.kernel.node(id), Actor::Host(host) if host.coordinates())
        };
        let well: Vec<u32> = (0..self.hosts).filter(is_well).filter(stays).collect();
        // What a liar shows is not judged.
        let honest = |no: &&u32| matches!(self.kernel.node(host_id(**no)), Actor::Host(host) if host.liar.is_none());
        let members = well.iter().filter(|no| seated.contains(&host_id(**no))).filter(honest);
        let members = members.map(|no| NodeNo(*no)).collect();
        let nodes: BTreeSet<_> = well.iter().map(|no| NodeNo(*no)).collect();
        let results = self.recorder.borrow().results(&nodes);
        self.recorder.borrow_mut().world(Event::Correct { members, nodes: nodes.into_iter().collect() });
        self.strikes.at_work().into_iter().for_each(|id| self.note_end(id));
        self.strikes.close(&mut self.kernel);
        let settled = !self.cut_short;
        let mut audit = Vec::new();
        let (mut signatures, mut raft_messages) = (0, 0);
        for no in 0..self.hosts {
            let Actor::Host(host) = self.kernel.node_mut(host_id(no)) else { continue };
            signatures += host.signatures;
            raft_messages += host.raft_messages();
            // One whose disk is gone shows nothing any more.
            let views = if host.gone { Vec::new() } else { host.node().needs() };
            let mut recorder = self.recorder.borrow_mut();
            for (need, held) in views {
                let (digest, heads) = (held.view, vec![held.heads]);
                recorder.tell(no, Event::View { digest, heads, thread: Thread::Need(need) });
            }
            if let Some(system) = (!host.gone).then(|| host.node().system()).flatten() {
                recorder.books(no, system.ledger());
            }
            if let Some(tape) = host.take_tape() {
                let first_difference = relive(&tape);
                recorder.tell(no, Event::Replayed { equal: first_difference.is_none(), first_difference });
            }
            let log = host.close_audit().filter(|_| !host.gone);
            audit.extend(log.map(|log| (self.names[no as usize].clone(), log)));
        }
        let at = self.kernel.now().ns();
        let mut recorder = self.recorder.borrow_mut();
        recorder.stamp(at);
        let mut expect = self.expect.clone();
        if expect.data_loss {
            // Whoever saw the loss has stopped deciding.
            expect.excused.extend(recorder.posted.iter().copied());
        }
        let end = End { at, expect, settled };
        let judgement = recorder.finish(&end);
        let counters = self.kernel.counters();
        let facts = RunFacts {
            scenario: self.scenario.name.clone(),
            seed: self.seed,
            trace_hash: self.kernel.trace_hash(),
            faults: self.strikes.counts(),
            struck: in_time(self.struck),
            required_marks: self.expect.marks.clone(),
            paying: self.scenario.properties.pays.iter().map(|strategy| strategy.name().to_owned()).collect(),
            rings: Strategy::RINGS.iter().map(|strategy| strategy.name().to_owned()).collect(),
            breaks: (self.scenario.properties.breaks.iter())
                .map(|of| (of.property.name().to_owned(), of.because.clone()))
                .collect(),
            interrupted: self.cut_short && !self.limited,
            limited: self.limited,
            deliveries: counters.deliveries,
            envelopes: recorder.envelopes,
            signatures,
            raft_messages,
            simulated_ns: at,
            real_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            reproduce: options.reproduce.to_owned(),
            names: self.names.clone(),
        };
        let report = RunReport::new(facts, &judgement);
        let mut outputs: BTreeMap<NeedId, BTreeMap<TaskName, BTreeMap<Label, _>>> = BTreeMap::new();
        if let Actor::Store(store) = self.kernel.node(service(STORE)) {
            let produced: BTreeSet<&Label> = self.cluster_needs.iter().flat_map(|need| &need.produces).collect();
            for record in results.values().flatten() {
                let finals = record.outputs.iter().filter(|(label, _)| produced.contains(label));
                let found = finals.map(|(label, cid)| (label.clone(), (*cid, store.get(cid).cloned())));
                outputs.entry(record.need).or_default().insert(record.task.clone(), found.collect());
            }
        }
        let history = std::mem::take(&mut recorder.kept);
        let trace = options.record_trace.then(|| self.kernel.trace().clone());
        Outcome { report, judgement, history, audit, outputs, trace }
    }
}

fn topics(agent: swarm_core::id::AgentId, roles: &[Role]) -> Topics {
    Topics {
        agent,
        coordinator: roles.contains(&Role::Coordinator),
        market: roles.contains(&Role::Worker) || roles.contains(&Role::Planner),
        finals: roles.contains(&Role::Worker),
        all: false,
    }
}

/// What an agent is here for that belongs to the one at host `owner`.
fn part(owner: u32, roles: &[Role], lies: Option<Strategy>) -> Part {
    let role = roles.first().map_or_else(String::new, |role| format!("{role:?}").to_lowercase());
    Part { role: role.into(), strategy: lies.map_or(HONEST, Strategy::name).into(), owner: NodeNo(owner) }
}

/// Nodes whose inputs are lived through again: all that are asked for, or one by the seed. A coordinator's life is the fullest, and
/// there are few of them: it is one of theirs every other time.
fn replayed(seed: u64, coordinators: u32, total: u32, options: RunOptions<'_>) -> Vec<u32> {
    if options.replay_all {
        return (0..total).collect();
    }
    let mut stream = Stream::new(&Digest::of("swarm-sim/replay", &[&seed.to_be_bytes()]));
    let of = if stream.below(2) == 0 { coordinators } else { total };
    vec![stream.below(u64::from(of)) as u32]
}

/// Lives a node's life again from its inputs: the first effect that differs.
fn relive(tape: &Tape) -> Option<String> {
    let mut node = Node::new(tape.setup.clone());
    let mut at = 0;
    for (number, (now, input, _)) in tape.inputs.iter().enumerate() {
        node.handle(*now, input.clone());
        while let Some(effect) = node.poll_effect() {
            if tape.effects.get(at) != Some(&effect) {
                return Some(format!("input {number} gave another effect {at}: {}", short(&effect)));
            }
            at += 1;
        }
    }
    (at != tape.effects.len()).then(|| format!("{at} effects instead of {}", tape.effects.len()))
}

fn short(effect: &Effect) -> String {
    let text = match effect {
        Effect::Emit(Note::Believed { entry, .. }) => {
            let finals = entry.outcome.events().iter().filter(|e| matches!(e, Did::Final { .. })).count();
            format!("belief of entry {} with {finals} FINALIZE records", entry.seq)
        }
        other => format!("{other:?}"),
    };
    text.chars().take(300).collect()
}

/// What struck, in the order in which it did.
fn in_time(struck: BTreeMap<u32, Struck>) -> Vec<Struck> {
    let mut struck: Vec<_> = struck.into_values().collect();
    struck.sort_by_key(|struck| struck.at_ns);
    struck
}

fn expect(scenario: &Scenario) -> Expect {
    let end = |end: &EndName| match end {
        EndName::Closed => NeedEnd::Closed,
        EndName::Failed => NeedEnd::Failed,
        EndName::Cancelled => NeedEnd::Cancelled,
    };
    Expect {
        ends: (scenario.properties.ends.iter().map(end))
            .chain((scenario.workload.decoys_bp > 0).then_some(NeedEnd::Decoy))
            .collect(),
        // Whoever lies has to have lied somewhere, or nothing was shown.
        marks: (scenario.properties.sometimes.iter().cloned())
            .chain(scenario.lies().map(|lie| lie.mark().to_owned()))
            .collect(),
        breaks: scenario.properties.breaks.iter().map(|of| of.property.name().to_owned()).collect(),
        data_loss: scenario.properties.data_loss,
        properties: (scenario.properties.check.iter().map(|p| p.name().to_owned()))
            .chain((!scenario.adversaries.is_empty()).then(|| "P3".to_owned()))
            .chain((scenario.workload.decoys_bp > 0).then(|| "decoys".to_owned()))
            .collect(),
        ..Expect::default()
    }
}

/// The longest a lease can stand in true time: what coordinators count, on the slowest clock a scenario allows, and the time
/// their reports take.
fn held_max(scenario: &Scenario) -> u64 {
    scenario.protocol.lease.0.saturating_mul(4).saturating_add(scenario.phases.fault.0)
}

/// Whose disks matter in this run: where something dies, or the disk itself ails.
fn disks(timetable: &[Timed], shape: &Shape) -> Vec<Nodes> {
    let of = |timed: &Timed| match &timed.change {
        Change::Start(
            Strike::Crash { nodes, .. }
            | Strike::PowerLoss { nodes, .. }
            | Strike::DiskFull { nodes }
            | Strike::DiskSlow { nodes, .. },
        ) => Some(nodes.clone()),
        Change::Start(Strike::QuorumSwap { victim, .. }) => Some(Nodes::These([*victim].into())),
        // What coordinators remember is read from their disks.
        Change::Start(Strike::RegisterLost | Strike::MajorityLost { .. } | Strike::RegisterSplit { .. }) => {
            Some(Nodes::These((0..shape.coordinators).map(swarm_nemeses::Node::Coordinator).collect()))
        }
        _ => None,
    };
    timetable.iter().filter_map(of).collect()
}

/// The `no`-th host as faults name it.
fn party_of(no: u32, shape: &Shape) -> swarm_nemeses::Node {
    match no.checked_sub(shape.coordinators) {
        None => swarm_nemeses::Node::Coordinator(no),
        Some(agent) => swarm_nemeses::Node::Agent(agent),
    }
}

/// The shortest a lease can stand in true time: a majority measures it, and one in every majority has a clock that at worst
/// runs fast. Nothing is promised where a majority of clocks leaps.
fn held_min(scenario: &Scenario, timetable: &[Timed]) -> u64 {
    let (mut leapt, mut fastest_ppm) = (BTreeSet::new(), scenario.clocks.drift_ppm.max.max(0));
    for timed in timetable {
        let Change::Start(Strike::Skew { nodes, offset_ns, drift_ppm, .. }) = &timed.change else { continue };
        let hit: Vec<u32> = (0..scenario.cluster.coordinators)
            .filter(|no| nodes.contains(swarm_nemeses::Node::Coordinator(*no)))
            .collect();
        if !hit.is_empty() {
            fastest_ppm = fastest_ppm.max(*drift_ppm);
        }
        if *offset_ns > 0 {
            leapt.extend(hit);
        }
    }
    if leapt.len() > scenario.cluster.minority() as usize {
        return 0;
    }
    let ppm = 1_000_000 + u128::from(fastest_ppm.unsigned_abs());
    u64::try_from(u128::from(scenario.protocol.lease.0) * 1_000_000 / ppm).expect("a quotient of what fitted")
}

/// The longest a task can wait for its next holder once the network is whole.
fn idle_max(scenario: &Scenario) -> u64 {
    scenario.protocol.bids.0.saturating_mul(8).saturating_add(900_000_000_000)
}

fn leaver_no(
    who: swarm_nemeses::Target,
    shape: &swarm_nemeses::Shape,
    stream: &mut crate::kernel::Stream,
) -> Option<u32> {
    use swarm_nemeses::{Node as Party, Nodes};
    let Ok(Nodes::These(parties)) = who.resolve(shape, stream) else { return None };
    parties.into_iter().find_map(|party| match party {
        Party::Agent(no) => Some(shape.coordinators + no),
        _ => None,
    })
}
