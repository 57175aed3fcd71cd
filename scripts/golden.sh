#!/usr/bin/env bash
# Compares what the generated bindings declare with the committed files of bindings/golden, so that a change of the
# interface is a change somebody has read.
# usage: golden.sh check|update
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

wanted=${1:-}
case $wanted in
    check | update) ;;
    *) die "usage: golden.sh check|update" ;;
esac

# As the tests build it, live inspector included; the calls that panic on purpose are left out of the declarations.
scripts/bindings.sh --faults >/dev/null
status=0
for language in kotlin swift python; do
    golden=bindings/golden/$language.txt
    fresh=$target_dir/ffi/declarations-$language.txt
    "$target_dir/debug/unspool-bindgen" declarations --language "$language" --sources "$target_dir/ffi/$language" \
        --config uniffi.toml >"$fresh" || { status=1; continue; }
    if [ "$wanted" = update ]; then
        mkdir -p "$(dirname "$golden")"
        cp "$fresh" "$golden"
        say "$golden: $(wc -l <"$golden") lines"
    elif [ ! -f "$golden" ]; then
        warn "$golden is missing: run scripts/golden.sh update and commit it"
        status=1
    elif ! diff -u --label "$golden (committed)" --label "$golden (now)" "$golden" "$fresh"; then
        warn "the $language interface has changed. When that is meant: scripts/golden.sh update, and commit $golden"
        status=1
    fi
done
exit "$status"
