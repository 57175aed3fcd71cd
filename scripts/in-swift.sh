#!/usr/bin/env bash
# Runs a command inside the Swift root that setup-swift.sh made, in the present folder.
# usage: in-swift.sh [--bind DIR]... COMMAND [ARGUMENT]...
#
# The checkout, the target folder, /tmp, /proc, /dev and /etc/ssl are the machine's own at the same paths, the clips of the
# catalogue too (read-only, as seen by the programs of the tests); the loopback network is shared. The mounts are seen by
# the command alone and are gone when it ends. Of the environment, UNSPOOL_* and GST_* and CI are handed on.
# Needs root or a kernel that gives ordinary users a namespace of their own, as Debian's does.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

shared=("$root_dir")
case $target_dir/ in "$root_dir"/*) ;; *) shared+=("$target_dir") ;; esac
while [ "${1:-}" = --bind ]; do
    shared+=("$(realpath "$2")")
    shift 2
done
[ $# -gt 0 ] || { echo "usage: in-swift.sh [--bind DIR]... COMMAND [ARGUMENT]..." >&2; exit 2; }
root=$("$root_dir/scripts/setup-swift.sh") || die "no Swift here: $root"

own_namespace=(unshare --mount --propagation private)
[ "$(id -u)" -eq 0 ] || own_namespace=(unshare --user --map-root-user --mount --propagation private)
# Inside a chroot `/` is no mount whose propagation could be set; where nothing propagates anyway there is no need to.
if ! "${own_namespace[@]}" true 2>/dev/null && ! mountpoint -q / &&
    ! grep -qE ' shared:[0-9]+ ' /proc/self/mountinfo; then
    own_namespace=("${own_namespace[@]/#private/unchanged}")
fi
"${own_namespace[@]}" true 2>/dev/null ||
    die "no Swift here: this machine lets neither root nor this user mount folders (unshare is refused, as in a locked-down container)"

home=$target_dir/swift/home
catalogue=${XDG_CACHE_HOME:-$HOME/.cache}/unspool/catalogue
mkdir -p "$home" "$catalogue"
environment=(
    HOME="$home" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" CARGO_TARGET_DIR="$target_dir"
    PATH=/usr/bin:/bin:/usr/libexec/swift/bin LANG=C.UTF-8
)
while read -r name; do environment+=("$name=${!name}"); done < <(compgen -e | grep -E '^(UNSPOOL_|GST_)|^CI$' || true)

# shellcheck disable=SC2016  # expanded by the inner shell
exec "${own_namespace[@]}" bash -euc '
    root=$1 catalogue=$2 here=$3 shared=$4
    shift 4
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind /tmp "$root/tmp"
    # The certificates of public servers: the core loads them when it opens, also for plain http.
    mkdir -p "$root/etc/ssl"
    mount --bind /etc/ssl "$root/etc/ssl"
    mkdir -p "$root$catalogue"
    mount --bind "$catalogue" "$root$catalogue"
    mount -o remount,bind,ro "$root$catalogue"
    for ((; shared > 0; shared--)); do
        mkdir -p "$root$1"
        mount --bind "$1" "$root$1"
        shift
    done
    exec chroot "$root" /usr/bin/env -i "$@"
' in-swift "$root" "$catalogue" "$PWD" "${#shared[@]}" "${shared[@]}" \
    "${environment[@]}" bash -c 'cd "$1" && shift && exec "$@"' in-swift "$PWD" "$@"
