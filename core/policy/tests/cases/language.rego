package language

default refused := true

refused := false if input.role == "worker"

default level(_) := "low"

level(n) := "high" if n > 10

level(n) := "middle" if {
	n > 5
	n <= 10
}

by_default := refused

function_default := level(input.three)

function_middle := level(input.seven)

function_high := level(input.seven * 2)

chained := "big" if {
	input.seven > 10
} else := "fair" if {
	input.seven > 5
} else := "small"

fell_through := "first" if {
	input.absent
} else := "second" if {
	input.seven == 8
} else := "last"

undefined_rule if input.absent

negated if not input.absent

negated_true if not input.yes

negated_expression if not input.seven == 8

false_is_not_true if input.no

null_is_true if input.nothing

zero_is_true if input.zero

several_conditions if {
	input.seven > input.three
	input.role in {"worker", "verifier"}
	not input.no
}

either if input.role == "planner"

either if input.role == "worker"

names contains task.name if some task in input.tasks

names contains "always"

dear contains task.name if {
	some task in input.tasks
	task.cost > 10
}

none_of_these contains task.name if {
	some task in input.tasks
	task.cost > 1000
}

cost_of[task.name] := task.cost if some task in input.tasks

nested_rule.inner.deep := input.seven

nested_rule.inner[task.name] := true if some task in input.tasks

by_zone[task.zone] contains task.name if some task in input.tasks

array_comprehension := [task.cost | some task in input.tasks]

array_comprehension_filtered := [task.name | some task in input.tasks; task.cost > 10]

array_comprehension_index := [sprintf("%d:%s", [i, task.name]) | some i, task in input.tasks]

set_comprehension := {task.zone | some task in input.tasks}

object_comprehension := {task.name: task.cost | some task in input.tasks}

nested_comprehension := {zone: [task.name | some task in input.tasks; task.zone == zone] | some zone in {"eu", "us"}}

comprehension_of_nothing := [x | some x in input.empty]

every_cheap if {
	every task in input.tasks {
		task.cost < 100
	}
}

every_dear if {
	every task in input.tasks {
		task.cost > 10
	}
}

every_of_nothing if {
	every x in input.empty {
		x == 1
	}
}

every_with_key if {
	every i, task in input.tasks {
		i < count(input.tasks)
		task.name
	}
}

some_index := i if {
	some i
	input.tasks[i].name == "beta"
}

wildcard if input.tasks[_].name == "gamma"

wildcard_not if input.tasks[_].name == "omega"

reference := input.tasks[1].name

reference_by_variable := input.tasks[input.one].zone

reference_missing := input.tasks[9].name

reference_bracket := input["role"]

reference_composed := {"a": {"b": [1, {"c": input.seven}]}}.a.b[1].c

unified := x if {
	[x, "beta"] = [input.seven, input.tasks[1].name]
}

unified_not := x if {
	[x, "beta"] = [input.seven, input.tasks[0].name]
}

destructured := [a, b] if {
	{"a": a, "b": [_, b]} := {"a": input.seven, "b": [1, input.role]}
}

local := y if {
	x := input.seven * 2
	y := x + 1
}

with_input := x if {
	x := chained with input.seven as 11
}

with_input_whole := x if {
	x := by_default with input as {"role": "planner"}
}

with_function := x if {
	x := level(1) with level as level_stub
}

level_stub(_) := "stub"

function_of_two(a, b) := a + b if a > b

function_of_two(a, b) := b - a if a <= b

function_larger := function_of_two(input.seven, input.three)

function_smaller := function_of_two(input.three, input.seven)

function_of_pattern(["pay", amount]) := amount

function_of_pattern(["hold", _]) := 0

pattern_pay := function_of_pattern(["pay", input.seven])

pattern_hold := function_of_pattern(["hold", input.seven])

pattern_other := function_of_pattern(["give", input.seven])

function_undefined := function_of_pattern(input.absent)

is_worker(role) if role == "worker"

boolean_function if is_worker(input.role)

boolean_function_not if is_worker("planner")

used_in_set if input.role in roles

roles := {"worker", "planner"}

constant := 42

raw := `a\nb`

escapes := "tab\there \"quoted\" \u00fc"

deep_equal if {"a": [1, {"b": input.seven}]} == {"a": [1, {"b": 7}]}

total := sum([task.cost | some task in input.tasks])

most := max({task.cost | some task in input.tasks})

cheapest := [task.name | some task in input.tasks; task.cost == min([other.cost | some other in input.tasks])]

depth_of_plan := count({name | some name, _ in reach})

reach := {name: graph.reachable(edges, {name}) | some name, _ in edges}

edges := {task.name: object.get(task, "after", []) | some task in input.tasks}

object_loop := {sprintf("%s=%v", [key, value]) | some key, value in input.flags}

object_key_in if "x" in object.keys(input.flags)

decision := {"allow": count(reasons) == 0, "reasons": reasons}

reasons contains "role" if not input.role in roles

reasons contains "cost" if {
	some task in input.tasks
	task.cost > 50
}

conditional_object := {k: v | some k, v in {"a": 1, "b": 2}; v < input.seven}

composite_key := {[1, 2]: "pair"}[[input.one, 2]]

set_lookup if {1, 2, 3}[input.three]

set_lookup_missing if {1, 2}[input.three]

string_index_is_undefined := input.role[0]

multiline := concat("\n", [
	input.role,
	"end",
])
