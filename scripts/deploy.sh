#!/usr/bin/env bash
# make deploy: installs or upgrades smearscope on a board that can be reached by ssh, and waits for its first message. An
# existing config is kept. Run it again whenever something was mended.
#
# HOST    user@board, root or one who may sudo; ssh's own settings apply (keys, ~/.ssh/config)
# PORT    of its sshd, if not 22
# DEB     the package: a .deb, or the .tar.gz for a board without dpkg
# BINARY  or a program to be packed; without both, one is built: `cargo build`, or `make cross` for another processor
# PRESET  where nobody has written a config yet: begin with /usr/share/smearscope/presets/PRESET.toml
# DEVICE  this board's name in all topics (SMEARSCOPE_DEVICE_ID in its /etc/smearscope/edge.env)
# WAIT    seconds until the first message, 120 if not said
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[[ -n "${HOST:-}" ]] || die "say which board: make deploy HOST=user@board"
[[ "${PRESET:-}${DEVICE:-}" =~ ^[A-Za-z0-9_-]*$ ]] || die "PRESET and DEVICE are made of letters, digits, - and _."
cd "$SMEARSCOPE_ROOT"

work=$(mktemp -d)
# One connection for all: asked for a passphrase once.
options=(-o "ControlPath=$work/ssh" -o ControlMaster=auto -o ControlPersist=60)
[[ -z "${PORT:-}" ]] || options+=(-o "Port=$PORT")
# shellcheck disable=SC2029  # the words are ours
on_board() { ssh "${options[@]}" "$HOST" "$@"; }
trap 'ssh "${options[@]}" -O exit "$HOST" 2>/dev/null; rm -rf "$work"' EXIT

facts=$(on_board 'uname -m; command -v dpkg || echo -; id -u; mktemp -d' </dev/null) ||
    die "can't log in to $HOST by ssh; try: ssh ${PORT:+-p $PORT }$HOST"
{ read -r machine && read -r dpkg && read -r user && read -r folder; } <<<"$facts"
case "$machine" in
x86_64) arch=amd64 target=x86_64-unknown-linux-gnu ;;
aarch64) arch=arm64 target=aarch64-unknown-linux-gnu ;;
*) die "$HOST has a $machine; packages are made for x86_64 and aarch64 (64-bit systems)." ;;
esac

package=${DEB:-}
if [[ -z "$package" ]]; then
    if [[ -z "${BINARY:-}" && "$machine" == "$(uname -m)" ]]; then
        scripts/setup-board.sh
        cargo build --release --locked -p smearscope-edge
        BINARY="${CARGO_TARGET_DIR:-target}/release/smearscope-edge"
    elif [[ -z "${BINARY:-}" ]]; then
        TARGET=$target scripts/cross.sh
        BINARY="${CARGO_TARGET_DIR:-target}/$target/release/smearscope-edge"
    fi
    scripts/package.sh "$BINARY" $arch "$work"
    ending=$([[ "$dpkg" == - ]] && echo tar.gz || echo deb)
    package=$(echo "$work"/smearscope-edge*."$ending")
fi
[[ -f "$package" ]] || die "there is no package $package."
[[ "$dpkg" != - || "$package" != *.deb ]] || die "$HOST has no dpkg: give it the .tar.gz (DEB=...)."

say "copying $(basename "$package") to $HOST"
scp -q "${options[@]}" "$package" packaging/deploy-board.sh "$HOST:$folder/"
run=(sh "$folder/deploy-board.sh" "$folder/$(basename "$package")" "${PRESET:--}" "${DEVICE:--}" "${WAIT:-120}")
terminal=()
if ((user != 0)); then
    # A password can only be asked for where somebody sits.
    if [[ -t 0 ]]; then
        terminal=(-t)
        run=(sudo "${run[@]}")
    else
        run=(sudo -n "${run[@]}")
    fi
fi
status=0
# shellcheck disable=SC2029  # the words are ours
ssh "${options[@]}" "${terminal[@]}" "$HOST" "${run[@]}" || status=$?
on_board "rm -rf '$folder'" </dev/null
exit $status
