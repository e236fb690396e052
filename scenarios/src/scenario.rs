//! The scenario itself: one struct per section, every field with its unit and its default. The
//! JSON Schema, the check for unknown keys and the file format all come from these structs, so
//! they cannot disagree.

use crate::fault::FaultSection;
use crate::needs::Needs;
use crate::policy::{Policy, PolicyChange};
use crate::value::{Nanos, SignedNanos};
use crate::workload::Workload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use swarm_nemeses::{Between, Chaos, Kind, Nemesis, Shape};

/// A whole scenario file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name in reports, kebab-case; the file's stem unless given.
    #[serde(default)]
    pub name: String,
    /// One line on what the scenario teaches.
    pub teaches: String,
    /// Seed of a run that is given none.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// When a run is stopped whatever it does.
    #[serde(default)]
    pub limits: Limits,
    /// Who takes part.
    #[serde(default)]
    pub cluster: Cluster,
    /// What they are asked to do.
    #[serde(default)]
    pub workload: Workload,
    /// Protocol settings.
    #[serde(default)]
    pub protocol: Protocol,
    /// `[[policies]]`: those that the policy keys announce during the run, each in place of the one before.
    #[serde(default)]
    pub policies: Vec<PolicyChange>,
    /// Links between all parties.
    #[serde(default)]
    pub network: Network,
    /// The message bus.
    #[serde(default)]
    pub bus: Bus,
    /// The artifact store.
    #[serde(default)]
    pub store: Store,
    /// The nodes' disks.
    #[serde(default)]
    pub disk: Disk,
    /// The nodes' clocks.
    #[serde(default)]
    pub clocks: Clocks,
    /// Fault, heal, settle.
    #[serde(default)]
    pub phases: Phases,
    /// `[[adversaries]]`: who lies, and how.
    #[serde(default)]
    pub adversaries: Vec<Adversaries>,
    /// `[[faults]]`: what goes wrong.
    #[serde(default)]
    pub faults: Vec<FaultSection>,
    /// What goes wrong besides, drawn at random.
    #[serde(default)]
    pub chaos: ChaosSection,
    /// What is judged.
    #[serde(default)]
    pub properties: Properties,
    /// The faults as the nemeses take them; filled by loading.
    #[serde(skip)]
    pub nemeses: Vec<Nemesis>,
    /// The needs of `workload.needs_file`; filled by loading.
    #[serde(skip)]
    pub needs: Option<Needs>,
    /// The bytes of each capsule that the file names; filled by loading.
    #[serde(skip)]
    pub capsules: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl Scenario {
    /// All ways to lie that anyone may follow here, as often as they stand in the file.
    pub fn lies(&self) -> impl Iterator<Item = Strategy> + '_ {
        self.adversaries.iter().flat_map(|some| some.strategies())
    }

    /// Every policy that the file names, the first one first, with the key that names it.
    pub fn all_policies(&self) -> impl Iterator<Item = (String, &Policy)> {
        let changes = self.policies.iter().enumerate();
        let changes = changes.map(|(at, change)| (format!("policies.{at}.policy"), &change.policy));
        [("protocol.policy".to_owned(), &self.protocol.policy)].into_iter().chain(changes)
    }

    /// How many there are of each kind of party at the start.
    pub const fn shape(&self) -> Shape {
        let cluster = &self.cluster;
        Shape {
            coordinators: cluster.coordinators,
            requesters: cluster.requesters,
            planners: cluster.planners,
            workers: cluster.workers,
            verifiers: cluster.verifiers,
        }
    }

    /// How the adversaries of a run lie, in the order in which the agents of each role are numbered. `draw` picks one of so
    /// many.
    pub fn cast(&self, mut draw: impl FnMut(u64) -> u64) -> BTreeMap<Role, Vec<Strategy>> {
        let mut cast: BTreeMap<Role, Vec<Strategy>> = BTreeMap::new();
        for some in &self.adversaries {
            for _ in 0..some.count {
                let all: Vec<Strategy> = some.strategies().collect();
                let at = if all.len() > 1 { draw(all.len() as u64) as usize } else { 0 };
                if let Some(strategy) = all.get(at) {
                    cast.entry(strategy.role()).or_default().push(*strategy);
                }
            }
        }
        cast
    }

    /// The random faults as the nemeses take them.
    pub fn chaos(&self) -> Option<Chaos> {
        let ChaosSection { budget, kinds, down_max } = &self.chaos;
        (budget.max > 0).then(|| Chaos {
            budget: *budget,
            kinds: kinds.iter().copied().filter(|kind| self.can_bite(*kind)).collect(),
            down_max: down_max.unwrap_or(self.cluster.minority()),
            phase_ns: self.phases.fault.0,
            lease_ns: self.protocol.lease.0,
        })
    }

    /// Whether a fault of this kind has something to bite: those of etcd need one, and what it loses must be wanted.
    fn can_bite(&self, kind: Kind) -> bool {
        let seats = kind != Kind::WipeRejoin || self.cluster.coordinators >= 3;
        seats
            && !kind.founds_anew()
            && self.wants_register(kind).is_none()
            && (kind != Kind::EtcdRestore || self.properties.data_loss)
    }

    /// The register that a fault of this kind wants, where the scenario has another.
    pub(crate) fn wants_register(&self, kind: Kind) -> Option<Register> {
        let wanted = match kind {
            kind if kind.is_of_etcd() => Register::Etcd,
            kind if kind.is_of_raft() => Register::Raft,
            // Of the others, what is lost is told by `etcd-restore` and by the disks of the members.
            Kind::RegisterLost => Register::Embedded,
            _ => return None,
        };
        (self.cluster.register != wanted).then_some(wanted)
    }

    /// Every kind of fault that a run may meet, fixed or drawn.
    pub fn kinds(&self) -> BTreeSet<Kind> {
        let fixed = self.nemeses.iter().map(|nemesis| nemesis.what.kind());
        fixed.chain(self.chaos().into_iter().flat_map(|chaos| chaos.kinds)).collect()
    }
}

const fn default_seed() -> u64 {
    1
}

/// Some who lie in one way. They have their own keys and nothing else that an honest agent has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adversaries {
    /// How they lie. Not with `any_of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Ways to lie, of which every seed draws one for each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<Strategy>,
    /// How many they are, of the first in their role.
    #[serde(default = "one")]
    pub count: u32,
}

impl Adversaries {
    /// Every way in which they may lie.
    pub fn strategies(&self) -> impl Iterator<Item = Strategy> + '_ {
        self.strategy.into_iter().chain(self.any_of.iter().copied())
    }
}

const fn one() -> u32 {
    1
}

/// How an adversary lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A coordinator that reports every wait as over as soon as it begins.
    EarlyStopwatch,
    /// A coordinator that takes nobody's challenge to the register, and reports the windows for them as over at once.
    ChallengeWithholder,
    /// A coordinator that vouches for other entries than it applied: half of the coordinators it tells the truth, all others
    /// something else.
    Forker,
    /// A coordinator that reveals another value than it promised.
    FalseReveal,
    /// A coordinator that never reveals what draws wait for.
    SilentReveal,
    /// A coordinator that tells other coordinators, and nobody else, what is to be told to all.
    Whisperer,
    /// A worker that commits to results which its job does not give, and makes up what its job cannot give.
    WrongResult,
    /// A worker that takes a wrong turn in one stretch of its job, and goes on from there as it should.
    WrongTurn,
    /// A worker that says its job took half the steps it took.
    FalseClaim,
    /// A worker whose briefs contradict themselves.
    Contradictor,
    /// A worker whose briefs are not what their schema says.
    SchemaBreaker,
    /// A worker whose briefs cite what it was never given.
    FalseCiter,
    /// A worker that asks no policy before it speaks, and claims more steps than any job may take.
    Lawless,
    /// A worker that says everything under another engine than everyone else.
    OtherEngine,
    /// A worker that commits to what it never stores.
    Withholder,
    /// A worker that bids one credit, and yields as soon as it has won.
    LowballYielder,
    /// A worker that holds what it wins for as long as it may, and never commits.
    NeverCommits,
    /// A worker that makes two bids at once: another under the same nonce to half of the coordinators, a third to all.
    DoubleBidder,
    /// A worker that commits to wrong results and disputes them itself.
    SelfChallenger,
    /// A verifier that passes everything, and dismisses whatever is said against it.
    AlwaysPass,
    /// A verifier that fails everything, and upholds whatever is said against it.
    AlwaysFail,
    /// A verifier that does no work, and says what another verifier of the same commit said, proof and all.
    LazyAttester,
    /// A verifier that takes its seats and never says anything.
    Silent,
    /// A verifier that says the opposite of each vote and verdict as well: under the same nonce to half of the coordinators,
    /// under another to all.
    Equivocator,
    /// A verifier that passes everything, and unstakes and withdraws all it can right after.
    PassAndRun,
    /// A verifier that disputes every final result it hears of.
    FalseChallenger,
    /// A verifier that knows which workers lie, and disputes their results before anyone has looked.
    FrontRunner,
    /// A verifier that passes what adversaries among the workers did, and judges everyone else well.
    Colluder,
    /// A verifier whose engine comes to other answers than it says it does.
    Askew,
    /// A colluder that disputes such a result as soon as it is final, for something about it that is right: while that is looked at,
    /// nobody is heard who says what is wrong.
    Shielder,
    /// A verifier that says others' envelopes again: as they were, altered, under a wrong signature, or as its own.
    Forger,
    /// A verifier that dates what it says far ahead in logical time.
    LamportPoisoner,
    /// A verifier without stake or credits that votes and judges all the same.
    Sybil,
    /// Verifiers that are one, and share one's stake and credits.
    StakeSplitter,
    /// A planner that patches decided plans so that others' tasks would wait for ever.
    PlanPatcher,
    /// A requester that cancels as soon as it can read a result.
    ReadAndCancel,
    /// A requester that asks no policy before it says a need.
    Heedless,
    /// A requester that says two needs under one nonce, each to half of the coordinators.
    DoubleNeed,
}

/// What an agent is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It is a member of the register.
    Coordinator,
    /// It opens needs.
    Requester,
    /// It proposes plans.
    Planner,
    /// It does tasks.
    Worker,
    /// It verifies results.
    Verifier,
}

impl Role {
    /// All roles, in the order in which hosts are numbered.
    pub const ALL: [Self; 5] = [Self::Coordinator, Self::Requester, Self::Planner, Self::Worker, Self::Verifier];

    /// How many of a run's agents have it from the start.
    pub const fn count(self, cluster: &Cluster) -> u32 {
        match self {
            Self::Coordinator => cluster.coordinators,
            Self::Requester => cluster.requesters,
            Self::Planner => cluster.planners,
            Self::Worker => cluster.workers,
            Self::Verifier => cluster.verifiers,
        }
    }

    /// Its name in files, of several.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinators",
            Self::Requester => "requesters",
            Self::Planner => "planners",
            Self::Worker => "workers",
            Self::Verifier => "verifiers",
        }
    }
}

impl Strategy {
    /// Those that live off the errors of their friends: whoever pays, it is one purse.
    pub const RINGS: &[Self] = &[Self::FrontRunner];

    /// Whose it is.
    pub const fn role(self) -> Role {
        match self {
            Self::EarlyStopwatch
            | Self::ChallengeWithholder
            | Self::Forker
            | Self::FalseReveal
            | Self::SilentReveal
            | Self::Whisperer => Role::Coordinator,
            Self::WrongResult
            | Self::WrongTurn
            | Self::FalseClaim
            | Self::Contradictor
            | Self::SchemaBreaker
            | Self::FalseCiter
            | Self::Lawless
            | Self::OtherEngine
            | Self::Withholder
            | Self::LowballYielder
            | Self::NeverCommits
            | Self::DoubleBidder
            | Self::SelfChallenger => Role::Worker,
            Self::AlwaysPass
            | Self::AlwaysFail
            | Self::LazyAttester
            | Self::Silent
            | Self::Equivocator
            | Self::PassAndRun
            | Self::FalseChallenger
            | Self::FrontRunner
            | Self::Colluder
            | Self::Askew
            | Self::Shielder
            | Self::Forger
            | Self::LamportPoisoner
            | Self::Sybil
            | Self::StakeSplitter => Role::Verifier,
            Self::PlanPatcher => Role::Planner,
            Self::ReadAndCancel | Self::Heedless | Self::DoubleNeed => Role::Requester,
        }
    }

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EarlyStopwatch => "early-stopwatch",
            Self::ChallengeWithholder => "challenge-withholder",
            Self::Forker => "forker",
            Self::FalseReveal => "false-reveal",
            Self::SilentReveal => "silent-reveal",
            Self::Whisperer => "whisperer",
            Self::WrongResult => "wrong-result",
            Self::WrongTurn => "wrong-turn",
            Self::FalseClaim => "false-claim",
            Self::Contradictor => "contradictor",
            Self::SchemaBreaker => "schema-breaker",
            Self::FalseCiter => "false-citer",
            Self::Lawless => "lawless",
            Self::OtherEngine => "other-engine",
            Self::Withholder => "withholder",
            Self::LowballYielder => "lowball-yielder",
            Self::NeverCommits => "never-commits",
            Self::DoubleBidder => "double-bidder",
            Self::SelfChallenger => "self-challenger",
            Self::AlwaysPass => "always-pass",
            Self::AlwaysFail => "always-fail",
            Self::LazyAttester => "lazy-attester",
            Self::Silent => "silent",
            Self::Equivocator => "equivocator",
            Self::PassAndRun => "pass-and-run",
            Self::FalseChallenger => "false-challenger",
            Self::FrontRunner => "front-runner",
            Self::Colluder => "colluder",
            Self::Askew => "askew",
            Self::Shielder => "shielder",
            Self::Forger => "forger",
            Self::LamportPoisoner => "lamport-poisoner",
            Self::Sybil => "sybil",
            Self::StakeSplitter => "stake-splitter",
            Self::PlanPatcher => "plan-patcher",
            Self::ReadAndCancel => "read-and-cancel",
            Self::Heedless => "heedless",
            Self::DoubleNeed => "double-need",
        }
    }

    /// The mark that says that it was followed: whoever lies must have lied somewhere in a sweep.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::EarlyStopwatch => "lied-early-stopwatch",
            Self::ChallengeWithholder => "lied-challenge-withholder",
            Self::Forker => "lied-forker",
            Self::FalseReveal => "lied-false-reveal",
            Self::SilentReveal => "lied-silent-reveal",
            Self::Whisperer => "lied-whisperer",
            Self::WrongResult => "lied-wrong-result",
            Self::WrongTurn => "lied-wrong-turn",
            Self::FalseClaim => "lied-false-claim",
            Self::Contradictor => "lied-contradictor",
            Self::SchemaBreaker => "lied-schema-breaker",
            Self::FalseCiter => "lied-false-citer",
            Self::Lawless => "lied-lawless",
            Self::OtherEngine => "lied-other-engine",
            Self::Withholder => "lied-withholder",
            Self::LowballYielder => "lied-lowball-yielder",
            Self::NeverCommits => "lied-never-commits",
            Self::DoubleBidder => "lied-double-bidder",
            Self::SelfChallenger => "lied-self-challenger",
            Self::AlwaysPass => "lied-always-pass",
            Self::AlwaysFail => "lied-always-fail",
            Self::LazyAttester => "lied-lazy-attester",
            Self::Silent => "lied-silent",
            Self::Equivocator => "lied-equivocator",
            Self::PassAndRun => "lied-pass-and-run",
            Self::FalseChallenger => "lied-false-challenger",
            Self::FrontRunner => "lied-front-runner",
            Self::Colluder => "lied-colluder",
            Self::Askew => "lied-askew",
            Self::Shielder => "lied-shielder",
            Self::Forger => "lied-forger",
            Self::LamportPoisoner => "lied-lamport-poisoner",
            Self::Sybil => "lied-sybil",
            Self::StakeSplitter => "lied-stake-splitter",
            Self::PlanPatcher => "lied-plan-patcher",
            Self::ReadAndCancel => "lied-read-and-cancel",
            Self::Heedless => "lied-heedless",
            Self::DoubleNeed => "lied-double-need",
        }
    }

    /// Whether it hears what it has no part in: nobody hinders it.
    pub const fn eavesdrops(self) -> bool {
        matches!(self, Self::LazyAttester | Self::Forger | Self::Sybil)
    }
}

/// `[limits]`: a run that reaches one is stopped; liveness is then unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Simulated time.
    pub duration: Nanos,
    /// Deliveries of the event kernel; and as many times 64 of all its events, such as wakes and losses.
    pub max_deliveries: u64,
    /// Needs, synthetic or from a file.
    pub max_needs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { duration: Nanos::hours(168), max_deliveries: 20_000_000, max_needs: 1_000 }
    }
}

/// `[cluster]`: who takes part. Agents are numbered requesters, planners, workers, verifiers; org,
/// ASN and region are dealt to them in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// What orders commands: `embedded` (one sequencer inside the simulator), `raft` (the coordinators themselves), `etcd`
    /// (an etcd of its own).
    pub register: Register,
    /// Members of the register: odd, 1 to 15.
    pub coordinators: u32,
    /// Agents that open needs.
    pub requesters: u32,
    /// Agents that propose plans.
    pub planners: u32,
    /// Agents that do tasks.
    pub workers: u32,
    /// Agents that verify results.
    pub verifiers: u32,
    /// Verifiers, of the last, who have the last word on what committees are of two minds about; 15 at most.
    pub arbiters: u32,
    /// Distinct organisations.
    pub orgs: u32,
    /// Distinct autonomous systems.
    pub asns: u32,
    /// Distinct regions.
    pub regions: u32,
    /// Credits that each planner, worker and verifier stakes; at least 1,000.
    pub stake: u64,
    /// Credits that each agent holds besides its stake.
    pub balance: u64,
    /// Lying coordinators to tolerate: it takes so many more signatures to believe an entry, and stopwatches to end a wait.
    pub liars_max: u32,
    /// Whether the run starts in bootstrap, the time of a small or young pool, in which diversity is relaxed.
    pub bootstrap: bool,
    /// How long a coordinator gathers applied entries before it signs them in one batch.
    pub entry_batch: Nanos,
    /// Entries after which a member of Raft groups folds a log into its history; what is folded, others fetch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub fold_entries: u32,
}

impl Cluster {
    /// The most coordinators that may be out of work while the rest is a majority.
    pub const fn minority(&self) -> u32 {
        self.coordinators.saturating_sub(1) / 2
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            register: Register::Embedded,
            coordinators: 3,
            requesters: 1,
            planners: 2,
            workers: 4,
            verifiers: 10,
            arbiters: 0,
            orgs: 12,
            asns: 12,
            regions: 4,
            stake: 10_000,
            balance: 100_000,
            liars_max: 0,
            bootstrap: true,
            entry_batch: Nanos::millis(50),
            fold_entries: 1_024,
        }
    }
}

/// Who keeps the register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Register {
    /// One sequencer, which neither crashes nor forgets.
    #[default]
    Embedded,
    /// The coordinators, by consensus.
    Raft,
    /// An etcd cluster, modelled as one party called `register`.
    Etcd,
}

impl Register {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Raft => "raft",
            Self::Etcd => "etcd",
        }
    }
}

/// `[protocol]`: windows and quorums. The defaults are those of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protocol {
    /// Bid window for proposals.
    pub proposals: Nanos,
    /// Bid window of each task.
    pub bids: Nanos,
    /// Length of a lease; at least 60 s.
    pub lease: Nanos,
    /// Time between heartbeats; at most a third of the lease.
    pub heartbeat: Nanos,
    /// How long an epoch may go undecided; at least 10 s.
    pub decision: Nanos,
    /// How long a committee's draw waits for reveals.
    pub reveal: Nanos,
    /// How long a committee has to give its verdicts; at least 30 s.
    pub verify: Nanos,
    /// The challenge window, and the second segment after SETTLE; at least 60 s.
    pub challenge: Nanos,
    /// The rules that every node judges by: `native` (written in Rust), `rego` (the base policy, which OPA compiled), or the path
    /// of a capsule, seen from the scenario file.
    pub policy: Policy,
    /// Target of approvals for a plan.
    pub k_plan: u32,
    /// Target of verdicts for a result.
    pub k_result: u32,
    /// Share of the active pool that bounds both targets, in basis points.
    pub alpha_bp: u32,
    /// How many of the final results that they have no part in honest verifiers do again, in basis points.
    pub watch_bp: u32,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            proposals: Nanos::secs(30),
            bids: Nanos::secs(30),
            lease: Nanos::secs(300),
            heartbeat: Nanos::secs(30),
            decision: Nanos::secs(120),
            reveal: Nanos::secs(5),
            verify: Nanos::secs(600),
            challenge: Nanos::hours(24),
            policy: Policy::Native,
            k_plan: 3,
            k_result: 5,
            alpha_bp: 3_000,
            watch_bp: 0,
        }
    }
}

/// `[network]`: how links behave all the time, in every phase; faults come on top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Time a message takes, drawn for each.
    pub delay: Between<Nanos>,
    /// Messages lost, in parts per million.
    pub loss_ppm: u32,
    /// Messages delivered twice, in parts per million.
    pub duplicate_ppm: u32,
    /// Messages held back so that later ones overtake them, in parts per million.
    pub reorder_ppm: u32,
    /// How long such a message is held back at most.
    pub reorder_extra: Nanos,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            delay: Between { min: Nanos::millis(1), max: Nanos::millis(20) },
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_extra: Nanos::millis(50),
        }
    }
}

/// `[bus]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bus {
    /// How long the bus waits for an acknowledgement before it delivers again.
    pub ack_wait: Nanos,
    /// Acknowledged messages delivered once more, in parts per million.
    pub redeliver_ppm: u32,
}

impl Default for Bus {
    fn default() -> Self {
        Self { ack_wait: Nanos::secs(5), redeliver_ppm: 0 }
    }
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Time the store takes to answer, drawn for each request.
    pub delay: Between<Nanos>,
}

impl Default for Store {
    fn default() -> Self {
        Self { delay: Between { min: Nanos::millis(2), max: Nanos::millis(30) } }
    }
}

/// `[disk]`: how long a write takes to be durable. A node's host keeps its log on one where a fault may hit process or
/// disk; elsewhere writing takes no time, and a run costs what it cost without disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// Time from a write to its being durable, drawn for each; what comes in the meantime waits for the next.
    pub sync: Between<Nanos>,
    /// Whether every host has such a disk, whatever the faults.
    pub everywhere: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self { sync: Between { min: Nanos::micros(100), max: Nanos::millis(2) }, everywhere: false }
    }
}

/// `[chaos]`: faults drawn anew by every seed, each with its usual strength, on top of `[[faults]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChaosSection {
    /// How many faults a run gets; none unless given.
    pub budget: Between<u32>,
    /// The kinds to draw from; all unless given.
    pub kinds: Vec<Kind>,
    /// The most coordinators out of work at once, by crashes, pauses, isolation, full disks, frozen clocks; the largest
    /// minority unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_max: Option<u32>,
}

impl Default for ChaosSection {
    fn default() -> Self {
        Self { budget: Between::one(0), kinds: Kind::ALL.to_vec(), down_max: None }
    }
}

/// `[clocks]`: how far each node's clocks are off from the start, drawn for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clocks {
    /// Wall clock ahead or behind.
    pub offset: Between<SignedNanos>,
    /// Rate of both clocks, in parts per million fast or slow.
    pub drift_ppm: Between<i32>,
}

impl Default for Clocks {
    fn default() -> Self {
        Self { offset: Between::one(SignedNanos(0)), drift_ppm: Between::one(0) }
    }
}

/// `[phases]`: the run hurts, heals, then must make progress. Safety is judged throughout,
/// liveness in `settle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phases {
    /// From the start; every fault begins and ends inside.
    pub fault: Nanos,
    /// Faults are gone, except those that last forever.
    pub heal: Nanos,
    /// Every need must have ended by the end of it.
    pub settle: Nanos,
}

impl Default for Phases {
    fn default() -> Self {
        Self { fault: Nanos::secs(300), heal: Nanos::secs(60), settle: Nanos::hours(72) }
    }
}

/// `[properties]`: what is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// The properties that must be checked: a run in which one of them never was is vacuous. The others are judged as well, and
    /// a violation of any counts.
    pub check: Vec<Property>,
    /// The ends that are right for a need; liveness asks that each need comes to one of them.
    pub ends: Vec<NeedEnd>,
    /// Marks that must be hit somewhere in a sweep, or its chaos proved nothing.
    #[schemars(schema_with = "crate::marks::list_schema")]
    pub sometimes: Vec<String>,
    /// Strategies of adversaries that are known to earn more than honesty in the same role: over a sweep, they have to. That any
    /// other does is a failure.
    pub pays: Vec<Strategy>,
    /// Where a promise ends, and this scenario goes beyond: the property is then judged beyond its promise too. Over a sweep it has
    /// to be violated so; that anything else is violated, this property within its promise included, is a failure.
    pub breaks: Vec<Break>,
    /// The run loses what was acknowledged, and must say so: the data-loss alarm is what is wanted of every run, and its absence is a
    /// failure. So what loses it belongs under `[[faults]]`, for what `[chaos]` draws is not in every run.
    pub data_loss: bool,
}

impl Default for Properties {
    fn default() -> Self {
        // Where nobody lies there is nothing to see of P3, nor of decoys where there are none.
        let seen = |property: &Property| !matches!(property, Property::P3 | Property::Decoys);
        let check = Property::ALL.into_iter().filter(seen).collect();
        Self {
            check,
            ends: vec![NeedEnd::Closed],
            sometimes: Vec::new(),
            pays: Vec::new(),
            breaks: Vec::new(),
            data_loss: false,
        }
    }
}

/// A property that a scenario takes beyond its promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Break {
    /// The property: `P3`, which no one promises where all who were counted on a panel lie.
    pub property: Property,
    /// Why it cannot hold here, for those who read the report.
    pub because: String,
}

/// How a need can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeedEnd {
    /// Every task settled.
    Closed,
    /// Its requester took it back.
    Cancelled,
    /// It gave up: no plan, no worker, or no committee in the attempts allowed.
    Failed,
}

impl NeedEnd {
    /// The name in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// The properties that can be judged, by the names used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Property {
    /// Single DECIDE: at most one plan is ever decided for a need.
    P1,
    /// Deterministic replay: the same inputs give the same FINALIZE records, byte for byte.
    P2,
    /// Challenge safety: what is wrong and disputed in time does not stand, what is right is never ruled wrong, and nobody honest is slashed.
    /// Asked for wherever somebody lies.
    P3,
    /// Lease and fencing: nothing under an old epoch, lease or fence takes effect, and no wait ends early.
    P4,
    /// Lease lifetime: a task has one holder at most, no longer than it may, and becomes free again in time.
    P5,
    /// Quorum validity: whoever is counted was drawn, is staked and counts once.
    P6,
    /// Conservation: credits come by MINT and go by BURN alone, and every pot ends once.
    P9,
    /// Convergence: after the faults all correct nodes show the same.
    P10,
    /// Every need ends within the settle phase.
    #[serde(rename = "liveness")]
    Liveness,
    /// What takes effect passed the gates of its policy, and those who judge by one engine agree.
    #[serde(rename = "policy")]
    Policy,
    /// A second, plain model of ledger, quorum and slot comes to the same.
    #[serde(rename = "model")]
    Model,
    /// Forced errors cost those who pass them, and nobody else; asked for wherever there are any.
    #[serde(rename = "decoys")]
    Decoys,
}

impl Property {
    /// All properties.
    pub const ALL: [Self; 12] = [
        Self::P1,
        Self::P2,
        Self::P3,
        Self::P4,
        Self::P5,
        Self::P6,
        Self::P9,
        Self::P10,
        Self::Liveness,
        Self::Policy,
        Self::Model,
        Self::Decoys,
    ];

    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
            Self::P5 => "P5",
            Self::P6 => "P6",
            Self::P9 => "P9",
            Self::P10 => "P10",
            Self::Liveness => "liveness",
            Self::Policy => "policy",
            Self::Model => "model",
            Self::Decoys => "decoys",
        }
    }
}
