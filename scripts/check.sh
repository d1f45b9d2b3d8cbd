# Sourced: runs named checks one after the other, goes on after a failure, and remembers it. The lines `CHECK …` and
# `TESTS …` are what scripts/tally.py counts.
# shellcheck shell=bash

CHECKS_FAILED=0

# checked KIND NAME COMMAND...: KIND is CHECK (counts as one check) or TESTS (prints its own counts).
checked() {
    local kind=$1 name=$2 start=$SECONDS
    shift 2
    say "$name"
    if "$@"; then
        printf '%s %s: ok (%d s)\n' "$kind" "$name" $((SECONDS - start))
    else
        printf '%s %s: FAILED (%d s)\n' "$kind" "$name" $((SECONDS - start))
        CHECKS_FAILED=$((CHECKS_FAILED + 1))
    fi
}

# tallied COMMAND...: shows COMMAND's output, then one line with its counts; fails if COMMAND did.
tallied() {
    local log status
    log=$(mktemp)
    "$@" 2>&1 | tee "$log" && status=0 || status=$?
    python3 "$SMEARSCOPE_ROOT/scripts/tally.py" "$log" "$status" || status=1
    rm -f "$log"
    return "$status"
}
