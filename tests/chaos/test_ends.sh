#!/bin/bash
# A run that is cut off leaves nothing behind, neither by kill -9 nor by Ctrl-C, and two side by side do not know of each other.
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../process/support/check.sh"

directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
export TMPDIR=$scratch
runs=()

finish() {
    local pid
    for pid in "${runs[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap finish EXIT

# Processes of a run have its directory in their command line or their working files.
processes() {
    local found=0 command
    for command in /proc/[0-9]*/cmdline; do
        if { tr '\0' ' ' <"$command"; } 2>/dev/null | grep -qF "$scratch/conclave-chaos-"; then
            found=$((found + 1))
        fi
    done
    printf '%d\n' "$found"
}

wait_for() { # SECONDS, then a command that must come to succeed
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

nothing_runs() { [ "$(processes)" = 0 ]; }
nothing_mounted() { ! grep -qF "$scratch" /proc/self/mounts; }
acknowledged() { grep -qs '"op":"cast".*"outcome":"ok"' "$scratch/$1/history.jsonl"; } # OUT

start() { # NAME
    "$directory/run" --nodes 3 --minutes 5 --voters 10 --rate 20 --out "$scratch/$1" >"$scratch/$1.txt" 2>&1 &
    runs+=($!)
}

"$directory/inside" true
start one
start two
for name in one two; do
    check "run $name acknowledges ballots beside the other" wait_for 60 acknowledged "$name"
done
check "their mounts are nobody else's" nothing_mounted

kill -9 "${runs[0]}"
wait "${runs[0]}" 2>/dev/null || true
kill -INT "$(pgrep -P "${runs[1]}")"
check "an interrupted run checks what it has and ends well" wait "${runs[1]}"
[ "$failures" -eq 0 ] || tail -n 20 "$scratch/two.txt"
runs=()
check "after kill -9 and an interruption no process is left" wait_for 20 nothing_runs
check "and no mount" nothing_mounted

[ "$failures" -eq 0 ]
