# The habits of this project. `just` lists them; each is one command that CI or a person runs in the same words.

set shell := ["bash", "-euo", "pipefail", "-c"]

sim := "cargo run --release -p swarm-sim --"
scenarios := "scenarios/*.toml"

# List the habits
default:
    @just --list --unsorted

# Build everything, optimised
build:
    cargo build --release --workspace

# Run all tests
test:
    cargo test --workspace

# Formatting, clippy and rustdoc, warnings refused
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Plant every forbidden thing in a copy of the core and see it refused
wall:
    core/wall.sh

# Licences, banned crates and features, sources (no network)
deny: (_tool "cargo-deny" "cargo install --locked cargo-deny")
    cargo deny --offline check licenses bans sources

# Known vulnerabilities (needs the advisory database)
advisories: (_tool "cargo-deny" "cargo install --locked cargo-deny")
    @cargo deny check advisories || { echo "advisories: not clean, or the database could not be reached (see above): this proves nothing yet" >&2; exit 1; }

# All that CI runs
ci:
    .ci/run

# One scenario, start to verdict
demo scenario="scenarios/quiet.toml" *options:
    {{ sim }} run {{ scenario }} {{ options }}

# Every shipped scenario over many seeds (END excluded)
sweep seeds="0..1000" *options:
    {{ sim }} sweep {{ scenarios }} --seeds {{ seeds }} {{ options }}

# The yardstick on each of the three registers, every seed twice (END excluded)
registers seeds="0..40" *options:
    #!/usr/bin/env bash
    set -euo pipefail
    out=$(mktemp -d)
    trap 'rm -r "$out"' EXIT
    for register in embedded raft etcd; do
        # Faults that cannot bite a register are not drawn there; only Raft folds.
        sed -e "s/^register = .*/register = \"$register\"/" scenarios/chaos-standard.toml >"$out/chaos-$register.toml"
        test "$register" = raft || sed -i "/^fold_entries/d" "$out/chaos-$register.toml"
    done
    {{ sim }} lint "$out"
    {{ sim }} sweep "$out" --seeds {{ seeds }} --check-determinism {{ options }}

# Same seed, same hash: twice in each process, and with one job and with two
determinism scenario="scenarios/quiet.toml" seeds="0..200" debug_seeds="0..20":
    #!/usr/bin/env bash
    set -euo pipefail
    out=$(mktemp -d)
    trap 'rm -r "$out"' EXIT
    cargo build --release -p swarm-sim
    cargo build -p swarm-sim
    hashes() { grep -oE '"trace_hash": *"[^"]+"' "$1"; }
    same() { # same A B: the hashes in two reports, of which there must be some
        test -n "$(hashes "$1")" || { echo "no trace hash in $1: nothing was compared" >&2; exit 1; }
        diff <(hashes "$1") <(hashes "$2") && echo "equal: $(hashes "$1" | head -1)"
    }
    sweep() { "$1" sweep "{{ scenario }}" --seeds "$2" --jobs "$3" --json "$4" --check-determinism; }
    sweep target/release/swarm-sim "{{ seeds }}" 1 "$out/one.json"
    sweep target/release/swarm-sim "{{ seeds }}" 2 "$out/two.json"
    same "$out/one.json" "$out/two.json"
    sweep target/release/swarm-sim "{{ debug_seeds }}" 2 "$out/release.json"
    sweep target/debug/swarm-sim "{{ debug_seeds }}" 2 "$out/debug.json"
    same "$out/release.json" "$out/debug.json"

# What an idle day, a hundred and a thousand agents cost in time and memory (a minute and some 4 GiB)
yardsticks:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release -p swarm-sim
    for name in idle hundred thousand; do
        command time -f "$name: %U s of processor, %M KiB at most" target/release/swarm-sim run scenarios/yardsticks/$name.toml
    done

# Planted protocol bugs: each must be caught
mutants *options:
    {{ sim }} mutants {{ options }}

# The table of planted bugs in reports/planted-bugs.md, and as JSON beside it: two hours
planted-bugs: (mutants "--seeds 200 --starts 20 --json reports/planted-bugs.json --markdown reports/planted-bugs.md")

# What lying earns beside honesty, in reports/profits.md: every scenario with liars over many seeds, an hour and more
profits seeds="0..1000":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release -p swarm-sim
    out=$(mktemp -d)
    trap 'rm -r "$out"' EXIT
    printf '# What lying earns\n\nSeeds {{ seeds }} of every scenario with liars, by `just profits`.\n' >"$out/profits.md"
    for scenario in $(grep -l '^\[\[adversaries\]\]' scenarios/*.toml); do
        target/release/swarm-sim sweep "$scenario" --seeds {{ seeds }} --markdown "$out/sweep.md" >&2
        { echo && sed -n '/^Profits in /,$p' "$out/sweep.md"; } >>"$out/profits.md"
    done
    mv "$out/profits.md" reports/profits.md

# Planted bugs that no scenario brings about: the core's own tests must catch them
mutants-core:
    RUSTC_WORKSPACE_WRAPPER="$PWD/sim/planting-rustc" cargo test --release -p swarm-core --lib --test rules planted_bugs_are_caught -- --test-threads=1

# The base policy's own tests; then every module, and every answer that OPA gives, made again: the same bytes must come out
policies: (_tool "opa" "go install github.com/open-policy-agent/opa@v1.22.2")
    opa test core/policy/policies
    core/policy/tests/regenerate.py "$(command -v opa)"
    git diff --exit-code --stat -- core/policy

# What a policy's evaluation takes, beside the native rules
bench-policy *options:
    cargo bench -p swarm-policy -- {{ options }}

# What a policy in Rego costs a whole run, beside the native rules
bench-policy-run *options:
    cargo run --release -p swarm-sim --example policy_price -- {{ options }}

# The base policy asked the same here, of regorus and, given its path, of OPA
bench-policy-peers opa="":
    cd core/policy/peers && cargo run --release -- {{ opa }}

# Check scenario files; errors point at the line and suggest the mend
check-scenarios:
    {{ sim }} lint {{ scenarios }}

# Deliveries per second of the bare event kernel
bench *options:
    cargo bench -p swarm-sim --bench kernel -- {{ options }}

# The kernel's ping-pong beside madsim's and turmoil's, in a workspace of its own (builds both: minutes)
bench-peers:
    cd sim/peers && cargo run --release

# Where the time goes: perf if there is one, callgrind otherwise
profile scenario="scenarios/quiet.toml" *options:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release -p swarm-sim
    run=(target/release/swarm-sim run "{{ scenario }}" {{ options }})
    mkdir -p target/profile
    if perf record --quiet --output target/profile/probe.data true 2>/dev/null; then
        perf record --call-graph dwarf,16384 --freq 499 --output target/profile/perf.data "${run[@]}"
        perf report --input target/profile/perf.data --no-children --stdio --percent-limit 1 --call-graph none
    elif command -v valgrind >/dev/null; then
        echo "perf cannot record here: callgrind instead, about fifty times slower"
        valgrind --tool=callgrind --callgrind-out-file=target/profile/callgrind.out "${run[@]}"
        callgrind_annotate target/profile/callgrind.out | head -60
    else
        echo "profile needs perf or valgrind" >&2
        exit 69
    fi

# Random bytes against the envelope parser, on the stable toolchain
fuzz seconds="60": (_tool "cargo-fuzz" "cargo install --locked cargo-fuzz")
    #!/usr/bin/env bash
    set -euo pipefail
    cd core
    mkdir -p fuzz/corpus/envelope
    # The golden envelopes of the tests are the best first guesses there are.
    find tests -name '*.json' -size -64k -exec cp -t fuzz/corpus/envelope {} +
    RUSTC_BOOTSTRAP=1 cargo fuzz run envelope -- -max_total_time={{ seconds }} -max_len=70000 -dict=fuzz/envelope.dict

# The documentation of every package, opened in a browser
docs:
    cargo doc --workspace --no-deps --open

_tool name how:
    @command -v {{ name }} >/dev/null || { echo "{{ name }} is missing; it is had with: {{ how }}" >&2; exit 69; }
