#!/usr/bin/env bash
# make release: from a clean checkout, everything that a release consists of: the board's program for amd64 and arm64 as
# .deb and as tarball, the default model with its card, SHA256SUMS, and a minisign signature of each file. The arm64
# program is tried under qemu before. On a tag the version is the tag's; elsewhere it names the commit.
#
#   KEY=minisign.key scripts/release.sh [FOLDER]     [target/release-VERSION]
#
# KEY                      the secret key that signs (minisign -G makes one); its public one lies beside it as .pub
# UNSIGNED                 yes: no KEY, no signatures
# EDGE_AMD64, EDGE_ARM64   programs that make cross built from this commit; without them they are built
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# As the caller means them.
key=${KEY:+$(realpath -m -- "$KEY")}
out=${1:+$(realpath -m -- "$1")}
cd "$SMEARSCOPE_ROOT"
target=$(realpath -m -- "${CARGO_TARGET_DIR:-target}")

# What can fail at once comes before what takes an hour.
[[ -z "$(git status --porcelain)" ]] || die "the checkout has changes: $(git status --porcelain | head -n 3 | xargs). Commit them first."
cargo_version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
commit=$(git rev-parse --short=10 HEAD)
if tag=$(git describe --tags --exact-match 2>/dev/null); then
    version=${tag#v}
    [[ "$version" == "$cargo_version" ]] || die "the tag is $tag, but Cargo.toml says $cargo_version."
else
    # Debian sorts what follows ~ before the version itself.
    version="$cargo_version~git$(git log -1 --format=%cd --date=format:%Y%m%d).$commit"
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
out="${out:-$target/release-$version}"
[[ ! -e "$out" ]] || die "$out is there already."
if [[ -n "$key" ]]; then
    public="${key%.key}.pub"
    [[ -f "$key" && -f "$public" ]] || die "there must be a secret key $key and its public one $public; minisign -G makes them."
    apt_need minisign have minisign
    apt_install
else
    [[ "${UNSIGNED:-}" == yes ]] || die "no KEY to sign with: KEY=minisign.key, or UNSIGNED=yes for a release that nobody can verify."
    say "WARNING: this release will have no signatures"
fi

say "smearscope $version, commit $commit"
scripts/setup-deny.sh
scripts/deny.sh
if [[ -z "${EDGE_AMD64:-}" ]]; then
    TARGET=x86_64-unknown-linux-gnu scripts/cross.sh
    EDGE_AMD64="$target/x86_64-unknown-linux-gnu/release/smearscope-edge.stripped"
fi
if [[ -z "${EDGE_ARM64:-}" ]]; then
    TARGET=aarch64-unknown-linux-gnu scripts/cross.sh
    EDGE_ARM64="$target/aarch64-unknown-linux-gnu/release/smearscope-edge.stripped"
fi
scripts/check-binary.sh "$EDGE_AMD64" "$EDGE_ARM64"
COUNT=no EDGE="$EDGE_AMD64" EDGE_AARCH64="$EDGE_ARM64" scripts/check-aarch64.sh

mkdir -p "$out"
VERSION=$version scripts/package.sh "$EDGE_AMD64" amd64 "$out"
VERSION=$version scripts/package.sh "$EDGE_ARM64" arm64 "$out"
card() { sed -n "s/^  \"$1\": \"\(.*\)\",\$/\1/p" edge/models/default.card.json; }
model=$(card name)-$(card version)
cp edge/models/default.onnx "$out/$model.onnx"
cp edge/models/default.card.json "$out/$model.card.json"

cd "$out"
sha256sum -- * >SHA256SUMS
sha256sum --check --quiet SHA256SUMS
say "in $out:"
ls -l
if [[ -n "$key" ]]; then
    files=(*)
    # A board goes by the time: an older signature than it knows brings it no model.
    minisign -S -s "$key" -t "timestamp:$(date +%s)"$'\t'"smearscope $version, commit $commit" -m "${files[@]}" >/dev/null
    for file in "${files[@]}"; do
        minisign -V -q -p "$public" -m "$file"
    done
    cat <<VERIFY
== Whoever downloads this verifies it with
   minisign -V -P $(tail -n 1 "$public") -m SHA256SUMS
   sha256sum --check --ignore-missing SHA256SUMS
VERIFY
fi
