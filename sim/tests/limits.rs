//! What a scenario may say and what the protocol takes are written in two places, because the lint knows no core. They must be
//! one: a scenario that the lint lets through and the deployment refuses wastes an hour, the other way round a limit is a lie.

use std::path::Path;

use swarm_core::config::{Local, Params, WINDOW_BOUNDS_MS};
use swarm_core::wire::bounds::{K_MAX, K_PLAN_MAX};
use swarm_ports::recipes::{CHAIN_MAX, WIDTH_MAX};
use swarm_scenarios::{PARTS_MAX, Scenario, load_text};

/// Whether the lint lets `key = value` in `[section]` pass where it stands.
fn passes(section: &str, key: &str, value: &str) -> bool {
    let text = format!("teaches = \"t\"\n[{section}]\n{key} = {value}\n");
    let errors = load_text(Path::new("x.toml"), text).err().map(|failure| failure.report.errors).unwrap_or_default();
    !errors.iter().any(|error| error.line == 3 && error.code.name() == "out-of-range")
}

#[test]
fn the_lint_s_limits_are_the_protocol_s() {
    let params = Params::default();
    let (least, most) = WINDOW_BOUNDS_MS;
    let above = |section, key, max: u64| {
        assert!(passes(section, key, &max.to_string()), "{section}.{key} = {max}");
        assert!(!passes(section, key, &(max + 1).to_string()), "{section}.{key} = {max} + 1");
    };
    let below = |section, key, min: u64| {
        assert!(passes(section, key, &min.to_string()), "{section}.{key} = {min}");
        assert!(!passes(section, key, &(min - 1).to_string()), "{section}.{key} = {min} - 1");
    };
    above("protocol", "k_plan", K_PLAN_MAX.into());
    above("protocol", "k_result", K_MAX.into());
    above("workload", "tasks", CHAIN_MAX.min(WIDTH_MAX).into());
    below("cluster", "stake", params.stake_min.0);
    let ms = |n: u32| format!("\"{n}ms\"");
    for (window, least) in [
        ("proposals", least),
        ("bids", least),
        ("decision", params.decision_min_ms),
        ("lease", params.lease_min_ms),
        ("verify", params.verify_min_ms),
        ("challenge", params.challenge_min_ms),
    ] {
        assert!(passes("protocol", window, &ms(least)) && !passes("protocol", window, &ms(least - 1)), "{window}");
        assert!(passes("protocol", window, &ms(most)) && !passes("protocol", window, &ms(most + 1)), "{window}");
    }
    assert_eq!(PARTS_MAX, WIDTH_MAX);
}

#[test]
fn what_a_scenario_leaves_out_is_the_protocol_s_default() {
    let scenario: Scenario = load_text(Path::new("x.toml"), "teaches = \"t\"\n").unwrap();
    let (params, local) = (Params::default(), Local::default());
    assert_eq!(scenario.cluster.fold_entries, local.raft_fold_entries);
    assert_eq!(scenario.cluster.entry_batch.0, u64::from(local.entry_batch_ms) * 1_000_000);
    assert_eq!(scenario.protocol.alpha_bp, params.alpha_bp);
    let pool = |verifiers: u32| {
        let text = format!("teaches = \"t\"\n[cluster]\nverifiers = {verifiers}\nbootstrap = false\n");
        let errors = load_text(Path::new("x.toml"), text).err().map(|f| f.report.errors).unwrap_or_default();
        errors.iter().any(|error| error.code.name() == "still-bootstrap")
    };
    assert!(pool(params.bootstrap_active_min - 1) && !pool(params.bootstrap_active_min));
}
