#!/usr/bin/env bash
# Drives the demo's page in headless Chromium and compares what it shows with the server's books.
# usage: demo-check.sh PROGRAM      (unspool-demo, built)
# Pictures of the phone and the inspector go to demo/ in the target directory, a report to reports/demo/.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

tools=$("$root_dir/scripts/setup-browser.sh") || exit 3
{ read -r python && read -r browser; } <<<"$tools"
export PYTHONDONTWRITEBYTECODE=1
# Every wait in it has its own end; this is far beyond what the whole takes on a busy machine.
timeout -k 10 900 "$python" "$root_dir/demo/check/check.py" "$1" "$browser" "$target_dir/demo" "$reports_dir/demo/junit.xml"
