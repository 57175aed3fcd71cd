#!/usr/bin/env bash
# Says whether libraries can be loaded where memory comes in pages of 16 KB, as on devices of Android 15.
# usage: check-pages.sh LIBRARY...
# Every loaded segment must be aligned to 16 KB or more; one that is not is named, and the script ends with 1.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || { echo "usage: check-pages.sh LIBRARY..." >&2; exit 2; }

page=$((16 * 1024))
reader=$(command -v llvm-readelf || command -v readelf) || die "no readelf on this machine: it comes with binutils and with the NDK"
status=0
for library; do
    # "LOAD offset address address size size flags alignment"; flags may be several words.
    alignments=$("$reader" -lW "$library" | awk '$1 == "LOAD" {print $NF}') || die "$library cannot be read"
    [ -n "$alignments" ] || die "$library loads nothing: is it a library?"
    least=$(while read -r alignment; do echo $((alignment)); done <<<"$alignments" | sort -n | head -n 1)
    if [ "$least" -ge "$page" ]; then
        echo "PAGES $library: $(wc -l <<<"$alignments") segments, aligned to $least"
    else
        warn "PAGES $library: a segment is aligned to $least, less than $page"
        status=1
    fi
done
exit "$status"
