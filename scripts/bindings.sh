#!/usr/bin/env bash
# Builds the library that other languages load and writes its Kotlin, Swift and Python bindings.
# usage: bindings.sh [--release|--ship] [--faults] [--inspector] [--out DIR]
#   --release   optimised for speed                 (default: as the tests are built)
#   --ship      as apps ship it: small where speed does not matter, takes minutes
#   --faults    as the tests want it: with the calls that panic on purpose, and with the live inspector
#   --inspector with the live inspector, for debug builds of an app
#   --out DIR   where to put it                     (default: ffi in the target directory)
# Leaves DIR/<debug|release|ship>/libunspool_ffi.so and DIR/{kotlin,swift,python}; and beside DIR, in guides of the target directory,
# the code of the embedding guides, which the tests compile with the bindings.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

profile=debug
build=()
out=$target_dir/ffi
while [ $# -gt 0 ]; do
    case $1 in
        --release) profile=release ;;
        --ship) profile=ship ;;
        --faults) build+=(--features "fault-injection,inspector") ;;
        --inspector) build+=(--features inspector) ;;
        --out) out=${2:?--out needs a folder}; shift ;;
        *) die "bindings.sh knows --release, --ship, --faults, --inspector and --out DIR, not '$1'" ;;
    esac
    shift
done
use_rust || die "no Rust $(rust_floor) or newer: run make setup"

case $profile in
    debug) cargo build -p unspool-ffi "${build[@]}" "${cargo_flags[@]}" ;;
    release) cargo build --release -p unspool-ffi "${build[@]}" "${cargo_flags[@]}" ;;
    ship) build_shipped "" cdylib "${build[@]}" ;;
esac
cargo build -p unspool-bindgen "${cargo_flags[@]}"
mkdir -p "$out/$profile"
library=$out/$profile/libunspool_ffi.so
# A program that has the library open keeps its own copy: the new one takes the name only when it is whole.
cp "$target_dir/$profile/libunspool_ffi.so" "$library.new"
mv "$library.new" "$library"

fresh=$(mktemp -d "$out/fresh.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
"$target_dir/debug/unspool-bindgen" generate --library "$library" --config uniffi.toml --out "$fresh"
for language in kotlin swift python; do
    # Unchanged files keep their time, so that builds on top of them have nothing to do.
    mkdir -p "$out/$language"
    (cd "$fresh/$language" && find . -type f -print0) | while IFS= read -r -d '' file; do
        if ! cmp -s "$fresh/$language/$file" "$out/$language/$file"; then
            mkdir -p "$(dirname "$out/$language/$file")"
            cp "$fresh/$language/$file" "$out/$language/$file"
        fi
    done
    (cd "$out/$language" && find . -type f -print0) | while IFS= read -r -d '' file; do
        [ -e "$fresh/$language/$file" ] || rm -f "$out/$language/$file"
    done
done
scripts/guides.py "$target_dir/guides"
say "bindings: $out"
