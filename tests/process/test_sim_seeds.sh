#!/bin/bash
# The simulator over 1,000 seeds of three nodes and 1,000 of five, on all processors. CONCLAVE_SIM_SEEDS asks for another number.
set -euo pipefail

cd "${CONCLAVE_SOURCE_DIR:?the repository}"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failures=0
for nodes in 3 5; do
    if tools/campaign --build "${CONCLAVE_BIN_DIR:?where the programs are}" --nodes "$nodes" --seeds "${CONCLAVE_SIM_SEEDS:-1000}" \
        --out "$directory/$nodes"; then
        printf 'ok - %d nodes\n' "$nodes"
    else
        printf 'not ok - %d nodes\n' "$nodes"
        failures=$((failures + 1))
    fi
done
printf '%d passed, %d failed, 0 skipped\n' "$((2 - failures))" "$failures"
[[ $failures -eq 0 ]]
