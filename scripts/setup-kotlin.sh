#!/usr/bin/env bash
# Makes sure that a JDK 17 or newer and Maven are here: those on PATH, or Debian's packages.
# The Kotlin compiler and the libraries are Maven's business: it keeps them in its local repository.
# Ends non-zero, and says why, when they cannot be had.
# usage: setup-kotlin.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# A JDK tells its release as 17.0.15 or 25; a JRE alone would do, the Kotlin compiler is a Java program.
java_release() {
    java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
}

kotlin_ready() {
    local release
    command -v java >/dev/null 2>&1 && command -v mvn >/dev/null 2>&1 || return 1
    release=$(java_release)
    [ "${release:-0}" -ge 17 ]
}

if ! kotlin_ready; then
    # A machine where it cannot work says so once, in the words of the leg that is skipped.
    "$root_dir/scripts/setup-apt.sh" kotlin || die "no JDK 17 with Maven on this machine, and Debian's packages cannot be installed"
    kotlin_ready || die "java is $(java_release || true), Maven is $(command -v mvn || echo missing): JDK 17 or newer and Maven are needed"
fi
