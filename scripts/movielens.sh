#!/usr/bin/env bash
# Puts MovieLens-100k (GroupLens; Harper and Konstan, 2015) into the tools cache and prints its folder (and nothing else) on
# stdout, for `unspool-sim promises`. GroupLens does not let it be redistributed, so it is taken from the wheel of RecBole on
# PyPI when it is needed, and never committed. pip checks the wheel and the other hashes the tables in it, taken on 2026-11-22.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

version=1.2.1
wheel_sha256=9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407
hashes='4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff  ml-100k.inter
51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532  ml-100k.item'

folder=$tools_dir/ml-100k
whole() { (cd "$1" && sha256sum --check --quiet <<<"$hashes") >/dev/null 2>&1; }
if [ -d "$folder" ] && whole "$folder"; then
    echo "$folder"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "recbole==$version --hash=sha256:$wheel_sha256" >"$work/requirements.txt"
warn "fetching MovieLens-100k (in the wheel of RecBole $version, 2 MB)"
python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    -r "$work/requirements.txt" -d "$work" >&2 || die "pip cannot fetch RecBole $version"
python3 -m zipfile -e "$work"/*.whl "$work/wheel"
found=$work/wheel/recbole/dataset_example/ml-100k
whole "$found" || die "MovieLens-100k is not what it was"
mkdir -p "$folder"
install -m 644 "$found/ml-100k.inter" "$found/ml-100k.item" "$folder/"
whole "$folder" || die "the copy in $folder is damaged"
echo "$folder"
