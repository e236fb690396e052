//! Whether each fault aims at somebody, bites, and is over when the fault phase is.

use super::Notes;
use super::tolerance::coordinators_down;
use crate::fault::{FaultSection, keys};
use crate::finding::Code;
use crate::scenario::{Register, Scenario};
use crate::value::{Lasting, Nanos};
use swarm_nemeses::{Between, Kind, Nemesis, PPM, Pick, Role, Shape, Target, Traffic};

/// The most occurrences of one nemesis, and the most nemeses of one scenario.
const COUNT_MAX: u64 = 100;
/// Clocks may not stop, nor run at more than half again their rate.
const SKEW_PPM_MAX: i32 = 500_000;

/// Judges every fault and gives those that can be made.
pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) -> Vec<Nemesis> {
    let shape = scenario.shape();
    let mut nemeses = Vec::new();
    if scenario.faults.len() as u64 > COUNT_MAX {
        let what = format!("{} faults", scenario.faults.len());
        notes.error("faults", Code::OutOfRange, what, format!("write at most {COUNT_MAX}"));
    }
    for (index, fault) in scenario.faults.iter().enumerate() {
        let path = format!("faults.{index}");
        form(fault, &path, notes);
        register(fault, &path, scenario, notes);
        targets(fault, &path, &shape, notes);
        numbers(fault, &path, notes);
        amounts(fault, &path, notes);
        links(fault, &path, scenario, notes);
        time(fault, &path, scenario, notes);
        teeth(fault, &path, scenario, notes);
        match fault.nemesis() {
            Ok(nemesis) => nemeses.push(nemesis),
            Err(missing) => {
                for key in missing {
                    let or = match (fault.kind, key) {
                        (Kind::Skew, "offset") => " or `drift_ppm`",
                        (Kind::SlowVerifier, "factor") => " or `extra`",
                        _ => "",
                    };
                    let what = format!("`{}` needs `{key}`{or}", fault.kind);
                    let mend = format!("add `{key} = {}`", example(key));
                    notes.error(&format!("{path}.{key}"), Code::MissingKey, what, mend);
                }
            }
        }
    }
    silent_for_good(scenario, notes);
    nemeses
}

pub(crate) const fn example(key: &str) -> &'static str {
    match key.as_bytes() {
        b"ppm" | b"drift_ppm" => "50000",
        b"traffic" => "\"ack\"",
        b"within" => "\"5s\"",
        b"extra" => "[\"10ms\", \"200ms\"]",
        b"offset" => "\"5s\"",
        b"factor" => "4",
        _ => "\"worker:random\"",
    }
}

/// Keys that its kind does not take.
fn form(fault: &FaultSection, path: &str, notes: &mut Notes<'_>) {
    for key in fault.present().filter(|key| !fault.takes(key)) {
        let what = format!("`{}` takes no `{key}`", fault.kind);
        let own: Vec<_> = keys(fault.kind).iter().map(|key| format!("`{key}`")).collect();
        let mend = if own.is_empty() {
            "it takes only `at`, `for` and `count`".to_owned()
        } else {
            format!("besides `at`, `for` and `count` it takes {}", own.join(", "))
        };
        notes.error(&format!("{path}.{key}"), Code::MisplacedKey, what, mend);
    }
}

/// Faults of a register that the scenario does not have.
fn register(fault: &FaultSection, path: &str, scenario: &Scenario, notes: &mut Notes<'_>) {
    let register = scenario.cluster.register;
    if let Some(wanted) = scenario.wants_register(fault.kind) {
        let what = format!("`{}` cannot bite: the register is `{}`", fault.kind, register.name());
        let mend = format!("write `register = \"{}\"` in `[cluster]`", wanted.name());
        notes.error(&format!("{path}.kind"), Code::NoEffect, what, mend);
    }
    if fault.kind == Kind::RegisterLost && scenario.faults.iter().any(|other| other.kind == Kind::WipeRejoin) {
        let what = "a disk that is gone may have held what no other remembers";
        let mend = "take `wipe-rejoin` out, or show it in a scenario of its own";
        notes.error(&format!("{path}.kind"), Code::TooManyDown, what, mend);
    }
    let n = scenario.cluster.coordinators;
    if fault.kind == Kind::WipeRejoin && coordinators_down(fault, scenario) > scenario.cluster.minority() {
        let what =
            format!("what a majority of the {n} coordinators remembered would be gone, and nothing can restore it");
        let mend = format!("wipe {} or fewer at once; others when these have come back", scenario.cluster.minority());
        notes.error(&format!("{path}.kind"), Code::TooManyDown, what, mend);
    }
    let others = scenario.faults.iter().filter(|other| {
        let seats = matches!(other.kind, Kind::RegisterLost | Kind::WipeRejoin);
        seats || other.kind.founds_anew() && !core::ptr::eq(*other, fault)
    });
    if fault.kind.founds_anew() && (fault.count.max > 1 || others.count() > 0) {
        let what = "a register is founded anew once in a run, and on what all its seats' first holders left";
        let mend = "take the other faults that touch seats out, or show them in scenarios of their own";
        notes.error(&format!("{path}.kind"), Code::TooManyDown, what, mend);
    }
    if fault.kind.founds_anew() && n < 3 {
        let what = "who holds less than a majority here holds nothing";
        notes.error(&format!("{path}.kind"), Code::NobodyLeft, what, "write `coordinators = 3` or more");
    }
    if fault.kind == Kind::EtcdRestore && !scenario.properties.data_loss {
        let what = "a restored etcd has lost what was acknowledged, and the run ends with that alarm";
        let mend = "write `data_loss = true` in `[properties]` if that is what the scenario shows";
        notes.warning(&format!("{path}.kind"), Code::MissingKey, what, mend);
    }
}

/// A clock that jumps ahead by less, or back, changes nothing.
const FELT_NS: i64 = 1_000_000;

fn targets(fault: &FaultSection, path: &str, shape: &Shape, notes: &mut Notes<'_>) {
    for (key, target) in [("who", fault.who), ("from", fault.from), ("to", fault.to)] {
        let Some(target) = target else { continue };
        let path = format!("{path}.{key}");
        if let Err(error) = target.check(shape) {
            notes.error(&path, Code::NoSuchTarget, error.to_string(), "count from 0, or use `random`");
        }
        if key != "who" {
            continue;
        }
        if let Some(role) = fault.role() {
            let right = matches!(target, Target::Of(of, _) if of == role);
            if !right {
                let what = format!("`{}` cannot hit `{target}`", fault.kind);
                let mend = format!("aim at `{0}:random`, `{0}:all` or `{0}:0`", role.name());
                notes.error(&path, Code::BadTarget, what, mend);
            }
        }
        let has_clock = !matches!(target, Target::Bus | Target::Register | Target::Store);
        let of_clocks = matches!(fault.kind, Kind::Skew | Kind::ClockJump | Kind::ClockFreeze | Kind::ClockDrift);
        if of_clocks && !has_clock {
            let what = format!("`{target}` decides nothing by its clock");
            notes.error(&path, Code::BadTarget, what, "aim at coordinators or agents");
        }
        let of_hosts = matches!(
            fault.kind,
            Kind::Pause | Kind::Crash | Kind::PowerLoss | Kind::DiskFull | Kind::DiskSlow | Kind::StaleWriter
        );
        if of_hosts && !has_clock {
            let what = format!("`{target}` is no host of a node");
            let mend = "aim at coordinators or agents; services have faults of their own, such as `bus-leader-change`";
            notes.error(&path, Code::BadTarget, what, mend);
        }
        if fault.kind == Kind::PartitionIsolate && target == Target::All {
            let what = "isolating everyone from nobody cuts nothing";
            notes.error(&path, Code::BadTarget, what, "aim at some, or use `partition-halves`");
        }
    }
}

fn numbers(fault: &FaultSection, path: &str, notes: &mut Notes<'_>) {
    if fault.count.min == 0 && fault.count.max == 0 {
        let what = "a fault that occurs no times";
        notes.error(&format!("{path}.count"), Code::Vacuous, what, "write at least 1, or take it out");
    }
    notes.within(&format!("{path}.count"), fault.count.max.into(), 0, COUNT_MAX);
    if let Some(ppm) = fault.ppm {
        let path = format!("{path}.ppm");
        if ppm.max == 0 {
            notes.error(&path, Code::Vacuous, "a fault that hits nothing", "write at least 1");
        }
        notes.within(&path, ppm.max.into(), 0, PPM.into());
    }
    if let Some(factor) = fault.factor {
        notes.within(&format!("{path}.factor"), factor.min.into(), 1, 1_000);
        notes.within(&format!("{path}.factor"), factor.max.into(), 1, 1_000);
    }
    if let Some(drift) = fault.drift_ppm
        && (drift.min < -SKEW_PPM_MAX || drift.max > SKEW_PPM_MAX)
    {
        let mend = format!("write numbers from -{SKEW_PPM_MAX} to {SKEW_PPM_MAX}");
        notes.error(&format!("{path}.drift_ppm"), Code::OutOfRange, "such a clock is broken", mend);
    }
    if let Some(extra) = fault.extra
        && extra.max > Nanos::hours(1)
    {
        let what = format!("{} added", extra.max);
        notes.error(&format!("{path}.extra"), Code::OutOfRange, what, "write at most \"1h\"");
    }
}

/// Whether the amounts it goes by are more than nothing.
fn amounts(fault: &FaultSection, path: &str, notes: &mut Notes<'_>) {
    let none = |range: Option<Between<Nanos>>| range.is_none_or(|range| range.max == Nanos(0));
    let (key, what) = match fault.kind {
        Kind::Skew | Kind::ClockJump | Kind::ClockDrift => {
            let stays = fault.offset.is_none_or(|offset| offset.max.0 < FELT_NS);
            let true_rate = fault.drift_ppm.is_none_or(|drift| (drift.min, drift.max) == (0, 0));
            let key = if fault.offset.is_some() { "offset" } else { "drift_ppm" };
            let what = "a clock that neither jumps ahead nor runs wrong: what runs a node never goes back, and a wall clock decides nothing";
            (Some(key).filter(|_| stays && true_rate), what)
        }
        Kind::SlowVerifier => {
            let no_slower = fault.factor.is_none_or(|factor| factor.max <= 1) && none(fault.extra);
            let key = if fault.extra.is_some() { "extra" } else { "factor" };
            (Some(key).filter(|_| no_slower), "a verifier that is as fast as ever")
        }
        Kind::Delay | Kind::Reorder | Kind::DiskSlow | Kind::BusLate | Kind::StoreSlow | Kind::EtcdSlow => {
            (Some("extra").filter(|_| none(fault.extra)), "nothing is added")
        }
        Kind::BusAckedThenLost | Kind::EtcdRestore => {
            (Some("within").filter(|_| none(fault.within)), "nothing is young enough to be forgotten")
        }
        _ => return,
    };
    // A key that is missing is told of elsewhere.
    if let Some(key) = key.filter(|key| fault.present().any(|there| there == *key)) {
        notes.error(&format!("{path}.{key}"), Code::Vacuous, what, "write more than nothing, or take the fault out");
    }
}

/// Whether anything ever travels over the links it hits.
fn links(fault: &FaultSection, path: &str, scenario: &Scenario, notes: &mut Notes<'_>) {
    if !fault.takes("from") {
        return;
    }
    let (from, to) = (fault.from.unwrap_or(Target::All), fault.to.unwrap_or(Target::All));
    let is_service = |target| matches!(target, Target::Bus | Target::Register | Target::Store);
    let may_coordinate = |target| matches!(target, Target::All | Target::Of(Role::Coordinator, _));
    // Agents speak through the bus; only members of Raft groups speak to each other.
    let raft = scenario.cluster.register == Register::Raft && may_coordinate(from) && may_coordinate(to);
    let reaches_all = from == Target::All || to == Target::All;
    let (what, mend) = match (is_service(from), is_service(to)) {
        _ if reaches_all => return,
        (true, true) => ("services do not speak to each other".to_owned(), "name agents or coordinators on one side"),
        (false, false) if from == to && matches!(from, Target::Of(_, Pick::Index(_))) => {
            (format!("`{from}` says nothing to itself"), "name another on one side")
        }
        (false, false) if !raft => {
            let what = format!("`{from}` says nothing to `{to}`: everything goes through a service");
            (what, "name `bus`, `store` or `register` on one side")
        }
        _ => return,
    };
    let key = if fault.to.is_some() { "to" } else { "from" };
    notes.warning(&format!("{path}.{key}"), Code::NoEffect, what, mend);
}

/// Whether it can do anything at all here.
fn teeth(fault: &FaultSection, path: &str, scenario: &Scenario, notes: &mut Notes<'_>) {
    if fault.traffic == Some(Traffic::Raft) && scenario.cluster.register != Register::Raft {
        let what = format!("`raft` cannot bite the register `{}`: nobody says it", scenario.cluster.register.name());
        notes.warning(&format!("{path}.traffic"), Code::NoEffect, what, "filter `submit` or `entry`");
    }
    let among_several = matches!(fault.kind, Kind::PartitionMajoritiesRing | Kind::PartitionBridge | Kind::QuorumSwap);
    if among_several && scenario.cluster.coordinators < 3 {
        let what = format!("`{}` cannot bite a single coordinator", fault.kind);
        notes.warning(&format!("{path}.kind"), Code::NoEffect, what, "write `coordinators = 3` or more");
    }
    if fault.kind == Kind::WipeRejoin && scenario.cluster.coordinators < 3 {
        let what = "the only coordinator's disk is the register: nobody is left to take a mandate";
        notes.error(&format!("{path}.kind"), Code::NobodyLeft, what, "write `coordinators = 3` or more");
    }
    let lease = scenario.protocol.lease;
    if fault.kind == Kind::ZombieWorker
        && let Lasting::For(range) = fault.lasts
        && range.max <= lease
    {
        let what = format!("a worker that sleeps at most {} wakes within its lease of {lease}", range.max);
        let mend = "make it longer than `lease` of `[protocol]`, or shorten that";
        notes.warning(&format!("{path}.for"), Code::NoEffect, what, mend);
    }
}

/// A fault must lie within the fault phase; only silence and slowness may outlive it.
fn time(fault: &FaultSection, path: &str, scenario: &Scenario, notes: &mut Notes<'_>) {
    let phase = scenario.phases.fault;
    let mend = format!("begin and end it within `fault = \"{phase}\"` of `[phases]`, or lengthen that");
    match fault.lasts {
        Lasting::Forever => {
            if !matches!(fault.kind, Kind::SilentWorker | Kind::SlowVerifier) {
                let what = format!("`{}` must end, or nothing could heal", fault.kind);
                let mend = "write a duration; only `silent-worker` and `slow-verifier` may last forever";
                notes.error(&format!("{path}.for"), Code::FaultAfterEnd, what, mend);
            }
            if fault.at.max >= phase {
                let what = format!("it may begin after {}, when the fault phase is over", fault.at.max);
                notes.error(&format!("{path}.at"), Code::FaultAfterEnd, what, mend);
            }
        }
        Lasting::For(Between { max: Nanos(0), .. }) => {
            let what = "a fault of no length hits nothing";
            notes.error(&format!("{path}.for"), Code::Vacuous, what, "write a longer duration");
        }
        Lasting::For(range) => {
            let end = Nanos(fault.at.max.0 + range.max.0);
            if end > phase {
                let what = format!("the fault may last until {end}, the fault phase ends after {phase}");
                // Where the begin alone is too late, that is the key to change.
                let key = if fault.at.max >= phase { "at" } else { "for" };
                notes.error(&format!("{path}.{key}"), Code::FaultAfterEnd, what, mend);
            }
        }
    }
}

/// Workers that fall silent for good must leave somebody to do the work.
fn silent_for_good(scenario: &Scenario, notes: &mut Notes<'_>) {
    let workers = scenario.shape().span(Role::Worker).1;
    let mut silent = 0u32;
    for (index, fault) in scenario.faults.iter().enumerate() {
        if fault.kind != Kind::SilentWorker || fault.lasts != Lasting::Forever {
            continue;
        }
        let once = fault.who == Some(Target::Of(Role::Worker, Pick::All));
        silent = silent.saturating_add(if once { workers } else { fault.hits_max(workers) });
        if silent >= workers {
            let what = format!("all {workers} workers may fall silent for good");
            let mend = "add workers, or give the silence an end";
            notes.error(&format!("faults.{index}.who"), Code::NobodyLeft, what, mend);
            return;
        }
    }
}
