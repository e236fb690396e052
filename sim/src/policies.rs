//! The rules that this program can judge by, one library for all runs, and the rules of those who judge otherwise.

use std::sync::{Arc, LazyLock};

use swarm_core::id::{Cid, Digest};
use swarm_core::policy::{Engines, Evaluation, Evaluator, Gate, PolicyInput};
use swarm_policy::Library;
use swarm_policy::capsule::Capsule;
use swarm_scenarios::{Policy, Scenario};

static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(Arc::default);

/// The rules at hand.
pub fn library() -> Arc<Library> {
    LIBRARY.clone()
}

/// The artifact of a policy that a scenario names.
pub fn artifact(policy: &Policy, scenario: &Scenario) -> Arc<[u8]> {
    match policy {
        Policy::Native => LIBRARY.native().text().into_bytes().into(),
        Policy::Rego => swarm_policy::BASE.into(),
        Policy::Capsule(path) => Arc::clone(scenario.capsules.get(path).expect("loading read every capsule")),
    }
}

/// The engine that an artifact says it is, whether or not it can prove it; none if it says nothing.
pub fn engine(artifact: &[u8]) -> Digest {
    match LIBRARY.load(artifact) {
        Ok(rules) => rules.engine(),
        Err(_) => Capsule::parse(artifact).map_or_else(|_| Digest::default(), |capsule| capsule.engine()),
    }
}

/// Rules that say they are those of one engine, and are not quite: what an adversary judges by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bent {
    /// Everything may pass.
    Lawless,
    /// It costs one unit more.
    Askew,
}

/// What an adversary finds in place of the rules of an engine.
pub struct BentLibrary(pub Bent);

impl Engines for BentLibrary {
    fn find(&self, engine: &Digest) -> Option<Arc<dyn Evaluator>> {
        let rules = LIBRARY.find(engine)?;
        Some(Arc::new(BentRules { how: self.0, rules }))
    }
}

struct BentRules {
    how: Bent,
    rules: Arc<dyn Evaluator>,
}

impl Evaluator for BentRules {
    fn engine(&self) -> Digest {
        self.rules.engine()
    }

    fn capsule(&self) -> Cid {
        self.rules.capsule()
    }

    fn evaluate(&self, gate: Gate, input: &PolicyInput<'_>) -> Evaluation {
        let own = self.rules.evaluate(gate, input);
        match self.how {
            Bent::Lawless => Evaluation::new(input.digest(gate), Vec::new(), own.gas),
            Bent::Askew => Evaluation::new(input.digest(gate), own.reasons, own.gas + 1),
        }
    }
}
