#!/usr/bin/env bash
# Installs the Debian packages Unspool builds and plays with; only those that are missing.
# usage: setup-apt.sh [build] [lint] [kotlin] [python] [collector] [browser] [arm]      (default: build)
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Build: headers of the GStreamer core and base libraries, a C compiler for SQLite and ring.
# Play: qtdemux and the parsers (good, bad), the software H.264 and AAC decoders (libav).
# Windows: a virtual X server and the sink that draws into its windows.
# Clips: ffmpeg with a font draws the demo's and the tests' videos.
# Guides: Python takes their code out of the pages.
build=(
    build-essential ca-certificates curl pkg-config python3
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
    gstreamer1.0-x xvfb
    ffmpeg fonts-dejavu-core
)
# Lint: shellcheck for the scripts, git to list the tree, pip to fetch one pinned tool.
lint=(git python3 python3-pip shellcheck)
# Kotlin: a JDK and Maven; Maven fetches the compiler and the libraries. Android's resources go through its own compiler.
kotlin=(maven openjdk-17-jdk-headless aapt python3)
# Python: the interpreter that the wheel is tested with, and what makes environments.
python=(python3 python3-pip python3-venv)
# Collector: pip to fetch it, and the Python library that it is linked against.
collector=(python3 python3-pip libpython3.11)
# Browser: Chromium shows the demo's page, Python drives it.
browser=(chromium python3 python3-pip python3-venv)
# ARM: a C compiler and a C library for 64-bit ARM, and what runs its programs.
arm=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)

packages=()
[ $# -gt 0 ] || set -- build
for group in "$@"; do
    case $group in
        build) packages+=("${build[@]}") ;;
        lint) packages+=("${lint[@]}") ;;
        kotlin) packages+=("${kotlin[@]}") ;;
        python) packages+=("${python[@]}") ;;
        collector) packages+=("${collector[@]}") ;;
        browser) packages+=("${browser[@]}") ;;
        arm) packages+=("${arm[@]}") ;;
        *) die "setup-apt.sh knows the groups build, lint, kotlin, python, collector, browser and arm, not '$group'" ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
    if command -v ffmpeg >/dev/null 2>&1 && pkg-config --exists 'gstreamer-1.0 >= 1.22' gstreamer-app-1.0; then
        say "not a Debian machine: using the GStreamer and ffmpeg that are here"
        exit 0
    fi
    die "this is not a Debian machine. Install GStreamer 1.22 or newer with its base, good, bad and libav plugins and its headers, and ffmpeg, then run again."
fi
apt_install "${packages[@]}"
