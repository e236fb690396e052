//! From a scenario and a seed to a deployment: keys, manifests, genesis, and the needs that will be posted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use swarm_core::config::{Local, Params};
use swarm_core::form::Form;
use swarm_core::genesis::{self, Genesis, Holding, Member};
use swarm_core::id::{Cid, Credits, Label, label};
use swarm_core::identity::Keys;
use swarm_core::reveal::Chains;
use swarm_core::rng::{Seed, fork};
use swarm_core::wire::{Class, Envelope, Manifest, Need, Role, Windows};
use swarm_policy::capsule::CapsuleError;
use swarm_ports::{jobs, recipes};
use swarm_scenarios::{
    Class as ClassName, NeedRecipe, Policy, PolicyChange, Recipe, Role as Adversary, Scenario, Strategy,
};

use crate::policies;

/// Values a coordinator's hash chain is good for; more rounds than any scenario here has.
pub const REVEALS: u32 = 1_024;

/// The input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("--input: {0}")]
    Gather(jobs::GatherError),
    /// The scenario has no use for it.
    #[error("--input is given, but the scenario has no `workload.needs_file` that would use it")]
    Unused,
    /// A need cannot be planned.
    #[error("need {number}: {why}")]
    Need {
        /// Its number, from 1.
        number: usize,
        /// Why.
        why: recipes::PlanError,
    },
    /// The policy that the run begins with is none.
    #[error("protocol.policy, {policy}: {why}")]
    Policy {
        /// Whose rules they are.
        policy: Policy,
        /// Why.
        why: CapsuleError,
    },
    /// The parameters contradict each other.
    #[error("the scenario's settings: {0}")]
    Genesis(String),
}

/// One agent before the run begins.
pub struct Member0 {
    pub keys: Keys,
    pub manifest: Arc<Envelope>,
    pub chains: Option<Chains>,
    pub roles: Vec<Role>,
}

/// Everything that is fixed before the first event.
pub struct Cluster {
    /// Coordinators first, then agents in the order requesters, planners, workers, verifiers.
    pub members: Vec<Member0>,
    /// Agents that join later: when, what they state, and their keys.
    pub joiners: Vec<(Keys, Manifest)>,
    pub genesis: Arc<Genesis>,
    pub local: Local,
    pub needs: Vec<Need>,
    /// How the adversaries lie, the first of each role first.
    pub cast: BTreeMap<Adversary, Vec<Strategy>>,
    /// What lies in the store beforehand.
    pub artifacts: Vec<Arc<[u8]>>,
}

impl Cluster {
    /// The founders that listen to everything, by number.
    pub fn eavesdroppers(&self, scenario: &Scenario) -> BTreeSet<u32> {
        let mut first = 0;
        let mut found = BTreeSet::new();
        for role in Adversary::ALL {
            let lies = (first..).zip(self.cast.get(&role).into_iter().flatten());
            found.extend(lies.filter(|(_, strategy)| strategy.eavesdrops()).map(|(no, _)| no));
            first += role.count(&scenario.cluster);
        }
        found
    }

    /// The names of all hosts, by number: the role and a number from 0, as targets in a scenario count.
    pub fn names(&self) -> Vec<String> {
        let mut counts: BTreeMap<Role, u32> = BTreeMap::new();
        let stated = |role: &[Role]| role.first().copied().unwrap_or(Role::Worker);
        let roles = self.members.iter().map(|member| stated(&member.roles));
        let joining = self.joiners.iter().map(|(_, manifest)| stated(&manifest.roles));
        let name = |role: Role| {
            let count = counts.entry(role).or_default();
            *count += 1;
            format!("{}-{}", format!("{role:?}").to_lowercase(), *count - 1)
        };
        roles.chain(joining).map(name).collect()
    }
}

/// Lengths of the protocol's waits, in whole milliseconds.
pub fn windows(scenario: &Scenario) -> Windows {
    let ms = |span: swarm_scenarios::Nanos| u32::try_from(span.0 / 1_000_000).unwrap_or(u32::MAX);
    let protocol = &scenario.protocol;
    Windows {
        bids_ms: ms(protocol.bids),
        challenge_ms: ms(protocol.challenge),
        decision_ms: ms(protocol.decision),
        lease_ms: ms(protocol.lease),
        proposals_ms: ms(protocol.proposals),
        verify_ms: ms(protocol.verify),
    }
}

/// Builds the deployment of `scenario` under `seed`; real input comes from `input`, or is made up where there is none.
pub fn build(scenario: &Scenario, seed: &Seed, input: Option<&Path>) -> Result<Cluster, InputError> {
    let (needs, mut artifacts) = needs(scenario, seed, input)?;
    let mut skills: BTreeSet<Label> = BTreeSet::new();
    for (need, number) in needs.iter().zip(1..) {
        let plan = recipes::plan(need.recipe.as_str(), need, 0).map_err(|why| InputError::Need { number, why })?;
        for fact in plan.patch {
            if let swarm_core::plan::Fact::AddTask { job, .. } = fact {
                skills.insert(job);
            }
        }
    }
    let recipes: BTreeSet<Label> = needs.iter().map(|need| need.recipe.clone()).collect();
    let first = policies::artifact(&scenario.protocol.policy, scenario);
    let rules = policies::library()
        .load(&first)
        .map_err(|why| InputError::Policy { why, policy: scenario.protocol.policy.clone() })?;
    let mut chance = swarm_core::rng::Stream::new(&fork(seed, "cast"));
    let cast = scenario.cast(|of| chance.below(of));
    let as_verifier = |index: u32| cast.get(&Adversary::Verifier).and_then(|all| all.get(index as usize)).copied();
    // Those who are one have together what one has.
    let one = cast.values().flatten().filter(|strategy| **strategy == Strategy::StakeSplitter).count().max(1) as u64;
    let cluster = &scenario.cluster;
    let shape = scenario.shape();
    let (mut members, mut anchors) = (Vec::new(), Vec::new());
    let mut holdings = BTreeMap::new();
    let kinds = [
        (Role::Coordinator, shape.coordinators, "coordinator"),
        (Role::Requester, shape.requesters, "requester"),
        (Role::Planner, shape.planners, "planner"),
        (Role::Worker, shape.workers, "worker"),
        (Role::Verifier, shape.verifiers, "verifier"),
    ];
    let mut agent_no = 0;
    for (role, count, name) in kinds {
        for index in 0..count {
            let keys = Keys::from_seed(&fork(seed, &format!("key/{name}/{index}")));
            let can: Vec<Label> = match role {
                Role::Coordinator => {
                    let mut roles = vec![label("coordinate")];
                    if index == 0 {
                        roles.push(label("mint"));
                    }
                    roles
                }
                Role::Requester => vec![label("request")],
                Role::Planner => recipes.iter().cloned().collect(),
                Role::Worker => skills.iter().cloned().collect(),
                _ => vec![label("verify")],
            };
            let roles = if role == Role::Coordinator && index == 0 { vec![role, Role::Mint] } else { vec![role] };
            let place = |kinds: u32, what: &str| {
                if role == Role::Coordinator { String::new() } else { format!("{what}-{}", agent_no % kinds.max(1)) }
            };
            let places = [place(cluster.orgs, "org"), place(cluster.asns, "as"), place(cluster.regions, "region")];
            let manifest = genesis::manifest(&keys, roles.clone(), can, places);
            let signed = genesis::sign(&keys, manifest);
            let mut chains =
                (role == Role::Coordinator).then(|| Chains::new(fork(seed, &format!("chain/{index}")), REVEALS));
            if let Some(chains) = &mut chains {
                anchors.push(Member { agent: keys.agent(), anchor: chains.anchor(0) });
            }
            let holding = match role {
                Role::Coordinator => Holding::default(),
                Role::Verifier => match as_verifier(index) {
                    Some(Strategy::Sybil) => Holding::default(),
                    Some(Strategy::StakeSplitter) => {
                        Holding { balance: Credits(cluster.balance / one), stake: Credits(cluster.stake / one) }
                    }
                    _ => Holding { balance: Credits(cluster.balance), stake: Credits(cluster.stake) },
                },
                _ => Holding { balance: Credits(cluster.balance), stake: Credits(0) },
            };
            holdings.insert(keys.agent(), holding);
            members.push(Member0 { keys, manifest: signed, chains, roles });
            if role != Role::Coordinator {
                agent_no += 1;
            }
        }
    }
    let mint = members[0].keys.agent();
    anchors.sort_by_key(|m: &Member| m.agent);
    let recovery = recovery_keys(seed);
    // The last of the verifiers, who are rarely among those who lie.
    let last = members.iter().rev().take(cluster.arbiters as usize).map(|member| member.keys.agent());
    let arbiters: Vec<_> = last.collect::<BTreeSet<_>>().into_iter().collect();
    let genesis = Genesis {
        arbiters,
        capsule: rules.capsule(),
        coordinators: anchors,
        engine: rules.engine(),
        holdings,
        manifests: members.iter().map(|m| Arc::clone(&m.manifest)).collect(),
        mints: vec![mint],
        params: params(scenario),
        policy_keys: policy_keys(scenario, seed).iter().map(Keys::agent).collect(),
        recovery: recovery.iter().map(Keys::agent).collect(),
    };
    for PolicyChange { policy, .. } in &scenario.policies {
        // That one may not prove itself is for the nodes to find.
        artifacts.push(policies::artifact(policy, scenario));
    }
    genesis.check().map_err(|why| InputError::Genesis(why.0))?;
    let joiners = joiners(scenario, seed, &skills, agent_no);
    let local = Local {
        heartbeat_ms: (scenario.protocol.heartbeat.0 / 1_000_000) as u32,
        entry_batch_ms: (cluster.entry_batch.0 / 1_000_000) as u32,
        raft_fold_entries: cluster.fold_entries,
        watch_bp: scenario.protocol.watch_bp,
        ..Local::default()
    };
    Ok(Cluster { members, joiners, genesis: Arc::new(genesis), local, needs, cast, artifacts })
}

/// The keys that may give a lost seat away, rising.
pub fn recovery_keys(seed: &Seed) -> Vec<Keys> {
    operators_keys(seed, "recovery")
}

/// The keys that may change the policy, rising; nobody has one where it stays.
pub fn policy_keys(scenario: &Scenario, seed: &Seed) -> Vec<Keys> {
    if scenario.policies.is_empty() { Vec::new() } else { operators_keys(seed, "policy") }
}

fn operators_keys(seed: &Seed, what: &str) -> Vec<Keys> {
    let mut keys: Vec<Keys> = (0..3).map(|n| Keys::from_seed(&fork(seed, &format!("key/{what}/{n}")))).collect();
    keys.sort_by_key(Keys::agent);
    keys
}

fn joiners(scenario: &Scenario, seed: &Seed, skills: &BTreeSet<Label>, first: u32) -> Vec<(Keys, Manifest)> {
    let mut all = Vec::new();
    for joiner in &scenario.workload.joiners {
        for _ in 0..joiner.count {
            let no = first + all.len() as u32;
            let keys = Keys::from_seed(&fork(seed, &format!("key/joiner/{no}")));
            let (role, can) = match joiner.role {
                swarm_scenarios::JoinerRole::Worker => (Role::Worker, skills.iter().cloned().collect()),
                swarm_scenarios::JoinerRole::Verifier => (Role::Verifier, vec![label("verify")]),
            };
            let places = [format!("org-{no}"), format!("as-{no}"), format!("region-{}", no % 4)];
            let manifest = genesis::manifest(&keys, vec![role], can, places);
            all.push((keys, manifest));
        }
    }
    all
}

fn params(scenario: &Scenario) -> Params {
    let mut params = Params {
        alpha_bp: scenario.protocol.alpha_bp,
        liars_max: scenario.cluster.liars_max,
        reveal_ms: (scenario.protocol.reveal.0 / 1_000_000) as u32,
        reveals: REVEALS,
        ..Params::default()
    };
    // A scenario may live faster than a real deployment.
    let waits = windows(scenario);
    params.challenge_min_ms = params.challenge_min_ms.min(waits.challenge_ms);
    params.decision_min_ms = params.decision_min_ms.min(waits.decision_ms);
    params.lease_min_ms = params.lease_min_ms.min(waits.lease_ms);
    params.verify_min_ms = params.verify_min_ms.min(waits.verify_ms);
    if !scenario.cluster.bootstrap {
        // A deployment that is past its youth from the first snapshot on.
        (params.bootstrap_active_min, params.bootstrap_needs) = (1, 0);
    }
    params
}

/// The manifest of one that becomes a coordinator later.
pub fn coordinator(keys: &Keys) -> Arc<Envelope> {
    let nowhere = [String::new(), String::new(), String::new()];
    genesis::sign(keys, genesis::manifest(keys, vec![Role::Coordinator], vec![label("coordinate")], nowhere))
}

fn class(name: ClassName) -> Class {
    match name {
        ClassName::Simple => Class::Simple,
        ClassName::Complex => Class::Complex,
        ClassName::Critical => Class::Critical,
    }
}

/// Needs, and the artifacts they start from.
type Workload = (Vec<Need>, Vec<Arc<[u8]>>);

/// The needs to post, and the artifacts they start from.
fn needs(scenario: &Scenario, seed: &Seed, input: Option<&Path>) -> Result<Workload, InputError> {
    let workload = &scenario.workload;
    let make = |recipe: Label, tasks: u32, given: Cid, budget: u64, fee: u64, class: Class| {
        let protocol = &scenario.protocol;
        let per_try = u64::from(protocol.k_result) + 2;
        let is_brief = recipe.as_str().starts_with("brief/");
        Need {
            budget: Credits(budget),
            class,
            // A task may take longer than one lease: a holder that lives renews it.
            deadline_ms: windows(scenario).lease_ms.saturating_mul(2),
            fee: Credits(fee),
            // Enough for every task to be judged three times.
            fees: Credits(fee * (u64::from(protocol.k_plan) + 3 * per_try * u64::from(tasks))),
            forms: if is_brief { [(label("result"), brief_form())].into() } else { [].into() },
            k_plan: protocol.k_plan,
            k_result: protocol.k_result,
            produces: vec![label("result")],
            recipe,
            requires: [(label("input"), given)].into(),
            supersedes: None,
            windows: windows(scenario),
        }
    };
    let Some(lines) = &scenario.needs else {
        if input.is_some() {
            return Err(InputError::Unused);
        }
        let recipe = recipe(workload.recipe, workload.tasks);
        let mut made = (Vec::new(), Vec::new());
        for index in 0..workload.needs {
            let bytes: Arc<[u8]> = text(&fork(seed, &format!("input/{index}")), workload.input_bytes).into();
            let (given, tasks) = (Cid::of(&bytes), workload.tasks_of_need());
            made.0.push(make(recipe.clone(), tasks, given, workload.budget, workload.fee, class(workload.class)));
            made.1.push(bytes);
        }
        return Ok(made);
    };
    let bytes: Arc<[u8]> = match input {
        Some(path) => jobs::gather(path).map_err(InputError::Gather)?.into(),
        None => text(&fork(seed, "input"), workload.input_bytes).into(),
    };
    let given = Cid::of(&bytes);
    let need = |line: &swarm_scenarios::NeedLine| {
        let NeedRecipe::Wordcount = line.recipe;
        let need = make(
            label(&format!("wordcount/{}", line.parts)),
            line.recipe.tasks(line.parts),
            given,
            line.budget.map_or(workload.budget, |c| c.0),
            line.fee.map_or(workload.fee, |c| c.0),
            class(line.class.unwrap_or(workload.class)),
        );
        Need { produces: vec![label("words")], ..need }
    };
    Ok((lines.lines.iter().map(need).collect(), vec![bytes]))
}

/// Claims of each brief.
const BRIEF_CLAIMS: u32 = 4;

/// What a brief looks like.
fn brief_form() -> Form {
    let schema = r#"{"properties":{"claims":{"items":{"properties":{"about":{"maxLength":24,"type":"string"},
        "cites":{"items":{"type":"string"},"type":"array"},"value":{"type":"integer"}},
        "required":["about","cites","value"],"type":"object"},"maxItems":16,"type":"array"}},
        "required":["claims"],"type":"object"}"#;
    Form { cited: true, claims: "/claims".parse().ok(), schema: serde_json::from_str(schema).ok() }
}

/// The planner's name of a synthetic shape.
fn recipe(shape: Recipe, tasks: u32) -> Label {
    match shape {
        Recipe::Single => label("single"),
        Recipe::Brief => label(&format!("brief/{BRIEF_CLAIMS}")),
        Recipe::Chain => label(&format!("chain/{tasks}")),
        Recipe::Fan | Recipe::Diamond => label(&format!("fan/{}", tasks.saturating_sub(2).max(1))),
    }
}

/// About `bytes` of words in lines, from a seed.
fn text(seed: &Seed, bytes: u64) -> Vec<u8> {
    let mut stream = swarm_core::rng::Stream::new(seed);
    let mut text = Vec::new();
    while (text.len() as u64) < bytes {
        let length = 1 + stream.below(8);
        (0..length).for_each(|_| text.push(b'a' + stream.below(6) as u8));
        text.push(if stream.below(8) == 0 { b'\n' } else { b' ' });
    }
    text.push(b'\n');
    text
}
