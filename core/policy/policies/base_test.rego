package swarm.base_test

import data.swarm.base

need := {
	"body": {
		"budget": "500",
		"class": "simple",
		"fee": "10",
		"windows": {"bids_ms": 1000, "challenge_ms": 60000, "decision_ms": 10000, "lease_ms": 60000, "proposals_ms": 1000, "verify_ms": 30000},
	},
	"bytes": 900,
	"gate": "ingress",
	"refs": 0,
	"roles": ["requester"],
	"verb": "NEED",
}

claim := {"body": {"cost": "7"}, "bytes": 400, "gate": "ingress", "refs": 0, "roles": ["worker"], "verb": "CLAIM"}

propose := {"body": {"cost_caps": {"a": "5", "b": "6"}}, "bytes": 400, "gate": "preflight", "refs": 1, "roles": ["planner"], "verb": "PROPOSE"}

commit := {
	"body": {"telemetry": {"bytes": "100", "steps": "1000"}},
	"bytes": 500,
	"gate": "commit",
	"measured": {"bytes": "100", "steps": "999"},
	"refs": 1,
	"roles": ["worker"],
	"verb": "COMMIT",
}

# What the policy says to `said` with one field of it set to another value.
reasons_with(said, path, value) := r if {
	r := base.decision.reasons with input as json.patch(said, [{"op": "add", "path": path, "value": value}])
}

reasons_without(said, path) := r if {
	r := base.decision.reasons with input as json.patch(said, [{"op": "remove", "path": path}])
}

test_good_ones_pass if {
	every said in [need, claim, propose, commit] {
		base.decision == {"allow": true, "reasons": set()} with input as said
	}
}

every_rule := {"role", "size", "refs", "budget", "fee", "window", "cost", "telemetry"}

test_nothing_is_denied if {
	not base.decision.allow with input as {}
	base.decision.reasons == every_rule with input as {}
}

test_role if {
	reasons_with(need, "/roles", ["worker"]) == {"role"}
	reasons_with(need, "/roles", []) == {"role"}
	reasons_without(need, "/roles") == {"role"}
	reasons_with(need, "/roles", ["worker", "requester"]) == set()
}

test_anyone_may_challenge if {
	base.decision.allow with input as {"body": {}, "bytes": 400, "gate": "ingress", "refs": 0, "roles": [], "verb": "CHALLENGE"}
}

test_unknown_verb if {
	reasons_with(claim, "/verb", "SHOUT") == {"role"}
}

test_size if {
	reasons_with(need, "/bytes", 65536) == set()
	reasons_with(need, "/bytes", 65537) == {"size"}
	reasons_with(need, "/bytes", 0) == {"size"}
	reasons_with(need, "/bytes", "900") == {"size"}
}

test_refs if {
	reasons_with(need, "/refs", 128) == set()
	reasons_with(need, "/refs", 129) == {"refs"}
	reasons_without(need, "/refs") == {"refs"}
}

test_budget if {
	reasons_with(need, "/body/budget", "1000000") == set()
	reasons_with(need, "/body/budget", "1000001") == {"budget"}
	reasons_with(need, "/body/budget", "0") == {"budget"}
	reasons_with(need, "/body/budget", "18446744073709551615") == {"budget"}
	reasons_without(need, "/body/budget") == {"budget"}
	reasons_with(need, "/body/class", "royal") == {"budget", "fee"}
}

test_fee if {
	reasons_with(need, "/body/fee", "11") == {"fee"}
	reasons_with(json.patch(need, [{"op": "add", "path": "/body/class", "value": "critical"}]), "/body/fee", "1000") == set()
}

test_window if {
	reasons_with(need, "/body/windows/bids_ms", 9) == {"window"}
	reasons_with(need, "/body/windows/lease_ms", 2592000001) == {"window"}
	reasons_with(need, "/body/windows", {}) == {"window"}
	reasons_without(need, "/body/windows") == {"window"}
}

test_cost if {
	reasons_with(claim, "/body/cost", "0") == {"cost"}
	reasons_with(claim, "/body/cost", "1000000001") == {"cost"}
	reasons_without(claim, "/body/cost") == {"cost"}
	reasons_with(propose, "/body/cost_caps/b", "0") == {"cost"}
	reasons_with(propose, "/body/cost_caps", {}) == set()
	reasons_without(propose, "/body/cost_caps") == {"cost"}
}

test_telemetry if {
	reasons_with(commit, "/measured/steps", "1001") == {"telemetry"}
	reasons_with(commit, "/measured/bytes", "101") == {"telemetry"}
	reasons_without(commit, "/measured") == {"telemetry"}
	reasons_without(commit, "/body/telemetry") == {"telemetry"}
	reasons_with(commit, "/body/telemetry/bytes", "1099511627777") == {"telemetry"}
	reasons_with(commit, "/gate", "ingress") == set()
	reasons_with(commit, "/gate", "elsewhere") == {"telemetry"}
	reasons_without(commit, "/gate") == {"telemetry"}
}
