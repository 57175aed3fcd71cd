#!/usr/bin/env bash
# Builds the Python wheel and prints its path (and nothing else) on stdout.
# usage: wheel-python.sh [--release|--ship] [--faults]      as for bindings.sh; what ships is --ship
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

profile=debug
out=$target_dir/ffi
faults=()
for option in "$@"; do
    case $option in
        # Apart from what the tests use: the generated code fits one library only.
        --release | --ship) profile=${option#--} out=$target_dir/ffi-${option#--} ;;
        --faults) faults=(--faults) ;;
        *) die "wheel-python.sh knows --release, --ship and --faults, not '$option'" ;;
    esac
done

python=$(scripts/setup-python.sh)
scripts/bindings.sh "$@" --out "$out" >&2
parts=$target_dir/python/$profile/parts
wheels=$target_dir/python/$profile/wheels
rm -rf "$parts" "$wheels"
mkdir -p "$parts" "$wheels"
cp "$out/$profile/libunspool_ffi.so" "$parts/"
# Its symbols told the generator what there is; nobody else asks them.
if [ "$profile" = ship ]; then strip --strip-unneeded "$parts/libunspool_ffi.so"; fi
cp "$out/python/unspool_ffi.py" "$parts/_bindings.py"
"$target_dir/debug/unspool-bindgen" declarations --language python --sources "$out/python" \
    --config uniffi.toml "${faults[@]}" >"$parts/_bindings.pyi"
UNSPOOL_WHEEL_PARTS=$parts "$python" -m pip wheel -q --disable-pip-version-check --no-index --no-deps \
    --no-build-isolation -w "$wheels" bindings/python >&2
echo "$wheels"/*.whl
