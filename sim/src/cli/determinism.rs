//! Whether a run was the same twice, and where it first was not.

use swarm_core::id::Digest;
use swarm_reports::RunReport;
use swarm_reports::report::RealNs;
use swarm_scenarios::Scenario;

use crate::cli::panics;
use crate::kernel::{Trace, first_difference};
use crate::world::{self, RunOptions};

/// Stands for all that a run did and came to, real time excepted. Two runs of one print were the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print(Digest);

impl Print {
    /// The print of a run: of its report, in which its trace hash stands.
    pub fn of(run: &RunReport) -> Self {
        let run = RunReport { real_ns: RealNs(0), ..run.clone() };
        Self(Digest::of("swarm-sim/print", &[&serde_json::to_vec(&run).expect("every report has a JSON form")]))
    }
}

/// Runs `seed` twice more with the trace recorded and says where the two part.
pub fn explain(scenario: &Scenario, seed: u64) -> Vec<String> {
    let options = RunOptions { record_trace: true, ..RunOptions::default() };
    let trace = || match panics::guarded(|| world::run(scenario, seed, options)) {
        Ok(Ok(outcome)) => outcome.trace.ok_or_else(|| "it left no trace".to_owned()),
        Ok(Err(why)) => Err(why.to_string()),
        Err(panic) => Err(format!("it panicked: {panic}")),
    };
    let mut lines = vec!["not the same when done again".to_owned()];
    match (trace(), trace()) {
        (Ok(left), Ok(right)) => lines.extend(difference(&left, &right)),
        (left, right) => lines.extend(left.err().into_iter().chain(right.err())),
    }
    lines
}

fn difference(left: &Trace, right: &Trace) -> Vec<String> {
    match first_difference(left, right) {
        Some(found) => found.to_string().lines().map(str::to_owned).collect(),
        None => {
            vec!["two more runs with their traces recorded had the same events; what is made of them differs".into()]
        }
    }
}
