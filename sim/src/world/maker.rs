//! From an agent's keys to its host. Founders and newcomers are made alike; a newcomer brings the mandates that seat it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::base::Base;
use swarm_core::config::Local;
use swarm_core::genesis::Genesis;
use swarm_core::id::AgentId;
use swarm_core::identity::Keys;
use swarm_core::members::Mandate;
use swarm_core::node::Setup;
use swarm_core::policy::Engines;
use swarm_core::raft::Codec;
use swarm_core::reveal::Chains;
use swarm_core::rng::{Seed, Stream, fork};
use swarm_core::wire::{Ring, Role};
use swarm_nemeses::{Between, Node as Party, Nodes};
use swarm_scenarios::{Nanos, Register, Role as Part, Scenario, Strategy};

use crate::kernel::{ClockSpec, Span, Stream as Chance};
use crate::policies::{self, Bent, BentLibrary};
use crate::world::actor::host_id;
use crate::world::audit::AuditLog;
use crate::world::cluster::Cluster;
use crate::world::host::{Habits, Host, Liar, Memory, Plots};
use crate::world::recorder::Recorder;
use crate::world::register::{Embedded, EtcdClient, Half, Peers, RaftHalf, Shared};

/// One agent before its host is made.
pub struct Agent {
    /// Its host's number.
    pub no: u32,
    /// Its host as faults name it.
    pub party: Party,
    pub keys: Keys,
    /// Of a coordinator.
    pub chains: Option<Chains>,
    pub roles: Vec<Role>,
    /// Every mandate there was before; a newcomer's own is the last.
    pub mandates: Vec<Arc<Mandate>>,
    /// The bases that those of them name that found the register anew.
    pub bases: Vec<Arc<Base>>,
    /// What its register's disk holds from the start.
    pub disk: Vec<swarm_core::raft::Record>,
    /// Which variant of a plan it proposes.
    pub variant: u32,
    /// Its life is lived again at the end.
    pub replayed: bool,
}

/// Makes hosts.
pub struct Maker<'a> {
    pub scenario: &'a Scenario,
    pub root: Seed,
    pub genesis: Arc<Genesis>,
    pub recorder: Rc<RefCell<Recorder>>,
    local: Local,
    codec: Arc<dyn Codec>,
    peers: Peers,
    /// Whose disks matter.
    disks: Vec<Nodes>,
    keep_audit: bool,
    ring: Rc<RefCell<Ring>>,
    cast: BTreeMap<Part, Vec<Strategy>>,
    /// All adversaries.
    liars: Rc<BTreeSet<AgentId>>,
    /// What honest requesters and those workers who are in on decoys share.
    pub plots: Plots,
}

/// The agents that lie.
fn liars(scenario: &Scenario, cluster: &Cluster) -> BTreeSet<AgentId> {
    let mut first = 0;
    let mut liars = BTreeSet::new();
    for role in Part::ALL {
        let lie = cluster.cast.get(&role).map_or(0, Vec::len);
        liars.extend(cluster.members.iter().skip(first).take(lie).map(|member| member.keys.agent()));
        first += role.count(&scenario.cluster) as usize;
    }
    liars
}

/// Where a node finds its rules that acts by this strategy, if by any.
fn engines(strategy: Option<Strategy>) -> Arc<dyn Engines> {
    let bent = match strategy {
        Some(Strategy::Lawless | Strategy::Heedless) => Bent::Lawless,
        Some(Strategy::Askew) => Bent::Askew,
        _ => return policies::library(),
    };
    Arc::new(BentLibrary(bent))
}

/// A range of a scenario as the kernel draws from it.
pub fn span(range: Between<Nanos>) -> Span {
    Span::new(range.min.0, range.max.0)
}

impl<'a> Maker<'a> {
    /// For the hosts of `cluster`; `disks` are those of parties that a fault may kill, or whose disk may ail.
    pub fn new(
        scenario: &'a Scenario,
        root: &Seed,
        cluster: &Cluster,
        recorder: &Rc<RefCell<Recorder>>,
        disks: Vec<Nodes>,
        keep_audit: bool,
    ) -> Self {
        #[expect(clippy::arc_with_non_send_sync, reason = "a run lives in one thread; a live host shares its codec")]
        let codec: Arc<dyn Codec> = Arc::new(Shared::default());
        Self {
            scenario,
            root: *root,
            genesis: Arc::clone(&cluster.genesis),
            recorder: Rc::clone(recorder),
            local: cluster.local.clone(),
            codec,
            peers: Peers::default(),
            disks,
            keep_audit,
            ring: Rc::default(),
            cast: cluster.cast.clone(),
            liars: Rc::new(liars(scenario, cluster)),
            plots: Plots::default(),
        }
    }

    /// The host of an agent, which has not started.
    pub fn host(&self, agent: Agent) -> Host {
        let Agent { no, party, keys, chains, roles, mandates, bases, disk, variant, replayed } = agent;
        let Self { scenario, root, .. } = self;
        // Who takes a liar's seat over is another.
        let strategy = self.strategy_of(party).filter(|_| mandates.is_empty());
        let setup = Setup {
            me: keys.agent(),
            bases,
            genesis: Arc::clone(&self.genesis),
            local: self.local.clone(),
            mandates: mandates.clone(),
            stream: fork(root, &format!("node/{no}")),
            engines: engines(strategy),
        };
        let works = roles.contains(&Role::Worker);
        let audits = works || roles.contains(&Role::Requester);
        let liar = strategy.map(|strategy| Liar::new(strategy, &setup, Rc::clone(&self.liars)));
        let habits = Habits {
            work: span(scenario.workload.work),
            yield_bp: if works { scenario.workload.yield_bp } else { 0 },
            refuse_bp: if works { scenario.workload.refuse_bp } else { 0 },
            dissent_bp: scenario.workload.dissent_bp,
            variant,
            tells_truth: !scenario.adversaries.is_empty() || scenario.workload.decoys_bp > 0,
        };
        let audit = self.keep_audit.then(|| AuditLog::open(&setup));
        let may_die = self.disks.iter().any(|nodes| nodes.contains(party));
        let sync = (may_die || scenario.disk.everywhere).then(|| span(scenario.disk.sync));
        // Only coordinators have a register; the others' half is never asked.
        let register = match scenario.cluster.register {
            Register::Etcd if chains.is_some() => {
                Half::Etcd(Box::new(EtcdClient::new(Stream::new(&fork(root, &format!("register/{no}"))))))
            }
            Register::Raft if chains.is_some() => {
                self.peers.borrow_mut().insert(keys.agent(), host_id(no));
                let setup = swarm_core::raft::Setup {
                    me: keys.agent(),
                    genesis: Arc::clone(&self.genesis),
                    local: self.local.clone(),
                    seed: fork(root, &format!("register/{no}")),
                    codec: Arc::clone(&self.codec),
                    mandates,
                };
                let half = RaftHalf::new(setup, Rc::clone(&self.peers), sync, disk);
                Half::Raft(Box::new(half.expect("a member starts from nothing, or from what it is founded on")))
            }
            _ => Half::Embedded(Embedded::default()),
        };
        let (recorder, ring) = (Rc::clone(&self.recorder), Rc::clone(&self.ring));
        let memory = Memory { replayed, sync, recorder, ring };
        let mut host = Host::new(no, setup, keys, chains, habits, register, memory);
        host.audit = audit;
        host.liar = liar;
        if audits && host.liar.is_none() {
            host.plots = Rc::clone(&self.plots);
        }
        host
    }

    /// How a party lies, if it does: in each role the first ones do.
    pub fn strategy_of(&self, party: Party) -> Option<Strategy> {
        let mut left = match party {
            Party::Coordinator(no) => no,
            Party::Agent(no) => self.scenario.cluster.coordinators + no,
            _ => return None,
        };
        for role in Part::ALL {
            match left.checked_sub(role.count(&self.scenario.cluster)) {
                None => return self.cast.get(&role).and_then(|all| all.get(left as usize)).copied(),
                Some(rest) => left = rest,
            }
        }
        None
    }

    /// How members read and write what stands in the register's log.
    pub fn codec(&self) -> &dyn Codec {
        &*self.codec
    }

    /// How a host's clocks are off from the start.
    pub fn clock(&self, chance: &mut Chance) -> ClockSpec {
        let offset = self.scenario.clocks.offset;
        let signed = |min: i64, max: i64, n: u64| min + i64::try_from(n).unwrap_or(0).min(max - min);
        let width = offset.max.0.abs_diff(offset.min.0).saturating_add(1);
        let wall = signed(offset.min.0, offset.max.0, chance.below(width));
        let drifts = self.scenario.clocks.drift_ppm;
        let drift = drifts.min + chance.below(u64::from(drifts.max.abs_diff(drifts.min)) + 1) as i32;
        ClockSpec { offset_ns: chance.below(1 << 40), wall_offset_ns: wall, drift_ppm: drift }
    }
}
