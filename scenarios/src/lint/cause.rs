//! Whether what must happen can happen: a mark, or an end of a need, that nothing in the scenario brings about.

use super::Notes;
use crate::finding::Code;
use crate::marks::MARKS;
use crate::scenario::{NeedEnd, Register, Role, Scenario, Strategy};
use crate::workload::Recipe;
use swarm_nemeses::Kind;

/// Faults that make clocks jump.
const JUMPS: [Kind; 2] = [Kind::Skew, Kind::ClockJump];

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    let properties = &scenario.properties;
    if let Some(at) = properties.ends.iter().position(|end| *end == NeedEnd::Cancelled)
        && scenario.workload.cancel_bp == 0
        && !scenario.lies().any(|there| there == Strategy::ReadAndCancel)
    {
        let what = "no need is ever cancelled";
        let mend = "write `cancel_bp = 2_000` in `[workload]`, or take `cancelled` out";
        notes.warning(&format!("properties.ends.{at}"), Code::NoEffect, what, mend);
    }
    let loses = |kind: Kind| kind == Kind::EtcdRestore;
    if properties.data_loss && !met(scenario).any(loses) {
        let what = "nothing here loses what was acknowledged: the alarm that every run owes will be missing";
        let mend = "add a fault `etcd-restore`, or take `data_loss` out";
        notes.warning("properties.data_loss", Code::NoEffect, what, mend);
    }
    for (at, mark) in properties.sometimes.iter().enumerate() {
        if let Some(missing) = missing(scenario, mark).filter(|_| MARKS.iter().any(|known| known.name == mark)) {
            let what = format!("nothing in this scenario can bring `{mark}` about");
            notes.warning(&format!("properties.sometimes.{at}"), Code::NoEffect, what, format!("add {missing}"));
        }
    }
}

/// Every kind of fault that the file names or lets each seed draw.
fn met(scenario: &Scenario) -> impl Iterator<Item = Kind> + '_ {
    let drawn = if scenario.chaos.budget.max > 0 { &scenario.chaos.kinds[..] } else { &[] };
    scenario.faults.iter().map(|fault| fault.kind).chain(drawn.iter().copied())
}

/// What would have to be added for liars of this kind to have something to lie about; none if they have it.
pub(super) fn of_lie(scenario: &Scenario, strategy: Strategy) -> Option<&'static str> {
    let brief = scenario.workload.recipe == Recipe::Brief && scenario.workload.needs_file.is_none();
    let friend = scenario.lies().any(|lie| lie.role() == Role::Worker);
    let (there, missing) = match strategy {
        Strategy::Contradictor | Strategy::FalseCiter | Strategy::SchemaBreaker => {
            (brief, "`recipe = \"brief\"` in `[workload]`")
        }
        Strategy::Colluder | Strategy::FrontRunner | Strategy::Shielder => {
            (friend, "workers that lie, as with `strategy = \"wrong-result\"`")
        }
        _ => return None,
    };
    (!there).then_some(missing)
}

/// What would have to be added for `mark` to be hit; none if it can be, or if the protocol brings it about by itself.
fn missing(scenario: &Scenario, mark: &str) -> Option<&'static str> {
    let workload = &scenario.workload;
    let drawn = if scenario.chaos.budget.max > 0 { &scenario.chaos.kinds[..] } else { &[] };
    let kind = |begin: &str| met(scenario).any(|kind| kind.name().starts_with(begin));
    let has = |kinds: &[Kind]| met(scenario).any(|kind| kinds.contains(&kind));
    let lies = |strategy| scenario.lies().any(|there| there == strategy);
    let (there, missing) = match mark {
        "agent-joined" => (!workload.joiners.is_empty(), "a `[[workload.joiner]]`"),
        "agent-left" => (!workload.leavers.is_empty(), "a `[[workload.leaver]]`"),
        "clock-jumped" => (
            scenario.faults.iter().any(|f| f.offset.is_some()) || drawn.iter().any(|k| JUMPS.contains(k)),
            "a fault `clock-jump`, or `skew` with an `offset`",
        ),
        "bus-loss-noticed" | "heard-published-again" => {
            (has(&[Kind::BusAckedThenLost, Kind::PowerLoss]), "a fault `bus-acked-then-lost`")
        }
        "corrupt-read-refused" => (has(&[Kind::StoreCorrupt, Kind::StoreTwoWinners]), "a fault `store-corrupt`"),
        "damaged-delivery-refused" => (has(&[Kind::BusBitFlip]), "a fault `bus-bit-flip`"),
        "damaged-history-refused" => (has(&[Kind::SnapshotDamage]), "a fault `snapshot-damage`"),
        "node-restarted" | "torn-tail" | "unsynced-lost" | "register-log-cut" | "register-log-torn" => {
            (has(&[Kind::Crash, Kind::QuorumSwap, Kind::PowerLoss]), "a fault such as `crash`")
        }
        "group-slept" | "leader-changed" | "log-folded" | "snapshot-installed" => {
            (scenario.cluster.register == Register::Raft, "`register = \"raft\"` in `[cluster]`")
        }
        "member-replaced" => (has(&[Kind::WipeRejoin]), "a fault `wipe-rejoin`"),
        "member-retired" => (has(&[Kind::RegisterSplit]), "a fault `register-split`"),
        "register-restored" | "void-entry-refused" => (has(&[Kind::RegisterLost]), "a fault `register-lost`"),
        "register-founded-anew" | "belief-voided" => {
            (has(&[Kind::MajorityLost, Kind::RegisterSplit]), "a fault `register-split`")
        }
        "write-found-later" => (scenario.cluster.register == Register::Etcd, "`register = \"etcd\"` in `[cluster]`"),
        "zombie-spoke" => (has(&[Kind::ZombieWorker]), "a fault `zombie-worker`"),
        // An acknowledgement that is lost or late brings the message again.
        "message-redelivered" => (
            scenario.bus.redeliver_ppm > 0
                || scenario.network.loss_ppm > 0
                || scenario.network.duplicate_ppm > 0
                || met(scenario).next().is_some(),
            "`redeliver_ppm` in `[bus]`, `loss_ppm` in `[network]`, or a fault such as `bus-redeliver`",
        ),
        "challenge-escalated" => {
            (lies(Strategy::Contradictor), "adversaries with `strategy = \"contradictor\"`, and `recipe = \"brief\"`")
        }
        "arbiters-ruled" => (
            scenario.cluster.arbiters > 0 && lies(Strategy::Contradictor),
            "`arbiters` in `[cluster]`, contradictors among `[[adversaries]]`, and `recipe = \"brief\"`",
        ),
        "adversary-lied" | "challenge-dismissed" | "challenge-unruled" | "challenge-upheld" | "result-challenged" => {
            (!scenario.adversaries.is_empty(), "`[[adversaries]]`")
        }
        lied if lied.starts_with("lied-") => {
            (scenario.lies().any(|strategy| strategy.mark() == lied), "such `[[adversaries]]`")
        }
        decoy if decoy.starts_with("decoy-") || decoy == "need-was-decoy" => {
            (workload.decoys_bp > 0, "`decoys_bp` in `[workload]`, and `recipe = \"single\"`")
        }
        "need-cancelled" => (workload.cancel_bp > 0 || lies(Strategy::ReadAndCancel), "`cancel_bp` in `[workload]`"),
        "partition-healed" => (kind("partition-"), "a fault such as `partition-halves`"),
        "task-refused" => (workload.refuse_bp > 0, "`refuse_bp` in `[workload]`"),
        "task-yielded" => (workload.yield_bp > 0 || lies(Strategy::LowballYielder), "`yield_bp` in `[workload]`"),
        _ => return None,
    };
    (!there).then_some(missing)
}
