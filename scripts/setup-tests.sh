#!/usr/bin/env bash
# Everything that `make test` needs, beyond what building the board's part does.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-board.sh
scripts/setup-trainer.sh

# A real broker and independent clients: the tests start their own broker on a free port.
broker_was_there=$(have mosquitto && echo yes || echo no)
apt_need mosquitto have mosquitto
apt_need mosquitto-clients have mosquitto_sub
# Certificates for the bridge's TLS are made at test time.
apt_need openssl have openssl
# Judges our signatures, and makes a key that ours must take.
apt_need minisign have minisign
apt_install
if [[ "$broker_was_there" == no && -d /run/systemd/system ]]; then
    say "Debian also starts mosquitto as a service on port 1883; nothing here uses it: systemctl disable --now mosquitto"
fi

scripts/setup-python.sh

# The page is tested in a real browser where one can be had.
apt_need chromium have chromium
apt_install || skip "browser tests: no chromium to be had"
scripts/setup-web.sh

# Judges the alert rules and what /metrics says.
scripts/setup-promtool.sh

# The camera is tested on real V4L2 devices, and the packages on a board with systemd, in virtual machines.
scripts/setup-board-vm.sh
scripts/setup-packages.sh
