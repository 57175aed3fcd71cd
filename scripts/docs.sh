#!/usr/bin/env bash
# Writes the reference of every language to docs in the target directory, with a page that leads to them.
# usage: docs.sh [rust] [kotlin] [swift] [python]      (default: all)
# A language whose tool is not to be had prints `SKIPPED <language>: <why>`; what fails with its tool at hand ends this with 1.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
[ $# -gt 0 ] || set -- rust kotlin swift python

out=$target_dir/docs
mkdir -p "$out" "$reports_dir"
failed=()
skip() { echo "SKIPPED $1: $2"; }

# A row of the page that leads to the references; a page it names that is not there is an error.
entry() { # language, its page, who wrote it, guide, page of the session, of the feed, of the errors
    local page
    for page in "$2" "$5" "$6" "$7"; do [ -f "$out/${page%%#*}" ] || die "the reference of $1 has no $page"; done
    entries+=("<tr><th scope=row><a href=\"$2\">$1</a></th><td><a href=\"$5\">session</a></td><td><a href=\"$6\">feed</a></td><td><a href=\"$7\">errors</a></td><td><a href=\"guides/${4%.md}.txt\">guide</a></td><td>$3</td></tr>")
}

sources() { # generated sources, once
    [ -n "${generated:-}" ] && return 0
    say "docs: the library and its bindings"
    scripts/bindings.sh --faults >"$reports_dir/docs-bindings.log" 2>&1 || { tail -n 20 "$reports_dir/docs-bindings.log" >&2; return 1; }
    generated=1
}

rust() {
    local log=$reports_dir/docs-rust.log
    if ! cargo doc --no-deps -p unspool -p unspool-engine -p unspool-media -p unspool-player -p unspool-ffi "${cargo_flags[@]}" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
    rm -rf "$out/rust"
    cp -r "$target_dir/doc" "$out/rust"
    entry Rust rust/unspool/index.html "written by rustdoc, with the rooms below the session" rust.md rust/unspool/struct.Unspool.html \
        rust/unspool/struct.FeedSession.html rust/unspool/enum.Error.html
}

kotlin() {
    local log=$reports_dir/docs-kotlin.log why
    if ! why=$(scripts/setup-kotlin.sh 2>&1); then skip kotlin "$(tail -n 1 <<<"$why")"; return 0; fi
    sources || return 1
    if ! (cd bindings/kotlin && mvn -B -P docs "-Dunspool.target=$target_dir" "-Dunspool.docs=$out/kotlin" dokka:dokka) >"$log" 2>&1; then
        if grep -qE 'Could not transfer|Could not resolve|Connection (reset|refused)|timed out' "$log"; then
            skip kotlin "Maven's central repository is out of reach, see $log"
            return 0
        fi
        grep -E '^\[ERROR\]' "$log" | head -n 20 >&2
        return 1
    fi
    entry Kotlin kotlin/index.html "written by Dokka" android.md "kotlin/-unspool/dev.unspool/-unspool/index.html" \
        "kotlin/-unspool/dev.unspool/-feed/index.html" "kotlin/-unspool/dev.unspool/-unspool-exception/index.html"
}

swift() {
    local log=$reports_dir/docs-swift.log why graphs=$out/swift/symbol-graphs triple
    if ! why=$(scripts/in-swift.sh swift --version 2>&1); then skip swift "${why#error: }"; return 0; fi
    sources || return 1
    triple=$(scripts/in-swift.sh swiftc -print-target-info | sed -n 's/^ *"triple": "\(.*\)",*$/\1/p' | head -n 1)
    rm -rf "$out/swift"
    mkdir -p "$graphs"
    if ! { scripts/build-swift.sh "$target_dir/ffi" debug --target UnspoolCore &&
        for module in UnspoolBindings UnspoolCore; do
            scripts/in-swift.sh swift-symbolgraph-extract -module-name "$module" -target "$triple" \
                -I "$target_dir/swift/build/debug/Modules" -I bindings/swift/Sources/UnspoolFFI -minimum-access-level public \
                -pretty-print -output-dir "$graphs"
        done; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
    PYTHONDONTWRITEBYTECODE=1 scripts/swift-reference.py "$graphs" "$out/swift/index.html" || return 1
    entry Swift swift/index.html "from its symbol graphs, which DocC reads on a Mac" ios.md \
        "swift/index.html#Unspool" "swift/index.html#Feed" "swift/index.html#UnspoolError"
}

python() {
    local log=$reports_dir/docs-python.log interpreter fresh=$target_dir/python/docs wheel
    if ! interpreter=$(scripts/setup-python.sh 2>/dev/null); then skip python "no Python 3.10 or newer with venv"; return 0; fi
    rm -rf "$out/python" "$fresh"
    mkdir -p "$out/python"
    if ! { wheel=$(scripts/wheel-python.sh --faults) &&
        "$interpreter" -m venv --without-pip "$fresh" &&
        "$interpreter" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$wheel" &&
        PYTHONDONTWRITEBYTECODE=1 "$fresh/bin/python" scripts/python-reference.py "$out/python/index.html"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
    entry Python python/index.html "from the wheel" python.md \
        "python/index.html#Unspool" "python/index.html#Feed" "python/index.html#UnspoolError"
}

entries=()
for language in "$@"; do
    case $language in
        rust | kotlin | swift | python) ;;
        *) die "docs.sh knows rust, kotlin, swift and python, not '$language'" ;;
    esac
    begun=$SECONDS
    say "docs: $language"
    # A function in a condition runs without -e: every step of one ends it by itself.
    if "$language"; then say "docs: $language · $((SECONDS - begun)) s"; else failed+=("$language"); fi
done

# The guides as they are: text that is meant to be read as it stands.
mkdir -p "$out/guides"
for guide in docs/guides/*.md; do cp "$guide" "$out/guides/$(basename "${guide%.md}").txt"; done
{
    printf '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>Unspool, the reference</title>\n'
    printf '<style>body{font:17px/1.5 system-ui,sans-serif;max-width:50em;margin:3em auto;padding:0 1em}'
    printf 'th,td{text-align:left;padding:.3em 1.2em .3em 0}</style>\n'
    printf '<h1>Unspool, the reference</h1>\n'
    printf '<p>A session fetches a feed ahead of the thumb, plays it, and tells what happened when it is asked. Its calls are the same in'
    printf ' every language; the guides go from an empty project to a playing feed.</p>\n<table>\n'
    printf '%s\n' "${entries[@]}"
    printf '</table>\n<p>Troubleshooting, packages and the design are in the folder docs of the source.</p>\n</html>\n'
} >"$out/index.html"
if [ "${#failed[@]}" -gt 0 ]; then
    say "DOCS failed: $(IFS=,; echo "${failed[*]}")"
    exit 1
fi
say "DOCS: $out/index.html · $SECONDS s"
