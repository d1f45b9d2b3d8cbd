#!/usr/bin/env bash
# The files in systemd/, as far as they can be checked without booting: systemd reads the unit without a complaint, its
# exposure stays at or below 1.5, and user and folders are made as they should in an empty root.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

for tool in systemd-analyze systemd-sysusers systemd-tmpfiles; do
    have "$tool" || {
        skip "systemd files: no $tool on this machine"
        exit 0
    }
done

unit=smearscope-edge.service
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# `verify` wants the program to exist: it gets one, by another name.
printf '#!/bin/sh\n' >"$root/smearscope-edge"
chmod +x "$root/smearscope-edge"
grep -q '^ExecStart=/usr/bin/smearscope-edge ' systemd/$unit || die "$unit doesn't start /usr/bin/smearscope-edge."
sed "s|^ExecStart=/usr/bin/|ExecStart=$root/|" systemd/$unit >"$root/$unit"
complaints=$(systemd-analyze verify --man=no "$root/$unit" 2>&1) || true
[[ -z "$complaints" ]] || die "systemd-analyze verify: $complaints"

# In tenths.
systemd-analyze security --offline=true --no-pager --threshold=15 systemd/$unit >"$root/security" ||
    die "the unit is more exposed than 1.5: $(tail -n 1 "$root/security")"

install -D -m 644 systemd/sysusers.d/smearscope.conf "$root/usr/lib/sysusers.d/smearscope.conf"
install -D -m 644 systemd/tmpfiles.d/smearscope.conf "$root/usr/lib/tmpfiles.d/smearscope.conf"
install -D -m 644 systemd/edge.toml "$root/etc/smearscope/edge.toml"
systemd-sysusers --root="$root" smearscope.conf 2>/dev/null
grep -q '^video:.*\bsmearscope$' "$root/etc/group" || die "sysusers.d doesn't put the user into the group video."
# Only root can give files away.
if ((EUID == 0)); then
    systemd-tmpfiles --create --root="$root" smearscope.conf
    mode=$(stat -c %a "$root/etc/smearscope/edge.toml")
    [[ "$mode" == 640 ]] || die "tmpfiles.d leaves edge.toml with mode $mode."
fi
say "$(tail -n 1 "$root/security" | tr -d '→' | sed 's/^ *//; s/ *[^ a-zA-Z0-9.]*$//')"
