//! Who takes part, and what they all start from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use swarm_core::config::{Local, Params};
use swarm_core::genesis::{self, Genesis, Holding, Member};
use swarm_core::id::{AgentId, Credits, Digest, Label, label};
use swarm_core::identity::Keys;
use swarm_core::node::Setup;
use swarm_core::policy::Evaluator;
use swarm_core::reveal;
use swarm_core::rng::fork;
use swarm_core::wire::{Envelope, Role};
use swarm_policy::Library;
use swarm_scenarios::{Policy, read_capsule};

use crate::cli::Up;
use crate::error::{LiveError, unreadable};
use crate::job::{Job, WINDOWS};

/// Coordinators of the register.
const COORDINATORS: u32 = 3;
/// Planners.
const PLANNERS: u32 = 2;
/// What every verifier stakes, and every worker and planner may pledge.
const STAKE: u64 = 1_000_000;

/// A participant before it is a node.
pub struct Actor {
    /// Its name in this folder, for people and files.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its secret.
    pub secret: Digest,
}

impl Actor {
    /// Its keys.
    pub fn keys(&self) -> Keys {
        Keys::from_seed(&self.secret)
    }

    /// Its hash chains, which only a coordinator uses.
    pub fn chains(&self) -> reveal::Chains {
        reveal::Chains::new(fork(&self.secret, "reveals"), Params::default().reveals)
    }
}

/// Names and roles of all who take part: the role and a number from 0, as in a simulated run.
pub fn cast(options: &Up) -> Vec<(String, Role)> {
    let several = |name: &'static str, role, n| (0..n).map(move |i| (format!("{name}-{i}"), role));
    several("coordinator", Role::Coordinator, COORDINATORS)
        .chain(several("requester", Role::Requester, 1))
        .chain(several("planner", Role::Planner, PLANNERS))
        .chain(several("worker", Role::Worker, options.workers))
        .chain(several("verifier", Role::Verifier, options.verifiers))
        .collect()
}

static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(Arc::default);

/// The rules at hand.
pub fn library() -> Arc<Library> {
    LIBRARY.clone()
}

/// The artifact of a policy, and the rules in it, which are at hand from now on.
///
/// # Errors
/// Its file cannot be read, or it does not prove itself.
pub fn policy(named: &Policy) -> Result<(Vec<u8>, Arc<dyn Evaluator>), LiveError> {
    let (path, artifact) = match named {
        Policy::Native => (Path::new("native"), library().native().text().into_bytes()),
        Policy::Rego => (Path::new("rego"), swarm_policy::BASE.to_vec()),
        Policy::Capsule(path) => (path.as_path(), read_capsule(path).map_err(unreadable(path))?),
    };
    let rules = library().load(&artifact).map_err(|why| LiveError::Policy { path: path.to_owned(), why })?;
    Ok((artifact, rules))
}

/// A node's pace among neighbours in one process.
fn local() -> Local {
    Local {
        answer_ms: 2_000,
        backoff_max_ms: 5_000,
        backoff_ms: 200,
        bid_jitter_ms: 50,
        entry_batch_ms: 5,
        heartbeat_ms: 5_000,
        stagger_ms: 150,
        ..Local::default()
    }
}

/// What `actor`'s node is made of.
pub fn setup(actor: &Actor, genesis: &Arc<Genesis>) -> Setup {
    let me = actor.keys().agent();
    // From its public key: a stream is no secret, and nothing that is logged may come from one.
    let stream = fork(&Digest(me.0), "stream");
    Setup {
        me,
        bases: Vec::new(),
        genesis: Arc::clone(genesis),
        local: local(),
        mandates: Vec::new(),
        stream,
        engines: library(),
    }
}

/// The genesis of `job` with these actors, who judge by its rules.
pub fn genesis(actors: &[Actor], job: &Job) -> Genesis {
    let mut coordinators: Vec<Member> = (actors.iter())
        .filter(|actor| actor.role == Role::Coordinator)
        .map(|actor| Member { agent: actor.keys().agent(), anchor: actor.chains().anchor(0) })
        .collect();
    coordinators.sort_by_key(|member| member.agent);
    let holding = |role| match role {
        Role::Requester => Holding { balance: Credits(job.cost()), stake: Credits(0) },
        Role::Planner | Role::Worker => Holding { balance: Credits(STAKE), stake: Credits(0) },
        Role::Verifier => Holding { balance: Credits(0), stake: Credits(STAKE) },
        _ => Holding::default(),
    };
    // Windows are short here, and a busy machine may sleep through some: nobody gives up for that.
    let params = Params {
        attempts_max: 20,
        bid_extension_ms: 50,
        bid_windows_max: 20,
        challenge_min_ms: WINDOWS.challenge_ms,
        decision_min_ms: WINDOWS.decision_ms,
        draws_max: 20,
        epochs_max: 20,
        lease_min_ms: WINDOWS.lease_ms,
        reveal_ms: 2_000,
        snapshot_ms: 500,
        verify_min_ms: WINDOWS.verify_ms,
        ..Params::default()
    };
    let held: u64 = STAKE * actors.len() as u64 + job.cost();
    Genesis {
        arbiters: Vec::new(),
        capsule: job.rules.capsule(),
        coordinators,
        engine: job.rules.engine(),
        holdings: actors.iter().map(|actor| (actor.keys().agent(), holding(actor.role))).collect::<BTreeMap<_, _>>(),
        manifests: (actors.iter()).map(|actor| manifest(actor, &job.kinds)).collect(),
        mints: Vec::new(),
        // Whoever runs a deployment in one process changes its policy by beginning another.
        policy_keys: Vec::new(),
        recovery: recovery(actors),
        params: Params { supply_max: Credits(params.supply_max.0.max(held)), ..params },
    }
}

/// The recovery keys, rising. Whoever runs a deployment in one process holds everything anyway; they are grown from the
/// requester's secret, which no coordinator has.
fn recovery(actors: &[Actor]) -> Vec<AgentId> {
    let owner = actors.iter().find(|actor| actor.role == Role::Requester).expect("the cast has a requester");
    let mut keys: Vec<AgentId> =
        (0..3).map(|n| Keys::from_seed(&fork(&owner.secret, &format!("recovery/{n}"))).agent()).collect();
    keys.sort_unstable();
    keys
}

/// An actor's founding MANIFEST. In one process nothing is truly diverse: every actor says it is its own organisation, so
/// that committees are drawn by the same rules as anywhere.
fn manifest(actor: &Actor, kinds: &BTreeSet<Label>) -> Arc<Envelope> {
    let can = match actor.role {
        Role::Worker => kinds.iter().cloned().collect(),
        role => vec![label(&format!("{role:?}").to_lowercase())],
    };
    let keys = actor.keys();
    genesis::sign(&keys, genesis::manifest(&keys, vec![actor.role], can, [(); 3].map(|()| actor.name.clone())))
}
