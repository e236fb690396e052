package strings

concat_array := concat("/", [input.word, "b", "c"])

concat_nothing := concat("-", input.empty)

concat_number := concat("-", [input.word, input.number])

contains_it := contains(input.word, "ell")

contains_not := contains(input.word, "x")

contains_empty := contains(input.word, "")

contains_number := contains(input.word, input.number)

ends := endswith(input.word, "llo")

ends_not := endswith(input.word, "hell")

starts := startswith(input.word, "he")

starts_not := startswith(input.word, "lo")

starts_longer := startswith(input.word, "hello there")

index_found := indexof(input.word, "l")

index_missing := indexof(input.word, "z")

index_in_unicode := indexof(input.unicode, "ü")

index_all := indexof_n(input.word, "l")

index_all_overlapping := indexof_n("aaaa", input.double)

index_all_missing := indexof_n(input.word, "z")

index_all_unicode := indexof_n(input.unicode, "ß")

index_all_empty := indexof_n(input.word, input.blank)

index_all_number := indexof_n(input.word, input.number)

lowered := lower(input.mixed)

lowered_unicode := lower(input.unicode_upper)

raised := upper(input.mixed)

raised_unicode := upper(input.unicode)

replaced := replace(input.word, "l", "L")

replaced_nothing := replace(input.word, "z", "L")

replaced_longer := replace(input.word, "ell", "ipp")

replaced_many := strings.replace_n({"l": "1", "h": "2"}, input.word)

replaced_many_bad := strings.replace_n({"l": input.number}, input.word)

reversed := strings.reverse(input.word)

reversed_unicode := strings.reverse(input.unicode)

split_parts := split(input.path, "/")

split_missing := split(input.word, "/")

split_empty := split(input.word, input.blank)

split_first := strings.split_n(input.path, "/", 2)

split_last := strings.split_n(input.path, "/", input.minus_one)

split_none := strings.split_n(input.path, "/", 0)

split_more := strings.split_n(input.path, "/", 99)

split_last_more := strings.split_n(input.path, "/", -99)

split_letters := strings.split_n(input.word, input.blank, 2)

split_fraction := strings.split_n(input.path, "/", input.half)

sub := substring(input.word, 1, 3)

sub_to_end := substring(input.word, 2, -1)

sub_too_long := substring(input.word, 3, 99)

sub_beyond := substring(input.word, 99, 1)

sub_before := substring(input.word, input.minus_one, 1)

sub_unicode := substring(input.unicode, 1, 2)

trimmed := trim(input.padded, " x")

trimmed_left := trim_left(input.padded, " x")

trimmed_right := trim_right(input.padded, " x")

trimmed_prefix := trim_prefix(input.word, "he")

trimmed_prefix_not := trim_prefix(input.word, "lo")

trimmed_suffix := trim_suffix(input.word, "lo")

trimmed_suffix_not := trim_suffix(input.word, "he")

trimmed_space := trim_space(input.spaced)

any_prefix := strings.any_prefix_match(input.word, ["x", "he"])

any_prefix_not := strings.any_prefix_match(input.word, ["x", "lo"])

any_prefix_sets := strings.any_prefix_match({input.word, "abc"}, {"ab", "y"})

any_prefix_single := strings.any_prefix_match(input.word, "hell")

any_prefix_of_none := strings.any_prefix_match(input.empty, "hell")

any_prefix_number := strings.any_prefix_match(input.word, [input.number])

any_suffix := strings.any_suffix_match(input.word, ["x", "llo"])

any_suffix_not := strings.any_suffix_match([input.word], ["x", "hell"])

any_suffix_sets := strings.any_suffix_match({input.word, "abc"}, {"bc", "y"})

any_suffix_bad := strings.any_suffix_match(input.number, "y")

counted := strings.count(input.word, "l")

counted_overlapping := strings.count("aaaaa", input.double)

counted_missing := strings.count(input.word, "z")

counted_empty := strings.count(input.word, input.blank)

length := count(input.word)

length_unicode := count(input.unicode)

compared := input.word < "help"

compared_unicode := input.unicode > input.word

ordered := sort([input.word, "Hello", input.unicode, "", "hell"])

glued := concat("", [upper(substring(input.word, 0, 1)), substring(input.word, 1, -1)])

template := $"{input.word} and {input.number}"

template_missing := $"<{input.not_there}>"

template_values := $"{input.empty} {input.half} {true}"

template_escaped := $"\{{input.word}}"

quoted_back := `a\b{{input}}`
