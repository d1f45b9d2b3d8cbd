#!/bin/sh
# The part of `make deploy` that runs on the board, as root (scripts/deploy.sh): installs PACKAGE, looks at the config, starts
# the service and shows its first message.
#
#   deploy-board.sh PACKAGE PRESET|- DEVICE|- SECONDS
set -eu

package=$1 preset=$2 device=$3 patience=$4
unit=smearscope-edge
config=/etc/smearscope/edge.toml
overrides=/etc/smearscope/edge.env
say() { echo "== $*"; }
fail() {
    echo "error: $*" >&2
    exit 1
}

case "$package" in
*.deb)
    # A config that was changed here is kept, whatever the package brings. What it depends on may have to be fetched.
    export DEBIAN_FRONTEND=noninteractive
    dpkg --force-confdef --force-confold --install "$package" </dev/null ||
        apt-get --quiet --yes --fix-broken -o Dpkg::Options::=--force-confold install </dev/null ||
        fail "the package can't be installed; dpkg has said why."
    ;;
*.tar.gz)
    tar -xzf "$package" -C "$(dirname "$package")"
    sh "${package%.tar.gz}/install.sh" || fail "install.sh has failed and said why."
    ;;
*) fail "$package is neither a .deb nor a .tar.gz." ;;
esac
if [ "$preset" != - ]; then
    shared=/usr/share/smearscope
    [ -f "$shared/presets/$preset.toml" ] ||
        fail "there is no preset $preset; there are: $(cd $shared/presets && echo *.toml | sed 's/\.toml//g')"
    if cmp -s $config $shared/edge.toml; then
        cp "$shared/presets/$preset.toml" $config
    elif ! cmp -s $config "$shared/presets/$preset.toml"; then
        say "kept $config, which somebody has written; the preset $preset is not used"
    fi
fi
if [ "$device" != - ]; then
    [ ! -e $overrides ] || sed -i '/^SMEARSCOPE_DEVICE_ID=/d' $overrides
    echo "SMEARSCOPE_DEVICE_ID=$device" >>$overrides
fi
# Theirs to read, and nobody else's.
/usr/lib/smearscope/configure

if [ -e $overrides ]; then
    set -a
    # shellcheck source=/dev/null
    . $overrides
    set +a
fi
$unit check-config $config ||
    fail "the program is installed, but not started: mend $config on the board, then run this again."

say "starting $unit"
since=$(date '+%Y-%m-%d %H:%M:%S')
said() { journalctl --unit $unit --since "$since" --output cat --no-pager; }
begun=$(date +%s)
waits() { [ $(($(date +%s) - begun)) -lt "$patience" ]; }
systemctl enable --quiet $unit
systemctl restart $unit || {
    said | tail -n 5 >&2
    fail "$unit doesn't start: see its last words above; systemctl status $unit has more."
}
until said | grep -q 'online at the broker'; do
    systemctl --quiet is-active $unit || {
        said | tail -n 5 >&2
        fail "$unit has ended: see its last words above."
    }
    waits || {
        said | tail -n 5 >&2
        fail "$unit runs but has reached no broker within $patience s: are [mqtt] host and port in $config right?"
    }
    sleep 1
done
said | grep 'online at the broker' | tail -n 1
# Where a slide lies under the microscope, its first field; where none does, there is nothing to wait for.
[ "$patience" -le 30 ] || patience=30
begun=$(date +%s)
until said | grep -q 'field [0-9]'; do
    waits || {
        say "$unit runs, and is online; no field yet: it waits for a slide"
        exit 0
    }
    sleep 1
done
said | grep 'field [0-9]' | head -n 1
say "$unit runs, is online, and has published a field"
