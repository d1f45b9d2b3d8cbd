#!/usr/bin/env bash
# Holds programs for boards against what boards have: a C library as old as OLDEST_GLIBC and no other library, and little
# room: 25 MB beside the model that is in the program. A PC has room, and code for each of its vector units: 32 MB.
#
#   scripts/check-binary.sh PROGRAM...
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/zig.sh
source "$SMEARSCOPE_ROOT/scripts/zig.sh"

model=$(stat -c %s "$SMEARSCOPE_ROOT/edge/models/default.onnx")
for program in "$@"; do
    glibc=$(objdump -T "$program" | grep -oE 'GLIBC_[0-9.]+' | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
    [[ -n "$glibc" ]] || die "$program says nothing of the C library that it needs."
    [[ "$(printf '%s\n' "$glibc" "$OLDEST_GLIBC" | sort -V | tail -n 1)" == "$OLDEST_GLIBC" ]] ||
        die "$program needs glibc $glibc, more than $OLDEST_GLIBC: $(objdump -T "$program" | grep -F "GLIBC_$glibc" | awk '{print $NF}' | sort -u | head -n 5 | xargs)."
    # All of them belong to glibc.
    others=$(objdump -p "$program" | awk '$1 == "NEEDED" {print $2}' |
        grep -vE '^(lib(c|m|dl|rt|pthread)|ld-linux-.*)\.so\.[0-9]+$' | xargs) || true
    [[ -z "$others" ]] || die "$program needs libraries that a board may lack: $others."
    most=25000000
    ! objdump -f "$program" | grep -q 'architecture: i386:x86-64' || most=32000000
    own=$(($(stat -c %s "$program") - model))
    ((own <= most)) || die "$program takes $own bytes beside its model, more than $most."
    say "$(basename "$program"): glibc >= $glibc, $own bytes beside the model ($model)"
done
