# A policy on trial: the base policy, but for NEEDs whose fee is 1 to 5. Judging those goes wrong, each in another way, and a node
# has to make of it what it makes of every answer that is not a clear yes.
package swarm.trials

import data.swarm.base

on_trial if {
	input.verb == "NEED"
	input.body.fee in {"1", "2", "3", "4", "5"}
}

decision := base.decision if not on_trial

# 1: it looks for three numbers of which each is greater than the next, in a circle, and would be at it for ever.
decision := {"allow": true, "reasons": []} if {
	fee("1")
	some a in thousand
	some b in thousand
	some c in thousand
	a > b
	b > c
	c > a
}

# 2: it wants more memory than there is.
decision := {"allow": true, "reasons": []} if {
	fee("2")
	count(numbers.range(1, 1000000)) > 0
}

# 3: two answers to one question.
decision := {"allow": true, "reasons": []} if fee("3")

decision := {"allow": false, "reasons": ["both"]} if fee("3")

# 4: no answer at all. 5: an answer that is none.
decision := "yes" if fee("5")

fee(amount) if {
	input.verb == "NEED"
	input.body.fee == amount
}

thousand := numbers.range(1, 1000)
