package collections

joined := array.concat(input.list, [4])

joined_empty := array.concat(input.list, [])

joined_bad := array.concat(input.list, input.word)

flat := array.flatten([input.list, [[9]], 8])

back := array.reverse(input.list)

slice := array.slice(input.list, 1, 3)

slice_beyond := array.slice(input.list, 1, 99)

slice_before := array.slice(input.list, -5, 1)

slice_empty := array.slice(input.list, 2, 1)

how_many := count(input.list)

how_many_fields := count(input.object)

how_many_elements := count({1, 2, 2})

how_many_of_number := count(input.number)

sorted := sort(input.mixed)

sorted_set := sort({3, 1, 2})

union_two := {1, 2} | {input.number, 3}

intersection_two := {1, input.number} & {input.number, 3}

difference_two := {1, 2, input.number} - {2}

union_many := union({{1}, {2, input.number}})

union_none := union(set())

intersection_many := intersection({{1, input.number}, {input.number, 2}})

intersection_none := intersection(set())

set_of_sets := {{1}, {input.number}, set()}

field := object.get(input.object, "a", "none")

field_default := object.get(input.object, "z", "none")

field_path := object.get(input.nested, ["a", "b", 1], "none")

field_path_default := object.get(input.nested, ["a", "x", 1], "none")

field_path_empty := object.get(input.object, [], "none")

fields := object.keys(input.object)

kept := object.filter(input.object, ["a"])

kept_set := object.filter(input.object, {"a", "z"})

kept_object := object.filter(input.object, {"b": 1})

without := object.remove(input.object, ["a"])

without_set := object.remove(input.object, {"b", "z"})

merged := object.union(input.nested, {"a": {"c": 2}, "d": 3})

merged_over := object.union(input.object, {"a": [1]})

merged_many := object.union_n([input.object, {"a": 9}, {"q": null}])

subset_object := object.subset(input.nested, {"a": {"b": [10, 20]}})

subset_object_part := object.subset(input.nested, {"a": {"b": [20]}})

subset_object_not := object.subset(input.nested, {"a": {"b": [30]}})

subset_object_missing := object.subset(input.object, {"z": 1})

subset_set := object.subset({1, 2, input.number}, {input.number})

subset_set_not := object.subset({1, 2}, {input.number})

subset_array := object.subset(input.list, [2, 3])

subset_array_gap := object.subset(input.list, [1, 3])

subset_array_empty := object.subset(input.list, [])

subset_array_set := object.subset(input.list, {3, 1})

subset_array_set_not := object.subset(input.list, {3, 9})

subset_array_set_empty := object.subset(input.empty, set())

subset_array_repeats := object.subset([1, 1], {1, 2})

subset_nested_set := object.subset({"a": {1, 2}, "b": 1}, {"a": {input.one}})

subset_kinds := object.subset(input.list, input.object)

filtered_paths := json.filter(input.nested, ["a/b"])

filtered_deep := json.filter(input.nested, ["a/b/0", "z"])

filtered_arrays := json.filter(input.nested, [["a", "b"]])

removed_path := json.remove(input.nested, ["a/b/0"])

removed_all := json.remove(input.nested, ["a", "z"])

reach := graph.reachable(input.graph, ["a"])

reach_set := graph.reachable(input.graph, {"c", "e"})

reach_unknown := graph.reachable(input.graph, ["nowhere"])

paths := graph.reachable_paths(input.graph, ["a"])

paths_of_set := graph.reachable_paths(input.graph, {"c", "d"})

paths_unknown := graph.reachable_paths(input.graph, ["nowhere"])

paths_to_unknown := graph.reachable_paths({"a": ["b", "q"], "b": {"a"}}, {input.letter})

paths_of_self := graph.reachable_paths({"a": ["a"]}, [input.letter])

paths_bad := graph.reachable_paths(input.graph, input.word)

walked := {[path, value] | walk(input.nested, [path, value])}

walked_leaves := {value | walk(input.nested, [_, value]); is_number(value)}

is_in := input.number in input.list

is_in_set := input.one in {1, 2}

is_in_object := 5 in input.object

is_in_with_key := "a", 5 in input.object

is_in_missing := 77 in input.list

kind_null := type_name(input.nothing)

kind_bool := type_name(input.yes)

kind_number := type_name(input.number)

kind_string := type_name(input.word)

kind_array := type_name(input.list)

kind_object := type_name(input.object)

kind_set := type_name({input.number})

array_is := is_array(input.list)

array_is_not := is_array(input.object)

set_is := is_set({input.one})

object_is := is_object(input.object)

string_is := is_string(input.word)

number_is := is_number(input.word)

bool_is := is_boolean(input.yes)

null_is := is_null(input.nothing)

order_of_kinds := sort([{"a": 1}, [1], "a", 1, false, null, input.yes, {1}])

order_of_objects := sort([{"b": 1}, {"a": 2}, {"a": 1, "b": 0}, {}, input.object])

order_of_arrays := sort([[2], [1, 2], [1], [], input.list])

equal_objects := input.object == {"b": "x", "a": 5}

equal_sets := {3, input.one} == {1, 3}

key_of_any_kind := [k | some k, v in {[input.one]: "array", {input.one}: "set", null: 1}; v == "set"]
