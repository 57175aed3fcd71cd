#!/usr/bin/env bash
# Makes a root folder that holds Swift and a GStreamer that plays, and prints its path (and nothing else) on stdout.
# When it cannot, it prints the reason in one line instead and ends with 1. A moment when all is there.
#
# Debian 12 has no Swift, Debian 13 (trixie) has: apt resolves the packages against an empty system, checks their
# signatures, and they are unpacked beside the machine's own files, never installed into them. No maintainer script
# runs. scripts/in-swift.sh runs commands inside.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

suite=trixie
# Swift, what its clang needs to link C and C++, and enough of a shell to start things.
swift=(swiftlang libc6-dev libstdc++-14-dev libc-bin coreutils dash bash)
# The decoders with all their libraries; of the two big plugin packages only single files (below), without theirs.
play=(gstreamer1.0-libav libgstreamer-plugins-bad1.0-0)
plugin_packages=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)
plugins=(
    libgst{coreelements,app,videoconvertscale,audioconvert,audioresample,volume,typefindfunctions,playback}.so
    libgst{autodetect,isomp4,audioparsers,videoparsersbad,libav}.so
)
# Depended on, never loaded here: the 3D drivers, service managers, fonts, GCC's own compilers and sanitisers, Python.
# A third of what would have to be fetched beside Swift itself.
left_out='libllvm.*|mesa-.*|libgl1-mesa-dri|lib(egl|glx)-mesa0|iso-codes|systemd.*|libsystemd-shared|libpam.*|dbus.*'
left_out+='|fonts-.*|xkb-data|libx11-data|procps|mount|gsettings-.*|dconf-.*|glib-networking.*|shared-mime-info'
left_out+='|gcc|g\+\+|cpp|(gcc|cpp)-[0-9].*|cpp-x86.*|lib[at]san[0-9]+|lib(hwa|l|ub)san[0-9]+'
left_out+='|(lib)?python3.*|perl.*|libperl.*|adduser|passwd|debconf|.*-l10n'
# Parts of the packages that are kept which nothing here reads; half of Swift is its debugger and its editor server.
unread=(
    ./usr/share/{doc,man,locale,info,lintian,bash-completion,perl} './usr/lib/*/gconv' './usr/lib/python3*'
    './usr/libexec/swift/bin/lldb*' './usr/libexec/swift/lib/liblldb*' ./usr/libexec/swift/bin/{clangd,sourcekit-lsp,docc,swift-format}
    './usr/libexec/swift/lib/libsourcekitd*' './usr/libexec/swift/lib/libLTO*' ./usr/libexec/swift/lib/swift_static
    ./usr/libexec/swift/lib/swift/{embedded,FrameworkABIBaseline}
)

stamp=$(declare -p suite swift play plugin_packages plugins left_out unread | sha256sum | cut -c 1-12)
home=$tools_dir/swift-$stamp
cannot() { echo "$*"; exit 1; }

if [ -f "$home/.complete" ]; then
    echo "$home"
    exit 0
fi

command -v dpkg-deb >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 ||
    cannot "Swift comes from Debian's packages, and this machine has no apt"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# The mirror is the one this machine already uses.
mirror=$(apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
    awk -F'|' -v release="$release" '$1 == release && $2 == "main" {print $3; exit}')
[ -n "$mirror" ] || cannot "apt knows no Debian mirror for ${release:-this system}"

# One maker at a time; the second finds the work done.
mkdir -p "$tools_dir"
exec 9>"$tools_dir/swift.lock"
flock 9
if [ -f "$home/.complete" ]; then
    echo "$home"
    exit 0
fi

free_kb=$(df --output=avail -k "$tools_dir" | tail -n 1)
[ "$free_kb" -gt 2600000 ] || cannot "Swift needs 2.6 GB for a moment and 1.4 GB after; $tools_dir has $((free_kb / 1024)) MB"

# What a killed run left is removed; the folder gets its name only when it is whole.
making=$tools_dir/swift.making
rm -rf "$making"
mkdir -p "$making"/{apt/etc/{apt.conf.d,preferences.d,trusted.gpg.d},apt/state/lists/partial,apt/cache/archives/partial,debs,loose,root}
trap 'rm -rf "$making"' EXIT
: >"$making/apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} $suite main" >"$making/apt/etc/sources.list"
log=$reports_dir/setup-swift.log
mkdir -p "$reports_dir"
: >"$log"
apt_of_suite() {
    apt-get -q -o Dir::Etc="$making/apt/etc" -o Dir::Etc::sourceparts=- -o Dir::State="$making/apt/state" \
        -o Dir::State::status="$making/apt/status" -o Dir::Cache="$making/apt/cache" -o APT::Install-Recommends=0 \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 \
        "$@" 2>>"$log"
}

begun=$SECONDS
say "fetching Swift 6 and GStreamer from Debian $suite: about 600 MB, then 1.3 GB on disk, two to four minutes, once" >&2
apt_of_suite update -o APT::Update::Error-Mode=any >>"$log" ||
    cannot "apt cannot reach Debian $suite at the mirror of this machine (see $log)"
apt_of_suite install --simulate -y "${swift[@]}" "${play[@]}" >"$making/plan" ||
    cannot "apt cannot resolve Swift from Debian $suite (see $log)"
awk '$1 == "Inst" {print $2}' "$making/plan" | grep -vxE "$left_out" | grep -vxFf <(printf '%s\n' "${plugin_packages[@]}") \
    >"$making/packages"
mapfile -t packages <"$making/packages"
(cd "$making/debs" && apt_of_suite download "${packages[@]}" >>"$log") &&
    (cd "$making/loose" && apt_of_suite download "${plugin_packages[@]}" >>"$log") ||
    cannot "apt cannot fetch Swift's packages (see $log)"
fetched=$((SECONDS - begun))
size=$(du -sm "$making/debs" "$making/loose" | awk '{sum += $1} END {print sum}')

export root=$making/root
for dir in bin sbin lib lib64; do
    mkdir -p "$root/usr/$dir"
    ln -s "usr/$dir" "$root/$dir"
done
mkdir -p "$root"/{tmp,proc,dev,etc}
unpack() { # package, tar options...
    local package=$1
    shift
    set -o pipefail
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner --keep-directory-symlink "$@"
}
export -f unpack
# The biggest first: it alone takes one core for most of the time.
du -k "$making"/debs/*.deb | sort -rn | cut -f 2- |
    xargs -P 2 -I{} bash -c 'unpack "$@"' unpack {} "${unread[@]/#/--exclude=}" 2>>"$log" ||
    cannot "Swift's packages cannot be unpacked (see $log)"
# tar complains of the names that another of these packages holds; what counts is checked below.
for package in "$making"/loose/*.deb; do
    unpack "$package" --wildcards "${plugins[@]/#/*/gstreamer-1.0/}" 2>/dev/null || true
done
# What Debian's alternatives would do: the only two libraries that lie in folders of their own.
lib=$(dirname "$(find "$root/usr/lib" -name 'libgstreamer-1.0.so.0')")
ln -s blas/libblas.so.3 lapack/liblapack.so.3 "$lib/"
for plugin in "${plugins[@]}"; do
    [ -f "$lib/gstreamer-1.0/$plugin" ] || cannot "Debian $suite has no plugin $plugin in ${plugin_packages[*]}"
done

touch "$root/.complete"
rm -rf "$home"
mv "$root" "$home"
say "Swift is in $home: $size MB fetched in $fetched s, unpacked in $((SECONDS - begun - fetched)) s, $(du -sh "$home" | cut -f 1)" >&2
for other in "$tools_dir"/swift-*/; do
    [ "$other" = "$home/" ] || say "an older one, which another checkout may use: ${other%/} (remove it when none does)" >&2
done
echo "$home"
