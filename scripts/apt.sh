# Sourced by the setup scripts: installs Debian packages, and only those that are missing.
# shellcheck shell=bash

# apt_need PACKAGE TEST...: notes PACKAGE unless the command TEST succeeds. Tests look for the thing itself and not for
# the package, so that a compiler or a Node.js from elsewhere counts.
APT_WANTED=()
apt_need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || APT_WANTED+=("$package")
}

# True if some file matches one of the globs.
any_file() { compgen -G "$1" >/dev/null || { shift && (($#)) && any_file "$@"; }; }

# Runs apt-get as root, by sudo if need be; 1 if that is impossible here.
apt_run() {
    local sudo=()
    if ((EUID != 0)); then
        have sudo || return 1
        sudo=(sudo)
        [[ -t 0 ]] || sudo+=(-n)
    fi
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

# apt_install: installs what apt_need noted and forgets it; 1, with one sentence, if that fails.
apt_install() {
    local wanted=("${APT_WANTED[@]}") log status=0
    APT_WANTED=()
    ((${#wanted[@]})) || return 0
    if ! have apt-get; then
        printf 'error: these are missing, and this is no Debian: %s. Install what your system calls them.\n' "${wanted[*]}" >&2
        return 1
    fi
    say "apt-get install ${wanted[*]}"
    log=$(mktemp)
    # The package lists may be absent or old: a failure is final only after an update.
    {
        apt_run install -y --no-install-recommends "${wanted[@]}" ||
            { apt_run update && apt_run install -y --no-install-recommends "${wanted[@]}"; }
    } >"$log" 2>&1 </dev/null || status=1
    if ((status)); then
        tail -n 15 "$log" >&2
        printf 'error: could not install %s; as root: apt-get update && apt-get install %s\n' "${wanted[*]}" "${wanted[*]}" >&2
    fi
    rm -f "$log"
    return $status
}
