#!/usr/bin/env bash
# Makes an environment with what builds, types and tests the Python package, and prints the path of its interpreter (and
# nothing else) on stdout. The versions and their hashes are in bindings/python/requirements.txt.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

requirements=$root_dir/bindings/python/requirements.txt

# The package supports 3.10 and newer.
new_enough() {
    command -v python3 >/dev/null 2>&1 &&
        python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

new_enough || "$root_dir/scripts/setup-apt.sh" python >&2
new_enough || die "no Python 3.10 or newer with venv on this machine"

version=$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
home=$tools_dir/python-$version-$(sha256sum "$requirements" | cut -c 1-12)
if [ ! -e "$home/ready" ] || ! "$home/bin/python" -c '' 2>/dev/null; then
    say "making a Python $version environment with pytest, mypy and hatchling (20 MB to fetch)" >&2
    rm -rf "$home"
    mkdir -p "$tools_dir"
    python3 -m venv "$home"
    "$home/bin/python" -m pip install -q --disable-pip-version-check --no-input --only-binary :all: --require-hashes \
        -r "$requirements" >&2 || die "pip cannot fetch what bindings/python/requirements.txt names"
    touch "$home/ready"
fi
echo "$home/bin/python"
