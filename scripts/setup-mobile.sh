#!/usr/bin/env bash
# Makes a folder that holds a Rust compiler with the source of its standard library and the standard library for 64-bit ARM
# Linux, and prints its path (and nothing else) on stdout. When it cannot, it prints the reason in one line and ends with 1.
#
# A toolchain of rustup has one target unless others are fetched; Debian packages the compiler that browsers are built with
# together with its source, so that the standard library can be checked for any target. Nothing is installed: packages are
# unpacked beside the machine's own files, after apt has checked their signatures.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

home=$tools_dir/rust-web
cannot() { echo "$*"; exit 1; }

if [ -f "$home/.complete" ]; then
    echo "$home"
    exit 0
fi
command -v dpkg-deb >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 ||
    cannot "the compiler comes from Debian's packages, and this machine has no apt"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/own" "$work/arm" "$work"/apt/{etc/apt.conf.d,etc/preferences.d,state/lists/partial,cache/archives/partial}

{
    warn "fetching Debian's Rust compiler with its source (about 250 MB, once)"
    cd "$work/own"
    apt-get download -qq -o APT::Sandbox::User=root rustc-web rust-web-src libstd-rust-web-dev || cannot "apt cannot fetch rustc-web"
    library=$(dpkg-deb -f libstd-rust-web-dev_*.deb Depends | grep -oE 'libstd-rust-web-[0-9.]+' | head -n 1)
    version=$(dpkg-deb -f libstd-rust-web-dev_*.deb Version)
    apt-get download -qq -o APT::Sandbox::User=root "$library" || cannot "apt cannot fetch $library"
    llvm=$(dpkg-deb -f "$library"_*.deb Depends | grep -oE 'libllvm[0-9]+' | head -n 1)
    apt-get download -qq -o APT::Sandbox::User=root "$llvm" || cannot "apt cannot fetch $llvm"
} >&2

# The same mirrors, asked for another processor, with an apt that knows nothing of this machine.
mirrors() {
    apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
        awk -F'|' -v name="$release" '$2 == "main" && index($1, name) == 1 && !seen[$1 $3]++ {print $3, $1}'
}
key=/usr/share/keyrings/debian-archive-keyring.gpg
while read -r address suite; do
    echo "deb [arch=arm64 signed-by=$key] $address $suite main"
done < <(mirrors) >"$work/apt/etc/sources.list"
: >"$work/apt/status"
other=(
    -qq -o Dir::Etc="$work/apt/etc" -o Dir::Etc::sourceparts=- -o Dir::State="$work/apt/state"
    -o Dir::State::status="$work/apt/status" -o Dir::Cache="$work/apt/cache" -o APT::Architecture=arm64
    -o APT::Architectures=arm64 -o Acquire::Languages=none -o APT::Sandbox::User=root
)
{
    apt-get "${other[@]}" update || cannot "apt cannot read the packages for arm64"
    cd "$work/arm"
    apt-get "${other[@]}" download "libstd-rust-web-dev=$version" || cannot "apt cannot fetch the standard library for arm64"
} >&2

rm -rf "$home"
mkdir -p "$home"
for package in "$work"/own/*.deb; do dpkg-deb -x "$package" "$home"; done
dpkg-deb --fsys-tarfile "$work"/arm/*.deb | tar -x -C "$home" ./usr/lib/rustlib
libraries=$(find "$home/usr/lib" -name 'libLLVM*.so*' -printf '%h\n' | sort -u | paste -sd:)
LD_LIBRARY_PATH="$home/usr/lib/x86_64-linux-gnu:$libraries" "$home/usr/bin/rustc" -V >&2 || cannot "the compiler that was unpacked does not run"
echo "$home/usr/lib/x86_64-linux-gnu:$libraries" >"$home/.libraries"
touch "$home/.complete"
echo "$home"
