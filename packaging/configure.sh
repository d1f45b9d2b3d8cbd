#!/bin/sh
# Installed as /usr/lib/smearscope/configure. Makes the machine ready for the files that the package or install.sh has put in
# place: user, folders, camera name, unit. Run as often as you like; says nothing when all is well.
#
#   configure            all that
#   configure --remove   undoes what isn't a file of the package (before it goes); data and user stay
#   configure --purge    data and user go, too
set -eu

unit=smearscope-edge.service
dropins=/usr/lib/systemd/system/$unit.d
has() { command -v "$1" >/dev/null 2>&1; }
# In a chroot, where an image for many boards is made, there is nothing to tell yet.
is_booted() { [ -d /run/systemd/system ]; }

user() {
    if has systemd-sysusers; then
        systemd-sysusers smearscope.conf
        return
    fi
    getent group video >/dev/null || groupadd --system video
    getent passwd smearscope >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /var/lib/smearscope --shell /usr/sbin/nologin \
            --comment "smearscope board service" smearscope
    usermod --append --groups video smearscope
}

folders() {
    if has systemd-tmpfiles; then
        systemd-tmpfiles --create smearscope.conf
    fi
    # Also where no systemd-tmpfiles is; and the service's own, so that a board whose root becomes read-only has them.
    for folder in /var/lib/smearscope /var/cache/smearscope /var/log/smearscope; do
        [ -d $folder ] || install -d -m 0750 -o smearscope -g smearscope $folder
    done
    chown root:smearscope /etc/smearscope
    chmod 0750 /etc/smearscope
    for file in /etc/smearscope/edge.toml /etc/smearscope/edge.env; do
        [ -e $file ] || continue
        chown root:smearscope $file
        chmod 0640 $file
    done
}

backoff() {
    version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 254 ]; then
        mkdir -p $dropins
        ln -sf /usr/share/smearscope/backoff.conf $dropins/backoff.conf
    else
        no_backoff
    fi
}

no_backoff() {
    rm -f $dropins/backoff.conf
    rmdir $dropins 2>/dev/null || true
}

reload() {
    is_booted || return 0
    systemctl daemon-reload
    has udevadm || return 0
    udevadm control --reload || true
    udevadm trigger --subsystem-match=video4linux || true
}

case "${1:-}" in
'')
    user
    folders
    backoff
    reload
    ;;
--remove)
    no_backoff
    ;;
--purge)
    no_backoff
    # With what a person put there. Where one is a disk of its own, the empty folder stays.
    rm -rf /var/lib/smearscope /var/cache/smearscope /var/log/smearscope /etc/smearscope || true
    if getent passwd smearscope >/dev/null; then
        userdel smearscope
    fi
    if getent group smearscope >/dev/null; then
        groupdel smearscope
    fi
    ;;
*)
    echo "usage: configure [--remove | --purge]" >&2
    exit 2
    ;;
esac
