# shellcheck shell=bash
# For tests in shell, which source it: what was checked, a line each, and how many of them were wrong.

failures=0

check() { # WHAT, then a command that must succeed
    local what=$1
    shift
    if "$@"; then
        printf 'ok - %s\n' "$what"
    else
        printf 'not ok - %s\n' "$what"
        failures=$((failures + 1))
    fi
}
