#!/bin/bash
# Somebody else's verifier reads our proofs and notes: Go's sumdb packages over trees of 1 to 1,000 leaves and of a million.
# The expected numbers of lines are counted here from what record/samples.c is said to print.
set -euo pipefail

source=${CONCLAVE_SOURCE_DIR:?}/tests/process/record
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$work/cache go build -o "$work/verify" "$source/verify.go"
"${CONCLAVE_BIN_DIR:?}/record-samples" >"$work/samples"
"$work/verify" <"$work/samples" | tee "$work/verified"

# A root for each tree. Of the trees up to 64 leaves: every leaf, and the last again; of the larger ones every third of the tree.
roots=1001
whole=$((64 * 65 / 2 + 64))
expect() { # kind least
    local count
    count=$(awk -v kind="$1" '$1 == kind { print $2 }' "$work/verified")
    [[ ${count:-0} -ge $2 ]] || { printf '%s: %s verified, at least %s wanted\n' "$1" "${count:-0}" "$2" >&2; exit 1; }
}
expect root "$roots"
expect inclusion $((whole + 936 * 4))
expect consistency $((64 * 65 / 2 + 936 * 3))
expect note 1
expect bad-note 1

# And it is awake: a proof with one hash changed, a root of another tree.
tamper() { # what sed-expression
    if sed "$2" "$work/samples" | "$work/verify" >"$work/refused" 2>&1; then
        printf '%s was taken\n' "$1" >&2
        exit 1
    fi
    printf '%s: refused: %s\n' "$1" "$(cut -c 1-120 "$work/refused")"
}
tamper 'a changed inclusion proof' '0,/^inclusion 64 17 ./s//inclusion 64 17 x/'
tamper 'a proof for another leaf' '0,/^inclusion 64 17 /s//inclusion 64 18 /'
tamper 'a root of another tree' '0,/^root 100 /s//root 101 /'
tamper 'a consistency proof from elsewhere' '0,/^consistency 9 64 /s//consistency 10 64 /'
