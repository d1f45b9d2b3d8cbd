# Inside the virtual machines: what a person at their shell and the tests' commands (tests/src/vm.rs) have at hand.
# shellcheck shell=bash
cd "${smearscope_shared:?}" || exit 1

# Where the root folder is the host's, the guest's kernel modules are not where those of the host would be.
if [[ -d /mnt/lib/modules ]]; then
    modprobe() { command modprobe -d /mnt "$@"; }
fi

# camera NAME: the node of the capture device whose name begins so, such as /dev/video3; fails if there is none.
camera() {
    local entry
    for entry in /sys/class/video4linux/*; do
        if [[ "$(cat "$entry/name" 2>/dev/null)" == "$1"* ]]; then
            echo "/dev/${entry##*/}"
            return
        fi
    done
    return 1
}

# Reads commands from the second serial port, a line each, and writes what they say, then a line with their status.
answer() {
    local command
    exec </dev/ttyS1 >/dev/ttyS1 2>&1
    stty raw -echo
    echo ready
    while IFS= read -r command; do
        eval "$command"
        printf '\nstatus %s\n' "$?"
    done
}

if [[ "${1:-}" == answer ]]; then
    answer
fi
