//! The rules that this program can judge by, by engine hash. Each is made once: what it remembers helps every run.

use std::sync::{Arc, LazyLock};

use swarm_core::id::Digest;
use swarm_core::policy::{BaseRules, Evaluator};
use swarm_policy::Rego;
use swarm_scenarios::Policy;

static NATIVE: LazyLock<Arc<BaseRules>> = LazyLock::new(Arc::default);
static REGO: LazyLock<Arc<Rego>> = LazyLock::new(|| Arc::new(Rego::base()));

/// The native rules.
pub fn native() -> Arc<dyn Evaluator> {
    NATIVE.clone()
}

/// The rules that a scenario names.
pub fn of(policy: Policy) -> Arc<dyn Evaluator> {
    match policy {
        Policy::Native => native(),
        Policy::Rego => REGO.clone(),
    }
}

/// The rules of this engine, if they are here.
pub fn known(engine: &Digest) -> Option<Arc<dyn Evaluator>> {
    [Policy::Native, Policy::Rego].map(of).into_iter().find(|rules| rules.engine() == *engine)
}
