//! At whom a fault aims. A [`Target`] is what a scenario writes (`worker:random`); it becomes
//! [`Nodes`] once the shape of the cluster is known. A target may never resolve to nobody: a fault
//! that hits no one would look like one the protocol withstood.

use crate::draw::up_to;
use rand_core::Rng;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One party of the simulated or real cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A member of the register, numbered from 0.
    Coordinator(u32),
    /// Any other agent, numbered from 0 in the order requesters, planners, workers, verifiers.
    Agent(u32),
    /// The message bus.
    Bus,
    /// The sequencer of the register.
    Register,
    /// The artifact store.
    Store,
}

/// How many there are of each kind of party. Agents that join later are not part of it: no
/// nemesis aims at them by number, only `all` covers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Members of the register.
    pub coordinators: u32,
    /// Agents that open needs.
    pub requesters: u32,
    /// Agents that propose plans.
    pub planners: u32,
    /// Agents that do tasks.
    pub workers: u32,
    /// Agents that verify results.
    pub verifiers: u32,
}

impl Shape {
    /// How many agents there are, coordinators left out.
    pub const fn agents(&self) -> u32 {
        self.requesters.saturating_add(self.planners).saturating_add(self.workers).saturating_add(self.verifiers)
    }

    /// The number of the role's first node and how many follow, in the numbering of [`Node`].
    pub const fn span(&self, role: Role) -> (u32, u32) {
        let planners = self.requesters;
        let workers = planners.saturating_add(self.planners);
        let verifiers = workers.saturating_add(self.workers);
        match role {
            Role::Coordinator => (0, self.coordinators),
            Role::Agent => (0, self.agents()),
            Role::Requester => (0, self.requesters),
            Role::Planner => (planners, self.planners),
            Role::Worker => (workers, self.workers),
            Role::Verifier => (verifiers, self.verifiers),
        }
    }

    /// The `index`-th node of a role, if there is one.
    pub fn node(&self, role: Role, index: u32) -> Option<Node> {
        let (first, count) = self.span(role);
        (index < count).then(|| match role {
            Role::Coordinator => Node::Coordinator(index),
            _ => Node::Agent(first + index),
        })
    }
}

/// The groups a target can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Members of the register.
    Coordinator,
    /// Every agent that is not a coordinator.
    Agent,
    /// Agents that open needs.
    Requester,
    /// Agents that propose plans.
    Planner,
    /// Agents that do tasks.
    Worker,
    /// Agents that verify results.
    Verifier,
}

impl Role {
    /// All groups, in the order reports list them.
    pub const ALL: [Self; 6] =
        [Self::Coordinator, Self::Agent, Self::Requester, Self::Planner, Self::Worker, Self::Verifier];

    /// The group's name in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Agent => "agent",
            Self::Requester => "requester",
            Self::Planner => "planner",
            Self::Worker => "worker",
            Self::Verifier => "verifier",
        }
    }
}

/// Which of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// Each of them.
    All,
    /// One, drawn anew for every occurrence of the fault.
    Random,
    /// The one with this number, from 0.
    Index(u32),
}

/// At whom a fault aims: `all`, `bus`, `register`, `store`, or a group and a pick such as
/// `worker:random`, `verifier:all`, `coordinator:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Every party, those that join later included.
    All,
    /// The message bus.
    Bus,
    /// The sequencer of the register.
    Register,
    /// The artifact store.
    Store,
    /// Some of a group.
    Of(Role, Pick),
}

/// Why a target cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// The text is not a target.
    Malformed(String),
    /// The cluster has no such node.
    NoSuchNode {
        /// The target as written.
        target: String,
        /// How many nodes the group has.
        count: u32,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(f, "`{text}` names no target"),
            Self::NoSuchNode { target, count } => {
                write!(f, "`{target}` does not exist: the cluster has {count} of them")
            }
        }
    }
}

impl std::error::Error for TargetError {}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(text.chars().take(40).collect());
        match text {
            "all" => return Ok(Self::All),
            "bus" => return Ok(Self::Bus),
            "register" => return Ok(Self::Register),
            "store" => return Ok(Self::Store),
            _ => {}
        }
        let (role, pick) = text.split_once(':').ok_or_else(malformed)?;
        let role = Role::ALL.into_iter().find(|r| r.name() == role).ok_or_else(malformed)?;
        let pick = match pick {
            "all" => Pick::All,
            "random" => Pick::Random,
            digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Pick::Index(digits.parse().map_err(|_| malformed())?)
            }
            _ => return Err(malformed()),
        };
        Ok(Self::Of(role, pick))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Bus => f.write_str("bus"),
            Self::Register => f.write_str("register"),
            Self::Store => f.write_str("store"),
            Self::Of(role, Pick::All) => write!(f, "{}:all", role.name()),
            Self::Of(role, Pick::Random) => write!(f, "{}:random", role.name()),
            Self::Of(role, Pick::Index(index)) => write!(f, "{}:{index}", role.name()),
        }
    }
}

impl Target {
    /// Whether the cluster has whom the target names.
    pub fn check(&self, shape: &Shape) -> Result<(), TargetError> {
        let Self::Of(role, pick) = *self else {
            return Ok(());
        };
        let (_, count) = shape.span(role);
        let exists = match pick {
            Pick::All | Pick::Random => count > 0,
            Pick::Index(index) => index < count,
        };
        if exists { Ok(()) } else { Err(TargetError::NoSuchNode { target: self.to_string(), count }) }
    }

    /// The nodes meant. Takes one draw from the stream whatever the target, so that naming a node
    /// does not reshuffle what is drawn after it.
    pub fn resolve(&self, shape: &Shape, rng: &mut impl Rng) -> Result<Nodes, TargetError> {
        self.check(shape)?;
        let only = |node| Nodes::These(BTreeSet::from([node]));
        let (role, pick) = match *self {
            Self::All => (None, Nodes::All),
            Self::Bus => (None, only(Node::Bus)),
            Self::Register => (None, only(Node::Register)),
            Self::Store => (None, only(Node::Store)),
            Self::Of(role, Pick::Index(index)) => (None, only(shape.node(role, index).expect("checked above"))),
            Self::Of(role, Pick::All) => {
                let (_, count) = shape.span(role);
                (None, Nodes::These((0..count).filter_map(|i| shape.node(role, i)).collect()))
            }
            Self::Of(role, Pick::Random) => (Some(role), Nodes::All),
        };
        let count = role.map_or(1, |role| shape.span(role).1);
        let drawn = up_to(rng, u64::from(count) - 1);
        Ok(match role {
            None => pick,
            Some(role) => {
                let index = u32::try_from(drawn).expect("below a count of 32 bits");
                only(shape.node(role, index).expect("drawn below the group's count"))
            }
        })
    }
}

/// The nodes that a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Every party, those that join later included.
    All,
    /// Exactly these; never empty in a plan.
    These(BTreeSet<Node>),
}

impl Nodes {
    /// Whether `node` is one of them.
    pub fn contains(&self, node: Node) -> bool {
        match self {
            Self::All => true,
            Self::These(nodes) => nodes.contains(&node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    const SHAPE: Shape = Shape { coordinators: 3, requesters: 1, planners: 2, workers: 4, verifiers: 5 };

    fn resolve(text: &str, seed: u64) -> Nodes {
        let target: Target = text.parse().unwrap();
        target.resolve(&SHAPE, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn agents_are_numbered_by_role_in_order() {
        assert_eq!(SHAPE.node(Role::Requester, 0), Some(Node::Agent(0)));
        assert_eq!(SHAPE.node(Role::Planner, 1), Some(Node::Agent(2)));
        assert_eq!(SHAPE.node(Role::Worker, 3), Some(Node::Agent(6)));
        assert_eq!(SHAPE.node(Role::Verifier, 0), Some(Node::Agent(7)));
        assert_eq!(SHAPE.node(Role::Agent, 11), Some(Node::Agent(11)));
        assert_eq!(SHAPE.node(Role::Worker, 4), None);
    }

    #[test]
    fn a_target_reads_back_as_it_was_written() {
        for text in ["all", "bus", "register", "store", "worker:random", "verifier:all", "coordinator:2"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in ["", "worker", "worker:", "worker:-1", "worker:+1", "Worker:1", "worker:99999999999"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_nobody_answers_to_is_refused() {
        assert!("worker:4".parse::<Target>().unwrap().check(&SHAPE).is_err());
        let without = Shape { verifiers: 0, ..SHAPE };
        assert!("verifier:all".parse::<Target>().unwrap().check(&without).is_err());
        assert!("verifier:random".parse::<Target>().unwrap().check(&without).is_err());
    }

    #[test]
    fn random_picks_stay_inside_the_group_and_reach_all_of_it() {
        let mut seen = BTreeSet::new();
        for seed in 0..64 {
            let Nodes::These(nodes) = resolve("worker:random", seed) else { panic!() };
            assert_eq!(nodes.len(), 1);
            seen.extend(nodes);
        }
        assert_eq!(seen, (3..7).map(Node::Agent).collect());
    }

    proptest! {
        #[test]
        fn parsing_a_target_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Target>();
        }
    }
}
