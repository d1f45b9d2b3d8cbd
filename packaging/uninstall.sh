#!/bin/sh
# Removes what install.sh has installed. Config and data stay, unless asked for. As root:
#
#   uninstall.sh [--purge]
#
# --purge   config, results, models and the user go, too
set -eu

files=/usr/share/smearscope/files
case "${1:-}" in
'' | --purge) ;;
*)
    echo "usage: uninstall.sh [--purge]" >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || {
    echo "error: only root can uninstall: sudo $0" >&2
    exit 1
}
[ -e $files ] || {
    echo "error: install.sh has not installed smearscope-edge here: there is no $files." >&2
    exit 1
}

systemctl disable --quiet --now smearscope-edge || true
/usr/lib/smearscope/configure "${1:---remove}"
while read -r file; do
    rm -f "/$file"
done <$files
rm -f $files /usr/lib/smearscope/uninstall.sh
# Ours alone, unless somebody put something there; the others are everybody's.
find /usr/share/smearscope /usr/share/doc/smearscope-edge /usr/lib/smearscope -depth -type d -exec rmdir {} \; 2>/dev/null || true
systemctl daemon-reload
! command -v udevadm >/dev/null 2>&1 || udevadm control --reload || true
