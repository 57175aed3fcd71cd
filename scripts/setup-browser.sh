#!/usr/bin/env bash
# Makes an environment with what drives the demo's page, installs Chromium where it is missing, and prints the paths of the
# interpreter and of the browser, a line each (and nothing else) on stdout. Versions and hashes: demo/check/requirements.txt.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

requirements=$root_dir/demo/check/requirements.txt

find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
new_enough() {
    command -v python3 >/dev/null 2>&1 &&
        python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

if ! find_browser >/dev/null 2>&1 || ! new_enough; then "$root_dir/scripts/setup-apt.sh" browser >&2; fi
new_enough || die "no Python 3.10 or newer with venv on this machine"
browser=$(find_browser 2>/dev/null) || die "no Chromium on this machine"

version=$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
home=$tools_dir/browser-$version-$(sha256sum "$requirements" | cut -c 1-12)
if [ ! -e "$home/ready" ] || ! "$home/bin/python" -c '' 2>/dev/null; then
    say "making a Python $version environment with Playwright and axe (55 MB to fetch)" >&2
    rm -rf "$home"
    mkdir -p "$tools_dir"
    python3 -m venv "$home"
    "$home/bin/python" -m pip install -q --disable-pip-version-check --no-input --only-binary :all: --require-hashes \
        -r "$requirements" >&2 || die "pip cannot fetch what demo/check/requirements.txt names"
    touch "$home/ready"
fi
printf '%s\n' "$home/bin/python" "$browser"
