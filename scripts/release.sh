#!/usr/bin/env bash
# Builds the release folder: what can be built on this machine, and a list of what cannot with the tool that is missing.
# usage: release.sh [--no-size]
#   --no-size   leaves out the weighing, which builds the library once more: for a try of the packages
# Leaves release/unspool-<version> in the target directory: the jar with the native library in it, the Swift package and the wheel
# for this machine's system, the bill of materials, the licences, the size ledger, and SHA256SUMS. Each package is tried before it
# counts. Ends with 1 when something fails that has its tools; a missing tool is told and is no failure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"

weighing=1
case ${1:-} in
    "") ;;
    --no-size) weighing= ;;
    *) die "release.sh knows --no-size, not '$1'" ;;
esac

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
system=$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
out=$target_dir/release/unspool-$version
parts=$target_dir/ffi-ship
work=$target_dir/release/work
logs=$reports_dir
rm -rf "$out" "$work"
mkdir -p "$out" "$work" "$logs"
missing=()
failed=()

without() { # what is not built, the tool, where it comes from
    missing+=("MISSING $2: $1 is not built; $3")
}

part() { # name, command...
    local name=$1 begun=$SECONDS
    shift
    say "release: $name"
    # A function in a condition runs without -e: every step of a part ends it by itself.
    if "$@"; then say "release: $name ok · $((SECONDS - begun)) s"; else failed+=("$name"); fi
}

# JNA looks for libraries on the class path in a folder named after system and processor.
jar() {
    local log=$logs/release-jar.log jar=$out/unspool-$version.jar place
    case $system in
        linux-x86_64) place=linux-x86-64 ;;
        linux-aarch64) place=linux-aarch64 ;;
        *) warn "no name is known here for the library of $system in a jar"; return 1 ;;
    esac
    if ! (cd bindings/kotlin && mvn -B -Dmaven.test.skip=true "-Dunspool.target=$target_dir" "-Dunspool.generated=$parts/kotlin" \
        "-Dunspool.build=$work/kotlin" package \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$work/kotlin/lib") >"$log" 2>&1; then
        grep -E '^\[ERROR\]|^e: ' "$log" | head -n 20 >&2
        return 1
    fi
    cp "$work/kotlin/unspool-$version.jar" "$jar" || return 1
    # What was generated stays readable from the symbols outside; inside they are of no use.
    strip --strip-unneeded -o "$work/libunspool_ffi.so" "$parts/ship/libunspool_ffi.so" || return 1
    python3 - "$jar" "$work/libunspool_ffi.so" "$place/libunspool_ffi.so" \
        bindings/kotlin/consumer-rules.pro META-INF/proguard/unspool.pro \
        LICENSE-MIT META-INF/LICENSE-MIT LICENSE-APACHE META-INF/LICENSE-APACHE <<'ADD' || return 1
import sys, zipfile
jar, *files = sys.argv[1:]
with zipfile.ZipFile(jar, "a", zipfile.ZIP_DEFLATED) as archive:
    for source, name in zip(files[::2], files[1::2]):
        entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        archive.writestr(entry, open(source, "rb").read())
ADD
    java --enable-native-access=ALL-UNNAMED -cp "$jar:$work/kotlin/lib/*" bindings/kotlin/src/smoke/Smoke.java
}

swift_package() {
    local log=$logs/release-swift.log name=unspool-swift-$version-$system to=$work/swift/Unspool
    mkdir -p "$to/lib"
    scripts/swift-package.sh linux "$parts/swift" "$to" || return 1
    strip --strip-unneeded -o "$to/lib/libunspool_ffi.so" "$parts/ship/libunspool_ffi.so" || return 1
    if ! scripts/in-swift.sh swift build --package-path "$to" --scratch-path "$work/swift/build" >"$log" 2>&1; then
        grep -E 'error:' "$log" | head -n 20 >&2 || tail -n 5 "$log" >&2
        return 1
    fi
    python3 - "$out/$name.zip" "$work/swift" Unspool <<'ZIP' || return 1
import pathlib, sys, zipfile
target, base, top = sys.argv[1:]
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    for file in sorted(pathlib.Path(base, top).rglob("*")):
        if file.is_file():
            entry = zipfile.ZipInfo(str(file.relative_to(base)), (2026, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
ZIP
    echo "the package builds from its own folder: $name.zip"
}

wheel() {
    local built python fresh=$work/python
    built=$(scripts/wheel-python.sh --ship) || return 1
    python=$(scripts/setup-python.sh) || return 1
    "$python" -m venv --without-pip "$fresh" || return 1
    "$python" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$built" || return 1
    (cd "$work" && "$fresh/bin/python" -c 'import unspool; unspool.CancelToken().cancel(); print("the wheel answers")') || return 1
    cp "$built" "$out/"
}

materials() { scripts/sbom.py "$out" "${cargo_flags[@]}"; }

say "release: the library and its bindings"
scripts/bindings.sh --ship --out "$parts" >"$logs/release-bindings.log" 2>&1 || { tail -n 20 "$logs/release-bindings.log" >&2; die "the library does not build"; }

if command -v mvn >/dev/null 2>&1; then part "the jar for the JVM" jar; else without "the jar" "Maven on a JDK 17 or newer" "apt-get install maven"; fi
if why=$(scripts/in-swift.sh swift --version 2>&1); then part "the Swift package" swift_package; else without "the Swift package" Swift "${why#error: }"; fi
if scripts/setup-python.sh >/dev/null 2>&1; then part "the wheel" wheel; else without "the wheel" "Python 3.10 or newer with venv" "apt-get install python3-venv"; fi
part "bill of materials and licences" materials
if [ -n "$weighing" ]; then part "size" scripts/size.sh; else say "release: the weighing is left out"; fi
cp CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$out/"
cp docs/packages.md "$out/README.md"
# The ledger begins with the first figure that somebody records.
if [ -f docs/size.csv ]; then cp docs/size.csv "$out/"; fi

# The archives for phones take toolchains of their owners; each script names those that are not here.
phone() { # name, script
    local name=$1 said code=0
    shift
    said=$("$@" --missing) || code=$?
    case $code in
        0) part "$name" "$@" --out "$out" ;;
        2) while read -r line; do missing+=("$line"); done <<<"$said" ;;
        *) failed+=("$name") ;;
    esac
}
phone "the Android archive" scripts/build-android.sh
phone "the XCFramework" scripts/build-ios.sh

(cd "$out" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort | xargs sha256sum >SHA256SUMS)
printf '\n'
[ "${#missing[@]}" -eq 0 ] || printf '%s\n' "${missing[@]}"
(cd "$out" && ls -l | awk 'NR > 1 {printf "RELEASE %9d  %s\n", $5, $9}')
if [ "${#failed[@]}" -gt 0 ]; then
    say "RELEASE $version FAILED: $(IFS=,; echo "${failed[*]}")"
    exit 1
fi
say "RELEASE $version: $out · $SECONDS s"
