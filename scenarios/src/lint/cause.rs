//! Whether what must happen can happen: a mark, or an end of a need, that nothing in the scenario brings about.

use super::Notes;
use crate::finding::Code;
use crate::scenario::{NeedEnd, Scenario};

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    let properties = &scenario.properties;
    if let Some(at) = properties.ends.iter().position(|end| *end == NeedEnd::Cancelled)
        && scenario.workload.cancel_bp == 0
    {
        let what = "no need is ever cancelled";
        let mend = "write `cancel_bp = 2_000` in `[workload]`, or take `cancelled` out";
        notes.warning(&format!("properties.ends.{at}"), Code::NoEffect, what, mend);
    }
    for (at, mark) in properties.sometimes.iter().enumerate() {
        if let Some(missing) = missing(scenario, mark) {
            let what = format!("nothing in this scenario can bring `{mark}` about");
            notes.warning(&format!("properties.sometimes.{at}"), Code::NoEffect, what, format!("add {missing}"));
        }
    }
}

/// What would have to be added for `mark` to be hit; none if it can be, or if the protocol brings it about by itself.
fn missing(scenario: &Scenario, mark: &str) -> Option<&'static str> {
    let workload = &scenario.workload;
    let kind = |begin: &str| scenario.faults.iter().any(|fault| fault.kind.name().starts_with(begin));
    let (there, missing) = match mark {
        "agent-joined" => (!workload.joiners.is_empty(), "a `[[workload.joiner]]`"),
        "agent-left" => (!workload.leavers.is_empty(), "a `[[workload.leaver]]`"),
        "clock-jumped" => (scenario.faults.iter().any(|f| f.offset.is_some()), "a fault `skew` with an `offset`"),
        // An acknowledgement that is lost or late brings the message again.
        "message-redelivered" => (
            scenario.bus.redeliver_ppm > 0
                || scenario.network.loss_ppm > 0
                || scenario.network.duplicate_ppm > 0
                || !scenario.faults.is_empty(),
            "`redeliver_ppm` in `[bus]`, `loss_ppm` in `[network]`, or a fault such as `bus-redeliver`",
        ),
        "need-cancelled" => (workload.cancel_bp > 0, "`cancel_bp` in `[workload]`"),
        "partition-healed" => (kind("partition-"), "a fault such as `partition-halves`"),
        "task-refused" => (workload.refuse_bp > 0, "`refuse_bp` in `[workload]`"),
        "task-yielded" => (workload.yield_bp > 0, "`yield_bp` in `[workload]`"),
        _ => return None,
    };
    (!there).then_some(missing)
}
