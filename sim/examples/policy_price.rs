//! What a policy in Rego costs a run, beside the native rules: the same seeds of a scenario under both, in turn, and how often the policy was
//! asked, and its module had to run. The answers that are remembered are those of the seeds before, too, as in a sweep.
//!
//! `cargo run --release -p swarm-sim --example policy_price -- FILE SEEDS`; `chaos-standard` and 20 unless given.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use swarm_scenarios::{Policy, Scenario};
use swarm_sim::policies;
use swarm_sim::world::{RunOptions, run};

fn main() {
    let mut args = std::env::args().skip(1);
    let shipped = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/chaos-standard.toml"));
    let file = args.next().map_or_else(shipped, PathBuf::from);
    let seeds: u64 = args.next().map_or(20, |seeds| seeds.parse().expect("SEEDS is a number"));
    let native = swarm_scenarios::load(&file).unwrap_or_else(|failure| panic!("{failure:?}"));
    let mut rego = native.clone();
    rego.protocol.policy = Policy::Rego;
    let took = |scenario: &Scenario, seed| {
        let began = Instant::now();
        let done = run(scenario, seed, RunOptions::default()).expect("it takes no input");
        assert_eq!(done.judgement.exit_code(), 0, "seed {seed} does not hold");
        began.elapsed()
    };
    let mut spent = [Duration::ZERO; 2];
    for seed in 0..seeds {
        for (at, scenario) in [&native, &rego].into_iter().enumerate() {
            spent[at] += took(scenario, seed);
        }
    }
    let swarm_policy::Counts { asked, evaluated } = policies::library().counts();
    let [native, rego] = spent.map(|spent| spent.as_millis());
    println!(
        "{seeds} seeds: native {native} ms, Rego {rego} ms, {}.{:02} times",
        rego / native,
        rego * 100 / native % 100
    );
    println!("asked {} times a seed, {} of them evaluated", asked / seeds, evaluated / seeds);
}
