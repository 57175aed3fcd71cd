#!/usr/bin/env bash
# Says how big the library is that apps ship, with and without GStreamer, and what is big in it. Fails above a limit.
# usage: size.sh [--record] [--only with|without]
#   --record   also writes the figures into docs/size.csv, the ledger; done for each release
#   --only     builds and weighs one of the two
# The library is stripped as Android's build strips it (--strip-unneeded), which is after the bindings were generated: the
# generator reads the symbols that go.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

# Bytes. The aim without GStreamer is 6 MB, what an app may pay that plays with the phone's own players; it is missed, and said so
# each time. The limits keep what there is from growing unseen: a twentieth above the first figures with this profile. With: the same and
# the pipelines; GStreamer's own libraries come on top and are listed in docs/mobile-gstreamer.md.
aim=6000000
declare -A limits=([without]=9750000 [with]=10080000)
ledger=docs/size.csv

record=
# A release has just built the one with.
kinds=(with without)
while [ $# -gt 0 ]; do
    case $1 in
        --record) record=1 ;;
        --only) kinds=("${2:?--only needs with or without}"); shift ;;
        *) die "size.sh knows --record and --only with|without, not '$1'" ;;
    esac
    shift
done
use_rust || die "no Rust $(rust_floor) or newer: run make setup"

mkdir -p "$target_dir/size"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
rustc=$(rustc --version | awk '{print $2}')
host=$(rustc -vV | sed -n 's/^host: //p')
status=0

# The symbols of a library by the crate whose code they are; generic code counts for the crate that wrote it.
by_crate() { # library, rows
    nm --radix=d --print-size --size-sort --demangle "$1" | awk '
        $3 ~ /^[tTrRdDwWvVbB]$/ {
            bytes = $2 + 0
            name = $0
            sub(/^[^ ]+ +[^ ]+ +[^ ]+ /, "", name)
            # `<a::B as c::D>::e` is of a; what has no path is C.
            while (sub(/^(<|&|\*|\(|\[|mut |const |dyn |impl )/, "", name)) { }
            crate = match(name, /^[A-Za-z_][A-Za-z0-9_]*::/) ? substr(name, 1, RLENGTH - 2) : "C"
            if (crate == "C") crate = name ~ /^(sqlite3|sqlite|fts5|fts3|json|btree|vdbe|unix|where|expr|alter|pager|wal)/ ? "C: sqlite" : name ~ /^ring_core/ ? "C: ring" : name ~ /^(uniffi|UNIFFI|ffi_)/ ? "exports" : "C: other"
            if (crate ~ /^(core|alloc|std|hashbrown|compiler_builtins|gimli|addr2line|rustc_demangle|miniz_oxide|object)$/) crate = "std and its own"
            sum[crate] += bytes
        }
        END { for (crate in sum) printf "%d\t%s\n", sum[crate], crate }' | sort -rn | head -n "$2" |
        awk -F'\t' '{printf "    %9d  %s\n", $1, $2}'
}

for kind in "${kinds[@]}"; do
    case $kind in
        without) features=(--no-default-features) name=none ;;
        with) features=() name=gstreamer ;;
        *) die "--only takes with or without, not '$kind'" ;;
    esac
    say "building the library $kind GStreamer, as it ships"
    build_shipped "" cdylib "${features[@]}"
    library=$target_dir/size/libunspool_ffi-$kind.so
    cp "$target_dir/ship/libunspool_ffi.so" "$library.symbols"
    strip --strip-unneeded -o "$library" "$library.symbols"
    bytes=$(stat -c %s "$library")
    packed=$(gzip -9 -c "$library" | wc -c)
    last=$(awk -F, -v host="$host" -v name="$name" '$4 == host && $5 == name {row = $0} END {print row}' "$ledger" 2>/dev/null || true)
    echo "SIZE $kind GStreamer: $bytes bytes, $packed packed (limit ${limits[$kind]}), $version, rustc $rustc, $host"
    if [ -n "$last" ]; then
        IFS=, read -r date old _ _ _ before _ <<<"$last"
        echo "    the ledger has $before ($old, $date): $((bytes - before)) bytes since"
    fi
    echo "    what is big, by whose code it is (bytes before stripping):"
    by_crate "$library.symbols" 14
    if [ -n "$record" ]; then
        [ -f "$ledger" ] || echo "date,version,rustc,target,features,bytes,packed" >"$ledger"
        echo "$(date +%F),$version,$rustc,$host,$name,$bytes,$packed" >>"$ledger"
    fi
    if [ "$kind" = without ] && [ "$bytes" -gt "$aim" ]; then warn "the aim of $aim bytes is missed by $((bytes - aim))"; fi
    if [ "$bytes" -gt "${limits[$kind]}" ]; then
        warn "SIZE $kind GStreamer is $((bytes - limits[$kind])) bytes above its limit"
        status=1
    fi
done
exit "$status"
