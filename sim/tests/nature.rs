//! Nature at its worst, on small runs: what a crash may take, what a full disk may keep, and what a run says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use swarm_core::audit::replay;
use swarm_core::policy::{BaseRules, Only};
use swarm_reports::Outcome as Verdict;
use swarm_reports::history::{AlarmKind, Event};
use swarm_scenarios::load_text;
use swarm_sim::world::{Outcome, RunOptions, run};

const CLUSTER: &str = r#"
teaches = "A test."
[cluster]
requesters = 1
planners = 1
workers = 3
verifiers = 6
[workload]
needs = 2
recipe = "single"
every = "5s"
work = ["2s", "10s"]
[protocol]
lease = "60s"
heartbeat = "15s"
proposals = "10s"
bids = "10s"
verify = "2m"
challenge = "10m"
[phases]
fault = "3m"
heal = "30s"
settle = "12h"
[properties]
ends = ["closed", "failed"]
"#;

fn outcome(faults: &str, seed: u64, options: RunOptions<'_>) -> Outcome {
    let scenario = load_text(Path::new("nature.toml"), format!("{CLUSTER}{faults}")).unwrap();
    run(&scenario, seed, options).unwrap()
}

fn hits(outcome: &Outcome, mark: &str) -> u64 {
    outcome.report.sometimes.get(mark).copied().unwrap_or(0)
}

const CRASHES: &str = r#"
[[faults]]
kind = "crash"
who = "coordinator:random"
within = "10s"
at = ["1s", "90s"]
for = ["1s", "30s"]
[[faults]]
kind = "crash"
who = "agent:random"
within = "10s"
at = ["1s", "90s"]
for = ["1s", "30s"]
count = 4
"#;

/// T08: a crash at any byte of the log, whoever it hits. The logs are whole afterwards and replay to their end, and every
/// node's life is the same when it is lived again.
#[test]
fn t08_who_dies_comes_back_from_its_log() {
    let (mut lost, mut torn) = (0, 0);
    for seed in 0..4 {
        let outcome =
            outcome(CRASHES, seed, RunOptions { keep_audit: true, replay_all: true, ..RunOptions::default() });
        assert_eq!(outcome.report.verdict, Verdict::Held, "{:#?}", outcome.report.contradictions);
        assert_eq!(outcome.report.faults["crash"].injected, 5);
        assert!(hits(&outcome, "node-restarted") >= 2);
        for (no, log) in &outcome.audit {
            let replayed = replay(log.as_bytes(), Arc::new(Only(Arc::new(BaseRules::default()))));
            assert!(replayed.unwrap_or_else(|bad| panic!("node {no}: {bad}")).closed);
        }
        lost += hits(&outcome, "unsynced-lost");
        torn += hits(&outcome, "torn-tail");
    }
    assert!(lost > 0 && torn > 0, "{lost} {torn}");
}

#[test]
fn a_full_disk_stops_a_node_until_there_is_room() {
    let full = "[[faults]]\nkind = \"disk-full\"\nwho = \"worker:all\"\nat = \"20s\"\nfor = \"100s\"\n";
    let outcome = outcome(full, 1, RunOptions::default());
    // Where no worker can write down what it did, nothing becomes final that replicas could tell alike.
    assert!(!outcome.report.verdict.failed(), "{:#?}", outcome.report.contradictions);
    assert!(outcome.report.faults["disk-full"].bites > 0);
}

/// The same seed gives the same deaths, to the byte.
#[test]
fn a_run_with_crashes_is_reproducible() {
    let hash = |seed| outcome(CRASHES, seed, RunOptions::default()).report.trace_hash;
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn a_swap_of_quorums_decides_nothing_twice() {
    let swap = "[[faults]]\nkind = \"quorum-swap\"\nat = [\"2s\", \"30s\"]\nfor = [\"20s\", \"60s\"]\ncount = 2\n";
    for seed in 0..3 {
        let outcome = outcome(swap, seed, RunOptions::default());
        assert_eq!(outcome.report.verdict, Verdict::Held, "{:#?}", outcome.report.contradictions);
        assert!(outcome.report.faults["quorum-swap"].bites > 0 && hits(&outcome, "node-restarted") > 0);
    }
}

/// T50: what the bus acknowledged and forgot is published again by whoever holds the promise, and nothing is missing.
#[test]
fn t50_what_the_bus_forgot_is_published_again() {
    let loss = "[[faults]]\nkind = \"bus-acked-then-lost\"\nwithin = \"30s\"\nat = [\"5s\", \"100s\"]\nfor = \"1s\"\ncount = 3\n\
                [[faults]]\nkind = \"bus-leader-change\"\nat = [\"5s\", \"100s\"]\nfor = [\"1s\", \"20s\"]\ncount = 2\n";
    for seed in 0..3 {
        let outcome = outcome(loss, seed, RunOptions::default());
        assert_eq!(outcome.report.verdict, Verdict::Held, "{:#?}", outcome.report.contradictions);
        assert!(outcome.report.faults["bus-acked-then-lost"].bites > 0 && hits(&outcome, "bus-loss-noticed") > 0);
    }
}

/// T19: a worker that slept through its lease commits after another was granted; refused everywhere.
#[test]
fn t19_a_zombie_s_word_takes_no_effect() {
    let zombie = "[[faults]]\nkind = \"zombie-worker\"\nwho = \"worker:all\"\nat = \"20s\"\nfor = [\"90s\", \"2m\"]\ncount = 2\n";
    let mut spoke = 0;
    for seed in 0..4 {
        let outcome = outcome(zombie, seed, RunOptions::default());
        assert_eq!(outcome.report.verdict, Verdict::Held, "{:#?}", outcome.report.contradictions);
        spoke += hits(&outcome, "zombie-spoke");
    }
    assert!(spoke > 0);
}

/// Under this seed a message arrived in the very moment in which a process came back, before it ran.
#[test]
fn t08_what_arrives_before_a_process_runs_again_is_not_heard() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/crash-restart.toml");
    let scenario = swarm_scenarios::load(&path).unwrap();
    let outcome = run(&scenario, 10, RunOptions::default()).unwrap();
    assert_eq!(outcome.report.verdict, Verdict::Held);
    assert!(hits(&outcome, "node-restarted") > 1);
}

/// What several faults do to one party ends when the last of them does: the end of one never heals another.
#[test]
fn overlapping_faults_do_not_heal_each_other() {
    for kind in ["pause", "partition-isolate", "disk-full"] {
        let one = |at, lasts| {
            format!("[[faults]]\nkind = \"{kind}\"\nwho = \"coordinator:all\"\nat = \"{at}\"\nfor = \"{lasts}\"\n")
        };
        // One inside the other, and another that begins inside and ends last.
        let faults = format!("{}{}{}", one("2s", "60s"), one("10s", "20s"), one("50s", "50s"));
        let outcome = outcome(&faults, 1, RunOptions { keep_history: true, ..RunOptions::default() });
        assert_eq!(outcome.report.verdict, Verdict::Held, "{kind}: {:#?}", outcome.report.contradictions);
        let decided = outcome.history.iter().find(|record| matches!(record.event, Event::Decided { .. }));
        let at = decided.expect("a need is decided in the end").at;
        // The last of them ends then; until then nobody decides anything, and nothing else happens that would end it sooner.
        assert!(at >= 100_000_000_000, "{kind}: decided after {} s", at / 1_000_000_000);
    }
}

/// T50: nothing of what was acknowledged before the power went is missing, whoever held it.
#[test]
fn t50_what_was_acknowledged_before_the_power_went_is_there_afterwards() {
    let faults = "[[faults]]\nkind = \"power-loss\"\nwho = \"all\"\nwithin = \"30s\"\nat = [\"5s\", \"90s\"]\nfor = [\"1s\", \"20s\"]\ncount = 2\n";
    for register in ["embedded", "raft"] {
        let text =
            format!("{CLUSTER}{faults}").replace("[cluster]\n", &format!("[cluster]\nregister = \"{register}\"\n"));
        let scenario = load_text(Path::new("power.toml"), text).unwrap();
        let mut noticed = 0;
        for seed in 0..3 {
            let outcome = run(&scenario, seed, RunOptions::default()).unwrap();
            assert_eq!(
                outcome.report.verdict,
                Verdict::Held,
                "{register} {seed}: {:#?}",
                outcome.report.contradictions
            );
            let hosts = u64::from(scenario.shape().coordinators + scenario.shape().agents());
            assert!(outcome.report.faults["power-loss"].bites >= hosts, "{register}: not everybody died");
            assert!(hits(&outcome, "node-restarted") >= hosts, "{register} {seed}: not everybody came back");
            noticed += hits(&outcome, "bus-loss-noticed");
        }
        // Where nobody had said anything for half a minute, nothing was lost.
        assert!(noticed > 0, "{register}: nothing that was acknowledged was ever lost");
    }
}

/// T50: an acknowledgement that comes after word of the loss it fell into is no promise any more. The bus says both, a slow
/// network turns them round, and without a second look a voucher is gone that whoever follows the thread later will miss.
#[test]
fn t50_an_acknowledgement_that_comes_after_the_loss_is_none() {
    let faults = "[[faults]]\nkind = \"bus-acked-then-lost\"\nwithin = \"20s\"\nat = [\"4s\", \"24s\"]\nfor = \"1s\"\ncount = 6\n\
                  [[faults]]\nkind = \"reorder\"\nfrom = \"bus\"\nppm = 300_000\nextra = \"9s\"\nat = \"0s\"\nfor = \"90s\"\n";
    let text = format!("{CLUSTER}{faults}").replace("needs = 2", "needs = 6");
    let scenario = load_text(Path::new("late.toml"), text).unwrap();
    for seed in 0..3 {
        let outcome = run(&scenario, seed, RunOptions::default()).unwrap();
        assert_eq!(outcome.report.verdict, Verdict::Held, "seed {seed}: {:#?}", outcome.report.contradictions);
    }
}

/// T50: who was cut off hears of two losses as of one. What was kept between them is there, and a bus that says so now is believed:
/// it would be published again and again, for ever.
#[test]
fn t50_what_was_kept_between_two_losses_is_there() {
    let losses = "[[faults]]\nkind = \"partition-isolate\"\nwho = \"coordinator:1\"\nat = \"10s\"\nfor = \"60s\"\n\
                  [[faults]]\nkind = \"bus-acked-then-lost\"\nwithin = \"6s\"\nat = \"14s\"\nfor = \"1s\"\n\
                  [[faults]]\nkind = \"bus-acked-then-lost\"\nwithin = \"3s\"\nat = \"45s\"\nfor = \"1s\"\n\
                  [limits]\nmax_deliveries = 200_000\n";
    let text = format!("{CLUSTER}{losses}").replace("needs = 2", "needs = 8");
    let scenario = load_text(Path::new("between.toml"), text).unwrap();
    let mut lost = 0;
    for seed in 0..4 {
        let outcome = run(&scenario, seed, RunOptions::default()).unwrap();
        assert_eq!(outcome.report.verdict, Verdict::Held, "seed {seed}: {:#?}", outcome.report.contradictions);
        lost += outcome.report.faults["bus-acked-then-lost"].bites;
    }
    assert!(lost > 0);
}

/// T50: a coordinator loses its disk, and the bus what that one had said. Its successor heard it in time and has no reason to say
/// it once more; whoever follows a need later misses the voice unless those who heard it bring it.
#[test]
fn t50_what_nobody_else_can_say_again_is_published_by_those_who_heard_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/lost-voice.toml");
    let scenario = swarm_scenarios::load(&path).unwrap();
    let (mut again, mut lost) = (0, 0);
    for seed in 0..4 {
        let outcome = run(&scenario, seed, RunOptions::default()).unwrap();
        assert_eq!(outcome.report.verdict, Verdict::Held, "seed {seed}: {:#?}", outcome.report.contradictions);
        again += hits(&outcome, "heard-published-again");
        lost += outcome.report.faults["bus-acked-then-lost"].bites;
    }
    // What its author says again in time is left to it.
    assert!(again > 0 && again < lost / 4, "{again} of {lost}");
}

/// A verifier passes only what can be fetched, and brings what is missing: whatever a store forgets or mixes up, no later task waits
/// in vain for what is final.
#[test]
fn what_is_final_can_be_fetched() {
    for kind in ["store-lose", "store-two-winners"] {
        let fault = format!("[[faults]]\nkind = \"{kind}\"\nppm = 500_000\nat = \"0s\"\nfor = \"3m\"\n");
        let text = format!("{CLUSTER}{fault}").replace("\"single\"", "\"chain\"\ntasks = 3");
        let text = text.replace("[\"closed\", \"failed\"]", "[\"closed\"]");
        let scenario = load_text(Path::new("fetch.toml"), text).unwrap();
        for seed in 0..3 {
            let outcome = run(&scenario, seed, RunOptions::default()).unwrap();
            assert_eq!(outcome.report.verdict, Verdict::Held, "{kind} {seed}: {:#?}", outcome.report.contradictions);
            assert!(outcome.report.faults[kind].bites > 0, "{kind} {seed}");
        }
    }
}

/// T71: a coordinator that lost its disk comes back as another, whatever keeps the register; twice, so that one newcomer
/// helps to seat the next. Its log, and everybody's, replays to its end.
#[test]
fn t71_who_lost_its_disk_comes_back_as_another() {
    let wipes = "[[faults]]\nkind = \"wipe-rejoin\"\nwho = \"coordinator:0\"\nat = [\"5s\", \"40s\"]\nfor = [\"1ms\", \"20s\"]\n\
                 [[faults]]\nkind = \"wipe-rejoin\"\nwho = \"coordinator:1\"\nat = [\"70s\", \"90s\"]\nfor = [\"1ms\", \"20s\"]\n";
    for register in ["embedded", "raft", "etcd"] {
        for seed in 0..2 {
            let cluster = format!("[cluster]\nregister = \"{register}\"\ncoordinators = 3\n");
            let text = format!("{CLUSTER}{wipes}").replace("[cluster]\n", &cluster);
            let scenario = load_text(Path::new("wipes.toml"), text).unwrap();
            let outcome =
                run(&scenario, seed, RunOptions { keep_audit: true, replay_all: true, ..RunOptions::default() })
                    .unwrap();
            assert_eq!(outcome.report.verdict, Verdict::Held, "{register}: {:#?}", outcome.report.contradictions);
            assert_eq!(outcome.report.faults["wipe-rejoin"].bites, 2, "{register}");
            assert!(hits(&outcome, "member-replaced") > 0, "{register}");
            let newcomers = outcome.audit.iter().filter(|(name, _)| name.contains("-host-")).count();
            assert_eq!((newcomers, outcome.audit.iter().any(|(name, _)| name == "coordinator-0")), (2, false));
            for (name, log) in &outcome.audit {
                let replayed = replay(log.as_bytes(), Arc::new(Only(Arc::new(BaseRules::default()))));
                assert!(replayed.unwrap_or_else(|bad| panic!("{name}: {bad}")).closed);
            }
        }
    }
}

/// T78: a coordinator that rebuilds from a log that ends early opens no epoch that it, or anyone, opened otherwise before. What
/// a crash cut off is handed over again as it was; and where the register itself has forgotten, nobody decides any more.
#[test]
fn t78_who_rebuilds_from_logs_that_end_early_reuses_no_epoch() {
    let restore =
        "[[faults]]\nkind = \"etcd-restore\"\nat = [\"20s\", \"60s\"]\nfor = \"1s\"\nwithin = [\"5s\", \"20s\"]\n";
    let etcd = CLUSTER.replace("[cluster]\n", "[cluster]\nregister = \"etcd\"\n");
    let forgetful = etcd.replace("[properties]\n", "[properties]\ncheck = [\"P1\"]\ndata_loss = true\n");
    let (mut cut, mut alarms) = (0, 0);
    for text in [format!("{CLUSTER}{CRASHES}"), format!("{forgetful}{restore}")] {
        let scenario = load_text(Path::new("early.toml"), text).unwrap();
        for seed in 0..4 {
            let outcome = run(&scenario, seed, RunOptions { keep_history: true, ..RunOptions::default() }).unwrap();
            cut += hits(&outcome, "unsynced-lost");
            let (mut opened, mut stopped) = (BTreeMap::new(), BTreeSet::new());
            for record in &outcome.history {
                match &record.event {
                    Event::Voters { epoch, need, snapshot, voters } => {
                        let what = (*snapshot, voters.to_vec());
                        let first = opened.entry((*need, *epoch)).or_insert_with(|| what.clone());
                        assert_eq!(*first, what, "{need} has two epochs {epoch}");
                    }
                    Event::Alarm { kind: AlarmKind::DataLoss, .. } => {
                        alarms += u32::from(stopped.insert(record.node));
                    }
                    Event::Applied { .. } => assert!(!stopped.contains(&record.node), "{} goes on", record.node),
                    _ => {}
                }
            }
            assert!(!opened.is_empty());
        }
    }
    assert!(cut > 0 && alarms > 0, "{cut} {alarms}");
}

/// What the bus does on its best day is no bite of a fault, and what several faults of one kind do together counts once.
#[test]
fn a_bite_is_counted_once_and_only_if_a_fault_made_the_difference() {
    let bus = "\n[bus]\nredeliver_ppm = 50000\n";
    let fault = |ppm: u32| format!("[[faults]]\nkind = \"bus-redeliver\"\nat = \"1s\"\nfor = \"2m\"\nppm = {ppm}\n");
    let bites = |faults: &str| outcome(&format!("{bus}{faults}"), 1, RunOptions::default()).report;
    let none = bites(&fault(1));
    assert_eq!(none.faults["bus-redeliver"].bites, 0, "one in a million adds nothing to one in twenty");
    assert_eq!(none.trace_hash, bites("").trace_hash, "the run is the same without it");
    let one = bites(&fault(200_000));
    let many = bites(&(fault(200_000) + &fault(1) + &fault(1)));
    assert!(one.faults["bus-redeliver"].bites > 0);
    assert_eq!(one.faults["bus-redeliver"].bites, many.faults["bus-redeliver"].bites);
}

/// T18: more needs are open than stand in one piece of a base, in fact in four, when a majority of disks is lost. The register is
/// founded anew on all of them, and each comes to its end.
#[test]
fn t18_a_register_of_hundreds_of_open_needs_is_founded_anew() {
    let text = r#"
teaches = "A test."
[cluster]
register = "raft"
coordinators = 3
requesters = 2
planners = 1
workers = 6
verifiers = 5
entry_batch = "500ms"
[workload]
needs = 260
recipe = "single"
budget = 100
every = "100ms"
work = "2s"
[protocol]
lease = "60s"
heartbeat = "15s"
proposals = "60s"
bids = "10s"
verify = "2m"
challenge = "10m"
[[faults]]
kind = "majority-lost"
at = "45s"
for = "1s"
[phases]
fault = "2m"
heal = "30s"
settle = "12h"
[properties]
ends = ["closed", "failed"]
sometimes = ["register-founded-anew"]
"#;
    let scenario = load_text(Path::new("many.toml"), text.to_owned()).unwrap();
    let options = RunOptions { keep_audit: true, ..RunOptions::default() };
    let outcome = run(&scenario, 1, options).unwrap();
    assert_eq!(outcome.report.verdict, Verdict::Held, "{:#?}", outcome.report.contradictions);
    assert_eq!(hits(&outcome, "register-founded-anew"), 1);
    let agent = |name: &String| name.starts_with("requester");
    let (name, log) = outcome.audit.iter().find(|(name, _)| agent(name)).expect("each has one");
    let replayed = replay(log.as_bytes(), Arc::new(Only(Arc::new(BaseRules::default()))))
        .unwrap_or_else(|bad| panic!("{name}: {bad}"));
    let bases = replayed.node.bases();
    assert!(bases.len() == 1 && bases[0].heads.len() > 257, "{:?}", bases.iter().map(|base| base.heads.len()));
}
