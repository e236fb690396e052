# What OPA's own module answers otherwise than `opa eval`, and always in the same way. A policy that binds everyone does
# without these; whoever uses one gets the module's answer, which is written down in quirks.golden.
package quirks

# Checked by nobody: what is not base64 decodes to something.
base64_in_bad := base64.decode(input.text)

base64_valid_not := base64.is_valid(input.text)

# In the order of a hash table, and without Go's care for HTML.
json_out := json.marshal(input.fields)

json_out_set := json.marshal({3, 1, input.number})

json_out_text := json.marshal(input.odd)

# In the order of a hash table. Comprehensions that make sets or objects have no order to get wrong.
concat_set := concat(",", {input.word, "b", "a"})

array_of_fields := [key | some key, _ in input.flags]

array_of_walk := [path | walk(input.nested, [path, _])]

# The empty string.
index_of_empty := indexof(input.word, input.blank)

replaced_empty := replace(input.word, input.blank, "-")

merged_none := object.union_n([])

# Fractions, cut after other digits.
third := 1 / input.number

product_of_fractions := product([0.1, input.half, 3])
