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
    entries+=('<li><a href="rust/unspool/index.html">Rust</a>: the session, the engine, media, players (rustdoc)</li>')
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
    entries+=('<li><a href="kotlin/index.html">Kotlin</a> (Dokka)</li>')
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
    scripts/swift-reference.py "$graphs" "$out/swift/index.html" || return 1
    entries+=('<li><a href="swift/index.html">Swift</a> (from its symbol graphs, which DocC reads on a Mac)</li>')
}

python() {
    local log=$reports_dir/docs-python.log interpreter fresh=$target_dir/python/docs wheel
    if ! interpreter=$(scripts/setup-python.sh 2>/dev/null); then skip python "no Python 3.10 or newer with venv"; return 0; fi
    rm -rf "$out/python" "$fresh"
    mkdir -p "$out/python"
    if ! { wheel=$(scripts/wheel-python.sh --faults) &&
        "$interpreter" -m venv --without-pip "$fresh" &&
        "$interpreter" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$wheel" &&
        (cd "$out/python" && "$fresh/bin/python" -m pydoc -w unspool); } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
    entries+=('<li><a href="python/unspool.html">Python</a> (pydoc)</li>')
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

{
    printf '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Unspool, the reference</title>\n'
    printf '<style>body{font:17px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}</style>\n'
    printf '<h1>Unspool, the reference</h1>\n<ul>\n'
    printf '%s\n' "${entries[@]}"
    printf '</ul>\n<p>Guides, troubleshooting and the design are in the folder docs of the source.</p>\n</html>\n'
} >"$out/index.html"
if [ "${#failed[@]}" -gt 0 ]; then
    say "DOCS failed: $(IFS=,; echo "${failed[*]}")"
    exit 1
fi
say "DOCS: $out/index.html · $SECONDS s"
