package numbers

plus_ints := input.seven + 5

plus_negative := input.seven + input.minus_two

plus_fraction := input.half + 1

plus_large := input.large + 1

plus_not_a_number := input.text + 1

minus_ints := input.seven - 12

minus_itself := input.seven - input.seven

times_ints := input.seven * 6

times_zero := input.seven * 0

times_large := input.large * 1000

divided_whole := 12 / (input.seven - 3)

divided_fraction := 1 / (input.seven - 3)

divided_by_zero := input.seven / (input.seven - 7)

remainder := input.seven % 4

remainder_negative := input.minus_two % 4

remainder_by_zero := input.seven % (input.seven - 7)

absolute := abs(input.minus_two)

absolute_positive := abs(input.seven)

rounded_up := round(input.seven + 0.5)

rounded_down := round(input.seven + 0.4)

rounded_negative := round(input.minus_two - 0.5)

ceiling := ceil(input.seven + 0.1)

ceiling_whole := ceil(input.seven)

floored := floor(input.seven + 0.9)

floored_negative := floor(input.minus_two - 0.1)

range_up := numbers.range(input.seven, 10)

range_down := numbers.range(input.seven, 4)

range_one := numbers.range(input.seven, input.seven)

range_of_fraction := numbers.range(input.half, 3)

step_up := numbers.range_step(1, input.seven, 2)

step_down := numbers.range_step(input.seven, 1, 3)

step_none := numbers.range_step(1, 2, input.seven - 7)

step_negative := numbers.range_step(1, 9, input.minus_two)

step_over := numbers.range_step(1, 2, input.seven)

step_fraction := numbers.range_step(1, 2, input.half)

step_whole_fraction := numbers.range_step(1, 5, input.two_point)

sum_of_array := sum([input.seven, 1, 2])

sum_of_set := sum({input.seven, 7, 3})

sum_of_nothing := sum(input.empty)

sum_of_text := sum([input.text, 1])

product_of_array := product([input.seven, 2, 3])

product_of_set := product({input.seven, 7, 2})

product_of_nothing := product(input.empty)

max_of_array := max([1, input.seven, 3])

max_of_mixed := max([1, input.text, null])

max_of_nothing := max(input.empty)

min_of_set := min({input.seven, 3, 9})

min_of_nothing := min(input.empty)

equal_spellings := input.two_point == 2

less := input.minus_two < input.half

less_or_equal := input.seven <= 7

greater := input.large > 4611686018427387904

greater_or_equal := input.half >= 1

not_equal := input.seven != 7

compare_kinds := input.seven < input.text

large_kept := input.large

to_number_text := to_number(input.digits)

to_number_fraction := to_number("1.5")

to_number_bad := to_number(input.text)

to_number_null := to_number(input.nothing)

to_number_bool := to_number(true)

format_two := format_int(input.seven, 2)

format_ten := format_int(input.minus_two, 10)

format_sixteen := format_int(input.seven * 37, 16)

format_eight := format_int(input.seven + 1, 8)

format_fraction := format_int(input.half + 7, 10)

format_other_base := format_int(input.seven, input.seven)

bits_and := bits.and(input.seven, 12)

bits_or := bits.or(input.seven, 8)

bits_xor := bits.xor(input.seven, 2)

bits_negate := bits.negate(input.seven)

bits_left := bits.lsh(input.seven, 3)

bits_right := bits.rsh(input.seven, 1)

bits_of_fraction := bits.and(input.half, 1)

bits_shift_negative := bits.lsh(input.seven, input.minus_two)

large_times_large := input.large * input.large

tenths := input.half + 0.1 + 0.2

sum_of_fractions := sum([0.1, 0.2, input.half])
