#!/usr/bin/env bash
# Proves that the wall around the core stands: a clean copy of the core passes clippy, and a copy with violations planted in it is
# refused, every one of them by name. Seconds when warm; builds into the project's own target folder. Needs no network.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
# A fixed place, so that a second run finds its own results; below target, so that nobody commits it.
copy=$target/wall
plants=$root/core/tests/wall/planted.rs

rm -rf "$copy"
mkdir -p "$copy/core"
# One package is enough: the copy's workspace has the core alone, with the versions of the real lock file.
sed -e 's/^members = .*/members = ["core"]/' -e '/^exclude = /d' "$root/Cargo.toml" >"$copy/Cargo.toml"
cp "$root/Cargo.lock" "$root/rust-toolchain.toml" "$copy/"
cp "$root/core/Cargo.toml" "$root/core/clippy.toml" "$copy/core/"
cp -r "$root/core/src" "$copy/core/src"
# The dangerous calls of crates that the core does not name today must be refused on the day it does.
sed -i -e 's/^\[dependencies\]$/&\nrand = "0.10"\ngetrandom = "0.4"/' "$copy/core/Cargo.toml"

wall() { # clippy over the copy, one line per message
    (cd "$copy" && CARGO_TARGET_DIR=$target cargo clippy --offline --quiet --package swarm-core --lib --message-format short 2>&1)
}

if ! out=$(wall); then
    printf '%s\n' "$out" "wall: the clean copy does not pass clippy, so a refusal would prove nothing" >&2
    exit 1
fi
echo "wall: the clean core passes"

lib=$copy/core/src/lib.rs
cp "$lib" "$copy/lib.rs.clean"

printf '\n#[doc(hidden)]\npub fn planted() -> bool {\n    std::env::args().count() > 0\n}\n' >>"$lib"
if out=$(wall); then
    echo "wall: BREACHED: the core reaches std without naming it; is #![no_std] gone?" >&2
    exit 1
fi
case $out in *E0433*) echo "wall: std without a declaration is refused by the compiler" ;;
*) printf '%s\n' "$out" "wall: refused, but not for std" >&2; exit 1 ;;
esac

cp "$copy/lib.rs.clean" "$lib"
cp "$plants" "$copy/core/src/planted.rs"
printf '\nmod planted;\n' >>"$lib"
if out=$(wall); then
    echo "wall: BREACHED: clippy accepts all planted violations" >&2
    exit 1
fi
planted=0 breached=0
while IFS= read -r marked; do
    number=${marked%%:*} words=${marked##*//\~ }
    planted=$((planted + 1))
    # An error, not a warning: the lint must be denied by the core itself, whatever flags clippy is given.
    if ! grep -- "planted\.rs:$number:[0-9]*: error" <<<"$out" | grep -qF -- "$words"; then
        breached=$((breached + 1))
        printf 'wall: BREACHED at planted.rs:%s: expected "%s"\n' "$number" "$words" >&2
    fi
done < <(grep -n '//~ ' "$plants")
if [ "$breached" -gt 0 ] || [ "$planted" -eq 0 ]; then
    printf '%s\nwall: %s of %s violations got through\n' "$out" "$breached" "$planted" >&2
    exit 1
fi
echo "wall: all $planted planted violations are refused by name"
rm -rf "$copy"
