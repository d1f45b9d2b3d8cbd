#!/bin/sh
# Runs once inside the disk of the board tests' machine while it is made (scripts/setup-board-vm.sh): what makes a freshly
# installed Debian one that tests can command.
set -eu

echo board >/etc/hostname
echo '127.0.0.1 localhost board' >/etc/hosts
passwd --delete root >/dev/null
mkdir -p /shared /root/.ssh
# The initial RAM disk has mounted all there is and set the network up.
: >/etc/fstab

# Commands by the second serial port: tests/src/vm.rs.
cat >/etc/systemd/system/answer.service <<'UNIT'
[Unit]
Description=answers to the tests
After=multi-user.target
[Service]
Environment=smearscope_shared=/shared HOME=/root
ExecStart=/bin/bash /shared/guest.sh answer
# A command may wait for a service.
Restart=no
OOMScoreAdjust=-900
[Install]
WantedBy=multi-user.target
UNIT
# A subscriber that forgets nothing, and whose file survives the machine.
cat >/etc/systemd/system/watcher.service <<'UNIT'
[Unit]
Description=all that boards publish of fields, one a line, in /shared/fields
After=mosquitto.service
[Service]
ExecStart=/bin/sh -c 'exec mosquitto_sub -V mqttv5 -x 4294967295 -i watcher -c -q 1 -t smearscope/+/field >>/shared/fields'
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
UNIT
# It has to run on a root folder that can't be written to as well: its log goes to the journal.
sed -i 's/^log_dest .*/log_dest stderr/' /etc/mosquitto/mosquitto.conf
mkdir -p /etc/systemd/system/mosquitto.service.d
printf '[Service]\nExecStartPre=\n' >/etc/systemd/system/mosquitto.service.d/board.conf
sed -i '/^pid_file/d' /etc/mosquitto/mosquitto.conf
# mosquitto writes what it must not forget at its end only, unless told so.
printf 'autosave_on_changes true\nautosave_interval 1\n' >/etc/mosquitto/conf.d/board.conf
# The journal is read after a power cut too.
mkdir -p /var/log/journal /etc/systemd/journald.conf.d
printf '[Journal]\nSyncIntervalSec=1s\n' >/etc/systemd/journald.conf.d/board.conf

# A webcam from the start.
echo vivid >/etc/modules-load.d/vivid.conf
echo 'options vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0' >/etc/modprobe.d/vivid.conf

systemctl enable answer.service watcher.service >/dev/null 2>&1
systemctl disable ssh.service >/dev/null 2>&1
systemctl set-default multi-user.target >/dev/null 2>&1
# Each costs an emulated processor seconds, and nobody misses them here.
systemctl mask systemd-random-seed.service systemd-timesyncd.service systemd-logind.service systemd-update-utmp.service \
    systemd-sysctl.service systemd-pstore.service modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
    modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service e2scrub_reap.service e2scrub_all.timer \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer getty@tty1.service \
    serial-getty@ttyS1.service >/dev/null 2>&1
