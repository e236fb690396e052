package text

plain := sprintf("nothing", [])

word := sprintf("<%s>", [input.word])

word_wide := sprintf("<%8s>", [input.word])

word_left := sprintf("<%-8s>", [input.word])

word_cut := sprintf("<%.2s>", [input.word])

word_zero := sprintf("<%08s>", [input.word])

word_quoted := sprintf("%q", [input.odd])

word_quoted_ascii := sprintf("%+q", [input.odd])

word_back := sprintf("%#q", [input.word])

word_hex := sprintf("%x", [input.word])

word_hex_spaced := sprintf("% X", [input.word])

word_hex_sharp := sprintf("%#x", [input.word])

value_word := sprintf("%v", [input.word])

value_source := sprintf("%#v", [input.word])

value_int := sprintf("%v", [input.number])

value_plus := sprintf("%+v", [input.number])

value_bool := sprintf("%v", [input.yes])

value_null := sprintf("%v", [input.nothing])

value_array := sprintf("%v", [input.list])

value_object := sprintf("%v", [input.object])

value_set := sprintf("%v", [{input.number, "a"}])

value_set_empty := sprintf("%v", [set()])

value_nested := sprintf("%s", [[input.object, {1: [input.odd]}]])

value_float := sprintf("%v", [input.half])

value_float_large := sprintf("%v", [input.huge])

value_float_small := sprintf("%v", [input.tiny])

value_float_long := sprintf("%v", [input.long])

value_float_whole := sprintf("%v", [input.whole])

value_big := sprintf("%v", [input.big])

int := sprintf("%d", [input.number])

int_negative := sprintf("%d", [input.minus])

int_wide := sprintf("<%6d>", [input.number])

int_left := sprintf("<%-6d>", [input.number])

int_zeros := sprintf("<%06d>", [input.minus])

int_plus := sprintf("%+d", [input.number])

int_space := sprintf("% d", [input.number])

int_precision := sprintf("%.5d", [input.number])

int_precision_zero := sprintf("<%.0d>", [0])

int_binary := sprintf("%b %#b", [input.number, input.number])

int_octal := sprintf("%o %#o %O", [input.number, input.number, input.number])

int_hex := sprintf("%x %X %#x", [input.hundred, input.hundred, input.minus])

int_char := sprintf("%c%c", [72, 252])

int_char_quoted := sprintf("%q", [input.hundred])

int_unicode := sprintf("%U %#U", [input.hundred, input.hundred])

int_big := sprintf("%d", [input.big])

int_big_wide := sprintf("<%30d>", [input.big])

int_big_bases := sprintf("%x %#X %o %#b %O", [input.big, input.big, input.big, input.big, input.big])

int_big_zeros := sprintf("<%+040d|%#040x>", [input.big, input.big])

star_precision_negative := sprintf("<%.*f>", [-1, input.long])

word_wrapped := sprintf("%w", [input.word])

int_of_word := sprintf("%d", [input.word])

int_of_float := sprintf("%d", [input.half])

int_of_bool := sprintf("%d", [input.yes])

word_of_int := sprintf("%s", [input.number])

float := sprintf("%f", [input.half])

float_two := sprintf("%.2f", [input.long])

float_none := sprintf("%.0f", [input.half])

float_wide := sprintf("<%8.3f>", [input.half])

float_zeros := sprintf("<%08.3f>", [0 - input.half])

float_plus := sprintf("%+.1f", [input.half])

float_of_int := sprintf("%f", [input.number])

float_scientific := sprintf("%e", [input.huge])

float_scientific_upper := sprintf("%.2E", [input.long])

float_general := sprintf("%g", [input.tiny])

float_general_cut := sprintf("%.3g", [input.long])

float_general_large := sprintf("%.3g", [input.huge])

float_rounds := sprintf("%.2f", [input.rounds])

kind := sprintf("%T %T", [input.number, input.word])

percent := sprintf("100%%", [])

percent_wide := sprintf("%5%|", [])

missing := sprintf("%s %s", [input.word])

extra := sprintf("%s", [input.word, input.number, "x"])

no_verb := sprintf("%", [])

no_verb_after_flags := sprintf("%-5", [input.word])

other_verb := sprintf("%z", [input.word])

other_verb_bool := sprintf("%t", [input.yes])

other_verb_int := sprintf("%s|%t", [input.number, input.number])

star := sprintf("<%*d>", [5, input.number])

star_negative := sprintf("<%*d>", [-5, input.number])

star_precision := sprintf("<%.*f>", [1, input.long])

star_bad := sprintf("<%*d>", [input.word, input.number])

place := sprintf("%[2]s %[1]s", ["a", input.word])

place_again := sprintf("%[1]d %[1]x", [input.hundred])

place_bad := sprintf("%[5]s", [input.word])

place_star := sprintf("%[2]*[1]d", [input.number, 4])

several := sprintf("%s has %d of %v (%5.1f%%)", [input.word, input.number, input.list, input.long])

unicode_wide := sprintf("<%6s>", ["üö"])

not_an_array := sprintf("%s", input.word)

not_a_format := sprintf(input.number, [1])

version_less := semver.compare("1.2.3", input.version)

version_equal := semver.compare(input.version, "1.10.0+build")

version_greater := semver.compare("2.0.0", input.version)

version_pre := semver.compare("1.10.0-rc.1", input.version)

version_pre_numbers := semver.compare("1.0.0-alpha.2", input.alpha_ten)

version_pre_longer := semver.compare("1.0.0-alpha.10.1", input.alpha_ten)

version_pre_words := semver.compare("1.0.0-alpha.beta", input.alpha_ten)

version_with_v := semver.compare("v1.10.0", input.version)

version_bad := semver.compare("1.2", input.version)

version_bad_zero := semver.compare("1.02.3", input.version)

version_valid := semver.is_valid(input.version)

version_valid_pre := semver.is_valid("1.0.0-a.b-c.1+x.01")

version_valid_not := semver.is_valid(input.word)

version_valid_zero := semver.is_valid("1.0.0-01")

version_valid_number := semver.is_valid(input.number)

version_valid_empty_part := semver.is_valid("1.0.0-")

units_plain := units.parse(input.digits)

units_kilo := units.parse("10K")

units_kilo_small := units.parse("10k")

units_kibi := units.parse("2Ki")

units_mega := units.parse("1.5M")

units_milli := units.parse("200m")

units_milli_whole := units.parse("1000m")

units_mebi := units.parse("3mi")

units_exa := units.parse("2E")

units_exbi := units.parse("1Ei")

units_fraction := units.parse("1.23456789012345")

units_fraction_rounds := units.parse("0.00000000005")

units_exponent := units.parse("1e3")

units_exponent_unit := units.parse("1.5e-3K")

units_negative := units.parse("-2.5G")

units_quoted := units.parse("\"10K\"")

units_space := units.parse("10 K")

units_none := units.parse(input.word)

units_other := units.parse("10Q")

units_empty := units.parse(input.blank)

units_number := units.parse(input.number)

bytes_plain := units.parse_bytes(input.digits)

bytes_kb := units.parse_bytes("10KB")

bytes_kib := units.parse_bytes("10KiB")

bytes_k := units.parse_bytes("3k")

bytes_ki := units.parse_bytes("3Ki")

bytes_fraction := units.parse_bytes("1.5GB")

bytes_fraction_down := units.parse_bytes("1.1TB")

bytes_fraction_tiny := units.parse_bytes("0.1")

bytes_third := units.parse_bytes("0.333333333333MiB")

bytes_many := units.parse_bytes("7.7PiB")

bytes_eib := units.parse_bytes("2EiB")

bytes_exponent := units.parse_bytes("1e3KB")

bytes_negative := units.parse_bytes("-1.5K")

bytes_other := units.parse_bytes("1XB")

bytes_b := units.parse_bytes("5b")

bytes_space := units.parse_bytes("1 KB")

bytes_points := units.parse_bytes("1.2.3")

floats_twos := [sprintf("%b", [x]) | some x in input.floats]

floats_twos_signed := [sprintf("%+b", [x]) | some x in input.floats]

floats_twos_left := [sprintf("<%-26b>", [x]) | some x in input.floats]

floats_sixteens := [sprintf("%x", [x]) | some x in input.floats]

floats_sixteens_large := [sprintf("%X", [x]) | some x in input.floats]

floats_sixteens_cut := [sprintf("%.3x", [x]) | some x in input.floats]

floats_sixteens_whole := [sprintf("%.0x", [x]) | some x in input.floats]

floats_sixteens_long := [sprintf("%.20X", [x]) | some x in input.floats]

floats_sixteens_zero := [sprintf("%024x", [x]) | some x in input.floats]

floats_sixteens_space := [sprintf("% x", [x]) | some x in input.floats]

floats_sixteens_pointed := [sprintf("%#x", [x]) | some x in input.floats]

floats_sixteens_large_pointed := [sprintf("%#X", [x]) | some x in input.floats]

floats_sixteens_cut_pointed := [sprintf("%#.2x", [x]) | some x in input.floats]

floats_general_pointed := [sprintf("%#g", [x]) | some x in input.floats]

floats_general_cut_pointed := [sprintf("%+#.3g", [x]) | some x in input.floats]

floats_general_long_pointed := [sprintf("%#.20G", [x]) | some x in input.floats]

floats_general_one_pointed := [sprintf("%#.1g", [x]) | some x in input.floats]

floats_scientific_pointed := [sprintf("%#.0e", [x]) | some x in input.floats]

floats_fixed_pointed := [sprintf("%#.0f", [x]) | some x in input.floats]

floats_fixed_padded_pointed := [sprintf("<%#9.0f>", [x]) | some x in input.floats]

floats_value_source := [sprintf("%#v", [x]) | some x in input.floats]

floats_value_bad_pointed := [sprintf("%#d", [x]) | some x in input.floats]

units_any := {amount: total | some amount in input.amounts; total := units.parse(amount)}

units_any_bytes := {amount: total | some amount in input.amounts; total := units.parse_bytes(amount)}
