#!/usr/bin/env bash
# Builds the Python wheel and prints its path (and nothing else) on stdout.
# usage: wheel-python.sh [--release] [--faults]      as for bindings.sh; what ships is --release
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

profile=debug
faults=()
for option in "$@"; do
    case $option in
        --release) profile=release ;;
        --faults) faults=(--faults) ;;
        *) die "wheel-python.sh knows --release and --faults, not '$option'" ;;
    esac
done

python=$(scripts/setup-python.sh)
scripts/bindings.sh "$@" >&2
parts=$target_dir/python/parts
wheels=$target_dir/python/wheels
rm -rf "$parts" "$wheels"
mkdir -p "$parts" "$wheels"
cp "$target_dir/ffi/$profile/libunspool_ffi.so" "$parts/"
cp "$target_dir/ffi/python/unspool_ffi.py" "$parts/_bindings.py"
"$target_dir/debug/unspool-bindgen" declarations --language python --sources "$target_dir/ffi/python" \
    --config uniffi.toml "${faults[@]}" >"$parts/_bindings.pyi"
UNSPOOL_WHEEL_PARTS=$parts "$python" -m pip wheel -q --disable-pip-version-check --no-index --no-deps \
    --no-build-isolation -w "$wheels" bindings/python >&2
echo "$wheels"/*.whl
