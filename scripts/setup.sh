#!/usr/bin/env bash
# Installs what a target of the Makefile needs and is missing. Under a second when all is there.
# usage: setup.sh [build|lint|all]      (default: all)
set -euo pipefail
here=$(dirname "$0")
case ${1:-all} in
    build) "$here/setup-apt.sh" build && "$here/setup-rust.sh" ;;
    lint | all)
        "$here/setup-apt.sh" build lint
        "$here/setup-rust.sh" lint
        "$here/setup-deny.sh" >/dev/null
        ;;
    *) echo "usage: setup.sh [build|lint|all]" >&2; exit 2 ;;
esac
