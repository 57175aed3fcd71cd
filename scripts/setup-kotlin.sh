#!/usr/bin/env bash
# Makes sure that Maven on a JDK 17 or newer is here: the one on PATH, or Debian's packages. On Debian also aapt2, which
# compiles the resources of the Android sample; elsewhere the sample is left out without it.
# The Kotlin compiler and the libraries are Maven's business; it keeps them in its local repository.
# usage: setup-kotlin.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The release of the Java that Maven runs on, such as 17; empty when there is none.
java_release() { mvn -version 2>/dev/null | sed -n 's/^Java version: \([0-9]*\).*/\1/p'; }

kotlin_ready() {
    local release
    command -v mvn >/dev/null 2>&1 || return 1
    release=$(java_release)
    [ "${release:-0}" -ge 17 ]
}

if [ -x /usr/bin/dpkg-query ]; then
    kotlin_ready && command -v aapt2 >/dev/null 2>&1 && exit 0
else
    kotlin_ready && exit 0
    die "Maven on a JDK 17 or newer is not on this machine, and it is no Debian machine: install both and run again"
fi
"$root_dir/scripts/setup-apt.sh" kotlin
# Another Java may stand before Debian's; JAVA_HOME decides for Maven.
kotlin_ready || die "Maven runs on Java '$(java_release)': point JAVA_HOME to a JDK 17 or newer"
say "Maven is ready, on Java $(java_release)"
