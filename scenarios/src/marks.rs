//! The `sometimes` marks: things that must have happened somewhere in a sweep, or its chaos proved
//! nothing. They are listed once, here, so that a misspelt mark is a lint error and not a mark that
//! is never hit.

use schemars::{Schema, SchemaGenerator, json_schema};

/// One thing that can happen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name in scenarios and reports.
    pub name: &'static str,
    /// When the simulator counts a hit.
    pub what: &'static str,
}

const fn mark(name: &'static str, what: &'static str) -> Mark {
    Mark { name, what }
}

/// All marks, in alphabetic order.
pub const MARKS: &[Mark] = &[
    mark("adversary-lied", "an adversary said what was not so"),
    mark("agent-joined", "an agent that joined mid-run became a member of the pool"),
    mark("agent-left", "an agent unstaked mid-run"),
    mark("arbiters-ruled", "the arbiters ruled on a challenge"),
    mark("belief-voided", "a node forgot what it had believed of a register that was lost"),
    mark("bid-beaten", "a kept best bid was replaced by a better one"),
    mark("bid-window-extended", "a late bid extended its window"),
    mark("bus-loss-noticed", "a host saw that the bus forgot what it had acknowledged, and published it again"),
    mark("challenge-dismissed", "a challenge was ruled wrong"),
    mark("challenge-escalated", "a committee was of two minds, and a larger one was asked, or the arbiters"),
    mark("challenge-unruled", "nobody ruled on a challenge in time"),
    mark("challenge-upheld", "a challenge was ruled right"),
    mark("clock-jumped", "a skew moved the clock of a node that ran"),
    mark("corrupt-read-refused", "bytes from the store did not match their address and were refused"),
    mark("damaged-delivery-refused", "a message that the bus gave back damaged was refused, and came again"),
    mark("damaged-history-refused", "a member refused history that does not match its snapshot, and fetched it again"),
    mark("decoy-caught", "verifiers failed what turned out to be a decoy"),
    mark("decoy-opened", "a requester opened a need that is a decoy"),
    mark("decoy-passed-slashed", "a verifier passed what turned out to be a decoy, and lost stake"),
    mark("decoy-revealed", "a requester opened the mask of a decoy, and it fitted"),
    mark("entry-caught-up", "a node that missed applied entries fetched them later"),
    mark("epoch-advanced", "a need went to its next epoch before it was decided"),
    mark("group-slept", "a Raft group had nothing to do and went to sleep"),
    mark("heard-published-again", "a coordinator published again what it had heard from one that did not do so itself"),
    mark("holder-stopped-in-time", "a worker that could not renew stopped before its lease was over"),
    mark("leader-changed", "a Raft group got another leader than its first"),
    mark("lease-expired", "a lease was ended by a majority of stopwatches"),
    mark("lease-renewed", "a heartbeat prolonged a lease"),
    mark("lied-always-fail", "an adversary failed a result, or upheld a challenge, unseen"),
    mark("lied-always-pass", "an adversary passed a result, or dismissed a challenge, unseen"),
    mark("lied-askew", "an adversary's engine came to another answer than it should"),
    mark("lied-challenge-withholder", "an adversary kept another's challenge from the register"),
    mark("lied-colluder", "an adversary judged a friend's result as a friend does"),
    mark("lied-contradictor", "an adversary wrote a brief that contradicts itself"),
    mark("lied-double-bidder", "an adversary made two bids at once"),
    mark("lied-double-need", "an adversary said two needs under one nonce"),
    mark("lied-early-stopwatch", "an adversary reported a wait as over when it had begun"),
    mark("lied-equivocator", "an adversary said one thing and its opposite"),
    mark("lied-false-challenger", "an adversary disputed a result unseen"),
    mark("lied-false-citer", "an adversary wrote a brief that cites what it was never given"),
    mark("lied-false-claim", "an adversary said that its job took less than it took"),
    mark("lied-false-reveal", "an adversary revealed another value than it had promised"),
    mark("lied-forger", "an adversary altered another's envelope, or said it again"),
    mark("lied-forker", "an adversary vouched for an entry that it had not applied"),
    mark("lied-front-runner", "an adversary disputed the result of a friend"),
    mark("lied-heedless", "an adversary said a need without asking the policy"),
    mark("lied-lamport-poisoner", "an adversary dated an envelope far ahead in logical time"),
    mark("lied-lawless", "an adversary said what its own policy forbids"),
    mark("lied-lazy-attester", "an adversary said what another verifier had said"),
    mark("lied-lowball-yielder", "an adversary bid one credit, or yielded what it won so"),
    mark("lied-never-commits", "an adversary won a task and did not begin it"),
    mark("lied-other-engine", "an adversary spoke under another engine than everyone else"),
    mark("lied-pass-and-run", "an adversary passed a result, and went for the door"),
    mark("lied-plan-patcher", "an adversary patched a plan that was decided"),
    mark("lied-read-and-cancel", "an adversary cancelled once it could read a result"),
    mark("lied-schema-breaker", "an adversary wrote a brief that is not what its schema says"),
    mark("lied-self-challenger", "an adversary committed to a wrong result, or disputed its own"),
    mark(
        "lied-shielder",
        "an adversary passed a friend's result, or disputed what is right about it so that nobody else is heard",
    ),
    mark("lied-silent", "an adversary kept a vote or a verdict to itself"),
    mark("lied-silent-reveal", "an adversary kept the value to itself that a draw waited for"),
    mark("lied-stake-splitter", "an adversary judged with a part of one stake"),
    mark("lied-sybil", "an adversary voted or judged without a stake"),
    mark("lied-whisperer", "an adversary told coordinators alone what was to be told to all"),
    mark("lied-withholder", "an adversary committed to outputs that it did not store"),
    mark("lied-wrong-result", "an adversary committed to a result that its job does not give"),
    mark("lied-wrong-turn", "an adversary took a wrong turn in one stretch of its job"),
    mark("log-folded", "a Raft group folded its log into its history"),
    mark("member-replaced", "a seat among the coordinators changed hands"),
    mark("member-retired", "a coordinator learned that another holds its seat"),
    mark("message-redelivered", "the bus delivered to a consumer what it had seen before"),
    mark("need-cancelled", "a need was cancelled"),
    mark("need-failed", "a need ended as failed"),
    mark("need-refused", "the policy forbade a need before it was said"),
    mark("need-settled", "a need ended with every task settled"),
    mark("need-was-decoy", "a need ended as the decoy that it was"),
    mark("node-restarted", "a node that died started again from its disk"),
    mark(
        "objection-repeated",
        "an honest verifier that was not heard while another's dispute was open said again what is wrong",
    ),
    mark("outbid", "a worker whose bid was beaten bid again"),
    mark(
        "output-upheld",
        "a committee did a job again, and found that it does not give an output, or nobody can do it",
    ),
    mark("partition-healed", "a partition that had cut messages off ended"),
    mark("policy-changed", "needs are opened under another policy than before"),
    mark("policy-disagreed", "two verifiers judged one thing by one engine and came to different answers"),
    mark("policy-loaded", "a node had the rules of an announced policy at hand"),
    mark("register-founded-anew", "a register of which a majority was lost was founded anew on what survived"),
    mark("register-log-cut", "a crash took records of a register's log that were not yet durable"),
    mark("register-log-torn", "a crash tore the last record of a register's log"),
    mark("register-restored", "a lost register was restored under a higher generation"),
    mark("result-challenged", "a final result was disputed"),
    mark("snapshot-installed", "a member of a Raft group that was far behind took over the history of another"),
    mark("stretch-upheld", "a committee did one stretch of a run again, and found that it leads elsewhere"),
    mark("task-reassigned", "a task was granted to another worker than before"),
    mark("task-refused", "a worker refused a need"),
    mark("task-yielded", "a worker gave its lease back early"),
    mark("torn-tail", "a crash tore the last line of a log"),
    mark("unsynced-lost", "a crash lost inputs that were not yet durable"),
    mark("verdict-fail", "a verifier failed a commit"),
    mark("verdict-late", "a verdict arrived after its quorum was complete or its deadline over"),
    mark("verdict-pass", "a verifier passed a commit"),
    mark("void-entry-refused", "an entry of a register that was lost came after it was restored"),
    mark("write-found-later", "a write to the register whose answer was lost was found to have taken effect"),
    mark("zombie-spoke", "a worker that slept through its lease acted as if it still held it"),
];

/// The schema of a list of marks, each with what it means.
pub(crate) fn list_schema(_: &mut SchemaGenerator) -> Schema {
    let one = |mark: &Mark| json_schema!({ "const": mark.name, "description": mark.what });
    let marks: Vec<Schema> = MARKS.iter().map(one).collect();
    json_schema!({ "type": "array", "items": { "type": "string", "oneOf": marks }, "uniqueItems": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_sorted_and_distinct() {
        assert!(MARKS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
