# The base policy: who may say what, how large, how dear, how long.
#
# Every rule must hold, and a rule holds only if it says so: a field that is missing makes its rule not hold, so nothing is
# allowed by accident. The reasons of a denial are the names of the rules that do not hold.
#
# Tables are written as facts, one a line, not as objects: a module builds an object anew for every question.
package swarm.base

default decision := {"allow": false, "reasons": ["undecided"]}

decision := {"allow": count(reasons) == 0, "reasons": reasons}

reasons contains "role" if not role

reasons contains "size" if not size

reasons contains "refs" if not refs

reasons contains "budget" if not budget

reasons contains "fee" if not fee

reasons contains "window" if not window

reasons contains "cost" if not cost

reasons contains "telemetry" if not telemetry

# The cited manifest gives a role that may say the verb.
role if anyone_may(input.verb)

role if {
	some one in input.roles
	may(one, input.verb)
}

size if within(input.bytes, 1, 65536)

refs if within(input.refs, 0, 128)

# NEED: the budget is at least one credit and at most the maximum of its class. Wide numbers come as decimal strings.
budget if input.verb != "NEED"

budget if within(to_number(input.body.budget), 1, budget_max(input.body.class))

# NEED: the fee of one verdict is at most that of its class.
fee if input.verb != "NEED"

fee if within(to_number(input.body.fee), 0, fee_max(input.body.class))

# NEED: no wait is too short or too long, from 10 milliseconds to 30 days.
window if input.verb != "NEED"

window if {
	count(input.body.windows) > 0
	every wait in input.body.windows {
		within(wait, 10, 2592000000)
	}
}

# CLAIM: the price. PROPOSE: the cap of each task.
cost if {
	input.verb != "CLAIM"
	input.verb != "PROPOSE"
}

cost if {
	input.verb == "CLAIM"
	within(to_number(input.body.cost), 1, 1000000000)
}

cost if {
	input.verb == "PROPOSE"
	is_object(input.body.cost_caps)
	every cap in input.body.cost_caps {
		within(to_number(cap), 1, 1000000000)
	}
}

# COMMIT: what it claims to have taken is believable, and at the commit gate it took no more when it was measured. No claim is
# a claim of nothing, and where nothing was measured nothing holds.
telemetry if {
	not_at_commit(input.gate)
	input.verb != "COMMIT"
}

telemetry if {
	not_at_commit(input.gate)
	input.verb == "COMMIT"
	within(claimed_bytes, 0, 1099511627776)
	within(claimed_steps, 0, 1125899906842624)
}

telemetry if {
	input.gate == "commit"
	within(claimed_bytes, 0, 1099511627776)
	within(claimed_steps, 0, 1125899906842624)
	within(to_number(input.measured.bytes), 0, claimed_bytes)
	within(to_number(input.measured.steps), 0, claimed_steps)
}

not_at_commit("preflight")

not_at_commit("ingress")

claimed_bytes := 0 if input.verb != "COMMIT"

claimed_bytes := to_number(input.body.telemetry.bytes) if input.verb == "COMMIT"

claimed_steps := 0 if input.verb != "COMMIT"

claimed_steps := to_number(input.body.telemetry.steps) if input.verb == "COMMIT"

within(value, min, max) if {
	is_number(value)
	value >= min
	value <= max
}

budget_max("simple") := 1000000

budget_max("complex") := 1000000000

budget_max("critical") := 1000000000000

fee_max("simple") := 10

fee_max("complex") := 100

fee_max("critical") := 1000

may("requester", "NEED")

may("requester", "CANCEL")

may("requester", "UNMASK")

may("planner", "PROPOSE")

may("planner", "REFUSE")

may("planner", "UPDATE_PLAN")

may("worker", "CLAIM")

may("worker", "HEARTBEAT")

may("worker", "YIELD")

may("worker", "REFUSE")

may("worker", "UPDATE_PLAN")

may("worker", "COMMIT")

may("verifier", "ATTEST_PLAN")

may("verifier", "ATTEST")

may("verifier", "VERDICT")

may("coordinator", "DECIDE")

may("coordinator", "RELEASE")

may("coordinator", "UPDATE_PLAN")

may("coordinator", "FINALIZE")

may("coordinator", "INVALIDATE")

may("coordinator", "SETTLE")

may("coordinator", "ENTRY")

may("coordinator", "SNAPSHOT")

may("coordinator", "MEMBER")

may("mint", "MINT")

anyone_may("CHALLENGE")

anyone_may("MANIFEST")

anyone_may("STAKE")

anyone_may("UNSTAKE")

anyone_may("DELEGATE")

anyone_may("TRANSFER")

anyone_may("WITHDRAW")

anyone_may("DENY")

anyone_may("MASK")

anyone_may("CAPSULE")
