#!/usr/bin/env bash
# Measures the hottest calls from Python and prints one JSON object; everything else goes to stderr.
# usage: UNSPOOL_BENCH_ORIGIN=http://... bench-python.sh DATA_DIR
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || die "bench-python.sh needs a data directory"

wheel=$("$root_dir/scripts/wheel-python.sh" --ship)
python=$("$root_dir/scripts/setup-python.sh")
fresh=$target_dir/python/bench
rm -rf "$fresh"
"$python" -m venv --without-pip "$fresh"
"$python" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$wheel" >&2
exec "$fresh/bin/python" "$root_dir/bindings/python/bench/bench.py" "$@"
