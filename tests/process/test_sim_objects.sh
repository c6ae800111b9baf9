#!/bin/bash
# conclave-sim runs what conclaved runs: every object of the product that the simulator links is one that the daemon links, with the same
# hash. Only the twins in memory of the two stores are the simulator's own. Read from the linker's maps of both programs.
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/check.sh"
export LC_ALL=C

cd "${CONCLAVE_BIN_DIR:?where the programs are}"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# `hash archive member` for each object of src/ in a program, from its map.
objects() {
    local archive member
    grep -oE 'libconclave_[a-z]+\.a\([^)]+\)' "$1" | sort -u | grep -v '^libconclave_sim\.a' |
        while IFS='()' read -r archive member; do
            printf '%s %s %s\n' "$(ar p "$archive" "$member" | sha256sum | cut -d ' ' -f 1)" "$archive" "$member"
        done
}

not_older() { # PROGRAM: than the archives that it was linked from
    local archive
    while read -r _ archive _; do
        [[ ! $archive -nt $1 ]] || { printf '%s is older than %s: build both\n' "$1" "$archive"; return 1; }
    done
}

objects conclaved.map >"$directory/daemon"
objects conclave-sim.map >"$directory/simulator"
check 'conclaved is what its archives make' not_older conclaved <"$directory/daemon"
check 'conclave-sim is what its archives make' not_older conclave-sim <"$directory/simulator"

comm -13 <(sort "$directory/daemon") <(sort "$directory/simulator") | cut -d ' ' -f 2- | tee "$directory/own"
check 'the simulator links no other objects, but for the stores in memory' \
    diff "$directory/own" <(printf '%s\n' 'libconclave_kv.a kv_memory.c.o' 'libconclave_log.a log_memory.c.o')

comm -12 <(sort "$directory/daemon") <(sort "$directory/simulator") >"$directory/same"
printf '%d objects are the same in both\n' "$(wc -l <"$directory/same")"
for member in driver.c.o replica.c.o inbound.c.o apply.c.o read.c.o model.c.o ballot_apply.c.o tally.c.o submit.c.o session.c.o handshake.c.o \
    frame.c.o peers_in.c.o log_record.c.o; do
    check "both link $member" grep -q " $member\$" "$directory/same"
done

printf '%d passed, %d failed, 0 skipped\n' "$((17 - failures))" "$failures"
[[ $failures -eq 0 ]]
