#!/bin/bash
# cluster/local where things are not as it left them: a port in use, and a directory that was removed under
# running nodes, are told in one line with the address and the pid. Needs conclave and conclaved in CONCLAVE_BIN_DIR.
set -euo pipefail

: "${CONCLAVE_BIN_DIR:?where the programs are}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
directory=$(mktemp -d)
base=$((30000 + RANDOM % 2000))
orphans=()
failures=0
unset CONCLAVE_ENDPOINTS CONCLAVE_KEY NOTIFY_SOCKET

finish() {
    local pid
    "$here/cluster/local" --dir "$directory/one" down >/dev/null 2>&1 || true
    "$here/cluster/local" --dir "$directory/two" down >/dev/null 2>&1 || true
    for pid in "${orphans[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap finish EXIT

check() { # WHAT, then a command that must succeed
    local what=$1
    shift
    if "$@"; then
        printf 'ok - %s\n' "$what"
    else
        printf 'not ok - %s\n  it said: %s\n' "$what" "$said"
        failures=$((failures + 1))
    fi
}

up() { # NAME FLAG...: its exit status in $status, standard error in $said
    status=0
    said=$("$here/cluster/local" --dir "$directory/$1" --port "$base" up "${@:2}" 2>&1 >/dev/null) || status=$?
}

# Which of the nodes died first is up to the machine: the cause names that one's port, and who has it.
holds_port() {
    local n
    for n in 1 2 3; do
        if [[ $status != 0 && $said == *"127.0.0.1:$((base + n)) is in use (by the process with pid ${orphans[n - 1]})"* ]]; then
            return 0
        fi
    done
    return 1
}

up one --nodes 3
check "up succeeds" test "$status" = 0
up one
check "up again is harmless" test "$status" = 0
mapfile -t orphans < <(cat "$directory"/one/node?.pid)

up two --nodes 3
check "a port in use is named, with the process that has it" holds_port

rm -rf "$directory/one"
up one --nodes 3
check "so it is after the directory was removed while the nodes ran" holds_port

[ "$failures" -eq 0 ]
