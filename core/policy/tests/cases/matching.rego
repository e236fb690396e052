package matching

regex_matches := regex.match(`^[a-z]+-\d{2}$`, input.name)

regex_matches_not := regex.match(`^\d`, input.name)

regex_matches_part := regex.match(`or`, input.name)

regex_matches_case := regex.match(`(?i)^WORK`, input.name)

regex_matches_unicode := regex.match(`^\pL+$`, input.unicode)

regex_matches_bad := regex.match(input.bad_pattern, input.name)

regex_matches_number := regex.match(`a`, input.number)

regex_valid := regex.is_valid(`a(b|c)*`)

regex_valid_not := regex.is_valid(input.bad_pattern)

regex_all := regex.find_n(`\d+`, input.log, -1)

regex_all_two := regex.find_n(`[a-z]+`, input.log, 2)

regex_all_none := regex.find_n(`z+`, input.log, -1)

regex_all_zero := regex.find_n(`\d+`, input.log, 0)

regex_all_empty := regex.find_n(`a*`, "baac", -1)

regex_all_lazy := regex.find_n(`<.+?>`, "<a><b>", -1)

regex_all_words := regex.find_n(`\b\w`, input.log, -1)

regex_all_classes := regex.find_n(`[[:upper:]][^[:space:]\d]*`, "Ab1 Cd Ef-2", -1)

regex_all_braces := regex.find_n(`a{2,3}b{,2}|x{`, "aab{,2} x{ aaab", -1)

regex_all_case := regex.find_n(`(?i)k`, "kKK", -1)

regex_all_lines := regex.find_n(`(?m)^\w+$`, "one\ntwo three\nfour", -1)

regex_all_dot := regex.find_n(`a.c`, "abc a\nc aüc", -1)

regex_all_dot_all := regex.find_n(`(?s)a.c`, "abc a\nc", -1)

regex_all_alternatives := regex.find_n(`a|ab`, "abab", -1)

regex_all_bad := regex.find_n(input.bad_pattern, input.log, -1)

regex_all_refers_back := regex.find_n(`(a)\1`, input.log, -1)

regex_all_looks_ahead := regex.find_n(`a(?=b)`, input.log, -1)

regex_all_fraction := regex.find_n(`a`, input.log, input.half)

regex_groups := regex.find_all_string_submatch_n(`(\w+)=(\d+)`, input.log, -1)

regex_groups_one := regex.find_all_string_submatch_n(`(\w)(x)?`, input.name, 2)

regex_replaced := regex.replace(input.log, `\d+`, "#")

regex_replaced_groups := regex.replace(input.log, `(\w+)=(\d+)`, "$2=${1}")

regex_replaced_names := regex.replace(input.log, `(?P<key>\w+)=\d+`, "${key}!$key.$none")

regex_replaced_dollar := regex.replace(input.log, `=`, "$$ $")

regex_replaced_runs_on := regex.replace(input.name, `(w)`, "$1x${1}x")

regex_replaced_empty := regex.replace(input.name, `x*`, "-")

regex_replaced_nothing := regex.replace(input.name, `zzz`, "-")

regex_replaced_anchor := regex.replace("aaa", `^a`, input.letter)

regex_replaced_unicode := regex.replace(input.unicode, `[^a-z]`, "_")

regex_replaced_bad := regex.replace(input.name, input.bad_pattern, "-")

regex_split := regex.split(`\s*,\s*`, "a , b,c ,d")

regex_split_none := regex.split(`,`, input.name)

regex_split_empty_text := regex.split(`,`, input.blank)

regex_split_letters := regex.split(``, "abü")

regex_split_letters_of_none := regex.split(``, input.blank)

regex_split_ends := regex.split(`-`, "-a-b-")

regex_split_bad := regex.split(input.bad_pattern, input.name)

glob_star := glob.match("*.swarm.example", [], input.host)

glob_star_default := glob.match("*.example", null, input.host)

glob_star_delimited := glob.match("*.example", ["."], input.host)

glob_double := glob.match("**.example", ["."], input.host)

glob_question := glob.match("node?.swarm.example", [], input.host)

glob_class := glob.match("node[1-3].swarm.example", [], input.host)

glob_class_not := glob.match("node[!1-3].swarm.example", [], input.host)

glob_either := glob.match("{node1,node2}.swarm.*", [], input.host)

glob_other_delimiter := glob.match("market:*:need", [":"], "market:7:need")

glob_exact := glob.match("node", [], input.host)

glob_quoted := glob.quote_meta("*.git?[a]{b}\\-!")

glob_quoted_match := glob.match(glob.quote_meta(input.name), [], input.name)

glob_quoted_number := glob.quote_meta(input.number)

cidr_contains := net.cidr_contains("10.0.0.0/8", input.address)

cidr_contains_not := net.cidr_contains("192.168.0.0/16", input.address)

cidr_contains_range := net.cidr_contains("10.0.0.0/8", "10.1.0.0/16")

cidr_intersects := net.cidr_intersects("10.1.0.0/16", "10.1.2.0/24")

cidr_intersects_not := net.cidr_intersects("10.1.0.0/16", "10.2.2.0/24")

cidr_bad := net.cidr_contains(input.name, input.address)

regex_found := {pattern: found | some pattern in input.patterns; found := regex.find_n(pattern, input.sample, -1)}

regex_parts := {pattern: parts | some pattern in input.patterns; parts := regex.split(pattern, input.sample)}

regex_put_names := {template: regex.replace("ab-ba", `(?P<n>x)?(?P<n>a)(?<b>b)(?P<1>-)`, template) | some template in input.templates}
