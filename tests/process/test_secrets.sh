#!/bin/bash
# Secrets stay where they are: what a node writes at its chattiest, what the command line prints and what stands in arguments is searched
# for every key and the passphrase, in the forms in which they might appear; a node that is killed by a fault leaves no core; and
# a process of the same user cannot look into it.
# shellcheck disable=SC2317 # functions are called by `check`
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/check.sh"

bin=${CONCLAVE_BIN_DIR:?where the programs are}
directory=$(mktemp -d)
chmod 755 "$directory"
base=$((20500 + RANDOM % 9000))
node=
unset CONCLAVE_ENDPOINTS CONCLAVE_KEY NOTIFY_SOCKET
as=()
if [[ $(id -u) = 0 ]]; then # as a user who is nobody, so that /proc says what others of that user may
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 "$directory"
    cp "$bin/conclave" "$bin/conclaved" "$directory"
    bin=$directory
fi
export HOME=$directory XDG_CONFIG_HOME=$directory/config CONCLAVE_RECEIPTS=off

finish() {
    [[ -z $node ]] || kill -9 "$node" 2>/dev/null || true
    rm -rf "$directory"
}
trap finish EXIT

cd "$directory" # where a core would be
"${as[@]}" mkdir out
said=0
conclave() { # ARGUMENTS...: prints nothing; keeps all that was printed
    said=$((said + 1))
    "${as[@]}" "$bin/conclave" --endpoint "127.0.0.1:$((base + 1))" --ca "$directory/certs/ca.pem" "$@" >"out/$said" 2>&1 </dev/null
}

# --- a node with TLS, at its chattiest, with cores allowed as far as they can be ---

"${as[@]}" "$bin/conclave" init --name c --chair chair --key "$directory/chair.key" --tls --node "1=127.0.0.1:$base,127.0.0.1:$((base + 1))" \
    --out "$directory" >out/init 2>&1
ulimit -c "$(ulimit -H -c)"
start() { # ARGUMENTS...
    "${as[@]}" "$bin/conclaved" --node-id 1 --data-dir "$directory/node1" --log-level debug --tls-ca certs/ca.pem \
        --tls-certificate certs/node1.pem --tls-key certs/node1.key "$@" >>node.log 2>&1 &
    node=$!
    for ((tries = 0; tries < 300; tries++)); do
        ! conclave --key chair.key --timeout 1s status || break
        sleep 0.1
    done
}
start --bootstrap genesis
passphrase='correct horse battery staple 29'
printf '%s\n' "$passphrase" >passphrase
chmod 644 passphrase
conclave key new ada --key ada.key --passphrase-fd 3 3<passphrase
conclave --key chair.key member admit ada --public-key ada.key
conclave --key ada.key --passphrase-fd 3 proposal submit P-1 --title T --body B 3<passphrase
conclave --key chair.key cluster set --reads members
conclave --key ada.key --passphrase-fd 3 member list 3<passphrase
conclave --key ada.key --passphrase-fd 3 member list 3<<<"a wrong passphrase 31" || true
conclave --key nowhere.key member list || true
conclave key show --key ada.key || true
conclave --key chair.key status
conclave certs list certs || true

# --- every secret, in every form ---

{
    printf '%s\n' "$passphrase" 'a wrong passphrase 31'
    for key in chair.key node1.key; do
        seed=$(tail -n 1 "$key")
        raw=$(tr -- '-_' '+/' <<<"$seed=" | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
        [[ ${#raw} = 64 ]] || { printf 'the seed in %s has %s digits\n' "$key" "${#raw}" >&2; exit 1; }
        printf '%s\n%s\n%s\n%s\n' "$seed" "$(tr -- '-_' '+/' <<<"$seed")" "$raw" "${raw^^}"
    done
    for key in certs/*.key; do # a line of each, and the numbers in it
        sed -n 2p "$key"
        openssl pkey -in "$key" -noout -text | sed -n '/^priv:/,/^pub:/p' | grep -v ':$' | tr -d ' :\n' | sed 's/^0*//'
        printf '\n'
    done
} | grep . >secrets
secrets=$(grep -c . secrets)
printf '%s secrets\n' "$secrets"
check 'there are as many as there should be' test "$secrets" -ge 14
clean() { # FILE...
    ! grep -lFf secrets "$@"
}
check 'the search finds them where they are' grep -qFf secrets chair.key
check 'the log is chatty' grep -q 'level=debug' node.log
check 'the log has none' clean node.log
check 'what the command line printed has none' clean out/*
check 'the record has none' clean node1/log/data.mdb node1/state/data.mdb
tr '\0' '\n' <"/proc/$node/cmdline" >out/cmdline
check 'arguments have none' clean out/cmdline

# --- a look from outside ---

check 'no core, of any size' grep -Eq '^Max core file size +0 +0' "/proc/$node/limits"
undumpable() { # what belongs to root although the process does not
    [[ $(stat -c %u "/proc/$node/mem") = 0 && $(awk '/^Uid:/ { print $2 }' "/proc/$node/status") != 0 ]]
}
traceable() { "${as[@]}" timeout 10 strace -qq -o out/strace -p "$node" -e trace=none 2>out/strace.err; }
if [[ ${#as[@]} -gt 0 ]]; then
    check 'it cannot be dumped' undumpable
    if type -P strace >/dev/null; then
        refused_trace() { ! traceable && grep -q 'Operation not permitted' out/strace.err; }
        check 'nor traced by a process of the same user' refused_trace
    fi
    peek() { ! "${as[@]}" head -c 1 "/proc/$node/environ" >out/environ 2>&1; }
    check 'nor its memory read' peek
fi
# The command line protects itself likewise, before it reads a key: a watcher shows it while it waits.
"${as[@]}" "$bin/conclave" --endpoint "127.0.0.1:$((base + 1))" --ca certs/ca.pem --key chair.key watch >out/watch 2>&1 </dev/null &
watcher=$!
watching() {
    for ((tries = 0; tries < 100; tries++)); do
        ! grep -Eq '^Max core file size +0 +0' "/proc/$watcher/limits" || return 0
        sleep 0.1
    done
    return 1
}
check 'the command line leaves no core either' watching
kill "$watcher"
wait "$watcher" 2>/dev/null || true
kill -SEGV "$node"
wait "$node" 2>/dev/null || true
node=
no_core() { [[ -z $(find "$directory" -name 'core*' -newer secrets) ]]; }
check 'a fault leaves no core' no_core
start
check 'and the node comes back' test -e "/proc/$node/status"
check 'the log has none still' clean node.log

# --- files that others could read ---

chmod 644 node1.key
kill "$node"
wait "$node" 2>/dev/null || true
node=
refused() { ! "${as[@]}" "$bin/conclaved" --node-id 1 --data-dir "$directory/node1" >out/refused 2>&1 && grep -q 'chmod 600' out/refused; }
check 'a node key that others may read is refused' refused
cp out/refused out/refused.node
chmod 600 node1.key
chmod 644 certs/node1.key
refused_tls() {
    ! "${as[@]}" "$bin/conclaved" --node-id 1 --data-dir "$directory/node1" --tls-ca certs/ca.pem --tls-certificate certs/node1.pem \
        --tls-key certs/node1.key >out/refused 2>&1 && grep -q 'chmod 600' out/refused
}
check "nor a certificate's" refused_tls

[[ $failures = 0 ]] || cat out/refused.node out/refused
printf '%d failed\n' "$failures"
[[ $failures = 0 ]]
