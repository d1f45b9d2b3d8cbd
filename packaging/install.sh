#!/bin/sh
# Installs smearscope-edge from this folder on a board without dpkg, or upgrades it. Config and data are kept. As root:
#
#   ./install.sh [--preset NAME] [--device ID]
#
# --preset NAME   begin with the config of share/smearscope/presets/NAME.toml, if there is no config yet
# --device ID     this board's name in all topics, noted in /etc/smearscope/edge.env
set -eu

here=$(cd "$(dirname "$0")" && pwd)
fail() {
    echo "error: $*" >&2
    exit "${status:-1}"
}

preset="" device=""
while [ $# -gt 0 ]; do
    case "$1" in
    --preset | --device)
        [ $# -ge 2 ] || status=2 fail "$1 needs a value."
        if [ "$1" = --preset ]; then preset=$2; else device=$2; fi
        shift 2
        ;;
    *) status=2 fail "usage: install.sh [--preset NAME] [--device ID]" ;;
    esac
done

[ "$(id -u)" = 0 ] || fail "only root can install: sudo $0"
command -v systemctl >/dev/null 2>&1 || fail "this board has no systemd, which is to start the program."
! dpkg-query --show smearscope-edge >/dev/null 2>&1 ||
    fail "smearscope-edge is installed as a Debian package here: upgrade it with the .deb, or apt purge it first."
"$here/root/usr/bin/smearscope-edge" --version >/dev/null ||
    fail "the program doesn't run on this board ($(uname -m)); is the archive for another processor?"

config=/etc/smearscope/edge.toml
source="$here/root$config"
if [ -n "$preset" ]; then
    source="$here/root/usr/share/smearscope/presets/$preset.toml"
    [ -f "$source" ] ||
        status=2 fail "there is no preset $preset; there are: $(cd "$here/root/usr/share/smearscope/presets" && echo *.toml | sed 's/\.toml//g')"
fi

was_active=no
if systemctl --quiet is-active smearscope-edge; then was_active=yes; fi
# Beside its place, then renamed: a running program's file can't be written to, and a power cut leaves the old one.
(cd "$here/root" && find usr -type f) | while read -r file; do
    mkdir -p "/$(dirname "$file")"
    cp -p "$here/root/$file" "/$file.new"
    chown 0:0 "/$file.new"
    mv "/$file.new" "/$file"
done
mkdir -p /etc/smearscope
if [ -e $config ]; then
    echo "kept $config"
else
    cp "$source" $config
fi
if [ -n "$device" ]; then
    echo "SMEARSCOPE_DEVICE_ID=$device" >/etc/smearscope/edge.env
fi
# For uninstall.sh.
(cd "$here/root" && find usr -type f) >/usr/share/smearscope/files
/usr/lib/smearscope/configure
install -m 755 "$here/uninstall.sh" /usr/lib/smearscope/uninstall.sh
systemctl enable --quiet smearscope-edge
if [ $was_active = yes ]; then
    systemctl restart smearscope-edge
    echo "$(smearscope-edge --version) runs"
else
    echo "$(smearscope-edge --version) is installed and will start at boot. Now, as root:"
    echo "  1. edit $config: the device id, [source] and [mqtt]"
    echo "  2. smearscope-edge check-config $config"
    echo "  3. systemctl start smearscope-edge; journalctl -fu smearscope-edge"
fi
