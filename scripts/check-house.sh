#!/usr/bin/env bash
# The house rules that the compiler does not check: which room may use which, an engine without I/O, no paths of one
# person's machine, tested examples, sound scripts. Prints every breach and ends non-zero when there is one.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
breaches=0

breach() { # what, rows (optional)
    printf 'house: %s\n' "$1" >&2
    if [ -n "${2:-}" ]; then printf '%s\n' "$2" | head -n 20 | sed 's/^/    /' >&2; fi
    breaches=$((breaches + 1))
}

# --- Direction -------------------------------------------------------------------------------------------------------
# What each room may use of the workspace, in normal and build dependencies. Tests and demos see everything and are seen
# by nothing; a crate that is not listed has no place in the house yet.
core="unspool-engine unspool-media unspool-player unspool"
all="$core unspool-testkit unspool-ffi unspool-origin"
declare -A may_use=(
    [unspool-engine]=""
    [unspool-media]="unspool-engine"
    [unspool-player]="unspool-engine unspool-media"
    [unspool]="unspool-engine unspool-media unspool-player"
    [unspool-testkit]="$core"
    [unspool-ffi]="$core"
    [unspool-bindgen]=""
    [unspool-origin]="$all"
    [unspool-e2e]="$all"
    [unspool-sim]="unspool-engine"
    [unspool-live]="$all"
    [unspool-bench]="$all"
    [unspool-demo]="$all"
)
# In tests, the core may also use the testkit; the testkit and the outer rooms are free.
declare -A may_test_with=(
    [unspool-engine]="unspool-testkit"
    [unspool-media]="unspool-testkit ${may_use[unspool-media]}"
    [unspool-player]="unspool-testkit ${may_use[unspool-player]}"
    [unspool]="unspool unspool-testkit ${may_use[unspool]}"
    [unspool-ffi]="$all"
    [unspool-demo]="$all unspool-sim"
)

# Lines "package dependency" between crates of the workspace. A crate of ours is a line that ends in a path.
edges() { # kinds of edges
    cargo tree "${cargo_flags[@]}" --workspace --depth 1 --target all --prefix depth --no-dedupe -e "$1" |
        awk '/^0/ { sub(/^0/, ""); from = $1; next }
             /^1/ && /\(\// { sub(/^1/, ""); print from, $1 }'
}

if ! { edges normal,build >"$work/edges" && edges dev >"$work/dev-edges"; }; then
    die "cargo cannot lay out the workspace"
fi
while read -r name; do
    [ -n "${may_use[$name]+known}" ] || breach "$name has no place in scripts/check-house.sh: say what it may use"
done < <(cargo tree "${cargo_flags[@]}" --workspace --depth 0 --prefix none | awk 'NF {print $1}' | sort -u)
while read -r from to; do
    case " ${may_use[$from]-} " in
        *" $to "*) ;;
        *) breach "$from must not depend on $to" ;;
    esac
done <"$work/edges"
while read -r from to; do
    case " ${may_test_with[$from]-$all} " in
        *" $to "*) ;;
        *) breach "the tests of $from must not depend on $to" ;;
    esac
done <"$work/dev-edges"

# --- Words that cross --------------------------------------------------------------------------------------------------
# Comments nest in Kotlin and Swift: one that is opened inside a comment swallows the rest of the file.
found=$(grep -rnE '^ *//[/!].*(/\*|\*/)' bindings/src || true)
[ -z "$found" ] || breach "a doc comment opens or closes a comment in Kotlin and Swift:" "$found"

# --- The engine decides and touches nothing --------------------------------------------------------------------------
cargo tree "${cargo_flags[@]}" -p unspool-engine -e normal --target all --prefix none | awk '{print $1}' | sort -u >"$work/engine"
found=$(grep -xE 'tokio.*|async-std|mio|socket2|hyper.*|reqwest|rusqlite|libsqlite3-sys|gstreamer.*|glib.*|rand|getrandom|chrono|time' "$work/engine" || true)
[ -z "$found" ] || breach "the engine's dependencies reach I/O, a clock or randomness:" "$found"
# Comments may name what the engine must not use; code may not.
found=$(git ls-files 'core/engine/src/*.rs' | while read -r file; do
    sed 's://.*$::' "$file" |
        grep -nE '\b(Instant|SystemTime|HashMap|HashSet|thread_rng|RandomState)\b|std::(fs|net|thread|process|env)\b|\brand::' |
        sed "s|^|$file:|" || true
done)
[ -z "$found" ] || breach "the engine takes the time and randomness as arguments and keeps order (BTreeMap, not HashMap):" "$found"

# --- Requests leave through one door -----------------------------------------------------------------------------------
# The list of outgoing requests is complete because nothing else sends any.
found=$(git ls-files 'core/*/src/*.rs' | grep -vx 'core/media/src/outbound.rs' | while read -r file; do
    sed 's://.*$::' "$file" | grep -nE '\.send\(\)|\.execute\((request|req)|\breqwest::(get|blocking)\b' | sed "s|^|$file:|" || true
done)
[ -z "$found" ] || breach "a request that is not sent by a Wire (core/media/src/outbound.rs):" "$found"

# --- The tree names no one's machine ---------------------------------------------------------------------------------
found=$(git ls-files -z | xargs -0 grep -InE '(^|[^[:alnum:]_.~-])/((w)ork|(f)arm|(r)oot|(h)ome/[a-z]+|(U)sers/[A-Za-z]+|(t)mp/[a-z]{1,8}/)' -- 2>/dev/null || true)
[ -z "$found" ] || breach "paths of one person's machine:" "$found"
found=$(git ls-files -z '*.rs' '*.kt' '*.swift' '*.py' '*.sh' | xargs -0 grep -InE '\b(F)IXME\b|\b(X)XX\b' -- 2>/dev/null || true)
[ -z "$found" ] || breach "unfinished words (finish it, or say why it stays):" "$found"

# --- Examples of the documentation are those that tests run ----------------------------------------------------------
found=$(python3 scripts/check-examples.py 2>&1) || breach "examples:" "$found"
found=$(python3 scripts/guides.py "$target_dir/guides" 2>&1) || breach "guides:" "$found"

# --- Scripts ---------------------------------------------------------------------------------------------------------
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
for script in "${scripts[@]}"; do bash -n "$script" || breach "$script does not parse"; done
if command -v shellcheck >/dev/null 2>&1; then
    found=$(shellcheck -S warning -x -P SCRIPTDIR "${scripts[@]}" 2>&1) || breach "shellcheck:" "$found"
else
    echo "SKIPPED shellcheck: not on this machine"
    if in_ci; then breach "shellcheck is missing, and a skip is a failure in CI"; fi
fi

[ "$breaches" -eq 0 ] || die "$breaches house rules broken"
